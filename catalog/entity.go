package catalog

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/medtour/medtour/fault"
)

// Kind names a type of catalogue entry, in NDJSON, URLs and the change feed.
type Kind string

// The kinds, in the order in which they refer to each other: an entry refers
// only to entries of its own or an earlier kind.
const (
	KindInsurer      Kind = "insurer"
	KindTreatment    Kind = "treatment"
	KindHospital     Kind = "hospital"
	KindOrganisation Kind = "organisation"
	KindPlace        Kind = "place"
	KindOffering     Kind = "offering"
	KindPackage      Kind = "package"
	KindDeparture    Kind = "departure"
	KindSynonym      Kind = "synonym"
)

// Kinds lists all kinds in their order.
var Kinds = []Kind{KindInsurer, KindTreatment, KindHospital, KindOrganisation, KindPlace, KindOffering, KindPackage, KindDeparture, KindSynonym}

// Entity is what every catalogue entry has.
type Entity interface {
	EntityKind() Kind
	EntityID() string
	// Validate returns one Invalid error with a fault for every wrong field,
	// or nil. It looks at the entry alone; references and the recovery check
	// are the Catalog's.
	Validate() error
}

// maxIDLength keeps ids readable in addresses and within every engine's keys.
const maxIDLength = 120

// validID reports whether an id is letters, digits and single hyphens.
func validID(id string) bool {
	if id == "" || len(id) > maxIDLength || strings.HasPrefix(id, "-") || strings.HasSuffix(id, "-") || strings.Contains(id, "--") {
		return false
	}
	return strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

func validateID(f *fault.Fields, field, id string) {
	if !validID(id) {
		f.Add(field, "id", "use 1 to %d letters, digits and single hyphens, such as icl-eent-fudan", maxIDLength)
	}
}

func validateIDs(f *fault.Fields, field string, ids []string, limit int) {
	if len(ids) > limit {
		f.Add(field, "too_many", "at most %d", limit)
		return
	}
	seen := map[string]bool{}
	for i, id := range ids {
		validateID(f, indexed(field, i), id)
		if seen[id] {
			f.Add(indexed(field, i), "duplicate", "%q is there twice", clip(id))
		}
		seen[id] = true
	}
}

func indexed(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// clip shortens input that is quoted in a message.
func clip(s string) string {
	const limit = 40
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

func set[T comparable](items ...T) map[T]bool {
	m := make(map[T]bool, len(items))
	for _, it := range items {
		m[it] = true
	}
	return m
}

// Position is a point on the globe, WGS-84 degrees.
type Position struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
	// Approximate positions are good for whole kilometres only.
	Approximate bool `json:"approximate,omitempty"`
	// Basis says where the coordinates come from.
	Basis string `json:"basis,omitempty"`
}

func (p *Position) validate(f *fault.Fields, field string) {
	if p != nil && (!(math.Abs(p.Lat) <= 90) || !(math.Abs(p.Lon) <= 180)) {
		f.Add(field, "range", "latitude within 90 and longitude within 180 degrees")
	}
}

// earthRadiusKm is the mean radius of the Earth (IUGG).
const earthRadiusKm = 6371.0088

// DistanceKm returns the great-circle distance in kilometres (haversine).
func DistanceKm(a, b Position) float64 {
	rad := math.Pi / 180
	dLat, dLon := (b.Lat-a.Lat)*rad, (b.Lon-a.Lon)*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earthRadiusKm * math.Asin(math.Min(1, math.Sqrt(h)))
}

// Span is a range of whole days or nights.
type Span struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// maxSpan bounds a phase: two years.
const maxSpan = 730

func (s Span) validate(f *fault.Fields, field string) {
	if s.Min < 0 || s.Max < s.Min || s.Max > maxSpan {
		f.Add(field, "range", "0 ≤ min ≤ max ≤ %d", maxSpan)
	}
}
