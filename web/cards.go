package web

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	// cardSummary is how much of a summary a card shows, in characters.
	cardSummary = 170
	// cardFacts is how many claims a card shows.
	cardFacts = 2
	// cardStarts is how many departures a card names.
	cardStarts = 3
)

// offeringCard loads what belongs to an offering and makes its card.
func (s *Server) offeringCard(ctx context.Context, p templates.Page, o catalog.Offering) (templates.Card, error) {
	t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
	if err != nil {
		return templates.Card{}, err
	}
	h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
	if err != nil {
		return templates.Card{}, err
	}
	packages, err := s.Catalog.PackagesOfOffering(ctx, o.ID)
	if err != nil {
		return templates.Card{}, err
	}
	return offeringCard(p, s.Now(), o, t, h, packages), nil
}

func offeringCard(p templates.Page, now time.Time, o catalog.Offering, t catalog.Treatment, h catalog.Hospital, packages []catalog.Package) templates.Card {
	c := templates.Card{
		Kind: catalog.KindOffering, Path: "/offerings/" + o.ID, Art: t.Specialty, Title: offeringName(o, t),
		Sub:     hospitalLine(p, h),
		Summary: clipSaid(p.Say(first(o.Summary, t.Summary)), cardSummary),
		Facts:   solid(o.Claims, now, cardFacts),
		Points:  stayPoints(p, timelineOf(o, t)),
		Pills:   append(hospitalPills(p, h, now), bookingPill(p, t.BookingClass)...),
	}
	c.PriceLabel, c.Price, c.PriceOriginal = offeringPrice(p, o, t)
	if t.BookingClass.Sellable() {
		c.Action = packagesAction(p, o, packages)
	}
	return c
}

func offeringName(o catalog.Offering, t catalog.Treatment) catalog.Text { return first(o.Name, t.Name) }

func timelineOf(o catalog.Offering, t catalog.Treatment) catalog.Timeline {
	if o.Timeline != nil {
		return *o.Timeline
	}
	return t.Timeline
}

func first(texts ...catalog.Text) catalog.Text {
	for _, t := range texts {
		if len(t) > 0 {
			return t
		}
	}
	return nil
}

func hospitalLine(p templates.Page, h catalog.Hospital) []string {
	line := []string{p.Name(h.Name)}
	if h.District != "" {
		line = append(line, districtName(p, h.District))
	}
	return line
}

func districtName(p templates.Page, district string) string {
	return p.Or("district."+district, district)
}

// offeringPrice returns the hospital's own price; what others report of prices
// stands in the guide and never on a card.
func offeringPrice(p templates.Page, o catalog.Offering, t catalog.Treatment) (label, price, original string) {
	switch {
	case !t.BookingClass.Sellable():
		return p.T("card.price_label"), p.T("card.enquiry"), ""
	case o.Price.Lowest() == nil:
		return p.T("card.price_label"), p.T("card.on_request"), ""
	}
	price, original = templates.Approximate(p, *o.Price.Lowest())
	switch o.Price.Model {
	case catalog.PriceFrom, catalog.PriceByTier:
		price = p.T("card.from", "price", price)
	case catalog.PriceRange:
		upper, upperOriginal := templates.Approximate(p, *o.Price.Max)
		price += " – " + upper
		if original != "" {
			original += " – " + upperOriginal
		}
	}
	return p.T("card.price_label"), price, original
}

// packagesAction leads to the packages around an offering.
func packagesAction(p templates.Page, o catalog.Offering, packages []catalog.Package) *templates.Link {
	if len(packages) == 0 {
		return nil
	}
	low, ok := lowest(p, packages)
	label := p.N("card.packages", len(packages))
	if ok {
		label = p.N("card.packages_from", len(packages), "price", low)
	}
	if len(packages) == 1 {
		return &templates.Link{Label: label, Path: "/packages/" + packages[0].ID}
	}
	return &templates.Link{Label: label, Path: "/offerings/" + o.ID + "#packages"}
}

// lowest returns the lowest price among packages in the reader's currency. It
// reports false where one cannot be converted.
func lowest(p templates.Page, packages []catalog.Package) (string, bool) {
	var low catalog.Money
	for i, pkg := range packages {
		m, ok := p.Convert(pkg.From(), p.Currency)
		if !ok {
			return "", false
		}
		if i == 0 || m.Amount < low.Amount {
			low = m
		}
	}
	return p.Money(templates.WholeUnits(low)), true
}

// stayPoints says how many nights on the ward and days in the city.
func stayPoints(p templates.Page, line catalog.Timeline) []templates.Point {
	if len(line.Phases) == 0 {
		return nil
	}
	var out []templates.Point
	if n := line.Nights(); n.Max > 0 {
		out = append(out, templates.Point{Icon: "bed", Text: p.SpanText("stay.nights", n)})
	} else {
		out = append(out, templates.Point{Icon: "bed", Text: p.T("stay.no_night")})
	}
	return append(out, templates.Point{Icon: "calendar", Text: p.SpanText("stay.days", line.StayDays())})
}

func bookingPill(p templates.Page, b catalog.BookingClass) []templates.Pill {
	if b.Sellable() {
		return nil
	}
	return []templates.Pill{{Text: p.T("booking_class." + string(b)), Tone: "apricot"}}
}

// hospitalPills are that a hospital does not exist, designation, direct billing and languages, each only where
// a current source says so.
func hospitalPills(p templates.Page, h catalog.Hospital, now time.Time) []templates.Pill {
	var out []templates.Pill
	if h.Demo {
		out = append(out, templates.Pill{Text: p.T("hospital.demo"), Tone: "gold"})
	}
	if h.PilotUnit != nil && *h.PilotUnit {
		out = append(out, templates.Pill{Text: p.Or("pilot."+h.PilotScheme, p.T("pilot.yes")), Tone: "gold"})
	}
	if billsDirectly(h, now) {
		out = append(out, templates.Pill{Text: p.T("service.direct-billing")})
	}
	if langs := spokenLanguages(p, h, now); len(langs) > 0 {
		out = append(out, templates.Pill{Text: strings.Join(langs, " · "), Tone: "plain"})
	}
	return out
}

const directBilling = "direct-billing"

// billsDirectly reports whether a solid, dated claim says that the hospital
// bills insurers itself.
func billsDirectly(h catalog.Hospital, now time.Time) bool {
	return slices.ContainsFunc(h.Claims, func(c catalog.Claim) bool {
		return c.Solid(now) && !c.Undated && (c.Kind == catalog.ClaimService && c.Key == directBilling ||
			c.Kind == catalog.ClaimInsurer && c.Scope == directBilling)
	})
}

func spokenLanguages(p templates.Page, h catalog.Hospital, now time.Time) []string {
	var out []string
	for _, c := range h.ClaimsOf(catalog.ClaimLanguage) {
		if c.Key == "" || !c.Shown(now) || c.Historical {
			continue
		}
		if name := p.LanguageName(c.Key); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// solid returns the first claims that may stand on a card.
func solid(claims []catalog.Claim, now time.Time, limit int) []catalog.Claim {
	var out []catalog.Claim
	for _, c := range claims {
		said := slices.ContainsFunc(out, func(o catalog.Claim) bool { return o.Text["en"] == c.Text["en"] })
		if c.Solid(now) && !said && len(out) < limit {
			out = append(out, c)
		}
	}
	return out
}

// hospitalCard loads what belongs to a hospital and makes its card.
func (s *Server) hospitalCard(ctx context.Context, p templates.Page, h catalog.Hospital) (templates.Card, error) {
	offerings, err := s.Catalog.OfferingsOfHospital(ctx, h.ID)
	if err != nil {
		return templates.Card{}, err
	}
	var treatments []catalog.Treatment
	for _, o := range offerings {
		t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
		if err != nil {
			return templates.Card{}, err
		}
		treatments = append(treatments, t)
	}
	return hospitalCard(p, s.Now(), h, treatments), nil
}

func hospitalCard(p templates.Page, now time.Time, h catalog.Hospital, treatments []catalog.Treatment) templates.Card {
	c := templates.Card{
		Kind: catalog.KindHospital, Path: "/hospitals/" + h.ID, Art: mainSpecialty(treatments), Title: h.Name,
		Summary: clipSaid(p.Say(h.Summary), cardSummary),
		Pills:   hospitalPills(p, h, now),
	}
	if zh := h.Name["zh-Hans"]; zh != "" && p.Tag != "zh-Hans" {
		c.Sub = append(c.Sub, zh)
	}
	if h.District != "" {
		c.Sub = append(c.Sub, districtName(p, h.District))
	}
	c.Sub = append(c.Sub, p.T("ownership."+string(h.Ownership)))
	if c.Summary.Text == "" {
		c.Facts = solid(h.ClaimsOf(catalog.ClaimSpecialty), now, cardFacts)
	}
	if names := treatmentNames(p, treatments, 3); names != "" {
		c.Points = append(c.Points, templates.Point{Icon: "case", Text: names})
	}
	if len(treatments) > 0 {
		c.Action = &templates.Link{Label: p.N("card.offerings", len(treatments)), Path: c.Path + "#offerings"}
	}
	return c
}

// treatmentNames lists some names, and how many more there are.
func treatmentNames(p templates.Page, treatments []catalog.Treatment, limit int) string {
	var names []string
	for _, t := range treatments[:min(limit, len(treatments))] {
		names = append(names, p.Name(t.Name))
	}
	out := strings.Join(names, " · ")
	if more := len(treatments) - limit; more > 0 {
		out += " · " + p.N("card.more", more)
	}
	return out
}

// mainSpecialty is the specialty with most treatments, the first of equals.
func mainSpecialty(treatments []catalog.Treatment) string {
	counts, best := map[string]int{}, ""
	for _, t := range treatments {
		counts[t.Specialty]++
	}
	for _, t := range treatments {
		if best == "" || counts[t.Specialty] > counts[best] {
			best = t.Specialty
		}
	}
	return best
}

// treatmentCard loads what belongs to a treatment and makes its card.
func (s *Server) treatmentCard(ctx context.Context, p templates.Page, t catalog.Treatment) (templates.Card, error) {
	offerings, err := s.Catalog.OfferingsOfTreatment(ctx, t.ID)
	if err != nil {
		return templates.Card{}, err
	}
	return treatmentCard(p, t, len(offerings)), nil
}

func treatmentCard(p templates.Page, t catalog.Treatment, hospitals int) templates.Card {
	c := templates.Card{
		Kind: catalog.KindTreatment, Path: "/treatments/" + t.ID, Art: t.Specialty, Title: t.Name,
		Sub:     []string{specialtyName(p, t.Specialty)},
		Summary: clipSaid(p.Say(t.Summary), cardSummary),
		Points:  stayPoints(p, t.Timeline),
		Pills:   bookingPill(p, t.BookingClass),
	}
	if hospitals > 0 {
		c.Action = &templates.Link{Label: p.N("card.hospitals", hospitals), Path: c.Path + "#hospitals"}
	} else {
		c.Pills = append(c.Pills, templates.Pill{Text: p.T("card.no_hospital"), Tone: "plain"})
	}
	return c
}

func specialtyName(p templates.Page, id string) string {
	return p.Or("specialty."+id, strings.ReplaceAll(id, "-", " "))
}

// packageCard loads what belongs to a package and makes its card.
func (s *Server) packageCard(ctx context.Context, p templates.Page, pkg catalog.Package) (templates.Card, error) {
	agency, err := s.Catalog.Organisations.Get(ctx, pkg.AgencyID)
	if err != nil {
		return templates.Card{}, err
	}
	o, err := s.Catalog.Offerings.Get(ctx, pkg.OfferingIDs[0])
	if err != nil {
		return templates.Card{}, err
	}
	t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
	if err != nil {
		return templates.Card{}, err
	}
	h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
	if err != nil {
		return templates.Card{}, err
	}
	departures, err := s.Catalog.DeparturesOfPackage(ctx, pkg.ID)
	if err != nil {
		return templates.Card{}, err
	}
	return packageCard(p, pkg, agency, t, h, nextStarts(departures, s.Now(), cardStarts)), nil
}

func packageCard(p templates.Page, pkg catalog.Package, agency catalog.Organisation, t catalog.Treatment, h catalog.Hospital, starts []time.Time) templates.Card {
	c := templates.Card{
		Kind: catalog.KindPackage, Path: "/packages/" + pkg.ID, Art: t.Specialty, Title: pkg.Name,
		Sub:        []string{p.T("card.by_agency", "agency", p.Name(agency.Name)), p.Name(h.Name)},
		Summary:    clipSaid(p.Say(pkg.Summary), cardSummary),
		Points:     []templates.Point{{Icon: "calendar", Text: p.N("count.days", pkg.Itinerary.Length())}},
		Pills:      []templates.Pill{{Text: p.T("card.recovery_checked"), Tone: ""}},
		PriceLabel: p.T("card.package_price"),
	}
	price, original := templates.Approximate(p, pkg.From())
	c.Price, c.PriceOriginal = p.T("card.from", "price", price), original
	if len(starts) > 0 {
		c.Points = append(c.Points, templates.Point{Icon: "plane", Text: p.T("card.starts", "dates", dates(p, starts))})
	}
	if len(pkg.Options.Interpreters) > 0 {
		var names []string
		for _, l := range pkg.Options.Interpreters {
			names = append(names, p.LanguageName(l))
		}
		c.Points = append(c.Points, templates.Point{Icon: "speech", Text: p.T("card.interpreters", "languages", strings.Join(names, ", "))})
	}
	if pkg.Demo || agency.Demo {
		c.Pills = append(c.Pills, templates.Pill{Text: p.T("card.demo"), Tone: "gold"})
	}
	return c
}

func dates(p templates.Page, starts []time.Time) string {
	out := make([]string, len(starts))
	for i, d := range starts {
		out[i] = p.Date(d)
	}
	return strings.Join(out, " · ")
}

// nextStarts returns the soonest dates on which a package starts.
func nextStarts(departures []catalog.Departure, now time.Time, limit int) []time.Time {
	var out []time.Time
	for _, d := range departures {
		for _, start := range d.Starts(now) {
			if !slices.ContainsFunc(out, start.Date.Equal) {
				out = append(out, start.Date)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out[:min(limit, len(out))]
}

// cardOf makes the card of any entry that can be searched. An entry that was
// withdrawn since it was indexed has none.
func (s *Server) cardOf(ctx context.Context, p templates.Page, kind catalog.Kind, id string) (templates.Card, bool, error) {
	card, err := templates.Card{}, error(nil)
	switch kind {
	case catalog.KindOffering:
		card, err = getCard(ctx, p, s.Catalog.Offerings, id, s.offeringCard)
	case catalog.KindHospital:
		card, err = getCard(ctx, p, s.Catalog.Hospitals, id, s.hospitalCard)
	case catalog.KindTreatment:
		card, err = getCard(ctx, p, s.Catalog.Treatments, id, s.treatmentCard)
	case catalog.KindPackage:
		card, err = getCard(ctx, p, s.Catalog.Packages, id, s.packageCard)
	}
	if fault.Is(err, fault.NotFound) {
		return card, false, nil
	}
	return card, err == nil, err
}

func getCard[T catalog.Entity](ctx context.Context, p templates.Page, repo *catalog.Repo[T], id string,
	card func(context.Context, templates.Page, T) (templates.Card, error)) (templates.Card, error) {
	v, err := repo.Get(ctx, id)
	if err != nil {
		return templates.Card{}, err
	}
	return card(ctx, p, v)
}

func clipSaid(s templates.Said, limit int) templates.Said {
	s.Text = clipText(s.Text, limit)
	return s
}

// Marks that end a sentence without a blank, and marks between its parts, in
// the scripts of our languages.
const (
	fullStops = "\u3002\uff01\uff1f"
	pauses    = ",;:\u2014\u060c\u061b\u3001\uff0c\uff1b\uff1a"
)

// clipText shortens a text to whole sentences, or to a part of a sentence or
// whole words where the first sentence is too long already.
func clipText(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	r := []rune(s)
	for i := limit - 1; i > 0; i-- {
		if strings.ContainsRune(fullStops, r[i]) || strings.ContainsRune(".!?؟", r[i]) && i+1 < len(r) && r[i+1] == ' ' {
			return string(r[:i+1])
		}
	}
	for _, stops := range []string{pauses, " "} {
		for i := limit - 1; i > limit/2; i-- {
			if strings.ContainsRune(stops, r[i]) {
				return string(r[:i]) + "…"
			}
		}
	}
	return string(r[:limit-1]) + "…"
}
