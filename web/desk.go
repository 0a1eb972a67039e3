package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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
	deskPath = "/console/money"
	// deskPage is how many rows a list of the money desk shows.
	deskPage = 50
	// deskRuns is how many reconciliations it shows.
	deskRuns = 10
	// reconcileTimeout bounds a reconciliation that a page waits for.
	reconcileTimeout = 20 * time.Second
)

func (s *Server) deskRoutes() {
	s.consoleRoute(http.MethodGet, deskPath, account.SeeMoney, s.showDesk, catalog.Operator)
	s.consoleRoute(http.MethodPost, deskPath+"/reconcile", account.SettleMoney, s.reconcile, catalog.Operator)
	s.consoleRoute(http.MethodGet, deskPath+"/items/:item", account.SeeMoney, s.showItem, catalog.Operator)
	s.consoleRoute(http.MethodPost, deskPath+"/items/:item", account.SettleMoney, s.resolveItem, catalog.Operator)
	s.consoleRoute(http.MethodGet, deskPath+"/bookings", account.SeeMoney, s.listAllBookings, catalog.Operator)
	s.consoleRoute(http.MethodGet, deskPath+"/bookings/:booking", account.SeeMoney, s.showDeskBooking, catalog.Operator)
	s.consoleRoute(http.MethodPost, deskPath+"/bookings/:booking", account.SettleMoney, s.actOnBooking, catalog.Operator)
	s.consoleRoute(http.MethodGet, deskPath+"/ledger", account.SeeMoney, s.showLedger, catalog.Operator)
	s.consoleTasks = append(s.consoleTasks, s.deskTasks)
}

// deskTasks says that there are items for a person.
func (s *Server) deskTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	if a.Org.OrganisationKind != catalog.Operator || !a.may(account.SeeMoney) {
		return nil, nil
	}
	items, next, err := s.Checkout.Items(ctx, deskPage, "")
	if err != nil || len(items) == 0 {
		return nil, err
	}
	n := p.Int(len(items))
	if next != "" {
		n += "+"
	}
	return []templates.ConsoleTask{{Label: p.T("console.desk.task", "n", n), Path: deskPath, Urgent: true}}, nil
}

func (s *Server) showDesk(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.desk")
	v := templates.DeskView{Query: c.QueryParams()}
	var err error
	if v.Items, v.Next, err = s.Checkout.Items(ctx, deskPage, c.QueryParam("after")); err != nil {
		return err
	}
	for _, state := range checkout.States {
		n, err := s.Checkout.CountBookings(ctx, checkout.Filter{State: state})
		if err != nil {
			return err
		}
		v.States = append(v.States, templates.DeskState{State: state, Count: n})
	}
	if v.Runs, err = s.Checkout.Reconciliations(ctx, deskRuns); err != nil {
		return err
	}
	v.MaySettle = a.may(account.SettleMoney)
	frame.Done = said(p, c.QueryParam("done"))
	return s.ok(c, templates.Desk(p, frame, v))
}

// said is what a page says after an act, empty for an unknown one.
func said(p templates.Page, done string) string {
	if done == "" {
		return ""
	}
	return p.Or("console.done."+done, "")
}

func (s *Server) reconcile(c echo.Context, a actor) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), reconcileTimeout)
	defer cancel()
	span := checkout.Span(c.FormValue("span"))
	if _, err := s.Checkout.Reconcile(ctx, span); err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "money.reconcile", Detail: string(span)}); err != nil {
		return err
	}
	return s.redirect(c, deskPath+"?done=reconciled")
}

func (s *Server) showItem(c echo.Context, a actor) error {
	item, err := s.Checkout.Item(c.Request().Context(), c.Param("item"))
	if err != nil {
		return err
	}
	return s.itemPage(c, a, http.StatusOK, templates.DeskItemView{Item: item})
}

func (s *Server) itemPage(c echo.Context, a actor, status int, v templates.DeskItemView) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.item." + string(v.Item.Kind))
	if v.Item.BookingID != "" {
		b, err := s.Checkout.Booking(c.Request().Context(), v.Item.BookingID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		v.Booking = b
	}
	if a.may(account.SettleMoney) {
		v.Remedies = v.Item.Remedies()
	}
	return s.render(c, status, templates.DeskItem(p, frame, v))
}

func (s *Server) resolveItem(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	v := templates.DeskItemView{Remedy: checkout.Remedy(c.FormValue("remedy")), Reference: strings.TrimSpace(c.FormValue("reference")), Reason: c.FormValue("reason")}
	item, err := s.Checkout.Resolve(ctx, c.Param("item"), v.Remedy, v.Reference, checkout.Act{Actor: a.Email, Reason: v.Reason})
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		p := s.page(c)
		if v.Item, err = s.Checkout.Item(ctx, c.Param("item")); err != nil {
			return err
		}
		v.Errors, v.Notice = templates.FieldErrors(p, f.Fields), localizedMessage(p, f)
		return s.itemPage(c, a, statuses[f.Kind], v)
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "money.resolve", Thing: "item/" + item.ID, Reason: v.Reason, Detail: strings.TrimSpace(string(v.Remedy) + " " + v.Reference)}); err != nil {
		return err
	}
	return s.redirect(c, deskPath+"?done=resolved")
}

// bookingTones colour the states of bookings in lists.
var bookingTones = map[checkout.State]string{checkout.StateConfirmed: "good", checkout.StateCompleted: "good", checkout.StateAwaiting: "wait", checkout.StateHolding: "wait",
	checkout.StateDeclined: "stop", checkout.StateCancelled: "quiet", checkout.StateExpired: "quiet"}

func (s *Server) listAllBookings(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.desk.bookings")
	f := checkout.Filter{State: checkout.State(c.QueryParam("state")), AgencyID: c.QueryParam("agency"), Email: strings.TrimSpace(c.QueryParam("q"))}
	if c.QueryParam("format") == "csv" {
		return s.sendCSV(c, "bookings", []string{"number", "state", "package", "agency", "start", "deposit", "currency", "paid", "refunded", "created"}, func(row func(...string) error) error {
			return s.eachBooking(ctx, f, func(b checkout.View) error {
				return row(b.Number, string(b.State), b.PackageID, b.AgencyID, b.Start.Format(time.DateOnly), b.Deposit.Decimal(), b.Deposit.Currency, b.Paid.Decimal(), b.Refunded.Decimal(), b.Created.Format(time.RFC3339))
			})
		})
	}
	page, err := s.Checkout.Bookings(ctx, f, deskPage, c.QueryParam("after"))
	if err != nil {
		return err
	}
	l := templates.List{Path: deskPath + "/bookings", Query: c.QueryParams(), Next: page.Next, CSV: true, Empty: p.T("console.desk.bookings.empty"), SearchLabel: p.T("console.desk.email"),
		Filters: []templates.ListFilter{{Name: "state", Label: p.T("console.desk.state")}},
		Columns: []templates.ListColumn{{Label: p.T("console.desk.number")}, {Label: p.T("console.desk.state")}, {Label: p.T("console.desk.package")}, {Label: p.T("console.desk.start")},
			{Label: p.T("console.desk.paid"), Numeric: true}, {Label: p.T("console.desk.refunded"), Numeric: true}, {Label: p.T("console.desk.age")}}}
	for _, state := range checkout.States {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(state), Label: p.T("booking.state." + string(state))})
	}
	for _, b := range page.Items {
		l.Rows = append(l.Rows, templates.ListRow{Path: deskPath + "/bookings/" + b.ID, Tone: bookingTones[b.State], Cells: []string{b.Number, p.T("booking.state." + string(b.State)),
			p.Name(b.PackageName), p.Day(b.Start), p.MoneyCode(b.Paid), p.MoneyCode(b.Refunded), p.T("console.desk.days", "n", p.Int(int(s.Now().Sub(b.Created).Hours()/24)))}})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// eachBooking calls f for every booking of a filter, page by page.
func (s *Server) eachBooking(ctx context.Context, filter checkout.Filter, f func(checkout.View) error) error {
	after := ""
	for {
		page, err := s.Checkout.Bookings(ctx, filter, 0, after)
		if err != nil {
			return err
		}
		for _, b := range page.Items {
			if err := f(b); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

func (s *Server) showDeskBooking(c echo.Context, a actor) error {
	b, err := s.Checkout.Booking(c.Request().Context(), c.Param("booking"))
	if err != nil {
		return err
	}
	return s.deskBookingPage(c, a, http.StatusOK, b, "")
}

func (s *Server) deskBookingPage(c echo.Context, a actor, status int, b checkout.Booking, notice string) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("booking.number", "number", b.Number)
	frame.Done = said(p, c.QueryParam("done"))
	return s.render(c, status, templates.DeskBooking(p, frame, templates.DeskBookingView{Booking: b, Ledger: b.Ledger(), Payouts: payoutsDue(b), Acts: deskActs(b, a, s.Now()), Notice: notice}))
}

// payoutsDue says what can be paid out of a booking, by organisation.
func payoutsDue(b checkout.Booking) []templates.PayoutDue {
	var out []templates.PayoutDue
	for _, l := range b.Ledger() {
		if l.Account != checkout.AccountPayable || l.Organisation == "" || slices.ContainsFunc(out, func(d templates.PayoutDue) bool { return d.Organisation == l.Organisation }) {
			continue
		}
		if due, err := b.PayoutDue(l.Organisation); err == nil {
			out = append(out, templates.PayoutDue{Organisation: l.Organisation, Amount: due})
		}
	}
	return out
}

// deskActs are what the operator may do about a booking in its state.
func deskActs(b checkout.Booking, a actor, now time.Time) []string {
	if !a.may(account.SettleMoney) {
		return nil
	}
	acts := []string{"settle"}
	switch {
	case b.State == checkout.StateConfirmed && now.After(b.Quote.Start):
		acts = append(acts, "complete")
	case b.State == checkout.StateAwaiting:
		acts = append(acts, "decline")
	}
	return acts
}

// actOnBooking does what the operator asks for and says what came of it.
func (s *Server) actOnBooking(c echo.Context, a actor) error {
	ctx, id := c.Request().Context(), c.Param("booking")
	act := checkout.Act{Actor: a.Email, Reason: strings.TrimSpace(c.FormValue("reason"))}
	number, _ := strconv.Atoi(c.FormValue("payout"))
	var err error
	switch c.FormValue("act") {
	case "settle":
		_, err = s.Checkout.Settle(ctx, id)
	case "complete":
		_, err = s.Checkout.Complete(ctx, id, act)
	case "decline":
		_, err = s.Checkout.Decline(ctx, id, act)
	case "pay-out":
		var due catalog.Money
		if due, err = formMoney(c); err == nil {
			_, err = s.Checkout.PayOut(ctx, id, c.FormValue("organisation"), due, act)
		}
	case "payout-sent":
		_, err = s.Checkout.RecordPayout(ctx, id, number, c.FormValue("reference"), act)
	case "payout-failed":
		_, err = s.Checkout.FailPayout(ctx, id, number, act)
	default:
		err = fault.New(fault.Invalid, "There is no such act.")
	}
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		b, err := s.Checkout.Booking(ctx, id)
		if err != nil {
			return err
		}
		return s.deskBookingPage(c, a, statuses[f.Kind], b, localizedMessage(s.page(c), f))
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "booking." + c.FormValue("act"), Thing: "booking/" + id, Reason: act.Reason}); err != nil {
		return err
	}
	return s.redirect(c, deskPath+"/bookings/"+url.PathEscape(id)+"?done=booking")
}

// formMoney reads an amount in Stripe units and its currency.
func formMoney(c echo.Context) (catalog.Money, error) {
	amount, err := strconv.ParseInt(c.FormValue("amount"), 10, 64)
	if err != nil {
		return catalog.Money{}, fault.Wrap(fault.Invalid, err, "The amount is not a number.")
	}
	return catalog.Money{Amount: amount, Currency: c.FormValue("currency")}, nil
}

// showLedger shows the accounts of an organisation, or of everybody.
func (s *Server) showLedger(c echo.Context, a actor) error {
	organisation := c.QueryParam("organisation")
	st, err := s.Checkout.OrganisationLedger(c.Request().Context(), organisation)
	if err != nil {
		return err
	}
	if c.QueryParam("format") == "csv" {
		return s.sendLedger(c, st)
	}
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.desk.ledger")
	v := templates.LedgerView{Statement: st, Path: deskPath + "/ledger", Query: c.QueryParams(), BookingPath: deskPath + "/bookings/"}
	err = s.Catalog.Organisations.Each(c.Request().Context(), func(o catalog.Organisation) error {
		v.Organisations = append(v.Organisations, templates.ListChoice{Value: o.ID, Label: p.Name(o.Name)})
		return nil
	})
	if err != nil {
		return err
	}
	return s.ok(c, templates.Ledger(p, frame, v))
}

// sendLedger sends a statement as a file for spreadsheets.
func (s *Server) sendLedger(c echo.Context, st checkout.Statement) error {
	return s.sendCSV(c, "ledger", []string{"at", "booking", "entry", "what", "payment", "account", "organisation", "payee", "currency", "amount"}, func(row func(...string) error) error {
		for _, x := range st.Postings {
			err := row(x.At.Format(time.RFC3339), x.Number, strconv.FormatInt(x.Seq, 10), string(x.Kind), x.PaymentID, string(x.Account), x.Organisation, string(x.Payee), x.Amount.Currency, x.Amount.Decimal())
			if err != nil {
				return err
			}
		}
		return nil
	})
}
