package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Span is how far a reconciliation looks.
type Span string

// The spans, in the order of how often the worker runs them.
const (
	// SpanMinute settles the bookings that are due.
	SpanMinute Span = "minute"
	// SpanHour takes the events that no webhook has delivered.
	SpanHour Span = "hour"
	// SpanDay compares the card processor's payments, and what changed the
	// balance there, with the log.
	SpanDay Span = "day"
)

const (
	// lookBack is how far back events and sessions are looked for: Stripe
	// delivers an event for three days at most, and a session ends within one.
	lookBack = 72 * time.Hour
	// keepRuns is how long the findings of a run are kept.
	keepRuns = 90 * 24 * time.Hour
)

// Findings is what a reconciliation has found and done.
type Findings struct {
	Span  Span      `json:"span"`
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended"`
	// Sessions, Events and balance Transactions that were looked at.
	Sessions     int `json:"sessions,omitempty"`
	Events       int `json:"events,omitempty"`
	Transactions int `json:"transactions,omitempty"`
	// Repaired are bookings that had missed something.
	Repaired []string `json:"repaired,omitempty"`
	// Items that a person must look at.
	Items []string `json:"items,omitempty"`
}

var runsDef = store.Def[Findings]{
	Name:    "checkout_runs",
	Indexes: []store.Index{{Name: "at"}},
	Keys:    func(f Findings) map[string]string { return map[string]string{"at": store.TimeKey(f.Begun)} },
}

// Reconcile compares the card processor with the log, repairs what was missed
// and opens an item for what a person must look at. The findings of an hour and
// a day are kept. Errors: Invalid for an unknown span, Unavailable, those of
// the store; what was found before is returned as well.
func (s *Service) Reconcile(ctx context.Context, span Span) (Findings, error) {
	f := Findings{Span: span, Begun: s.now()}
	var err error
	switch span {
	case SpanMinute:
		err = s.SettleDue(ctx)
		f.Ended = s.now()
		return f, err
	case SpanHour:
		err = s.reconcileEvents(ctx, &f)
	case SpanDay:
		err = errors.Join(s.reconcileSessions(ctx, &f), s.reconcileBalance(ctx, &f))
	default:
		var bad fault.Fields
		bad.Add("span", "enum", "use minute, hour or day")
		return f, bad.Err("This cannot be reconciled.")
	}
	f.Ended = s.now()
	return f, errors.Join(err, s.runs.Insert(ctx, newID(), f))
}

// Reconciliations returns the latest runs of an hour and a day, the last one
// first.
func (s *Service) Reconciliations(ctx context.Context, limit int) ([]Findings, error) {
	page, err := s.runs.Find(ctx, store.Query{Index: "at", Descending: true, Limit: limit})
	var out []Findings
	for _, rec := range page.Items {
		out = append(out, rec.Value)
	}
	return out, err
}

// reconcileEvents has every event its effect that was not delivered.
func (s *Service) reconcileEvents(ctx context.Context, f *Findings) error {
	events, err := s.pay.UndeliveredEvents(ctx, f.Begun.Add(-lookBack))
	if err != nil {
		return err
	}
	var failed []error
	for _, ev := range events {
		f.Events++
		id, err := s.bookingOf(ctx, ev)
		if err == nil && id == "" {
			err = s.unknown(ctx, ev.PaymentID, ev.Type, f)
		} else if err == nil {
			err = s.repair(ctx, id, look{session: ev.SessionID, payment: ev.PaymentID}, f)
		}
		if err == nil {
			err = s.done(ctx, ev)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// repair settles a booking and notes whether it had missed something.
func (s *Service) repair(ctx context.Context, id string, l look, f *Findings) error {
	before, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	after, err := s.run(ctx, id, l)
	if len(after.Timeline) > len(before.Timeline) && !slices.Contains(f.Repaired, id) {
		f.Repaired = append(f.Repaired, id)
	}
	return err
}

// reconcileSessions compares every paid session with the log of its booking.
func (s *Service) reconcileSessions(ctx context.Context, f *Findings) error {
	sessions, err := s.pay.SessionsCreated(ctx, f.Begun.Add(-lookBack), f.Begun.Add(time.Second))
	if err != nil {
		return err
	}
	var failed []error
	for _, sess := range sessions {
		f.Sessions++
		if !sess.Paid {
			continue
		}
		if err := s.reconcileSession(ctx, sess, f); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (s *Service) reconcileSession(ctx context.Context, sess Session, f *Findings) error {
	id, err := s.bookingOf(ctx, Event{BookingID: sess.BookingID, PaymentID: sess.PaymentID})
	switch {
	case err != nil:
		return err
	case id == "":
		return s.unknown(ctx, sess.PaymentID, "session "+sess.ID, f)
	}
	if err := s.repair(ctx, id, look{session: sess.ID, payment: sess.PaymentID}, f); err != nil {
		return err
	}
	b, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(b.Payments, func(p Payment) bool { return p.ID == sess.PaymentID })
	if i >= 0 && b.Payments[i].Amount == sess.Amount {
		return nil
	}
	note := "the log does not have it"
	if i >= 0 {
		note = fmt.Sprintf("the log has %s", b.Payments[i].Amount)
	}
	return s.found(ctx, Item{ID: string(ItemDifference) + "-" + sess.PaymentID, Kind: ItemDifference, BookingID: id,
		PaymentID: sess.PaymentID, Amount: &sess.Amount, Note: note, Opened: f.Begun}, f)
}

// reconcileBalance compares what changed the account's balance with the logs.
func (s *Service) reconcileBalance(ctx context.Context, f *Findings) error {
	list, err := s.pay.BalanceTransactions(ctx, f.Begun.Add(-lookBack), f.Begun.Add(time.Second))
	if err != nil {
		return err
	}
	var failed []error
	for _, t := range list {
		f.Transactions++
		if t.Kind == "" {
			continue
		}
		if err := s.reconcileTransaction(ctx, t, f); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (s *Service) reconcileTransaction(ctx context.Context, t BalanceTransaction, f *Findings) error {
	id, err := s.bookingOf(ctx, Event{BookingID: t.BookingID, PaymentID: cmp.Or(t.PaymentID, t.TransferID)})
	switch {
	case err != nil:
		return err
	case id == "" && t.PaymentID != "":
		return s.unknown(ctx, t.PaymentID, string(t.Kind)+" "+t.Source, f)
	case id != "":
		b, err := s.load(ctx, id)
		if err != nil || b.has(t) {
			return err
		}
		if err := s.repair(ctx, id, look{payment: t.PaymentID, transfers: true}, f); err != nil {
			return err
		}
		if b, err = s.load(ctx, id); err != nil || b.has(t) {
			return err
		}
	}
	return s.found(ctx, Item{ID: string(ItemDifference) + "-" + t.Source, Kind: ItemDifference, BookingID: id, PaymentID: t.PaymentID,
		Amount: &t.Amount, Note: string(t.Kind) + " " + t.Source + ": the log does not have it", Opened: f.Begun}, f)
}

// has reports whether the log has what changed the balance.
func (b *Booking) has(t BalanceTransaction) bool {
	switch t.Kind {
	case TransactionCharge:
		return slices.ContainsFunc(b.Payments, func(p Payment) bool { return p.ID == t.Source && p.Amount == t.Amount })
	case TransactionRefund, TransactionRefundFailure:
		return slices.ContainsFunc(b.Refunds, func(r RefundRecord) bool {
			return r.ID == t.Source && r.Amount == t.Amount && (t.Kind == TransactionRefund || r.lost())
		})
	case TransactionDispute, TransactionDisputeReversal:
		return slices.ContainsFunc(b.Disputes, func(d DisputeRecord) bool { return d.ID == t.Source && d.Amount == t.Amount })
	case TransactionTransfer:
		return slices.ContainsFunc(b.Payouts, func(p Payout) bool { return p.Reference == t.Source && p.Amount == t.Amount })
	case TransactionReversal:
		return slices.ContainsFunc(b.Payouts, func(p Payout) bool {
			return slices.ContainsFunc(p.Reversals, func(r PayoutReversal) bool { return r.Reference == t.Source && r.Amount == t.Amount })
		})
	}
	return false
}

// unknown opens an item for a payment that belongs to no booking.
func (s *Service) unknown(ctx context.Context, payment, note string, f *Findings) error {
	if payment == "" {
		return nil // no money came
	}
	return s.found(ctx, Item{ID: string(ItemUnknownPayment) + "-" + payment, Kind: ItemUnknownPayment, PaymentID: payment, Note: note, Opened: f.Begun}, f)
}

// found opens an item, and counts it among the findings unless somebody has
// dealt with it.
func (s *Service) found(ctx context.Context, i Item, f *Findings) error {
	if err := s.openItem(ctx, i); err != nil {
		return err
	}
	now, err := s.Item(ctx, i.ID)
	if err == nil && now.Resolved.IsZero() && !slices.Contains(f.Items, i.ID) {
		f.Items = append(f.Items, i.ID)
	}
	return err
}
