package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

func TestFavourites(t *testing.T) {
	s := newTestServer(t)
	keep := url.Values{"thing": {"offering/icl-at-aier-shanghai"}}
	if to := s.sent(t, s.post(t, "/account/favourites", keep)); to != "/sign-in?return=%2Fofferings%2Ficl-at-aier-shanghai" {
		t.Errorf("a stranger is sent to %s", to)
	}
	patient := s.signInAs(t, "patient")
	for range 2 {
		s.sent(t, s.post(t, "/account/favourites", keep, "Cookie", patient))
	}
	if n := s.page(t, "/account/saved", "Cookie", patient).Find(".kept a[href='/offerings/icl-at-aier-shanghai']").Length(); n == 0 {
		t.Error("the favourite is not kept")
	}
	for _, bad := range []string{"offering/none-such", "booking/1", ""} {
		want(t, s.post(t, "/account/favourites", url.Values{"thing": {bad}}, "Cookie", patient), http.StatusNotFound)
	}
	keep.Set("act", "remove")
	s.sent(t, s.post(t, "/account/favourites", keep, "Cookie", patient))
	if n := s.page(t, "/account/saved", "Cookie", patient).Find(".kept").Length(); n != 0 {
		t.Errorf("%d favourites after the last was taken away", n)
	}
}

// TestSavedSearch: who has saved a search is told once of what is new in it.
func TestSavedSearch(t *testing.T) {
	s := newTestServer(t)
	patient := s.signInAs(t, "patient")
	s.sent(t, s.post(t, "/account/searches", url.Values{"query": {"q=zweihander&kind=treatment&page=3"}}, "Cookie", patient))
	doc := s.page(t, "/account/saved", "Cookie", patient)
	if link := doc.Find(".account-list a").First().AttrOr("href", ""); link != "/search?kind=treatment&q=zweihander" {
		t.Errorf("the saved search leads to %q", link)
	}
	if err := s.Alert(t.Context()); err != nil {
		t.Fatal(err)
	}
	mails := func() int {
		return strings.Count(s.get(t, "/mailbox").Body, templates.LocaleFor("en").N("mail.alert.subject", 1))
	}
	if n := mails(); n != 0 {
		t.Fatalf("%d mails before there is anything new", n)
	}
	v := catalog.Treatment{ID: "zweihander", Name: catalog.Text{"en": "Zweihander therapy, a test"}, Specialty: "surgery", ServiceType: catalog.Outpatient, BookingClass: catalog.EnquiryOnly}
	if _, err := s.Catalog.Treatments.Publish(t.Context(), v, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Catalog.Treatments.Move(t.Context(), "zweihander", catalog.Archived, catalog.Edit{Author: "test"})
	})
	if err := s.Search.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Alert(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := mails(); n != 1 {
		t.Errorf("%d mails about one new result, want 1", n)
	}
	s.sent(t, s.post(t, "/account/searches", url.Values{"act": {"remove"}, "id": {doc.Find("input[name=id]").AttrOr("value", "")}}, "Cookie", patient))
}

func TestComparison(t *testing.T) {
	s := newTestServer(t)
	a := s.post(t, "/compare", url.Values{"offering": {"icl-at-aier-shanghai"}})
	var device string
	for _, c := range a.Cookies() {
		device = c.Name + "=" + c.Value
	}
	if n := s.page(t, "/compare", "Cookie", device).Find("table.side-by-side thead th").Length(); n != 1 {
		t.Errorf("%d columns, want 1", n)
	}
	all, err := s.Catalog.OfferingsOfTreatment(t.Context(), "icl")
	if err != nil || len(all) < 2 {
		t.Fatalf("%d offerings of ICL, %v", len(all), err)
	}
	q := url.Values{}
	for i := range 6 {
		q.Add("offering", all[i%len(all)].ID)
	}
	q.Add("offering", "none-such")
	doc := s.page(t, "/compare?"+q.Encode())
	if n := doc.Find("table.side-by-side thead th").Length(); n != min(len(all), maxCompared) {
		t.Errorf("%d columns", n)
	}
	if doc.Find("table.side-by-side .claim-source a, table.side-by-side a[href^=http]").Length() == 0 {
		t.Error("the facts stand without their sources")
	}
	if s.page(t, "/compare").Find("p.empty").Length() != 1 {
		t.Error("an empty comparison does not say what to do")
	}
	want(t, s.post(t, "/compare", url.Values{"offering": {"none-such"}}), http.StatusNotFound)
}
