package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
)

// letterTo returns the path of the link in the latest mail to an address.
func (s *testServer) letterTo(t testing.TB, email string) string {
	t.Helper()
	for _, l := range s.page(t, "/mailbox").Find(".letter").EachIter() {
		if strings.Contains(l.Text(), email) {
			return strings.TrimPrefix(l.Find("a").AttrOr("href", ""), s.URL)
		}
	}
	t.Fatalf("no mail to %s", email)
	return ""
}

// actions lists what the audit trail says was done for an organisation, the
// first act first.
func (s *testServer) actions(t testing.TB, organisation string) []string {
	t.Helper()
	lines, _, err := s.Audit.Find(t.Context(), account.AuditFilter{Owner: organisation}, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range lines {
		out = append(out, l.Action)
	}
	slices.Reverse(out)
	return out
}

func TestMembersJourney(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "members", catalog.Agency)
	owner := s.as(t, "owner@members.example")
	invite := func(email, lang string) answer {
		return s.form(t, "/console/members/invite", url.Values{"email": {email}, "role": {"editor"}, "lang": {lang}}, "Cookie", owner)
	}
	if got := s.sent(t, invite("Fatima@members.example ", "ar")); got != "/console/members?done=invite" {
		t.Fatalf("inviting leads to %s", got)
	}
	link := s.letterTo(t, "fatima@members.example")
	if !strings.HasPrefix(link, "/ar/invitations?token=") {
		t.Fatalf("the link is %s", link)
	}
	doc := s.page(t, link)
	if !strings.Contains(text(doc.Find("main")), "Test members") || doc.Find("h1").Length() != 1 {
		t.Errorf("the invitation says %q", text(doc.Find("main")))
	}
	token := url.Values{"token": {doc.Find("main [name=token]").AttrOr("value", "")}}
	accepted := s.form(t, "/ar/invitations", token, "Cookie", "session=planted")
	fatima := cookieOf(t, accepted)
	for name, a := range map[string]answer{"seen again": s.get(t, link), "sent again": s.form(t, "/ar/invitations", token)} {
		if doc := want(t, a, http.StatusGone); len(a.Cookies()) != 0 || doc.Find(".note.stop").Length() != 1 {
			t.Errorf("%s: a session, or no word of what is wrong", name)
		}
	}
	if got := s.sent(t, s.get(t, link, "Cookie", fatima)); got != "/ar/console" {
		t.Errorf("for whoever accepted it the link leads to %s", got)
	}
	if doc := want(t, invite("fatima@members.example", "en"), http.StatusConflict); doc.Find("#error-email").Length() != 1 || doc.Find("#email").AttrOr("value", "") != "fatima@members.example" {
		t.Error("inviting a member is not refused beside the field")
	}
	want(t, invite("no address", "en"), http.StatusUnprocessableEntity)

	// What a member may do changes at once, in sessions that are open.
	fatima = s.as(t, "fatima@members.example")
	s.page(t, "/console/about", "Cookie", fatima)
	set := func(role string) answer {
		return s.form(t, "/console/members/role", url.Values{"email": {"fatima@members.example"}, "role": {role}}, "Cookie", owner)
	}
	s.sent(t, set("viewer"))
	want(t, s.get(t, "/console/about", "Cookie", fatima), http.StatusForbidden)
	want(t, set("king"), http.StatusUnprocessableEntity)
	s.sent(t, s.form(t, "/console/members/remove", url.Values{"email": {"fatima@members.example"}}, "Cookie", owner))
	if got := s.sent(t, s.get(t, "/console", "Cookie", fatima)); got != "/console/organisation" {
		t.Errorf("who was removed is led to %s", got)
	}
	if a := s.form(t, "/console/about", url.Values{"name.en": {"Mine"}, "revision": {"1"}}, "Cookie", fatima); a.Header.Get("Location") != "/console/organisation" {
		t.Errorf("an act of who was removed: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}

	s.sent(t, invite("withdrawn@members.example", "en"))
	link = s.letterTo(t, "withdrawn@members.example")
	members := s.page(t, "/console/members", "Cookie", owner)
	s.sent(t, s.form(t, "/console/members/withdraw", url.Values{"invitation": {members.Find("main [name=invitation]").AttrOr("value", "")}}, "Cookie", owner))
	want(t, s.get(t, link), http.StatusGone)

	for _, act := range []string{"remove", "leave"} {
		if a := s.form(t, "/console/members/"+act, url.Values{"email": {"owner@members.example"}}, "Cookie", owner); a.StatusCode != http.StatusConflict {
			t.Errorf("the last owner, %s: status %d", act, a.StatusCode)
		}
	}
	if got := s.sent(t, s.form(t, "/console/members/leave", nil, "Cookie", s.as(t, "finance@members.example"))); got != "/account" {
		t.Errorf("leaving leads to %s", got)
	}
	got := s.actions(t, "members")
	if want := []string{"member.invite", "member.join", "member.role", "member.remove", "member.invite", "member.withdraw", "member.leave"}; !slices.Equal(got, want) {
		t.Errorf("the audit trail says %v, want %v", got, want)
	}
	csv := s.get(t, "/console/members?format=csv", "Cookie", owner)
	if n := strings.Count(csv.Body, "@members.example"); csv.StatusCode != http.StatusOK || n != 4 {
		t.Errorf("the file has %d members, status %d", n, csv.StatusCode)
	}
}

// Who is invited and signs in with the address finds the invitation there.
func TestInvitedBySignIn(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "invited", catalog.Agency)
	owner := s.as(t, "owner@invited.example")
	for _, email := range []string{"yes@invited.example", "no@invited.example"} {
		s.sent(t, s.form(t, "/console/members/invite", url.Values{"email": {email}, "role": {"finance"}}, "Cookie", owner))
	}
	answer := func(email, say, want string) {
		t.Helper()
		cookie := s.signedIn(t, email, "198.51.110.1")
		doc := s.page(t, "/account", "Cookie", cookie)
		form := url.Values{"invitation": {doc.Find("main [name=invitation]").AttrOr("value", "")}, "answer": {say}}
		stranger := s.signedIn(t, "stranger."+email, "198.51.110.1")
		if a := s.form(t, "/account/invitations", form, "Cookie", stranger); a.StatusCode != http.StatusNotFound {
			t.Errorf("a stranger answers: status %d", a.StatusCode)
		}
		if got := s.sent(t, s.form(t, "/account/invitations", form, "Cookie", cookie)); got != want {
			t.Errorf("%s leads to %s", say, got)
		}
	}
	answer("yes@invited.example", "accept", "/console")
	answer("no@invited.example", "decline", "/account")
	members, err := s.Accounts.Members(t.Context(), "invited")
	if err != nil || len(members) != len(account.Roles)+1 {
		t.Errorf("members %v, %v", members, err)
	}
}
