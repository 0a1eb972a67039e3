package web

import (
	"context"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

func (s *Server) hospitalRoutes(e *echo.Echo) {
	e.GET("/hospitals", s.hospitals)
	e.GET("/hospitals/:id", s.hospital)
}

// ownershipOrder is the order of the groups in the list of hospitals.
var ownershipOrder = []catalog.Ownership{catalog.Public, catalog.Private, catalog.JointVenture}

func (s *Server) hospitals(c echo.Context) error {
	ctx := c.Request().Context()
	p := s.page(c)
	p.Title, p.Description, p.Section = p.T("hospitals.title"), p.T("hospitals.lead"), "hospitals"
	groups := make([]templates.HospitalGroup, len(ownershipOrder))
	for i, o := range ownershipOrder {
		groups[i] = templates.HospitalGroup{ID: string(o), Label: p.T("hospitals." + string(o))}
	}
	list, err := published(ctx, s, s.Catalog.Hospitals)
	if err != nil {
		return err
	}
	for _, h := range list {
		card, err := s.hospitalCard(ctx, p, h)
		if err != nil {
			return err
		}
		i := slices.Index(ownershipOrder, h.Ownership)
		groups[i].Entries = append(groups[i].Entries, card)
	}
	for _, g := range groups {
		slices.SortFunc(g.Entries, func(a, b templates.Card) int { return strings.Compare(p.Name(a.Title), p.Name(b.Title)) })
	}
	groups = slices.DeleteFunc(groups, func(g templates.HospitalGroup) bool { return len(g.Entries) == 0 })
	return s.ok(c, templates.Hospitals(p, templates.HospitalsView{Groups: groups}))
}

func (s *Server) hospital(c echo.Context) error {
	h, err := s.Catalog.Hospitals.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return s.hospitalPage(c, s.page(c), h, nil)
}

// hospitalPage shows a hospital to patients, or a preview of it to those whose
// it is.
func (s *Server) hospitalPage(c echo.Context, p templates.Page, h catalog.Hospital, preview *templates.Preview) error {
	ctx := c.Request().Context()
	v := hospitalView(p, h, s.Now())
	v.Preview = preview
	err := s.aroundHospital(ctx, p, &v)
	if err != nil {
		return err
	}
	if v.Insurers, err = s.insurers(ctx, p, h); err != nil {
		return err
	}
	p.Title, p.Section = p.Name(h.Name), "hospitals"
	p.Description = p.T("hospital.description", "name", p.Title, "n", p.Int(len(v.Offerings)))
	p.JSONLD = []any{hospitalLD(p, h, v), breadcrumbLD(p, v.Crumbs)}
	if h.Demo || preview != nil {
		p.NoIndex, p.JSONLD = true, nil
	}
	return s.ok(c, templates.Hospital(p, v))
}

// aroundHospital adds the cards of what is done at a hospital, and of the
// packages around it.
func (s *Server) aroundHospital(ctx context.Context, p templates.Page, v *templates.HospitalView) error {
	offerings, err := s.Catalog.OfferingsOfHospital(ctx, v.Hospital.ID)
	if err != nil {
		return err
	}
	var treatments []catalog.Treatment
	for _, o := range offerings {
		t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
		if err != nil {
			return err
		}
		card, err := s.offeringCard(ctx, p, o)
		if err != nil {
			return err
		}
		card.Sub, card.Pills = []string{specialtyName(p, t.Specialty)}, bookingPill(p, t.BookingClass)
		packages, err := s.packageCards(ctx, p, o.ID)
		if err != nil {
			return err
		}
		treatments = append(treatments, t)
		v.Offerings, v.Packages = append(v.Offerings, card), append(v.Packages, packages...)
	}
	v.Art = mainSpecialty(treatments)
	return nil
}

// insurers names the insurers that sources connect with a hospital.
func (s *Server) insurers(ctx context.Context, p templates.Page, h catalog.Hospital) ([]templates.InsurerRow, error) {
	var out []templates.InsurerRow
	for _, c := range catalog.ShownClaims(h.ClaimsOf(catalog.ClaimInsurer), s.Now()) {
		row := templates.InsurerRow{Claim: c, Relation: p.T("relation.none")}
		if c.Scope != "" {
			row.Relation = p.Or("relation."+c.Scope, c.Scope)
		}
		if c.Key != "" {
			insurer, err := s.Catalog.Insurers.Get(ctx, c.Key)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return nil, err
			}
			row.Name = insurer.Name
		}
		out = append(out, row)
	}
	return out, nil
}

// scopePilots marks what is said of all pilots together and was not checked
// for each.
const scopePilots = "all-public-pilots"

func hospitalView(p templates.Page, h catalog.Hospital, now time.Time) templates.HospitalView {
	v := templates.HospitalView{
		Hospital: h, Pills: hospitalPills(p, h, now), Languages: spokenLanguages(p, h, now), Map: mapOf(h),
		Crumbs: []templates.Crumb{{Label: p.T("nav.home"), Path: "/"}, {Label: p.T("nav.hospitals"), Path: "/hospitals"}, {Label: p.Name(h.Name)}},
	}
	for _, c := range catalog.ShownClaims(h.Claims, now) {
		if c.Outcome {
			v.Outcomes = append(v.Outcomes, c)
			continue
		}
		switch c.Kind {
		case catalog.ClaimDesignation:
			v.Designations = append(v.Designations, c)
		case catalog.ClaimSpecialty:
			v.Specialties = append(v.Specialties, c)
		case catalog.ClaimService:
			if c.Scope == scopePilots {
				v.PilotServices = append(v.PilotServices, c)
			} else {
				v.Services = append(v.Services, c)
			}
		case catalog.ClaimLanguage:
			v.LanguageClaims = append(v.LanguageClaims, c)
		case catalog.ClaimAccreditation:
			v.Accreditations = append(v.Accreditations, c)
		case catalog.ClaimPerson:
			v.People = append(v.People, c)
		case catalog.ClaimAddress:
			v.Address = p.Name(c.Text)
		case catalog.ClaimWebsite:
			v.Website = website(c)
		case catalog.ClaimInsurer:
			// They stand in a table of their own.
		default:
			v.Facts = append(v.Facts, c)
		}
	}
	return v
}

// website returns the address in a claim, if it is one that may be linked.
func website(c catalog.Claim) string {
	u, err := url.Parse(c.Text["en"])
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || c.Source.DoNotLink {
		return ""
	}
	return u.String()
}

// mapOf places a hospital on the sketch; nil where its position is unknown or
// outside.
func mapOf(h catalog.Hospital) *templates.MapView {
	if h.Position == nil {
		return nil
	}
	x, y := templates.MapPoint(*h.Position)
	if !templates.OnMap(x, y) {
		return nil
	}
	km := func(to catalog.Position) int { return int(math.Round(catalog.DistanceKm(*h.Position, to))) }
	return &templates.MapView{X: x, Y: y, KmToCentre: km(templates.PeoplesSquare), KmToAirport: km(templates.PudongAirport), Approximate: h.Position.Approximate}
}

// hospitalLD describes a hospital to search engines. A website or an address
// stands in it only where a source gives it.
func hospitalLD(p templates.Page, h catalog.Hospital, v templates.HospitalView) map[string]any {
	ld := map[string]any{
		"@context": "https://schema.org", "@type": "Hospital", "name": p.Name(h.Name), "url": p.Canonical(p.Tag),
		"address": map[string]any{"@type": "PostalAddress", "addressLocality": "Shanghai", "addressCountry": "CN"},
	}
	if zh := h.Name["zh-Hans"]; zh != "" {
		ld["alternateName"] = append([]string{zh}, h.Aliases...)
	}
	if v.Address != "" {
		ld["address"].(map[string]any)["streetAddress"] = v.Address
	}
	if v.Website != "" {
		ld["sameAs"] = v.Website
	}
	var services []any
	for _, o := range v.Offerings {
		services = append(services, map[string]any{"@type": "MedicalProcedure", "name": p.Name(o.Title), "url": p.Base + p.URL(o.Path)})
	}
	if len(services) > 0 {
		ld["availableService"] = services
	}
	return ld
}
