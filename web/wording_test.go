package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/medtour/medtour/search"
)

func TestVocabularyOfTheOperator(t *testing.T) {
	s := newTestServer(t)
	operator := s.signInAs(t, "operator")
	doc := s.page(t, "/console/vocabulary/edit?q=goodbye+goggles&in=en", "Cookie", operator)
	if got := doc.Find("textarea[name='terms.en']").Text(); got != "goodbye goggles" {
		t.Errorf("the query that found nothing is not filled in: %q", got)
	}
	form := url.Values{"revision": {"0"}, "meaning": {"target"}, "treatment": {"icl"}, "percent": {"90"}, "terms.en": {"goodbye goggles\nso long specs"}, "terms.other": {"de: Brille ade"}, "note": {"asked for"}}
	with := func(pairs ...string) url.Values {
		f := url.Values{}
		for k, v := range form {
			f[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	doc = want(t, s.post(t, "/console/vocabulary/edit", with("percent", "7"), "Cookie", operator), http.StatusUnprocessableEntity)
	if doc.Find("#error-percent").Length() != 1 || doc.Find("textarea[name='terms.other']").Text() != "de: Brille ade" {
		t.Error("a bad weight is not said beside its field, or what was typed is lost")
	}
	doc = want(t, s.post(t, "/console/vocabulary/edit", with("act", "try", "try", "so long specs"), "Cookie", operator), http.StatusOK)
	if before, after := doc.Find(".tried > div").First().Find("li").Length(), doc.Find(".tried > div").Last().Find("li").Length(); before != 0 || after == 0 {
		t.Errorf("%d hits before, %d after", before, after)
	}
	if l := s.get(t, "/console/vocabulary", "Cookie", operator).document(t).Find("table.list tbody tr").Length(); l != 0 {
		t.Fatalf("trying stored %d rows", l)
	}
	s.sent(t, s.post(t, "/console/vocabulary/edit", with("act", "save"), "Cookie", operator))
	path := "/console/vocabulary/edit?id=" + search.SynonymID("goodbye goggles")
	doc = s.page(t, path, "Cookie", operator)
	if doc.Find("select[name=treatment] option[selected]").AttrOr("value", "") != "icl" || doc.Find("textarea[name='terms.en']").Text() != "goodbye goggles\nso long specs" {
		t.Error("the row is not as it was saved")
	}
	want(t, s.post(t, "/console/vocabulary/edit", with("act", "save", "percent", "50", "id", search.SynonymID("goodbye goggles")), "Cookie", operator), http.StatusConflict)
	s.sent(t, s.post(t, "/console/vocabulary/edit", with("act", "archive", "revision", "1", "id", search.SynonymID("goodbye goggles")), "Cookie", operator))
}

func TestSearchesReport(t *testing.T) {
	s := newTestServer(t)
	operator := s.signInAs(t, "operator")
	for range 12 {
		s.get(t, "/search?q=qqzzxxy")
	}
	if err := s.Analytics.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	doc := s.page(t, "/console/searches?days=7", "Cookie", operator)
	if doc.Find("dl.desk-states dd").First().Text() == "0" {
		t.Error("no search was counted")
	}
	want(t, s.get(t, "/console/searches?days=1000", "Cookie", operator), http.StatusUnprocessableEntity)
	want(t, s.get(t, "/console/searches", "Cookie", s.signInAs(t, "hospital")), http.StatusForbidden)
}
