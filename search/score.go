package search

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Parameters of BM25F. The weights say how much more a word in a name tells
// than one in running text; b how far long fields are held against a
// document.
var (
	classWeight = [classCount]float32{className: 2.5, classTerm: 2.5, classText: 1, classRelated: 0.5}
	classLength = [classCount]float32{className: 0.5, classTerm: 0.5, classText: 0.75, classRelated: 0.6}
)

const saturation = 1.2 // k1

// relatedFactor is the share of a phrase's weight for a document that only has
// to do with what the phrase points at.
const relatedFactor = 0.5

// pairWeight is the weight of a pair of neighbours in unbroken script, of which
// a word of two or more characters has several.
const pairWeight = 0.6

// unknownFactor is the weight of a word that no document has: more often talk
// than what is looked for.
const unknownFactor = 0.6

// partFactor is the share that the parts of a known phrase keep in documents
// that the whole does not point at: who asks for a neuroblastoma does not ask
// for nerves.
const partFactor = 0.6

// surely is the weight from which a phrase says what is looked for, rather than
// what it has to do with.
const surely = 0.7

// talkFactor is the weight of words unknown to the vocabulary beside phrases
// that surely say what is looked for.
const talkFactor = 0.4

// talk is the number of words unknown to the vocabulary that a query may have
// before they count for less: who tells a story does not look for each word.
const talk = 3

// singleFactor is the weight of a lone character of unbroken script among
// others: it is seldom a word.
const singleFactor = 0.2

// curatedShare is the share of the best text's score that the best curated
// offering may have where most offerings come with texts of their own and one
// of these answers the query: who searches a collection means its texts.
const (
	curatedShare = 0.5
	// textAnswers is the share of a query that a text must answer for that.
	textAnswers = 0.15
)

// plainFactor is the least weight of a word in plain documents, where the
// vocabulary cannot know which words say little.
const plainFactor = 0.6

// offTopicMost is the number of plain documents from which a word is no longer
// off topic.
const offTopicMost = 2

// scores is a sparse column of scores.
type scores struct {
	val     []float32
	touched []uint32
}

func (s *scores) add(d uint32, v float32) {
	if s.val[d] == 0 && v != 0 {
		s.touched = append(s.touched, d)
	}
	s.val[d] += v
}

func (s *scores) raise(d uint32, v float32) {
	if v <= s.val[d] {
		return
	}
	if s.val[d] == 0 {
		s.touched = append(s.touched, d)
	}
	s.val[d] = v
}

func (s *scores) reset() {
	for _, d := range s.touched {
		s.val[d] = 0
	}
	s.touched = s.touched[:0]
}

func (snap *snapshot) borrow() *scores {
	if s, ok := snap.scratch.Get().(*scores); ok {
		return s
	}
	return &scores{val: make([]float32, snap.size)}
}

func (snap *snapshot) giveBack(s *scores) {
	s.reset()
	snap.scratch.Put(s)
}

// scorer scores the documents of a snapshot for a plan.
type scorer struct {
	// ctx ends when time runs out: what is not scored by then is left out.
	ctx  context.Context
	snap *snapshot
	plan *plan
	err  error
}

// possible is how much a span could give at most, per kind.
type possible [kindCount]float32

func (p *possible) add(q possible) {
	for i := range p {
		p[i] += q[i]
	}
}

func (p possible) scaled(f float32) possible {
	for i := range p {
		p[i] *= f
	}
	return p
}

// idf is the weight of what df of n documents have.
func idf(df float32, n int) float32 {
	return float32(math.Log(1 + (float64(n)-float64(df)+0.5)/(float64(df)+0.5)))
}

// run scores all spans into out and returns what a perfect document would have.
func (sc *scorer) run(spans []*span, out *scores) possible {
	var total possible
	for _, s := range spans {
		if s.entry == nil && len(s.parts) == 0 && sc.plan.factor(s) == 1 {
			total.add(sc.words(s, out))
			continue
		}
		part := sc.snap.borrow()
		total.add(sc.span(s, part))
		for _, d := range part.touched {
			out.add(d, part.val[d])
		}
		sc.snap.giveBack(part)
	}
	return total
}

// span scores one span: its words as they stand or its parts, and where the
// phrase book knows it, what it points at.
func (sc *scorer) span(s *span, out *scores) possible {
	var p possible
	if s.entry != nil && s.entry.off && !sc.written(s) {
		for k := range p {
			p[k] = idf(0, sc.snap.count[k])
		}
		return p
	}
	if len(s.parts) > 0 {
		p = sc.run(s.parts, out)
		if sc.plan.tokens[s.from].script == unbroken {
			// A name may have the phrase as it stands.
			pairs := sc.snap.borrow()
			sc.words(s, pairs)
			for _, d := range pairs.touched {
				out.raise(d, pairs.val[d])
			}
			sc.snap.giveBack(pairs)
		}
	} else {
		p = sc.words(s, out)
	}
	if s.entry != nil && len(s.entry.refs) > 0 {
		if q, any := sc.refs(s, out); any {
			p = q
		}
	}
	if f := sc.plan.factor(s); f != 1 {
		// The vocabulary cannot tell talk from matter in texts of their own.
		for _, d := range out.touched {
			if sc.snap.plain[d] {
				out.val[d] *= max(s.factor, plainFactor)
			} else {
				out.val[d] *= f
			}
		}
		p = p.scaled(f)
	}
	return p
}

// written reports whether every word of a phrase stands in so many offerings
// that it must be what some of them are about, whatever the vocabulary says.
func (sc *scorer) written(s *span) bool {
	for _, part := range s.parts {
		found := sc.snap.borrow()
		sc.words(part, found)
		n := 0
		for _, d := range found.touched {
			if sc.snap.plain[d] {
				n++
			}
		}
		sc.snap.giveBack(found)
		if n < offTopicMost {
			return false
		}
	}
	return true
}

// refs raises the documents that a phrase points at. The weight of the phrase
// is that of how few they are.
func (sc *scorer) refs(s *span, out *scores) (possible, bool) {
	hit := sc.snap.borrow()
	defer sc.snap.giveBack(hit)
	treats := s.entry.treats()
	for _, r := range s.entry.refs {
		for _, sign := range [...]struct {
			sign   string
			factor float32
		}{{tagSelf, 1}, {tagRelated, relatedFactor}, {"", 1}} {
			if (sign.sign == "") != isFacetRef(r.tag) {
				continue
			}
			list := sc.posting(tagField, sign.sign+r.tag)
			for _, d := range list.docs {
				// Where a treatment is asked for, the hospitals known for it
				// are meant alone, not all that they do.
				if treats && r.tag[0] == 'h' && sc.snap.kind[d] != hospitalKind {
					continue
				}
				hit.raise(d, r.weight*sign.factor)
			}
		}
	}
	// How telling a phrase is shows among the entries that the vocabulary is
	// about: few of them beside a million texts would seem too rare.
	var df, dfCurated [kindCount]float32
	for _, d := range hit.touched {
		if k := sc.snap.kind[d]; k != noKind {
			df[k] += hit.val[d]
			if !sc.snap.plain[d] {
				dfCurated[k] += hit.val[d]
			}
		}
	}
	var weight, weightPlain possible
	for k := range weight {
		weight[k] = idf(dfCurated[k], sc.snap.curated[k])
		weightPlain[k] = min(weight[k], idf(df[k], sc.snap.count[k]))
	}
	if s.entry.treats() && s.entry.sure() {
		for _, d := range out.touched {
			if hit.val[d] < surely && !sc.snap.plain[d] {
				out.val[d] *= partFactor
			}
		}
	}
	whole := s.entry.name && s.from == 0 && s.to == len(sc.plan.tokens)
	for _, d := range hit.touched {
		k := sc.snap.kind[d]
		if k == noKind {
			continue
		}
		v := hit.val[d] * weight[k]
		if sc.snap.plain[d] {
			v = hit.val[d] * weightPlain[k]
		}
		if whole && hit.val[d] >= weightName {
			// The whole query is the very name: more than all its words.
			out.add(d, v)
		} else {
			out.raise(d, v)
		}
	}
	return weight, len(hit.touched) > 0
}

func isFacetRef(tag string) bool { return len(tag) > 2 && tag[:2] == tagFacet }

// words scores a run of words, or of pairs in unbroken script.
func (sc *scorer) words(s *span, out *scores) possible {
	tokens := sc.plan.tokens[s.from:s.to]
	if len(tokens) == 1 || tokens[0].script != unbroken {
		return sc.word(wordOf(tokens[0]), 1, out)
	}
	var total possible
	for i := range tokens[:len(tokens)-1] {
		total.add(sc.word(pairOf(tokens[i], tokens[i+1]), pairWeight, out))
	}
	return total
}

func wordOf(t token) wordKey { return wordKey{script: t.script, text: t.text} }

func pairOf(a, b token) wordKey { return wordKey{script: unbroken, text: a.text + b.text} }

// word scores one word by BM25F.
func (sc *scorer) word(key wordKey, factor float32, out *scores) possible {
	list := sc.occurrences(key)
	weight := sc.weight(list, factor)
	for i, d := range list.docs {
		out.add(d, weight[sc.snap.kind[d]]*list.share[i])
	}
	return weight
}

// weight is what a word gives at most, by how few documents have it.
func (sc *scorer) weight(list *occurrences, factor float32) possible {
	var weight possible
	for k := range weight {
		weight[k] = factor * idf(list.df[k], sc.snap.count[k])
		if list.df[k] == 0 {
			weight[k] *= unknownFactor
		}
	}
	return weight
}

func (sc *scorer) occurrences(key wordKey) *occurrences {
	if sc.ctx.Err() != nil {
		return &occurrences{}
	}
	o, err := sc.snap.occurrences(key)
	if err != nil {
		sc.err = err
		return &occurrences{}
	}
	return o
}

func (sc *scorer) posting(field, term string) *posting {
	if sc.ctx.Err() != nil {
		return &posting{}
	}
	p, err := sc.snap.posting(field, term)
	if err != nil {
		sc.err = err
		return &posting{}
	}
	return p
}

// answersWell is the share of the best score that a hit must have to stand
// among the first in an order other than relevance.
const answersWell = 0.5

// ranked is a document with its score.
type ranked struct {
	doc   uint32
	score float32
}

// order puts the first hits of a ranking in their order, as many as wanted, and
// leaves the others behind them.
func order(hits []ranked, wanted int, before func(a, b ranked) int) []ranked {
	if wanted < len(hits) {
		selectFirst(hits, wanted, before)
		hits = hits[:wanted]
	}
	slices.SortFunc(hits, before)
	return hits
}

// comparison returns the order of hits for a request: by what it sorts by, by
// score, then by the reader's language, the listing's completeness and the id.
func (snap *snapshot) comparison(hits []ranked, req Request, near position) func(a, b ranked) int {
	language := uint16(1) << languageIndex(languageOf(req.Lang).code)
	var key func(d uint32) int32
	switch req.Sort {
	case SortStay:
		key = func(d uint32) int32 { return snap.stay[d] }
	case SortDeparture:
		key = func(d uint32) int32 { return snap.departure[d] }
	case SortPrice:
		key = func(d uint32) int32 { return snap.price[d] }
	case SortDistance:
		far := snap.distances(hits, near)
		key = func(d uint32) int32 { return far[d] }
	}
	var best float32
	for _, h := range hits {
		best = max(best, h.score)
	}
	return func(a, b ranked) int {
		if key != nil {
			// What answers the words but a little does not come first for being
			// cheap or near.
			if x, y := a.score >= answersWell*best, b.score >= answersWell*best; x != y {
				if x {
					return -1
				}
				return 1
			}
			if x, y := key(a.doc), key(b.doc); x != y {
				// What has none comes last.
				if y == 0 || x != 0 && x < y {
					return -1
				}
				return 1
			}
		}
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		if x, y := snap.languages[a.doc]&language, snap.languages[b.doc]&language; x != y {
			return cmp.Compare(y, x)
		}
		if x, y := snap.quality[a.doc], snap.quality[b.doc]; x != y {
			return cmp.Compare(y, x)
		}
		return cmp.Compare(snap.id[a.doc], snap.id[b.doc])
	}
}

// selectFirst moves the first n of all to the front, in any order: a heap of n
// whose root is the last of them.
func selectFirst(hits []ranked, n int, before func(a, b ranked) int) {
	if n == 0 {
		return
	}
	heap := hits[:n]
	down := func(i int) {
		for {
			child := 2*i + 1
			if child >= n {
				return
			}
			if child+1 < n && before(heap[child], heap[child+1]) < 0 {
				child++
			}
			if before(heap[i], heap[child]) >= 0 {
				return
			}
			heap[i], heap[child] = heap[child], heap[i]
			i = child
		}
	}
	for i := n/2 - 1; i >= 0; i-- {
		down(i)
	}
	for i := n; i < len(hits); i++ {
		if before(hits[i], heap[0]) < 0 {
			hits[i], heap[0] = heap[0], hits[i]
			down(0)
		}
	}
}
