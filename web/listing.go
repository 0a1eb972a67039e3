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

// What the editors of listings share: reading a form whose fields are named as
// validation names them, the lint beside the fields, the page that shows where
// a listing stands, and the steps of the workflow that are its owner's.

const (
	// intentShow shows the form with what was sent, without saving; intentAdd
	// and a word behind it does so with one more row of that kind.
	intentShow = "show"
	intentAdd  = "add:"
	// maxRows bounds the rows of a form.
	maxRows = 500
	// maxLintText is the longest text that is linted while somebody types.
	maxLintText = catalog.MaxParagraph
)

func (s *Server) listingRoutes() {
	s.consoleRoute(http.MethodPost, "/console/lint", account.EditListings, s.lint)
}

// lint says of a text what may not stand in a listing, for the script of an
// open editor.
func (s *Server) lint(c echo.Context, _ actor) error {
	p, text := s.page(c), []rune(c.FormValue("text"))
	if len(text) > maxLintText {
		text = text[:maxLintText]
	}
	out := []map[string]string{}
	for _, f := range catalog.LintText("", "", string(text)) {
		out = append(out, map[string]string{"severity": string(f.Severity), "text": templates.LintSentence(p, f)})
	}
	return c.JSON(http.StatusOK, out)
}

// formReader reads a form into an entry and collects what cannot be read.
type formReader struct {
	url.Values
	faults fault.Fields
}

func (f *formReader) str(name string) string { return strings.TrimSpace(f.Get(name)) }

// text reads a text in every language; nil where there is none.
func (f *formReader) text(name string) catalog.Text {
	var t catalog.Text
	for _, lang := range catalog.Languages {
		if s := strings.TrimSpace(strings.ReplaceAll(f.Get(name+"."+lang), "\r\n", "\n")); s != "" {
			if t == nil {
				t = catalog.Text{}
			}
			t[lang] = s
		}
	}
	return t
}

func (f *formReader) number(name string) int {
	typed := f.str(name)
	if typed == "" {
		return 0
	}
	n, err := strconv.Atoi(typed)
	if err != nil {
		f.faults.Add(name, "number", "a whole number")
	}
	return n
}

func (f *formReader) money(name, currency string) *catalog.Money {
	typed := f.str(name)
	if typed == "" {
		return nil
	}
	m, ok := catalog.ParseMoney(typed, currency)
	if !ok {
		f.faults.Add(name, "amount", "an amount such as 12,500 or 12500.50, in a currency such as CNY")
		return nil
	}
	return &m
}

// rows is how many rows of a kind were sent.
func (f *formReader) rows(name string) int {
	n, err := strconv.Atoi(f.Get(name + ".rows"))
	if err != nil || n < 0 {
		return 0
	}
	return min(n, maxRows)
}

func (f *formReader) source(name string) catalog.Source {
	s := catalog.Source{Address: f.str(name + ".address"), Date: f.str(name + ".date")}
	if s.Address != "" {
		s.Grade = catalog.Grade(f.Get(name + ".grade"))
	}
	return s
}

// claims reads the claims of a form. What the form does not show of a claim
// stays as it was at the revision that the form was read at; who verified it
// does not where what it says has changed.
func (f *formReader) claims(before []catalog.Claim) []catalog.Claim {
	var out []catalog.Claim
	for i := range f.rows("claims") {
		name := "claims[" + strconv.Itoa(i) + "]"
		var c catalog.Claim
		from, err := strconv.Atoi(f.Get(name + ".from"))
		if err == nil && from >= 0 && from < len(before) {
			c = before[from]
		}
		was := c
		c.Kind, c.Key, c.Scope = catalog.ClaimKind(f.Get(name+".kind")), f.str(name+".key"), f.str(name+".scope")
		c.Text, c.Unit, c.Year = f.text(name+".text"), f.str(name+".unit"), f.number(name+".year")
		c.Value = f.figure(name + ".value")
		c.Source, c.Expires = f.source(name+".source"), f.str(name+".expires")
		c.Source.DoNotLink = was.Source.DoNotLink
		c.Unverified = was.Unverified && c.Source.Address == ""
		c.Outcome = f.Get(name+".outcome") != ""
		if changes, err := catalog.Differences(catalog.Hospital{Claims: []catalog.Claim{was}}, catalog.Hospital{Claims: []catalog.Claim{c}}); err != nil || len(changes) > 0 {
			c.VerifiedBy = ""
		}
		out = append(out, c)
	}
	return out
}

func (f *formReader) figure(name string) *float64 {
	typed := strings.ReplaceAll(f.str(name), ",", "")
	if typed == "" {
		return nil
	}
	x, err := strconv.ParseFloat(typed, 64)
	if err != nil || x != x || x > 1e15 || x < -1e15 {
		f.faults.Add(name, "number", "a number")
		return nil
	}
	return &x
}

// formWriter writes an entry into the fields of a form.
type formWriter struct{ url.Values }

func (f formWriter) text(name string, t catalog.Text) {
	for lang, s := range t {
		f.Set(name+"."+lang, s)
	}
}

func (f formWriter) number(name string, n int) {
	if n != 0 {
		f.Set(name, strconv.Itoa(n))
	}
}

func (f formWriter) source(name string, s catalog.Source) {
	f.Set(name+".address", s.Address)
	f.Set(name+".date", s.Date)
	f.Set(name+".grade", string(s.Grade))
}

func (f formWriter) claims(claims []catalog.Claim) {
	f.Set("claims.rows", strconv.Itoa(len(claims)))
	for i, c := range claims {
		name := "claims[" + strconv.Itoa(i) + "]"
		f.Set(name+".from", strconv.Itoa(i))
		f.Set(name+".kind", string(c.Kind))
		f.Set(name+".key", c.Key)
		f.Set(name+".scope", c.Scope)
		f.text(name+".text", c.Text)
		if c.Value != nil {
			f.Set(name+".value", strconv.FormatFloat(*c.Value, 'f', -1, 64))
		}
		f.Set(name+".unit", c.Unit)
		f.number(name+".year", c.Year)
		f.source(name+".source", c.Source)
		f.Set(name+".expires", c.Expires)
		if c.Outcome {
			f.Set(name+".outcome", "yes")
		}
	}
}

// dropRows takes the rows of a kind out of a form in which nothing was typed in
// the fields that matter, and those to be removed, so that a row's number is
// that of its item.
func dropRows(form url.Values, field string, matter ...string) {
	f := formReader{Values: form}
	n := f.rows(field)
	byRow := make([]map[string][]string, n)
	for key, values := range form {
		rest, ok := strings.CutPrefix(key, field+"[")
		number, name, found := strings.Cut(rest, "]")
		i, err := strconv.Atoi(number)
		if !ok || !found || err != nil {
			continue
		}
		delete(form, key)
		if i < 0 || i >= n {
			continue
		}
		if byRow[i] == nil {
			byRow[i] = map[string][]string{}
		}
		byRow[i][name] = values
	}
	kept := 0
	for _, row := range byRow {
		if row[".remove"] != nil || !typedIn(row, matter) {
			continue
		}
		for name, values := range row {
			form[field+"["+strconv.Itoa(kept)+"]"+name] = values
		}
		kept++
	}
	form.Set(field+".rows", strconv.Itoa(kept))
}

// typedIn reports whether something was typed in a field whose name begins with
// one of those that matter.
func typedIn(row map[string][]string, matter []string) bool {
	for name, values := range row {
		if slices.ContainsFunc(matter, func(m string) bool { return strings.HasPrefix(name, m) }) && strings.TrimSpace(strings.Join(values, "")) != "" {
			return true
		}
	}
	return false
}

// addRow adds an empty row to a form where that was asked for: intent is
// add:claims:<kind> or add:tiers.
func addRow(form url.Values, intent string) {
	what, kind, _ := strings.Cut(strings.TrimPrefix(intent, intentAdd), ":")
	field := map[string]string{"claims": "claims", "tiers": "price.tiers"}[what]
	if field == "" {
		return
	}
	f := formReader{Values: form}
	n := f.rows(field)
	if n >= maxRows {
		return
	}
	form.Set(field+".rows", strconv.Itoa(n+1))
	if kind != "" {
		form.Set(field+"["+strconv.Itoa(n)+"].kind", kind)
	}
}

// listingEditor is how an editor of a listing differs from the others.
type listingEditor[T catalog.Entity] struct {
	repo *catalog.Repo[T]
	// path of the listing's page.
	path string
	// read makes an entry out of a form; before is the revision that the form
	// was read at.
	read func(f *formReader, before T) T
	// control names the form's field for a field of the entry.
	control func(v T, field string) string
	// page shows the form with what is wrong with it.
	page func(c echo.Context, a actor, status int, l catalog.Listing[T], v templates.ListingForm) error
}

// thing names an entry for the audit trail and for those who edit it.
func thing(v catalog.Entity) string { return string(v.EntityKind()) + "/" + v.EntityID() }

// ownListing returns a listing that belongs to the actor's organisation. What
// is another's is not there.
func ownListing[T catalog.Entity](ctx context.Context, repo *catalog.Repo[T], a actor, id string) (catalog.Listing[T], error) {
	l, err := repo.Listing(ctx, id)
	if err == nil && !a.Org.Owns(l.Value) {
		return l, fault.New(fault.NotFound, "There is no such entry.")
	}
	return l, err
}

// revisionOf returns the value of a revision that a form says it was read at.
func revisionOf[T catalog.Entity](ctx context.Context, repo *catalog.Repo[T], l catalog.Listing[T], typed string) (T, error) {
	n, err := strconv.Atoi(typed)
	if err != nil || n < 1 || n >= l.Revision {
		return l.Value, nil
	}
	history, err := repo.History(ctx, l.Value.EntityID())
	if err != nil || n > len(history) {
		return l.Value, err
	}
	return history[n-1].Value, nil
}

// saveListing stores what was typed as a draft, and sends it to the operator
// where that was asked for.
func saveListing[T catalog.Entity](s *Server, c echo.Context, a actor, e listingEditor[T], l catalog.Listing[T]) error {
	ctx := c.Request().Context()
	values, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read. Please send it again.")
	}
	form := templates.ListingForm{Values: values, Editor: templates.Editor{Typed: true}}
	intent := c.FormValue("intent")
	dropRows(values, "claims", ".text.", ".source.address")
	dropRows(values, "price.tiers", ".label.", ".amount")
	if intent == intentShow || strings.HasPrefix(intent, intentAdd) {
		addRow(values, intent)
		return e.page(c, a, http.StatusOK, l, form)
	}
	before, err := revisionOf(ctx, e.repo, l, c.FormValue("base"))
	if err != nil {
		return err
	}
	f := formReader{Values: values}
	v := e.read(&f, before)
	form.Findings = catalog.Lint(v)
	edit := editOver(c, a, c.FormValue("reason"))
	wrote := false
	if err = f.faults.Err("the listing cannot be read"); err == nil {
		wrote, err = e.repo.Save(ctx, v, edit)
	}
	action := ".save"
	if err == nil && intent == intentSubmit {
		if wrote {
			*edit.Over++ // the revision that was just stored
		}
		action = ".submit"
		err = s.submitListing(ctx, e.repo.Move, a, v.EntityID(), edit)
	}
	var wrong *fault.Error
	switch {
	case changed(err):
		if form.Conflict, err = editConflict(ctx, e.repo, v.EntityID(), edit); err != nil {
			return err
		}
		return e.page(c, a, http.StatusConflict, l, form)
	case errors.As(err, &wrong) && wrong.Kind == fault.Invalid:
		for i, field := range wrong.Fields {
			wrong.Fields[i].Name = e.control(v, field.Name)
		}
		form.Errors = templates.ListingErrors(s.page(c), wrong)
		return e.page(c, a, http.StatusUnprocessableEntity, l, form)
	case err != nil:
		return err
	}
	if err := s.note(c, a, account.Audited{Action: string(v.EntityKind()) + action, Thing: thing(v), Reason: edit.Reason}); err != nil {
		return err
	}
	if err := s.saved(c, a, thing(v)); err != nil {
		return err
	}
	return s.redirect(c, e.path+"?done=own-"+strings.TrimPrefix(action, "."))
}

// listingForm completes a form with what an editor carries.
func (s *Server) listingForm(c echo.Context, a actor, form templates.ListingForm, thing string, revision int, path string) (templates.ListingForm, error) {
	conflict, typed := form.Conflict, form.Typed
	editor, err := s.editor(c, a, thing, revision)
	form.Editor, form.Path = editor, path
	form.Conflict, form.Typed, form.Rows = conflict, typed, true
	if c.QueryParam("check") != "" {
		form.Errors = templates.LintErrors(s.page(c), form.Findings)
	}
	return form, err
}

// preview returns the page on which members see a listing as patients would,
// in the language of the route.
func (s *Server) preview(c echo.Context, path string, state catalog.State) (templates.Page, *templates.Preview, error) {
	p := s.personalPage(c)
	lang := c.Param("lang")
	if !slices.Contains(catalog.Languages, lang) {
		return p, nil, echo.ErrNotFound
	}
	p.Locale = templates.LocaleFor(lang)
	return p, &templates.Preview{Back: p.URLIn(langOf(c), path), State: string(state), In: templates.LocaleFor(langOf(c))}, nil
}

type mover func(ctx context.Context, id string, state catalog.State, by catalog.Edit) error

func (s *Server) submitListing(ctx context.Context, move mover, a actor, id string, edit catalog.Edit) error {
	if !a.may(account.SubmitListings) {
		return fault.New(fault.Forbidden, "Your role in this organisation does not allow this. Ask an owner of it.").WithCode("console.forbidden")
	}
	return move(ctx, id, catalog.Submitted, edit)
}

// ownerMoves are the steps of the workflow that an owner takes, by the word
// that the button sends, with the state that they lead to.
var ownerMoves = map[string]catalog.State{"submit": catalog.Submitted, "withdraw": catalog.Draft, "archive": catalog.Archived, "restore": catalog.Draft}

// movesFrom lists the steps that an owner may take from a state.
func movesFrom(state catalog.State) []string {
	switch state {
	case catalog.Draft:
		return []string{"submit", "archive"}
	case catalog.Submitted:
		return []string{"withdraw"}
	case catalog.Published, catalog.Suspended:
		return []string{"archive"}
	case catalog.Archived:
		return []string{"restore"}
	}
	return nil
}

// moveListing takes a step of the workflow.
func moveListing[T catalog.Entity](s *Server, c echo.Context, a actor, repo *catalog.Repo[T], l catalog.Listing[T], path string) error {
	step := c.FormValue("step")
	if !slices.Contains(movesFrom(l.State), step) {
		return fault.New(fault.Conflict, "This step is not possible now: somebody may have taken another. Open the page again.").WithCode("console.hospital.step")
	}
	edit := editOver(c, a, c.FormValue("reason"))
	err := repo.Move(c.Request().Context(), l.Value.EntityID(), ownerMoves[step], edit)
	var wrong *fault.Error
	switch {
	case changed(err):
		return s.redirect(c, path+"?done=own-changed")
	case errors.As(err, &wrong) && wrong.Kind == fault.Invalid:
		return s.redirect(c, path+"/edit?check=1")
	case err != nil:
		return err
	}
	if err := s.note(c, a, account.Audited{Action: string(l.Value.EntityKind()) + "." + step, Thing: thing(l.Value), Reason: edit.Reason}); err != nil {
		return err
	}
	return s.redirect(c, path+"?done=own-"+step)
}

// listingPage gathers where a listing stands.
func listingPage[T catalog.Entity](ctx context.Context, a actor, repo *catalog.Repo[T], l catalog.Listing[T], path string) (templates.ListingView, error) {
	v := templates.ListingView{Path: path, State: l.State, Revision: l.Revision, Shown: l.Shown != nil, ShownRevision: l.ShownRevision,
		Reason: l.Reason, Author: l.Author, At: l.At, Moves: movesFrom(l.State), MayEdit: a.may(account.EditListings) && a.may(account.SubmitListings),
		Findings: catalog.Lint(l.Value), Missing: catalog.MissingTranslations(l.Value)}
	var err error
	if l.Shown != nil && l.ShownRevision != l.Revision {
		if v.Changes, err = catalog.Differences(*l.Shown, l.Value); err != nil {
			return v, err
		}
	}
	history, err := repo.History(ctx, l.Value.EntityID())
	if err != nil {
		return v, err
	}
	var before T
	for i, r := range history {
		row := templates.ListingRevision{Number: r.Number, State: r.State, Author: r.Author, Reason: r.Reason, At: r.At}
		if i > 0 {
			if row.Changes, err = catalog.Differences(before, r.Value); err != nil {
				return v, err
			}
		}
		before = r.Value
		v.History = append(v.History, row)
	}
	slices.Reverse(v.History)
	return v, nil
}
