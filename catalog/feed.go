package catalog

import (
	"context"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Change is one entry of the change feed: something about an entry changed.
// Readers load the entry to learn what.
type Change struct {
	// Seq numbers the changes from 1 without gaps.
	Seq      int64     `json:"seq"`
	Kind     Kind      `json:"kind"`
	ID       string    `json:"id"`
	Revision int       `json:"revision"`
	State    State     `json:"state"`
	At       time.Time `json:"at"`
}

// pollEvery is how often a node looks for the changes of others.
const pollEvery = 250 * time.Millisecond

// flushEvery is how often a node looks for changes left untold.
const flushEvery = 5 * time.Second

// appendChange gives a change the next number. Numbers have no gaps, so a
// reader that saw number n has seen everything up to n: whoever loses the race
// for a number takes the next.
func (c *Catalog) appendChange(ctx context.Context, ch Change) error {
	for {
		c.mu.Lock()
		ch.Seq = c.lastSeq + 1
		c.mu.Unlock()
		ch.At = c.now().UTC()
		err := c.changes.Insert(ctx, store.SeqKey(ch.Seq), ch)
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
		c.sawSeq(ch.Seq)
		if err == nil {
			return nil
		}
	}
}

// sawSeq notes that a number is taken and wakes who waits for changes.
func (c *Catalog) sawSeq(seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq > c.lastSeq {
		c.lastSeq = seq
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

func (c *Catalog) readLastSeq(ctx context.Context) error {
	page, err := c.changes.Find(ctx, store.Query{Descending: true, Limit: 1})
	if err == nil && len(page.Items) > 0 {
		c.lastSeq = page.Items[0].Value.Seq
	}
	return err
}

// LastSeq returns the number of the last change known to this node.
func (c *Catalog) LastSeq() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastSeq
}

// Changes returns up to limit changes after a number, in order.
func (c *Catalog) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	page, err := c.changes.Find(ctx, store.Query{From: store.SeqKey(after + 1), Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]Change, len(page.Items))
	for i, rec := range page.Items {
		out[i] = rec.Value
	}
	return out, nil
}

// Wait returns when there may be changes after a number: at once after a
// change of this node, within a quarter of a second after one of another.
func (c *Catalog) Wait(ctx context.Context, after int64) error {
	c.mu.Lock()
	changed, last := c.changed, c.lastSeq
	c.mu.Unlock()
	if last > after {
		return ctx.Err()
	}
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer.C:
	}
	return nil
}

// Run follows the feed, so that this node does not go on showing what another
// has replaced, and tells what died writers left untold. It returns when the
// context ends; report is called with what goes wrong meanwhile, which is
// tried again.
func (c *Catalog) Run(ctx context.Context, report func(error)) {
	seen := c.LastSeq()
	flushed := time.Now()
	for c.Wait(ctx, seen) == nil {
		changes, err := c.Changes(ctx, seen, store.MaxPage)
		if err != nil && ctx.Err() == nil {
			report(err)
		}
		for _, ch := range changes {
			if k := c.keeper(ch.Kind); k != nil {
				k.invalidate(ch.ID)
			}
			seen = ch.Seq
			c.sawSeq(ch.Seq)
		}
		if time.Since(flushed) >= flushEvery {
			if err := c.Flush(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
			flushed = time.Now()
		}
	}
}

// Flush tells the feed every change that a writer left untold when it died.
func (c *Catalog) Flush(ctx context.Context) error {
	for _, kind := range Kinds {
		if err := c.keeper(kind).flush(ctx); err != nil {
			return err
		}
	}
	return nil
}
