package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// Codes of checkout's errors that pages answer with more than a message.
const (
	codeFull    = "full"
	codeNoRoom  = "room_full"
	codeClosed  = "departure_closed"
	codePaid    = "paid"
	codePending = "pending"
)

func (s *Server) quoteRoutes(e *echo.Echo) {
	e.POST("/quotes", s.createQuote)
	e.GET("/quotes/:id", s.showQuote)
	e.POST("/quotes/:id/price", s.repriceQuote)
	e.GET("/quotes/:id/price", func(c echo.Context) error { return s.redirect(c, "/quotes/"+c.Param("id")) })
	e.POST("/quotes/:id/book", s.bookQuote)
	e.GET("/how-deposits-work", s.showDeposits)
}

func (s *Server) showDeposits(c echo.Context) error {
	p := s.page(c)
	p.Title, p.Description, p.Section = p.T("deposits.title"), p.T("deposits.lead"), "deposits"
	return s.ok(c, templates.Deposits(p))
}

// createQuote stores the price of a choice and shows it.
func (s *Server) createQuote(c echo.Context) error {
	ctx, p := c.Request().Context(), s.page(c)
	form := choiceFormOf(c.FormValue)
	facts, err := s.packageFacts(ctx, c.FormValue("package"))
	if err != nil {
		return err
	}
	choice, fields := choiceOf(form, facts, p.Currency, p.Tag, s.Rates)
	i := slices.IndexFunc(facts.starts, func(st checkout.StartLeft) bool { return st.Key == choice.StartKey })
	if i >= 0 && facts.starts[i].Left == 0 {
		return s.packagePage(c, http.StatusConflict, facts.pkg.ID, form, p.T("pkg.filled_up"))
	}
	if i >= 0 && facts.starts[i].LeftWith(choice.RoomID) == 0 {
		return s.packagePage(c, http.StatusConflict, facts.pkg.ID, form, p.T(codeNoRoom))
	}
	if len(fields) > 0 {
		return s.packagePage(c, http.StatusUnprocessableEntity, facts.pkg.ID, form, "")
	}
	q, err := s.Checkout.Quote(ctx, choice)
	if fault.Is(err, fault.Invalid) {
		return s.packagePage(c, http.StatusUnprocessableEntity, facts.pkg.ID, form, "")
	}
	if err != nil {
		return err
	}
	return s.redirect(c, "/quotes/"+q.ID)
}

func (s *Server) showQuote(c echo.Context) error {
	q, err := s.Checkout.GetQuote(c.Request().Context(), c.Param("id"))
	if fault.Is(err, fault.Gone) {
		return s.quoteExpired(c, q)
	}
	if err != nil {
		return err
	}
	return s.quotePage(c, http.StatusOK, q, templates.PatientForm{}, nil, "")
}

// repriceQuote prices other choices. What was typed about the patient is kept,
// which is why the new quote is shown at once and not after a redirect.
func (s *Server) repriceQuote(c echo.Context) error {
	ctx, p := c.Request().Context(), s.page(c)
	q, err := s.Checkout.GetQuote(ctx, c.Param("id"))
	if err != nil && !fault.Is(err, fault.Gone) {
		return err
	}
	expired := err != nil
	facts, err := s.packageFacts(ctx, q.PackageID)
	if err != nil {
		return err
	}
	form := choiceFormOf(c.FormValue)
	choice, fields := choiceOf(form, facts, p.Currency, p.Tag, s.Rates)
	typed, _, _ := patientOf(c, facts.pkg.Options.MaxCompanions)
	priced, err := s.Checkout.Quote(ctx, choice)
	var f *fault.Error
	switch {
	case len(fields) == 0 && err == nil:
		return s.quotePage(c, http.StatusOK, priced, typed, nil, "")
	case err != nil && (!fault.Is(err, fault.Invalid) || !errors.As(err, &f)):
		return err
	case expired:
		return s.quoteExpired(c, q)
	case f != nil:
		fields = append(fields, f.Fields...)
	}
	return s.quotePage(c, http.StatusUnprocessableEntity, q, typed, fields, "")
}

// quotePage shows a quote with what was typed and what is wrong with it. A
// notice says why the date cannot be had.
func (s *Server) quotePage(c echo.Context, status int, q checkout.Quote, form templates.PatientForm, fields []fault.Field, notice string) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	facts, err := s.packageFacts(ctx, q.PackageID)
	if err != nil {
		return err
	}
	p.Path, p.Query, p.Title = "/quotes/"+q.ID, "", p.T("quote.title")
	v := templates.QuoteView{Quote: q, Form: form, Notice: notice, Countries: countries(p), Today: shanghaiDate(s.Now()), Agency: facts.agency, Hospital: facts.hospitals[0]}
	v.Errors = templates.FieldErrors(p, fields, "max", p.Int(facts.pkg.Options.MaxCompanions))
	v.Options = templates.PackageView{Package: facts.pkg, Starts: facts.starts, Choice: q.Choice, Currencies: payCurrencies(facts.pkg, s.Rates)}
	for _, e := range v.Errors {
		if slices.Contains(choiceFields, e.Field) {
			v.Options.Errors = append(v.Options.Errors, e)
		}
	}
	if v.Room, err = s.roomOf(ctx, q); err != nil {
		return err
	}
	for _, st := range facts.starts {
		if st.Key == q.StartKey {
			v.Left = st.Left
		}
	}
	return s.render(c, status, templates.Quote(p, v))
}

// choiceFields are the fields in which checkout finds fault with a choice.
var choiceFields = []string{"start_key", "companions", "room_id", "interpreter", "currency"}

func (s *Server) quoteExpired(c echo.Context, q checkout.Quote) error {
	p := s.personalPage(c)
	p.Path, p.Query, p.Title = "/quotes/"+q.ID, "", p.T("quote.expired.title")
	return s.render(c, http.StatusGone, templates.QuoteExpired(p, q))
}

// bookQuote makes the booking of a quote and sends the patient to the payment
// page. A second click finds the same booking.
func (s *Server) bookQuote(c echo.Context) error {
	ctx := c.Request().Context()
	q, err := s.Checkout.GetQuote(ctx, c.Param("id"))
	expired := fault.Is(err, fault.Gone)
	if err != nil && !expired {
		return err
	}
	form, patient, fields := patientOf(c, q.Companions)
	if len(fields) > 0 && !expired {
		return s.quotePage(c, http.StatusUnprocessableEntity, q, form, fields, "")
	}
	b, err := s.Checkout.Book(ctx, q.ID, patient)
	switch {
	case expired && (fault.Is(err, fault.Gone) || fault.Is(err, fault.Invalid)):
		return s.quoteExpired(c, q)
	case codeOf(err) == codeFull:
		return s.quotePage(c, http.StatusConflict, q, form, nil, s.page(c).T("pkg.filled_up"))
	case codeOf(err) == codeNoRoom, codeOf(err) == codeClosed:
		return s.quotePage(c, http.StatusConflict, q, form, nil, s.page(c).T(codeOf(err)))
	case codeOf(err) == codePaid, codeOf(err) == codePending:
		return s.redirect(c, s.BookingPath(b.ID))
	case err != nil:
		return err
	case b.PayURL == "":
		return s.redirect(c, s.BookingPath(b.ID))
	}
	return c.Redirect(http.StatusSeeOther, b.PayURL)
}

// patientOf reads the form of a booking and says what is wrong with it.
func patientOf(c echo.Context, companions int) (templates.PatientForm, checkout.Patient, []fault.Field) {
	form := templates.PatientForm{Name: c.FormValue("name"), Email: c.FormValue("email"), Country: c.FormValue("country"),
		Note: c.FormValue("note"), Consent: c.FormValue("consent") == "yes"}
	if values, err := c.FormParams(); err == nil {
		form.Companions = values["companion"]
	}
	patient := checkout.Patient{Name: form.Name, Email: form.Email, Country: form.Country, Note: form.Note, CompanionNames: form.Companions}
	var fields fault.Fields
	var f *fault.Error
	if errors.As(patient.Validate(companions), &f) {
		fields = f.Fields
	}
	if !form.Consent {
		fields.Add("consent", "required", "agree to the cancellation rules to go on")
	}
	return form, patient, fields
}

// codeOf returns the translation key of an error, by which checkout tells its
// errors apart.
func codeOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

// uninhabited have a code in ISO 3166-1 but nobody who lives there.
var uninhabited = []string{"AQ", "BV", "GS", "HM", "IO", "TF", "UM"}

var countryLists sync.Map

// countries lists the countries and regions of residence in the order of the
// reader's language.
func countries(p templates.Page) []templates.Country {
	if list, ok := countryLists.Load(p.Tag); ok {
		return list.([]templates.Country)
	}
	tag := language.Make(p.Tag)
	names := display.Regions(tag)
	var out []templates.Country
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, a := range letters {
		for _, b := range letters {
			code := string(a) + string(b)
			r, err := language.ParseRegion(code)
			if err != nil || !r.IsCountry() || r.Canonicalize() != r || r.M49() == 0 || slices.Contains(uninhabited, code) {
				continue
			}
			if name := p.Or("country."+code, names.Name(r)); strings.TrimSpace(name) != "" {
				out = append(out, templates.Country{Code: code, Name: name})
			}
		}
	}
	order := collate.New(tag)
	slices.SortFunc(out, func(a, b templates.Country) int { return order.CompareString(a.Name, b.Name) })
	countryLists.Store(p.Tag, out)
	return out
}
