package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	requestsPath = "/console/requests"
	// requestsShown is how many requests of a state a page shows.
	requestsShown = 100
)

func (s *Server) consentRoutes() {
	s.consoleRoute(http.MethodGet, requestsPath, account.SeeListings, s.showRequests, hospitalsOnly)
	s.consoleRoute(http.MethodPost, requestsPath, account.SubmitListings, s.answerRequest, hospitalsOnly)
	s.consoleTasks = append(s.consoleTasks, s.requestTasks)
}

func (s *Server) requestTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	if a.Org.OrganisationKind != catalog.HospitalDepartment || !a.may(account.SubmitListings) {
		return nil, nil
	}
	asked, err := s.Catalog.Consents(ctx, catalog.ConsentFilter{HospitalID: a.Org.HospitalID, State: catalog.ConsentAsked}, requestsShown, "")
	if err != nil || len(asked.Items) == 0 {
		return nil, err
	}
	return []templates.ConsoleTask{{Label: p.N("console.requests.task", len(asked.Items)), Path: requestsPath}}, nil
}

func (s *Server) showRequests(c echo.Context, a actor) error {
	return s.requestsPage(c, a, http.StatusOK, templates.RequestsView{})
}

func (s *Server) requestsPage(c echo.Context, a actor, status int, v templates.RequestsView) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.nav.requests")
	for _, state := range []catalog.ConsentState{catalog.ConsentAsked, catalog.ConsentGiven, catalog.ConsentRefused} {
		page, err := s.Catalog.Consents(ctx, catalog.ConsentFilter{HospitalID: a.Org.HospitalID, State: state}, requestsShown, "")
		if err != nil {
			return err
		}
		for _, rec := range page.Items {
			row, err := s.packageRequest(ctx, p, rec.Value)
			if err != nil {
				return err
			}
			v.Requests = append(v.Requests, row)
		}
	}
	v.MayAnswer = a.may(account.SubmitListings)
	frame.Done = said(p, c.QueryParam("done"))
	return s.render(c, status, templates.Requests(p, frame, v))
}

// packageRequest describes the latest revision of a package to the hospital
// whose consent it needs.
func (s *Server) packageRequest(ctx context.Context, p templates.Page, consent catalog.Consent) (templates.PackageRequest, error) {
	row := templates.PackageRequest{Consent: consent, Agency: catalog.Text{"en": consent.AgencyID}}
	pkg, err := s.Catalog.Packages.Listing(ctx, consent.PackageID)
	if err != nil {
		return row, err
	}
	row.Package = pkg.Value
	agency, err := s.Catalog.Organisations.Get(ctx, consent.AgencyID)
	if err == nil {
		row.Agency = agency.Name
	} else if !fault.Is(err, fault.NotFound) {
		return row, err
	}
	o, err := s.Catalog.Offerings.Listing(ctx, consent.OfferingID)
	if err != nil {
		return row, err
	}
	row.Offering, err = s.offeringTitle(ctx, p, o.Value)
	return row, err
}

// answerRequest gives or refuses a hospital's consent to a package.
func (s *Server) answerRequest(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	offering, pkg, give := c.FormValue("offering"), c.FormValue("package"), c.FormValue("answer") == "give"
	if _, err := ownListing(ctx, s.Catalog.Offerings, a, offering); err != nil {
		return err
	}
	reason := strings.TrimSpace(c.FormValue("reason"))
	_, err := s.Catalog.AnswerConsent(ctx, offering, pkg, give, a.edit(reason))
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		return s.requestsPage(c, a, http.StatusUnprocessableEntity, templates.RequestsView{Wrong: offering + "/" + pkg})
	}
	if err != nil {
		return err
	}
	action := "package.refuse"
	if give {
		action = "package.consent"
	}
	if err := s.note(c, a, account.Audited{Action: action, Thing: "package/" + pkg, Reason: reason, Detail: "offering/" + offering}); err != nil {
		return err
	}
	return s.redirect(c, requestsPath+"?done=request")
}
