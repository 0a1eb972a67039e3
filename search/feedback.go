package search

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
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
	// feedbackPostings bounds the work: so many documents of added words.
	feedbackPostings = 30_000
	// feedbackMost is the number of documents from which a query has hits
	// enough.
	feedbackMost = 4000
	// feedbackAdded bounds the hits that have none of the query's own words.
	feedbackAdded = 100
)

// termID names a term of a language in a stored vector, in 26 bits: short
// enough that a vector takes a third of its text, long enough that hardly any
// two terms share one. Where they do, the one met first is taken for both.
type termID uint32

const termBits = 26

func idOf(l *language, term string) termID {
	h := fnv.New32a()
	h.Write([]byte(l.code + " " + term))
	return termID(h.Sum32() >> (32 - termBits))
}

// termTable knows the terms of the vectors by their ids: those of the index
// when it is opened, and those of every document made since.
type termTable struct {
	mu    sync.RWMutex
	terms map[termID]string
}

func (t *termTable) term(id termID) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.terms[id]
}

// add takes terms in that are new.
func (t *termTable) add(terms []countedTerm) {
	t.mu.RLock()
	terms = slices.DeleteFunc(terms, func(c countedTerm) bool { return t.terms[c.id] != "" })
	t.mu.RUnlock()
	if len(terms) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range terms {
		if t.terms[c.id] == "" {
			t.terms[c.id] = strings.Clone(c.term)
		}
	}
}

// countedTerm is a term with its number in a text.
type countedTerm struct {
	id   termID
	n    int
	term string
}

// read takes in the terms of an index.
func (t *termTable) read(s *snapshot) error {
	for _, l := range languages {
		for _, c := range []class{className, classText} {
			if !l.speaks() || s.average[l.fields[c]] == nil {
				continue
			}
			dict, err := s.reader.FieldDict(l.fields[c])
			if err != nil {
				return fmt.Errorf("search: read terms: %w", err)
			}
			var found []countedTerm
			for {
				entry, err := dict.Next()
				if err != nil {
					_ = dict.Close()
					return fmt.Errorf("search: read terms: %w", err)
				}
				if entry == nil {
					break
				}
				found = append(found, countedTerm{id: idOf(l, entry.Term), term: entry.Term})
			}
			if err := dict.Close(); err != nil {
				return fmt.Errorf("search: read terms: %w", err)
			}
			t.add(found)
		}
	}
	return nil
}

// speaks reports whether a query may be taken for a language, by its words.
func (l *language) speaks() bool { return l.script == latin && l.stop != nil }

// vector is the part of a text that each of its terms makes up.
type vector []termShare

type termShare struct {
	id    termID
	share float32
}

// maxVector bounds the terms of a vector: those of a long text that stand in it
// but once say little about it.
const maxVector = 600

// vectorOf writes the terms of two fields of a document as a vector, to be
// stored: differences of the ids in ascending order, the last bit of each
// saying that a count follows.
func vectorOf(l *language, name, text *termField, known *termTable) []byte {
	var all []countedTerm
	for _, f := range []*termField{name, text} {
		if f == nil {
			continue
		}
		all = slices.Grow(all, len(f.terms))
		for term, tf := range f.terms {
			if len(term) >= minWord && !isDigit(term[0]) && scriptOf(rune(term[0])) == latin {
				all = append(all, countedTerm{idOf(l, term), tf.Frequency(), term})
			}
		}
	}
	slices.SortFunc(all, func(a, b countedTerm) int {
		return cmp.Or(cmp.Compare(a.id, b.id), strings.Compare(a.term, b.term))
	})
	kept := all[:0]
	for _, c := range all {
		if len(kept) > 0 && kept[len(kept)-1].id == c.id {
			kept[len(kept)-1].n += c.n
		} else {
			kept = append(kept, c)
		}
	}
	if len(kept) > maxVector {
		slices.SortStableFunc(kept, func(a, b countedTerm) int { return b.n - a.n })
		kept = kept[:maxVector]
		slices.SortFunc(kept, func(a, b countedTerm) int { return cmp.Compare(a.id, b.id) })
	}
	var out []byte
	last := termID(0)
	for _, c := range kept {
		more := uint64(0)
		if c.n > 1 {
			more = 1
		}
		out = binary.AppendUvarint(out, uint64(c.id-last)<<1|more)
		if c.n > 1 {
			out = binary.AppendUvarint(out, uint64(c.n))
		}
		last = c.id
	}
	known.add(kept)
	return out
}

// readVector reads what vectorOf wrote, into room that is used again.
func readVector(stored []byte, room vector) vector {
	out := room[:0]
	last, total := termID(0), float32(0)
	for len(stored) > 0 {
		x, size := binary.Uvarint(stored)
		if size <= 0 {
			break
		}
		stored = stored[size:]
		n := uint64(1)
		if x&1 != 0 {
			n, size = binary.Uvarint(stored)
			stored = stored[max(size, 0):]
		}
		last += termID(x >> 1)
		out = append(out, termShare{last, float32(n)})
		total += float32(n)
	}
	for i := range out {
		out[i].share /= total
	}
	return out
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
	var terms, room vector
	for _, r := range first {
		if !sc.snap.plain[r.doc] {
			continue
		}
		stored, err := sc.snap.stored(r.doc, vectorField+sc.plan.lang.code)
		if err != nil {
			return nil, err
		}
		room = readVector([]byte(stored), room)
		for _, t := range room {
			terms = append(terms, termShare{t.id, t.share * r.score / all})
		}
	}
	terms = terms.merged()
	slices.SortFunc(terms, func(a, b termShare) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.id, b.id))
	})
	name := sc.plan.lang.fields[classText]
	common := int(math.Max(feedbackCommon*float64(sc.snap.count[offeringKind]), feedbackDocs))
	var kept []weighted
	var mass float32
	for _, t := range terms {
		if len(kept) == feedbackTerms {
			break
		}
		term := sc.snap.terms.term(t.id)
		df, err := sc.snap.frequency(name, term)
		if err != nil {
			return nil, err
		}
		if df > 1 && df <= common {
			kept = append(kept, weighted{term, t.share})
			mass += t.share
		}
	}
	for i := range kept {
		kept[i].weight /= mass
	}
	return kept, nil
}

// merged adds up what a vector has of each term, in its own room.
func (v vector) merged() vector {
	slices.SortFunc(v, func(a, b termShare) int { return cmp.Compare(a.id, b.id) })
	out := v[:0]
	for _, t := range v {
		if len(out) > 0 && out[len(out)-1].id == t.id {
			out[len(out)-1].share += t.share
		} else {
			out = append(out, t)
		}
	}
	return out
}
