package web

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

// hitsPerPage is how many results a page shows: enough to compare, few enough
// for a slow line.
const hitsPerPage = 12

// searchKinds are the kinds of results in the order of their tabs.
var searchKinds = []catalog.Kind{catalog.KindOffering, catalog.KindPackage, catalog.KindHospital, catalog.KindTreatment}

// openFacets is how many facets show their values at once.
const openFacets = 4

// pageFacets are the facets that the page offers, most telling first.
var pageFacets = []string{"specialty", "price", "stay", "days", "month", "hospital", "district", "ownership", "designation", "pilot", "language", "insurer",
	"booking_class", "service_type", "records_review", "package", "agency", "treatment"}

func (s *Server) searchRoutes(e *echo.Echo) {
	e.GET("/search", s.searchPage)
	e.POST("/clicks", s.click)
	e.GET("/suggest", s.suggest)
	e.GET("/how-results-are-ordered", s.orderPage)
}

func (s *Server) searchPage(c echo.Context) error {
	ctx := c.Request().Context()
	req, err := parseSearch(c.QueryParams(), langOf(c), s.currencyOf(c))
	if err != nil {
		return err
	}
	res, err := s.Search.Search(ctx, req)
	if err != nil {
		return err
	}
	s.noteSearch(req, res.Total, true)
	last := lastPage(res.Total)
	if req.Page > last {
		return fault.New(fault.NotFound, "These results have %d pages.", last).WithCode("error.no_such_page")
	}
	p := s.page(c)
	p.Search, p.Section = req.Query, sectionOf(req.Kind)
	p.Title, p.Description = p.T("search.title"), p.T("search.description")
	if req.Query != "" {
		p.Title = p.T("search.title_for", "query", req.Query)
	}
	// Every filter is an address of its own; one of them is enough for others'
	// search engines.
	p.NoIndex = len(req.Filters) > 0 || req.Page > 1
	v := searchView(p, req, res, s.Search.Points(), func(facet, value string) string { return s.facetLabel(ctx, p, facet, value) })
	s.nestTreatments(ctx, &v)
	marks := marksOf(req.Query, res)
	for _, hit := range res.Hits {
		card, ok, err := s.cardOf(ctx, p, hit.Kind, hit.ID)
		if err != nil {
			return err
		}
		if ok {
			card.Why, card.Marks = whyOf(hit), marks
			if hit.Metres > 0 {
				card.Points = append(card.Points, templates.Point{Icon: "pin", Text: distance(p, hit.Metres, s.facetLabel(ctx, p, paramNear, res.Near))})
			}
			v.Cards = append(v.Cards, card)
		}
	}
	return s.ok(c, templates.Search(p, v))
}

func sectionOf(kind catalog.Kind) string {
	switch kind {
	case catalog.KindPackage:
		return "packages"
	case catalog.KindHospital:
		return "hospitals"
	}
	return "treatments"
}

func lastPage(total int) int { return max(1, (min(total, search.MaxDepth)+hitsPerPage-1)/hitsPerPage) }

// parseSearch reads a search from an address. Parameters that mean nothing
// here are left alone, since addresses carry the marks of those who share them.
func parseSearch(q url.Values, lang, currency string) (search.Request, error) {
	req := search.Request{Query: q.Get("q"), Kind: catalog.Kind(q.Get("kind")), Lang: lang, Currency: currency, Page: 1, PerPage: hitsPerPage, Sort: q.Get("sort")}
	if req.Kind == "" {
		req.Kind = catalog.KindOffering
	}
	req.Near = q.Get(paramNear)
	if req.Sort == search.SortDistance && req.Near == "" {
		// A form without a point: as if no order were chosen.
		req.Sort = ""
	}
	req.After = q.Get(paramAfter)
	if n := q.Get("page"); n != "" {
		page, err := strconv.Atoi(n)
		if err != nil || page < 1 {
			return req, fault.New(fault.Invalid, "The page of a list is a number from 1.").WithCode("error.page_number")
		}
		if page > lastPage(search.MaxDepth) {
			return req, fault.New(fault.NotFound, "These results have fewer pages.").WithCode("error.no_such_page")
		}
		req.Page = page
	}
	for _, name := range search.FacetNames(req.Kind) {
		values := slices.DeleteFunc(slices.Clone(q[name]), func(v string) bool { return v == "" })
		if len(values) > 0 {
			if req.Filters == nil {
				req.Filters = map[string][]string{}
			}
			req.Filters[name] = values
		}
		if slices.Contains(q[paramIgnore], name) {
			req.Ignore = append(req.Ignore, name)
		}
	}
	for _, name := range []string{paramSort, paramNear} {
		if slices.Contains(q[paramIgnore], name) {
			req.Ignore = append(req.Ignore, name)
		}
	}
	return req, nil
}

const (
	// paramIgnore names the facets that are not to be read out of the query's
	// words.
	paramIgnore = "ignore"
	paramSort   = "sort"
	// paramNear is the point from which distances are measured.
	paramNear = "near"
	// paramAfter is the last hit of the page before.
	paramAfter = "after"
)

// searchPath is the address of a search.
func searchPath(r search.Request) string {
	q := url.Values{}
	set := func(key, value, standard string) {
		if value != standard {
			q.Set(key, value)
		}
	}
	set("q", r.Query, "")
	set("kind", string(r.Kind), string(catalog.KindOffering))
	set(paramSort, r.Sort, "")
	set(paramNear, r.Near, "")
	set("page", strconv.Itoa(max(r.Page, 1)), "1")
	if r.Page > 1 {
		set(paramAfter, r.After, "")
	}
	for name, values := range r.Filters {
		q[name] = values
	}
	if len(r.Ignore) > 0 {
		q[paramIgnore] = r.Ignore
	}
	if len(q) == 0 {
		return "/search"
	}
	return "/search?" + q.Encode()
}

// without returns the request without one value of a facet, on its first page.
func without(r search.Request, facet, value string) search.Request {
	filters := map[string][]string{}
	for name, values := range r.Filters {
		kept := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return name == facet && (value == "" || v == value) })
		if len(kept) > 0 {
			filters[name] = kept
		}
	}
	r.Filters, r.Page = filters, 1
	return r
}

// ofKind returns the request for another kind, with those filters that the
// kind has.
func ofKind(r search.Request, kind catalog.Kind) search.Request {
	filters := map[string][]string{}
	for name, values := range r.Filters {
		if slices.Contains(search.FacetNames(kind), name) {
			filters[name] = values
		}
	}
	r.Kind, r.Filters, r.Page, r.Sort = kind, filters, 1, ""
	return r
}

// searchView arranges a result for the page, without its cards.
func searchView(p templates.Page, req search.Request, res search.Result, points []search.Point, label func(facet, value string) string) templates.SearchView {
	v := templates.SearchView{Query: req.Query, Kind: req.Kind, Total: res.Total, Searched: res.Searched,
		Sorts: sortOptions(p, req, res), Pages: pager(req, res.Hits, lastPage(res.Total)), ClearPath: searchPath(cleared(req, res.Applied))}
	for _, kind := range searchKinds {
		tab := templates.Tab{Link: templates.Link{Label: p.T("search.kind." + string(kind)), Path: searchPath(ofKind(req, kind))},
			Count: res.Counts[kind], Current: kind == req.Kind}
		v.Tabs = append(v.Tabs, tab)
		if res.Total == 0 && tab.Count > 0 {
			v.Elsewhere = append(v.Elsewhere, templates.Link{Label: tab.Label + " (" + p.Int(tab.Count) + ")", Path: tab.Path})
		}
	}
	v.Ignored = req.Ignore
	v.Points = pointGroups(p, points, req.Near)
	for _, a := range res.Unmet {
		v.Unmet = append(v.Unmet, a.Typed)
	}
	v.Unmet = slices.Compact(v.Unmet)
	v.Facets, v.Chips = facetViews(p, req, res, label)
	if res.DidYouMean != "" && res.DidYouMean != res.Searched {
		meant := req
		meant.Query, meant.Page = res.DidYouMean, 1
		v.DidYouMean = &templates.Link{Label: res.DidYouMean, Path: searchPath(meant)}
	}
	for _, r := range res.Relaxations {
		v.Elsewhere = append(v.Elsewhere, relaxation(p, req, r))
	}
	if res.Total == 0 {
		v.Ideas = ideas(p)
	}
	return v
}

// cleared returns the request without filters, those in its words among them.
func cleared(r search.Request, applied []search.Applied) search.Request {
	r.Filters, r.Near, r.Page = nil, "", 1
	if r.Sort == search.SortDistance {
		r.Sort = ""
	}
	for _, a := range applied {
		r = ignoring(r, a.Facet)
	}
	return r
}

// relaxation is a way on from nothing: without a filter, or without a word.
func relaxation(p templates.Page, req search.Request, r search.Relaxation) templates.Link {
	switch {
	case r.DropFilter == search.AllFilters:
		return templates.Link{Label: p.N("search.without_filters", r.Count), Path: searchPath(cleared(req, nil))}
	case r.DropFilter != "":
		return templates.Link{Label: p.N("search.without_filter", r.Count, "filter", p.Or("facet."+r.DropFilter, r.DropFilter)),
			Path: searchPath(without(req, r.DropFilter, ""))}
	}
	req.Query, req.Page = r.Query, 1
	if r.OnlyWord != "" {
		return templates.Link{Label: p.N("search.only_word", r.Count, "word", r.OnlyWord), Path: searchPath(req)}
	}
	return templates.Link{Label: p.N("search.without_word", r.Count, "word", r.DropWord), Path: searchPath(req)}
}

func facetViews(p templates.Page, req search.Request, res search.Result, label func(facet, value string) string) (facets []templates.Facet, chips []templates.Link) {
	for _, name := range pageFacets {
		i := slices.IndexFunc(res.Facets, func(f search.Facet) bool { return f.Name == name })
		if i < 0 {
			continue
		}
		if name == "pilot" && len(req.Filters[name]) == 0 {
			// The designation says the same, and which.
			continue
		}
		f := templates.Facet{Name: name, Label: p.Or("facet."+name, name), Open: len(facets) < openFacets, More: res.Facets[i].More}
		for _, value := range res.Facets[i].Values {
			o := templates.Option{Value: value.Value, Label: label(name, value.Value), Count: value.Count, Selected: value.Selected}
			f.Values = append(f.Values, o)
			if o.Selected {
				f.Open = true
			}
			if o.Selected && !slices.ContainsFunc(res.Applied, func(a search.Applied) bool { return a.Facet == name && a.Value == value.Value }) {
				chips = append(chips, templates.Link{Label: f.Label + ": " + o.Label, Path: searchPath(without(req, name, o.Value))})
			}
		}
		// What is chosen stays in sight.
		slices.SortStableFunc(f.Values, func(a, b templates.Option) int { return rank(b.Selected) - rank(a.Selected) })
		facets = append(facets, f)
	}
	if req.Near != "" {
		off := req
		off.Near, off.Page = "", 1
		if off.Sort == search.SortDistance {
			off.Sort = ""
		}
		chips = append(chips, templates.Link{Label: p.T("facet.near") + ": " + label(paramNear, req.Near), Path: searchPath(off)})
	}
	for _, a := range res.Applied {
		chips = append(chips, templates.Link{Label: p.Or("facet."+a.Facet, a.Facet) + ": " + label(a.Facet, a.Value), Path: searchPath(ignoring(req, a.Facet))})
	}
	return facets, chips
}

// nestTreatments puts the treatments to choose below their specialties; what
// has none there stays a facet of its own.
func (s *Server) nestTreatments(ctx context.Context, v *templates.SearchView) {
	at := func(name string) int {
		return slices.IndexFunc(v.Facets, func(f templates.Facet) bool { return f.Name == name })
	}
	specialties, treatments := at("specialty"), at("treatment")
	if specialties < 0 || treatments < 0 {
		return
	}
	rest := &v.Facets[treatments]
	rest.Values = slices.DeleteFunc(rest.Values, func(o templates.Option) bool {
		t, err := s.Catalog.Treatments.Get(ctx, o.Value)
		if err != nil {
			return false
		}
		for i, specialty := range v.Facets[specialties].Values {
			if specialty.Value == t.Specialty {
				o.Name = rest.Name
				v.Facets[specialties].Values[i].Options = append(specialty.Options, o)
				return true
			}
		}
		return false
	})
	if len(rest.Values) == 0 {
		v.Facets = slices.Delete(v.Facets, treatments, treatments+1)
	}
}

// ignoring returns the request with the words that ask for a facet taken as
// plain words, on its first page.
func ignoring(r search.Request, facet string) search.Request {
	if !slices.Contains(r.Ignore, facet) {
		r.Ignore = append(slices.Clone(r.Ignore), facet)
	}
	r.Page = 1
	return r
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sortOptions are the orders to choose from. Relevance needs no parameter but
// where another order would come without one.
func sortOptions(p templates.Page, req search.Request, res search.Result) []templates.Option {
	var out []templates.Option
	orders := search.Sorts
	if res.Near != "" {
		orders = append(slices.Clone(orders), search.SortDistance)
	}
	asked := slices.ContainsFunc(res.Applied, func(a search.Applied) bool { return a.Facet == paramSort })
	for _, order := range orders {
		if order == search.SortDeparture && req.Kind != catalog.KindPackage && req.Kind != catalog.KindOffering ||
			order == search.SortPrice && !slices.Contains(search.FacetNames(req.Kind), "price") ||
			order == search.SortStay && req.Kind == catalog.KindHospital {
			continue
		}
		value := order
		if order == search.SortRelevance && res.Near == "" && !asked {
			value = ""
		}
		out = append(out, templates.Option{Value: value, Label: p.T("sort." + order), Selected: res.Sort == order})
	}
	return out
}

// pager links the pages around the present one, the first and the last.
// The next one goes on after the last hit, whatever has changed meanwhile.
func pager(req search.Request, hits []search.Hit, last int) templates.Pager {
	at := func(page int) string {
		r := req
		r.Page, r.After = page, ""
		if page == req.Page+1 && len(hits) > 0 {
			r.After = hits[len(hits)-1].ID
		}
		return searchPath(r)
	}
	v := templates.Pager{Page: req.Page, Last: last}
	if req.Page > 1 {
		v.Previous = at(req.Page - 1)
	}
	if req.Page < last {
		v.Next = at(req.Page + 1)
	}
	before := 0
	for n := 1; n <= last; n++ {
		if n != 1 && n != last && (n < req.Page-1 || n > req.Page+1) {
			continue
		}
		if n > before+1 {
			v.Links = append(v.Links, templates.PageLink{})
		}
		v.Links = append(v.Links, templates.PageLink{Number: n, Path: at(n)})
		before = n
	}
	return v
}

// facetLabel is the name of a facet's value for the reader. One that is not
// known shows as it is.
func (s *Server) facetLabel(ctx context.Context, p templates.Page, facet, value string) string {
	name := func(t catalog.Text, err error) string {
		if err != nil || p.Name(t) == "" {
			return value
		}
		return p.Name(t)
	}
	switch facet {
	case "treatment":
		t, err := s.Catalog.Treatments.Get(ctx, value)
		return name(t.Name, err)
	case "hospital":
		h, err := s.Catalog.Hospitals.Get(ctx, value)
		return name(h.Name, err)
	case "agency":
		o, err := s.Catalog.Organisations.Get(ctx, value)
		return name(o.Name, err)
	case "insurer":
		i, err := s.Catalog.Insurers.Get(ctx, value)
		return name(catalog.Text{"en": i.Name}, err)
	case "language":
		return p.LanguageName(value)
	case "month":
		return p.PartialDate(value)
	case "specialty":
		return specialtyName(p, value)
	case "stay", "days":
		return p.Or("days."+value, value)
	case "price":
		return priceLabel(p, value)
	case "designation":
		return p.Or("pilot."+value, value)
	case paramNear:
		return s.pointName(p, value)
	}
	return p.Or(facet+"."+value, value)
}

// pointName is what a point of the map is called; degrees stand for themselves.
func (s *Server) pointName(p templates.Page, ref string) string {
	points := s.Search.Points()
	i, ok := slices.BinarySearchFunc(points, ref, func(at search.Point, ref string) int { return strings.Compare(at.Ref, ref) })
	if !ok {
		return ref
	}
	return pointName(p, points[i])
}

func pointName(p templates.Page, at search.Point) string {
	if district, ok := strings.CutPrefix(at.Ref, "district:"); ok {
		return districtName(p, district)
	}
	return p.Name(at.Name)
}

// maxPoints is how many points of one kind are offered; all can be named in
// the query.
const maxPoints = 100

// pointGroups are the points from which distances can be measured, by kind.
func pointGroups(p templates.Page, points []search.Point, near string) []templates.OptionGroup {
	var out []templates.OptionGroup
	for _, kind := range []string{"district", "place", "hospital"} {
		g := templates.OptionGroup{Label: p.T("point." + kind)}
		for _, at := range points {
			if !strings.HasPrefix(at.Ref, kind+":") || len(g.Options) == maxPoints && at.Ref != near {
				continue
			}
			g.Options = append(g.Options, templates.Option{Value: at.Ref, Label: pointName(p, at), Selected: at.Ref == near})
		}
		if len(g.Options) > 0 {
			slices.SortStableFunc(g.Options, func(a, b templates.Option) int { return strings.Compare(a.Label, b.Label) })
			out = append(out, g)
		}
	}
	return out
}

// distance says how far it is from a point, to the nearest half kilometre,
// since some points are but roughly known.
func distance(p templates.Page, metres int, from string) string {
	half := max(1, (metres+250)/500)
	return p.T("card.distance", "km", p.Decimal(float64(half)/2, uint64(half%2)), "point", from)
}

// priceLabel names a range of prices.
func priceLabel(p templates.Page, value string) string {
	r, ok := search.ParsePriceRange(value)
	if !ok {
		return value
	}
	low, high := p.Money(catalog.MainUnits(r.Low, r.Currency)), p.Money(catalog.MainUnits(r.High, r.Currency))
	switch {
	case r.Low == 0:
		return p.T("price.up_to", "high", high)
	case r.High == 0:
		return p.T("price.above", "low", low)
	}
	return p.T("price.between", "low", low, "high", high)
}

// whyOf leaves out what explains itself: a word that stands in the hit.
func whyOf(h search.Hit) []templates.Why {
	var out []templates.Why
	for _, w := range h.Why {
		if w.Means != "" && !strings.EqualFold(w.Typed, w.Means) {
			out = append(out, templates.Why{Typed: w.Typed, Means: w.Means})
		}
	}
	return out
}

// marksOf are the words to mark in hits: those typed and those they were taken
// for, but for what asked for a filter.
func marksOf(query string, res search.Result) []string {
	if res.Searched != "" {
		query = res.Searched
	}
	for _, a := range slices.Concat(res.Applied, res.Unmet) {
		query = strings.ReplaceAll(query, a.Typed, " ")
	}
	between := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) && r != '-' }
	return append(strings.FieldsFunc(query, between), res.Matched...)
}

// ideas are searches to try.
func ideas(p templates.Page) []templates.Link {
	var out []templates.Link
	for i := 1; i <= 5; i++ {
		q := p.T("idea." + strconv.Itoa(i))
		out = append(out, templates.Link{Label: q, Path: "/search?" + url.Values{"q": {q}}.Encode()})
	}
	return out
}

// suggestion is an entry of the list below the search field.
type suggestion struct {
	Kind  catalog.Kind `json:"kind"`
	Label string       `json:"label"`
	// Title and URL of the entry; for a query the search for it.
	Title string `json:"title"`
	URL   string `json:"url"`
	// Parts of the title, those marked that were typed.
	Parts []titlePart `json:"parts"`
}

type titlePart struct {
	Text string `json:"text"`
	Mark bool   `json:"mark,omitempty"`
}

// titleParts cuts a title at its marks.
func titleParts(title string, marks []search.Mark) []titlePart {
	out := []titlePart{}
	last := 0
	add := func(to int, mark bool) {
		if to > last {
			out = append(out, titlePart{title[last:to], mark})
			last = to
		}
	}
	for _, m := range marks {
		add(m.Start, false)
		add(m.End, true)
	}
	add(len(title), false)
	return out
}

const (
	maxSuggestions = 8
	// suggestFor is how long a browser may keep suggestions.
	suggestFor = 5 * time.Minute
)

// suggest answers the search field while somebody types.
func (s *Server) suggest(c echo.Context) error {
	lang := langOf(c)
	if asked, ok := contentLanguage(c.QueryParam("lang")); ok && c.QueryParam("lang") != "" {
		lang = asked
	}
	found, err := s.Search.Suggest(c.Request().Context(), c.QueryParam("q"), lang, maxSuggestions)
	if err != nil {
		return err
	}
	p := templates.Page{Locale: templates.LocaleFor(lang)}
	out := make([]suggestion, 0, len(found))
	for _, f := range found {
		out = append(out, suggestion{Kind: f.Kind, Label: p.T("suggest." + string(f.Kind)), Title: f.Title, URL: p.URL(suggestedPath(f)),
			Parts: titleParts(f.Title, f.Marks)})
	}
	c.Response().Header().Set("Cache-Control", "private, max-age="+strconv.Itoa(int(suggestFor.Seconds())))
	return c.JSON(200, out)
}

// suggestedPath is the address of what is suggested: for a district and a place
// the hospitals there.
func suggestedPath(f search.Suggestion) string {
	switch f.Kind {
	case search.KindDistrict:
		return searchPath(search.Request{Kind: catalog.KindHospital, Filters: map[string][]string{"district": {f.ID}}})
	case catalog.KindPlace:
		return searchPath(search.Request{Kind: catalog.KindHospital, Near: "place:" + f.ID})
	}
	return pathOf(f.Kind, f.ID)
}

// pathOf is the address of an entry's page, without language prefix.
func pathOf(kind catalog.Kind, id string) string { return "/" + string(kind) + "s/" + id }

func (s *Server) orderPage(c echo.Context) error {
	p := s.page(c)
	p.Title, p.Description = p.T("order.title"), p.T("order.lead")
	return s.ok(c, templates.Order(p))
}
