package search

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/medtour/medtour/catalog"
)

// filters are the chosen values by facet.
type filters struct {
	// chosen values per facet index; nil where the facet is not filtered.
	chosen [][]string
	// chosenIDs marks the chosen values among all that exist.
	chosenIDs []bool
	// met are the active facets of which each set has a chosen value, as sets
	// of bits; nil where no facet is active.
	met []uint32
	// prices are the chosen ranges of prices.
	prices []worths
	// active facets, as indexes into facetNames.
	active []uint8
}

func (snap *snapshot) filters(by map[string][]string) filters {
	f := filters{chosen: make([][]string, len(facetNames)), chosenIDs: make([]bool, len(snap.values))}
	for i, name := range facetNames {
		for _, v := range by[name] {
			if slices.Contains(f.chosen[i], v) {
				continue
			}
			f.chosen[i] = append(f.chosen[i], v)
			if id, ok := snap.valueID[facetValue{uint8(i), v}]; ok {
				f.chosenIDs[id] = true
			}
		}
		if name == facetPrice {
			for _, v := range f.chosen[i] {
				// What is no range was refused with the request.
				r, _ := ParsePriceRange(v)
				f.prices = append(f.prices, snap.money.span(r))
			}
		}
		if len(f.chosen[i]) > 0 {
			f.active = append(f.active, uint8(i))
		}
	}
	if len(f.active) > 0 {
		f.met = make([]uint32, len(snap.sets))
		for n, set := range snap.sets {
			for _, v := range set {
				if f.chosenIDs[v] {
					f.met[n] |= 1 << snap.values[v].facet
				}
			}
		}
	}
	return f
}

// of returns the active facets that a kind has, as a set of bits.
func (f filters) of(kind catalog.Kind) uint32 {
	var out uint32
	for _, facet := range f.active {
		if slices.Contains(facetsOf[kind], facetNames[facet]) {
			out |= 1 << facet
		}
	}
	return out
}

// failed returns which of some active facets a document fails, as a set of
// bits.
func (f filters) failed(snap *snapshot, d uint32, active uint32) uint32 {
	if active == 0 {
		return 0
	}
	for part := range snap.facetSets {
		active &^= f.met[snap.facetSets[part][d]]
	}
	if active&priceBit != 0 && slices.ContainsFunc(f.prices, func(w worths) bool { return w.has(snap.price[d]) }) {
		active &^= priceBit
	}
	return active
}

// priceFacet is the index of the facet price, priceBit it in a set of bits.
var (
	priceFacet = slices.Index(facetNames, facetPrice)
	priceBit   = uint32(1) << priceFacet
)

// facetCounter counts in one pass the values of all facets of a kind.
type facetCounter struct {
	snap    *snapshot
	filters filters
	kind    catalog.Kind
	active  uint32
	// inSets are the documents that pass by the set that they have, and alone,
	// by facet, those that fail nothing but that facet.
	inSets []uint32
	alone  map[int][]uint32
	// prices are the ranges of the facet price, offered or chosen, and
	// inRange their counts.
	prices  []PriceRange
	worths  []worths
	inRange []int
}

func newFacetCounter(snap *snapshot, f filters, kind catalog.Kind, currency string) *facetCounter {
	c := &facetCounter{snap: snap, filters: f, kind: kind, active: f.of(kind), inSets: make([]uint32, len(snap.sets)), alone: map[int][]uint32{}}
	for _, facet := range f.active {
		c.alone[int(facet)] = make([]uint32, len(snap.sets))
	}
	if slices.Contains(facetsOf[kind], facetPrice) {
		c.prices = snap.money.ranges(cmp.Or(currency, snap.money.rates.Base))
		for _, chosen := range f.chosen[priceFacet] {
			if r, _ := ParsePriceRange(chosen); !slices.Contains(c.prices, r) {
				c.prices = append(c.prices, r)
			}
		}
	}
	slices.SortStableFunc(c.prices, func(a, b PriceRange) int {
		x, y := snap.money.span(a), snap.money.span(b)
		return cmp.Or(cmp.Compare(x.low, y.low), cmp.Compare(x.high, y.high))
	})
	for _, r := range c.prices {
		c.worths = append(c.worths, snap.money.span(r))
	}
	c.inRange = make([]int, len(c.prices))
	return c
}

// count takes a document in and reports whether it passes all filters. One
// that fails only one facet still counts for that facet's values: they say
// what choosing them instead would bring.
func (c *facetCounter) count(d uint32) bool {
	failed := c.filters.failed(c.snap, d, c.active)
	switch {
	case failed == 0:
		for part := range c.snap.facetSets {
			c.inSets[c.snap.facetSets[part][d]]++
		}
	case failed&(failed-1) == 0:
		facet := bits.TrailingZeros32(failed)
		c.alone[facet][c.snap.facetSets[partOf[facet]][d]]++
	}
	if price := c.snap.price[d]; price != 0 && failed&^priceBit == 0 {
		for i, w := range c.worths {
			if w.has(price) {
				c.inRange[i]++
			}
		}
	}
	return failed == 0
}

// facets returns the facets of the kind that have any value: the fullest value
// first, those of time and length in their own order. A chosen value is listed
// even when nothing has it, so that it can be taken back.
func (c *facetCounter) facets() []Facet {
	counts := c.counts()
	// A value's key puts the greatest count first and then its place among all
	// values in order.
	keys := make([][]uint64, len(facetNames))
	for place, id := range c.snap.ordered {
		if n := counts[id]; n > 0 || c.filters.chosenIDs[id] {
			facet := c.snap.values[id].facet
			keys[facet] = append(keys[facet], uint64(^n)<<32|uint64(place))
		}
	}
	var out []Facet
	for i, name := range facetNames {
		if !slices.Contains(facetsOf[c.kind], name) {
			continue
		}
		var values []FacetValue
		if name == facetPrice {
			values = c.priceValues()
		} else {
			values = c.arranged(i, keys[i], counts)
		}
		if len(values) > 0 {
			listed := listed(values)
			out = append(out, Facet{Name: name, Values: listed, More: len(values) - len(listed)})
		}
	}
	return out
}

// maxFacetValues bounds the values of a facet that are listed: nobody reads
// more, and a page must stay light.
const maxFacetValues = 100

// listed returns the first values, and those chosen among the others.
func listed(values []FacetValue) []FacetValue {
	if len(values) <= maxFacetValues {
		return values
	}
	out := values[:maxFacetValues:maxFacetValues]
	for _, v := range values[maxFacetValues:] {
		if v.Selected {
			out = append(out, v)
		}
	}
	return out
}

// counts adds up the values of the sets.
func (c *facetCounter) counts() []uint32 {
	out := make([]uint32, len(c.snap.values))
	for n, set := range c.snap.sets {
		if c.inSets[n] > 0 {
			for _, v := range set {
				out[v] += c.inSets[n]
			}
		}
		for facet, in := range c.alone {
			if in[n] == 0 {
				continue
			}
			for _, v := range set {
				if int(c.snap.values[v].facet) == facet {
					out[v] += in[n]
				}
			}
		}
	}
	return out
}

// arranged puts the values of a facet in order, the chosen ones that no entry
// has behind them.
func (c *facetCounter) arranged(facet int, keys []uint64, counts []uint32) []FacetValue {
	if name := facetNames[facet]; name != "month" && name != "stay" && name != "days" {
		slices.Sort(keys)
	}
	values := make([]FacetValue, 0, len(keys)+len(c.filters.chosen[facet]))
	for _, key := range keys {
		id := c.snap.ordered[uint32(key)]
		values = append(values, FacetValue{Value: c.snap.values[id].value, Count: int(counts[id]), Selected: c.filters.chosenIDs[id]})
	}
	for _, chosen := range c.filters.chosen[facet] {
		if _, ok := c.snap.valueID[facetValue{uint8(facet), chosen}]; !ok {
			values = append(values, FacetValue{Value: chosen, Selected: true})
		}
	}
	return values
}

// priceValues are the ranges of prices that anything lies in, and those chosen.
func (c *facetCounter) priceValues() []FacetValue {
	var out []FacetValue
	for i, r := range c.prices {
		selected := slices.Contains(c.filters.chosen[priceFacet], r.String())
		if c.inRange[i] > 0 || selected {
			out = append(out, FacetValue{Value: r.String(), Count: c.inRange[i], Selected: selected})
		}
	}
	return out
}

// facetParts is the number of parts into which the facets fall: those that an
// offering has of its hospital, of its treatment, and others. Within a part, few
// sets of values serve all documents, so a document is counted by three sets
// and not by each of its values.
const facetParts = 3

var partOf = func() []int {
	out := make([]int, len(facetNames))
	for i, name := range facetNames {
		switch name {
		case "hospital", "ownership", "pilot", "district", "language", "insurer", "records_review":
			out[i] = 0
		case "specialty", "treatment", "service_type", "booking_class", "stay":
			out[i] = 1
		default:
			out[i] = 2
		}
	}
	return out
}()

// internedSets finds the sets of facet values that the documents of a snapshot
// share.
type internedSets struct {
	snap *snapshot
	// current are the values of the document that is being read.
	current [facetParts][]uint32
	key     []byte
}

func (i *internedSets) add(facet uint8, value uint32) {
	part := partOf[facet]
	i.current[part] = append(i.current[part], value)
}

// finish notes the sets of a document of which all values were added.
func (i *internedSets) finish(doc uint32) {
	for part, values := range i.current {
		i.key = i.key[:0]
		for _, v := range values {
			i.key = binary.LittleEndian.AppendUint32(i.key, v)
		}
		n, ok := i.snap.setNumber[string(i.key)]
		if !ok {
			n = uint32(len(i.snap.sets))
			i.snap.sets = append(i.snap.sets, slices.Clone(values))
			i.snap.setNumber[string(i.key)] = n
		}
		i.snap.facetSets[part][doc] = n
		i.current[part] = values[:0]
	}
}
