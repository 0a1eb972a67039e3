package search

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// Judgement is a query with what it should find.
type Judgement struct {
	ID string `json:"qid"`
	// Lang is the language of the query, BCP 47.
	Lang string `json:"lang"`
	// Kind of query: lay, clinical, typo, …
	Kind  string `json:"kind"`
	Query string `json:"query"`
	// Grades by entry, "treatment:icl": 3 is exactly what is asked, 2 good,
	// 1 related. Without any, nothing should be found.
	Grades Grades `json:"grades,omitempty"`
}

// Grades are relevance grades by entry, "kind:id".
type Grades map[string]int

const (
	// MaxGrade is the grade of exactly what is asked.
	MaxGrade = 3
	// goodGrade is the least grade that success and reciprocal rank look for,
	// where the query has one.
	goodGrade = 2
)

// Limits of a file of judgements.
const (
	maxJudgements    = 100_000
	maxJudgementLine = 64 << 10
	// maxLabel bounds the id, the language and the kind of a query in bytes.
	maxLabel = 100
)

// judgementHeader is the first line of a file of judgements.
var judgementHeader = []string{"qid", "lang", "kind", "query", "relevance"}

// ReadJudgements reads lines of qid, lang, kind, query and relevance,
// separated by tabs, below a header that says so. Relevance is a list such as
// "treatment:icl=3,hospital:eent=2"; an empty one means that nothing fits. It
// returns the good lines, what is wrong with the others, and an error where
// the file as a whole cannot be used. Errors: Invalid, TooLarge.
func ReadJudgements(r io.Reader) (good []Judgement, bad []error, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxJudgementLine)
	seen := map[string]bool{}
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
			if !slices.Equal(strings.Split(line, "\t"), judgementHeader) {
				return nil, nil, fault.New(fault.Invalid, "line 1 must name the columns, separated by tabs: %s", strings.Join(judgementHeader, ", "))
			}
			continue
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		if len(good)+len(bad) == maxJudgements {
			return nil, nil, fault.New(fault.TooLarge, "a file has at most %d queries", maxJudgements)
		}
		j, err := parseJudgement(line)
		if err == nil && seen[j.ID] {
			err = fmt.Errorf("the qid %q is there twice", j.ID)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		seen[j.ID] = true
		good = append(good, j)
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "line %d cannot be read; a line has at most %d bytes", n+1, maxJudgementLine)
	}
	if n == 0 {
		return nil, nil, fault.New(fault.Invalid, "the file is empty")
	}
	return good, bad, nil
}

func parseJudgement(line string) (Judgement, error) {
	if !utf8.ValidString(line) {
		return Judgement{}, fmt.Errorf("is not UTF-8")
	}
	cells := strings.Split(line, "\t")
	// Editors like to strip the tab before an empty last column.
	if len(cells) == len(judgementHeader)-1 {
		cells = append(cells, "")
	}
	if len(cells) != len(judgementHeader) {
		return Judgement{}, fmt.Errorf("has %d columns instead of %d", len(cells), len(judgementHeader))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
		if i < 4 && cells[i] == "" {
			return Judgement{}, fmt.Errorf("has no %s", judgementHeader[i])
		}
		if i < 3 && len(cells[i]) > maxLabel {
			return Judgement{}, fmt.Errorf("the %s is longer than %d bytes", judgementHeader[i], maxLabel)
		}
	}
	j := Judgement{ID: cells[0], Lang: cells[1], Kind: cells[2], Query: cells[3]}
	if utf8.RuneCountInString(j.Query) > MaxQuery {
		return j, fmt.Errorf("the query is longer than %d characters", MaxQuery)
	}
	var err error
	j.Grades, err = parseGrades(cells[4])
	return j, err
}

func parseGrades(s string) (Grades, error) {
	if s == "" {
		return nil, nil
	}
	grades := Grades{}
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		key, grade, _ := strings.Cut(item, "=")
		kind, id, _ := strings.Cut(key, ":")
		n, err := strconv.Atoi(grade)
		switch {
		case !slices.Contains(searchable, catalog.Kind(kind)) || id == "":
			return nil, fmt.Errorf("%q is not kind:id=grade with one of the kinds %v", clipName(item), searchable)
		case err != nil || n < 0 || n > MaxGrade:
			return nil, fmt.Errorf("the grade of %q is not between 0 and %d", clipName(item), MaxGrade)
		}
		if _, twice := grades[key]; twice {
			return nil, fmt.Errorf("%q is judged twice", clipName(key))
		}
		grades[key] = n
	}
	return grades, nil
}

// of returns the grades of one kind of entry that are above 0.
func (g Grades) of(kind catalog.Kind) Grades {
	out := Grades{}
	for key, n := range g {
		if n > 0 && strings.HasPrefix(key, string(kind)+":") {
			out[key] = n
		}
	}
	return out
}

// good is the least grade that counts as a good answer: goodGrade, or the best
// there is below it.
func (g Grades) good() int {
	best := 1
	for _, n := range g {
		best = max(best, n)
	}
	return min(best, goodGrade)
}

// NDCG is the normalised discounted cumulative gain of the first k of a
// ranking, with gain 2^grade − 1 and discount log2(rank + 1): 1 where no order
// would be better. It is 0 where nothing is relevant.
func NDCG(ranking []string, grades Grades, k int) float64 {
	gains := make([]int, 0, k)
	for _, key := range ranking[:min(k, len(ranking))] {
		gains = append(gains, grades[key])
	}
	ideal := make([]int, 0, len(grades))
	for _, g := range grades {
		ideal = append(ideal, g)
	}
	slices.SortFunc(ideal, func(a, b int) int { return b - a })
	best := discountedGain(ideal[:min(k, len(ideal))])
	if best == 0 {
		return 0
	}
	return discountedGain(gains) / best
}

func discountedGain(grades []int) float64 {
	sum := 0.0
	for i, g := range grades {
		sum += (math.Exp2(float64(g)) - 1) / math.Log2(float64(i)+2)
	}
	return sum
}

// ReciprocalRank is 1 over the rank of the first good answer, 0 where there is
// none.
func ReciprocalRank(ranking []string, grades Grades) float64 {
	for i, key := range ranking {
		if grades[key] >= grades.good() {
			return 1 / float64(i+1)
		}
	}
	return 0
}

// Success is 1 where a good answer is among the first k, else 0.
func Success(ranking []string, grades Grades, k int) float64 {
	if ReciprocalRank(ranking[:min(k, len(ranking))], grades) > 0 {
		return 1
	}
	return 0
}

// Recall is the share of all that is relevant, of whatever grade, that the
// first k hold. It is 0 where nothing is relevant.
func Recall(ranking []string, grades Grades, k int) float64 {
	relevant, found := 0, 0
	for _, g := range grades {
		if g > 0 {
			relevant++
		}
	}
	for _, key := range ranking[:min(k, len(ranking))] {
		if grades[key] > 0 {
			found++
		}
	}
	if relevant == 0 {
		return 0
	}
	return float64(found) / float64(relevant)
}

// Scores are the measures of one ranking, or their means over many.
type Scores struct {
	NDCG10   float64 `json:"ndcg_10"`
	MRR      float64 `json:"mrr"`
	Success1 float64 `json:"success_1"`
	Success3 float64 `json:"success_3"`
	Recall20 float64 `json:"recall_20"`
}

func scoresOf(ranking []string, grades Grades) Scores {
	return Scores{NDCG10: NDCG(ranking, grades, 10), MRR: ReciprocalRank(ranking, grades), Success1: Success(ranking, grades, 1),
		Success3: Success(ranking, grades, 3), Recall20: Recall(ranking, grades, evalDepth)}
}

// Case is one query measured on one kind of entry, or a query to which nothing
// fits.
type Case struct {
	Judgement
	// Of is the kind of entry that was looked for; empty for a negative.
	Of catalog.Kind `json:"of,omitempty"`
	// Shown are the first entries that came, "kind:id".
	Shown []string `json:"shown"`
	// Scores of a query to which something fits.
	Scores
}

// Negative reports whether nothing fits the query.
func (c Case) Negative() bool { return c.Of == "" }

// Missed reports whether a negative found something all the same.
func (c Case) Missed() bool { return c.Negative() && len(c.Shown) > 0 }

// evalDepth is how many hits are looked at.
const evalDepth = 20

// Evaluate measures judged queries. A query is asked once for every kind of
// entry that it has judgements of, as a reader would on that tab; one without
// judgements is asked for every kind, and whatever comes is a miss. Errors:
// those of Search.
func (e *Engine) Evaluate(ctx context.Context, judgements []Judgement) ([]Case, error) {
	var out []Case
	for _, j := range judgements {
		var kinds []catalog.Kind
		for _, kind := range searchable {
			if len(j.Grades.of(kind)) > 0 {
				kinds = append(kinds, kind)
			}
		}
		if len(kinds) == 0 {
			negative := Case{Judgement: j, Shown: []string{}}
			for _, kind := range searchable {
				shown, err := e.ranking(ctx, j, kind)
				if err != nil {
					return nil, err
				}
				negative.Shown = append(negative.Shown, shown...)
			}
			out = append(out, negative)
		}
		for _, kind := range kinds {
			shown, err := e.ranking(ctx, j, kind)
			if err != nil {
				return nil, err
			}
			out = append(out, Case{Judgement: j, Of: kind, Shown: shown, Scores: scoresOf(shown, j.Grades.of(kind))})
		}
	}
	return out, nil
}

// ranking returns the first entries of a kind that a query finds.
func (e *Engine) ranking(ctx context.Context, j Judgement, kind catalog.Kind) ([]string, error) {
	res, err := e.Search(ctx, Request{Query: j.Query, Kind: kind, Lang: j.Lang, PerPage: evalDepth})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", j.ID, err)
	}
	shown := make([]string, 0, len(res.Hits))
	for _, h := range res.Hits {
		shown = append(shown, string(kind)+":"+h.ID)
	}
	return shown, nil
}

// Group is a part of the cases with the means of its scores.
type Group struct {
	// Name is "all", or what the cases have in common: "lang fr", "kind typo",
	// "of hospital".
	Name string `json:"name"`
	// Cases to which something fits; the scores are their means.
	Cases int `json:"cases"`
	Scores
	// Negatives are queries to which nothing fits, NegativeMisses those of them
	// that found something.
	Negatives      int `json:"negatives"`
	NegativeMisses int `json:"negative_misses"`
}

// Summarize groups cases: all of them, then per language, kind of query and
// kind of entry, in the order of the names.
func Summarize(cases []Case) []Group {
	groups := map[string]*Group{}
	for _, c := range cases {
		names := []string{"all", "lang " + c.Lang, "kind " + c.Kind}
		if !c.Negative() {
			names = append(names, "of "+string(c.Of))
		}
		for _, name := range names {
			g := groups[name]
			if g == nil {
				g = &Group{Name: name}
				groups[name] = g
			}
			g.add(c)
		}
	}
	order := []string{"all ", "lang ", "kind ", "of "}
	rank := func(name string) int {
		return slices.IndexFunc(order, func(p string) bool { return strings.HasPrefix(name+" ", p) })
	}
	names := sortedKeys(groups)
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	out := make([]Group, 0, len(names))
	for _, name := range names {
		out = append(out, groups[name].mean())
	}
	return out
}

func (g *Group) add(c Case) {
	if c.Negative() {
		g.Negatives++
		if c.Missed() {
			g.NegativeMisses++
		}
		return
	}
	g.Cases++
	g.Scores = g.Scores.plus(c.Scores, 1)
}

func (g *Group) mean() Group {
	out := *g
	if g.Cases > 0 {
		out.Scores = Scores{}.plus(g.Scores, 1/float64(g.Cases))
	}
	return out
}

// plus adds other scores times a factor.
func (s Scores) plus(o Scores, factor float64) Scores {
	return Scores{s.NDCG10 + factor*o.NDCG10, s.MRR + factor*o.MRR, s.Success1 + factor*o.Success1, s.Success3 + factor*o.Success3, s.Recall20 + factor*o.Recall20}
}

// Worst returns the n cases that fell furthest short, worst first: negatives
// that found something, then by nDCG. Cases without fault are left out.
func Worst(cases []Case, n int) []Case {
	var out []Case
	for _, c := range cases {
		if c.Missed() || !c.Negative() && c.NDCG10 < 1 {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Case) int {
		switch {
		case a.NDCG10 < b.NDCG10:
			return -1
		case a.NDCG10 > b.NDCG10:
			return 1
		}
		return 0
	})
	return out[:min(max(n, 0), len(out))]
}
