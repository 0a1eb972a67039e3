package web

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/seed"
	"github.com/medtour/medtour/templates"
)

// maxOtherNames is how many other names a guide lists.
const maxOtherNames = 8

func (s *Server) treatmentRoutes(e *echo.Echo) {
	e.GET("/treatments", s.treatments)
	e.GET("/treatments/:id", s.treatment)
}

func (s *Server) treatments(c echo.Context) error {
	ctx := c.Request().Context()
	p := s.page(c)
	p.Title, p.Description, p.Section = p.T("treatments.title"), p.T("treatments.lead"), "treatments"
	list, err := published(ctx, s, s.Catalog.Treatments)
	if err != nil {
		return err
	}
	cards := make([]templates.Card, len(list))
	for i, t := range list {
		if cards[i], err = s.treatmentCard(ctx, p, t); err != nil {
			return err
		}
	}
	return s.ok(c, templates.Treatments(p, templates.TreatmentsView{Groups: bySpecialty(p, cards)}))
}

// bySpecialty groups the cards of treatments, in the order of the specialties'
// names.
func bySpecialty(p templates.Page, cards []templates.Card) []templates.TreatmentGroup {
	var groups []templates.TreatmentGroup
	for _, card := range cards {
		i := slices.IndexFunc(groups, func(g templates.TreatmentGroup) bool { return g.ID == card.Art })
		if i < 0 {
			i = len(groups)
			groups = append(groups, templates.TreatmentGroup{ID: card.Art, Label: specialtyName(p, card.Art)})
		}
		groups[i].Entries = append(groups[i].Entries, card)
	}
	slices.SortStableFunc(groups, func(a, b templates.TreatmentGroup) int { return strings.Compare(a.Label, b.Label) })
	return groups
}

func (s *Server) treatment(c echo.Context) error {
	ctx := c.Request().Context()
	t, err := s.Catalog.Treatments.Get(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	p := s.page(c)
	p.Title, p.Description, p.Section = p.Name(t.Name), clipText(p.Name(t.Summary), metaLength), "treatments"
	v := treatmentView(p, t, s.Now())
	if v.Offerings, v.Packages, err = s.aroundTreatment(ctx, p, t); err != nil {
		return err
	}
	p.JSONLD = []any{procedureLD(p, t), breadcrumbLD(p, v.Crumbs)}
	return s.ok(c, templates.Treatment(p, v))
}

// metaLength is how much of a description search engines show.
const metaLength = 160

// aroundTreatment makes the cards of the hospitals that do a treatment, and of
// the packages around it.
func (s *Server) aroundTreatment(ctx context.Context, p templates.Page, t catalog.Treatment) (offerings, packages []templates.Card, err error) {
	found, err := s.Catalog.OfferingsOfTreatment(ctx, t.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range found {
		card, err := s.offeringCard(ctx, p, o)
		if err != nil {
			return nil, nil, err
		}
		// The page says already what it is; the card says where.
		h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
		if err != nil {
			return nil, nil, err
		}
		card.Title, card.Sub, card.Summary = h.Name, card.Sub[1:], p.Say(o.Summary)
		offerings = append(offerings, card)
		cards, err := s.packageCards(ctx, p, o.ID)
		if err != nil {
			return nil, nil, err
		}
		packages = append(packages, cards...)
	}
	return offerings, packages, nil
}

// packageCards makes the cards of the packages around an offering.
func (s *Server) packageCards(ctx context.Context, p templates.Page, offeringID string) ([]templates.Card, error) {
	packages, err := s.Catalog.PackagesOfOffering(ctx, offeringID)
	if err != nil {
		return nil, err
	}
	var out []templates.Card
	for _, pkg := range packages {
		card, err := s.packageCard(ctx, p, pkg)
		if err != nil {
			return nil, err
		}
		out = append(out, card)
	}
	return out, nil
}

func treatmentView(p templates.Page, t catalog.Treatment, now time.Time) templates.TreatmentView {
	v := templates.TreatmentView{
		Treatment: t, Documents: documentNames(t.Documents), OtherNames: otherNames(t, p.Tag),
		Crumbs: []templates.Crumb{{Label: p.T("nav.home"), Path: "/"}, {Label: p.T("nav.treatments"), Path: "/treatments"},
			{Label: specialtyName(p, t.Specialty), Path: "/treatments#" + t.Specialty}, {Label: p.Name(t.Name)}},
		SearchPath: "/search?" + url.Values{"treatment": {t.ID}}.Encode(),
	}
	v.Treatment.Timeline.Basis = catalog.ShownClaims(t.Timeline.Basis, now)
	for _, c := range catalog.ShownClaims(t.Claims, now) {
		switch {
		case c.Outcome:
			v.Outcomes = append(v.Outcomes, c)
		case c.Kind == catalog.ClaimCaution:
			v.Cautions = append(v.Cautions, c)
		case c.Kind == catalog.ClaimPrice:
			v.Prices = append(v.Prices, c)
		case c.Kind == catalog.ClaimProduct:
			v.Products = append(v.Products, c)
		default:
			v.Facts = append(v.Facts, c)
		}
	}
	return v
}

// otherNames are what else a treatment is called in a language.
func otherNames(t catalog.Treatment, lang string) []string {
	out := slices.Clone(t.Abbreviations)
	for _, term := range t.LayTerms {
		if term.Lang == lang && !term.Ambiguous && !slices.Contains(out, term.Text) {
			out = append(out, term.Text)
		}
	}
	return out[:min(len(out), maxOtherNames)]
}

func documentNames(ids []string) []catalog.Text {
	var out []catalog.Text
	for _, d := range seed.Documents() {
		if slices.Contains(ids, d.ID) {
			out = append(out, d.Name)
		}
	}
	return out
}

// procedureLD describes a treatment to search engines.
func procedureLD(p templates.Page, t catalog.Treatment) map[string]any {
	ld := map[string]any{
		"@context": "https://schema.org", "@type": "MedicalProcedure", "name": p.Name(t.Name), "url": p.Canonical(p.Tag), "inLanguage": p.Tag,
	}
	if s := p.Name(t.Summary); s != "" {
		ld["description"] = s
	}
	if names := otherNames(t, p.Tag); len(names) > 0 {
		ld["alternateName"] = names
	}
	var conditions []any
	for _, ind := range t.Indications {
		condition := map[string]any{"@type": "MedicalCondition", "name": p.Name(ind.Name)}
		if ind.ICD10 != "" {
			condition["code"] = map[string]any{"@type": "MedicalCode", "codeValue": ind.ICD10, "codingSystem": "ICD-10"}
		}
		conditions = append(conditions, condition)
	}
	if len(conditions) > 0 {
		ld["indication"] = conditions
	}
	return ld
}
