package search_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
)

func TestWordsBecomeFiltersThatCanBeTakenBack(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	for _, c := range []struct {
		req  search.Request
		want []string
		by   []search.Applied
	}{
		{search.Request{Query: "icl private hospital"}, []string{"icl-at-eastern-eye"}, []search.Applied{{Facet: "ownership", Value: "joint-venture", Typed: "private hospital"}, {Facet: "ownership", Value: "private", Typed: "private hospital"}}},
		{search.Request{Query: "icl near Xuhui"}, []string{"icl-at-eastern-eye"}, []search.Applied{{Facet: "district", Value: "Xuhui", Typed: "Xuhui"}}},
		{search.Request{Query: "icl River Hospital"}, []string{"icl-at-river", "acupuncture-at-river", "hip-replacement-at-river"}, []search.Applied{{Facet: "hospital", Value: "river", Typed: "River Hospital"}}},
		// What would leave nothing is not applied.
		{search.Request{Query: "icl this month"}, []string{"icl-at-eastern-eye", "icl-at-river"}, nil},
	} {
		res := find(t, e, c.req)
		if unmet := strings.Contains(c.req.Query, "month"); unmet != (len(res.Unmet) == 1 && res.Unmet[0].Facet == "month") {
			t.Errorf("%q: unmet are %+v", c.req.Query, res.Unmet)
		}
		if got := ids(res); !slices.Equal(got, c.want) || !slices.Equal(res.Applied, c.by) {
			t.Errorf("%q found %v by %+v, want %v by %+v", c.req.Query, got, res.Applied, c.want, c.by)
		}
	}
	for _, req := range []search.Request{{Query: "icl private hospital", NoFilters: true}, {Query: "icl private hospital", Ignore: []string{"ownership"}}} {
		if res := find(t, e, req); !slices.Contains(ids(res), "icl-at-river") || len(res.Applied) > 0 {
			t.Errorf("%+v found %v by %+v", req, ids(res), res.Applied)
		}
	}
	if res := find(t, e, search.Request{Query: "icl private hospital", Filters: map[string][]string{"ownership": {"public"}}}); !slices.Equal(ids(res), []string{"icl-at-river"}) {
		t.Errorf("a chosen filter gave way to a word: %v", ids(res))
	}
}

// TestFiltersOnlyNarrow draws queries and filters over the starting catalogue.
func TestFiltersOnlyNarrow(t *testing.T) {
	e := seeded(t)
	facets := find(t, e, search.Request{}).Facets
	rapid.Check(t, func(r *rapid.T) {
		req := search.Request{Query: rapid.SampledFrom([]string{"", "cancer", "eye private hospital", "中医", "knee pain english"}).Draw(r, "query"), PerPage: search.MaxPerPage, NoFilters: true}
		wide, err := e.Search(context.Background(), req)
		if err != nil {
			r.Fatal(err)
		}
		f := rapid.SampledFrom(facets).Draw(r, "facet")
		req.Filters = map[string][]string{f.Name: {rapid.SampledFrom(f.Values).Draw(r, "value").Value}}
		narrow, err := e.Search(context.Background(), req)
		if err != nil {
			r.Fatal(err)
		}
		if narrow.Total > wide.Total {
			r.Fatalf("%d hits with a filter, %d without", narrow.Total, wide.Total)
		}
		all := ids(wide)
		for _, id := range ids(narrow) {
			if !slices.Contains(all, id) {
				r.Fatalf("%s came in by a filter", id)
			}
		}
		again, err := e.Search(context.Background(), req)
		if err != nil || !slices.Equal(ids(again), ids(narrow)) {
			r.Fatalf("the same search gave %v and then %v (%v)", ids(narrow), ids(again), err)
		}
	})
}

// foreign is a catalogue of texts of which the vocabulary knows nothing.
func foreign(t testing.TB, texts map[string][2]string) *catalog.Catalog {
	t.Helper()
	cat := newCatalog(t)
	publish(t, cat.Treatments, catalog.Treatment{ID: "any", Name: catalog.Text{"en": "Any"}, Specialty: "other", ServiceType: catalog.Outpatient, BookingClass: catalog.OnAcceptance})
	publish(t, cat.Hospitals, catalog.Hospital{ID: "any", Name: catalog.Text{"en": "Any"}, Ownership: catalog.Public})
	for id, text := range texts {
		publish(t, cat.Offerings, catalog.Offering{ID: id, TreatmentID: "any", HospitalID: "any", Name: catalog.Text{"en": text[0]}, Summary: catalog.Text{"en": text[1]}})
	}
	return cat
}

func TestForeignTextsAreFoundByTheirWords(t *testing.T) {
	e := open(t, foreign(t, map[string][2]string{
		"walnut":  {"Walnuts and cholesterol", "Eating walnuts every day lowered the cholesterol of healthy volunteers."},
		"coffee":  {"Coffee and the liver", "Coffee drinkers had a lower risk of cirrhosis in this cohort of patients."},
		"coffee2": {"Caffeine before sleep", "Coffee in the evening delayed sleep."},
		"dog":     {"Dogs in the ward", "A dog visited patients after surgery; pain went down."},
		"dog2":    {"Allergy to animals", "A dog at home and asthma of children."},
	}), t.TempDir())
	for query, want := range map[string]string{
		"walnuts":               "walnut",
		"is coffee bad for you": "coffee",
		"the influence of dried organic fruits, walnuts, seeds and legumes upon quantum entanglement of galaxies": "walnut",
		"dog":                     "dog",
		"cholestrol of volunters": "walnut",
	} {
		res := find(t, e, search.Request{Query: query, PerPage: search.MaxPerPage})
		if !slices.Contains(ids(res), want) {
			t.Errorf("%q found %v, want %s", query, ids(res), want)
		}
	}
}

func TestTimeLimitGivesAPartialResult(t *testing.T) {
	cfg := config(small(t), t.TempDir())
	cfg.TimeLimit = 1
	e, err := search.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if res := find(t, e, search.Request{Query: "hip replacement"}); !res.Partial {
		t.Errorf("no time, and the result is not partial: %+v", res)
	}
	if res := find(t, open(t, small(t), t.TempDir()), search.Request{Query: "hip replacement"}); res.Partial || res.Total != 1 {
		t.Errorf("the result is %+v", res)
	}
}

func TestOrdersByDistance(t *testing.T) {
	cat := newCatalog(t)
	for id, at := range map[string]*catalog.Position{"near": {Lat: 31.21, Lon: 121.44}, "far": {Lat: 31.02, Lon: 121.23}, "unknown": nil} {
		publish(t, cat.Hospitals, catalog.Hospital{ID: id, Name: catalog.Text{"en": id}, Ownership: catalog.Public, Position: at})
	}
	e := open(t, cat, t.TempDir())
	req := search.Request{Kind: catalog.KindHospital, Sort: search.SortDistance}
	for _, c := range []struct {
		from string
		want []string
	}{{"31.2,121.4", []string{"near", "far", "unknown"}}, {"31,121", []string{"far", "near", "unknown"}}, {"hospital:far", []string{"far", "near", "unknown"}}} {
		req.Near = c.from
		res := find(t, e, req)
		if got := ids(res); !slices.Equal(got, c.want) {
			t.Errorf("from %s: %v, want %v", c.from, got, c.want)
		}
		if m := res.Hits[1].Metres; m < 10_000 || m > 60_000 || res.Hits[2].Metres != 0 {
			t.Errorf("from %s: distances are %+v", c.from, res.Hits)
		}
	}
	for _, near := range []string{"", "91,0", "0,NaN", "hospital:unknown", "hospital:nowhere", "x", "31.2", ","} {
		req.Near = near
		if _, err := e.Search(t.Context(), req); !fault.Is(err, fault.Invalid) {
			t.Errorf("near %q: %v", near, err)
		}
	}
}
