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
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/store/storetest"
)

// post takes notices as an outbox does, each key once.
type post struct {
	mu sync.Mutex
	// fails is how many more fail.
	fails int
	kinds []checkout.NoticeKind
	keys  map[string]int
}

func (p *post) notify(_ context.Context, n checkout.Notice) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails != 0 {
		p.fails--
		return errors.New("the outbox does not answer")
	}
	if p.keys[n.Key]++; p.keys[n.Key] == 1 {
		p.kinds = append(p.kinds, n.Kind)
	}
	return nil
}

// posted starts a process that gives notices.
func (b *bench) posted() *post {
	p := &post{keys: map[string]int{}}
	b.config.Notify = p.notify
	b.restart()
	return p
}

// TestNotices tells the lives of bookings whose patients never come back to the
// site, by what they are told.
func TestNotices(t *testing.T) {
	paid := acts(books, pays, delivers)
	closes := func(move bool) act {
		return func(s *scene) {
			var until time.Time
			if move {
				until = s.clock.Now().Add(48 * time.Hour)
			}
			_, err := s.CloseDeparture(ctx, s.choice.StartKey, until, by)
			s.must(err)
		}
	}
	moves := func(s *scene) {
		to := wide(catalog.OnAcceptance).StartKey
		p, err := s.MovePreview(ctx, s.id, to)
		s.must(err)
		_, err = s.Move(ctx, s.id, to, p.Difference, by)
		s.must(err)
	}
	estimates := func(amount int64) act {
		return func(s *scene) {
			_, err := s.Estimate(ctx, s.id, *cny(amount), s.clock.Now().Add(10*day), by)
			s.must(err)
		}
	}
	asks := func(s *scene) { _, err := s.Ask(ctx, s.id, "Which medicines do you take?", by); s.must(err) }
	refuses := fails(stripesim.Failure{Method: "POST", Path: "/v1/refunds", Status: 400, Times: -1})
	for _, tt := range []struct {
		name  string
		acts  []act
		kinds []checkout.NoticeKind
	}{
		{"nobody pays", acts(books, waits(late), worker), nil},
		{"paid and accepted", acts(paid, accepts), []checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeAccepted}},
		{"declined", acts(paid, declines), []checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeDeclined, checkout.NoticeRefunded}},
		{"no answer", acts(paid, waits(49*time.Hour), worker), []checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeDeclined, checkout.NoticeRefunded}},
		{"asked and reminded", acts(paid, asks, waits(4*day), worker),
			[]checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeAsked, checkout.NoticeReminded}},
		{"cancelled", acts(paid, cancels("")), []checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeCancelled, checkout.NoticeRefunded}},
		{"cancelled before it was paid", acts(books, cancels("")), nil},
		{"departure closed", acts(paid, closes(true), moves), []checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeClosed, checkout.NoticeMoved}},
		{"departure closed at once", acts(paid, closes(false)), []checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeCancelled, checkout.NoticeRefunded}},
		{"estimate", acts(paid, estimates(1000), accepts, estimates(1000), estimates(9000)),
			[]checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeAccepted, checkout.NoticeEstimated}},
		{"amount differs", acts(books, forged(func(p *checkout.SessionParams) { p.Amount.Amount++ }), delivers),
			[]checkout.NoticeKind{checkout.NoticeReturned, checkout.NoticeRefunded}},
		{"refund refused", acts(paid, refuses, declines, waits(25*time.Hour), worker, waits(25*time.Hour), worker, waits(25*time.Hour), worker),
			[]checkout.NoticeKind{checkout.NoticePaid, checkout.NoticeDeclined, checkout.NoticeRefundFailed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, storetest.Open(t, storetest.SQLite(t)))
			p := s.posted()
			for _, a := range tt.acts {
				a(s)
			}
			s.due()
			if !slices.Equal(p.kinds, tt.kinds) {
				t.Errorf("told %v, want %v\n%s", p.kinds, tt.kinds, timeline(s.now()))
			}
			for key := range p.keys {
				if !strings.Contains(key, s.id) {
					t.Errorf("key %q", key)
				}
			}
		})
	}
}

// TestNoticeIsGivenAgain: where the outbox does not answer, and where the
// process dies, the notice is given later with the same key.
func TestNoticeIsGivenAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		p := b.posted()
		got := b.book(wide(catalog.OnAcceptance))
		p.fails = 2
		b.pay(got, stripesim.CardSucceeds)
		b.deliver()
		if len(p.kinds) != 0 {
			t.Fatalf("told %v", p.kinds)
		}
		for range 3 {
			b.clock.Advance(time.Minute)
			b.due()
		}
		if p.keys["paid/"+got.ID] != 1 {
			t.Errorf("told %v", p.keys)
		}
		for n := 0; n < 40; n += 3 {
			got := b.book(wide(catalog.OnAcceptance))
			b.pay(got, stripesim.CardSucceeds)
			b.sim.Disturb(stripesim.Dropped)
			b.power.die(n, n%2 == 0)
			_, _ = b.Settle(ctx, got.ID)
			died := b.power.revive()
			b.power.die(-1, false)
			b.restart()
			b.recover()
			if p.keys["paid/"+got.ID] == 0 {
				t.Errorf("dead at %d: not told", n)
			}
			if !died {
				break
			}
		}
	})
}

// TestOldFactsAreNotTold: a program that learns to give notices does not write
// about what happened long ago.
func TestOldFactsAreNotTold(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	got := b.paid(wide(catalog.OnAcceptance))
	b.clock.Advance(4 * 24 * time.Hour)
	if err := b.Rebuild(ctx); err != nil {
		t.Fatal(err)
	}
	p := b.posted()
	got = b.settle(got.ID)
	if got.State != checkout.StateDeclined || slices.Contains(p.kinds, checkout.NoticePaid) || !slices.Contains(p.kinds, checkout.NoticeDeclined) {
		t.Errorf("%s, told %v", got.State, p.kinds)
	}
}
