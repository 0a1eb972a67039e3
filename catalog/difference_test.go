package catalog_test

import (
	"slices"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

func TestDifferences(t *testing.T) {
	before := catalog.Organisation{ID: "a", Name: catalog.Text{"en": "One", "fr": "Un"}, Languages: []string{"en"}}
	after := catalog.Organisation{ID: "a", Name: catalog.Text{"en": "Two", "es": "Dos"}, Languages: []string{"en", "ar"}, Demo: true}
	got, err := catalog.Differences(before, after)
	want := []catalog.Difference{{"demo", "", "true"}, {"languages", "en", "en, ar"}, {"name.en", "One", "Two"}, {"name.es", "", "Dos"}, {"name.fr", "Un", ""}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	// An item is known by its name, wherever it stands; of two with one name
	// the place tells.
	claim := func(key string, value float64) catalog.Claim {
		return catalog.Claim{Kind: catalog.ClaimPrice, Key: key, Value: &value}
	}
	stood := []catalog.Claim{claim("x", 1), claim("y", 2), claim("x", 4)}
	turned := []catalog.Claim{claim("y", 3), claim("x", 1), claim("x", 5)}
	got, err = catalog.Differences(catalog.Insurer{ID: "a", Claims: stood}, catalog.Insurer{ID: "a", Claims: turned})
	want = []catalog.Difference{{"claims[price x 3].value", "4", "5"}, {"claims[price y].value", "2", "3"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if got, err := catalog.Differences(after, after); err != nil || len(got) != 0 {
		t.Errorf("the same differs in %+v, %v", got, err)
	}
}

// Who edits over a revision that is not the latest is refused, whatever they
// do, and nothing is changed.
func TestEditOver(t *testing.T) {
	repo := sqliteCatalog(t).Insurers
	over := func(revision int) catalog.Edit {
		return catalog.Edit{Author: "tester", Over: &revision}
	}
	save := func(name string, by catalog.Edit) error {
		_, err := repo.Save(ctx, insurer("a", name), by)
		return err
	}
	if err := save("First", over(1)); !fault.Is(err, fault.Conflict) {
		t.Errorf("over a revision that is not there: %v", err)
	}
	for i, name := range []string{"First", "Second"} {
		if err := save(name, over(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := save("Third", over(1)); !fault.Is(err, fault.Conflict) {
		t.Errorf("over a revision before the latest: %v", err)
	}
	if err := save("Third", over(0)); !fault.Is(err, fault.Conflict) {
		t.Errorf("a new entry over one that is there: %v", err)
	}
	if err := repo.Move(ctx, "a", catalog.Submitted, over(1)); !fault.Is(err, fault.Conflict) {
		t.Errorf("submitting what is not the latest: %v", err)
	}
	if err := save("Second", over(1)); err != nil {
		t.Errorf("saving what is there already: %v", err)
	}
	if l, err := repo.Listing(ctx, "a"); err != nil || l.Value.Name != "Second" || l.Revision != 2 {
		t.Errorf("left: %+v, %v", l, err)
	}
}
