package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
)

// newDepartment publishes a department of a hospital of the starting catalogue,
// with a member of each role.
func (s *testServer) newDepartment(t testing.TB, id, hospital string) {
	t.Helper()
	org := s.newOrganisation(t, id, catalog.HospitalDepartment)
	org.HospitalID = hospital
	if _, err := s.Catalog.Organisations.Publish(t.Context(), org, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
}

// caseOf returns the path of the latest booking of a hospital in its console.
func (s *testServer) caseOf(t testing.TB, hospital string) string {
	t.Helper()
	page, err := s.Checkout.Bookings(t.Context(), checkout.Filter{HospitalID: hospital}, 1, "")
	if err != nil || len(page.Items) == 0 {
		t.Fatalf("no booking: %v", err)
	}
	return "/console/cases/" + page.Items[0].ID
}

// A hospital asks, estimates and accepts; the patient is told each time, and
// the audit trail has every step.
func TestHospitalAnswersABooking(t *testing.T) {
	s := newTestServer(t)
	const pkg, hospital = "icl-by-the-west-bund", "eent-fudan"
	s.newDepartment(t, "case-department", hospital)
	owner := s.as(t, "owner@case-department.example")
	start := s.openStart(t, pkg, 3)
	booking := s.booked(t, "en", pkg, url.Values{"start": {start.Key}, "companions": {"0"}, "currency": {"EUR"}})
	path := s.caseOf(t, hospital)
	list := s.page(t, "/console/cases", "Cookie", owner)
	if list.Find(`tbody a[href="`+path+`"]`).Length() != 1 {
		t.Fatal("the list does not have the booking, once")
	}
	if s.page(t, "/console", "Cookie", owner).Find(`.console-tasks a[href="`+path+`"]`).Length() != 1 {
		t.Error("nobody is told to answer")
	}
	doc := want(t, s.form(t, path, url.Values{"act": {"ask"}, "question": {" "}}, "Cookie", owner), http.StatusUnprocessableEntity)
	if doc.Find("#error-question").Length() != 1 {
		t.Error("an empty question is not refused beside its field")
	}
	if a := s.form(t, path, url.Values{"act": {"ask"}, "question": {"Which glasses do you wear?"}}, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("asking: status %d", a.StatusCode)
	}
	if got := text(s.page(t, booking).Find("main")); !strings.Contains(got, "Which glasses do you wear?") {
		t.Error("the patient does not see the question")
	}
	id := strings.TrimPrefix(path, "/console/cases/")
	if _, err := s.Checkout.Reply(t.Context(), id, "Minus six.", checkout.Act{Actor: checkout.ActorPatient}); err != nil {
		t.Fatal(err)
	}
	estimate := fields(s.page(t, path, "Cookie", owner).Find("button[value=estimate]").Closest("form"))
	estimate.Set("act", "estimate")
	estimate.Set("amount", "a lot")
	if doc := want(t, s.form(t, path, estimate, "Cookie", owner), http.StatusUnprocessableEntity); doc.Find("#amount").AttrOr("value", "") != "a lot" || doc.Find("#error-amount").Length() != 1 {
		t.Error("a wrong amount is not refused beside its field, or is lost")
	}
	estimate.Set("amount", "31,000")
	if a := s.form(t, path, estimate, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("estimating: status %d", a.StatusCode)
	}
	if a := s.form(t, path, url.Values{"act": {"accept"}}, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("accepting: status %d", a.StatusCode)
	}
	b, err := s.Checkout.Booking(t.Context(), id)
	if err != nil || b.State != checkout.StateConfirmed || b.AcceptedEstimate == nil || b.AcceptedEstimate.Amount != 3100000 {
		t.Errorf("the booking is %s with %v, %v", b.State, b.AcceptedEstimate, err)
	}
	want(t, s.form(t, path, url.Values{"act": {"ask"}, "question": {"more"}}, "Cookie", owner), http.StatusConflict)
	audit := text(s.page(t, "/console/audit", "Cookie", owner).Find("table"))
	for _, action := range []string{"booking.ask", "booking.estimate", "booking.accept"} {
		if !strings.Contains(audit, action) {
			t.Errorf("%s is not in the audit trail", action)
		}
	}
	if got := text(s.page(t, path, "Cookie", owner).Find(".revisions")); !strings.Contains(got, "Minus six.") {
		t.Errorf("the log says %q", got)
	}
}

// Declining needs a reason; who may not answer does not, and a booking of
// another hospital is not there.
func TestHospitalDeclinesAndOthersDoNot(t *testing.T) {
	s := newTestServer(t)
	const pkg, hospital = "icl-by-the-west-bund", "eent-fudan"
	s.newDepartment(t, "decline-department", hospital)
	s.newDepartment(t, "foreign-department", "ruijin")
	start := s.openStart(t, pkg, 4)
	s.booked(t, "en", pkg, url.Values{"start": {start.Key}, "companions": {"0"}, "currency": {"EUR"}})
	path := s.caseOf(t, hospital)
	foreign, viewer, finance := s.as(t, "owner@foreign-department.example"), s.as(t, "viewer@decline-department.example"), s.as(t, "finance@decline-department.example")
	if a := s.get(t, path, "Cookie", foreign); a.StatusCode != http.StatusNotFound {
		t.Errorf("another hospital reads it: status %d", a.StatusCode)
	}
	for cookie, status := range map[string]int{foreign: http.StatusNotFound, viewer: http.StatusForbidden, finance: http.StatusForbidden, s.signInAs(t, "agency"): http.StatusForbidden, "": http.StatusUnauthorized} {
		if a := s.form(t, path, url.Values{"act": {"accept"}}, "Cookie", cookie); a.StatusCode != status {
			t.Errorf("accepting by another: status %d, want %d", a.StatusCode, status)
		}
	}
	if a := s.get(t, "/console/cases", "Cookie", viewer); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer lists patients: status %d", a.StatusCode)
	}
	if s.page(t, path, "Cookie", finance).Find("button[value=accept]").Length() != 0 {
		t.Error("finance is offered to accept")
	}
	coordinator := s.as(t, "coordinator@decline-department.example")
	if doc := want(t, s.form(t, path, url.Values{"act": {"decline"}}, "Cookie", coordinator), http.StatusUnprocessableEntity); doc.Find("#error-reason").Length() != 1 {
		t.Error("declining without a reason is not refused beside its field")
	}
	want(t, s.form(t, path, url.Values{"act": {"dance"}}, "Cookie", coordinator), http.StatusUnprocessableEntity)
	if a := s.form(t, path, url.Values{"act": {"decline"}, "reason": {"The cornea is too thin."}}, "Cookie", coordinator); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("declining: status %d", a.StatusCode)
	}
	b, err := s.Checkout.Booking(t.Context(), strings.TrimPrefix(path, "/console/cases/"))
	if err != nil || b.State != checkout.StateDeclined || b.Reason != "The cornea is too thin." {
		t.Errorf("the booking is %s for %q, %v", b.State, b.Reason, err)
	}
	if a := s.get(t, "/console/cases?state=declined&format=csv", "Cookie", coordinator); !strings.Contains(a.Body, b.Number) {
		t.Errorf("the file does not have it: %s", a.Body)
	}
}
