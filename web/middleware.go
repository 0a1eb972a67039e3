package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/rs/xid"
	"golang.org/x/text/language"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

const (
	// maxBody bounds a form; files have limits of their own.
	maxBody = "256K"
	// maxListingBody bounds a form of the consoles: a listing in six languages.
	maxListingBody = "4M"
	// maxURL bounds a request's address: longer ones are mistakes or attacks.
	maxURL = 16 << 10

	keyLang      = "lang"
	keyRequestID = "request_id"
	keyPath      = "site_path"
)

func (s *Server) middleware() {
	e := s.echo
	e.Pre(s.identify, s.limitURL, s.languagePrefix)
	e.Use(s.logRequest, s.recover, s.secure)
	e.Use(middleware.GzipWithConfig(middleware.GzipConfig{Level: 5, MinLength: 1024, Skipper: func(c echo.Context) bool {
		return strings.HasSuffix(c.Path(), ".ics")
	}}))
	e.Use(bodyLimit(maxBody), bodyLimit(maxListingBody))
	e.Use(s.sameOrigin)
}

// bodyLimit bounds what is sent to where this is the limit.
func bodyLimit(limit string) echo.MiddlewareFunc {
	return middleware.BodyLimitWithConfig(middleware.BodyLimitConfig{Limit: limit, Skipper: func(c echo.Context) bool {
		return bodyLimitOf(c.Request().URL.Path) != limit
	}})
}

// bodyLimitOf returns how much may be sent to a path.
func bodyLimitOf(path string) string {
	switch {
	case strings.HasPrefix(path, consolePath+"/"), strings.HasPrefix(path, partnerAPI):
		return maxListingBody
	}
	return maxBody
}

// identify gives every request an id, for the log and for support.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := xid.New().String()
		c.Set(keyRequestID, id)
		c.Response().Header().Set("X-Request-Id", id)
		return next(c)
	}
}

func requestID(c echo.Context) string {
	id, _ := c.Get(keyRequestID).(string)
	return id
}

func (s *Server) limitURL(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(c.Request().URL.RequestURI()) > maxURL {
			return fault.New(fault.TooLarge, "The address is too long; please use fewer words.").WithCode("error.url_too_long")
		}
		return next(c)
	}
}

// languagePrefix takes the language off the front of the path. English has no
// prefix.
func (s *Server) languagePrefix(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		lang, rest := "en", u.Path
		first, after, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if first == "en" {
			return c.Redirect(http.StatusMovedPermanently, localPath("/"+after)+query(u.RawQuery))
		}
		for _, l := range catalog.Languages[1:] {
			if strings.EqualFold(first, l) {
				lang, rest = l, "/"+after
			}
		}
		c.Set(keyLang, lang)
		c.Set(keyPath, rest)
		u.Path, u.RawPath = rest, ""
		return next(c)
	}
}

// localPath keeps a redirect within the site: a second slash at the front
// would name another host, and browsers leave out control characters.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.HasPrefix(path, "/\\") || strings.ContainsFunc(path, unicode.IsControl) {
		return "/"
	}
	return path
}

func query(raw string) string {
	if raw == "" {
		return ""
	}
	return "?" + raw
}

func langOf(c echo.Context) string {
	if l, ok := c.Get(keyLang).(string); ok {
		return l
	}
	return "en"
}

var matcher = language.NewMatcher(func() (tags []language.Tag) {
	for _, l := range catalog.Languages {
		tags = append(tags, language.Make(l))
	}
	return tags
}())

// preferredLanguage returns what the browser asks for, English where that is
// none of ours.
func preferredLanguage(r *http.Request) string {
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return "en"
	}
	_, i, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return "en"
	}
	return catalog.Languages[i]
}

// contentLanguage returns the language of ours that serves a reader of a tag
// best, English where none does or the tag is empty. It reports false for what
// is no tag.
func contentLanguage(tag string) (string, bool) {
	if tag == "" {
		return "en", true
	}
	t, err := language.Parse(tag)
	if err != nil {
		return "en", false
	}
	if _, i, confidence := matcher.Match(t); confidence != language.No {
		return catalog.Languages[i], true
	}
	return "en", true
}

// logRequest writes one line per request. Addresses of bookings carry a
// secret, so the path is logged without it.
func (s *Server) logRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		s.Log.Debug("request", "method", c.Request().Method, "path", safePath(c), "status", c.Response().Status,
			"bytes", c.Response().Size, "ms", float64(time.Since(start).Microseconds())/1000, "request_id", requestID(c))
		return nil
	}
}

// safePath is the request's path without secrets: the route's pattern where
// the route carries a token.
func safePath(c echo.Context) string {
	if strings.Contains(c.Path(), ":token") {
		return c.Path()
	}
	return c.Request().URL.Path
}

// recover turns a panic into an error of ours, with its place in the log.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				if r == http.ErrAbortHandler {
					panic(r)
				}
				err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", r, stack()), "panic")
			}
		}()
		return next(c)
	}
}

// secure sets the headers that keep pages from doing what they are not meant
// to. Payment pages of the local Stripe are part of the site.
func (s *Server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	formAction := "'self'"
	if s.PaymentOrigin != "" {
		// Browsers apply form-action to the redirect after a form as well.
		formAction += " " + s.PaymentOrigin
	}
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
		"manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action " + formAction
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if strings.HasPrefix(s.BaseURL, "https://") {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		return next(c)
	}
}

// sameOrigin refuses forms that another site sends. Webhooks, the local
// Stripe's API and the API of partners prove themselves by signature and key
// and know no cookies.
func (s *Server) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		path := c.Request().URL.Path
		if !strings.HasPrefix(path, "/webhooks/") && !strings.HasPrefix(path, "/stripesim/v1/") && !strings.HasPrefix(path, partnerAPI) {
			if err := protection.Check(c.Request()); err != nil {
				return fault.Wrap(fault.Forbidden, err, "This form was sent from another site. Open the page here and send it again.").WithCode("error.cross_site")
			}
		}
		return next(c)
	}
}
