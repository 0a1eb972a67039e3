package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/templates"
)

// TestEveryNoticeIsWritten: each kind has a subject and paragraphs in every
// language, with the particulars and nothing left open.
func TestEveryNoticeIsWritten(t *testing.T) {
	usd := catalog.Money{Amount: 12300, Currency: "USD"}
	nothing := catalog.Money{Currency: "USD"}
	until := time.Date(2027, 5, 6, 7, 0, 0, 0, time.UTC)
	booking := checkout.Booking{ID: "b", Number: "MT-2027-ABCDEFGH", State: checkout.StateAwaiting, Paid: usd, RefundPending: usd,
		Payments: []checkout.Payment{{ID: "pi_1", Amount: usd}}, Question: &checkout.Question{Text: "Which medicines?"},
		Quote: checkout.Quote{BookingClass: catalog.OnAcceptance, PackageName: catalog.Text{"en": "Demo package"}, Start: until}}
	for _, tt := range []struct {
		kind  checkout.NoticeKind
		entry checkout.Entry
		// says must be in the text, in whatever language.
		says       string
		paragraphs int
	}{
		{checkout.NoticePaid, checkout.Entry{}, "USD", 2},
		{checkout.NoticeReturned, checkout.Entry{PaymentID: "pi_1"}, "USD", 1},
		{checkout.NoticeAccepted, checkout.Entry{}, "Demo package", 1},
		{checkout.NoticeDeclined, checkout.Entry{}, "USD", 2},
		{checkout.NoticeDeclined, checkout.Entry{Reason: checkout.ReasonSilence}, "Demo package", 2},
		{checkout.NoticeDeclined, checkout.Entry{Reason: checkout.ReasonIncomplete}, "Demo package", 2},
		{checkout.NoticeCancelled, checkout.Entry{Amount: &usd}, "USD", 2},
		{checkout.NoticeCancelled, checkout.Entry{Amount: &nothing}, "Demo package", 2},
		{checkout.NoticeAsked, checkout.Entry{Text: "Which medicines?", Until: until}, "Which medicines?", 3},
		{checkout.NoticeReminded, checkout.Entry{Until: until}, "Which medicines?", 3},
		{checkout.NoticeClosed, checkout.Entry{Until: until}, "Demo package", 2},
		{checkout.NoticeMoved, checkout.Entry{}, "Demo package", 1},
		{checkout.NoticeEstimated, checkout.Entry{Amount: &usd, Until: until}, "USD", 2},
		{checkout.NoticeRefunded, checkout.Entry{Amount: &usd}, "USD", 2},
		{checkout.NoticeRefundFailed, checkout.Entry{}, "USD", 1},
	} {
		for _, lang := range catalog.Languages {
			p := templates.Page{Locale: templates.LocaleFor(lang)}
			subject, paragraphs := noticeText(p, checkout.Notice{Kind: tt.kind, Entry: tt.entry, Booking: booking})
			all := subject + "\n" + strings.Join(paragraphs, "\n")
			if !strings.Contains(subject, booking.Number) || len(paragraphs) != tt.paragraphs || !strings.Contains(all, tt.says) ||
				strings.Contains(all, "mail.") || strings.Contains(all, "<no value>") || strings.Contains(all, "{{") {
				t.Errorf("%s in %s: %s", tt.kind, lang, all)
			}
		}
	}
}

// TestMailWithoutReturning: who pays and closes the browser is told by mail, and
// of what comes after.
func TestMailWithoutReturning(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "tuina-warm-hands-slow-days", 6)
	s.pay(t, s.sent(t, s.post(t, s.quote(t, "fr", "tuina-warm-hands-slow-days", url.Values{"start": {start.Key}})+"/book", person)))
	page, err := s.Checkout.Bookings(t.Context(), checkout.Filter{}, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	id := page.Items[0].ID
	b, err := s.Checkout.Settle(t.Context(), id) // the worker does it as well
	if err != nil {
		t.Fatal(err)
	}
	preview, err := s.Checkout.CancelPreview(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkout.Cancel(t.Context(), id, "", preview.Refund, checkout.Act{Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	letters, err := s.Outbox.Mailbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, l := range letters {
		if l.Message.Lang == "fr" && strings.Contains(l.Message.Subject, b.Number) && strings.Contains(l.Message.Text, s.URL+"/fr"+s.BookingPath(id)) {
			subjects = append(subjects, l.Message.Subject)
		}
	}
	if all := strings.Join(subjects, "\n"); len(subjects) != 3 || !strings.Contains(all, "acompte reçu") || !strings.Contains(all, "annulée") ||
		!strings.Contains(all, "remboursement envoyé") {
		t.Errorf("%d mails: %s", len(subjects), all)
	}
}
