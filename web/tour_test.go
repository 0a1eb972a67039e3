package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
)

// TestTour is docs/tour.md: a specialty goes from a hospital's draft to a paid
// and accepted booking, by the hands of everybody who has a part in it.
func TestTour(t *testing.T) {
	s := newTestServer(t)
	hospital, operator, agency := s.signInAs(t, "hospital"), s.signInAs(t, "operator"), s.signInAs(t, "agency")

	// The hospital lists.
	listing := s.newOwnOffering(t, hospital, "icl")
	id := strings.TrimPrefix(listing, "/console/offerings/")
	form := editorForm(s.page(t, listing+"/edit", "Cookie", hospital))
	form.Set("summary.en", "A lens is placed in the eye. Made up for a demonstration.")
	form.Set("intent", "save")
	s.sent(t, s.post(t, listing+"/edit", form, "Cookie", hospital))
	steps := fields(s.page(t, listing, "Cookie", hospital).Find("form.steps-form"))
	steps.Set("step", "submit")
	s.sent(t, s.post(t, listing+"/step", steps, "Cookie", hospital))
	want(t, s.get(t, "/offerings/"+id), http.StatusNotFound)

	s.approves(t, operator, catalog.KindOffering, id)
	s.found(t, catalog.KindOffering, id)

	// The agency builds, is refused by the recovery check, and mends.
	a := s.send(t, agency, "/console/packages/new", url.Values{"act": {"create"}, "name.en": {"A tour around a lens"}, "offering": {id},
		"hotel_area": {"hotel-area-kongjiang-wujiaochang"}, "currency": {"CNY"}})
	pkg := strings.Split(strings.TrimPrefix(s.sent(t, a), "/console/packages/"), "/")[0]
	path := "/console/packages/" + pkg
	plan := fieldsOf(s.page(t, path+"/plan", "Cookie", agency).Find("form[data-builder]"))
	act := func(value string) *goquery.Document {
		t.Helper()
		doc := want(t, s.send(t, agency, path+"/plan", with(plan, "act", value)), http.StatusOK)
		plan = fieldsOf(doc.Find("form[data-builder]"))
		return doc
	}

	act("no-offering:" + id)
	doc := act("offering:" + id)
	if doc.Find(".findings > li").Length() == 0 {
		t.Fatal("a plan without the operation passes the recovery check")
	}
	for n := 0; doc.Find(".findings > li").Length() > 0; n++ {
		remedy := doc.Find(".remedies button").First()
		if n > 20 || remedy.Length() == 0 {
			t.Fatalf("the remedies do not end: %s", text(doc.Find(".findings")))
		}
		doc = act(remedy.AttrOr("value", ""))
	}
	s.sent(t, s.send(t, agency, path+"/plan", with(plan, "act", "save")))
	price := with(fieldsOf(s.page(t, path+"/price", "Cookie", agency).Find("form[data-builder]")), "lines[0].amount", "4000", "act", "save")
	s.sent(t, s.send(t, agency, path+"/price", price))
	first := shanghaiDate(s.Now()).AddDate(0, 0, 60).Format(time.DateOnly)
	s.sent(t, s.send(t, agency, path+"/departures", url.Values{"kind": {"single"}, "capacity": {"2"}, "from": {first}}))
	s.sent(t, s.send(t, agency, path+"/state", url.Values{"state": {"submitted"}}))

	s.approves(t, operator, catalog.KindPackage, pkg)
	s.found(t, catalog.KindPackage, pkg)

	// The patient books and pays, the hospital accepts, all see it.
	booking := s.booked(t, "en", pkg, url.Values{"start": {s.openStart(t, pkg, 0).Key}, "companions": {"0"}, "currency": {"CNY"}})
	if got := state(s.page(t, booking)); got != string(checkout.StateAwaiting) {
		t.Fatalf("paid, and the booking is %s", got)
	}
	list, err := s.Checkout.Bookings(t.Context(), checkout.Filter{HospitalID: "demo-hospital"}, 1, "")
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	b := list.Items[0]
	s.sent(t, s.post(t, "/console/cases/"+b.ID, url.Values{"act": {"accept"}}, "Cookie", hospital))
	if got := state(s.page(t, booking)); got != string(checkout.StateConfirmed) {
		t.Errorf("accepted, and the patient sees %s", got)
	}
	for path, cookie := range map[string]string{"/console/agency/bookings/" + b.ID: agency, "/console/money/bookings/" + b.ID: operator, "/console/cases/" + b.ID: hospital} {
		if got := text(s.page(t, path, "Cookie", cookie).Find(".console-main")); !strings.Contains(got, "Confirmed") {
			t.Errorf("%s does not say that it is confirmed: %.300s", path, got)
		}
	}
	for _, clean := range []error{
		s.Catalog.Packages.Move(t.Context(), pkg, catalog.Archived, catalog.Edit{Author: "test"}),
		s.Catalog.Offerings.Move(t.Context(), id, catalog.Archived, catalog.Edit{Author: "test"}),
	} {
		if clean != nil {
			t.Error(clean)
		}
	}
}

// approves publishes what was submitted, as the operator does.
func (s *testServer) approves(t testing.TB, operator string, kind catalog.Kind, id string) {
	t.Helper()
	path := "/console/listings/" + string(kind) + "/" + id
	if s.page(t, "/console/queue", "Cookie", operator).Find(`a[href="`+path+`"]`).Length() != 1 {
		t.Fatalf("%s is not in the queue", path)
	}
	revision := s.page(t, path, "Cookie", operator).Find("input[name=revision]").AttrOr("value", "")
	s.sent(t, s.post(t, path, url.Values{"act": {"approve"}, "revision": {revision}}, "Cookie", operator))
}

// found checks that patients find an entry of the demo hospital or agency.
func (s *testServer) found(t testing.TB, kind catalog.Kind, id string) {
	t.Helper()
	if err := s.Search.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.page(t, "/search?q=ICL&kind="+string(kind)).Find(`main a[href="/`+string(kind)+`s/`+id+`"]`).Length() == 0 {
		t.Errorf("patients do not find the %s %s", kind, id)
	}
}
