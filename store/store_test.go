package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// TestPrefixQuery holds the range of a prefix against its definition.
func TestPrefixQuery(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab/é东\x7e\x7f\u0080\uD7FF\uE000\uFFFF\U0010FFFF")), 0, 4, -1)
	rapid.Check(t, func(r *rapid.T) {
		prefix, id := text.Draw(r, "prefix"), text.Draw(r, "id")
		if rapid.Bool().Draw(r, "inside") {
			id = prefix + id
		}
		q := store.PrefixQuery(prefix)
		inside := id >= q.From && (q.To == "" || id < q.To)
		if inside != strings.HasPrefix(id, prefix) {
			r.Fatalf("%q with the prefix %q: in [%q, %q) is %v", id, prefix, q.From, q.To, inside)
		}
	})
}

func TestKeysSort(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := rapid.Int64Range(0, 1e12-1).Draw(r, "a"), rapid.Int64Range(0, 1e12-1).Draw(r, "b")
		if (a < b) != (store.SeqKey(a) < store.SeqKey(b)) {
			r.Fatalf("%q and %q", store.SeqKey(a), store.SeqKey(b))
		}
		zone := time.FixedZone("", rapid.IntRange(-50_000, 50_000).Draw(r, "zone"))
		x, y := time.Unix(a/10, a%1e9).In(zone), time.Unix(b/10, b%1e9).UTC()
		if x.Before(y) != (store.TimeKey(x) < store.TimeKey(y)) {
			r.Fatalf("%q and %q", store.TimeKey(x), store.TimeKey(y))
		}
	})
	if key := store.TimeKey(time.Time{}); key != "" {
		t.Fatalf("no time gives %q", key)
	}
}

var schema = store.Schema{
	Name:    "things",
	Indexes: []store.Index{{Name: "name"}, {Name: "email", Unique: true}},
	Keys:    func([]byte) (map[string]string, error) { return nil, nil },
}

func TestCursorReturns(t *testing.T) {
	key := rapid.StringOfN(rapid.RuneFrom([]rune("ab/$. é东\u2028\U0010FFFF")), 1, 100, store.MaxID)
	rapid.Check(t, func(r *rapid.T) {
		q := store.Query{Index: rapid.SampledFrom([]string{"", "name", "email"}).Draw(r, "index"), Descending: rapid.Bool().Draw(r, "descending")}
		at := store.Position{ID: key.Draw(r, "id")}
		if q.Index != "" {
			at.Value = key.Draw(r, "value")
		}
		q.After = q.Cursor(at)
		_, got, err := schema.Resolve(q)
		if err != nil || got != at {
			r.Fatalf("%+v came back as %+v, %v", at, got, err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("", false)
	f.Add(store.Query{}.Cursor(store.Position{ID: "a"}), false)
	f.Add(store.Query{Index: "name", Descending: true}.Cursor(store.Position{ID: "a", Value: "b"}), true)
	f.Fuzz(func(t *testing.T, cursor string, descending bool) {
		for _, index := range []string{"", "name"} {
			q := store.Query{Index: index, Descending: descending, After: cursor}
			_, at, err := schema.Resolve(q)
			switch {
			case err != nil && !fault.Is(err, fault.Invalid):
				t.Fatal(err)
			case err == nil && cursor != "" && (store.CheckID(at.ID) != nil || (index == "") != (at.Value == "")):
				t.Fatalf("%q gives %+v", cursor, at)
			}
		}
	})
}

func TestGate(t *testing.T) {
	var gate store.Gate
	leave, err := gate.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan bool)
	go func() { closed <- gate.Close() }()
	for refused := false; !refused; {
		next, err := gate.Enter(t.Context())
		if refused = fault.Is(err, fault.Unavailable); !refused {
			next()
		}
	}
	select {
	case <-closed:
		t.Fatal("closed while a call was under way")
	default:
	}
	leave()
	if first := <-closed; !first || gate.Close() {
		t.Fatal("closed twice")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gate.Enter(ctx); !fault.Is(err, fault.Canceled) {
		t.Fatal(err)
	}
}

// stubborn is a collection whose one document is always a step ahead.
type stubborn struct {
	store.Documents
	version int64
	behind  int
	err     error
}

func (s *stubborn) Open(context.Context, store.Schema) (store.Documents, error) { return s, nil }
func (s *stubborn) Files() store.Files                                          { return nil }
func (s *stubborn) Ping(context.Context) error                                  { return nil }
func (s *stubborn) Close() error                                                { return nil }

func (s *stubborn) Get(_ context.Context, id string) (store.Document, error) {
	s.version++
	return store.Document{ID: id, Version: s.version, Body: []byte("{}")}, nil
}

func (s *stubborn) Replace(context.Context, string, int64, []byte) error {
	if s.behind > 0 {
		s.behind--
		return store.Moved("things")
	}
	return s.err
}

func TestUpdateTriesAgain(t *testing.T) {
	for _, test := range []struct {
		behind int
		err    error
		kind   fault.Kind
		calls  int
	}{
		{behind: 0, calls: 1},
		{behind: 3, calls: 4},
		{behind: 1 << 30, kind: fault.Conflict, calls: 200},
		{err: store.Taken("things", "email"), kind: fault.Conflict, calls: 1},
		{behind: 2, err: store.Missing("things"), kind: fault.NotFound, calls: 3},
	} {
		c, err := store.Open(t.Context(), &stubborn{behind: test.behind, err: test.err}, store.Def[map[string]int]{Name: "things"})
		if err != nil {
			t.Fatal(err)
		}
		var calls []int
		_, err = c.Update(t.Context(), "1", func(v *map[string]int) error { calls = append(calls, len(*v)); (*v)["x"] = 1; return nil })
		if fault.KindOf(err) != test.kind || len(calls) != test.calls || slices.Max(calls) != 0 {
			t.Errorf("%+v: %v after %d calls", test, err, len(calls))
		}
	}
}
