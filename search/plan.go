package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTokens is the number of tokens of a query that are looked at.
const maxTokens = 64

// span is a node of a plan: a run of the query's tokens, what it is known as,
// and the spans inside it. A document scores for a span what is more: the
// phrase as a whole, or its parts.
type span struct {
	from, to int
	// entry is what the phrase book knows of the whole run; nil if nothing.
	entry *entry
	// parts inside; none for a run of words that is looked for as it stands.
	parts []*span
	// factor lowers the weight of words that say little.
	factor float32
}

// plan is what a query means.
type plan struct {
	query  string
	tokens []token
	spans  []*span
	// stop marks tokens that are left out.
	stop []bool
	// lang is the language that the words of Latin script are taken for.
	lang *language
	// sure says that some phrase surely says what is looked for.
	sure bool
	// unknown is the number of runs of words that no phrase covers.
	unknown int
	// lookIn are the indexes of languages in the order in which the phrase book
	// is asked: the likely ones first.
	lookIn []int
	// stems of the tokens by language, made when first asked for.
	stems [][]string
}

// noiseFactor is the weight of a word that says little beside one that says
// something.
const noiseFactor = 0.12

// grownFactor is the weight of what a phrase means of a grown-up where the query
// speaks of a child.
const grownFactor = 0.7

// wishFactor is the weight of a wish about the place (English spoken, private)
// beside what is to be treated.
const wishFactor = 0.4

// newPlan reads a query: stop words of its language fall away, the longest
// known phrases are taken first, and inside them again.
func newPlan(book *phrasebook, query, lang string) *plan {
	p := &plan{query: query, tokens: tokenize(query), stems: make([][]string, len(languages))}
	if len(p.tokens) > maxTokens {
		p.tokens = p.tokens[:maxTokens]
	}
	p.lang = detect(p.tokens, languageOf(lang))
	p.lookIn = lookOrder(p.lang)
	p.stop = make([]bool, len(p.tokens))
	left := 0
	for i, t := range p.tokens {
		p.stop[i] = p.isStop(t)
		if !p.stop[i] {
			left++
		}
	}
	if left == 0 {
		clear(p.stop)
	}
	p.spans = p.divide(book, 0, len(p.tokens), book.longest)
	p.unknown = len(p.leaves())
	p.young()
	p.sure = slices.ContainsFunc(p.spans, func(s *span) bool { return s.entry != nil && s.entry.sure() })
	return p
}

// lookOrder returns the indexes of languages with those first that a query in a
// language is likely to have words of: other scripts, the language itself,
// English and the rest.
func lookOrder(own *language) []int {
	var first, others []int
	for i, l := range languages {
		if l.script != latin || l == own || l.code == "en" {
			first = append(first, i)
		} else {
			others = append(others, i)
		}
	}
	return append(first, others...)
}

// young turns phrases to what they mean of a child where the query speaks of
// one.
func (p *plan) young() {
	if !slices.ContainsFunc(p.spans, func(s *span) bool { return s.entry != nil && s.entry.child }) {
		return
	}
	for _, s := range p.spans {
		if s.entry == nil || len(s.entry.young) == 0 {
			continue
		}
		e := *s.entry
		e.refs = make([]ref, len(e.refs))
		for i, r := range s.entry.refs {
			e.refs[i] = ref{r.tag, r.weight * grownFactor}
		}
		e.merge(e.young, nil)
		s.entry = &e
	}
}

// factor is the weight of a span: what it was given, less for what is likely
// talk.
func (p *plan) factor(s *span) float32 {
	f := s.factor
	if s.entry != nil {
		return f
	}
	if p.sure {
		f *= talkFactor * min(1, talk/float32(p.unknown))
	}
	if s.to-s.from == 1 && len(p.tokens) > 1 && p.tokens[s.from].script == unbroken {
		f *= singleFactor
	}
	return f
}

func (p *plan) isStop(t token) bool {
	switch t.script {
	case latin:
		return p.lang.stop[t.text] || utf8.RuneCountInString(t.text) == 1 && !isDigit(t.text[0])
	case unbroken:
		return false
	}
	for _, l := range candidates[t.script] {
		if l.stop[t.text] {
			return true
		}
	}
	return false
}

// detect guesses the language of the words in Latin script by their stop
// words; the reader's language and then English win ties.
func detect(tokens []token, reader *language) *language {
	best, most := languageByCode["en"], 0
	if reader.script == latin && reader.stop != nil {
		best = reader
	}
	for _, l := range languages {
		if l.script != latin || l.stop == nil {
			continue
		}
		n := 0
		for _, t := range tokens {
			if t.script == latin && l.stop[t.text] {
				n++
			}
		}
		if n > most || n == most && n > 0 && l == reader {
			best, most = l, n
		}
	}
	return best
}

// divide finds the longest known phrase of at most limit tokens in a run, and
// divides what is left of it, inside it and right of it.
func (p *plan) divide(book *phrasebook, from, to, limit int) []*span {
	for n := min(limit, to-from); n >= 1; n-- {
		for i := from; i+n <= to; i++ {
			e := p.lookUp(book, i, i+n)
			if e == nil {
				continue
			}
			s := &span{from: i, to: i + n, entry: e, factor: 1}
			switch {
			case e.noise && len(e.refs) == 0:
				s.factor = noiseFactor
			case e.wish():
				s.factor = wishFactor
			}
			if e.off {
				s.parts = p.words(i, i+n)
			} else {
				s.parts = p.divide(book, i, i+n, n-1)
			}
			out := p.divide(book, from, i, n)
			out = append(out, s)
			return append(out, p.divide(book, i+n, to, n)...)
		}
	}
	return p.words(from, to)
}

// words makes a span of every word in a run, and one of every run of unbroken
// script.
func (p *plan) words(from, to int) []*span {
	var out []*span
	for i := from; i < to; {
		j := i + 1
		if p.tokens[i].script == unbroken {
			for j < to && p.tokens[j].script == unbroken && p.tokens[j].start == p.tokens[j-1].end {
				j++
			}
		}
		if !p.stop[i] {
			out = append(out, &span{from: i, to: j, factor: 1})
		}
		i = j
	}
	return out
}

// maxWords bounds a phrase that is not of unbroken script alone.
const maxWords = 12

// lookUp asks the phrase book for a run in every language that it may be in.
func (p *plan) lookUp(book *phrasebook, from, to int) *entry {
	mixed, any := false, false
	for i := from; i < to; i++ {
		mixed = mixed || p.tokens[i].script != unbroken
		any = any || !p.stop[i]
	}
	if !any || mixed && to-from > maxWords {
		return nil
	}
	var found *entry
	shared := false
	for _, li := range p.lookIn {
		l := languages[li]
		if !mixed && l.script != unbroken && l.code != restCode {
			continue
		}
		// Words of another language that look alike are not meant where the
		// query's own has the phrase.
		if found != nil && l.script == latin && l != p.lang && l.code != "en" {
			break
		}
		key := p.key(li, from, to)
		if key == "" {
			continue
		}
		e := book.entries[key]
		if e == nil && to-from == 1 && l.code == restCode {
			e = book.entries[l.code+" "+icdParent(p.tokens[from].text)]
		}
		switch {
		case e == nil, e == found, e.upper && !p.capitals(from, to):
		case found == nil:
			found = e
		default:
			// Two languages know the phrase as two things: it may be either.
			if !shared {
				merged := *found
				merged.refs = append([]ref(nil), found.refs...)
				found, shared = &merged, true
			}
			found.merge(e.refs, e.label)
			found.noise = found.noise && e.noise
			found.off = found.off && e.off
			found.name = found.name || e.name
		}
	}
	return found
}

// icdParent returns the category of an ICD-10 code, empty for what is none.
func icdParent(w string) string {
	head, _, ok := strings.Cut(w, ".")
	if !ok || len(head) != 3 || head[0] < 'a' || head[0] > 'z' || !isDigit(head[1]) || !isDigit(head[2]) {
		return ""
	}
	return head
}

// key returns the phrase key of a run in one language, empty where the run has
// nothing of it or begins or ends with a word that the key leaves out.
func (p *plan) key(li, from, to int) string {
	l := languages[li]
	if p.stems[li] == nil {
		p.stems[li] = make([]string, len(p.tokens))
		for i, t := range p.tokens {
			p.stems[li][i] = l.stem(t)
		}
	}
	drop := l.droppable(p.tokens[from:to])
	if drop(p.tokens[from]) || drop(p.tokens[to-1]) {
		return ""
	}
	own := l.code == restCode
	var b strings.Builder
	b.WriteString(l.code)
	for i := from; i < to; i++ {
		t := p.tokens[i]
		own = own || t.script == l.script
		if drop(t) {
			continue
		}
		b.WriteByte(' ')
		if l.stop[t.text] {
			b.WriteString(t.text)
		} else {
			b.WriteString(p.stems[li][i])
		}
	}
	if !own {
		return ""
	}
	return b.String()
}

// capitals reports whether a run was typed in capitals.
func (p *plan) capitals(from, to int) bool {
	return strings.IndexFunc(p.text(from, to), unicode.IsLower) < 0
}

// text returns a run as it was typed.
func (p *plan) text(from, to int) string {
	return p.query[p.tokens[from].start:p.tokens[to-1].end]
}
