package checkout

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// PayoutStatus is where a payout, or the reversal of one, stands.
type PayoutStatus string

const (
	// PayoutRequested: to be paid, by a person or by the provider.
	PayoutRequested PayoutStatus = "requested"
	// PayoutSent: paid, under a reference.
	PayoutSent PayoutStatus = "sent"
	// PayoutFailed: it did not arrive; the amount is payable again.
	PayoutFailed PayoutStatus = "failed"
)

// Payout is a part of a booking's money that goes to an organisation.
type Payout struct {
	// Number counts the payouts of a booking from 1.
	Number       int
	Organisation string
	// Method is PayoutManual or PayoutStripe, Account the organisation's there.
	Method    string
	Account   string
	PaymentID string
	Amount    catalog.Money
	Status    PayoutStatus
	// Reference of the bank, or the id of the provider's transfer.
	Reference string
	// Reason of a failure: one of the reasons of checkout, or a person's words.
	Reason string
	// Reversals are parts of it that were taken back.
	Reversals []PayoutReversal
	At        time.Time
	Changed   time.Time
}

// PayoutReversal is a part of a payout that is taken back, because the money
// behind it has gone back to the patient.
type PayoutReversal struct {
	// Number counts the reversals of a payout from 1; 0 for one that was made
	// elsewhere, such as in the provider's dashboard.
	Number    int
	Amount    catalog.Money
	Status    PayoutStatus
	Reference string
	Reason    string
	Changed   time.Time
}

// reversed is what was taken back of a payout, or is about to be.
func (p Payout) reversed() int64 {
	var sum int64
	for _, r := range p.Reversals {
		if r.Status != PayoutFailed {
			sum += r.Amount.Amount
		}
	}
	return sum
}

// byHand reports whether a person makes the payout.
func (p Payout) byHand() bool { return p.Method == PayoutManual }

// maxReference is the greatest length of a bank's reference, in characters.
const maxReference = 140

// Reasons for which a payout is not made, or did not work.
const (
	ReasonRefundOpen  = "refund-open"
	ReasonDisputeOpen = "dispute-open"
	// ReasonBalance: there is not enough money on the account to pay from.
	ReasonBalance = "balance-insufficient"
	// ReasonAccount: the account to pay to is unknown, closed or restricted.
	ReasonAccount = "account-unable"
)

// PayoutDue returns what can be paid out to an organisation now: what is
// payable to it once the journey has taken place, or a cancellation has left
// it, and no refund or dispute is open.
func (b Booking) PayoutDue(organisation string) (catalog.Money, error) {
	due := catalog.Money{Currency: b.Quote.Deposit.Currency}
	if b.State != StateCompleted && b.State != StateCancelled {
		return due, refuse("not_completed", "Nothing is paid out before the journey has taken place.")
	}
	switch b.moneyOpen() {
	case ReasonRefundOpen:
		return due, refuse("refund_open", "A refund of this booking is not done yet.")
	case ReasonDisputeOpen:
		return due, refuse("dispute_open", "A payment of this booking is disputed.")
	}
	due.Amount = b.payableTo(organisation)
	if due.Amount <= 0 {
		return due, refuse("nothing_due", "Nothing is payable to this organisation.")
	}
	return due, nil
}

// moneyOpen says why money of the booking may still go back; empty when
// nothing is under way.
func (b *Booking) moneyOpen() string {
	for _, p := range b.Payments {
		if m := b.moneyOf(p); m.owed+m.underWay > 0 {
			return ReasonRefundOpen
		}
	}
	if slices.ContainsFunc(b.Disputes, func(d DisputeRecord) bool { return d.Open }) {
		return ReasonDisputeOpen
	}
	return ""
}

// payableTo is what is owed to an organisation; negative when it was paid more
// than is left for it.
func (b *Booking) payableTo(organisation string) int64 {
	var sum int64
	for _, l := range b.Ledger() {
		if l.Account == AccountPayable && l.Organisation == organisation && l.Amount.Currency == b.Quote.Deposit.Currency {
			sum += l.Amount.Amount
		}
	}
	return sum
}

// PayOut asks for everything that is payable to an organisation to be paid out
// of a booking, in the way that its PayoutAccount says. A manual payout is made
// by a person, and RecordPayout says that it was; any other is sent at once,
// and again by the worker where the provider does not answer. expected is the
// amount that was shown. Errors: NotFound, Invalid, those of PayoutDue, Conflict
// with code "payout_changed".
func (s *Service) PayOut(ctx context.Context, id, organisation string, expected catalog.Money, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	account, err := s.PayoutAccount(ctx, organisation)
	if err != nil {
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
		return Entry{Kind: EntryPayoutRequested, Actor: a.Actor, Reason: a.Reason, Payout: len(b.Payouts) + 1, To: organisation,
			Method: account.Method, AccountID: account.Account, PaymentID: b.Payments[b.deposit()].ID, Amount: &due}, nil
	})
}

// RecordPayout records under which reference the bank has paid a manual payout.
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
		p, err := b.manualPayout(number)
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

// FailPayout records that a manual payout did not arrive, or will not be made:
// its amount is payable again. Errors: NotFound, Invalid, Conflict.
func (s *Service) FailPayout(ctx context.Context, id string, number int, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, _ time.Time) (Entry, error) {
		p, err := b.manualPayout(number)
		switch {
		case err != nil:
			return Entry{}, err
		case p.Status == PayoutFailed:
			return Entry{}, errDone
		}
		return Entry{Kind: EntryPayoutFailed, Actor: a.Actor, Reason: a.Reason, Payout: number}, nil
	})
}

// manualPayout returns a payout of which people say what became of it.
func (b *Booking) manualPayout(number int) (Payout, error) {
	if number < 1 || number > len(b.Payouts) {
		return Payout{}, fault.New(fault.NotFound, "There is no such payout.").WithCode("payout_unknown")
	}
	p := b.Payouts[number-1]
	if !p.byHand() {
		return p, refuse("payout_automatic", "This payout is made and recorded by itself.")
	}
	return p, nil
}

// applyPayout is the part of apply that is about payouts.
func (b *Booking) applyPayout(e Entry) {
	if e.Kind == EntryPayoutRequested {
		b.Payouts = append(b.Payouts, Payout{Number: e.Payout, Organisation: e.To, Method: e.Method, Account: e.AccountID,
			PaymentID: e.PaymentID, Amount: *e.Amount, Status: PayoutRequested, At: e.At, Changed: e.At})
		return
	}
	p := &b.Payouts[e.Payout-1]
	switch e.Kind {
	case EntryPayoutSent:
		p.Status, p.Reference, p.Reason, p.Changed = PayoutSent, e.Reference, "", e.At
	case EntryPayoutFailed:
		p.Status, p.Reason, p.Changed = PayoutFailed, e.Reason, e.At
	case EntryReversalRequested:
		p.Reversals = append(slices.Clip(p.Reversals), PayoutReversal{Number: e.Reversal, Amount: *e.Amount, Status: PayoutRequested, Changed: e.At})
	case EntryReversalFound:
		p.Reversals = append(slices.Clip(p.Reversals), PayoutReversal{Amount: *e.Amount, Status: PayoutSent, Reference: e.Reference, Changed: e.At})
	case EntryReversalSent, EntryReversalFailed:
		p.Reversals = slices.Clone(p.Reversals)
		for i := range p.Reversals {
			r := &p.Reversals[i]
			if r.Number != e.Reversal {
				continue
			}
			r.Status, r.Reference, r.Reason, r.Changed = PayoutSent, e.Reference, "", e.At
			if e.Kind == EntryReversalFailed {
				r.Status, r.Reason = PayoutFailed, e.Reason
			}
		}
	}
}
