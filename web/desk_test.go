package web

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/checkout"
)

// disputedCard is Stripe's test card whose payments are disputed.
const disputedCard = "4000 0000 0000 0259"

func TestMoneyDeskItem(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "health-check-a-short-pause", 0)
	payPath := s.sent(t, s.post(t, s.quote(t, "en", "health-check-a-short-pause", url.Values{"start": {start.Key}, "companions": {"0"}, "currency": {"EUR"}})+"/book", person))
	s.sent(t, s.post(t, payPath, url.Values{"email": {"maria@example.org"}, "name": {"María Example"}, "method": {"card"},
		"number": {disputedCard}, "expiry": {"12/40"}, "cvc": {"123"}}))
	var item checkout.Item
	for deadline := time.Now().Add(20 * time.Second); item.ID == ""; time.Sleep(20 * time.Millisecond) {
		items, _, err := s.Checkout.Items(t.Context(), 100, "")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no dispute comes to the money desk: %v", err)
		}
		for _, i := range items {
			if i.Kind == checkout.ItemDispute {
				item = i
			}
		}
	}

	operator := s.signInAs(t, "operator")
	if got := text(s.page(t, "/console", "Cookie", operator).Find(".console-tasks .urgent a[href='/console/money']")); got == "" {
		t.Error("the operator is not told of an item")
	}
	path := "/console/money/items/" + item.ID
	if s.page(t, "/console/money", "Cookie", operator).Find("a[href='"+path+"']").Length() != 1 {
		t.Fatal("the money desk does not list the dispute")
	}
	doc := want(t, s.post(t, path, url.Values{"remedy": {"note"}, "reason": {" "}}, "Cookie", operator), http.StatusUnprocessableEntity)
	if doc.Find("#error-reason").Length() != 1 {
		t.Error("an act without a reason is not refused beside the field")
	}
	if to := s.sent(t, s.post(t, path, url.Values{"remedy": {"note"}, "reason": {"answered in the dashboard"}}, "Cookie", operator)); to != "/console/money?done=resolved" {
		t.Errorf("closing leads to %s", to)
	}
	doc = s.page(t, path, "Cookie", operator)
	if doc.Find("form[method=post] textarea").Length() != 0 || !strings.Contains(text(doc.Find(".note.good")), "answered in the dashboard") {
		t.Errorf("the closed item says %q", text(doc.Find(".note.good")))
	}
	if got := text(s.page(t, "/console/audit", "Cookie", operator).Find("table")); !strings.Contains(got, "item/"+item.ID) || !strings.Contains(got, "answered in the dashboard") {
		t.Errorf("the audit trail does not have it: %s", got)
	}
	want(t, s.post(t, path, url.Values{"remedy": {"note"}, "reason": {"again"}}, "Cookie", operator), http.StatusConflict)
}

// TestPayout takes what a cancellation leaves under the policy from being
// payable to the bank's reference.
func TestPayout(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "health-check-a-short-pause", 1)
	s.booked(t, "en", "health-check-a-short-pause", url.Values{"start": {start.Key}, "companions": {"0"}, "currency": {"USD"}})
	page, err := s.Checkout.Bookings(t.Context(), checkout.Filter{State: checkout.StateConfirmed}, 0, "")
	if err != nil || len(page.Items) == 0 {
		t.Fatalf("no confirmed booking: %v", err)
	}
	var id string
	for _, b := range page.Items {
		if b.PackageID == "health-check-a-short-pause" && b.Start.Equal(start.Date) && b.Deposit.Currency == "USD" {
			id = b.ID
		}
	}
	operator, path := s.signInAs(t, "operator"), "/console/money/bookings/"+id
	want(t, s.post(t, path, url.Values{"act": {"pay-out"}, "organisation": {"demo-agency-lotus-court"}, "amount": {"1"}, "currency": {"USD"}}, "Cookie", operator), http.StatusConflict)
	want(t, s.post(t, path, url.Values{"act": {"complete"}, "reason": {"came home"}}, "Cookie", operator), http.StatusConflict)
	preview, err := s.Checkout.CancelPreview(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkout.Cancel(t.Context(), id, "", preview.Refund, checkout.Act{Actor: "patient"}); err != nil {
		t.Fatal(err)
	}
	due := s.page(t, path, "Cookie", operator).Find("form:has(input[name=organisation])").First()
	form := url.Values{"act": {"pay-out"}}
	for _, name := range []string{"organisation", "amount", "currency"} {
		form.Set(name, due.Find("input[name="+name+"]").AttrOr("value", ""))
	}
	s.sent(t, s.post(t, path, form, "Cookie", operator))
	want(t, s.post(t, path, url.Values{"act": {"payout-sent"}, "payout": {"1"}, "reference": {""}}, "Cookie", operator), http.StatusUnprocessableEntity)
	s.sent(t, s.post(t, path, url.Values{"act": {"payout-sent"}, "payout": {"1"}, "reference": {"BANK-1"}}, "Cookie", operator))
	if got := text(s.page(t, path, "Cookie", operator).Find("#payouts ~ .card")); !strings.Contains(got, "BANK-1") || !strings.Contains(got, "paid") {
		t.Errorf("the payout is shown as %q", got)
	}

	a := s.get(t, "/console/money/ledger?format=csv", "Cookie", operator)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.Body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) < 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if text(s.page(t, "/console/money/ledger", "Cookie", operator).Find("#balances ~ dl")) == "" {
		t.Error("the ledger shows no balances")
	}
}

func TestMoneyDeskIsTheOperators(t *testing.T) {
	s := newTestServer(t)
	for _, who := range []string{"hospital", "agency"} {
		want(t, s.get(t, "/console/money", "Cookie", s.signInAs(t, who)), http.StatusForbidden)
	}
	want(t, s.get(t, "/console/money/bookings/nothing", "Cookie", s.signInAs(t, "operator")), http.StatusNotFound)
}
