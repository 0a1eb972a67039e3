package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The main journey, as a newcomer goes through it: search, offering, package,
// choice, quote, payment, return, the hospital's answer, and everything still
// there after a restart.
func TestJourney(t *testing.T) {
	for _, tt := range []struct{ lang, prefix, query string }{
		{"en", "", "blood cancer cell therapy"},
		{"ar", "/ar", "علاج سرطان الدم بالخلايا"},
	} {
		t.Run(tt.lang, func(t *testing.T) { journey(t, tt.prefix, tt.query) })
	}
}

func journey(t *testing.T, prefix, query string) {
	b := openBrowser(t)
	b.size(1280, 900)
	data := t.TempDir()
	base, stop := site(t, Config{Data: data})

	home := base + prefix
	if prefix == "" {
		home += "/"
	}
	b.open(home)
	b.look("1-home")
	b.do("search", chromedp.SendKeys(chromedp.CSS("main form.search input[name=q]"), query))
	b.follow("main form.search button")
	b.look("2-results")
	hit := ask(b, "first offering", chromedp.AttributeValue(chromedp.CSS("article.hit h3 a"), "href"))
	if !strings.Contains(hit.Value, "car-t") {
		t.Errorf("the first hit for %q is %s", query, hit.Value)
	}
	b.follow("article.hit h3 a")
	b.look("3-offering")
	if sources := ask(b, "sources", evalInt("document.querySelectorAll('main a[rel~=nofollow]').length")); sources == 0 {
		t.Error("the offering names no source")
	}
	b.follow("main a[href*='/packages/']")
	b.look("4-package")
	b.choose("#companions", "1")
	b.choose("#pay-currency", "EUR")
	b.follow("#choose button[formmethod=post]")
	b.look("5-quote")
	if deposit := b.text("aside"); !strings.Contains(deposit, "EUR") {
		t.Errorf("the quote is not in euro: %s", deposit)
	}
	b.do("details",
		chromedp.SendKeys(chromedp.CSS("#name"), "Journey Tester"),
		chromedp.SendKeys(chromedp.CSS("#email"), "journey@example.org"),
		chromedp.SendKeys(chromedp.CSS("input[name=companion]"), "Com Panion"),
		chromedp.Click(chromedp.CSS("#consent")))
	b.follow("form[action$='/book'] button")
	if !strings.Contains(b.location(), "/stripesim/") {
		t.Fatalf("not on the payment page but on %s", b.location())
	}
	b.look("6-payment")
	b.pay()
	b.expectState("awaiting")
	b.look("7-booking")
	b.checkDocuments()
	b.follow("button[value=accept]")
	b.expectState("confirmed")
	b.look("8-confirmed")
	b.clean()

	booking := strings.TrimPrefix(b.location(), base)
	stop()
	again, _ := site(t, Config{Data: data})
	b.open(again + booking)
	b.expectState("confirmed")
	b.size(390, 844)
	b.shot("9-confirmed-phone")
	b.clean()
}

// choose picks an option of a list as a person does, and waits until the page
// has priced the choice.
func (b *browser) choose(selector, value string) {
	b.t.Helper()
	b.set(selector, value)
	b.until("the price of "+selector, fmt.Sprintf(`new URLSearchParams(location.search).get(document.querySelector(%q)?.name) === %q`, selector, value))
}

// pay fills the local payment page with the card that succeeds.
func (b *browser) pay() {
	b.t.Helper()
	if readonly := ask(b, "e-mail", evalInt("document.querySelector('#email').readOnly ? 1 : 0")); readonly == 0 {
		b.fill("#email", "journey@example.org")
	}
	b.fill("#name", "Journey Tester")
	b.fill("#number", "4242 4242 4242 4242")
	b.fill("#expiry", "12 / 34")
	b.fill("#cvc", "123")
	b.follow("button[type=submit]")
}

// expectState waits until the booking page says a state: the answer of the
// bank may take a moment.
func (b *browser) expectState(state string) {
	b.t.Helper()
	b.do("state "+state, chromedp.WaitVisible(chromedp.CSS("[data-state^="+state+"]")))
}

// checkDocuments fetches the receipt and the calendar file of the booking on
// the page.
func (b *browser) checkDocuments() {
	b.t.Helper()
	for selector, want := range map[string]string{"a[href$='.ics']": "BEGIN:VCALENDAR", "a[href$='/receipt']": "<h1"} {
		link := ask(b, "link", chromedp.JavascriptAttribute[string](chromedp.CSS(selector), "href"))
		if status, body := get(b.t, link); status != http.StatusOK || !strings.Contains(body, want) {
			b.t.Errorf("%s: status %d, %d bytes without %s", link, status, len(body), want)
		}
	}
}
