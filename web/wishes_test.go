package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// Prices, orders and places in words are shown, each with a way to take it off.
func TestPricesAndPlacesInWordsAreShown(t *testing.T) {
	s := newTestServer(t)
	doc := s.page(t, "/search?q=cheap+acupuncture+under+4000+usd+near+Yu+Garden")
	if chips := doc.Find("a.chip:not(.clear)"); chips.Length() != 3 {
		t.Errorf("chips are %q", chips.Text())
	}
	for _, name := range []string{"sort", "price", "near"} {
		chip := doc.Find("a.chip:not(.clear)[href$='ignore=" + name + "'], a.chip:not(.clear)[href*='ignore=" + name + "&']")
		if chip.Length() != 1 {
			t.Fatalf("no way to take %s off", name)
		}
		if left := s.page(t, chip.AttrOr("href", "")).Find("a.chip:not(.clear)").Length(); left != 2 {
			t.Errorf("without %s %d filters are left", name, left)
		}
	}
	if doc.Find("#sort option[selected]").AttrOr("value", "") != "price" || doc.Find("#sort option[value='']").Length() != 0 {
		t.Error("the order that the words ask for is not the one that is chosen")
	}
	if doc.Find("form.facets input[name=price][checked]").Length() != 1 {
		t.Error("the price is not chosen")
	}
	if !strings.Contains(doc.Find("article.hit .points").First().Text(), "Yu Garden") {
		t.Error("no distance is shown")
	}
	if note := s.page(t, "/search?q=acupuncture+under+10+usd").Find(".note").Text(); !strings.Contains(note, "under 10 usd") {
		t.Errorf("what cannot be met is not said: %q", note)
	}
	nested := s.page(t, "/search?specialty=tcm").Find("details.narrower[open] input[name=treatment]")
	if nested.Length() < 2 {
		t.Errorf("%d treatments below the specialty", nested.Length())
	}
}

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
