package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/static"
)

func (s *Server) systemRoutes(e *echo.Echo) {
	e.GET("/healthz", func(c echo.Context) error { return c.JSON(http.StatusOK, map[string]string{"status": "ok"}) })
	e.GET("/readyz", s.ready)
	e.GET("/metrics", echo.WrapHandler(promhttp.Handler()))
	e.GET(static.Prefix+"*", echo.WrapHandler(s.assets))
	e.POST("/preferences", s.setPreferences)
	e.GET("/robots.txt", s.robots)
	e.POST("/webhooks/stripe", s.stripeWebhook)
	if s.Simulator != nil {
		e.Any("/stripesim/*", echo.WrapHandler(http.StripPrefix("/stripesim", s.Simulator)))
	}
}

// ready answers whether the node can take traffic: the store answers and the
// index is there.
func (s *Server) ready(c echo.Context) error {
	if err := s.Ping(c.Request().Context()); err != nil {
		return err
	}
	if !s.Search.Ready() {
		return fault.New(fault.Unavailable, "the search index is being built")
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}

// setPreferences stores the chosen currency and goes back to where the reader
// was.
func (s *Server) setPreferences(c echo.Context) error {
	code := strings.ToUpper(c.FormValue("currency"))
	if !catalog.ValidCurrency(code) || !s.Rates.Has(code) {
		return fault.New(fault.Invalid, "There is no rate for this currency. Please choose one of the list.").WithCode("error.currency")
	}
	c.SetCookie(&http.Cookie{Name: currencyCookie, Value: code, Path: "/", MaxAge: int(preferenceFor.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.BaseURL, "https://")})
	return c.Redirect(http.StatusSeeOther, withoutCurrency(localPath(c.FormValue("return"))))
}

// withoutCurrency takes a currency off an address, where it would win over the
// choice just made.
func withoutCurrency(path string) string {
	u, err := url.Parse(path)
	if err != nil {
		return "/"
	}
	q := u.Query()
	if q.Has("currency") {
		q.Del("currency")
		u.RawQuery = q.Encode()
	}
	return u.String()
}

func (s *Server) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nDisallow: /bookings/\nDisallow: /account\nDisallow: /sign-in\nDisallow: /mailbox\nDisallow: /quotes/\nDisallow: /stripesim/\nDisallow: /api/\nSitemap: "+s.BaseURL+"/sitemap.xml\n")
}
