package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What is typed into an editor survives a closed tab, is offered once, and is
// forgotten when it is saved.
func TestDraftIsKept(t *testing.T) {
	b := openBrowser(t)
	b.size(1280, 900)
	base, _ := site(t, Config{Data: t.TempDir()})
	about := base + "/console/about"
	name := chromedp.CSS(`[name="name.fr"]`)
	offered := "!document.querySelector('[data-draft-offer]').hidden"
	b.open(base + "/sign-in")
	b.follow("button[value=agency]")
	b.open(about)
	if ask(b, "offer", chromedp.Evaluate[bool](offered)) {
		t.Error("a draft is offered to who has typed nothing")
	}
	b.fill(`[name="name.fr"]`, "Brouillon")
	// The tab is gone at once, before the pause after typing.
	b.open(base + "/")
	b.open(about)
	if !ask(b, "offer", chromedp.Evaluate[bool](offered)) {
		t.Fatal("what was typed is not offered")
	}
	b.look("draft-offered")
	b.do("restore", chromedp.Click(chromedp.CSS("[data-draft-restore]")))
	if got := ask(b, "value", chromedp.Value(name)); got != "Brouillon" {
		t.Errorf("restored: %q", got)
	}
	b.follow("button[value=save]")
	if !strings.HasSuffix(b.location(), "?saved=1") {
		t.Fatalf("not saved, but at %s", b.location())
	}
	if n := ask(b, "drafts", evalInt("Object.keys(localStorage).filter(k => k.startsWith('draft:')).length")); n != 0 {
		t.Errorf("%d drafts are left after saving", n)
	}
	b.fill(`[name="name.fr"]`, "Encore")
	b.open(about)
	b.do("discard", chromedp.Click(chromedp.CSS("[data-draft-discard]")))
	b.open(about)
	if ask(b, "offer", chromedp.Evaluate[bool](offered)) {
		t.Error("a draft is offered again after it was discarded")
	}
	b.fill(`[name="name.fr"]`, "Laissé")
	b.open(base + "/account")
	b.follow("form[action='/sign-out'] button")
	if n := ask(b, "drafts", evalInt("Object.keys(localStorage).filter(k => k.startsWith('draft:')).length")); n != 0 {
		t.Errorf("%d drafts are left after signing out", n)
	}
	b.clean()
}
