package web

import (
	"context"
	"strings"
	"time"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/templates"
)

// noticeMailFor is how long a mail about a booking is worth sending.
const noticeMailFor = 3 * 24 * time.Hour

// BookingMail makes the links of bookings for checkout, and tells patients by
// mail what it has to tell. It works without a Server.
type BookingMail struct {
	links  *account.Links
	base   string
	outbox *account.Outbox
	demo   bool
}

// NewBookingMail returns the mail of a site at an address; secret is that of its
// Config. In a demonstration mail is shown where it is not sent.
func NewBookingMail(baseURL string, secret []byte, outbox *account.Outbox, demo bool) (*BookingMail, error) {
	links, err := account.NewLinks(secret)
	return &BookingMail{links, baseURL, outbox, demo}, err
}

// url is the address of a booking's page in a language.
func (m *BookingMail) url(id, lang string) string {
	return m.base + templates.Page{Locale: templates.LocaleFor(lang)}.URL(bookingPath(m.links, id))
}

// ReturnURL is where the payment page sends the patient; see checkout.Config.
func (m *BookingMail) ReturnURL(id, lang string) (success, cancel string) {
	page := m.url(id, lang)
	return page + "/return", page
}

// Notify mails a patient what checkout has to tell, in the language in which the
// journey was booked. The outbox takes each notice once; see checkout.Config.
func (m *BookingMail) Notify(ctx context.Context, n checkout.Notice) error {
	if !m.outbox.Sends() && !m.demo {
		return nil
	}
	b := n.Booking
	p := templates.Page{Locale: templates.LocaleFor(b.Quote.Lang)}
	subject, paragraphs := noticeText(p, n)
	mail, err := letter(ctx, p.Locale, b.Patient.Email, subject, templates.MailView{Before: paragraphs, After: []string{p.T("mail.paid.note")},
		Label: p.T("mail.booking.link"), Link: m.url(b.ID, b.Quote.Lang)})
	if err != nil {
		return err
	}
	return m.outbox.PostOnce(ctx, n.Key, mail, n.Entry.At.Add(noticeMailFor))
}

// noticeText writes the subject and the paragraphs of a notice. It is pure.
func noticeText(p templates.Page, n checkout.Notice) (subject string, paragraphs []string) {
	b, e := n.Booking, n.Entry
	name := "mail." + strings.ReplaceAll(string(n.Kind), "-", "_")
	args := []any{"number", b.Number, "package", p.Name(b.Quote.PackageName), "date", p.Date(b.Quote.Start),
		"amount", p.MoneyCode(noticeAmount(n)), "until", p.Time(e.Until)}
	say := func(key string) { paragraphs = append(paragraphs, p.T(key, args...)) }
	switch {
	case n.Kind == checkout.NoticeDeclined && e.Reason == checkout.ReasonSilence:
		say(name + ".no_answer")
	case n.Kind == checkout.NoticeDeclined && e.Reason == checkout.ReasonIncomplete:
		say(name + ".incomplete")
	default:
		say(name + ".text")
	}
	switch n.Kind {
	case checkout.NoticePaid:
		if b.State == checkout.StateAwaiting && b.Quote.BookingClass == catalog.OnAcceptance {
			say(name + ".waits")
		}
	case checkout.NoticeDeclined:
		say(name + ".refund")
	case checkout.NoticeCancelled:
		if e.Amount.Amount > 0 {
			say(name + ".refund")
		} else {
			say(name + ".nothing")
		}
	case checkout.NoticeAsked:
		paragraphs = append(paragraphs, e.Text)
		say(name + ".until")
	case checkout.NoticeReminded:
		if b.Question != nil {
			paragraphs = append(paragraphs, b.Question.Text)
		}
		say("mail.asked.until")
	case checkout.NoticeClosed, checkout.NoticeEstimated:
		say(name + ".until")
	case checkout.NoticeRefunded:
		say(name + ".when")
	}
	return p.T(name+".subject", args...), paragraphs
}

// noticeAmount is the amount that a notice is about.
func noticeAmount(n checkout.Notice) catalog.Money {
	switch {
	case n.Kind == checkout.NoticeRefundFailed:
		return n.Booking.RefundPending
	case n.Kind == checkout.NoticeReturned:
		for _, p := range n.Booking.Payments {
			if p.ID == n.Entry.PaymentID {
				return p.Amount
			}
		}
	case n.Kind != checkout.NoticePaid && n.Entry.Amount != nil:
		return *n.Entry.Amount
	}
	return n.Booking.Paid
}
