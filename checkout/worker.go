package checkout

import (
	"context"
	"sync"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// workerTick is the longest pause between two passes of the worker.
	workerTick = time.Minute
	// workerWidth is how many bookings are settled at a time; the card
	// processor answers within some hundred milliseconds.
	workerWidth = 4
	// hourly and daily are how often the two longer reconciliations run. Old
	// quotes, events and findings are removed every hour.
	hourly = time.Hour
	daily  = 24 * time.Hour
)

// Run is the worker: it settles every booking that is due, at once and then
// every minute, sooner when a deadline is nearer, until the context ends. Any
// number of processes may run it on one store.
func (s *Service) Run(ctx context.Context) {
	var hour, day time.Time
	for ctx.Err() == nil {
		if err := s.SettleDue(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "checkout: worker", "error", err)
		}
		if now := s.now(); now.Sub(hour) >= hourly {
			hour = now
			s.reconcile(ctx, SpanHour)
			if err := s.sweepOld(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "checkout: sweep", "error", err)
			}
		}
		if now := s.now(); now.Sub(day) >= daily {
			day = now
			s.reconcile(ctx, SpanDay)
		}
		timer := time.NewTimer(s.pause(ctx))
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// reconcile is Reconcile for Run, which only logs.
func (s *Service) reconcile(ctx context.Context, span Span) {
	f, err := s.Reconcile(ctx, span)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.ErrorContext(ctx, "checkout: reconciliation", "span", span, "error", err)
	case len(f.Repaired)+len(f.Items) > 0:
		s.log.WarnContext(ctx, "checkout: reconciliation", "span", span, "repaired", len(f.Repaired), "items", len(f.Items))
	}
}

// pause is how long the worker rests: until the next deadline, a minute at
// most.
func (s *Service) pause(ctx context.Context) time.Duration {
	now := s.now()
	page, err := s.views.Find(ctx, store.Query{Index: "due", From: store.TimeKey(now), Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return workerTick
	}
	return max(min(page.Items[0].Value.due().Sub(now), workerTick), time.Second)
}

// SettleDue goes on with closings and settles every booking that is due now. A booking that fails is
// logged and left for the next time. Errors: those of the store.
func (s *Service) SettleDue(ctx context.Context) error {
	if err := s.goOnClosings(ctx); err != nil {
		return err
	}
	type due struct {
		id    string
		sweep bool
	}
	var list []due
	now := s.now()
	q := store.Query{Index: "due", To: store.TimeKey(now.Add(1)), Limit: store.MaxPage}
	err := s.views.Each(ctx, q, func(rec store.Record[View]) error {
		busy := rec.Value.Busy
		list = append(list, due{rec.ID, !busy.IsZero() && !busy.After(now)})
		return nil
	})
	if err != nil {
		return err
	}
	work := make(chan due)
	var group sync.WaitGroup
	for range min(workerWidth, len(list)) {
		group.Go(func() {
			for d := range work {
				s.settleDue(ctx, d.id, d.sweep)
			}
		})
	}
	for _, d := range list {
		if ctx.Err() != nil {
			break
		}
		work <- d
	}
	close(work)
	group.Wait()
	return ctx.Err()
}

func (s *Service) settleDue(ctx context.Context, id string, sweep bool) {
	_, err := s.settle(ctx, id, look{sweep: sweep})
	if fault.Is(err, fault.NotFound) && sweep {
		// Marked by somebody who died before the first entry.
		err = s.views.Delete(ctx, id, 0)
	}
	if err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "checkout: booking not settled", "booking", id, "error", err)
	}
}

// sweepOld removes quotes, events and findings that nobody will ask for again.
func (s *Service) sweepOld(ctx context.Context) error {
	err := removeBefore(ctx, s.quotes, "expires", s.now().Add(-keepQuotes))
	if err != nil {
		return err
	}
	if err := removeBefore(ctx, s.events, "at", s.now().Add(-keepEvents)); err != nil {
		return err
	}
	return removeBefore(ctx, s.runs, "at", s.now().Add(-keepRuns))
}

func removeBefore[T any](ctx context.Context, c *store.Collection[T], index string, before time.Time) error {
	return c.Each(ctx, store.Query{Index: index, To: store.TimeKey(before), Limit: store.MaxPage}, func(rec store.Record[T]) error {
		if err := c.Delete(ctx, rec.ID, 0); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		return nil
	})
}
