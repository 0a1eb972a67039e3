package web

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

func (s *Server) offeringRoutes(e *echo.Echo) {
	e.GET("/offerings", func(c echo.Context) error { return s.redirect(c, "/search") })
	e.GET("/offerings/:id", s.offering)
}

func (s *Server) offering(c echo.Context) error {
	o, err := s.Catalog.Offerings.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return s.offeringPage(c, s.page(c), o, nil)
}

// offeringPage shows an offering to patients, or a preview of it to those whose
// it is.
func (s *Server) offeringPage(c echo.Context, p templates.Page, o catalog.Offering, preview *templates.Preview) error {
	ctx := c.Request().Context()
	t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
	if err != nil {
		return err
	}
	h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
	if err != nil {
		return err
	}
	v := offeringView(p, o, t, h, s.Now())
	v.Preview = preview
	if t.BookingClass.Sellable() {
		if v.Packages, err = s.packageCards(ctx, p, o.ID); err != nil {
			return err
		}
	}
	if v.Elsewhere, err = s.elsewhere(ctx, p, o); err != nil {
		return err
	}
	p.Title = p.T("offering.title", "treatment", p.Name(v.Name), "hospital", p.Name(h.Name))
	p.Description, p.Section = clipText(p.Name(first(o.Summary, t.Summary)), metaLength), "treatments"
	p.JSONLD = []any{offeringLD(p, t, h), breadcrumbLD(p, v.Crumbs)}
	if h.Demo || preview != nil {
		p.NoIndex, p.JSONLD = true, nil
	}
	return s.ok(c, templates.Offering(p, v))
}

// elsewhere makes cards of the other hospitals with the same treatment.
func (s *Server) elsewhere(ctx context.Context, p templates.Page, o catalog.Offering) ([]templates.Card, error) {
	others, err := s.Catalog.OfferingsOfTreatment(ctx, o.TreatmentID)
	if err != nil {
		return nil, err
	}
	var out []templates.Card
	for _, other := range others {
		if other.ID == o.ID {
			continue
		}
		h, err := s.Catalog.Hospitals.Get(ctx, other.HospitalID)
		if err != nil {
			return nil, err
		}
		out = append(out, templates.Card{Kind: catalog.KindOffering, Path: "/offerings/" + other.ID, Title: h.Name,
			Sub: hospitalLine(p, h)[1:], Pills: hospitalPills(p, h, s.Now())})
	}
	return out, nil
}

func offeringView(p templates.Page, o catalog.Offering, t catalog.Treatment, h catalog.Hospital, now time.Time) templates.OfferingView {
	v := templates.OfferingView{
		Offering: o, Treatment: t, Hospital: h, Name: offeringName(o, t), Timeline: timelineOf(o, t),
		Pills:     append(hospitalPills(p, h, now), templates.Pill{Text: p.T("booking_class." + string(t.BookingClass)), Tone: bookingTone(t.BookingClass)}),
		Documents: documentNames(t.Documents),
		Crumbs: []templates.Crumb{{Label: p.T("nav.home"), Path: "/"}, {Label: p.T("nav.treatments"), Path: "/treatments"},
			{Label: p.Name(t.Name), Path: "/treatments/" + t.ID}, {Label: p.Name(h.Name)}},
	}
	v.Timeline.Basis = catalog.ShownClaims(v.Timeline.Basis, now)
	v.PriceLabel, v.Price, v.PriceNote = offeringPrice(p, o, t)
	var evidence []catalog.Claim
	for _, c := range catalog.ShownClaims(o.Claims, now) {
		switch {
		case c.Outcome:
			v.Outcomes = append(v.Outcomes, c)
		case c.Kind == catalog.ClaimPrice:
			v.Prices = append(v.Prices, c)
		default:
			evidence = append(evidence, c)
		}
	}
	v.Evidence = templates.Number(evidence)
	for _, c := range catalog.ShownClaims(t.Claims, now) {
		switch c.Kind {
		case catalog.ClaimCaution:
			v.Cautions = append(v.Cautions, c)
		case catalog.ClaimPrice:
			v.Prices = append(v.Prices, c)
		}
	}
	return v
}

func bookingTone(b catalog.BookingClass) string {
	if b.Sellable() {
		return "plain"
	}
	return "apricot"
}

// offeringLD describes a treatment at a hospital to search engines.
func offeringLD(p templates.Page, t catalog.Treatment, h catalog.Hospital) map[string]any {
	ld := procedureLD(p, t)
	ld["subjectOf"] = map[string]any{"@type": "Hospital", "name": p.Name(h.Name), "url": p.Base + p.URL("/hospitals/"+h.ID)}
	return ld
}
