package stripesim

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// page is an answer of the payment page.
type page struct {
	*goquery.Document
	status   int
	location string
	header   http.Header
	html     string
}

// visit sends what a browser sends. A form is posted when there is one.
func (b bench) visit(path string, form url.Values, headers ...string) page {
	b.t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	b.must(err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.http.Do(req)
	b.must(err)
	defer resp.Body.Close()
	doc, err := goquery.NewDocumentFromReader(resp.Body)
	b.must(err)
	html, err := doc.Html()
	b.must(err)
	p := page{doc, resp.StatusCode, "", resp.Header, html}
	if location := resp.Header.Get("Location"); location != "" {
		to, err := resp.Request.URL.Parse(location)
		b.must(err)
		p.location = strings.TrimPrefix(to.String(), b.url)
	}
	return p
}

// text returns the text of what a selector finds.
func (p page) text(selector string) string { return strings.TrimSpace(p.Find(selector).Text()) }

func card(number string) url.Values {
	return url.Values{
		"email": {"amina@example.com"}, "name": {"Amina Test"}, "method": {"card"},
		"number": {group(number)}, "expiry": {"12 / 34"}, "cvc": {"123"},
	}
}

func (b bench) statusOf(session string) (status, payment string) {
	b.t.Helper()
	s := b.get("/v1/checkout/sessions/" + session)
	return s["status"].(string), s["payment_status"].(string)
}

func TestPagePays(t *testing.T) {
	b := start(t, nil)
	id := b.session()
	p := b.visit("/checkout/"+id, nil)
	if p.status != http.StatusOK || p.Find("h1").Length() != 1 || p.Find("main").Length() != 1 {
		t.Fatalf("%d\n%s", p.status, p.html)
	}
	if got := p.text(".order .amount"); got != "USD\u00a01,480.00" {
		t.Errorf("amount %q", got)
	}
	if got := p.text(".what"); got != "Deposit: health check-up" {
		t.Errorf("title %q", got)
	}
	if got, _ := p.Find(".back a").Attr("href"); got != "https://medtour.example/bookings/b1" {
		t.Errorf("way back %q", got)
	}
	if !strings.Contains(p.text(".banner"), "no money moves") {
		t.Errorf("banner %q", p.text(".banner"))
	}
	if n := p.Find(".testcards dt").Length(); n != len(testCards) {
		t.Errorf("%d test cards are listed, want %d", n, len(testCards))
	}
	p.Find("input:not([type=hidden])").Each(func(_ int, in *goquery.Selection) {
		id, _ := in.Attr("id")
		if in.Closest("label").Length() == 0 && p.Find("label[for='"+id+"']").Length() != 1 {
			t.Errorf("the input %q has no label", id)
		}
	})
	if p.Find("script, style, [style], [onclick]").Length() > 0 {
		t.Error("the page holds a script or a style of its own")
	}
	if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") ||
		!strings.Contains(csp, "form-action 'self' https://medtour.example;") {
		t.Errorf("policy %q", csp)
	}
	if href, _ := p.Find("link[rel=stylesheet]").Attr("href"); href != "../checkout.css" {
		t.Errorf("style sheet %q", href)
	}
	if css := b.visit("/checkout.css", nil); css.status != http.StatusOK || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("style sheet: %d", css.status)
	}

	back := "https://medtour.example/back?session=" + id
	for range 2 { // a double submit
		if p := b.visit("/checkout/"+id, card(CardSucceeds)); p.status != http.StatusSeeOther || p.location != back {
			t.Errorf("paid: %d to %q", p.status, p.location)
		}
	}
	if p := b.visit("/checkout/"+id, nil); p.location != back {
		t.Errorf("a paid page leads to %q", p.location)
	}
	if status, payment := b.statusOf(id); status != "complete" || payment != "paid" {
		t.Errorf("the session is %s and %s", status, payment)
	}
	s := b.get("/v1/checkout/sessions/" + id)
	if d := s["customer_details"].(map[string]any); d["email"] != "amina@example.com" || d["name"] != "Amina Test" {
		t.Errorf("payer %v", d)
	}
}

func TestPageDeclines(t *testing.T) {
	b := start(t, nil)
	id := b.session()
	p := b.visit("/checkout/"+id, card(CardDeclined))
	if p.status != http.StatusSeeOther || p.location != "/checkout/"+id {
		t.Fatalf("%d to %q", p.status, p.location)
	}
	p = b.visit(p.location, nil)
	if got := p.text("[role=alert]"); got != message("en", "declined") {
		t.Errorf("alert %q", got)
	}
	email, _ := p.Find("#email").Attr("value")
	name, _ := p.Find("#name").Attr("value")
	if email != "amina@example.com" || name != "Amina Test" {
		t.Errorf("what was typed is gone: %q, %q", email, name)
	}
	for _, id := range []string{"number", "expiry", "cvc"} {
		if v, _ := p.Find("#" + id).Attr("value"); v != "" {
			t.Errorf("the page holds %s %q", id, v)
		}
	}
	if status, _ := b.statusOf(id); status != "open" {
		t.Errorf("the session is %s", status)
	}
	p = b.visit(b.visit("/checkout/"+id, card(CardInsufficientFunds)).location, nil)
	if got := p.text("[role=alert]"); got != message("en", "declined_funds") {
		t.Errorf("alert %q", got)
	}
	if p := b.visit("/checkout/"+id, card(CardSucceeds)); !strings.HasPrefix(p.location, "https://medtour.example/back") {
		t.Errorf("another card leads to %q", p.location)
	}
}

func TestPageAuthenticates(t *testing.T) {
	b := start(t, nil)
	for _, number := range []string{CardThreeDSecure, CardThreeDSecure2} {
		id := b.session()
		p := b.visit("/checkout/"+id, card(number))
		if p.location != "/checkout/"+id+"/confirm" {
			t.Fatalf("%d to %q", p.status, p.location)
		}
		confirm := p.location
		p = b.visit(confirm, nil)
		if p.Find("button[name=outcome]").Length() != 2 || p.text("h1") != message("en", "confirm_title") {
			t.Errorf("second page\n%s", p.html)
		}
		p = b.visit(b.visit(confirm, url.Values{"outcome": {"fail"}}).location, nil)
		if got := p.text("[role=alert]"); got != message("en", "declined_authentication") {
			t.Errorf("alert %q", got)
		}
		if p := b.visit(confirm, nil); p.location != "/checkout/"+id {
			t.Errorf("a second page without a payment leads to %q", p.location)
		}
		if p := b.visit(confirm, url.Values{"outcome": {"complete"}}); p.location != "/checkout/"+id {
			t.Errorf("completing without a payment leads to %q", p.location)
		}
		b.visit("/checkout/"+id, card(number))
		if p := b.visit(confirm, url.Values{"outcome": {"nonsense"}}); p.location != "/checkout/"+id {
			t.Errorf("nonsense leads to %q", p.location)
		}
		if p := b.visit(confirm, url.Values{"outcome": {"complete"}}); !strings.HasPrefix(p.location, "https://medtour.example/back") {
			t.Errorf("authenticated leads to %q", p.location)
		}
	}
}

func TestPageWallet(t *testing.T) {
	b := start(t, nil)
	for outcome, want := range map[string][3]string{
		"complete":    {"complete", "paid", "paid"},
		"later":       {"complete", "unpaid", "paid"},
		"later_fails": {"complete", "unpaid", "unpaid"},
		"fail":        {"open", "unpaid", "unpaid"},
	} {
		id := b.session()
		form := url.Values{"email": {"a@example.com"}, "name": {"A"}, "method": {"alipay"}}
		p := b.visit("/checkout/"+id, form)
		b.visit(p.location, url.Values{"outcome": {outcome}})
		status, payment := b.statusOf(id)
		b.clock.Advance(DefaultDelay)
		_, later := b.statusOf(id)
		if got := [3]string{status, payment, later}; got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
	id := b.session()
	p := b.visit("/checkout/"+id, url.Values{"email": {"a@example.com"}, "name": {"A"}, "method": {"wechat_pay"}})
	if p.status != http.StatusUnprocessableEntity || p.Find("#method-error").Length() != 1 {
		t.Errorf("a method that is not offered: %d", p.status)
	}
}

func TestPageRefusesInput(t *testing.T) {
	b := start(t, nil)
	id := b.session()
	const realLooking = "4111111111111111" // passes the check digit, is no test card
	for name, test := range map[string]struct {
		field, value, key string
	}{
		"no e-mail":        {"email", "", "error_email"},
		"bad e-mail":       {"email", "amina@", "error_email"},
		"long e-mail":      {"email", strings.Repeat("a", 250) + "@example.com", "error_email"},
		"no name":          {"name", " ", "error_name"},
		"long name":        {"name", strings.Repeat("ж", 101), "error_name"},
		"no number":        {"number", "", "error_number"},
		"wrong digit":      {"number", "4242 4242 4242 4241", "error_number"},
		"letters":          {"number", "4242 4242 4242 424x", "error_number"},
		"real card":        {"number", realLooking, "error_real_card"},
		"past":             {"expiry", "02 / 26", "error_expiry"},
		"no month":         {"expiry", "13 / 34", "error_expiry"},
		"no date":          {"expiry", "soon", "error_expiry"},
		"too far":          {"expiry", "12 / 2999", "error_expiry"},
		"short code":       {"cvc", "12", "error_cvc"},
		"long code":        {"cvc", "12345", "error_cvc"},
		"code of letters":  {"cvc", "abc", "error_cvc"},
		"markup as a name": {"email", "<b>@example.com", "error_email"},
	} {
		form := card(CardSucceeds)
		form.Set(test.field, test.value)
		p := b.visit("/checkout/"+id, form)
		input := p.Find("#" + test.field)
		described, _ := input.Attr("aria-describedby")
		invalid, _ := input.Attr("aria-invalid")
		if p.status != http.StatusUnprocessableEntity || p.text("#"+test.field+"-error") != message("en", test.key) ||
			!slices.Contains(strings.Fields(described), test.field+"-error") || invalid != "true" {
			t.Errorf("%s: %d\n%s", name, p.status, p.html)
		}
		if p.Find(".error").Length() != 1 || p.text("[role=alert]") != message("en", "error_form") ||
			!strings.HasPrefix(p.text("title"), "Error:") {
			t.Errorf("%s: %q", name, p.text(".error, [role=alert], title"))
		}
		if strings.Contains(p.html, realLooking) {
			t.Errorf("%s: the page holds what was typed of the card", name)
		}
	}
	if p := b.visit("/checkout/"+id, url.Values{"x": {strings.Repeat("x", maxBody)}}); p.status != http.StatusBadRequest {
		t.Errorf("a huge form: %d", p.status)
	}
	if status, _ := b.statusOf(id); status != "open" {
		t.Errorf("the session is %s", status)
	}
	// As people type it elsewhere: this month, four-digit year, other digits.
	form := card(CardSucceeds)
	form.Set("number", "٤٢٤٢-٤٢٤٢-٤٢٤٢-٤٢٤٢")
	form.Set("expiry", "3/2026")
	form.Set("cvc", "123")
	if p := b.visit("/checkout/"+id, form); p.status != http.StatusSeeOther {
		t.Errorf("%d %s", p.status, p.text(".error"))
	}
}

func TestPageOfEndedSession(t *testing.T) {
	b := start(t, nil)
	id := b.session()
	b.must(b.Expire(t.Context(), id))
	for _, form := range []url.Values{nil, card(CardSucceeds)} {
		p := b.visit("/checkout/"+id, form)
		if p.status != http.StatusGone || p.text("h1") != message("en", "expired_title") || p.Find("form").Length() > 0 {
			t.Errorf("%d\n%s", p.status, p.html)
		}
		if got, _ := p.Find(".back a").Attr("href"); got != "https://medtour.example/bookings/b1" {
			t.Errorf("way back %q", got)
		}
	}
	for _, other := range []string{"cs_test_x", "pi_" + paymentOf(id), "cs_test_" + newID(), "%00"} {
		if p := b.visit("/checkout/"+other, nil); p.status != http.StatusNotFound || p.text("h1") != message("en", "missing_title") {
			t.Errorf("%s: %d", other, p.status)
		}
	}
}

func TestPageSubmittedManyTimesAtOnce(t *testing.T) {
	b := start(t, nil)
	id := b.session()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if p := b.visit("/checkout/"+id, card(CardSucceeds)); p.status != http.StatusSeeOther {
				t.Errorf("%d", p.status)
			}
		})
	}
	wg.Wait()
	if n := len(b.get("/v1/balance_transactions")["data"].([]any)); n != 1 {
		t.Errorf("charged %d times", n)
	}
}

func TestPageLanguages(t *testing.T) {
	for locale, test := range map[string]struct{ accept, lang, dir, amount string }{
		"":       {"", "en", "ltr", "USD\u00a01,480.00"},
		"auto":   {"ar-SA,en;q=0.5", "ar", "rtl", ""},
		"zh":     {"fr", "zh", "ltr", "USD\u00a01,480.00"},
		"zh-TW":  {"", "zh", "ltr", ""},
		"fr-CA":  {"", "fr", "ltr", ""},
		"ru":     {"", "ru", "ltr", ""},
		"es-419": {"", "es", "ltr", ""},
		"de":     {"", "en", "ltr", ""},
	} {
		b := start(t, nil)
		var pairs []string
		if locale != "" {
			pairs = []string{"locale", locale}
		}
		p := b.visit("/checkout/"+b.session(pairs...), nil, "Accept-Language", test.accept)
		lang, _ := p.Find("html").Attr("lang")
		dir, _ := p.Find("html").Attr("dir")
		if lang != test.lang || dir != test.dir || p.text("h1") != message(test.lang, "title") {
			t.Errorf("%q: %s %s %q", locale, lang, dir, p.text("h1"))
		}
		if amount := p.text(".amount"); !strings.Contains(amount, "USD") || test.amount != "" && amount != test.amount {
			t.Errorf("%q: amount %q", locale, amount)
		}
	}
}

func TestMessagesAreComplete(t *testing.T) {
	english := slices.Sorted(maps.Keys(messages["en"]))
	for _, tag := range languages {
		m := messages[tag.String()]
		if got := slices.Sorted(maps.Keys(m)); !slices.Equal(got, english) {
			t.Errorf("%s has other messages than English: %d, not %d", tag, len(got), len(english))
		}
		for key, text := range m {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", tag, key)
			}
		}
	}
	for _, c := range testCards {
		if message("en", c.Note) == "" || !luhn(c.Number) {
			t.Errorf("test card %s", c.Number)
		}
	}
}

func TestAmountOfEveryCurrency(t *testing.T) {
	for _, code := range currencies {
		got := amountText(session{Amount: 148000, Currency: code}, "en")
		if !strings.Contains(got, strings.ToUpper(code)) {
			t.Errorf("%s is shown as %q", code, got)
		}
	}
	for code, want := range map[string]string{"jpy": "JPY\u00a0148,000", "kwd": "KWD\u00a0148.000", "ugx": "UGX\u00a01,480"} {
		if got := amountText(session{Amount: 148000, Currency: code}, "en"); got != want {
			t.Errorf("%s is shown as %q, want %q", code, got, want)
		}
	}
}

func TestValidExpiry(t *testing.T) {
	now := time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC)
	for s, want := range map[string]bool{
		"03/26": true, "3 / 26": true, "03/2026": true, "02/26": false, "00/27": false, "13/27": false,
		"": false, "/": false, "0326": false, "12/76": false, "03/226": false, "٠٣/٢٧": true, "03/27/28": false,
	} {
		if got := validExpiry(s, now); got != want {
			t.Errorf("%q: %t, want %t", s, got, want)
		}
	}
}
