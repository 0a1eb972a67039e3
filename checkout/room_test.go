package checkout_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

// suite is a choice with the room of which a date has only some: two of five
// places on the first date, none limited on the wide one.
func suite(c checkout.Choice) checkout.Choice {
	c.RoomID = "suite"
	return c
}

// limit publishes how many of the places of a departure may have a suite.
func (b *bench) limit(departure string, suites int) {
	b.t.Helper()
	d, err := b.catalog.Departures.Get(ctx, departure)
	if err != nil {
		b.t.Fatal(err)
	}
	d.RoomCapacity = map[string]int{"suite": suites}
	if _, err := b.catalog.Departures.Publish(ctx, d, catalog.Edit{Author: "test", Reason: "test"}); err != nil {
		b.t.Fatal(err)
	}
}

// rooms returns the places left on a date, and those with a suite.
func (b *bench) rooms(c checkout.Choice) (left, suites int) {
	b.t.Helper()
	starts, err := b.Starts(ctx, c.PackageID)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, st := range starts {
		if st.Key == c.StartKey {
			return st.Left, st.LeftWith("suite")
		}
	}
	b.t.Fatalf("no start %s", c.StartKey)
	return 0, 0
}

// TestLastRoom: twenty patients at once for one room of a kind; the others of
// the date can still have another kind.
func TestLastRoom(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := suite(choice(catalog.OnAcceptance))
		b.limit(c.PackageID, 1)
		quotes := make([]string, 20)
		for i := range quotes {
			quotes[i] = b.quote(c).ID
		}
		var booked, refused atomic.Int32
		var group sync.WaitGroup
		for _, q := range quotes {
			group.Go(func() {
				switch got, err := b.Book(ctx, q, patient); {
				case err == nil && got.Place > 0 && got.RoomPlace == 1:
					booked.Add(1)
				case code(err) == "room_full":
					refused.Add(1)
				default:
					t.Errorf("%s, place %d, room %d, %v", got.State, got.Place, got.RoomPlace, err)
				}
			})
		}
		group.Wait()
		if booked.Load() != 1 || refused.Load() != 19 {
			t.Errorf("%d booked, %d refused", booked.Load(), refused.Load())
		}
		b.recover() // claims of those who lost are swept
		if left, suites := b.rooms(c); left != 4 || suites != 0 {
			t.Errorf("%d places and %d suites left", left, suites)
		}
		twin := c
		twin.RoomID = "twin"
		b.book(twin)
		b.rest()
		b.audit()
	})
}

// TestRoomIsHeldAndFreed: a room is held with the place, freed with it, and can
// be paid for late where it is still free.
func TestRoomIsHeldAndFreed(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := suite(choice(catalog.OnAcceptance))
		got := b.book(c)
		if left, suites := b.rooms(c); left != 4 || suites != 1 {
			t.Errorf("%d places and %d suites left", left, suites)
		}
		b.clock.Advance(checkout.DefaultHoldFor)
		b.due()
		if left, suites := b.rooms(c); left != 5 || suites != 2 {
			t.Errorf("after the hold %d places and %d suites are left", left, suites)
		}
		if _, err := b.Pay(ctx, got.ID); err != nil {
			t.Fatal(err)
		}
		got = b.settle(got.ID)
		b.pay(got, stripesim.CardSucceeds)
		got = b.settle(got.ID)
		if got.State != checkout.StateAwaiting || got.RoomPlace == 0 {
			t.Errorf("%s, room %d", got.State, got.RoomPlace)
		}
		if _, err := b.Decline(ctx, got.ID, by); err != nil {
			t.Fatal(err)
		}
		if left, suites := b.rooms(c); left != 5 || suites != 2 {
			t.Errorf("after the refusal %d places and %d suites are left", left, suites)
		}
		b.rest()
		b.audit()
	})
}

// TestLateMoneyWithoutARoom: a page that was paid turns up after the hold; places
// are free, but the room is another's: the money goes back in full.
func TestLateMoneyWithoutARoom(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := suite(choice(catalog.OnAcceptance))
	b.limit(c.PackageID, 1)
	b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/checkout/sessions", AfterEffect: true, Kind: stripesim.Cut, Times: -1})
	late, err := b.Book(ctx, b.quote(c).ID, patient)
	if err != nil || late.RoomPlace != 1 {
		t.Fatalf("room %d, %v", late.RoomPlace, err)
	}
	b.clock.Advance(3 * time.Minute)
	b.due()
	b.sim.Recover()
	lost, err := b.stripe.CreateSession(ctx, late.Attempts[0].Params)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Pay(ctx, lost.ID, stripesim.CardSucceeds); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(2 * time.Hour)
	b.due()
	first := b.book(c)
	b.deliver()
	if late = b.settle(late.ID); late.State != checkout.StateExpired || late.Payments[0].Reason != checkout.ReasonPlaceGone || b.balance(late) != 0 {
		t.Errorf("%s, %+v", late.State, late.Payments)
	}
	if left, suites := b.rooms(c); left != 4 || suites != 0 || first.RoomPlace != 1 {
		t.Errorf("%d places and %d suites left", left, suites)
	}
	b.rest()
	b.audit()
}

// TestMoveKeepsTheRoom: a move takes a room of the kind on the new date, or does
// not take place.
func TestMoveKeepsTheRoom(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := suite(choice(catalog.Instant))
		other := wide(catalog.Instant).StartKey
		b.limit(string(catalog.Instant)+"-wide", 1)
		got, second := b.paid(c), b.paid(c)
		move := func(id string) error {
			p, err := b.MovePreview(ctx, id, other)
			if err == nil {
				_, err = b.Move(ctx, id, other, p.Difference, by)
			}
			return err
		}
		if err := move(got.ID); err != nil {
			t.Fatal(err)
		}
		if got = b.settle(got.ID); got.Quote.StartKey != other || got.RoomPlace != 1 {
			t.Errorf("on %s with room %d", got.Quote.StartKey, got.RoomPlace)
		}
		if left, suites := b.rooms(c); left != 4 || suites != 1 {
			t.Errorf("%d places and %d suites left on the old date", left, suites)
		}
		if err := move(second.ID); code(err) != "room_full" {
			t.Errorf("moved without a room: %v", err)
		}
		if second = b.settle(second.ID); second.Quote.StartKey != c.StartKey || second.RoomPlace == 0 {
			t.Errorf("on %s with room %d", second.Quote.StartKey, second.RoomPlace)
		}
		b.rest()
		b.audit()
	})
}

// TestClosingFreesTheRooms: whoever is on a closed date is refunded, and gives
// the room back.
func TestClosingFreesTheRooms(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := suite(choice(catalog.Instant))
		paid, unpaid := b.paid(c), b.book(c)
		if _, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{paid.ID, unpaid.ID} {
			if got := b.settle(id); got.State != checkout.StateCancelled || got.RoomPlace != 0 || b.balance(got) != 0 {
				t.Errorf("%s with room %d\n%s", got.State, got.RoomPlace, timeline(got))
			}
		}
		b.rest()
		b.audit()
	})
}

func TestRoomCapacityIsChecked(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	for _, rooms := range []map[string]int{{"attic": 1}, {"suite": 6}, {"suite": -1}, {"": 1}} {
		d := catalog.Departure{ID: "odd", PackageID: string(catalog.Instant), Date: "2027-03-01", Capacity: 5, RoomCapacity: rooms}
		if _, err := b.catalog.Departures.Publish(ctx, d, catalog.Edit{Author: "test", Reason: "test"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", rooms, err)
		}
	}
}
