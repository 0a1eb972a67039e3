package search

import (
	"slices"
	"sort"

	"github.com/medtour/medtour/catalog"
)

// filters are the chosen values by facet.
type filters struct {
	// chosen values per facet index; nil where the facet is not filtered.
	chosen [][]string
	// chosenIDs marks the chosen values among all that exist.
	chosenIDs []bool
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
		if len(f.chosen[i]) > 0 {
			f.active = append(f.active, uint8(i))
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
	for _, v := range snap.vals[snap.valStart[d]:snap.valStart[d+1]] {
		if f.chosenIDs[v] {
			active &^= 1 << snap.values[v].facet
		}
	}
	return active
}

func (f filters) passes(snap *snapshot, d uint32, kind catalog.Kind) bool {
	return f.failed(snap, d, f.of(kind)) == 0
}

// facetCounter counts in one pass the values of all facets of a kind.
type facetCounter struct {
	snap    *snapshot
	filters filters
	kind    catalog.Kind
	active  uint32
	counts  []int
}

func newFacetCounter(snap *snapshot, f filters, kind catalog.Kind) *facetCounter {
	return &facetCounter{snap: snap, filters: f, kind: kind, active: f.of(kind), counts: make([]int, len(snap.values))}
}

// count takes a document in and reports whether it passes all filters. One
// that fails only one facet still counts for that facet's values: they say
// what choosing them instead would bring.
func (c *facetCounter) count(d uint32) bool {
	failed := c.filters.failed(c.snap, d, c.active)
	values := c.snap.vals[c.snap.valStart[d]:c.snap.valStart[d+1]]
	switch {
	case failed == 0:
		for _, v := range values {
			c.counts[v]++
		}
	case failed&(failed-1) == 0:
		for _, v := range values {
			if failed == 1<<c.snap.values[v].facet {
				c.counts[v]++
			}
		}
	}
	return failed == 0
}

// facets returns the facets of the kind that have any value: the fullest value
// first, those of time and length in their own order. A chosen value is listed
// even when nothing has it, so that it can be taken back.
func (c *facetCounter) facets() []Facet {
	values := make([][]FacetValue, len(facetNames))
	for id, n := range c.counts {
		v := c.snap.values[id]
		selected := c.filters.chosenIDs[id]
		if n > 0 || selected {
			values[v.facet] = append(values[v.facet], FacetValue{Value: v.value, Count: n, Selected: selected})
		}
	}
	var out []Facet
	for i, name := range facetNames {
		if !slices.Contains(facetsOf[c.kind], name) {
			continue
		}
		for _, chosen := range c.filters.chosen[i] {
			if _, ok := c.snap.valueID[facetValue{uint8(i), chosen}]; !ok {
				values[i] = append(values[i], FacetValue{Value: chosen, Selected: true})
			}
		}
		if len(values[i]) == 0 {
			continue
		}
		ordered := name == "month" || name == "stay" || name == "days"
		sort.Slice(values[i], func(a, b int) bool {
			x, y := values[i][a], values[i][b]
			if x.Count != y.Count && !ordered {
				return x.Count > y.Count
			}
			return x.Value < y.Value
		})
		out = append(out, Facet{Name: name, Values: values[i]})
	}
	return out
}
