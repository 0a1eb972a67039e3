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
	"invalid":         "/search?page=0",
}

// failing are the pages that are errors.
var failing = map[string]int{"not found": http.StatusNotFound, "invalid": http.StatusUnprocessableEntity}

// consoleTypes are one address of each kind of page of the consoles, by who
// sees it in the demonstration.
var consoleTypes = map[string]map[string]string{
	"agency": {
		"to do":        "/console",
		"organisation": "/console/about",
		"members":      "/console/members",
		"audit trail":  "/console/audit",
		"whom to be":   "/console/organisation",
		"account":      "/account",
		"packages":     "/console/packages",
		"new package":  "/console/packages/new?q=icl",
		"package":      "/console/packages/" + agencyPackage,
		"plan":         "/console/packages/" + agencyPackage + "/plan",
		"price":        "/console/packages/" + agencyPackage + "/price",
		"conditions":   "/console/packages/" + agencyPackage + "/conditions",
		"texts":        "/console/packages/" + agencyPackage + "/texts",
		"dates":        "/console/packages/" + agencyPackage + "/departures",
		"preview":      "/console/packages/" + agencyPackage + "/preview",
		"history":      "/console/packages/" + agencyPackage + "/history",
		"departures":   "/console/departures",
		"departure":    "/console/departures/" + agencyPackage + "-sunday",
		"bookings":     "/console/agency/bookings",
		"ledger":       "/console/agency/ledger",
	},
	"hospital": {
		"to do of a hospital": "/console",
		"offerings":           "/console/offerings",
		"new offering":        "/console/offerings/new?q=icl",
		"own offering":        "/console/offerings/icl-at-demo-hospital",
		"offering editor":     "/console/offerings/icl-at-demo-hospital/edit",
		"offering preview":    "/console/offerings/icl-at-demo-hospital/preview/ar",
		"bookings":            "/console/cases",
		"hospital profile":    "/console/hospital",
		"hospital editor":     "/console/hospital/edit",
		"packages to approve": "/console/requests",
		"expert slots":        "/console/slots",
	},
}

// agencyPackage is a package of the agency of the demonstration.
const agencyPackage = "acupuncture-anaesthesia-three-weeks-and-more"

// No page of the consoles breaks a rule of axe-core, wide or narrow.
func TestConsoleAccessibility(t *testing.T) {
	b := openBrowser(t)
	script := axeScript(t)
	base, _ := site(t, Config{Data: t.TempDir()})
	for who, pages := range consoleTypes {
		b.size(1280, 900)
		b.open(base + "/sign-in")
		b.follow("button[value=" + who + "]")
		if who == "hospital" {
			b.open(base + "/console/offerings/new?q=icl") // to have one to look at
			b.follow("input[name=treatment][value=icl] + button")
		}
		for name, path := range pages {
			b.size(1280, 900)
			if status := b.open(base + path); status != http.StatusOK {
				t.Errorf("%s: status %d", name, status)
			}
			if n := ask(b, "headings", evalInt("document.querySelectorAll('h1').length")); n != 1 {
				t.Errorf("%s has %d h1", name, n)
			}
			b.axe(script, who+": "+name)
			b.shot(who + "-" + name)
			b.size(390, 844)
			b.open(base + "/zh-Hans" + path)
			b.axe(script, who+": "+name+" in Chinese")
			b.shot(who + "-" + name + "-phone")
			if wide := ask(b, "width", evalInt("document.documentElement.scrollWidth")); wide > 390 {
				t.Errorf("%s is %d pixels wide on a phone of 390", name, wide)
			}
		}
	}
	b.clean()
}

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
