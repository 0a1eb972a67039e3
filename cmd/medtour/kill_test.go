package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/checkouttest"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
)

const (
	// childVariable makes the test binary be the program.
	childVariable = "MEDTOUR_TEST_PROGRAM"
	// longVariable asks for the long tests: 1, or how many rounds.
	longVariable = "MEDTOUR_LONG"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// killed is the program in a process of its own, and its patients.
type killed struct {
	t    *testing.T
	cfg  Config
	addr string
	log  *os.File

	mu sync.Mutex
	// told is what the patients were told last, by the page of the booking.
	told map[string]string
	// strays counts the steps that a patient could not finish.
	strays int
}

// TestKill kills the program again and again while patients book and pay, and
// checks in the end that money, places and bookings are what they must be.
// MEDTOUR_LONG asks for 200 rounds, or as many as it says.
func TestKill(t *testing.T) {
	rounds := 5
	if long := os.Getenv(longVariable); long != "" {
		rounds = 200
		if n, err := strconv.Atoi(long); err == nil && n > 1 {
			rounds = n
		}
	}
	k := newKilled(t)
	var choices []choice
	for n := range rounds {
		program := k.start()
		if n == 0 {
			choices = bookable(t, k.base())
		}
		stop := make(chan struct{})
		var patients sync.WaitGroup
		for p := range 3 {
			patients.Go(func() { k.patients(choices, n*7+p, stop) })
		}
		time.Sleep(time.Duration(50+rand.IntN(900)) * time.Millisecond)
		if err := program.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = program.Wait() // it was killed
		close(stop)
		patients.Wait()
	}
	k.remembers()
	k.audit(rounds)
}

// newKilled prepares a data folder with room for many bookings on some dates
// and few on others.
func newKilled(t *testing.T) *killed {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	k := &killed{t: t, addr: addr, log: log, told: map[string]string{}, cfg: Config{Data: t.TempDir(), Addr: addr}}
	ctx := t.Context()
	engine, cat, err := openCatalog(ctx, &k.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(engine, slog.New(slog.DiscardHandler))
	if err := loadSeed(ctx, cat, &output{log, log}); err != nil {
		t.Fatal(err)
	}
	var departures []catalog.Departure
	if err := cat.Departures.Each(ctx, func(d catalog.Departure) error { departures = append(departures, d); return nil }); err != nil {
		t.Fatal(err)
	}
	for i, d := range departures {
		if d.Capacity = 1000; i%2 == 0 {
			d.Capacity = 4
		}
		if _, err := cat.Departures.Publish(ctx, d, catalog.Edit{Author: "test", Reason: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func (k *killed) base() string { return "http://" + k.addr }

// start starts the program and waits until it is ready.
func (k *killed) start() *exec.Cmd {
	k.t.Helper()
	program := exec.Command(os.Args[0], "--addr", k.addr, "--data", k.cfg.Data, "--log-format", "text")
	program.Env = append(os.Environ(), childVariable+"=1")
	program.Stdout, program.Stderr = k.log, k.log
	if err := program.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = program.Process.Kill() })
	client := http.Client{Timeout: time.Second}
	for range 1200 {
		res, err := client.Get(k.base() + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return program
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	k.t.Fatalf("the program is not ready after a minute: %s", k.logged())
	return nil
}

func (k *killed) logged() string {
	data, err := os.ReadFile(k.log.Name())
	if err != nil {
		k.t.Fatal(err)
	}
	return string(data)
}

// patients books one journey after the other until it is told to stop.
func (k *killed) patients(choices []choice, n int, stop <-chan struct{}) {
	for ; ; n += 3 {
		select {
		case <-stop:
			return
		default:
		}
		if err := k.patient(choices[n%len(choices)], n); err != nil {
			k.mu.Lock()
			k.strays++
			k.mu.Unlock()
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// patient is one journey through the pages: some never pay, some are declined.
func (k *killed) patient(c choice, n int) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	quote, err := post(client, k.base()+c.action, c.values)
	if err != nil {
		return err
	}
	payment, err := post(client, quote+"/book", url.Values{"name": {"Bench Mark"}, "email": {"bench@example.org"}, "consent": {"yes"}})
	if err != nil || n%5 == 0 {
		return err
	}
	booking, err := post(client, payment, url.Values{"email": {"bench@example.org"}, "name": {"Bench Mark"}, "method": {"card"},
		"number": {"4242424242424242"}, "expiry": {"12/34"}, "cvc": {"123"}})
	if err != nil {
		return err
	}
	if err := k.look(client, booking); err != nil {
		return err
	}
	// Whether the answer arrives is not known until the page says so.
	k.mu.Lock()
	delete(k.told, booking)
	k.mu.Unlock()
	answer := "accept"
	if n%5 == 1 {
		answer = "decline"
	}
	if _, err := post(client, booking+"/demo", url.Values{"act": {answer}}); err != nil {
		return err
	}
	return k.look(client, booking)
}

// look notes what the page of a booking says.
func (k *killed) look(client *http.Client, booking string) error {
	state, err := stateOf(client, booking)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told[booking] = state
	return nil
}

func stateOf(client *http.Client, booking string) (string, error) {
	res, err := client.Get(booking)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		return "", err
	}
	state, ok := page.Find("[data-state]").Attr("data-state")
	if !ok || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s shows no state", booking, res.Status)
	}
	return state, nil
}

// remembers starts the program once more, checks that no patient is told less
// than before.
func (k *killed) remembers() {
	k.t.Helper()
	program := k.start()
	client := &http.Client{Timeout: 30 * time.Second}
	for booking, before := range k.told {
		if now, err := stateOf(client, booking); err != nil || now != before {
			k.t.Errorf("the patient was told %s; now %s is %q, %v", before, booking, now, err)
		}
	}
	if err := program.Process.Kill(); err != nil {
		k.t.Fatal(err)
	}
	_ = program.Wait() // it was killed
}

// audit lets the worker and the local Stripe finish on a clock that has moved
// on, and checks every promise.
func (k *killed) audit(rounds int) {
	k.t.Helper()
	ctx := k.t.Context()
	engine, cat, err := openCatalog(ctx, &k.cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	defer closeStore(engine, slog.New(slog.DiscardHandler))
	fail := func(err error) {
		k.t.Helper()
		if err != nil {
			k.t.Fatal(err)
		}
	}
	secret, err := sharedSecret(ctx, engine, "stripesim_webhook")
	fail(err)
	var offset time.Duration
	now := func() time.Time { return time.Now().Add(offset) }
	var orders *checkout.Service
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || orders.HandleWebhook(r.Context(), body, r.Header.Get("Stripe-Signature")) != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer hooks.Close()
	sim, err := stripesim.New(ctx, stripesim.Options{Engine: engine, WebhookURL: hooks.URL, WebhookSecret: secret, Clock: now})
	fail(err)
	api := httptest.NewServer(sim)
	defer api.Close()
	pay, err := stripepay.New(stripepay.Config{SecretKey: simulatorKey, WebhookSecrets: []string{secret}, APIURL: api.URL, Clock: now})
	fail(err)
	orders, err = checkout.New(ctx, checkout.Config{Catalog: cat, Engine: engine, Payments: pay, Now: now,
		ReturnURL: func(id, _ string) (string, string) { return k.base() + "/" + id, k.base() + "/" + id }})
	fail(err)
	for range 6 {
		offset += 20 * time.Minute
		fail(sim.Advance(ctx))
		_, err := sim.DeliverPending(ctx)
		fail(err)
		fail(orders.SettleDue(ctx))
	}
	capacity := func(startKey string) (int, map[string]int, error) {
		id, _, _ := catalog.ParseStartKey(startKey)
		d, err := cat.Departures.Get(ctx, id)
		return d.Capacity, d.RoomCapacity, err
	}
	faults, err := checkouttest.Audit(ctx, orders, pay, capacity, time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour))
	fail(err)
	for _, f := range faults {
		k.t.Error(f)
	}
	states := map[checkout.State]int{}
	for after := ""; ; {
		page, err := orders.Bookings(ctx, checkout.Filter{}, 200, after)
		fail(err)
		for _, v := range page.Items {
			states[v.State]++
			if v.State == checkout.StateHolding {
				k.t.Errorf("%s still holds a place", v.ID)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	paid := states[checkout.StateAwaiting] + states[checkout.StateConfirmed] + states[checkout.StateDeclined]
	if paid == 0 {
		k.t.Errorf("nobody has paid: %s", k.logged())
	}
	for line := range strings.Lines(k.logged()) {
		if strings.Contains(line, "panic") || strings.Contains(line, "is damaged") {
			k.t.Errorf("the log says: %s", line)
		}
	}
	k.t.Logf("%d rounds, %d pages seen, %d patients cut off, bookings %v", rounds, len(k.told), k.strays, states)
}
