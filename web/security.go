package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"
	"github.com/pquerna/otp"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	securityPath = "/account/security"
	codePath     = "/account/security/code"
	secondPath   = "/sign-in/second"
	// qrPixels is the width of the picture of a code to scan.
	qrPixels = 240
)

func (s *Server) securityRoutes(g *echo.Group) {
	g.GET(securityPath, s.showSecurity)
	g.GET(codePath, s.showCode)
	g.POST("/account/security/code/new", s.newCode)
	g.POST("/account/security/code/confirm", s.confirmCode)
	g.POST("/account/security/code/remove", s.removeCode)
	g.POST("/account/passkeys/options", s.askForNewPasskey)
	g.POST("/account/passkeys", s.addPasskey)
	g.POST("/account/passkeys/remove", s.removePasskey)
	g.GET(secondPath, s.showSecond)
	g.POST(secondPath, s.useCode)
	g.POST("/sign-in/passkey/options", s.askForPasskey)
	g.POST("/sign-in/passkey", s.signInByPasskey)
}

// signInFirst leads a reader who is not signed in to do so and come back.
func (s *Server) signInFirst(c echo.Context, err error) error {
	if !fault.Is(err, fault.Unauthorized) {
		return err
	}
	return s.redirect(c, "/sign-in?return="+url.QueryEscape(s.page(c).URL(c.Request().URL.RequestURI())))
}

// proveMore leads a member who has proved the e-mail address alone to prove
// more, and back.
func (s *Server) proveMore(c echo.Context) error {
	if c.Request().Method != http.MethodGet {
		return fault.New(fault.Forbidden, "Prove with your passkey or code that it is you, then try again.").WithCode("signin.second_needed")
	}
	return s.redirect(c, secondPath+"?return="+url.QueryEscape(s.page(c).URL(c.Request().URL.RequestURI())))
}

func (s *Server) showSecond(c echo.Context) error { return s.secondPage(c, http.StatusOK, "") }

// secondPage asks for a second proof; who has none is led to set one up.
func (s *Server) secondPage(c echo.Context, status int, problem string) error {
	p, back := s.personalPage(c), c.FormValue("return")
	session, err := s.session(c)
	if err != nil {
		return s.signInFirst(c, err)
	}
	if session.Strong() {
		return s.goOn(c, back)
	}
	proofs, err := s.Factors.Of(c.Request().Context(), session.Email)
	if err != nil {
		return err
	}
	if !proofs.Any() {
		return s.redirect(c, securityPath+"?return="+url.QueryEscape(back))
	}
	p.Path, p.Query, p.Title, p.Section = secondPath, "", p.T("second.title"), "account"
	return s.render(c, status, templates.Second(p, templates.SecondView{SecondProofs: proofs, HasPasskeys: s.Factors.HasPasskeys(), Email: session.Email, Return: back, Problem: problem}))
}

func (s *Server) useCode(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	token, err := s.Factors.UseCode(c.Request().Context(), session, c.FormValue("code"))
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Unauthorized || f.Kind == fault.TooMany) {
		return s.secondPage(c, statuses[f.Kind], localizedMessage(s.page(c), f))
	}
	if err != nil {
		return err
	}
	s.setSession(c, token)
	return s.goOn(c, c.FormValue("return"))
}

// showSecurity lists what somebody can prove beside the e-mail address.
func (s *Server) showSecurity(c echo.Context) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	session, err := s.session(c)
	if err != nil {
		return s.signInFirst(c, err)
	}
	v := templates.SecurityView{Session: session, HasPasskeys: s.Factors.HasPasskeys(), Return: c.QueryParam("return")}
	if v.SecondProofs, err = s.Factors.Of(ctx, session.Email); err != nil {
		return err
	}
	if v.Any() && !session.Strong() {
		return s.proveMore(c)
	}
	memberships, err := s.Accounts.Memberships(ctx, session.Email)
	if err != nil {
		return err
	}
	v.Partner = len(memberships) > 0
	p.Path, p.Query, p.Title, p.Section = securityPath, "", p.T("security.title"), "account"
	return s.ok(c, templates.Security(p, v))
}

func (s *Server) newCode(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	if _, err := s.Factors.NewCode(c.Request().Context(), session); err != nil {
		return err
	}
	return s.redirect(c, codePath+"?return="+url.QueryEscape(c.FormValue("return")))
}

func (s *Server) showCode(c echo.Context) error { return s.codePage(c, http.StatusOK, "") }

// codePage shows the code to scan and asks for what the authenticator says.
func (s *Server) codePage(c echo.Context, status int, problem string) error {
	p := s.personalPage(c)
	session, err := s.session(c)
	if err != nil {
		return s.signInFirst(c, err)
	}
	key, err := s.Factors.Pending(c.Request().Context(), session)
	if fault.Is(err, fault.Gone) {
		return s.redirect(c, securityPath)
	}
	if err != nil {
		return err
	}
	v := templates.CodeView{Secret: key.Secret(), Return: c.FormValue("return"), Problem: problem}
	if v.Picture, err = qrPicture(key); err != nil {
		return err
	}
	p.Path, p.Query, p.Title, p.Section = codePath, "", p.T("security.code.new"), "account"
	return s.render(c, status, templates.Code(p, v))
}

// qrPicture draws an authenticator's secret as a data address.
func qrPicture(key *otp.Key) (string, error) {
	img, err := key.Image(qrPixels, qrPixels)
	if err != nil {
		return "", fmt.Errorf("web: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", fmt.Errorf("web: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// confirmCode takes an authenticator into use and shows the recovery codes,
// this once.
func (s *Server) confirmCode(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	recovery, token, err := s.Factors.ConfirmCode(c.Request().Context(), session, c.FormValue("code"))
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Unauthorized || f.Kind == fault.TooMany || f.Kind == fault.Gone) {
		return s.codePage(c, statuses[f.Kind], localizedMessage(s.page(c), f))
	}
	if err != nil {
		return err
	}
	if err := s.noteSelf(c, session, "code.add", ""); err != nil {
		return err
	}
	s.setSession(c, token)
	p := s.personalPage(c)
	p.Path, p.Query, p.Title, p.Section = codePath, "", p.T("security.recovery"), "account"
	return s.ok(c, templates.RecoveryCodes(p, recovery, localPath(c.FormValue("return"))))
}

func (s *Server) removeCode(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	if err := s.Factors.RemoveCode(c.Request().Context(), session); err != nil {
		return err
	}
	if err := s.noteSelf(c, session, "code.remove", ""); err != nil {
		return err
	}
	return s.redirect(c, securityPath)
}

// noteSelf adds a line to the audit trail about what somebody did to their own
// account.
func (s *Server) noteSelf(c echo.Context, session account.Session, action, detail string) error {
	return s.Audit.Note(c.Request().Context(), account.Audited{Actor: session.Email, Action: action, Thing: "person/" + session.Email, Detail: detail, Request: requestID(c)})
}

// passkeyAnswer is what the script sends after a device has answered.
type passkeyAnswer struct {
	Token, Name, Return string
	Credential          json.RawMessage
}

// passkeyDone tells the script where to go on to.
type passkeyDone struct {
	Location string `json:"location"`
}

func passkeyAnswerOf(c echo.Context) (passkeyAnswer, error) {
	var a passkeyAnswer
	if err := json.NewDecoder(c.Request().Body).Decode(&a); err != nil {
		return a, fault.Wrap(fault.Invalid, err, "the answer of the passkey cannot be read")
	}
	return a, nil
}

// passkeyError answers the script with a message for the reader.
func (s *Server) passkeyError(c echo.Context, err error) error {
	f := asFault(err)
	s.logError(c, f, statuses[f.Kind])
	return c.JSON(statuses[f.Kind], apiError{Error: apiErrorBody{Kind: f.Kind, Message: localizedMessage(s.page(c), f), RequestID: requestID(c)}})
}

func (s *Server) askForPasskey(c echo.Context) error {
	q, err := s.Factors.AskForPasskey(c.Request().Context(), clientKey(c.Request()))
	if err != nil {
		return s.passkeyError(c, err)
	}
	return c.JSON(http.StatusOK, q)
}

func (s *Server) signInByPasskey(c echo.Context) error {
	a, err := passkeyAnswerOf(c)
	if err != nil {
		return s.passkeyError(c, err)
	}
	token, err := s.Factors.SignInByPasskey(c.Request().Context(), a.Token, a.Credential, c.Request().UserAgent())
	if err == nil {
		err = s.begin(c, token)
	}
	if err != nil {
		return s.passkeyError(c, err)
	}
	return c.JSON(http.StatusOK, passkeyDone{Location: s.wayOn(c, a.Return)})
}

func (s *Server) askForNewPasskey(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return s.passkeyError(c, err)
	}
	q, err := s.Factors.AskForNewPasskey(c.Request().Context(), session)
	if err != nil {
		return s.passkeyError(c, err)
	}
	return c.JSON(http.StatusOK, q)
}

func (s *Server) addPasskey(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return s.passkeyError(c, err)
	}
	a, err := passkeyAnswerOf(c)
	if err != nil {
		return s.passkeyError(c, err)
	}
	token, err := s.Factors.AddPasskey(c.Request().Context(), session, a.Token, a.Name, a.Credential)
	if err == nil {
		err = s.noteSelf(c, session, "passkey.add", a.Name)
	}
	if err != nil {
		return s.passkeyError(c, err)
	}
	s.setSession(c, token)
	location := s.page(c).URL(securityPath)
	if back := localPath(a.Return); back != "/" {
		location = back
	}
	return c.JSON(http.StatusOK, passkeyDone{Location: location})
}

func (s *Server) removePasskey(c echo.Context) error {
	session, err := s.session(c)
	if err != nil {
		return err
	}
	if err := s.Factors.RemovePasskey(c.Request().Context(), session, c.FormValue("passkey")); err != nil {
		return err
	}
	if err := s.noteSelf(c, session, "passkey.remove", ""); err != nil {
		return err
	}
	return s.redirect(c, securityPath)
}
