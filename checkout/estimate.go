package checkout

import (
	"context"
	"math/big"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// CauseRevisedPlan is the cause of a cancellation because the hospital's
// revised plan costs more than was accepted; it pays back everything.
const CauseRevisedPlan catalog.Cause = "revised-plan"

const (
	// minExitFor and maxExitFor bound how long a patient can leave after a
	// revised plan.
	minExitFor = 72 * time.Hour
	maxExitFor = 90 * 24 * time.Hour
	// maxEstimate in the currency's Stripe units.
	maxEstimate = 1_000_000_000_000
)

// Estimate is what the hospital says that its part will cost.
type Estimate struct {
	Amount catalog.Money
	At     time.Time
	Actor  string
	// ExitUntil is until when the patient can leave because of it, refunded in
	// full; zero where it is within what was agreed.
	ExitUntil time.Time
}

// Estimate records the hospital's estimate. The last one before the hospital
// accepts, or the first one at all, is what the patient has accepted; a later
// one above it by more than the policy's percentage lets the patient leave with
// a full refund until the date given, 3 to 90 days ahead. The date is not used
// otherwise. Errors: NotFound; Invalid with fields; Conflict with code
// "not_open" for a booking that is not paid or has ended.
func (s *Service) Estimate(ctx context.Context, id string, amount catalog.Money, until time.Time, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		if b.State != StateAwaiting && b.State != StateConfirmed {
			return Entry{}, refuse("not_open", "There is nothing to estimate for this booking.")
		}
		if n := len(b.Estimates); n > 0 && b.Estimates[n-1].Amount == amount {
			return Entry{}, errDone
		}
		e := Entry{Kind: EntryEstimated, Actor: a.Actor, Reason: a.Reason, Amount: &amount}
		var f fault.Fields
		if amount.Amount <= 0 || amount.Amount > maxEstimate {
			f.Add("amount", "range", "more than nothing and at most %d units", int64(maxEstimate))
		}
		if !catalog.ValidCurrency(amount.Currency) {
			f.Add("amount.currency", "currency", "use an ISO 4217 code such as CNY")
		} else if b.AcceptedEstimate != nil && b.AcceptedEstimate.Currency != amount.Currency {
			f.Add("amount.currency", "currency", "use the currency of the first estimate, %s", b.AcceptedEstimate.Currency)
		}
		if b.exceeds(amount) {
			if until.Before(now.Add(minExitFor)) || until.After(now.Add(maxExitFor)) {
				f.Add("until", "range", "between 3 and 90 days from now, since the patient may leave until then")
			}
			e.Until = until.UTC()
		}
		return e, f.Err("The estimate is not complete.")
	})
}

// exceeds reports whether an estimate is above the accepted one by more than
// was agreed.
func (b *Booking) exceeds(amount catalog.Money) bool {
	if b.AcceptedEstimate == nil || b.State == StateAwaiting || b.AcceptedEstimate.Currency != amount.Currency {
		return false
	}
	limit := big.NewInt(b.AcceptedEstimate.Amount)
	limit.Mul(limit, big.NewInt(fullShare+b.Quote.Policy.RevisedPlanBasisPoints))
	is := new(big.Int).Mul(big.NewInt(amount.Amount), big.NewInt(fullShare))
	return is.Cmp(limit) > 0
}

// estimated notes an estimate.
func (b *Booking) estimated(e Entry) {
	b.Estimates = append(b.Estimates, Estimate{Amount: *e.Amount, At: e.At, Actor: e.Actor, ExitUntil: e.Until})
	b.FreeExitUntil = later(b.FreeExitUntil, e.Until)
	if b.AcceptedEstimate == nil || b.State == StateAwaiting {
		b.AcceptedEstimate = e.Amount
	}
}
