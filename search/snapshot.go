package search

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/medtour/medtour/catalog"
)

// kindCount is how many kinds are searched.
const kindCount = 4

// noKind marks a document number that holds nothing to be found.
const noKind = uint8(255)

// facetValue is one value of one facet.
type facetValue struct {
	facet uint8
	value string
}

// snapshot is one state of the index: a reader of bleve's and beside it, in
// columns by document number, all that filters, facets and orders need. It
// never changes; searches hold it while they last.
type snapshot struct {
	reader index.IndexReader
	refs   atomic.Int64
	// segments of the index; the documents of segments[i] are numbered from
	// starts[i] on.
	segments []*scorch.SegmentSnapshot
	starts   []uint32

	// size is the number of document numbers, those of deleted documents too.
	size      int
	kind      []uint8
	id        []string
	treatment []string
	hospital  []string
	stay      []int32
	departure []int32
	// price in what money is worth; 0 where there is none.
	price   []int32
	money   exchange
	quality []uint8
	// positions of the hospitals of a document, where they are known.
	positions map[uint32][]position
	languages []uint16
	// plain documents bring a name of their own: the vocabulary, which is about
	// treatments, knows nothing of them, so they are judged by their words.
	plain []bool

	// facetSets are the sets of facet values that documents have, by part, and
	// sets the values of each.
	facetSets [facetParts][]uint32
	sets      [][]uint32
	values    []facetValue
	// ordered are the numbers of the values by facet and value.
	ordered []uint32
	valueID map[facetValue]uint32

	// count of documents per kind.
	count [kindCount]int
	// average length per field and kind; a field that is absent here is in no
	// document.
	average map[string]*[kindCount]float32

	// lists by field and term, and by word.
	postings *listCache[postingKey, *posting]
	words    *listCache[wordKey, *occurrences]
	// frequencies by field and term.
	frequencies *lru.Cache[postingKey, int]
	// corrections are what words typed wrong may have been meant to be, by
	// language and word: walking the dictionary takes milliseconds.
	corrections *lru.Cache[string, []candidate]
	scratch     sync.Pool
	// results of requests, and those under way.
	results *lru.Cache[string, Result]
	flight  singleflight.Group

	// terms are the names of those in stored vectors.
	terms *termTable
	// book is the phrasebook of the same moment.
	book *phrasebook
	// seq is the change up to which the index follows the catalogue.
	seq int64
}

// correctionCache is the number of corrected words kept per snapshot.
const correctionCache = 4096

// position is a place on earth in degrees.
type position struct{ lat, lon float64 }

// metres returns the distance along the surface of a sphere.
func (p position) metres(q position) float64 {
	const radius, degree = 6_371_000, math.Pi / 180
	h := (1-math.Cos((q.lat-p.lat)*degree))/2 + math.Cos(p.lat*degree)*math.Cos(q.lat*degree)*(1-math.Cos((q.lon-p.lon)*degree))/2
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}

// distances returns how far documents are from a place, in metres and at least
// one; 0 where that is not known.
func (s *snapshot) distances(hits []ranked, from position) map[uint32]int32 {
	out := make(map[uint32]int32, len(hits))
	for _, h := range hits {
		for _, p := range s.positions[h.doc] {
			if m := int32(p.metres(from)) + 1; out[h.doc] == 0 || m < out[h.doc] {
				out[h.doc] = m
			}
		}
	}
	return out
}

// resultCache is the number of results kept per snapshot.
const resultCache = 1024

func newSnapshot(reader index.IndexReader, book *phrasebook, money exchange) (*snapshot, error) {
	s := &snapshot{reader: reader, book: book, money: money, valueID: map[facetValue]uint32{}, average: map[string]*[kindCount]float32{}}
	s.refs.Store(1)
	s.postings, s.words = newListCache[postingKey, *posting](), newListCache[wordKey, *occurrences]()
	var err error
	if s.corrections, err = lru.New[string, []candidate](correctionCache); err != nil {
		return nil, fmt.Errorf("search: correction cache: %w", err)
	}
	if s.frequencies, err = lru.New[postingKey, int](cachedLists); err != nil {
		return nil, fmt.Errorf("search: frequency cache: %w", err)
	}
	if s.results, err = lru.New[string, Result](resultCache); err != nil {
		return nil, fmt.Errorf("search: result cache: %w", err)
	}
	parts, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, fmt.Errorf("search: an index of another make: %T", reader)
	}
	s.segments = parts.Segments()
	for _, seg := range s.segments {
		s.starts = append(s.starts, uint32(s.size))
		s.size += int(seg.FullSize())
	}
	if err := s.readColumns(); err != nil {
		return nil, err
	}
	if err := s.readAverages(); err != nil {
		return nil, err
	}
	seq, err := reader.GetInternal([]byte(internalSeq))
	if err != nil {
		return nil, fmt.Errorf("search: read position: %w", err)
	}
	if len(seq) == 8 {
		s.seq = int64(binary.BigEndian.Uint64(seq))
	}
	return s, nil
}

// acquire takes hold of the snapshot; false where it is closed already.
func (s *snapshot) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release lets go of it; who comes last closes the reader.
func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 {
		_ = s.reader.Close()
	}
}

func (s *snapshot) documentNumbers() ([]uint32, error) {
	all, err := s.reader.DocIDReaderAll()
	if err != nil {
		return nil, fmt.Errorf("search: read documents: %w", err)
	}
	defer all.Close()
	var out []uint32
	for {
		id, err := all.Next()
		if err != nil {
			return nil, fmt.Errorf("search: read documents: %w", err)
		}
		if id == nil {
			slices.Sort(out)
			return out, nil
		}
		out = append(out, uint32(id.Value()))
	}
}

// readColumns makes the columns of the tags.
func (s *snapshot) readColumns() error {
	docs, err := s.documentNumbers()
	if err != nil {
		return err
	}
	s.kind = make([]uint8, s.size)
	for i := range s.kind {
		s.kind[i] = noKind
	}
	s.id, s.treatment, s.hospital = make([]string, s.size), make([]string, s.size), make([]string, s.size)
	s.stay, s.departure, s.price = make([]int32, s.size), make([]int32, s.size), make([]int32, s.size)
	s.quality, s.languages = make([]uint8, s.size), make([]uint16, s.size)
	s.plain = make([]bool, s.size)
	s.positions = map[uint32][]position{}
	for part := range s.facetSets {
		s.facetSets[part] = make([]uint32, s.size)
	}
	interned := newInternedSets(s)
	reader, err := s.reader.DocValueReader([]string{tagField})
	if err != nil {
		return fmt.Errorf("search: read columns: %w", err)
	}
	intern := map[string]string{}
	next := 0
	var buf []byte
	for d := range s.size {
		if next == len(docs) || docs[next] != uint32(d) {
			continue
		}
		next++
		buf = index.NewIndexInternalID(buf, uint64(d))
		err := reader.VisitDocValues(buf, func(_ string, term []byte) { s.readTag(d, term, intern, interned) })
		if err != nil {
			return fmt.Errorf("search: read columns: %w", err)
		}
		interned.finish(d)
		if k := s.kind[d]; k != noKind {
			s.count[k]++
		}
	}
	s.sets = interned.sets
	for id := range s.values {
		s.ordered = append(s.ordered, uint32(id))
	}
	slices.SortFunc(s.ordered, func(a, b uint32) int {
		x, y := s.values[a], s.values[b]
		return cmp.Or(cmp.Compare(x.facet, y.facet), strings.Compare(x.value, y.value))
	})
	return nil
}

func (s *snapshot) readTag(d int, term []byte, intern map[string]string, sets *internedSets) {
	tag, ok := intern[string(term)]
	if !ok {
		tag = string(term)
		intern[tag] = tag
	}
	switch {
	case strings.HasPrefix(tag, tagFacet):
		name, value, _ := strings.Cut(tag[len(tagFacet):], "=")
		facet := slices.Index(facetNames, name)
		if facet < 0 {
			return
		}
		v := facetValue{uint8(facet), value}
		id, ok := s.valueID[v]
		if !ok {
			id = uint32(len(s.values))
			s.valueID[v] = id
			s.values = append(s.values, v)
		}
		sets.add(v.facet, id)
	case strings.HasPrefix(tag, tagNumber):
		name, value, _ := strings.Cut(tag[len(tagNumber):], "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return
		}
		switch name {
		case "stay":
			s.stay[d] = int32(n)
		case "departure":
			if s.departure[d] == 0 || int32(n) < s.departure[d] {
				s.departure[d] = int32(n)
			}
		case "quality":
			s.quality[d] = uint8(n)
		case "plain":
			s.plain[d] = true
		}
	case strings.HasPrefix(tag, tagLanguage):
		s.languages[d] |= 1 << languageIndex(tag[len(tagLanguage):])
	case strings.HasPrefix(tag, tagKind):
		if k := slices.Index(searchable, catalog.Kind(tag[len(tagKind):])); k >= 0 {
			s.kind[d] = uint8(k)
		}
	case strings.HasPrefix(tag, tagPosition):
		lat, lon, _ := strings.Cut(tag[len(tagPosition):], ",")
		p := position{}
		var err1, err2 error
		p.lat, err1 = strconv.ParseFloat(lat, 64)
		p.lon, err2 = strconv.ParseFloat(lon, 64)
		if err1 == nil && err2 == nil {
			s.positions[uint32(d)] = append(s.positions[uint32(d)], p)
		}
	case strings.HasPrefix(tag, tagPrice):
		code, amount, _ := strings.Cut(tag[len(tagPrice):], " ")
		n, err := strconv.ParseInt(amount, 10, 64)
		if w := s.money.worth(catalog.Money{Amount: n, Currency: code}); err == nil && w > 0 && (s.price[d] == 0 || w < s.price[d]) {
			s.price[d] = w
		}
	case strings.HasPrefix(tag, tagTreatment):
		s.treatment[d] = tag[len(tagTreatment):]
	case strings.HasPrefix(tag, tagHospital):
		s.hospital[d] = tag[len(tagHospital):]
	case strings.HasPrefix(tag, tagID):
		s.id[d] = tag[len(tagID):]
	}
}

func languageIndex(code string) int {
	return max(0, slices.IndexFunc(languages, func(l *language) bool { return l.code == code }))
}

// readAverages takes the average length of every field from the postings of
// the term that stands in each.
func (s *snapshot) readAverages() error {
	names, err := s.reader.Fields()
	if err != nil {
		return fmt.Errorf("search: read fields: %w", err)
	}
	for _, name := range names {
		head, code, ok := strings.Cut(name, "_")
		if !ok || languageByCode[code] == nil || !slices.Contains(classNames[:], head) {
			continue
		}
		var sum, n [kindCount]float32
		err := s.each(name, presence, true, func(d uint32, _ uint64, length float32) {
			if k := s.kind[d]; k != noKind {
				sum[k] += length
				n[k]++
			}
		})
		if err != nil {
			return err
		}
		avg := &[kindCount]float32{}
		for k := range avg {
			avg[k] = sum[k] / max(n[k], 1)
		}
		if n != [kindCount]float32{} {
			s.average[name] = avg
		}
	}
	return nil
}
