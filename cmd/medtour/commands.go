package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
)

// cli is the command line.
type cli struct {
	Config

	Serve        serveCmd        `cmd:"" default:"1" help:"Serve the site (the default)."`
	Seed         seedCmd         `cmd:"" help:"Load the starting catalogue; entries that exist stay as they are."`
	Import       importCmd       `cmd:"" help:"Import catalogue entries from an NDJSON file; see docs/import.md."`
	Export       exportCmd       `cmd:"" help:"Write the published catalogue as NDJSON."`
	Reindex      reindexCmd      `cmd:"" help:"Build the search index of this node anew."`
	Search       searchCmd       `cmd:"" help:"Search in the terminal, with the engine of the site."`
	SearchEval   searchEvalCmd   `cmd:"" help:"Measure the search on queries of which it is known what they should find."`
	SearchReport searchReportCmd `cmd:"" help:"Say what was searched for, what found nothing and what was not opened."`
	BenchSearch  benchSearchCmd  `cmd:"" help:"Measure the speed of the search on generated catalogues."`
	Reconcile    reconcileCmd    `cmd:"" help:"Compare the payments with the log of bookings, repair what was missed and say what a person must look at."`
	Doctor       doctorCmd       `cmd:"" help:"Check store, catalogue, index and payments, and say what to do."`
	Version      versionCmd      `cmd:"" help:"Say which version this is."`
}

type seedCmd struct{}

// Run loads the starting catalogue.
func (seedCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	engine, cat, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	return loadSeed(ctx, cat, out)
}

type importCmd struct {
	File   string `arg:"" help:"NDJSON file, one entry a line; - reads standard input." placeholder:"FILE"`
	Author string `help:"Who signs the revisions." default:"import"`
	Reason string `help:"Why; kept with the revisions."`
}

// Run imports a file. It fails where a line was refused; the good lines are in.
func (c importCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	in, err := openInput(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	engine, cat, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	bar := newProgress(out.stderr, "importing "+c.File)
	report, err := cat.Import(ctx, in, catalog.ImportOptions{
		By:       catalog.Edit{Author: c.Author, Reason: c.Reason},
		Progress: func(lines int) { bar.at(lines, 0) },
	})
	bar.end()
	for _, e := range report.Errors {
		fmt.Fprintln(out.stderr, e.Error())
	}
	if hidden := report.Failed - len(report.Errors); hidden > 0 {
		fmt.Fprintf(out.stderr, "and %d more bad lines\n", hidden)
	}
	fmt.Fprintf(out.stdout, "%d lines: %d created, %d updated, %d unchanged, %d refused\n",
		report.Lines, report.Created, report.Updated, report.Unchanged, report.Failed)
	if err != nil {
		return err
	}
	if report.Failed > 0 {
		return fault.New(fault.Conflict, "%d lines were refused; mend them and import the file again: what is in already stays", report.Failed)
	}
	return nil
}

func openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the file %s cannot be read", name)
	}
	return f, nil
}

type exportCmd struct {
	File  string   `help:"File to write; by default standard output." short:"o" placeholder:"FILE"`
	Kinds []string `arg:"" optional:"" help:"Kinds to export; by default all."`
}

// Run exports the published catalogue. A file appears whole or not at all.
func (c exportCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	engine, cat, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	var kinds []catalog.Kind
	for _, k := range c.Kinds {
		kinds = append(kinds, catalog.Kind(k))
	}
	if c.File == "" {
		return cat.Export(ctx, out.stdout, kinds...)
	}
	tmp, err := os.CreateTemp(filepath.Dir(c.File), ".export-*")
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the file %s cannot be written", c.File)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	err = cat.Export(ctx, tmp, kinds...)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), c.File)
}

type reindexCmd struct{}

// Run builds the index anew.
func (reindexCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	engine, cat, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	bar := newProgress(out.stderr, "building the search index")
	index, err := openSearch(ctx, cfg, cat, cfg.logger(out.stderr), bar.at)
	if err != nil {
		return err
	}
	defer func() { _ = index.Close() }()
	err = index.Rebuild(ctx)
	bar.end()
	return err
}

type searchCmd struct {
	Query []string `arg:"" help:"What to look for."`
	Kind  string   `help:"What to find: ${enum}." enum:"offering,package,hospital,treatment" default:"treatment"`
	Lang  string   `help:"Language of the titles." default:"en"`
	Limit int      `help:"How many results." default:"10"`
}

// Run searches and prints one hit a line.
func (c searchCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	engine, cat, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	if err := seedIfEmpty(ctx, cfg, cat, out); err != nil {
		return err
	}
	index, err := openSearch(ctx, cfg, cat, cfg.logger(out.stderr), func(int, int) {})
	if err != nil {
		return err
	}
	defer func() { _ = index.Close() }()
	if err := index.CatchUp(ctx); err != nil {
		return err
	}
	result, err := index.Search(ctx, search.Request{Query: strings.Join(c.Query, " "), Kind: catalog.Kind(c.Kind), Lang: c.Lang, Page: 1, PerPage: c.Limit})
	if err != nil {
		return err
	}
	printHits(out.stdout, result)
	return nil
}

func printHits(w io.Writer, r search.Result) {
	bw := bufio.NewWriter(w)
	defer func() { _ = bw.Flush() }()
	if r.Searched != "" {
		_, _ = fmt.Fprintf(bw, "searched for %q\n", r.Searched)
	}
	if r.DidYouMean != "" {
		_, _ = fmt.Fprintf(bw, "did you mean %q?\n", r.DidYouMean)
	}
	for i, h := range r.Hits {
		_, _ = fmt.Fprintf(bw, "%2d. %s  [%s/%s %.2f]\n", i+1, h.Title, h.Kind, h.ID, h.Score)
		for _, why := range h.Why {
			_, _ = fmt.Fprintf(bw, "      %s → %s\n", why.Typed, why.Means)
		}
	}
	_, _ = fmt.Fprintf(bw, "%d found in %s\n", r.Total, r.Took.Round(10*time.Microsecond))
}

type doctorCmd struct{}

// Run checks each part and goes on after a fault, so that one run tells all.
func (doctorCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	bad := 0
	check := func(what string, f func() (string, error)) bool {
		found, err := f()
		if err != nil {
			bad++
			fmt.Fprintf(out.stdout, "✗ %s: ", what)
			complain(out.stdout, err)
			return false
		}
		fmt.Fprintf(out.stdout, "✓ %s: %s\n", what, found)
		return true
	}
	check("configuration", func() (string, error) { return "valid", cfg.validate() })
	engine, cat, err := openCatalog(ctx, cfg)
	if check("store", func() (string, error) { return "answers", err }) {
		defer func() { _ = engine.Close() }()
		check("catalogue", func() (string, error) { return countAll(ctx, cat) })
		check("index", func() (string, error) { return indexState(ctx, cfg, cat, out) })
	}
	check("exchange rates", func() (string, error) {
		rates, err := loadRates(cfg)
		return fmt.Sprintf("%d currencies, of %s", len(rates.Rates)+1, rates.Date), err
	})
	check("payments", func() (string, error) { return paymentState(cfg) })
	if bad > 0 {
		return fault.New(fault.Unavailable, "%d checks failed", bad)
	}
	return nil
}

func countAll(ctx context.Context, cat *catalog.Catalog) (string, error) {
	var parts []string
	total := int64(0)
	for _, kind := range catalog.Kinds {
		n, err := cat.Count(ctx, kind)
		if err != nil {
			return "", err
		}
		total += n
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	if total == 0 {
		return "", fault.New(fault.NotFound, "the catalogue is empty; load the starting catalogue with medtour seed, or your own with medtour import")
	}
	return strings.Join(parts, ", "), nil
}

func indexState(ctx context.Context, cfg *Config, cat *catalog.Catalog, out *output) (string, error) {
	index, err := openSearch(ctx, cfg, cat, cfg.logger(out.stderr), func(int, int) {})
	if err != nil {
		return "", err
	}
	defer func() { _ = index.Close() }()
	if err := index.CatchUp(ctx); err != nil {
		return "", err
	}
	docs, seq := index.Stats()
	return fmt.Sprintf("%d documents, at change %d of %d", docs, seq, cat.LastSeq()), nil
}

func paymentState(cfg *Config) (string, error) {
	if cfg.simulated() {
		return "local test page, no money moves; set " + envStripeKey + " for Stripe", nil
	}
	_, err := stripepay.New(stripepay.Config{SecretKey: cfg.StripeKey, WebhookSecrets: cfg.StripeWebhookSecrets})
	return "the keys have the right form", err
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(out *output) error {
	fmt.Fprintln(out.stdout, "medtour", version(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return nil
}

// version is the module's version, or the commit that the program was built
// from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && !strings.Contains(v, s.Value[:12]) {
			v += " " + s.Value[:12]
		}
	}
	return v
}
