package checkout

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// place is one of the places of a start date, <start key>/<n> with n from 1 to
// the capacity. It is inserted by the first claim and freed by emptying it, not
// by deleting it: its version then grows for ever, and whoever read an older
// claim can neither free nor take a newer one.
//
// A claim is good when the entry Seq of the booking's log says that exactly
// this place was claimed. It is dead when that entry says anything else, for
// then the claimant can no longer write it.
type place struct {
	// BookingID of the claim, empty for a free place.
	BookingID string `json:"booking_id,omitempty"`
	// Seq of the entry that makes the claim good.
	Seq       int64     `json:"seq,omitempty"`
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
}

var placesDef = store.Def[place]{
	Name:    "checkout_places",
	Indexes: []store.Index{{Name: "booking"}},
	Keys:    func(p place) map[string]string { return map[string]string{"booking": p.BookingID} },
}

func placeID(startKey string, n int) string { return startKey + "/" + strconv.Itoa(n) }

// startOf returns the start key of the id of a place.
func startOf(placeID string) string {
	key, _, _ := strings.Cut(placeID, "/")
	return key
}

// StartLeft is a start date with the places left on it.
type StartLeft struct {
	catalog.Start
	Left int
}

// Starts returns the start dates of a package that can be booked today,
// soonest first, with the places left. Errors: NotFound.
func (s *Service) Starts(ctx context.Context, packageID string) ([]StartLeft, error) {
	if _, err := s.catalog.Packages.Get(ctx, packageID); err != nil {
		return nil, err
	}
	starts, err := s.starts(ctx, packageID)
	if err != nil {
		return nil, err
	}
	taken, err := s.takenByStart(ctx, starts)
	if err != nil {
		return nil, err
	}
	out := make([]StartLeft, len(starts))
	for i, st := range starts {
		out[i] = StartLeft{Start: st, Left: max(st.Capacity-taken[st.Key], 0)}
	}
	return out, nil
}

// takenByStart counts the claimed places of all dates of the departures of
// some starts, one query a departure.
func (s *Service) takenByStart(ctx context.Context, starts []catalog.Start) (map[string]int, error) {
	taken, asked := map[string]int{}, map[string]bool{}
	for _, st := range starts {
		if asked[st.DepartureID] {
			continue
		}
		asked[st.DepartureID] = true
		q := store.PrefixQuery(st.DepartureID + "_")
		q.Limit = store.MaxPage
		err := s.places.Each(ctx, q, func(rec store.Record[place]) error {
			if rec.Value.BookingID != "" {
				taken[startOf(rec.ID)]++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return taken, nil
}

func (s *Service) starts(ctx context.Context, packageID string) ([]catalog.Start, error) {
	departures, err := s.catalog.DeparturesOfPackage(ctx, packageID)
	if err != nil {
		return nil, err
	}
	var out []catalog.Start
	for _, d := range departures {
		closed, err := s.closedDates(ctx, d.ID)
		if err != nil {
			return nil, err
		}
		for _, start := range d.Starts(s.now()) {
			if !closed[d.ID] && !closed[start.Key] {
				out = append(out, start)
			}
		}
	}
	slices.SortFunc(out, func(a, b catalog.Start) int { return a.Date.Compare(b.Date) })
	return out, nil
}

// Places returns how many places of a start date are left.
func (s *Service) Places(ctx context.Context, start catalog.Start) (left int, err error) {
	taken, _, err := s.taken(ctx, start.Key)
	return max(start.Capacity-len(taken), 0), err
}

// taken returns the claimed and the freed places of a start date by number.
func (s *Service) taken(ctx context.Context, startKey string) (taken, freed map[int]store.Record[place], err error) {
	taken, freed = map[int]store.Record[place]{}, map[int]store.Record[place]{}
	q := store.PrefixQuery(startKey + "/")
	q.Limit = store.MaxPage
	err = s.places.Each(ctx, q, func(rec store.Record[place]) error {
		n, err := strconv.Atoi(rec.ID[len(startKey)+1:])
		if err != nil {
			return err
		}
		if rec.Value.BookingID != "" {
			taken[n] = rec
		} else {
			freed[n] = rec
		}
		return nil
	})
	return taken, freed, err
}

// capacity returns how many places a start date has today; 0 when it takes no
// bookings any more. It does not ask for the lead time: who holds a quote was
// in time.
func (s *Service) capacity(ctx context.Context, startKey string) (int, error) {
	id, date, ok := catalog.ParseStartKey(startKey)
	if !ok {
		return 0, nil
	}
	d, err := s.catalog.Departures.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil || d.Closed || !date.After(today(s.now())) {
		return 0, err
	}
	if closed, err := s.closed(ctx, startKey); err != nil || closed {
		return 0, err
	}
	return d.Capacity, nil
}

// midnight returns the moment at which a date in Shanghai begins.
func midnight(date time.Time) time.Time {
	y, m, d := date.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, catalog.Shanghai).UTC()
}

// today returns the date in Shanghai at midnight UTC.
func today(now time.Time) time.Time {
	y, m, d := now.In(catalog.Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// claimTries bounds how often claim looks again after a lost race. Every lost
// race is a place that somebody else got.
const claimTries = 1000

// errOvertaken says that the booking has a claim for a later entry than the
// caller knows of: the log must be loaded again.
var errOvertaken = errors.New("checkout: the booking has moved on")

// claim takes a place for a booking, to be made good by entry seq of its log,
// and returns its number; 0 when none is left. An older claim of the booking,
// left behind by a process that died, is taken over. Errors: errOvertaken.
func (s *Service) claim(ctx context.Context, startKey, booking string, seq int64) (int, error) {
	capacity, err := s.capacity(ctx, startKey)
	if err != nil {
		return 0, err
	}
	for range claimTries {
		taken, freed, err := s.taken(ctx, startKey)
		if err != nil {
			return 0, err
		}
		n, err := s.claimOne(ctx, startKey, place{BookingID: booking, Seq: seq, ClaimedAt: s.now()}, capacity, taken, freed)
		if fault.Is(err, fault.Conflict) {
			continue
		}
		if err != nil || n == 0 {
			return n, err
		}
		// Whoever closes the date stores that before listing the claims, and a
		// claim looks for it afterwards: one of the two sees the other.
		closed, err := s.closed(ctx, startKey)
		if err != nil || !closed {
			return n, err
		}
		return 0, s.release(ctx, startKey, n, booking, seq)
	}
	return 0, fault.New(fault.Unavailable, "So many people are booking this date that no place could be found yet. Please try again.")
}

// claimOne tries one place: the booking's own, else the first that is free.
// Errors: Conflict when somebody was faster.
func (s *Service) claimOne(ctx context.Context, startKey string, p place, capacity int, taken, freed map[int]store.Record[place]) (int, error) {
	for n, rec := range taken {
		if rec.Value.BookingID == p.BookingID {
			if rec.Value.Seq > p.Seq {
				return 0, errOvertaken
			}
			rec.Value = p
			return n, s.places.Replace(ctx, rec)
		}
	}
	if len(taken) >= capacity {
		return 0, nil
	}
	for n := 1; n <= capacity; n++ {
		if _, ok := taken[n]; ok {
			continue
		}
		if rec, ok := freed[n]; ok {
			rec.Value = p
			return n, s.places.Replace(ctx, rec)
		}
		return n, s.places.Insert(ctx, placeID(startKey, n), p)
	}
	return 0, nil
}

// release frees a place where it still has the claim of a booking and an
// entry. One that has another is left alone.
func (s *Service) release(ctx context.Context, startKey string, n int, booking string, seq int64) error {
	for {
		rec, err := s.places.Get(ctx, placeID(startKey, n))
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil || rec.Value.BookingID != booking || rec.Value.Seq != seq {
			return err
		}
		rec.Value = place{}
		if err := s.places.Replace(ctx, rec); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
}

// sweep frees the dead claims of a booking: those whose entry says something
// else. A claim whose entry is not written yet may still become good.
func (s *Service) sweep(ctx context.Context, b Booking) error {
	return s.places.Each(ctx, store.Query{Index: "booking", Equal: b.ID}, func(rec store.Record[place]) error {
		seq := rec.Value.Seq
		if seq >= int64(len(b.Timeline)) || (b.Place > 0 && b.placeSeq == seq && rec.ID == placeID(b.Quote.StartKey, b.Place)) {
			return nil
		}
		rec.Value = place{}
		err := s.places.Replace(ctx, rec)
		if fault.Is(err, fault.Conflict) { // somebody else has changed the claim and minds it
			return nil
		}
		return err
	})
}
