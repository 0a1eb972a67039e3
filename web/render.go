package web

import (
	"bytes"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

// currencies are those in which prices can be shown, if the rate table has
// them.
var currencies = []string{"USD", "EUR", "GBP", "CNY", "AED", "RUB", "INR", "JPY"}

const (
	currencyCookie  = "currency"
	languageCookie  = "language"
	preferenceFor   = 365 * 24 * time.Hour
	defaultCurrency = "USD"
)

// page returns what the layout needs for a request.
func (s *Server) page(c echo.Context) templates.Page {
	path, _ := c.Get(keyPath).(string)
	return templates.Page{
		Locale:     templates.LocaleFor(langOf(c)),
		Path:       path,
		Query:      c.Request().URL.RawQuery,
		Base:       s.BaseURL,
		Currency:   s.currencyOf(c),
		Currencies: s.currencies(),
		RatesDate:  s.ratesDate(langOf(c)),
		Demo:       s.Demo,
		Asset:      s.assets.URL,
		Convert:    s.Rates.Convert,
	}
}

func (s *Server) currencies() []string {
	var out []string
	for _, code := range currencies {
		if s.Rates.Has(code) {
			out = append(out, code)
		}
	}
	return out
}

func (s *Server) ratesDate(lang string) string {
	date, err := time.Parse(time.DateOnly, s.Rates.Date)
	if err != nil {
		return s.Rates.Date
	}
	return templates.LocaleFor(lang).Date(date)
}

// currencyOf returns the currency that the reader chose, in the address or
// before.
func (s *Server) currencyOf(c echo.Context) string {
	code := strings.ToUpper(c.QueryParam("currency"))
	if code == "" {
		if cookie, err := c.Cookie(currencyCookie); err == nil {
			code = cookie.Value
		}
	}
	if catalog.ValidCurrency(code) && s.Rates.Has(code) {
		return code
	}
	return defaultCurrency
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// render renders a component to a buffer and only then writes the status, so
// that a failing page is an error page and not half a page.
func (s *Server) render(c echo.Context, status int, component templ.Component) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := component.Render(c.Request().Context(), buf); err != nil {
		return err
	}
	return c.HTMLBlob(status, buf.Bytes())
}

// ok renders a page with status 200.
func (s *Server) ok(c echo.Context, component templ.Component) error {
	return s.render(c, http.StatusOK, component)
}

// redirect sends the reader to a page of the site in their language.
func (s *Server) redirect(c echo.Context, path string) error {
	return c.Redirect(http.StatusSeeOther, templates.Page{Locale: templates.LocaleFor(langOf(c))}.URL(path))
}

func stack() []byte { return debug.Stack() }
