package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const packagesPath = "/console/packages"

func (s *Server) agencyRoutes() {
	route := func(method, path string, action account.Action, h consoleHandler) {
		s.consoleRoute(method, path, action, h, catalog.Agency)
	}
	const one = packagesPath + "/:id"
	route(http.MethodGet, packagesPath, account.SeeListings, s.showPackages)
	route(http.MethodGet, packagesPath+"/new", account.EditListings, s.newPackage)
	route(http.MethodPost, packagesPath+"/new", account.EditListings, s.createPackage)
	route(http.MethodGet, one, account.SeeListings, s.showOwnPackage)
	route(http.MethodPost, one+"/state", account.SubmitListings, s.movePackage)
	route(http.MethodPost, one+"/consent", account.SubmitListings, s.askConsent)
	route(http.MethodPost, one+"/copy", account.EditListings, s.copyPackage)
	s.planRoutes()
	s.termsRoutes()
	s.departureRoutes()
	s.agencyBookingRoutes()
	s.textRoutes()
	s.consoleTasks = append(s.consoleTasks, s.packageTasks)
}

// own returns an entry of the catalogue that belongs to the actor's
// organisation. What belongs to others does not exist for them. Errors:
// NotFound.
func own[T catalog.Entity](ctx context.Context, repo *catalog.Repo[T], a actor, id string) (catalog.Listing[T], error) {
	l, err := repo.Listing(ctx, id)
	if err == nil && a.Org.Owns(l.Value) {
		return l, nil
	}
	if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return catalog.Listing[T]{}, fault.Wrap(fault.NotFound, err, "There is nothing of yours here.").WithCode("console.not_yours")
	}
	return l, err
}

func (s *Server) ownPackage(c echo.Context, a actor) (catalog.Listing[catalog.Package], error) {
	return own(c.Request().Context(), s.Catalog.Packages, a, c.Param("id"))
}

const (
	// consoleRows is how many rows a page of a console's list shows.
	consoleRows = 50
	// maxSorted bounds a list that is read whole to be sorted.
	maxSorted = 5000
)

// packageRow is a package as its agency's list shows it.
type packageRow struct {
	catalog.Listing[catalog.Package]
	name string
}

// packageSorts are the orders of the list of packages; without one those
// changed last stand first.
var packageSorts = map[string]func(a, b packageRow) int{
	"name":  func(a, b packageRow) int { return strings.Compare(a.name, b.name) },
	"state": func(a, b packageRow) int { return slices.Index(states, a.State) - slices.Index(states, b.State) },
	"days":  func(a, b packageRow) int { return a.Value.Itinerary.Length() - b.Value.Itinerary.Length() },
}

var states = []catalog.State{catalog.Draft, catalog.Submitted, catalog.Published, catalog.Suspended, catalog.Archived}

// packageMatches reports whether a package fits what a list was asked for.
func packageMatches(r packageRow, q string, state catalog.State) bool {
	if state != "" && r.State != state {
		return false
	}
	text := strings.ToLower(r.Value.ID + " " + r.name + " " + r.Value.Name.Get("zh-Hans"))
	for word := range strings.FieldsSeq(strings.ToLower(q)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// packageRows returns a page of an agency's packages and the cursor of the
// next. A sorted list is read whole; its cursor is a number.
func (s *Server) packageRows(ctx context.Context, p templates.Page, agency string, q url.Values, limit int) (out []packageRow, next string, err error) {
	match := func(l catalog.Listing[catalog.Package]) (packageRow, bool) {
		r := packageRow{l, p.Name(l.Value.Name)}
		return r, packageMatches(r, q.Get("q"), catalog.State(q.Get("state")))
	}
	filter := catalog.ListingFilter{Owner: agency}
	if less, ok := packageSorts[q.Get("sort")]; ok {
		err := s.Catalog.Packages.EachListing(ctx, filter, func(l catalog.Listing[catalog.Package]) error {
			if r, ok := match(l); ok && len(out) < maxSorted {
				out = append(out, r)
			}
			return nil
		})
		slices.SortStableFunc(out, less)
		from, _ := strconv.Atoi(q.Get("after"))
		from = min(max(from, 0), len(out))
		if to := from + limit; to < len(out) {
			return out[from:to], strconv.Itoa(to), err
		}
		return out[from:], "", err
	}
	next = q.Get("after")
	for {
		page, err := s.Catalog.Packages.Listings(ctx, filter, min(limit-len(out), consoleRows), next)
		if err != nil {
			return nil, "", err
		}
		for _, rec := range page.Items {
			if r, ok := match(rec.Value); ok {
				out = append(out, r)
			}
		}
		if next = page.Next; next == "" || len(out) == limit {
			return out, next, nil
		}
	}
}

func (s *Server) showPackages(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.agency.packages")
	q := c.QueryParams()
	l := templates.List{Path: packagesPath, Query: q, CSV: true, Empty: p.T("console.agency.packages.empty"), SearchLabel: p.T("console.agency.packages.search"),
		Filters: []templates.ListFilter{{Name: "state", Label: p.T("console.agency.state")}},
		Columns: []templates.ListColumn{{Label: p.T("console.agency.name"), Sort: "name"}, {Label: p.T("console.agency.state"), Sort: "state"},
			{Label: p.T("console.agency.days"), Sort: "days", Numeric: true}, {Label: p.T("console.agency.price"), Numeric: true},
			{Label: p.T("console.agency.shown")}, {Label: p.T("console.agency.changed")}}}
	if a.may(account.EditListings) {
		l.Actions = []templates.ListAction{{Label: p.T("console.agency.new"), Path: packagesPath + "/new"}}
	}
	for _, state := range states {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(state), Label: p.T("console.state." + string(state))})
	}
	limit := consoleRows
	if q.Get("format") == "csv" {
		limit = maxSorted
	}
	rows, next, err := s.packageRows(c.Request().Context(), p, a.Org.ID, q, limit)
	if err != nil {
		return err
	}
	if q.Get("format") == "csv" {
		return s.sendCSV(c, "packages", []string{"id", "name", "state", "revision", "days", "price", "currency", "shown_revision", "changed_at", "changed_by"}, func(row func(...string) error) error {
			for _, r := range rows {
				if err := row(r.Value.ID, r.name, string(r.State), strconv.Itoa(r.Revision), strconv.Itoa(r.Value.Itinerary.Length()), onArrival(r.Value).Decimal(),
					r.Value.Currency, strconv.Itoa(r.ShownRevision), r.At.Format("2006-01-02T15:04:05Z"), r.Author); err != nil {
					return err
				}
			}
			return nil
		})
	}
	l.Next = next
	for _, r := range rows {
		shown := p.T("console.agency.shown.no")
		if r.Shown != nil {
			shown = p.T("console.agency.shown.yes")
		}
		l.Rows = append(l.Rows, templates.ListRow{Path: packagesPath + "/" + r.Value.ID, Tone: listingTones[r.State],
			Cells: []string{r.name, p.T("console.state." + string(r.State)), p.Int(r.Value.Itinerary.Length()), p.MoneyCode(onArrival(r.Value)), shown, p.Time(r.At)}})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// listingTones colour the states of listings in lists.
var listingTones = map[catalog.State]string{catalog.Draft: "quiet", catalog.Submitted: "wait", catalog.Published: "good", catalog.Suspended: "stop", catalog.Archived: "quiet"}

// onArrival is what a patient alone pays of a package on arrival.
func onArrival(pkg catalog.Package) catalog.Money {
	sum := catalog.Money{Currency: pkg.Currency}
	for _, l := range pkg.Lines {
		if l.Amount != nil && l.Due == catalog.DueOnArrival && l.Per == catalog.PerBooking {
			sum.Amount += l.Amount.Amount
		}
	}
	return sum
}

// packageHead is what every page of a package has.
func (s *Server) packageHead(p templates.Page, a actor, l catalog.Listing[catalog.Package], tab string) templates.PackageHead {
	return templates.PackageHead{ID: l.Value.ID, Tab: tab, State: l.State, Shown: l.Shown != nil, Number: l.Revision,
		MayEdit: a.may(account.EditListings), MaySubmit: a.may(account.SubmitListings)}
}

// packagePageOf returns the frame of a page of a package.
func (s *Server) packagePageOf(c echo.Context, a actor, l catalog.Listing[catalog.Package]) (templates.Page, templates.Console) {
	p, frame := s.consolePage(c, a, "")
	p.Title, p.Path = p.Name(l.Value.Name), packagesPath+"/"+l.Value.ID
	if done := c.QueryParam("done"); done != "" {
		frame.Done = p.Or("console.agency.done."+done, "")
	}
	return p, frame
}

// statusOf is the status of the answer to a form.
func (f packageForm) statusOf() int { return max(f.status, http.StatusOK) }

// done sends an editor back to a page of a package with what was done.
func (s *Server) done(c echo.Context, id, tab, done string) error {
	path := packagesPath + "/" + id
	if tab != "" {
		path += "/" + tab
	}
	return s.redirect(c, path+"?done="+done)
}

// packageForm is what became of a form about a package.
type packageForm struct {
	// status of the answer; 0 where nothing was sent.
	status int
	// revision at which the form was read.
	revision int
	conflict *templates.EditConflict
	fields   []fault.Field
}

// typed is a form that is shown with what was sent, without saving.
func typed(c echo.Context) packageForm {
	revision, err := strconv.Atoi(c.FormValue("revision"))
	if err != nil {
		revision = -1 // never the latest
	}
	return packageForm{status: http.StatusOK, revision: revision}
}

// packageEditor is what the form of a page of a package carries. Members who
// edit another page of it are told of each other too; drafts are kept by page.
func (s *Server) packageEditor(c echo.Context, a actor, id, tab string, latest int, f packageForm) (templates.Editor, error) {
	e, err := s.editor(c, a, "package/"+id, latest)
	e.Thing += "/" + tab
	e.Typed, e.Conflict = f.status != 0, f.conflict
	if f.status != 0 && f.conflict == nil {
		e.Revision = f.revision
	}
	return e, err
}

// savePackage stores new content of a package over the revision that its
// editor has read. It reports false where the form has to be shown again.
func (s *Server) savePackage(c echo.Context, a actor, pkg catalog.Package, tab string) (packageForm, bool, error) {
	ctx, f := c.Request().Context(), typed(c)
	edit := editOver(c, a, "")
	wrote, err := s.Catalog.Packages.Save(ctx, pkg, edit)
	if changed(err) {
		f.status = http.StatusConflict
		f.conflict, err = editConflict(ctx, s.Catalog.Packages, pkg.ID, edit)
		return f, false, err
	}
	if fields, ok := faultFields(err); ok {
		f.status, f.fields = http.StatusUnprocessableEntity, fields
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	if wrote {
		if err := s.note(c, a, account.Audited{Action: "package.save", Thing: "package/" + pkg.ID, Detail: tab}); err != nil {
			return f, false, err
		}
	}
	return f, true, s.saved(c, a, "package/"+pkg.ID+"/"+tab)
}

// faultFields returns the faults of an error that the form can show beside its
// fields; ok is false for an error that is about something else.
func faultFields(err error) (fields []fault.Field, ok bool) {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid || len(f.Fields) == 0 {
		return nil, false
	}
	return f.Fields, true
}

// returned reports whether the operator has sent a package back: nobody else
// gives a reason for a draft.
func returned(l catalog.Listing[catalog.Package]) bool {
	return l.State == catalog.Draft && l.Reason != ""
}

// packageTasks finds the packages that wait for their agency.
func (s *Server) packageTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	if a.Org.OrganisationKind != catalog.Agency || !a.may(account.EditListings) {
		return nil, nil
	}
	var out []templates.ConsoleTask
	err := s.Catalog.Packages.EachListing(ctx, catalog.ListingFilter{Owner: a.Org.ID}, func(l catalog.Listing[catalog.Package]) error {
		key := ""
		switch {
		case l.State == catalog.Suspended:
			key = "suspended"
		case returned(l):
			key = "returned"
		case l.State == catalog.Draft:
			key = "draft"
		}
		if key != "" && len(out) < maxTasks {
			out = append(out, templates.ConsoleTask{Label: p.T("console.agency.task."+key, "name", p.Name(l.Value.Name)), Path: packagesPath + "/" + l.Value.ID, Urgent: key != "draft"})
		}
		return nil
	})
	return out, err
}

// maxTasks bounds the tasks of one kind on the first page of a console.
const maxTasks = 10
