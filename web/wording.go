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
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

const (
	vocabularyPath = "/console/vocabulary"
	searchesPath   = "/console/searches"
	// triedHits is how many hits a trial of a synonym shows on each side.
	triedHits = 10
	// reportDays is how far back the report of searches looks where nothing is
	// said, reportRows how many queries each of its lists has.
	reportDays = 30
	reportRows = 50
)

func (s *Server) vocabularyRoutes() {
	s.consoleRoute(http.MethodGet, vocabularyPath, account.EditVocabulary, s.listSynonyms, catalog.Operator)
	s.consoleRoute(http.MethodGet, vocabularyPath+"/edit", account.EditVocabulary, s.showSynonym, catalog.Operator)
	s.consoleRoute(http.MethodPost, vocabularyPath+"/edit", account.EditVocabulary, s.saveSynonym, catalog.Operator)
	s.consoleRoute(http.MethodGet, searchesPath, account.SeeReports, s.showSearches, catalog.Operator)
}

func (s *Server) listSynonyms(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.vocabulary")
	frame.Done = said(p, c.QueryParam("done"))
	l := templates.List{Path: vocabularyPath, Query: c.QueryParams(), Lead: p.T("console.vocabulary.lead"), Empty: p.T("console.vocabulary.empty"),
		SearchLabel: p.T("console.vocabulary.search"), Actions: []templates.ListAction{{Label: p.T("console.vocabulary.new"), Path: vocabularyPath + "/edit"}},
		Columns: []templates.ListColumn{{Label: p.T("console.vocabulary.terms")}, {Label: p.T("console.desk.state")}, {Label: p.T("console.vocabulary.means")}, {Label: p.T("console.audit.actor")}, {Label: p.T("console.audit.at")}}}
	words := strings.ToLower(strings.TrimSpace(c.QueryParam("q")))
	page, err := s.Catalog.Synonyms.Listings(c.Request().Context(), catalog.ListingFilter{}, 0, c.QueryParam("after"))
	if err != nil {
		return err
	}
	l.Next = page.Next
	for _, rec := range page.Items {
		v := rec.Value
		terms := make([]string, len(v.Value.Terms))
		for i, t := range v.Value.Terms {
			terms[i] = t.Text
		}
		text := strings.Join(terms, ", ")
		if words != "" && !strings.Contains(strings.ToLower(text+" "+v.Value.ID), words) {
			continue
		}
		l.Rows = append(l.Rows, templates.ListRow{Path: vocabularyPath + "/edit?id=" + url.QueryEscape(v.Value.ID), Tone: templates.StateTone(v.State),
			Cells: []string{text, p.T("console.state." + string(v.State)), p.T("console.meaning."+string(v.Value.Meaning)) + " " + strings.Join(append(slices.Clone(v.Value.TreatmentIDs), v.Value.HospitalIDs...), ", "), v.Author, p.Time(v.At)}})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// showSynonym shows a row of the vocabulary, or an empty one, with a term that
// was searched for in vain where the reader comes from the report.
func (s *Server) showSynonym(c echo.Context, a actor) error {
	v := templates.SynonymView{Synonym: catalog.Synonym{Meaning: catalog.MeansTarget, Percent: 90}, Try: c.QueryParam("q")}
	if id := c.QueryParam("id"); id != "" {
		l, err := s.Catalog.Synonyms.Listing(c.Request().Context(), id)
		if err != nil {
			return err
		}
		v.Synonym, v.Editor.Revision = l.Value, l.Revision
	} else if v.Try != "" {
		v.Synonym.Terms = []catalog.Term{{Text: v.Try, Lang: c.QueryParam("in")}}
	}
	return s.synonymPage(c, a, http.StatusOK, v)
}

func (s *Server) synonymPage(c echo.Context, a actor, status int, v templates.SynonymView) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.vocabulary.row")
	conflict := v.Conflict
	var err error
	if v.Editor, err = s.editor(c, a, "synonym/"+v.Synonym.ID, v.Editor.Revision); err != nil {
		return err
	}
	v.Conflict, v.Typed = conflict, status != http.StatusOK || v.Tried != nil
	err = s.Catalog.Treatments.Each(ctx, func(t catalog.Treatment) error {
		v.Treatments = append(v.Treatments, templates.ListChoice{Value: t.ID, Label: p.Name(t.Name)})
		return nil
	})
	if err != nil {
		return err
	}
	err = s.Catalog.Hospitals.Each(ctx, func(h catalog.Hospital) error {
		v.Hospitals = append(v.Hospitals, templates.ListChoice{Value: h.ID, Label: p.Name(h.Name)})
		return nil
	})
	if err != nil {
		return err
	}
	return s.render(c, status, templates.SynonymPage(p, frame, v))
}

// synonymOf reads the form. A row that is new is named after its first term.
func synonymOf(c echo.Context) catalog.Synonym {
	form, _ := c.FormParams()
	v := catalog.Synonym{ID: c.FormValue("id"), Meaning: catalog.Meaning(c.FormValue("meaning")), Note: strings.TrimSpace(c.FormValue("note"))}
	if v.Meaning == catalog.MeansTarget {
		v.TreatmentIDs, v.HospitalIDs = form["treatment"], form["hospital"]
		v.Percent, _ = strconv.Atoi(c.FormValue("percent"))
	}
	for _, lang := range append(slices.Clone(catalog.Languages), "other") {
		for line := range strings.Lines(c.FormValue("terms." + lang)) {
			if t := termOf(lang, strings.TrimSpace(line)); t.Text != "" {
				v.Terms = append(v.Terms, t)
			}
		}
	}
	if v.ID == "" && len(v.Terms) > 0 {
		v.ID = search.SynonymID(v.Terms[0].Text)
	}
	return v
}

// termOf reads a line: in the field for other languages it begins with the
// language, "de: Brille weg".
func termOf(lang, line string) catalog.Term {
	if lang != "other" {
		return catalog.Term{Text: line, Lang: lang}
	}
	tag, text, ok := strings.Cut(line, ":")
	if !ok {
		return catalog.Term{Text: line}
	}
	return catalog.Term{Text: strings.TrimSpace(text), Lang: strings.TrimSpace(tag)}
}

// saveSynonym stores a row, takes it away, or tries what it would do.
func (s *Server) saveSynonym(c echo.Context, a actor) error {
	ctx, p := c.Request().Context(), s.page(c)
	v := templates.SynonymView{Synonym: synonymOf(c), Try: strings.TrimSpace(c.FormValue("try"))}
	v.Editor.Revision, _ = strconv.Atoi(c.FormValue("revision"))
	edit := editOver(c, a, v.Synonym.Note)
	var err error
	act := c.FormValue("act")
	switch act {
	case "try":
		if err = v.Synonym.Validate(); err == nil {
			v.Tried, err = s.trySynonym(c, v.Synonym, v.Try)
		}
		if err == nil {
			return s.synonymPage(c, a, http.StatusOK, v)
		}
	case "archive":
		err = s.Catalog.Synonyms.Move(ctx, v.Synonym.ID, catalog.Archived, edit)
	default:
		act = "save"
		_, err = s.Catalog.Synonyms.Publish(ctx, v.Synonym, edit)
	}
	var f *fault.Error
	switch {
	case changed(err):
		if v.Conflict, err = editConflict(ctx, s.Catalog.Synonyms, v.Synonym.ID, edit); err != nil {
			return err
		}
		return s.synonymPage(c, a, http.StatusConflict, v)
	case errors.As(err, &f) && f.Kind == fault.Invalid:
		v.Errors, v.Notice = templates.FieldErrors(p, f.Fields), localizedMessage(p, f)
		return s.synonymPage(c, a, http.StatusUnprocessableEntity, v)
	case err != nil:
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "synonym." + act, Thing: "synonym/" + v.Synonym.ID, Reason: v.Synonym.Note}); err != nil {
		return err
	}
	if err := s.saved(c, a, "synonym/"+v.Synonym.ID); err != nil {
		return err
	}
	return s.redirect(c, vocabularyPath+"?done=synonym-"+act)
}

// trySynonym answers a query without a row and with it.
func (s *Server) trySynonym(c echo.Context, row catalog.Synonym, query string) (*templates.TriedSynonym, error) {
	ctx, p := c.Request().Context(), s.page(c)
	if query == "" && len(row.Terms) > 0 {
		query = row.Terms[0].Text
	}
	req := search.Request{Query: query, Kind: catalog.KindOffering, Lang: p.Tag, PerPage: triedHits}
	before, err := s.Search.Search(ctx, req)
	if err != nil {
		return nil, err
	}
	after, err := s.Search.Try(ctx, req, row)
	return &templates.TriedSynonym{Query: query, Before: before, After: after}, err
}

func (s *Server) showSearches(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.searches")
	days, err := strconv.Atoi(c.QueryParam("days"))
	if err != nil {
		days = reportDays
	}
	v := templates.SearchesView{Days: days, Lang: c.QueryParam("in"), MayEdit: a.may(account.EditVocabulary)}
	report, err := s.Analytics.Report(c.Request().Context(), days, v.Lang)
	if err != nil {
		return err
	}
	v.Total, v.Withheld = report.Total, report.Withheld
	for _, list := range []struct {
		key     string
		queries []search.QueryCounts
	}{{"empty", report.Empty()}, {"low", report.LowClick()}, {"frequent", report.Queries}} {
		v.Lists = append(v.Lists, templates.QueryList{Key: list.key, Queries: list.queries[:min(reportRows, len(list.queries))]})
	}
	return s.ok(c, templates.Searches(p, frame, v))
}
