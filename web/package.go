package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// examples is how many refused outings a package page shows.
const examples = 3

func (s *Server) packageRoutes(e *echo.Echo) {
	e.GET("/packages", func(c echo.Context) error { return s.redirect(c, "/search?kind=package") })
	e.GET("/packages/:id", s.showPackage)
}

// showPackage shows a package with the price of the choice in the address.
func (s *Server) showPackage(c echo.Context) error {
	return s.packagePage(c, http.StatusOK, c.Param("id"), choiceFormOf(c.QueryParam), "")
}

// packagePage shows a package with a choice, and with what stopped the last
// step.
func (s *Server) packagePage(c echo.Context, status int, id string, form templates.ChoiceForm, notice string) error {
	ctx := c.Request().Context()
	facts, err := s.packageFacts(ctx, id)
	if err != nil {
		return err
	}
	p := s.page(c)
	choice, fields := choiceOf(form, facts, p.Currency, p.Tag, s.Rates)
	v := packageView(facts, form, choice, s.Rates, s.Now())
	v.Notice = notice
	if v.Class.Sellable() && len(v.Starts) > 0 {
		quote, err := s.Checkout.Price(ctx, choice)
		var f *fault.Error
		switch {
		case fault.Is(err, fault.Invalid) && errors.As(err, &f):
			fields = append(fields, f.Fields...)
		case err != nil:
			return err
		default:
			v.Quote = &quote
		}
	}
	if len(fields) > 0 {
		v.Quote, v.Errors = nil, templates.FieldErrors(p, fields, "max", p.Int(facts.pkg.Options.MaxCompanions))
		if status == http.StatusOK {
			status = http.StatusUnprocessableEntity
		}
	}
	p.Path, p.Query = "/packages/"+id, choiceQuery(form).Encode()
	p.Title, p.Description, p.Section = p.Name(facts.pkg.Name), p.Name(facts.pkg.Summary), "packages"
	p.JSONLD = packageJSONLD(p, v)
	return s.render(c, status, templates.Package(p, v))
}

// packageFacts is everything of the catalogue and the places that the page of
// a package shows.
type packageFacts struct {
	pkg        catalog.Package
	agency     catalog.Organisation
	offerings  []catalog.Offering
	treatments []catalog.Treatment
	hospitals  []catalog.Hospital
	hotel      catalog.Place
	stay       catalog.Stay
	starts     []checkout.StartLeft
	// places are all of the catalogue, for outings that are refused.
	places []catalog.Place
}

func (s *Server) packageFacts(ctx context.Context, id string) (f packageFacts, err error) {
	pkg, err := s.Catalog.Packages.Get(ctx, id)
	if err != nil {
		return f, err
	}
	if f, err = s.factsOf(ctx, pkg); err != nil {
		return f, err
	}
	f.starts, err = s.Checkout.Starts(ctx, id)
	return f, err
}

// factsOf gathers what the catalogue has to say of a package, published or not.
func (s *Server) factsOf(ctx context.Context, pkg catalog.Package) (f packageFacts, err error) {
	f.pkg = pkg
	if f.agency, err = s.Catalog.Organisations.Get(ctx, f.pkg.AgencyID); err != nil {
		return f, err
	}
	for _, id := range f.pkg.OfferingIDs {
		o, err := s.Catalog.Offerings.Get(ctx, id)
		if err != nil {
			return f, err
		}
		t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
		if err != nil {
			return f, err
		}
		h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
		if err != nil {
			return f, err
		}
		f.offerings, f.treatments, f.hospitals = append(f.offerings, o), append(f.treatments, t), append(f.hospitals, h)
	}
	if f.hotel, err = s.Catalog.Places.Get(ctx, f.pkg.HotelAreaID); err != nil {
		return f, err
	}
	if f.stay, err = s.Catalog.Stay(ctx, f.pkg); err != nil {
		return f, err
	}
	f.places, err = published(ctx, s, s.Catalog.Places)
	return f, err
}

// packageView lays out what a package page shows. It is pure.
func packageView(f packageFacts, form templates.ChoiceForm, choice checkout.Choice, rates catalog.Rates, now time.Time) templates.PackageView {
	v := templates.PackageView{
		Package: f.pkg, Agency: f.agency, Choice: choice, Typed: form, Starts: f.starts,
		Today: shanghaiDate(now), Currencies: payCurrencies(f.pkg, rates), Class: catalog.Instant,
	}
	names := map[string]catalog.Text{}
	for i, o := range f.offerings {
		names[o.ID] = offeringName(o, f.treatments[i])
		v.Offerings = append(v.Offerings, templates.OfferingRef{ID: o.ID, Name: names[o.ID], Hospital: f.hospitals[i].Name})
		if !slices.ContainsFunc(v.Hospitals, func(h catalog.Hospital) bool { return h.ID == f.hospitals[i].ID }) {
			v.Hospitals = append(v.Hospitals, f.hospitals[i])
		}
		if class := f.treatments[i].BookingClass; v.Class.Sellable() && class != catalog.Instant {
			v.Class = class
		}
	}
	v.Specialty = f.treatments[0].Specialty
	var start time.Time
	for _, st := range f.starts {
		if st.Key == choice.StartKey {
			start, v.Full = st.Date, st.Left == 0
		}
	}
	v.Days, v.Strip, v.FitToFly = templates.Days(f.stay, names, start), templates.Strip(f.stay.LayOut()), f.stay.FitToFly()
	v.Refusals = templates.Refusals(f.stay, names, f.places, examples)
	v.Sketch = templates.NewSketch(f.hotel, v.Hospitals, visited(f.stay))
	return v
}

// visited lists the places of an itinerary once each, in its order.
func visited(stay catalog.Stay) []catalog.Place {
	var out []catalog.Place
	seen := map[string]bool{}
	for _, d := range stay.Itinerary.Days {
		for _, it := range d.Items {
			if pl, ok := stay.Places[it.PlaceID]; ok && !seen[it.PlaceID] {
				seen[it.PlaceID] = true
				out = append(out, pl)
			}
		}
	}
	return out
}

// payCurrencies are those in which a package can be paid, its own first.
func payCurrencies(pkg catalog.Package, rates catalog.Rates) []string {
	out := []string{pkg.Currency}
	for _, code := range pkg.Presentment {
		if code != pkg.Currency && rates.Has(code) && rates.Has(pkg.Currency) {
			out = append(out, code)
		}
	}
	return out
}

// choiceFormOf reads a choice from an address or a form.
func choiceFormOf(value func(string) string) templates.ChoiceForm {
	return templates.ChoiceForm{Start: value("start"), Companions: value("companions"), Room: value("room"),
		Interpreter: value("interpreter"), Currency: value("currency")}
}

func choiceQuery(f templates.ChoiceForm) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"start": f.Start, "companions": f.Companions, "room": f.Room,
		"interpreter": f.Interpreter, "currency": f.Currency} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// choiceOf turns what was sent into a choice; what was left out gets a
// sensible default. What the package does not offer is kept, so that pricing
// refuses it. It is pure.
func choiceOf(f templates.ChoiceForm, facts packageFacts, currency, lang string, rates catalog.Rates) (checkout.Choice, []fault.Field) {
	pkg := facts.pkg
	c := checkout.Choice{PackageID: pkg.ID, StartKey: f.Start, RoomID: f.Room, Interpreter: f.Interpreter, Currency: f.Currency, Lang: lang}
	var fields fault.Fields
	if c.StartKey == "" {
		i := slices.IndexFunc(facts.starts, func(s checkout.StartLeft) bool { return s.Left > 0 })
		if i = max(i, 0); i < len(facts.starts) {
			c.StartKey = facts.starts[i].Key
		}
	}
	if f.Companions != "" {
		n, err := strconv.Atoi(f.Companions)
		if err != nil {
			fields.Add("companions", "range", "between 0 and %d", pkg.Options.MaxCompanions)
		} else {
			c.Companions = n
		}
	}
	if c.RoomID == "" && len(pkg.Options.Rooms) > 0 {
		c.RoomID = pkg.Options.Rooms[0].ID
	}
	if languages := pkg.Options.Interpreters; c.Interpreter == "" && len(languages) > 0 {
		c.Interpreter = languages[max(slices.Index(languages, lang), 0)]
	}
	if c.Currency == "" {
		c.Currency = pkg.Currency
		if slices.Contains(payCurrencies(pkg, rates), currency) {
			c.Currency = currency
		}
	}
	return c, fields
}

// packageJSONLD describes a package for machines. Made-up prices are not given
// to them.
func packageJSONLD(p templates.Page, v templates.PackageView) []any {
	product := map[string]any{
		"@context": "https://schema.org", "@type": "Product", "name": p.Name(v.Package.Name),
		"description": p.Name(v.Package.Summary), "url": p.Canonical(p.Tag),
		"brand": map[string]any{"@type": "Organization", "name": p.Name(v.Agency.Name)},
	}
	if v.Bookable() && !v.Quote.Demo {
		product["offers"] = map[string]any{
			"@type": "Offer", "price": v.Quote.Total.Decimal(), "priceCurrency": v.Quote.Total.Currency,
			"availability": "https://schema.org/LimitedAvailability", "url": p.Canonical(p.Tag),
		}
	}
	return []any{product}
}

// shanghaiDate is the date in Shanghai at midnight UTC.
func shanghaiDate(now time.Time) time.Time {
	y, m, d := now.In(catalog.Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
