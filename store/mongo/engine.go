// Package mongo is the engine of package store for deployments that outgrow
// one machine: several nodes share one MongoDB database.
//
// A document of a collection is
//
//	{_id: <id>, v: <version>, k: {<index>: <value>}, body: <JSON text>}
//
// The body stays exactly the text that was written. Index values are fields
// of their own, so that an operator may shard by k.<index> as well as by _id.
// A collection with a unique index must stay unsharded, since MongoDB keeps a
// value unique within one shard only, unless it is the shard key.
//
// Writes are acknowledged by the majority of the replica set with their
// journals on disk, and reads go to the primary and see only what a majority
// has: an acknowledged write survives failover, and nothing is decided on
// data that may be rolled back.
//
// A new index is filled when the first node that declares it opens the
// collection. Nodes of a version before, which do not know the index, must be
// stopped by then: they would write documents without its values.
package mongo

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	defaultDatabase = "medtour"
	// selectionTimeout is how long a call waits for a server that answers,
	// long enough for an election.
	selectionTimeout = 5 * time.Second
	// callTimeout bounds one round trip where the caller's context does not,
	// so that a server that swallows packets holds nobody for ever.
	callTimeout = 30 * time.Second
	// closeTimeout bounds the farewell to the servers.
	closeTimeout = 5 * time.Second
)

// Engine is a connection to a MongoDB database. It is safe for concurrent use.
type Engine struct {
	client *driver.Client
	db     *driver.Database
	files  *files
	gate   store.Gate

	// mu guards collections, the open ones by name.
	mu          sync.Mutex
	collections map[string]*documents
}

// Open connects to the database that a MongoDB URI names, "medtour" where it
// names none. Errors: Invalid for a bad URI, Unavailable when the server does
// not answer within a few seconds or refuses the credentials. No error
// contains the URI, which may hold a password.
func Open(ctx context.Context, uri string) (*Engine, error) {
	opts := options.Client().ApplyURI(uri)
	name, ok := databaseName(uri)
	if opts.Validate() != nil || !ok {
		// The cause is left out: the driver quotes the URI.
		return nil, fault.New(fault.Invalid, "The address of the MongoDB database must look like mongodb://host:27017/%s, with special characters of the password percent-encoded.", defaultDatabase)
	}
	journal := true
	opts.SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal})
	opts.SetReadConcern(readconcern.Majority())
	opts.SetReadPreference(readpref.Primary())
	if opts.ServerSelectionTimeout == nil {
		opts.SetServerSelectionTimeout(selectionTimeout)
	}
	if opts.Timeout == nil {
		opts.SetTimeout(callTimeout)
	}
	client, err := driver.Connect(opts)
	if err != nil {
		return nil, unreachable(opts.Hosts, err)
	}
	e := &Engine{client: client, db: client.Database(name), collections: map[string]*documents{}}
	e.files = newFiles(e)
	if err := e.start(ctx, opts.Hosts); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context, hosts []string) error {
	if err := e.client.Ping(ctx, nil); err != nil {
		if ctx.Err() != nil {
			return store.GivenUp(err)
		}
		return unreachable(hosts, err)
	}
	return translate(ctx, e.files.cleanUp(ctx, time.Now()))
}

func unreachable(hosts []string, err error) error {
	return fault.Wrap(fault.Unavailable, err, "The MongoDB server at %s does not answer or refuses the credentials: check the address, and that the server runs and can be reached from here.", strings.Join(hosts, ", "))
}

// databaseName returns the path of a MongoDB URI. Package net/url cannot read
// one with several hosts.
func databaseName(uri string) (string, bool) {
	_, rest, _ := strings.Cut(uri, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, path, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(path)
	if err != nil || len(name) > 63 || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00") {
		return "", false
	}
	if name == "" {
		return defaultDatabase, true
	}
	return name, true
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
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.collections[schema.Name]; d != nil {
		if !slices.Equal(d.schema.Indexes, schema.Indexes) {
			return nil, fault.New(fault.Invalid, "The collection %q is open with other indexes.", schema.Name)
		}
		return d, nil
	}
	d := &documents{engine: e, schema: schema, coll: e.db.Collection("c_" + schema.Name)}
	if err := d.migrate(ctx); err != nil {
		return nil, translate(ctx, err)
	}
	e.collections[schema.Name] = d
	return d, nil
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
	return translate(ctx, e.client.Ping(ctx, nil))
}

// Close waits for the calls under way and disconnects. Every later call fails
// with Unavailable.
func (e *Engine) Close() error {
	if !e.gate.Close() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return translate(ctx, e.client.Disconnect(ctx))
}

// Codes of MongoDB's error_codes.yml.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeObjectTooLarge       = 10334
)

// translate turns an error of the driver, in a call with the context, into a
// fault. It is the one place where that happens. The driver's own timeouts
// look like the context's; only the context tells them apart.
func translate(ctx context.Context, err error) error {
	var known *fault.Error
	var server driver.ServerError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return store.GivenUp(err)
	case errors.As(err, &server):
		return translateServer(err, server)
	}
	return fault.Wrap(fault.Unavailable, err, "The database does not answer just now.")
}

func translateServer(err error, server driver.ServerError) error {
	switch {
	case server.HasErrorCode(codeUnauthorized), server.HasErrorCode(codeAuthenticationFailed):
		return fault.Wrap(fault.Unavailable, err, "The database refuses the credentials.")
	case server.HasErrorCode(codeObjectTooLarge):
		return fault.Wrap(fault.TooLarge, err, "The entry is too large for the database.")
	case server.HasErrorLabel("RetryableWriteError"), server.HasErrorLabel("NetworkError"), driver.IsTimeout(err):
		return fault.Wrap(fault.Unavailable, err, "The database does not answer just now.")
	}
	return fault.Wrap(fault.Internal, err, "The database failed.")
}

// duplicate reports whether a write was refused because a unique value is
// taken. FerretDB, on which the tests run without a server, reports a taken
// value as MongoDB does only for inserts; for updates its SQLite handler
// passes SQLite's own words on.
func duplicate(err error) bool {
	return driver.IsDuplicateKeyError(err) || err != nil && strings.Contains(err.Error(), "UNIQUE constraint failed")
}

// byID is the filter that every engine of the wire protocol answers from its
// primary index.
func byID(id any) bson.D { return bson.D{{Key: "_id", Value: id}} }
