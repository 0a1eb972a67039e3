package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
	"unicode/utf8"
)

// Def declares a typed collection.
type Def[T any] struct {
	// Name of the collection: lower-case letters and underscores.
	Name string
	// Indexes of the collection.
	Indexes []Index
	// Keys returns the index values of a document: index name to value. An
	// empty value leaves the document out of that index.
	Keys func(T) map[string]string
}

// Collection is a typed view of the documents of a collection.
type Collection[T any] struct {
	name string
	docs Documents
}

// Record is a document with its id and version.
type Record[T any] struct {
	ID      string
	Version int64
	Value   T
}

// Records is a page of typed documents.
type Records[T any] struct {
	Items []Record[T]
	// Next is the cursor of the following page, empty at the end.
	Next string
}

// updateTries bounds how often Update reads again after losing a race. With
// sixteen writers on one document the unluckiest needs a few dozen.
const updateTries = 200

// Open opens a typed collection on an engine.
func Open[T any](ctx context.Context, engine Engine, def Def[T]) (*Collection[T], error) {
	schema := Schema{Name: def.Name, Indexes: def.Indexes}
	if def.Keys != nil {
		schema.Keys = func(body []byte) (map[string]string, error) {
			var v T
			if err := json.Unmarshal(body, &v); err != nil {
				return nil, fmt.Errorf("store: keys of %s: %w", def.Name, err)
			}
			return def.Keys(v), nil
		}
	}
	docs, err := engine.Open(ctx, schema)
	if err != nil {
		return nil, err
	}
	return &Collection[T]{name: def.Name, docs: docs}, nil
}

// Get returns a document. Errors: NotFound.
func (c *Collection[T]) Get(ctx context.Context, id string) (Record[T], error) {
	doc, err := c.docs.Get(ctx, id)
	if err != nil {
		return Record[T]{}, err
	}
	return c.decode(doc)
}

// Insert stores a new document. Errors: Conflict when the id or a unique index
// value is taken; TooLarge.
func (c *Collection[T]) Insert(ctx context.Context, id string, v T) error {
	body, err := c.encode(id, v)
	if err != nil {
		return err
	}
	return c.docs.Insert(ctx, id, body)
}

// Update reads a document, lets change edit it, and writes it where nobody
// else has written since; else it starts again, so change may be called
// several times and must have no effect outside its argument. An error of
// change ends the update and is returned. Errors: NotFound, Conflict when a
// unique index value is taken or the document is too contended, TooLarge.
func (c *Collection[T]) Update(ctx context.Context, id string, change func(*T) error) (Record[T], error) {
	var last error
	for try := range updateTries {
		rec, err := c.Get(ctx, id)
		if err != nil {
			return rec, err
		}
		if err := change(&rec.Value); err != nil {
			return rec, err
		}
		err = c.Replace(ctx, rec)
		if err == nil {
			rec.Version++
			return rec, nil
		}
		if !errors.Is(err, errMoved) {
			return rec, err
		}
		last = err
		if err := pause(ctx, try); err != nil {
			return rec, err
		}
	}
	return Record[T]{}, last
}

// pause waits a little, longer after more lost races, so that contending
// writers do not meet again at once.
func pause(ctx context.Context, try int) error {
	limit := time.Millisecond * time.Duration(min(1+try, 20))
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Replace writes a record where the document still has the record's version.
// Errors: NotFound, Conflict, TooLarge.
func (c *Collection[T]) Replace(ctx context.Context, rec Record[T]) error {
	body, err := c.encode(rec.ID, rec.Value)
	if err != nil {
		return err
	}
	return c.docs.Replace(ctx, rec.ID, rec.Version, body)
}

// Delete removes a document that still has the version; version 0 removes it
// whatever its version. Errors: NotFound, Conflict.
func (c *Collection[T]) Delete(ctx context.Context, id string, version int64) error {
	return c.docs.Delete(ctx, id, version)
}

// Find returns a page of documents. Errors: Invalid for an undeclared index or
// a bad cursor.
func (c *Collection[T]) Find(ctx context.Context, q Query) (Records[T], error) {
	page, err := c.docs.Find(ctx, q)
	if err != nil {
		return Records[T]{}, err
	}
	out := Records[T]{Items: make([]Record[T], 0, len(page.Documents)), Next: page.Next}
	for _, doc := range page.Documents {
		rec, err := c.decode(doc)
		if err != nil {
			return Records[T]{}, err
		}
		out.Items = append(out.Items, rec)
	}
	return out, nil
}

// Each calls f for every document that a query matches, page by page, until f
// returns an error, which Each returns.
func (c *Collection[T]) Each(ctx context.Context, q Query, f func(Record[T]) error) error {
	for {
		page, err := c.Find(ctx, q)
		if err != nil {
			return err
		}
		for _, rec := range page.Items {
			if err := f(rec); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

// Count returns how many documents a query matches.
func (c *Collection[T]) Count(ctx context.Context, q Query) (int64, error) {
	return c.docs.Count(ctx, q)
}

func (c *Collection[T]) encode(id string, v T) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: encode %s %q: %w", c.name, id, err)
	}
	return body, nil
}

func (c *Collection[T]) decode(doc Document) (Record[T], error) {
	rec := Record[T]{ID: doc.ID, Version: doc.Version}
	if err := json.Unmarshal(doc.Body, &rec.Value); err != nil {
		return rec, fmt.Errorf("store: decode %s %q: %w", c.name, doc.ID, err)
	}
	return rec, nil
}

// TimeKey renders a time as an index value that sorts in time order.
func TimeKey(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// SeqKey renders a sequence number (not negative) as a value that sorts in
// numeric order.
func SeqKey(n int64) string {
	s := strconv.FormatInt(n, 10)
	const width = 12
	if len(s) >= width {
		return s
	}
	return "000000000000"[:width-len(s)] + s
}

// PrefixQuery selects the documents whose id starts with a prefix.
func PrefixQuery(prefix string) Query {
	return Query{From: prefix, To: prefixEnd(prefix)}
}

// prefixEnd returns the first string after all that start with prefix, empty
// (open) where there is none. Bytes of UTF-8 sort as their code points do, so
// it is the prefix with its last code point raised to the next valid one.
func prefixEnd(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == lastBeforeSurrogates:
			return prefix + string(firstAfterSurrogates)
		case r < utf8.MaxRune:
			return prefix + string(r+1)
		}
	}
	return ""
}

// UTF-8 has no encoding for the code points between these two.
const (
	lastBeforeSurrogates = '\uD7FF'
	firstAfterSurrogates = '\uE000'
)
