package web

import (
	"cmp"
	"context"
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

const departuresPath = "/console/departures"

func (s *Server) departureRoutes() {
	route := func(method, path string, action account.Action, h consoleHandler) {
		s.consoleRoute(method, path, action, h, catalog.Agency)
	}
	route(http.MethodGet, packagesPath+"/:id/departures", account.SeeListings, s.showDepartures)
	route(http.MethodPost, packagesPath+"/:id/departures", account.EditListings, s.addDepartures)
	route(http.MethodGet, departuresPath, account.SeeBookings, s.listStarts)
	route(http.MethodGet, departuresPath+"/:key", account.SeeBookings, s.showStart)
	route(http.MethodPost, departuresPath+"/:key/close", account.AnswerBookings, s.closeStart)
}

// maxSeries bounds the departures that are made at once: two years of weeks.
const maxSeries = 105

// seriesDates lists the dates of a series. It is pure.
func seriesDates(f *fault.Fields, form url.Values, today time.Time) []string {
	from, errFrom := time.Parse(time.DateOnly, form.Get("from"))
	if errFrom != nil || !from.After(today) {
		f.Add("from", "date", "a date after today, YYYY-MM-DD")
	}
	if form.Get("kind") == "single" {
		return []string{form.Get("from")}
	}
	to, errTo := time.Parse(time.DateOnly, form.Get("to"))
	weeks, err := strconv.Atoi(form.Get("weeks"))
	if errTo != nil || to.Before(from) {
		f.Add("to", "date", "a date not before the first, YYYY-MM-DD")
	}
	if err != nil || weeks < 1 || weeks > 52 {
		f.Add("weeks", "range", "between 1 and 52")
	}
	if len(*f) > 0 {
		return nil
	}
	var out []string
	for date := from; !date.After(to); date = date.AddDate(0, 0, 7*weeks) {
		if out = append(out, date.Format(time.DateOnly)); len(out) > maxSeries {
			f.Add("to", "range", "at most %d dates at once", maxSeries)
			return nil
		}
	}
	return out
}

// departuresOf makes the departures that a form asks for. It is pure.
func departuresOf(form url.Values, packageID string, today time.Time) ([]catalog.Departure, []fault.Field) {
	var f fault.Fields
	capacity, err := strconv.Atoi(form.Get("capacity"))
	if err != nil || capacity < 1 {
		f.Add("capacity", "range", "a whole number from 1")
	}
	short := packageID[:min(len(packageID), maxSlug)]
	short = strings.TrimSuffix(short, "-")
	var out []catalog.Departure
	if form.Get("kind") == "rolling" {
		weekday, _ := strconv.Atoi(form.Get("weekday"))
		lead, errLead := strconv.Atoi(form.Get("lead"))
		horizon, errHorizon := strconv.Atoi(form.Get("horizon"))
		if errLead != nil || lead < 1 {
			f.Add("lead", "range", "a whole number from 1")
		}
		if errHorizon != nil || horizon < lead || horizon > 730 {
			f.Add("horizon", "range", "not less than the lead time, at most 730")
		}
		if weekday < 0 || weekday > 6 {
			f.Add("weekday", "range", "a day of the week")
			weekday = 0
		}
		out = append(out, catalog.Departure{ID: short + "-" + strings.ToLower(time.Weekday(weekday).String()), PackageID: packageID, Capacity: capacity,
			Rolling: &catalog.Rolling{Weekday: time.Weekday(weekday), LeadDays: lead, HorizonDays: horizon}})
		return out, f
	}
	for _, date := range seriesDates(&f, form, today) {
		out = append(out, catalog.Departure{ID: short + "-" + strings.ReplaceAll(date, "-", ""), PackageID: packageID, Date: date, Capacity: capacity})
	}
	return out, f
}

func (s *Server) showDepartures(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	return s.departuresPage(c, a, http.StatusOK, l, url.Values{"kind": {"single"}, "capacity": {"4"}, "weeks": {"2"}, "lead": {"14"}, "horizon": {"180"}}, nil)
}

func (s *Server) departuresPage(c echo.Context, a actor, status int, l catalog.Listing[catalog.Package], form url.Values, fields []fault.Field) error {
	p, frame := s.packagePageOf(c, a, l)
	v := templates.DeparturesView{PackageHead: s.packageHead(p, a, l, "departures"), Form: form, Errors: templates.FieldErrors(p, fields)}
	var err error
	if v.Starts, err = s.startRows(c.Request().Context(), p, l.Value); err != nil {
		return err
	}
	return s.render(c, status, templates.Departures(p, frame, v))
}

// startRows lists the coming starts of a package with who is on them, the
// soonest first.
func (s *Server) startRows(ctx context.Context, p templates.Page, pkg catalog.Package) ([]templates.StartRow, error) {
	departures, err := s.Catalog.DeparturesOfPackage(ctx, pkg.ID)
	if err != nil {
		return nil, err
	}
	var out []templates.StartRow
	for _, d := range departures {
		for _, st := range d.Starts(s.Now()) {
			left, err := s.Checkout.Places(ctx, st, "")
			if err != nil {
				return nil, err
			}
			_, closed, err := s.Checkout.ClosingOf(ctx, st.Key)
			if err != nil {
				return nil, err
			}
			out = append(out, templates.StartRow{Key: st.Key, Departure: d.ID, Package: p.Name(pkg.Name), Date: st.Date, Capacity: st.Capacity, Taken: st.Capacity - left, Rolling: d.Rolling != nil, Closed: closed})
		}
	}
	slices.SortFunc(out, func(x, y templates.StartRow) int {
		return cmp.Or(x.Date.Compare(y.Date), strings.Compare(x.Key, y.Key))
	})
	return out, nil
}

// addDepartures adds a date, a series of dates or a rolling departure. They can
// be booked at once where the package is published: a date has nothing that
// the operator would have to read.
func (s *Server) addDepartures(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
	}
	list, fields := departuresOf(form, l.Value.ID, shanghaiDate(s.Now()))
	if len(fields) > 0 {
		return s.departuresPage(c, a, http.StatusUnprocessableEntity, l, form, fields)
	}
	edit, free := a.edit(""), 0
	edit.Over = &free
	for _, d := range list {
		wrote, err := s.Catalog.Departures.Publish(ctx, d, edit)
		if changed(err) || err == nil && !wrote {
			fields = append(fields, fault.Field{Name: "from", Code: "departure_there", Message: "there is a departure on " + cmp.Or(d.Date, "this day") + " already"})
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := s.note(c, a, account.Audited{Action: "departure.add", Thing: "package/" + l.Value.ID, Detail: strconv.Itoa(len(list) - len(fields))}); err != nil {
		return err
	}
	if len(fields) > 0 {
		return s.departuresPage(c, a, http.StatusConflict, l, form, fields)
	}
	return s.done(c, l.Value.ID, "departures", "departures")
}

func (s *Server) listStarts(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.agency.departures")
	packages, err := s.Catalog.PackagesOfAgency(ctx, a.Org.ID)
	if err != nil {
		return err
	}
	var rows []templates.StartRow
	for _, pkg := range packages {
		list, err := s.startRows(ctx, p, pkg)
		if err != nil {
			return err
		}
		rows = append(rows, list...)
	}
	slices.SortStableFunc(rows, func(x, y templates.StartRow) int { return x.Date.Compare(y.Date) })
	booked := c.QueryParam("state") == "booked"
	rows = slices.DeleteFunc(rows, func(r templates.StartRow) bool { return booked && r.Taken == 0 })
	if c.QueryParam("format") == "csv" {
		return s.sendCSV(c, "departures", []string{"start", "package", "date", "capacity", "taken", "closed"}, func(row func(...string) error) error {
			for _, r := range rows {
				if err := row(r.Key, r.Package, r.Date.Format(time.DateOnly), strconv.Itoa(r.Capacity), strconv.Itoa(r.Taken), strconv.FormatBool(r.Closed)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	l := templates.List{Path: departuresPath, Query: c.QueryParams(), CSV: true, Empty: p.T("console.agency.departures.empty"),
		Filters: []templates.ListFilter{{Name: "state", Label: p.T("console.agency.departures.show"), Choices: []templates.ListChoice{{Value: "booked", Label: p.T("console.agency.departures.booked")}}}},
		Columns: []templates.ListColumn{{Label: p.T("console.agency.date")}, {Label: p.T("console.agency.taken")}, {Label: p.T("console.agency.package")}}}
	from, _ := strconv.Atoi(c.QueryParam("after"))
	from = min(max(from, 0), len(rows))
	to := min(from+consoleRows, len(rows))
	if to < len(rows) {
		l.Next = strconv.Itoa(to)
	}
	for _, r := range rows[from:to] {
		taken, tone := p.T("console.agency.taken_of", "n", p.Int(r.Taken), "of", p.Int(r.Capacity)), "quiet"
		switch {
		case r.Closed:
			taken, tone = p.T("console.agency.closed"), "stop"
		case r.Taken > 0:
			tone = "good"
		}
		l.Rows = append(l.Rows, templates.ListRow{Path: departuresPath + "/" + r.Key, Tone: tone, Cells: []string{p.Day(r.Date), taken, r.Package}})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// ownStart returns the departure of a start key, or of a departure's id, where
// its package is the actor's. date is zero for a whole departure.
func (s *Server) ownStart(c echo.Context, a actor) (d catalog.Departure, pkg catalog.Package, date time.Time, err error) {
	ctx := c.Request().Context()
	id, date, isStart := catalog.ParseStartKey(c.Param("key"))
	if !isStart {
		id, date = c.Param("key"), time.Time{}
	}
	l, err := s.Catalog.Departures.Listing(ctx, id)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return d, pkg, date, fault.Wrap(fault.NotFound, err, "There is nothing of yours here.").WithCode("console.not_yours")
	}
	if err != nil {
		return d, pkg, date, err
	}
	owner, err := own(ctx, s.Catalog.Packages, a, l.Value.PackageID)
	return l.Value, owner.Value, date, err
}

func (s *Server) showStart(c echo.Context, a actor) error {
	if c.QueryParam("format") == "csv" {
		return s.sendGuests(c, a)
	}
	return s.startPage(c, a, http.StatusOK, "", nil)
}

// startPage shows who is on a start date, or on all of a departure, and how it
// would be closed.
func (s *Server) startPage(c echo.Context, a actor, status int, notice string, fields []fault.Field) error {
	ctx := c.Request().Context()
	d, pkg, date, err := s.ownStart(c, a)
	if err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	v := templates.StartView{Key: c.Param("key"), Departure: d.ID, PackageID: pkg.ID, Package: p.Name(pkg.Name), Whole: date.IsZero(), Notice: notice, Errors: templates.FieldErrors(p, fields),
		MayClose: a.may(account.AnswerBookings), How: cmp.Or(c.FormValue("how"), "refund"), MoveBy: c.FormValue("move_by"), To: c.FormValue("to"), Reason: c.FormValue("reason"), BookingPath: agencyBookings}
	p.Title = p.T("console.agency.start.whole")
	if !date.IsZero() {
		p.Title = p.T("console.agency.start", "date", p.Day(date))
	}
	if v.Guests, err = s.Checkout.BookingsOn(ctx, v.Key); err != nil {
		return err
	}
	closing, closed, err := s.Checkout.ClosingOf(ctx, v.Key)
	if err != nil {
		return err
	}
	if closed {
		v.Closing = &closing
	}
	starts, err := s.startRows(ctx, p, pkg)
	if err != nil {
		return err
	}
	for _, st := range starts {
		if st.Key != v.Key && !(v.Whole && st.Departure == d.ID) && !st.Closed && st.Taken < st.Capacity {
			v.Others = append(v.Others, st)
		}
	}
	if done := c.QueryParam("moved"); done != "" {
		moved, _ := strconv.Atoi(done)
		left, _ := strconv.Atoi(c.QueryParam("left"))
		frame.Done = p.T("console.agency.done.closed") + " " + p.N("console.agency.start.moved", moved) + " " + p.N("console.agency.start.left", left)
	}
	return s.render(c, status, templates.Start(p, frame, v))
}

// closeStart closes a start date, or all of a departure: everybody on it is
// refunded, or has until a day to choose another date, or is moved to one.
func (s *Server) closeStart(c echo.Context, a actor) error {
	ctx, p := c.Request().Context(), s.page(c)
	if _, _, _, err := s.ownStart(c, a); err != nil {
		return err
	}
	key, how, reason := c.Param("key"), c.FormValue("how"), strings.TrimSpace(c.FormValue("reason"))
	var fields fault.Fields
	if reason == "" {
		fields.Add("reason", "required", "say why; the patients read it")
	}
	var moveBy time.Time
	if how != "refund" {
		day, err := time.ParseInLocation(time.DateOnly, c.FormValue("move_by"), catalog.Shanghai)
		if err != nil {
			fields.Add("move_by", "date", "a date, YYYY-MM-DD")
		}
		moveBy = day.AddDate(0, 0, 1)
	}
	if how == "move" && c.FormValue("to") == "" {
		fields.Add("to", "required", "choose another date")
	}
	if len(fields) > 0 {
		return s.startPage(c, a, http.StatusUnprocessableEntity, "", fields)
	}
	guests, err := s.Checkout.BookingsOn(ctx, key)
	if err != nil {
		return err
	}
	act := checkout.Act{Actor: a.Email, Reason: reason}
	_, err = s.Checkout.CloseDeparture(ctx, key, moveBy, act)
	if found, ok := faultFields(err); ok {
		return s.startPage(c, a, http.StatusUnprocessableEntity, "", found)
	}
	if fault.Is(err, fault.Conflict) {
		return s.startPage(c, a, http.StatusConflict, localizedMessage(p, asFault(err)), nil)
	}
	if err != nil {
		return err
	}
	moved := 0
	if how == "move" {
		moved = s.moveAll(ctx, guests, c.FormValue("to"), act)
	}
	if err := s.note(c, a, account.Audited{Action: "departure.close", Thing: "start/" + key, Reason: reason, Detail: how}); err != nil {
		return err
	}
	return s.redirect(c, departuresPath+"/"+url.PathEscape(key)+"?moved="+strconv.Itoa(moved)+"&left="+strconv.Itoa(len(guests)-moved))
}

// moveAll moves bookings to another start and returns how many went. One that
// cannot go stays with its closed departure: its patient may still choose, and
// is refunded in full otherwise.
func (s *Server) moveAll(ctx context.Context, guests []checkout.Booking, to string, act checkout.Act) int {
	moved := 0
	for _, b := range guests {
		preview, err := s.Checkout.MovePreview(ctx, b.ID, to)
		if err == nil {
			_, err = s.Checkout.Move(ctx, b.ID, to, preview.Difference, act)
		}
		if err != nil {
			s.Log.InfoContext(ctx, "a booking of a closed departure was not moved", "booking", b.Number, "error", err)
			continue
		}
		moved++
	}
	return moved
}

// sendGuests sends who comes on a start date as a file for spreadsheets.
func (s *Server) sendGuests(c echo.Context, a actor) error {
	if _, _, _, err := s.ownStart(c, a); err != nil {
		return err
	}
	guests, err := s.Checkout.BookingsOn(c.Request().Context(), c.Param("key"))
	if err != nil {
		return err
	}
	header := []string{"number", "state", "start", "patient", "email", "country", "companions", "companion_names", "room", "interpreter", "note", "deposit", "currency", "paid", "due_on_arrival"}
	return s.sendCSV(c, "guests-"+c.Param("key"), header, func(row func(...string) error) error {
		for _, b := range guests {
			q := b.Quote
			err := row(b.Number, string(b.State), q.Start.Format(time.DateOnly), b.Patient.Name, b.Patient.Email, b.Patient.Country, strconv.Itoa(q.Companions), strings.Join(b.Patient.CompanionNames, "; "),
				q.RoomID, q.Interpreter, b.Patient.Note, q.Deposit.Decimal(), q.Deposit.Currency, b.Paid.Decimal(), q.DueOnArrival.Decimal())
			if err != nil {
				return err
			}
		}
		return nil
	})
}
