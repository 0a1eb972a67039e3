package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/medtour/medtour/search"
)

type searchReportCmd struct {
	Days  int    `help:"How many days, today included; counts are kept for 90." default:"7"`
	Lang  string `help:"Only searches on pages of this language." placeholder:"TAG"`
	Limit int    `help:"How many queries in each list." default:"20"`
	JSON  bool   `help:"Write everything as JSON." name:"json"`
}

// Run says what people searched for and what they did not find. The program may
// be running meanwhile; it writes what it counts every few seconds.
func (c searchReportCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	engine, err := openStoreToRead(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	analytics, err := search.NewAnalytics(ctx, engine, time.Now)
	if err != nil {
		return err
	}
	report, err := analytics.Report(ctx, c.Days, c.Lang)
	if err != nil {
		return err
	}
	if !c.JSON {
		return c.print(out.stdout, report)
	}
	enc := json.NewEncoder(out.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		search.SearchReport
		Empty    []search.QueryCounts `json:"empty"`
		LowClick []search.QueryCounts `json:"low_click"`
	}{report, report.Empty(), report.LowClick()})
}

func (c searchReportCmd) print(w io.Writer, r search.SearchReport) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "Searches from %s to %s: %d, of which %d found nothing; %d clicks on results.\n", r.From, r.To, r.Total.Searches, r.Total.Empty, r.Total.Clicks)
	fmt.Fprintf(tw, "The words of %d of them are not known: too rare on their day, or kept out for privacy.\n", r.Withheld.Searches)
	if len(r.Days) > 0 {
		fmt.Fprint(tw, "\nday\tlanguage\tsearches\tfound nothing\tclicks\n")
	}
	for _, d := range r.Days {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\n", d.Day, d.Lang, d.Searches, d.Empty, d.Clicks)
	}
	for _, list := range []struct {
		title   string
		queries []search.QueryCounts
	}{{"Most frequent", r.Queries}, {"Found nothing", r.Empty()}, {"Few clicks", r.LowClick()}} {
		if len(list.queries) > 0 {
			fmt.Fprintf(tw, "\n%s\tlanguage\tfor\tsearches\tfound nothing\thits\tclicks\n", list.title)
		}
		for _, q := range list.queries[:min(max(c.Limit, 0), len(list.queries))] {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%d\t%.0f\t%d\n", q.Query, q.Lang, q.Kind, q.Searches, q.Empty, float64(q.Hits)/float64(q.Searches), q.Clicks)
		}
	}
	return tw.Flush()
}
