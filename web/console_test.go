package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// signInAs signs a browser in as one of the people of the demonstration and
// returns its cookie.
func (s *testServer) signInAs(t testing.TB, who string) string {
	t.Helper()
	a := s.post(t, "/demo/sign-in", url.Values{"as": {who}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in as %s: status %d", who, a.StatusCode)
	}
	for _, c := range a.Cookies() {
		if c.Name == "session" {
			return c.Name + "=" + c.Value
		}
	}
	t.Fatalf("signing in as %s sets no session", who)
	return ""
}

func TestConsoleNeedsAMember(t *testing.T) {
	s := newTestServer(t)
	if a := s.get(t, "/console"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in?return=%2Fconsole" {
		t.Errorf("a stranger: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	if a := s.get(t, "/console", "Cookie", s.signInAs(t, "patient")); a.Header.Get("Location") != "/console/organisation" {
		t.Errorf("a patient: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	for _, who := range []string{"hospital", "agency", "operator"} {
		cookie := s.signInAs(t, who)
		doc := s.page(t, "/console", "Cookie", cookie)
		if n := doc.Find(".console-side nav a[aria-current=page]").Length(); n != 1 {
			t.Errorf("%s: %d current entries in the navigation", who, n)
		}
		if got := text(doc.Find(".console-side .console-org strong")); got != text(doc.Find("h1")) {
			t.Errorf("%s: acts for %q below the heading %q", who, got, text(doc.Find("h1")))
		}
	}
}

func TestConsoleInOtherLanguagesIsEnglish(t *testing.T) {
	s := newTestServer(t)
	a := s.get(t, "/ar/console", "Cookie", s.signInAs(t, "agency"))
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/console" {
		t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
}

func TestPlainCells(t *testing.T) {
	got := strings.Join(plainCells([]string{"=HYPERLINK(1)", "+1", "-1", "@x", "plain", "", "a=b"}), "|")
	if want := "'=HYPERLINK(1)|'+1|'-1|'@x|plain||a=b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
