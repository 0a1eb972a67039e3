package stripepay_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/sqlite"
)

const (
	testKey    = "sk_test_medtour"
	testSecret = "whsec_medtour"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a client and the simulated Stripe it talks to.
type world struct {
	*stripepay.Client
	sim   *stripesim.Server
	clock *clock
	url   string
}

func newWorld(t *testing.T) world {
	t.Helper()
	engine, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	clk := newClock()
	sim, err := stripesim.New(t.Context(), stripesim.Options{Engine: engine, Clock: clk.Now})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.StripPrefix("/stripesim", sim))
	t.Cleanup(srv.Close)
	url := srv.URL + "/stripesim"
	return world{newClient(t, url, clk), sim, clk, url}
}

func newClient(t *testing.T, url string, clk *clock) *stripepay.Client {
	t.Helper()
	c, err := stripepay.New(stripepay.Config{
		SecretKey: testKey, WebhookSecrets: []string{testSecret}, APIURL: url, Clock: clk.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// deposit are the parameters of a session for a booking.
func (w world) deposit(booking string) checkout.SessionParams {
	return checkout.SessionParams{
		IdempotencyKey: booking + ":checkout:1",
		BookingID:      booking,
		Attempt:        1,
		Amount:         catalog.Money{Amount: 148000, Currency: "USD"},
		Title:          "Deposit: health check-up",
		Email:          "patient@example.com",
		Locale:         "auto",
		Methods:        []string{"card", "alipay", "wechat_pay"},
		SuccessURL:     "https://medtour.example/bookings/" + booking + "?session={CHECKOUT_SESSION_ID}",
		CancelURL:      "https://medtour.example/bookings/" + booking,
		ExpiresAt:      w.clock.Now().Add(time.Hour),
	}
}

func (w world) open(t *testing.T, booking string) checkout.Session {
	t.Helper()
	s, err := w.CreateSession(t.Context(), w.deposit(booking))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// paid opens a session, pays it by a card and fetches it.
func (w world) paid(t *testing.T, booking, card string) checkout.Session {
	t.Helper()
	s := w.open(t, booking)
	if err := w.sim.Pay(t.Context(), s.ID, card); err != nil {
		t.Fatal(err)
	}
	return w.fetch(t, s.ID)
}

func (w world) fetch(t *testing.T, id string) checkout.Session {
	t.Helper()
	s, err := w.Session(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w world) refund(t *testing.T, s checkout.Session, key string, amount int64) (checkout.Refund, error) {
	t.Helper()
	return w.CreateRefund(t.Context(), checkout.RefundParams{
		IdempotencyKey: s.BookingID + ":refund:" + key, BookingID: s.BookingID, PaymentID: s.PaymentID,
		Amount: catalog.Money{Amount: amount, Currency: s.Amount.Currency}, Key: key,
	})
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if got := fault.KindOf(err); got != want {
		t.Fatalf("error %v is %q, want %q", err, got, want)
	}
}

func TestSessionIsPaid(t *testing.T) {
	w := newWorld(t)
	p := w.deposit("b1")
	s := w.open(t, "b1")
	want := checkout.Session{
		ID: s.ID, BookingID: "b1", Attempt: 1, URL: w.url[:strings.LastIndex(w.url, "/")] + "/checkout/" + s.ID,
		Status: checkout.SessionOpen, Amount: p.Amount, Created: w.clock.Now(), ExpiresAt: p.ExpiresAt,
	}
	if s != want {
		t.Errorf("created\n%+v, want\n%+v", s, want)
	}
	if got := w.fetch(t, s.ID); got != want {
		t.Errorf("fetched\n%+v, want\n%+v", got, want)
	}

	if err := w.sim.Pay(t.Context(), s.ID, stripesim.CardSucceeds); err != nil {
		t.Fatal(err)
	}
	got := w.fetch(t, s.ID)
	if got.PaymentID == "" {
		t.Error("a paid session names no payment")
	}
	want.Status, want.Paid, want.URL, want.PaymentID = checkout.SessionComplete, true, "", got.PaymentID
	if got != want {
		t.Errorf("paid\n%+v, want\n%+v", got, want)
	}
}

func TestDeclinedSessionStaysOpen(t *testing.T) {
	w := newWorld(t)
	s := w.paid(t, "b1", stripesim.CardDeclined)
	if s.Status != checkout.SessionOpen || s.Paid || s.Failed || s.URL == "" {
		t.Errorf("after a decline: %+v", s)
	}
}

func TestAsynchronousPayment(t *testing.T) {
	for _, succeeds := range []bool{true, false} {
		w := newWorld(t)
		id := w.open(t, "b1").ID
		if err := w.sim.PayLater(t.Context(), id, "alipay"); err != nil {
			t.Fatal(err)
		}
		if s := w.fetch(t, id); s.Status != checkout.SessionComplete || s.Paid || s.Failed {
			t.Errorf("under way: %+v", s)
		}
		if err := w.sim.SettleAsync(t.Context(), id, succeeds); err != nil {
			t.Fatal(err)
		}
		if s := w.fetch(t, id); s.Paid != succeeds || s.Failed == succeeds || s.Status != checkout.SessionComplete {
			t.Errorf("settled with success %t: %+v", succeeds, s)
		}
	}
}

func TestSessionsCreated(t *testing.T) {
	w := newWorld(t)
	from := w.clock.Now()
	var want []checkout.Session
	for _, booking := range []string{"b1", "b2", "b3"} {
		want = append(want, w.paid(t, booking, stripesim.CardSucceeds))
		w.clock.Advance(time.Minute)
	}
	got, err := w.SessionsCreated(t.Context(), from, w.clock.Now())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want\n%+v", got, err, want)
	}
	got, err = w.SessionsCreated(t.Context(), from.Add(time.Minute), from.Add(2*time.Minute))
	if err != nil || !slices.Equal(got, want[1:2]) {
		t.Errorf("%+v, %v; want the second", got, err)
	}
}

func TestExpireSession(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.open(t, "b1").ID
	for _, key := range []string{"b1:expire:1", "b1:expire:1", "b1:expire:2"} {
		s, err := w.ExpireSession(ctx, id, key)
		if err != nil || s.Status != checkout.SessionExpired {
			t.Fatalf("expire with %s: %+v, %v", key, s, err)
		}
	}

	late := w.open(t, "b2").ID
	w.clock.Advance(2 * time.Hour)
	if s, err := w.ExpireSession(ctx, late, "b2:expire:1"); err != nil || s.Status != checkout.SessionExpired {
		t.Fatalf("expire what had expired: %+v, %v", s, err)
	}

	paid := w.paid(t, "b3", stripesim.CardSucceeds)
	s, err := w.ExpireSession(ctx, paid.ID, "b3:expire:1")
	wantKind(t, err, fault.Conflict)
	if !s.Paid {
		t.Errorf("the conflict does not show the payment: %+v", s)
	}

	_, err = w.ExpireSession(ctx, "cs_test_unknown", "x")
	wantKind(t, err, fault.NotFound)
}

func TestRefunds(t *testing.T) {
	w := newWorld(t)
	s := w.paid(t, "b1", stripesim.CardSucceeds)
	first, err := w.refund(t, s, "1", 100000)
	if err != nil {
		t.Fatal(err)
	}
	want := checkout.Refund{
		ID: first.ID, PaymentID: s.PaymentID, Key: "1", Amount: catalog.Money{Amount: 100000, Currency: "USD"},
		Status: checkout.RefundSucceeded, Created: w.clock.Now(),
	}
	if first != want {
		t.Errorf("refund\n%+v, want\n%+v", first, want)
	}
	if again, err := w.refund(t, s, "1", 100000); err != nil || again != first {
		t.Errorf("repeated: %+v, %v; want the same", again, err)
	}
	_, err = w.refund(t, s, "1", 99999)
	wantKind(t, err, fault.Invalid) // the key belongs to other parameters
	_, err = w.refund(t, s, "2", 48001)
	wantKind(t, err, fault.Invalid) // more than is left

	w.clock.Advance(time.Minute)
	if _, err := w.sim.RefundFromDashboard(t.Context(), s.PaymentID, 48000); err != nil {
		t.Fatal(err)
	}
	_, err = w.refund(t, s, "3", 1)
	wantKind(t, err, fault.Invalid) // nothing is left

	all, err := w.Refunds(t.Context(), s.PaymentID)
	if err != nil || len(all) != 2 || all[0] != first || all[1].Key != "" || all[1].Amount.Amount != 48000 {
		t.Errorf("refunds %+v, %v; want both, oldest first", all, err)
	}
	if err := w.sim.FailRefund(t.Context(), first.ID, "lost_or_stolen_card"); err != nil {
		t.Fatal(err)
	}
	all, err = w.Refunds(t.Context(), s.PaymentID)
	if err != nil || all[0].Status != checkout.RefundFailed || all[0].FailureReason != "lost_or_stolen_card" {
		t.Errorf("refunds %+v, %v; want the first failed", all, err)
	}
	if _, err := w.refund(t, s, "4", 100000); err != nil {
		t.Errorf("what a failed refund gave back cannot be refunded: %v", err)
	}
}

func TestRefundsOverManyPages(t *testing.T) {
	w := newWorld(t)
	s := w.paid(t, "b1", stripesim.CardSucceeds)
	const n = 203 // more than two pages
	for range n {
		if _, err := w.sim.RefundFromDashboard(t.Context(), s.PaymentID, 10); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(time.Second)
	}
	all, err := w.Refunds(t.Context(), s.PaymentID)
	if err != nil || len(all) != n {
		t.Fatalf("%d refunds, %v; want %d", len(all), err, n)
	}
	for i := 1; i < n; i++ {
		if !all[i-1].Created.Before(all[i].Created) {
			t.Fatalf("refund %d of %v comes after one of %v", i, all[i].Created, all[i-1].Created)
		}
	}
}

func TestRefundOfUnpaidOrUnknown(t *testing.T) {
	w := newWorld(t)
	declined := w.paid(t, "b1", stripesim.CardDeclined)
	_, err := w.refund(t, declined, "1", 100)
	wantKind(t, err, fault.Invalid)
	_, err = w.CreateRefund(t.Context(), checkout.RefundParams{
		IdempotencyKey: "k", PaymentID: "pi_unknown", Amount: catalog.Money{Amount: 1, Currency: "USD"},
	})
	wantKind(t, err, fault.NotFound)
	_, err = w.Refunds(t.Context(), "pi_unknown")
	wantKind(t, err, fault.NotFound)
	_, err = w.Session(t.Context(), "cs_test_unknown")
	wantKind(t, err, fault.NotFound)
}

func TestDisputes(t *testing.T) {
	w := newWorld(t)
	s := w.paid(t, "b1", stripesim.CardSucceeds)
	if all, err := w.Disputes(t.Context(), s.PaymentID); err != nil || len(all) != 0 {
		t.Fatalf("disputes %v, %v; want none", all, err)
	}
	id, err := w.sim.CreateDispute(t.Context(), s.PaymentID, 148000, "fraudulent")
	if err != nil {
		t.Fatal(err)
	}
	want := checkout.Dispute{
		ID: id, PaymentID: s.PaymentID, Amount: s.Amount, Status: "needs_response", Reason: "fraudulent", Created: w.clock.Now(),
	}
	all, err := w.Disputes(t.Context(), s.PaymentID)
	if err != nil || len(all) != 1 || all[0] != want || all[0].Closed() {
		t.Errorf("disputes %+v, %v; want %+v", all, err, want)
	}
	_, err = w.refund(t, s, "1", 100)
	wantKind(t, err, fault.Invalid) // disputed
	if err := w.sim.CloseDispute(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
	if all, err := w.Disputes(t.Context(), s.PaymentID); err != nil || !all[0].Closed() || all[0].Status != "won" {
		t.Errorf("disputes %+v, %v; want it won", all, err)
	}
	if _, err := w.refund(t, s, "2", 100); err != nil {
		t.Errorf("a payment whose dispute was won cannot be refunded: %v", err)
	}
}

func TestCreateSessionIsIdempotent(t *testing.T) {
	w := newWorld(t)
	p := w.deposit("b1")
	first := w.open(t, "b1")
	w.clock.Advance(40 * time.Minute) // expires_at is near by now, and still the stored one
	again, err := w.CreateSession(t.Context(), p)
	if err != nil || again != first {
		t.Errorf("repeated\n%+v, %v; want\n%+v", again, err, first)
	}
	p.Amount.Amount++
	_, err = w.CreateSession(t.Context(), p)
	wantKind(t, err, fault.Invalid)
}

func TestRefusedSessions(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*checkout.SessionParams){
		"below the minimum":   func(p *checkout.SessionParams) { p.Amount.Amount = 49 },
		"unknown currency":    func(p *checkout.SessionParams) { p.Amount.Currency = "XXX" },
		"step of KWD":         func(p *checkout.SessionParams) { p.Amount = catalog.Money{Amount: 12345, Currency: "KWD"} },
		"Alipay in KWD":       func(p *checkout.SessionParams) { p.Amount = catalog.Money{Amount: 12340, Currency: "KWD"} },
		"locale":              func(p *checkout.SessionParams) { p.Locale = "ar" },
		"method":              func(p *checkout.SessionParams) { p.Methods = []string{"shells"} },
		"no method":           func(p *checkout.SessionParams) { p.Methods = nil },
		"expires too soon":    func(p *checkout.SessionParams) { p.ExpiresAt = w.clock.Now().Add(29 * time.Minute) },
		"expires too late":    func(p *checkout.SessionParams) { p.ExpiresAt = w.clock.Now().Add(25 * time.Hour) },
		"no success URL":      func(p *checkout.SessionParams) { p.SuccessURL = "/relative" },
		"bad e-mail":          func(p *checkout.SessionParams) { p.Email = "nobody" },
		"title too long":      func(p *checkout.SessionParams) { p.Title = strings.Repeat("x", 251) },
		"more than 8 digits":  func(p *checkout.SessionParams) { p.Amount.Amount = 100_000_000 },
		"reference too long":  func(p *checkout.SessionParams) { p.BookingID = strings.Repeat("b", 201) },
		"idempotency too big": func(p *checkout.SessionParams) { p.IdempotencyKey = strings.Repeat("k", 256) },
	} {
		p := w.deposit("b-" + name)
		change(&p)
		_, err := w.CreateSession(t.Context(), p)
		if name == "idempotency too big" {
			// stripe-go refuses it before anything is sent.
			if err == nil {
				t.Errorf("%s: accepted", name)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	ok := w.deposit("ok")
	ok.Amount, ok.Methods = catalog.Money{Amount: 12340, Currency: "KWD"}, []string{"card"}
	if s, err := w.CreateSession(t.Context(), ok); err != nil || s.Amount != ok.Amount {
		t.Errorf("a deposit in KWD: %+v, %v", s, err)
	}
}

func TestFailuresAreUnavailableAndRepeatable(t *testing.T) {
	for name, rule := range map[string]stripesim.Failure{
		"429":                    {Status: http.StatusTooManyRequests},
		"500":                    {Status: http.StatusInternalServerError},
		"500 after the effect":   {Status: http.StatusInternalServerError, AfterEffect: true},
		"503":                    {Status: http.StatusServiceUnavailable},
		"cut":                    {Kind: stripesim.Cut},
		"cut after the effect":   {Kind: stripesim.Cut, AfterEffect: true},
		"hangs":                  {Kind: stripesim.Hang},
		"hangs after the effect": {Kind: stripesim.Hang, AfterEffect: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			rule.Times = -1 // net/http repeats a request with an idempotency key on its own
			fail := func(method, path string) {
				t.Helper()
				w.sim.Recover()
				rule.Method, rule.Path = method, path
				w.sim.Fail(rule)
			}
			ctx := func() context.Context {
				if rule.Kind != stripesim.Hang {
					return t.Context()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				t.Cleanup(cancel)
				return ctx
			}

			fail("POST", "/v1/checkout/sessions")
			_, err := w.CreateSession(ctx(), w.deposit("b1"))
			wantKind(t, err, fault.Unavailable)
			w.sim.Recover()
			s := w.open(t, "b1")
			if again := w.open(t, "b1"); again != s {
				t.Errorf("two sessions: %+v and %+v", s, again)
			}
			if err := w.sim.Pay(t.Context(), s.ID, stripesim.CardSucceeds); err != nil {
				t.Fatal(err)
			}

			fail("GET", "/v1/checkout/sessions/*")
			_, err = w.Session(ctx(), s.ID)
			wantKind(t, err, fault.Unavailable)
			w.sim.Recover()
			s = w.fetch(t, s.ID)

			fail("POST", "/v1/refunds")
			refund := checkout.RefundParams{IdempotencyKey: "b1:refund:1", BookingID: "b1", PaymentID: s.PaymentID, Amount: s.Amount, Key: "1"}
			_, err = w.CreateRefund(ctx(), refund)
			wantKind(t, err, fault.Unavailable)
			w.sim.Recover()
			r, err := w.CreateRefund(t.Context(), refund)
			if err != nil {
				t.Fatal(err)
			}
			all, err := w.Refunds(t.Context(), s.PaymentID)
			if err != nil || len(all) != 1 || all[0] != r {
				t.Errorf("refunds %+v, %v; want %+v alone", all, err, r)
			}

			fail("GET", "/v1/*")
			_, err = w.Refunds(ctx(), s.PaymentID)
			wantKind(t, err, fault.Unavailable)
			_, err = w.Disputes(ctx(), s.PaymentID)
			wantKind(t, err, fault.Unavailable)
		})
	}
}

func TestLibraryRetries(t *testing.T) {
	w := newWorld(t)
	c, err := stripepay.New(stripepay.Config{
		SecretKey: testKey, WebhookSecrets: []string{testSecret}, APIURL: w.url, MaxNetworkRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.sim.Fail(stripesim.Failure{Status: 500, Times: 1})
	if _, err := c.CreateSession(t.Context(), w.deposit("b1")); err != nil {
		t.Errorf("one failure with one retry: %v", err)
	}
}

func TestGivenUpCallIsCanceled(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Session(ctx, "cs_test_any")
	wantKind(t, err, fault.Canceled)
}

func TestWrongKeyIsUnavailable(t *testing.T) {
	// A key that was revoked says nothing about the request: the booking waits
	// until the operator has put it right.
	w := newWorld(t)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer sk_live_other")
		w.sim.ServeHTTP(rw, r)
	}))
	defer srv.Close()
	_, err := newClient(t, srv.URL, w.clock).CreateSession(t.Context(), w.deposit("b1"))
	wantKind(t, err, fault.Unavailable)
}

func TestBadGatewayIsUnavailable(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>not Stripe</html>"))
		}))
		_, err := newClient(t, srv.URL, newClock()).Session(t.Context(), "cs_test_1")
		wantKind(t, err, fault.Unavailable)
		srv.Close()
	}
}

func TestErrorsHideWhatStripeSends(t *testing.T) {
	w := newWorld(t)
	p := w.deposit("b1")
	p.Email = "secret-patient"
	_, err := w.CreateSession(t.Context(), p)
	var f *fault.Error
	if !errors.As(err, &f) || strings.Contains(f.Message, "secret-patient") {
		t.Errorf("the message shows the e-mail address: %v", err)
	}
}

func TestConfig(t *testing.T) {
	good := stripepay.Config{SecretKey: testKey, WebhookSecrets: []string{testSecret}}
	for name, change := range map[string]func(*stripepay.Config){
		"no key":                 func(c *stripepay.Config) { c.SecretKey = "" },
		"publishable key":        func(c *stripepay.Config) { c.SecretKey = "pk_test_1" },
		"key without mode":       func(c *stripepay.Config) { c.SecretKey = "sk_1" },
		"no webhook secret":      func(c *stripepay.Config) { c.WebhookSecrets = nil },
		"empty webhook secret":   func(c *stripepay.Config) { c.WebhookSecrets = []string{testSecret, ""} },
		"no URL":                 func(c *stripepay.Config) { c.APIURL = "localhost" },
		"live key sent astray":   func(c *stripepay.Config) { c.SecretKey, c.APIURL = "sk_live_1", "http://127.0.0.1" },
		"too many retries":       func(c *stripepay.Config) { c.MaxNetworkRetries = 6 },
		"negative retries":       func(c *stripepay.Config) { c.MaxNetworkRetries = -1 },
		"key of nothing but a _": func(c *stripepay.Config) { c.SecretKey = "sk_test_" },
	} {
		cfg := good
		change(&cfg)
		if _, err := stripepay.New(cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	for key, live := range map[string]bool{"sk_test_1": false, "rk_test_1": false, "sk_live_1": true, "rk_live_1": true} {
		cfg := good
		cfg.SecretKey = key
		if c, err := stripepay.New(cfg); err != nil || c.Live() != live {
			t.Errorf("%s: %v, want live %t", key, err, live)
		}
	}
}
