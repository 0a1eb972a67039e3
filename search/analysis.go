package search

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/ar"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/lang/es"
	"github.com/blevesearch/bleve/v2/analysis/lang/fa"
	"github.com/blevesearch/bleve/v2/analysis/lang/fr"
	"github.com/blevesearch/bleve/v2/analysis/lang/hi"
	"github.com/blevesearch/bleve/v2/analysis/lang/it"
	"github.com/blevesearch/bleve/v2/analysis/lang/pl"
	"github.com/blevesearch/bleve/v2/analysis/lang/pt"
	"github.com/blevesearch/bleve/v2/analysis/lang/ru"
	"github.com/blevesearch/bleve/v2/analysis/lang/tr"
	"github.com/blevesearch/bleve/v2/registry"
)

// language is how words of one language become index terms.
type language struct {
	// code of the fields' names.
	code   string
	script script
	// fields of the language by class, and words that of its dictionary.
	fields [classCount]string
	words  string
	// stop words, folded.
	stop map[string]bool
	// filters are bleve's, applied to folded words; none of them may depend on
	// accents.
	filters []analysis.TokenFilter
	// prefix cuts words to their first letters where there is no stemmer worth
	// having: for agglutinating languages that is known to serve nearly as well.
	prefix int
	// respell is applied before the stemmer.
	respell func(string) string
	// known are stems found before.
	known stems
}

// restCode names the fields of languages without an analyzer of their own.
const restCode = "xx"

// languages with their own fields. Bleve's Turkish stemmer mangles İ and
// depends on ı, which folding takes away: Turkish is cut to a prefix instead.
var languages = buildLanguages()

func buildLanguages() []*language {
	cache := registry.NewCache()
	filter := func(names ...string) []analysis.TokenFilter {
		out := make([]analysis.TokenFilter, len(names))
		for i, name := range names {
			f, err := cache.TokenFilterNamed(name)
			if err != nil {
				panic("search: token filter " + name + ": " + err.Error())
			}
			out[i] = f
		}
		return out
	}
	stop := func(name string) map[string]bool {
		m, err := cache.TokenMapNamed(name)
		if err != nil {
			panic("search: stop words " + name + ": " + err.Error())
		}
		out := make(map[string]bool, len(m))
		for w := range m {
			for _, t := range tokenize(w) {
				if f := fold(w); f == t.text {
					out[f] = true
				}
			}
		}
		return out
	}
	return []*language{
		{code: "en", script: latin, stop: stop(en.StopName), filters: filter(en.SnowballStemmerName), respell: american},
		{code: "zh", script: unbroken},
		{code: "ar", script: arabic, stop: stop(ar.StopName), filters: filter(ar.StemmerName)},
		{code: "ru", script: cyrillic, stop: stop(ru.StopName), filters: filter(ru.SnowballStemmerName)},
		{code: "fr", script: latin, stop: stop(fr.StopName), filters: filter(fr.LightStemmerName)},
		{code: "es", script: latin, stop: stop(es.StopName), filters: filter(es.LightStemmerName)},
		{code: "de", script: latin, stop: stop(de.StopName), filters: filter(de.LightStemmerName)},
		{code: "pt", script: latin, stop: stop(pt.StopName), filters: filter(pt.LightStemmerName)},
		{code: "it", script: latin, stop: stop(it.StopName), filters: filter(it.LightStemmerName)},
		{code: "pl", script: latin, stop: stop(pl.StopName), prefix: 7},
		{code: "tr", script: latin, stop: stop(tr.StopName), prefix: 6},
		{code: "hi", script: devanagari, stop: stop(hi.StopName), filters: filter(hi.NormalizeName, hi.StemmerName)},
		{code: "fa", script: arabic, stop: stop(fa.StopName)},
		{code: restCode, script: otherScript},
	}
}

var languageByCode = func() map[string]*language {
	m := map[string]*language{}
	for _, l := range languages {
		m[l.code] = l
		for c := range classCount {
			l.fields[c] = fieldName(c, l)
		}
		l.words = wordField + l.code
	}
	return m
}()

// languageOf returns the language whose fields hold texts of a BCP 47 tag.
func languageOf(tag string) *language {
	base, rest, _ := strings.Cut(tag, "-")
	if rest == "Latn" {
		return languageByCode[restCode]
	}
	if l := languageByCode[base]; l != nil {
		return l
	}
	return languageByCode[restCode]
}

// candidates are the languages that a word of a script may be in.
var candidates = func() (out [otherScript + 1][]*language) {
	for s := latin; s <= otherScript; s++ {
		for _, l := range languages {
			if l.script == s || l.code == restCode {
				out[s] = append(out[s], l)
			}
		}
	}
	return out
}()

// term returns the index term of a word; empty for a stop word.
func (l *language) term(t token) string {
	if l.stop[t.text] {
		return ""
	}
	return l.stem(t)
}

// stem returns the index term of a word, stop word or not.
func (l *language) stem(t token) string {
	if t.script == unbroken || t.script != l.script || isDigit(t.text[0]) || l.prefix == 0 && l.respell == nil && len(l.filters) == 0 {
		return t.text
	}
	return l.known.of(t.text, l.findStem)
}

func (l *language) findStem(w string) string {
	if l.respell != nil {
		w = l.respell(w)
	}
	if l.prefix > 0 && utf8.RuneCountInString(w) > l.prefix {
		return string([]rune(w)[:l.prefix])
	}
	if len(l.filters) == 0 {
		return w
	}
	stream := analysis.TokenStream{{Term: []byte(w), Position: 1, Start: 0, End: len(w)}}
	for _, f := range l.filters {
		stream = f.Filter(stream)
	}
	if len(stream) == 0 || len(stream[0].Term) == 0 {
		return w
	}
	return string(stream[0].Term)
}

// stems remembers the stems of words, since the same few thousand make up most
// texts: each in the place that its hash gives, where a later one displaces it.
type stems [1 << 14]atomic.Pointer[stemmed]

type stemmed struct{ word, stem string }

var stemSeed = maphash.MakeSeed()

func (s *stems) of(word string, find func(string) string) string {
	place := &s[maphash.String(stemSeed, word)%uint64(len(s))]
	if known := place.Load(); known != nil && known.word == word {
		return known.stem
	}
	// A word is part of a text, which is not to be kept for it.
	known := &stemmed{word: strings.Clone(word)}
	known.stem = find(known.word)
	place.Store(known)
	return known.stem
}

// american brings British spellings to the American ones, so that either finds
// the other. It need not yield words, only the same for both.
func american(w string) string {
	if len(w) < 5 {
		return w
	}
	if strings.Contains(w, "ae") {
		w = strings.ReplaceAll(w, "ae", "e")
	}
	if len(w) > 5 && strings.Contains(w, "oe") {
		w = strings.ReplaceAll(w, "oe", "e")
	}
	for _, s := range [...][2]string{{"our", "or"}, {"ours", "ors"}, {"tre", "ter"}, {"ise", "ize"}, {"ised", "ized"}, {"ising", "izing"}, {"isation", "ization"}, {"yse", "yze"}, {"ogramme", "ogram"}} {
		if strings.HasSuffix(w, s[0]) {
			return strings.TrimSuffix(w, s[0]) + s[1]
		}
	}
	return w
}

// presence is a term that stands once in every field that has any: its posting
// list says which documents have the field, and how long it is.
const presence = "\x00"
