package web

import (
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

const treatmentsPath = "/console/treatments"

func (s *Server) taxonomyRoutes() {
	s.consoleRoute(http.MethodGet, treatmentsPath, account.SeeReports, s.listTreatments, catalog.Operator)
	s.consoleRoute(http.MethodGet, treatmentsPath+"/:id", account.Moderate, s.showTreatment, catalog.Operator)
	s.consoleRoute(http.MethodPost, treatmentsPath+"/:id", account.Moderate, s.saveTreatment, catalog.Operator)
}

// bookingClasses in the order of how freely they are booked.
var bookingClasses = []catalog.BookingClass{catalog.Instant, catalog.OnAcceptance, catalog.NeedsApproval, catalog.EnquiryOnly}

func (s *Server) listTreatments(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("nav.treatments")
	frame.Done = said(p, c.QueryParam("done"))
	l := templates.List{Path: treatmentsPath, Query: c.QueryParams(), SearchLabel: p.T("console.listings.search"), Empty: p.T("console.listings.empty"),
		Filters: []templates.ListFilter{{Name: "class", Label: p.T("guide.booking")}},
		Columns: []templates.ListColumn{{Label: p.T("console.kind_of.treatment")}, {Label: p.T("console.desk.state")}, {Label: p.T("guide.booking")}, {Label: p.T("console.audit.actor")}, {Label: p.T("console.audit.at")}}}
	for _, class := range bookingClasses {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(class), Label: p.T("booking_class." + string(class))})
	}
	words, class := strings.ToLower(strings.TrimSpace(c.QueryParam("q"))), c.QueryParam("class")
	err := s.Catalog.Treatments.EachListing(c.Request().Context(), catalog.ListingFilter{}, func(v catalog.Listing[catalog.Treatment]) error {
		t := v.Value
		if class != "" && string(t.BookingClass) != class || words != "" && !strings.Contains(strings.ToLower(t.ID+" "+p.Name(t.Name)), words) {
			return nil
		}
		l.Rows = append(l.Rows, templates.ListRow{Path: treatmentsPath + "/" + t.ID, Tone: templates.StateTone(v.State), Cells: []string{p.Name(t.Name), p.T("console.state." + string(v.State)),
			p.T("booking_class." + string(t.BookingClass)), v.Author, p.Time(v.At)}})
		return nil
	})
	if err != nil {
		return err
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

func (s *Server) showTreatment(c echo.Context, a actor) error {
	l, err := s.Catalog.Treatments.Listing(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return s.treatmentEditor(c, a, http.StatusOK, l.Revision, templates.TaxonomyView{Treatment: l.Value})
}

func (s *Server) treatmentEditor(c echo.Context, a actor, status, revision int, v templates.TaxonomyView) error {
	var err error
	conflict := v.Conflict
	if v.Editor, err = s.editor(c, a, "treatment/"+v.Treatment.ID, revision); err != nil {
		return err
	}
	v.Conflict, v.Typed, v.Classes = conflict, status != http.StatusOK, bookingClasses
	p, frame := s.consolePage(c, a, "")
	p.Title = p.Name(v.Treatment.Name)
	return s.render(c, status, templates.TreatmentEditor(p, frame, v))
}

// saveTreatment publishes a change of the taxonomy. The booking class decides
// what may be sold, so a change of it needs a reason.
func (s *Server) saveTreatment(c echo.Context, a actor) error {
	ctx, p := c.Request().Context(), s.page(c)
	l, err := s.Catalog.Treatments.Listing(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	t := l.Value
	t.Name, t.Summary = withOthers(textOf(c, "name"), t.Name), withOthers(textOf(c, "summary"), t.Summary)
	t.BookingClass, t.Flagship = catalog.BookingClass(c.FormValue("booking_class")), c.FormValue("flagship") == "yes"
	t.LayTerms = keptTerms(l.Value.LayTerms, c)
	edit := editOver(c, a, strings.TrimSpace(c.FormValue("reason")))
	var fields fault.Fields
	if t.BookingClass != l.Value.BookingClass && edit.Reason == "" {
		fields.Add("reason", "required", "say why the booking class changes")
	}
	if err = fields.Err("the treatment is not complete"); err == nil {
		_, err = s.Catalog.Treatments.Publish(ctx, t, edit)
	}
	revision, _ := strconv.Atoi(c.FormValue("revision"))
	v := templates.TaxonomyView{Treatment: t, Reason: edit.Reason}
	var f *fault.Error
	switch {
	case changed(err):
		if v.Conflict, err = editConflict(ctx, s.Catalog.Treatments, t.ID, edit); err != nil {
			return err
		}
		return s.treatmentEditor(c, a, http.StatusConflict, l.Revision, v)
	case errors.As(err, &f) && f.Kind == fault.Invalid:
		v.Errors = templates.FieldErrors(p, f.Fields)
		return s.treatmentEditor(c, a, http.StatusUnprocessableEntity, revision, v)
	case err != nil:
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "treatment.publish", Thing: "treatment/" + t.ID, Reason: edit.Reason}); err != nil {
		return err
	}
	if err := s.saved(c, a, "treatment/"+t.ID); err != nil {
		return err
	}
	return s.redirect(c, treatmentsPath+"?done=treatment&q="+url.QueryEscape(t.ID))
}

// keptTerms are the lay terms of the form, a line each: those that were there
// before stay where they are and as they are, new ones follow. Terms of
// languages that the form does not show stay.
func keptTerms(before []catalog.Term, c echo.Context) []catalog.Term {
	typed := map[string][]string{}
	for _, lang := range catalog.Languages {
		for line := range strings.Lines(c.FormValue("lay_terms." + lang)) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(typed[lang], line) {
				typed[lang] = append(typed[lang], line)
			}
		}
	}
	var out []catalog.Term
	for _, t := range before {
		i := slices.Index(typed[t.Lang], t.Text)
		if i >= 0 {
			typed[t.Lang] = slices.Delete(typed[t.Lang], i, i+1)
		}
		if i >= 0 || !slices.Contains(catalog.Languages, t.Lang) {
			out = append(out, t)
		}
	}
	for _, lang := range catalog.Languages {
		for _, text := range typed[lang] {
			out = append(out, catalog.Term{Text: text, Lang: lang})
		}
	}
	return out
}

// withOthers adds to a text of the form what was there in languages that the
// form does not show.
func withOthers(typed, before catalog.Text) catalog.Text {
	for lang, s := range before {
		if !slices.Contains(catalog.Languages, lang) {
			if typed == nil {
				typed = catalog.Text{}
			}
			typed[lang] = s
		}
	}
	return typed
}
