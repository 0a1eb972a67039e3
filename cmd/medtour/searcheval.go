package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
)

type searchEvalCmd struct {
	File  string `arg:"" help:"File of queries and what they should find, separated by tabs: qid, lang, kind, query, relevance; - reads standard input." placeholder:"FILE"`
	Lang  string `help:"Only queries of this language." placeholder:"TAG"`
	Worst int    `help:"How many of the worst queries to list." default:"10"`
	JSON  bool   `help:"Write everything as JSON." name:"json"`
}

// Run measures the search of the site on judged queries. Bad lines are
// reported and left out, and make the command fail in the end.
func (c searchEvalCmd) Run(ctx context.Context, cfg *Config, out *output) error {
	in, err := openInput(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	judgements, bad, err := search.ReadJudgements(in)
	if err != nil {
		return err
	}
	for _, e := range bad {
		fmt.Fprintln(out.stderr, e)
	}
	if c.Lang != "" {
		judgements = slices.DeleteFunc(judgements, func(j search.Judgement) bool { return !strings.EqualFold(j.Lang, c.Lang) })
	}
	if len(judgements) == 0 {
		return fault.New(fault.Invalid, "there is no query to measure")
	}
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
	cases, err := index.Evaluate(ctx, judgements)
	if err != nil {
		return err
	}
	if err := c.print(out.stdout, cases); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fault.New(fault.Conflict, "%d lines of %s were left out", len(bad), c.File)
	}
	return nil
}

func (c searchEvalCmd) print(w io.Writer, cases []search.Case) error {
	groups, worst := search.Summarize(cases), search.Worst(cases, c.Worst)
	if c.JSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Groups []search.Group `json:"groups"`
			Worst  []search.Case  `json:"worst"`
		}{groups, worst})
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "group\tcases\tnDCG@10\tMRR\tsuccess@1\tsuccess@3\trecall@20\tnothing fits\tbut came\t")
	for _, g := range groups {
		scores := "–\t–\t–\t–\t–"
		if g.Cases > 0 {
			scores = fmt.Sprintf("%.3f\t%.3f\t%.3f\t%.3f\t%.3f", g.NDCG10, g.MRR, g.Success1, g.Success3, g.Recall20)
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\t%d\t%d\t\n", g.Name, g.Cases, scores, g.Negatives, g.NegativeMisses)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for i, q := range worst {
		if i == 0 {
			fmt.Fprintln(w, "\nWorst queries:")
		}
		want := make([]string, 0, len(q.Grades))
		for key, grade := range q.Grades {
			want = append(want, fmt.Sprintf("%s=%d", key, grade))
		}
		slices.Sort(want)
		fmt.Fprintf(w, "%.3f  %s %s %s %q\n", q.NDCG10, q.ID, q.Lang, q.Kind, q.Query)
		fmt.Fprintf(w, "       came: %s\n       want: %s\n", orNothing(q.Shown[:min(len(q.Shown), 5)]), orNothing(want))
	}
	return nil
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
