package search

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	blevequery "github.com/blevesearch/bleve/v2/search/query"

	"github.com/medtour/medtour/catalog"
)

// ForgeFingerprint makes the index of a closed folder one of another version.
func ForgeFingerprint(t *testing.T, dir string) {
	t.Helper()
	name, err := os.ReadFile(filepath.Join(dir, currentFile))
	if err != nil {
		t.Fatal(err)
	}
	idx, err := openIndex(filepath.Join(dir, strings.TrimSpace(string(name))))
	if err != nil {
		t.Fatal(err)
	}
	if err := idx.SetInternal([]byte(internalPrint), []byte("0-0")); err != nil {
		t.Fatal(err)
	}
	if err := idx.Close(); err != nil {
		t.Fatal(err)
	}
}

// Asked returns the query of words to search by, and what else was asked for.
func Asked(e *Engine, query, currency string) (string, []Applied) {
	snap, err := e.acquire()
	if err != nil {
		panic(err)
	}
	defer snap.release()
	a := readAsked(snap.book, query, currency)
	return a.query, a.wishes
}

// WithoutFeedback makes an engine find no more than what has a query's words.
func WithoutFeedback(e *Engine) { e.noFeedback = true }

// PriceRanges are the ranges of prices that are offered in a currency.
func PriceRanges(rates catalog.Rates, currency string) []string {
	var out []string
	for _, r := range newExchange(rates).ranges(currency) {
		out = append(out, r.String())
	}
	return out
}

// Countable is the text under which a query is counted.
var Countable = countable

// Oracle asks bleve's own collector for the offerings that have any of some
// English words and pass filters: their ids, and how many have each value of
// each facet, "district=Xuhui".
func Oracle(t interface{ Fatal(...any) }, e *Engine, words []string, filters map[string][]string) (map[string]bool, map[string]int) {
	term := func(field, value string) blevequery.Query {
		q := bleve.NewTermQuery(value)
		q.SetField(field)
		return q
	}
	en := languageByCode["en"]
	var any []blevequery.Query
	for _, w := range words {
		for c := range classCount {
			any = append(any, term(fieldName(c, en), en.stem(token{text: w, script: latin})))
		}
	}
	all := []blevequery.Query{term(tagField, tagKind+"offering"), bleve.NewDisjunctionQuery(any...)}
	for name, values := range filters {
		var one []blevequery.Query
		for _, v := range values {
			one = append(one, term(tagField, tagFacet+name+"="+v))
		}
		all = append(all, bleve.NewDisjunctionQuery(one...))
	}
	req := bleve.NewSearchRequestOptions(bleve.NewConjunctionQuery(all...), 1000, 0, false)
	req.AddFacet("tags", bleve.NewFacetRequest(tagField, 100_000))
	res, err := e.index.SearchInContext(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	found, counts := map[string]bool{}, map[string]int{}
	for _, h := range res.Hits {
		found[strings.TrimPrefix(h.ID, "offering/")] = true
	}
	for _, f := range res.Facets["tags"].Terms.Terms() {
		if value, ok := strings.CutPrefix(f.Term, tagFacet); ok {
			counts[value] = f.Count
		}
	}
	return found, counts
}

// Cut returns the words of a text.
func Cut(text string) []string {
	var out []string
	for _, t := range tokenize(text) {
		out = append(out, t.text)
	}
	return out
}

// Differs compares the state that searches see with the index read anew, and
// says where they differ.
func Differs(t *testing.T, e *Engine) string {
	t.Helper()
	seen := e.snap.Load()
	// The reader stays open as long as the state that is seen.
	anew, err := newSnapshot(seen.reader, seen.folder, seen.book, seen.money, nil)
	if err != nil {
		t.Fatal(err)
	}
	line := func(s *snapshot, d uint32) string {
		var facets []string
		for part := range s.facetSets {
			for _, v := range s.sets[s.facetSets[part][d]] {
				facets = append(facets, facetNames[s.values[v].facet]+"="+s.values[v].value)
			}
		}
		slices.Sort(facets)
		return fmt.Sprintln(s.kind[d], s.id[d], s.treatment[d], s.hospital[d], s.stay[d], s.departure[d], s.price[d], s.quality[d], s.languages[d], s.plain[d], s.positions[d], facets)
	}
	if seen.size != anew.size || seen.count != anew.count {
		return fmt.Sprintf("%d documents, %v; anew %d, %v", seen.size, seen.count, anew.size, anew.count)
	}
	for d := range uint32(seen.size) {
		if a, b := line(seen, d), line(anew, d); anew.kind[d] != noKind && a != b {
			return a + " anew " + b
		}
	}
	for name, average := range anew.average {
		if *average != *seen.average[name] {
			return fmt.Sprintf("%s is %v on average, anew %v", name, *seen.average[name], *average)
		}
	}
	return ""
}
