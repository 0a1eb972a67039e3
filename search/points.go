package search

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/medtour/medtour/catalog"
)

// Points of a map from which distances are measured are named in requests:
// "hospital:ruijin", "place:yu-garden", "district:Xuhui", or by degrees,
// "31.23,121.47".
const (
	pointHospital = "hospital:"
	pointPlace    = "place:"
	pointDistrict = "district:"
)

// pointOf returns where a point is; false where nobody knows.
func (b *phrasebook) pointOf(ref string) (position, bool) {
	if p, ok := b.points[ref]; ok {
		return p, true
	}
	return parsePosition(ref)
}

// Point is a point of the map from which distances can be measured.
type Point struct {
	// Ref is what Request.Near takes.
	Ref  string
	Name catalog.Text
}

// Points returns the points that have a name, in the order of their
// references: districts, hospitals and places. None while there is no index.
func (e *Engine) Points() []Point {
	snap, err := e.acquire()
	if err != nil {
		return nil
	}
	defer snap.release()
	var out []Point
	for _, ref := range sortedKeys(snap.book.pointNames) {
		out = append(out, Point{ref, snap.book.pointNames[ref]})
	}
	return out
}

// parsePosition reads degrees, latitude first.
func parsePosition(s string) (p position, ok bool) {
	lat, lon, ok := strings.Cut(s, ",")
	var err1, err2 error
	p.lat, err1 = strconv.ParseFloat(lat, 64)
	p.lon, err2 = strconv.ParseFloat(lon, 64)
	return p, ok && err1 == nil && err2 == nil && p.lat >= -90 && p.lat <= 90 && p.lon >= -180 && p.lon <= 180
}

// readPoints takes in where hospitals and places are. A district is in the
// middle of its hospitals.
func (b *phrasebook) readPoints(ctx context.Context, v *vocabulary, cat *catalog.Catalog) error {
	b.points, b.pointNames, b.names = map[string]position{}, map[string]catalog.Text{}, map[string]string{}
	of := map[string][]position{}
	err := cat.Hospitals.Each(ctx, func(h catalog.Hospital) error {
		if h.Position == nil {
			return nil
		}
		b.point(pointHospital+h.ID, h.Position, h.Name, h.Aliases...)
		if h.District != "" {
			of[h.District] = append(of[h.District], position{h.Position.Lat, h.Position.Lon})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for district, all := range of {
		var sum position
		for _, p := range all {
			sum.lat += p.lat / float64(len(all))
			sum.lon += p.lon / float64(len(all))
		}
		b.points[pointDistrict+district] = sum
		name := catalog.Text{"en": district}
		for _, t := range v.termsOf(tagFacet + "district=" + district) {
			if tag := pageTag(t.Lang); name[tag] == "" {
				name[tag] = t.Text
			}
			b.start(pointDistrict+district, t.Text)
		}
		b.pointNames[pointDistrict+district] = name
		b.start(pointDistrict+district, district)
	}
	err = cat.Places.Each(ctx, func(p catalog.Place) error {
		if p.Position != nil {
			b.point(pointPlace+p.ID, p.Position, p.Name)
			for _, name := range p.Name {
				b.start(pointPlace+p.ID, name)
			}
		}
		return nil
	})
	slices.SortFunc(b.starts, func(x, y pointStart) int {
		return cmp.Or(strings.Compare(x.text, y.text), strings.Compare(x.ref, y.ref))
	})
	return err
}

// pointStart is a folded name from one of its words on.
type pointStart struct{ text, ref string }

func (b *phrasebook) start(ref, name string) {
	for _, text := range nameStarts(name) {
		b.starts = append(b.starts, pointStart{text, ref})
	}
}

// startingWith returns the districts and places with a name start of a prefix,
// districts first, then the shortest names.
func (b *phrasebook) startingWith(prefix string, limit int) []string {
	i, _ := slices.BinarySearchFunc(b.starts, prefix, func(s pointStart, prefix string) int { return strings.Compare(s.text, prefix) })
	var found []pointStart
	for ; i < len(b.starts) && strings.HasPrefix(b.starts[i].text, prefix) && len(found) < maxStarts; i++ {
		found = append(found, b.starts[i])
	}
	slices.SortFunc(found, func(x, y pointStart) int {
		return cmp.Or(cmp.Compare(pointRank(x.ref), pointRank(y.ref)), cmp.Compare(len(x.text), len(y.text)), strings.Compare(x.ref, y.ref))
	})
	var out []string
	for _, s := range found {
		if !slices.Contains(out, s.ref) && len(out) < limit {
			out = append(out, s.ref)
		}
	}
	return out
}

func pointRank(ref string) int {
	if strings.HasPrefix(ref, pointDistrict) {
		return 0
	}
	return 1
}

func (b *phrasebook) point(ref string, at *catalog.Position, name catalog.Text, aliases ...string) {
	b.points[ref], b.pointNames[ref] = position{at.Lat, at.Lon}, name
	for _, n := range name {
		aliases = append(aliases, nameForms(n)...)
		if head, _, ok := strings.Cut(n, ","); ok {
			aliases = append(aliases, head)
		}
	}
	for _, a := range aliases {
		words := wishWords(a)
		key := joinWords(words)
		if other, taken := b.names[key]; key == "" || taken && other <= ref {
			continue
		}
		b.names[key] = ref
		b.longestName = max(b.longestName, len(words))
	}
}
