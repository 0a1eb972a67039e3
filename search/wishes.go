package search

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
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
// Facets that the request itself filters are left to it.
func (q *query) applyWishes(today time.Time) []Applied {
	if q.plan == nil || q.req.NoFilters {
		return nil
	}
	var applied []Applied
	filters := maps.Clone(q.req.Filters)
	if filters == nil {
		filters = map[string][]string{}
	}
	byPhrase := map[string][]Applied{}
	var order []string
	for _, w := range q.plan.wishes(today) {
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
		}
	}
	return applied
}

// district adds the district of a hospital as a phrase.
func (p *phrasebook) district(h catalog.Hospital) {
	if h.District != "" {
		p.put("en", h.District, one(tagFacet+"district="+h.District, weightConcept), catalog.Text{"en": h.District})
	}
}
