package search

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
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
	// folder of the index: segments of the same number in the same folder hold
	// the same documents.
	folder string

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
	positions [][]position
	languages []uint16
	// plain documents bring a name of their own: the vocabulary, which is about
	// treatments, knows nothing of them, so they are judged by their words.
	plain []bool

	// facetSets are the sets of facet values that documents have, by part, and
	// sets the values of each.
	facetSets [facetParts][]uint32
	sets      [][]uint32
	setNumber map[string]uint32
	values    []facetValue
	// ordered are the numbers of the values by facet and value.
	ordered []uint32
	valueID map[facetValue]uint32

	// count of documents per kind.
	count [kindCount]int
	// curated is the number of those that are not plain.
	curated [kindCount]int
	// average length per field and kind; a field that is absent here is in no
	// document.
	average map[string]*[kindCount]float32
	// lengths of the fields by segment.
	lengths []map[string]lengths

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

// newSnapshot reads a state of the index in a folder. What it shares with the
// state before, if there is one, is taken from there.
func newSnapshot(reader index.IndexReader, folder string, book *phrasebook, money exchange, before *snapshot) (*snapshot, error) {
	s := &snapshot{reader: reader, folder: folder, book: book, money: money, average: map[string]*[kindCount]float32{}}
	if before == nil || before.folder != folder {
		before = &snapshot{sets: [][]uint32{nil}, setNumber: map[string]uint32{"": 0}, valueID: map[facetValue]uint32{}}
	}
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
	if err := s.readColumns(before); err != nil {
		return nil, err
	}
	if err := s.readAverages(before); err != nil {
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

// sameSegment returns where a segment is among those of the snapshot.
func (s *snapshot) sameSegment(seg *scorch.SegmentSnapshot) (int, bool) {
	i := slices.IndexFunc(s.segments, func(other *scorch.SegmentSnapshot) bool { return other.Id() == seg.Id() })
	return i, i >= 0
}

// readColumns makes the columns of the tags: copied for segments that were
// there before, since a document of a segment never changes.
func (s *snapshot) readColumns(before *snapshot) error {
	s.kind = make([]uint8, s.size)
	for i := range s.kind {
		s.kind[i] = noKind
	}
	s.id, s.treatment, s.hospital = make([]string, s.size), make([]string, s.size), make([]string, s.size)
	s.stay, s.departure, s.price = make([]int32, s.size), make([]int32, s.size), make([]int32, s.size)
	s.quality, s.languages = make([]uint8, s.size), make([]uint16, s.size)
	s.plain = make([]bool, s.size)
	s.positions = make([][]position, s.size)
	for part := range s.facetSets {
		s.facetSets[part] = make([]uint32, s.size)
	}
	s.values, s.valueID = slices.Clip(before.values), maps.Clone(before.valueID)
	s.sets, s.setNumber = slices.Clip(before.sets), maps.Clone(before.setNumber)
	for i, seg := range s.segments {
		start, n := s.starts[i], uint32(seg.FullSize())
		if same, ok := before.sameSegment(seg); ok {
			s.copyColumns(start, n, before, before.starts[same])
		} else if err := s.readSegment(seg, start, n); err != nil {
			return err
		}
		if deleted := seg.Deleted(); deleted != nil {
			for it := deleted.Iterator(); it.HasNext(); {
				s.kind[start+it.Next()] = noKind
			}
		}
	}
	for d, k := range s.kind {
		if k != noKind {
			s.count[k]++
			if !s.plain[d] {
				s.curated[k]++
			}
		}
	}
	for id := range s.values {
		s.ordered = append(s.ordered, uint32(id))
	}
	slices.SortFunc(s.ordered, func(a, b uint32) int {
		x, y := s.values[a], s.values[b]
		return cmp.Or(cmp.Compare(x.facet, y.facet), strings.Compare(x.value, y.value))
	})
	return nil
}

// copyColumns takes n documents from another snapshot.
func (s *snapshot) copyColumns(start, n uint32, from *snapshot, at uint32) {
	copy(s.kind[start:start+n], from.kind[at:])
	copy(s.id[start:start+n], from.id[at:])
	copy(s.treatment[start:start+n], from.treatment[at:])
	copy(s.hospital[start:start+n], from.hospital[at:])
	copy(s.stay[start:start+n], from.stay[at:])
	copy(s.departure[start:start+n], from.departure[at:])
	copy(s.price[start:start+n], from.price[at:])
	copy(s.quality[start:start+n], from.quality[at:])
	copy(s.languages[start:start+n], from.languages[at:])
	copy(s.plain[start:start+n], from.plain[at:])
	copy(s.positions[start:start+n], from.positions[at:])
	for part := range s.facetSets {
		copy(s.facetSets[part][start:start+n], from.facetSets[part][at:])
	}
}

// readSegment reads the tags of the n documents of a segment, those of deleted
// ones too.
func (s *snapshot) readSegment(seg *scorch.SegmentSnapshot, start, n uint32) error {
	columns, ok := seg.Segment().(segment.DocValueVisitable)
	if !ok {
		return fmt.Errorf("search: a segment without columns: %T", seg.Segment())
	}
	sets := internedSets{snap: s}
	intern := map[string]string{}
	var state segment.DocVisitState
	var err error
	for d := range n {
		state, err = columns.VisitDocValues(uint64(d), []string{tagField}, func(_ string, term []byte) { s.readTag(start+d, term, intern, &sets) }, state)
		if err != nil {
			return fmt.Errorf("search: read columns: %w", err)
		}
		sets.finish(start + d)
	}
	return nil
}

func (s *snapshot) readTag(d uint32, term []byte, intern map[string]string, sets *internedSets) {
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
			s.positions[d] = append(s.positions[d], p)
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

// lengths are the number of terms in a field, and of the documents that have
// it, by kind, among the documents of a segment that were not deleted.
type lengths struct {
	terms, documents [kindCount]int64
}

// readAverages takes the average length of every field from the postings of
// the term that stands in each: of a segment that nothing was deleted from since
// before, from there.
func (s *snapshot) readAverages(before *snapshot) error {
	s.lengths = make([]map[string]lengths, len(s.segments))
	sums := map[string]lengths{}
	for i, seg := range s.segments {
		same, ok := before.sameSegment(seg)
		if ok && before.segments[same].Count() == seg.Count() {
			s.lengths[i] = before.lengths[same]
		} else if err := s.readLengths(i); err != nil {
			return err
		}
		for name, l := range s.lengths[i] {
			sum := sums[name]
			for k := range kindCount {
				sum.terms[k] += l.terms[k]
				sum.documents[k] += l.documents[k]
			}
			sums[name] = sum
		}
	}
	for name, sum := range sums {
		average := &[kindCount]float32{}
		for k := range average {
			average[k] = float32(sum.terms[k]) / float32(max(sum.documents[k], 1))
		}
		s.average[name] = average
	}
	return nil
}

// readLengths reads the lengths of the fields in a segment.
func (s *snapshot) readLengths(i int) error {
	s.lengths[i] = map[string]lengths{}
	for _, l := range languages {
		for _, name := range l.fields {
			var sum lengths
			err := s.eachIn(i, name, presence, true, func(d uint32, _ uint64, length float32) {
				if k := s.kind[d]; k != noKind {
					sum.terms[k] += int64(math.Round(float64(length)))
					sum.documents[k]++
				}
			})
			if err != nil {
				return err
			}
			if sum != (lengths{}) {
				s.lengths[i][name] = sum
			}
		}
	}
	return nil
}

// texts reports whether most offerings come with texts of their own.
func (s *snapshot) texts() bool { return 2*s.curated[offeringKind] < s.count[offeringKind] }
