package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	index "github.com/blevesearch/bleve_index_api"
)

// understand makes the plan of a query. Words that nothing knows are corrected
// before synonyms are looked up; corrected is the query as it should have been
// typed, empty where nothing was wrong.
func (snap *snapshot) understand(query, lang string) (p *plan, corrected string, err error) {
	p = newPlan(snap.book, query, lang)
	if better, err := snap.mendCharacters(p); err != nil || better != "" {
		return newPlan(snap.book, better, lang), better, err
	}
	unknown, err := snap.unknown(p)
	if err != nil || len(unknown) == 0 {
		return p, "", err
	}
	if other, err := snap.otherKeyboard(p, len(unknown), lang); err != nil || other != "" {
		return newPlan(snap.book, other, lang), other, err
	}
	var b strings.Builder
	last, changed := 0, false
	for _, i := range unknown {
		t := p.tokens[i]
		better, err := snap.correction(t, p)
		if err != nil {
			return nil, "", err
		}
		if better == "" {
			continue
		}
		b.WriteString(query[last:t.start])
		b.WriteString(better)
		last, changed = t.end, true
	}
	if !changed {
		return p, "", nil
	}
	b.WriteString(query[last:])
	corrected = b.String()
	better := newPlan(snap.book, corrected, lang)
	if len(better.tokens) > maxTyped {
		better.doubt(p)
	}
	return better, corrected, nil
}

// maxTyped is the number of words up to which a query is more likely mistyped
// than told in words that nothing here knows.
const maxTyped = 7

// mendedFactor is the weight of mended words in a longer text.
const mendedFactor = 0.4

// doubt lowers the weight of words that were not typed so.
func (p *plan) doubt(typed *plan) {
	for _, s := range p.spans {
		for _, t := range p.tokens[s.from:s.to] {
			if !slices.ContainsFunc(typed.tokens, func(o token) bool { return o.text == t.text }) {
				s.factor *= mendedFactor
				break
			}
		}
	}
}

// mendCharacters returns the query with a wrong character of an unbroken script
// put right: where a run that nothing knows is but one character away from a
// single phrase, and no text has the run as it stands.
func (snap *snapshot) mendCharacters(p *plan) (string, error) {
	runs := p.leaves()
	if len(runs) > 0 && len(p.tokens) <= maxPaired {
		runs = []*span{{from: 0, to: len(p.tokens)}}
	}
	for _, s := range runs {
		if s.to-s.from < minGapped || p.tokens[s.from].script != unbroken {
			continue
		}
		for n := min(maxGapped, s.to-s.from); n >= minGapped; n-- {
			for i := s.from; i+n <= s.to; i++ {
				run := p.tokens[i : i+n]
				// A pair in a longer text is too easily one off by chance.
				if n == minGapped && len(p.tokens) > maxPaired || slices.ContainsFunc(run, isNumeral) {
					continue
				}
				phrase := snap.book.mend(run)
				if phrase == "" {
					continue
				}
				written, err := snap.written(run)
				if err != nil {
					return "", err
				}
				if !written {
					return p.query[:run[0].start] + phrase + p.query[run[n-1].end:], nil
				}
			}
		}
	}
	return "", nil
}

func isNumeral(t token) bool {
	return strings.Contains("〇一二三四五六七八九十百千万", t.text)
}

// maxPaired is the longest query in which one of a pair of characters is put
// right.
const maxPaired = 3

// mend returns the only phrase that is one character away from a run, empty
// where there is none or several.
func (b *phrasebook) mend(run []token) string {
	found := ""
	for gap := range run {
		var key strings.Builder
		for i, t := range run {
			if i == gap {
				key.WriteRune(gapMark)
			} else {
				key.WriteString(t.text)
			}
		}
		phrase, ok := b.gapped[key.String()]
		switch {
		case !ok:
		case phrase == "", found != "" && found != phrase:
			return ""
		default:
			found = phrase
		}
	}
	return found
}

// written reports whether every pair of neighbours of a run stands in a text.
func (snap *snapshot) written(run []token) (bool, error) {
	l := languageByCode["zh"]
	for i := range run[:len(run)-1] {
		found := false
		for c := range classCount {
			n, err := snap.frequency(l.fields[c], run[i].text+run[i+1].text)
			if err != nil {
				return false, err
			}
			found = found || n > 0
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// unknown returns the tokens that neither the index nor the phrase book knows.
func (snap *snapshot) unknown(p *plan) ([]int, error) {
	var out []int
	for _, s := range p.leaves() {
		for i := s.from; i < s.to; i++ {
			if p.stop[i] {
				continue
			}
			known, err := snap.knows(p.tokens[i], p.lang)
			if err != nil {
				return nil, err
			}
			if !known {
				out = append(out, i)
			}
		}
	}
	return out, nil
}

// leaves are the spans that no phrase covers.
func (p *plan) leaves() []*span {
	var out []*span
	for _, s := range p.spans {
		if s.entry == nil {
			out = append(out, s)
		}
	}
	return out
}

// knows reports whether a word stands in the dictionary, or in the query's
// language a form of it in a text. Words of unbroken scripts are never
// corrected by letter.
func (snap *snapshot) knows(t token, lang *language) (bool, error) {
	if t.script == unbroken || strings.IndexFunc(t.text, unicode.IsDigit) >= 0 || utf8.RuneCountInString(t.text) < 3 {
		return true, nil
	}
	if n, err := snap.docFrequency(t); err != nil || n > 0 {
		return n > 0, err
	}
	for _, l := range candidates[t.script] {
		if l.prefix > 0 || l.script == latin && l != lang && l.code != "en" {
			continue
		}
		term := l.stem(t)
		if snap.book.entries[l.code+" "+term] != nil {
			return true, nil
		}
		for c := range classCount {
			if n, err := snap.frequency(l.fields[c], term); err != nil || n > 0 {
				return true, err
			}
		}
	}
	return false, nil
}

const (
	// minCorrect is the shortest word that is corrected: shorter ones are one
	// error away from anything.
	minCorrect = 3
	// minShortCount is in how many documents a word stands for which a shortest
	// one is taken.
	minShortCount = 5
	// minTwoErrors is the shortest word in which two errors are believed.
	minTwoErrors = 7
	// minForeign is the shortest word that is corrected to one of a language
	// other than the query's.
	minForeign = 6
	// maxCandidates bounds the dictionary words that are compared.
	maxCandidates = 2000
)

// candidate is a word of the dictionary that may be what was meant.
type candidate struct {
	word string
	cost float64
	docs *posting
}

// maxLikely is the number of candidates that are weighed by their company.
const maxLikely = 6

// correction returns what an unknown word was meant to be: of the likeliest
// words of the dictionary the one that best keeps company with the words around
// it, two words where a blank was left out, or nothing.
func (snap *snapshot) correction(t token, p *plan) (string, error) {
	key := p.lang.code + " " + t.text
	likely, ok := snap.corrections.Get(key)
	if !ok {
		var err error
		if likely, err = snap.likely(t, p.lang); err != nil {
			return "", err
		}
		snap.corrections.Add(key, likely)
	}
	if len(likely) < 2 {
		if len(likely) == 1 {
			return likely[0].word, nil
		}
		return snap.parted(t)
	}
	company, err := snap.company(t, p)
	if err != nil {
		return "", err
	}
	best, bestCost := "", math.Inf(1)
	for _, c := range likely {
		cost := c.cost
		for _, w := range company {
			cost -= frequencyWeight * affinity(c.docs, w, snap.size)
		}
		if cost < bestCost {
			best, bestCost = c.word, cost
		}
	}
	return best, nil
}

// maxCompany is the number of words around an unknown one that are asked.
const maxCompany = 3

// company returns in which documents the rarest other words of a query stand.
func (snap *snapshot) company(t token, p *plan) ([]*posting, error) {
	var out []*posting
	for i, other := range p.tokens {
		if p.stop[i] || other.text == t.text || other.script != t.script {
			continue
		}
		docs, err := snap.posting(p.lang.words, other.text)
		if err != nil {
			return nil, err
		}
		if len(docs.docs) > 0 {
			out = append(out, docs)
		}
	}
	slices.SortStableFunc(out, func(a, b *posting) int { return len(a.docs) - len(b.docs) })
	return out[:min(len(out), maxCompany)], nil
}

// affinity is how much likelier the documents of a word are to have another
// than all of size are, as a decimal logarithm.
func affinity(of, other *posting, size int) float64 {
	a, b := of.docs, other.docs
	if len(a) > len(b) {
		a, b = b, a
	}
	both := 0.0
	for _, d := range a[:min(len(a), maxCandidates)] {
		if _, ok := slices.BinarySearch(b, d); ok {
			both++
		}
	}
	if len(a) > maxCandidates {
		both *= float64(len(a)) / maxCandidates
	}
	share := float64(len(other.docs)) / float64(size)
	const doubt = 2
	return math.Log10((both + doubt*share) / (float64(len(of.docs)) + doubt) / share)
}

// likely returns the words of the dictionary nearest to an unknown one, the
// likeliest first.
func (snap *snapshot) likely(t token, lang *language) ([]candidate, error) {
	n := utf8.RuneCountInString(t.text)
	if n < minCorrect {
		return nil, nil
	}
	// One error in the query's language is far likelier than two, or than a
	// word of another language.
	var out []candidate
	for _, foreign := range []bool{false, true} {
		for errors := 1; errors <= 2 && len(out) == 0 && (errors == 1 || n >= minTwoErrors); errors++ {
			for _, l := range candidates[t.script] {
				if foreign != (t.script == latin && l != lang && l.code != "en" && l.code != restCode) || foreign && n < minForeign {
					continue
				}
				found, err := snap.meant(t.text, l, errors)
				if err != nil {
					return nil, err
				}
				for _, c := range found {
					if !slices.ContainsFunc(out, func(o candidate) bool { return o.word == c.word }) {
						out = append(out, c)
					}
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.word, b.word))
	})
	out = slices.Clone(out[:min(len(out), maxLikely)])
	for i := range out {
		var err error
		if out[i].docs, err = snap.posting(lang.words, out[i].word); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// meant returns the words of a dictionary within some errors of a word, with
// what speaks against each.
func (snap *snapshot) meant(word string, l *language, errors int) ([]candidate, error) {
	words, err := snap.similar(l, word, errors)
	if err != nil {
		return nil, err
	}
	short := utf8.RuneCountInString(word) == minCorrect
	var out []candidate
	for _, w := range words {
		count, err := snap.frequency(l.words, w.word)
		if err != nil {
			return nil, err
		}
		if count == 0 || l.stop[w.word] && w.errors > 1 || short && (count < minShortCount || len(w.word) < len(word)) {
			continue
		}
		out = append(out, candidate{word: w.word, cost: correctionCost(word, w.word, w.errors, count)})
	}
	return out, nil
}

// near is a word of the dictionary with its errors against another.
type near struct {
	word   string
	errors int
}

// maxSimilar bounds the words of one dictionary that are weighed.
const maxSimilar = 100

// similar returns the words of a dictionary within some errors, those with
// fewer first. Two neighbours that changed places are one error.
func (snap *snapshot) similar(l *language, word string, errors int) ([]near, error) {
	fuzzy, ok := snap.reader.(index.IndexReaderFuzzy)
	if !ok {
		return nil, nil
	}
	dict, err := fuzzy.FieldDictFuzzy(l.words, word, errors, "")
	if err != nil {
		return nil, fmt.Errorf("search: read dictionary: %w", err)
	}
	defer dict.Close()
	var out []near
	runes := []rune(word)
	for range maxCandidates {
		e, err := dict.Next()
		if err != nil {
			return nil, fmt.Errorf("search: read dictionary: %w", err)
		}
		if e == nil {
			break
		}
		if d := distance(runes, []rune(e.Term)); d <= errors {
			out = append(out, near{e.Term, d})
		}
	}
	if errors == 1 {
		for i := range runes[:len(runes)-1] {
			runes[i], runes[i+1] = runes[i+1], runes[i]
			out = append(out, near{string(runes), 1})
			runes[i], runes[i+1] = runes[i+1], runes[i]
		}
	}
	slices.SortFunc(out, func(a, b near) int { return cmp.Or(a.errors-b.errors, cmp.Compare(a.word, b.word)) })
	return out[:min(len(out), maxSimilar)], nil
}

// frequencyWeight says how much of an error ten times as many documents make
// up for.
const frequencyWeight = 0.4

// correctionCost weighs a candidate: errors first, then an error in the first
// letter, which people seldom make, then a doubled letter, which they often do,
// then how common the word is.
func correctionCost(typed, word string, d, count int) float64 {
	cost := float64(d)
	if a, _ := utf8.DecodeRuneInString(typed); !strings.HasPrefix(word, string(a)) {
		cost += 0.6
	}
	if undouble(typed) == undouble(word) {
		cost -= 0.4
	}
	return cost - frequencyWeight*math.Log10(float64(count))
}

// undouble takes doubled letters for one.
func undouble(w string) string {
	var b strings.Builder
	var last rune
	for _, r := range w {
		if r != last {
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}

const (
	// minPart is the shortest part of two words typed as one.
	minPart = 3
	// minParted is the shortest word that is taken for two: shorter ones, such
	// as "carpet", fall into two words by chance.
	minParted = 8
)

// parted cuts a word into two that the dictionary knows.
func (snap *snapshot) parted(t token) (string, error) {
	best, most := "", 0
	if len(t.text) < minParted {
		return "", nil
	}
	for i := range t.text {
		if i < minPart || len(t.text)-i < minPart {
			continue
		}
		a, err := snap.docFrequency(token{text: t.text[:i], script: t.script})
		if err != nil {
			return "", err
		}
		b, err := snap.docFrequency(token{text: t.text[i:], script: t.script})
		if err != nil {
			return "", err
		}
		if n := min(a, b); n > most {
			best, most = t.text[:i]+" "+t.text[i:], n
		}
	}
	return best, nil
}

// distance counts insertions, deletions, substitutions and transpositions of
// neighbours (optimal string alignment).
func distance(a, b []rune) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// Keys of keyboards by position; upper case is folded before.
const (
	keysLatin   = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
	keysRussian = "ёйцукенгшщзхъфывапролджэячсмитьбю"
	keysArabic  = "ذضصثقفغعهخحجدشسيبلاتنمكطئءؤر\x00ىةوز"
)

var keyboards = func() []map[rune]rune {
	toRussian, toArabic, fromRussian, fromArabic := map[rune]rune{}, map[rune]rune{}, map[rune]rune{}, map[rune]rune{}
	ru, ar := []rune(keysRussian), []rune(keysArabic)
	for i, k := range []rune(keysLatin) {
		toRussian[k], fromRussian[ru[i]] = ru[i], k
		if ar[i] != 0 {
			toArabic[k], fromArabic[ar[i]] = ar[i], k
		}
	}
	return []map[rune]rune{toRussian, toArabic, fromRussian, fromArabic}
}()

// otherKeyboard returns the query as it reads with the keyboard switched to
// another language, where that makes words of it and it made none before.
func (snap *snapshot) otherKeyboard(p *plan, unknown int, lang string) (string, error) {
	known := 0
	for i := range p.tokens {
		if !p.stop[i] && utf8.RuneCountInString(p.tokens[i].text) >= minPart {
			known++
		}
	}
	if known-unknown > unknown {
		return "", nil
	}
	best, most := "", 0
	for _, keys := range keyboards {
		switched := strings.Map(func(r rune) rune {
			if k, ok := keys[unicode.ToLower(r)]; ok {
				return k
			}
			return r
		}, p.query)
		if switched == p.query || fold(switched) == fold(p.query) {
			continue
		}
		n := 0
		for _, t := range tokenize(switched) {
			if utf8.RuneCountInString(t.text) < minPart || t.script == p.tokens[0].script {
				continue
			}
			ok, err := snap.knows(t, p.lang)
			if err != nil {
				return "", err
			}
			if ok {
				n++
			} else {
				n--
			}
		}
		if n > most && n > known-unknown {
			best, most = switched, n
		}
	}
	return best, nil
}
