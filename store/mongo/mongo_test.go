package mongo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/mongo"
	"github.com/medtour/medtour/store/storetest"
)

func TestConformanceFerretDB(t *testing.T) { storetest.Run(t, storetest.FerretDBPlace) }

func TestConformanceMongoDB(t *testing.T) {
	if os.Getenv(storetest.MongoDBVariable) == "" {
		t.Skip(storetest.MongoDBVariable + " names no server")
	}
	storetest.Run(t, storetest.MongoDBPlace)
	storetest.RunLargePages(t, storetest.MongoDBPlace)
}

func TestUnreachable(t *testing.T) {
	_, err := mongo.Open(t.Context(), "mongodb://user:hushhush@127.0.0.1:1,127.0.0.1:2/?serverSelectionTimeoutMS=200")
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "127.0.0.1:1, 127.0.0.1:2") {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "hushhush") {
		t.Fatalf("the password is in %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mongo.Open(ctx, "mongodb://127.0.0.1:1/"); !fault.Is(err, fault.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestBadURI(t *testing.T) {
	for _, uri := range []string{
		"", "nonsense", "http://host/", "mongodb://", "mongodb://user:hushhush@", "mongodb://user:hush/hush@host/db",
		"mongodb://user:hushhush@host:port/", "mongodb://user:hushhush@host/?maxPoolSize=hushhush", "mongodb://user:hush%zz@host/",
		"mongodb://user:hushhush@host/a$b", "mongodb://user:hushhush@host/a%2Fb", "mongodb://host/" + strings.Repeat("x", 64),
	} {
		_, err := mongo.Open(t.Context(), uri)
		if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", uri, err)
		}
	}
}

func openURI(t *testing.T, uri string) *mongo.Engine {
	t.Helper()
	engine, err := mongo.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

var things = store.Def[map[string]string]{
	Name:    "things",
	Indexes: []store.Index{{Name: "name"}, {Name: "email", Unique: true}},
	Keys: func(m map[string]string) map[string]string {
		return map[string]string{"name": m["name"], "email": m["email"]}
	},
}

func openThings(t *testing.T, engine store.Engine) *store.Collection[map[string]string] {
	t.Helper()
	c, err := store.Open(t.Context(), engine, things)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// database is the database of a URI, seen by a client of its own.
func database(t *testing.T, uri, name string) *driver.Database {
	t.Helper()
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(name)
}

func TestShape(t *testing.T) {
	uri := storetest.FerretDB(t)
	c := openThings(t, openURI(t, uri))
	if err := c.Insert(t.Context(), "1", map[string]string{"name": "Ann", "x": "y"}); err != nil {
		t.Fatal(err)
	}
	var got bson.D
	if err := database(t, uri, "medtour").Collection("c_things").FindOne(t.Context(), bson.D{}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	const wanted = `{"_id":"1","v":{"$numberLong":"1"},"k":{"name":"Ann"},"body":"{\"name\":\"Ann\",\"x\":\"y\"}"}`
	if got.String() != wanted {
		t.Fatalf("got %s, want %s", got, wanted)
	}
}

func TestDatabaseOfURI(t *testing.T) {
	uri := storetest.FerretDB(t)
	standard := openThings(t, openURI(t, strings.Replace(uri, "/medtour?", "/?", 1)))
	named := openThings(t, openURI(t, uri))
	other := openThings(t, openURI(t, strings.Replace(uri, "/medtour?", "/other%2Done?", 1)))
	if err := standard.Insert(t.Context(), "1", nil); !fault.Is(err, fault.Invalid) {
		t.Fatalf("no object, but %v", err)
	}
	if err := standard.Insert(t.Context(), "1", map[string]string{}); err != nil {
		t.Fatal(err)
	}
	if _, err := named.Get(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), "1"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("got %v", err)
	}
	n, err := database(t, uri, "other-one").Collection("c_things").CountDocuments(t.Context(), bson.D{})
	if err != nil || n != 0 {
		t.Fatal(n, err)
	}
}

// TestTwoNodes races two engines on one database.
func TestTwoNodes(t *testing.T) {
	uri := storetest.FerretDB(t)
	nodes := []*store.Collection[map[string]string]{openThings(t, openURI(t, uri)), openThings(t, openURI(t, uri))}
	for place := range 20 {
		var won atomic.Int64
		var group sync.WaitGroup
		for racer := range 8 {
			group.Go(func() {
				id, value := fmt.Sprint(place, "/", racer), map[string]string{"email": fmt.Sprint(place)}
				switch err := nodes[racer%2].Insert(t.Context(), id, value); fault.KindOf(err) {
				case "":
					won.Add(1)
				case fault.Conflict:
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d won", won.Load())
		}
	}
}

func TestServerGone(t *testing.T) {
	var engine *mongo.Engine
	t.Run("server", func(t *testing.T) {
		var err error
		engine, err = mongo.Open(t.Context(), storetest.FerretDB(t)+"&serverSelectionTimeoutMS=300")
		if err != nil {
			t.Fatal(err)
		}
		openThings(t, engine)
	})
	defer engine.Close()
	c := openThings(t, engine) // known already
	if _, err := c.Get(t.Context(), "1"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	if err := c.Insert(t.Context(), "1", map[string]string{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := engine.Files().Create(t.Context(), "f", "", strings.NewReader("x"), 0); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	if err := engine.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// counts returns how many descriptions, chunks and pending contents there are.
func counts(t *testing.T, db *driver.Database) (n [3]int64) {
	t.Helper()
	for i, name := range []string{"files", "file_chunks", "file_pending"} {
		var err error
		if n[i], err = db.Collection(name).CountDocuments(t.Context(), bson.D{}); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func TestFilesLeaveNothing(t *testing.T) {
	uri := storetest.FerretDB(t)
	files, db := openURI(t, uri).Files(), database(t, uri, "medtour")
	const chunks = 2
	body := make([]byte, 1<<20+1)
	if _, err := files.Create(t.Context(), "a", "", bytes.NewReader(body), 0); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, db); got != [3]int64{1, chunks, 0} {
		t.Fatal(got)
	}
	for _, r := range []*failing{{after: 0}, {after: len(body)}} {
		if _, err := files.Create(t.Context(), "b", "", r, 0); !errors.Is(err, errFailing) {
			t.Fatal(err)
		}
	}
	if got := counts(t, db); got != [3]int64{1, chunks, 0} {
		t.Fatal(got)
	}
	if err := files.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, db); got != [3]int64{} {
		t.Fatal(got)
	}
}

var errFailing = errors.New("the line went dead")

// failing is a reader that gives so many bytes and then fails.
type failing struct{ after int }

func (f *failing) Read(p []byte) (int, error) {
	if f.after == 0 {
		return 0, errFailing
	}
	n := min(len(p), f.after)
	f.after -= n
	return n, nil
}

// TestCleanUp leaves behind what nodes that died leave behind.
func TestCleanUp(t *testing.T) {
	uri := storetest.FerretDB(t)
	db := database(t, uri, "medtour")
	engine := openURI(t, uri)
	if _, err := engine.Files().Create(t.Context(), "whole", "", strings.NewReader("x"), 0); err != nil {
		t.Fatal(err)
	}
	var whole struct {
		Content bson.ObjectID `bson:"content"`
	}
	if err := db.Collection("files").FindOne(t.Context(), bson.D{}).Decode(&whole); err != nil {
		t.Fatal(err)
	}
	leave := func(content bson.ObjectID, name string, age time.Duration) {
		t.Helper()
		_, err := db.Collection("file_pending").InsertOne(t.Context(), bson.D{{Key: "_id", Value: content}, {Key: "name", Value: name}, {Key: "since", Value: time.Now().Add(-age)}})
		if err != nil {
			t.Fatal(err)
		}
		if content == whole.Content {
			return
		}
		for i := range 2 {
			_, err := db.Collection("file_chunks").InsertOne(t.Context(), bson.D{{Key: "_id", Value: fmt.Sprintf("%s/%09d", content.Hex(), i)}, {Key: "data", Value: []byte("x")}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	leave(whole.Content, "whole", 48*time.Hour)           // died before it removed the entry
	leave(bson.NewObjectID(), "whole", 48*time.Hour)      // lost the race for the name, then died
	leave(bson.NewObjectID(), "half", 48*time.Hour)       // died in the middle
	leave(bson.NewObjectID(), "under way", 2*time.Hour)   // still at work
	leave(bson.NewObjectID(), "just begun", -time.Minute) // by a clock that is ahead
	openURI(t, uri)
	if got := counts(t, db); got != [3]int64{1, 1 + 2*2, 2} {
		t.Fatal(got)
	}
	if info, err := engine.Files().Stat(t.Context(), "whole"); err != nil || info.Size != 1 {
		t.Fatal(info, err)
	}
}
