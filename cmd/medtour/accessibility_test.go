package main

import (
	"net/http"
	"net/url"
	"testing"
)

// pageTypes are one address of each kind of page that needs no booking.
var pageTypes = map[string]string{
	"home":            "/",
	"results":         "/search?q=" + url.QueryEscape("blood cancer cell therapy"),
	"packages":        "/search?kind=package",
	"hospitals found": "/search?kind=hospital&q=children",
	"guides found":    "/search?kind=treatment&q=eyes",
	"nothing found":   "/search?q=zzzzqqqq",
	"treatments":      "/treatments",
	"treatment":       "/treatments/car-t-cd19-large-b-cell-lymphoma",
	"enquiry only":    "/treatments/paediatric-liver-transplant-living-donor",
	"hospitals":       "/hospitals",
	"hospital":        "/hospitals/ruijin",
	"offering":        "/offerings/icl-at-eent-fudan",
	"package":         "/packages/icl-by-the-west-bund",
	"deposits":        "/how-deposits-work",
	"order":           "/how-results-are-ordered",
	"sign in":         "/sign-in",
	"mailbox":         "/mailbox",
	"not found":       "/nothing-here",
	"invalid":         "/search?page=100000",
}

// failing are the pages that are errors.
var failing = map[string]int{"not found": http.StatusNotFound, "invalid": http.StatusUnprocessableEntity}

// No page type breaks a rule of axe-core, wide or narrow, left to right or
// right to left.
func TestAccessibility(t *testing.T) {
	b := openBrowser(t)
	script := axeScript(t)
	base, _ := site(t, Config{Data: t.TempDir()})
	for name, path := range pageTypes {
		b.size(1280, 900)
		want := failing[name]
		if want == 0 {
			want = http.StatusOK
		}
		if status := b.open(base + path); status != want {
			t.Errorf("%s: status %d, want %d", name, status, want)
		}
		if n := ask(b, "headings", evalInt("document.querySelectorAll('h1').length")); n != 1 {
			t.Errorf("%s has %d h1", name, n)
		}
		b.axe(script, name)
		b.size(390, 844)
		arabic := base + "/ar" + path
		if path == "/" {
			arabic = base + "/ar"
		}
		b.open(arabic)
		b.axe(script, name+" in Arabic")
		if wide := ask(b, "width", evalInt("document.documentElement.scrollWidth")); wide > 390 {
			b.shot(name + "-too-wide")
			t.Errorf("%s in Arabic is %d pixels wide on a phone of 390", name, wide)
		}
	}
}
