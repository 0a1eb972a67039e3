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

// place is one of the places of a pool, <pool>/<n> with n from 1 to the pool's
// capacity. The pool of the places of a start date is its key; the rooms of one
// kind, where they are limited, are a pool beside it. A place is inserted by the first claim and freed by emptying it, not
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

func placeID(pool string, n int) string { return pool + "/" + strconv.Itoa(n) }

// poolOf returns the pool of the id of a place.
func poolOf(placeID string) string {
	pool, _, _ := strings.Cut(placeID, "/")
	return pool
}

// roomMark stands between the start key and the room in the pool of a room;
// neither holds it.
const roomMark = "#"

func roomPool(startKey, room string) string { return startKey + roomMark + room }

// claimRef is what a booking holds by an entry of its log.
type claimRef struct {
	// pool and place are the start key and the place on that date.
	pool  string
	place int
	// roomPool and roomPlace are those of the room; 0 where it is not limited.
	roomPool  string
	roomPlace int
	seq       int64
}

// held is what the booking holds.
func (b *Booking) held() claimRef {
	return claimRef{b.Quote.StartKey, b.Place, roomPool(b.Quote.StartKey, b.Quote.RoomID), b.RoomPlace, b.placeSeq}
}

// StartLeft is a start date with the places left on it.
type StartLeft struct {
	catalog.Start
	Left int
	// RoomsLeft has how many places are left with a room, by the room's id,
	// for the rooms that are limited.
	RoomsLeft map[string]int
}

// LeftWith returns how many places are left with a room.
func (s StartLeft) LeftWith(room string) int {
	if n, limited := s.RoomsLeft[room]; limited {
		return n
	}
	return s.Left
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
		out[i] = StartLeft{Start: st, Left: max(st.Capacity-taken[st.Key], 0), RoomsLeft: map[string]int{}}
		for room, n := range st.RoomCapacity {
			out[i].RoomsLeft[room] = min(max(n-taken[roomPool(st.Key, room)], 0), out[i].Left)
		}
	}
	return out, nil
}

// takenByStart counts the claimed places of all pools of the departures of some
// starts, one query a departure.
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
				taken[poolOf(rec.ID)]++
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

// Places returns how many places of a start date are left; with a room, how
// many rooms of that kind are, by the capacity that the start gives for it.
func (s *Service) Places(ctx context.Context, start catalog.Start, room string) (left int, err error) {
	pool, capacity := start.Key, start.Capacity
	if room != "" {
		pool, capacity = roomPool(start.Key, room), start.RoomCapacity[room]
	}
	taken, _, err := s.taken(ctx, pool)
	return max(capacity-len(taken), 0), err
}

// taken returns the claimed and the freed places of a pool by number.
func (s *Service) taken(ctx context.Context, pool string) (taken, freed map[int]store.Record[place], err error) {
	taken, freed = map[int]store.Record[place]{}, map[int]store.Record[place]{}
	q := store.PrefixQuery(pool + "/")
	q.Limit = store.MaxPage
	err = s.places.Each(ctx, q, func(rec store.Record[place]) error {
		n, err := strconv.Atoi(rec.ID[len(pool)+1:])
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

// capacity returns a start date with the capacities that it has today; 0 when
// it takes no bookings any more. It does not ask for the lead time: who holds a
// quote was in time.
func (s *Service) capacity(ctx context.Context, startKey string) (catalog.Start, error) {
	start := catalog.Start{Key: startKey}
	id, date, ok := catalog.ParseStartKey(startKey)
	if !ok {
		return start, nil
	}
	d, err := s.catalog.Departures.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return start, nil
	}
	if err != nil || d.Closed || !date.After(today(s.now())) {
		return start, err
	}
	if closed, err := s.closed(ctx, startKey); err != nil || closed {
		return start, err
	}
	start.Capacity, start.RoomCapacity = d.Capacity, d.RoomCapacity
	return start, nil
}

// hold claims what a quote asks for, to be made good by entry seq of the log of
// a booking: a room where it is limited, then a place. The place of the result
// is 0 when there is none. Errors: errOvertaken.
func (s *Service) hold(ctx context.Context, q Quote, booking string, seq int64) (claimRef, error) {
	c := claimRef{pool: q.StartKey, roomPool: roomPool(q.StartKey, q.RoomID), seq: seq}
	start, err := s.capacity(ctx, q.StartKey)
	if err != nil || start.Capacity == 0 {
		return c, err
	}
	rooms, limited := start.RoomCapacity[q.RoomID]
	if limited {
		if c.roomPlace, err = s.claim(ctx, c.roomPool, rooms, q.StartKey, booking, seq); err != nil || c.roomPlace == 0 {
			return c, err
		}
	}
	if c.place, err = s.claim(ctx, c.pool, start.Capacity, q.StartKey, booking, seq); err != nil || c.place > 0 {
		return c, err
	}
	return c, s.free(ctx, booking, c)
}

// free releases the places of a claim that it has.
func (s *Service) free(ctx context.Context, booking string, c claimRef) error {
	if c.place > 0 {
		if err := s.release(ctx, c.pool, c.place, booking, c.seq); err != nil {
			return err
		}
	}
	if c.roomPlace > 0 {
		return s.release(ctx, c.roomPool, c.roomPlace, booking, c.seq)
	}
	return nil
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

// claim takes a place of a pool of a start date for a booking, to be made good
// by entry seq of its log, and returns its number; 0 when none is left. An older
// claim of the booking, left behind by a process that died, is taken over.
// Errors: errOvertaken.
func (s *Service) claim(ctx context.Context, pool string, capacity int, startKey, booking string, seq int64) (int, error) {
	for range claimTries {
		taken, freed, err := s.taken(ctx, pool)
		if err != nil {
			return 0, err
		}
		n, err := s.claimOne(ctx, pool, place{BookingID: booking, Seq: seq, ClaimedAt: s.now()}, capacity, taken, freed)
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
		return 0, s.release(ctx, pool, n, booking, seq)
	}
	return 0, fault.New(fault.Unavailable, "So many people are booking this date that no place could be found yet. Please try again.")
}

// claimOne tries one place: the booking's own, else the first that is free.
// Errors: Conflict when somebody was faster.
func (s *Service) claimOne(ctx context.Context, pool string, p place, capacity int, taken, freed map[int]store.Record[place]) (int, error) {
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
		return n, s.places.Insert(ctx, placeID(pool, n), p)
	}
	return 0, nil
}

// release frees a place where it still has the claim of a booking and an
// entry. One that has another is left alone.
func (s *Service) release(ctx context.Context, pool string, n int, booking string, seq int64) error {
	for {
		rec, err := s.places.Get(ctx, placeID(pool, n))
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
		good := b.held()
		if seq >= int64(len(b.Timeline)) || good.seq == seq && (good.place > 0 && rec.ID == placeID(good.pool, good.place) ||
			good.roomPlace > 0 && rec.ID == placeID(good.roomPool, good.roomPlace)) {
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
