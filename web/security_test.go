package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/medtour/medtour/catalog"
)

// A partner who has proved the e-mail address alone is led to set up a second
// proof, and from then on to give it; nothing of the console is seen before.
func TestPartnersProveMore(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "prove-more", catalog.Agency)
	email := "editor@prove-more.example"
	weak := s.signedIn(t, email, "198.51.111.1")
	if got := s.sent(t, s.get(t, "/console/about", "Cookie", weak)); got != "/sign-in/second?return=%2Fconsole%2Fabout" {
		t.Fatalf("the console leads to %s", got)
	}
	want(t, s.form(t, "/console/about", url.Values{"name.en": {"x"}}, "Cookie", weak), http.StatusForbidden)
	if got := s.sent(t, s.get(t, "/sign-in/second?return=%2Fconsole%2Fabout", "Cookie", weak)); got != "/account/security?return=%2Fconsole%2Fabout" {
		t.Errorf("who has no second proof is led to %s", got)
	}
	s.page(t, "/account/security?return=%2Fconsole%2Fabout", "Cookie", weak)
	setup := s.sent(t, s.form(t, "/account/security/code/new", url.Values{"return": {"/console/about"}}, "Cookie", weak))
	doc := s.page(t, setup, "Cookie", weak)
	if !strings.HasPrefix(doc.Find("img.qr").AttrOr("src", ""), "data:image/png;base64,") {
		t.Error("there is nothing to scan")
	}
	secret := strings.ReplaceAll(text(doc.Find("code.secret")), " ", "")
	code := func(when time.Time) string {
		c, err := totp.GenerateCode(secret, when)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	send := func(path, code, cookie string) answer {
		return s.form(t, path, url.Values{"code": {code}, "return": {"/console/about"}}, "Cookie", cookie)
	}
	if doc := want(t, send("/account/security/code/confirm", "000000", weak), http.StatusUnauthorized); doc.Find("#error-code").Length() != 1 || doc.Find("img.qr").Length() != 1 {
		t.Error("a wrong code is not said beside the field")
	}
	confirmed := send("/account/security/code/confirm", code(time.Now()), weak)
	codes := want(t, confirmed, http.StatusOK).Find(".recovery code")
	strong := cookieOf(t, confirmed)
	if codes.Length() != 10 || strong == weak {
		t.Errorf("%d recovery codes, or the session goes on under its id", codes.Length())
	}
	s.page(t, "/console/about", "Cookie", strong)
	s.sent(t, s.get(t, "/account", "Cookie", weak))

	// The next sign-in needs it, and the link alone changes nothing of it.
	weak = s.signedIn(t, email, "198.51.111.1")
	for _, path := range []string{"/account/security/code/new", "/account/security/code/remove", "/account/passkeys/remove"} {
		want(t, s.form(t, path, nil, "Cookie", weak), http.StatusForbidden)
	}
	if got := s.sent(t, s.get(t, "/account/security", "Cookie", weak)); got != "/sign-in/second?return=%2Faccount%2Fsecurity" {
		t.Errorf("the second proofs are shown to the link alone: %s", got)
	}
	if doc := want(t, send("/sign-in/second", code(time.Now()), weak), http.StatusUnauthorized); doc.Find("#error-code").Length() != 1 {
		t.Error("a code that was used is not refused beside the field")
	}
	given := send("/sign-in/second", codes.First().Text(), weak)
	if got := s.sent(t, given); got != "/console/about" || cookieOf(t, given) == weak {
		t.Errorf("a recovery code leads to %s", got)
	}
	strong = cookieOf(t, given)
	weak = s.signedIn(t, email, "198.51.111.1")
	for range 6 {
		given = send("/sign-in/second", "000000", weak)
	}
	want(t, given, http.StatusTooManyRequests)
	s.page(t, "/console/about", "Cookie", strong)
	if got := s.sent(t, s.form(t, "/account/security/code/remove", nil, "Cookie", strong)); got != "/account/security" {
		t.Errorf("removing leads to %s", got)
	}
}

// Patients need no second proof.
func TestPatientsNeedALinkAlone(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signedIn(t, "patient-alone@example.org", "198.51.112.1")
	want(t, s.get(t, "/account", "Cookie", cookie), http.StatusOK)
	if doc := s.page(t, "/account/security", "Cookie", cookie); doc.Find(".note.stop").Length() != 0 {
		t.Error("a patient is told to set up a second proof")
	}
}
