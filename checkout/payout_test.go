package checkout_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

func usd(cents int64) catalog.Money { return catalog.Money{Amount: cents, Currency: "USD"} }

// balance returns what an account comes to in an organisation's ledger.
func (b *bench) account(organisation string, account checkout.Account) int64 {
	b.t.Helper()
	st, err := b.OrganisationLedger(ctx, organisation)
	if err != nil {
		b.t.Fatal(err)
	}
	var sum, found int64
	for _, l := range st.Balances {
		sum += l.Amount.Amount
		if l.Account == account {
			found = l.Amount.Amount
		}
	}
	if organisation == "" && sum != 0 {
		b.t.Errorf("the ledger is out of balance by %d: %+v", sum, st.Balances)
	}
	return found
}

func TestPayout(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got, other := b.paid(choice(catalog.Instant)), b.paid(choice(catalog.Instant))
		if _, err := b.PayOut(ctx, got.ID, "agency", usd(deposit), by); code(err) != "not_completed" {
			t.Fatalf("paid out before the journey: %v", err)
		}
		if held := b.account("agency", checkout.AccountHeld); held != 2*deposit {
			t.Fatalf("%d held", held)
		}
		b.clock.Advance(100 * 24 * time.Hour)
		var err error
		if got, err = b.Complete(ctx, got.ID, by); err != nil {
			t.Fatal(err)
		}
		if _, err := b.PayOut(ctx, got.ID, "hospital", usd(deposit), by); code(err) != "nothing_due" {
			t.Errorf("paid out to somebody else: %v", err)
		}
		if _, err := b.PayOut(ctx, got.ID, "agency", usd(deposit-1), by); code(err) != "payout_changed" {
			t.Errorf("another amount: %v", err)
		}
		if got, err = b.PayOut(ctx, got.ID, "agency", usd(deposit), by); err != nil {
			t.Fatal(err)
		}
		if _, err := b.PayOut(ctx, got.ID, "agency", usd(deposit), by); code(err) != "nothing_due" {
			t.Errorf("paid out twice: %v", err)
		}
		for range 2 { // a double click
			if got, err = b.RecordPayout(ctx, got.ID, 1, "BANK-1", by); err != nil {
				t.Fatal(err)
			}
		}
		if p := got.Payouts[0]; p.Status != checkout.PayoutSent || p.Reference != "BANK-1" {
			t.Errorf("%+v", p)
		}
		if _, err := b.RecordPayout(ctx, got.ID, 1, "BANK-2", by); !fault.Is(err, fault.Conflict) {
			t.Errorf("recorded twice: %v", err)
		}
		if out, payable := b.account("agency", checkout.AccountPaidOut), b.account("agency", checkout.AccountPayable); out != deposit || payable != 0 {
			t.Errorf("%d paid out, %d payable", out, payable)
		}
		// The bank sends it back.
		if got, err = b.FailPayout(ctx, got.ID, 1, by); err != nil {
			t.Fatal(err)
		}
		if due, err := got.PayoutDue("agency"); err != nil || due.Amount != deposit {
			t.Errorf("%s due, %v", due, err)
		}
		if received := b.account("", checkout.AccountReceived); received != -2*deposit {
			t.Errorf("%d received", received)
		}
		b.sound(got)
		b.sound(other)
	})
}

func TestPayoutWaitsForRefundsAndDisputes(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	preview, err := b.CancelPreview(ctx, got.ID, catalog.CauseUnfit)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = b.Cancel(ctx, got.ID, catalog.CauseUnfit, preview.Refund, by); err != nil {
		t.Fatal(err)
	}
	if due, err := got.PayoutDue("agency"); err != nil || due != preview.Kept {
		t.Errorf("%s due, %v; %s were kept", due, err, preview.Kept)
	}
	for name, entry := range map[string]func(*checkout.Booking){
		"refund_open": func(c *checkout.Booking) {
			c.Refunds = []checkout.RefundRecord{{Number: 1, PaymentID: c.Payments[0].ID, Amount: usd(1), Status: checkout.RefundPending}}
		},
		"dispute_open": func(c *checkout.Booking) {
			c.Disputes = []checkout.DisputeRecord{{PaymentID: c.Payments[0].ID, Amount: usd(1), Open: true}}
		},
	} {
		open := got
		entry(&open)
		if _, err := open.PayoutDue("agency"); code(err) != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.RecordPayout(ctx, got.ID, 7, "x", by); !fault.Is(err, fault.NotFound) {
		t.Errorf("a payout that is not there: %v", err)
	}
}

func TestRefundAfterAPayoutIsOwedBack(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	b.clock.Advance(100 * 24 * time.Hour)
	for _, act := range []func() error{
		func() error { _, err := b.Complete(ctx, got.ID, by); return err },
		func() error { _, err := b.PayOut(ctx, got.ID, "agency", usd(deposit), by); return err },
		func() error { _, err := b.RecordPayout(ctx, got.ID, 1, "BANK-1", by); return err },
		func() error { _, err := b.sim.RefundFromDashboard(ctx, got.Payments[0].ID, 1000); return err }, // in the dashboard
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	b.deliver()
	if out, payable := b.account("agency", checkout.AccountPaidOut), b.account("agency", checkout.AccountPayable); out != deposit || payable != -1000 {
		t.Errorf("%d paid out, %d payable", out, payable)
	}
	b.account("", checkout.AccountReceived)
}

func TestStatementAsCSV(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(choice(catalog.Instant))
	st, err := b.OrganisationLedger(ctx, "agency")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := st.WriteCSV(&out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(rows) != 1+len(st.Postings) || len(st.Postings) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	if row := rows[1]; row[1] != got.Number || row[5] != "held" || row[6] != "agency" || row[8] != "USD" || row[9] != "150.00" {
		t.Errorf("%v", row)
	}
}

// completed makes a booking whose journey took place, of an agency that is
// paid by transfers to an account.
func (b *bench) completed(account string) checkout.Booking {
	b.t.Helper()
	if _, err := b.SetPayoutAccount(ctx, "agency", checkout.PayoutStripe, account, by); err != nil {
		b.t.Fatal(err)
	}
	date := b.clock.Now().AddDate(0, 0, 50).Format(time.DateOnly)
	_, err := b.catalog.Departures.Publish(ctx, catalog.Departure{ID: "on-" + date, PackageID: string(catalog.Instant), Date: date, Capacity: 5},
		catalog.Edit{Author: "test", Reason: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	c := choice(catalog.Instant)
	c.StartKey = "on-" + date + "_" + date
	got := b.paid(c)
	b.clock.Advance(60 * 24 * time.Hour)
	if got, err = b.Complete(ctx, got.ID, by); err != nil {
		b.t.Fatal(err)
	}
	return got
}

// payOut asks for everything that is due to the agency.
func (b *bench) payOut(got checkout.Booking) checkout.Booking {
	b.t.Helper()
	due, err := got.PayoutDue("agency")
	if err != nil {
		b.t.Fatal(err)
	}
	if got, err = b.PayOut(ctx, got.ID, "agency", due, by); err != nil {
		b.t.Fatal(err)
	}
	return got
}

// transferred is what the agency's account holds of a booking.
func (b *bench) transferred(got checkout.Booking) (sum int64, transfers int) {
	b.t.Helper()
	list, err := b.stripe.Transfers(ctx, got.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, t := range list {
		sum += t.Amount.Amount
		for _, r := range t.Reversals {
			sum -= r.Amount.Amount
		}
	}
	return sum, len(list)
}

func TestTransfer(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		early := b.paid(choice(catalog.Instant))
		got := b.completed("acct_agency")
		if _, err := b.PayOut(ctx, early.ID, "agency", usd(deposit), by); code(err) != "not_completed" {
			t.Errorf("transferred before the journey: %v", err)
		}
		got = b.payOut(got)
		if sum, n := b.transferred(got); sum != deposit || n != 1 || got.Payouts[0].Status != checkout.PayoutSent || got.Payouts[0].Reference == "" {
			t.Errorf("%d in %d transfers: %+v", sum, n, got.Payouts)
		}
		if _, err := b.RecordPayout(ctx, got.ID, 1, "BANK-1", by); code(err) != "payout_automatic" {
			t.Errorf("a person records a transfer: %v", err)
		}
		if out := b.account("agency", checkout.AccountPaidOut); out != deposit {
			t.Errorf("%d paid out", out)
		}
		b.sound(got)
		b.noItem()
	})
}

// TestTransferThenRefund: what goes back to the patient after the transfer is
// taken back from the organisation, to the cent.
func TestTransferThenRefund(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.payOut(b.completed("acct_agency"))
		for _, amount := range []int64{1000, 2500} {
			if _, err := b.sim.RefundFromDashboard(ctx, got.Payments[0].ID, amount); err != nil {
				t.Fatal(err)
			}
			b.deliver()
		}
		got = b.settle(got.ID)
		if sum, _ := b.transferred(got); sum != deposit-3500 || len(got.Payouts[0].Reversals) != 2 {
			t.Errorf("the agency has %d: %+v\n%s", sum, got.Payouts, timeline(got))
		}
		if payable := b.account("agency", checkout.AccountPayable); payable != 0 {
			t.Errorf("%d payable", payable)
		}
		b.sound(got)
		b.noItem()
	})
}

func TestTransferThenDispute(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, won := range []bool{true, false} {
			got := b.payOut(b.completed("acct_agency"))
			id, err := b.sim.CreateDispute(ctx, got.Payments[0].ID, deposit, "fraudulent")
			if err != nil {
				t.Fatal(err)
			}
			b.deliver()
			if sum, _ := b.transferred(got); sum != deposit {
				t.Errorf("taken back before the dispute has ended: %d", sum)
			}
			if err := b.sim.CloseDispute(ctx, id, won); err != nil {
				t.Fatal(err)
			}
			b.deliver()
			left := int64(deposit)
			if !won {
				left = 0
			}
			got = b.settle(got.ID)
			if sum, _ := b.transferred(got); sum != left {
				t.Errorf("won %t: the agency has %d\n%s", won, sum, timeline(got))
			}
			b.sound(got)
		}
	})
}

// TestTransferAnswerLost: a transfer that was made without an answer is found,
// not made again, by as many workers as there are, also after Stripe has
// forgotten the idempotency key.
func TestTransferAnswerLost(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, wait := range []time.Duration{2 * time.Minute, 30 * time.Hour} {
			got := b.completed("acct_agency")
			b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/transfers", Kind: stripesim.Cut, AfterEffect: true, Times: 4})
			got = b.payOut(got)
			if sum, n := b.transferred(got); sum != deposit || n != 1 || got.Payouts[0].Status != checkout.PayoutRequested {
				t.Fatalf("%d in %d transfers: %+v", sum, n, got.Payouts)
			}
			b.clock.Advance(wait)
			s := &scene{bench: b, id: got.ID}
			nodes(5)(s)
			b.due()
			got = b.settle(got.ID)
			if sum, n := b.transferred(got); sum != deposit || n != 1 || got.Payouts[0].Status != checkout.PayoutSent {
				t.Errorf("%d in %d transfers\n%s", sum, n, timeline(got))
			}
			b.sound(got)
		}
	})
}

func TestReversalAnswerLost(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		got := b.payOut(b.completed("acct_agency"))
		b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/transfers/*/reversals", Kind: stripesim.Cut, AfterEffect: true, Times: 2})
		if _, err := b.sim.RefundFromDashboard(ctx, got.Payments[0].ID, 1000); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		b.clock.Advance(30 * time.Hour)
		b.due()
		got = b.settle(got.ID)
		if sum, _ := b.transferred(got); sum != deposit-1000 || len(got.Payouts[0].Reversals) != 1 {
			t.Errorf("the agency has %d\n%s", sum, timeline(got))
		}
		b.sound(got)
	})
}

// TestRefundBeforeTheTransfer: a refund and a dispute that nobody told of are
// found before money leaves.
func TestRefundBeforeTheTransfer(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, happens := range map[string]func(payment string) error{
			checkout.ReasonNothingDue:  func(p string) error { _, err := b.sim.RefundFromDashboard(ctx, p, 1000); return err },
			checkout.ReasonDisputeOpen: func(p string) error { _, err := b.sim.CreateDispute(ctx, p, deposit, "fraudulent"); return err },
		} {
			got := b.completed("acct_agency")
			if err := happens(got.Payments[0].ID); err != nil {
				t.Fatal(err)
			}
			got = b.payOut(got)
			if sum, _ := b.transferred(got); sum != 0 || got.Payouts[0].Status != checkout.PayoutFailed || got.Payouts[0].Reason != name {
				t.Errorf("%d transferred: %+v", sum, got.Payouts)
			}
			b.sound(got)
		}
	})
}

// TestTransferRefused: what Stripe refuses is for a person, with the reason,
// and can be asked for again.
func TestTransferRefused(t *testing.T) {
	for reason, account := range map[string]string{
		checkout.ReasonBalance: "acct_agency", checkout.ReasonAccount: stripesim.AccountRestricted, checkout.ReasonAccount + " ": stripesim.AccountMissing,
	} {
		b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
		got := b.completed("acct_agency")
		if _, err := b.SetPayoutAccount(ctx, "agency", checkout.PayoutStripe, strings.Replace(account, "acct_agency", "acct_other", 1), by); err != nil {
			t.Fatal(err)
		}
		if reason == checkout.ReasonBalance {
			if err := b.sim.Withdraw(ctx, usd(1)); err != nil {
				t.Fatal(err)
			}
		}
		got = b.payOut(got)
		if p := got.Payouts[0]; p.Status != checkout.PayoutFailed || p.Reason != strings.TrimSpace(reason) {
			t.Fatalf("%s: %+v", reason, p)
		}
		i := b.item(checkout.ItemPayoutFailed)
		if _, err := b.Resolve(ctx, i.ID, checkout.RemedyNote, "", by); err != nil || !strings.Contains(i.Note, strings.TrimSpace(reason)) {
			t.Errorf("%+v, %v", i, err)
		}
		// Paid by hand instead.
		if _, err := b.SetPayoutAccount(ctx, "agency", checkout.PayoutManual, "", by); err != nil {
			t.Fatal(err)
		}
		got = b.payOut(b.settle(got.ID))
		var err error
		if got, err = b.RecordPayout(ctx, got.ID, 2, "BANK-1", by); err != nil || got.Payouts[1].Status != checkout.PayoutSent {
			t.Errorf("%+v, %v", got.Payouts, err)
		}
		b.noItem()
		b.sound(got)
	}
}

// TestReversalRefused: what the organisation has spent a person must get back.
func TestReversalRefused(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.payOut(b.completed(stripesim.AccountEmptied))
	if _, err := b.sim.RefundFromDashboard(ctx, got.Payments[0].ID, 1000); err != nil {
		t.Fatal(err)
	}
	b.deliver()
	for range 5 {
		b.clock.Advance(25 * time.Hour)
		b.due()
	}
	got = b.settle(got.ID)
	if n := len(got.Payouts[0].Reversals); n != 3 {
		t.Errorf("%d reversals were tried\n%s", n, timeline(got))
	}
	if i := b.item(checkout.ItemOverpaid); i.Amount.Amount != 1000 {
		t.Errorf("%+v", i)
	}
	b.sound(got)
}

// TestReversalInTheDashboard: what was taken back elsewhere is payable again
// once a reconciliation has seen it.
func TestReversalInTheDashboard(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.payOut(b.completed("acct_agency"))
	if err := b.sim.ReverseFromDashboard(ctx, got.Payouts[0].Reference, 700); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Reconcile(ctx, checkout.SpanDay); err != nil || len(f.Repaired) != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
	got = b.settle(got.ID)
	if due, err := got.PayoutDue("agency"); err != nil || due != usd(700) {
		t.Errorf("%s due, %v\n%s", due, err, timeline(got))
	}
	b.sound(got)
}

func TestPayoutAccount(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if a, err := b.PayoutAccount(ctx, "agency"); err != nil || a.Method != checkout.PayoutManual {
			t.Errorf("%+v, %v", a, err)
		}
		for _, bad := range []struct{ organisation, method, account string }{
			{"agency", "cash", ""}, {"", checkout.PayoutManual, ""}, {"agency", checkout.PayoutStripe, ""}, {"agency", checkout.PayoutStripe, "acct_"},
			{"agency", checkout.PayoutStripe, "acct_1/../x"}, {"agency", checkout.PayoutManual, strings.Repeat("x", 200)},
		} {
			if _, err := b.SetPayoutAccount(ctx, bad.organisation, bad.method, bad.account, by); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		for _, account := range []string{"acct_1", "acct_2"} {
			if _, err := b.SetPayoutAccount(ctx, "agency", checkout.PayoutStripe, account, by); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := b.PayoutAccount(ctx, "agency"); err != nil || a.Account != "acct_2" || a.Actor != by.Actor {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// TestDeathBetweenEventAndLog: an event whose process died is followed up by
// the worker, though it is never delivered again.
func TestDeathBetweenEventAndLog(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	for n := 1; ; n++ {
		got := b.paid(wide(catalog.Instant))
		b.clock.Advance(10 * time.Minute)
		b.due()
		b.deliver()
		if _, err := b.sim.CreateDispute(ctx, got.Payments[0].ID, deposit, "fraudulent"); err != nil {
			t.Fatal(err)
		}
		b.power.die(n, false)
		b.deliver()
		if !b.power.revive() {
			break // longer than the handler
		}
		b.sim.Disturb(stripesim.Dropped)
		b.restart()
		b.recover()
		b.sim.Disturb(nil)
		if got, err := b.Booking(ctx, got.ID); err != nil || len(got.Disputes) != 1 {
			t.Errorf("dead at %d: %d disputes, %v\n%s", n, len(got.Disputes), err, timeline(got))
		}
	}
}
