package search

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// Limits of a request.
const (
	// MaxQuery is the greatest length of a query in characters.
	MaxQuery = 500
	// maxQueryBytes is where a query is not even looked at.
	maxQueryBytes = 8 << 10
	// MaxPerPage is the greatest number of hits on a page.
	MaxPerPage = 100
	// DefaultPerPage is the number of hits where none is asked for.
	DefaultPerPage = 20
	// MaxDepth is how far down the hits can be paged.
	MaxDepth = 10_000
	// maxFilterValues bounds the values of one facet, and maxFilterValue the
	// length of one in bytes.
	maxFilterValues = 50
	maxFilterValue  = 200
)

// Request is a search.
type Request struct {
	// Query as typed; empty browses everything.
	Query string
	// Kind to find; empty is offerings.
	Kind catalog.Kind
	// Lang is the reader's language, BCP 47; empty is English.
	Lang string
	// Page from 1 and PerPage up to MaxPerPage; 0 takes the default.
	Page, PerPage int
	// After is the id of the last hit of the page before, so that nothing is
	// shown twice or passed over where the index has changed since. Without it,
	// or where it is no longer found, pages are counted off.
	After string
	// Filters by facet: values of one facet widen, facets narrow.
	Filters map[string][]string
	// Currency in which ranges of prices are offered, ISO 4217; empty is the
	// base of the rates.
	Currency string
	// Sort is one of Sorts, or SortDistance. Empty is what the words of the
	// query ask for, else distance where Near is given, else relevance.
	Sort string
	// Near is where distances are measured from: "hospital:ID", "place:ID",
	// "district:NAME" or degrees, "31.23,121.47".
	Near string
	// NoFilters leaves the words of the query words: none of them becomes a
	// filter. Ignore does so for single facets, and for "sort" and "near".
	NoFilters bool
	Ignore    []string
}

// Orders of results.
const (
	SortRelevance = "relevance"
	// SortPrice puts the cheapest first, by what one patient pays at least.
	SortPrice = "price"
	// SortStay puts the shortest stay first.
	SortStay = "stay"
	// SortDeparture puts the soonest departure first.
	SortDeparture = "departure"
	// SortDistance puts the nearest hospital first. It needs a point to
	// measure from, so it is no choice of every list.
	SortDistance = "distance"
)

// Sorts lists the orders of results.
var Sorts = []string{SortRelevance, SortPrice, SortStay, SortDeparture}

// Result is one page of hits with what is around it.
type Result struct {
	// Total of hits on all pages.
	Total int
	Took  time.Duration
	Hits  []Hit
	// Facets of the kind, each with counts that its own choice does not
	// narrow.
	Facets []Facet
	// DidYouMean is the query with its typing errors corrected, empty where
	// there are none.
	DidYouMean string
	// Searched is the corrected query where the results are for that one.
	Searched string
	// Counts of hits per kind under the same query and those filters that the
	// kind has.
	Counts map[catalog.Kind]int
	// Partial says that time ran out: there may be more hits, in another order.
	Partial bool
	// Page and PerPage as used.
	Page, PerPage int
	// Applied are the filters that were read out of the query. The order of
	// the hits is among them as the facet "sort", the point from which
	// distances are measured as "near".
	Applied []Applied
	// Unmet are filters that the query asks for but that would have left
	// nothing; the hits are without them.
	Unmet []Applied
	// Sort is the order of the hits, Near the point of their distances, empty
	// where there is none.
	Sort, Near string
	// Matched are other words for which the query was also taken.
	Matched []string
	// Relaxations are ways on where nothing was found.
	Relaxations []Relaxation
}

// Hit is one result.
type Hit struct {
	ID    string
	Kind  catalog.Kind
	Score float64
	// Why says which typed words led here.
	Why []Why
	// TreatmentID and HospitalID that the hit is about, where there is one.
	TreatmentID, HospitalID string
	// Title in the language of the request, falling back.
	Title string
	// Metres from Result.Near in a straight line, of the nearest of its
	// hospitals; 0 where that is not known.
	Metres int
}

// Why says that a typed word led to a hit, and as what.
type Why struct {
	Typed string
	// Means is what the word was taken for; the word itself where it stands in
	// the hit.
	Means string
}

// Facet is one way to narrow the results.
type Facet struct {
	Name   string
	Values []FacetValue
	// More is how many values there are that are not listed; any can be asked
	// for all the same.
	More int
}

// FacetValue is one choice of a facet.
type FacetValue struct {
	Value    string
	Count    int
	Selected bool
}

// Applied is a filter that words of the query asked for.
type Applied struct {
	Facet, Value string
	// Typed are the words that asked for it.
	Typed string
}

// Relaxation is a way on from an empty result.
type Relaxation struct {
	// DropFilter is the facet to leave out, or AllFilters; or DropWord the
	// word; or OnlyWord the one that is left of all.
	DropFilter, DropWord, OnlyWord string
	// Query then.
	Query string
	// Count of hits then.
	Count int
}

// AllFilters stands for every filter in a Relaxation.
const AllFilters = "*"

// facetPrice is the facet whose values are ranges, not what entries carry.
const facetPrice = "price"

// facetNames are the facets in the order in which they are shown.
var facetNames = []string{
	"specialty", "treatment", "service_type", "hospital", "ownership", "pilot", "designation", "district", "language", "insurer",
	"booking_class", "stay", "records_review", "package", "agency", "month", "days", facetPrice,
}

// facetsOf lists the facets of each kind.
var facetsOf = map[catalog.Kind][]string{
	catalog.KindTreatment: {"specialty", "service_type", "hospital", "booking_class", "stay"},
	catalog.KindHospital:  {"specialty", "treatment", "service_type", "ownership", "pilot", "designation", "district", "language", "insurer", "records_review"},
	catalog.KindOffering:  {"specialty", "treatment", "service_type", "hospital", "ownership", "pilot", "designation", "district", "language", "insurer", "booking_class", "stay", "records_review", "package", "agency", "month", facetPrice},
	catalog.KindPackage:   {"specialty", "treatment", "service_type", "hospital", "ownership", "pilot", "designation", "district", "language", "insurer", "booking_class", "agency", "month", "days", facetPrice},
}

// FacetNames returns the facets of a kind in the order in which they are
// shown.
func FacetNames(kind catalog.Kind) []string { return slices.Clone(facetsOf[kind]) }

// normal checks a request and fills its defaults in. Control characters of the
// query become blanks.
func (r Request) normal() (Request, error) {
	if len(r.Query) > maxQueryBytes {
		return r, &fault.Error{Kind: fault.TooLarge, Message: "the query is too long: use at most 500 characters",
			Fields: []fault.Field{{Name: "q", Code: "too_long", Message: "at most 500 characters"}}}
	}
	var f fault.Fields
	r.Query = cleanQuery(r.Query)
	if utf8.RuneCountInString(r.Query) > MaxQuery {
		f.Add("q", "too_long", "at most %d characters", MaxQuery)
	}
	if r.Kind == "" {
		r.Kind = catalog.KindOffering
	}
	if !slices.Contains(searchable, r.Kind) {
		f.Add("kind", "enum", "use offering, package, hospital or treatment")
	}
	if r.Lang == "" {
		r.Lang = "en"
	}
	if r.Sort != "" && r.Sort != SortDistance && !slices.Contains(Sorts, r.Sort) {
		f.Add("sort", "enum", "use %s or %s", strings.Join(Sorts, ", "), SortDistance)
	}
	for name, value := range map[string]string{"near": r.Near, "after": r.After} {
		if len(value) > maxFilterValue {
			f.Add(name, "too_long", "at most %d bytes", maxFilterValue)
		}
	}
	if r.Page == 0 {
		r.Page = 1
	}
	if r.PerPage == 0 {
		r.PerPage = DefaultPerPage
	}
	if r.PerPage < 1 || r.PerPage > MaxPerPage {
		f.Add("per_page", "range", "between 1 and %d", MaxPerPage)
	}
	if r.Page < 1 || r.Page > MaxDepth || r.Page*r.PerPage > MaxDepth {
		f.Add("page", "range", "from 1, and not beyond hit %d", MaxDepth)
	}
	for _, name := range sortedKeys(r.Filters) {
		if !slices.Contains(facetNames, name) {
			f.Add(clipName(name), "facet", "there is no such facet; use one of %s", strings.Join(facetNames, ", "))
			continue
		}
		if len(r.Filters[name]) > maxFilterValues {
			f.Add(name, "too_many", "at most %d values", maxFilterValues)
		}
		for _, v := range r.Filters[name] {
			if len(v) > maxFilterValue || !utf8.ValidString(v) {
				f.Add(name, "value", "a value of this facet is not valid")
				break
			}
			if _, ok := ParsePriceRange(v); name == facetPrice && !ok {
				f.Add(name, "price_range", "write a range as ..5000USD, 2000..5000USD or 5000..USD")
				break
			}
		}
	}
	if len(r.Ignore) > len(facetNames)+len(wishesBeside) {
		f.Add("ignore", "too_many", "at most %d names", len(facetNames)+len(wishesBeside))
	}
	return r, f.Err("the search cannot be done as asked")
}

// key names a request that has its defaults: the same for the same results.
func (r Request) key() string {
	var b strings.Builder
	part := func(values ...string) {
		for _, v := range values {
			b.WriteString(strconv.Quote(v))
		}
		b.WriteByte(' ')
	}
	part(r.Query, string(r.Kind), r.Lang, r.Currency, r.Sort, strconv.Itoa(r.Page), strconv.Itoa(r.PerPage), strconv.FormatBool(r.NoFilters))
	part(r.Near, r.After)
	part(r.Ignore...)
	for _, name := range sortedKeys(r.Filters) {
		part(name)
		part(r.Filters[name]...)
	}
	return b.String()
}

func clipName(s string) string {
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) > 40 {
		return string([]rune(s)[:40]) + "…"
	}
	return s
}

// cleanQuery makes control characters and marks of direction blanks and takes
// runs of blanks together.
func cleanQuery(q string) string {
	q = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != 0x200c && r != 0x200d || r == utf8.RuneError {
			return ' '
		}
		return r
	}, q)
	return strings.Join(strings.Fields(q), " ")
}
