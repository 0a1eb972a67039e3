package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/store/sqlite"
	"github.com/medtour/medtour/templates"
)

// post sends a form to a path or an address. Headers are pairs of name and
// value.
func (s *testServer) post(t testing.TB, path string, form url.Values, headers ...string) answer {
	t.Helper()
	if strings.HasPrefix(path, "/") {
		path = s.URL + path
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	return s.do(t, req, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

// sent checks that an answer is a redirect and returns where it leads, without
// the site's own address.
func (s *testServer) sent(t testing.TB, a answer) string {
	t.Helper()
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s: status %d, want 303: %s", a.Request.URL, a.StatusCode, text(a.document(t).Find("main")))
	}
	return strings.TrimPrefix(a.Header.Get("Location"), s.URL)
}

func want(t testing.TB, a answer, status int) *goquery.Document {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s: status %d, want %d", a.Request.URL, a.StatusCode, status)
	}
	return a.document(t)
}

var person = url.Values{"name": {"María Example"}, "email": {"maria@example.org"}, "country": {"KZ"}, "consent": {"yes"}}

// openStart returns a start date of a package that has places left; skip
// leaves out the first ones, so that tests stay out of each other's way.
func (s *testServer) openStart(t testing.TB, pkg string, skip int) checkout.StartLeft {
	t.Helper()
	starts, err := s.Checkout.Starts(context.Background(), pkg)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range starts[skip:] {
		if st.Left > 0 {
			return st
		}
	}
	t.Fatalf("%s has no open start", pkg)
	return checkout.StartLeft{}
}

// quote makes a quote and returns its path.
func (s *testServer) quote(t testing.TB, lang, pkg string, choice url.Values) string {
	t.Helper()
	return s.sent(t, s.post(t, templates.Page{}.URLIn(lang, "/quotes?package="+pkg), choice))
}

// pay pays on the page of the local Stripe and returns where the patient is
// sent.
func (s *testServer) pay(t testing.TB, payPath string) string {
	t.Helper()
	return s.sent(t, s.post(t, payPath, url.Values{"email": {"maria@example.org"}, "name": {"María Example"}, "method": {"card"},
		"number": {"4242 4242 4242 4242"}, "expiry": {"12/40"}, "cvc": {"123"}}))
}

// booked makes a booking, pays it and returns its path.
func (s *testServer) booked(t testing.TB, lang, pkg string, choice url.Values) string {
	t.Helper()
	payPath := s.sent(t, s.post(t, s.quote(t, lang, pkg, choice)+"/book", person))
	return s.sent(t, s.get(t, s.pay(t, payPath)))
}

func state(doc *goquery.Document) string { return doc.Find("[data-state]").AttrOr("data-state", "") }

func TestJourney(t *testing.T) {
	s := newTestServer(t)
	for i, lang := range []string{"en", "ar"} {
		t.Run(lang, func(t *testing.T) {
			found := s.page(t, templates.Page{}.URLIn(lang, "/search?kind=package&q=ICL"))
			path := ""
			found.Find(`main a[href*="/packages/icl-by-the-west-bund"]`).EachWithBreak(func(_ int, a *goquery.Selection) bool {
				path = a.AttrOr("href", "")
				return false
			})
			if path == "" {
				t.Fatal("the search does not find the package")
			}
			start := s.openStart(t, "icl-by-the-west-bund", i)
			choice := url.Values{"start": {start.Key}, "companions": {"1"}, "currency": {"EUR"}}
			pkg := s.page(t, path+"?"+choice.Encode())
			if pkg.Find("html").AttrOr("dir", "") != templates.LocaleFor(lang).Dir {
				t.Error("wrong direction of writing")
			}
			if n := pkg.Find("ol.days > li").Length(); n != 11 {
				t.Errorf("%d days, want 11", n)
			}
			if pkg.Find("svg.recovery[aria-label]").Length() != 1 || pkg.Find(".day .why").Length() == 0 || pkg.Find("[style]").Length() > 0 {
				t.Error("the strip, the reasons of quiet days or the strict policy for styles is missing")
			}
			deposit := text(pkg.Find(".price-rows .deposit dd"))

			quotePath := s.quote(t, lang, "icl-by-the-west-bund", choice)
			quote := s.page(t, quotePath)
			if got := text(quote.Find(".price-table tfoot tr").Eq(1).Find("td")); got != deposit || !strings.Contains(got, "EUR") {
				t.Errorf("the quote asks for %q, the package page said %q", got, deposit)
			}
			if quote.Find(".price-table tbody tr").Length() != 8 || quote.Find(".policy li").Length() < 4 {
				t.Error("lines or policy are missing from the quote")
			}

			payPath := s.sent(t, s.post(t, quotePath+"/book", person))
			returnPath := s.pay(t, payPath)
			if !strings.HasSuffix(returnPath, "/return") {
				t.Fatalf("the payment page sends the patient to %s", returnPath)
			}
			bookingPath := s.sent(t, s.get(t, returnPath))
			a := s.get(t, bookingPath)
			booking := want(t, a, http.StatusOK)
			if state(booking) != "awaiting-hospital" {
				t.Fatalf("the booking is %q after the payment", state(booking))
			}
			if a.Header.Get("Cache-Control") != "no-store" || booking.Find(`meta[name="robots"][content="noindex"]`).Length() != 1 {
				t.Error("a booking page may be kept by caches or search engines")
			}
			if booking.Find(".waits .deadline").Length() == 0 || booking.Find(".demo-box button").Length() != 5 {
				t.Error("the deadline or the demo control is missing")
			}
			if got := s.sent(t, s.post(t, bookingPath+"/demo", url.Values{"act": {"accept"}})); got != bookingPath {
				t.Errorf("the demo hospital sends to %s", got)
			}
			confirmed := s.page(t, bookingPath)
			if state(confirmed) != "confirmed" || confirmed.Find(`.demo-box [value="accept"]`).Length() != 0 {
				t.Errorf("the booking is %q after the hospital accepted", state(confirmed))
			}
			receipt := s.page(t, bookingPath+"/receipt")
			if got := text(receipt.Find("article table").First().Find("tfoot td")); got != deposit {
				t.Errorf("the receipt says %q, the deposit was %q", got, deposit)
			}
			if !regexp.MustCompile(`MT-\d{4}-[A-Z2-7]{8}`).MatchString(receipt.Find("article").Text()) {
				t.Error("the receipt has no number")
			}
			ics := s.get(t, bookingPath+"/calendar.ics")
			events := parseCalendar(t, ics.Body)
			if len(events) != 11 || ics.Header.Get("Content-Type") != "text/calendar; charset=utf-8" {
				t.Errorf("the calendar has %d events of type %s", len(events), ics.Header.Get("Content-Type"))
			}
			if events[0]["DTSTART;VALUE=DATE"] != start.Date.Format("20060102") || events[0]["STATUS"] != "CONFIRMED" {
				t.Errorf("the first event is %v", events[0])
			}
		})
	}
}

// messageKey finds keys of messages that have no text.
var messageKey = regexp.MustCompile(`\b(pkg|plan|price|quote|booking|policy|patient|due|payee|event|refund|cancel|receipt|deposits|closed|question|estimate|move|time|sketch|steps|demo|field|form|left)\.[a-z]+[a-z_.-]*`)

// TestBookPagesSpeakEveryLanguage opens every page of the path in every
// language, through all that can happen to a booking, and looks for text
// without translation.
func TestBookPagesSpeakEveryLanguage(t *testing.T) {
	s := newTestServer(t)
	const pkg = "pancreas-a-month-near-ruijin-er-road"
	for i, lang := range catalog.Languages {
		t.Run(lang, func(t *testing.T) {
			start := s.openStart(t, pkg, i+6)
			choice := url.Values{"start": {start.Key}, "companions": {"2"}}
			in := func(path string) string { return templates.Page{}.URLIn(lang, path) }
			booking := s.booked(t, lang, pkg, choice)
			for _, path := range []string{in("/packages/" + pkg), in("/packages/scoliosis-six-weeks-in-yangpu"), s.quote(t, lang, pkg, choice),
				booking, booking + "/cancel", booking + "/move", booking + "/receipt", in("/how-deposits-work")} {
				s.speaks(t, path)
			}
			act := func(form url.Values) {
				t.Helper()
				s.sent(t, s.post(t, booking+"/demo", form))
				s.speaks(t, booking)
			}
			act(url.Values{"act": {"estimate"}, "amount": {"1000"}})
			act(url.Values{"act": {"ask"}, "question": {"?"}})
			s.sent(t, s.post(t, booking+"/reply", url.Values{"reply": {"!"}}))
			act(url.Values{"act": {"accept"}})
			act(url.Values{"act": {"estimate"}, "amount": {"2000"}})
			s.speaks(t, booking+"/cancel")
			act(url.Values{"act": {"close"}})
			s.speaks(t, booking+"/cancel")
			s.sent(t, s.post(t, booking+"/cancel", s.cancelForm(t, booking, "departure-closed")))
			s.speaks(t, booking)
			s.speaks(t, booking+"/refunds/1")
		})
	}
}

// speaks checks a page: no key of a message for a text, one h1, a title, a
// label for every control, every id once.
func (s *testServer) speaks(t testing.TB, path string) {
	t.Helper()
	doc := s.page(t, path)
	if key := messageKey.FindString(doc.Find("main").Text()); key != "" {
		t.Errorf("%s shows the key %s", path, key)
	}
	if doc.Find("h1").Length() != 1 || doc.Find("title").Text() == "" {
		t.Errorf("%s needs one h1 and a title", path)
	}
	doc.Find("main input:not([type=hidden]), main select, main textarea").Each(func(_ int, c *goquery.Selection) {
		id := c.AttrOr("id", "-")
		if doc.Find(`label[for="`+id+`"]`).Length() == 0 && c.Closest("label").Length() == 0 && c.AttrOr("aria-label", "") == "" {
			t.Errorf("%s: the control %q has no label", path, c.AttrOr("name", ""))
		}
	})
	ids := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, e *goquery.Selection) {
		if id := e.AttrOr("id", ""); ids[id] {
			t.Errorf("%s: the id %q is there twice", path, id)
		} else {
			ids[id] = true
		}
	})
}

// cancelForm is the form of a reason as the page of a booking has it, with its
// box ticked.
func (s *testServer) cancelForm(t testing.TB, booking, cause string) url.Values {
	t.Helper()
	return hidden(s.page(t, booking+"/cancel").Find(`section[data-cause="` + cause + `"]`))
}

// hidden reads the hidden fields of a form whose box is ticked.
func hidden(form *goquery.Selection) url.Values {
	out := url.Values{"sure": {"yes"}}
	form.Find("input[type=hidden]").Each(func(_ int, i *goquery.Selection) { out.Set(i.AttrOr("name", ""), i.AttrOr("value", "")) })
	return out
}

// TestHospitalAsksAndRevises goes through a question of the hospital and a
// revised estimate as the patient sees them.
func TestHospitalAsksAndRevises(t *testing.T) {
	s := newTestServer(t)
	const pkg = "endoscopy-two-weeks-close-to-the-hospital"
	path := s.booked(t, "en", pkg, url.Values{"start": {s.openStart(t, pkg, 6).Key}})
	s.sent(t, s.post(t, path+"/demo", url.Values{"act": {"estimate"}, "amount": {"30000"}}))
	s.sent(t, s.post(t, path+"/demo", url.Values{"act": {"ask"}, "question": {"Since <b>when</b>?"}}))
	doc := s.page(t, path)
	if got := text(doc.Find(".turn blockquote")); got != "Since <b>when</b>?" || doc.Find(".turn .deadline time").Length() != 1 {
		t.Errorf("the question is shown as %q", got)
	}
	for _, reply := range []string{" \n", strings.Repeat("x", 2001)} {
		doc = want(t, s.post(t, path+"/reply", url.Values{"reply": {reply}}), http.StatusUnprocessableEntity)
		if doc.Find("#error-reply").Length() != 1 || doc.Find("#reply").Text() != reply {
			t.Error("the fault is not beside the reply, or what was typed is lost")
		}
	}
	s.sent(t, s.post(t, path+"/reply", url.Values{"reply": {"Since May."}}))
	doc = s.page(t, path)
	if doc.Find(".turn").Length() != 0 || !strings.Contains(text(doc.Find(".history")), "Since May.") {
		t.Error("the reply is not in the history, or the question still waits")
	}
	want(t, s.post(t, path+"/reply", url.Values{"reply": {"And June."}}), http.StatusConflict)

	s.sent(t, s.post(t, path+"/demo", url.Values{"act": {"accept"}}))
	if s.page(t, path+"/cancel").Find(`[data-cause="revised-plan"]`).Length() != 0 {
		t.Error("a free exit without a revised estimate")
	}
	s.sent(t, s.post(t, path+"/demo", url.Values{"act": {"estimate"}, "amount": {"42000"}}))
	doc = s.page(t, path)
	if got := text(doc.Find(".compare")); !strings.Contains(got, "30,000.00") || !strings.Contains(got, "42,000.00") || !strings.Contains(got, "+40%") {
		t.Errorf("the estimates are compared as %q", got)
	}
	deposit := text(doc.Find(".buy .rows").First().Find(".total dd"))
	if got := text(s.page(t, path+"/cancel").Find(`section[data-cause="revised-plan"] .total dd`)); got != deposit {
		t.Errorf("leaving pays back %s of %s", got, deposit)
	}
	s.sent(t, s.post(t, path+"/cancel", s.cancelForm(t, path, "revised-plan")))
	if got := text(s.page(t, path+"/refunds/1").Find(".price.big")); got != deposit {
		t.Errorf("%s of %s came back", got, deposit)
	}
}

// TestMove moves a booking to another date and to others that it cannot have.
func TestMove(t *testing.T) {
	s := newTestServer(t)
	const pkg = "cataract-quiet-mornings-in-fenglin"
	from, to := s.openStart(t, pkg, 8), s.openStart(t, pkg, 9)
	path := s.booked(t, "en", pkg, url.Values{"start": {from.Key}})
	doc := s.page(t, path+"/move?start="+to.Key)
	if doc.Find(`#start option[value="`+from.Key+`"]`).Length() != 0 || doc.Find("#start option[selected]").AttrOr("value", "") != to.Key {
		t.Error("the wrong dates are offered")
	}
	form := hidden(doc.Find(`form[method="post"]`))
	elsewhere := s.openStart(t, "icl-by-the-west-bund", 8)
	for name, c := range map[string]struct {
		field, value string
		status       int
	}{
		"unsure": {"sure", "", http.StatusUnprocessableEntity}, "no amount": {"amount", "x", http.StatusUnprocessableEntity},
		"other amount": {"amount", "-500", http.StatusConflict}, "other currency": {"currency", "JPY", http.StatusConflict},
		"no such date": {"start", "no-such_2026-01-01", http.StatusUnprocessableEntity}, "other package": {"start", elsewhere.Key, http.StatusUnprocessableEntity},
		"same date": {"start", from.Key, http.StatusConflict},
	} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(c.field, c.value)
		doc := want(t, s.post(t, path+"/move", bad), c.status)
		if doc.Find("[role=alert]").Length() == 0 {
			t.Errorf("%s: nothing says what is wrong", name)
		}
	}
	want(t, s.get(t, path+"/move?start="+elsewhere.Key), http.StatusUnprocessableEntity)
	if got := s.openStart(t, pkg, 8); got.Key != from.Key || got.Left != from.Left-1 {
		t.Fatal("the booking has left its date though nothing was moved")
	}
	for range 2 { // the second time is a replay
		if got := s.sent(t, s.post(t, path+"/move", form)); got != path {
			t.Errorf("moving leads to %s", got)
		}
	}
	if got := text(s.page(t, path).Find(".history")); strings.Count(got, "was moved to") != 1 {
		t.Errorf("the history says %s", got)
	}
	if a, b := s.openStart(t, pkg, 8), s.openStart(t, pkg, 9); a.Left != from.Left || b.Left != to.Left-1 {
		t.Errorf("%d and %d places are left, want %d and %d", a.Left, b.Left, from.Left, to.Left-1)
	}
	late := s.booked(t, "en", pkg, url.Values{"start": {s.openStart(t, pkg, 0).Key}})
	want(t, s.get(t, late+"/move"), http.StatusConflict)
}

// TestClosedDepartureOfBooking looks at a booking whose departure the agency
// closes: it can move without conditions.
func TestClosedDepartureOfBooking(t *testing.T) {
	s := newTestServer(t)
	const pkg = "tcm-skin-two-weeks-by-longhua"
	start := s.openStart(t, pkg, 1)
	path := s.booked(t, "ru", pkg, url.Values{"start": {start.Key}})
	s.sent(t, s.post(t, path+"/demo", url.Values{"act": {"close"}}))
	doc := s.page(t, path)
	if doc.Find("#b-closed").Length() != 1 || doc.Find(".turn .deadline time").Length() != 1 {
		t.Error("nothing says that the departure was closed, and until when to choose")
	}
	if n := s.page(t, path+"/cancel").Find("section[data-cause]").Length(); n != 1 {
		t.Errorf("%d reasons to cancel, want 1: they are all the same", n)
	}
	s.sent(t, s.post(t, path+"/move", hidden(s.page(t, path+"/move").Find(`form[method="post"]`))))
	if s.page(t, path).Find("#b-closed").Length() != 0 {
		t.Error("the booking is moved and still says that its departure was closed")
	}
}

func TestQuoteFormKeepsWhatWasTyped(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "cataract-quiet-mornings-in-fenglin", 0)
	path := s.quote(t, "en", "cataract-quiet-mornings-in-fenglin", url.Values{"start": {start.Key}, "companions": {"2"}})
	form := url.Values{"name": {""}, "email": {"not an address"}, "country": {"FR"}, "note": {"<b>no nuts</b>"},
		"companion": {"Ana Example", strings.Repeat("x", 200)}}
	doc := want(t, s.post(t, path+"/book", form), http.StatusUnprocessableEntity)
	if got := doc.Find(".error-summary li").Length(); got != 4 {
		t.Errorf("%d faults in the summary, want 4 (name, e-mail, companion, consent): %s", got, text(doc.Find(".error-summary")))
	}
	doc.Find(".error-summary a").Each(func(_ int, a *goquery.Selection) {
		id := strings.TrimPrefix(a.AttrOr("href", ""), "#")
		c := doc.Find(`[id="` + id + `"]`)
		if c.AttrOr("aria-invalid", "") != "true" {
			t.Errorf("the summary leads to %q, which is not marked as wrong", id)
		}
		for described := range strings.FieldsSeq(c.AttrOr("aria-describedby", "")) {
			if doc.Find(`[id="`+described+`"]`).Length() != 1 {
				t.Errorf("%s is described by %s, which is not there", id, described)
			}
		}
	})
	for selector, value := range map[string]string{"#email": "not an address", `[id="companion_names[0]"]`: "Ana Example"} {
		if got := doc.Find(selector).AttrOr("value", ""); got != value {
			t.Errorf("%s has %q, want %q", selector, got, value)
		}
	}
	if doc.Find("#country option[selected]").AttrOr("value", "") != "FR" || doc.Find("#note").Text() != "<b>no nuts</b>" {
		t.Error("country or note is lost")
	}
}

// TestReprice changes the choices of a quote, with the button that works
// without a script: the new price is shown, and what was typed is kept.
func TestReprice(t *testing.T) {
	s := newTestServer(t)
	const pkg = "icl-plane-trees-of-xuhui"
	start := s.openStart(t, pkg, 2)
	path := s.quote(t, "en", pkg, url.Values{"start": {start.Key}, "currency": {"CNY"}})
	before := s.page(t, path)
	if button := before.Find("form button").First(); button.AttrOr("formaction", "") != "" {
		t.Error("the Enter key would price again instead of going on")
	}
	priceAgain := before.Find("[data-autosubmit] button").AttrOr("formaction", "")
	form := url.Values{"start": {start.Key}, "companions": {"1"}, "currency": {"USD"}, "name": {"María"}, "note": {"no nuts"}, "consent": {"yes"}}
	doc := want(t, s.post(t, priceAgain, form), http.StatusOK)
	if got := text(doc.Find(".buy .price")); !strings.Contains(got, "USD") {
		t.Errorf("the deposit is %s", got)
	}
	if doc.Find("#name").AttrOr("value", "") != "María" || doc.Find("#note").Text() != "no nuts" || doc.Find("input[name=companion]").Length() != 1 {
		t.Error("what was typed is lost, or there is no room for the companions' names")
	}
	if doc.Find(".error-summary").Length() != 0 {
		t.Error("a choice is answered with faults of the patient's details")
	}
	here := doc.Find("form[data-here]").AttrOr("data-here", "")
	if got := text(s.page(t, here).Find(".buy .price")); here == path || got != text(doc.Find(".buy .price")) {
		t.Errorf("%s is no new quote of the same price", here)
	}
	for field, value := range map[string]string{"companions": "-1", "start": "no-such_2026-01-01", "room": "penthouse", "interpreter": "tlh", "currency": "XXX"} {
		bad := url.Values{"start": {start.Key}, "name": {"María"}, field: {value}}
		doc := want(t, s.post(t, priceAgain, bad), http.StatusUnprocessableEntity)
		if doc.Find("[data-autosubmit][open] .field-error").Length() != 1 || doc.Find(".error-summary a").Length() != 1 || doc.Find("#name").AttrOr("value", "") != "María" {
			t.Errorf("%s=%s: the fault is not beside its field, or what was typed is lost", field, value)
		}
	}
	if got := s.sent(t, s.get(t, priceAgain)); got != path {
		t.Errorf("the address of the button leads to %s", got)
	}
	want(t, s.post(t, "/quotes/aaaaaaaaaaaaaaaaaaaaaaaaaa/price", form), http.StatusNotFound)
}

func TestDoubleClickIsOneBooking(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "lasik-ten-gentle-days-near-jingan", 0)
	path := s.quote(t, "en", "lasik-ten-gentle-days-near-jingan", url.Values{"start": {start.Key}})
	const clicks = 4
	var wg sync.WaitGroup
	locations := make([]string, clicks)
	for i := range clicks {
		wg.Go(func() {
			a := s.post(t, path+"/book", person)
			locations[i] = a.Header.Get("Location")
		})
	}
	wg.Wait()
	pay := ""
	for _, l := range locations {
		// While the payment page is being opened, a second click lands on the
		// booking.
		if strings.Contains(l, "/stripesim/") {
			if pay != "" && l != pay {
				t.Errorf("two payment pages: %s and %s", pay, l)
			}
			pay = l
		}
	}
	if pay == "" {
		t.Fatalf("no click led to the payment page: %q", locations)
	}
	left := s.openStart(t, "lasik-ten-gentle-days-near-jingan", 0)
	if left.Key != start.Key || left.Left != start.Left-1 {
		t.Errorf("%d places left, want %d", left.Left, start.Left-1)
	}
	booking := s.sent(t, s.get(t, s.pay(t, strings.TrimPrefix(pay, s.URL))))
	if again := s.sent(t, s.post(t, path+"/book", person)); again != booking {
		t.Errorf("a click after the payment leads to %s, want %s", again, booking)
	}
}

// fill takes every place of a start date.
func (s *testServer) fill(t testing.TB, pkg, start string) {
	t.Helper()
	ctx := context.Background()
	for i := range 100 {
		q, err := s.Checkout.Quote(ctx, checkout.Choice{PackageID: pkg, StartKey: start, Currency: "CNY", Lang: "en"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Checkout.Book(ctx, q.ID, checkout.Patient{Name: "Somebody " + strconv.Itoa(i), Email: "somebody@example.org"})
		if codeOf(err) == codeFull {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the date never fills up")
}

func TestFullDeparture(t *testing.T) {
	s := newTestServer(t)
	const pkg = "brain-surgery-seven-quiet-weeks-by-jingan"
	start := s.openStart(t, pkg, 1)
	choice := url.Values{"start": {start.Key}, "companions": {"2"}, "currency": {"EUR"}}
	before := s.quote(t, "en", pkg, choice)
	s.fill(t, pkg, start.Key)

	for name, a := range map[string]answer{
		"quote":   s.post(t, "/quotes?package="+pkg, choice),
		"booking": s.post(t, before+"/book", person),
	} {
		doc := want(t, a, http.StatusConflict)
		if doc.Find("#notice[role=alert]").Length() != 1 {
			t.Errorf("%s: nothing says that the date has filled up", name)
		}
		option := doc.Find(`#start option[value="` + start.Key + `"]`)
		if _, disabled := option.Attr("disabled"); !disabled {
			t.Errorf("%s: the full date can still be chosen", name)
		}
		if doc.Find("#start option:not([disabled])").Length() == 0 {
			t.Errorf("%s: no other date is offered", name)
		}
		if doc.Find("#companions option[selected]").AttrOr("value", "") != "2" || doc.Find("#pay-currency option[selected]").AttrOr("value", "") != "EUR" {
			t.Errorf("%s: the choices are lost", name)
		}
		if doc.Find(`button[formaction*="/quotes?"], [data-part="submit"] button`).Length() != 0 {
			t.Errorf("%s: a deposit can still be paid", name)
		}
		if name == "booking" && doc.Find("#name").AttrOr("value", "") != person.Get("name") {
			t.Errorf("%s: the patient's details are lost", name)
		}
	}
	if s.page(t, "/packages/"+pkg+"?"+choice.Encode()).Find("button[formaction]").Length() != 0 {
		t.Error("the package page takes a deposit for a full date")
	}
}

// TestClosedDeparture books a quote whose departure was closed meanwhile.
func TestClosedDeparture(t *testing.T) {
	s := newTestServer(t)
	const pkg = "pancreas-a-month-near-ruijin-er-road"
	start := s.openStart(t, pkg, 3)
	path := s.quote(t, "en", pkg, url.Values{"start": {start.Key}, "currency": {"EUR"}})
	if _, err := s.Checkout.CloseDeparture(context.Background(), start.Key, time.Time{}, checkout.Act{Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	doc := want(t, s.post(t, path+"/book", person), http.StatusConflict)
	if doc.Find("#notice[role=alert]").Length() != 1 || doc.Find(`[data-part="submit"] button`).Length() != 0 {
		t.Error("the page does not say that the departure was closed, or still takes a deposit")
	}
	if doc.Find("#start option:not([disabled])").Length() == 0 || doc.Find("#pay-currency option[selected]").AttrOr("value", "") != "EUR" {
		t.Error("no other date is offered, or the choices are lost")
	}
}

func TestBadChoices(t *testing.T) {
	s := newTestServer(t)
	const pkg = "icl-plane-trees-of-xuhui"
	for field, value := range map[string]string{"companions": "99", "start": "no-such_2026-01-01", "room": "penthouse", "interpreter": "tlh", "currency": "XXX"} {
		for method, a := range map[string]answer{
			"GET":  s.get(t, "/packages/"+pkg+"?"+url.Values{field: {value}}.Encode()),
			"POST": s.post(t, "/quotes?package="+pkg, url.Values{field: {value}}),
		} {
			doc := want(t, a, http.StatusUnprocessableEntity)
			if doc.Find(".field-error").Length() != 1 || doc.Find(".error-summary a").Length() != 1 || doc.Find("button[formaction]").Length() != 0 {
				t.Errorf("%s %s=%s: %s", method, field, value, text(doc.Find(".buy")))
			}
		}
	}
	for _, companions := range []string{"-1", "two", "99999999999999999999"} {
		want(t, s.get(t, "/packages/"+pkg+"?companions="+companions), http.StatusUnprocessableEntity)
	}
	want(t, s.get(t, "/packages/no-such-package"), http.StatusNotFound)
	want(t, s.get(t, "/quotes/aaaaaaaaaaaaaaaaaaaaaaaaaa"), http.StatusNotFound)
	want(t, s.post(t, "/quotes/aaaaaaaaaaaaaaaaaaaaaaaaaa/book", person), http.StatusNotFound)
	if got := s.sent(t, s.get(t, "/ru/packages")); got != "/ru/search?kind=package" {
		t.Errorf("/packages leads to %s", got)
	}
}

func TestForgedBookingLinks(t *testing.T) {
	s := newTestServer(t)
	start := s.openStart(t, "vaccination-before-the-next-journey", 0)
	path := s.booked(t, "en", "vaccination-before-the-next-journey", url.Values{"start": {start.Key}})
	if state(s.page(t, path)) != "confirmed" {
		t.Error("an instant booking is not confirmed by its payment")
	}
	id, signature, _ := strings.Cut(strings.TrimPrefix(path, "/bookings/"), ".")
	last := "A"
	if strings.HasSuffix(signature, "A") {
		last = "B"
	}
	for name, token := range map[string]string{"no signature": id, "other signature": id + "." + signature[:len(signature)-1] + last, "other booking": strings.Repeat("a", 26) + "." + signature} {
		for _, page := range []string{"", "/return", "/cancel", "/move", "/receipt", "/refunds/1", "/calendar.ics"} {
			want(t, s.get(t, "/bookings/"+token+page), http.StatusNotFound)
		}
		for _, action := range []string{"/pay", "/reply", "/move", "/cancel", "/demo"} {
			if a := s.post(t, "/bookings/"+token+action, url.Values{"act": {"accept"}}); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: POST %s answers %d", name, action, a.StatusCode)
			}
		}
	}
}

func TestForgedWebhook(t *testing.T) {
	s := newTestServer(t)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+"/webhooks/stripe",
		strings.NewReader(`{"id":"evt_1","object":"event","type":"checkout.session.completed"}`))
	if err != nil {
		t.Fatal(err)
	}
	a := s.do(t, req, "Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", time.Now().Unix(), strings.Repeat("0", 64)))
	if a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a forged webhook answers %d, want 401", a.StatusCode)
	}
}

func TestCancel(t *testing.T) {
	s := newTestServer(t)
	const pkg = "colorectal-four-weeks-with-a-plan"
	start := s.openStart(t, pkg, 2)
	path := s.booked(t, "en", pkg, url.Values{"start": {start.Key}, "currency": {"USD"}})
	doc := s.page(t, path+"/cancel")
	if n := doc.Find("section[data-cause]").Length(); n != 4 {
		t.Fatalf("%d reasons, want 4", n)
	}
	form := func(cause string) url.Values { return s.cancelForm(t, path, cause) }
	unsure := form("mind")
	unsure.Del("sure")
	want(t, s.post(t, path+"/cancel", unsure), http.StatusUnprocessableEntity)
	more := form("mind")
	more.Set("amount", "1"+more.Get("amount"))
	want(t, s.post(t, path+"/cancel", more), http.StatusConflict)
	unknown := form("mind")
	unknown.Set("cause", "bored")
	want(t, s.post(t, path+"/cancel", unknown), http.StatusUnprocessableEntity)
	if got := state(s.page(t, path)); got != "awaiting-hospital" {
		t.Fatalf("the booking is %q though nothing was cancelled", got)
	}
	if got := s.sent(t, s.post(t, path+"/cancel", form("visa-refused"))); got != path {
		t.Errorf("cancelling leads to %s", got)
	}
	cancelled := s.page(t, path)
	if state(cancelled) != "cancelled" || cancelled.Find("#b-refund").Length() != 1 {
		t.Errorf("the booking is %q, refund shown: %d", state(cancelled), cancelled.Find("#b-refund").Length())
	}
	refund := s.page(t, path+"/refunds/1")
	promised := text(doc.Find(`section[data-cause="visa-refused"] .total dd`))
	if got := text(refund.Find("article .price.big")); got != promised || promised == "" {
		t.Errorf("the refund is %q, promised was %q", got, promised)
	}
	if number := text(refund.Find("article .num bdi").First()); !regexp.MustCompile(`^MT-\d{4}-[A-Z2-7]{8}-R1$`).MatchString(number) {
		t.Errorf("the receipt of the refund has the number %q", number)
	}
	for _, n := range []string{"0", "2", "-1", "x", "99999999999999999999"} {
		want(t, s.get(t, path+"/refunds/"+n), http.StatusNotFound)
	}
	want(t, s.get(t, path+"/cancel"), http.StatusConflict)
	want(t, s.post(t, path+"/pay", nil), http.StatusGone)
}

func TestDeclineRefunds(t *testing.T) {
	s := newTestServer(t)
	const pkg = "endoscopy-two-weeks-close-to-the-hospital"
	start := s.openStart(t, pkg, 0)
	path := s.booked(t, "fr", pkg, url.Values{"start": {start.Key}})
	want(t, s.post(t, path+"/demo", url.Values{"act": {"perhaps"}}), http.StatusUnprocessableEntity)
	s.sent(t, s.post(t, path+"/demo", url.Values{"act": {"decline"}}))
	doc := s.page(t, path)
	if state(doc) != "declined" || doc.Find("#b-refund").Length() != 1 {
		t.Errorf("the booking is %q after the hospital declined", state(doc))
	}
	// Too late to accept.
	want(t, s.post(t, path+"/demo", url.Values{"act": {"accept"}}), http.StatusConflict)
}

// TestUnpaid looks at a booking whose payment page was left.
func TestUnpaid(t *testing.T) {
	s := newTestServer(t)
	const pkg = "tcm-skin-two-weeks-by-longhua"
	start := s.openStart(t, pkg, 0)
	path, payPath := s.held(t, pkg, url.Values{"start": {start.Key}})
	doc := s.page(t, path)
	if state(doc) != "holding" || doc.Find(`form[action$="/pay"]`).Length() != 1 {
		t.Errorf("the booking is %q and cannot be paid", state(doc))
	}
	if got := s.sent(t, s.post(t, path+"/pay", nil)); got != payPath {
		t.Errorf("paying again leads to %s, want the open page %s", got, payPath)
	}
	a := s.get(t, path+"/return")
	want(t, a, http.StatusOK)
	if refresh := a.Header.Get("Refresh"); refresh != "3; url="+path+"/return?n=1" {
		t.Errorf("the page that asks about the payment comes back by %q", refresh)
	}
	if a := s.get(t, path+"/return?n=40"); a.Header.Get("Refresh") != "" {
		t.Error("the page asks for ever")
	}
	want(t, s.get(t, path+"/receipt"), http.StatusNotFound)
}

// TestExpiredQuote moves the clock past the life of a quote: the page says so,
// books nothing, and leads back to the same choices.
func TestExpiredQuote(t *testing.T) {
	s := newTestServer(t)
	engine, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	now := time.Now()
	cfg := s.Config
	cfg.Now = func() time.Time { return now }
	// No payment is reached: everything here happens before.
	cfg.Checkout, err = checkout.New(context.Background(), checkout.Config{Catalog: s.Catalog, Engine: engine, Payments: struct{ checkout.Payments }{},
		Rates: s.Rates, Now: cfg.Now, ReturnURL: func(string, string) (string, string) { return "", "" }})
	if err != nil {
		t.Fatal(err)
	}
	site, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, path string, form url.Values) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res := httptest.NewRecorder()
		site.ServeHTTP(res, req)
		return res
	}
	start := s.openStart(t, "proton-weekends-of-art", 3)
	path := send(http.MethodPost, "/es/quotes?package=proton-weekends-of-art", url.Values{"start": {start.Key}, "companions": {"1"}, "currency": {"JPY"}, "room": {"large"}, "interpreter": {"es"}}).Header().Get("Location")
	if got := send(http.MethodGet, path, nil).Code; got != http.StatusOK {
		t.Fatalf("a fresh quote answers %d", got)
	}
	now = now.Add(checkout.DefaultQuoteFor)
	for method, route := range map[string]string{http.MethodGet: path, http.MethodPost: path + "/book"} {
		res := send(method, route, person)
		doc, err := goquery.NewDocumentFromReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.Code != http.StatusGone {
			t.Fatalf("%s of an expired quote answers %d, want 410", method, res.Code)
		}
		again, err := url.Parse(doc.Find(".actions a.btn").AttrOr("href", ""))
		if err != nil {
			t.Fatal(err)
		}
		q := again.Query()
		if again.Path != "/es/packages/proton-weekends-of-art" || q.Get("start") != start.Key || q.Get("companions") != "1" || q.Get("currency") != "JPY" ||
			q.Get("room") != "large" || q.Get("interpreter") != "es" {
			t.Errorf("the way on loses the choices: %s", again)
		}
		if got := send(http.MethodGet, again.String(), nil).Code; got != http.StatusOK {
			t.Errorf("the way on answers %d", got)
		}
	}
}

// TestDemoControlIsForDemos asks a server with real money to play the
// hospital.
func TestDemoControlIsForDemos(t *testing.T) {
	s := newTestServer(t)
	const pkg = "health-management-a-calm-look-ahead"
	path := s.booked(t, "en", pkg, url.Values{"start": {s.openStart(t, pkg, 0).Key}})
	cfg := s.Config
	cfg.Demo = false
	live, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path+"/demo", strings.NewReader("act=accept"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res := httptest.NewRecorder()
	live.ServeHTTP(res, req)
	if res.Code != http.StatusNotFound {
		t.Errorf("a live site answers %d to the demo control", res.Code)
	}
	res = httptest.NewRecorder()
	live.ServeHTTP(res, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil))
	if body, _ := io.ReadAll(res.Result().Body); res.Code != http.StatusOK || bytes.Contains(body, []byte("demo-box")) {
		t.Errorf("a live site shows the demo control (status %d)", res.Code)
	}
}

// held makes a booking whose payment page was opened and left, and returns its
// path and that of the payment page.
func (s *testServer) held(t testing.TB, pkg string, choice url.Values) (path, payPath string) {
	t.Helper()
	quote := s.quote(t, "en", pkg, choice)
	payPath = s.sent(t, s.post(t, quote+"/book", person))
	views, err := s.Checkout.Bookings(context.Background(), checkout.Filter{State: checkout.StateHolding}, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views.Items {
		if b, err := s.Checkout.Booking(context.Background(), v.ID); err == nil && "/quotes/"+b.Quote.ID == quote {
			return s.BookingPath(v.ID), payPath
		}
	}
	t.Fatal("the booking is not listed")
	return "", ""
}

// TestBadInput sends what nobody should send to bookings in every state: each
// is refused with a page that says so, and no booking changes.
func TestBadInput(t *testing.T) {
	s := newTestServer(t)
	const pkg = "proton-weekends-of-art"
	start := func(skip int) url.Values { return url.Values{"start": {s.openStart(t, pkg, skip).Key}} }
	holding, _ := s.held(t, pkg, start(4))
	waiting := s.booked(t, "en", pkg, start(5))
	cancelled := s.booked(t, "en", pkg, start(6))
	gone := s.cancelForm(t, cancelled, "mind")
	s.sent(t, s.post(t, cancelled+"/cancel", gone))
	form := func(pairs ...string) url.Values {
		out := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			out.Set(pairs[i], pairs[i+1])
		}
		return out
	}
	logs := func() (out []int) {
		for _, path := range []string{holding, waiting, cancelled} {
			id, _, _ := strings.Cut(strings.TrimPrefix(path, "/bookings/"), ".")
			b, err := s.Checkout.Booking(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, len(b.Timeline))
		}
		return out
	}
	before := logs()
	same := s.openStart(t, pkg, 5).Key
	long := strings.Repeat("x", 2001)
	for _, c := range []struct {
		booking, action string
		form            url.Values
		status          int
	}{
		{holding, "/reply", form("reply", "x"), http.StatusConflict},
		{holding, "/move", form("start", same, "amount", "0", "currency", "USD", "sure", "yes"), http.StatusConflict},
		{holding, "/cancel", form("sure", "yes"), http.StatusUnprocessableEntity},
		{holding, "/cancel", form("sure", "yes", "amount", "1", "currency", "USD"), http.StatusConflict},
		{holding, "/cancel", form("sure", "yes", "amount", "0", "currency", "XXX"), http.StatusConflict},
		{holding, "/demo", form("act", "accept"), http.StatusConflict},
		{holding, "/demo", form("act", "ask", "question", "x"), http.StatusConflict},
		{holding, "/demo", form("act", "estimate", "amount", "5"), http.StatusConflict},
		{holding, "/demo", form("act", "close"), http.StatusConflict},
		{waiting, "/reply", form("reply", "x"), http.StatusConflict},
		{waiting, "/reply", form("reply", ""), http.StatusUnprocessableEntity},
		{waiting, "/reply", form("reply", "\x00"), http.StatusUnprocessableEntity},
		{waiting, "/reply", form("reply", "\xff"), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "ask", "question", long), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "ask"), http.StatusUnprocessableEntity},
		{waiting, "/demo", form(), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "refund"), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "estimate", "amount", ""), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "estimate", "amount", "-5"), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "estimate", "amount", "0"), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "estimate", "amount", "1.5"), http.StatusUnprocessableEntity},
		{waiting, "/demo", form("act", "estimate", "amount", "99999999999999999999"), http.StatusUnprocessableEntity},
		{waiting, "/cancel", form("sure", "yes", "amount", "99999999999999999999", "currency", "CNY"), http.StatusUnprocessableEntity},
		{waiting, "/cancel", form("sure", "yes", "amount", "-1", "currency", "CNY"), http.StatusConflict},
		{waiting, "/cancel", form("sure", "yes", "amount", "0", "currency", "CNY", "cause", "declined"), http.StatusUnprocessableEntity},
		{waiting, "/cancel", form("sure", "yes", "amount", "0", "currency", "CNY", "cause", "departure-closed"), http.StatusUnprocessableEntity},
		{waiting, "/cancel", form("sure", "yes", "amount", "0", "currency", "CNY", "cause", "revised-plan"), http.StatusConflict},
		{waiting, "/cancel", form("sure", "yes", "amount", "0", "currency", "CNY", "cause", long), http.StatusUnprocessableEntity},
		{waiting, "/move", form("start", same, "amount", "0", "currency", "CNY", "sure", "yes"), http.StatusConflict},
		{waiting, "/move", form("start", long, "amount", "0", "currency", "CNY", "sure", "yes"), http.StatusUnprocessableEntity},
		{cancelled, "/cancel", form("sure", "yes", "amount", gone.Get("amount"), "currency", gone.Get("currency"), "cause", "visa-refused"), http.StatusConflict},
		{cancelled, "/pay", nil, http.StatusGone},
		{cancelled, "/reply", form("reply", "x"), http.StatusConflict},
		{cancelled, "/move", form("start", same, "amount", "0", "currency", "CNY", "sure", "yes"), http.StatusConflict},
		{cancelled, "/demo", form("act", "accept"), http.StatusConflict},
		{cancelled, "/demo", form("act", "close"), http.StatusConflict},
		{cancelled, "/demo", form("act", "estimate", "amount", "5"), http.StatusConflict},
	} {
		doc := want(t, s.post(t, c.booking+c.action, c.form), c.status)
		if doc.Find("[role=alert]").Length() == 0 || doc.Find("h1").Length() != 1 {
			t.Errorf("%s %v: nothing says what is wrong", c.action, c.form)
		}
	}
	for _, c := range []struct {
		path   string
		status int
	}{
		{holding + "/move", http.StatusConflict}, {holding + "/receipt", http.StatusNotFound}, {holding + "/refunds/1", http.StatusNotFound},
		{waiting + "/refunds/1", http.StatusNotFound}, {waiting + "/pay", http.StatusNotFound}, {waiting + "/nothing", http.StatusNotFound},
		{cancelled + "/cancel", http.StatusConflict}, {cancelled + "/move", http.StatusConflict},
	} {
		want(t, s.get(t, c.path), c.status)
	}
	// What was done already is done, and a replayed form finds it so.
	for path, form := range map[string]url.Values{cancelled + "/cancel": gone, waiting + "/pay": nil} {
		s.sent(t, s.post(t, path, form))
	}
	if after := logs(); !slices.Equal(before, after) {
		t.Errorf("the logs had %v entries and have %v", before, after)
	}
	if left := s.openStart(t, pkg, 5); left.Key != same {
		t.Error("the departure was closed by a control that was not there")
	}
	a := s.post(t, waiting+"/reply", form("reply", strings.Repeat("x", 300_000)))
	if a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 300 kB answers %d", a.StatusCode)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+waiting+"/cancel", strings.NewReader(gone.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	want(t, s.do(t, req, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
}

// TestBadDetails sends wrong details of a patient: each fault stands beside its
// field, nothing is booked, and no place is taken.
func TestBadDetails(t *testing.T) {
	s := newTestServer(t)
	const pkg = "proton-weekends-of-art"
	start := s.openStart(t, pkg, 7)
	path := s.quote(t, "en", pkg, url.Values{"start": {start.Key}, "companions": {"1"}})
	for name, c := range map[string]struct{ field, value string }{
		"no name": {"name", " "}, "name of two lines": {"name", "A\nB"}, "long name": {"name", strings.Repeat("x", 121)}, "name in no encoding": {"name", "\xff"},
		"no address": {"email", "maria"}, "two addresses": {"email", "a@example.org,b@example.org"}, "header": {"email", "a@example.org\r\nBcc: b@example.org"},
		"no country": {"country", "ZZ"}, "long note": {"note", strings.Repeat("x", 2001)}, "no consent": {"consent", ""}, "long companion": {"companion", strings.Repeat("x", 121)},
	} {
		form := url.Values{}
		for k, v := range person {
			form[k] = v
		}
		form.Set(c.field, c.value)
		doc := want(t, s.post(t, path+"/book", form), http.StatusUnprocessableEntity)
		if doc.Find(".error-summary a").Length() != 1 || doc.Find(".field-error").Length() != 1 {
			t.Errorf("%s: %s", name, text(doc.Find(".error-summary")))
		}
	}
	many := url.Values{"companion": {"A", "B"}}
	for k, v := range person {
		many[k] = v
	}
	want(t, s.post(t, path+"/book", many), http.StatusUnprocessableEntity)
	if got := s.openStart(t, pkg, 7); got.Left != start.Left {
		t.Errorf("%d places are left, want %d", got.Left, start.Left)
	}
	other := s.openStart(t, "icl-by-the-west-bund", 7)
	for _, choice := range []url.Values{{"start": {other.Key}}, {"companions": {"-1"}}, {"companions": {"10000000"}}, {"currency": {"KPW"}}, {"currency": {"eur"}}} {
		want(t, s.post(t, "/quotes?package="+pkg, choice), http.StatusUnprocessableEntity)
	}
	want(t, s.post(t, "/quotes?package=no-such-package", nil), http.StatusNotFound)
	want(t, s.post(t, "/quotes", nil), http.StatusNotFound)
}

// TestCancelWhilePaying gives a place up while its payment page is open, then
// tries to pay: either nothing can be paid any more, or it goes back.
func TestCancelWhilePaying(t *testing.T) {
	s := newTestServer(t)
	const pkg = "proton-weekends-of-art"
	path, payPath := s.held(t, pkg, url.Values{"start": {s.openStart(t, pkg, 8).Key}})
	if n := s.page(t, path+"/cancel").Find("section[data-cause]").Length(); n != 1 {
		t.Errorf("%d reasons not to pay, want 1", n)
	}
	s.sent(t, s.post(t, path+"/cancel", s.cancelForm(t, path, "unpaid")))
	s.post(t, payPath, url.Values{"email": {"maria@example.org"}, "name": {"M"}, "method": {"card"}, "number": {"4242 4242 4242 4242"}, "expiry": {"12/40"}, "cvc": {"123"}})
	s.get(t, path+"/return")
	doc := s.page(t, path)
	if state(doc) != "cancelled" {
		t.Errorf("the booking is %q", state(doc))
	}
	if paid := text(doc.Find(".buy .rows").First().Find(".total dd")); !strings.Contains(paid, "0.00") && doc.Find("#b-refund").Length() == 0 {
		t.Errorf("%s was paid for a booking that is cancelled, and nothing comes back", paid)
	}
}

// TestPayAgain has the card declined, goes back to the booking and pays with
// another: the place is the same.
func TestPayAgain(t *testing.T) {
	s := newTestServer(t)
	const pkg = "proton-weekends-of-art"
	start := s.openStart(t, pkg, 9)
	path, payPath := s.held(t, pkg, url.Values{"start": {start.Key}})
	a := s.post(t, payPath, url.Values{"email": {"maria@example.org"}, "name": {"M"}, "method": {"card"}, "number": {"4000 0000 0000 0002"}, "expiry": {"12/40"}, "cvc": {"123"}})
	if strings.HasSuffix(a.Header.Get("Location"), "/return") {
		t.Fatal("a declined card is taken")
	}
	doc := s.page(t, path)
	if state(doc) != "holding" || doc.Find(".waits .deadline time").Length() != 1 {
		t.Errorf("the booking is %q; the end of the hold is not shown", state(doc))
	}
	again := s.sent(t, s.post(t, path+"/pay", nil))
	if got := s.sent(t, s.get(t, s.pay(t, again))); got != path || state(s.page(t, path)) != "awaiting-hospital" {
		t.Errorf("paying with another card leads to %s", got)
	}
	if got := s.openStart(t, pkg, 9); got.Left != start.Left-1 {
		t.Errorf("%d places are left, want %d", got.Left, start.Left-1)
	}
}
