package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/medtour/medtour/search"
)

// searchReport returns what the command reports of a data folder.
func searchReport(t *testing.T, data string) (r struct {
	search.SearchReport
	Empty    []search.QueryCounts `json:"empty"`
	LowClick []search.QueryCounts `json:"low_click"`
}) {
	t.Helper()
	code, stdout, stderr := command(t, "--data", data, "search-report", "--json")
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return r
}

// What is searched for just before the program ends is in the report.
func TestSearchReport(t *testing.T) {
	data := t.TempDir()
	base, stop := site(t, Config{Data: data})
	for _, query := range []string{"acupuncture", "car tyres", "car tyres", "car tyres", "acupuncture", "acupuncture", "only once"} {
		res, err := http.Get(base + "/search?q=" + url.QueryEscape(query))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	// The command works beside the running program.
	if code, _, stderr := command(t, "--data", data, "search-report", "--json"); code != exitOK {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	stop()
	r := searchReport(t, data)
	if r.Total.Searches != 7 || r.Withheld.Searches != 1 || len(r.Queries) != 2 {
		t.Errorf("%+v", r)
	}
	if len(r.Empty) != 1 || r.Empty[0].Query != "car tyres" || len(r.LowClick) != 1 || r.LowClick[0].Query != "acupuncture" {
		t.Errorf("%+v", r)
	}
	code, stdout, stderr := command(t, "--data", data, "search-report", "--lang", "en", "--days", "1", "--limit", "1")
	if code != exitOK || !strings.Contains(stdout, "car tyres") || strings.Contains(stdout, "only once") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, _, _ := command(t, "--data", data, "search-report", "--days", "91"); code != exitUsage {
		t.Errorf("91 days: exit %d", code)
	}
}

// The script of the pages counts that a result was opened.
func TestClicksInABrowser(t *testing.T) {
	b := openBrowser(t)
	data := t.TempDir()
	base, stop := site(t, Config{Data: data})
	for range 3 {
		b.open(base + "/fr/search?kind=treatment&q=acupuncture")
	}
	b.follow("article.hit h3 a")
	b.clean()
	stop()
	r := searchReport(t, data)
	if len(r.Queries) != 1 || r.Queries[0].Lang != "fr" || r.Queries[0].Pages != 3 || r.Queries[0].Clicks != 1 {
		t.Errorf("%+v", r.Queries)
	}
}
