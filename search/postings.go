package search

import (
	"fmt"
	"slices"
	"sync"

	segment "github.com/blevesearch/scorch_segment_api/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// posting is the documents in which one term stands in one field.
type posting struct{ docs []uint32 }

// has reports whether a document is in the list.
func (p *posting) has(doc uint32) bool {
	_, ok := slices.BinarySearch(p.docs, doc)
	return ok
}

func (p *posting) documents() int { return len(p.docs) }

// occurrences are the documents in which a word stands, in the language in
// which each does best.
type occurrences struct {
	docs []uint32
	// share of the word's weight that a document has: its frequency in all
	// fields, weighted, held against their lengths, and saturated.
	share []float32
	// df is the number of documents by kind.
	df [kindCount]float32
}

func (o *occurrences) has(doc uint32) bool {
	_, ok := slices.BinarySearch(o.docs, doc)
	return ok
}

func (o *occurrences) documents() int { return len(o.docs) }

// cachedDocuments bounds the lists that are kept decoded per cache and
// snapshot, by the documents in them: at eight bytes each, 48 MB. cachedLists
// bounds their number.
const (
	cachedDocuments = 6_000_000
	cachedLists     = 50_000
)

// listCache keeps the lists that were asked for last.
type listCache[K comparable, V interface{ documents() int }] struct {
	mu    sync.Mutex
	lists *simplelru.LRU[K, V]
	held  int
}

func newListCache[K comparable, V interface{ documents() int }]() *listCache[K, V] {
	c := &listCache[K, V]{}
	// The only error is a size of nothing.
	c.lists, _ = simplelru.NewLRU[K, V](cachedLists, func(_ K, v V) { c.held -= v.documents() })
	return c
}

// get returns a list, read once.
func (c *listCache[K, V]) get(key K, read func() (V, error)) (V, error) {
	c.mu.Lock()
	v, ok := c.lists.Get(key)
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := read()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lists.Contains(key) {
		return v, nil
	}
	c.lists.Add(key, v)
	for c.held += v.documents(); c.held > cachedDocuments && c.lists.Len() > 1; {
		c.lists.RemoveOldest()
	}
	return v, nil
}

type postingKey struct{ field, term string }

// posting returns the documents in which a term stands, decoded once per
// snapshot.
func (s *snapshot) posting(field, term string) (*posting, error) {
	return s.postings.get(postingKey{field, term}, func() (*posting, error) {
		p := &posting{}
		err := s.each(field, term, false, func(doc uint32, _ uint64, _ float32) { p.docs = append(p.docs, doc) })
		return p, err
	})
}

// frequency returns in how many documents a term stands, counted once per
// snapshot.
func (s *snapshot) frequency(field, term string) (int, error) {
	key := postingKey{field, term}
	if n, ok := s.frequencies.Get(key); ok {
		return n, nil
	}
	n := uint64(0)
	for i := range s.segments {
		list, err := s.list(i, field, term)
		if err != nil {
			return 0, err
		}
		n += list.Count()
	}
	s.frequencies.Add(key, int(n))
	return int(n), nil
}

// docFrequency returns in how many documents a surface form stands, in any
// language that it may be in.
func (s *snapshot) docFrequency(t token) (int, error) {
	sum := 0
	for _, l := range candidates[t.script] {
		n, err := s.frequency(l.words, t.text)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// stored returns a stored field of a document, empty where it has none.
func (s *snapshot) stored(doc uint32, field string) (string, error) {
	seg, _ := slices.BinarySearch(s.starts, doc+1)
	seg--
	value := ""
	err := s.segments[seg].VisitDocument(uint64(doc-s.starts[seg]), func(name string, _ byte, v []byte, _ []uint64) bool {
		if name != field {
			return true
		}
		value = string(v)
		return false
	})
	if err != nil {
		return "", fmt.Errorf("search: read document: %w", err)
	}
	return value, nil
}

// each calls f for every document in which a term stands, in ascending order;
// with how often, and the length of the field in terms, where they are counted.
func (s *snapshot) each(field, term string, counted bool, f func(doc uint32, freq uint64, length float32)) error {
	for i := range s.segments {
		if err := s.eachIn(i, field, term, counted, f); err != nil {
			return err
		}
	}
	return nil
}

// eachIn is each for one segment.
func (s *snapshot) eachIn(i int, field, term string, counted bool, f func(doc uint32, freq uint64, length float32)) error {
	list, err := s.list(i, field, term)
	if err != nil || list.Count() == 0 {
		return err
	}
	it := list.Iterator(counted, counted, false, nil)
	for {
		p, err := it.Next()
		if err != nil {
			return fmt.Errorf("search: read postings: %w", err)
		}
		if p == nil {
			return nil
		}
		doc := s.starts[i] + uint32(p.Number())
		if counted {
			// bleve's norm is one over the root of the length.
			norm := float32(p.Norm())
			f(doc, p.Frequency(), 1/(norm*norm))
		} else {
			f(doc, 0, 0)
		}
	}
}

// list returns the posting list of a term in a segment, not decoded yet.
func (s *snapshot) list(i int, field, term string) (segment.PostingsList, error) {
	dict, err := s.segments[i].Segment().Dictionary(field)
	if err != nil {
		return nil, fmt.Errorf("search: read dictionary: %w", err)
	}
	list, err := dict.PostingsList([]byte(term), s.segments[i].Deleted(), nil)
	if err != nil {
		return nil, fmt.Errorf("search: read postings: %w", err)
	}
	return list, nil
}

// wordKey names a word in every language that it may be in, or, with a
// language, an index term of that one.
type wordKey struct {
	lang   *language
	script script
	text   string
}

// occurrences returns where a word stands, decoded and weighed once per
// snapshot.
func (s *snapshot) occurrences(key wordKey) (*occurrences, error) {
	return s.words.get(key, func() (*occurrences, error) {
		best := s.borrow()
		defer s.giveBack(best)
		if key.lang != nil {
			err := s.addTerm(key.lang, key.text, best)
			return s.occurrencesOf(best), err
		}
		inLang := s.borrow()
		defer s.giveBack(inLang)
		for _, l := range candidates[key.script] {
			term := l.term(token{text: key.text, script: key.script})
			if term == "" {
				continue
			}
			if err := s.addTerm(l, term, inLang); err != nil {
				return nil, err
			}
			for _, d := range inLang.touched {
				best.raise(d, inLang.val[d])
			}
			inLang.reset()
		}
		return s.occurrencesOf(best), nil
	})
}

// addTerm adds up how often a term stands in the fields of a language, weighted
// and held against their lengths.
func (s *snapshot) addTerm(l *language, term string, out *scores) error {
	for c := range classCount {
		name := l.fields[c]
		avg := s.average[name]
		if avg == nil {
			continue
		}
		b, weight := classLength[c], classWeight[c]
		err := s.each(name, term, true, func(d uint32, freq uint64, length float32) {
			if k := s.kind[d]; k != noKind {
				out.add(d, weight*float32(freq)/(1-b+b*length/avg[k]))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// occurrencesOf makes a list of weighted frequencies.
func (s *snapshot) occurrencesOf(frequencies *scores) *occurrences {
	o := &occurrences{docs: slices.Clone(frequencies.touched), share: make([]float32, len(frequencies.touched))}
	slices.Sort(o.docs)
	for i, d := range o.docs {
		f := frequencies.val[d]
		o.share[i] = f / (f + saturation)
		o.df[s.kind[d]]++
	}
	return o
}
