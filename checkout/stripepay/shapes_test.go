package stripepay_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
)

// TestRequestShapes sends every request to Stripe's own mock, which checks
// them against Stripe's OpenAPI description. It keeps no state: it proves that
// names and types of the parameters are Stripe's, and nothing else.
func TestRequestShapes(t *testing.T) {
	silence(t)
	spec, err := server.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		t.Fatal(err)
	}
	stub, err := server.NewStubServer(fixtures, spec, false, false)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var requests []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests = append(requests, r.Method+" "+r.URL.Path+" "+r.Header.Get("Idempotency-Key"))
		mu.Unlock()
		if v := r.Header.Get("Stripe-Version"); v != "2024-06-20" {
			t.Errorf("%s asks for API version %q", r.URL.Path, v)
		}
		stub.HandleRequest(w, r)
	}))
	defer srv.Close()
	clk := newClock()
	w := world{Client: newClient(t, srv.URL, clk), clock: clk}
	ctx := t.Context()

	p := w.deposit("b1")
	p.Description = "Refunded in full if the hospital declines."
	s, err := w.CreateSession(ctx, p)
	if err != nil || s.ID == "" {
		t.Errorf("create session: %+v, %v", s, err)
	}
	if _, err := w.Session(ctx, "cs_test_1"); err != nil {
		t.Errorf("session: %v", err)
	}
	if _, err := w.ExpireSession(ctx, "cs_test_1", "b1:expire:1"); err != nil {
		t.Errorf("expire session: %v", err)
	}
	s.BookingID, s.PaymentID, s.Amount.Currency = "b1", "pi_1", "USD"
	if _, err := w.refund(t, s, "1", 1000); err != nil {
		t.Errorf("refund: %v", err)
	}
	if _, err := w.Refunds(ctx, "pi_1"); err != nil {
		t.Errorf("refunds: %v", err)
	}
	if _, err := w.Disputes(ctx, "pi_1"); err != nil {
		t.Errorf("disputes: %v", err)
	}
	// The mock's event is of a type that was not asked for, with an object of
	// its own; reading it is not what is checked here.
	if _, err := w.UndeliveredEvents(ctx, clk.Now().Add(-time.Hour)); err != nil {
		t.Errorf("events: %v", err)
	}
	if _, err := w.SessionsCreated(ctx, clk.Now().Add(-time.Hour), clk.Now()); err != nil {
		t.Errorf("sessions: %v", err)
	}
	if _, err := w.BalanceTransactions(ctx, clk.Now().Add(-time.Hour), clk.Now()); err != nil {
		t.Errorf("balance transactions: %v", err)
	}
	sum := catalog.Money{Amount: 1000, Currency: "USD"}
	if tr, err := w.Transfer(ctx, checkout.TransferParams{IdempotencyKey: "b1:payout:1", BookingID: "b1", Account: "acct_1", Amount: sum}); err != nil || tr.ID == "" {
		t.Errorf("transfer: %+v, %v", tr, err)
	}
	if _, err := w.Transfers(ctx, "b1"); err != nil {
		t.Errorf("transfers: %v", err)
	}
	if r, err := w.Reverse(ctx, checkout.ReversalParams{IdempotencyKey: "b1:payout:1:reversal:1", BookingID: "b1", TransferID: "tr_1", Amount: sum}); err != nil || r.ID == "" {
		t.Errorf("reversal: %+v, %v", r, err)
	}
	want := []string{
		"POST /v1/checkout/sessions b1:checkout:1",
		"GET /v1/checkout/sessions/cs_test_1 ",
		"POST /v1/checkout/sessions/cs_test_1/expire b1:expire:1",
		"POST /v1/refunds b1:refund:1",
		"GET /v1/refunds ",
		"GET /v1/disputes ",
		"GET /v1/events ",
		"GET /v1/checkout/sessions ",
		"GET /v1/balance_transactions ",
		"POST /v1/transfers b1:payout:1",
		"GET /v1/transfers ",
		"POST /v1/transfers/tr_1/reversals b1:payout:1:reversal:1",
	}
	for i, r := range want {
		if i >= len(requests) || requests[i] != r {
			t.Errorf("request %d of %q, want %q", i, requests, r)
			break
		}
	}

	// The mock does look: a wrong type is refused.
	p.Methods = []string{"shells"}
	_, err = w.CreateSession(ctx, p)
	wantKind(t, err, fault.Invalid)
}

// silence keeps the mock from printing every request.
func silence(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = null
	t.Cleanup(func() {
		os.Stdout = stdout
		_ = null.Close()
	})
}
