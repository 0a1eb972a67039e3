package web

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
)

// noteSearch counts a search as it was typed. Further pages, another order and
// filters are the same search looked at more closely.
func (s *Server) noteSearch(req search.Request, hits int, page bool) {
	if req.Page <= 1 && len(req.Filters) == 0 && (req.Sort == "" || req.Sort == search.SortRelevance) && req.Near == "" {
		s.Analytics.Note(req.Lang, req.Kind, req.Query, hits, page)
	}
}

// click counts that somebody opened a result: which query it answered, and
// neither who nor what.
func (s *Server) click(c echo.Context) error {
	kind := catalog.Kind(c.FormValue("kind"))
	if !slices.Contains(searchKinds, kind) {
		return fault.New(fault.Invalid, "the kind is offering, package, hospital or treatment")
	}
	s.Analytics.Click(langOf(c), kind, c.FormValue("q"))
	return c.NoContent(http.StatusNoContent)
}
