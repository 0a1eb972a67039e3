package search_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/search"
)

// TestPagesGoOnAfterTheLastHit pages through a list while entries come and go:
// what was there all the time is shown once.
func TestPagesGoOnAfterTheLastHit(t *testing.T) {
	cat := small(t)
	hospital := func(n int) catalog.Hospital {
		return catalog.Hospital{ID: fmt.Sprintf("page-%03d", n), Name: catalog.Text{"en": fmt.Sprintf("Lighthouse Clinic %d", n)}, Ownership: catalog.Public}
	}
	for n := 100; n < 130; n += 2 {
		publish(t, cat.Hospitals, hospital(n))
	}
	e := open(t, cat, t.TempDir())
	next := 0
	rapid.Check(t, func(r *rapid.T) {
		req := search.Request{Kind: catalog.KindHospital, PerPage: rapid.IntRange(1, 5).Draw(r, "per page"), Query: rapid.SampledFrom([]string{"", "lighthouse"}).Draw(r, "query")}
		seen := map[string]int{}
		for req.Page = 1; ; req.Page++ {
			res := find(t, e, req)
			for _, h := range res.Hits {
				seen[h.ID]++
				req.After = h.ID
			}
			if len(res.Hits) < req.PerPage {
				break
			}
			if next < 12 && rapid.Bool().Draw(r, "change") {
				publish(t, cat.Hospitals, hospital(next))
				next++
				if err := e.CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := 100; n < 130; n += 2 {
			if id := hospital(n).ID; seen[id] != 1 {
				r.Fatalf("%s was shown %d times", id, seen[id])
			}
		}
	})
	// What is gone is counted off.
	res := find(t, e, search.Request{Kind: catalog.KindHospital, Page: 2, PerPage: 5, After: "gone"})
	if want := find(t, e, search.Request{Kind: catalog.KindHospital, Page: 2, PerPage: 5}); !slices.Equal(ids(res), ids(want)) {
		t.Errorf("after nothing: %v, want %v", ids(res), ids(want))
	}
}

func TestWaysOnFromNothing(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	for _, c := range []struct {
		req  search.Request
		want []search.Relaxation
	}{
		{search.Request{Query: "acupuncture", Filters: map[string][]string{"hospital": {"eastern-eye"}}}, []search.Relaxation{{DropFilter: "hospital", Query: "acupuncture", Count: 1}}},
		{search.Request{Query: "acupuncture", Filters: map[string][]string{"hospital": {"eastern-eye"}, "specialty": {"orthopaedics"}}},
			[]search.Relaxation{{DropFilter: search.AllFilters, Query: "acupuncture", Count: 1}}},
		{search.Request{Filters: map[string][]string{"district": {"Atlantis"}}}, []search.Relaxation{{DropFilter: "district", Count: 4}}},
	} {
		if res := find(t, e, c.req); res.Total != 0 || !slices.Equal(res.Relaxations, c.want) {
			t.Errorf("%+v: %d hits, ways on %+v, want %+v", c.req, res.Total, res.Relaxations, c.want)
		}
	}
	// Every way on brings what it says.
	for _, q := range []string{"pizza acupuncture weather bitcoin", "pizza burger sushi weather bitcoin icl"} {
		res := find(t, e, search.Request{Query: q})
		if res.Total != 0 || len(res.Relaxations) == 0 {
			t.Errorf("%q: %d hits, ways on %+v", q, res.Total, res.Relaxations)
		}
		for _, r := range res.Relaxations {
			if n := find(t, e, search.Request{Query: r.Query}).Total; n != r.Count {
				t.Errorf("%q brings %d, not %d", r.Query, n, r.Count)
			}
		}
	}
}
