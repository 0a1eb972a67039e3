package checkout_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

var (
	ctx = context.Background()
	by  = checkout.Act{Actor: "tester", Reason: "test"}
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// power is whether a process is alive: it can be made to die at a write to the
// store or a call of the card processor, before or after its effect.
type power struct {
	mu sync.Mutex
	// left is how many more operations succeed; negative for ever.
	left int
	// after lets the operation at which the process dies have its effect.
	after bool
	dead  bool
}

// die makes the process die at operation n from now, counted from 0.
func (p *power) die(n int, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.after, p.dead = n, after, false
}

// revive reports whether the process was dead; a dead one lives on.
func (p *power) revive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	dead := p.dead
	if dead {
		p.left, p.dead = -1, false
	}
	return dead
}

var errDead = fault.New(fault.Unavailable, "The process is dead.")

func (p *power) use(f func() error) error {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return errDead
	}
	dies := p.left == 0
	p.dead = dies
	if p.left > 0 {
		p.left--
	}
	after := p.after
	p.mu.Unlock()
	if !dies {
		return f()
	}
	if after {
		_ = f() // the effect is there, the answer is lost
	}
	return errDead
}

// mortalEngine is an engine whose writes depend on the power.
type mortalEngine struct {
	store.Engine
	power *power
	// opened collects the collections by name.
	opened map[string]store.Documents
	pause  *pause
}

// pause lets something happen just before an operation of one process, as
// another process would.
type pause struct {
	mu   sync.Mutex
	at   func(operation string) bool
	then func()
}

// before makes then happen before the first operation that at picks:
// "insert <collection> <id>", "replace …", "find <collection> <index>" or
// "expire session".
func (p *pause) before(at func(operation string) bool, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.then = at, then
}

// happened reports whether it did.
func (p *pause) happened() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at == nil
}

func (p *pause) reach(operation string) {
	p.mu.Lock()
	then := p.then
	if p.at == nil || !p.at(operation) {
		then = nil
	} else {
		p.at = nil
	}
	p.mu.Unlock()
	if then != nil {
		then()
	}
}

func (e mortalEngine) Open(ctx context.Context, schema store.Schema) (store.Documents, error) {
	docs, err := e.Engine.Open(ctx, schema)
	e.opened[schema.Name] = docs
	return mortalDocuments{docs, e.power, schema.Name, e.pause}, err
}

type mortalDocuments struct {
	store.Documents
	power *power
	name  string
	pause *pause
}

func (d mortalDocuments) Find(ctx context.Context, q store.Query) (store.Page, error) {
	d.pause.reach("find " + d.name + " " + q.Index)
	return d.Documents.Find(ctx, q)
}

func (d mortalDocuments) Insert(ctx context.Context, id string, body []byte) error {
	d.pause.reach("insert " + d.name + " " + id)
	return d.power.use(func() error { return d.Documents.Insert(ctx, id, body) })
}

func (d mortalDocuments) Replace(ctx context.Context, id string, version int64, body []byte) error {
	d.pause.reach("replace " + d.name + " " + id)
	return d.power.use(func() error { return d.Documents.Replace(ctx, id, version, body) })
}

func (d mortalDocuments) Delete(ctx context.Context, id string, version int64) error {
	return d.power.use(func() error { return d.Documents.Delete(ctx, id, version) })
}

// mortalPayments is a card processor whose answers depend on the power.
type mortalPayments struct {
	checkout.Payments
	power *power
	pause *pause
}

func (m mortalPayments) CreateSession(ctx context.Context, p checkout.SessionParams) (out checkout.Session, err error) {
	err = m.power.use(func() (e error) { out, e = m.Payments.CreateSession(ctx, p); return })
	return out, err
}

func (m mortalPayments) Session(ctx context.Context, id string) (out checkout.Session, err error) {
	err = m.power.use(func() (e error) { out, e = m.Payments.Session(ctx, id); return })
	return out, err
}

func (m mortalPayments) ExpireSession(ctx context.Context, id, key string) (out checkout.Session, err error) {
	m.pause.reach("expire session")
	err = m.power.use(func() (e error) { out, e = m.Payments.ExpireSession(ctx, id, key); return })
	return out, err
}

func (m mortalPayments) CreateRefund(ctx context.Context, p checkout.RefundParams) (out checkout.Refund, err error) {
	err = m.power.use(func() (e error) { out, e = m.Payments.CreateRefund(ctx, p); return })
	return out, err
}

func (m mortalPayments) Refunds(ctx context.Context, id string) (out []checkout.Refund, err error) {
	err = m.power.use(func() (e error) { out, e = m.Payments.Refunds(ctx, id); return })
	return out, err
}

// mortalPayouts is a payout provider whose answers depend on the power.
type mortalPayouts struct {
	checkout.PayoutProvider
	power *power
}

func (m mortalPayouts) Transfer(ctx context.Context, p checkout.TransferParams) (out checkout.Transfer, err error) {
	err = m.power.use(func() (e error) { out, e = m.PayoutProvider.Transfer(ctx, p); return })
	return out, err
}

func (m mortalPayouts) Transfers(ctx context.Context, id string) (out []checkout.Transfer, err error) {
	err = m.power.use(func() (e error) { out, e = m.PayoutProvider.Transfers(ctx, id); return })
	return out, err
}

func (m mortalPayouts) Reverse(ctx context.Context, p checkout.ReversalParams) (out checkout.Reversal, err error) {
	err = m.power.use(func() (e error) { out, e = m.PayoutProvider.Reverse(ctx, p); return })
	return out, err
}

// bench is checkout on an engine with the local Stripe behind it.
type bench struct {
	*checkout.Service
	t       testing.TB
	clock   *clock
	catalog *catalog.Catalog
	sim     *stripesim.Server
	stripe  *stripepay.Client
	power   *power
	config  checkout.Config
	opened  map[string]store.Documents
	pause   pause

	mu     sync.Mutex
	events []delivered
}

// delivered is a webhook that has arrived.
type delivered struct {
	body      []byte
	signature string
}

const secret = "whsec_test"

func newBench(t testing.TB, engine store.Engine) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}, power: &power{left: -1},
		opened: map[string]store.Documents{}}
	var err error
	if b.catalog, err = catalog.Open(ctx, engine, b.clock.Now); err != nil {
		t.Fatal(err)
	}
	hooks := httptest.NewServer(http.HandlerFunc(b.hook))
	t.Cleanup(hooks.Close)
	b.sim, err = stripesim.New(ctx, stripesim.Options{
		Engine: storetest.Open(t, storetest.SQLite(t)), WebhookURL: hooks.URL, WebhookSecret: secret, Clock: b.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(b.sim)
	t.Cleanup(api.Close)
	b.stripe, err = stripepay.New(stripepay.Config{
		SecretKey: "sk_test_1", WebhookSecrets: []string{secret}, APIURL: api.URL, Clock: b.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.config = checkout.Config{
		Catalog: b.catalog, Engine: mortalEngine{engine, b.power, b.opened, &b.pause}, Payments: mortalPayments{b.stripe, b.power, &b.pause},
		Payouts: map[string]checkout.PayoutProvider{checkout.PayoutStripe: mortalPayouts{b.stripe, b.power}},
		Rates:   rates, Now: b.clock.Now,
		ReturnURL: func(id, lang string) (string, string) {
			return "https://example.org/" + lang + "/booking/" + id, "https://example.org/" + lang + "/pay/" + id
		},
	}
	b.restart()
	b.fill()
	return b
}

// restart starts a new process on the same store.
func (b *bench) restart() {
	b.t.Helper()
	s, err := checkout.New(ctx, b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Service = s
}

// hook takes webhooks as the program does, and keeps them.
func (b *bench) hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	signature := r.Header.Get("Stripe-Signature")
	b.mu.Lock()
	b.events = append(b.events, delivered{body, signature})
	b.mu.Unlock()
	if err := b.HandleWebhook(r.Context(), body, signature); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

var rates = catalog.Rates{Date: "2026-11-20", Base: "EUR", Rates: map[string]catalog.Rate{
	"USD": {PerBase: "1.25"}, "CNY": {PerBase: "10"}, "JPY": {PerBase: "150"}, "ISK": {PerBase: "140.7"}, "KWD": {PerBase: "0.3713"},
}}

func text(s string) catalog.Text { return catalog.Text{"en": s} }

func cny(yuan int64) *catalog.Money {
	m := catalog.MainUnits(yuan, "CNY")
	return &m
}

// fill publishes a catalogue: a package for each class that is sold.
func (b *bench) fill() {
	b.t.Helper()
	at := catalog.Edit{Author: "test", Reason: "test"}
	publish := func(_ bool, err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	publish(b.catalog.Organisations.Publish(ctx, catalog.Organisation{ID: "agency", Name: text("Demo agency"), OrganisationKind: catalog.Agency, Demo: true}, at))
	publish(b.catalog.Hospitals.Publish(ctx, catalog.Hospital{ID: "hospital", Name: text("Demo hospital"), Ownership: catalog.Public, AnswerHours: 48}, at))
	publish(b.catalog.Places.Publish(ctx, catalog.Place{ID: "area", Name: text("Demo area"), PlaceKind: catalog.PlaceKindHotelArea,
		Position: &catalog.Position{Lat: 31.2, Lon: 121.4}}, at))
	for _, class := range []catalog.BookingClass{catalog.Instant, catalog.OnAcceptance} {
		id := string(class)
		publish(b.catalog.Treatments.Publish(ctx, treatment(class, class), at))
		publish(b.catalog.Offerings.Publish(ctx, catalog.Offering{ID: id, TreatmentID: id, HospitalID: "hospital"}, at))
		publish(b.catalog.Packages.Publish(ctx, pkg(id), at))
		publish(b.catalog.Departures.Publish(ctx, catalog.Departure{ID: id, PackageID: id, Date: "2027-03-01", Capacity: 5,
			RoomCapacity: map[string]int{"suite": 2}}, at))
		publish(b.catalog.Departures.Publish(ctx, catalog.Departure{ID: id + "-wide", PackageID: id, Date: "2027-04-01", Capacity: 1000}, at))
	}
}

func treatment(id, class catalog.BookingClass) catalog.Treatment {
	fly := 1
	return catalog.Treatment{ID: string(id), Name: text("Demo treatment"), Specialty: "demo", ServiceType: catalog.Outpatient, BookingClass: class,
		Timeline: catalog.Timeline{FlyAfterDays: &fly, Phases: []catalog.Phase{{Kind: catalog.PhaseProcedure, Days: catalog.Span{Min: 1, Max: 1}}}}}
}

func pkg(id string) catalog.Package {
	return catalog.Package{
		ID: id, AgencyID: "agency", OfferingIDs: []string{id}, Name: text("Demo package"), HotelAreaID: "area",
		Itinerary: catalog.Itinerary{Days: []catalog.Day{
			{From: 1, To: 1, Items: []catalog.Item{{Kind: catalog.ItemMedical, OfferingID: id, Step: catalog.StepProcedure, Text: text("Procedure")}}},
			{From: 2, To: 4, Items: []catalog.Item{{Kind: catalog.ItemRest, Text: text("Rest")}}},
		}},
		Options: catalog.Options{MaxCompanions: 2, Interpreters: []string{"en", "ru"}, Rooms: []catalog.Room{
			{ID: "twin", Name: text("Twin"), Surcharge: *cny(0)}, {ID: "suite", Name: text("Suite"), Surcharge: *cny(900)},
		}},
		Currency: "CNY", Presentment: []string{"USD", "JPY", "GBP"},
		Lines: []catalog.PriceLine{
			{ID: "care", Label: text("Care"), Payee: catalog.PayeeAgency, Due: catalog.DueOnArrival, Per: catalog.PerBooking, Amount: cny(6000)},
			{ID: "hotel", Label: text("Hotel"), Payee: catalog.PayeeHotel, Due: catalog.DueOnArrival, Per: catalog.PerBooking, Amount: cny(3000)},
			{ID: "companion", Label: text("Companion"), Payee: catalog.PayeeHotel, Due: catalog.DueOnArrival, Per: catalog.PerCompanion, Amount: cny(500)},
			{ID: "exam", Label: text("Examination"), Payee: catalog.PayeeHospital, Due: catalog.DueAtHospital, Per: catalog.PerBooking, Amount: cny(2000)},
			{ID: "surgery", Label: text("Surgery"), Payee: catalog.PayeeHospital, Due: catalog.DueAtHospital, Per: catalog.PerBooking},
		},
		Deposit: catalog.DepositRule{BasisPoints: 2000},
		Policy: catalog.Policy{
			Tiers:  []catalog.Tier{{DaysBefore: 30, RefundBasisPoints: 10000}, {DaysBefore: 7, RefundBasisPoints: 5000}},
			Causes: map[catalog.Cause]int64{catalog.CauseVisa: 10000, catalog.CauseUnfit: 8000},
		},
		Demo: true,
	}
}

var patient = checkout.Patient{Name: "Ada Example", Email: "ada@example.org", Country: "FR"}

// choice is a choice of the package of a class on the date with five places.
func choice(class catalog.BookingClass) checkout.Choice {
	return checkout.Choice{PackageID: string(class), StartKey: string(class) + "_2027-03-01", Currency: "USD", Lang: "en"}
}

// wide is a choice on the date with a thousand places.
func wide(class catalog.BookingClass) checkout.Choice {
	c := choice(class)
	c.StartKey = string(class) + "-wide_2027-04-01"
	return c
}

func (b *bench) quote(c checkout.Choice) checkout.Quote {
	b.t.Helper()
	q, err := b.Quote(ctx, c)
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

// book makes a booking that waits for its deposit.
func (b *bench) book(c checkout.Choice) checkout.Booking {
	b.t.Helper()
	got, err := b.Book(ctx, b.quote(c).ID, patient)
	if err != nil {
		b.t.Fatal(err)
	}
	if got.State != checkout.StateHolding || !strings.HasPrefix(got.PayURL, "http") || got.Place == 0 {
		b.t.Fatalf("a new booking is %s, place %d, to be paid at %q", got.State, got.Place, got.PayURL)
	}
	return got
}

// pay pays the latest payment page of a booking, without any webhook.
func (b *bench) pay(got checkout.Booking, card string) {
	b.t.Helper()
	if err := b.sim.Pay(ctx, got.Attempts[len(got.Attempts)-1].SessionID, card); err != nil {
		b.t.Fatal(err)
	}
}

// paid makes a booking whose deposit was paid and noticed.
func (b *bench) paid(c checkout.Choice) checkout.Booking {
	b.t.Helper()
	got := b.book(c)
	b.pay(got, stripesim.CardSucceeds)
	return b.settle(got.ID)
}

func (b *bench) settle(id string) checkout.Booking {
	b.t.Helper()
	got, err := b.Settle(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *bench) deliver() {
	b.t.Helper()
	if _, err := b.sim.DeliverPending(ctx); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) due() {
	b.t.Helper()
	if err := b.SettleDue(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// left returns the places left on a start date.
func (b *bench) left(c checkout.Choice) int {
	b.t.Helper()
	starts, err := b.Starts(ctx, c.PackageID)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, st := range starts {
		if st.Key == c.StartKey {
			return st.Left
		}
	}
	b.t.Fatalf("no start %s", c.StartKey)
	return 0
}

// sound checks what holds for every booking at rest: the ledger adds up, the
// processor has sent back what the log says, and the list shows it.
func (b *bench) sound(got checkout.Booking) {
	b.t.Helper()
	if err := b.check(got); err != nil {
		b.t.Errorf("booking %s (%s): %v\n%s", got.Number, got.State, err, timeline(got))
	}
}

func (b *bench) check(got checkout.Booking) error {
	ledger := map[string]int64{}
	for _, l := range got.Ledger() {
		ledger[l.PaymentID] += l.Amount.Amount
		if l.Account == checkout.AccountDeficit {
			return fmt.Errorf("a deficit of %s", l.Amount)
		}
	}
	if err := b.checkTransfers(got); err != nil {
		return err
	}
	for _, p := range got.Payments {
		if ledger[p.ID] != p.Amount.Amount {
			return fmt.Errorf("the ledger of %s adds up to %d", p.Amount, ledger[p.ID])
		}
		refunds, err := b.stripe.Refunds(ctx, p.ID)
		if err != nil {
			return err
		}
		var sent, known int64
		for _, r := range refunds {
			if r.Status == checkout.RefundSucceeded || r.Status == checkout.RefundPending {
				sent += r.Amount.Amount
			}
		}
		for _, r := range got.Refunds {
			if r.PaymentID == p.ID && (r.Status == checkout.RefundSucceeded || r.Status == checkout.RefundPending) {
				known += r.Amount.Amount
			}
		}
		if sent != known {
			return fmt.Errorf("%d were refunded, the log says %d", sent, known)
		}
	}
	page, err := b.Bookings(ctx, checkout.Filter{State: got.State}, store.MaxPage, "")
	if err != nil {
		return err
	}
	for _, v := range page.Items {
		if v.ID == got.ID && v.Paid == got.Paid && v.Refunded == got.Refunded && v.Entries == len(got.Timeline) {
			return nil
		}
	}
	return fmt.Errorf("the list does not show it")
}

// checkTransfers compares the transfers of a booking with its ledger.
func (b *bench) checkTransfers(got checkout.Booking) error {
	list, err := b.stripe.Transfers(ctx, got.ID)
	if err != nil {
		return err
	}
	var sent, known int64
	for _, t := range list {
		sent += t.Amount.Amount
		for _, r := range t.Reversals {
			sent -= r.Amount.Amount
		}
	}
	for _, l := range got.Ledger() {
		if l.Account == checkout.AccountPaidOut {
			known += l.Amount.Amount
		}
	}
	for _, p := range got.Payouts {
		if p.Method == checkout.PayoutManual && p.Status != checkout.PayoutFailed {
			known -= p.Amount.Amount
		}
	}
	if sent != known {
		return fmt.Errorf("%d were transferred, the ledger has %d", sent, known)
	}
	return nil
}

func timeline(got checkout.Booking) string {
	var out strings.Builder
	for _, e := range got.Timeline {
		fmt.Fprintf(&out, "  %3d %s %s %s\n", e.Seq, e.At.Format(time.DateTime), e.Kind, e.Reason)
	}
	return out.String()
}

// paidAt is what the processor has received for a booking, less what it has
// sent back.
func (b *bench) balance(got checkout.Booking) int64 {
	b.t.Helper()
	var sum int64
	for _, p := range got.Payments {
		sum += p.Amount.Amount
		refunds, err := b.stripe.Refunds(ctx, p.ID)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, r := range refunds {
			if r.Status == checkout.RefundSucceeded || r.Status == checkout.RefundPending {
				sum -= r.Amount.Amount
			}
		}
	}
	return sum
}
