package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/store/sqlite"
)

type benchSearchCmd struct {
	Sizes   []int `help:"Numbers of offerings to measure with." default:"1000,10000"`
	Queries int   `help:"Different queries for each measurement." default:"1000"`
	Threads int   `help:"Queries at the same time." default:"2"`
	FTS     bool  `help:"Measure SQLite FTS5 on the same catalogue as well." default:"true" negatable:"" name:"fts"`
}

// Limits of a benchmark: beyond, one wants a machine for it.
const (
	maxBenchSize    = 1_000_000
	maxBenchQueries = 100_000
	maxBenchThreads = 64
	// ftsShare is how many times fewer queries FTS5 is asked, being slower.
	ftsShare = 10
)

func (c benchSearchCmd) validate() error {
	var f fault.Fields
	for _, size := range c.Sizes {
		if size < 1 || size > maxBenchSize {
			f.Add("--sizes", "range", "between 1 and %d", maxBenchSize)
		}
	}
	if c.Queries < 1 || c.Queries > maxBenchQueries {
		f.Add("--queries", "range", "between 1 and %d", maxBenchQueries)
	}
	if c.Threads < 1 || c.Threads > maxBenchThreads {
		f.Add("--threads", "range", "between 1 and %d", maxBenchThreads)
	}
	return f.Err("the benchmark cannot be run as asked")
}

// Run measures the search on generated catalogues in a folder that is removed
// afterwards.
func (c benchSearchCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	if err := c.validate(); err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "medtour %s, %s, %d processors, %d queries at the same time\n", version(), runtime.Version(), runtime.NumCPU(), c.Threads)
	for _, size := range c.Sizes {
		if err := c.measure(ctx, size, cfg, out); err != nil {
			return err
		}
	}
	return nil
}

// measure builds a catalogue of a size and measures everything on it.
func (c benchSearchCmd) measure(ctx context.Context, size int, cfg *Config, out *output) error {
	dir, err := os.MkdirTemp("", "medtour-bench-")
	if err != nil {
		return fmt.Errorf("no folder for the benchmark: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	engine, err := sqlite.Open(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	cat, err := catalog.Open(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	data := newBenchData(size)
	bar := newProgress(out.stderr, fmt.Sprintf("importing %d offerings", size))
	begin := time.Now()
	if err := data.load(ctx, cat, func(lines int) { bar.at(lines, size) }); err != nil {
		return err
	}
	imported := time.Since(begin)
	bar.end()
	bar = newProgress(out.stderr, "building the search index")
	before := heap()
	begin = time.Now()
	indexDir := filepath.Join(dir, "index")
	index, err := search.Open(ctx, search.Config{Dir: indexDir, Catalog: cat, Now: time.Now, Log: cfg.logger(out.stderr), Progress: bar.at})
	if err != nil {
		return err
	}
	defer func() { _ = index.Close() }()
	built := time.Since(begin)
	bar.end()
	fmt.Fprintf(out.stdout, "\n%d offerings: imported in %s (%.0f/s), indexed in %s (%.0f/s), index %s on disk, %s in memory\n", size, imported.Round(time.Millisecond),
		float64(size)/imported.Seconds(), built.Round(time.Millisecond), float64(size)/built.Seconds(), megabytes(folderSize(indexDir)), megabytes(heap()-before))
	rows, err := c.searches(ctx, index, data.queries(c.Queries))
	if err != nil {
		return err
	}
	if c.FTS {
		row, err := c.fts(ctx, dir, data)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return printBench(out.stdout, rows)
}

// benchRow is one measurement.
type benchRow struct {
	name string
	// took is the time of each query, in ascending order.
	took []time.Duration
	// found is the sum of their hits.
	found int
}

func (r benchRow) percentile(p int) time.Duration { return r.took[(len(r.took)-1)*p/100] }

// searches measures each way of searching. Another query of each comes first,
// since the first one after a start reads the index from disk.
func (c benchSearchCmd) searches(ctx context.Context, index *search.Engine, queries []benchQuery) ([]benchRow, error) {
	ask := func(request func(q benchQuery) search.Request) func(benchQuery) (int, error) {
		return func(q benchQuery) (int, error) {
			res, err := index.Search(ctx, request(q))
			return res.Total, err
		}
	}
	var rows []benchRow
	for _, way := range []struct {
		name string
		run  func(benchQuery) (int, error)
	}{
		{"two words, all facets", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Words} })},
		{"the same in one district", ask(func(q benchQuery) search.Request {
			return search.Request{Query: q.Words, Filters: map[string][]string{"district": {q.District}}}
		})},
		{"the same, shortest stay first", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Words, Sort: search.SortStay} })},
		{"the same with a typing error", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Typo} })},
		{"one word of most texts", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Common} })},
		{"suggestions for three letters", func(q benchQuery) (int, error) {
			found, err := index.Suggest(ctx, q.Prefix, "en", 8)
			return len(found), err
		}},
	} {
		row, err := c.time(way.name, queries, way.run)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (c benchSearchCmd) fts(ctx context.Context, dir string, data *benchData) (benchRow, error) {
	f, err := openFTS(ctx, dir, data)
	if err != nil {
		return benchRow{}, err
	}
	defer func() { _ = f.db.Close() }()
	return c.time("SQLite FTS5: two words, 8 facets", data.queries(max(1, c.Queries/ftsShare)), func(q benchQuery) (int, error) { return f.search(ctx, q.Words) })
}

// time runs a query each, several at the same time.
func (c benchSearchCmd) time(name string, queries []benchQuery, run func(benchQuery) (found int, err error)) (benchRow, error) {
	row := benchRow{name: name, took: make([]time.Duration, len(queries))}
	if len(queries) == 0 {
		return row, fault.New(fault.Internal, "the generated catalogue has no queries")
	}
	found := make([]int, len(queries))
	if _, err := run(queries[0]); err != nil {
		return row, err
	}
	var g errgroup.Group
	for thread := range c.Threads {
		g.Go(func() error {
			for i := thread; i < len(queries); i += c.Threads {
				begin := time.Now()
				n, err := run(queries[i])
				if err != nil {
					return err
				}
				row.took[i], found[i] = time.Since(begin), n
			}
			return nil
		})
	}
	err := g.Wait()
	for _, n := range found {
		row.found += n
	}
	slices.Sort(row.took)
	return row, err
}

// printBench writes a table of Markdown.
func printBench(w io.Writer, rows []benchRow) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(tw, "\n| milliseconds\t| p50\t| p90\t| p99\t| hits on average\t| queries\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|\n")
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, r := range rows {
		fmt.Fprintf(tw, "| %s\t| %.2f\t| %.2f\t| %.2f\t| %.1f\t| %d\t|\n", r.name, ms(r.percentile(50)), ms(r.percentile(90)), ms(r.percentile(99)),
			float64(r.found)/float64(len(r.took)), len(r.took))
	}
	return tw.Flush()
}

// heap is the memory in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// folderSize is the size of all files in a folder, in bytes. A file that goes
// away meanwhile does not count.
func folderSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
