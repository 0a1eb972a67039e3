package search_test

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
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
	return search.Config{Dir: dir, Catalog: cat, Now: clock, Log: slog.New(slog.DiscardHandler)}
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

// judged is a query with its relevance judgements.
type judged struct {
	id, lang, kind, query string
	// grades by "treatment:icl".
	grades map[string]int
}

func readJudgements(t testing.TB, path string) []judged {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []judged
	for i, line := range strings.Split(strings.TrimSpace(string(body)), "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		j := judged{id: cells[0], lang: cells[1], kind: cells[2], query: cells[3], grades: map[string]int{}}
		if len(cells) > 4 && cells[4] != "" {
			for _, g := range strings.Split(cells[4], ",") {
				key, grade, _ := strings.Cut(g, "=")
				n, err := strconv.Atoi(grade)
				if err != nil {
					t.Fatalf("%s: %v", j.id, err)
				}
				j.grades[key] = n
			}
		}
		out = append(out, j)
	}
	return out
}

// ndcg of a ranking of keys at ten.
func ndcg(ranking []string, grades map[string]int) float64 {
	gain := func(g int) float64 { return math.Pow(2, float64(g)) - 1 }
	dcg := 0.0
	for i, key := range ranking {
		if i == 10 {
			break
		}
		dcg += gain(grades[key]) / math.Log2(float64(i)+2)
	}
	var ideal []int
	for _, g := range grades {
		ideal = append(ideal, g)
	}
	sort.Sort(sort.Reverse(sort.IntSlice(ideal)))
	best := 0.0
	for i, g := range ideal {
		if i == 10 {
			break
		}
		best += gain(g) / math.Log2(float64(i)+2)
	}
	if best == 0 {
		return 0
	}
	return dcg / best
}

// only returns the grades of one kind.
func only(grades map[string]int, prefix string) map[string]int {
	out := map[string]int{}
	for k, g := range grades {
		if strings.HasPrefix(k, prefix) {
			out[k] = g
		}
	}
	return out
}

// rank returns the keys of the first hits of a kind.
func rank(t testing.TB, e *search.Engine, j judged, kind catalog.Kind) ([]search.Hit, []string) {
	t.Helper()
	lang := j.lang
	res, err := e.Search(context.Background(), search.Request{Query: j.query, Kind: kind, Lang: lang, PerPage: 20})
	if err != nil {
		t.Fatalf("%s %q: %v", j.id, j.query, err)
	}
	var out []string
	for _, h := range res.Hits {
		out = append(out, string(kind)+":"+h.ID)
	}
	return res.Hits, out
}

// TestRelevance holds the quality of results on judged queries: treatments
// against the judgements of treatments, hospitals against those of hospitals.
func TestRelevance(t *testing.T) {
	e := seeded(t)
	queries := readJudgements(t, filepath.Join("testdata", "queries.tsv"))
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, j := range queries {
		if len(j.grades) == 0 {
			for _, kind := range []catalog.Kind{catalog.KindTreatment, catalog.KindHospital, catalog.KindOffering} {
				if hits, keys := rank(t, e, j, kind); len(hits) > 0 {
					t.Errorf("%s %q: nothing fits, but %v came", j.id, j.query, keys)
				}
			}
			continue
		}
		for _, kind := range []catalog.Kind{catalog.KindTreatment, catalog.KindHospital} {
			grades := only(j.grades, string(kind)+":")
			if len(grades) == 0 {
				continue
			}
			_, keys := rank(t, e, j, kind)
			score := ndcg(keys, grades)
			for _, group := range []string{"all", string(kind), "lang " + j.lang, "kind " + j.kind} {
				sums[group] += score
				counts[group]++
			}
			if score < 0.9 {
				t.Logf("%.3f %s %s %q: %v, want %v", score, j.id, j.lang, j.query, keys[:min(len(keys), 5)], grades)
			}
		}
	}
	groups := make([]string, 0, len(sums))
	for g := range sums {
		groups = append(groups, g)
	}
	sort.Strings(groups)
	for _, g := range groups {
		t.Logf("%-22s nDCG@10 %.3f over %.0f", g, sums[g]/counts[g], counts[g])
	}
	if mean := sums["all"] / counts["all"]; mean < relevanceFloor {
		t.Errorf("nDCG@10 fell to %.3f, below %.2f", mean, relevanceFloor)
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
