package checkout_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/checkouttest"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// scenario tells what happens to a booking and how it must end.
type scenario struct {
	name string
	// everywhere runs it on every engine: what races depends on the engine,
	// what happens at the processor does not.
	everywhere bool
	acts       []act
	state      checkout.State
	// kept is what the processor has received and not sent back in the end.
	kept int64
	// payments that came in all.
	payments int
}

// act is something that somebody does, or that happens.
type act func(s *scene)

// scene is where a scenario takes place.
type scene struct {
	*bench
	choice checkout.Choice
	quote  checkout.Quote
	id     string
}

// play runs scenarios, each on a fresh store.
func play(t *testing.T, list []scenario) {
	for engine, place := range storetest.Places() {
		for _, sc := range list {
			if engine != "sqlite" && !sc.everywhere {
				continue
			}
			t.Run(engine+"/"+sc.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, storetest.Open(t, place(t)))
				for _, a := range sc.acts {
					a(s)
				}
				s.rest()
				got := s.now()
				if got.State != sc.state || s.balance(got) != sc.kept || len(got.Payments) != sc.payments {
					t.Errorf("the booking is %s, %d kept of %d payments; want %s, %d of %d\n%s", got.State, s.balance(got), len(got.Payments),
						sc.state, sc.kept, sc.payments, timeline(got))
				}
				s.audit()
			})
		}
	}
}

func newScene(t *testing.T, engine store.Engine) *scene {
	t.Helper()
	s := &scene{bench: newBench(t, engine), choice: choice(catalog.OnAcceptance)}
	s.config.Methods, s.config.Country = []string{checkout.MethodAlipay, checkout.MethodWeChat}, "US"
	s.restart()
	return s
}

// now is the booking as its log says.
func (s *scene) now() checkout.Booking {
	s.t.Helper()
	got, err := s.Booking(ctx, s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// payment is the id of the latest payment.
func (s *scene) payment() string {
	s.t.Helper()
	got := s.now()
	if len(got.Payments) == 0 {
		s.t.Fatalf("no payment\n%s", timeline(got))
	}
	return got.Payments[len(got.Payments)-1].ID
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
	}
}

// rest lets everything that is under way arrive.
func (b *bench) rest() {
	b.t.Helper()
	b.sim.Recover()
	for range 3 {
		b.clock.Advance(6 * time.Minute)
		if err := b.sim.Advance(ctx); err != nil {
			b.t.Fatal(err)
		}
		b.deliver()
		b.due()
	}
}

// audit checks every promise over all bookings.
func (b *bench) audit() {
	b.t.Helper()
	capacity := func(startKey string) (int, map[string]int, error) {
		id, _, _ := catalog.ParseStartKey(startKey)
		d, err := b.catalog.Departures.Get(ctx, id)
		return d.Capacity, d.RoomCapacity, err
	}
	faults, err := checkouttest.Audit(ctx, b.Service, b.stripe, capacity, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), b.clock.Now().Add(time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range faults {
		b.t.Error(f)
		if got, err := b.Booking(ctx, f[:min(26, len(f))]); err == nil {
			b.t.Log("\n" + timeline(got))
		}
	}
}

// What the patient does.

func quotes(s *scene) { s.quote = s.bench.quote(s.choice) }

func books(s *scene) {
	if s.quote.ID == "" {
		quotes(s)
	}
	got, err := s.Book(ctx, s.quote.ID, patient)
	s.must(err)
	s.id = got.ID
}

// page is the payment page that the patient has open.
func (s *scene) page() string {
	s.t.Helper()
	got := s.now()
	i := slices.IndexFunc(got.Attempts, func(a checkout.Attempt) bool { return a.URL != "" && a.URL == got.PayURL })
	if i < 0 {
		s.t.Fatalf("no payment page is open\n%s", timeline(got))
	}
	return got.Attempts[i].SessionID
}

// paysWith pays by a card.
func paysWith(card string) act {
	return func(s *scene) { s.must(s.sim.Pay(ctx, s.page(), card)) }
}

func pays(s *scene) { paysWith(stripesim.CardSucceeds)(s) }

// paysSlowly pays by a method whose money comes later.
func paysSlowly(s *scene) {
	s.must(s.sim.PayLater(ctx, s.page(), checkout.MethodWeChat))
}

// moneyComes ends a slow payment.
func moneyComes(comes bool) act {
	return func(s *scene) {
		got := s.now()
		s.must(s.sim.SettleAsync(ctx, got.Attempts[len(got.Attempts)-1].SessionID, comes))
	}
}

func returns(s *scene) { s.settle(s.id) }

// triesAgain asks for a payment page once more.
func triesAgain(s *scene) {
	url, err := s.Pay(ctx, s.id)
	if err != nil || url == "" {
		s.t.Errorf("pay again at %q, %v", url, err)
	}
}

// cannotPay asks for a payment page and gets none, for a reason.
func cannotPay(reason string) act {
	return func(s *scene) {
		if url, err := s.Pay(ctx, s.id); code(err) != reason {
			s.t.Errorf("pay at %q, %v; want code %s", url, err, reason)
		}
	}
}

func cancels(cause catalog.Cause) act {
	return func(s *scene) {
		p, err := s.CancelPreview(ctx, s.id, cause)
		if err != nil {
			s.t.Error(err)
			return
		}
		_, err = s.Cancel(ctx, s.id, cause, p.Refund, by)
		s.must(err)
	}
}

// cancelsTenTimes clicks ten times on the button of one preview.
func cancelsTenTimes(s *scene) {
	p, err := s.CancelPreview(ctx, s.id, "")
	s.must(err)
	atOnce(times(10, func(s *scene) { _, err := s.Cancel(ctx, s.id, "", p.Refund, by); s.must(err) })...)(s)
}

// What the hospital does.

// mayAccept accepts where that is still possible.
func mayAccept(s *scene) {
	if _, err := s.Accept(ctx, s.id, by); !fault.Is(err, fault.Conflict) {
		s.must(err)
	}
}

func accepts(s *scene)  { _, err := s.Accept(ctx, s.id, by); s.must(err) }
func declines(s *scene) { _, err := s.Decline(ctx, s.id, by); s.must(err) }

// What time and the worker do.

func waits(d time.Duration) act {
	return func(s *scene) { s.clock.Advance(d); s.must(s.sim.Advance(ctx)) }
}

func worker(s *scene) { s.due() }

// What happens at the processor and on the line.

func delivers(s *scene) { s.deliver() }

func disturbed(f func([]stripesim.Delivery) []stripesim.Delivery) act {
	return func(s *scene) { s.sim.Disturb(f); s.deliver(); s.sim.Disturb(nil) }
}

func fails(f stripesim.Failure) act { return func(s *scene) { s.sim.Fail(f) } }

// dashboard refunds an amount at the processor.
func dashboard(amount int64) act {
	return func(s *scene) {
		_, err := s.sim.RefundFromDashboard(ctx, s.payment(), amount)
		s.must(err)
	}
}

// disputes contests what is left of the payment up to an amount.
func disputes(amount int64) act {
	return func(s *scene) { _, err := s.sim.CreateDispute(ctx, s.payment(), amount, "fraudulent"); s.must(err) }
}

func decides(won bool) act {
	return func(s *scene) {
		list, err := s.stripe.Disputes(ctx, s.payment())
		s.must(err)
		s.must(s.sim.CloseDispute(ctx, list[len(list)-1].ID, won))
	}
}

// refundBounces makes the last refund fail, as a bank does days later.
func refundBounces(s *scene) {
	list, err := s.stripe.Refunds(ctx, s.payment())
	s.must(err)
	s.must(s.sim.FailRefund(ctx, list[len(list)-1].ID, "expired_or_canceled_card"))
}

// keyTaken uses an idempotency key of the booking for something else.
func keyTaken(key string) act {
	return func(s *scene) {
		p := s.now().Attempts[0].Params
		p.IdempotencyKey, p.BookingID, p.ExpiresAt = s.id+key, "elsewhere", s.clock.Now().Add(time.Hour)
		_, err := s.stripe.CreateSession(ctx, p)
		s.must(err)
	}
}

// refundHook is a card processor before whose next refund something happens.
type refundHook struct {
	checkout.Payments
	once *sync.Once
	then func()
}

func (h refundHook) CreateRefund(ctx context.Context, p checkout.RefundParams) (checkout.Refund, error) {
	h.once.Do(h.then)
	return h.Payments.CreateRefund(ctx, p)
}

// beforeRefund lets something happen after the refunds were looked at and just
// before one is sent.
func beforeRefund(a act) act {
	return func(s *scene) {
		s.config.Payments = refundHook{s.config.Payments, new(sync.Once), func() { a(s) }}
		s.restart()
	}
}

// forged makes a page for the booking that the booking did not ask for, and
// pays it.
func forged(change func(*checkout.SessionParams)) act {
	return func(s *scene) {
		p := s.now().Attempts[0].Params
		p.IdempotencyKey = "elsewhere"
		p.Methods = []string{checkout.MethodCard}
		change(&p)
		sess, err := s.stripe.CreateSession(ctx, p)
		s.must(err)
		s.must(s.sim.Pay(ctx, sess.ID, stripesim.CardSucceeds))
	}
}

// What happens around the booking.

// publishes edits the package of the booking in the catalogue.
func publishes(change func(*catalog.Package)) act {
	return func(s *scene) {
		p := pkg(s.choice.PackageID)
		change(&p)
		_, err := s.bench.catalog.Packages.Publish(ctx, p, catalog.Edit{Author: "test", Reason: "test"})
		s.must(err)
	}
}

// atOnce lets acts happen at the same time.
func atOnce(acts ...act) act {
	return func(s *scene) {
		var group sync.WaitGroup
		for _, a := range acts {
			group.Go(func() { a(s) })
		}
		group.Wait()
	}
}

func times(n int, a act) []act { return slices.Repeat([]act{a}, n) }

// justBefore lets something happen just before an operation of the next act.
func justBefore(operation string, acts ...act) act {
	return func(s *scene) {
		s.pause.before(func(op string) bool { return strings.HasPrefix(op, operation) }, func() {
			for _, a := range acts {
				a(s)
			}
		})
	}
}

// settlesAhead is a process whose clock is an hour ahead.
func settlesAhead(s *scene) {
	config := s.config
	config.Now = func() time.Time { return s.clock.Now().Add(time.Hour) }
	node, err := checkout.New(ctx, config)
	s.must(err)
	_, err = node.Settle(ctx, s.id)
	s.must(err)
}

// nodes lets other processes on the same store settle the booking at once.
func nodes(n int) act {
	return func(s *scene) {
		var group sync.WaitGroup
		for range n {
			node, err := checkout.New(ctx, s.config)
			s.must(err)
			group.Go(func() { _, err := node.Settle(ctx, s.id); s.must(err) })
		}
		group.Wait()
	}
}

// is checks the state in between.
func is(state checkout.State) act {
	return func(s *scene) {
		if got := s.now(); got.State != state {
			s.t.Errorf("the booking is %s, want %s\n%s", got.State, state, timeline(got))
		}
	}
}

// untouched runs acts that must leave the log as it is.
func untouched(acts ...act) act {
	return func(s *scene) {
		before := s.now()
		for _, a := range acts {
			a(s)
		}
		if after := s.now(); len(after.Timeline) != len(before.Timeline) {
			s.t.Errorf("the log has grown from %d entries\n%s", len(before.Timeline), timeline(after))
		}
	}
}

// hooks are the webhooks of the booking and of a payment so far that checkout
// acts on; none of them has had an effect.
func (s *scene) hooks(payment string) [][]byte {
	s.t.Helper()
	s.power.die(0, false)
	s.deliver()
	s.power.revive()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out [][]byte
	seen := map[string]bool{}
	for _, d := range s.events {
		ev, err := s.stripe.ParseEvent(d.body, stripesim.Sign(d.body, secret, s.clock.Now()))
		if err == nil && ev.Known && (ev.BookingID == s.id || ev.PaymentID == payment) && !seen[ev.ID] {
			seen[ev.ID] = true
			out = append(out, d.body)
		}
	}
	return out
}

// permutations of 0…n-1.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			out = append(out, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return out
}

// refusedAs is the kind of fault with which a webhook is refused.
func (s *scene) refusedAs(client *stripepay.Client, body []byte, signature string) fault.Kind {
	s.t.Helper()
	config := s.config
	config.Payments = client
	service, err := checkout.New(ctx, config)
	if err != nil {
		s.t.Fatal(err)
	}
	err = service.HandleWebhook(ctx, body, signature)
	var e *fault.Error
	if err != nil && !errors.As(err, &e) {
		s.t.Fatalf("a webhook is refused with %v", err)
	}
	if e == nil {
		return ""
	}
	return e.Kind
}
