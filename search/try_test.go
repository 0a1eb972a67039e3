package search_test

import (
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/search"
)

// TestOperatorsSynonyms: a row of the operator's table is tried without being
// stored, found by at once when published, and gone when archived.
func TestOperatorsSynonyms(t *testing.T) {
	cat := small(t)
	e := open(t, cat, t.TempDir())
	follow(t, e)
	row := catalog.Synonym{ID: "goggle-goodbye", Meaning: catalog.MeansTarget, TreatmentIDs: []string{"icl"}, Percent: 90,
		Terms: []catalog.Term{{Text: "goodbye goggles", Lang: "en"}, {Text: "鱼缸再见", Lang: "zh-Hans"}}}
	for _, query := range []string{"goodbye goggles", "鱼缸再见"} {
		req := search.Request{Query: query, Kind: catalog.KindTreatment}
		if res := find(t, e, req); res.Total != 0 {
			t.Fatalf("%q finds %v before", query, ids(res))
		}
		res, err := e.Try(t.Context(), req, row)
		if err != nil || res.Total != 1 || res.Hits[0].ID != "icl" {
			t.Errorf("%q tried finds %v, %v", query, ids(res), err)
		}
		if res := find(t, e, req); res.Total != 0 {
			t.Errorf("%q finds %v though it was only tried", query, ids(res))
		}
	}
	publish(t, cat.Synonyms, row)
	eventually(t, "a published synonym counts", func() bool {
		return find(t, e, search.Request{Query: "goodbye goggles", Kind: catalog.KindTreatment}).Total == 1
	})
	if err := cat.Synonyms.Move(t.Context(), row.ID, catalog.Archived, by); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an archived synonym does not", func() bool {
		return find(t, e, search.Request{Query: "goodbye goggles", Kind: catalog.KindTreatment}).Total == 0
	})
	if res, err := e.Try(t.Context(), search.Request{Query: "acupuncture", Kind: catalog.KindTreatment},
		catalog.Synonym{ID: "elsewhere", Meaning: catalog.MeansElsewhere, Terms: []catalog.Term{{Text: "pins and pillows", Lang: "en"}}}); err != nil || res.Total == 0 {
		t.Errorf("an unrelated row changes the answer: %v, %v", ids(res), err)
	}
}
