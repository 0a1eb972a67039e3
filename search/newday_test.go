package search_test

import (
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/seed"
)

// TestNewDayAfterAChange: a package that was changed leaves its former document
// deleted in the index; the next day, which looks at every departure, passes
// over it.
func TestNewDayAfterAChange(t *testing.T) {
	cat := newCatalog(t)
	if _, err := seed.Load(t.Context(), cat, nil); err != nil {
		t.Fatal(err)
	}
	cfg := config(cat, t.TempDir())
	day := clock()
	cfg.Now = func() time.Time { return day }
	e, err := search.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	change := func(words string) {
		t.Helper()
		p, err := cat.Packages.Get(t.Context(), "icl-by-the-west-bund")
		if err != nil {
			t.Fatal(err)
		}
		p.Name = catalog.Text{"en": words}
		publish(t, cat.Packages, p)
		if err := e.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if res := find(t, e, search.Request{Query: words, Kind: catalog.KindPackage}); res.Total == 0 || res.Hits[0].ID != p.ID {
			t.Errorf("%q finds %v", words, ids(res))
		}
	}
	change("Zebrafish in the morning")
	day = day.AddDate(0, 0, 1)
	change("Zebrafish in the evening")
}
