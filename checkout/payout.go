package checkout

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// PayoutStatus is where a payout stands.
type PayoutStatus string

const (
	// PayoutRequested: to be paid by the operator's bank.
	PayoutRequested PayoutStatus = "requested"
	// PayoutSent: paid, under the bank's reference.
	PayoutSent PayoutStatus = "sent"
	// PayoutFailed: it did not arrive; the amount is payable again.
	PayoutFailed PayoutStatus = "failed"
)

// PayoutManual is the method of a payout that a person makes at the bank.
const PayoutManual = "manual"

// Payout is a part of a booking's money that goes to an organisation.
type Payout struct {
	// Number counts the payouts of a booking from 1.
	Number       int
	Organisation string
	// Method is PayoutManual.
	Method    string
	PaymentID string
	Amount    catalog.Money
	Status    PayoutStatus
	// Reference of the bank.
	Reference string
	// Reason of a failure.
	Reason  string
	At      time.Time
	Changed time.Time
}

// maxReference is the greatest length of a bank's reference, in characters.
const maxReference = 140

// PayoutDue returns what can be paid out to an organisation now: what is
// payable to it once the journey has taken place, or a cancellation has left
// it, and no refund or dispute is open.
func (b Booking) PayoutDue(organisation string) (catalog.Money, error) {
	due := catalog.Money{Currency: b.Quote.Deposit.Currency}
	if b.State != StateCompleted && b.State != StateCancelled {
		return due, refuse("not_completed", "Nothing is paid out before the journey has taken place.")
	}
	for _, p := range b.Payments {
		if m := b.moneyOf(p); m.owed+m.underWay > 0 {
			return due, refuse("refund_open", "A refund of this booking is not done yet.")
		}
	}
	if slices.ContainsFunc(b.Disputes, func(d DisputeRecord) bool { return d.Open }) {
		return due, refuse("dispute_open", "A payment of this booking is disputed.")
	}
	for _, l := range b.Ledger() {
		if l.Account == AccountPayable && l.Organisation == organisation && l.Amount.Currency == due.Currency {
			due.Amount += l.Amount.Amount
		}
	}
	if due.Amount <= 0 {
		return due, refuse("nothing_due", "Nothing is payable to this organisation.")
	}
	return due, nil
}

// PayOut asks for everything that is payable to an organisation to be paid out
// of a booking. RecordPayout says that it was. expected is the amount that was
// shown. Errors: NotFound, Invalid, those of PayoutDue, Conflict with code
// "payout_changed".
func (s *Service) PayOut(ctx context.Context, id, organisation string, expected catalog.Money, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, _ time.Time) (Entry, error) {
		due, err := b.PayoutDue(organisation)
		switch {
		case err != nil:
			return Entry{}, err
		case due != expected:
			return Entry{}, refuse("payout_changed", "The amount is no longer what was shown. Look at the new one first.")
		}
		return Entry{Kind: EntryPayoutRequested, Actor: a.Actor, Reason: a.Reason, Payout: len(b.Payouts) + 1,
			To: organisation, Method: PayoutManual, PaymentID: b.Payments[b.deposit()].ID, Amount: &due}, nil
	})
}

// RecordPayout records under which reference the bank has paid a payout.
// Errors: NotFound, Invalid, Conflict when it does not wait for that.
func (s *Service) RecordPayout(ctx context.Context, id string, number int, reference string, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	var f fault.Fields
	if reference = strings.TrimSpace(reference); reference == "" {
		f.Add("reference", "required", "give the reference of the bank")
	}
	line(&f, "reference", reference, maxReference, false)
	if err := f.Err("This payout cannot be recorded."); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, _ time.Time) (Entry, error) {
		p, err := b.payout(number)
		switch {
		case err != nil:
			return Entry{}, err
		case p.Status == PayoutSent && p.Reference == reference:
			return Entry{}, errDone
		case p.Status != PayoutRequested:
			return Entry{}, refuse("payout_ended", "This payout has been recorded already.")
		}
		return Entry{Kind: EntryPayoutSent, Actor: a.Actor, Reason: a.Reason, Payout: number, Reference: reference}, nil
	})
}

// FailPayout records that a payout did not arrive, or will not be made: its
// amount is payable again. Errors: NotFound, Invalid, Conflict.
func (s *Service) FailPayout(ctx context.Context, id string, number int, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, _ time.Time) (Entry, error) {
		p, err := b.payout(number)
		switch {
		case err != nil:
			return Entry{}, err
		case p.Status == PayoutFailed:
			return Entry{}, errDone
		}
		return Entry{Kind: EntryPayoutFailed, Actor: a.Actor, Reason: a.Reason, Payout: number}, nil
	})
}

func (b *Booking) payout(number int) (Payout, error) {
	if number < 1 || number > len(b.Payouts) {
		return Payout{}, fault.New(fault.NotFound, "There is no such payout.").WithCode("payout_unknown")
	}
	return b.Payouts[number-1], nil
}

// applyPayout is the part of apply that is about payouts.
func (b *Booking) applyPayout(e Entry) {
	if e.Kind == EntryPayoutRequested {
		b.Payouts = append(b.Payouts, Payout{Number: e.Payout, Organisation: e.To, Method: e.Method, PaymentID: e.PaymentID,
			Amount: *e.Amount, Status: PayoutRequested, At: e.At, Changed: e.At})
		return
	}
	p := &b.Payouts[e.Payout-1]
	p.Changed = e.At
	if e.Kind == EntryPayoutSent {
		p.Status, p.Reference = PayoutSent, e.Reference
	} else {
		p.Status, p.Reason = PayoutFailed, e.Reason
	}
}
