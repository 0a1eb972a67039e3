package search

import (
	"math"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
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
	// vectorCache is the number of documents whose words are remembered per
	// snapshot.
	vectorCache = 2048
)

// feedback reads the texts of offerings.
type feedback struct {
	read func(id string) (catalog.Offering, error)
}

// vector is how large a part of a text each of its terms is.
type vector []weighted

type vectorKey struct {
	doc  uint32
	lang *language
}

type weighted struct {
	term   string
	weight float32
}

// feedBack adds what the first hits have in common to the scores of plain
// documents. It does nothing where fewer than half of the first are plain.
func (sc *scorer) feedBack(fb *feedback, all *scores) error {
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
	model, err := sc.model(fb, first)
	if err != nil {
		return err
	}
	var mass float32
	for _, s := range sc.plan.spans {
		mass += max(s.factor, plainFactor) * float32(s.to-s.from)
	}
	part := sc.snap.borrow()
	defer sc.snap.giveBack(part)
	tf := sc.snap.borrow()
	defer sc.snap.giveBack(tf)
	work := 0
	for _, w := range model {
		sc.term(sc.plan.lang, w.term, tf)
		work += len(tf.touched)
		sc.saturate(tf, feedbackWeight*mass*w.weight, part)
		tf.reset()
		if work > feedbackPostings {
			break
		}
	}
	for _, d := range part.touched {
		if sc.snap.plain[d] {
			all.add(d, part.val[d])
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
		rest = snap.order(rest, feedbackAdded, Request{Sort: SortRelevance})
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
func (sc *scorer) model(fb *feedback, first []ranked) (vector, error) {
	sum := map[string]float32{}
	var all float32
	for _, r := range first {
		if sc.snap.plain[r.doc] {
			all += r.score
		}
	}
	for _, r := range first {
		if !sc.snap.plain[r.doc] {
			continue
		}
		v, err := sc.vector(fb, r.doc)
		if err != nil {
			return nil, err
		}
		for _, w := range v {
			sum[w.term] += w.weight * r.score / all
		}
	}
	out := make(vector, 0, len(sum))
	for term, w := range sum {
		out = append(out, weighted{term, w})
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].weight > out[j].weight || out[i].weight == out[j].weight && out[i].term < out[j].term
	})
	name := fieldName(classText, sc.plan.lang)
	common := int(math.Max(feedbackCommon*float64(sc.snap.count[offeringKind]), feedbackDocs))
	kept := out[:0]
	var mass float32
	for _, w := range out {
		if len(kept) == feedbackTerms {
			break
		}
		if df := len(sc.posting(name, w.term).docs); df > 1 && df <= common {
			kept = append(kept, w)
			mass += w.weight
		}
	}
	for i := range kept {
		kept[i].weight /= mass
	}
	return kept, nil
}

// vector returns the terms of an offering's own texts in the query's language.
// An entry that ceased to be published a moment ago has none.
func (sc *scorer) vector(fb *feedback, doc uint32) (vector, error) {
	key := vectorKey{doc, sc.plan.lang}
	if v, ok := sc.snap.vectors.Get(key); ok {
		return v, nil
	}
	o, err := fb.read(sc.snap.id[doc])
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	l := key.lang
	counts, n := map[string]float32{}, float32(0)
	for _, text := range []string{o.Name[l.code], o.Summary[l.code]} {
		if len(text) > feedbackLength {
			text = text[:feedbackLength]
		}
		for _, t := range tokenize(text) {
			if t.script != l.script || utf8.RuneCountInString(t.text) < 3 || isDigit(t.text[0]) {
				continue
			}
			if term := l.term(t); term != "" {
				counts[term]++
				n++
			}
		}
	}
	v := make(vector, 0, len(counts))
	for term, c := range counts {
		v = append(v, weighted{term, c / n})
	}
	sort.Slice(v, func(i, j int) bool { return v[i].term < v[j].term })
	sc.snap.vectors.Add(key, v)
	return v, nil
}
