package checkout

import (
	"context"
	"reflect"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// MovePreview says what moving a booking to another start date would bring,
// before it is done. The deposit stays as it was paid.
type MovePreview struct {
	// From and To are the start dates, at midnight UTC.
	From, To time.Time
	// Difference of the whole price, negative where the new date costs less.
	// It is settled on arrival.
	Difference catalog.Money
	// Quote is the price as it will be.
	Quote Quote
}

// MovePreview prices a move. A booking can be moved while a change of mind
// would pay back the greatest share of its policy, and always when its
// departure was closed. Errors: NotFound; Invalid for a date that cannot be
// booked; Conflict with code "not_movable", "move_late", "same_date", "moving"
// or "below_deposit".
func (s *Service) MovePreview(ctx context.Context, id, startKey string) (MovePreview, error) {
	b, err := s.load(ctx, id)
	if err != nil {
		return MovePreview{}, err
	}
	return s.movePreview(ctx, b, startKey)
}

func (s *Service) movePreview(ctx context.Context, b Booking, startKey string) (MovePreview, error) {
	if err := mayMove(b, startKey, s.now()); err != nil {
		return MovePreview{}, err
	}
	c := b.Quote.Choice
	c.StartKey = startKey
	today, err := s.Price(ctx, c)
	if err != nil {
		return MovePreview{}, err
	}
	q, err := requote(b.Quote, today)
	return MovePreview{From: b.Quote.Start, To: q.Start, Quote: q,
		Difference: catalog.Money{Amount: q.Total.Amount - b.Quote.Total.Amount, Currency: q.Total.Currency}}, err
}

// mayMove says why a booking cannot be moved to a start date. It is pure.
func mayMove(b Booking, startKey string, now time.Time) error {
	day := today(now)
	switch {
	case b.State != StateAwaiting && b.State != StateConfirmed:
		return refuse("not_movable", "Only a booking whose deposit is paid can be moved.")
	case b.Moving != nil:
		return refuse("moving", "The booking is being moved at this moment.")
	case b.Quote.StartKey == startKey:
		return refuse("same_date", "The booking is on this date already.")
	case b.Closed != nil:
		return nil
	case !b.Quote.Start.After(day):
		return refuse("not_movable", "The journey has begun.")
	}
	var best int64
	for _, t := range b.Quote.Policy.Tiers {
		best = max(best, t.RefundBasisPoints)
	}
	// Otherwise a move would buy back the refund that the policy has ended.
	if share := b.Quote.Policy.RefundShare(day, b.Quote.Start); share == 0 || share < best {
		return refuse("move_late", "It is too late to change the date of this booking.")
	}
	return nil
}

// requote is the next revision of a quote for another date: prices as they were
// where the package's have not changed, else today's. What was paid and the
// policy stay. It is pure.
func requote(old, now Quote) (Quote, error) {
	q := old
	q.StartKey, q.Start, q.Days, q.Nights = now.StartKey, now.Start, now.Days, now.Nights
	if samePrices(old.Lines, now.Lines) {
		return q, nil
	}
	arrival := now.Deposit.Add(now.DueOnArrival)
	if arrival.Amount < old.Deposit.Amount {
		return Quote{}, refuse("below_deposit", "The deposit is more than this date costs. Cancel and book anew instead.")
	}
	q.Lines, q.Rate, q.RateDate = now.Lines, now.Rate, now.RateDate
	q.Total, q.DueAtHospital = now.Total, now.DueAtHospital
	q.DueOnArrival = catalog.Money{Amount: arrival.Amount - old.Deposit.Amount, Currency: arrival.Currency}
	return q, nil
}

// samePrices compares lines by what the package charges, whatever the exchange
// rate.
func samePrices(a, b []QuoteLine) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Payee != b[i].Payee || a[i].Due != b[i].Due || !reflect.DeepEqual(a[i].Original, b[i].Original) {
			return false
		}
	}
	return true
}

// Move moves a booking to another start date of its package. The new place is
// taken before the old one is given up; without one the booking stays where it
// is. expected is the difference that was shown. Errors: those of MovePreview;
// Conflict with code "difference_changed", "full" or
// "room_full".
func (s *Service) Move(ctx context.Context, id, startKey string, expected catalog.Money, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	b, err := s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		if b.moved && b.Quote.StartKey == startKey || b.Moving != nil && b.Moving.StartKey == startKey {
			return Entry{}, errDone
		}
		p, err := s.movePreview(ctx, b, startKey)
		if err != nil {
			return Entry{}, err
		}
		if p.Difference != expected {
			return Entry{}, refuse("difference_changed", "The price of this date is no longer what was shown. Look at the new one first.")
		}
		return Entry{Kind: EntryMoveAsked, Actor: a.Actor, Reason: a.Reason, Quote: &p.Quote}, nil
	})
	switch {
	case err != nil || b.Quote.StartKey == startKey:
		return b, err
	case b.Moving != nil:
		return b, fault.New(fault.Unavailable, "The move is not done yet. Please look again in a minute.").WithCode("moving")
	}
	to := b.Quote
	to.StartKey = startKey
	return b, s.noPlace(ctx, to)
}

// move makes the booking's own what was asked for.
func (b *Booking) move(e Entry) {
	if b.Moving == nil {
		return
	}
	b.left = append(b.left, b.held())
	b.Quote, b.Moving, b.Closed, b.moved = *b.Moving, nil, nil, true
	b.Place, b.RoomPlace, b.placeSeq = e.Place, e.RoomPlace, e.Seq
}

// decideMove gives up the place that a move has left, and takes the one that
// is wanted.
func decideMove(b *Booking, _ time.Time, _ look) step {
	switch {
	case len(b.left) > 0:
		return step{do: actLeave}
	case b.Moving != nil:
		return step{do: actMove}
	}
	return step{}
}

// takeNew claims a place on the date to which the booking moves.
func (r *run) takeNew(ctx context.Context) error {
	found, err := r.take(ctx, *r.b.Moving, Entry{Kind: EntryMoved})
	if err != nil || found {
		return err
	}
	return r.write(ctx, Entry{Kind: EntryMoveFailed, Reason: ReasonFull})
}

// leave frees the place that a move has left, then says so.
func (r *run) leave(ctx context.Context) error {
	old := r.b.left[0]
	if err := r.s.free(ctx, r.b.ID, old); err != nil {
		return err
	}
	return r.write(ctx, Entry{Kind: EntryPlaceReleased, Place: old.place, StartKey: old.pool})
}
