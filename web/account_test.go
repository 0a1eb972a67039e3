package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

// form sends a form with headers, pairs of name and value.
func (s *testServer) form(t testing.TB, path string, form url.Values, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, req, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

// mailed asks for a link and returns its path from the mailbox.
func (s *testServer) mailed(t testing.TB, lang, email, returnPath, client string) string {
	t.Helper()
	in := func(path string) string { return templates.Page{}.URLIn(lang, path) }
	want(t, s.form(t, in("/sign-in"), url.Values{"email": {email}, "return": {returnPath}}, "X-Forwarded-For", client), http.StatusOK)
	for _, l := range s.page(t, in("/mailbox")).Find(".letter").EachIter() {
		if strings.Contains(l.Text(), strings.ToLower(email)) {
			return strings.TrimPrefix(l.Find("a").AttrOr("href", ""), s.URL)
		}
	}
	t.Fatalf("no mail to %s", email)
	return ""
}

// press sends the form of the page behind a link.
func (s *testServer) press(t testing.TB, link string, headers ...string) answer {
	t.Helper()
	form := s.page(t, link).Find("main form")
	return s.form(t, form.AttrOr("action", ""), url.Values{"token": {form.Find("[name=token]").AttrOr("value", "")}}, headers...)
}

// cookieOf returns the session's cookie that an answer sets, as a header.
func cookieOf(t testing.TB, a answer) string {
	t.Helper()
	for _, c := range a.Cookies() {
		if c.Name == "session" && c.Value != "" {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
				t.Errorf("the cookie is %s", c)
			}
			return c.Name + "=" + c.Value
		}
	}
	t.Fatalf("%s: status %d sets no session", a.Request.URL, a.StatusCode)
	return ""
}

func (s *testServer) signedIn(t testing.TB, email, client string) string {
	t.Helper()
	return cookieOf(t, s.press(t, s.mailed(t, "en", email, "", client)))
}

func TestSignInJourney(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "tuina-warm-hands-slow-days", 7)
	booking := s.booked(t, "en", "tuina-warm-hands-slow-days", url.Values{"start": {start.Key}})
	mails := s.page(t, "/mailbox")
	if mails.Find(`.letter a[href="`+s.URL+booking+`"]`).Length() != 1 || mails.Find(".note.stop").Length() != 1 || mails.Find(`meta[name=robots][content=noindex]`).Length() != 1 {
		t.Error("the mail about the deposit is not in the marked mailbox once")
	}
	if got := s.sent(t, s.get(t, "/account")); got != "/sign-in?return=%2Faccount" {
		t.Errorf("without a session the account leads to %s", got)
	}
	for i, lang := range catalog.Languages {
		in := func(path string) string { return templates.Page{}.URLIn(lang, path) }
		link := s.mailed(t, lang, person.Get("email"), in("/account"), "198.51.100."+strconv.Itoa(i))
		if i >= 5 {
			continue // the address has had enough links by now
		}
		// Programs that scan mail open the link as well.
		s.page(t, link)
		pressed := s.press(t, link, "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		if got := s.sent(t, pressed); got != in("/account") {
			t.Errorf("%s: signing in leads to %s", lang, got)
		}
		cookie := cookieOf(t, pressed)
		a := s.get(t, in("/account"), "Cookie", cookie)
		doc := want(t, a, http.StatusOK)
		if doc.Find(`.account-list a[href="`+in(booking)+`"]`).Length() != 1 {
			t.Errorf("%s: the booking is not listed", lang)
		}
		if !strings.Contains(text(doc.Find(".account-device")), "Firefox · Linux") || a.Header.Get("Cache-Control") != "no-store" || doc.Find("h1").Length() != 1 {
			t.Errorf("%s: the device is not listed, or the page may be kept", lang)
		}
		if got := s.sent(t, s.form(t, in("/sign-out"), url.Values{}, "Cookie", cookie)); got != in("/sign-in") {
			t.Errorf("%s: signing out leads to %s", lang, got)
		}
		s.sent(t, s.get(t, in("/account"), "Cookie", cookie))
	}
}

func TestSignInOthersBookingsStayTheirs(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "tuina-warm-hands-slow-days", 8)
	s.booked(t, "en", "tuina-warm-hands-slow-days", url.Values{"start": {start.Key}})
	for _, email := range []string{"someone.else@example.org", "aria@example.org", "maria@example.or.example"} {
		doc := want(t, s.get(t, "/account", "Cookie", s.signedIn(t, email, "198.51.101.1")), http.StatusOK)
		if n := doc.Find(`main a[href^="/bookings/"]`).Length(); n != 0 {
			t.Errorf("%s sees %d bookings", email, n)
		}
	}
}

func TestSignInBadLinks(t *testing.T) {
	s := newTestServer(t)
	link := s.mailed(t, "en", "links@example.org", "", "198.51.102.1")
	token := url.Values{"token": {link[strings.Index(link, "=")+1:]}}
	cookie := cookieOf(t, s.press(t, link))
	for name, a := range map[string]answer{"used, seen": s.get(t, link), "used, sent": s.form(t, "/sign-in/verify", token)} {
		if doc := want(t, a, http.StatusGone); doc.Find(`.note[role=alert]`).Length() != 1 || doc.Find("#email").Length() != 1 || len(a.Cookies()) != 0 {
			t.Errorf("%s: no word and no way on, or a session", name)
		}
	}
	if got := s.sent(t, s.form(t, "/sign-in/verify", token, "Cookie", cookie)); got != "/account" {
		t.Errorf("a second press leads to %s", got)
	}
	for _, forged := range []string{"", "x", strings.Repeat("A", 43), "%00"} {
		if a := s.get(t, "/sign-in/verify?token="+forged); a.StatusCode != http.StatusNotFound {
			t.Errorf("forged %q: status %d", forged, a.StatusCode)
		}
	}
}

func TestSignInFixation(t *testing.T) {
	s := newTestServer(t)
	planted := s.signedIn(t, "attacker@example.org", "198.51.103.1")
	for _, before := range []string{planted, "session=chosen-by-an-attacker"} {
		after := cookieOf(t, s.press(t, s.mailed(t, "en", "victim@example.org", "", "198.51.103.2"), "Cookie", before))
		if after == before {
			t.Error("the session that the browser had goes on")
		}
		s.sent(t, s.get(t, "/account", "Cookie", before))
	}
}

func TestSignInStaysHere(t *testing.T) {
	s := newTestServer(t)
	for i, path := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "evil.example"} {
		link := s.mailed(t, "en", "redirect"+strconv.Itoa(i)+"@example.org", path, "198.51.104.1")
		if got := s.sent(t, s.press(t, link)); got != "/account" {
			t.Errorf("%q leads to %s", path, got)
		}
	}
	if got := s.get(t, "/en/%09/evil.example").Header.Get("Location"); got != "/" {
		t.Errorf("a prefix and a tab lead to %q", got)
	}
}

func TestSignInRefusesOtherSites(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signedIn(t, "csrf@example.org", "198.51.105.1")
	for _, path := range []string{"/sign-in", "/sign-in/verify", "/sign-out", "/account/sessions"} {
		if a := s.form(t, path, url.Values{}, "Cookie", cookie, "Origin", "https://evil.example"); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	want(t, s.get(t, "/account", "Cookie", cookie), http.StatusOK)
}

func TestSignInThrottled(t *testing.T) {
	s := newTestServer(t)
	ask := func(email, client string) answer {
		return s.form(t, "/sign-in", url.Values{"email": {email}}, "X-Forwarded-For", client)
	}
	letters := func() int { return s.page(t, "/mailbox").Find(`.letter:contains("often@example.org")`).Length() }
	first := text(want(t, ask("often@example.org", "198.51.106.1"), http.StatusOK).Find("main"))
	for range 6 {
		if again := text(want(t, ask("often@example.org", "198.51.106.1"), http.StatusOK).Find("main")); again != first {
			t.Errorf("the answer tells that the address is known: %q", again)
		}
	}
	if n := letters(); n != 5 {
		t.Errorf("%d mails, want 5", n)
	}
	last := http.StatusOK
	for i := 0; i < 40 && last == http.StatusOK; i++ {
		last = ask("many"+strconv.Itoa(i)+"@example.org", "2001:db8::"+strconv.Itoa(i+1)).StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("a client with many addresses of its network: status %d", last)
	}
	doc := want(t, ask("<b>no address", "198.51.106.2"), http.StatusUnprocessableEntity)
	if doc.Find("#email").AttrOr("value", "") != "<b>no address" || doc.Find("#error-email").Length() != 1 {
		t.Error("what was typed or what is wrong with it is not shown")
	}
}

func TestSignInRevoke(t *testing.T) {
	s := newTestServer(t)
	here, there := s.signedIn(t, "two@example.org", "198.51.107.1"), s.signedIn(t, "two@example.org", "198.51.107.1")
	doc := want(t, s.get(t, "/account", "Cookie", here), http.StatusOK)
	form := url.Values{"session": {doc.Find("[name=session]").AttrOr("value", "")}}
	stranger := s.signedIn(t, "stranger@example.org", "198.51.107.1")
	want(t, s.form(t, "/account/sessions", form, "Cookie", stranger), http.StatusNotFound)
	want(t, s.form(t, "/account/sessions", form), http.StatusUnauthorized)
	want(t, s.get(t, "/account", "Cookie", there), http.StatusOK)
	s.sent(t, s.form(t, "/account/sessions", form, "Cookie", here))
	s.sent(t, s.get(t, "/account", "Cookie", there))
	third := s.signedIn(t, "two@example.org", "198.51.107.1")
	s.sent(t, s.form(t, "/sign-out", url.Values{"everywhere": {"yes"}}, "Cookie", here))
	for _, cookie := range []string{here, third} {
		s.sent(t, s.get(t, "/account", "Cookie", cookie))
	}
	want(t, s.get(t, "/account", "Cookie", stranger), http.StatusOK)
}

// On an encrypted site the cookie is bound to the host, and mail that nobody
// would send is not promised.
func TestSignInOnALiveSite(t *testing.T) {
	base := newTestServer(t)
	cfg := base.Config
	cfg.BaseURL, cfg.Demo = "https://medtour.example", false
	site, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site)
	defer server.Close()
	live := &testServer{Server: site, URL: server.URL}
	want(t, live.form(t, "/sign-in", url.Values{"email": {"live@example.org"}}), http.StatusServiceUnavailable)
	want(t, live.get(t, "/mailbox"), http.StatusNotFound)
	token, err := cfg.Accounts.RequestLink(t.Context(), "live@example.org", "198.51.108.1", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range live.form(t, "/sign-in/verify", url.Values{"token": {token}}).Cookies() {
		if c.Name == "__Host-session" && c.Secure && c.Path == "/" && c.Domain == "" {
			return
		}
	}
	t.Error("no cookie bound to the host")
}
