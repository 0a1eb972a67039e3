package main

import (
	"bytes"
	"context"
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
	ctx := context.Background()
	data := newBenchData(size)
	engine, cat, err := openCatalog(ctx, &Config{Addr: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	if err := data.load(ctx, cat, nil); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Data: t.TempDir()}
	index, err := openSearch(ctx, &cfg, cat, cfg.logger(&bytes.Buffer{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = index.Close() }()
	fts, err := openFTS(ctx, t.TempDir(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fts.db.Close() }()
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
