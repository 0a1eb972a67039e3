package search

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// Try answers a request as it would be answered were a synonym of the operator
// as given; nothing is stored. It copies the columns of the index, so it is for
// the operator and not for patients. Errors: as Search.
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
	return e.snapshot(book)
}

// SynonymID makes an id of a term: letters and digits of Latin script as they
// are, everything else by a sum, so that a term in any script has one.
func SynonymID(term string) string {
	var b strings.Builder
	for _, t := range tokenize(term) {
		if t.script == latin && b.Len() < 60 {
			b.WriteString(strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
					return r
				}
				return -1
			}, t.text))
			b.WriteByte('-')
		}
	}
	sum := fnv.New32a()
	sum.Write([]byte(fold(term)))
	return strings.TrimLeft(strings.Trim(b.String(), "-")+"-", "-") + strconv.FormatUint(uint64(sum.Sum32()), 36)
}
