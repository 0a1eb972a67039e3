package web

import (
	"net/http"
	"slices"
	"strconv"
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
	agencyBookings = "/console/agency/bookings"
	agencyLedger   = "/console/agency/ledger"
)

func (s *Server) agencyBookingRoutes() {
	route := func(path string, action account.Action, h consoleHandler) {
		s.consoleRoute(http.MethodGet, path, action, h, catalog.Agency)
	}
	route(agencyBookings, account.SeeBookings, s.listAgencyBookings)
	route(agencyBookings+"/:booking", account.SeeBookings, s.showAgencyBooking)
	route(agencyLedger, account.SeeMoney, s.showAgencyLedger)
	route(packagesPath+"/:id/history", account.SeeListings, s.showPackageHistory)
	route(packagesPath+"/:id/preview", account.SeeListings, s.previewPackage)
}

// soon is how close a start is for its guests to be prepared for.
const soon = 14 * 24 * time.Hour

// nextKey says what an agency has to expect or to do about a booking next,
// empty for nothing. It is pure.
func nextKey(b checkout.View, now time.Time) string {
	switch {
	case b.State == checkout.StateHolding:
		return "pays"
	case b.State == checkout.StateAwaiting && !b.ReplyBy.IsZero():
		return "replies"
	case b.State == checkout.StateAwaiting:
		return "answers"
	case b.RefundPending.Amount > 0:
		return "refund"
	case b.State == checkout.StateConfirmed && b.Start.Before(now):
		return "travels"
	case b.State == checkout.StateConfirmed && b.Start.Before(now.Add(soon)):
		return "prepare"
	case b.State == checkout.StateConfirmed:
		return "comes"
	}
	return ""
}

func nextText(p templates.Page, b checkout.View, now time.Time) string {
	key := nextKey(b, now)
	if key == "" {
		return ""
	}
	until := b.AnswerBy
	if key == "replies" {
		until = b.ReplyBy
	}
	return p.T("console.agency.next."+key, "time", p.Time(until), "date", p.ShortDate(b.Start))
}

// bookingMatches reports whether a booking fits the words and the dates of a
// list. It is pure.
func bookingMatches(b checkout.View, q, from, to string) bool {
	start := b.Start.Format(time.DateOnly)
	if from != "" && start < from || to != "" && start > to {
		return false
	}
	text := strings.ToLower(b.Number + " " + b.PatientName + " " + b.PackageID)
	for word := range strings.FieldsSeq(strings.ToLower(q)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func (s *Server) listAgencyBookings(c echo.Context, a actor) error {
	ctx, q := c.Request().Context(), c.QueryParams()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.agency.bookings")
	f := checkout.Filter{AgencyID: a.Org.ID, State: checkout.State(q.Get("state"))}
	match := func(b checkout.View) bool { return bookingMatches(b, q.Get("q"), q.Get("from"), q.Get("to")) }
	if q.Get("format") == "csv" {
		return s.sendCSV(c, "bookings", []string{"number", "state", "package", "start", "patient", "country", "deposit", "currency", "paid", "refunded", "created", "answer_by"}, func(row func(...string) error) error {
			return s.eachBooking(ctx, f, func(b checkout.View) error {
				if !match(b) {
					return nil
				}
				return row(b.Number, string(b.State), b.PackageID, b.Start.Format(time.DateOnly), b.PatientName, b.Country, b.Deposit.Decimal(), b.Deposit.Currency, b.Paid.Decimal(), b.Refunded.Decimal(), b.Created.Format(time.RFC3339), b.AnswerBy.Format(time.RFC3339))
			})
		})
	}
	l := templates.List{Path: agencyBookings, Query: q, CSV: true, Empty: p.T("console.agency.bookings.empty"), SearchLabel: p.T("console.agency.bookings.search"),
		Filters: []templates.ListFilter{{Name: "state", Label: p.T("console.agency.state")}, {Name: "from", Label: p.T("console.agency.bookings.from")}},
		Columns: []templates.ListColumn{{Label: p.T("console.desk.number")}, {Label: p.T("console.agency.state")}, {Label: p.T("console.agency.next")}, {Label: p.T("console.agency.date")},
			{Label: p.T("console.agency.patient")}, {Label: p.T("console.agency.package")}, {Label: p.T("console.desk.paid"), Numeric: true}}}
	for _, state := range checkout.States {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(state), Label: p.T("booking.state." + string(state))})
	}
	for n := range 12 {
		month := shanghaiDate(s.Now()).AddDate(0, 0, 1-shanghaiDate(s.Now()).Day()).AddDate(0, n, 0)
		l.Filters[1].Choices = append(l.Filters[1].Choices, templates.ListChoice{Value: month.Format(time.DateOnly), Label: p.Month(month)})
	}
	l.Next = q.Get("after")
	for {
		page, err := s.Checkout.Bookings(ctx, f, consoleRows-len(l.Rows), l.Next)
		if err != nil {
			return err
		}
		for _, b := range page.Items {
			if match(b) {
				l.Rows = append(l.Rows, templates.ListRow{Path: agencyBookings + "/" + b.ID, Tone: bookingTones[b.State], Cells: []string{b.Number, p.T("booking.state." + string(b.State)),
					nextText(p, b, s.Now()), p.ShortDate(b.Start), b.PatientName, p.Name(b.PackageName), p.MoneyCode(b.Paid)}})
			}
		}
		if l.Next = page.Next; l.Next == "" || len(l.Rows) == consoleRows {
			return s.ok(c, templates.ConsoleList(p, frame, l))
		}
	}
}

func (s *Server) showAgencyBooking(c echo.Context, a actor) error {
	b, err := s.Checkout.Booking(c.Request().Context(), c.Param("booking"))
	if err == nil && b.Quote.AgencyID != a.Org.ID {
		err = fault.New(fault.NotFound, "There is nothing of yours here.").WithCode("console.not_yours")
	}
	if err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("booking.number", "number", b.Number)
	v := templates.AgencyBookingView{Booking: b, Now: s.Now()}
	view := checkout.View{State: b.State, Start: b.Quote.Start, AnswerBy: b.AnswerBy, RefundPending: b.RefundPending}
	if b.Question != nil {
		view.ReplyBy = b.Question.ReplyBy
	}
	v.Next = nextText(p, view, s.Now())
	if a.may(account.SeeMoney) {
		v.Ledger = slices.DeleteFunc(b.Ledger(), func(l checkout.LedgerLine) bool { return l.Organisation != a.Org.ID })
		v.Payouts = slices.DeleteFunc(slices.Clone(b.Payouts), func(o checkout.Payout) bool { return o.Organisation != a.Org.ID })
	}
	return s.ok(c, templates.AgencyBooking(p, frame, v))
}

func (s *Server) showAgencyLedger(c echo.Context, a actor) error {
	st, err := s.Checkout.OrganisationLedger(c.Request().Context(), a.Org.ID)
	if err != nil {
		return err
	}
	if c.QueryParam("format") == "csv" {
		return s.sendLedger(c, st)
	}
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.desk.ledger")
	return s.ok(c, templates.Ledger(p, frame, templates.LedgerView{Statement: st, Path: agencyLedger, Query: c.QueryParams(), BookingPath: agencyBookings + "/"}))
}

func (s *Server) showPackageHistory(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	history, err := s.Catalog.Packages.History(c.Request().Context(), l.Value.ID)
	if err != nil {
		return err
	}
	p, frame := s.packagePageOf(c, a, l)
	v := templates.HistoryView{PackageHead: s.packageHead(p, a, l, "history")}
	for i, rev := range slices.Backward(history) {
		row := templates.RevisionRow{Revision: rev}
		if i > 0 {
			if row.Changes, err = catalog.Differences(history[i-1].Value, rev.Value); err != nil {
				return err
			}
		}
		v.Revisions = append(v.Revisions, row)
	}
	return s.ok(c, templates.History(p, frame, v))
}

// previewPackage shows the latest revision on the page that patients get, to
// members alone and with a banner. Nothing can be booked there.
func (s *Server) previewPackage(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	facts, err := s.factsOf(ctx, l.Value)
	if fault.Is(err, fault.NotFound) {
		return fault.Wrap(fault.NotFound, err, "Something that this package names is no longer offered. Look at its days.").WithCode("console.agency.no_preview")
	}
	if err != nil {
		return err
	}
	p := s.personalPage(c)
	companions, _ := strconv.Atoi(c.QueryParam("companions"))
	quote, err := s.exampleQuote(ctx, l.Value, min(max(companions, 0), l.Value.Options.MaxCompanions))
	if err != nil && !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Forbidden) {
		return err
	}
	choice := quote.Choice
	if err == nil {
		facts.starts = []checkout.StartLeft{{Start: catalog.Start{Key: quote.StartKey, PackageID: l.Value.ID, Date: quote.Start, Capacity: 1}, Left: 1}}
	}
	v := packageView(facts, templates.ChoiceForm{}, choice, s.Rates, s.Now())
	if err == nil {
		v.Quote = &quote
	}
	v.Preview = packagesPath + "/" + l.Value.ID
	p.Path, p.Title, p.Section = v.Preview+"/preview", p.Name(l.Value.Name), "console"
	return s.ok(c, templates.Package(p, v))
}
