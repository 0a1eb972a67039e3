package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestCombobox types into the search field as people without a mouse do: the
// list opens, is walked through, closed, and remembers on the device alone.
func TestCombobox(t *testing.T) {
	b := openBrowser(t)
	b.size(1280, 900)
	base, stop := site(t, Config{Data: t.TempDir()})
	defer stop()

	const field = "main form.search input[name=q]"
	attr := func(name string) string {
		v := ask(b, name, chromedp.AttributeValue(chromedp.CSS(field), name))
		return v.Value
	}
	b.open(base + "/")
	if attr("role") != "combobox" || attr("aria-expanded") != "false" {
		t.Errorf("closed: role %q, expanded %q", attr("role"), attr("aria-expanded"))
	}
	b.do("type", chromedp.SendKeys(chromedp.CSS(field), "xu"), chromedp.WaitVisible(chromedp.CSS("main .suggestions mark")))
	if attr("aria-expanded") != "true" {
		t.Errorf("open: expanded %q", attr("aria-expanded"))
	}
	b.look("suggestions")
	if marked := b.text("main .suggestions mark"); !strings.EqualFold(marked, "xu") {
		t.Errorf("marked is %q", marked)
	}
	if n := ask(b, "districts", evalInt(`document.querySelectorAll("main .suggestions li[data-url*='district=Xuhui']").length`)); n != 1 {
		t.Errorf("%d suggestions of the district", n)
	}
	b.do("down", chromedp.SendKeys(chromedp.CSS(field), kb.ArrowDown))
	if id := attr("aria-activedescendant"); id == "" || ask(b, "option", evalInt(`document.querySelectorAll("#`+id+`[role=option][aria-selected=true]").length`)) != 1 {
		t.Errorf("active is %q", id)
	}
	b.do("escape", chromedp.SendKeys(chromedp.CSS(field), kb.Escape))
	if attr("aria-expanded") != "false" || ask(b, "value", chromedp.Value(chromedp.CSS(field))) != "xu" {
		t.Error("escape does not bring back what was typed")
	}
	b.fill(field, "acupuncture")
	b.follow("main form.search button")
	b.open(base + "/")
	b.do("focus", chromedp.Focus(chromedp.CSS(field)), chromedp.WaitVisible(chromedp.CSS("main .suggestions li")))
	if first := b.text("main .suggestions li"); !strings.Contains(first, "acupuncture") {
		t.Errorf("what was searched before is %q", first)
	}
	b.look("recent")
	b.do("forget", chromedp.Click(chromedp.CSS("main .suggestions li[data-forget]")), chromedp.WaitNotVisible(chromedp.CSS("main .suggestions")))
	if n := ask(b, "kept", evalInt("localStorage.length")); n != 0 {
		t.Errorf("%d things are kept", n)
	}

	// Filters and the point to measure from apply without a reload.
	b.open(base + "/search?q=acupuncture")
	b.do("near", chromedp.SetValue(chromedp.CSS("#near"), "place:yu-garden"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("#near").dispatchEvent(new Event("change", {bubbles: true}))`),
		chromedp.WaitVisible(chromedp.CSS("a.chip[href]")))
	if at := b.location(); !strings.Contains(at, "near=place") {
		t.Errorf("the address is %s", at)
	}
	b.clean()
}
