// Package checkout takes bookings and their money: quotes, places on
// departures, deposits, refunds, cancellation and the ledger.
//
// What it promises, on every engine, under crash, concurrency and replay:
//   - what the patient saw is what is charged: a booking carries the quote as
//     it was, with policy and exchange rate;
//   - no place is sold twice, and none is lost: a place is a document that
//     names the booking and the entry of its log that makes the claim good;
//   - a treatment that may not be sold never gets a price, a quote or a
//     booking, and nothing is confirmed before the hospital has accepted,
//     where its acceptance is needed;
//   - money that cannot be matched to a held place at the quoted amount goes
//     back in full, and so does every deposit that a hospital declines or
//     leaves unanswered;
//   - no refund is sent twice and never more than was paid;
//   - a departure that is closed forgets nobody: everyone on it is moved or
//     refunded in full;
//   - the ledger is computed from the log and always balances, and whatever
//     needs a person is in a list until somebody has dealt with it.
//
// How: the booking log is the truth. Every fact is one entry inserted under
// the unique id <booking>/<seq>, the state is the fold over the entries, and
// whoever finds its id taken loads again and decides again. Settle brings a
// booking forward one step at a time; each step is one entry, or one call of
// Payments whose parameters were stored in the log before. It may be called by
// anybody at any time. The list view is a projection that says what to show in
// lists and when to look at a booking again; it decides nothing about money.
package checkout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// DefaultHoldFor is how long a place is held for a payment. Stripe takes
	// nothing under 30 minutes from the creation of its page; the rest is room
	// to repeat that call after a crash.
	DefaultHoldFor = 45 * time.Minute
	// MinHoldFor keeps some room above Stripe's 30 minutes.
	MinHoldFor = 32 * time.Minute
	// MaxHoldFor is Stripe's limit for the life of a payment page.
	MaxHoldFor = 23 * time.Hour
	// DefaultQuoteFor is how long a quote can be booked.
	DefaultQuoteFor = 60 * time.Minute
)

// Config is what a Service needs. Catalog, Engine, Payments and ReturnURL are
// required.
type Config struct {
	Catalog  *catalog.Catalog
	Engine   store.Engine
	Payments Payments
	// Rates convert prices into the currencies in which a package may be paid.
	Rates catalog.Rates
	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// Log takes what happens without anybody waiting; nil discards it.
	Log *slog.Logger
	// ReturnURL gives the addresses to which the payment page sends the
	// patient back. It must give the same for the same booking and language.
	ReturnURL func(bookingID, lang string) (success, cancel string)
	// Notify tells a patient of something, by mail for one. Every notice is given
	// at least once, and with the same key where it is given again; after an
	// error it is given again. nil tells nothing.
	Notify func(context.Context, Notice) error
	// Payouts are the ways in which organisations are paid by themselves, by
	// method; PayoutManual is always there.
	Payouts map[string]PayoutProvider
	// Methods of payment besides cards that the account has enabled: MethodAlipay,
	// MethodWeChat. A quote is offered those that its currency allows at an
	// account of Country, ISO 3166-1 alpha-2, which they require.
	Methods []string
	Country string
	// HoldFor is how long a place is held for a payment; 0 is DefaultHoldFor.
	HoldFor time.Duration
	// QuoteFor is how long a quote can be booked; 0 is DefaultQuoteFor.
	QuoteFor time.Duration
}

// Service is checkout over a store and a card processor. It is safe for
// concurrent use, by several processes on one store as well.
type Service struct {
	cfg     Config
	catalog *catalog.Catalog
	pay     Payments
	payouts map[string]PayoutProvider
	now     func() time.Time
	log     *slog.Logger

	quotes  *store.Collection[Quote]
	entries *store.Collection[Entry]
	places  *store.Collection[place]
	views   *store.Collection[View]
	events  *store.Collection[doneEvent]
	items   *store.Collection[Item]
	runs    *store.Collection[Findings]
	// closings of departures by target.
	closings       *store.Collection[Closing]
	payoutAccounts *store.Collection[PayoutAccount]

	// wake tells Run that a booking is due sooner than it knows.
	wake chan struct{}
}

// New opens checkout on a store. Errors: Invalid for a configuration that does
// not fit together, and those of the store.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.HoldFor == 0 {
		cfg.HoldFor = DefaultHoldFor
	}
	if cfg.QuoteFor == 0 {
		cfg.QuoteFor = DefaultQuoteFor
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, catalog: cfg.Catalog, pay: cfg.Payments, log: cfg.Log,
		now:  func() time.Time { return cfg.Now().UTC() },
		wake: make(chan struct{}, 1),
	}
	s.payouts = map[string]PayoutProvider{PayoutManual: byHand{}}
	maps.Copy(s.payouts, cfg.Payouts)
	var err error
	if s.quotes, err = store.Open(ctx, cfg.Engine, quotesDef); err != nil {
		return nil, err
	}
	if s.entries, err = store.Open(ctx, cfg.Engine, entriesDef); err != nil {
		return nil, err
	}
	if s.places, err = store.Open(ctx, cfg.Engine, placesDef); err != nil {
		return nil, err
	}
	if s.views, err = store.Open(ctx, cfg.Engine, viewsDef); err != nil {
		return nil, err
	}
	if s.items, err = store.Open(ctx, cfg.Engine, itemsDef); err != nil {
		return nil, err
	}
	if s.runs, err = store.Open(ctx, cfg.Engine, runsDef); err != nil {
		return nil, err
	}
	if s.closings, err = store.Open(ctx, cfg.Engine, closingsDef); err != nil {
		return nil, err
	}
	if s.payoutAccounts, err = store.Open(ctx, cfg.Engine, payoutAccountsDef); err != nil {
		return nil, err
	}
	s.events, err = store.Open(ctx, cfg.Engine, eventsDef)
	return s, err
}

func (c Config) validate() error {
	var f fault.Fields
	if c.Catalog == nil || c.Engine == nil || c.Payments == nil || c.ReturnURL == nil {
		f.Add("config", "required", "catalogue, store, payments and return address are required")
	}
	if c.HoldFor < MinHoldFor || c.HoldFor > MaxHoldFor {
		f.Add("hold_for", "range", "between %s and %s", MinHoldFor, MaxHoldFor)
	}
	if c.QuoteFor < time.Minute || c.QuoteFor > 7*24*time.Hour {
		f.Add("quote_for", "range", "between a minute and a week")
	}
	for _, m := range c.Methods {
		if w, known := wallets[m]; !known || !slices.Contains(w.countries, c.Country) {
			f.Add("methods", "unavailable", "%q is not available to an account of the country %q", clip(m), clip(c.Country))
		}
	}
	return f.Err("The checkout configuration is wrong.")
}

// newID returns an id that nobody can guess: 130 random bits, in lower case.
func newID() string { return strings.ToLower(rand.Text()) }

// validID reports whether s has the form of an id of a quote or a booking.
func validID(s string) bool {
	return len(s) == 26 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// derive returns 26 characters that follow from an id and tell nothing of it.
func derive(what, id string) string {
	sum := sha256.Sum256([]byte("medtour " + what + " " + id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:26])
}

// bookingID is the id of the one booking that a quote can become, so that a
// double click finds the same.
func bookingID(quoteID string) string { return derive("booking", quoteID) }

// clip shortens input that is quoted in a message.
func clip(s string) string {
	const limit = 40
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
