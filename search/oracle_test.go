package search_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/search"
)

// generated is a catalogue of offerings with texts of made-up words, the first
// of which are the most frequent.
func generated(t testing.TB, offerings int) (*catalog.Catalog, []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var words []string
	for len(words) < 400 {
		var w strings.Builder
		for range 3 + r.IntN(2) {
			w.WriteByte("bdfgklmnprtvz"[r.IntN(13)])
			w.WriteByte("aou"[r.IntN(3)])
		}
		w.WriteByte("kmnx"[r.IntN(4)])
		if !slices.Contains(words, w.String()) {
			words = append(words, w.String())
		}
	}
	draw := rand.NewZipf(r, 1.1, 8, uint64(len(words)-1))
	text := func(n int) catalog.Text {
		out := make([]string, n)
		for i := range out {
			out[i] = words[draw.Uint64()]
		}
		return catalog.Text{"en": strings.Join(out, " ")}
	}
	cat := newCatalog(t)
	for i := range 4 {
		publish(t, cat.Treatments, catalog.Treatment{ID: fmt.Sprintf("t-%d", i), Name: text(2), Specialty: fmt.Sprintf("s-%d", i%3), ServiceType: catalog.Outpatient, BookingClass: catalog.OnAcceptance})
		publish(t, cat.Hospitals, catalog.Hospital{ID: fmt.Sprintf("h-%d", i), Name: text(2), Ownership: []catalog.Ownership{catalog.Public, catalog.Private}[i%2], District: fmt.Sprintf("D%d", i%3)})
	}
	for i := range offerings {
		publish(t, cat.Offerings, catalog.Offering{ID: fmt.Sprintf("o-%d", i), TreatmentID: fmt.Sprintf("t-%d", r.IntN(4)), HospitalID: fmt.Sprintf("h-%d", r.IntN(4)), Name: text(4), Summary: text(60)})
	}
	return cat, words
}

func TestGeneratedTexts(t *testing.T) {
	cat, words := generated(t, 120)
	e := open(t, cat, t.TempDir())
	t.Run("one total in every order", func(t *testing.T) { oneTotal(t, e, words) })
	t.Run("typing errors", func(t *testing.T) { typingErrors(t, e, words) })
	search.WithoutFeedback(e)
	t.Run("agree with bleve", func(t *testing.T) { agreesWithBleve(t, e, words) })
}

// agreesWithBleve compares hits and counts with bleve's own collector.
func agreesWithBleve(t *testing.T, e *search.Engine, words []string) {
	facets := find(t, e, search.Request{}).Facets
	rapid.Check(t, func(r *rapid.T) {
		typed := rapid.SliceOfNDistinct(rapid.SampledFrom(words), 1, 3, rapid.ID[string]).Draw(r, "words")
		filters := map[string][]string{}
		for range rapid.IntRange(0, 2).Draw(r, "facets") {
			f := rapid.SampledFrom(facets).Draw(r, "facet")
			filters[f.Name] = append(filters[f.Name], rapid.SampledFrom(f.Values).Draw(r, "value").Value)
		}
		want, counts := search.Oracle(r, e, typed, filters)
		req := search.Request{Query: strings.Join(typed, " "), Filters: filters, PerPage: search.MaxPerPage, NoFilters: true}
		got := map[string]bool{}
		for req.Page = 1; req.Page <= 2; req.Page++ {
			res, err := e.Search(context.Background(), req)
			if err != nil {
				r.Fatal(err)
			}
			if res.DidYouMean != "" {
				r.Skip("not a word of any text")
			}
			if res.Total != len(want) {
				r.Fatalf("%d hits, bleve has %d", res.Total, len(want))
			}
			for _, h := range res.Hits {
				got[h.ID] = true
			}
			for _, f := range res.Facets {
				counted := counts
				if len(filters[f.Name]) > 0 {
					others := maps.Clone(filters)
					delete(others, f.Name)
					_, counted = search.Oracle(r, e, typed, others)
				}
				for _, v := range f.Values {
					if n := counted[f.Name+"="+v.Value]; n != v.Count {
						r.Fatalf("%s %s counts %d, bleve %d", f.Name, v.Value, v.Count, n)
					}
				}
			}
		}
		if !maps.Equal(got, want) {
			r.Fatalf("hits are %v, bleve's %v", got, want)
		}
	})
}

// typingErrors puts an error into every query and compares the first hits.
func typingErrors(t *testing.T, e *search.Engine, words []string) {
	r := rand.New(rand.NewPCG(3, 4))
	same, all := 0, 0
	for range 100 {
		a, b := words[r.IntN(150)], words[r.IntN(150)]
		clean := find(t, e, search.Request{Query: a + " " + b, PerPage: 10})
		if clean.DidYouMean != "" {
			continue
		}
		i := 1 + r.IntN(len(a)-2)
		wrong := a[:i] + a[i+1:i+2] + a[i:i+1] + a[i+2:]
		if r.IntN(2) == 0 {
			wrong = a[:i] + a[i+1:]
		}
		typed := find(t, e, search.Request{Query: wrong + " " + b, PerPage: 10})
		for _, id := range ids(clean) {
			all++
			if slices.Contains(ids(typed), id) {
				same++
			}
		}
	}
	if all == 0 || float64(same) < 0.98*float64(all) {
		t.Errorf("of %d first hits %d stay with a typing error", all, same)
	}
}

// oneTotal compares what is found, whatever the order.
func oneTotal(t *testing.T, e *search.Engine, words []string) {
	for i := range 30 {
		req := search.Request{Query: words[20+i] + " " + words[60+3*i], PerPage: search.MaxPerPage, Near: "31.2,121.4"}
		want := find(t, e, req)
		for _, order := range append(search.Sorts, search.SortDistance) {
			req.Sort = order
			if res := find(t, e, req); res.Total != want.Total || len(res.Facets) != len(want.Facets) {
				t.Errorf("%s: %d hits by %s, %d by %s", req.Query, res.Total, order, want.Total, want.Sort)
			}
		}
	}
}

// What a state takes over from the one before is what reading the index anew
// would give.
func TestStatesFollowFromEachOther(t *testing.T) {
	cat, _ := generated(t, 30)
	e := open(t, cat, t.TempDir())
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 12 {
		id := fmt.Sprintf("o-%d", r.IntN(40))
		if l, err := cat.Offerings.Listing(t.Context(), id); err == nil && l.State == catalog.Published && r.IntN(3) == 0 {
			if err := cat.Offerings.Move(t.Context(), id, catalog.Suspended, by); err != nil {
				t.Fatal(err)
			}
		} else {
			publish(t, cat.Offerings, catalog.Offering{ID: id, TreatmentID: fmt.Sprintf("t-%d", r.IntN(4)), HospitalID: fmt.Sprintf("h-%d", r.IntN(4)),
				Name: catalog.Text{"en": fmt.Sprintf("changed %d", i)}})
		}
		if err := e.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if difference := search.Differs(t, e); difference != "" {
			t.Fatalf("after %d changes: %s", i+1, difference)
		}
	}
}
