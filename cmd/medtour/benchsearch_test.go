package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/search"
)

func TestBenchSearch(t *testing.T) {
	code, stdout, stderr := command(t, "bench-search", "--sizes", "20,60", "--queries", "10")
	if code != exitOK {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{"20 offerings: imported", "60 offerings: imported", "| two words, all facets", "| suggestions", "| SQLite FTS5"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	for _, args := range [][]string{{"--sizes", "0"}, {"--sizes", "x"}, {"--queries", "0"}, {"--threads", "65"}, {"--sizes", "1000001"}} {
		if code, _, stderr := command(t, append([]string{"bench-search"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d\n%s", args, code, stderr)
		}
	}
}

// benchEngines returns the search and FTS5 over a generated catalogue.
func benchEngines(t testing.TB, data *benchData) (*search.Engine, *ftsBench) {
	t.Helper()
	ctx := context.Background()
	cfg := Config{Addr: "127.0.0.1:0", Data: t.TempDir()}
	engine, cat, err := openCatalog(ctx, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	if err := data.load(ctx, cat, nil); err != nil {
		t.Fatal(err)
	}
	index, err := openSearch(ctx, &cfg, cat, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	fts, err := openFTS(ctx, t.TempDir(), data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fts.db.Close() })
	return index, fts
}

// BenchmarkSearch compares a page of hits with all facets in both engines, and
// suggestions. For larger catalogues there is medtour bench-search.
func BenchmarkSearch(b *testing.B) {
	data := newBenchData(2000)
	index, fts := benchEngines(b, data)
	queries := data.queries(500)
	ctx := context.Background()
	for _, way := range []struct {
		name string
		run  func(q benchQuery) error
	}{
		{"medtour", func(q benchQuery) error {
			_, err := index.Search(ctx, search.Request{Query: q.Words})
			return err
		}},
		{"medtour-typo", func(q benchQuery) error {
			_, err := index.Search(ctx, search.Request{Query: q.Typo})
			return err
		}},
		{"medtour-suggest", func(q benchQuery) error {
			_, err := index.Suggest(ctx, q.Prefix, "en", 8)
			return err
		}},
		{"fts5", func(q benchQuery) error {
			_, err := fts.search(ctx, q.Words)
			return err
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := way.run(queries[i%len(queries)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The generated catalogue is the same each time, and every query finds
// something in both engines, so that times are not those of empty answers.
func TestBenchData(t *testing.T) {
	const size = 60
	var one, two bytes.Buffer
	for _, b := range []*bytes.Buffer{&one, &two} {
		if err := newBenchData(size).write(b); err != nil {
			t.Fatal(err)
		}
	}
	if one.String() != two.String() {
		t.Error("two catalogues of one size differ")
	}
	if text := newBenchData(size).offering(7).Summary["en"]; len(text) < 700 || len(text) > 1400 {
		t.Errorf("%d bytes of text", len(text))
	}
	data := newBenchData(size)
	index, fts := benchEngines(t, data)
	ctx := t.Context()
	queries := data.queries(20)
	if len(queries) != 20 {
		t.Fatalf("%d queries", len(queries))
	}
	for _, q := range queries {
		if found, err := index.Search(ctx, search.Request{Query: q.Words}); err != nil || found.Total == 0 {
			t.Errorf("%q: %d hits, %v", q.Words, found.Total, err)
		}
		if n, err := fts.search(ctx, q.Words); err != nil || n == 0 || n > size {
			t.Errorf("%q in FTS5: %d hits, %v", q.Words, n, err)
		}
		if q.Typo == q.Words || len(q.Typo) != len(q.Words) {
			t.Errorf("%q with a typing error is %q", q.Words, q.Typo)
		}
	}
}

func TestPercentile(t *testing.T) {
	r := benchRow{}
	for i := 1; i <= 101; i++ {
		r.took = append(r.took, time.Duration(i))
	}
	if r.percentile(50) != 51 || r.percentile(99) != 100 || (benchRow{took: []time.Duration{5}}).percentile(99) != 5 {
		t.Error(r.percentile(50), r.percentile(99))
	}
}
