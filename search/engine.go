// Package search finds offerings, packages, hospitals and treatments by what
// people type: symptoms, needs, names, other languages and other keyboards,
// misspelt.
//
// The index is bleve's, on disk, derived from the catalogue and kept in step
// with its change feed; it can be deleted at any time and is then built again.
// What a query means (phrases, synonyms, corrections) and how results are
// ordered is decided here, over bleve's postings.
//
// What it promises:
//   - a published change is found within a second, on every node;
//   - a search never waits for a rebuild, and never fails because of one;
//   - the same query over the same state gives the same order;
//   - payment and outcome claims have no part in the order.
package search

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	"golang.org/x/sync/errgroup"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// Config is what an Engine needs.
type Config struct {
	// Dir holds the index and nothing else.
	Dir     string
	Catalog *catalog.Catalog
	// Now decides which departures and claims count.
	Now func() time.Time
	Log *slog.Logger
	// Rates bring prices of different currencies into one order; without them
	// there is neither order nor facet by price.
	Rates catalog.Rates
	// TimeLimit of a query; 0 is two seconds.
	TimeLimit time.Duration
	// Progress, if set, is called while an index is built with the number of
	// entries done and their total.
	Progress func(done, total int)
}

// Engine searches. Its methods may be called at the same time.
type Engine struct {
	cfg   Config
	vocab *vocabulary
	money exchange
	// noFeedback is for the comparison with an engine that has none.
	noFeedback bool

	// mu is held while the index changes: by a batch, a rebuild, Close.
	mu     sync.Mutex
	index  bleve.Index
	folder string
	closed bool
	// day of the last refresh of what depends on today; empty when it is not
	// known.
	day string

	snap atomic.Pointer[snapshot]
	// terms of the vectors that are stored in the index.
	terms *termTable
}

// Keys of bleve's internal values.
const (
	internalSeq   = "medtour_seq"
	internalPrint = "medtour_fingerprint"
)

// mappingVersion changes with what documents are made of. The fingerprint
// adds the vocabulary, whose words are in the documents.
const mappingVersion = 6

func (e *Engine) fingerprint() string {
	return strconv.Itoa(mappingVersion) + "-" + strconv.FormatUint(e.vocab.print, 16)
}

// currentFile names the folder of the index in use.
const currentFile = "CURRENT"

// lockWait is how long Open waits for another process to let go of the index.
const lockWait = "2s"

// errStale is an index that must be built again.
var errStale = errors.New("search: the index was made by another version")

// Open opens the index, or builds it where it is missing, damaged or was made
// by another version. Errors: Unavailable where the folder cannot be used or
// another process has it.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	vocab, err := loadVocabulary()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot use the index folder %s", cfg.Dir)
	}
	e := &Engine{cfg: cfg, vocab: vocab, money: newExchange(cfg.Rates), terms: &termTable{terms: map[termID]string{}}}
	err = e.openCurrent(ctx)
	switch {
	case err == nil:
		e.removeOthers()
		return e, nil
	case fault.Is(err, fault.Unavailable), ctx.Err() != nil:
		return nil, err
	}
	cfg.Log.Info("search: building the index", "because", err)
	if err := e.Rebuild(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// openCurrent opens the index in use. Whatever error comes back but
// Unavailable means that it must be built again.
func (e *Engine) openCurrent(ctx context.Context) (err error) {
	name, err := os.ReadFile(filepath.Join(e.cfg.Dir, currentFile))
	if err != nil {
		return err
	}
	folder := filepath.Join(e.cfg.Dir, filepath.Base(strings.TrimSpace(string(name))))
	idx, err := openIndex(folder)
	if err != nil {
		return err
	}
	print, err := idx.GetInternal([]byte(internalPrint))
	if err == nil && string(print) != e.fingerprint() {
		err = errStale
	}
	if err == nil {
		e.index, e.folder = idx, folder
		err = e.refresh(ctx, nil)
	}
	if err == nil {
		err = e.terms.read(e.snap.Load())
	}
	if err == nil && e.snap.Load().seq > e.cfg.Catalog.LastSeq() {
		err = fmt.Errorf("search: the index is ahead of the catalogue: it belongs to another")
	}
	if err != nil {
		e.index, e.folder = nil, ""
		if s := e.snap.Swap(nil); s != nil {
			s.release()
		}
		return errors.Join(err, idx.Close())
	}
	return nil
}

// openIndex opens a folder. bleve panics on some kinds of damage, which is an
// error here.
func openIndex(folder string) (idx bleve.Index, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("search: damaged index: %v", r)
		}
	}()
	idx, err = bleve.OpenUsing(folder, map[string]any{"bolt_timeout": lockWait})
	if err != nil && strings.Contains(err.Error(), "timeout") {
		return nil, fault.Wrap(fault.Unavailable, err, "another process uses the index in %s; stop it or choose another data folder", folder)
	}
	return idx, err
}

// Close lets the index go. Searches that are under way finish; later ones fail
// with Unavailable.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	if s := e.snap.Swap(nil); s != nil {
		s.release()
	}
	if e.index == nil {
		return nil
	}
	return e.index.Close()
}

// Ready reports whether searches are answered.
func (e *Engine) Ready() bool { return e.snap.Load() != nil }

// Stats returns how many entries are in the index and up to which change of
// the catalogue it follows.
func (e *Engine) Stats() (docs uint64, seq int64) {
	s, err := e.acquire()
	if err != nil {
		return 0, 0
	}
	defer s.release()
	for _, n := range s.count {
		docs += uint64(n)
	}
	return docs, s.seq
}

func (e *Engine) acquire() (*snapshot, error) {
	for {
		s := e.snap.Load()
		if s == nil {
			return nil, fault.New(fault.Unavailable, "search is not ready yet; try again in a moment")
		}
		if s.acquire() {
			return s, nil
		}
	}
}

// refresh makes a snapshot of the index as it is now. Without a phrasebook it
// reads a new one. The caller holds mu or is alone.
func (e *Engine) refresh(ctx context.Context, book *phrasebook) error {
	if book == nil {
		var err error
		if book, err = newPhrasebook(ctx, e.vocab, e.cfg.Catalog); err != nil {
			return err
		}
	}
	s, err := e.snapshot(book)
	if err != nil {
		return err
	}
	if old := e.snap.Swap(s); old != nil {
		old.release()
	}
	return nil
}

// snapshot reads the index as it is now. The caller holds mu or is alone.
func (e *Engine) snapshot(book *phrasebook) (s *snapshot, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("search: damaged index: %v", r)
		}
	}()
	inner, err := e.index.Advanced()
	if err != nil {
		return nil, fmt.Errorf("search: open reader: %w", err)
	}
	reader, err := inner.Reader()
	if err != nil {
		return nil, fmt.Errorf("search: open reader: %w", err)
	}
	if s, err = newSnapshot(reader, e.folder, book, e.money, e.snap.Load()); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	s.terms = e.terms
	return s, nil
}

// buildBatch is the number of documents written at once while building: fewer
// make more files to be merged, more take more memory.
const buildBatch = 1000

// Rebuild builds the index anew beside the one in use and puts it in its
// place. Searches go on meanwhile and see the old one to the end.
func (e *Engine) Rebuild(ctx context.Context) error {
	folder := filepath.Join(e.cfg.Dir, "index-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	idx, err := bleve.NewUsing(folder, newMapping(), scorch.Name, scorch.Name, nil)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot create an index in %s", e.cfg.Dir)
	}
	err = e.fill(ctx, idx)
	if err == nil {
		err = e.swap(ctx, idx, folder)
	}
	if err != nil {
		return errors.Join(err, idx.Close(), os.RemoveAll(folder))
	}
	e.removeOthers()
	return nil
}

// newMapping is bleve's empty mapping: documents bring their own analyzers.
func newMapping() *mapping.IndexMappingImpl {
	m := bleve.NewIndexMapping()
	m.DefaultMapping = bleve.NewDocumentDisabledMapping()
	return m
}

// fill writes every published entry, on every processor. The position in the
// feed is that of before the first one was read, so nothing that changes
// meanwhile is missed.
func (e *Engine) fill(ctx context.Context, idx bleve.Index) error {
	seq := e.cfg.Catalog.LastSeq()
	total, err := e.published(ctx)
	if err != nil {
		return err
	}
	src := e.source()
	chunks := make(chan []catalog.Entity)
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(chunks)
		return src.readAll(ctx, buildBatch, func(chunk []catalog.Entity) error {
			select {
			case chunks <- chunk:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for chunk := range chunks {
				if err := src.write(ctx, idx, chunk); err != nil {
					return err
				}
				mu.Lock()
				done += len(chunk)
				e.progress(done, total)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	batch := idx.NewBatch()
	words := newBuilder()
	for _, c := range e.vocab.concepts {
		for _, t := range c.terms {
			words.wordsOf(languageOf(t.Lang), tokenize(t.Text))
		}
	}
	if err := batch.IndexAdvanced(words.document(vocabularyID)); err != nil {
		return fmt.Errorf("search: write: %w", err)
	}
	batch.SetInternal([]byte(internalSeq), seqBytes(seq))
	batch.SetInternal([]byte(internalPrint), []byte(e.fingerprint()))
	if err := idx.Batch(batch); err != nil {
		return fmt.Errorf("search: write: %w", err)
	}
	return nil
}

// published counts what is going to be indexed.
func (e *Engine) published(ctx context.Context) (int, error) {
	c := e.cfg.Catalog
	sum := int64(0)
	for _, count := range []func(context.Context) (int64, error){c.Offerings.Count, c.Packages.Count, c.Hospitals.Count, c.Treatments.Count} {
		n, err := count(ctx)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return int(sum), nil
}

// write writes entries in one batch.
func (s source) write(ctx context.Context, idx bleve.Index, entries []catalog.Entity) error {
	batch := idx.NewBatch()
	for _, v := range entries {
		d, err := s.documentOf(ctx, v)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		if err := batch.IndexAdvanced(d); err != nil {
			return fmt.Errorf("search: write: %w", err)
		}
	}
	if err := idx.Batch(batch); err != nil {
		return fmt.Errorf("search: write: %w", err)
	}
	return nil
}

func (e *Engine) progress(done, total int) {
	if e.cfg.Progress != nil {
		e.cfg.Progress(done, total)
	}
}

func seqBytes(seq int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

func (e *Engine) source() source {
	return source{cat: e.cfg.Catalog, vocab: e.vocab, now: e.cfg.Now, links: newLinks(e.cfg.Catalog), terms: e.terms}
}

// swap puts a finished index in the place of the one in use.
func (e *Engine) swap(ctx context.Context, idx bleve.Index, folder string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.Unavailable, "search is closed")
	}
	oldIndex, oldFolder := e.index, e.folder
	e.index, e.folder = idx, folder
	err := e.refresh(ctx, nil)
	if err == nil {
		err = e.writeCurrent()
	}
	if err != nil {
		e.index, e.folder = oldIndex, oldFolder
		return err
	}
	e.day = e.today()
	if oldIndex != nil {
		if err := oldIndex.Close(); err != nil {
			e.cfg.Log.Warn("search: close the old index", "err", err)
		}
	}
	return nil
}

func (e *Engine) writeCurrent() error {
	tmp := filepath.Join(e.cfg.Dir, currentFile+".new")
	err := os.WriteFile(tmp, []byte(filepath.Base(e.folder)+"\n"), 0o644)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(e.cfg.Dir, currentFile))
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot write to the index folder %s", e.cfg.Dir)
	}
	return nil
}

// removeOthers deletes the folders of indexes that are not in use.
func (e *Engine) removeOthers() {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, err := filepath.Glob(filepath.Join(e.cfg.Dir, "index-*"))
	for _, f := range found {
		if f != e.folder {
			err = errors.Join(err, os.RemoveAll(f))
		}
	}
	if err != nil {
		e.cfg.Log.Warn("search: remove old indexes", "err", err)
	}
}
