package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

const (
	savedPath = "/account/saved"
	// alertsGather is how long changes of the catalogue wait for company before
	// saved searches are looked through again.
	alertsGather = time.Minute
	// alertUntil is how long a mail about something new is worth sending.
	alertUntil = 7 * 24 * time.Hour
	// alertHits is how many new hits one mail names.
	alertHits = 10
)

// favouriteKinds can be kept.
var favouriteKinds = []catalog.Kind{catalog.KindOffering, catalog.KindPackage, catalog.KindHospital, catalog.KindTreatment}

func (s *Server) savedRoutes(e *echo.Echo) {
	g := e.Group("", s.private)
	g.GET(savedPath, s.showSaved)
	g.POST("/account/favourites", s.keepFavourite)
	g.POST("/account/searches", s.keepSearch)
}

// signedIn returns who is signed in, and otherwise leads to the sign-in and back.
func (s *Server) signedIn(c echo.Context, back string) (account.Session, bool, error) {
	session, err := s.session(c)
	if fault.Is(err, fault.Unauthorized) {
		return session, false, s.redirect(c, "/sign-in?return="+url.QueryEscape(s.page(c).URL(back)))
	}
	return session, err == nil, err
}

func (s *Server) showSaved(c echo.Context) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	session, ok, err := s.signedIn(c, savedPath)
	if !ok {
		return err
	}
	var v templates.SavedView
	kept, err := s.Saved.Favourites(ctx, session.Email)
	if err != nil {
		return err
	}
	for _, f := range kept {
		kind, id, _ := strings.Cut(f.Thing, "/")
		card, ok, err := s.cardOf(ctx, p, catalog.Kind(kind), id)
		if err != nil {
			return err
		}
		if ok {
			v.Favourites = append(v.Favourites, templates.KeptCard{Card: card, Thing: f.Thing})
		} else {
			v.Gone++
		}
	}
	searches, err := s.Saved.Searches(ctx, session.Email)
	if err != nil {
		return err
	}
	for _, x := range searches {
		q, _ := url.ParseQuery(x.Query)
		v.Searches = append(v.Searches, templates.KeptSearch{ID: x.ID, Label: s.searchLabel(ctx, p, q), Path: "/search?" + x.Query, Since: x.Since})
	}
	p.Path, p.Query, p.Title, p.Section = savedPath, "", p.T("saved.title"), "account"
	return s.ok(c, templates.Saved(p, v))
}

// searchLabel says in words what a saved search looks for.
func (s *Server) searchLabel(ctx context.Context, p templates.Page, q url.Values) string {
	parts := []string{}
	if words := q.Get("q"); words != "" {
		parts = append(parts, "“"+words+"”")
	}
	kind := catalog.Kind(q.Get("kind"))
	if kind == "" {
		kind = catalog.KindOffering
	}
	parts = append(parts, p.T("search.kind."+string(kind)))
	for _, name := range search.FacetNames(kind) {
		for _, value := range q[name] {
			parts = append(parts, s.facetLabel(ctx, p, name, value))
		}
	}
	return strings.Join(parts, " · ")
}

// keepFavourite keeps something, or takes it away, and returns to its page.
func (s *Server) keepFavourite(c echo.Context) error {
	ctx := c.Request().Context()
	kind, id, _ := strings.Cut(c.FormValue("thing"), "/")
	if !slices.Contains(favouriteKinds, catalog.Kind(kind)) {
		return fault.New(fault.NotFound, "There is no such thing to keep.")
	}
	back := "/" + kind + "s/" + url.PathEscape(id)
	session, ok, err := s.signedIn(c, back)
	if !ok {
		return err
	}
	keep := c.FormValue("act") != "remove"
	if keep {
		if _, there, err := s.cardOf(ctx, s.page(c), catalog.Kind(kind), id); err != nil || !there {
			return orNotFound(err)
		}
	}
	if err := s.Saved.Keep(ctx, session.Email, kind+"/"+id, keep); err != nil {
		return err
	}
	return s.redirect(c, savedPath)
}

func orNotFound(err error) error {
	if err == nil {
		err = echo.ErrNotFound
	}
	return err
}

// keepSearch saves a search with what it finds now, so that its person is told
// of what is new, or takes one away.
func (s *Server) keepSearch(c echo.Context) error {
	ctx := c.Request().Context()
	raw := c.FormValue("query")
	session, ok, err := s.signedIn(c, "/search?"+raw)
	if !ok {
		return err
	}
	if c.FormValue("act") == "remove" {
		if err := s.Saved.ForgetSearch(ctx, session.Email, c.FormValue("id")); err != nil {
			return err
		}
		return s.redirect(c, savedPath)
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "This search cannot be read.")
	}
	for _, name := range []string{"page", paramAfter, "lang", "currency"} {
		q.Del(name)
	}
	hits, err := s.hitsOf(ctx, q, langOf(c))
	if err != nil {
		return err
	}
	known := make([]string, len(hits))
	for i, h := range hits {
		known[i] = string(h.Kind) + "/" + h.ID
	}
	if err := s.Saved.SaveSearch(ctx, account.SavedSearch{Email: session.Email, Query: q.Encode(), Lang: langOf(c), Known: known}); err != nil {
		return err
	}
	return s.redirect(c, savedPath)
}

// hitsOf answers a saved search; as many hits as it remembers.
func (s *Server) hitsOf(ctx context.Context, q url.Values, lang string) ([]search.Hit, error) {
	req, err := parseSearch(q, lang, defaultCurrency)
	if err != nil {
		return nil, err
	}
	var out []search.Hit
	req.PerPage = search.MaxPerPage
	for req.Page = 1; len(out) < account.MaxKnown; req.Page++ {
		res, err := s.Search.Search(ctx, req)
		if err != nil {
			return nil, err
		}
		if out = append(out, res.Hits...); len(res.Hits) < req.PerPage {
			break
		}
	}
	return out, nil
}

// RunAlerts tells people of what is new in their saved searches until the
// context ends. report is called with what goes wrong, which is tried again.
func (s *Server) RunAlerts(ctx context.Context, report func(error)) {
	for ctx.Err() == nil {
		if s.Catalog.Wait(ctx, s.Catalog.LastSeq()) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(alertsGather):
		}
		if err := s.Alert(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
	}
}

// Alert looks through every saved search once and tells of what is new. What a
// person is told of is noted after the mail is posted, under a key that is the
// same when it is done again.
func (s *Server) Alert(ctx context.Context) error {
	if !s.Outbox.Sends() && !s.Demo {
		return nil
	}
	return s.Saved.EachSearch(ctx, func(x account.SavedSearch) error {
		q, err := url.ParseQuery(x.Query)
		if err != nil {
			return nil // saved by another version
		}
		hits, err := s.hitsOf(ctx, q, x.Lang)
		if fault.Is(err, fault.Invalid) {
			return nil // a filter that there is no more
		}
		if err != nil {
			return err
		}
		var fresh []search.Hit
		var told []string
		for _, h := range hits {
			if thing := string(h.Kind) + "/" + h.ID; !slices.Contains(x.Known, thing) {
				fresh, told = append(fresh, h), append(told, thing)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		if err := s.mailAlert(ctx, x, q, fresh, told); err != nil {
			return err
		}
		return s.Saved.Told(ctx, x.ID, told)
	})
}

func (s *Server) mailAlert(ctx context.Context, x account.SavedSearch, q url.Values, fresh []search.Hit, told []string) error {
	p := templates.Page{Locale: templates.LocaleFor(x.Lang), Base: s.BaseURL}
	label := s.searchLabel(ctx, p, q)
	v := templates.MailView{Before: []string{p.N("mail.alert.text", len(fresh), "search", label)}, Label: p.T("mail.alert.link"),
		Link: s.BaseURL + p.URL("/search?"+x.Query), After: []string{p.T("mail.alert.note")}}
	for _, h := range fresh[:min(len(fresh), alertHits)] {
		v.Before = append(v.Before, "• "+h.Title)
	}
	m, err := letter(ctx, p.Locale, x.Email, p.N("mail.alert.subject", len(fresh)), v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.Join(told, "\n")))
	return s.Outbox.PostOnce(ctx, "alert/"+x.ID+"/"+hex.EncodeToString(sum[:8]), m, s.Now().Add(alertUntil))
}
