package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	organisationsPath = "/console/organisations"
	// renewAhead is how long before a document or a claim expires the operator
	// is told.
	renewAhead = 60 * 24 * time.Hour
)

func (s *Server) organisationRoutes() {
	s.consoleRoute(http.MethodGet, organisationsPath, account.SeeReports, s.listOrganisations, catalog.Operator)
	s.consoleRoute(http.MethodGet, organisationsPath+"/new", account.ManageOrganisations, s.newOrganisation, catalog.Operator)
	s.consoleRoute(http.MethodPost, organisationsPath+"/new", account.ManageOrganisations, s.createOrganisation, catalog.Operator)
	s.consoleRoute(http.MethodGet, organisationsPath+"/:organisation", account.SeeReports, s.showOrganisation, catalog.Operator)
	s.consoleRoute(http.MethodPost, organisationsPath+"/:organisation", account.ManageOrganisations, s.actOnOrganisation, catalog.Operator)
	s.consoleTasks = append(s.consoleTasks, s.renewalTasks)
}

// today is the date in Shanghai, YYYY-MM-DD.
func (s *Server) today() string { return s.Now().In(catalog.Shanghai).Format(time.DateOnly) }

// renewalTasks says whose documents expire, to the operator of everybody, to
// others of their own.
func (s *Server) renewalTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	var tasks []templates.ConsoleTask
	soon := s.Now().Add(renewAhead).In(catalog.Shanghai).Format(time.DateOnly)
	look := func(o catalog.Organisation, path string) error {
		checks, err := s.Accounts.Onboarding(ctx, o.ID)
		for check, seen := range checks {
			if seen.Expired(soon) {
				tasks = append(tasks, templates.ConsoleTask{Path: path, Due: seen.Expires, Urgent: seen.Expired(s.today()),
					Label: p.T("console.organisation.renew", "what", p.T("console.check."+string(check)), "name", p.Name(o.Name))})
			}
		}
		return err
	}
	if a.Org.OrganisationKind != catalog.Operator {
		return tasks, look(a.Org, consolePath)
	}
	err := s.Catalog.Organisations.Each(ctx, func(o catalog.Organisation) error {
		return look(o, organisationsPath+"/"+o.ID)
	})
	return tasks, err
}

func (s *Server) listOrganisations(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.organisations.all")
	l := templates.List{Path: organisationsPath, Query: c.QueryParams(), SearchLabel: p.T("console.listings.search"), Empty: p.T("console.organisations.empty"),
		Filters: []templates.ListFilter{{Name: "kind", Label: p.T("console.listing.kind")}},
		Columns: []templates.ListColumn{{Label: p.T("console.desk.organisation")}, {Label: p.T("console.desk.state")}, {Label: p.T("console.listing.kind")}, {Label: p.T("console.organisation.checked"), Numeric: true}}}
	if a.may(account.ManageOrganisations) {
		l.Actions = []templates.ListAction{{Label: p.T("console.organisation.new"), Path: organisationsPath + "/new"}}
	}
	for _, kind := range []catalog.OrganisationKind{catalog.HospitalDepartment, catalog.Agency, catalog.LiaisonOffice, catalog.Operator} {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(kind), Label: p.T("console.kind." + string(kind))})
	}
	words, kind := strings.ToLower(strings.TrimSpace(c.QueryParam("q"))), c.QueryParam("kind")
	err := s.Catalog.Organisations.EachListing(ctx, catalog.ListingFilter{}, func(v catalog.Listing[catalog.Organisation]) error {
		o := v.Value
		if kind != "" && string(o.OrganisationKind) != kind || words != "" && !strings.Contains(strings.ToLower(o.ID+" "+p.Name(o.Name)), words) {
			return nil
		}
		checks, err := s.Accounts.Onboarding(ctx, o.ID)
		l.Rows = append(l.Rows, templates.ListRow{Path: organisationsPath + "/" + o.ID, Tone: templates.StateTone(v.State), Cells: []string{p.Name(o.Name), p.T("console.state." + string(v.State)),
			p.T("console.kind." + string(o.OrganisationKind)), p.Int(len(checks)) + "/" + p.Int(len(account.ChecksOf(o.OrganisationKind)))}})
		return err
	})
	if err != nil {
		return err
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

func (s *Server) newOrganisation(c echo.Context, a actor) error {
	return s.newOrganisationPage(c, a, http.StatusOK, templates.NewOrganisationView{Organisation: catalog.Organisation{OrganisationKind: catalog.HospitalDepartment}})
}

func (s *Server) newOrganisationPage(c echo.Context, a actor, status int, v templates.NewOrganisationView) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.organisation.new")
	err := s.Catalog.Hospitals.Each(c.Request().Context(), func(h catalog.Hospital) error {
		v.Hospitals = append(v.Hospitals, templates.ListChoice{Value: h.ID, Label: p.Name(h.Name)})
		return nil
	})
	if err != nil {
		return err
	}
	return s.render(c, status, templates.NewOrganisation(p, frame, v))
}

// createOrganisation publishes a new organisation; its owner is invited on its
// page.
func (s *Server) createOrganisation(c echo.Context, a actor) error {
	ctx, p := c.Request().Context(), s.page(c)
	o := catalog.Organisation{ID: strings.TrimSpace(c.FormValue("id")), Name: textOf(c, "name"), OrganisationKind: catalog.OrganisationKind(c.FormValue("organisation_kind"))}
	if o.OrganisationKind == catalog.HospitalDepartment {
		o.HospitalID = c.FormValue("hospital_id")
	}
	var fields fault.Fields
	if o.OrganisationKind == catalog.HospitalDepartment && o.HospitalID == "" {
		fields.Add("hospital_id", "required", "say for which hospital it acts")
	}
	if _, err := s.Catalog.Organisations.Listing(ctx, o.ID); err == nil {
		fields.Add("id", "taken", "this id is taken")
	}
	err := fields.Err("the organisation is not complete")
	if err == nil {
		_, err = s.Catalog.Organisations.Publish(ctx, o, a.edit("onboarding"))
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		return s.newOrganisationPage(c, a, http.StatusUnprocessableEntity, templates.NewOrganisationView{Organisation: o, Errors: templates.FieldErrors(p, f.Fields)})
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "organisation.create", Thing: "organisation/" + o.ID, Owner: o.ID}); err != nil {
		return err
	}
	return s.redirect(c, organisationsPath+"/"+url.PathEscape(o.ID)+"?done=organisation")
}

func (s *Server) showOrganisation(c echo.Context, a actor) error {
	return s.organisationPage(c, a, http.StatusOK, templates.OrganisationView{})
}

func (s *Server) organisationPage(c echo.Context, a actor, status int, v templates.OrganisationView) error {
	ctx := c.Request().Context()
	l, err := s.Catalog.Organisations.Listing(ctx, c.Param("organisation"))
	if err != nil {
		return err
	}
	v.Organisation, v.State, v.Today, v.MayManage = l.Value, l.State, s.today(), a.may(account.ManageOrganisations)
	if v.Members, err = s.Accounts.Members(ctx, l.Value.ID); err != nil {
		return err
	}
	invited, err := s.Accounts.Invitations(ctx, l.Value.ID)
	if err != nil {
		return err
	}
	for _, i := range invited {
		v.Invited = append(v.Invited, i.Email)
	}
	checks, err := s.Accounts.Onboarding(ctx, l.Value.ID)
	if err != nil {
		return err
	}
	for _, check := range account.ChecksOf(l.Value.OrganisationKind) {
		v.Checks = append(v.Checks, templates.OrganisationCheck{Check: check, Seen: checks[check]})
	}
	p, frame := s.consolePage(c, a, "")
	p.Title = p.Name(l.Value.Name)
	frame.Done = said(p, c.QueryParam("done"))
	return s.render(c, status, templates.Organisation(p, frame, v))
}

// actOnOrganisation records what was seen of an organisation, or invites its
// owner.
func (s *Server) actOnOrganisation(c echo.Context, a actor) error {
	ctx, p := c.Request().Context(), s.page(c)
	l, err := s.Catalog.Organisations.Listing(ctx, c.Param("organisation"))
	if err != nil {
		return err
	}
	act, detail := c.FormValue("act"), ""
	v := templates.OrganisationView{}
	switch act {
	case "check":
		seen := account.Checked{Document: c.FormValue("document"), Expires: c.FormValue("expires"), Note: c.FormValue("note"), By: a.Email}
		detail = c.FormValue("check") + " " + seen.Document
		v.Wrong, v.Typed = account.Check(c.FormValue("check")), seen
		err = s.Accounts.Check(ctx, l.Value, v.Wrong, seen)
	case "invite":
		v.Email = c.FormValue("email")
		detail = v.Email
		err = s.inviteOwner(c, a, l.Value, v.Email)
	default:
		err = fault.New(fault.Invalid, "There is no such act.")
	}
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict || f.Kind == fault.TooMany) {
		v.Errors, v.Notice = templates.FieldErrors(p, f.Fields), localizedMessage(p, f)
		return s.organisationPage(c, a, statuses[f.Kind], v)
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "organisation." + act, Thing: "organisation/" + l.Value.ID, Owner: l.Value.ID, Detail: detail}); err != nil {
		return err
	}
	return s.redirect(c, organisationsPath+"/"+url.PathEscape(l.Value.ID)+"?done=organisation-"+act)
}

// inviteOwner invites somebody to own an organisation.
func (s *Server) inviteOwner(c echo.Context, a actor, org catalog.Organisation, address string) error {
	if !s.Outbox.Sends() && !s.Demo {
		return errNoMail()
	}
	ctx := c.Request().Context()
	email, err := account.NormalizeEmail(address)
	if err != nil {
		return err
	}
	token, err := s.Accounts.Invite(ctx, org.ID, a.Email, email, account.Owner)
	if err != nil {
		return err
	}
	as := a
	as.Org = org
	return s.mailInvitation(ctx, s.page(c).Locale, as, email, account.Owner, token)
}
