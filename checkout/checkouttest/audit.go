// Package checkouttest says whether a store and a card processor agree about
// money and places, for the tests that drive checkout through failures.
package checkouttest

import (
	"context"
	"fmt"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/store"
)

// Stripe is what an audit asks the card processor; checkout/stripepay has it.
type Stripe interface {
	SessionsCreated(ctx context.Context, from, to time.Time) ([]checkout.Session, error)
	Refunds(ctx context.Context, paymentID string) ([]checkout.Refund, error)
	Disputes(ctx context.Context, paymentID string) ([]checkout.Dispute, error)
	Transfers(ctx context.Context, bookingID string) ([]checkout.Transfer, error)
}

// Capacity returns how many places a start date has, and how many rooms of each
// kind that is limited.
type Capacity func(startKey string) (places int, rooms map[string]int, err error)

// audit collects what is wrong.
type audit struct {
	service *checkout.Service
	stripe  Stripe
	faults  []string
}

// Audit compares the bookings of a service that has come to rest with what the
// processor says about the sessions made from one time to another, and returns
// a line for everything that breaks a promise of checkout:
//   - places ≤ capacity, one for every booking that needs it and no other;
//   - the processor's money = the ledger = what the booking and the list show;
//   - no confirmation without money, no money without confirmation or refund;
//   - what was transferred to organisations and not taken back = what the ledger
//     says was paid out to them;
//   - no second deposit, no refund sent twice or above what was paid;
//   - nothing left unsettled.
func Audit(ctx context.Context, service *checkout.Service, stripe Stripe, capacity Capacity, from, to time.Time) ([]string, error) {
	a := &audit{service: service, stripe: stripe}
	bookings, err := a.bookings(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.charged(ctx, bookings, from, to); err != nil {
		return nil, err
	}
	for _, b := range bookings {
		if err := a.booking(ctx, b); err != nil {
			return nil, err
		}
	}
	return a.faults, a.places(ctx, bookings, capacity)
}

func (a *audit) says(b checkout.Booking, format string, args ...any) {
	a.faults = append(a.faults, fmt.Sprintf("%s (%s): ", b.ID, b.State)+fmt.Sprintf(format, args...))
}

// bookings loads every booking of the list and compares it with the list, with
// the log settled once more, and with the log rebuilt.
func (a *audit) bookings(ctx context.Context) (map[string]checkout.Booking, error) {
	out := map[string]checkout.Booking{}
	for after := ""; ; {
		page, err := a.service.Bookings(ctx, checkout.Filter{}, store.MaxPage, after)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Items {
			b, err := a.service.Booking(ctx, v.ID)
			if err != nil {
				return nil, err
			}
			again, err := a.service.Settle(ctx, v.ID)
			if err != nil {
				return nil, err
			}
			if len(again.Timeline) != len(b.Timeline) {
				a.says(b, "was not settled: %s is new", again.Timeline[len(b.Timeline)].Kind)
			}
			if v.State != b.State || v.Paid != b.Paid || v.Refunded != b.Refunded || v.RefundPending != b.RefundPending || v.Entries != len(b.Timeline) {
				a.says(b, "the list shows %s, paid %s, refunded %s, pending %s", v.State, v.Paid, v.Refunded, v.RefundPending)
			}
			out[v.ID] = again
		}
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}

// charged looks for money at the processor that the bookings do not have, or
// have twice.
func (a *audit) charged(ctx context.Context, bookings map[string]checkout.Booking, from, to time.Time) error {
	sessions, err := a.stripe.SessionsCreated(ctx, from, to)
	if err != nil {
		return err
	}
	paid := map[string]checkout.Session{}
	for _, s := range sessions {
		b, known := bookings[s.BookingID]
		if known && s.Status == checkout.SessionOpen && b.State != checkout.StateHolding {
			a.says(b, "payment page %s is open", s.ID)
		}
		if !s.Paid {
			continue
		}
		if !known {
			a.faults = append(a.faults, fmt.Sprintf("%s was paid for %q, which is no booking", s.Amount, s.BookingID))
		}
		paid[s.PaymentID] = s
	}
	found := map[string]bool{}
	for _, b := range bookings {
		for _, p := range b.Payments {
			s, ok := paid[p.ID]
			if !ok || found[p.ID] || s.BookingID != b.ID || s.Amount != p.Amount {
				a.says(b, "has payment %s of %s, the processor has %+v", p.ID, p.Amount, s)
			}
			found[p.ID] = true
		}
	}
	for id, s := range paid {
		if b, known := bookings[s.BookingID]; known && !found[id] {
			a.says(b, "payment %s of %s is missing", id, s.Amount)
		}
	}
	return nil
}

func (a *audit) booking(ctx context.Context, b checkout.Booking) error {
	sum := map[string]map[checkout.Account]int64{}
	for _, l := range b.Ledger() {
		if sum[l.PaymentID] == nil {
			sum[l.PaymentID] = map[checkout.Account]int64{}
		}
		sum[l.PaymentID][l.Account] += l.Amount.Amount
	}
	zero := catalog.Money{Currency: b.Quote.Deposit.Currency}
	paid, refunded := zero, zero
	deposits := 0
	for _, p := range b.Payments {
		back, err := a.payment(ctx, b, p, sum[p.ID])
		if err != nil {
			return err
		}
		if p.Amount.Currency == zero.Currency {
			paid, refunded = paid.Add(p.Amount), refunded.Add(back)
		}
		if p.Status == checkout.PaymentAccepted {
			deposits++
		}
	}
	if b.Paid != paid || b.Refunded != refunded {
		a.says(b, "shows %s paid and %s refunded, the processor has %s and %s", b.Paid, b.Refunded, paid, refunded)
	}
	firm := b.State == checkout.StateAwaiting || b.State == checkout.StateConfirmed || b.State == checkout.StateCompleted
	if deposits > 1 || firm && deposits != 1 {
		a.says(b, "has %d deposits", deposits)
	}
	if err := a.transfers(ctx, b); err != nil {
		return err
	}
	for _, t := range b.Attempts {
		if t.Status == checkout.AttemptStarted || t.Status == checkout.AttemptOpen && b.State != checkout.StateHolding {
			a.says(b, "attempt %d is %s", t.Number, t.Status)
		}
	}
	return nil
}

// transfers compares the transfers of a booking with its payouts.
func (a *audit) transfers(ctx context.Context, b checkout.Booking) error {
	list, err := a.stripe.Transfers(ctx, b.ID)
	if err != nil {
		return err
	}
	var sent, known int64
	keys := map[string]bool{}
	for _, t := range list {
		if keys[t.Key] {
			a.says(b, "payout %s was sent twice", t.Key)
		}
		keys[t.Key] = true
		sent += t.Amount.Amount
		for _, r := range t.Reversals {
			sent -= r.Amount.Amount
		}
	}
	for _, l := range b.Ledger() {
		if l.Account == checkout.AccountPaidOut {
			known += l.Amount.Amount
		}
	}
	for _, p := range b.Payouts {
		if p.Method == checkout.PayoutManual && p.Status != checkout.PayoutFailed {
			known -= p.Amount.Amount
		}
	}
	if sent != known {
		a.says(b, "%d were transferred, the ledger has %d paid out", sent, known)
	}
	return nil
}

// payment checks what became of one payment and returns what has gone back.
func (a *audit) payment(ctx context.Context, b checkout.Booking, p checkout.Payment, ledger map[checkout.Account]int64) (catalog.Money, error) {
	refunds, err := a.stripe.Refunds(ctx, p.ID)
	if err != nil {
		return catalog.Money{}, err
	}
	disputes, err := a.stripe.Disputes(ctx, p.ID)
	if err != nil {
		return catalog.Money{}, err
	}
	var back, underWay, lost, total int64
	keys := map[string]bool{}
	for _, r := range refunds {
		switch r.Status {
		case checkout.RefundSucceeded:
			back += r.Amount.Amount
		case checkout.RefundPending, checkout.RefundRequiresAction:
			underWay += r.Amount.Amount
		}
		if r.Key != "" && keys[r.Key] {
			a.says(b, "refund %s was sent twice", r.Key)
		}
		keys[r.Key] = true
	}
	contested := false
	for _, d := range disputes {
		if d.Status == "lost" {
			lost += d.Amount.Amount
		}
		contested = contested || !d.Closed()
	}
	for _, amount := range ledger {
		total += amount
	}
	owed := ledger[checkout.AccountRefundDue] - underWay
	switch {
	case p.Status == checkout.PaymentUndecided:
		a.says(b, "payment of %s is undecided", p.Amount)
	case total != p.Amount.Amount || ledger[checkout.AccountDeficit] != 0 || back+underWay+lost > p.Amount.Amount:
		a.says(b, "ledger of %s: %v; %d went back, %d is under way, %d was lost", p.Amount, ledger, back, underWay, lost)
	case ledger[checkout.AccountRefunded] != back || ledger[checkout.AccountDisputed] != lost || owed < 0:
		a.says(b, "ledger %v; at the processor %d went back, %d is under way, %d was lost", ledger, back, underWay, lost)
	case owed != 0 && !contested && b.RefundStatus != checkout.RefundFailed:
		a.says(b, "%d of %s has still to go back", owed, p.Amount)
	}
	return catalog.Money{Amount: back, Currency: p.Amount.Currency}, nil
}

// pool is the places of a start date, or the rooms of one kind on it.
type pool struct{ startKey, room string }

// places compares the places and rooms with the bookings that need them.
func (a *audit) places(ctx context.Context, bookings map[string]checkout.Booking, capacity Capacity) error {
	held := map[pool]map[int]string{}
	hold := func(b checkout.Booking, p pool, n int) {
		if held[p] == nil {
			held[p] = map[int]string{}
		}
		if n == 0 {
			return
		}
		if other := held[p][n]; other != "" {
			a.says(b, "shares place %d of %v with %s", n, p, other)
		}
		held[p][n] = b.ID
	}
	for _, b := range bookings {
		needs := b.State == checkout.StateHolding || b.State == checkout.StateAwaiting || b.State == checkout.StateConfirmed ||
			b.State == checkout.StateCompleted
		_, rooms, err := capacity(b.Quote.StartKey)
		if err != nil {
			return err
		}
		_, limited := rooms[b.Quote.RoomID]
		if needs != (b.Place > 0) || (needs && limited) != (b.RoomPlace > 0) {
			a.says(b, "has place %d and room %d", b.Place, b.RoomPlace)
		}
		hold(b, pool{b.Quote.StartKey, ""}, b.Place)
		if limited {
			hold(b, pool{b.Quote.StartKey, b.Quote.RoomID}, b.RoomPlace)
		}
	}
	for p, places := range held {
		if err := a.pool(ctx, p, len(places), capacity); err != nil {
			return err
		}
	}
	return nil
}

// pool compares how many places of a pool are taken with how many bookings have
// one, and with how many there are.
func (a *audit) pool(ctx context.Context, p pool, bookings int, capacity Capacity) error {
	const many = 1 << 20
	left, err := a.service.Places(ctx, catalog.Start{Key: p.startKey, Capacity: many, RoomCapacity: map[string]int{p.room: many}}, p.room)
	if err != nil {
		return err
	}
	limit, rooms, err := capacity(p.startKey)
	if err != nil {
		return err
	}
	if p.room != "" {
		limit = rooms[p.room]
	}
	if taken := many - left; taken != bookings || taken > limit {
		a.faults = append(a.faults, fmt.Sprintf("%v: %d of %d places are taken, %d bookings have one", p, taken, limit, bookings))
	}
	return nil
}
