package search_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/seed"
	"github.com/medtour/medtour/store/sqlite"
)

var today = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func clock() time.Time { return today }

// newCatalog opens an empty catalogue on the embedded store.
func newCatalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	engine, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	cat, err := catalog.Open(t.Context(), engine, clock)
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// seeded returns an engine over the starting catalogue, shared by the tests
// that change nothing.
func seeded(t testing.TB) *search.Engine {
	t.Helper()
	e, err := sharedEngine()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var sharedDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "search")
	if err != nil {
		panic(err)
	}
	sharedDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var sharedCatalog = sync.OnceValues(func() (*catalog.Catalog, error) {
	engine, err := sqlite.Open(filepath.Join(sharedDir, "store"))
	if err != nil {
		return nil, err
	}
	cat, err := catalog.Open(context.Background(), engine, clock)
	if err != nil {
		return nil, err
	}
	_, err = seed.Load(context.Background(), cat, nil)
	return cat, err
})

var sharedEngine = sync.OnceValues(func() (*search.Engine, error) {
	cat, err := sharedCatalog()
	if err != nil {
		return nil, err
	}
	return search.Open(context.Background(), config(cat, filepath.Join(sharedDir, "index")))
})

func config(cat *catalog.Catalog, dir string) search.Config {
	rates, err := seed.Rates()
	if err != nil {
		panic(err)
	}
	return search.Config{Dir: dir, Catalog: cat, Now: clock, Log: slog.New(slog.DiscardHandler), Rates: rates}
}

func open(t testing.TB, cat *catalog.Catalog, dir string) *search.Engine {
	t.Helper()
	e, err := search.Open(t.Context(), config(cat, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestRelevance holds the quality of results on judged queries.
func TestRelevance(t *testing.T) {
	for _, name := range []string{"queries.tsv", "heldout.tsv", "heldout2.tsv"} {
		t.Run(name, func(t *testing.T) { relevance(t, name) })
	}
}

func relevance(t *testing.T, name string) {
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	judgements, bad, err := search.ReadJudgements(file)
	if err != nil || len(bad) > 0 {
		t.Fatal(err, bad)
	}
	cases, err := seeded(t).Evaluate(t.Context(), judgements)
	if err != nil {
		t.Fatal(err)
	}
	groups := search.Summarize(cases)
	for _, g := range groups {
		t.Logf("%-22s nDCG@10 %.3f over %d", g.Name, g.NDCG10, g.Cases)
	}
	for _, c := range search.Worst(cases, len(cases)) {
		switch {
		case c.Missed():
			t.Errorf("%s %q: nothing fits, but %v came", c.ID, c.Query, c.Shown)
		case c.NDCG10 < 0.9:
			t.Logf("%.3f %s %s %q: %v, want %v", c.NDCG10, c.ID, c.Lang, c.Query, c.Shown[:min(len(c.Shown), 5)], c.Grades)
		}
	}
	if all := groups[0]; all.NDCG10 < relevanceFloor {
		t.Errorf("nDCG@10 fell to %.3f, below %.2f", all.NDCG10, relevanceFloor)
	}
}

// Values worked out by hand.
func TestMetrics(t *testing.T) {
	grades := search.Grades{"t:a": 3, "t:b": 2, "t:c": 1}
	log3 := math.Log2(3)
	ideal := 7 + 3/log3 + 1.0/2
	for _, tt := range []struct {
		ranking                       string
		ndcg, mrr, first, third, rec2 float64
	}{
		{"t:a t:b t:c", 1, 1, 1, 1, 2.0 / 3},
		{"t:b t:a t:c", (3 + 7/log3 + 1.0/2) / ideal, 1, 1, 1, 2.0 / 3},
		{"t:x t:a", 7 / log3 / ideal, 1.0 / 2, 0, 1, 1.0 / 3},
		{"t:c t:x t:y t:b", (1 + 3/math.Log2(5)) / ideal, 1.0 / 4, 0, 0, 1.0 / 3},
		{"", 0, 0, 0, 0, 0},
	} {
		ranking := strings.Fields(tt.ranking)
		got := []float64{search.NDCG(ranking, grades, 10), search.ReciprocalRank(ranking, grades), search.Success(ranking, grades, 1),
			search.Success(ranking, grades, 3), search.Recall(ranking, grades, 2)}
		want := []float64{tt.ndcg, tt.mrr, tt.first, tt.third, tt.rec2}
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-12 {
				t.Errorf("%q: measure %d is %v, want %v", tt.ranking, i, got[i], want[i])
			}
		}
	}
	if got := search.NDCG([]string{"t:x", "t:a"}, grades, 1); got != 0 {
		t.Errorf("beyond the cut: %v", got)
	}
	if got := search.ReciprocalRank([]string{"t:x", "t:r"}, search.Grades{"t:r": 1}); got != 0.5 {
		t.Errorf("the best there is counts as good: %v", got)
	}
	if search.NDCG([]string{"t:x"}, nil, 10) != 0 || search.Recall([]string{"t:x"}, nil, 20) != 0 {
		t.Error("nothing is relevant")
	}
}

// No ranking is better than the ideal one, and a swap towards it never lowers
// the score.
func TestNDCGProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grades := search.Grades{}
		for i := range rapid.IntRange(1, 15).Draw(t, "n") {
			grades[fmt.Sprintf("t:%d", i)] = rapid.IntRange(0, 3).Draw(t, "grade")
		}
		ranking := rapid.Permutation(slices.Sorted(maps.Keys(grades))).Draw(t, "ranking")
		before := search.NDCG(ranking, grades, 10)
		if before < 0 || before > 1+1e-12 {
			t.Fatalf("%v is no share", before)
		}
		if len(ranking) < 2 {
			return
		}
		i := rapid.IntRange(0, len(ranking)-2).Draw(t, "i")
		if grades[ranking[i]] < grades[ranking[i+1]] {
			ranking[i], ranking[i+1] = ranking[i+1], ranking[i]
		}
		if after := search.NDCG(ranking, grades, 10); after < before-1e-12 {
			t.Fatalf("%v after %v", after, before)
		}
	})
}

const header = "qid\tlang\tkind\tquery\trelevance\n"

func TestReadJudgements(t *testing.T) {
	good, bad, err := search.ReadJudgements(strings.NewReader("\ufeff" + header +
		"q1\ten\tlay\tshort sighted\ttreatment:icl=3, hospital:eent=2\r\n" +
		"q2\ten\tnegative\tpizza\t\n" +
		"\n" +
		"q3\ten\tnegative\tcar tyres\n"))
	if err != nil || len(bad) > 0 || len(good) != 3 {
		t.Fatal(good, bad, err)
	}
	if g := good[0]; g.ID != "q1" || g.Lang != "en" || g.Kind != "lay" || g.Query != "short sighted" || g.Grades["treatment:icl"] != 3 || g.Grades["hospital:eent"] != 2 {
		t.Errorf("%+v", g)
	}
	if len(good[1].Grades)+len(good[2].Grades) > 0 {
		t.Error("negatives have grades")
	}
	for line, says := range map[string]string{
		"q1\ten\tlay":                                        "3 columns",
		"q1\ten\tlay\tx\ttreatment:icl=4":                    "between 0 and 3",
		"q1\ten\tlay\tx\ttreatment:icl":                      "between 0 and 3",
		"q1\ten\tlay\tx\trobot:icl=3":                        "kinds",
		"q1\ten\tlay\tx\ttreatment:=3":                       "kinds",
		"q1\ten\tlay\tx\ttreatment:a=3,treatment:a=2":        "twice",
		"q1\ten\tlay\t \ttreatment:a=3":                      "no query",
		"\ten\tlay\tx\ttreatment:a=3":                        "no qid",
		"q0\ten\tlay\tx\ttreatment:a=3":                      "twice",
		"q1\ten\tlay\t\xff\t":                                "UTF-8",
		"q1\ten\tlay\t" + strings.Repeat("x", 501) + "\t":    "500",
		"q1\t" + strings.Repeat("x", 101) + "\tlay\tx\t":     "100",
		"q1\ten\tlay\tx\ttreatment:a=3\tone column too many": "6 columns",
	} {
		good, bad, err := search.ReadJudgements(strings.NewReader(header + "q0\ten\tlay\tx\t\n" + line + "\nq9\ten\tlay\tx\t\n"))
		if err != nil || len(good) != 2 || len(bad) != 1 || !strings.HasPrefix(bad[0].Error(), "line 3: ") || !strings.Contains(bad[0].Error(), says) {
			t.Errorf("%q: %v %v, want %q", line, bad, err, says)
		}
	}
	for file, kind := range map[string]fault.Kind{"": fault.Invalid, "query\n": fault.Invalid, header + strings.Repeat("x", 70<<10): fault.Invalid} {
		if _, _, err := search.ReadJudgements(strings.NewReader(file)); !fault.Is(err, kind) {
			t.Errorf("%.20q: %v, want %s", file, err, kind)
		}
	}
}

func FuzzReadJudgements(f *testing.F) {
	f.Add([]byte(header + "q1\ten\tlay\tshort sighted\ttreatment:icl=3,hospital:eent=2\n"))
	f.Add([]byte(header + "q1\tzh-Hans\tnegative\t披萨\n\r\n\t\t\t\t\n"))
	f.Add([]byte("\ufeff" + header))
	f.Fuzz(func(t *testing.T, file []byte) {
		good, _, err := search.ReadJudgements(bytes.NewReader(file))
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, j := range good {
			if j.ID == "" || j.Lang == "" || j.Kind == "" || j.Query == "" || seen[j.ID] || !utf8.ValidString(j.Query) {
				t.Fatalf("%+v", j)
			}
			seen[j.ID] = true
			for key, g := range j.Grades {
				if g < 0 || g > search.MaxGrade || !strings.Contains(key, ":") {
					t.Fatalf("%+v", j)
				}
			}
		}
	})
}

func TestSummaries(t *testing.T) {
	file := header + "q1\ten\tlay\tshort sighted\ttreatment:icl=3\nq2\tfr\tlay\tzzzzqqqq\ttreatment:icl=3\n" +
		"q3\ten\tnegative\tzzzzqqqq\t\nq4\ten\tnegative\tshort sighted\ttreatment:icl=0\n"
	judgements, bad, err := search.ReadJudgements(strings.NewReader(file))
	if err != nil || len(bad) > 0 {
		t.Fatal(err, bad)
	}
	cases, err := seeded(t).Evaluate(t.Context(), judgements)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 4 || cases[0].NDCG10 == 0 || cases[1].NDCG10 != 0 || cases[2].Missed() || !cases[3].Missed() {
		t.Fatalf("%+v", cases)
	}
	var names []string
	for _, g := range search.Summarize(cases) {
		names = append(names, g.Name)
		if g.Name == "all" && (g.Cases != 2 || g.Negatives != 2 || g.NegativeMisses != 1 || math.Abs(g.NDCG10-cases[0].NDCG10/2) > 1e-12) {
			t.Errorf("%+v", g)
		}
	}
	if want := []string{"all", "lang en", "lang fr", "kind lay", "kind negative", "of treatment"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	if worst := search.Worst(cases, 2); len(worst) != 2 || worst[0].ID != "q2" || worst[1].ID != "q4" {
		t.Errorf("%+v", worst)
	}
}

// relevanceFloor is the quality that a change may not undo.
const relevanceFloor = 0.93

// TestFirstHit asks what patients might type, in many languages, scripts and
// misspellings, and wants one of the right treatments first.
func TestFirstHit(t *testing.T) {
	e := seeded(t)
	body, err := os.ReadFile(filepath.Join("testdata", "first.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")[1:]
	wrong := 0
	for _, line := range lines {
		query, first, _ := strings.Cut(line, "\t")
		res, err := e.Search(t.Context(), search.Request{Query: query, Kind: catalog.KindTreatment, PerPage: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Hits) == 0 || !slices.Contains(strings.Split(first, "|"), res.Hits[0].ID) {
			wrong++
			t.Logf("%q found %v, want %s", query, ids(res), first)
		}
	}
	if float64(wrong) > firstHitSlack*float64(len(lines)) {
		t.Errorf("%d of %d queries do not find the right treatment first", wrong, len(lines))
	}
}

// firstHitSlack is the share of queries that may miss.
const firstHitSlack = 0.03

// A typing error in a query costs next to nothing: no more than typoShare of
// the quality.
func TestTypingErrors(t *testing.T) {
	for _, name := range []string{"heldout.tsv", "heldout2.tsv"} {
		file, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		judgements, _, err := search.ReadJudgements(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		var clean, typed []search.Judgement
		for _, j := range judgements {
			if wrong := mistyped(j.Query, random); wrong != "" && len(j.Grades) > 0 && j.Kind != "typo" {
				clean = append(clean, j)
				j.Query = wrong
				typed = append(typed, j)
			}
		}
		var quality [2]float64
		for i, part := range [][]search.Judgement{clean, typed} {
			cases, err := seeded(t).Evaluate(t.Context(), part)
			if err != nil {
				t.Fatal(err)
			}
			quality[i] = search.Summarize(cases)[0].NDCG10
		}
		t.Logf("%s: nDCG@10 %.3f, mistyped %.3f over %d", name, quality[0], quality[1], len(clean))
		if quality[1] < typoShare*quality[0] {
			t.Errorf("%s: nDCG@10 fell from %.3f to %.3f by typing errors", name, quality[0], quality[1])
		}
	}
}

const typoShare = 0.95

// mistyped changes the longest word of a query as fingers do: two letters in
// the wrong order, one left out, doubled, or another one. It returns nothing
// where no word is long enough or the script has no letters to mistype.
func mistyped(query string, random *rand.Rand) string {
	words := strings.Fields(query)
	longest := 0
	for i, w := range words {
		if utf8.RuneCountInString(w) > utf8.RuneCountInString(words[longest]) {
			longest = i
		}
	}
	w := []rune(words[longest])
	if len(w) < 5 || slices.ContainsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) || r > 0x6ff }) {
		return ""
	}
	i := 1 + random.IntN(len(w)-2)
	switch random.IntN(4) {
	case 0:
		w[i], w[i+1] = w[i+1], w[i]
	case 1:
		w = slices.Delete(w, i, i+1)
	case 2:
		w = slices.Insert(w, i, w[i])
	default:
		w[i] = w[random.IntN(len(w))]
	}
	if string(w) == words[longest] {
		return ""
	}
	words[longest] = string(w)
	return strings.Join(words, " ")
}
