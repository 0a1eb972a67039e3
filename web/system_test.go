package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/fault"
)

// exchange sends a request as it is, follows no redirect, and returns the
// answer with its body.
func exchange(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func request(t *testing.T, method, address, form string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

func TestPreferences(t *testing.T) {
	s := newTestServer(t)
	for _, tt := range []struct {
		name, form, origin string
		status             int
		location           string
	}{
		{"a choice", "currency=EUR&return=/ar/search%3Fq%3Dx%26currency%3DUSD", "", http.StatusSeeOther, "/ar/search?q=x"},
		{"small letters", "currency=jpy&return=/", "", http.StatusSeeOther, "/"},
		{"an address elsewhere", "currency=EUR&return=https://evil.example/", "", http.StatusSeeOther, "/"},
		{"a host in disguise", "currency=EUR&return=//evil.example/", "", http.StatusSeeOther, "/"},
		{"an unknown currency", "currency=XXX&return=/", "", http.StatusUnprocessableEntity, ""},
		{"from another site", "currency=EUR&return=/", "https://evil.example", http.StatusForbidden, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := request(t, http.MethodPost, s.URL+"/preferences", tt.form)
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			res, _ := exchange(t, req)
			if res.StatusCode != tt.status || res.Header.Get("Location") != tt.location {
				t.Errorf("%d to %q, want %d to %q", res.StatusCode, res.Header.Get("Location"), tt.status, tt.location)
			}
			if set := len(res.Cookies()) > 0; set != (tt.status == http.StatusSeeOther) {
				t.Errorf("cookies %v", res.Cookies())
			}
		})
	}
}

func TestLanguagePrefix(t *testing.T) {
	s := newTestServer(t)
	for path, want := range map[string]string{
		"/en/treatments?x=1": "/treatments?x=1",
		"/en":                "/",
		"/en//evil.example":  "/",
	} {
		res, _ := exchange(t, request(t, http.MethodGet, s.URL+path, ""))
		if res.StatusCode != http.StatusMovedPermanently || res.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", path, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
	for path, want := range map[string]string{"/ar/treatments": "ar", "/zh-hans/treatments": "zh-Hans", "/treatments": "en"} {
		_, body := exchange(t, request(t, http.MethodGet, s.URL+path, ""))
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := doc.Find("html").AttrOr("lang", ""); got != want {
			t.Errorf("%s is in %q, want %q", path, got, want)
		}
	}
}

// No page may run what it did not bring, be framed, or guess a type.
func TestSecurityHeaders(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{"/", "/search?q=icl", "/nothing-here", "/api/v1/search?q=icl"} {
		res, body := exchange(t, request(t, http.MethodGet, s.URL+path, ""))
		policy := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, res.Header)
		}
		if res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s has no request id", path)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if n := doc.Find("[style], [onclick], style, script:not([src]):not([type='application/ld+json'])").Length(); n > 0 {
			t.Errorf("%s has %d inline styles or scripts, which the policy forbids", path, n)
		}
	}
}

func TestLongAddress(t *testing.T) {
	s := newTestServer(t)
	res, _ := exchange(t, request(t, http.MethodGet, s.URL+"/search?q="+strings.Repeat("a", 17<<10), ""))
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestHugeForm(t *testing.T) {
	s := newTestServer(t)
	form := url.Values{"start": {strings.Repeat("x", 300<<10)}}.Encode()
	res, _ := exchange(t, request(t, http.MethodPost, s.URL+"/quotes", form))
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", res.StatusCode)
	}
}

// A defect of ours gives a page with a reference and a way on, and nothing
// internal.
func TestDefects(t *testing.T) {
	// A site of its own: routes must not be added to one that serves.
	s, err := New(newTestServer(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	s.echo.GET("/test-panic", func(echo.Context) error { panic("secret detail") })
	s.echo.GET("/test-error", func(echo.Context) error { return errors.New("secret detail") })
	s.echo.GET("/api/test-error", func(echo.Context) error {
		return fault.Wrap(fault.Unavailable, errors.New("secret detail"), "the store does not answer")
	})
	server := httptest.NewServer(s)
	defer server.Close()
	for _, path := range []string{"/test-panic", "/ar/test-error"} {
		res, body := exchange(t, request(t, http.MethodGet, server.URL+path, ""))
		if res.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
		if strings.Contains(body, "secret detail") || strings.Contains(body, "goroutine") {
			t.Errorf("%s shows what is internal", path)
		}
		if !strings.Contains(body, res.Header.Get("X-Request-Id")) {
			t.Errorf("%s names no reference", path)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if doc.Find("main form.search").Length() != 1 || doc.Find("main a").Length() < 3 {
			t.Errorf("%s shows no way on", path)
		}
	}
	res, body := exchange(t, request(t, http.MethodGet, server.URL+"/api/test-error", ""))
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || strings.Contains(body, "secret") ||
		!strings.Contains(body, `"kind":"unavailable"`) {
		t.Errorf("API: %d %s", res.StatusCode, body)
	}
}

func TestStaticFilesAreCachedByTheirContent(t *testing.T) {
	s := newTestServer(t)
	res, body := exchange(t, request(t, http.MethodGet, s.URL+s.assets.URL("app.css"), ""))
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || !strings.Contains(body, "--jade") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if res, _ := exchange(t, request(t, http.MethodGet, s.URL+"/static/app.css", "")); res.StatusCode != http.StatusNotFound {
		t.Errorf("without its hash: %d", res.StatusCode)
	}
}

func TestHealth(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/robots.txt"} {
		if res, _ := exchange(t, request(t, http.MethodGet, s.URL+path, "")); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
