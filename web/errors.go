package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// statuses is the one table from kind of error to HTTP status.
var statuses = map[fault.Kind]int{
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Gone:         http.StatusGone,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Forbidden:    http.StatusForbidden,
	fault.TooLarge:     http.StatusRequestEntityTooLarge,
	fault.TooMany:      http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
	// 499 is nginx's name for a client that went away; nobody reads the answer.
	fault.Canceled: 499,
	fault.Internal: http.StatusInternalServerError,
}

// kindsOfStatus translates the errors of the router and of middleware.
var kindsOfStatus = map[int]fault.Kind{
	http.StatusNotFound:              fault.NotFound,
	http.StatusMethodNotAllowed:      fault.NotFound,
	http.StatusRequestEntityTooLarge: fault.TooLarge,
	http.StatusTooManyRequests:       fault.TooMany,
	http.StatusForbidden:             fault.Forbidden,
	http.StatusBadRequest:            fault.Invalid,
	http.StatusServiceUnavailable:    fault.Unavailable,
}

// asFault gives every error a kind and a message that is safe to show.
func asFault(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	var h *echo.HTTPError
	if errors.As(err, &h) {
		kind, ok := kindsOfStatus[h.Code]
		if !ok {
			kind = fault.Internal
		}
		return &fault.Error{Kind: kind, Cause: err}
	}
	return &fault.Error{Kind: fault.KindOf(err), Cause: err}
}

// handleError answers with a page, or with JSON below /api.
func (s *Server) handleError(err error, c echo.Context) {
	f := asFault(err)
	status := statuses[f.Kind]
	s.logError(c, f, status)
	if c.Response().Committed {
		return
	}
	if f.Kind == fault.Unavailable || f.Kind == fault.TooMany {
		c.Response().Header().Set("Retry-After", "5")
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	if wantsJSON(c) {
		err = c.JSON(status, apiError{Error: apiErrorBody{Kind: f.Kind, Message: shownMessage(f), Fields: f.Fields, RequestID: requestID(c)}})
	} else {
		err = s.errorPage(c, status, f)
	}
	// A reader who has gone away gets no page, and that is no error.
	if err != nil && c.Request().Context().Err() == nil {
		s.Log.Error("the error page failed", "error", err, "request_id", requestID(c))
	}
}

func (s *Server) errorPage(c echo.Context, status int, f *fault.Error) error {
	p := s.page(c)
	p.Title, p.NoIndex = p.T("error.title."+string(f.Kind)), true
	v := templates.ErrorView{Kind: f.Kind, Message: localizedMessage(p, f), Fields: f.Fields}
	if f.Kind == fault.Internal {
		v.RequestID = requestID(c)
	}
	return s.render(c, status, templates.Error(p, v))
}

// localizedMessage picks the message in the reader's language: by the error's
// code, the error's own in English, or the general one of its kind.
func localizedMessage(p templates.Page, f *fault.Error) string {
	if f.Code != "" && p.Has(f.Code) {
		return p.T(f.Code)
	}
	if f.Message != "" && f.Kind != fault.Internal {
		return f.Message
	}
	return p.Or("error.body."+string(f.Kind), "")
}

// shownMessage is the message for the JSON API.
func shownMessage(f *fault.Error) string {
	switch {
	case f.Kind == fault.Internal:
		return "something broke on our side; the request id names it in our log"
	case f.Message != "":
		return f.Message
	}
	return strings.ReplaceAll(string(f.Kind), "_", " ")
}

func (s *Server) logError(c echo.Context, f *fault.Error, status int) {
	log := s.Log.Info
	if status >= 500 {
		log = s.Log.Error
	}
	log("request failed", "method", c.Request().Method, "path", safePath(c), "status", status, "kind", f.Kind,
		"error", f.Error(), "request_id", requestID(c))
}

func wantsJSON(c echo.Context) bool {
	path := c.Request().URL.Path
	return strings.HasPrefix(path, "/api/") || path == "/healthz" || path == "/readyz" || strings.HasPrefix(path, "/webhooks/") || path == "/suggest"
}

// apiError is the body of an error of the JSON API.
type apiError struct {
	Error apiErrorBody `json:"error"`
}

type apiErrorBody struct {
	Kind      fault.Kind    `json:"kind"`
	Message   string        `json:"message"`
	Fields    []fault.Field `json:"fields,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
}
