package web

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
)

// A hospital publishes a time of an expert, in Shanghai's time, and takes it
// back; others do not.
func TestSlots(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "slot-hospital")
	s.newHospital(t, "no-slot-hospital")
	owner, foreign, viewer := s.as(t, "owner@slot-hospital-department.example"), s.as(t, "owner@no-slot-hospital-department.example"), s.as(t, "viewer@slot-hospital-department.example")
	day := time.Now().In(catalog.Shanghai).AddDate(0, 0, 7).Format(time.DateOnly)
	slot := url.Values{"expert.en": {"glaucoma consultant"}, "start": {day + "T09:30"}, "minutes": {"30"}, "language": {"en"}}
	wrong := url.Values{"expert.en": {"glaucoma consultant"}, "start": {"tomorrow"}, "minutes": {"half an hour"}, "language": {"en"}}
	doc := want(t, s.form(t, "/console/slots", wrong, "Cookie", owner), http.StatusUnprocessableEntity)
	if doc.Find("#error-start").Length() != 1 || doc.Find("#error-minutes").Length() != 1 || doc.Find(`[id="minutes"]`).AttrOr("value", "") != "half an hour" {
		t.Errorf("what is wrong is not beside its field, or is lost: %s", text(doc.Find(".error-summary")))
	}
	if a := s.form(t, "/console/slots", slot, "Cookie", viewer); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer publishes: status %d", a.StatusCode)
	}
	if a := s.form(t, "/console/slots", slot, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("publishing: status %d", a.StatusCode)
	}
	list, err := s.Slots.Upcoming(t.Context(), "slot-hospital")
	if err != nil || len(list) != 1 || list[0].Start.Format(time.DateTime) != day+" 01:30:00" {
		t.Fatalf("stored: %+v, %v", list, err)
	}
	id := s.page(t, "/console/slots", "Cookie", owner).Find("input[name=slot]").AttrOr("value", "")
	if s.page(t, "/console/slots", "Cookie", viewer).Find("input[name=slot]").Length() != 0 {
		t.Error("a viewer is offered to withdraw")
	}
	if a := s.form(t, "/console/slots/withdraw", url.Values{"slot": {id}}, "Cookie", foreign); a.StatusCode != http.StatusNotFound {
		t.Errorf("another hospital withdraws: status %d", a.StatusCode)
	}
	if a := s.form(t, "/console/slots/withdraw", url.Values{"slot": {id}}, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Errorf("withdrawing: status %d", a.StatusCode)
	}
	if got := text(s.page(t, "/console/slots", "Cookie", owner).Find(".empty")); got == "" {
		t.Error("an empty list says nothing")
	}
}
