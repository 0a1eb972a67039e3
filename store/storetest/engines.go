// Package storetest is support for tests: engines to run them on, and the
// conformance suite that every engine passes. No program imports it.
package storetest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/mongo"
	"github.com/medtour/medtour/store/sqlite"
)

// MongoDBVariable names the environment variable with the URI of a real
// MongoDB server, on which tests run as well when it is set.
const MongoDBVariable = "MEDTOUR_TEST_MONGODB"

// Opener opens an engine on one place, empty at first. It may be called again
// after the engine was closed.
type Opener func() (store.Engine, error)

// Place makes a new place for an engine, which goes away with the test.
type Place func(t testing.TB) Opener

// Each runs a test on every engine: sqlite, mongo on FerretDB in process, and
// mongo on the server that MongoDBVariable names where there is one. The
// engine is fresh and is closed when the test ends.
func Each(t *testing.T, test func(t *testing.T, engine store.Engine)) {
	t.Helper()
	for name, place := range Places() {
		t.Run(name, func(t *testing.T) { test(t, Open(t, place(t))) })
	}
}

// Places returns the places of all engines by name.
func Places() map[string]Place {
	places := map[string]Place{"sqlite": SQLite, "ferretdb": FerretDBPlace}
	if os.Getenv(MongoDBVariable) != "" {
		places["mongodb"] = MongoDBPlace
	}
	return places
}

// Open opens an engine and closes it when the test ends.
func Open(t testing.TB, open Opener) store.Engine {
	t.Helper()
	engine, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// SQLite is a folder for the sqlite engine.
func SQLite(t testing.TB) Opener {
	dir := t.TempDir()
	return func() (store.Engine, error) { return sqlite.Open(dir) }
}

// FerretDBPlace is a FerretDB server of its own for the mongo engine.
func FerretDBPlace(t testing.TB) Opener {
	uri := FerretDB(t)
	return func() (store.Engine, error) { return mongo.Open(context.Background(), uri) }
}

// FerretDB starts a FerretDB server, which speaks MongoDB's protocol, in this
// process and returns the URI of an empty database on it. The URI allows one
// connection, without which FerretDB's updates are not atomic.
func FerretDB(t testing.TB) (uri string) {
	t.Helper()
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + t.TempDir() + "/",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return server.MongoDBURI() + "medtour?maxPoolSize=1"
}

// MongoDBPlace is a new database on the server that MongoDBVariable names,
// dropped when the test ends.
func MongoDBPlace(t testing.TB) Opener {
	t.Helper()
	base, query, _ := strings.Cut(os.Getenv(MongoDBVariable), "?")
	scheme, rest, _ := strings.Cut(base, "://")
	hosts, _, _ := strings.Cut(rest, "/")
	name := "medtour_test_" + strings.ToLower(rand.Text())
	uri := scheme + "://" + hosts + "/" + name + "?" + query
	t.Cleanup(func() { drop(t, uri, name) })
	return func() (store.Engine, error) { return mongo.Open(context.Background(), uri) }
}

func drop(t testing.TB, uri, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Error(err)
		return
	}
	if err := client.Database(name).Drop(ctx); err != nil {
		t.Error(err)
	}
	if err := client.Disconnect(ctx); err != nil {
		t.Error(err)
	}
}
