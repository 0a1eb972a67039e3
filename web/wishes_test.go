package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// A filter that was read out of the query's words is shown and can be taken
// off; what was chosen beside it stays.
func TestFiltersInWordsCanBeTakenOff(t *testing.T) {
	s := newTestServer(t)
	find := func(path string) *goquery.Document {
		t.Helper()
		res, body := exchange(t, request(t, http.MethodGet, s.URL+path, ""))
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, res.StatusCode)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	const asked = "/search?q=cancer+private+hospital&specialty=oncology-cell-therapy"
	doc := find(asked)
	chip := doc.Find("a.chip").FilterFunction(func(_ int, a *goquery.Selection) bool {
		return strings.Contains(a.AttrOr("href", ""), "ignore=ownership")
	})
	if chip.Length() == 0 {
		t.Fatalf("no filter is shown: %s", doc.Find("ul.chips").Text())
	}
	narrowed := doc.Find("article.hit").Length()
	doc = find(chip.First().AttrOr("href", ""))
	if doc.Find("a.chip[href*='ignore=ownership']:not(.clear)").Length() > 0 && doc.Find("input[name=ownership][checked]").Length() > 0 {
		t.Error("the filter is still there")
	}
	if n := doc.Find("article.hit").Length(); n < narrowed || n == 0 {
		t.Errorf("%d hits without the filter, %d with it", n, narrowed)
	}
	if doc.Find("input[name=specialty][checked]").Length() != 1 {
		t.Error("the chosen filter is gone")
	}
	if doc.Find("form.facets input[name=ignore][value=ownership]").Length() != 1 {
		t.Error("another choice would bring the filter back")
	}
}
