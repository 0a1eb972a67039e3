package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/medtour/medtour/search"
)

// counted returns what is counted of a query so far.
func counted(t *testing.T, s *testServer, lang, query string) []search.QueryCounts {
	t.Helper()
	if err := s.Analytics.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := s.Analytics.Report(t.Context(), 1, lang)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(r.Queries, func(q search.QueryCounts) bool { return q.Query != query })
}

func (s *testServer) clickOn(t *testing.T, path string, form url.Values, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, req, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

func TestSearchesAndClicksAreCounted(t *testing.T) {
	s := newTestServer(t)
	const query = "counted acupuncture"
	q := url.QueryEscape(query)
	total := 0
	for range 3 {
		doc := s.page(t, "/fr/search?kind=treatment&q="+q)
		total = doc.Find("article.hit").Length()
	}
	// The same search looked at more closely is no search of its own.
	s.page(t, "/fr/search?kind=treatment&specialty=tcm&q="+q)
	s.page(t, "/fr/search?kind=treatment&sort=stay&q="+q)
	if a := s.get(t, "/api/v1/search?kind=treatment&lang=fr&q="+q); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	form := s.page(t, "/fr/search?kind=treatment&specialty=tcm&q="+q).Find("form[data-facets]")
	clicks := strings.Replace(form.AttrOr("action", ""), "/search", "/clicks", 1)
	values := url.Values{}
	for _, name := range []string{"q", "kind"} {
		values.Set(name, form.Find("input[name="+name+"]").AttrOr("value", ""))
	}
	a := s.clickOn(t, clicks, values)
	if a.StatusCode != http.StatusNoContent || len(a.Cookies()) > 0 {
		t.Errorf("click: %s, cookies %v", a.Status, a.Cookies())
	}
	got := counted(t, s, "fr", query)
	if len(got) != 1 || got[0].Kind != "treatment" || got[0].Searches != 4 || got[0].Pages != 3 || got[0].Clicks != 1 || (got[0].Hits > 0) != (total > 0) {
		t.Errorf("%d hits on the page, counted %+v", total, got)
	}
	if len(counted(t, s, "en", query)) > 0 {
		t.Error("counted in another language")
	}
}

func TestBadClicks(t *testing.T) {
	s := newTestServer(t)
	good := url.Values{"q": {"knee"}, "kind": {"treatment"}}
	for name, tt := range map[string]struct {
		form    url.Values
		headers []string
		status  int
	}{
		"no kind":       {url.Values{"q": {"knee"}}, nil, http.StatusUnprocessableEntity},
		"unknown kind":  {url.Values{"q": {"knee"}, "kind": {"robot"}}, nil, http.StatusUnprocessableEntity},
		"too large":     {url.Values{"q": {strings.Repeat("x", 300<<10)}, "kind": {"treatment"}}, nil, http.StatusRequestEntityTooLarge},
		"long query":    {url.Values{"q": {strings.Repeat("x", 20<<10)}, "kind": {"treatment"}}, nil, http.StatusNoContent},
		"no query":      {url.Values{"kind": {"treatment"}}, nil, http.StatusNoContent},
		"another site":  {good, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"our own pages": {good, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusNoContent},
	} {
		if a := s.clickOn(t, "/clicks", tt.form, tt.headers...); a.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, a.Status, tt.status)
		}
	}
}
