// Package stripesim is a local Stripe for the demo and for tests: the part of
// Stripe's API that Medtour uses, with its rules, its hosted payment page and
// its signed webhooks, over HTTP, so that checkout/stripepay reaches it by URL
// on the very path that it takes to Stripe. No money moves.
//
// What it promises: the state is in the store and survives a restart; a change
// and the event that announces it are stored together; an idempotency key has
// one effect, also when the process dies in between; events are delivered at
// least once. Failures of the network and of Stripe are brought about on
// demand (Fail, Disturb), and so is what happens at Stripe without us: refunds
// from the dashboard, disputes, asynchronous payments.
package stripesim

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// apiVersion that the simulation speaks.
	apiVersion = "2024-06-20"
	// maxBody of a request in bytes; the largest are a few kilobytes.
	maxBody = 64 << 10
	// maxKey is the greatest length of an idempotency key.
	maxKey = 255
	// sessionPlaceholder in a success_url becomes the session's id.
	sessionPlaceholder = "{CHECKOUT_SESSION_ID}"
	// DefaultDelay of Options.Delay.
	DefaultDelay = 10 * time.Second
	// tick is how often Run looks whether time has made something due.
	tick = time.Second
)

// Options of a Server. Engine is required.
type Options struct {
	// Engine keeps the state, in collections named stripesim_….
	Engine store.Engine
	// Key is the secret key that callers must present; empty takes every
	// sk_test_… key.
	Key string
	// BaseURL under which browsers reach the server, without a slash at the end,
	// such as https://example.org/stripesim; empty is http:// and the host of
	// the request that creates a session. Required under a prefix.
	BaseURL string
	// WebhookURL that events are sent to; empty sends none.
	WebhookURL string
	// WebhookSecret that they are signed with; required with WebhookURL.
	WebhookSecret string
	// Delay of what happens later: a dispute, a refund that fails or that is
	// pending, an asynchronous payment. 0 is DefaultDelay.
	Delay time.Duration
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Logger for defects and deliveries; nil discards.
	Logger *slog.Logger
}

// Server is the simulated Stripe. It is an http.Handler, safe for concurrent
// use; under a prefix mount it with http.StripPrefix.
type Server struct {
	opts     Options
	log      *slog.Logger
	clock    func() time.Time
	payments *store.Collection[payment]
	replies  *store.Collection[reply]
	// transfers to connected accounts, and payouts to the platform's bank.
	transfers *store.Collection[transfer]
	// moving is held while the balance is looked at and money leaves it.
	moving sync.Mutex
	mux    *http.ServeMux
	client *http.Client
	// wake tells Run that there is something to deliver.
	wake chan struct{}
	// delivering is held while events are sent, so that one is not sent twice
	// at the same time.
	delivering sync.Mutex

	mu sync.Mutex
	// inFlight are the idempotency keys of requests under way.
	inFlight map[string]bool
	failures []*Failure
	disturb  func([]Delivery) []Delivery
}

// New opens a server. Errors: Invalid for options that do not fit together,
// and those of the store.
func New(ctx context.Context, opts Options) (*Server, error) {
	if opts.WebhookURL != "" && opts.WebhookSecret == "" {
		return nil, fault.New(fault.Invalid, "The local payment server needs a webhook secret.")
	}
	if opts.Delay == 0 {
		opts.Delay = DefaultDelay
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.BaseURL = strings.TrimSuffix(opts.BaseURL, "/")
	payments, err := store.Open(ctx, opts.Engine, store.Def[payment]{
		Name:    "stripesim_payments",
		Indexes: []store.Index{{Name: "created"}, {Name: "due"}, {Name: "outbox"}},
		Keys:    payment.keys,
	})
	if err != nil {
		return nil, err
	}
	replies, err := store.Open(ctx, opts.Engine, store.Def[reply]{Name: "stripesim_replies"})
	if err != nil {
		return nil, err
	}
	transfers, err := store.Open(ctx, opts.Engine, store.Def[transfer]{
		Name:    "stripesim_transfers",
		Indexes: []store.Index{{Name: "group"}},
		Keys:    func(t transfer) map[string]string { return map[string]string{"group": t.Group} },
	})
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, log: opts.Logger, clock: opts.Clock, payments: payments, replies: replies, transfers: transfers,
		wake: make(chan struct{}, 1), inFlight: map[string]bool{},
		client: &http.Client{
			Timeout: deliveryTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	s.mux = s.routes()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/checkout/sessions", s.api(s.createSession))
	mux.HandleFunc("GET /v1/checkout/sessions", s.api(s.listSessions))
	mux.HandleFunc("GET /v1/checkout/sessions/{id}", s.api(s.retrieve("checkout.session", prefixSession)))
	mux.HandleFunc("POST /v1/checkout/sessions/{id}/expire", s.api(s.expireSession))
	mux.HandleFunc("POST /v1/refunds", s.api(s.createRefund))
	mux.HandleFunc("GET /v1/refunds", s.api(s.listRefunds))
	mux.HandleFunc("GET /v1/refunds/{id}", s.api(s.retrieve("refund", prefixRefund)))
	mux.HandleFunc("GET /v1/payment_intents/{id}", s.api(s.retrieve("payment_intent", prefixIntent)))
	mux.HandleFunc("GET /v1/charges/{id}", s.api(s.retrieve("charge", prefixCharge)))
	mux.HandleFunc("GET /v1/disputes", s.api(s.listDisputes))
	mux.HandleFunc("GET /v1/disputes/{id}", s.api(s.retrieve("dispute", prefixDispute)))
	mux.HandleFunc("POST /v1/transfers", s.api(s.createTransfer))
	mux.HandleFunc("GET /v1/transfers", s.api(s.listTransfers))
	mux.HandleFunc("GET /v1/transfers/{id}", s.api(s.getTransfer))
	mux.HandleFunc("POST /v1/transfers/{id}/reversals", s.api(s.createReversal))
	mux.HandleFunc("GET /v1/balance_transactions", s.api(s.listTransactions))
	mux.HandleFunc("GET /v1/balance_transactions/{id}", s.api(s.retrieve("balance_transaction", prefixTransaction)))
	mux.HandleFunc("GET /v1/events", s.api(s.listEvents))
	mux.HandleFunc("GET /v1/events/{id}", s.api(s.retrieve("event", prefixEvent)))
	mux.HandleFunc("/v1/", s.api(func(_ context.Context, c *call) (any, error) {
		return nil, &apiError{Status: http.StatusNotFound, Type: typeInvalid, Unsaved: true,
			Message: "Unrecognized request URL (" + c.r.Method + ": " + c.r.URL.Path + ")."}
	}))
	mux.HandleFunc("GET /checkout/{session}", s.page(s.showPage))
	mux.HandleFunc("POST /checkout/{session}", s.page(s.submitPage))
	mux.HandleFunc("GET /checkout/{session}/confirm", s.page(s.showConfirm))
	mux.HandleFunc("POST /checkout/{session}/confirm", s.page(s.submitConfirm))
	mux.HandleFunc("GET /checkout.css", serveStyle)
	return mux
}

// Run delivers events and does what time makes due until the context ends.
func (s *Server) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if err := s.Advance(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("stripesim: advance", "error", err)
		}
		if _, err := s.DeliverPending(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("stripesim: deliver", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-ticker.C:
		}
	}
}

// Advance does what the clock has made due: sessions expire, asynchronous
// payments and refunds end, disputes come.
func (s *Server) Advance(ctx context.Context) error {
	// Up to and including now: the end of the range is exclusive.
	until := store.TimeKey(s.clock().Add(1))
	for {
		page, err := s.payments.Find(ctx, store.Query{Index: "due", To: until})
		if err != nil {
			return err
		}
		for _, rec := range page.Items {
			if err := s.change(ctx, rec.ID, func(c change) error { return nil }); err != nil {
				return err
			}
		}
		// What was due has left the range.
		if page.Next == "" {
			return nil
		}
	}
}

// change changes a payment, after what time has made due.
func (s *Server) change(ctx context.Context, id string, f func(change) error) error {
	now := s.clock()
	rec, err := s.payments.Update(ctx, id, func(p *payment) error {
		c := change{payment: p, now: now, delay: s.opts.Delay, deliver: s.opts.WebhookURL != ""}
		c.advance()
		return f(c)
	})
	if err == nil && rec.Value.keys()["outbox"] != "" {
		select {
		case s.wake <- struct{}{}:
		default: // Run has been told already
		}
	}
	return err
}

// call is a request to the API.
type call struct {
	r      *http.Request
	params *params
	// request identifies it over its repetitions.
	request string
}

// api wraps a handler of the API: key, version, parameters, idempotency,
// failures on demand, JSON.
func (s *Server) api(h func(context.Context, *call) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", "req_"+newID())
		c, err := s.open(w, r)
		if err != nil {
			s.write(w, s.answer(nil, err))
			return
		}
		if err := s.Advance(r.Context()); err != nil {
			s.write(w, s.answer(nil, err))
			return
		}
		fail := s.failure(r)
		run := func() answer {
			if fail != nil && !fail.AfterEffect {
				return s.bringAbout(r, fail)
			}
			return s.answer(h(r.Context(), c))
		}
		var a answer
		if key := r.Header.Get("Idempotency-Key"); key != "" && r.Method == http.MethodPost {
			a = s.idempotent(r.Context(), key, c, run)
		} else {
			a = run()
		}
		if fail != nil && fail.AfterEffect {
			a = s.bringAbout(r, fail)
		}
		s.write(w, a)
	}
}

// open checks a request and reads its parameters.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (*call, error) {
	key, basic, _ := r.BasicAuth()
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && basic == "" {
		key = bearer
	}
	switch {
	case key == "":
		return nil, &apiError{Status: http.StatusUnauthorized, Type: typeInvalid, Unsaved: true,
			Message: "You did not provide an API key."}
	case key != s.opts.Key && (s.opts.Key != "" || !strings.HasPrefix(key, "sk_test_")):
		return nil, &apiError{Status: http.StatusUnauthorized, Type: typeInvalid, Unsaved: true,
			Message: "Invalid API Key provided."}
	}
	if v := r.Header.Get("Stripe-Version"); v != "" && v != apiVersion {
		return nil, malformed("", "", "Invalid Stripe API version: %s", v)
	}
	if len(r.Header.Get("Idempotency-Key")) > maxKey {
		return nil, malformed("", "", "Idempotency keys can have up to %d characters.", maxKey)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return nil, malformed("", "", "Invalid request body.")
	}
	c := &call{r: r, params: &params{values: r.PostForm}, request: newID()}
	if r.Method == http.MethodGet {
		c.params.values = r.Form
	}
	return c, nil
}

// answer is what is sent back.
type answer struct {
	status   int
	body     []byte
	unsaved  bool
	replayed bool
}

func (s *Server) answer(v any, err error) answer {
	status, unsaved := http.StatusOK, false
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			s.log.Error("stripesim: request failed", "error", err)
			e = &apiError{Status: http.StatusInternalServerError, Type: typeAPI, Message: "Something went wrong.", Unsaved: true}
		}
		v, status, unsaved = e.object(), e.Status, e.Unsaved
	}
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("stripesim: " + err.Error()) // only maps, strings and numbers are rendered
	}
	return answer{status: status, body: body, unsaved: unsaved}
}

func (s *Server) write(w http.ResponseWriter, a answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Stripe-Version", apiVersion)
	if a.replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the caller may be gone
}
