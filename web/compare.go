package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	// maxCompared is how many offerings fit side by side.
	maxCompared = 4
	// compareCookie keeps what is compared on the device alone.
	compareCookie = "compare"
)

func (s *Server) compareRoutes(e *echo.Echo) {
	e.GET("/compare", s.compare, s.private)
	e.POST("/compare", s.changeComparison, s.private)
}

// compared are the offerings in an address or, without any, on the device.
func compared(c echo.Context) []string {
	ids := slices.Clone(c.QueryParams()["offering"])
	if len(ids) == 0 {
		if cookie, err := c.Cookie(compareCookie); err == nil && cookie.Value != "" {
			ids = strings.Split(cookie.Value, ".")
		}
	}
	var out []string
	for _, id := range ids {
		if id != "" && !slices.Contains(out, id) && len(out) < maxCompared {
			out = append(out, id)
		}
	}
	return out
}

// changeComparison puts an offering beside the others, or takes it away.
func (s *Server) changeComparison(c echo.Context) error {
	id := c.FormValue("offering")
	ids := slices.DeleteFunc(compared(c), func(x string) bool { return x == id })
	if c.FormValue("act") != "remove" {
		if _, err := s.Catalog.Offerings.Get(c.Request().Context(), id); err != nil {
			return err
		}
		if ids = append(ids, id); len(ids) > maxCompared {
			ids = ids[1:]
		}
	}
	cookie := &http.Cookie{Name: compareCookie, Value: strings.Join(ids, "."), Path: "/", MaxAge: int(preferenceFor.Seconds()), HttpOnly: true, Secure: s.encrypted(), SameSite: http.SameSiteLaxMode}
	if len(ids) == 0 {
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
	return s.redirect(c, "/compare")
}

// compare shows offerings side by side: facts with their sources, time, price,
// languages. It puts none before another; they stand as they were chosen.
func (s *Server) compare(c echo.Context) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	v := templates.CompareView{Chosen: len(c.QueryParams()["offering"]) == 0}
	for _, id := range compared(c) {
		o, err := s.Catalog.Offerings.Get(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
		if err != nil {
			return err
		}
		h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
		if err != nil {
			return err
		}
		packages, err := s.Catalog.PackagesOfOffering(ctx, id)
		if err != nil {
			return err
		}
		column := templates.Compared{OfferingView: offeringView(p, o, t, h, s.Now()), Path: "/offerings/" + o.ID, Packages: len(packages), Points: stayPoints(p, timelineOf(o, t))}
		for _, claim := range catalog.ShownClaims(o.Claims, s.Now()) {
			if !claim.Outcome && claim.Kind != catalog.ClaimPrice {
				column.Facts = append(column.Facts, claim)
			}
		}
		for _, claim := range catalog.ShownClaims(h.Claims, s.Now()) {
			switch claim.Kind {
			case catalog.ClaimLanguage:
				column.Languages = append(column.Languages, claim)
			case catalog.ClaimAccreditation, catalog.ClaimDesignation:
				column.Marks = append(column.Marks, claim)
			}
		}
		v.Columns = append(v.Columns, column)
	}
	p.Title, p.Section = p.T("compare.title"), "treatments"
	return s.ok(c, templates.Compare(p, v))
}
