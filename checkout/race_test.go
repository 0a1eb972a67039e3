package checkout_test

import (
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/store/storetest"
)

// What two processes do to one booking or one place in the worst order.

func at(operation string) func(string) bool {
	return func(op string) bool { return strings.HasPrefix(op, operation) }
}

func raceBench(t *testing.T) (*bench, checkout.Choice) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	t.Cleanup(func() {
		if !b.pause.happened() {
			t.Error("the race did not take place")
		}
	})
	return b, choice(catalog.OnAcceptance)
}

func TestClaimThatLostIsFreed(t *testing.T) {
	b, c := raceBench(t)
	first, q := b.book(c), b.quote(c)
	b.pause.before(at("insert checkout_places "+c.StartKey+"/2"), func() {
		// Place 1 becomes free, and another process gets it for this booking.
		if _, err := b.Cancel(ctx, first.ID, "", catalog.Money{Currency: "USD"}, by); err != nil {
			t.Error(err)
		}
		if got, err := b.Book(ctx, q.ID, patient); err != nil || got.Place != 1 {
			t.Errorf("place %d, %v", got.Place, err)
		}
	})
	if got, err := b.Book(ctx, q.ID, patient); err != nil || got.Place != 1 {
		t.Errorf("place %d, %v", got.Place, err)
	}
	if left := b.left(c); left != 4 {
		t.Errorf("%d places left", left)
	}
}

func TestLateReleaseLeavesANewerClaimAlone(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *bench, checkout.Booking, checkout.Choice){
		"of the same booking": func(t *testing.T, b *bench, got checkout.Booking, _ checkout.Choice) {
			if _, err := b.Pay(ctx, got.ID); err != nil {
				t.Error(err)
			}
		},
		"of another": func(t *testing.T, b *bench, _ checkout.Booking, c checkout.Choice) { b.book(c) },
	} {
		t.Run(name, func(t *testing.T) {
			b, c := raceBench(t)
			got := b.book(c)
			b.clock.Advance(checkout.DefaultHoldFor)
			b.pause.before(at("replace checkout_places "), func() {
				b.settle(got.ID)
				again(t, b, got, c)
			})
			b.settle(got.ID)
			if left := b.left(c); left != 4 {
				t.Errorf("%d places left: a claim was freed that somebody relies on", left)
			}
		})
	}
}

func TestLateClaimLeavesANewerOneAlone(t *testing.T) {
	b, c := raceBench(t)
	got := b.book(c)
	again := func() {
		t.Helper()
		b.clock.Advance(checkout.DefaultHoldFor)
		b.settle(got.ID)
		if _, err := b.Pay(ctx, got.ID); err != nil {
			t.Error(err)
		}
	}
	b.clock.Advance(checkout.DefaultHoldFor)
	b.settle(got.ID)
	// The first find counts the places left, the second is the claim's own.
	b.pause.before(at("find checkout_places "), func() {
		b.pause.before(at("find checkout_places "), func() { b.settle(got.ID); again() })
	})
	if _, err := b.Pay(ctx, got.ID); err != nil {
		t.Error(err)
	}
	got = b.settle(got.ID)
	if left := b.left(c); left != 4 || got.Place == 0 {
		t.Errorf("%d places left, the booking has place %d\n%s", left, got.Place, timeline(got))
	}
}

func TestSweepLeavesANewerClaimAlone(t *testing.T) {
	b, c := raceBench(t)
	got := b.book(c)
	b.clock.Advance(checkout.DefaultHoldFor)
	b.settle(got.ID)
	b.pause.before(at("find checkout_places booking"), func() {
		if _, err := b.Pay(ctx, got.ID); err != nil {
			t.Error(err)
		}
	})
	b.recover()
	if left := b.left(c); left != 4 {
		t.Errorf("%d places left", left)
	}
}

func TestLastPlaceIsTakenOverAfterADeath(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.OnAcceptance)
	for b.left(c) > 1 {
		b.book(c)
	}
	for n := range 12 {
		q := b.quote(c)
		b.power.die(n, true)
		_, _ = b.Book(ctx, q.ID, patient) // whatever the patient was told
		b.power.die(-1, false)
		b.restart()
		got, err := b.Book(ctx, q.ID, patient)
		if err != nil || got.State != checkout.StateHolding {
			t.Fatalf("dead at %d: %s, %v", n, got.State, err)
		}
		if _, err := b.Cancel(ctx, got.ID, "", catalog.Money{Currency: "USD"}, by); err != nil {
			t.Fatal(err)
		}
		if b.left(c) != 1 {
			t.Fatalf("dead at %d: %d places left", n, b.left(c))
		}
	}
}

func TestPaidWhileTheHoldEnds(t *testing.T) {
	b, c := raceBench(t)
	got := b.book(c)
	b.pause.before(at("expire session"), func() { b.pay(got, stripesim.CardSucceeds) })
	got, err := b.Cancel(ctx, got.ID, "", catalog.Money{Currency: "USD"}, by)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, checkout.StateCancelled, deposit)
	b.sound(got)
}

// TestDeathAfterAnothersRun: a process has announced that it is about to
// write; another one finishes in between; the first writes and dies. The worker
// must look at the booking all the same.
func TestDeathAfterAnothersRun(t *testing.T) {
	b, c := raceBench(t)
	got := b.paid(c)
	b.recover() // no mark is left
	b.pause.before(at("insert checkout_log "+got.ID), func() {
		b.settle(got.ID)
		b.power.die(0, true)
	})
	if _, err := b.Decline(ctx, got.ID, by); err == nil {
		t.Fatal("the process did not die")
	}
	b.power.die(-1, false)
	b.restart()
	b.recover()
	got, err := b.Booking(ctx, got.ID)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, checkout.StateDeclined, deposit)
}

// TestFreedPlaceGoesToOne: two processes want the one place that has become
// free.
func TestFreedPlaceGoesToOne(t *testing.T) {
	b, c := raceBench(t)
	first := b.book(c)
	for b.left(c) > 0 {
		b.book(c)
	}
	if _, err := b.Cancel(ctx, first.ID, "", catalog.Money{Currency: "USD"}, by); err != nil {
		t.Fatal(err)
	}
	slow, fast := b.quote(c), b.quote(c)
	b.pause.before(at("replace checkout_places "+c.StartKey+"/1"), func() {
		if got, err := b.Book(ctx, fast.ID, patient); err != nil || got.Place != 1 {
			t.Errorf("place %d, %v", got.Place, err)
		}
	})
	if got, err := b.Book(ctx, slow.ID, patient); code(err) != "full" {
		t.Errorf("the place was sold twice: %s, place %d, %v", got.State, got.Place, err)
	}
	b.audit()
}
