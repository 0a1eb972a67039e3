package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// intentSubmit is the button that sends a thing to the operator once it is
// saved.
const intentSubmit = "submit"

func (s *Server) showAbout(c echo.Context, a actor) error {
	l, err := s.Catalog.Organisations.Listing(c.Request().Context(), a.Org.ID)
	if err != nil {
		return err
	}
	return s.aboutPage(c, a, http.StatusOK, templates.AboutView{
		Form: templates.AboutForm{Name: l.Value.Name, Summary: l.Value.Summary, Languages: strings.Join(l.Value.Languages, ", ")}})
}

// aboutPage shows the editor; with a status other than 200 it shows what was
// typed.
func (s *Server) aboutPage(c echo.Context, a actor, status int, v templates.AboutView) error {
	l, err := s.Catalog.Organisations.Listing(c.Request().Context(), a.Org.ID)
	if err != nil {
		return err
	}
	conflict := v.Conflict
	if v.Editor, err = s.editor(c, a, "organisation/"+a.Org.ID, l.Revision); err != nil {
		return err
	}
	v.Typed, v.Conflict, v.State, v.Shown = status != http.StatusOK, conflict, l.State, l.Shown != nil
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.nav.about")
	if c.QueryParam("saved") != "" {
		frame.Done = p.T("console.edit.saved")
	}
	return s.render(c, status, templates.About(p, frame, v))
}

func (s *Server) saveAbout(c echo.Context, a actor) error {
	ctx, p, repo := c.Request().Context(), s.page(c), s.Catalog.Organisations
	l, err := repo.Listing(ctx, a.Org.ID)
	if err != nil {
		return err
	}
	v := templates.AboutView{Form: aboutFormOf(c)}
	org := withAbout(l.Value, v.Form)
	edit := editOver(c, a, c.FormValue("reason"))
	wrote, err := repo.Save(ctx, org, edit)
	var f *fault.Error
	switch {
	case changed(err):
		if v.Conflict, err = editConflict(ctx, repo, a.Org.ID, edit); err != nil {
			return err
		}
		return s.aboutPage(c, a, http.StatusConflict, v)
	case errors.As(err, &f) && f.Kind == fault.Invalid:
		v.Errors = aboutErrors(p, f.Fields)
		return s.aboutPage(c, a, http.StatusUnprocessableEntity, v)
	case err != nil:
		return err
	}
	return s.savedAbout(c, a, edit, wrote)
}

// savedAbout sends what was saved on to the operator where that was asked for,
// and notes it.
func (s *Server) savedAbout(c echo.Context, a actor, edit catalog.Edit, wrote bool) error {
	action := "organisation.save"
	if c.FormValue("intent") == intentSubmit {
		action = "organisation.submit"
		if wrote {
			*edit.Over++ // the revision that was just stored
		}
		if err := s.Catalog.Organisations.Move(c.Request().Context(), a.Org.ID, catalog.Submitted, edit); err != nil {
			return err
		}
	}
	thing := "organisation/" + a.Org.ID
	if err := s.note(c, a, account.Audited{Action: action, Thing: thing, Reason: edit.Reason}); err != nil {
		return err
	}
	if err := s.saved(c, a, thing); err != nil {
		return err
	}
	return s.redirect(c, "/console/about?saved=1")
}

func aboutFormOf(c echo.Context) templates.AboutForm {
	return templates.AboutForm{Name: textOf(c, "name"), Summary: textOf(c, "summary"), Languages: c.FormValue("languages")}
}

// textOf reads a text in every language from the fields <name>.<language>.
func textOf(c echo.Context, name string) catalog.Text {
	t := catalog.Text{}
	for _, lang := range catalog.Languages {
		if s := strings.TrimSpace(c.FormValue(name + "." + lang)); s != "" {
			t[lang] = s
		}
	}
	return t
}

// withAbout returns an organisation with what was typed about it.
func withAbout(org catalog.Organisation, f templates.AboutForm) catalog.Organisation {
	org.Name, org.Summary, org.Languages = withOthers(f.Name, org.Name), withOthers(f.Summary, org.Summary), tagsIn(f.Languages)
	return org
}

// tagsIn reads language tags with commas or blanks between them.
func tagsIn(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",;，、 \t", r) })
}

// aboutErrors says what is wrong; the languages are one field of the form.
func aboutErrors(p templates.Page, fields []fault.Field) templates.FormErrors {
	var out []fault.Field
	for _, f := range fields {
		if strings.HasPrefix(f.Name, "languages[") {
			f.Name = "languages"
		}
		if !slices.ContainsFunc(out, func(seen fault.Field) bool { return seen.Name == f.Name }) {
			out = append(out, f)
		}
	}
	return templates.FieldErrors(p, out)
}
