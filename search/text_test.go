package search_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/search"
)

func TestCut(t *testing.T) {
	for text, want := range map[string]string{
		"CAR-T, Bell's palsy.":  "cart|bell|palsy",
		"C83.3 or 18,2":         "c83.3|or|18.2",
		"l'avc and X-ray":       "avc|and|xray",
		"well-known":            "well|known",
		"café (naïve)":          "cafe|naive",
		"灸A1":                   "灸|a1",
		strings.Repeat("a", 50): strings.Repeat("a", 40),
	} {
		if got := strings.Join(search.Cut(text), "|"); got != want {
			t.Errorf("%q is cut into %s, want %s", text, got, want)
		}
	}
}

// Letters of full width fold to plain ones, which are cut by themselves where
// nothing stands between them that might join: both ways must agree.
func TestPlainWordsAreCutAsOthers(t *testing.T) {
	wide := strings.NewReplacer(func() (pairs []string) {
		for r := 'a'; r <= 'z'; r++ {
			pairs = append(pairs, string(r), string(r-'a'+'ａ'), string(r-'a'+'A'), string(r-'a'+'Ａ'))
		}
		return pairs
	}()...)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`([a-c]{0,3}[ .,;\-_/\n针é]{0,2}){0,6}`).Draw(r, "text")
		if plain, other := search.Cut(text), search.Cut(wide.Replace(text)); !slices.Equal(plain, other) {
			r.Errorf("%q is cut into %q, in full width into %q", text, plain, other)
		}
	})
}
