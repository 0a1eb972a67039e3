package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// each runs a test with a bench on every engine.
func each(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, engine store.Engine) { test(t, newBench(t, engine)) })
}

// code returns the code of a fault.
func code(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func want(t *testing.T, got checkout.Booking, state checkout.State, refunded int64) {
	t.Helper()
	if got.State != state || got.Refunded.Amount != refunded || got.RefundPending.Amount != 0 {
		t.Fatalf("booking is %s, refunded %s, pending %s; want %s, refunded %d\n%s",
			got.State, got.Refunded, got.RefundPending, state, refunded, timeline(got))
	}
}

// deposit of the choices of this file: 20 % of CNY 9000, at 8 to the dollar.
const deposit = 22500

func TestPayAndAccept(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.book(choice(catalog.OnAcceptance))
		if got.Quote.Deposit != (catalog.Money{Amount: deposit, Currency: "USD"}) || b.left(choice(catalog.OnAcceptance)) != 4 {
			t.Fatalf("deposit %s, %d places left", got.Quote.Deposit, b.left(choice(catalog.OnAcceptance)))
		}
		if _, err := b.Accept(ctx, got.ID, by); code(err) != "not_waiting" {
			t.Fatalf("an unpaid booking was accepted: %v", err)
		}
		b.pay(got, stripesim.CardSucceeds)
		b.deliver()
		got, err := b.Booking(ctx, got.ID)
		if err != nil {
			t.Fatal(err)
		}
		want(t, got, checkout.StateAwaiting, 0)
		if answer := got.PaidAt.Add(48 * time.Hour); !got.AnswerBy.Equal(answer) || got.Paid.Amount != deposit || got.PayURL != "" {
			t.Fatalf("answer by %s, want %s; paid %s at %q", got.AnswerBy, answer, got.Paid, got.PayURL)
		}
		for range 2 { // a double click changes nothing
			if got, err = b.Accept(ctx, got.ID, by); err != nil {
				t.Fatal(err)
			}
		}
		want(t, got, checkout.StateConfirmed, 0)
		b.sound(got)
		if _, err := b.Complete(ctx, got.ID, by); code(err) != "not_begun" {
			t.Fatalf("completed before the start: %v", err)
		}
		b.clock.Advance(100 * 24 * time.Hour)
		if got, err = b.Complete(ctx, got.ID, by); err != nil {
			t.Fatal(err)
		}
		want(t, got, checkout.StateCompleted, 0)
		payable := map[catalog.Payee]int64{}
		for _, l := range got.Ledger() {
			if l.Account == checkout.AccountPayable {
				payable[l.Payee] += l.Amount.Amount
			}
		}
		if payable[catalog.PayeeAgency] != deposit*2/3 || payable[catalog.PayeeHotel] != deposit/3 {
			t.Errorf("payable %v", payable)
		}
		b.sound(got)
	})
}

func TestInstantIsConfirmedOncePaid(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.paid(choice(catalog.Instant))
		want(t, got, checkout.StateConfirmed, 0)
		if !got.AnswerBy.IsZero() {
			t.Errorf("waits for an answer by %s", got.AnswerBy)
		}
		b.sound(got)
	})
}

func TestDeclineAndSilenceRefundInFull(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		declined := b.paid(choice(catalog.OnAcceptance))
		declined, err := b.Decline(ctx, declined.ID, by)
		if err != nil {
			t.Fatal(err)
		}
		want(t, declined, checkout.StateDeclined, deposit)
		b.sound(declined)
		if _, err := b.Accept(ctx, declined.ID, by); !fault.Is(err, fault.Conflict) {
			t.Errorf("accepted after a decline: %v", err)
		}

		silent := b.paid(choice(catalog.OnAcceptance))
		b.clock.Advance(48*time.Hour - time.Second)
		b.due()
		if got, _ := b.Booking(ctx, silent.ID); got.State != checkout.StateAwaiting {
			t.Fatalf("before the deadline the booking is %s", got.State)
		}
		b.clock.Advance(time.Second)
		if _, err := b.Accept(ctx, silent.ID, by); code(err) != "answer_late" {
			t.Errorf("accepted after the deadline: %v", err)
		}
		b.due()
		silent, err = b.Booking(ctx, silent.ID)
		if err != nil {
			t.Fatal(err)
		}
		want(t, silent, checkout.StateDeclined, deposit)
		if silent.Reason != checkout.ReasonSilence {
			t.Errorf("reason %q", silent.Reason)
		}
		b.sound(silent)
		if left := b.left(choice(catalog.OnAcceptance)); left != 5 {
			t.Errorf("%d places left", left)
		}
	})
}

func TestUnpaidHoldExpires(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := choice(catalog.OnAcceptance)
		got := b.book(c)
		b.clock.Advance(checkout.DefaultHoldFor - time.Second)
		b.due()
		if b.left(c) != 4 {
			t.Fatal("the place was given up too early")
		}
		b.clock.Advance(time.Second)
		b.due()
		got = b.settle(got.ID)
		want(t, got, checkout.StateExpired, 0)
		if b.left(c) != 5 || got.Place != 0 {
			t.Fatalf("%d places left, place %d", b.left(c), got.Place)
		}
		if s, err := b.stripe.Session(ctx, got.Attempts[0].SessionID); err != nil || s.Status != checkout.SessionExpired {
			t.Fatalf("the payment page is %s, %v", s.Status, err)
		}
		b.sound(got)

		// The patient comes back within the day: the place is free, the price holds.
		if _, err := b.Pay(ctx, got.ID); err != nil {
			t.Fatal(err)
		}
		got = b.settle(got.ID)
		b.pay(got, stripesim.CardSucceeds)
		got = b.settle(got.ID)
		want(t, got, checkout.StateAwaiting, 0)
		if len(got.Attempts) != 2 || b.left(c) != 4 {
			t.Errorf("%d attempts, %d places left", len(got.Attempts), b.left(c))
		}
		b.sound(got)

		late := b.book(c)
		b.clock.Advance(25 * time.Hour)
		b.due()
		if _, err := b.Pay(ctx, late.ID); !fault.Is(err, fault.Gone) {
			t.Errorf("paid a day later: %v", err)
		}
	})
}

func TestHoldEndsBeforeStripesPage(t *testing.T) {
	// Our clock is ahead: the page is still open at the processor when the hold
	// ends, and must be ended there before the place goes.
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.OnAcceptance)
	got := b.book(c)
	ahead := b.config
	ahead.Now = func() time.Time { return b.clock.Now().Add(time.Hour) }
	s, err := checkout.New(ctx, ahead)
	if err != nil {
		t.Fatal(err)
	}
	b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/checkout/sessions/*/expire", Status: 503})
	if got, err = s.Settle(ctx, got.ID); err != nil || got.State != checkout.StateHolding || b.left(c) != 4 {
		t.Fatalf("%s, %v: the place went while the page was open", got.State, err)
	}
	if got, err = s.Settle(ctx, got.ID); err != nil || got.State != checkout.StateExpired || b.left(c) != 5 {
		t.Fatalf("%s, %v", got.State, err)
	}
	if err := b.sim.Pay(ctx, got.Attempts[0].SessionID, stripesim.CardSucceeds); err == nil {
		t.Error("the page can still be paid")
	}
}

func TestEightWebhooksAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.book(choice(catalog.OnAcceptance))
		b.pay(got, stripesim.CardSucceeds)
		service := b.Service
		b.power.die(0, false) // the endpoint takes them, and is dead
		b.deliver()
		b.power.revive()
		b.mu.Lock()
		events := slices.Clone(b.events)
		b.mu.Unlock()
		i := slices.IndexFunc(events, func(d delivered) bool { return strings.Contains(string(d.body), `"checkout.session.completed"`) })
		if i < 0 {
			t.Fatal("no event was delivered")
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := service.HandleWebhook(ctx, events[i].body, events[i].signature); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		got = b.settle(got.ID)
		want(t, got, checkout.StateAwaiting, 0)
		if len(got.Payments) != 1 {
			t.Errorf("%d payments", len(got.Payments))
		}
		b.sound(got)
		if err := b.HandleWebhook(ctx, events[i].body, "t=1,v1=00"); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("a forged event: %v", err)
		}
	})
}

func TestUnknownObjectIsTaken(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	other, err := b.stripe.CreateSession(ctx, checkout.SessionParams{
		IdempotencyKey: "elsewhere", BookingID: "elsewhere", Attempt: 1, Amount: catalog.Money{Amount: 1000, Currency: "USD"},
		Title: "Something else", Locale: "en", Methods: []string{"card"}, SuccessURL: "https://example.org/", CancelURL: "https://example.org/",
		ExpiresAt: b.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Pay(ctx, other.ID, stripesim.CardSucceeds); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == 0 {
		t.Fatal("no event was delivered")
	}
	for _, e := range b.events {
		if err := b.HandleWebhook(ctx, e.body, e.signature); err != nil {
			t.Errorf("an event about something unknown: %v", err)
		}
	}
}

func TestLateMoney(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		// The answer that told the page's address was lost for good, the hold
		// expired, and then the page turns out to have been paid.
		late := func() checkout.Booking {
			t.Helper()
			b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/checkout/sessions", AfterEffect: true, Kind: stripesim.Cut, Times: -1})
			got, err := b.Book(ctx, b.quote(choice(catalog.OnAcceptance)).ID, patient)
			if err != nil || got.PayURL != "" || got.State != checkout.StateHolding {
				t.Fatalf("%s at %q, %v", got.State, got.PayURL, err)
			}
			if _, err := b.Pay(ctx, got.ID); !fault.Is(err, fault.Unavailable) {
				t.Fatalf("pay while the processor is silent: %v", err)
			}
			b.clock.Advance(3 * time.Minute)
			b.due()
			b.sim.Recover()
			got = b.settle(got.ID)
			if a := got.Attempts[0]; a.Status != checkout.AttemptUnknown {
				t.Fatalf("the attempt is %s", a.Status)
			}
			return got
		}
		one := late()
		lost, err := b.stripe.CreateSession(ctx, one.Attempts[0].Params) // what the processor knows under the key
		if err != nil {
			t.Fatal(err)
		}
		if err := b.sim.Pay(ctx, lost.ID, stripesim.CardSucceeds); err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(2 * time.Hour)
		b.due()
		if got, _ := b.Booking(ctx, one.ID); got.State != checkout.StateExpired || b.left(choice(catalog.OnAcceptance)) != 5 {
			t.Fatalf("the booking is %s", got.State)
		}
		b.deliver() // the place is free: the booking goes on
		one = b.settle(one.ID)
		want(t, one, checkout.StateAwaiting, 0)
		b.sound(one)

		two := late()
		if lost, err = b.stripe.CreateSession(ctx, two.Attempts[0].Params); err != nil {
			t.Fatal(err)
		}
		if err := b.sim.Pay(ctx, lost.ID, stripesim.CardSucceeds); err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(2 * time.Hour)
		b.due()
		for b.left(choice(catalog.OnAcceptance)) > 0 {
			b.book(choice(catalog.OnAcceptance))
		}
		b.deliver() // the place is gone: the money goes back
		two = b.settle(two.ID)
		want(t, two, checkout.StateExpired, deposit)
		if two.Payments[0].Reason != checkout.ReasonPlaceGone {
			t.Errorf("rejected for %q", two.Payments[0].Reason)
		}
		b.sound(two)
	})
}

func TestTwoAttemptsBothPaid(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/checkout/sessions", AfterEffect: true, Kind: stripesim.Cut, Times: -1})
		got, err := b.Book(ctx, b.quote(choice(catalog.OnAcceptance)).ID, patient)
		if err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(3 * time.Minute)
		b.due()
		b.sim.Recover()
		if _, err := b.Pay(ctx, got.ID); err != nil {
			t.Fatal(err)
		}
		got = b.settle(got.ID)
		first, err := b.stripe.CreateSession(ctx, got.Attempts[0].Params)
		if err != nil {
			t.Fatal(err)
		}
		b.pay(got, stripesim.CardSucceeds)
		if err := b.sim.Pay(ctx, first.ID, stripesim.CardSucceeds); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		got = b.settle(got.ID)
		want(t, got, checkout.StateAwaiting, deposit)
		if len(got.Payments) != 2 || b.balance(got) != deposit {
			t.Errorf("%d payments, %d are left with us", len(got.Payments), b.balance(got))
		}
		b.sound(got)
	})
}

func TestAmountMismatchIsRefunded(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.book(choice(catalog.Instant))
	forged := got.Attempts[0].Params
	forged.IdempotencyKey, forged.Amount.Amount = "forged", deposit-1
	s, err := b.stripe.CreateSession(ctx, forged)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Pay(ctx, s.ID, stripesim.CardSucceeds); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	got = b.settle(got.ID)
	want(t, got, checkout.StateHolding, deposit-1)
	if got.Payments[0].Reason != checkout.ReasonAmount || got.PayURL == "" {
		t.Errorf("rejected for %q, to be paid at %q", got.Payments[0].Reason, got.PayURL)
	}
	b.sound(got)
}

func TestThirtyPatientsForFivePlaces(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := choice(catalog.OnAcceptance)
		quotes := make([]checkout.Quote, 30)
		for i := range quotes {
			quotes[i] = b.quote(c)
		}
		got := make([]checkout.Booking, len(quotes))
		var group sync.WaitGroup
		for i, q := range quotes {
			group.Go(func() {
				var err error
				if got[i], err = b.Book(ctx, q.ID, patient); err != nil && code(err) != "full" {
					t.Error(err)
				}
			})
		}
		group.Wait()
		places := map[int]bool{}
		for _, g := range got {
			if g.State != checkout.StateHolding {
				continue
			}
			if places[g.Place] || g.Place < 1 || g.Place > 5 {
				t.Errorf("place %d was sold twice or does not exist", g.Place)
			}
			places[g.Place] = true
			b.pay(g, stripesim.CardSucceeds)
		}
		if len(places) != 5 || b.left(c) != 0 {
			t.Fatalf("%d places sold, %d left", len(places), b.left(c))
		}
		b.deliver()
		b.clock.Advance(10 * time.Minute)
		b.due()
		for _, g := range got {
			if g.ID != "" && g.State == checkout.StateHolding {
				g = b.settle(g.ID)
				want(t, g, checkout.StateAwaiting, 0)
				b.sound(g)
			}
		}
	})
}

func TestDoubleBook(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		q := b.quote(choice(catalog.OnAcceptance))
		got := make([]checkout.Booking, 6)
		var group sync.WaitGroup
		for i := range got {
			group.Go(func() {
				var err error
				if got[i], err = b.Book(ctx, q.ID, patient); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, g := range got {
			if g.ID != got[0].ID || g.ID == "" {
				t.Errorf("bookings %q and %q", got[0].ID, g.ID)
			}
			if g.PayURL == "" {
				t.Errorf("a click leads nowhere: %s\n%s", g.State, timeline(g))
			}
		}
		final := b.settle(got[0].ID)
		if len(final.Attempts) != 1 || final.PayURL == "" {
			t.Errorf("%d attempts\n%s", len(final.Attempts), timeline(final))
		}
		b.clock.Advance(10 * time.Minute)
		b.due() // sweeps claims that lost
		if b.left(choice(catalog.OnAcceptance)) != 4 {
			t.Errorf("%d places left", b.left(choice(catalog.OnAcceptance)))
		}

		// The same once more, after the hold has ended.
		b.clock.Advance(time.Hour)
		b.due()
		for range 6 {
			group.Go(func() {
				if url, err := b.Pay(ctx, final.ID); err != nil || url == "" {
					t.Errorf("pay at %q, %v", url, err)
				}
			})
		}
		group.Wait()
		if final = b.settle(final.ID); len(final.Attempts) != 2 || b.left(choice(catalog.OnAcceptance)) != 4 {
			t.Errorf("%d attempts, %d places left\n%s", len(final.Attempts), b.left(choice(catalog.OnAcceptance)), timeline(final))
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := choice(catalog.OnAcceptance)
		unpaid := b.book(c)
		p, err := b.CancelPreview(ctx, unpaid.ID, "")
		if err != nil || p.Refund.Amount != 0 {
			t.Fatalf("preview of an unpaid booking: %+v, %v", p, err)
		}
		unpaid, err = b.Cancel(ctx, unpaid.ID, "", p.Refund, by)
		if err != nil {
			t.Fatal(err)
		}
		want(t, unpaid, checkout.StateCancelled, 0)
		if s, err := b.stripe.Session(ctx, unpaid.Attempts[0].SessionID); err != nil || s.Status != checkout.SessionExpired {
			t.Errorf("the payment page of a cancelled booking is %s, %v", s.Status, err)
		}

		got := b.paid(c)
		if got, err = b.Accept(ctx, got.ID, by); err != nil {
			t.Fatal(err)
		}
		p, err = b.CancelPreview(ctx, got.ID, "")
		if err != nil || p.Share != 10000 || p.Refund.Amount != deposit {
			t.Fatalf("99 days before: %+v, %v", p, err)
		}
		// Ten days before, by the date in Shanghai: 2027-02-18 18:00 UTC is the
		// 19th there.
		b.clock.Advance(time.Date(2027, 2, 18, 18, 0, 0, 0, time.UTC).Sub(b.clock.Now()))
		if _, err := b.Cancel(ctx, got.ID, "", p.Refund, by); code(err) != "refund_changed" {
			t.Fatalf("cancelled at another refund than now: %v", err)
		}
		p, err = b.CancelPreview(ctx, got.ID, "")
		if err != nil || p.DaysBefore != 10 || p.Share != 5000 || p.Kept.Amount != deposit/2 {
			t.Fatalf("ten days before: %+v, %v", p, err)
		}
		if unfit, err := b.CancelPreview(ctx, got.ID, catalog.CauseUnfit); err != nil || unfit.Refund.Amount != deposit*8/10 {
			t.Errorf("unfit to travel: %+v, %v", unfit, err)
		}
		if _, err := b.CancelPreview(ctx, got.ID, catalog.CauseDeclined); !fault.Is(err, fault.Invalid) {
			t.Errorf("a patient names the hospital's cause: %v", err)
		}
		for range 2 {
			if got, err = b.Cancel(ctx, got.ID, "", p.Refund, by); err != nil {
				t.Fatal(err)
			}
		}
		want(t, got, checkout.StateCancelled, deposit/2)
		b.sound(got)
		if b.left(c) != 5 {
			t.Errorf("%d places left", b.left(c))
		}
	})
}

func TestRefundThatFailsIsRepeated(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.book(choice(catalog.OnAcceptance))
		b.pay(got, stripesim.CardRefundFails) // succeeds at first, fails ten seconds later
		b.settle(got.ID)
		if _, err := b.Decline(ctx, got.ID, by); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b.clock.Advance(time.Minute)
			if err := b.sim.Advance(ctx); err != nil {
				t.Fatal(err)
			}
			b.deliver()
			b.clock.Advance(25 * time.Hour)
			b.due()
		}
		got = b.settle(got.ID)
		if got.RefundStatus != checkout.RefundFailed || len(got.Refunds) != 3 || got.RefundPending.Amount != deposit {
			t.Fatalf("refund %s after %d tries, %s pending\n%s", got.RefundStatus, len(got.Refunds), got.RefundPending, timeline(got))
		}
		b.sound(got)
	})
}

func TestPendingRefundAndDashboard(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.book(choice(catalog.OnAcceptance))
	b.pay(got, stripesim.CardRefundPending)
	got = b.settle(got.ID)
	// A part goes back from the dashboard; what is owed later is the rest.
	if _, err := b.sim.RefundFromDashboard(ctx, got.Payments[0].ID, 2500); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	got, err := b.Decline(ctx, got.ID, by)
	if err != nil {
		t.Fatal(err)
	}
	if got.RefundPending.Amount != deposit || got.RefundStatus != checkout.RefundPending {
		t.Fatalf("pending %s, %s\n%s", got.RefundPending, got.RefundStatus, timeline(got))
	}
	b.clock.Advance(time.Minute)
	if err := b.sim.Advance(ctx); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	got = b.settle(got.ID)
	want(t, got, checkout.StateDeclined, deposit)
	if b.balance(got) != 0 {
		t.Errorf("%d are left with us", b.balance(got))
	}
	b.sound(got)
}

func TestDisputeHoldsTheRefundBack(t *testing.T) {
	for _, won := range []bool{true, false} {
		t.Run(fmt.Sprintf("won %t", won), func(t *testing.T) {
			b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
			got := b.paid(choice(catalog.OnAcceptance))
			dispute, err := b.sim.CreateDispute(ctx, got.Payments[0].ID, deposit, "fraudulent")
			if err != nil {
				t.Fatal(err)
			}
			b.deliver()
			got, err = b.Decline(ctx, got.ID, by)
			if err != nil || len(got.Disputes) != 1 || !got.Disputes[0].Open || len(got.Refunds) != 0 {
				t.Fatalf("%v, disputes %+v, refunds %+v", err, got.Disputes, got.Refunds)
			}
			if err := b.sim.CloseDispute(ctx, dispute, won); err != nil {
				t.Fatal(err)
			}
			b.deliver()
			got = b.settle(got.ID)
			refunded := int64(0)
			if won {
				refunded = deposit
			}
			want(t, got, checkout.StateDeclined, refunded)
			b.sound(got)
		})
	}
}

func TestNotForSale(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		q := b.quote(choice(catalog.OnAcceptance))
		held := b.book(choice(catalog.OnAcceptance))
		b.clock.Advance(checkout.DefaultHoldFor)
		b.due()
		for _, class := range []catalog.BookingClass{catalog.EnquiryOnly, catalog.NeedsApproval} {
			if _, err := b.catalog.Treatments.Publish(ctx, treatment(catalog.OnAcceptance, class), catalog.Edit{Author: "test", Reason: "test"}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Price(ctx, choice(catalog.OnAcceptance)); !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s has a price: %v", class, err)
			}
			if _, err := b.Quote(ctx, choice(catalog.OnAcceptance)); !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s has a quote: %v", class, err)
			}
			if _, err := b.Book(ctx, q.ID, patient); !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s was booked: %v", class, err)
			}
			if _, err := b.Pay(ctx, held.ID); !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s can be paid: %v", class, err)
			}
		}
	})
}

func TestQuotes(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.OnAcceptance)
	c.Companions, c.RoomID, c.Interpreter = 2, "suite", "ru"
	q := b.quote(c)
	// CNY 6000 + 3000 + 2×500 + 900 on arrival, 2000 at the hospital, at 8.
	for what, pair := range map[string][2]int64{
		"total": {q.Total.Amount, 161250}, "deposit": {q.Deposit.Amount, 27250},
		"on arrival": {q.DueOnArrival.Amount, 109000}, "at hospital": {q.DueAtHospital.Amount, 25000},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %d, want %d", what, pair[0], pair[1])
		}
	}
	if q.Rate != "1 CNY = 0.125 USD" || q.RateDate != "2026-11-20" || q.Nights != 3 || q.Days != 4 || len(q.Lines) != 6 ||
		q.AnswerHours != 48 || !q.Demo {
		t.Errorf("quote %+v", q)
	}
	if line := q.Lines[4]; line.ID != "surgery" || line.Amount != nil {
		t.Errorf("what the hospital bills is %+v", line)
	}
	if got, err := b.GetQuote(ctx, q.ID); err != nil || got.Total != q.Total {
		t.Errorf("%+v, %v", got, err)
	}
	for _, id := range []string{"", "nothing", strings.Repeat("a", 26), strings.ToUpper(q.ID), q.ID + "/"} {
		if _, err := b.GetQuote(ctx, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("quote %q: %v", id, err)
		}
	}
	bad := checkout.Choice{PackageID: "instant", StartKey: "instant_2027-03-02", Companions: 3, RoomID: "cave", Interpreter: "tlh",
		Currency: "GBP", Lang: strings.Repeat("x", 40)}
	_, err := b.Price(ctx, bad)
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Invalid || len(e.Fields) != 6 {
		t.Errorf("a choice that is all wrong: %v", err)
	}
	if _, err := b.Price(ctx, checkout.Choice{PackageID: "none"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown package: %v", err)
	}
	if _, err := b.Book(ctx, q.ID, checkout.Patient{Email: "x", Country: "ZZZ", CompanionNames: []string{"a", "b", "c"}}); !errors.As(err, &e) || len(e.Fields) != 4 {
		t.Errorf("a patient who is all wrong: %v", err)
	}
	b.clock.Advance(checkout.DefaultQuoteFor)
	if _, err := b.GetQuote(ctx, q.ID); !fault.Is(err, fault.Gone) {
		t.Errorf("an expired quote: %v", err)
	}
	if _, err := b.Book(ctx, q.ID, patient); !fault.Is(err, fault.Gone) {
		t.Errorf("an expired quote was booked: %v", err)
	}
}

func TestListAndRebuild(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var ids []string
		for i := range 5 {
			b.clock.Advance(time.Second)
			got := b.book(wide(catalog.Instant))
			ids = append(ids, got.ID)
			if i%2 == 0 {
				b.pay(got, stripesim.CardSucceeds)
				b.settle(got.ID)
			}
		}
		slices.Reverse(ids)
		list := func(f checkout.Filter, limit int) (out []string) {
			t.Helper()
			after := ""
			for {
				page, err := b.Bookings(ctx, f, limit, after)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range page.Items {
					out = append(out, v.ID)
				}
				if after = page.Next; after == "" {
					return out
				}
			}
		}
		check := func() {
			t.Helper()
			for _, f := range []checkout.Filter{{}, {AgencyID: "agency"}, {HospitalID: "hospital"}, {Email: "ADA@example.org"}} {
				if got := list(f, 2); !slices.Equal(got, ids) {
					t.Errorf("%+v lists %v, want %v", f, got, ids)
				}
			}
			paid := []string{ids[0], ids[2], ids[4]}
			if got := list(checkout.Filter{State: checkout.StateConfirmed}, 1); !slices.Equal(got, paid) {
				t.Errorf("confirmed: %v, want %v", got, paid)
			}
			if got := list(checkout.Filter{State: checkout.StateConfirmed, AgencyID: "agency"}, 2); !slices.Equal(got, paid) {
				t.Errorf("confirmed of the agency: %v, want %v", got, paid)
			}
			if got := list(checkout.Filter{AgencyID: "other"}, 2); len(got) != 0 {
				t.Errorf("another agency has %v", got)
			}
		}
		check()
		for _, id := range ids {
			if err := b.opened["checkout_bookings"].Delete(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got := list(checkout.Filter{}, 10); len(got) != 0 {
			t.Fatalf("the list is not empty: %v", got)
		}
		if err := b.Rebuild(ctx); err != nil {
			t.Fatal(err)
		}
		check()
	})
}

func TestPlaceFreedAfterFull(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.OnAcceptance)
	q := b.quote(c)
	var first checkout.Booking
	for b.left(c) > 0 {
		first = b.book(c)
	}
	if _, err := b.Book(ctx, q.ID, patient); code(err) != "full" {
		t.Fatalf("a sixth booking: %v", err)
	}
	// The last place goes between the look at the places and the claim.
	if _, err := b.Cancel(ctx, first.ID, "", catalog.Money{Currency: "USD"}, by); err != nil {
		t.Fatal(err)
	}
	b.pause.before(func(op string) bool { return strings.HasPrefix(op, "insert checkout_log") }, func() { first = b.book(c) })
	if got, err := b.Book(ctx, q.ID, patient); code(err) != "full" || got.State != checkout.StateExpired || len(got.Attempts) != 0 {
		t.Fatalf("the place went meanwhile: %s, %v", got.State, err)
	}
	if _, err := b.Cancel(ctx, first.ID, "", catalog.Money{Currency: "USD"}, by); err != nil {
		t.Fatal(err)
	}
	got, err := b.Book(ctx, q.ID, patient)
	if err != nil || got.State != checkout.StateHolding || len(got.Attempts) != 1 || got.PayURL == "" {
		t.Fatalf("the place is free again: %s, %d attempts, %v\n%s", got.State, len(got.Attempts), err, timeline(got))
	}
}

// TestRefundWhoseKeyIsForgotten: the answer to a refund is lost and the
// processor has forgotten the idempotency key when it is asked again.
func TestRefundWhoseKeyIsForgotten(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	b.clock.Advance(time.Date(2027, 2, 19, 0, 0, 0, 0, time.UTC).Sub(b.clock.Now()))
	p, err := b.CancelPreview(ctx, got.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/refunds", AfterEffect: true, Status: 503})
	if got, err = b.Cancel(ctx, got.ID, "", p.Refund, by); err != nil || got.RefundPending != p.Refund {
		t.Fatalf("pending %s, %v", got.RefundPending, err)
	}
	b.clock.Advance(25 * time.Hour)
	b.due()
	got = b.settle(got.ID)
	want(t, got, checkout.StateCancelled, deposit/2)
	if b.balance(got) != deposit/2 {
		t.Errorf("%d are left with us", b.balance(got))
	}
	b.sound(got)
}

// TestWorkerGoesOnByItself: nobody comes back after the process died; the
// worker of another one does the rest, woken by the deadline.
func TestWorkerGoesOnByItself(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	c := choice(catalog.OnAcceptance)
	for n := range 12 {
		quote := b.quote(c)
		b.power.die(n, n%2 == 0)
		_, _ = b.Book(ctx, quote.ID, patient) // whatever the patient was told
		b.power.revive()
		b.power.die(-1, false)
		b.restart()
		for range 10 {
			b.clock.Advance(6 * time.Minute)
			b.due()
		}
		if left := b.left(c); left != 5 {
			t.Fatalf("dead at %d: %d places left", n, left)
		}
	}
	page, err := b.Bookings(ctx, checkout.Filter{}, 0, "")
	if err != nil || len(page.Items) == 0 {
		t.Fatalf("%d bookings, %v", len(page.Items), err)
	}
	for _, v := range page.Items {
		if v.State != checkout.StateExpired || !v.Next.IsZero() {
			t.Errorf("%s is %s, next looked at %s", v.Number, v.State, v.Next)
		}
	}
}

func TestRunSettlesUntilItIsStopped(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.book(choice(catalog.OnAcceptance))
	b.clock.Advance(checkout.DefaultHoldFor)
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { b.Run(running); close(done) }()
	for {
		if now, err := b.Booking(ctx, got.ID); err != nil {
			t.Fatal(err)
		} else if now.State == checkout.StateExpired && now.Place == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
}
