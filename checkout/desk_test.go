package checkout_test

import (
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

// item returns the one open item, which must be of a kind.
func (b *bench) item(kind checkout.ItemKind) checkout.Item {
	b.t.Helper()
	items, _, err := b.Items(ctx, 0, "")
	if err != nil || len(items) != 1 || items[0].Kind != kind {
		b.t.Fatalf("items %+v, %v; want one of %s", items, err, kind)
	}
	return items[0]
}

func (b *bench) noItem() {
	b.t.Helper()
	if items, _, err := b.Items(ctx, 0, ""); err != nil || len(items) != 0 {
		b.t.Fatalf("items %+v, %v", items, err)
	}
}

// refundRefused makes a booking whose refund the processor refuses for good.
func (b *bench) refundRefused() checkout.Booking {
	b.t.Helper()
	got := b.paid(choice(catalog.OnAcceptance))
	b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/refunds", Status: 400, Times: -1})
	if _, err := b.Decline(ctx, got.ID, by); err != nil {
		b.t.Fatal(err)
	}
	for range 3 {
		b.clock.Advance(25 * time.Hour)
		b.due()
	}
	b.sim.Recover()
	got = b.settle(got.ID)
	if got.RefundStatus != checkout.RefundFailed {
		b.t.Fatalf("the refund is %s\n%s", got.RefundStatus, timeline(got))
	}
	return got
}

func TestRefusedRefundIsSentAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.refundRefused()
		i := b.item(checkout.ItemRefundFailed)
		if i.BookingID != got.ID || i.Amount.Amount != deposit {
			t.Fatalf("%+v", i)
		}
		if _, err := b.Resolve(ctx, i.ID, checkout.RemedyRetry, "", checkout.Act{Actor: "tester"}); !fault.Is(err, fault.Invalid) {
			t.Fatalf("without a reason: %v", err)
		}
		if _, err := b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by); code(err) != "not_possible" {
			t.Fatalf("money that is owed was noted away: %v", err)
		}
		i, err := b.Resolve(ctx, i.ID, checkout.RemedyRetry, "", by)
		if err != nil || i.Resolved.IsZero() || i.Actor != by.Actor {
			t.Fatalf("%+v, %v", i, err)
		}
		b.is(got.ID, checkout.StateDeclined, 0)
		b.noItem()
		if _, err := b.Resolve(ctx, i.ID, checkout.RemedyRetry, "", by); code(err) != "resolved" {
			t.Errorf("resolved twice: %v", err)
		}
	})
}

func TestRetryThatFailsAgainIsAnotherItem(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.refundRefused()
	first := b.item(checkout.ItemRefundFailed)
	b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/refunds", Status: 400, Times: -1})
	if _, err := b.Resolve(ctx, first.ID, checkout.RemedyRetry, "", by); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.clock.Advance(25 * time.Hour)
		b.due()
	}
	second := b.item(checkout.ItemRefundFailed)
	if second.ID == first.ID {
		t.Fatal("the second failure is not told")
	}
	if _, err := b.Resolve(ctx, second.ID, checkout.RemedyBank, "", by); !fault.Is(err, fault.Invalid) {
		t.Errorf("a transfer without a reference: %v", err)
	}
	if _, err := b.Resolve(ctx, second.ID, checkout.RemedyBank, "BANK-9", by); err != nil {
		t.Fatal(err)
	}
	b.sim.Recover()
	b.recover()
	got = b.settle(got.ID)
	if got.Refunded.Amount != deposit || got.RefundPending.Amount != 0 || b.balance(got) != deposit {
		t.Errorf("%s refunded, %s pending, the processor kept %d", got.Refunded, got.RefundPending, b.balance(got))
	}
	b.noItem()
}

func TestDisputeAndPayoutNeedAPerson(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	b.clock.Advance(100 * 24 * time.Hour)
	for _, act := range []func() error{
		func() error { _, err := b.Complete(ctx, got.ID, by); return err },
		func() error { _, err := b.PayOut(ctx, got.ID, "agency", usd(deposit), by); return err },
		func() error { _, err := b.FailPayout(ctx, got.ID, 1, by); return err },
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	i := b.item(checkout.ItemPayoutFailed)
	if _, err := b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PayOut(ctx, got.ID, "agency", usd(deposit), by); err != nil {
		t.Fatal(err)
	}
	if _, err := b.sim.CreateDispute(ctx, got.Payments[0].ID, deposit, "fraudulent"); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	i = b.item(checkout.ItemDispute)
	if _, err := b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by); err != nil {
		t.Fatal(err)
	}
	got = b.settle(got.ID)
	if err := b.sim.CloseDispute(ctx, got.Disputes[0].ID, false); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	if i = b.item(checkout.ItemOverpaid); i.Amount.Amount != deposit || i.Note != "agency" {
		t.Errorf("%+v", i)
	}
	b.account("", checkout.AccountReceived)
}

// TestResolveInTheMiddleOfADeath: what a person did is in the log even where
// the list of items never heard of it.
func TestResolveInTheMiddleOfADeath(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	for n := range 8 {
		got := b.paid(wide(catalog.Instant))
		if _, err := b.sim.CreateDispute(ctx, got.Payments[0].ID, deposit, "fraudulent"); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		i := b.item(checkout.ItemDispute)
		b.power.die(n, n%2 == 0)
		_, err := b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by)
		if b.power.revive() {
			b.restart()
			b.recover()
			if _, err = b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by); code(err) == "resolved" {
				err = nil
			}
		}
		b.power.die(-1, false)
		if err != nil {
			t.Fatalf("dead at %d: %v", n, err)
		}
		got = b.settle(got.ID)
		entries := 0
		for _, e := range got.Timeline {
			if e.Kind == checkout.EntryResolved {
				entries++
			}
		}
		if entries != 1 {
			t.Errorf("dead at %d: resolved %d times\n%s", n, entries, timeline(got))
		}
		b.noItem()
	}
}

func TestReconcileFindsWhatNobodyTold(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		// The page was paid, its address was never known, no event arrives.
		b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/checkout/sessions", AfterEffect: true, Kind: stripesim.Cut, Times: -1})
		got, err := b.Book(ctx, b.quote(choice(catalog.Instant)).ID, patient)
		if err != nil {
			t.Fatal(err)
		}
		b.sim.Recover()
		lost, err := b.stripe.CreateSession(ctx, got.Attempts[0].Params)
		if err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(3 * time.Minute)
		b.power.die(0, false) // nobody hears the event
		if err := b.sim.Pay(ctx, lost.ID, stripesim.CardSucceeds); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		b.power.die(-1, false)
		f, err := b.Reconcile(ctx, checkout.SpanDay)
		if err != nil || f.Sessions == 0 || len(f.Repaired) != 1 || len(f.Items) != 0 {
			t.Fatalf("%+v, %v", f, err)
		}
		b.is(got.ID, checkout.StateConfirmed, deposit)
		if f, err = b.Reconcile(ctx, checkout.SpanDay); err != nil || len(f.Repaired) != 0 {
			t.Errorf("%+v, %v", f, err)
		}
		runs, err := b.Reconciliations(ctx, 10)
		if err != nil || len(runs) != 2 {
			t.Errorf("%+v, %v", runs, err)
		}
	})
}

func TestReconcileTakesUndeliveredEvents(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	b.deliver()
	b.power.die(0, false) // the endpoint is dead
	if _, err := b.sim.CreateDispute(ctx, got.Payments[0].ID, deposit, "fraudulent"); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	b.power.die(-1, false)
	f, err := b.Reconcile(ctx, checkout.SpanHour)
	if err != nil || f.Events == 0 || len(f.Repaired) != 1 || f.Repaired[0] != got.ID {
		t.Fatalf("%+v, %v", f, err)
	}
	b.item(checkout.ItemDispute)
}

func TestUnknownPaymentNeedsAPerson(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	other, err := b.stripe.CreateSession(ctx, checkout.SessionParams{
		IdempotencyKey: "elsewhere", BookingID: "elsewhere", Attempt: 1, Amount: usd(1000), Title: "Something else", Locale: "en",
		Methods: []string{"card"}, SuccessURL: "https://example.org/", CancelURL: "https://example.org/", ExpiresAt: b.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Pay(ctx, other.ID, stripesim.CardSucceeds); err != nil {
		t.Fatal(err)
	}
	f, err := b.Reconcile(ctx, checkout.SpanDay)
	if err != nil || len(f.Items) != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
	b.deliver() // the event tells the same
	i := b.item(checkout.ItemUnknownPayment)
	if _, err := b.Resolve(ctx, i.ID, checkout.RemedyRetry, "", by); code(err) != "not_possible" {
		t.Errorf("%v", err)
	}
	if _, err := b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by); err != nil {
		t.Fatal(err)
	}
	b.noItem()
	if _, err := b.Reconcile(ctx, "year"); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown span: %v", err)
	}
	if _, err := b.Item(ctx, "nothing"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown item: %v", err)
	}
}
