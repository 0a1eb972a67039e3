package search

import (
	"strings"
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
	if t.script == unbroken || t.script != l.script {
		return t.text
	}
	w := t.text
	if l.respell != nil {
		w = l.respell(w)
	}
	if l.prefix > 0 && utf8.RuneCountInString(w) > l.prefix {
		return string([]rune(w)[:l.prefix])
	}
	if len(l.filters) == 0 || isDigit(w[0]) {
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

// terms returns the index terms of a text in a language: stems of words, and
// of unbroken scripts every character and every pair of neighbours.
func (l *language) terms(text string) []string {
	tokens := tokenize(text)
	out := make([]string, 0, len(tokens)+4)
	for i, t := range tokens {
		if s := l.term(t); s != "" {
			out = append(out, s)
		}
		if t.script == unbroken && i+1 < len(tokens) && tokens[i+1].script == unbroken && tokens[i+1].start == t.end {
			out = append(out, t.text+tokens[i+1].text)
		}
	}
	return out
}

// fieldAnalyzer is the bleve analyzer of a language's fields.
type fieldAnalyzer struct{ lang *language }

// Analyze cuts a text into index terms. Fields keep no positions in the text.
func (a fieldAnalyzer) Analyze(text []byte) analysis.TokenStream {
	terms := a.lang.terms(string(text))
	if len(terms) == 0 {
		return nil
	}
	terms = append(terms, presence)
	backing := make([]analysis.Token, len(terms))
	out := make(analysis.TokenStream, len(terms))
	for i, t := range terms {
		backing[i] = analysis.Token{Term: []byte(t), Position: i + 1}
		out[i] = &backing[i]
	}
	return out
}

// wholeAnalyzer makes one term of the whole text.
type wholeAnalyzer struct{}

// Analyze returns the text as it is.
func (wholeAnalyzer) Analyze(text []byte) analysis.TokenStream {
	return analysis.TokenStream{{Term: text, Position: 1}}
}

// surfaceAnalyzer keeps the folded words as they were written: the dictionary
// against which typing errors are corrected.
type surfaceAnalyzer struct{}

// Analyze returns every different word once.
func (surfaceAnalyzer) Analyze(text []byte) analysis.TokenStream {
	var out analysis.TokenStream
	seen := map[string]bool{}
	for _, t := range tokenize(string(text)) {
		if t.script == unbroken || utf8.RuneCountInString(t.text) < 3 || seen[t.text] {
			continue
		}
		seen[t.text] = true
		out = append(out, &analysis.Token{Term: []byte(t.text), Position: len(out) + 1})
	}
	return out
}
