// Package web is the HTTP side of Medtour: routes, middleware, handlers, forms,
// error pages and the JSON API, on Echo.
//
// Handlers parse, decide and render, and return errors; one error handler
// turns a fault into a page or JSON with the right status, logs the cause with
// the request id and shows nothing internal. Pages are rendered to a buffer
// before the status is written.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/care"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/static"
)

// Config is what the server needs.
type Config struct {
	Catalog *catalog.Catalog
	Search  *search.Engine
	// Analytics counts what is searched for.
	Analytics *search.Analytics
	Checkout  *checkout.Service
	Accounts  *account.Accounts
	Factors   *account.Factors
	Outbox    *account.Outbox
	Audit     *account.Audit
	Slots     *care.Slots
	Saved     *account.Saved
	Rates     catalog.Rates
	// BaseURL is the site's address without a slash at the end.
	BaseURL string
	// Secret signs booking links; at least account.MinSecret bytes.
	Secret []byte
	// Demo marks every page and allows the demo controls.
	Demo bool
	// Simulator serves the local Stripe below /stripesim; nil with real Stripe.
	Simulator http.Handler
	// PaymentOrigin is where the payment page is, for the content security
	// policy; empty for the site itself.
	PaymentOrigin string
	// Ping reports whether the store answers.
	Ping func(context.Context) error
	Log  *slog.Logger
	Now  func() time.Time
}

// Server is the HTTP handler of the site.
type Server struct {
	Config
	echo   *echo.Echo
	assets *static.Assets
	links  *account.Links
	ids    publishedIDs
	// consoleTable is the route table of the consoles, consoleTasks find what
	// is to be done there.
	consoleTable []consoleRoute
	consoleTasks []consoleTask
	// operations are the calls of the API.
	operations []operation
}

// New builds the server.
func New(cfg Config) (*Server, error) {
	links, err := account.NewLinks(cfg.Secret)
	if err != nil {
		return nil, err
	}
	assets, err := static.Load()
	if err != nil {
		return nil, err
	}
	s := &Server{Config: cfg, echo: echo.New(), assets: assets, links: links}
	s.echo.HTTPErrorHandler = s.handleError
	s.middleware()
	s.routes()
	return s, nil
}

// ServeHTTP serves the site.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// routes is the route table, by area.
func (s *Server) routes() {
	s.systemRoutes(s.echo)
	s.homeRoutes(s.echo)
	s.searchRoutes(s.echo)
	s.treatmentRoutes(s.echo)
	s.hospitalRoutes(s.echo)
	s.offeringRoutes(s.echo)
	s.packageRoutes(s.echo)
	s.quoteRoutes(s.echo)
	s.bookingRoutes(s.echo)
	s.accountRoutes(s.echo)
	s.savedRoutes(s.echo)
	s.compareRoutes(s.echo)
	s.consoleRoutes()
	s.apiRoutes()
}

// bookingID verifies a booking's link.
func (s *Server) bookingID(token string) (string, error) { return s.links.Verify(token) }

// BookingPath returns the path of a booking's page, with its secret.
func (s *Server) BookingPath(id string) string { return bookingPath(s.links, id) }

func bookingPath(links *account.Links, id string) string { return "/bookings/" + links.Token(id) }
