package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// What can change after the choice, as a patient sees it: the choice itself on
// the page of the quote, a question of the hospital, a revised estimate, another
// date, a closed departure, the way out and the receipts. Every page is looked
// at wide, and narrow in Arabic.
func TestChanges(t *testing.T) {
	b := openBrowser(t)
	base, _ := site(t, Config{Data: t.TempDir()})
	b.size(1280, 900)
	b.zone("America/New_York")
	b.open(base + "/packages/icl-by-the-west-bund")
	b.follow("#choose button[formmethod=post]")

	b.fill("#name", "Journey Tester")
	b.do("choices", chromedp.Click(chromedp.CSS("[data-autosubmit] summary")))
	last := ask(b, "last date", chromedp.Evaluate[string]("[...document.querySelectorAll('#start option:not([disabled])')].at(-1).value"))
	for selector, value := range map[string]string{"#pay-currency": "EUR", "#companions": "1", "#start": last} {
		before := b.location()
		b.set(selector, value)
		b.until(selector+" is priced", fmt.Sprintf("location.href !== %q && document.querySelector(%q).value === %q", before, selector, value))
	}
	if name := ask(b, "name", chromedp.JavascriptAttribute[string](chromedp.CSS("#name"), "value")); name != "Journey Tester" {
		t.Errorf("after other choices the name is %q", name)
	}
	if deposit := b.text("#price .price"); !strings.Contains(deposit, "EUR") {
		t.Errorf("the deposit is %s", deposit)
	}
	b.everywhere(base, "quote")
	b.fill("#name", "Journey Tester")
	b.fill("#email", "journey@example.org")
	b.do("consent", chromedp.Click(chromedp.CSS("#consent")))
	b.follow("form[data-here] [data-part=submit] button")
	b.pay()
	b.expectState("awaiting")
	booking := b.location()

	const local = `document.querySelector('.deadline .zone').textContent`
	b.until("the deadline in New York", local+".includes('your time') && !"+local+".includes('UTC')")

	b.demo("estimate", "#amount", "30000")
	b.demo("ask", "#question", "Which glasses do you wear?")
	b.everywhere(base, "question")
	b.do("reply", chromedp.SendKeys(chromedp.CSS("#reply"), "None so far."))
	b.follow("form[action$='/reply'] button")
	b.follow("button[value=accept]")
	b.expectState("confirmed")
	b.demo("estimate", "#amount", "42000")
	b.everywhere(base, "estimate")
	b.open(booking + "/move")
	b.everywhere(base, "move")
	b.do("sure", chromedp.Click(chromedp.CSS("input[name=sure]")))
	b.follow("form[action$='/move'][method=post] button")
	b.demo("close", "", "")
	b.everywhere(base, "closed")
	b.open(booking + "/cancel")
	b.everywhere(base, "cancel")
	b.do("sure", chromedp.Click(chromedp.CSS("input[name=sure]")))
	b.follow("form[action$='/cancel'] button")
	b.expectState("cancelled")
	b.everywhere(base, "cancelled")
	for _, page := range []string{"/receipt", "/refunds/1"} {
		b.open(booking + page)
		b.everywhere(base, strings.Trim(page, "/1"))
	}
	b.clean()
}

// zone puts the browser into a time zone.
func (b *browser) zone(name string) {
	b.t.Helper()
	err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: name})
		return err
	}))
	if err != nil {
		b.t.Fatalf("time zone %s: %v", name, err)
	}
}

// set picks an option of a list as a person does.
func (b *browser) set(selector, value string) {
	b.t.Helper()
	b.do("choose "+selector, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`(() => { const s = document.querySelector(%q); s.value = %q; s.dispatchEvent(new Event('change', {bubbles: true})); })()`, selector, value)))
}

// until waits for a condition on the page.
func (b *browser) until(what, condition string) {
	b.t.Helper()
	for deadline := time.Now().Add(stepTimeout); ask(b, what, evalInt("("+condition+") ? 1 : 0")) == 0; {
		if time.Now().After(deadline) {
			b.t.Fatalf("in vain: %s", what)
		}
		b.do("wait", chromedp.Sleep(50*time.Millisecond))
	}
}

// demo acts for the hospital or the agency with what is typed into a field.
func (b *browser) demo(act, field, typed string) {
	b.t.Helper()
	button := "button[value=" + act + "]"
	b.do("open "+act, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).closest('details').open = true", button)))
	if field != "" {
		b.do("type into "+field, chromedp.SendKeys(chromedp.CSS(field), typed))
	}
	b.follow(button)
}

// everywhere looks at the page, wide, and narrow in Arabic, and comes back.
func (b *browser) everywhere(base, name string) {
	b.t.Helper()
	b.look(name)
	here := b.location()
	b.size(390, 844)
	b.open(base + "/ar" + strings.TrimPrefix(here, base))
	b.look(name + "-ar")
	if wide := ask(b, "width", evalInt("document.documentElement.scrollWidth")); wide > 390 {
		b.t.Errorf("%s in Arabic is %d pixels wide on a phone of 390", name, wide)
	}
	b.size(1280, 900)
	b.open(here)
}
