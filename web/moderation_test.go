package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// submitted makes an offering of the demo hospital that waits for the operator.
func (s *testServer) submitted(t testing.TB, id string) catalog.Offering {
	t.Helper()
	o := catalog.Offering{ID: id, TreatmentID: "icl", HospitalID: "demo-hospital", Name: catalog.Text{"en": "Lens surgery, demonstration"},
		Claims: []catalog.Claim{{Kind: catalog.ClaimFact, Text: catalog.Text{"en": "Made up for a test."}, Source: catalog.Source{Address: "https://example.org/source", Grade: catalog.GradeHospital}}}}
	by := catalog.Edit{Author: "hospital@demo.example", Reason: "please look"}
	if _, err := s.Catalog.Offerings.Save(t.Context(), o, by); err != nil {
		t.Fatal(err)
	}
	if err := s.Catalog.Offerings.Move(t.Context(), id, catalog.Submitted, by); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestModeration(t *testing.T) {
	s := newTestServer(t)
	s.submitted(t, "icl-at-demo-moderated")
	operator, path := s.signInAs(t, "operator"), "/console/listings/offering/icl-at-demo-moderated"
	if s.page(t, "/console/queue", "Cookie", operator).Find("a[href='"+path+"']").Length() != 1 {
		t.Fatal("the queue does not have what was submitted")
	}
	doc := s.page(t, path, "Cookie", operator)
	if doc.Find("a[href='https://example.org/source'][target=_blank]").Length() != 1 || doc.Find("table.difference tbody tr").Length() == 0 {
		t.Error("the source of a claim, or what changes, is not shown")
	}
	revision := doc.Find("input[name=revision]").AttrOr("value", "")
	decide := func(form url.Values) answer {
		form.Set("revision", revision)
		return s.post(t, path, form, "Cookie", operator)
	}
	want(t, decide(url.Values{"act": {"return"}}), http.StatusUnprocessableEntity)
	want(t, s.post(t, path, url.Values{"act": {"approve"}, "revision": {"1"}}, "Cookie", operator), http.StatusConflict)
	want(t, decide(url.Values{"act": {"suspend"}, "reason": {"x"}}), http.StatusConflict)
	if got := s.sent(t, decide(url.Values{"act": {"approve"}, "verified": {"0"}})); got != "/console/queue?done=approve" {
		t.Errorf("approving leads to %s", got)
	}
	o, err := s.Catalog.Offerings.Get(t.Context(), "icl-at-demo-moderated")
	if err != nil || o.Claims[0].VerifiedBy != "operator@demo.example" {
		t.Errorf("%+v, %v: not published, or nobody is said to have read the source", o, err)
	}
	doc = s.page(t, path, "Cookie", operator)
	revision = doc.Find("input[name=revision]").AttrOr("value", "")
	if doc.Find("button[value=approve]").Length() != 0 || doc.Find("button[value=suspend]").Length() != 1 {
		t.Error("what is published offers the wrong acts")
	}
	s.sent(t, decide(url.Values{"act": {"suspend"}, "reason": {"the source is gone"}}))
	if _, err := s.Catalog.Offerings.Get(t.Context(), "icl-at-demo-moderated"); !fault.Is(err, fault.NotFound) {
		t.Errorf("suspended, but patients see it: %v", err)
	}
	hospital := s.signInAs(t, "hospital")
	if got := text(s.page(t, "/console/audit", "Cookie", hospital).Find("table")); !strings.Contains(got, "the source is gone") {
		t.Error("the owner's audit trail does not say why")
	}
	n, _ := strconv.Atoi(revision)
	if h, err := s.Catalog.Offerings.History(t.Context(), "icl-at-demo-moderated"); err != nil || len(h) != n+1 {
		t.Errorf("%d revisions, %v", len(h), err)
	}
}

func TestReturnedSubmission(t *testing.T) {
	s := newTestServer(t)
	s.submitted(t, "icl-at-demo-returned")
	operator, path := s.signInAs(t, "operator"), "/console/listings/offering/icl-at-demo-returned"
	s.sent(t, s.post(t, path, url.Values{"act": {"return"}, "reason": {"name the team"}, "revision": {"2"}}, "Cookie", operator))
	l, err := s.Catalog.Offerings.Listing(t.Context(), "icl-at-demo-returned")
	if err != nil || l.State != catalog.Draft || l.Reason != "name the team" {
		t.Errorf("%s %q, %v", l.State, l.Reason, err)
	}
}

func TestListingsOfTheOperator(t *testing.T) {
	s := newTestServer(t)
	operator := s.signInAs(t, "operator")
	for path, least := range map[string]int{"/console/listings": 20, "/console/listings?kind=hospital&q=ruijin": 1, "/console/listings?kind=package&state=published": 20} {
		if n := s.page(t, path, "Cookie", operator).Find("table.list tbody tr").Length(); n < least {
			t.Errorf("%s: %d rows", path, n)
		}
	}
	want(t, s.get(t, "/console/listings?kind=unicorn", "Cookie", operator), http.StatusNotFound)
	want(t, s.get(t, "/console/listings/offering/nothing", "Cookie", operator), http.StatusNotFound)
	want(t, s.get(t, "/console/queue", "Cookie", s.signInAs(t, "agency")), http.StatusForbidden)
}
