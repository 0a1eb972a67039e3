package web

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const consolePath = "/console"

// consoleLanguages are those of the consoles: partners in Shanghai and the
// operator. Readers of other languages get English.
var consoleLanguages = []string{"en", "zh-Hans"}

// actor is who acts in a console, and for which organisation.
type actor struct {
	account.Session
	Role account.Role
	Org  catalog.Organisation
}

func (a actor) may(action account.Action) bool {
	return account.May(a.Org.OrganisationKind, a.Role, action)
}

// edit signs a change of the catalogue.
func (a actor) edit(reason string) catalog.Edit {
	return catalog.Edit{Author: a.Email, Reason: reason}
}

// consoleHandler answers a request of somebody who may make it.
type consoleHandler func(c echo.Context, a actor) error

// consoleRoute is a row of the consoles' route table: who may go there is said
// here and nowhere else.
type consoleRoute struct {
	Method, Path string
	Action       account.Action
	// Kinds of organisations that have the page; none for all.
	Kinds []catalog.OrganisationKind
}

// open reports whether a member may go there.
func (r consoleRoute) open(a actor) bool {
	return (len(r.Kinds) == 0 || slices.Contains(r.Kinds, a.Org.OrganisationKind)) && a.may(r.Action)
}

// consoleItem is an entry of the consoles' navigation.
type consoleItem struct {
	Key, Path string
	Action    account.Action
	Kinds     []catalog.OrganisationKind
}

// consoleItems is the navigation, in its order.
var consoleItems = []consoleItem{
	{"console.nav.home", consolePath, account.SeeListings, nil},
	{"console.nav.queue", queuePath, account.SeeReports, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.listings", listingsPath, account.SeeReports, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.organisations", organisationsPath, account.SeeReports, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.treatments", treatmentsPath, account.SeeReports, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.claims", claimsPath, account.SeeReports, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.vocabulary", vocabularyPath, account.EditVocabulary, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.searches", searchesPath, account.SeeReports, []catalog.OrganisationKind{catalog.Operator}},
	{"console.nav.money", deskPath, account.SeeMoney, []catalog.OrganisationKind{catalog.Operator}},
	{"console.agency.packages", packagesPath, account.SeeListings, []catalog.OrganisationKind{catalog.Agency}},
	{"console.nav.cases", casesPath, account.SeeBookings, []catalog.OrganisationKind{hospitalsOnly}},
	{"console.nav.offerings", offeringsPath, account.SeeListings, []catalog.OrganisationKind{hospitalsOnly}},
	{"console.nav.hospital", profilePath, account.SeeListings, []catalog.OrganisationKind{hospitalsOnly}},
	{"console.nav.slots", slotsPath, account.SeeListings, []catalog.OrganisationKind{hospitalsOnly}},
	{"console.nav.requests", requestsPath, account.SeeListings, []catalog.OrganisationKind{hospitalsOnly}},
	{"console.agency.departures", departuresPath, account.SeeBookings, []catalog.OrganisationKind{catalog.Agency}},
	{"console.agency.bookings", agencyBookings, account.SeeBookings, []catalog.OrganisationKind{catalog.Agency}},
	{"console.agency.ledger", agencyLedger, account.SeeMoney, []catalog.OrganisationKind{catalog.Agency}},
	{"console.nav.about", "/console/about", account.EditListings, nil},
	{"console.nav.members", membersPath, account.SeeMembers, nil},
	{"console.partner.keys", keysPath, account.ManageKeys, []catalog.OrganisationKind{catalog.HospitalDepartment, catalog.Agency}},
	{"console.nav.audit", auditPath, account.SeeAudit, nil},
}

// consoleTask finds what an organisation has to do next.
type consoleTask func(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error)

func (s *Server) consoleRoutes() {
	s.consoleRoute(http.MethodGet, consolePath, account.SeeListings, s.showConsole)
	s.consoleRoute(http.MethodGet, "/console/about", account.EditListings, s.showAbout)
	s.consoleRoute(http.MethodPost, "/console/about", account.EditListings, s.saveAbout)
	s.consoleRoute(http.MethodPost, "/console/editing", account.SeeListings, s.beat)
	s.memberRoutes()
	s.consoleRoute(http.MethodGet, auditPath, account.SeeAudit, s.showAudit)
	s.moderationRoutes()
	s.vocabularyRoutes()
	s.organisationRoutes()
	s.claimRoutes()
	s.taxonomyRoutes()
	s.deskRoutes()
	s.agencyRoutes()
	s.listingRoutes()
	s.hospitalOfferingRoutes()
	s.hospitalProfileRoutes()
	s.hospitalBookingRoutes()
	s.consentRoutes()
	s.slotRoutes()
	s.keyRoutes()
	g := s.echo.Group("", s.private)
	g.GET("/console/organisation", s.showOrganisations)
	g.POST("/console/organisation", s.chooseOrganisation)
	g.POST("/demo/sign-in", s.demoSignIn)
}

// consoleRoute adds a page or an act of the consoles: only members of an
// organisation of the kinds, in a role that may take the action, reach it.
func (s *Server) consoleRoute(method, path string, action account.Action, h consoleHandler, kinds ...catalog.OrganisationKind) {
	route := consoleRoute{method, path, action, kinds}
	s.consoleTable = append(s.consoleTable, route)
	s.echo.Add(method, path, func(c echo.Context) error {
		if !slices.Contains(consoleLanguages, langOf(c)) && method == http.MethodGet {
			return c.Redirect(http.StatusSeeOther, c.Request().URL.RequestURI())
		}
		a, err := s.actor(c)
		switch {
		case fault.Is(err, fault.Unauthorized) && method == http.MethodGet:
			return s.redirect(c, "/sign-in?return="+url.QueryEscape(s.page(c).URL(c.Request().URL.RequestURI())))
		case err != nil:
			return err
		case a.Org.ID == "":
			return s.redirect(c, "/console/organisation")
		case !a.Strong():
			return s.proveMore(c)
		case !route.open(a):
			return fault.New(fault.Forbidden, "Your role in this organisation does not allow this. Ask an owner of it.").WithCode("console.forbidden")
		}
		return h(c, a)
	}, s.private)
}

// actor returns who is signed in and for whom they act. The organisation is
// empty where none is chosen yet. Errors: Unauthorized.
func (s *Server) actor(c echo.Context) (actor, error) {
	ctx := c.Request().Context()
	session, err := s.session(c)
	a := actor{Session: session}
	if err != nil || session.Organisation == "" {
		return a, err
	}
	m, err := s.Accounts.Membership(ctx, session.Email, session.Organisation)
	if fault.Is(err, fault.NotFound) {
		return a, nil // no longer a member: choose another
	}
	if err != nil {
		return a, err
	}
	a.Role = m.Role
	org, err := s.Catalog.Organisations.Get(ctx, session.Organisation)
	if fault.Is(err, fault.NotFound) {
		return a, fault.Wrap(fault.Forbidden, err, "This organisation is suspended. Write to the operator.").WithCode("console.suspended")
	}
	a.Org = org
	return a, err
}

// consolePage returns a page of the consoles with its frame.
func (s *Server) consolePage(c echo.Context, a actor, title string) (templates.Page, templates.Console) {
	p := s.personalPage(c)
	p.Query, p.Title, p.Section = c.Request().URL.RawQuery, title, "console"
	frame := templates.Console{Organisation: p.Name(a.Org.Name), Kind: string(a.Org.OrganisationKind), Role: string(a.Role), Email: a.Email, Demo: a.Org.Demo}
	for _, it := range consoleItems {
		if (len(it.Kinds) == 0 || slices.Contains(it.Kinds, a.Org.OrganisationKind)) && a.may(it.Action) {
			current := it.Path == p.Path || it.Path != consolePath && strings.HasPrefix(p.Path, it.Path+"/")
			frame.Items = append(frame.Items, templates.ConsoleItem{Label: p.T(it.Key), Path: it.Path, Current: current})
		}
	}
	return p, frame
}

// note adds a line to the audit trail about what an actor did.
func (s *Server) note(c echo.Context, a actor, line account.Audited) error {
	line.Actor, line.Organisation, line.Request = a.Email, a.Org.ID, requestID(c)
	return s.Audit.Note(c.Request().Context(), line)
}

func (s *Server) showConsole(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = frame.Organisation
	var v templates.ConsoleHomeView
	for _, find := range s.consoleTasks {
		tasks, err := find(c.Request().Context(), p, a)
		if err != nil {
			return err
		}
		v.Tasks = append(v.Tasks, tasks...)
	}
	return s.ok(c, templates.ConsoleHome(p, frame, v))
}

// showOrganisations lets somebody choose for whom to act.
func (s *Server) showOrganisations(c echo.Context) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	session, err := s.session(c)
	if fault.Is(err, fault.Unauthorized) {
		return s.redirect(c, "/sign-in?return="+url.QueryEscape(p.URL(consolePath)))
	}
	if err != nil {
		return err
	}
	memberships, err := s.Accounts.Memberships(ctx, session.Email)
	if err != nil {
		return err
	}
	var v templates.OrganisationsView
	if v.Invitations, err = s.invitationsTo(c, session.Email); err != nil {
		return err
	}
	for _, m := range memberships {
		org, err := s.Catalog.Organisations.Get(ctx, m.Organisation)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		v.Organisations = append(v.Organisations, templates.OrganisationChoice{ID: org.ID, Name: p.Name(org.Name), Kind: string(org.OrganisationKind), Role: string(m.Role), Current: org.ID == session.Organisation})
	}
	p.Path, p.Query, p.Title, p.Section = "/console/organisation", "", p.T("console.organisations"), "console"
	return s.ok(c, templates.Organisations(p, v))
}

func (s *Server) chooseOrganisation(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	if err := s.Accounts.ActFor(c.Request().Context(), session, c.FormValue("organisation")); err != nil {
		return err
	}
	return s.redirect(c, consolePath)
}

// demoPeople are whom a visitor of a demonstration may look around as, with
// the organisation of each.
var demoPeople = map[string]struct{ email, organisation string }{
	"patient":  {"patient@demo.example", ""},
	"hospital": {"hospital@demo.example", "demo-hospital-department"},
	"agency":   {"agency@demo.example", "demo-agency-jade-bridge"},
	"operator": {"operator@demo.example", "medtour-operator-demo"},
}

// demoSignIn signs a visitor of a demonstration in with one click.
func (s *Server) demoSignIn(c echo.Context) error {
	who, ok := demoPeople[c.FormValue("as")]
	if !s.Demo || !ok {
		return echo.ErrNotFound
	}
	ctx := c.Request().Context()
	if who.organisation != "" {
		err := s.Accounts.Join(ctx, who.organisation, account.Member{Email: who.email, Role: account.Owner, AddedBy: "demo"})
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	token, err := s.Accounts.Begin(ctx, who.email, c.Request().UserAgent(), account.ProofDemo)
	if err != nil {
		return err
	}
	if err := s.begin(c, token); err != nil {
		return err
	}
	if who.organisation != "" {
		return s.redirect(c, consolePath)
	}
	return s.redirect(c, accountPath)
}

// sendCSV sends a list as a file for spreadsheets. each calls its argument for
// every row.
func (s *Server) sendCSV(c echo.Context, name string, header []string, each func(row func(...string) error) error) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="`+name+`.csv"`)
	// Spreadsheet programs take a file for UTF-8 by this mark.
	if _, err := c.Response().Write([]byte("\ufeff")); err != nil {
		return err
	}
	w := csv.NewWriter(c.Response())
	if err := w.Write(header); err != nil {
		return err
	}
	if err := each(func(cells ...string) error { return w.Write(plainCells(cells)) }); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

// plainCells keeps spreadsheet programs from taking a text for a formula
// (OWASP, CSV injection).
func plainCells(cells []string) []string {
	for i, cell := range cells {
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			cells[i] = "'" + cell
		}
	}
	return cells
}
