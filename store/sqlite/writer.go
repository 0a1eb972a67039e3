package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"github.com/medtour/medtour/fault"
)

// request is one write on its way to the writer.
type request struct {
	// apply runs the write's statement. A *fault.Error refuses this write
	// alone; any other error fails the whole batch.
	apply func() error
	// size in bytes, roughly.
	size int
	// claimed is set by whoever comes first: the writer that takes the
	// request, or the caller that gives it up.
	claimed atomic.Bool
	// done receives the outcome after the commit.
	done chan error
}

// submit hands a write to the writer and waits until it is on the disk. A
// caller whose context ends while the write still waits takes it back;
// afterwards the outcome is decided and the caller learns it.
func (e *Engine) submit(ctx context.Context, size int, apply func() error) error {
	leave, err := e.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := e.refuseWrites(); err != nil {
		return err
	}
	r := &request{apply: apply, size: size, done: make(chan error, 1)}
	select {
	case e.queue <- r:
	case <-ctx.Done():
		return translate(ctx.Err())
	}
	select {
	case err := <-r.done:
		return translate(err)
	case <-ctx.Done():
		if r.claimed.CompareAndSwap(false, true) {
			return translate(ctx.Err())
		}
		return translate(<-r.done)
	}
}

// runWriter commits batches until the queue is closed.
func (e *Engine) runWriter() {
	defer close(e.writerDone)
	for first := range e.queue {
		e.commit(e.collect(first))
	}
}

// collect returns the first request and those that wait behind it.
func (e *Engine) collect(first *request) []*request {
	var batch []*request
	size := 0
	take := func(r *request) {
		if r.claimed.CompareAndSwap(false, true) {
			batch = append(batch, r)
			size += r.size
		}
	}
	take(first)
	for len(batch) < batchLength && size < batchBytes {
		select {
		case r, ok := <-e.queue:
			if !ok {
				return batch
			}
			take(r)
		default:
			return batch
		}
	}
	return batch
}

// commit applies a batch in one transaction and answers its callers.
func (e *Engine) commit(batch []*request) {
	if len(batch) == 0 {
		return
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	refusals, err := e.transaction(batch)
	for i, r := range batch {
		if err != nil {
			r.done <- err
		} else {
			r.done <- refusals[i]
		}
	}
}

// transaction returns the refusal, or nil, of each write, or the error that
// undid them all. The callers' contexts play no part: what is claimed is
// finished.
func (e *Engine) transaction(batch []*request) (refusals []error, err error) {
	ctx := context.Background()
	if err := e.exec("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// Some errors have ended the transaction already, and then there
			// is nothing to roll back.
			_, _ = e.conn.ExecContext(ctx, "ROLLBACK")
		}
	}()
	refusals = make([]error, len(batch))
	for i, r := range batch {
		var refusal *fault.Error
		if err := r.apply(); errors.As(err, &refusal) {
			refusals[i] = refusal
		} else if err != nil {
			return nil, err
		}
	}
	return refusals, e.exec("COMMIT")
}

func (e *Engine) exec(query string, args ...any) error {
	_, err := e.execCount(query, args...)
	return err
}

// execCount runs a statement on the writer's connection and returns how many
// rows it changed. Only what holds e.writing calls it.
func (e *Engine) execCount(query string, args ...any) (int64, error) {
	statement, err := e.writeStatement(query)
	if err != nil {
		return 0, err
	}
	result, err := statement.Exec(args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (e *Engine) writeStatement(query string) (*sql.Stmt, error) {
	if statement := e.writeStatements[query]; statement != nil {
		return statement, nil
	}
	statement, err := e.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	e.writeStatements[query] = statement
	return statement, nil
}
