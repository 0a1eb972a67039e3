package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

const (
	homeFlagships = 8
	homePackages  = 4
	// featuredAmong is how many packages are looked at for the front page.
	featuredAmong = 50
	// tileSummary is how much of a summary a tile shows, in characters.
	tileSummary = 115
)

func (s *Server) homeRoutes(e *echo.Echo) {
	e.Use(s.chooseLanguage)
	e.GET("/", s.home)
	e.GET("/sitemap.xml", s.sitemap)
}

// chooseLanguage takes ?lang= on any page as the reader's choice: it is kept,
// and the page is shown in that language.
func (s *Server) chooseLanguage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		lang := r.URL.Query().Get("lang")
		if r.Method != http.MethodGet || !slices.Contains(catalog.Languages, lang) || wantsJSON(c) {
			return next(c)
		}
		c.SetCookie(&http.Cookie{Name: languageCookie, Value: lang, Path: "/", MaxAge: int(preferenceFor.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.BaseURL, "https://")})
		p := templates.Page{Locale: templates.LocaleFor(lang)}
		return c.Redirect(http.StatusSeeOther, localPath(p.QueryURL(r.URL.Path, withoutLang(r.URL.Query()))))
	}
}

func withoutLang(q url.Values) url.Values {
	q.Del("lang")
	return q
}

// home is the front page. Who comes for the first time is led to their own
// language; who has chosen one, or comes from within the site, stays.
func (s *Server) home(c echo.Context) error {
	c.Response().Header().Add("Vary", "Accept-Language, Cookie")
	if lang := s.homeLanguage(c); lang != langOf(c) {
		return c.Redirect(http.StatusFound, templates.Page{}.URLIn(lang, "/")+query(c.Request().URL.RawQuery))
	}
	ctx := c.Request().Context()
	p := s.page(c)
	p.Title, p.Description = p.T("site.tagline"), p.T("home.lead")
	p.JSONLD = []any{websiteLD(p)}
	v, err := s.homeView(ctx, p)
	if err != nil {
		return err
	}
	return s.ok(c, templates.Home(p, v))
}

// homeLanguage is the language in which to show the front page. Only the
// address without a language is open to question.
func (s *Server) homeLanguage(c echo.Context) string {
	lang := langOf(c)
	from, err := url.Parse(c.Request().Referer())
	if lang != "en" || err == nil && from.Host == c.Request().Host {
		return lang
	}
	if cookie, err := c.Cookie(languageCookie); err == nil && slices.Contains(catalog.Languages, cookie.Value) {
		return cookie.Value
	}
	return preferredLanguage(c.Request())
}

func (s *Server) homeView(ctx context.Context, p templates.Page) (templates.HomeView, error) {
	v := templates.HomeView{Ideas: ideas(p)}
	treatments, err := published(ctx, s, s.Catalog.Treatments)
	if err != nil {
		return v, err
	}
	counts := map[string]int{}
	for _, t := range treatments {
		counts[t.Specialty]++
		if !t.Flagship || len(v.Flagships) >= homeFlagships {
			continue
		}
		card, err := s.treatmentCard(ctx, p, t)
		if err != nil {
			return v, err
		}
		card.Summary = clipSaid(card.Summary, tileSummary)
		v.Flagships = append(v.Flagships, card)
	}
	v.CountTreatments, v.Specialties = len(treatments), specialtyWays(p, counts)
	if v.Packages, v.CountPackages, err = s.featuredPackages(ctx, p); err != nil {
		return v, err
	}
	hospitals, err := idsOf(ctx, s, s.Catalog.Hospitals)
	if err != nil {
		return v, err
	}
	offerings, err := idsOf(ctx, s, s.Catalog.Offerings)
	v.CountHospitals, v.CountOfferings = len(hospitals), len(offerings)
	return v, err
}

// specialtyWays puts the specialties with most treatments first.
func specialtyWays(p templates.Page, counts map[string]int) []templates.SpecialtyWay {
	var out []templates.SpecialtyWay
	for id, n := range counts {
		out = append(out, templates.SpecialtyWay{ID: id, Label: specialtyName(p, id), Count: n, Path: "/treatments#" + id})
	}
	slices.SortFunc(out, func(a, b templates.SpecialtyWay) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// featuredPackages are packages of different specialties, in the order of ids:
// nobody pays for the place. The number is that of all packages.
func (s *Server) featuredPackages(ctx context.Context, p templates.Page) ([]templates.Card, int, error) {
	ids, err := idsOf(ctx, s, s.Catalog.Packages)
	if err != nil {
		return nil, 0, err
	}
	var out []templates.Card
	seen := map[string]bool{}
	for _, id := range ids[:min(len(ids), featuredAmong)] {
		card, ok, err := s.cardOf(ctx, p, catalog.KindPackage, id)
		if err != nil {
			return nil, 0, err
		}
		if !ok || seen[card.Art] {
			continue
		}
		seen[card.Art] = true
		card.Summary = clipSaid(card.Summary, tileSummary)
		if out = append(out, card); len(out) == homePackages {
			break
		}
	}
	return out, len(ids), nil
}

// websiteLD describes the site and its search to search engines.
func websiteLD(p templates.Page) any {
	return map[string]any{
		"@context": "https://schema.org", "@type": "WebSite", "name": p.T("site.name"), "url": p.Canonical(p.Tag), "inLanguage": p.Tag,
		"potentialAction": map[string]any{"@type": "SearchAction", "target": p.Base + p.URL("/search") + "?q={query}", "query-input": "required name=query"},
	}
}

// breadcrumbLD describes the way to a page to search engines.
func breadcrumbLD(p templates.Page, crumbs []templates.Crumb) any {
	var items []any
	for i, c := range crumbs {
		path := c.Path
		if path == "" {
			path = p.Path
		}
		items = append(items, map[string]any{"@type": "ListItem", "position": i + 1, "name": c.Label, "item": p.Base + p.URL(path)})
	}
	return map[string]any{"@context": "https://schema.org", "@type": "BreadcrumbList", "itemListElement": items}
}
