package search

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Feedback from the first hits: words that stand together in them are added to
// the query with small weights, so that texts which say the same in other words
// are found too (a relevance model as in Lavrenko and Croft's RM3). It is taken
// from plain documents and helps only them: what the vocabulary knows needs no
// guessing.
const (
	// feedbackDocs is the number of first hits that are read.
	feedbackDocs = 10
	// feedbackTerms is the number of words that are added.
	feedbackTerms = 30
	// feedbackWeight is the weight of all added words beside the query's own.
	feedbackWeight = 1.5
	// feedbackCommon is the share of the documents from which a word is too
	// common to be added.
	feedbackCommon = 0.1
	// feedbackLength is how much of a text is read, in bytes.
	feedbackLength = 6000
	// feedbackPostings bounds the work: so many documents of added words.
	feedbackPostings = 30_000
	// feedbackMost is the number of documents from which a query has hits
	// enough.
	feedbackMost = 4000
	// feedbackAdded bounds the hits that have none of the query's own words.
	feedbackAdded = 100
)

// vector is how often each of its terms stands in a text.
type vector map[string]int

// add counts the terms of a text in a language.
func (v vector) add(l *language, text string) {
	if len(text) > feedbackLength {
		text = text[:feedbackLength]
	}
	for _, t := range tokenize(text) {
		if t.script != l.script || utf8.RuneCountInString(t.text) < 3 || isDigit(t.text[0]) {
			continue
		}
		if term := l.term(t); term != "" {
			v[term]++
		}
	}
}

// encode writes a vector as it is stored: "hip lens=3 replacement".
func (v vector) encode() []byte {
	var out []byte
	for _, term := range sortedKeys(v) {
		out = append(out, term...)
		if n := v[term]; n > 1 {
			out = append(out, '=')
			out = strconv.AppendInt(out, int64(n), 10)
		}
		out = append(out, ' ')
	}
	return out
}

// eachTerm calls f with every term of a stored vector and its share of the
// text.
func eachTerm(stored string, f func(term string, share float32)) {
	total := float32(0)
	terms := func(f func(term string, n float32)) {
		for rest := stored; rest != ""; {
			var term string
			term, rest, _ = strings.Cut(rest, " ")
			n := 1
			if at := strings.IndexByte(term, '='); at >= 0 {
				n, _ = strconv.Atoi(term[at+1:])
				term = term[:at]
			}
			f(term, float32(n))
		}
	}
	terms(func(_ string, n float32) { total += n })
	terms(func(term string, n float32) { f(term, n/total) })
}

// weighted is a term with its weight in a model.
type weighted struct {
	term   string
	weight float32
}

// feedBack adds what the first hits have in common to the scores of plain
// documents. It does nothing where fewer than half of the first are plain.
func (sc *scorer) feedBack(all *scores) error {
	if len(all.touched) > feedbackMost {
		return nil
	}
	first := sc.first(all)
	plain := 0
	for _, r := range first {
		if sc.snap.plain[r.doc] {
			plain++
		}
	}
	if len(first) < feedbackDocs || 2*plain < len(first) {
		return nil
	}
	model, err := sc.model(first)
	if err != nil {
		return err
	}
	var mass float32
	for _, s := range sc.plan.spans {
		mass += max(s.factor, plainFactor) * float32(s.to-s.from)
	}
	work := 0
	for _, w := range model {
		list := sc.occurrences(wordKey{lang: sc.plan.lang, text: w.term})
		weight := sc.weight(list, feedbackWeight*mass*w.weight)
		for i, d := range list.docs {
			if sc.snap.plain[d] {
				all.add(d, weight[sc.snap.kind[d]]*list.share[i])
			}
		}
		if work += len(list.docs); work > feedbackPostings {
			break
		}
	}
	return nil
}

// keepAdded leaves of the documents that came in by added words alone those
// with the best scores.
func (snap *snapshot) keepAdded(found []ranked, added []uint32) []ranked {
	// added are the last ones that were touched, so they stand together.
	own := len(found) - len(added)
	rest := found[own:]
	if len(rest) > feedbackAdded {
		rest = order(rest, feedbackAdded, snap.comparison(rest, Request{}, position{}))
	}
	return found[:own+len(rest)]
}

// first returns the best offerings, the best first.
func (sc *scorer) first(all *scores) []ranked {
	var out []ranked
	for _, d := range all.touched {
		if sc.snap.kind[d] != offeringKind {
			continue
		}
		r := ranked{d, all.val[d]}
		i, _ := slices.BinarySearchFunc(out, r, func(a, b ranked) int {
			switch {
			case a.score > b.score || a.score == b.score && a.doc < b.doc:
				return -1
			case a == b:
				return 0
			}
			return 1
		})
		if i >= feedbackDocs {
			continue
		}
		if len(out) == feedbackDocs {
			out = out[:feedbackDocs-1]
		}
		out = slices.Insert(out, i, r)
	}
	return out
}

// Indexes among the kinds.
const (
	offeringKind = 0
	hospitalKind = 2
)

// model returns the terms that are likeliest in the first hits, the likeliest
// first, with weights that add up to one.
func (sc *scorer) model(first []ranked) ([]weighted, error) {
	var all float32
	for _, r := range first {
		if sc.snap.plain[r.doc] {
			all += r.score
		}
	}
	sum := make(map[string]float32, 1024)
	for _, r := range first {
		if !sc.snap.plain[r.doc] {
			continue
		}
		v, err := sc.snap.stored(r.doc, vectorField+sc.plan.lang.code)
		if err != nil {
			return nil, err
		}
		eachTerm(v, func(term string, share float32) { sum[term] += share * r.score / all })
	}
	likely := make([]weighted, 0, len(sum))
	for term, w := range sum {
		likely = append(likely, weighted{term, w})
	}
	slices.SortFunc(likely, func(a, b weighted) int {
		if a.weight != b.weight {
			return cmp.Compare(b.weight, a.weight)
		}
		return strings.Compare(a.term, b.term)
	})
	name := sc.plan.lang.fields[classText]
	common := int(math.Max(feedbackCommon*float64(sc.snap.count[offeringKind]), feedbackDocs))
	kept := likely[:0]
	var mass float32
	for _, w := range likely {
		if len(kept) == feedbackTerms {
			break
		}
		df, err := sc.snap.frequency(name, w.term)
		if err != nil {
			return nil, err
		}
		if df > 1 && df <= common {
			kept = append(kept, w)
			mass += w.weight
		}
	}
	for i := range kept {
		kept[i].weight /= mass
	}
	return kept, nil
}
