package stripepay_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripepay"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/sqlite"
)

const completed = `{"id":"evt_1","object":"event","api_version":"2024-06-20","created":1773480413,"livemode":false,
"type":"checkout.session.completed","data":{"object":{"id":"cs_test_1","object":"checkout.session",
"client_reference_id":"b1","metadata":{"booking_id":"b1"},"payment_intent":"pi_1"}}}`

func TestParseEventSignature(t *testing.T) {
	clk := newClock()
	c, err := stripepay.New(stripepay.Config{
		SecretKey: testKey, WebhookSecrets: []string{"whsec_new", "whsec_old"}, Clock: clk.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(completed)
	sign := func(secret string, age time.Duration) string {
		return stripesim.Sign(body, secret, clk.Now().Add(-age))
	}
	v1 := func(header string) string { _, sig, _ := strings.Cut(header, ","); return sig }
	for name, test := range map[string]struct {
		header string
		valid  bool
	}{
		"new secret":               {sign("whsec_new", 0), true},
		"old secret":               {sign("whsec_old", 0), true},
		"one of two signatures":    {sign("whsec_other", 0) + "," + v1(sign("whsec_old", 0)), true},
		"other schemes beside":     {sign("whsec_new", 0) + ",v0=00", true},
		"five minutes old":         {sign("whsec_new", 5*time.Minute), true},
		"five minutes ahead":       {sign("whsec_new", -5*time.Minute), true},
		"too old":                  {sign("whsec_new", 5*time.Minute+time.Second), false},
		"of the future":            {sign("whsec_new", -5*time.Minute-time.Second), false},
		"forged":                   {sign("whsec_guess", 0), false},
		"empty secret":             {sign("", 0), false},
		"old signature, new time":  {"t=1773480413," + v1(sign("whsec_new", time.Minute)), false},
		"scheme v0 only":           {strings.Replace(sign("whsec_new", 0), "v1=", "v0=", 1), false},
		"nothing":                  {"", false},
		"no time":                  {v1(sign("whsec_new", 0)), false},
		"no number":                {"t=now," + v1(sign("whsec_new", 0)), false},
		"time beyond all times":    {"t=9223372036854775807,v1=00", false},
		"time before all times":    {"t=-9223372036854775808,v1=00", false},
		"no hexadecimal":           {"t=1773480413,v1=zz", false},
		"empty signature":          {"t=1773480413,v1=", false},
		"header that never ends":   {sign("whsec_new", 0) + strings.Repeat(",v1=00", 1000), false},
		"commas":                   {",,,", false},
		"signature of other bytes": {stripesim.Sign(body[1:], "whsec_new", clk.Now()), false},
	} {
		e, err := c.ParseEvent(body, test.header)
		if test.valid && (err != nil || e.ID != "evt_1") {
			t.Errorf("%s: %v", name, err)
		}
		if !test.valid && !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v, want Unauthorized", name, err)
		}
	}
}

func TestParseEventBody(t *testing.T) {
	clk := newClock()
	c := newClient(t, "", clk)
	edit := func(old, with string) string {
		t.Helper()
		if !strings.Contains(completed, old) {
			t.Fatalf("no %s to replace", old)
		}
		return strings.Replace(completed, old, with, 1)
	}
	for name, test := range map[string]struct {
		body string
		want fault.Kind
	}{
		"good":               {completed, ""},
		"other version":      {edit("2024-06-20", "2024-04-10"), fault.Invalid},
		"no version":         {edit(`"api_version":"2024-06-20",`, ""), fault.Invalid},
		"live mode":          {edit(`"livemode":false`, `"livemode":true`), fault.Invalid},
		"no event":           {edit(`"object":"event"`, `"object":"charge"`), fault.Invalid},
		"no id":              {edit(`"id":"evt_1"`, `"id":""`), fault.Invalid},
		"no type":            {edit(`"checkout.session.completed"`, `""`), fault.Invalid},
		"no object":          {edit(`"object":{"id"`, `"other":{"id"`), fault.Invalid},
		"object without id":  {edit(`"cs_test_1"`, `""`), fault.Invalid},
		"object is a number": {`{"id":"evt_1","object":"event","api_version":"2024-06-20","type":"charge.refunded","data":{"object":7}}`, fault.Invalid},
		"not JSON":           {"<html>", fault.Invalid},
		"empty":              {"", fault.Invalid},
		"null":               {"null", fault.Invalid},
		"greatest size":      {completed + strings.Repeat(" ", stripepay.MaxWebhook-len(completed)), ""},
		"too large":          {completed + strings.Repeat(" ", stripepay.MaxWebhook-len(completed)+1), fault.TooLarge},
		"expanded payment":   {edit(`"pi_1"`, `{"id":"pi_1","object":"payment_intent"}`), ""},
	} {
		e, err := c.ParseEvent([]byte(test.body), stripesim.Sign([]byte(test.body), testSecret, clk.Now()))
		if got := fault.KindOf(err); got != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
			continue
		}
		want := checkout.Event{
			ID: "evt_1", Type: "checkout.session.completed", Known: true, BookingID: "b1", SessionID: "cs_test_1",
			PaymentID: "pi_1", Created: time.Unix(1773480413, 0).UTC(),
		}
		if test.want == "" && e != want {
			t.Errorf("%s:\n%+v, want\n%+v", name, e, want)
		}
	}
}

func TestUnknownEventsAreAccepted(t *testing.T) {
	clk := newClock()
	for _, object := range []string{`{"id":"cus_1"}`, `7`, `{"metadata":"none"}`} {
		body := []byte(`{"id":"evt_1","object":"event","api_version":"2024-06-20","type":"customer.created","data":{"object":` + object + `}}`)
		e, err := newClient(t, "", clk).ParseEvent(body, stripesim.Sign(body, testSecret, clk.Now()))
		if err != nil || e.Known || e.ID != "evt_1" {
			t.Errorf("object %s: %+v, %v; want it unknown", object, e, err)
		}
	}
}

func TestLiveClientRefusesTestEvents(t *testing.T) {
	clk := newClock()
	c, err := stripepay.New(stripepay.Config{SecretKey: "sk_live_1", WebhookSecrets: []string{testSecret}, Clock: clk.Now})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ParseEvent([]byte(completed), stripesim.Sign([]byte(completed), testSecret, clk.Now()))
	wantKind(t, err, fault.Invalid)
}

// endpoint is a webhook endpoint over a client that keeps what it parsed.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	client *stripepay.Client
	events []checkout.Event
	errs   []error
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	var event checkout.Event
	if err == nil {
		event, err = e.client.ParseEvent(body, r.Header.Get("Stripe-Signature"))
	}
	if err != nil {
		e.errs = append(e.errs, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.events = append(e.events, event)
}

// TestEventsOfTheSimulation checks every event that the simulation can send:
// it is taken, and those that checkout acts on lead to the booking.
func TestEventsOfTheSimulation(t *testing.T) {
	engine, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	clk, hook := newClock(), &endpoint{}
	hook.Server = httptest.NewServer(hook)
	t.Cleanup(hook.Close)
	sim, err := stripesim.New(t.Context(), stripesim.Options{
		Engine: engine, Clock: clk.Now, WebhookURL: hook.URL, WebhookSecret: testSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(sim)
	t.Cleanup(api.Close)
	hook.client = newClient(t, api.URL, clk)
	w := world{hook.client, sim, clk, api.URL}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	paid := w.paid(t, "b1", stripesim.CardSucceeds)
	_, err = w.refund(t, paid, "1", 1000)
	must(err)
	id, err := sim.CreateDispute(ctx, paid.PaymentID, 147000, "fraudulent")
	must(err)
	must(sim.CloseDispute(ctx, id, true))
	refund, err := w.refund(t, paid, "2", 1000)
	must(err)
	must(sim.FailRefund(ctx, refund.ID, "expired_or_canceled_card"))
	for booking, succeeds := range map[string]bool{"b2": true, "b3": false} {
		s := w.open(t, booking)
		must(sim.PayLater(ctx, s.ID, "wechat_pay"))
		must(sim.SettleAsync(ctx, s.ID, succeeds))
	}
	must(sim.Expire(ctx, w.open(t, "b4").ID))
	w.paid(t, "b5", stripesim.CardDeclined)

	undelivered, err := w.UndeliveredEvents(ctx, clk.Now().Add(-time.Hour))
	must(err)
	if later, err := w.UndeliveredEvents(ctx, clk.Now().Add(time.Second)); err != nil || len(later) > 0 {
		t.Errorf("events of the future: %v, %v", later, err)
	}
	_, err = sim.DeliverPending(ctx)
	must(err)
	if left, err := w.UndeliveredEvents(ctx, clk.Now().Add(-time.Hour)); err != nil || len(left) > 0 {
		t.Errorf("after delivery there are %d undelivered events, %v", len(left), err)
	}

	if len(hook.errs) > 0 {
		t.Fatalf("events were refused: %v", hook.errs)
	}
	seen := map[string]bool{}
	for _, e := range hook.events {
		seen[e.Type] = true
		if !e.Known {
			continue
		}
		if !slices.Contains(undelivered, e) {
			t.Errorf("%s was not listed as undelivered", e.Type)
		}
		session := strings.HasPrefix(e.Type, "checkout.session.")
		if session && (e.SessionID == "" || e.BookingID == "") || !session && e.PaymentID == "" {
			t.Errorf("%s does not lead to a booking: %+v", e.Type, e)
		}
		if strings.HasPrefix(e.Type, "charge.refund") && e.BookingID != "b1" {
			t.Errorf("%s is of booking %q", e.Type, e.BookingID)
		}
	}
	for _, kind := range stripepay.KnownTypes() {
		if !seen[kind] {
			t.Errorf("the simulation did not send %s", kind)
		}
	}
	if !seen["payment_intent.payment_failed"] {
		t.Error("no event of an unknown type was sent")
	}
}

func FuzzParseEvent(f *testing.F) {
	clk := newClock()
	c, err := stripepay.New(stripepay.Config{SecretKey: testKey, WebhookSecrets: []string{testSecret}, Clock: clk.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(completed), "t=1773480413,v1=00")
	f.Add([]byte(`{"object":"event"}`), "t=,v1=,,=")
	f.Add([]byte(`[]`), "")
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		if e, err := c.ParseEvent(body, header); err == nil {
			t.Errorf("accepted without the secret: %+v", e)
		}
		e, err := c.ParseEvent(body, stripesim.Sign(body, testSecret, clk.Now()))
		if err == nil && (e.ID == "" || e.Type == "") {
			t.Errorf("an event without id or type: %+v", e)
		}
		if kind := fault.KindOf(err); err != nil && kind != fault.Invalid && kind != fault.TooLarge {
			t.Errorf("%v is %q", err, kind)
		}
	})
}
