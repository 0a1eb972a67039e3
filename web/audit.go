package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

const (
	auditPath = "/console/audit"
	// auditPage is how many lines of the audit trail a page shows.
	auditPage = 50
)

// auditFilter reads what is looked for. The operator sees everything, an
// organisation what is its own. Dates are days in Shanghai; one that cannot be
// read chooses all.
func auditFilter(c echo.Context, org catalog.Organisation) account.AuditFilter {
	text := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	f := account.AuditFilter{Owner: org.ID, Thing: text("thing"), Actor: strings.ToLower(text("actor"))}
	if org.OrganisationKind == catalog.Operator {
		f.Owner = text("owner")
	}
	if day, err := time.ParseInLocation(time.DateOnly, text("from"), catalog.Shanghai); err == nil {
		f.From = day
	}
	if day, err := time.ParseInLocation(time.DateOnly, text("to"), catalog.Shanghai); err == nil {
		f.To = day.AddDate(0, 0, 1)
	}
	return f
}

func (s *Server) showAudit(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.nav.audit")
	operator, filter := a.Org.OrganisationKind == catalog.Operator, auditFilter(c, a.Org)
	columns := []templates.ListColumn{{Label: p.T("console.audit.thing")}, {Label: p.T("console.audit.action")}, {Label: p.T("console.audit.actor")},
		{Label: p.T("console.audit.at")}, {Label: p.T("console.audit.reason")}}
	if c.QueryParam("format") == "csv" {
		return s.sendAudit(c, p, columns, filter)
	}
	lines, next, err := s.Audit.Find(c.Request().Context(), filter, auditPage, c.QueryParam("after"))
	if err != nil {
		return err
	}
	l := templates.List{Path: auditPath, Query: c.QueryParams(), Next: next, Empty: p.T("console.audit.empty"), CSV: true, Columns: columns,
		Filters: []templates.ListFilter{{Name: "actor", Label: p.T("console.audit.actor.filter"), Type: "text"}, {Name: "thing", Label: p.T("console.audit.thing.filter"), Type: "text"},
			{Name: "from", Label: p.T("console.audit.from"), Type: "date"}, {Name: "to", Label: p.T("console.audit.to"), Type: "date"}}}
	if operator {
		l.Filters = append(l.Filters, templates.ListFilter{Name: "owner", Label: p.T("console.audit.owner.filter"), Type: "text"})
	}
	for _, line := range lines {
		l.Rows = append(l.Rows, templates.ListRow{Path: s.thingPath(a, line.Thing), Cells: auditCells(p, line)})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

func auditCells(p templates.Page, l account.Audited) []string {
	return []string{l.Thing, l.Action, l.Actor, p.Time(l.At), strings.TrimSpace(l.Reason + " " + l.Detail)}
}

// sendAudit sends every line that is looked for as a file.
func (s *Server) sendAudit(c echo.Context, p templates.Page, columns []templates.ListColumn, f account.AuditFilter) error {
	var header []string
	for _, column := range columns {
		header = append(header, column.Label)
	}
	return s.sendCSV(c, "audit", header, func(row func(...string) error) error {
		return s.Audit.Each(c.Request().Context(), f, func(l account.Audited) error {
			cells := auditCells(p, l)
			cells[3] = l.At.Format(time.RFC3339) // a time that programs can sort by
			return row(cells...)
		})
	})
}

// thingPath returns where a member finds a thing of the audit trail, empty for
// nowhere. The operator reads every listing and booking in its own pages.
func (s *Server) thingPath(a actor, thing string) string {
	kind, id, _ := strings.Cut(thing, "/")
	path := ""
	switch {
	case kind == "member":
		path = membersPath + "?q=" + url.QueryEscape(id)
	case a.Org.OrganisationKind == catalog.Operator && kind == "booking":
		path = deskPath + "/bookings/" + url.PathEscape(id)
	case a.Org.OrganisationKind == catalog.Operator && slices.Contains(catalog.Kinds, catalog.Kind(kind)):
		path = listingsPath + "/" + kind + "/" + url.PathEscape(id)
	case thing == "organisation/"+a.Org.ID:
		path = "/console/about"
	default:
		path = "/console/" + kind + "s/" + url.PathEscape(id)
	}
	return s.reachable(a, path)
}

// reachable returns a path of the consoles where the member may go there,
// empty where not.
func (s *Server) reachable(a actor, path string) string {
	plain, _, _ := strings.Cut(path, "?")
	for _, r := range s.consoleTable {
		if r.Method == http.MethodGet && matches(r.Path, plain) && r.open(a) {
			return path
		}
	}
	return ""
}

// matches reports whether a path is of a route.
func matches(route, path string) bool {
	parts, want := strings.Split(path, "/"), strings.Split(route, "/")
	if len(parts) != len(want) {
		return false
	}
	for i := range parts {
		if !strings.HasPrefix(want[i], ":") && want[i] != parts[i] {
			return false
		}
	}
	return true
}
