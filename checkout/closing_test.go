package checkout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

// departure publishes another departure and returns a choice of its start.
func (b *bench) departure(class catalog.BookingClass, id, date string, capacity int) checkout.Choice {
	b.t.Helper()
	_, err := b.catalog.Departures.Publish(ctx, catalog.Departure{ID: id, PackageID: string(class), Date: date, Capacity: capacity},
		catalog.Edit{Author: "test", Reason: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	c := choice(class)
	c.StartKey = id + "_" + date
	return c
}

// is checks a booking's state and what is left of its money.
func (b *bench) is(id string, state checkout.State, kept int64) checkout.Booking {
	b.t.Helper()
	got, err := b.Booking(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	if got.State != state || b.balance(got) != kept || got.RefundPending.Amount != 0 {
		b.t.Errorf("%s, %d kept; want %s, %d\n%s", got.State, b.balance(got), state, kept, timeline(got))
	}
	b.sound(got)
	return got
}

func TestClosingForgetsNobody(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := choice(catalog.OnAcceptance)
		quote := b.quote(c)
		holding, waiting, confirmed := b.book(c), b.paid(c), b.paid(c)
		if _, err := b.Accept(ctx, confirmed.ID, by); err != nil {
			t.Fatal(err)
		}
		elsewhere := b.paid(wide(catalog.OnAcceptance))
		closing, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by)
		if err != nil || closing.Done.IsZero() {
			t.Fatalf("%+v, %v", closing, err)
		}
		b.is(holding.ID, checkout.StateCancelled, 0)
		b.is(waiting.ID, checkout.StateCancelled, 0)
		if got := b.is(confirmed.ID, checkout.StateCancelled, 0); got.Cause != checkout.CauseClosed || got.Place != 0 {
			t.Errorf("cancelled for %q, place %d", got.Cause, got.Place)
		}
		b.is(elsewhere.ID, checkout.StateAwaiting, deposit)
		if _, err := b.Book(ctx, quote.ID, patient); code(err) != "departure_closed" {
			t.Errorf("booked on a closed departure: %v", err)
		}
		if _, err := b.Quote(ctx, c); !fault.Is(err, fault.Invalid) {
			t.Errorf("quoted for a closed departure: %v", err)
		}
		again, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by)
		if err != nil || !again.Done.Equal(closing.Done) {
			t.Errorf("closed twice: %+v, %v", again, err)
		}
	})
}

func TestClosingLeavesTimeToMove(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.Instant)
	holding, moves, stays, leaves := b.book(c), b.paid(c), b.paid(c), b.paid(c)
	until := b.clock.Now().Add(7 * 24 * time.Hour)
	if _, err := b.CloseDeparture(ctx, "instant", until, by); err != nil { // the whole departure
		t.Fatal(err)
	}
	b.is(holding.ID, checkout.StateCancelled, 0)
	if got := b.is(stays.ID, checkout.StateConfirmed, deposit); got.Closed == nil || !got.Closed.Until.Equal(until) {
		t.Fatalf("closed: %+v", got.Closed)
	}
	p, err := b.MovePreview(ctx, moves.ID, wide(catalog.Instant).StartKey)
	if err != nil || p.Difference.Amount != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := b.Move(ctx, moves.ID, wide(catalog.Instant).StartKey, p.Difference, by); err != nil {
		t.Fatal(err)
	}
	preview, err := b.CancelPreview(ctx, leaves.ID, "")
	if err != nil || preview.Kept.Amount != 0 {
		t.Fatalf("%+v, %v", preview, err)
	}
	if _, err := b.Cancel(ctx, leaves.ID, "", preview.Refund, by); err != nil {
		t.Fatal(err)
	}
	b.is(leaves.ID, checkout.StateCancelled, 0)
	b.clock.Advance(7*24*time.Hour - time.Second)
	b.due()
	b.is(stays.ID, checkout.StateConfirmed, deposit)
	b.clock.Advance(time.Second)
	b.due()
	b.is(stays.ID, checkout.StateCancelled, 0)
	if got := b.is(moves.ID, checkout.StateConfirmed, deposit); got.Closed != nil {
		t.Errorf("the moved booking is still closed: %+v", got.Closed)
	}
}

func TestClosingRefuses(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.Instant)
	for name, test := range map[string]struct {
		target string
		moveBy time.Time
		act    checkout.Act
		kind   fault.Kind
	}{
		"nobody":   {c.StartKey, time.Time{}, checkout.Act{}, fault.Invalid},
		"unknown":  {"nowhere_2027-03-01", time.Time{}, by, fault.NotFound},
		"nonsense": {"../_", time.Time{}, by, fault.NotFound},
		"past":     {c.StartKey, b.clock.Now().Add(-time.Hour), by, fault.Invalid},
		"too long": {c.StartKey, b.clock.Now().AddDate(1, 0, 0), by, fault.Invalid},
	} {
		if _, err := b.CloseDeparture(ctx, test.target, test.moveBy, test.act); !fault.Is(err, test.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	got := b.paid(c)
	b.clock.Advance(120 * 24 * time.Hour)
	if _, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by); code(err) != "begun" {
		t.Errorf("a departure that has begun: %v", err)
	}
	if _, err := b.CloseDeparture(ctx, "instant", time.Time{}, by); err != nil {
		t.Error(err)
	}
	b.is(got.ID, checkout.StateConfirmed, deposit) // who travels is left alone
}

// TestClosingAgainstClaims: a place is being claimed at the very moment at
// which the departure is closed.
func TestClosingAgainstClaims(t *testing.T) {
	for _, moment := range []string{"insert checkout_places ", "insert checkout_log "} {
		for _, moving := range []bool{false, true} {
			t.Run(fmt.Sprint(moment, moving), func(t *testing.T) {
				b, c := raceBench(t)
				c.StartKey = b.departure(catalog.OnAcceptance, "race", "2027-05-01", 2).StartKey
				closes := func() {
					if _, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by); err != nil {
						t.Error(err)
					}
				}
				if moving {
					got := b.paid(choice(catalog.OnAcceptance))
					b.pause.before(at(moment), closes)
					_, _ = b.Move(ctx, got.ID, c.StartKey, catalog.Money{Currency: "USD"}, by) // whatever was told
					if got := b.is(got.ID, checkout.StateAwaiting, deposit); got.Quote.StartKey == c.StartKey {
						t.Errorf("moved to a closed departure\n%s", timeline(got))
					}
				} else {
					q := b.quote(c)
					b.pause.before(at(moment), closes)
					got, _ := b.Book(ctx, q.ID, patient) // whatever was told
					if got = b.settle(got.ID); got.State == checkout.StateHolding || got.Place != 0 {
						t.Errorf("%s with place %d\n%s", got.State, got.Place, timeline(got))
					}
				}
			})
		}
	}
}

func TestCrashWhileClosing(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after effect %t", after), func(t *testing.T) {
			b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
			for n, died := 0, true; died; n += stride(5) {
				c := b.departure(catalog.Instant, fmt.Sprintf("crash-%d", n), "2027-05-01", 3)
				unpaid, first, second := b.book(c), b.paid(c), b.paid(c)
				b.power.die(n, after)
				_, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by)
				if died = b.power.revive(); died {
					b.restart()
					if n == 0 && !after { // nothing was stored: the operator is told
						if _, err = b.CloseDeparture(ctx, c.StartKey, time.Time{}, by); err != nil {
							t.Fatal(err)
						}
					}
				} else if err != nil {
					t.Fatal(err)
				}
				b.power.die(-1, false)
				b.recover()
				for _, id := range []string{unpaid.ID, first.ID, second.ID} {
					if got := b.is(id, checkout.StateCancelled, 0); got.Place != 0 {
						t.Errorf("dead at %d: place %d is held", n, got.Place)
					}
				}
			}
		})
	}
}

func TestMove(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		from, to := choice(catalog.OnAcceptance), wide(catalog.OnAcceptance)
		got := b.paid(from)
		b.clock.Advance(time.Hour)
		if _, err := b.Move(ctx, got.ID, to.StartKey, catalog.Money{Amount: 1, Currency: "USD"}, by); code(err) != "difference_changed" {
			t.Fatalf("moved at a price that nobody has seen: %v", err)
		}
		same := catalog.Money{Currency: "USD"}
		for range 2 { // a double click moves once
			var err error
			if got, err = b.Move(ctx, got.ID, to.StartKey, same, by); err != nil {
				t.Fatal(err)
			}
		}
		if got.Quote.StartKey != to.StartKey || got.Quote.Start.Month() != time.April || b.left(from) != 5 || b.left(to) != 999 {
			t.Fatalf("on %s; %d and %d places left\n%s", got.Quote.StartKey, b.left(from), b.left(to), timeline(got))
		}
		b.is(got.ID, checkout.StateAwaiting, deposit)
		if _, err := b.Move(ctx, got.ID, from.StartKey, same, by); err != nil { // and back
			t.Fatal(err)
		}
		if got = b.is(got.ID, checkout.StateAwaiting, deposit); got.Quote.StartKey != from.StartKey || b.left(from) != 4 || b.left(to) != 1000 {
			t.Fatalf("on %s; %d and %d places left", got.Quote.StartKey, b.left(from), b.left(to))
		}
		full := b.departure(catalog.OnAcceptance, "full", "2027-05-01", 1)
		b.book(full)
		if got, err := b.Move(ctx, got.ID, full.StartKey, same, by); code(err) != "full" || got.Quote.StartKey != from.StartKey {
			t.Fatalf("on %s, %v", got.Quote.StartKey, err)
		}
		b.is(got.ID, checkout.StateAwaiting, deposit)
		if _, err := b.MovePreview(ctx, got.ID, "elsewhere_2027-05-01"); !fault.Is(err, fault.Invalid) {
			t.Errorf("to a departure of another package: %v", err)
		}
		if _, err := b.MovePreview(ctx, got.ID, from.StartKey); code(err) != "same_date" {
			t.Errorf("to the same date: %v", err)
		}
		b.clock.Advance(71 * 24 * time.Hour) // within 30 days of the start
		if _, err := b.MovePreview(ctx, got.ID, to.StartKey); !fault.Is(err, fault.Conflict) {
			t.Errorf("moved too late: %v", err)
		}
		if _, err := b.MovePreview(ctx, b.book(to).ID, from.StartKey); code(err) != "not_movable" {
			t.Errorf("an unpaid booking: %v", err)
		}
	})
}

func TestMoveSettlesADifferentPriceOnArrival(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	p := pkg("instant")
	p.Lines[0].Amount = cny(7000)
	p.Policy.Tiers = nil
	if _, err := b.catalog.Packages.Publish(ctx, p, catalog.Edit{Author: "test", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	to := wide(catalog.Instant)
	preview, err := b.MovePreview(ctx, got.ID, to.StartKey)
	if err != nil || preview.Difference != (catalog.Money{Amount: 12500, Currency: "USD"}) { // CNY 1000 at 8
		t.Fatalf("%+v, %v", preview.Difference, err)
	}
	before := got.Quote
	if got, err = b.Move(ctx, got.ID, to.StartKey, preview.Difference, by); err != nil {
		t.Fatal(err)
	}
	q := got.Quote
	if q.Deposit != before.Deposit || q.DueOnArrival.Amount != before.DueOnArrival.Amount+12500 || len(q.Policy.Tiers) == 0 || q.ID != before.ID {
		t.Errorf("deposit %s, due %s on arrival, policy %+v", q.Deposit, q.DueOnArrival, q.Policy)
	}
	b.is(got.ID, checkout.StateConfirmed, deposit)
}

func TestCrashWhileMoving(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after effect %t", after), func(t *testing.T) {
			b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
			from, to := wide(catalog.Instant), b.departure(catalog.Instant, "to", "2027-05-01", 1000)
			for n, died := 0, true; died; n += stride(3) {
				got := b.paid(from)
				left, right := b.left(from), b.left(to)
				b.power.die(n, after)
				_, err := b.Move(ctx, got.ID, to.StartKey, catalog.Money{Currency: "USD"}, by)
				if died = b.power.revive(); died {
					b.restart()
					b.recover()
					got, err = b.Move(ctx, got.ID, to.StartKey, catalog.Money{Currency: "USD"}, by)
				}
				if err != nil {
					t.Fatalf("dead at %d: %v", n, err)
				}
				b.power.die(-1, false)
				b.recover()
				got = b.is(got.ID, checkout.StateConfirmed, deposit)
				if got.Quote.StartKey != to.StartKey || b.left(from) != left+1 || b.left(to) != right-1 {
					t.Errorf("dead at %d: on %s, %d and %d places left, were %d and %d\n%s", n, got.Quote.StartKey, b.left(from), b.left(to), left, right, timeline(got))
				}
			}
		})
	}
}

// TestPaidWhileTheDepartureIsClosed: the money comes at the moment of closing.
func TestPaidWhileTheDepartureIsClosed(t *testing.T) {
	b, c := raceBench(t)
	got := b.book(c)
	b.pause.before(at("expire session"), func() { b.pay(got, stripesim.CardSucceeds) })
	if _, err := b.CloseDeparture(ctx, c.StartKey, time.Time{}, by); err != nil {
		t.Fatal(err)
	}
	b.is(got.ID, checkout.StateCancelled, 0)
}
