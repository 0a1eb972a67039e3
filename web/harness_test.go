package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/care"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/seed"
	"github.com/medtour/medtour/store/sqlite"
)

// testServer is the whole site over the starting catalogue: embedded store,
// index, checkout and the local Stripe. It is built once for the package;
// tests must not depend on what others leave in it.
type testServer struct {
	*Server
	URL string
	// stop ends the background work and closes everything.
	stop func()
}

var shared = sync.OnceValues(startServer)

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := shared(); err == nil {
		s.stop()
	}
	os.Exit(code)
}

func newTestServer(t testing.TB) *testServer {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("the site does not start: %v", err)
	}
	return s
}

const (
	testKey    = "sk_test_local"
	testSecret = "0123456789abcdef0123456789abcdef"
)

func startServer() (_ *testServer, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var closers []func()
	stop := func() {
		cancel()
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	dir, err := os.MkdirTemp("", "medtour-web-")
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { _ = os.RemoveAll(dir) })
	engine, err := sqlite.Open(dir)
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { _ = engine.Close() })
	cat, err := catalog.Open(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	if report, err := seed.Load(ctx, cat, nil); err != nil || report.Failed > 0 {
		return nil, fmt.Errorf("seed: %v %v", err, report.Errors)
	}
	log := slog.New(slog.DiscardHandler)
	rates, err := seed.Rates()
	if err != nil {
		return nil, err
	}
	index, err := search.Open(ctx, search.Config{Dir: dir + "/index", Catalog: cat, Now: time.Now, Log: log, Rates: rates})
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { _ = index.Close() })
	analytics, err := search.NewAnalytics(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	base := "http://" + listener.Addr().String()
	sim, err := stripesim.New(ctx, stripesim.Options{Engine: engine, Key: testKey, BaseURL: base + "/stripesim",
		WebhookURL: base + "/webhooks/stripe", WebhookSecret: testSecret, Clock: time.Now, Logger: log})
	if err != nil {
		return nil, err
	}
	pay, err := stripepay.New(stripepay.Config{SecretKey: testKey, WebhookSecrets: []string{testSecret}, APIURL: base + "/stripesim", Clock: time.Now, Logger: log})
	if err != nil {
		return nil, err
	}
	outbox, err := account.OpenOutbox(ctx, engine, nil, time.Now)
	if err != nil {
		return nil, err
	}
	mail, err := NewBookingMail(base, []byte(testSecret), outbox, true)
	if err != nil {
		return nil, err
	}
	orders, err := checkout.New(ctx, checkout.Config{Catalog: cat, Engine: engine, Payments: pay, Rates: rates, Now: time.Now, Log: log,
		Notify: mail.Notify, ReturnURL: mail.ReturnURL})
	if err != nil {
		return nil, err
	}
	accounts, err := account.OpenAccounts(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	factors, err := account.OpenFactors(ctx, engine, accounts, base, []byte(testSecret))
	if err != nil {
		return nil, err
	}
	slots, err := care.OpenSlots(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	saved, err := account.OpenSaved(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	audit, err := account.OpenAudit(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	site, err := New(Config{Catalog: cat, Search: index, Analytics: analytics, Checkout: orders, Rates: rates, BaseURL: base, Secret: []byte(testSecret), Demo: true,
		Accounts: accounts, Factors: factors, Outbox: outbox, Audit: audit, Slots: slots, Saved: saved, Simulator: sim, Ping: engine.Ping, Log: log, Now: time.Now})
	if err != nil {
		return nil, err
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: site}}
	server.Start()
	var workers sync.WaitGroup
	workers.Go(func() { sim.Run(ctx) })
	workers.Go(func() { orders.Run(ctx) })
	closers = append(closers, workers.Wait, server.Close)
	return &testServer{Server: site, URL: base, stop: stop}, nil
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	Body string
}

// client does not follow redirects: tests look at them.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get fetches a path. Headers are pairs of name and value.
func (s *testServer) get(t testing.TB, path string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return s.do(t, req, headers...)
}

// do sends a request.
func (s *testServer) do(t testing.TB, req *http.Request, headers ...string) answer {
	t.Helper()
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return answer{res, string(body)}
}

// page fetches a page that must be there and parses it.
func (s *testServer) page(t testing.TB, path string, headers ...string) *goquery.Document {
	t.Helper()
	a := s.get(t, path, headers...)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, want 200", path, a.StatusCode)
	}
	return a.document(t)
}

func (a answer) document(t testing.TB) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(a.Body))
	if err != nil {
		t.Fatalf("the page cannot be parsed: %v", err)
	}
	return doc
}

// text returns a selection's text with runs of blanks taken together.
func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }
