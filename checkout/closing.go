package checkout

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// CauseClosed is the cause of a cancellation because the departure was closed;
// it pays back everything.
const CauseClosed catalog.Cause = "departure-closed"

// maxMoveFor is how long the patients of a closed departure may be left to
// choose another date.
const maxMoveFor = 60 * 24 * time.Hour

// Closing is the fact that a start date, or all of a departure, takes no
// bookings any more and that those on it are moved or refunded in full. From
// the moment it is stored no place can be claimed; the worker goes on with it
// until every booking knows.
type Closing struct {
	// Target is a start key or the id of a departure.
	Target string `json:"target"`
	// MoveBy is until when patients may choose another date before they are
	// refunded; zero refunds at once.
	MoveBy time.Time `json:"move_by,omitzero"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	// Done is when every booking had been told; zero while that goes on.
	Done time.Time `json:"done,omitzero"`
}

var closingsDef = store.Def[Closing]{
	Name:    "checkout_closings",
	Indexes: []store.Index{{Name: "open"}},
	Keys: func(c Closing) map[string]string {
		if !c.Done.IsZero() {
			return nil
		}
		return map[string]string{"open": store.TimeKey(c.At)}
	},
}

// ClosedDeparture is what a booking knows of the closing of its departure.
type ClosedDeparture struct {
	// Until when the patient may move; then everything is paid back.
	Until  time.Time
	Reason string
	At     time.Time
}

// CloseDeparture closes a start date, named by its key, or every start of a
// departure that has not begun, named by its id. Bookings that are not paid
// end at once; those that are paid can be moved without conditions until
// moveBy and are refunded in full then, at once where moveBy is zero. A target
// that is closed stays closed as it is. A returned error leaves a stored
// closing to the worker. Errors: Invalid, NotFound, Conflict with code "begun".
func (s *Service) CloseDeparture(ctx context.Context, target string, moveBy time.Time, a Act) (Closing, error) {
	if err := a.validate(); err != nil {
		return Closing{}, err
	}
	now := s.now()
	if !moveBy.IsZero() && (!moveBy.After(now) || moveBy.After(now.Add(maxMoveFor))) {
		var f fault.Fields
		f.Add("move_by", "range", "in the next %d days", int(maxMoveFor/(24*time.Hour)))
		return Closing{}, f.Err("The departure cannot be closed like this.")
	}
	departure, date, isStart := catalog.ParseStartKey(target)
	if !isStart {
		departure = target
	}
	if _, err := s.catalog.Departures.Get(ctx, departure); err != nil {
		return Closing{}, err
	}
	if isStart && !date.After(today(now)) {
		return Closing{}, refuse("begun", "This departure has begun.")
	}
	c := Closing{Target: target, MoveBy: moveBy, Actor: a.Actor, Reason: a.Reason, At: now}
	err := s.closings.Insert(ctx, target, c)
	if fault.Is(err, fault.Conflict) {
		var rec store.Record[Closing]
		rec, err = s.closings.Get(ctx, target)
		c = rec.Value
	}
	if err != nil || !c.Done.IsZero() {
		return c, err
	}
	return s.goOnClosing(ctx, c)
}

// goOnClosing tells every booking that has a claim on the target. None is
// missed: who claims a place looks for a closing afterwards, and the closing
// was stored before the claims are listed here.
func (s *Service) goOnClosing(ctx context.Context, c Closing) (Closing, error) {
	claims, err := s.claimsOn(ctx, c.Target)
	if err != nil {
		return c, err
	}
	var failed []error
	for _, rec := range claims {
		if err := s.tellClosed(ctx, rec.Value.BookingID, poolOf(rec.ID), c); err != nil {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return c, err
	}
	rec, err := s.closings.Update(ctx, c.Target, func(c *Closing) error {
		if c.Done.IsZero() {
			c.Done = s.now()
		}
		return nil
	})
	return rec.Value, err
}

// claimsOn lists the claimed places of a start date or of all starts of a
// departure.
func (s *Service) claimsOn(ctx context.Context, target string) ([]store.Record[place], error) {
	prefix := target + "_"
	if _, _, isStart := catalog.ParseStartKey(target); isStart {
		prefix = target + "/"
	}
	q := store.PrefixQuery(prefix)
	q.Limit = store.MaxPage
	var claims []store.Record[place]
	err := s.places.Each(ctx, q, func(rec store.Record[place]) error {
		if rec.Value.BookingID != "" && !strings.Contains(rec.ID, roomMark) { // the room of a booking that has a place as well
			claims = append(claims, rec)
		}
		return nil
	})
	return claims, err
}

// BookingsOn returns the bookings that hold a place on a start date, named by
// its key, or on any start of a departure, named by its id, in the order of
// starts and places. Errors: those of the store.
func (s *Service) BookingsOn(ctx context.Context, target string) ([]Booking, error) {
	claims, err := s.claimsOn(ctx, target)
	if err != nil {
		return nil, err
	}
	var out []Booking
	seen := map[string]bool{}
	for _, rec := range claims {
		id := rec.Value.BookingID
		if seen[id] {
			continue
		}
		seen[id] = true
		b, err := s.load(ctx, id)
		if fault.Is(err, fault.NotFound) { // a claim whose booking was never written
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// ClosingOf returns the closing of a start date or of its whole departure. It
// reports false where it is open.
func (s *Service) ClosingOf(ctx context.Context, target string) (Closing, bool, error) {
	targets := []string{target}
	if departure, _, isStart := catalog.ParseStartKey(target); isStart {
		targets = append(targets, departure)
	}
	for _, t := range targets {
		rec, err := s.closings.Get(ctx, t)
		if err == nil || !fault.Is(err, fault.NotFound) {
			return rec.Value, err == nil, err
		}
	}
	return Closing{}, false, nil
}

// tellClosed writes the closing into the log of a booking, once.
func (s *Service) tellClosed(ctx context.Context, id, startKey string, c Closing) error {
	_, err := s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		onIt := b.Quote.StartKey == startKey && b.Closed == nil
		toIt := b.Moving != nil && b.Moving.StartKey == startKey
		_, date, _ := catalog.ParseStartKey(startKey)
		ended := b.State == StateDeclined || b.State == StateCancelled || b.State == StateCompleted
		if ended || !onIt && !toIt || !date.After(today(now)) {
			return Entry{}, errDone
		}
		until := later(c.At, c.MoveBy)
		if start := midnight(date); start.Before(until) {
			until = start
		}
		return Entry{Kind: EntryDepartureClosed, Actor: c.Actor, Reason: c.Reason, StartKey: startKey, Until: until}, nil
	})
	return err
}

// goOnClosings goes on with the closings that are not done. Errors: those of
// the store; a closing that fails is logged and left for the next time.
func (s *Service) goOnClosings(ctx context.Context) error {
	page, err := s.closings.Find(ctx, store.Query{Index: "open", Limit: store.MaxPage})
	if err != nil {
		return err
	}
	for _, rec := range page.Items {
		if _, err := s.goOnClosing(ctx, rec.Value); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "checkout: closing not done", "target", rec.ID, "error", err)
		}
	}
	return ctx.Err()
}

// closed reports whether a start date takes no bookings any more because it,
// or its whole departure, was closed.
func (s *Service) closed(ctx context.Context, startKey string) (bool, error) {
	_, closed, err := s.ClosingOf(ctx, startKey)
	return closed, err
}

// closedDates returns the targets of all closings of a departure: start keys,
// and the departure itself where all of it is closed.
func (s *Service) closedDates(ctx context.Context, departureID string) (map[string]bool, error) {
	closed := map[string]bool{}
	_, err := s.closings.Get(ctx, departureID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err == nil {
		closed[departureID] = true
	}
	err = s.closings.Each(ctx, store.PrefixQuery(departureID+"_"), func(rec store.Record[Closing]) error {
		closed[rec.ID] = true
		return nil
	})
	return closed, err
}
