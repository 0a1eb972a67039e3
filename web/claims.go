package web

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

const (
	claimsPath = "/console/claims"
	// shownClaims bounds the list of claims to look at.
	shownClaims = 500
)

func (s *Server) claimRoutes() {
	s.consoleRoute(http.MethodGet, claimsPath, account.SeeReports, s.listClaims, catalog.Operator)
}

// listClaims lists the claims that expire or contradict each other.
func (s *Server) listClaims(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.claims")
	soon := s.Now().Add(renewAhead).In(catalog.Shanghai).Format(time.DateOnly)
	l := templates.List{Path: claimsPath, Query: c.QueryParams(), Lead: p.T("console.claims.lead"), Empty: p.T("console.claims.empty"),
		Filters: []templates.ListFilter{{Name: "why", Label: p.T("console.claims.why")}},
		Columns: []templates.ListColumn{{Label: p.T("console.listing")}, {Label: p.T("console.claims.why")}, {Label: p.T("console.claims.claim")}, {Label: p.T("console.claims.source")}, {Label: p.T("console.claims.expires")}}}
	for _, why := range []catalog.ClaimTrouble{catalog.ClaimExpired, catalog.ClaimExpires, catalog.ClaimContradicts} {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(why), Label: p.T("console.claims.why." + string(why))})
	}
	only := catalog.ClaimTrouble(c.QueryParam("why"))
	err := s.eachClaims(c.Request().Context(), func(kind catalog.Kind, id string, claims []catalog.Claim) error {
		for _, x := range catalog.TroubledClaims(claims, s.today(), soon) {
			if only != "" && x.Trouble != only || len(l.Rows) == shownClaims {
				continue
			}
			claim := claims[x.Index]
			l.Rows = append(l.Rows, templates.ListRow{Path: "/console/listings/" + string(kind) + "/" + id, Tone: "stop",
				Cells: []string{id, p.T("console.claims.why." + string(x.Trouble)), p.Name(claim.Text), templates.SourceHost(claim.Source), claim.Expires}})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// eachClaims calls f with the claims of every published entry that has any.
func (s *Server) eachClaims(ctx context.Context, f func(kind catalog.Kind, id string, claims []catalog.Claim) error) error {
	c := s.Catalog
	err := c.Hospitals.Each(ctx, func(v catalog.Hospital) error { return f(catalog.KindHospital, v.ID, v.Claims) })
	if err == nil {
		err = c.Offerings.Each(ctx, func(v catalog.Offering) error { return f(catalog.KindOffering, v.ID, v.Claims) })
	}
	if err == nil {
		err = c.Treatments.Each(ctx, func(v catalog.Treatment) error { return f(catalog.KindTreatment, v.ID, v.Claims) })
	}
	return err
}
