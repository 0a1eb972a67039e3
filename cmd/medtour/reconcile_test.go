package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
)

// offline does something to the bookings of a data folder on which no program
// runs.
func offline(t *testing.T, cfg Config, do func(*checkout.Service, *stripesim.Server, checkout.Payments)) {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	engine, cat, err := openCatalog(ctx, &cfg)
	fail(err)
	defer closeStore(engine, log)
	pay, closePay, err := cfg.paymentsAlone(ctx, engine, log)
	fail(err)
	defer closePay()
	orders, err := cfg.ordersAlone(ctx, engine, cat, pay, log)
	fail(err)
	sim, err := stripesim.New(ctx, stripesim.Options{Engine: engine, Key: simulatorKey})
	fail(err)
	do(orders, sim, pay)
}

// TestReconcile: a deposit that was paid while the program was dead is found by
// the command, money that belongs to no booking is for a person, and the folder
// of a server that runs is left alone.
func TestReconcile(t *testing.T) {
	cfg := Config{Data: t.TempDir(), Addr: "127.0.0.1:8080"}
	reconcile := func(span string) (int, string, string) {
		t.Helper()
		return command(t, "--data", cfg.Data, "reconcile", "--span", span)
	}
	if code, _, stderr := command(t, "--data", cfg.Data, "seed"); code != exitOK {
		t.Fatal(stderr)
	}
	ctx := t.Context()
	number := ""
	offline(t, cfg, func(orders *checkout.Service, sim *stripesim.Server, _ checkout.Payments) {
		const pkg = "tuina-warm-hands-slow-days"
		starts, err := orders.Starts(ctx, pkg)
		if err != nil || len(starts) == 0 {
			t.Fatalf("%d dates, %v", len(starts), err)
		}
		quote, err := orders.Quote(ctx, checkout.Choice{PackageID: pkg, StartKey: starts[0].Key, Lang: "en"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := orders.Book(ctx, quote.ID, checkout.Patient{Name: "Ada Example", Email: "ada@example.org"})
		if err != nil || b.PayURL == "" || !strings.HasPrefix(b.Attempts[0].Params.SuccessURL, "http://127.0.0.1:8080/bookings/") {
			t.Fatalf("%+v, %v", b.Attempts, err)
		}
		number = b.Number
		if err := sim.Pay(ctx, b.Attempts[0].SessionID, stripesim.CardSucceeds); err != nil {
			t.Fatal(err)
		}
	})
	if code, stdout, stderr := reconcile("day"); code != exitOK || !strings.Contains(stdout, "repaired: booking "+number+", now confirmed") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, span := range []string{"minute", "hour", "day"} {
		if code, stdout, stderr := reconcile(span); code != exitOK || !strings.Contains(stdout, span+": ") || !strings.Contains(stdout, "nothing was missed") {
			t.Errorf("%s: exit %d\n%s%s", span, code, stdout, stderr)
		}
	}
	if code, _, stderr := reconcile("year"); code != exitUsage || !strings.Contains(stderr, "--span") {
		t.Errorf("an unknown span: exit %d\n%s", code, stderr)
	}

	base, stop := site(t, Config{Data: cfg.Data})
	if code, _, stderr := reconcile("day"); code != exitFailed || !strings.Contains(stderr, "a server that runs on it reconciles by itself") {
		t.Errorf("beside a server: exit %d\n%s", code, stderr)
	}
	res, err := http.Get(base + "/mailbox")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if page, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(page), number) {
		t.Errorf("the mail about %s is not there: %v", number, err)
	}
	stop()

	offline(t, cfg, func(_ *checkout.Service, sim *stripesim.Server, pay checkout.Payments) {
		s, err := pay.CreateSession(ctx, checkout.SessionParams{IdempotencyKey: "elsewhere", BookingID: "elsewhere", Attempt: 1,
			Amount: catalog.MainUnits(10, "USD"), Title: "Something else", Locale: "en", Methods: []string{"card"},
			SuccessURL: "https://example.org/", CancelURL: "https://example.org/", ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if err := sim.Pay(ctx, s.ID, stripesim.CardSucceeds); err != nil {
			t.Fatal(err)
		}
	})
	if code, stdout, stderr := reconcile("day"); code != exitFindings || !strings.Contains(stdout, "needs a person: unknown-payment") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}
