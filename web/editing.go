package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// How an editor keeps what is typed, tells two editors of each other and
// overwrites nothing silently; about.go is one to look at:
//
//   - its page calls editor with the thing, "<kind>/<id>", and the revision
//     that it shows, and passes the result to its template. There the form has
//     the attributes { v.Editor.Form()... } and begins with
//     @templates.Editing(p, v.Editor);
//   - its save signs the change with editOver instead of actor.edit. Where the
//     error has the code catalog.CodeChanged, the form is shown once more with
//     what was typed, status 409 and the editor's Conflict set by editConflict:
//     it carries the new revision, so that saving again is meant;
//   - after a change that succeeded it calls saved and redirects;
//   - a form that is shown with what was typed, after an error or for another
//     row, sets the editor's Typed. A form whose number of rows varies sets
//     Rows, and answers intent=show by showing what was sent, without saving.

// editor notes that the member has an editor open and returns what its form
// carries.
func (s *Server) editor(c echo.Context, a actor, thing string, revision int) (templates.Editor, error) {
	e := templates.Editor{Thing: thing, Revision: revision, By: a.Email, Token: s.links.EditingToken(a.Session, thing), Beat: account.EditingBeat}
	others, err := s.Accounts.Editing(c.Request().Context(), thing, a.Session)
	e.Others = editedBy(s.page(c), others)
	return e, err
}

// editedBy says who else edits, empty for nobody.
func editedBy(p templates.Page, others []string) string {
	if len(others) == 0 {
		return ""
	}
	return p.N("console.edit.others", len(others), "who", strings.Join(others, ", "))
}

// beat is sent by the script of an open editor: it keeps the member among
// those who edit, and answers who else does. stop says that it was closed.
func (s *Server) beat(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	thing, err := s.links.VerifyEditing(a.Session, c.FormValue("token"))
	if err != nil {
		return err
	}
	if c.FormValue("stop") != "" {
		if err := s.Accounts.StopEditing(ctx, thing, a.Session); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
	others, err := s.Accounts.Editing(ctx, thing, a.Session)
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, editedBy(s.page(c), others))
}

// editOver signs a change of the revision that the form was read at.
func editOver(c echo.Context, a actor, reason string) catalog.Edit {
	revision, err := strconv.Atoi(c.FormValue("revision"))
	if err != nil {
		revision = -1 // never the latest
	}
	e := a.edit(reason)
	e.Over = &revision
	return e
}

// editConflict says what others changed of an entry since the revision that a
// form was read at.
func editConflict[T catalog.Entity](ctx context.Context, repo *catalog.Repo[T], id string, edit catalog.Edit) (*templates.EditConflict, error) {
	history, err := repo.History(ctx, id)
	if err != nil || len(history) == 0 {
		return nil, err
	}
	latest := history[len(history)-1]
	v := &templates.EditConflict{By: latest.Author, At: latest.At, Reason: latest.Reason, State: string(latest.State)}
	var read T
	if edit.Over != nil && *edit.Over > 0 && *edit.Over <= len(history) {
		read = history[*edit.Over-1].Value
	}
	v.Changes, err = catalog.Differences(read, latest.Value)
	return v, err
}

// savedCookie tells the script that the draft of a thing is saved.
const savedCookie = "saved"

// saved closes the editor of a thing after its change was stored.
func (s *Server) saved(c echo.Context, a actor, thing string) error {
	c.SetCookie(&http.Cookie{Name: savedCookie, Value: url.QueryEscape(thing), Path: "/", MaxAge: 60, Secure: s.encrypted(), SameSite: http.SameSiteStrictMode})
	return s.Accounts.StopEditing(c.Request().Context(), thing, a.Session)
}

// changed reports whether a change was refused because somebody else made one
// since.
func changed(err error) bool {
	return fault.Is(err, fault.Conflict) && codeOf(err) == catalog.CodeChanged
}
