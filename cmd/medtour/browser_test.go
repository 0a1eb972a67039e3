package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// envBrowser set to "required" turns a missing Chromium into a failure.
	envBrowser = "MEDTOUR_BROWSER"
	// envAxe names axe-core's script; without it the accessibility test is
	// skipped, unless the browser is required.
	envAxe = "MEDTOUR_AXE"
	// artifacts is where screenshots go, outside version control.
	artifacts = "../../artifacts"

	// stepTimeout bounds one step in the browser; a slow machine under the race
	// detector needs seconds.
	stepTimeout = 30 * time.Second
)

// browser is a headless Chromium with one tab, which notes what goes wrong on
// the pages.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu sync.Mutex
	// trouble are console errors, exceptions and answers of 5xx.
	trouble []string
}

// openBrowser starts Chromium, or skips the test, visibly, where there is none.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv(envBrowser) == "required" {
			t.Fatal("Chromium is required and not installed")
		}
		t.Skip("SKIPPED: Chromium is not installed, so this journey was not tested in a browser")
	}
	b := &browser{t: t}
	allocCtx, cancelAlloc := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.Flag("lang", "en"),
		chromedp.WSURLReadTimeout(stepTimeout))
	ctx, cancel := chromedp.NewContext(allocCtx, chromedp.WithListener(b.listen))
	t.Cleanup(func() { cancel(); cancelAlloc() })
	b.ctx = ctx
	// The first run starts the browser and must not be bound to a time limit,
	// which would end the browser with it.
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		if err == nil {
			_, err = cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		}
		return err
	}))
	if err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return b
}

// listen notes what a person at the page's console would see as wrong.
func (b *browser) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			b.note("console %s: %s", e.Type, consoleText(e.Args))
		}
	case *runtime.EventExceptionThrown:
		b.note("exception: %s", exceptionText(e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.note("log: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= http.StatusInternalServerError {
			b.note("status %d: %s", int(e.Response.Status), e.Response.URL)
		}
	}
}

func consoleText(args []*runtime.RemoteObject) string {
	var parts []string
	for _, a := range args {
		parts = append(parts, string(a.Value)+a.Description)
	}
	return strings.Join(parts, " ")
}

func (b *browser) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = append(b.trouble, fmt.Sprintf(format, args...))
}

// clean fails the test if anything went wrong on a page since the last call.
func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.trouble {
		b.t.Errorf("on the page: %s", s)
	}
	b.trouble = nil
}

// do takes steps in the browser and fails the test, with a screenshot, where
// one does not succeed.
func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ask(b, what, chromedp.Steps(steps...))
}

// ask takes a step that returns a value.
func ask[T any](b *browser, what string, step chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, step)
	if err != nil {
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText.slice(0, 1500) : ''"))
		b.shot("failed")
		b.t.Fatalf("%s: %v\nat %s\n%s", what, err, at, text)
	}
	return v
}

// size sets the window, as a phone below 600 pixels.
func (b *browser) size(width, height int64) {
	b.t.Helper()
	opts := []chromedp.EmulateViewportOption{}
	if width < 600 {
		opts = append(opts, chromedp.EmulateMobile)
	}
	b.do("resize", chromedp.EmulateViewport(width, height, opts...))
}

// open goes to an address, waits for its main part and returns the status.
func (b *browser) open(url string) int {
	b.t.Helper()
	res := ask(b, "open "+url, chromedp.NavigateResponse(url))
	b.do("open "+url, chromedp.WaitReady(chromedp.CSS("main")))
	if res == nil {
		return 0
	}
	return int(res.Status)
}

// follow clicks and waits until another page has come.
func (b *browser) follow(selector string) {
	b.t.Helper()
	b.do("follow "+selector, chromedp.ScrollIntoView(chromedp.CSS(selector)))
	ask(b, "follow "+selector, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Click(chromedp.CSS(selector))))
	b.do("follow "+selector, chromedp.WaitReady(chromedp.CSS("main")))
}

// fill types into a field.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.do("fill "+selector, chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// text returns what a person reads in an element.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return ask(b, "read "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// location returns the page's address.
func (b *browser) location() string {
	b.t.Helper()
	return ask(b, "location", chromedp.Location())
}

// shot saves a screenshot of the whole page for people to look at.
func (b *browser) shot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no screenshot of %s: %v", name, err)
		return
	}
	file := strings.NewReplacer("/", "_", " ", "_").Replace(b.t.Name() + "-" + name + ".png")
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artifacts, file), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// look saves a screenshot and, where axe-core is there, checks the page with
// it.
func (b *browser) look(name string) {
	b.t.Helper()
	b.shot(name)
	if os.Getenv(envAxe) != "" {
		b.axe(axeScript(b.t), name)
	}
}

// axeScript returns axe-core, or skips the test where it is not there.
func axeScript(t *testing.T) string {
	t.Helper()
	path := os.Getenv(envAxe)
	if path == "" {
		if os.Getenv(envBrowser) == "required" {
			t.Fatalf("%s is not set to the path of axe.min.js", envAxe)
		}
		t.Skipf("SKIPPED: %s is not set, so accessibility was not tested", envAxe)
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// axe fails the test for every rule of axe-core that the page breaks.
func (b *browser) axe(script, name string) {
	b.t.Helper()
	b.do("load axe", chromedp.Evaluate[chromedp.Void](script))
	result := ask(b, "axe on "+name, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(
		r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 5).map(n => n.html + ' — ' + n.failureSummary)}))))`,
		chromedp.EvalAwaitPromise))
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		b.t.Fatalf("axe on %s: %v: %s", name, err, result)
	}
	for _, v := range violations {
		b.t.Errorf("axe on %s: %s: %s\n  %s", name, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
	}
}

func exceptionText(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

// evalInt is a number that a script on the page gives.
func evalInt(script string) chromedp.Action[int] { return chromedp.Evaluate[int](script) }
