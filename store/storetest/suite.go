package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Run is the conformance suite: what package store promises, shown on one
// engine.
func Run(t *testing.T, place Place) {
	for name, test := range map[string]func(*testing.T, store.Engine){
		"Documents":        testDocuments,
		"IDs":              testIDs,
		"Sizes":            testSizes,
		"UniqueIndex":      testUniqueIndex,
		"OrdinaryIndex":    testOrdinaryIndex,
		"Queries":          testQueries,
		"Schemas":          testSchemas,
		"LostUpdates":      testLostUpdates,
		"RacingInserts":    testRacingInserts,
		"PagingAsModel":    testPagingAsModel,
		"PagingWhileAdded": testPagingWhileAdded,
		"Canceled":         testCanceled,
		"Files":            testFiles,
		"LargeFile":        testLargeFile,
		"FailingReader":    testFailingReader,
		"RacingFiles":      testRacingFiles,
		"CanceledFiles":    testCanceledFiles,
	} {
		t.Run(name, func(t *testing.T) { test(t, Open(t, place(t))) })
	}
	t.Run("Reopen", func(t *testing.T) { testReopen(t, place(t)) })
	t.Run("NewIndex", func(t *testing.T) { testNewIndex(t, place(t)) })
	t.Run("Close", func(t *testing.T) { testClose(t, place(t)) })
}

// person is the document of the suite.
type person struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	N     int    `json:"n,omitempty"`
	Pad   string `json:"pad,omitempty"`
}

var people = store.Def[person]{
	Name:    "people",
	Indexes: []store.Index{{Name: "name"}, {Name: "email", Unique: true}},
	Keys: func(p person) map[string]string {
		return map[string]string{"name": p.Name, "email": p.Email}
	},
}

func collection(t testing.TB, engine store.Engine, def store.Def[person]) *store.Collection[person] {
	t.Helper()
	c, err := store.Open(t.Context(), engine, def)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// want fails the test unless err has the kind; the empty kind is success.
func want(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if got := fault.KindOf(err); got != kind {
		t.Fatalf("got %q (%v), want %q", got, err, kind)
	}
}

const ok fault.Kind = ""

func find(t testing.TB, c *store.Collection[person], q store.Query) []string {
	t.Helper()
	ids := []string{}
	err := c.Each(t.Context(), q, func(r store.Record[person]) error {
		ids = append(ids, r.ID)
		return nil
	})
	want(t, err, ok)
	return ids
}

func same(t testing.TB, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Fatalf("got %q, want %q", got, wanted)
	}
}

func testDocuments(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	want(t, engine.Ping(ctx), ok)

	_, err := c.Get(ctx, "a")
	want(t, err, fault.NotFound)
	want(t, c.Insert(ctx, "a", person{Name: "Ann", Pad: "<&> \u2028 \x00 \"\\ 东方"}), ok)
	want(t, c.Insert(ctx, "a", person{Name: "Bob"}), fault.Conflict)
	got, err := c.Get(ctx, "a")
	want(t, err, ok)
	if wanted := (store.Record[person]{ID: "a", Version: 1, Value: person{Name: "Ann", Pad: "<&> \u2028 \x00 \"\\ 东方"}}); got != wanted {
		t.Fatalf("got %+v, want %+v", got, wanted)
	}

	got.Value.N = 7
	want(t, c.Replace(ctx, got), ok)
	want(t, c.Replace(ctx, got), fault.Conflict)
	want(t, c.Replace(ctx, store.Record[person]{ID: "b", Version: 1}), fault.NotFound)
	got, err = c.Get(ctx, "a")
	want(t, err, ok)
	if got.Version != 2 || got.Value.N != 7 {
		t.Fatalf("got %+v", got)
	}

	refusal := errors.New("refusal")
	_, err = c.Update(ctx, "a", func(p *person) error { p.N = 8; return refusal })
	if !errors.Is(err, refusal) {
		t.Fatal(err)
	}
	_, err = c.Update(ctx, "b", func(*person) error { return nil })
	want(t, err, fault.NotFound)
	got, err = c.Update(ctx, "a", func(p *person) error { p.N++; return nil })
	want(t, err, ok)
	if got.Version != 3 || got.Value.N != 8 {
		t.Fatalf("got %+v", got)
	}

	want(t, c.Delete(ctx, "a", 2), fault.Conflict)
	want(t, c.Delete(ctx, "b", 0), fault.NotFound)
	want(t, c.Delete(ctx, "a", 3), ok)
	want(t, c.Delete(ctx, "a", 3), fault.NotFound)
	want(t, c.Replace(ctx, got), fault.NotFound)
	want(t, c.Insert(ctx, "a", person{}), ok)
	want(t, c.Delete(ctx, "a", 0), ok)
}

func testIDs(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	good := []string{
		"a", "A", " ", "a/b/c", "..", "../../etc/passwd", "$gt", "a.b", ".", "$", "{}", "'; DROP TABLE c_people; --",
		"%", "_", "*", "\\", "\"", "东方医院", "é", "e\u0301", "🏥", "\U0010FFFF", "مستشفى", strings.Repeat("x", store.MaxID), "NUL", "null",
	}
	for i, id := range good {
		want(t, c.Insert(ctx, id, person{N: i + 1, Name: id, Email: id}), ok)
	}
	for i, id := range good {
		got, err := c.Get(ctx, id)
		want(t, err, ok)
		if got.Value.N != i+1 {
			t.Fatalf("%q is %d, want %d", id, got.Value.N, i+1)
		}
		same(t, find(t, c, store.Query{Equal: id}), id)
		same(t, find(t, c, store.Query{Index: "name", Equal: id}), id)
		same(t, find(t, c, store.Query{Index: "email", Equal: id, Descending: true}), id)
	}
	slices.Sort(good)
	same(t, find(t, c, store.Query{Limit: 3}), good...)
	same(t, find(t, c, store.Query{Index: "name", Limit: 4}), good...)
	same(t, find(t, c, store.Query{Index: "email", Limit: 5}), good...)

	for _, id := range []string{"", strings.Repeat("x", store.MaxID+1), "a\x00b", "a\nb", "\x7f", "\u0085", "\xff", "a\xc3"} {
		want(t, c.Insert(ctx, id, person{}), fault.Invalid)
		if id != "" && utf8.ValidString(id) { // JSON mends what is not UTF-8
			want(t, c.Insert(ctx, "new", person{Name: id}), fault.Invalid)
		}
		_, err := c.Get(ctx, id)
		want(t, err, fault.NotFound)
		want(t, c.Replace(ctx, store.Record[person]{ID: id, Version: 1}), fault.NotFound)
		want(t, c.Delete(ctx, id, 0), fault.NotFound)
	}
	n, err := c.Count(ctx, store.Query{})
	want(t, err, ok)
	if n != int64(len(good)) {
		t.Fatalf("%d documents, want %d", n, len(good))
	}
}

func testSizes(t *testing.T, engine store.Engine) {
	ctx := t.Context()
	docs, err := engine.Open(ctx, store.Schema{Name: "plain"})
	want(t, err, ok)
	// Spaces and escapes show that a body is kept byte by byte.
	frame := `{ "a" : "\u00e4%s" }`
	large := []byte(fmt.Sprintf(frame, strings.Repeat("x", 5<<20)))
	want(t, docs.Insert(ctx, "large", large), ok)
	got, err := docs.Get(ctx, "large")
	want(t, err, ok)
	if string(got.Body) != string(large) {
		t.Fatal("the body has changed")
	}
	most := []byte(fmt.Sprintf(frame, strings.Repeat("y", store.MaxDocument-len(frame)+2)))
	if len(most) != store.MaxDocument {
		t.Fatal(len(most))
	}
	want(t, docs.Replace(ctx, "large", 1, most), ok)
	over := append([]byte(" "), most...)
	over[0], over[1] = '{', ' '
	want(t, docs.Insert(ctx, "over", over), fault.TooLarge)
	want(t, docs.Replace(ctx, "large", 2, over), fault.TooLarge)
	_, err = docs.Get(ctx, "over")
	want(t, err, fault.NotFound)
	got, err = docs.Get(ctx, "large")
	want(t, err, ok)
	if got.Version != 2 || string(got.Body) != string(most) {
		t.Fatal("the body has changed")
	}
	for _, body := range []string{"", "[]", "null", "{\"a\":\"\xff\"}"} {
		want(t, docs.Insert(ctx, "bad", []byte(body)), fault.Invalid)
	}
}

// RunLargePages is the part of the suite that moves more than MaxPageBytes,
// for which FerretDB needs half a minute.
func RunLargePages(t *testing.T, place Place) {
	ctx := t.Context()
	docs, err := Open(t, place(t)).Open(ctx, store.Schema{Name: "plain"})
	want(t, err, ok)
	const documents = 7
	body := []byte(`{"a":"` + strings.Repeat("x", store.MaxPageBytes/(documents-2)) + `"}`)
	for i := range documents {
		want(t, docs.Insert(ctx, fmt.Sprint(i), body), ok)
	}
	page, err := docs.Find(ctx, store.Query{Limit: 10})
	want(t, err, ok)
	if len(page.Documents) >= documents || page.Next == "" {
		t.Fatalf("%d documents of %d bytes in one page", len(page.Documents), len(body))
	}
	rest, err := docs.Find(ctx, store.Query{Limit: 10, After: page.Next})
	want(t, err, ok)
	if n := len(page.Documents) + len(rest.Documents); n != documents || rest.Next != "" {
		t.Fatalf("%d documents in two pages", n)
	}
}

func testUniqueIndex(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	want(t, c.Insert(ctx, "1", person{Email: "a@example.com"}), ok)
	want(t, c.Insert(ctx, "2", person{Email: "a@example.com"}), fault.Conflict)
	_, err := c.Get(ctx, "2")
	want(t, err, fault.NotFound)
	for _, id := range []string{"3", "4", "5"} {
		want(t, c.Insert(ctx, id, person{}), ok) // an empty value is no value
	}

	calls := 0
	_, err = c.Update(ctx, "3", func(p *person) error { calls++; p.Email, p.N = "a@example.com", 1; return nil })
	want(t, err, fault.Conflict)
	if calls != 1 {
		t.Fatalf("an update that cannot succeed was tried %d times", calls)
	}
	got, err := c.Get(ctx, "3")
	want(t, err, ok)
	if got.Version != 1 || got.Value != (person{}) {
		t.Fatalf("a refused update left %+v", got)
	}

	// Keeping one's own value is no conflict; giving it up frees it.
	_, err = c.Update(ctx, "1", func(p *person) error { p.N++; return nil })
	want(t, err, ok)
	_, err = c.Update(ctx, "1", func(p *person) error { p.Email = ""; return nil })
	want(t, err, ok)
	_, err = c.Update(ctx, "3", func(p *person) error { p.Email = "a@example.com"; return nil })
	want(t, err, ok)
	want(t, c.Delete(ctx, "3", 0), ok)
	want(t, c.Insert(ctx, "6", person{Email: "a@example.com"}), ok)
	same(t, find(t, c, store.Query{Index: "email"}), "6")
}

func testOrdinaryIndex(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	for id, name := range map[string]string{"1": "b", "2": "a", "3": "", "4": "b", "5": "c"} {
		want(t, c.Insert(ctx, id, person{Name: name}), ok)
	}
	same(t, find(t, c, store.Query{Index: "name"}), "2", "1", "4", "5")
	same(t, find(t, c, store.Query{Index: "name", Descending: true}), "5", "4", "1", "2")
	same(t, find(t, c, store.Query{Index: "name", Equal: "b"}), "1", "4")
	same(t, find(t, c, store.Query{Index: "name", Equal: "b", Limit: 1, Descending: true}), "4", "1")
	same(t, find(t, c, store.Query{Index: "name", From: "b"}), "1", "4", "5")
	same(t, find(t, c, store.Query{Index: "name", To: "b"}), "2")
	same(t, find(t, c, store.Query{Index: "name", From: "a", To: "c", Limit: 1}), "2", "1", "4")
	same(t, find(t, c, store.Query{Index: "name", From: "a", To: "c", Limit: 1, Descending: true}), "4", "1", "2")
	for q, wanted := range map[store.Query]int64{
		{}: 5, {Index: "name"}: 4, {Index: "name", Equal: "b"}: 2, {Index: "name", From: "bb"}: 1,
		{Index: "name", Equal: "b", Limit: 1}: 2, {From: "2", To: "4"}: 2, {Equal: "9"}: 0, {Index: "email"}: 0,
	} {
		n, err := c.Count(ctx, q)
		want(t, err, ok)
		if n != wanted {
			t.Errorf("count of %+v is %d, want %d", q, n, wanted)
		}
	}

	for id, name := range map[string]string{"1": "d", "3": "a", "5": ""} {
		_, err := c.Update(ctx, id, func(p *person) error { p.Name = name; return nil })
		want(t, err, ok)
	}
	same(t, find(t, c, store.Query{Index: "name"}), "2", "3", "4", "1")
	want(t, c.Delete(ctx, "4", 0), ok)
	same(t, find(t, c, store.Query{Index: "name", Equal: "b"}))
}

func testQueries(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	for _, id := range []string{"a", "b", "b/1", "b/2", "b/é", "b/ü", "b0", "c"} {
		want(t, c.Insert(ctx, id, person{Name: "n"}), ok)
	}
	same(t, find(t, c, store.PrefixQuery("b/")), "b/1", "b/2", "b/é", "b/ü")
	same(t, find(t, c, store.PrefixQuery("b/é")), "b/é")
	same(t, find(t, c, store.Query{From: "b/1", To: "b0", Descending: true, Limit: 2}), "b/ü", "b/é", "b/2", "b/1")
	same(t, find(t, c, store.Query{From: "x"}))

	first, err := c.Find(ctx, store.Query{Limit: 2})
	want(t, err, ok)
	ofName, err := c.Find(ctx, store.Query{Index: "name", Limit: 2})
	want(t, err, ok)
	for _, q := range []store.Query{
		{Index: "unknown"},
		{Index: "id"},
		{Limit: -1},
		{Limit: store.MaxPage + 1},
		{From: strings.Repeat("x", 2*store.MaxID+1)},
		{Equal: "\xff"},
		{After: "?"},
		{After: "AAAA"},
		{After: strings.Repeat("A", 1<<20)},
		{After: first.Next, Descending: true},
		{After: first.Next, Index: "name"},
		{After: ofName.Next, Index: "email"},
		{After: ofName.Next},
	} {
		_, err := c.Find(ctx, q)
		want(t, err, fault.Invalid)
	}
	_, err = c.Count(ctx, store.Query{Index: "unknown"})
	want(t, err, fault.Invalid)

	for i := range store.DefaultPage {
		want(t, c.Insert(ctx, fmt.Sprint("z", i), person{}), ok)
	}
	page, err := c.Find(ctx, store.Query{})
	want(t, err, ok)
	if len(page.Items) != store.DefaultPage || page.Next == "" {
		t.Fatalf("a page of %d", len(page.Items))
	}
	page, err = c.Find(ctx, store.Query{From: "z", Limit: store.DefaultPage})
	want(t, err, ok)
	if len(page.Items) != store.DefaultPage || page.Next != "" {
		t.Fatalf("a last page of %d with the cursor %q", len(page.Items), page.Next)
	}
}

func testSchemas(t *testing.T, engine store.Engine) {
	ctx := t.Context()
	keys := func([]byte) (map[string]string, error) { return nil, nil }
	for _, s := range []store.Schema{
		{},
		{Name: "Upper"},
		{Name: "a-b"},
		{Name: "a b"},
		{Name: `a"b`},
		{Name: strings.Repeat("a", 100)},
		{Name: "a", Keys: keys, Indexes: []store.Index{{Name: ""}}},
		{Name: "a", Keys: keys, Indexes: []store.Index{{Name: "id"}}},
		{Name: "a", Keys: keys, Indexes: []store.Index{{Name: "x.y"}}},
		{Name: "a", Keys: keys, Indexes: []store.Index{{Name: "x"}, {Name: "x"}}},
		{Name: "a", Indexes: []store.Index{{Name: "x"}}},
	} {
		_, err := engine.Open(ctx, s)
		want(t, err, fault.Invalid)
	}
	// Words of query languages are good names.
	c := collection(t, engine, store.Def[person]{
		Name: "table", Indexes: []store.Index{{Name: "select"}, {Name: "order", Unique: true}},
		Keys: func(p person) map[string]string { return map[string]string{"select": p.Name, "order": p.Email} },
	})
	want(t, c.Insert(ctx, "1", person{Name: "x", Email: "y"}), ok)
	same(t, find(t, c, store.Query{Index: "order", Equal: "y"}), "1")

	a, b := collection(t, engine, people), collection(t, engine, people)
	want(t, a.Insert(ctx, "1", person{Name: "x"}), ok)
	same(t, find(t, b, store.Query{Index: "name", Equal: "x"}), "1")
	other := people
	other.Indexes = other.Indexes[:1]
	_, err := store.Open(ctx, engine, other)
	want(t, err, fault.Invalid)

	failing, err := engine.Open(ctx, store.Schema{
		Name: "failing", Indexes: []store.Index{{Name: "x"}},
		Keys: func([]byte) (map[string]string, error) { return nil, errors.New("no") },
	})
	want(t, err, ok)
	want(t, failing.Insert(ctx, "1", []byte("{}")), fault.Invalid)
}

func testLostUpdates(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	want(t, c.Insert(ctx, "counter", person{}), ok)
	const writers, increments = 16, 10
	parallel(writers, func(int) {
		for range increments {
			if _, err := c.Update(ctx, "counter", func(p *person) error { p.N++; return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	got, err := c.Get(ctx, "counter")
	want(t, err, ok)
	if got.Value.N != writers*increments || got.Version != writers*increments+1 {
		t.Fatalf("%d increments left %d at version %d", writers*increments, got.Value.N, got.Version)
	}
}

func parallel(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

func testRacingInserts(t *testing.T, engine store.Engine) {
	ctx, c := t.Context(), collection(t, engine, people)
	const racers = 50
	race := func(insert func(i int) error) {
		t.Helper()
		var won atomic.Int64
		parallel(racers, func(i int) {
			switch err := insert(i); fault.KindOf(err) {
			case ok:
				won.Add(1)
			case fault.Conflict:
			default:
				t.Error(err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("%d of %d won", won.Load(), racers)
		}
	}
	race(func(i int) error { return c.Insert(ctx, "place", person{N: i}) })
	race(func(i int) error { return c.Insert(ctx, fmt.Sprint("p", i), person{Email: "same", N: i}) })
	same(t, find(t, c, store.Query{Index: "email", Equal: "same"})[1:])
	for i := range racers {
		want(t, c.Insert(ctx, fmt.Sprint("q", i), person{}), ok)
	}
	race(func(i int) error {
		_, err := c.Update(ctx, fmt.Sprint("q", i), func(p *person) error { p.Email = "claimed"; return nil })
		return err
	})
	race(func(int) error {
		err := c.Delete(ctx, "place", 0)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Conflict, "gone")
		}
		return err
	})
}

func testCanceled(t *testing.T, engine store.Engine) {
	c := collection(t, engine, people)
	want(t, c.Insert(t.Context(), "there", person{N: 1}), ok)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, c.Insert(ctx, "new", person{}), fault.Canceled)
	want(t, c.Replace(ctx, store.Record[person]{ID: "there", Version: 1, Value: person{N: 2}}), fault.Canceled)
	want(t, c.Delete(ctx, "there", 0), fault.Canceled)
	_, err := c.Get(ctx, "there")
	want(t, err, fault.Canceled)
	_, err = c.Find(ctx, store.Query{})
	want(t, err, fault.Canceled)
	_, err = c.Count(ctx, store.Query{})
	want(t, err, fault.Canceled)
	_, err = store.Open(ctx, engine, store.Def[person]{Name: "other"})
	want(t, err, fault.Canceled)
	want(t, engine.Ping(ctx), fault.Canceled)

	same(t, find(t, c, store.Query{}), "there")
	got, err := c.Get(t.Context(), "there")
	want(t, err, ok)
	if got.Version != 1 || got.Value.N != 1 {
		t.Fatalf("got %+v", got)
	}
}

func testReopen(t *testing.T, open Opener) {
	ctx := t.Context()
	engine, err := open()
	want(t, err, ok)
	c := collection(t, engine, people)
	want(t, c.Insert(ctx, "1", person{Name: "a", Email: "e"}), ok)
	_, err = c.Update(ctx, "1", func(p *person) error { p.N = 5; return nil })
	want(t, err, ok)
	_, err = engine.Files().Create(ctx, "f", "text/plain", strings.NewReader("content"), 0)
	want(t, err, ok)
	want(t, engine.Close(), ok)

	engine = Open(t, open)
	c = collection(t, engine, people)
	got, err := c.Get(ctx, "1")
	want(t, err, ok)
	if wanted := (store.Record[person]{ID: "1", Version: 2, Value: person{Name: "a", Email: "e", N: 5}}); got != wanted {
		t.Fatalf("got %+v, want %+v", got, wanted)
	}
	same(t, find(t, c, store.Query{Index: "name", Equal: "a"}), "1")
	want(t, c.Insert(ctx, "2", person{Email: "e"}), fault.Conflict)
	if text := content(t, engine.Files(), "f"); text != "content" {
		t.Fatalf("the file has %q", text)
	}
}

// testNewIndex changes the indexes of a collection from run to run.
func testNewIndex(t *testing.T, open Opener) {
	ctx := t.Context()
	name, email, both := people, people, people
	name.Indexes, email.Indexes = people.Indexes[:1], people.Indexes[1:]
	run := func(def store.Def[person], f func(c *store.Collection[person])) {
		t.Helper()
		engine, err := open()
		want(t, err, ok)
		f(collection(t, engine, def))
		want(t, engine.Close(), ok)
	}
	run(store.Def[person]{Name: people.Name}, func(c *store.Collection[person]) {
		for i := range 60 {
			want(t, c.Insert(ctx, fmt.Sprintf("%03d", i), person{Name: fmt.Sprint("n", i%2), Email: fmt.Sprint("e", i)}), ok)
		}
	})
	run(name, func(c *store.Collection[person]) {
		if n := len(find(t, c, store.Query{Index: "name", Equal: "n1"})); n != 30 {
			t.Fatalf("%d found in the new index", n)
		}
		_, err := c.Find(ctx, store.Query{Index: "email"})
		want(t, err, fault.Invalid)
	})
	// While the index is not declared its values are not kept up.
	run(email, func(c *store.Collection[person]) {
		same(t, find(t, c, store.Query{Index: "email", Equal: "e7"}), "007")
		want(t, c.Insert(ctx, "new", person{Email: "e7"}), fault.Conflict)
		_, err := c.Update(ctx, "007", func(p *person) error { p.Name = "changed"; return nil })
		want(t, err, ok)
	})
	run(both, func(c *store.Collection[person]) {
		same(t, find(t, c, store.Query{Index: "name", Equal: "changed"}), "007")
		if n := len(find(t, c, store.Query{Index: "name", Equal: "n1"})); n != 29 {
			t.Fatalf("%d found in the index that came back", n)
		}
	})
	// An index that cannot be unique is refused, and the data stay as they are.
	engine, err := open()
	want(t, err, ok)
	clash := people
	clash.Indexes = []store.Index{{Name: "name", Unique: true}, {Name: "email", Unique: true}}
	_, err = store.Open(ctx, engine, clash)
	want(t, err, fault.Conflict)
	want(t, engine.Close(), ok)
	run(both, func(c *store.Collection[person]) {
		if n := len(find(t, c, store.Query{Index: "name"})); n != 60 {
			t.Fatalf("%d found after a refused schema", n)
		}
	})
}

func testClose(t *testing.T, open Opener) {
	ctx := t.Context()
	engine, err := open()
	want(t, err, ok)
	c := collection(t, engine, people)
	var inserted sync.Map
	var group sync.WaitGroup
	started := make(chan struct{}, 8)
	for w := range 8 {
		group.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				err := c.Insert(ctx, id, person{})
				if i == 0 {
					started <- struct{}{}
				}
				if err != nil {
					if !fault.Is(err, fault.Unavailable) {
						t.Error(err)
					}
					return
				}
				inserted.Store(id, true)
			}
		})
	}
	for range cap(started) {
		<-started
	}
	want(t, engine.Close(), ok)
	want(t, engine.Close(), ok)
	group.Wait()
	_, err = c.Get(ctx, "0-0")
	want(t, err, fault.Unavailable)
	want(t, engine.Ping(ctx), fault.Unavailable)
	_, err = engine.Files().Stat(ctx, "f")
	want(t, err, fault.Unavailable)
	_, err = engine.Files().Create(ctx, "f", "", strings.NewReader(""), 0)
	want(t, err, fault.Unavailable)

	c = collection(t, Open(t, open), people)
	inserted.Range(func(id, _ any) bool {
		if _, err := c.Get(ctx, id.(string)); err != nil {
			t.Errorf("acknowledged before the end, now lost: %v: %v", id, err)
		}
		return true
	})
}
