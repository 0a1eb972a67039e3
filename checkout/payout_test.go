package checkout_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
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
