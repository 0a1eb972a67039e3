package checkout_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

// flow is a life of a booking, told by what its people do. Each act may be
// repeated, as people do after an error.
type flow struct {
	name  string
	class catalog.BookingClass
	acts  []func(b *bench, id string) error
	state checkout.State
	// kept is what is left with us in the end.
	kept int64
}

func payNow(b *bench, id string) error {
	url, err := b.Pay(ctx, id)
	if fault.Is(err, fault.Conflict) { // paid before
		return nil
	}
	if err != nil {
		return err
	}
	got, err := b.Booking(ctx, id)
	if err != nil {
		return err
	}
	for _, a := range got.Attempts {
		if a.URL == url {
			if err := b.sim.Pay(ctx, a.SessionID, stripesim.CardSucceeds); err != nil {
				return err
			}
		}
	}
	_, err = b.Settle(ctx, id)
	return err
}

func expire(b *bench, id string) error {
	b.clock.Advance(checkout.DefaultHoldFor)
	_, err := b.Settle(ctx, id)
	return err
}

func accept(b *bench, id string) error {
	_, err := b.Accept(ctx, id, by)
	return err
}

func decline(b *bench, id string) error {
	_, err := b.Decline(ctx, id, by)
	return err
}

func cancel(b *bench, id string) error {
	p, err := b.CancelPreview(ctx, id, catalog.CauseUnfit)
	if fault.Is(err, fault.Conflict) { // cancelled before
		return nil
	}
	if err != nil {
		return err
	}
	_, err = b.Cancel(ctx, id, catalog.CauseUnfit, p.Refund, by)
	return err
}

// payOutByTransfer pays the agency what a cancellation has left it.
func payOutByTransfer(b *bench, id string) error {
	got, err := b.Booking(ctx, id)
	if err != nil || len(got.Payouts) > 0 {
		return err
	}
	account, err := b.PayoutAccount(ctx, "agency")
	if err == nil && account.Method != checkout.PayoutStripe {
		_, err = b.SetPayoutAccount(ctx, "agency", checkout.PayoutStripe, "acct_agency", by)
	}
	if err != nil {
		return err
	}
	due, err := got.PayoutDue("agency")
	if err != nil {
		return err
	}
	_, err = b.PayOut(ctx, id, "agency", due, by)
	return err
}

// refundMore refunds a part of what was paid out in the processor's dashboard.
func refundMore(b *bench, id string) error {
	got, err := b.Booking(ctx, id)
	if err != nil {
		return err
	}
	list, err := b.stripe.Refunds(ctx, got.Payments[0].ID)
	if err == nil && len(list) < 2 {
		_, err = b.sim.RefundFromDashboard(ctx, got.Payments[0].ID, 1000)
	}
	if err == nil {
		_, err = b.sim.DeliverPending(ctx)
	}
	return err
}

var flows = []flow{
	{"accepted", catalog.OnAcceptance, []func(*bench, string) error{payNow, accept}, checkout.StateConfirmed, deposit},
	{"declined", catalog.OnAcceptance, []func(*bench, string) error{payNow, decline}, checkout.StateDeclined, 0},
	{"cancelled", catalog.Instant, []func(*bench, string) error{payNow, cancel}, checkout.StateCancelled, deposit / 5},
	{"expired", catalog.OnAcceptance, []func(*bench, string) error{expire}, checkout.StateExpired, 0},
	{"paid again", catalog.Instant, []func(*bench, string) error{expire, payNow}, checkout.StateConfirmed, deposit},
	{"transferred, then refunded", catalog.Instant, []func(*bench, string) error{payNow, cancel, payOutByTransfer, refundMore},
		checkout.StateCancelled, deposit/5 - 1000},
}

// stride is how many operations lie between two deaths: all are tried where
// MEDTOUR_LONG is set, a part of them otherwise.
func stride(sparse int) int {
	if os.Getenv("MEDTOUR_LONG") != "" {
		return 1
	}
	return sparse
}

// TestCrashAnywhere kills the process at writes to the store and calls of the
// card processor, before and after their effect, at every one of them where
// MEDTOUR_LONG is set. The people repeat what they did, the worker of a new
// process does the rest.
func TestCrashAnywhere(t *testing.T) {
	for engine, place := range storetest.Places() {
		for i, f := range flows {
			for _, after := range []bool{false, true} {
				every := stride(15)
				if engine != "sqlite" {
					// FerretDB scans whole collections: a part will do.
					every = stride(24)
					if i%3 != 1 && i != 5 || after != (i == 1) {
						continue
					}
				}
				t.Run(fmt.Sprintf("%s/%s/after effect %t", engine, f.name, after), func(t *testing.T) {
					b := newBench(t, storetest.Open(t, place(t)))
					for n := i % every; b.crash(f, n, after); n += every { // another part in each flow
						if n > 200 {
							t.Fatal("the flow has no end")
						}
					}
				})
			}
		}
	}
}

// crash runs a flow and kills the process at operation n. It reports whether
// the flow was long enough for that.
func (b *bench) crash(f flow, n int, after bool) (died bool) {
	b.t.Helper()
	c := wide(f.class)
	quote, left := b.quote(c), b.left(c)
	id := ""
	acts := append([]func(*bench, string) error{func(b *bench, _ string) error {
		got, err := b.Book(ctx, quote.ID, patient)
		id = got.ID
		return err
	}}, f.acts...)
	b.power.die(n, after)
	for i := 0; i < len(acts); {
		err := acts[i](b, id)
		switch {
		case !died && b.power.revive():
			died = true
			b.restart()
			b.recover()
		case err != nil:
			b.t.Fatalf("%s, dead at %d (after its effect: %t): act %d: %v", f.name, n, after, i, err)
		default:
			i++
		}
	}
	b.power.die(-1, false)
	b.recover()
	got, err := b.Booking(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	if f.state == checkout.StateConfirmed {
		left--
	}
	if got.State != f.state || b.balance(got) != f.kept || b.left(c) != left || got.RefundPending.Amount != 0 || len(got.Payments) > 1 {
		b.t.Errorf("%s, dead at %d (after its effect: %t): %s, %d kept, %d payments, %d places left, want %s, %d, %d\n%s",
			f.name, n, after, got.State, b.balance(got), len(got.Payments), b.left(c), f.state, f.kept, left, timeline(got))
	}
	b.sound(got)
	return died
}

// recover lets the worker do what a dead process has left behind.
func (b *bench) recover() {
	b.t.Helper()
	b.clock.Advance(6 * time.Minute)
	b.due()
}
