package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const membersPath = "/console/members"

func (s *Server) memberRoutes() {
	s.consoleRoute(http.MethodGet, membersPath, account.SeeMembers, s.showMembers)
	s.consoleRoute(http.MethodPost, "/console/members/invite", account.ManageMembers, s.inviteMember)
	s.consoleRoute(http.MethodPost, "/console/members/withdraw", account.ManageMembers, s.withdrawInvitation)
	s.consoleRoute(http.MethodPost, "/console/members/role", account.ManageMembers, s.changeRole)
	s.consoleRoute(http.MethodPost, "/console/members/remove", account.ManageMembers, s.removeMember)
	s.consoleRoute(http.MethodPost, "/console/members/leave", account.SeeMembers, s.leaveOrganisation)
	g := s.echo.Group("", s.private)
	g.GET("/invitations", s.showInvitation)
	g.POST("/invitations", s.acceptInvitation)
	g.POST("/account/invitations", s.answerInvitation)
}

func (s *Server) showMembers(c echo.Context, a actor) error {
	if c.QueryParam("format") == "csv" {
		return s.sendMembers(c, a)
	}
	return s.membersPage(c, a, http.StatusOK, templates.MembersView{Form: templates.InviteForm{Role: string(account.Editor), Lang: s.page(c).Tag}})
}

func (s *Server) sendMembers(c echo.Context, a actor) error {
	p := s.page(c)
	members, err := s.Accounts.Members(c.Request().Context(), a.Org.ID)
	if err != nil {
		return err
	}
	header := []string{p.T("console.members.address"), p.T("console.members.role"), p.T("console.members.since"), p.T("console.members.by")}
	return s.sendCSV(c, "members", header, func(row func(...string) error) error {
		for _, m := range members {
			if err := row(m.Email, p.T("role."+string(m.Role)), p.Date(m.Since), m.AddedBy); err != nil {
				return err
			}
		}
		return nil
	})
}

// membersPage shows who is a member, with an invitation as it was typed.
func (s *Server) membersPage(c echo.Context, a actor, status int, v templates.MembersView) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Path, p.Title = membersPath, p.T("console.nav.members")
	if done := c.QueryParam("done"); slices.Contains([]string{"invite", "withdraw", "role", "remove"}, done) {
		frame.Done = p.T("console.members.done." + done)
	}
	members, err := s.Accounts.Members(ctx, a.Org.ID)
	if err != nil {
		return err
	}
	v.Query, v.Me, v.Manage = strings.TrimSpace(c.QueryParam("q")), a.Email, a.may(account.ManageMembers)
	for _, m := range members {
		if strings.Contains(m.Email, strings.ToLower(v.Query)) {
			v.Members = append(v.Members, m)
		}
	}
	if v.Manage {
		if v.Invitations, err = s.Accounts.Invitations(ctx, a.Org.ID); err != nil {
			return err
		}
	}
	return s.render(c, status, templates.Members(p, frame, v))
}

// doneMembers notes what was done about a member and shows it.
func (s *Server) doneMembers(c echo.Context, a actor, done, email, detail string) error {
	if err := s.note(c, a, account.Audited{Action: "member." + done, Thing: "member/" + email, Detail: detail}); err != nil {
		return err
	}
	return s.redirect(c, membersPath+"?done="+done)
}

func (s *Server) inviteMember(c echo.Context, a actor) error {
	ctx, p := c.Request().Context(), s.page(c)
	v := templates.MembersView{Form: templates.InviteForm{Email: c.FormValue("email"), Role: c.FormValue("role"), Lang: c.FormValue("lang")}}
	if !slices.Contains(catalog.Languages, v.Form.Lang) {
		v.Form.Lang = p.Tag
	}
	if !s.Outbox.Sends() && !s.Demo {
		return errNoMail()
	}
	role := account.Role(v.Form.Role)
	token, err := s.Accounts.Invite(ctx, a.Org.ID, a.Email, v.Form.Email, role)
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict || f.Kind == fault.TooMany) {
		v.Errors = templates.FieldErrors(p, f.Fields)
		if len(v.Errors) == 0 {
			v.Errors = templates.FormErrors{{Field: "email", Message: localizedMessage(p, f)}}
		}
		return s.membersPage(c, a, statuses[f.Kind], v)
	}
	if err != nil {
		return err
	}
	email, err := account.NormalizeEmail(v.Form.Email)
	if err == nil {
		err = s.mailInvitation(ctx, templates.LocaleFor(v.Form.Lang), a, email, role, token)
	}
	if err != nil {
		return err
	}
	return s.doneMembers(c, a, "invite", email, "as "+v.Form.Role)
}

func (s *Server) mailInvitation(ctx context.Context, l *templates.Locale, a actor, email string, role account.Role, token string) error {
	p := templates.Page{Locale: l}
	m, err := letter(ctx, l, email, p.T("mail.invite.subject", "organisation", p.Name(a.Org.Name)), templates.MailView{
		Before: []string{p.T("invite.text", "who", a.Email, "organisation", p.Name(a.Org.Name), "role", p.T("role."+string(role)))},
		Label:  p.T("mail.invite.link"), Link: s.BaseURL + p.URL("/invitations?token="+url.QueryEscape(token)),
		After: []string{p.N("mail.invite.note", int(account.InvitationValid.Hours()/24))}})
	if err != nil {
		return err
	}
	return s.Outbox.Post(ctx, m, s.Now().Add(account.InvitationValid))
}

func (s *Server) withdrawInvitation(c echo.Context, a actor) error {
	i, err := s.Accounts.Withdraw(c.Request().Context(), a.Org.ID, c.FormValue("invitation"))
	if err != nil {
		return err
	}
	return s.doneMembers(c, a, "withdraw", i.Email, "")
}

func (s *Server) changeRole(c echo.Context, a actor) error {
	email, role := c.FormValue("email"), c.FormValue("role")
	if err := s.Accounts.SetRole(c.Request().Context(), a.Org.ID, email, account.Role(role)); err != nil {
		return err
	}
	return s.doneMembers(c, a, "role", email, "now "+role)
}

func (s *Server) removeMember(c echo.Context, a actor) error {
	email := c.FormValue("email")
	if err := s.Accounts.Leave(c.Request().Context(), a.Org.ID, email); err != nil {
		return err
	}
	return s.doneMembers(c, a, "remove", email, "")
}

// leaveOrganisation ends the membership of whoever asks.
func (s *Server) leaveOrganisation(c echo.Context, a actor) error {
	if err := s.Accounts.Leave(c.Request().Context(), a.Org.ID, a.Email); err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "member.leave", Thing: "member/" + a.Email}); err != nil {
		return err
	}
	return s.redirect(c, accountPath)
}

// showInvitation shows the button that accepts an invitation: programs that
// scan mail open links, but send no forms.
func (s *Server) showInvitation(c echo.Context) error {
	token := c.QueryParam("token")
	i, err := s.Accounts.Invitation(c.Request().Context(), token)
	if err != nil {
		return s.badInvitation(c, i, err)
	}
	v, err := s.invitationView(c, i)
	if err != nil {
		return err
	}
	v.Token = token
	p := s.personalPage(c)
	p.Path, p.Title = "/invitations", p.T("invite.title", "organisation", v.Organisation)
	return s.ok(c, templates.InvitationPage(p, v))
}

func (s *Server) invitationView(c echo.Context, i account.Invitation) (templates.InvitationView, error) {
	org, err := s.Catalog.Organisations.Get(c.Request().Context(), i.Organisation)
	if fault.Is(err, fault.NotFound) {
		err = fault.Wrap(fault.Gone, err, "The organisation that invited you is not active any more.").WithCode("invite.no_organisation")
	}
	return templates.InvitationView{Invitation: i, Organisation: s.page(c).Name(org.Name)}, err
}

func (s *Server) acceptInvitation(c echo.Context) error {
	token, i, err := s.Accounts.AcceptLink(c.Request().Context(), c.FormValue("token"), c.Request().UserAgent())
	if err != nil {
		return s.badInvitation(c, i, err)
	}
	if err := s.begin(c, token); err != nil {
		return err
	}
	return s.joined(c, i)
}

// joined notes that an invited person has become a member and leads on.
func (s *Server) joined(c echo.Context, i account.Invitation) error {
	err := s.Audit.Note(c.Request().Context(), account.Audited{Actor: i.Email, Organisation: i.Organisation, Action: "member.join",
		Thing: "member/" + i.Email, Detail: "as " + string(i.Role) + ", invited by " + i.By, Request: requestID(c)})
	if err != nil {
		return err
	}
	return s.redirect(c, consolePath)
}

// badInvitation says what became of an invitation. Who has accepted it on this
// device goes on.
func (s *Server) badInvitation(c echo.Context, i account.Invitation, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Gone && f.Kind != fault.NotFound {
		return err
	}
	if session, err := s.session(c); err == nil && session.Email == i.Email && i.State == account.InvitationAccepted {
		return s.redirect(c, consolePath)
	}
	p := s.personalPage(c)
	p.Path, p.Query, p.Title = "/invitations", "", p.T("invite.ended")
	return s.render(c, statuses[f.Kind], templates.InvitationEnded(p, localizedMessage(p, f)))
}

// answerInvitation accepts or declines as whoever is signed in.
func (s *Server) answerInvitation(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	accept := c.FormValue("answer") == "accept"
	i, err := s.Accounts.Answer(c.Request().Context(), session, c.FormValue("invitation"), accept)
	switch {
	case err != nil:
		return s.badInvitation(c, i, err)
	case !accept:
		return s.redirect(c, accountPath)
	}
	return s.joined(c, i)
}

// invitationsTo lists the invitations to a person for their pages.
func (s *Server) invitationsTo(c echo.Context, email string) ([]templates.InvitationView, error) {
	list, err := s.Accounts.InvitationsTo(c.Request().Context(), email)
	var out []templates.InvitationView
	for _, i := range list {
		v, err := s.invitationView(c, i)
		if fault.Is(err, fault.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, err
}
