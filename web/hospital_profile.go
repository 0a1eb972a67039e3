package web

import (
	"context"
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

const profilePath = "/console/hospital"

func (s *Server) hospitalProfileRoutes() {
	s.consoleRoute(http.MethodGet, profilePath, account.SeeListings, s.showProfile, hospitalsOnly)
	s.consoleRoute(http.MethodGet, profilePath+"/edit", account.EditListings, s.editProfile, hospitalsOnly)
	s.consoleRoute(http.MethodPost, profilePath+"/edit", account.EditListings, s.saveProfile, hospitalsOnly)
	s.consoleRoute(http.MethodPost, profilePath+"/step", account.SubmitListings, s.stepProfile, hospitalsOnly)
	s.consoleRoute(http.MethodGet, profilePath+"/preview/:lang", account.SeeListings, s.previewProfile, hospitalsOnly)
}

func (s *Server) profile(c echo.Context, a actor) (catalog.Listing[catalog.Hospital], error) {
	return ownListing(c.Request().Context(), s.Catalog.Hospitals, a, a.Org.HospitalID)
}

func (s *Server) showProfile(c echo.Context, a actor) error {
	l, err := s.profile(c, a)
	if err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	v, err := listingPage(c.Request().Context(), a, s.Catalog.Hospitals, l, profilePath)
	if err != nil {
		return err
	}
	v.Moves = profileMoves(l.State)
	p.Title = p.Name(l.Value.Name)
	if l.Shown != nil {
		v.Public = "/hospitals/" + l.Value.ID
	}
	v.Preview = profilePath + "/preview/" + p.Tag
	frame.Done = said(p, c.QueryParam("done"))
	return s.ok(c, templates.ListingPage(p, frame, v))
}

// profileMoves are the steps with a hospital that are its own: it is the
// operator who takes a hospital out, since offerings, packages and bookings
// hang on it.
func profileMoves(state catalog.State) []string {
	return slices.DeleteFunc(movesFrom(state), func(step string) bool { return step == "archive" || step == "restore" })
}

func (s *Server) stepProfile(c echo.Context, a actor) error {
	l, err := s.profile(c, a)
	if err != nil {
		return err
	}
	if !slices.Contains(profileMoves(l.State), c.FormValue("step")) {
		return fault.New(fault.Conflict, "This step is not possible now: somebody may have taken another. Open the page again.").WithCode("console.hospital.step")
	}
	return moveListing(s, c, a, s.Catalog.Hospitals, l, profilePath)
}

func (s *Server) editProfile(c echo.Context, a actor) error {
	l, err := s.profile(c, a)
	if err != nil {
		return err
	}
	form := templates.ListingForm{Values: profileForm(l.Value), Findings: catalog.Lint(l.Value)}
	form.Values.Set("base", strconv.Itoa(l.Revision))
	return s.profileEditPage(c, a, http.StatusOK, l, form)
}

func (s *Server) saveProfile(c echo.Context, a actor) error {
	l, err := s.profile(c, a)
	if err != nil {
		return err
	}
	return saveListing(s, c, a, listingEditor[catalog.Hospital]{repo: s.Catalog.Hospitals, path: profilePath, read: readProfile,
		control: profileControl, page: s.profileEditPage}, l)
}

// profileControl names the field of the form for a field of a hospital: all
// other names stand in one.
func profileControl(_ catalog.Hospital, field string) string {
	if strings.HasPrefix(field, "aliases[") {
		return "aliases"
	}
	return field
}

func (s *Server) profileEditPage(c echo.Context, a actor, status int, l catalog.Listing[catalog.Hospital], form templates.ListingForm) error {
	ctx := c.Request().Context()
	// A save may have come in between.
	l, err := s.Catalog.Hospitals.Listing(ctx, l.Value.ID)
	if err != nil {
		return err
	}
	if form, err = s.listingForm(c, a, form, thing(l.Value), l.Revision, profilePath); err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	v := templates.HospitalEditView{ListingForm: form}
	if v.Groups, err = s.profileGroups(ctx, p); err != nil {
		return err
	}
	p.Title = p.Name(l.Value.Name)
	return s.render(c, status, templates.HospitalEdit(p, frame, v))
}

// profileGroups are the parts of the claims editor of a hospital.
func (s *Server) profileGroups(ctx context.Context, p templates.Page) ([]templates.ClaimGroup, error) {
	var insurers, services, languages []templates.ListChoice
	err := s.Catalog.Insurers.Each(ctx, func(i catalog.Insurer) error {
		insurers = append(insurers, templates.ListChoice{Value: i.ID, Label: i.Name})
		return nil
	})
	for _, key := range templates.HospitalServices {
		services = append(services, templates.ListChoice{Value: key, Label: p.T("service." + key)})
	}
	for _, tag := range templates.SpokenLanguages {
		languages = append(languages, templates.ListChoice{Value: tag, Label: p.LanguageName(tag)})
	}
	one := func(title string, kind catalog.ClaimKind, keys []templates.ListChoice, scopes []string) templates.ClaimGroup {
		return templates.ClaimGroup{Title: title, Kinds: []catalog.ClaimKind{kind}, Keys: keys, Scopes: scopes}
	}
	return []templates.ClaimGroup{
		one("services", catalog.ClaimService, services, nil),
		one("languages", catalog.ClaimLanguage, languages, nil),
		one("insurers", catalog.ClaimInsurer, insurers, templates.InsurerRelations),
		one("accreditations", catalog.ClaimAccreditation, nil, nil),
		one("designations", catalog.ClaimDesignation, nil, nil),
		one("specialties", catalog.ClaimSpecialty, nil, nil),
		{Title: "facts", Figures: true, Kinds: []catalog.ClaimKind{catalog.ClaimFact, catalog.ClaimVolume, catalog.ClaimAddress, catalog.ClaimWebsite,
			catalog.ClaimPerson, catalog.ClaimEvidence, catalog.ClaimStay, catalog.ClaimPrice, catalog.ClaimProduct, catalog.ClaimCaution}},
	}, err
}

func (s *Server) previewProfile(c echo.Context, a actor) error {
	l, err := s.profile(c, a)
	if err != nil {
		return err
	}
	p, preview, err := s.preview(c, profilePath, l.State)
	if err != nil {
		return err
	}
	return s.hospitalPage(c, p, l.Value, preview)
}

// readProfile makes a hospital of a form. Its ownership, position and standing
// as a pilot are the operator's.
func readProfile(f *formReader, h catalog.Hospital) catalog.Hospital {
	h.Name, h.Summary, h.AnswerHours = withOthers(f.text("name"), h.Name), withOthers(f.text("summary"), h.Summary), f.number("answer_hours")
	h.Aliases = nil
	for line := range strings.Lines(f.Get("aliases")) {
		if line = strings.TrimSpace(line); line != "" {
			h.Aliases = append(h.Aliases, line)
		}
	}
	h.Claims = f.claims(h.Claims)
	return h
}

func profileForm(h catalog.Hospital) url.Values {
	f := formWriter{url.Values{}}
	f.text("name", h.Name)
	f.text("summary", h.Summary)
	f.number("answer_hours", h.AnswerHours)
	f.Set("aliases", strings.Join(h.Aliases, "\n"))
	f.claims(h.Claims)
	return f.Values
}
