package checkout_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/sqlite"
	"github.com/medtour/medtour/store/storetest"
)

// acts joins acts and lists of acts into one list.
func acts(list ...any) []act {
	var out []act
	for _, a := range list {
		switch a := a.(type) {
		case func(*scene):
			out = append(out, a)
		case act:
			out = append(out, a)
		case []act:
			out = append(out, a...)
		default:
			panic(fmt.Sprintf("%T is no act", a))
		}
	}
	return out
}

const (
	day = 24 * time.Hour
	// late is after a hold has ended.
	late = 3 * time.Hour
	// lastMoment is just before a hold ends.
	lastMoment = checkout.DefaultHoldFor - 5*time.Second
	// tier is how long to wait for the tier of the policy that pays back half.
	tier = 80 * day
)

func TestPaymentScenarios(t *testing.T) {
	play(t, []scenario{
		{"webhook before the return", false, acts(books, pays, delivers, is(checkout.StateAwaiting), untouched(returns, worker)),
			checkout.StateAwaiting, deposit, 1},
		{"return before the webhook", false, acts(books, pays, returns, is(checkout.StateAwaiting), untouched(delivers, worker)),
			checkout.StateAwaiting, deposit, 1},
		{"webhooks lost", false, acts(books, pays, disturbed(stripesim.Dropped), waits(10*time.Minute), worker, is(checkout.StateAwaiting)),
			checkout.StateAwaiting, deposit, 1},
		{"webhooks twice and in reverse", false, acts(books, pays, disturbed(stripesim.Reversed), disturbed(stripesim.Twice), accepts),
			checkout.StateConfirmed, deposit, 1},
		{"webhook, worker and return at once", true, acts(books, pays, waits(2*time.Minute), atOnce(delivers, worker, returns, returns), is(checkout.StateAwaiting)),
			checkout.StateAwaiting, deposit, 1},
		{"paid in the last second, noticed hours later", false, acts(books, waits(checkout.DefaultHoldFor-time.Second), pays, waits(late), worker),
			checkout.StateAwaiting, deposit, 1},
		{"paid while the worker ends the hold", true, acts(books, justBefore("expire session", pays), settlesAhead), checkout.StateAwaiting, deposit, 1},
		{"ten clicks on pay again", true, acts(books, waits(late), worker, is(checkout.StateExpired), atOnce(times(10, triesAgain)...), pays, delivers),
			checkout.StateAwaiting, deposit, 1},
		{"card declined, then another", false, acts(books, paysWith(stripesim.CardDeclined), delivers, is(checkout.StateHolding),
			paysWith(stripesim.CardInsufficientFunds), returns, triesAgain, pays, delivers), checkout.StateAwaiting, deposit, 1},
		{"card declined until the hold ends", false, acts(books, paysWith(stripesim.CardDeclined), waits(late), worker, is(checkout.StateExpired),
			triesAgain, pays, returns), checkout.StateAwaiting, deposit, 1},
		{"amount differs", false, acts(books, forged(func(p *checkout.SessionParams) { p.Amount.Amount++ }), delivers, pays, delivers),
			checkout.StateAwaiting, deposit, 2},
		{"currency differs", false, acts(books, forged(func(p *checkout.SessionParams) { p.Amount.Currency = "EUR" }), delivers, pays, delivers),
			checkout.StateAwaiting, deposit, 2},
		{"page from elsewhere with the right amount", false, acts(books, forged(func(*checkout.SessionParams) {}), delivers, is(checkout.StateAwaiting)),
			checkout.StateAwaiting, deposit, 1},
		{"two pages paid at once", true, acts(books, atOnce(pays, forged(func(*checkout.SessionParams) {})), atOnce(delivers, returns, worker)),
			checkout.StateAwaiting, deposit, 2},
		{"price raised between quote and booking", false, acts(quotes, publishes(dearer), books, pays, delivers), checkout.StateAwaiting, deposit, 1},
		{"price raised while the patient pays", false, acts(books, publishes(dearer), pays, publishes(dearer), delivers), checkout.StateAwaiting, deposit, 1},
		{"harsher policy after the booking", false, acts(books, pays, delivers, accepts, publishes(harsher), waits(tier), cancels("")),
			checkout.StateCancelled, deposit / 2, 1},
		{"slow money comes", false, acts(books, paysSlowly, delivers, cannotPay("pending"), waits(5*time.Second), moneyComes(true), delivers),
			checkout.StateAwaiting, deposit, 1},
		{"slow money comes after the hold", false, acts(books, waits(lastMoment), paysSlowly, delivers, waits(6*time.Second), worker,
			is(checkout.StateHolding), moneyComes(true), delivers),
			checkout.StateAwaiting, deposit, 1},
		{"slow money fails", false, acts(books, paysSlowly, delivers, moneyComes(false), delivers, triesAgain, pays, returns),
			checkout.StateAwaiting, deposit, 1},
		{"slow money fails after the hold", false, acts(books, waits(lastMoment), paysSlowly, delivers, waits(6*time.Second), worker, moneyComes(false), disturbed(stripesim.Dropped),
			waits(11*time.Minute), worker), checkout.StateExpired, 0, 0},
		{"slow money comes after the booking was cancelled", false, acts(books, paysSlowly, delivers, cancels(""), moneyComes(true), delivers),
			checkout.StateCancelled, 0, 1},
	})
}

func TestRefundScenarios(t *testing.T) {
	paid := acts(books, pays, delivers)
	half := acts(paid, accepts, waits(tier))
	answerLost := stripesim.Failure{Method: "POST", Path: "/v1/refunds", Kind: stripesim.Cut, AfterEffect: true, Times: 5}
	play(t, []scenario{
		{"ten clicks on cancel", true, acts(half, cancelsTenTimes), checkout.StateCancelled, deposit / 2, 1},
		{"accepted and declined at once", true, acts(paid, atOnce(mayAccept, declines, declines)), checkout.StateDeclined, 0, 1},
		{"answer to a refund lost, five workers", true, acts(paid, fails(answerLost), declines, nodes(5), nodes(5)), checkout.StateDeclined, 0, 1},
		{"refund bounces days later", false, acts(paid, declines, delivers, waits(5*day), refundBounces, delivers, waits(2*time.Hour), worker),
			checkout.StateDeclined, 0, 1},
		{"refund bounces twice", false, acts(paid, declines, delivers, waits(day), refundBounces, delivers, waits(2*time.Hour), worker,
			waits(day), refundBounces, delivers, waits(2*day), worker), checkout.StateDeclined, 0, 1},
		{"equal partial refunds in the dashboard", false, acts(paid, dashboard(2500), dashboard(2500), delivers, declines), checkout.StateDeclined, 0, 1},
		{"equal partial refunds, webhooks lost", false, acts(paid, dashboard(2500), dashboard(2500), disturbed(stripesim.Dropped), declines),
			checkout.StateDeclined, 0, 1},
		{"refunded whole in the dashboard", false, acts(paid, accepts, dashboard(deposit), delivers), checkout.StateConfirmed, 0, 1},
		{"processor silent when the webhook comes", false, acts(paid, accepts, dashboard(2500),
			fails(stripesim.Failure{Method: "GET", Path: "/v1/refunds", Status: http.StatusBadGateway}), delivers), checkout.StateConfirmed, deposit - 2500, 1},
		{"refunded whole in the dashboard, then cancelled", false, acts(half, dashboard(deposit), delivers, cancels("")), checkout.StateCancelled, 0, 1},
		{"dashboard while the refund is sent", false, acts(paid, beforeRefund(dashboard(deposit)), declines), checkout.StateDeclined, 0, 1},
		{"disputed while the refund is sent", false, acts(paid, beforeRefund(disputes(deposit)), declines, decides(true), delivers, waits(2*time.Hour), worker),
			checkout.StateDeclined, 0, 1},
		{"cancelled, then disputed and lost", false, acts(half, cancels(""), delivers, disputes(deposit/2), delivers, decides(false), delivers),
			checkout.StateCancelled, deposit / 2, 1},
		{"cancelled, then disputed and won", false, acts(half, cancels(""), delivers, disputes(deposit/2), delivers, decides(true), delivers),
			checkout.StateCancelled, deposit / 2, 1},
		{"disputed, then cancelled, won", false, acts(half, disputes(deposit), delivers, cancels(""), untouched(worker, nodes(2)), decides(true), delivers),
			checkout.StateCancelled, deposit / 2, 1},
		{"disputed, then cancelled, lost", false, acts(half, disputes(deposit), delivers, cancels(""), decides(false), delivers),
			checkout.StateCancelled, deposit, 1},
		{"disputed with every webhook lost, then declined, won", false, acts(paid, disputes(deposit), disturbed(stripesim.Dropped), declines, decides(true),
			disturbed(stripesim.Dropped), waits(2*day), worker), checkout.StateDeclined, 0, 1},
		{"disputed and won on a confirmed booking", false, acts(paid, accepts, disputes(deposit), delivers, decides(true), delivers), checkout.StateConfirmed, deposit, 1},
		{"paid by a card that is disputed at once", false, acts(books, paysWith(stripesim.CardDisputed), delivers, waits(time.Minute), delivers, declines, decides(true), delivers),
			checkout.StateDeclined, 0, 1},
		{"key of the refund used for something else", false, acts(paid, keyTaken(":refund:1"), declines, waits(2*time.Hour), worker), checkout.StateDeclined, 0, 1},
		{"key of the page used for something else", false, acts(books, waits(late), worker, keyTaken(":checkout:2"), cannotPay("payment_unavailable"),
			triesAgain, pays, delivers), checkout.StateAwaiting, deposit, 1},
	})
}

func dearer(p *catalog.Package) { p.Lines[0].Amount = cny(60000) }

func harsher(p *catalog.Package) {
	p.Policy = catalog.Policy{Tiers: []catalog.Tier{{DaysBefore: 90, RefundBasisPoints: 100}}}
}

// TestEveryOrderOfEvents: whatever order the events of a life arrive in, the
// booking ends the same.
func TestEveryOrderOfEvents(t *testing.T) {
	for engine, place := range storetest.Places() {
		for _, refunded := range []int64{0, 2500} {
			t.Run(fmt.Sprintf("%s/%d refunded", engine, refunded), func(t *testing.T) {
				t.Parallel()
				s := newScene(t, storetest.Open(t, place(t)))
				s.choice = wide(catalog.OnAcceptance)
				orders := permutations(3)
				if refunded > 0 {
					orders = permutations(4)
				}
				if engine != "sqlite" {
					orders = orders[len(orders)-2:]
				}
				for _, order := range orders {
					s.eventsIn(order, refunded)
				}
				s.rest()
				s.audit()
			})
		}
	}
}

// eventsIn plays a life at the processor before any event arrives: the deposit
// is paid, a part refunded, the rest disputed and won back. Then the events
// arrive in an order.
func (s *scene) eventsIn(order []int, refunded int64) {
	s.t.Helper()
	s.quote = checkout.Quote{}
	books(s)
	pays(s)
	got := s.now()
	sess, err := s.stripe.Session(ctx, got.Attempts[0].SessionID)
	s.must(err)
	if refunded > 0 {
		_, err = s.sim.RefundFromDashboard(ctx, sess.PaymentID, refunded)
		s.must(err)
	}
	dispute, err := s.sim.CreateDispute(ctx, sess.PaymentID, deposit-refunded, "fraudulent")
	s.must(err)
	s.must(s.sim.CloseDispute(ctx, dispute, true))
	hooks := s.hooks(sess.PaymentID)
	if len(hooks) != len(order) {
		s.t.Fatalf("%d events, want %d", len(hooks), len(order))
	}
	for _, i := range order {
		s.must(s.HandleWebhook(ctx, hooks[i], stripesim.Sign(hooks[i], secret, s.clock.Now())))
	}
	got = s.now()
	if got.State != checkout.StateAwaiting || got.Refunded.Amount != refunded || len(got.Disputes) != 1 || got.Disputes[0].Open {
		s.t.Errorf("order %v: %s, refunded %s, disputes %+v\n%s", order, got.State, got.Refunded, got.Disputes, timeline(got))
	}
}

// TestBadWebhooksChangeNothing: a webhook that is refused, and one that was
// taken before, leave the log as it is.
func TestBadWebhooksChangeNothing(t *testing.T) {
	s := newScene(t, storetest.Open(t, storetest.SQLite(t)))
	books(s)
	pays(s)
	body := s.hooks("")[0]
	now := s.clock.Now()
	api := httptest.NewServer(s.sim)
	defer api.Close()
	client := func(key string, secrets ...string) *stripepay.Client {
		c, err := stripepay.New(stripepay.Config{SecretKey: key, WebhookSecrets: secrets, APIURL: api.URL, Clock: s.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := stripepay.New(stripepay.Config{SecretKey: "sk_test_1", WebhookSecrets: []string{""}, APIURL: api.URL, Clock: s.clock.Now}); err == nil {
		t.Error("an empty secret is taken")
	}
	signed := func(body []byte) string { return stripesim.Sign(body, secret, now) }
	version := bytes.Replace(body, []byte("2024-06-20"), []byte("2020-08-27"), 1)
	live := bytes.Replace(body, []byte(`"livemode": false`), []byte(`"livemode": true`), -1)
	large := append(slices.Clone(body), bytes.Repeat([]byte(" "), stripepay.MaxWebhook)...)
	for _, tt := range []struct {
		name      string
		client    *stripepay.Client
		body      []byte
		signature string
		kind      fault.Kind
	}{
		{"old", s.stripe, body, stripesim.Sign(body, secret, now.Add(-time.Hour)), fault.Unauthorized},
		{"of the future", s.stripe, body, stripesim.Sign(body, secret, now.Add(time.Hour)), fault.Unauthorized},
		{"signed by somebody else", s.stripe, body, stripesim.Sign(body, "whsec_other", now), fault.Unauthorized},
		{"unsigned", s.stripe, body, "", fault.Unauthorized},
		{"changed after it was signed", s.stripe, append(slices.Clone(body), ' '), signed(body), fault.Unauthorized},
		{"of another version", s.stripe, version, signed(version), fault.Invalid},
		{"of the other mode", s.stripe, live, signed(live), fault.Invalid},
		{"too large", s.stripe, large, signed(large), fault.TooLarge},
		{"no event", s.stripe, []byte("{}"), signed([]byte("{}")), fault.Invalid},
		{"with a secret that was taken out of use", client("sk_test_1", "whsec_new"), body, signed(body), fault.Unauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			untouched(func(s *scene) {
				if kind := s.refusedAs(tt.client, tt.body, tt.signature); kind != tt.kind {
					t.Errorf("refused as %q, want %q", kind, tt.kind)
				}
			})(s)
		})
	}
	if kind := s.refusedAs(client("sk_test_1", "whsec_new", secret), body, signed(body)); kind != "" {
		t.Errorf("while the secret changes the event is refused as %q", kind)
	}
	is(checkout.StateAwaiting)(s)
	untouched(func(s *scene) { s.must(s.HandleWebhook(ctx, body, signed(body))) })(s)
	s.rest()
	s.audit()
}

// TestProcessorFails: every request to the processor fails in every way, the
// people repeat what they did, and the booking ends as if nothing had been.
func TestProcessorFails(t *testing.T) {
	for _, request := range []struct{ method, path string }{
		{"POST", "/v1/checkout/sessions"}, {"GET", "/v1/checkout/sessions/*"}, {"POST", "/v1/checkout/sessions/*/expire"},
		{"POST", "/v1/refunds"}, {"GET", "/v1/refunds"},
	} {
		t.Run(request.method+" "+request.path, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, storetest.Open(t, storetest.SQLite(t)))
			s.choice = wide(catalog.OnAcceptance)
			for _, f := range []stripesim.Failure{
				{Status: http.StatusTooManyRequests, Times: 2}, {Status: http.StatusInternalServerError},
				{Status: http.StatusInternalServerError, Saved: true}, {Status: http.StatusInternalServerError, AfterEffect: true, Times: 2},
				{Kind: stripesim.Cut, AfterEffect: true, Times: 3},
			} {
				t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
					f.Method, f.Path = request.method, request.path
					s.quote = checkout.Quote{}
					s.sim.Fail(f)
					books(s)
					for range 6 { // the worker opens the page, or the patient another one
						if s.now().PayURL != "" {
							break
						}
						waits(time.Minute)(s)
						worker(s)
						_, _ = s.Pay(ctx, s.id)
					}
					pays(s)
					returns(s)
					for range 4 {
						if s.now().State == checkout.StateAwaiting {
							break
						}
						waits(time.Minute)(s)
						worker(s)
					}
					declines(s)
					unpaid := books2(s)
					// A failure that is kept under the key of a refund is forgotten
					// after a day.
					for range 4 {
						waits(7 * time.Hour)(s)
						worker(s)
					}
					s.sim.Recover()
					delivers(s)
					if got := s.now(); got.State != checkout.StateDeclined || s.balance(got) != 0 || len(got.Payments) != 1 || got.Refunded.Amount != deposit {
						t.Errorf("%s, %d kept of %d payments\n%s", got.State, s.balance(got), len(got.Payments), timeline(got))
					}
					if got := s.settle(unpaid); got.State != checkout.StateExpired || got.Place != 0 {
						t.Errorf("the unpaid one is %s\n%s", got.State, timeline(got))
					}
				})
			}
			s.rest()
			s.audit()
		})
	}
}

// books2 makes another booking that nobody pays and returns its id.
func books2(s *scene) string {
	other := scene{bench: s.bench, choice: s.choice}
	books(&other)
	return other.id
}

// TestCurrencies follows deposits with zero, two and three decimals, and those
// that Stripe takes in steps, to the processor and back.
func TestCurrencies(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		_, embedded := b.config.Engine.(mortalEngine).Engine.(*sqlite.Engine)
		s := &scene{bench: b}
		s.config.Rates = catalog.Rates{Date: "2026-11-20", Base: "EUR", Rates: map[string]catalog.Rate{
			"CNY": {PerBase: "10"}, "JPY": {PerBase: "150"}, "KRW": {PerBase: "1600.5"}, "VND": {PerBase: "28000"},
			"KWD": {PerBase: "0.3713"}, "ISK": {PerBase: "140.7"}, "UGX": {PerBase: "4200"},
		}}
		s.restart()
		id := string(catalog.OnAcceptance)
		s.choice = wide(catalog.OnAcceptance)
		publishes(func(p *catalog.Package) { p.Presentment = []string{"JPY", "KRW", "VND", "KWD", "ISK", "UGX"} })(s)
		// 20 % of CNY 6000 + 3000 is EUR 180; four fifths of it go back to who is
		// unfit to travel.
		for _, tt := range []struct {
			currency      string
			deposit, back int64
		}{
			{"JPY", 27000, 21600}, {"KRW", 288090, 230472}, {"VND", 5040000, 4032000},
			{"KWD", 66830, 53460}, {"ISK", 2532600, 2026100}, {"UGX", 75600000, 60480000},
		} {
			if !embedded && tt.currency != "KWD" && tt.currency != "UGX" { // one with decimals, one with large amounts
				continue
			}
			s.choice = checkout.Choice{PackageID: id, StartKey: s.choice.StartKey, Currency: tt.currency, Lang: "en"}
			s.quote = checkout.Quote{}
			books(s)
			got := s.now()
			sess, err := s.stripe.Session(ctx, got.Attempts[0].SessionID)
			want := catalog.Money{Amount: tt.deposit, Currency: tt.currency}
			if err != nil || sess.Amount != want || got.Quote.Deposit != want {
				t.Errorf("the page asks for %s, the quote for %s, want %s; %v", sess.Amount, got.Quote.Deposit, want, err)
			}
			pays(s)
			delivers(s)
			accepts(s)
			cancels(catalog.CauseUnfit)(s)
			if got = s.now(); got.State != checkout.StateCancelled || got.Refunded != (catalog.Money{Amount: tt.back, Currency: tt.currency}) {
				t.Errorf("%s: %s, refunded %s, want %d\n%s", tt.currency, got.State, got.Refunded, tt.back, timeline(got))
			}
		}
		s.rest()
		s.audit()
	})
}
