// Package store is where everything durable goes: JSON documents in
// collections, and streamed files. It holds the interface alone; the engines
// store/sqlite (embedded, the default) and store/mongo stand at the edge and
// are wired by the command.
//
// What every engine promises:
//   - a write that returned nil survives the death of the process at any later
//     moment;
//   - a single document changes atomically, and nothing larger does: there are
//     no transactions over several documents;
//   - an insert of an id that is taken fails with fault.Conflict, however many
//     race for it, so a thing that may be claimed once is an insert with a
//     unique id;
//   - a replace states the version it read and fails with fault.Conflict where
//     the document has moved on.
package store

import (
	"context"
	"io"
	"time"
)

const (
	// MaxDocument is the greatest size of a document's body in bytes. MongoDB
	// refuses documents over 16 MiB; the rest is room for keys and envelope.
	MaxDocument = 15 << 20
	// MaxID is the greatest length of an id or an index value in bytes; within
	// the key limits of every engine.
	MaxID = 512
	// MaxPage is the greatest number of documents that one Find returns.
	MaxPage = 1000
	// DefaultPage is the number of documents that Find returns when the query
	// names no limit.
	DefaultPage = 100
)

// Engine is a database.
type Engine interface {
	// Open returns a collection, making it and its indexes where they are
	// missing. An index that is new on a collection with documents is filled
	// before Open returns. Opening a collection twice with the same schema is
	// allowed.
	Open(ctx context.Context, schema Schema) (Documents, error)
	// Files returns the file store.
	Files() Files
	// Ping reports whether the database answers: nil or fault.Unavailable.
	Ping(ctx context.Context) error
	// Close waits for writes under way and closes the database.
	Close() error
}

// Schema describes a collection.
type Schema struct {
	// Name is lower-case letters and underscores.
	Name string
	// Indexes are the declared indexes; only they can be searched by.
	Indexes []Index
	// Keys derives the index values from a body: index name to value. A
	// missing or empty value leaves the document out of that index. It is also
	// used to fill an index that is new.
	Keys func(body []byte) (map[string]string, error)
}

// Index declares an index of a collection.
type Index struct {
	// Name is lower-case letters and underscores.
	Name string
	// Unique refuses a second document with the same non-empty value.
	Unique bool
}

// Document is what engines store.
type Document struct {
	ID string
	// Version is 1 after the insert and grows by one with every replace.
	Version int64
	// Body is a JSON object.
	Body []byte
}

// Documents is a collection of an engine. Packages use it through Collection.
type Documents interface {
	// Get returns a document. Errors: NotFound.
	Get(ctx context.Context, id string) (Document, error)
	// Insert stores a new document with version 1. Errors: Conflict when the
	// id or a unique index value is taken, TooLarge, Invalid for a bad id.
	Insert(ctx context.Context, id string, body []byte) error
	// Replace stores a new body where the document still has the version, and
	// gives it the next one. Errors: NotFound, Conflict (moved on, or a unique
	// index value is taken), TooLarge.
	Replace(ctx context.Context, id string, version int64, body []byte) error
	// Delete removes a document that still has the version; version 0 removes
	// it whatever its version. Errors: NotFound, Conflict.
	Delete(ctx context.Context, id string, version int64) error
	// Find returns a page of documents. Errors: Invalid for an undeclared
	// index or a bad cursor.
	Find(ctx context.Context, query Query) (Page, error)
	// Count returns how many documents a query matches, without limit or
	// cursor.
	Count(ctx context.Context, query Query) (int64, error)
}

// Query selects documents by id or by one declared index, in the order of
// (value, id).
type Query struct {
	// Index is the name of a declared index; empty means the id.
	Index string
	// Equal selects one value; when empty, From and To select a range.
	Equal string
	// From is the first value of the range, inclusive; empty is open.
	From string
	// To is the end of the range, exclusive; empty is open.
	To string
	// Descending reverses the order.
	Descending bool
	// Limit is the greatest number of documents, 0 meaning DefaultPage;
	// MaxPage at most.
	Limit int
	// After is the Next of the page before; empty starts at the beginning.
	After string
}

// Page is a part of the documents that a query matches.
type Page struct {
	Documents []Document
	// Next is the cursor of the following page, empty at the end; a page that
	// would exceed MaxPageBytes ends before its limit. A document
	// that is neither inserted nor removed while paging is returned exactly
	// once.
	Next string
}

// FileInfo describes a stored file.
type FileInfo struct {
	Name        string
	ContentType string
	// Size in bytes.
	Size int64
	// SHA256 of the content, hexadecimal.
	SHA256  string
	Created time.Time
}

// Files stores streamed files under names that are written once. A name is at
// most MaxID bytes of UTF-8 without control characters; slashes mean nothing.
type Files interface {
	// Create stores everything that is read from r. The file exists, whole,
	// once Create has returned nil; after an error or a crash it does not
	// exist. Errors: Conflict when the name is taken, TooLarge when r gives
	// more than limit bytes (limit 0 means no limit), and r's own error.
	Create(ctx context.Context, name, contentType string, r io.Reader, limit int64) (FileInfo, error)
	// Open returns a file's content and description. The caller closes it.
	// Errors: NotFound.
	Open(ctx context.Context, name string) (io.ReadCloser, FileInfo, error)
	// Stat returns a file's description. Errors: NotFound.
	Stat(ctx context.Context, name string) (FileInfo, error)
	// Delete removes a file. Errors: NotFound.
	Delete(ctx context.Context, name string) error
}
