package web

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	accountPath = "/account"
	// accountBookings is how many bookings one page of the account shows.
	accountBookings = 20
)

func (s *Server) accountRoutes(e *echo.Echo) {
	g := e.Group("", s.private)
	g.GET("/sign-in", s.showSignIn)
	g.POST("/sign-in", s.askForLink)
	g.GET("/sign-in/verify", s.showVerify)
	g.POST("/sign-in/verify", s.signIn)
	g.POST("/sign-out", s.signOut)
	g.GET(accountPath, s.showAccount)
	g.POST("/account/sessions", s.endSession)
	g.GET("/mailbox", s.showMailbox)
	s.securityRoutes(g)
}

// clientIP finds the client behind proxies in private networks; what others
// claim in a header is not believed.
var clientIP = echo.ExtractIPFromXFFHeader()

// clientKey is under what requests of a client are counted: its address, or
// its network of IPv6, in which it may choose addresses freely.
func clientKey(r *http.Request) string {
	s := clientIP(r)
	if ip := net.ParseIP(s); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return s
}

// sessionCookie names the cookie. The prefix makes browsers refuse one that
// another host of the domain, or a page without encryption, has set.
func (s *Server) sessionCookie() string {
	if s.encrypted() {
		return "__Host-session"
	}
	return "session"
}

func (s *Server) encrypted() bool { return strings.HasPrefix(s.BaseURL, "https://") }

// setSession keeps a session in the browser; an empty token takes it away.
func (s *Server) setSession(c echo.Context, token string) {
	age := int(account.SessionLimit.Seconds())
	if token == "" {
		age = -1
	}
	c.SetCookie(&http.Cookie{Name: s.sessionCookie(), Value: token, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.encrypted(), SameSite: http.SameSiteLaxMode})
}

// session returns who is signed in. Errors: Unauthorized where nobody is.
func (s *Server) session(c echo.Context) (account.Session, error) {
	token := ""
	if cookie, err := c.Cookie(s.sessionCookie()); err == nil {
		token = cookie.Value
	}
	return s.Accounts.Session(c.Request().Context(), token)
}

func (s *Server) showSignIn(c echo.Context) error {
	return s.signInPage(c, http.StatusOK, templates.SignInView{Return: c.QueryParam("return")})
}

func (s *Server) signInPage(c echo.Context, status int, v templates.SignInView) error {
	p := s.personalPage(c)
	p.Path, p.Query, p.Title, p.Section = "/sign-in", "", p.T("signin.title"), "account"
	v.Passkeys = s.Factors.HasPasskeys()
	return s.render(c, status, templates.SignIn(p, v))
}

// askForLink answers the same whether the address is known or not, and whether
// it was sent a link or had enough of them.
func (s *Server) askForLink(c echo.Context) error {
	p := s.personalPage(c)
	v := templates.SignInView{Email: c.FormValue("email"), Return: c.FormValue("return")}
	if !s.Outbox.Sends() && !s.Demo {
		return errNoMail()
	}
	email, err := account.NormalizeEmail(v.Email)
	var f *fault.Error
	if errors.As(err, &f) {
		v.Errors = templates.FieldErrors(p, f.Fields)
		return s.signInPage(c, http.StatusUnprocessableEntity, v)
	}
	token, err := s.Accounts.RequestLink(c.Request().Context(), email, clientKey(c.Request()), localPath(v.Return))
	if fault.Is(err, fault.TooMany) {
		v.Notice = p.T("signin.too_many")
		return s.signInPage(c, http.StatusTooManyRequests, v)
	}
	if err == nil && token != "" {
		err = s.mailLink(c, email, token)
	}
	if err != nil {
		return err
	}
	p.Path, p.Query, p.Title = "/sign-in", "", p.T("signin.sent")
	return s.ok(c, templates.SignInSent(p, email, !s.Outbox.Sends()))
}

func errNoMail() error {
	return fault.New(fault.Unavailable, "This site cannot send e-mail at the moment.").WithCode("signin.no_mail")
}

func (s *Server) mailLink(c echo.Context, email, token string) error {
	p, minutes := s.page(c), int(account.LinkValid.Minutes())
	m, err := letter(c.Request().Context(), p.Locale, email, p.T("mail.sign_in.subject"), templates.MailView{
		Before: []string{p.T("mail.sign_in.text")}, After: []string{p.N("mail.sign_in.note", minutes)},
		Label: p.T("mail.sign_in.link"), Link: s.BaseURL + p.URL("/sign-in/verify?token="+url.QueryEscape(token))})
	if err != nil {
		return err
	}
	return s.Outbox.Post(c.Request().Context(), m, s.Now().Add(account.LinkValid))
}

// letter writes a mail as text and as HTML.
func letter(ctx context.Context, l *templates.Locale, to, subject string, v templates.MailView) (account.Message, error) {
	var html bytes.Buffer
	err := templates.MailHTML(l, subject, v).Render(ctx, &html)
	return account.Message{To: to, Subject: subject, Text: templates.MailText(v), HTML: html.String(), Lang: l.Tag}, err
}

// showVerify shows the button that uses up a link: programs that scan mail
// open links, but send no forms.
func (s *Server) showVerify(c echo.Context) error {
	token := c.QueryParam("token")
	link, err := s.Accounts.Link(c.Request().Context(), token)
	if err != nil {
		return s.badLink(c, link, err)
	}
	p := s.personalPage(c)
	p.Path, p.Title = "/sign-in/verify", p.T("signin.verify")
	return s.ok(c, templates.SignInVerify(p, link.Email, token))
}

// signIn uses up a link and begins a session in place of the one that the
// browser had.
func (s *Server) signIn(c echo.Context) error {
	token, link, err := s.Accounts.SignIn(c.Request().Context(), c.FormValue("token"), c.Request().UserAgent())
	if err != nil {
		return s.badLink(c, link, err)
	}
	if err := s.begin(c, token); err != nil {
		return err
	}
	return s.goOn(c, link.Return)
}

// begin puts a new session in place of the one that the browser had, which
// ends.
func (s *Server) begin(c echo.Context, token string) error {
	if before, err := s.session(c); err == nil {
		if err := s.Accounts.Revoke(c.Request().Context(), before.Email, before.ID); err != nil {
			return err
		}
	}
	s.setSession(c, token)
	return nil
}

// goOn leads to where the reader wanted to go before signing in, which is
// never another site.
func (s *Server) goOn(c echo.Context, path string) error {
	return c.Redirect(http.StatusSeeOther, s.wayOn(c, path))
}

func (s *Server) wayOn(c echo.Context, path string) string {
	if path = localPath(path); path == "/" {
		return s.page(c).URL(accountPath)
	}
	return path
}

// badLink says what is wrong with a link and offers a new one. A second press
// of the button finds the reader signed in already.
func (s *Server) badLink(c echo.Context, link account.SignInLink, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Gone && f.Kind != fault.NotFound {
		return err
	}
	if session, err := s.session(c); err == nil && session.Email == link.Email {
		return s.goOn(c, link.Return)
	}
	return s.signInPage(c, statuses[f.Kind], templates.SignInView{Email: link.Email, Return: link.Return, Notice: localizedMessage(s.page(c), f)})
}

// showAccount lists the bookings of whoever is signed in, by the address that
// they have proved.
func (s *Server) showAccount(c echo.Context) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	session, err := s.session(c)
	if fault.Is(err, fault.Unauthorized) {
		return s.redirect(c, "/sign-in?return="+url.QueryEscape(p.URL(accountPath)))
	}
	if err != nil {
		return err
	}
	memberships, err := s.Accounts.Memberships(ctx, session.Email)
	if err != nil {
		return err
	}
	v := templates.AccountView{Session: session, Partner: len(memberships) > 0}
	page, err := s.Checkout.Bookings(ctx, checkout.Filter{Email: session.Email}, accountBookings, c.QueryParam("after"))
	if err != nil {
		return err
	}
	for _, b := range page.Items {
		v.Bookings = append(v.Bookings, templates.AccountBooking{View: b, Path: s.BookingPath(b.ID)})
	}
	if page.Next != "" {
		v.Older = accountPath + "?after=" + url.QueryEscape(page.Next)
	}
	if v.Invitations, err = s.invitationsTo(c, session.Email); err != nil {
		return err
	}
	if v.Sessions, err = s.Accounts.Sessions(ctx, session.Email); err != nil {
		return err
	}
	p.Path, p.Query, p.Title, p.Section = accountPath, "", p.T("nav.account"), "account"
	return s.ok(c, templates.Account(p, v))
}

// endSession signs another device of the same person out.
func (s *Server) endSession(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	if err := s.Accounts.Revoke(c.Request().Context(), session.Email, c.FormValue("session")); err != nil {
		return err
	}
	return s.redirect(c, accountPath)
}

// signOut ends the session here, or all of the person's.
func (s *Server) signOut(c echo.Context) error {
	ctx := c.Request().Context()
	session, err := s.session(c)
	switch {
	case fault.Is(err, fault.Unauthorized):
		err = nil // signed out already
	case err == nil && c.FormValue("everywhere") == "yes":
		err = s.Accounts.RevokeAll(ctx, session.Email)
	case err == nil:
		err = s.Accounts.Revoke(ctx, session.Email, session.ID)
	}
	if err != nil {
		return err
	}
	s.setSession(c, "")
	return s.redirect(c, "/sign-in")
}

// showMailbox shows, in a demonstration only, the mail that is not sent.
func (s *Server) showMailbox(c echo.Context) error {
	if !s.Demo || s.Outbox.Sends() {
		return echo.ErrNotFound
	}
	letters, err := s.Outbox.Mailbox(c.Request().Context())
	if err != nil {
		return err
	}
	p := s.personalPage(c)
	p.Path, p.Query, p.Title = "/mailbox", "", p.T("mailbox.title")
	return s.ok(c, templates.Mailbox(p, templates.MailboxView{Letters: letters}))
}
