package checkout

import (
	"context"
	"slices"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// PreviewLabel names a line of a cancel preview; pages hold its translation.
type PreviewLabel string

// The lines of a preview.
const (
	// PreviewPaid: the deposit that was paid.
	PreviewPaid PreviewLabel = "paid"
	// PreviewRefund: what comes back.
	PreviewRefund PreviewLabel = "refund"
	// PreviewKept: what is kept under the policy.
	PreviewKept PreviewLabel = "kept"
	// PreviewNoLongerDue: what would have been paid on arrival and is not owed.
	PreviewNoLongerDue PreviewLabel = "no-longer-due"
)

// PreviewLine is a line of a cancel preview.
type PreviewLine struct {
	Label  PreviewLabel
	Amount catalog.Money
}

// Preview says what a cancellation would bring, before it is done.
type Preview struct {
	// Cause, empty for a change of mind.
	Cause  catalog.Cause
	Lines  []PreviewLine
	Refund catalog.Money
	Kept   catalog.Money
	// Share of the deposit that comes back, in basis points.
	Share int64
	// DaysBefore is how many whole days are left until the start, by dates in
	// Shanghai.
	DaysBefore int
}

// CancelPreview says what cancelling for a cause, or without one for a change
// of mind, would bring now. Errors: NotFound, Invalid for an unknown cause,
// Conflict when the booking cannot be cancelled, with code
// "no_free_exit" for CauseRevisedPlan where none is open.
func (s *Service) CancelPreview(ctx context.Context, id string, cause catalog.Cause) (Preview, error) {
	b, err := s.load(ctx, id)
	if err != nil {
		return Preview{}, err
	}
	return preview(b, cause, s.now())
}

// preview is pure.
func preview(b Booking, cause catalog.Cause, now time.Time) (Preview, error) {
	if cause != "" && !slices.Contains(catalog.Causes, cause) && cause != CauseRevisedPlan {
		var f fault.Fields
		f.Add("cause", "enum", "unknown cause %q", clip(string(cause)))
		return Preview{}, f.Err("This cannot be cancelled for that cause.")
	}
	if b.State != StateHolding && b.State != StateAwaiting && b.State != StateConfirmed {
		return Preview{}, refuse("not_cancellable", "This booking can no longer be cancelled.")
	}
	day := today(now)
	p := Preview{Cause: cause, DaysBefore: int(b.Quote.Start.Sub(day) / (24 * time.Hour))}
	switch {
	case b.Closed != nil:
		p.Share = fullShare
	case cause == CauseRevisedPlan && !now.Before(b.FreeExitUntil):
		return Preview{}, refuse("no_free_exit", "There is no revised plan for which this booking could be left, or the time to leave is over.")
	case cause == CauseRevisedPlan:
		p.Share = fullShare
	case cause == "":
		p.Share = b.Quote.Policy.RefundShare(day, b.Quote.Start)
	default:
		p.Share = b.Quote.Policy.CauseShare(cause)
	}
	paid := *b.depositPaid()
	p.Refund = paid.Percent(p.Share)
	p.Refund.Amount = min(p.Refund.Amount, paid.Amount)
	p.Kept = catalog.Money{Amount: paid.Amount - p.Refund.Amount, Currency: paid.Currency}
	p.Lines = []PreviewLine{
		{PreviewPaid, paid}, {PreviewRefund, p.Refund}, {PreviewKept, p.Kept}, {PreviewNoLongerDue, b.Quote.DueOnArrival},
	}
	return p, nil
}

// fullShare is everything, in basis points.
const fullShare = 10_000

// depositPaid is the deposit as it was paid, zero before.
func (b *Booking) depositPaid() *catalog.Money {
	if i := b.deposit(); i >= 0 {
		paid := b.Payments[i].Amount
		return &paid
	}
	return &catalog.Money{Currency: b.Quote.Deposit.Currency}
}

// Cancel cancels a booking under the policy of its quote. expected is the
// refund that was shown; where it would be another now, nothing is done.
// Errors: those of CancelPreview; Conflict with code "refund_changed".
func (s *Service) Cancel(ctx context.Context, id string, cause catalog.Cause, expected catalog.Money, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		if b.State == StateCancelled && b.Cause == cause && b.refundOnCancel == expected {
			return Entry{}, errDone
		}
		p, err := preview(b, cause, now)
		if err != nil {
			return Entry{}, err
		}
		if p.Refund != expected {
			return Entry{}, refuse("refund_changed", "The refund is no longer what was shown. Look at the new amount before cancelling.")
		}
		return Entry{Kind: EntryCancelled, Actor: a.Actor, Reason: a.Reason, Cause: cause, Amount: &p.Refund}, nil
	})
}
