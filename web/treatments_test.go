package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/medtour/medtour/catalog"
)

// TestTaxonomy: the operator changes what may be sold, with a reason; nothing
// else of an entry is lost by it.
func TestTaxonomy(t *testing.T) {
	s := newTestServer(t)
	operator := s.signInAs(t, "operator")
	path := "/console/treatments/moxibustion"
	before, err := s.Catalog.Treatments.Get(t.Context(), "moxibustion")
	if err != nil {
		t.Fatal(err)
	}
	form := fieldsOf(s.page(t, path, "Cookie", operator).Find("form[data-draft]"))
	form.Set("booking_class", string(catalog.NeedsApproval))
	form.Set("reason", "")
	doc := want(t, s.post(t, path, form, "Cookie", operator), http.StatusUnprocessableEntity)
	if doc.Find("#error-reason").Length() != 1 {
		t.Error("a change of the booking class needs no reason")
	}
	form.Set("reason", "until the rules are clear")
	s.sent(t, s.post(t, path, form, "Cookie", operator))
	after, err := s.Catalog.Treatments.Get(t.Context(), "moxibustion")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := catalog.Differences(before, after)
	if err != nil || len(changes) != 1 || changes[0].Path != "booking_class" {
		t.Errorf("changed: %v, %v", changes, err)
	}
	form.Set("name.en", "Moxibustion by another")
	want(t, s.post(t, path, form, "Cookie", operator), http.StatusConflict)
	if _, err := s.Catalog.Treatments.Publish(t.Context(), before, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	if n := s.page(t, "/console/treatments?"+url.Values{"class": {string(catalog.EnquiryOnly)}}.Encode(), "Cookie", operator).Find("table.list tbody tr").Length(); n == 0 {
		t.Error("no treatment is on enquiry only")
	}
	want(t, s.get(t, path, "Cookie", s.signInAs(t, "hospital")), http.StatusForbidden)
}
