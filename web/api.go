package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

func (s *Server) apiRoutes() {
	s.operation(operation{Method: http.MethodGet, Path: "/api/v1/search", Summary: "Search what is published", In: []any{searchParams{}}, Out: apiResults{}}, s.apiSearch)
	apiShown(s, "offerings", "An offering: one treatment at one hospital", s.Catalog.Offerings)
	apiShown(s, "packages", "A package", s.Catalog.Packages)
	apiShown(s, "hospitals", "A hospital", s.Catalog.Hospitals)
	apiShown(s, "treatments", "A treatment", s.Catalog.Treatments)
	s.partnerRoutes()
	s.operation(operation{Method: http.MethodGet, Path: "/api/v1/openapi.json", Summary: "This description", Out: map[string]any{}}, s.showOpenAPI)
	s.echo.GET("/api", s.showAPI)
}

func apiShown[T catalog.Entity](s *Server, plural, summary string, repo *catalog.Repo[T]) {
	s.operation(operation{Method: http.MethodGet, Path: "/api/v1/" + plural + "/:id", Summary: summary, In: []any{idParam{}}, Out: shownOf[T]()}, apiEntry(s, repo))
}

// apiResults is the answer to a search.
type apiResults struct {
	Total int `json:"total"`
	// TookMS is the time spent searching, in milliseconds.
	TookMS float64  `json:"took_ms"`
	Hits   []apiHit `json:"hits"`
	// Facets by name, each with counts that its own choice does not narrow.
	Facets     map[string][]apiFacetValue `json:"facets"`
	DidYouMean string                     `json:"did_you_mean"`
	// Searched is the corrected query that was searched for instead.
	Searched string `json:"searched,omitempty"`
	// Counts of hits by kind, under the same query.
	Counts  map[catalog.Kind]int `json:"counts"`
	Page    int                  `json:"page"`
	PerPage int                  `json:"per_page"`
	Sort    string               `json:"sort"`
	// Near is the point from which distances are measured.
	Near string `json:"near,omitempty"`
	// Applied are the filters that were read out of the query, Unmet those
	// that would have left nothing.
	Applied []apiApplied `json:"applied"`
	Unmet   []apiApplied `json:"unmet"`
	// Relaxations are ways on where nothing was found.
	Relaxations []apiRelaxation `json:"relaxations"`
	// Next is the address of the next page, which goes on after the last hit
	// even where the index has changed meanwhile.
	Next string `json:"next,omitempty"`
	// Partial says that time ran out: there may be more hits.
	Partial bool `json:"partial,omitempty"`
}

type apiApplied struct {
	Facet string `json:"facet"`
	Value string `json:"value"`
	Label string `json:"label"`
	Typed string `json:"typed"`
}

// apiRelaxation is what would be found without one filter, "*" being all of
// them, or with other words.
type apiRelaxation struct {
	DropFilter string `json:"drop_filter,omitempty"`
	DropWord   string `json:"drop_word,omitempty"`
	// OnlyWord is the one word that is left.
	OnlyWord string `json:"only_word,omitempty"`
	Query    string `json:"q"`
	Total    int    `json:"total"`
}

type apiHit struct {
	ID    string       `json:"id"`
	Kind  catalog.Kind `json:"kind"`
	Title string       `json:"title"`
	URL   string       `json:"url"`
	Score float64      `json:"score"`
	Why   []apiWhy     `json:"why"`
	// Treatment and Hospital are ids, empty where the hit is about none.
	Treatment string `json:"treatment,omitempty"`
	Hospital  string `json:"hospital,omitempty"`
	// Metres from the point that was named, in a straight line.
	Metres int `json:"metres,omitempty"`
}

type apiWhy struct {
	Typed string `json:"typed"`
	Means string `json:"means"`
}

type apiFacetValue struct {
	Value    string `json:"value"`
	Label    string `json:"label"`
	Count    int    `json:"count"`
	Selected bool   `json:"selected"`
}

// apiParams are the parameters of a search that are not facets.
var apiParams = []string{"q", "kind", "lang", "page", "per_page", paramSort, paramNear, paramAfter, "currency", paramIgnore}

func (s *Server) apiSearch(c echo.Context) error {
	ctx := c.Request().Context()
	req, err := parseAPISearch(c.QueryParams())
	if err != nil {
		return err
	}
	res, err := s.Search.Search(ctx, req)
	if err != nil {
		return err
	}
	s.noteSearch(req, res.Total, false)
	p := templates.Page{Locale: templates.LocaleFor(req.Lang), Base: s.BaseURL}
	out := apiResults{Total: res.Total, TookMS: float64(res.Took.Microseconds()) / 1000, Hits: make([]apiHit, 0, len(res.Hits)),
		Facets: map[string][]apiFacetValue{}, DidYouMean: res.DidYouMean, Searched: res.Searched, Counts: res.Counts,
		Page: res.Page, PerPage: res.PerPage, Sort: res.Sort, Near: res.Near, Partial: res.Partial, Relaxations: []apiRelaxation{}}
	out.Applied, out.Unmet = s.apiApplied(ctx, p, res.Applied), s.apiApplied(ctx, p, res.Unmet)
	for _, r := range res.Relaxations {
		out.Relaxations = append(out.Relaxations, apiRelaxation{r.DropFilter, r.DropWord, r.OnlyWord, r.Query, r.Count})
	}
	for _, h := range res.Hits {
		hit := apiHit{ID: h.ID, Kind: h.Kind, Title: h.Title, URL: s.BaseURL + p.URL(pathOf(h.Kind, h.ID)), Score: h.Score,
			Why: []apiWhy{}, Treatment: h.TreatmentID, Hospital: h.HospitalID, Metres: h.Metres}
		for _, w := range h.Why {
			hit.Why = append(hit.Why, apiWhy(w))
		}
		out.Hits = append(out.Hits, hit)
	}
	if n := len(res.Hits); n > 0 && res.Page*res.PerPage < min(res.Total, search.MaxDepth) {
		next := c.QueryParams()
		next.Set("page", strconv.Itoa(res.Page+1))
		next.Set(paramAfter, res.Hits[n-1].ID)
		out.Next = s.BaseURL + "/api/v1/search?" + next.Encode()
	}
	for _, f := range res.Facets {
		for _, v := range f.Values {
			out.Facets[f.Name] = append(out.Facets[f.Name], apiFacetValue{v.Value, s.facetLabel(ctx, p, f.Name, v.Value), v.Count, v.Selected})
		}
	}
	return c.JSON(http.StatusOK, out)
}

func (s *Server) apiApplied(ctx context.Context, p templates.Page, filters []search.Applied) []apiApplied {
	out := []apiApplied{}
	for _, a := range filters {
		out = append(out, apiApplied{a.Facet, a.Value, s.facetLabel(ctx, p, a.Facet, a.Value), a.Typed})
	}
	return out
}

// parseAPISearch reads a search and names every parameter that is wrong: who
// writes a program wants to know.
func parseAPISearch(q url.Values) (search.Request, error) {
	req := search.Request{Query: q.Get("q"), Kind: catalog.Kind(q.Get("kind")), Lang: q.Get("lang"), Currency: q.Get("currency"), Sort: q.Get(paramSort), Near: q.Get(paramNear), After: q.Get(paramAfter), Filters: map[string][]string{}}
	if req.Kind == "" {
		req.Kind = catalog.KindOffering
	}
	var f fault.Fields
	lang, ok := contentLanguage(req.Lang)
	if !ok {
		f.Add("lang", "language", "use a BCP 47 language tag; there is content in %v", catalog.Languages)
	}
	req.Lang = lang
	if req.Currency == "" {
		req.Currency = defaultCurrency
	}
	if !catalog.ValidCurrency(req.Currency) {
		f.Add("currency", "currency", "use an ISO 4217 code such as USD")
	}
	number := func(name string, to *int, limit int) {
		if !q.Has(name) {
			return
		}
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 1 || n > limit {
			f.Add(name, "range", "a number from 1 to %d", limit)
		}
		*to = n
	}
	number("page", &req.Page, search.MaxDepth)
	number("per_page", &req.PerPage, search.MaxPerPage)
	if !slices.Contains(searchKinds, req.Kind) {
		f.Add("kind", "enum", "use offering, package, hospital or treatment")
	}
	facets := search.FacetNames(req.Kind)
	for name, values := range q {
		switch {
		case slices.Contains(facets, name):
			req.Filters[name] = values
		case name == paramIgnore:
			req.Ignore = values
		case !slices.Contains(apiParams, name) && len(facets) > 0:
			f.Add(clipText(name, 40), "unknown", "there is no such parameter; facets of this kind are %v", facets)
		}
	}
	return req, f.Err("the search cannot be done as asked")
}

// apiEntry serves what is published of one entry.
func apiEntry[T catalog.Entity](s *Server, repo *catalog.Repo[T]) echo.HandlerFunc {
	return func(c echo.Context) error {
		v, err := repo.Get(c.Request().Context(), c.Param("id"))
		if err != nil {
			return err
		}
		entry, err := s.shownEntry(v)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, entry)
	}
}

// shownEntry is an entry as JSON with its kind and address, without claims
// that may not be shown.
func (s *Server) shownEntry(v catalog.Entity) (map[string]any, error) {
	data, err := json.Marshal(s.withShownClaims(v))
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, err
	}
	out["kind"] = v.EntityKind()
	out["url"] = s.BaseURL + pathOf(v.EntityKind(), v.EntityID())
	return out, nil
}

// withShownClaims returns a copy of an entry without claims that may not be
// shown.
func (s *Server) withShownClaims(v catalog.Entity) catalog.Entity {
	shown := func(claims []catalog.Claim) []catalog.Claim { return catalog.ShownClaims(claims, s.Now()) }
	switch e := v.(type) {
	case catalog.Treatment:
		e.Claims, e.Timeline.Basis = shown(e.Claims), shown(e.Timeline.Basis)
		return e
	case catalog.Hospital:
		e.Claims = shown(e.Claims)
		return e
	case catalog.Offering:
		e.Claims = shown(e.Claims)
		if e.Timeline != nil {
			line := *e.Timeline
			line.Basis = shown(line.Basis)
			e.Timeline = &line
		}
		return e
	}
	return v
}
