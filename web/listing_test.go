package web

import (
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

const demoHospital = "demo-hospital"

func TestDemoHospitalSaysThatItDoesNotExist(t *testing.T) {
	s := newTestServer(t)
	for _, tag := range catalog.Languages {
		p := templates.Page{Locale: templates.LocaleFor(tag)}
		doc := s.page(t, p.URL("/hospitals/"+demoHospital))
		if got := text(doc.Find(".page-head .note")); got != p.T("hospital.demo_note") {
			t.Errorf("%s: the page says %q", tag, got)
		}
		if robots, _ := doc.Find("meta[name=robots]").Attr("content"); !strings.Contains(robots, "noindex") {
			t.Errorf("%s: search engines may list it", tag)
		}
	}
	if n := s.page(t, "/hospitals/ruijin").Find(".page-head .note").Length(); n != 0 {
		t.Error("a real hospital is said not to exist")
	}
	card := s.page(t, "/hospitals").Find(`a[href="/hospitals/demo-hospital"]`).Closest("article")
	if !strings.Contains(text(card.Find(".pills")), "does not exist") {
		t.Errorf("its card says %q", text(card))
	}
	found := s.page(t, "/search?kind=hospital&q=demo+hospital").Find(`a[href="/hospitals/demo-hospital"]`).Closest("article")
	if !strings.Contains(text(found.Find(".pills")), "does not exist") {
		t.Errorf("its search result says %q", text(found))
	}
}
