package checkout_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/store/storetest"
)

// measured runs a benchmark on every engine.
func measured(b *testing.B, run func(b *testing.B, s *bench)) {
	for engine, place := range storetest.Places() {
		b.Run(engine, func(b *testing.B) { run(b, newBench(b, storetest.Open(b, place(b)))) })
	}
}

// BenchmarkSettledBooking takes bookings from the quote to the hospital's yes,
// with the local Stripe behind HTTP, several at a time.
func BenchmarkSettledBooking(b *testing.B) {
	measured(b, func(b *testing.B, s *bench) {
		var next atomic.Int64
		c := s.dates(b, b.N)
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				got := s.book(c[int(next.Add(1))%len(c)])
				s.pay(got, stripesim.CardSucceeds)
				s.settle(got.ID)
				if _, err := s.Accept(ctx, got.ID, by); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bookings/s")
	})
}

// BenchmarkWebhook is the handler of checkout.session.completed, which fetches
// the session and settles the booking.
func BenchmarkWebhook(b *testing.B) {
	measured(b, func(b *testing.B, s *bench) {
		c := s.dates(b, b.N)
		for i := range b.N {
			s.pay(s.book(c[i%len(c)]), stripesim.CardSucceeds)
		}
		s.power.die(0, false) // the endpoint takes the events, and is dead
		s.deliver()
		s.power.revive()
		var bodies [][]byte
		for _, d := range s.events {
			ev, err := s.stripe.ParseEvent(d.body, stripesim.Sign(d.body, secret, s.clock.Now()))
			if err == nil && ev.Known {
				bodies = append(bodies, d.body)
			}
		}
		if len(bodies) < b.N {
			b.Fatalf("%d events of %d bookings", len(bodies), b.N)
		}
		took := make([]time.Duration, 0, b.N)
		b.ResetTimer()
		for _, body := range bodies[:b.N] {
			start := time.Now()
			if err := s.HandleWebhook(ctx, body, stripesim.Sign(body, secret, s.clock.Now())); err != nil {
				b.Error(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// BenchmarkRestart settles b.N bookings that were paid while the program was
// down, as its worker does when it starts: -benchtime 10000x.
func BenchmarkRestart(b *testing.B) {
	measured(b, func(b *testing.B, s *bench) {
		c := s.dates(b, b.N)
		for i := range b.N {
			s.pay(s.book(c[i%len(c)]), stripesim.CardSucceeds)
		}
		s.clock.Advance(2 * time.Minute)
		s.restart()
		b.ResetTimer()
		s.due()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bookings/s")
	})
}

// dates publishes departures with room for n bookings, not more on one date
// than on real ones, and chooses each place once.
func (s *bench) dates(b *testing.B, n int) []checkout.Choice {
	const each = 40
	var out []checkout.Choice
	for i := 0; len(out) < n; i++ {
		date := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i%600).Format(time.DateOnly)
		d := catalog.Departure{ID: fmt.Sprintf("bench-%d", i), PackageID: string(catalog.OnAcceptance), Date: date, Capacity: each}
		if _, err := s.catalog.Departures.Publish(ctx, d, catalog.Edit{Author: "test", Reason: "test"}); err != nil {
			b.Fatal(err)
		}
		c := choice(catalog.OnAcceptance)
		c.StartKey = d.ID + "_" + date
		for range each {
			out = append(out, c)
		}
	}
	b.ResetTimer()
	return out
}
