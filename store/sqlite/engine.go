// Package sqlite is the embedded engine of package store: one folder on a
// local disk, used by one process, with nothing to install. Others may look
// into it meanwhile with OpenReadOnly.
//
// The folder holds
//
//	medtour.db    the documents (SQLite, write-ahead log)
//	medtour.lock  held while a process uses the folder
//	files/        the streamed files
//
// A write is answered after it is on the disk (synchronous=FULL), so it
// survives the death of the process and the loss of power. Writes that arrive
// together share one commit: a single goroutine collects them into a
// transaction, in which each is one statement, so that one that is refused
// leaves its neighbours alone. Reads go through a pool of their own and never
// wait for writers.
//
// While the process runs, its own code must not open medtour.db or
// medtour.lock as plain files: closing such a file drops the locks that the
// process holds on it (POSIX).
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	databaseFile = "medtour.db"
	lockFile     = "medtour.lock"
	filesFolder  = "files"

	// layout is the version of the database's own layout, kept in
	// user_version. A greater one was written by a newer program.
	layout = 1

	// readers is the number of connections that read at once.
	readers = 8
	// queueLength is how many writes wait for the writer before further
	// callers are held back.
	queueLength = 1024
	// batchLength and batchBytes bound what one commit takes in, and with it
	// how long the first of its writes waits.
	batchLength = 512
	batchBytes  = 32 << 20
)

// Engine is an open data folder. It is safe for concurrent use.
type Engine struct {
	dir string
	// readOnly engines have no lock and no writer.
	readOnly bool

	lock  *sql.DB
	read  *sql.DB
	write *sql.DB
	files *files

	// readStatements keeps the prepared statements of reads by their SQL.
	readStatements sync.Map

	// writing guards the writer's connection and its statements: the writer
	// goroutine holds it for a batch, Open while it changes a table.
	writing         sync.Mutex
	conn            *sql.Conn
	writeStatements map[string]*sql.Stmt

	queue      chan *request
	writerDone chan struct{}

	gate store.Gate
	// collections are the open ones by name; guarded by writing.
	collections map[string]*documents
}

// Open opens a data folder, making it where it is missing. Errors:
// Unavailable when another process uses the folder or it cannot be read and
// written; Invalid when a newer version of the program wrote it.
func Open(dir string) (*Engine, error) {
	e, err := open(dir)
	if err != nil {
		return nil, err
	}
	go e.runWriter()
	return e, nil
}

func open(dir string) (_ *Engine, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, unusable(dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	e := &Engine{
		dir:             dir,
		writeStatements: map[string]*sql.Stmt{},
		queue:           make(chan *request, queueLength),
		writerDone:      make(chan struct{}),
		collections:     map[string]*documents{},
	}
	defer func() {
		if err != nil {
			e.closeDatabases()
		}
	}()
	if e.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	// Without fullfsync macOS leaves writes in the cache of the drive.
	if e.write, err = e.database(1, "busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)", "journal_size_limit(67108864)"); err != nil {
		return nil, unusable(dir, err)
	}
	if e.conn, err = e.write.Conn(context.Background()); err != nil {
		return nil, unusable(dir, err)
	}
	if err := e.checkLayout(); err != nil {
		return nil, err
	}
	if e.read, err = e.database(readers, "busy_timeout(10000)", "query_only(1)"); err != nil {
		return nil, unusable(dir, err)
	}
	if e.files, err = openFiles(e, filepath.Join(dir, filesFolder)); err != nil {
		return nil, unusable(dir, err)
	}
	return e, nil
}

// OpenReadOnly opens a data folder only to read what is in it, while another
// process may be using it. Collections that nobody has made yet are empty, and
// writes fail with Unavailable. Errors: NotFound where there is no data folder;
// those of Open.
func OpenReadOnly(dir string) (_ *Engine, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, unusable(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, databaseFile)); err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "There is no data in the folder %s.", dir)
	}
	e := &Engine{dir: dir, readOnly: true, collections: map[string]*documents{}}
	e.files = &files{engine: e, dir: filepath.Join(dir, filesFolder)}
	if e.read, err = e.database(readers, "busy_timeout(10000)", "query_only(1)"); err != nil {
		return nil, unusable(dir, err)
	}
	var found int
	if err = e.read.QueryRow("PRAGMA user_version").Scan(&found); err == nil && found > layout {
		err = newer(dir, found)
	}
	if err != nil {
		_ = e.read.Close()
		return nil, unusable(dir, err)
	}
	return e, nil
}

// refuseWrites is the error of a write to an engine that only reads.
func (e *Engine) refuseWrites() error {
	if e.readOnly {
		return fault.New(fault.Unavailable, "The data folder %s is open for reading only.", e.dir)
	}
	return nil
}

// database opens the database file with a number of connections.
func (e *Engine) database(connections int, pragmas ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(filepath.Join(e.dir, databaseFile), pragmas...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// dsn names a database file as a URI, in which any path can be written.
func dsn(path string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows path with its drive
	}
	uri := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return uri.String()
}

// lockFolder takes the folder for this process until the lock is closed or
// the process dies. The lock is an exclusive transaction on a database of its
// own, since SQLite locks files on every platform.
func lockFolder(dir string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, lockFile), "busy_timeout(500)"))
	if err != nil {
		return nil, unusable(dir, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		db.Close()
		if code(err) == sqlite3.SQLITE_BUSY {
			return nil, fault.Wrap(fault.Unavailable, err, "The data folder %s is in use by another process: stop that one or choose another folder.", dir)
		}
		return nil, unusable(dir, err)
	}
	return db, nil
}

func (e *Engine) checkLayout() error {
	ctx := context.Background()
	var found int
	if err := e.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return unusable(e.dir, err)
	}
	if found > layout {
		return newer(e.dir, found)
	}
	if found == layout {
		return nil
	}
	if _, err := e.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", layout)); err != nil {
		return unusable(e.dir, err)
	}
	return nil
}

func newer(dir string, found int) error {
	return fault.New(fault.Invalid, "The data folder %s was written by a newer version of this program (layout %d, known here up to %d): use that version.", dir, found, layout)
}

// unusable is the error of a folder that cannot be opened.
func unusable(dir string, err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fault.Wrap(fault.Internal, err, "The database in the data folder %s is damaged: restore it from a backup.", dir)
	}
	return fault.Wrap(fault.Unavailable, err, "The data folder %s cannot be used: it must be a folder on a local disk that this user may read and write.", dir)
}

// Open returns a collection; see store.Engine. A schema that differs from the
// one of the last run is taken over: new indexes are filled, those that are
// no longer declared are removed.
func (e *Engine) Open(ctx context.Context, schema store.Schema) (store.Documents, error) {
	if err := schema.Check(); err != nil {
		return nil, err
	}
	leave, err := e.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	e.writing.Lock()
	defer e.writing.Unlock()
	if d := e.collections[schema.Name]; d != nil {
		if !slices.Equal(d.schema.Indexes, schema.Indexes) {
			return nil, fault.New(fault.Invalid, "The collection %q is open with other indexes.", schema.Name)
		}
		return d, nil
	}
	d := newDocuments(e, schema)
	if e.readOnly {
		var one int
		err := e.read.QueryRowContext(ctx, "SELECT 1 FROM sqlite_schema WHERE name = ?", d.table).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			d.table = d.nothing()
		} else if err != nil {
			return nil, translate(err)
		}
	} else if err := e.migrate(ctx, d); err != nil {
		return nil, translate(err)
	}
	e.collections[schema.Name] = d
	return d, nil
}

// migrate brings the table of a collection to its schema in one transaction.
func (e *Engine) migrate(ctx context.Context, d *documents) (err error) {
	if _, err := e.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = e.conn.ExecContext(context.Background(), "ROLLBACK")
		}
	}()
	if err := d.migrate(ctx, e.conn); err != nil {
		return err
	}
	_, err = e.conn.ExecContext(ctx, "COMMIT")
	return err
}

// Files returns the file store.
func (e *Engine) Files() store.Files { return e.files }

// Ping reports whether the database answers.
func (e *Engine) Ping(ctx context.Context) error {
	leave, err := e.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var one int
	return translate(e.read.QueryRowContext(ctx, "SELECT 1").Scan(&one))
}

// Close waits for the calls under way, closes the database and gives the
// folder back. Every later call fails with Unavailable.
func (e *Engine) Close() error {
	if !e.gate.Close() {
		return nil
	}
	if !e.readOnly {
		close(e.queue)
		<-e.writerDone
	}
	return translate(e.closeDatabases())
}

func (e *Engine) closeDatabases() error {
	var errs []error
	e.readStatements.Range(func(_, statement any) bool {
		errs = append(errs, statement.(*sql.Stmt).Close())
		return true
	})
	for statement := range maps.Values(e.writeStatements) {
		errs = append(errs, statement.Close())
	}
	if e.conn != nil {
		errs = append(errs, e.conn.Close())
	}
	// The writer goes last of the two: as the last connection it folds the
	// log into the database.
	for _, db := range []*sql.DB{e.read, e.write, e.lock} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// readStatement returns a prepared statement of the read pool. The number of
// different queries is bounded by the declared indexes.
func (e *Engine) readStatement(ctx context.Context, query string) (*sql.Stmt, error) {
	if known, ok := e.readStatements.Load(query); ok {
		return known.(*sql.Stmt), nil
	}
	statement, err := e.read.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if other, raced := e.readStatements.LoadOrStore(query, statement); raced {
		return other.(*sql.Stmt), statement.Close()
	}
	return statement, nil
}

// code returns the primary result code of SQLite in an error, 0 where there
// is none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// translate turns an error of the driver into a fault. It is the one place
// where that happens.
func translate(err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return store.GivenUp(err)
	}
	switch code(err) {
	case sqlite3.SQLITE_INTERRUPT:
		return store.GivenUp(err)
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(fault.Unavailable, err, "The disk of the data folder is full.")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fault.Wrap(fault.Unavailable, err, "The database cannot be read or written just now.")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(fault.Internal, err, "The database is damaged: restore it from a backup.")
	case sqlite3.SQLITE_TOOBIG:
		return fault.Wrap(fault.TooLarge, err, "The entry is too large for the database.")
	}
	return fault.Wrap(fault.Internal, err, "The database failed.")
}
