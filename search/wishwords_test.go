package search_test

import (
	"strings"
	"testing"

	"github.com/medtour/medtour/search"
)

// TestWishesAreReadOutOfWords lists queries with what is left of them to search
// by and the wishes that they hold.
func TestWishesAreReadOutOfWords(t *testing.T) {
	e := seeded(t)
	for _, c := range []struct{ query, rest, wishes string }{
		{"hip replacement under 5000 usd", "hip replacement", "price=..5000USD"},
		{"hip replacement below €3,000", "hip replacement", "price=..3000EUR"},
		{"up to 20000 yuan acupuncture", "acupuncture", "price=..20000CNY"},
		{"acupuncture max 2k dollars", "acupuncture", "price=..2000USD"},
		{"lasik $4,999.50", "lasik", "price=..4999USD"},
		{"US$ 3000 cataract", "cataract", "price=..3000USD"},
		{"cataract 2000-5000 usd", "cataract", "price=2000..5000USD"},
		{"between 1000 and 3000 euros cataract", "cataract", "price=1000..3000EUR"},
		{"health check over 500 usd", "health check", "price=500..USD"},
		{"knee 5000 or less", "knee", "price=..5000GBP"},
		{"knee under 8000", "knee", "price=..8000GBP"},
		{"便宜的近视手术", "近视手术", "sort=price"},
		{"白内障手术5000美元以下", "白内障手术", "price=..5000USD"},
		{"白内障2万元以内", "白内障", "price=..20000CNY"},
		{"不超过3千欧元的体检", "体检", "price=..3000EUR"},
		{"жаропонижение до 20 000 юаней", "жаропонижение", "price=..20000CNY"},
		{"замена сустава дешевле 5 тыс долларов", "замена сустава", "price=..5000USD"},
		{"недорого лазерная коррекция", "лазерная коррекция", "sort=price"},
		{"عملية العيون أقل من ٥٠٠٠ دولار", "عملية العيون", "price=..5000USD"},
		{"ليزك رخيص", "ليزك", "sort=price"},
		{"prothèse moins de 5 000 €", "prothèse", "price=..5000EUR"},
		{"bilan jusqu'à 2000 euros", "bilan", "price=..2000EUR"},
		{"acupuncture pas cher", "acupuncture", "sort=price"},
		{"prótesis por debajo de 5.000 dólares", "prótesis", "price=..5000USD"},
		{"láser barato", "láser", "sort=price"},
		{"cheap", "", "sort=price"},
		{"cheap lasik under 3000 usd", "lasik", "sort=price price=..3000USD"},
		{"ct scan near Yu Garden", "ct scan", "near=place:yu-garden"},
		{"acupuncture near Ruijin Hospital", "acupuncture", "near=hospital:ruijin"},
		{"瑞金医院附近的针灸", "针灸", "near=hospital:ruijin"},
		// Numbers that are no prices stay.
		{"child under 5 years", "child under 5 years", ""},
		{"baby under 2000 g", "baby under 2000 g", ""},
		{"less than 30 days", "less than 30 days", ""},
		{"more than 1000 beds", "more than 1000 beds", ""},
		{"C83.3", "C83.3", ""},
		{"CAR-T CD19", "CAR-T CD19", ""},
		{"H52", "H52", ""},
		{"hospital near Xuhui", "hospital near Xuhui", ""},
		{"99999999999999 usd", "99999999999999 usd", ""},
		{"under", "under", ""},
		{"from here to eternity", "from here to eternity", ""},
	} {
		rest, wishes := search.Asked(e, c.query, "GBP")
		var got []string
		for _, w := range wishes {
			got = append(got, w.Facet+"="+w.Value)
			if !strings.Contains(c.query, w.Typed) || w.Typed == "" {
				t.Errorf("%q: %q was not typed", c.query, w.Typed)
			}
		}
		if rest != c.rest || strings.Join(got, " ") != c.wishes {
			t.Errorf("%q is %q with %v, want %q with %s", c.query, rest, got, c.rest, c.wishes)
		}
	}
}

// FuzzWishes holds that whatever is read out of a query is one that a request
// may ask for, and that reading it again finds no more of it.
func FuzzWishes(f *testing.F) {
	for _, s := range []string{"hip under 5000 usd", "2万元以内", "between 1 and 2 €", "¥¥5k-6k", "٥٠٠٠ دولار", "near the Bund", "<<$1.2.3,4", "5 000 000 000 yuan", "18F-FDG 1e9"} {
		f.Add(s)
	}
	e := seeded(f)
	f.Fuzz(func(t *testing.T, query string) {
		rest, wishes := search.Asked(e, query, "USD")
		if len(wishes) == 0 && rest != query {
			t.Fatalf("%q became %q for nothing", query, rest)
		}
		for _, w := range wishes {
			if _, ok := search.ParsePriceRange(w.Value); w.Facet == "price" && !ok {
				t.Fatalf("%q asks for the price %q", query, w.Value)
			}
			if !strings.Contains(query, w.Typed) {
				t.Fatalf("%q: %q was not typed", query, w.Typed)
			}
		}
	})
}
