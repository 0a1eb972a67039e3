package stripesim

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bojanz/currency"

	"github.com/medtour/medtour/catalog"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed checkout.css
	styleCSS []byte

	pageTemplate = template.Must(template.New("page").Parse(pageHTML))
)

// maxPayerName is the greatest length of a payer's name in characters.
const maxPayerName = 100

// view is what the page shows.
type view struct {
	Lang, Dir string
	// Root is the relative way to the root of the server.
	Root  string
	State string // form, confirm, expired, missing
	Title string
	// Description below the title.
	Description string
	Amount      string
	CancelURL   string
	Methods     []string
	Cards       []cardView
	Method      string
	Email, Name string
	// FixedEmail is true when the merchant has given the address.
	FixedEmail bool
	// Alert is the key of a message about the whole form.
	Alert string
	// Errors by field, as keys of messages.
	Errors map[string]string
}

type cardView struct{ Number, Note string }

// T returns a message in the language of the page.
func (v view) T(key string) string { return message(v.Lang, key) }

// Wallet reports whether the second page is that of a wallet, not of 3-D Secure.
func (v view) Wallet() bool { return v.Method != "card" }

// Heading is the page's title.
func (v view) Heading() string {
	switch {
	case v.State == "expired", v.State == "missing":
		return v.T(v.State + "_title")
	case v.State == "confirm" && v.Wallet():
		return v.T("method_" + v.Method)
	case v.State == "confirm":
		return v.T("confirm_title")
	}
	return v.T("title")
}

// page wraps a handler of the payment page: it looks the session up and sends
// a payer whose session has ended on.
func (s *Server) page(h func(http.ResponseWriter, *http.Request, *payment) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		err := s.Advance(r.Context())
		var p *payment
		if err == nil {
			p, err = s.load(r.Context(), r.PathValue("session"))
		}
		switch {
		case err != nil:
		case p == nil || r.PathValue("session") != p.id(prefixSession):
			err = s.render(w, r, http.StatusNotFound, nil, view{State: "missing"})
		case p.Session.Status == statusComplete:
			redirect(w, p.successURL())
		case p.Session.Status == statusExpired:
			err = s.render(w, r, http.StatusGone, p, view{State: "expired"})
		default:
			err = h(w, r, p)
		}
		if err != nil {
			s.log.Error("stripesim: page", "path", r.URL.Path, "error", err)
			http.Error(w, "Something went wrong. Please go back and try again.", http.StatusInternalServerError)
		}
	}
}

// redirect sends a browser on. Unlike http.Redirect it leaves a relative
// address relative, since the server does not know its own prefix.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

func (p *payment) successURL() string {
	return strings.ReplaceAll(p.Session.SuccessURL, sessionPlaceholder, p.id(prefixSession))
}

func (s *Server) showPage(w http.ResponseWriter, r *http.Request, p *payment) error {
	v := view{State: "form"}
	if p.Attempt != nil {
		v.Email, v.Name, v.Method = p.Attempt.Email, p.Attempt.Name, p.Attempt.Method
		if p.Intent.Failure != nil {
			v.Alert = declineKey(*p.Intent.Failure)
		}
	}
	return s.render(w, r, http.StatusOK, p, v)
}

// submitPage takes what the payer has entered.
func (s *Server) submitPage(w http.ResponseWriter, r *http.Request, p *payment) error {
	if err := r.ParseForm(); err != nil {
		return s.render(w, r, http.StatusBadRequest, p, view{State: "form", Alert: "error_form"})
	}
	by, faults := readForm(r.PostForm, p.Session, s.clock())
	if len(faults) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, p, view{
			State: "form", Email: by.Email, Name: by.Name, Method: by.Method, Errors: faults, Alert: "error_form",
		})
	}
	return s.proceed(w, r, p, func(c change) {
		card := cardOf(by.Card)
		switch {
		case by.Method != "card" || card.ThreeDSecure:
			c.requireAction(by)
		case card.Decline != nil:
			c.decline(by, *card.Decline)
		default:
			c.pay(by)
		}
	})
}

// errEnded says that the session was paid or expired while the payer typed.
var errEnded = errors.New("stripesim: the session has ended")

// proceed changes an open session and sends the payer where its new state
// asks. A second submit of the same form finds the session ended and changes
// nothing.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, p *payment, f func(change)) error {
	var after payment
	err := s.change(context.WithoutCancel(r.Context()), p.ID, func(c change) error {
		after = *c.payment
		if c.Session.Status != statusOpen {
			return errEnded
		}
		f(c)
		after = *c.payment
		return nil
	})
	if err != nil && !errors.Is(err, errEnded) {
		return err
	}
	id := after.id(prefixSession)
	switch {
	case after.Session.Status == statusComplete:
		redirect(w, after.successURL())
	case strings.HasSuffix(r.URL.Path, "/confirm"):
		redirect(w, "../"+id)
	case after.Intent != nil && after.Intent.Status == statusRequiresAction:
		redirect(w, id+"/confirm")
	default:
		redirect(w, id)
	}
	return nil
}

func (s *Server) showConfirm(w http.ResponseWriter, r *http.Request, p *payment) error {
	if p.Intent == nil || p.Intent.Status != statusRequiresAction {
		redirect(w, "../"+p.id(prefixSession))
		return nil
	}
	return s.render(w, r, http.StatusOK, p, view{State: "confirm", Method: p.Attempt.Method})
}

// submitConfirm takes the payer's decision on the second page.
func (s *Server) submitConfirm(w http.ResponseWriter, r *http.Request, p *payment) error {
	if err := r.ParseForm(); err != nil {
		return s.showConfirm(w, r, p)
	}
	outcome := r.PostForm.Get("outcome")
	return s.proceed(w, r, p, func(c change) {
		if c.Intent == nil || c.Intent.Status != statusRequiresAction {
			return
		}
		by := *c.Attempt
		switch outcome {
		case "complete":
			c.pay(by)
		case "later":
			c.process(by, true)
		case "later_fails":
			c.process(by, false)
		case "fail":
			c.decline(by, declinedAuthentication)
		}
	})
}

// readForm checks what the payer has entered and returns how to pay, with the
// faults by field as keys of messages.
func readForm(form url.Values, s session, now time.Time) (attempt, map[string]string) {
	faults := map[string]string{}
	by := attempt{
		Method: form.Get("method"),
		Email:  strings.TrimSpace(form.Get("email")),
		Name:   strings.TrimSpace(form.Get("name")),
	}
	if s.CustomerEmail != "" {
		by.Email = s.CustomerEmail
	}
	if by.Method == "" {
		by.Method = s.Methods[0]
	}
	if !slices.Contains(s.Methods, by.Method) {
		by.Method, faults["method"] = s.Methods[0], "error_method"
	}
	if !validEmail(by.Email) {
		faults["email"] = "error_email"
	}
	if by.Name == "" || utf8.RuneCountInString(by.Name) > maxPayerName {
		faults["name"] = "error_name"
	}
	if by.Method != "card" {
		return by, faults
	}
	number := digits(form.Get("number"))
	switch {
	case !luhn(number):
		faults["number"] = "error_number"
	case cardOf(number).Number == "":
		faults["number"] = "error_real_card"
	default:
		by.Card = number
	}
	if !validExpiry(form.Get("expiry"), now) {
		faults["expiry"] = "error_expiry"
	}
	if cvc := digits(form.Get("cvc")); len(cvc) < 3 || len(cvc) > 4 {
		faults["cvc"] = "error_cvc"
	}
	return by, faults
}

// digits keeps the digits of a number as people write it, in the digits of
// Latin, Arabic, Persian or full-width script. Anything but digits, spaces and
// hyphens makes it empty.
func digits(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= '\u0660' && r <= '\u0669': // Arabic
			b.WriteRune(r - '\u0660' + '0')
		case r >= '\u06f0' && r <= '\u06f9': // Persian
			b.WriteRune(r - '\u06f0' + '0')
		case r >= '\uff10' && r <= '\uff19': // full-width
			b.WriteRune(r - '\uff10' + '0')
		case r != ' ' && r != '-' && r != '\u00a0':
			return ""
		}
	}
	return b.String()
}

// validExpiry reports whether MM/YY or MM/YYYY is this month or later, and
// within the 50 years that a card could last.
func validExpiry(s string, now time.Time) bool {
	month, year, ok := strings.Cut(s, "/")
	if !ok {
		return false
	}
	if year = digits(year); len(year) == 2 {
		year = "20" + year
	}
	if month = digits(month); len(month) == 1 {
		month = "0" + month
	}
	t, err := time.Parse("01/2006", month+"/"+year)
	return err == nil && t.AddDate(0, 1, 0).After(now) && t.Before(now.AddDate(50, 0, 0))
}

func declineKey(d decline) string {
	switch {
	case d.DeclineCode == "insufficient_funds":
		return "declined_funds"
	case d.Code == declinedAuthentication.Code:
		return "declined_authentication"
	}
	return "declined"
}

// render writes the page, to a buffer first.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, p *payment, v view) error {
	v.Root, v.Lang = "../", language(r, "auto")
	if strings.HasSuffix(r.URL.Path, "/confirm") {
		v.Root = "../../"
	}
	targets := ""
	if p != nil {
		v.Lang = language(r, p.Session.Locale)
		v.Title, v.Description, v.CancelURL = p.Session.Title, p.Session.Description, p.Session.CancelURL
		v.Amount = amountText(p.Session, v.Lang)
		v.Methods, v.FixedEmail = p.Session.Methods, p.Session.CustomerEmail != ""
		if v.FixedEmail {
			v.Email = p.Session.CustomerEmail
		}
		if v.Method == "" {
			v.Method = v.Methods[0]
		}
		for _, c := range testCards {
			v.Cards = append(v.Cards, cardView{group(c.Number), c.Note})
		}
		// Browsers apply form-action to the redirect after a form as well.
		targets = " " + origin(p.Session.SuccessURL)
	}
	v.Dir = "ltr"
	if v.Lang == "ar" {
		v.Dir = "rtl"
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'"+targets+
		"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// origin of an address, as a source of a content security policy.
func origin(address string) string {
	u, err := url.Parse(strings.ReplaceAll(address, sessionPlaceholder, "id"))
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// group writes a card number in fours.
func group(number string) string {
	var parts []string
	for c := range slices.Chunk([]byte(number), 4) {
		parts = append(parts, string(c))
	}
	return strings.Join(parts, " ")
}

// amountText renders the amount in a language, always with the ISO code.
func amountText(s session, lang string) string {
	m := catalog.Money{Amount: s.Amount, Currency: strings.ToUpper(s.Currency)}
	amount, err := currency.NewAmount(m.Decimal(), m.Currency)
	if err != nil { // a currency that the formatter does not know
		return m.String()
	}
	f := currency.NewFormatter(currency.NewLocale(lang))
	f.CurrencyDisplay = currency.DisplayCode
	return f.Format(amount)
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(styleCSS) // the browser may be gone
}
