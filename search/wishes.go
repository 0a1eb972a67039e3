package search

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// wishWeight is how surely a phrase must mean a facet's value, or a hospital,
// to be taken for a filter.
const wishWeight = 0.85

// Values of the facet month in the vocabulary.
const (
	thisMonth = "this"
	nextMonth = "next"
)

// wishes returns the filters that the phrases of a plan ask for.
func (p *plan) wishes(today time.Time) []Applied {
	var out []Applied
	for _, s := range p.spans {
		if s.entry == nil {
			continue
		}
		typed := p.text(s.from, s.to)
		if hospital, ok := s.entry.hospital(); ok {
			out = append(out, Applied{"hospital", hospital, typed})
			continue
		}
		for _, r := range s.entry.refs {
			name, value, ok := strings.Cut(strings.TrimPrefix(r.tag, tagFacet), "=")
			if !ok || !isFacetRef(r.tag) || r.weight < wishWeight {
				continue
			}
			if name == "month" {
				value = monthOf(value, today)
			}
			out = append(out, Applied{name, value, typed})
		}
	}
	return out
}

// hospital returns the hospital that a phrase names, if it means nothing else.
func (e *entry) hospital() (string, bool) {
	if len(e.refs) != 1 || e.refs[0].weight < wishWeight {
		return "", false
	}
	return strings.CutPrefix(e.refs[0].tag, refHospital(""))
}

func monthOf(word string, today time.Time) string {
	first := time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, time.UTC)
	if word == nextMonth {
		first = first.AddDate(0, 1, 0)
	}
	return first.Format("2006-01")
}

// applyWishes narrows a query by what its words ask for: by every wish together
// where that leaves something, else by those that do so one after the other.
// Facets that the request itself filters are left to it, and those that the
// kind has not are no wish of it.
func (q *query) applyWishes(wishes []Applied) (applied, unmet []Applied) {
	filters := maps.Clone(q.req.Filters)
	if filters == nil {
		filters = map[string][]string{}
	}
	byPhrase := map[string][]Applied{}
	var order []string
	for _, w := range wishes {
		if !slices.Contains(facetsOf[q.req.Kind], w.Facet) || slices.Contains(q.req.Ignore, w.Facet) || len(q.req.Filters[w.Facet]) > 0 {
			continue
		}
		key := w.Facet + "\x00" + w.Typed
		if byPhrase[key] == nil {
			order = append(order, key)
		}
		byPhrase[key] = append(byPhrase[key], w)
	}
	for _, key := range order {
		trial := maps.Clone(filters)
		facet := byPhrase[key][0].Facet
		trial[facet] = slices.Clone(trial[facet])
		for _, w := range byPhrase[key] {
			trial[facet] = append(trial[facet], w.Value)
		}
		f := q.snap.filters(trial)
		active := f.of(q.req.Kind)
		if slices.ContainsFunc(q.matched, func(r ranked) bool {
			return searchable[q.snap.kind[r.doc]] == q.req.Kind && f.failed(q.snap, r.doc, active) == 0
		}) {
			filters, q.filters = trial, f
			applied = append(applied, byPhrase[key]...)
		} else {
			unmet = append(unmet, byPhrase[key]...)
		}
	}
	return applied, unmet
}

// arrange decides the order of the hits and the point of their distances: as
// the request says, or else as the query's words ask. Errors: Invalid for a
// point that nobody knows, or distances from none.
func (q *query) arrange(wishes []Applied) (applied []Applied, err error) {
	for _, w := range wishes {
		if slices.Contains(q.req.Ignore, w.Facet) {
			continue
		}
		switch {
		case w.Facet == wishNear && q.req.Near == "":
			q.req.Near = w.Value
			applied = append(applied, w)
		case w.Facet == wishSort && q.req.Sort == "" && (w.Value != SortPrice || slices.Contains(facetsOf[q.req.Kind], facetPrice)):
			q.req.Sort = w.Value
			applied = append(applied, w)
		}
	}
	if q.req.Near != "" {
		var ok bool
		if q.near, ok = q.snap.book.pointOf(q.req.Near); !ok {
			return nil, &fault.Error{Kind: fault.Invalid, Message: "nobody knows where to measure from",
				Fields: []fault.Field{{Name: "near", Code: "point", Message: "use hospital:ID, place:ID, district:NAME or degrees such as 31.23,121.47"}}}
		}
	}
	switch {
	case q.req.Sort == "" && q.req.Near != "":
		q.req.Sort = SortDistance
	case q.req.Sort == "":
		q.req.Sort = SortRelevance
	case q.req.Sort == SortDistance && q.req.Near == "":
		return nil, &fault.Error{Kind: fault.Invalid, Message: "say where the distance is measured from",
			Fields: []fault.Field{{Name: "near", Code: "required", Message: "say where the distance is measured from"}}}
	}
	return applied, nil
}

// district adds the district of a hospital as a phrase.
func (p *phrasebook) district(h catalog.Hospital) {
	if h.District != "" {
		p.put("en", h.District, one(tagFacet+"district="+h.District, weightConcept), catalog.Text{"en": h.District})
	}
}
