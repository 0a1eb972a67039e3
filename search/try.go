package search

import (
	"context"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// Try answers a request as it would be answered were a synonym of the operator
// as given; nothing is stored. It reads all columns of the index anew, so it is
// for the operator and not for patients. Errors: as Search.
func (e *Engine) Try(ctx context.Context, req Request, s catalog.Synonym) (Result, error) {
	begin := time.Now()
	req, err := req.normal()
	if err != nil {
		return Result{}, err
	}
	book, err := newPhrasebook(ctx, e.vocab, e.cfg.Catalog, s)
	if err != nil {
		return Result{}, err
	}
	trial, err := e.trial(book)
	if err != nil {
		return Result{}, err
	}
	defer trial.release()
	res, err := e.search(ctx, trial, req)
	res.Took = time.Since(begin)
	return res, err
}

func (e *Engine) trial(book *phrasebook) (*snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fault.New(fault.Unavailable, "search is closed")
	}
	return snapshotOf(e.index, book, e.money)
}
