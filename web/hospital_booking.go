package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	casesPath = "/console/cases"
	// casesPage is how many bookings a page of the list shows.
	casesPage = 50
	// casesBatch is how many bookings are read at a time.
	casesBatch = 200
	// casesWaiting bounds the bookings that are looked through for those that
	// wait for an answer.
	casesWaiting = 500
	// urgentBefore a deadline, a booking stands among what is urgent.
	urgentBefore = 24 * time.Hour
	// exitDays is how long the form proposes that a patient may leave after a
	// revised estimate.
	exitDays = 7
)

func (s *Server) hospitalBookingRoutes() {
	s.consoleRoute(http.MethodGet, casesPath, account.SeeBookings, s.listCases, hospitalsOnly)
	s.consoleRoute(http.MethodGet, casesPath+"/:booking", account.SeeBookings, s.showCase, hospitalsOnly)
	s.consoleRoute(http.MethodPost, casesPath+"/:booking", account.AnswerBookings, s.answerCase, hospitalsOnly)
	s.consoleTasks = append(s.consoleTasks, s.caseTasks)
}

// waiting returns the bookings of a hospital that wait for its answer, the
// nearest deadline first.
func (s *Server) waiting(ctx context.Context, hospital string) ([]checkout.View, error) {
	var out []checkout.View
	after := ""
	for len(out) < casesWaiting {
		page, err := s.Checkout.Bookings(ctx, checkout.Filter{HospitalID: hospital, State: checkout.StateAwaiting}, casesBatch, after)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Items {
			if v.ReplyBy.IsZero() {
				out = append(out, v)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.SortFunc(out, func(a, b checkout.View) int { return a.AnswerBy.Compare(b.AnswerBy) })
	return out, nil
}

func (s *Server) caseTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	if a.Org.OrganisationKind != catalog.HospitalDepartment || !a.may(account.AnswerBookings) {
		return nil, nil
	}
	waiting, err := s.waiting(ctx, a.Org.HospitalID)
	var out []templates.ConsoleTask
	for _, v := range waiting {
		out = append(out, templates.ConsoleTask{Label: p.T("console.cases.task", "number", v.Number, "package", p.Name(v.PackageName)), Path: casesPath + "/" + v.ID,
			Due: p.T("console.cases.answer_by", "time", p.Time(v.AnswerBy)), Urgent: v.AnswerBy.Sub(s.Now()) < urgentBefore})
	}
	return out, err
}

func (s *Server) listCases(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.nav.cases")
	query := c.QueryParams()
	filter := checkout.Filter{HospitalID: a.Org.HospitalID, State: checkout.State(query.Get("state"))}
	header := []string{p.T("console.cases.number"), p.T("console.cases.state"), p.T("console.cases.deadline"), p.T("console.cases.package"), p.T("console.cases.start"), p.T("console.cases.country")}
	if query.Get("format") == "csv" {
		return s.sendCSV(c, "bookings", header, func(row func(...string) error) error {
			return s.eachCase(ctx, filter, func(v checkout.View) error { return row(caseCells(p, v)...) })
		})
	}
	l := templates.List{Path: casesPath, Query: query, Lead: p.T("console.cases.lead"), Empty: p.T("console.cases.empty")}
	for _, h := range header {
		l.Columns = append(l.Columns, templates.ListColumn{Label: h})
	}
	states := templates.ListFilter{Name: "state", Label: header[1]}
	for _, state := range checkout.States {
		states.Choices = append(states.Choices, templates.ListChoice{Value: string(state), Label: p.T("booking.state." + string(state))})
	}
	l.Filters = []templates.ListFilter{states}
	if query.Get("state") == "" && query.Get("after") == "" {
		waiting, err := s.waiting(ctx, a.Org.HospitalID)
		if err != nil {
			return err
		}
		l.Lead = p.N("console.cases.waiting", len(waiting))
		for _, v := range waiting {
			l.Rows = append(l.Rows, caseRow(p, v))
		}
	}
	page, err := s.Checkout.Bookings(ctx, filter, casesPage, query.Get("after"))
	if err != nil {
		return err
	}
	for _, v := range page.Items {
		row := caseRow(p, v)
		if !slices.ContainsFunc(l.Rows, func(r templates.ListRow) bool { return r.Path == row.Path }) {
			l.Rows = append(l.Rows, row)
		}
	}
	l.Next, l.CSV = page.Next, len(l.Rows) > 0
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

func (s *Server) eachCase(ctx context.Context, filter checkout.Filter, f func(checkout.View) error) error {
	after := ""
	for {
		page, err := s.Checkout.Bookings(ctx, filter, casesBatch, after)
		if err != nil {
			return err
		}
		for _, v := range page.Items {
			if err := f(v); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

func caseRow(p templates.Page, v checkout.View) templates.ListRow {
	return templates.ListRow{Path: casesPath + "/" + v.ID, Cells: caseCells(p, v), Tone: templates.BookingTone(v.State)}
}

func caseCells(p templates.Page, v checkout.View) []string {
	deadline := ""
	if v.State == checkout.StateAwaiting {
		deadline = p.Time(v.AnswerBy)
		if !v.ReplyBy.IsZero() {
			deadline = p.T("console.cases.patient_by", "time", p.Time(v.ReplyBy))
		}
	}
	country := ""
	if v.Country != "" {
		country = p.Or("country."+v.Country, v.Country)
	}
	return []string{v.Number, p.T("booking.state." + string(v.State)), deadline, p.Name(v.PackageName), p.Date(v.Start), country}
}

// ownCase returns a booking of the actor's hospital. Those of others are not
// there.
func (s *Server) ownCase(c echo.Context, a actor) (checkout.Booking, error) {
	b, err := s.Checkout.Booking(c.Request().Context(), c.Param("booking"))
	if err == nil && !slices.Contains(b.Quote.HospitalIDs, a.Org.HospitalID) {
		return b, fault.New(fault.NotFound, "There is no such booking.")
	}
	return b, err
}

func (s *Server) showCase(c echo.Context, a actor) error {
	b, err := s.ownCase(c, a)
	if err != nil {
		return err
	}
	return s.casePage(c, a, http.StatusOK, b, templates.CaseView{Until: s.Now().AddDate(0, 0, exitDays).Format(time.DateOnly)})
}

func (s *Server) casePage(c echo.Context, a actor, status int, b checkout.Booking, v templates.CaseView) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("booking.number", "number", b.Number)
	v.Booking, v.Path, v.MayAnswer, v.Now = b, casesPath+"/"+b.ID, a.may(account.AnswerBookings), s.Now()
	for _, id := range b.Quote.OfferingIDs {
		o, err := s.Catalog.Offerings.Listing(c.Request().Context(), id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err == nil && o.Value.HospitalID == a.Org.HospitalID {
			name, err := s.offeringTitle(c.Request().Context(), p, o.Value)
			if err != nil {
				return err
			}
			v.Offerings = append(v.Offerings, templates.Link{Label: name, Path: offeringsPath + "/" + id})
		}
	}
	frame.Done = said(p, c.QueryParam("done"))
	return s.render(c, status, templates.Case(p, frame, v))
}

// answerCase takes the hospital's answer to a booking.
func (s *Server) answerCase(c echo.Context, a actor) error {
	b, err := s.ownCase(c, a)
	if err != nil {
		return err
	}
	ctx, act := c.Request().Context(), c.FormValue("act")
	v := templates.CaseView{Act: act, Reason: strings.TrimSpace(c.FormValue("reason")), Question: strings.TrimSpace(c.FormValue("question")),
		Amount: c.FormValue("amount"), Currency: strings.ToUpper(strings.TrimSpace(c.FormValue("currency"))), Until: c.FormValue("until")}
	by := checkout.Act{Actor: a.Email}
	switch act {
	case "accept":
		_, err = s.Checkout.Accept(ctx, b.ID, by)
	case "decline":
		err = s.declineCase(ctx, b.ID, v.Reason, by)
	case "ask":
		_, err = s.Checkout.Ask(ctx, b.ID, v.Question, by)
	case "estimate":
		err = s.estimateCase(ctx, b.ID, v, by)
	default:
		err = fault.New(fault.Invalid, "Choose how to answer.").WithCode("console.cases.choose")
	}
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		p := s.page(c)
		if b, err = s.Checkout.Booking(ctx, b.ID); err != nil {
			return err
		}
		v.Errors = templates.FieldErrors(p, f.Fields)
		if len(f.Fields) == 0 {
			v.Notice = localizedMessage(p, f)
		}
		return s.casePage(c, a, statuses[f.Kind], b, v)
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "booking." + act, Thing: "booking/" + b.ID, Reason: v.Reason}); err != nil {
		return err
	}
	return s.redirect(c, casesPath+"/"+b.ID+"?done=case-"+act)
}

// declineCase declines with a reason: the patient, and the agency, must know
// why.
func (s *Server) declineCase(ctx context.Context, id, reason string, by checkout.Act) error {
	if reason == "" {
		var f fault.Fields
		f.Add("reason", "required", "say why")
		return f.Err("The refusal has no reason.")
	}
	by.Reason = reason
	_, err := s.Checkout.Decline(ctx, id, by)
	return err
}

func (s *Server) estimateCase(ctx context.Context, id string, v templates.CaseView, by checkout.Act) error {
	var f fault.Fields
	amount, ok := catalog.ParseMoney(v.Amount, v.Currency)
	if !ok || amount.Amount == 0 {
		f.Add("amount", "amount", "an amount above 0 and its currency")
	}
	until, err := time.ParseInLocation(time.DateOnly, v.Until, catalog.Shanghai)
	if err != nil {
		f.Add("until", "date", "use YYYY-MM-DD")
	}
	if err := f.Err("The estimate is not complete."); err != nil {
		return err
	}
	_, err = s.Checkout.Estimate(ctx, id, amount, until.AddDate(0, 0, 1), by)
	return err
}
