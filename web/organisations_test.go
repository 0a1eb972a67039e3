package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestOnboardingOfAnOrganisation(t *testing.T) {
	s := newTestServer(t)
	operator := s.signInAs(t, "operator")
	form := url.Values{"id": {"demo-new-agency"}, "organisation_kind": {"agency"}}
	doc := want(t, s.post(t, "/console/organisations/new", form, "Cookie", operator), http.StatusUnprocessableEntity)
	if doc.Find("#id").AttrOr("value", "") != "demo-new-agency" {
		t.Error("what was typed is lost")
	}
	form.Set("name.en", "Demo Agency of a test")
	path := strings.Split(s.sent(t, s.post(t, "/console/organisations/new", form, "Cookie", operator)), "?")[0]
	want(t, s.post(t, "/console/organisations/new", form, "Cookie", operator), http.StatusUnprocessableEntity)

	doc = want(t, s.post(t, path, url.Values{"act": {"check"}, "check": {"licence"}, "document": {"L-1"}, "expires": {"tomorrow"}}, "Cookie", operator), http.StatusUnprocessableEntity)
	if doc.Find("#document-licence").AttrOr("value", "") != "L-1" {
		t.Error("the document that was typed is lost")
	}
	s.sent(t, s.post(t, path, url.Values{"act": {"check"}, "check": {"licence"}, "document": {"L-1"}, "expires": {"2020-01-01"}}, "Cookie", operator))
	if doc = s.page(t, path, "Cookie", operator); doc.Find(".pill.stop").Length() != 1 {
		t.Error("an expired licence does not stand out")
	}
	if got := text(s.page(t, "/console", "Cookie", operator).Find(".console-tasks .urgent")); !strings.Contains(got, "Demo Agency of a test") {
		t.Errorf("the operator is not told: %q", got)
	}

	want(t, s.post(t, path, url.Values{"act": {"invite"}, "email": {"nobody"}}, "Cookie", operator), http.StatusUnprocessableEntity)
	s.sent(t, s.post(t, path, url.Values{"act": {"invite"}, "email": {"first@example.org"}}, "Cookie", operator))
	if got := text(s.page(t, path, "Cookie", operator).Find("#members ~ ul")); !strings.Contains(got, "first@example.org") {
		t.Errorf("the invited owner is not listed: %q", got)
	}
	want(t, s.get(t, path, "Cookie", s.signInAs(t, "agency")), http.StatusForbidden)
	want(t, s.get(t, "/console/organisations/none-such", "Cookie", operator), http.StatusNotFound)
	if s.page(t, "/console/organisations?kind=agency", "Cookie", operator).Find("table.list tbody tr").Length() < 6 {
		t.Error("the list lacks agencies")
	}
	s.page(t, "/console/claims", "Cookie", operator)
}
