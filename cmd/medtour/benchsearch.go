package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/sqlite"
	"github.com/medtour/medtour/web"
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
	// publishes is how many changes are published to be waited for.
	publishes = 20
	// watchHeap is how often the memory is looked at while the index is built.
	watchHeap = 50 * time.Millisecond
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
	var all [][]benchRow
	for _, size := range c.Sizes {
		rows, err := c.measure(ctx, size, cfg, out)
		if err != nil {
			return err
		}
		all = append(all, rows)
	}
	return printGrowth(out.stdout, c.Sizes, all)
}

// measure builds a catalogue of a size and measures everything on it.
func (c benchSearchCmd) measure(ctx context.Context, size int, cfg *Config, out *output) ([]benchRow, error) {
	dir, err := os.MkdirTemp("", "medtour-bench-")
	if err != nil {
		return nil, fmt.Errorf("no folder for the benchmark: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	engine, err := sqlite.Open(filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = engine.Close() }()
	cat, err := catalog.Open(ctx, engine, time.Now)
	if err != nil {
		return nil, err
	}
	data := newBenchData(size)
	bar := newProgress(out.stderr, fmt.Sprintf("importing %d offerings", size))
	begin := time.Now()
	if err := data.load(ctx, cat, func(lines int) { bar.at(lines, size) }); err != nil {
		return nil, err
	}
	imported := time.Since(begin)
	bar.end()
	indexDir := filepath.Join(dir, "index")
	index, built, err := c.build(ctx, cat, indexDir, cfg, out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = index.Close() }()
	fmt.Fprintf(out.stdout, "\n%d offerings: imported in %s (%.0f/s), indexed in %s (%.0f/s) with %s of processors and at most %s of memory; index %s on disk",
		size, imported.Round(time.Millisecond), float64(size)/imported.Seconds(), built.took.Round(time.Millisecond), float64(size)/built.took.Seconds(),
		built.cpu.Round(time.Millisecond), megabytes(built.memory), megabytes(folderSize(indexDir)))
	queries := data.queries(c.Queries)
	rows, err := c.searches(ctx, index, queries)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out.stdout, ", memory in use after the searches %s\n", megabytes(heap()))
	if c.FTS {
		row, err := c.fts(ctx, dir, data)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	api, err := c.api(ctx, engine, cat, index, queries)
	if err != nil {
		return nil, err
	}
	publish, err := c.publish(ctx, cat, index, data)
	if err != nil {
		return nil, err
	}
	rows = append(rows, api, publish)
	return rows, printBench(out.stdout, rows)
}

// buildCost is what building the index took: memory is the most in use, in
// bytes, beyond what was before.
type buildCost struct {
	took, cpu time.Duration
	memory    int64
}

func (c benchSearchCmd) build(ctx context.Context, cat *catalog.Catalog, dir string, cfg *Config, out *output) (*search.Engine, buildCost, error) {
	bar := newProgress(out.stderr, "building the search index")
	var cost buildCost
	before := heap()
	watching, stop := context.WithCancel(ctx)
	var watch errgroup.Group
	watch.Go(func() error {
		for watching.Err() == nil {
			cost.memory = max(cost.memory, heapNow()-before)
			time.Sleep(watchHeap)
		}
		return nil
	})
	begin, used := time.Now(), cpuTime()
	index, err := search.Open(ctx, search.Config{Dir: dir, Catalog: cat, Now: time.Now, Log: cfg.logger(out.stderr), Progress: bar.at})
	stop()
	_ = watch.Wait()
	cost.took, cost.cpu = time.Since(begin), cpuTime()-used
	bar.end()
	return index, cost, err
}

// api asks the handler of /api/v1/search and counts what it takes beyond the
// engine's own time.
func (c benchSearchCmd) api(ctx context.Context, engine store.Engine, cat *catalog.Catalog, index *search.Engine, queries []benchQuery) (benchRow, error) {
	analytics, err := search.NewAnalytics(ctx, engine, time.Now)
	if err != nil {
		return benchRow{}, err
	}
	site, err := web.New(web.Config{Catalog: cat, Search: index, Analytics: analytics, BaseURL: "http://localhost", Secret: make([]byte, account.MinSecret),
		Ping: engine.Ping, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		return benchRow{}, err
	}
	return c.time("/api/v1/search beside the engine", queries, func(q benchQuery) (int, time.Duration, error) {
		// Another page than that of the searches before, which are remembered.
		address := "/api/v1/search?per_page=20&page=2&q=" + url.QueryEscape(q.Words)
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		res := httptest.NewRecorder()
		site.ServeHTTP(res, req)
		var body struct {
			Total  int     `json:"total"`
			TookMS float64 `json:"took_ms"`
		}
		if res.Code != http.StatusOK {
			return 0, 0, fault.New(fault.Internal, "%s answers %d", address, res.Code)
		}
		if err := json.Unmarshal(res.Body.Bytes(), &body); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", address, err)
		}
		return body.Total, time.Duration(body.TookMS * float64(time.Millisecond)), nil
	})
}

// publish measures how long a published change takes to be found, one after
// the other.
func (c benchSearchCmd) publish(ctx context.Context, cat *catalog.Catalog, index *search.Engine, data *benchData) (benchRow, error) {
	row := benchRow{name: "publishing until it is found"}
	following, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	var failed atomic.Pointer[error]
	g.Go(func() error {
		index.Run(following, func(err error) { failed.Store(&err) })
		return nil
	})
	for i := range publishes {
		o := data.offering(i % data.size).Offering
		// Too far from the word before to be taken for it mistyped.
		word := strings.Repeat(string(rune('a'+i)), 3) + "publish" + strings.Repeat(string(rune('a'+i)), 3)
		o.Name = catalog.Text{"en": word}
		begin := time.Now()
		if _, err := cat.Offerings.Publish(ctx, o, catalog.Edit{Author: "bench-search"}); err != nil {
			return row, err
		}
		for found := 0; found == 0; {
			res, err := index.Search(ctx, search.Request{Query: word})
			if err != nil {
				return row, err
			}
			if err := failed.Load(); err != nil {
				return row, *err
			}
			if res.DidYouMean == "" {
				found = res.Total
			}
			if found == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		row.took = append(row.took, time.Since(begin))
		row.found++
	}
	stop()
	_ = g.Wait()
	slices.Sort(row.took)
	return row, nil
}

// benchRow is one measurement.
type benchRow struct {
	name string
	// took is the time of each query, in ascending order.
	took []time.Duration
	// found is the sum of their hits.
	found int
	// cpu is the time of processors that all of them took: on a machine that
	// has other work too, their own time is mostly waiting.
	cpu time.Duration
}

func (r benchRow) percentile(p int) time.Duration { return r.took[(len(r.took)-1)*p/100] }

// searches measures each way of searching, no request twice but for some of the
// pairs of frequent words, so that none is answered with a remembered result. Another query of each comes first, since
// the first one after a start reads the index from disk.
func (c benchSearchCmd) searches(ctx context.Context, index *search.Engine, queries []benchQuery) ([]benchRow, error) {
	ask := func(request func(q benchQuery) search.Request) func(benchQuery) (int, time.Duration, error) {
		return func(q benchQuery) (int, time.Duration, error) {
			res, err := index.Search(ctx, request(q))
			return res.Total, 0, err
		}
	}
	suggest := func(letters int) func(benchQuery) (int, time.Duration, error) {
		return func(q benchQuery) (int, time.Duration, error) {
			found, err := index.Suggest(ctx, q.Prefix[:letters], "en", 8)
			return len(found), 0, err
		}
	}
	var rows []benchRow
	for _, way := range []struct {
		name string
		run  func(benchQuery) (int, time.Duration, error)
	}{
		{"two words, all facets", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Words} })},
		{"the same in one district", ask(func(q benchQuery) search.Request {
			return search.Request{Query: q.Words, Filters: map[string][]string{"district": {q.District}}}
		})},
		{"the same, shortest stay first", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Words, Sort: search.SortStay} })},
		{"the same with a typing error", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Typo} })},
		{"two words of most texts", ask(func(q benchQuery) search.Request { return search.Request{Query: q.Common} })},
		{"suggestions for three letters", suggest(3)},
		{"suggestions for one letter", suggest(1)},
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
	return c.time("SQLite FTS5: two words, 8 facets", data.queries(max(1, c.Queries/ftsShare)), func(q benchQuery) (int, time.Duration, error) {
		n, err := f.search(ctx, q.Words)
		return n, 0, err
	})
}

// time runs a query each, several at the same time, and takes off what run says
// is not to be counted.
func (c benchSearchCmd) time(name string, queries []benchQuery, run func(benchQuery) (found int, off time.Duration, err error)) (benchRow, error) {
	row := benchRow{name: name, took: make([]time.Duration, len(queries))}
	if len(queries) == 0 {
		return row, fault.New(fault.Internal, "the generated catalogue has no queries")
	}
	found := make([]int, len(queries))
	if _, _, err := run(queries[0]); err != nil {
		return row, err
	}
	before := cpuTime()
	var g errgroup.Group
	for thread := range c.Threads {
		g.Go(func() error {
			for i := thread; i < len(queries); i += c.Threads {
				begin := time.Now()
				n, off, err := run(queries[i])
				if err != nil {
					return err
				}
				row.took[i], found[i] = time.Since(begin)-off, n
			}
			return nil
		})
	}
	err := g.Wait()
	row.cpu = cpuTime() - before
	for _, n := range found {
		row.found += n
	}
	slices.Sort(row.took)
	return row, err
}

// printBench writes a table of Markdown.
func printBench(w io.Writer, rows []benchRow) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(tw, "\n| milliseconds\t| p50\t| p90\t| p99\t| processor\t| hits\t| queries\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|\n")
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, r := range rows {
		cpu := "-"
		if r.cpu > 0 {
			cpu = fmt.Sprintf("%.2f", ms(r.cpu/time.Duration(len(r.took))))
		}
		fmt.Fprintf(tw, "| %s\t| %.2f\t| %.2f\t| %.2f\t| %s\t| %.1f\t| %d\t|\n", r.name, ms(r.percentile(50)), ms(r.percentile(90)), ms(r.percentile(99)),
			cpu, float64(r.found)/float64(len(r.took)), len(r.took))
	}
	return tw.Flush()
}

// printGrowth writes how the medians grow with the catalogue.
func printGrowth(w io.Writer, sizes []int, all [][]benchRow) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(tw, "\n| medians in milliseconds\t")
	for _, size := range sizes {
		fmt.Fprintf(tw, "| %d\t", size)
	}
	fmt.Fprintf(tw, "| growth\t|\n%s|\n", strings.Repeat("| ---\t", len(sizes)+2))
	for i, row := range all[0] {
		fmt.Fprintf(tw, "| %s\t", row.name)
		for _, rows := range all {
			fmt.Fprintf(tw, "| %.2f\t", float64(rows[i].percentile(50).Microseconds())/1000)
		}
		fmt.Fprintf(tw, "| %.1f times\t|\n", float64(all[len(all)-1][i].percentile(50))/float64(max(1, row.percentile(50))))
	}
	return tw.Flush()
}

// heap is the memory in use, in bytes, when what is no longer used is freed.
func heap() int64 {
	runtime.GC()
	return heapNow()
}

func heapNow() int64 {
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
