package store

import (
	"context"
	"sync"

	"github.com/medtour/medtour/fault"
)

// Gate counts the calls under way in an engine, so that closing waits for
// them and later calls are refused. Its zero value is open.
type Gate struct {
	mu     sync.Mutex
	closed bool
	active sync.WaitGroup
}

// Enter notes a call, which ends with leave. Errors: Canceled for a context
// that has ended, Unavailable after Close.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, GivenUp(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fault.New(fault.Unavailable, "The store is closed.")
	}
	g.active.Add(1)
	return g.active.Done, nil
}

// Close refuses further calls and waits for those under way. It reports
// whether it was the first to close.
func (g *Gate) Close() bool {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	g.mu.Unlock()
	g.active.Wait()
	return first
}

// GivenUp is the error of a call whose context has ended.
func GivenUp(cause error) error {
	return fault.Wrap(fault.Canceled, cause, "The work was given up before it was done.")
}
