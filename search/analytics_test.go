package search_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// movable is a clock that tests move.
type movable struct {
	mu sync.Mutex
	at time.Time
}

func (c *movable) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movable) move(days int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.AddDate(0, 0, days)
}

func newAnalytics(t testing.TB, engine store.Engine, clock func() time.Time) *search.Analytics {
	t.Helper()
	a, err := search.NewAnalytics(context.Background(), engine, clock)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func flush(t testing.TB, a *search.Analytics) {
	t.Helper()
	if err := a.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func report(t testing.TB, a *search.Analytics, days int, lang string) search.SearchReport {
	t.Helper()
	r, err := a.Report(context.Background(), days, lang)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// times notes a search some times.
func times(a *search.Analytics, n int, lang, query string, hits int) {
	for range n {
		a.Note(lang, catalog.KindTreatment, query, hits, true)
	}
}

func TestAnalytics(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		c := &movable{at: today}
		a, other := newAnalytics(t, engine, c.now), newAnalytics(t, engine, c.now)
		times(a, 2, "en", "Hip  replacement", 5)
		times(other, 2, "en", "hip replacement", 5)
		a.Click("en", catalog.KindTreatment, "HIP replacement")
		times(a, 5, "en", "flying carpet", 0)
		times(a, 6, "fr", "genou", 3)
		a.Note("en", catalog.KindOffering, "hip replacement", 1, false)
		a.Note("en", catalog.KindTreatment, "  ", 70, true)
		a.Note("en", "robot", "x", 1, true)
		a.Click("en", catalog.KindTreatment, "never searched")
		flush(t, a)
		flush(t, other)

		r := report(t, a, 7, "")
		if r.Total.Searches != 16 || r.Total.Clicks != 1 || r.Withheld.Searches != 1 || r.From != "2026-11-16" || r.To != "2026-11-22" {
			t.Errorf("%+v", r)
		}
		want := []search.QueryCounts{
			{Lang: "fr", Kind: "treatment", Query: "genou", SearchCounts: search.SearchCounts{Searches: 6, Hits: 18, Pages: 6}},
			{Lang: "en", Kind: "treatment", Query: "flying carpet", SearchCounts: search.SearchCounts{Searches: 5, Empty: 5, Pages: 5}},
			{Lang: "en", Kind: "treatment", Query: "hip replacement", SearchCounts: search.SearchCounts{Searches: 4, Hits: 20, Pages: 4, Clicks: 1}},
		}
		if fmt.Sprint(r.Queries) != fmt.Sprint(want) {
			t.Errorf("%+v, want %+v", r.Queries, want)
		}
		if e := r.Empty(); len(e) != 1 || e[0].Query != "flying carpet" {
			t.Errorf("nothing found: %+v", e)
		}
		if l := r.LowClick(); len(l) != 1 || l[0].Query != "genou" {
			t.Errorf("few clicks: %+v", l)
		}
		if en := report(t, a, 1, "en"); en.Total.Searches != 10 || len(en.Days) != 1 || len(en.Queries) != 2 {
			t.Errorf("%+v", en)
		}

		// A day later the counts of a query begin again, and its words stay
		// unknown until it is frequent again.
		c.move(1)
		times(a, 2, "en", "hip replacement", 5)
		times(a, 1, "en", "flying carpet", 0)
		flush(t, a)
		r = report(t, a, 1, "")
		if r.Total.Searches != 3 || r.Withheld.Searches != 3 || len(r.Queries) != 0 {
			t.Errorf("%+v", r)
		}
		if r = report(t, a, 2, ""); r.Total.Searches != 19 || len(r.Days) != 3 {
			t.Errorf("%+v", r)
		}
	})
}

// What is in the store tells nothing of rare queries, and the salts that their
// hashes are made with go away.
func TestRareQueriesAreNotStored(t *testing.T) {
	engine := storetest.Open(t, storetest.SQLite(t))
	c := &movable{at: today}
	a := newAnalytics(t, engine, c.now)
	times(a, 2, "en", "my rare illness", 1)
	times(a, 4, "en", "Wang Xiaoming 13800138000", 1)
	times(a, 4, "en", "jane@example.org liver", 1)
	times(a, 4, "en", strings.Repeat("my story ", 20), 1)
	flush(t, a)
	stored := dump(t, engine, "search_counts")
	for _, word := range []string{"rare", "wang", "13800138000", "jane", "story"} {
		if strings.Contains(strings.ToLower(stored), word) {
			t.Errorf("%q is stored: %s", word, stored)
		}
	}
	if r := report(t, a, 1, ""); r.Withheld.Searches != 14 || r.Total.Searches != 14 {
		t.Errorf("%+v", r)
	}
	if dump(t, engine, "search_salts") == "" {
		t.Fatal("there is no salt")
	}
	c.move(2)
	flush(t, a)
	if left := dump(t, engine, "search_salts"); left != "" {
		t.Errorf("salts are left: %s", left)
	}
}

func dump(t testing.TB, engine store.Engine, name string) string {
	t.Helper()
	c, err := store.Open(t.Context(), engine, store.Def[json.RawMessage]{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Each(t.Context(), store.Query{}, func(r store.Record[json.RawMessage]) error {
		_, err := fmt.Fprintln(&b, r.ID, string(r.Value))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCountsAreKeptNinetyDays(t *testing.T) {
	engine := storetest.Open(t, storetest.SQLite(t))
	c := &movable{at: today}
	a := newAnalytics(t, engine, c.now)
	times(a, 3, "en", "old", 1)
	flush(t, a)
	c.move(search.KeepDays - 1)
	times(a, 3, "en", "new", 1)
	flush(t, a)
	if r := report(t, a, search.KeepDays, ""); len(r.Queries) != 2 {
		t.Errorf("on the last day: %+v", r.Queries)
	}
	c.move(1)
	flush(t, a)
	if stored := dump(t, engine, "search_counts"); strings.Contains(stored, "old") || !strings.Contains(stored, "new") {
		t.Errorf("after it: %s", stored)
	}
	for _, days := range []int{0, -1, search.KeepDays + 1} {
		if _, err := a.Report(t.Context(), days, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d days: %v", days, err)
		}
	}
}

// broken is an engine whose writes fail while it is broken.
type broken struct {
	store.Engine
	err error
}

func (b *broken) Open(ctx context.Context, s store.Schema) (store.Documents, error) {
	docs, err := b.Engine.Open(ctx, s)
	return brokenDocuments{docs, b}, err
}

type brokenDocuments struct {
	store.Documents
	engine *broken
}

func (d brokenDocuments) Insert(ctx context.Context, id string, body []byte) error {
	if d.engine.err != nil {
		return d.engine.err
	}
	return d.Documents.Insert(ctx, id, body)
}

func TestCountsOutliveAFailedWrite(t *testing.T) {
	engine := &broken{Engine: storetest.Open(t, storetest.SQLite(t)), err: errors.New("disk full")}
	a := newAnalytics(t, engine, clock)
	times(a, 2, "en", "knee", 1)
	if err := a.Flush(t.Context()); !errors.Is(err, engine.err) {
		t.Fatal(err)
	}
	engine.err = nil
	times(a, 1, "en", "knee", 1)
	flush(t, a)
	if r := report(t, a, 1, ""); len(r.Queries) != 1 || r.Queries[0].Searches != 3 {
		t.Errorf("%+v", r)
	}
}

// Run writes what was counted before it ends.
func TestRunWritesAtTheEnd(t *testing.T) {
	a := newAnalytics(t, storetest.Open(t, storetest.SQLite(t)), clock)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Run(ctx, func(err error) { t.Error(err) })
	}()
	times(a, 3, "en", "knee", 1)
	cancel()
	<-done
	if r := report(t, a, 1, ""); r.Total.Searches != 3 {
		t.Errorf("%+v", r)
	}
}

// Nonsense by the thousand takes bounded memory, and every search is counted.
func TestManyDifferentQueries(t *testing.T) {
	engine := storetest.Open(t, storetest.SQLite(t))
	a := newAnalytics(t, engine, clock)
	const many = 2500
	for i := range many {
		a.Note("en", catalog.KindOffering, fmt.Sprintf("nonsense %d", i), 0, true)
	}
	flush(t, a)
	if r := report(t, a, 1, ""); r.Total.Searches != many || r.Total.Empty != many {
		t.Errorf("%+v", r.Total)
	}
	if n := strings.Count(dump(t, engine, "search_counts"), "\n"); n > 2001 {
		t.Errorf("%d counters were stored", n)
	}
}

// No query with a long number or an address in it is stored, whatever stands
// around it.
func TestNumbersOfPersonsAreNotStored(t *testing.T) {
	engine := storetest.Open(t, storetest.SQLite(t))
	for _, q := range []string{"+49 (171) 555-0142", "born 1980-02-29", "passport E12345678", "١٢٣٤٥٦٧٨", "１３８００１３８０００", "a＠b.example", "https://x.example/?id=1",
		"138\u200d0013\u200d8000"} {
		a := newAnalytics(t, engine, clock)
		times(a, 3, "en", q, 1)
		flush(t, a)
		if r := report(t, a, 1, ""); len(r.Queries) > 0 {
			t.Errorf("%q is stored as %+v", q, r.Queries)
		}
	}
	for _, q := range []string{"c83.3", "under 200 000 rub", "car-t cd19", "ais cobb angle 52", "46,xy", "24/7 hospital"} {
		engine := storetest.Open(t, storetest.SQLite(t))
		a := newAnalytics(t, engine, clock)
		times(a, 3, "en", q, 1)
		flush(t, a)
		if r := report(t, a, 1, ""); len(r.Queries) != 1 || r.Queries[0].Query != q {
			t.Errorf("%q is not stored: %+v", q, r)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]([ .()+/-]{0,2}[0-9]){6,14}`).Draw(t, "digits")
		before, after := rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "before"), rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "after")
		if q := search.Countable(before + digits + after); q != "" {
			t.Fatalf("%q would be stored", q)
		}
	})
}
