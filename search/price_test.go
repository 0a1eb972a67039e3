package search_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/seed"
)

func TestRangesOfPricesAreRoundInEveryCurrency(t *testing.T) {
	rates, err := seed.Rates()
	if err != nil {
		t.Fatal(err)
	}
	for currency, want := range map[string]string{
		"USD": "..1000USD 1000..2000USD 2000..5000USD 5000..10000USD 10000..20000USD 20000..50000USD 50000..USD",
		"CNY": "..5000CNY 5000..10000CNY 10000..20000CNY 20000..50000CNY 50000..100000CNY 100000..200000CNY 200000..CNY",
		"JPY": "..200000JPY 200000..500000JPY 500000..1000000JPY 1000000..2000000JPY 2000000..5000000JPY 5000000..10000000JPY 10000000..JPY",
		"EUR": "..1000EUR 1000..2000EUR 2000..5000EUR 5000..10000EUR 10000..20000EUR 20000..50000EUR 50000..EUR",
		"XTS": "",
	} {
		if got := strings.Join(search.PriceRanges(rates, currency), " "); got != want {
			t.Errorf("%s: %s, want %s", currency, got, want)
		}
	}
}

func TestRangesOfPricesAreRead(t *testing.T) {
	for _, bad := range []string{"", "..", "..USD", "5000", "5000USD", "0..5USD", "..05USD", "-1..5USD", "9..5USD", "5..5USD", "1e3..USD", "..5000usd", "..5000US", "99999999999999999999..USD", " ..5USD"} {
		if r, ok := search.ParsePriceRange(bad); ok {
			t.Errorf("%q was read as %+v", bad, r)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		want := search.PriceRange{Low: rapid.Int64Range(0, 1000).Draw(r, "low"), Currency: "KWD"}
		if open := rapid.Bool().Draw(r, "open"); !open || want.Low == 0 {
			want.High = want.Low + rapid.Int64Range(1, 1000).Draw(r, "more")
		}
		if got, ok := search.ParsePriceRange(want.String()); !ok || got != want {
			t.Fatalf("%s was read as %+v", want, got)
		}
	})
}

// TestPrices compares ranges and order with the prices of the starting
// catalogue's packages.
func TestPrices(t *testing.T) {
	e := seeded(t)
	cat, err := sharedCatalog()
	if err != nil {
		t.Fatal(err)
	}
	rates, err := seed.Rates()
	if err != nil {
		t.Fatal(err)
	}
	dollars := func(id string) int64 {
		p, err := cat.Packages.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		m, ok := rates.Convert(p.From(), "USD")
		if !ok {
			t.Fatalf("no rate for %s", p.Currency)
		}
		return m.Amount
	}
	all := find(t, e, search.Request{Kind: catalog.KindPackage, Sort: search.SortPrice, Currency: "USD", PerPage: search.MaxPerPage})
	if len(all.Hits) == 0 || len(all.Hits) != all.Total {
		t.Fatalf("%d of %d packages", len(all.Hits), all.Total)
	}
	if !slices.IsSortedFunc(all.Hits, func(a, b search.Hit) int { return int(dollars(a.ID) - dollars(b.ID)) }) {
		t.Errorf("not in the order of price: %v", ids(all))
	}
	i := slices.IndexFunc(all.Facets, func(f search.Facet) bool { return f.Name == "price" })
	if i < 0 {
		t.Fatal("no prices to choose from")
	}
	sum := 0
	for _, v := range all.Facets[i].Values {
		r, _ := search.ParsePriceRange(v.Value)
		want := 0
		for _, h := range all.Hits {
			if d := dollars(h.ID); d > 100*r.Low && (r.High == 0 || d <= 100*r.High) {
				want++
			}
		}
		if v.Count != want {
			t.Errorf("%s counts %d of %d", v.Value, v.Count, want)
		}
		sum += v.Count
	}
	if sum != all.Total {
		t.Errorf("%d packages lie in ranges, of %d", sum, all.Total)
	}
	// An offering costs what its cheapest package does; one without comes last.
	res := find(t, e, search.Request{Sort: search.SortPrice, PerPage: search.MaxPerPage})
	under := find(t, e, search.Request{Filters: map[string][]string{"price": {"..1000000USD"}}})
	if under.Total == 0 || under.Total >= res.Total {
		t.Fatalf("%d of %d offerings have a price", under.Total, res.Total)
	}
	last := int64(0)
	for i, h := range res.Hits {
		packages, err := cat.PackagesOfOffering(t.Context(), h.ID)
		if err != nil {
			t.Fatal(err)
		}
		if (len(packages) > 0) != (i < under.Total) {
			t.Errorf("hit %d, %s, has %d packages", i, h.ID, len(packages))
		}
		low := int64(1 << 60)
		for _, p := range packages {
			low = min(low, dollars(p.ID))
		}
		if low < last {
			t.Errorf("%s stands too late", h.ID)
		}
		last = low
	}
}

func TestHospitalsOwnPriceCounts(t *testing.T) {
	cat := small(t)
	for id, amount := range map[string]int64{"icl-at-eastern-eye": 4_000_000, "acupuncture-at-river": 50_000} {
		o, err := cat.Offerings.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		o.Price = &catalog.Price{Model: catalog.PriceFrom, Min: &catalog.Money{Amount: amount, Currency: "CNY"}, AsOf: "2026-01-01",
			Source: catalog.Source{Address: "https://hospital.example/prices", Grade: catalog.GradeHospital}}
		publish(t, cat.Offerings, o)
	}
	e := open(t, cat, t.TempDir())
	if got := ids(find(t, e, search.Request{Sort: search.SortPrice})); !slices.Equal(got[:2], []string{"acupuncture-at-river", "icl-at-eastern-eye"}) {
		t.Errorf("in the order of price: %v", got)
	}
	if got := ids(find(t, e, search.Request{Filters: map[string][]string{"price": {"..500CNY"}}})); !slices.Equal(got, []string{"acupuncture-at-river"}) {
		t.Errorf("up to 500 yuan: %v", got)
	}
	if got := ids(find(t, e, search.Request{Filters: map[string][]string{"price": {"500..CNY"}}})); !slices.Equal(got, []string{"icl-at-eastern-eye"}) {
		t.Errorf("above 500 yuan: %v", got)
	}
}

// TestLongFacetsAreBounded has more hospitals than anybody reads the names of.
func TestLongFacetsAreBounded(t *testing.T) {
	cat := small(t)
	const hospitals = 120
	for n := range hospitals {
		id := fmt.Sprintf("h-%03d", n)
		publish(t, cat.Hospitals, catalog.Hospital{ID: id, Name: catalog.Text{"en": "Hospital " + id}, Ownership: catalog.Public})
		publish(t, cat.Offerings, catalog.Offering{ID: "icl-at-" + id, TreatmentID: "icl", HospitalID: id})
	}
	e := open(t, cat, t.TempDir())
	res := find(t, e, search.Request{Filters: map[string][]string{"hospital": {"h-119", "river"}}})
	for _, f := range res.Facets {
		if f.Name != "hospital" {
			continue
		}
		chosen := 0
		for _, v := range f.Values {
			if v.Selected {
				chosen++
			}
		}
		if len(f.Values)+f.More != hospitals+2 || f.More < 20 || chosen != 2 || res.Total != 4 {
			t.Errorf("%d values and %d more, %d chosen, %d hits", len(f.Values), f.More, chosen, res.Total)
		}
		return
	}
	t.Error("no hospitals to choose from")
}
