package stripesim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"
	"github.com/stripe/stripe-mock/spec"
	"pgregory.net/rapid"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/sqlite"
)

type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a server with an HTTP client that follows no redirects.
type bench struct {
	*Server
	t     *testing.T
	clock *testClock
	http  *http.Client
	url   string
}

func openEngine(t *testing.T, dir string) *sqlite.Engine {
	t.Helper()
	engine, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func newBench(t *testing.T, engine store.Engine, change func(*Options)) bench {
	t.Helper()
	clock := &testClock{now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)}
	opts := Options{Engine: engine, Clock: clock.Now}
	if change != nil {
		change(&opts)
	}
	s, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.StripPrefix("/stripesim", s))
	t.Cleanup(srv.Close)
	s.opts.BaseURL = srv.URL + "/stripesim"
	return bench{s, t, clock, &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, srv.URL + "/stripesim"}
}

func start(t *testing.T, change func(*Options)) bench {
	return newBench(t, openEngine(t, t.TempDir()), change)
}

// api sends a request; pairs are parameters, or headers where the name ends in
// a colon.
func (b bench) api(method, path string, pairs ...string) (int, map[string]any, http.Header) {
	b.t.Helper()
	form, header := url.Values{}, http.Header{"Authorization": {"Bearer sk_test_1"}}
	for i := 0; i < len(pairs); i += 2 {
		if name, ok := strings.CutSuffix(pairs[i], ":"); ok {
			header.Set(name, pairs[i+1])
		} else {
			form.Add(pairs[i], pairs[i+1])
		}
	}
	var body io.Reader
	if method == http.MethodGet {
		path += "?" + form.Encode()
	} else {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = header
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, out, resp.Header
}

// get fetches an object that must be there.
func (b bench) get(path string, pairs ...string) map[string]any {
	b.t.Helper()
	status, out, _ := b.api("GET", path, pairs...)
	if status != http.StatusOK {
		b.t.Fatalf("GET %s: %d %v", path, status, out)
	}
	return out
}

var sessionPairs = []string{
	"mode", "payment",
	"line_items[0][quantity]", "1",
	"line_items[0][price_data][currency]", "usd",
	"line_items[0][price_data][unit_amount]", "148000",
	"line_items[0][price_data][product_data][name]", "Deposit: health check-up",
	"client_reference_id", "b1",
	"metadata[booking_id]", "b1",
	"payment_intent_data[metadata][booking_id]", "b1",
	"payment_method_types[0]", "card",
	"payment_method_types[1]", "alipay",
	"success_url", "https://medtour.example/back?session={CHECKOUT_SESSION_ID}",
	"cancel_url", "https://medtour.example/bookings/b1",
}

// session creates a session and returns its id.
func (b bench) session(pairs ...string) string {
	b.t.Helper()
	status, out, _ := b.api("POST", "/v1/checkout/sessions", append(slices.Clone(sessionPairs), pairs...)...)
	if status != http.StatusOK {
		b.t.Fatalf("create session: %d %v", status, out)
	}
	return out["id"].(string)
}

// paid creates and pays a session and returns the ids of it and its payment.
func (b bench) paid(card string) (session, intent string) {
	b.t.Helper()
	session = b.session()
	b.must(b.Pay(b.t.Context(), session, card))
	return session, b.get("/v1/checkout/sessions/" + session)["payment_intent"].(string)
}

func (b bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// refused sends a request that must fail and returns the error.
func (b bench) refused(status int, method, path string, pairs ...string) map[string]any {
	b.t.Helper()
	got, out, _ := b.api(method, path, pairs...)
	e, _ := out["error"].(map[string]any)
	if got != status || e == nil {
		b.t.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
	}
	return e
}

type validator interface{ Validate(any) error }

// schemas checks replies against Stripe's own OpenAPI description.
var schemas = sync.OnceValues(func() (map[string]validator, error) {
	s, err := server.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		return nil, err
	}
	components := spec.GetComponentsForValidation(&s.Components)
	out := map[string]validator{}
	for _, name := range []string{
		"checkout.session", "payment_intent", "charge", "refund", "dispute", "balance_transaction", "event",
	} {
		v, err := spec.GetValidatorForOpenAPI3Schema(s.Components.Schemas[name], components)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
})

func TestRepliesMatchStripesSchemas(t *testing.T) {
	validators, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, nil)
	ctx := t.Context()
	session, intent := b.paid(CardRefundFails)
	_, refund, _ := b.api("POST", "/v1/refunds", "payment_intent", intent, "amount", "1000", "metadata[refund_key]", "1")
	b.clock.Advance(DefaultDelay)
	dispute, err := b.CreateDispute(ctx, intent, 5000, "fraudulent")
	b.must(err)
	b.must(b.CloseDispute(ctx, dispute, true))
	open := b.session()
	declined, _ := b.paid(CardDeclined)
	later := b.session()
	b.must(b.PayLater(ctx, later, "alipay"))
	expired := b.session()
	b.must(b.Expire(ctx, expired))

	checked := map[string]int{}
	check := func(o map[string]any) {
		t.Helper()
		kind := o["object"].(string)
		if err := validators[kind].Validate(o); err != nil {
			t.Errorf("%s %s: %v", kind, o["id"], err)
		}
		checked[kind]++
	}
	for _, path := range []string{
		"/v1/checkout/sessions/" + session, "/v1/checkout/sessions/" + open, "/v1/checkout/sessions/" + declined,
		"/v1/checkout/sessions/" + later, "/v1/checkout/sessions/" + expired, "/v1/payment_intents/" + intent,
		"/v1/charges/" + prefixCharge + paymentOf(intent), "/v1/refunds/" + refund["id"].(string), "/v1/disputes/" + dispute,
	} {
		check(b.get(path))
	}
	for _, path := range []string{
		"/v1/checkout/sessions", "/v1/refunds", "/v1/disputes", "/v1/balance_transactions", "/v1/events",
	} {
		list := b.get(path, "limit", "100")
		if list["object"] != "list" || list["url"] != path || list["has_more"] != false {
			t.Errorf("%s is no whole list: %v", path, list)
		}
		for _, o := range list["data"].([]any) {
			o := o.(map[string]any)
			check(o)
			if o["object"] == "event" {
				check(o["data"].(map[string]any)["object"].(map[string]any))
			}
			if one := b.get(path + "/" + o["id"].(string)); one["id"] != o["id"] {
				t.Errorf("%s/%s is %v", path, o["id"], one["id"])
			}
		}
	}
	for kind := range validators {
		if checked[kind] == 0 {
			t.Errorf("no %s was checked", kind)
		}
	}
	// The check can fail.
	if validators["refund"].Validate(map[string]any{"id": 7}) == nil {
		t.Error("a refund that is none passes the schema")
	}
}

func TestRefusals(t *testing.T) {
	b := start(t, func(o *Options) { o.Key = "sk_test_1" })
	for name, test := range map[string]struct {
		status int
		code   any
		param  any
		pairs  []string
	}{
		"unknown parameter":  {400, "parameter_unknown", "colour", []string{"colour", "red"}},
		"unknown nested":     {400, "parameter_unknown", "line_items[0][colour]", []string{"line_items[0][colour]", "red"}},
		"second line item":   {400, "parameter_unknown", "line_items[1][quantity]", []string{"line_items[1][quantity]", "1"}},
		"empty parameter":    {400, "parameter_invalid_empty", "customer_email", []string{"customer_email", ""}},
		"other key":          {401, nil, nil, []string{"Authorization:", "Bearer sk_test_2"}},
		"live key":           {401, nil, nil, []string{"Authorization:", "Bearer sk_live_1"}},
		"no key":             {401, nil, nil, []string{"Authorization:", ""}},
		"other version":      {400, nil, nil, []string{"Stripe-Version:", "2019-01-01"}},
		"long key":           {400, nil, nil, []string{"Idempotency-Key:", strings.Repeat("k", 256)}},
		"big body":           {400, nil, nil, []string{"metadata[a]", strings.Repeat("x", maxBody)}},
		"long metadata":      {400, nil, "metadata[a]", []string{"metadata[a]", strings.Repeat("x", 501)}},
		"cannot be expanded": {400, nil, "expand", []string{"expand[]", "colour"}},
		"WeChat without web": {400, "parameter_missing", "payment_method_options[wechat_pay][client]", []string{"payment_method_types[2]", "wechat_pay"}},
	} {
		e := b.refused(test.status, "POST", "/v1/checkout/sessions", append(slices.Clone(sessionPairs), test.pairs...)...)
		if e["code"] != test.code || e["param"] != test.param {
			t.Errorf("%s: %v, want code %v and param %v", name, e, test.code, test.param)
		}
	}
	for i := 0; i < len(sessionPairs); i += 2 {
		if name := sessionPairs[i]; slices.Contains([]string{
			"mode", "success_url", "line_items[0][quantity]", "line_items[0][price_data][currency]",
			"line_items[0][price_data][unit_amount]", "line_items[0][price_data][product_data][name]",
		}, name) {
			pairs := slices.Delete(slices.Clone(sessionPairs), i, i+2)
			if e := b.refused(400, "POST", "/v1/checkout/sessions", pairs...); e["param"] != name {
				t.Errorf("without %s: %v", name, e)
			}
		}
	}
	if e := b.refused(404, "GET", "/v1/colours"); e["type"] != typeInvalid {
		t.Errorf("unknown address: %v", e)
	}
	b.refused(404, "POST", "/v1/events")
	for _, path := range []string{
		"/v1/checkout/sessions/", "/v1/refunds/", "/v1/payment_intents/", "/v1/charges/", "/v1/disputes/",
		"/v1/balance_transactions/", "/v1/events/",
	} {
		for _, id := range []string{"x", "pi_" + newID(), b.session()[len(prefixSession):], strings.Repeat("x", 600)} {
			if e := b.refused(404, "GET", path+id); e["code"] != "resource_missing" {
				t.Errorf("%s%s: %v", path, id, e)
			}
		}
	}
	_, intent := b.paid(CardSucceeds)
	for name, pairs := range map[string][]string{
		"nothing":         {"amount", "1"},
		"zero":            {"payment_intent", intent, "amount", "0"},
		"no number":       {"payment_intent", intent, "amount", "one"},
		"too much":        {"payment_intent", intent, "amount", "148001"},
		"both":            {"payment_intent", intent, "charge", "ch_1"},
		"unknown reason":  {"payment_intent", intent, "reason", "whim"},
		"limit of a list": {"payment_intent", intent, "limit", "1"},
	} {
		if e := b.refused(400, "POST", "/v1/refunds", pairs...); e["type"] != typeInvalid {
			t.Errorf("refund of %s: %v", name, e)
		}
	}
	for _, limit := range []string{"0", "101", "x"} {
		b.refused(400, "GET", "/v1/refunds", "limit", limit)
	}
}

func TestIdempotency(t *testing.T) {
	b := start(t, nil)
	create := append(slices.Clone(sessionPairs), "Idempotency-Key:", "k1")
	_, first, h := b.api("POST", "/v1/checkout/sessions", create...)
	if h.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer says that it was replayed")
	}
	id := first["id"].(string)
	b.must(b.Pay(t.Context(), id, CardSucceeds))
	_, again, h := b.api("POST", "/v1/checkout/sessions", create...)
	if again["id"] != id || again["status"] != "open" || h.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replayed %v, want the first answer as it was", again)
	}
	other := append(slices.Clone(create), "customer_email", "a@example.com")
	if e := b.refused(400, "POST", "/v1/checkout/sessions", other...); e["type"] != typeIdempotency {
		t.Errorf("other parameters: %v", e)
	}
	if e := b.refused(400, "POST", "/v1/checkout/sessions/"+id+"/expire", "Idempotency-Key:", "k1"); e["type"] != typeIdempotency {
		t.Errorf("other endpoint: %v", e)
	}

	// What was refused before it began leaves the key free.
	b.refused(400, "POST", "/v1/checkout/sessions", append(slices.Clone(create), "colour", "red", "Idempotency-Key:", "k2")...)
	if _, o, _ := b.api("POST", "/v1/checkout/sessions", append(slices.Clone(sessionPairs), "Idempotency-Key:", "k2")...); o["id"] == nil {
		t.Errorf("the key of a malformed request is taken: %v", o)
	}
	// What was refused on its merits is kept.
	_, intent := b.paid(CardSucceeds)
	refund := []string{"payment_intent", intent, "amount", "148001", "Idempotency-Key:", "k3"}
	b.refused(400, "POST", "/v1/refunds", refund...)
	if _, _, h := b.api("POST", "/v1/refunds", refund...); h.Get("Idempotent-Replayed") != "true" {
		t.Error("a refusal was not kept")
	}
	// A key is in use while its request is under way.
	if !b.begin(digest("k4")) {
		t.Fatal("the key is in use")
	}
	if e := b.refused(409, "POST", "/v1/checkout/sessions", append(slices.Clone(sessionPairs), "Idempotency-Key:", "k4")...); e["code"] != "idempotency_key_in_use" {
		t.Errorf("concurrent use: %v", e)
	}
	// A failure of a request that had begun is kept where asked for.
	b.Fail(Failure{Status: 500, Saved: true})
	for range 2 {
		b.refused(500, "POST", "/v1/checkout/sessions", append(slices.Clone(sessionPairs), "Idempotency-Key:", "k5")...)
	}
	// Keys are forgotten after a day.
	b.clock.Advance(keyLife)
	if _, o, _ := b.api("POST", "/v1/checkout/sessions", create...); o["id"] == id {
		t.Error("a key was remembered for more than a day")
	}
}

// TestCrashBetweenEffectAndReply takes away the kept reply, which is what a
// crash after the effect leaves behind.
func TestCrashBetweenEffectAndReply(t *testing.T) {
	b := start(t, nil)
	forget := func(key string) {
		_, err := b.replies.Update(t.Context(), digest(key), func(r *reply) error {
			r.Status, r.Body = 0, nil
			return nil
		})
		b.must(err)
	}
	create := append(slices.Clone(sessionPairs), "Idempotency-Key:", "create")
	_, first, _ := b.api("POST", "/v1/checkout/sessions", create...)
	forget("create")
	if _, again, _ := b.api("POST", "/v1/checkout/sessions", create...); again["id"] != first["id"] {
		t.Errorf("two sessions: %v and %v", first["id"], again["id"])
	}
	expire := "/v1/checkout/sessions/" + first["id"].(string) + "/expire"
	for range 2 {
		if status, o, _ := b.api("POST", expire, "Idempotency-Key:", "expire"); status != 200 || o["status"] != "expired" {
			t.Errorf("expire: %d %v", status, o)
		}
		forget("expire")
	}
	_, intent := b.paid(CardSucceeds)
	for range 2 {
		if status, o, _ := b.api("POST", "/v1/refunds", "payment_intent", intent, "Idempotency-Key:", "refund"); status != 200 {
			t.Errorf("refund: %d %v", status, o)
		}
		forget("refund")
	}
	if n := len(b.get("/v1/refunds", "payment_intent", intent)["data"].([]any)); n != 1 {
		t.Errorf("%d refunds, want 1", n)
	}
}

func TestStateSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	engine := openEngine(t, dir)
	b := newBench(t, engine, func(o *Options) { o.WebhookURL, o.WebhookSecret = "http://127.0.0.1:1", "whsec" })
	session, intent := b.paid(CardSucceeds)
	b.must(engine.Close())

	hook := newHook(t)
	b = newBench(t, openEngine(t, dir), func(o *Options) { o.WebhookURL, o.WebhookSecret = hook.URL, "whsec" })
	if s := b.get("/v1/checkout/sessions/" + session); s["payment_status"] != "paid" || s["payment_intent"] != intent {
		t.Errorf("after a restart: %v", s)
	}
	n, err := b.DeliverPending(t.Context())
	if err != nil || n != len(hook.types()) || !slices.Contains(hook.types(), "checkout.session.completed") {
		t.Errorf("delivered %d, %v: %v", n, err, hook.types())
	}
}

func TestLists(t *testing.T) {
	b := start(t, nil)
	var ids []string
	for range 5 {
		ids = append([]string{b.session()}, ids...)
		b.clock.Advance(time.Second)
	}
	page := func(pairs ...string) (out []string, more bool) {
		list := b.get("/v1/checkout/sessions", pairs...)
		for _, o := range list["data"].([]any) {
			out = append(out, o.(map[string]any)["id"].(string))
		}
		return out, list["has_more"].(bool)
	}
	first := b.get("/v1/checkout/sessions/" + ids[4])["created"].(float64)
	for name, test := range map[string]struct {
		pairs []string
		want  []string
		more  bool
	}{
		"all":            {nil, ids, false},
		"first two":      {[]string{"limit", "2"}, ids[:2], true},
		"next two":       {[]string{"limit", "2", "starting_after", ids[1]}, ids[2:4], true},
		"last":           {[]string{"limit", "2", "starting_after", ids[3]}, ids[4:], false},
		"two before":     {[]string{"limit", "2", "ending_before", ids[3]}, ids[1:3], true},
		"all before":     {[]string{"limit", "9", "ending_before", ids[2]}, ids[:2], false},
		"since":          {[]string{"created[gte]", fmt.Sprint(int64(first) + 3)}, ids[:2], false},
		"between":        {[]string{"created[gt]", fmt.Sprint(int64(first)), "created[lt]", fmt.Sprint(int64(first) + 2)}, ids[3:4], false},
		"until":          {[]string{"created[lte]", fmt.Sprint(int64(first) + 1)}, ids[3:], false},
		"at":             {[]string{"created", fmt.Sprint(int64(first))}, ids[4:], false},
		"only completed": {[]string{"status", "complete"}, nil, false},
	} {
		if got, more := page(test.pairs...); !slices.Equal(got, test.want) || more != test.more {
			t.Errorf("%s: %v (more: %t), want %v (more: %t)", name, got, more, test.want, test.more)
		}
	}
	b.refused(404, "GET", "/v1/checkout/sessions", "starting_after", "cs_test_other")

	b.must(b.Pay(t.Context(), ids[0], CardSucceeds))
	intent := b.get("/v1/checkout/sessions/" + ids[0])["payment_intent"].(string)
	if got, _ := page("payment_intent", intent); !slices.Equal(got, ids[:1]) {
		t.Errorf("by payment: %v", got)
	}
	list := b.get("/v1/checkout/sessions", "payment_intent", intent, "expand[0]", "data.payment_intent.latest_charge")
	pi := list["data"].([]any)[0].(map[string]any)["payment_intent"].(map[string]any)
	if pi["id"] != intent || pi["latest_charge"].(map[string]any)["object"] != "charge" {
		t.Errorf("expanded: %v", pi)
	}
	events := b.get("/v1/events", "types[0]", "checkout.session.completed", "types[1]", "charge.refunded")["data"].([]any)
	if len(events) != 1 || events[0].(map[string]any)["type"] != "checkout.session.completed" {
		t.Errorf("events by type: %v", events)
	}
}

func TestTimeBringsAbout(t *testing.T) {
	b := start(t, nil)
	status := func(path, field string) any { return b.get(path)[field] }

	open := "/v1/checkout/sessions/" + b.session("expires_at", fmt.Sprint(b.clock.Now().Add(time.Hour).Unix()))
	_, disputed := b.paid(CardDisputed)
	_, pending := b.paid(CardRefundPending)
	_, failing := b.paid(CardRefundFails)
	later := b.session()
	b.must(b.PayLater(t.Context(), later, "alipay"))
	_, r1, _ := b.api("POST", "/v1/refunds", "payment_intent", pending)
	_, r2, _ := b.api("POST", "/v1/refunds", "payment_intent", failing)
	if r1["status"] != "pending" || r2["status"] != "succeeded" {
		t.Errorf("refunds begin as %v and %v", r1["status"], r2["status"])
	}

	b.clock.Advance(DefaultDelay)
	if got := status("/v1/refunds/"+r1["id"].(string), "status"); got != "succeeded" {
		t.Errorf("the pending refund is %v", got)
	}
	if got := status("/v1/refunds/"+r2["id"].(string), "failure_reason"); got != "expired_or_canceled_card" {
		t.Errorf("the failing refund failed for %v", got)
	}
	if got := status("/v1/checkout/sessions/"+later, "payment_status"); got != "paid" {
		t.Errorf("the asynchronous payment is %v", got)
	}
	if n := len(b.get("/v1/disputes", "payment_intent", disputed)["data"].([]any)); n != 1 {
		t.Errorf("%d disputes, want 1", n)
	}
	if got := status(open, "status"); got != "open" {
		t.Errorf("the session is %v too early", got)
	}
	b.clock.Advance(time.Hour)
	if got := status(open, "status"); got != "expired" {
		t.Errorf("the session is %v after its time", got)
	}
	// Far more than a page of what is due.
	for range 150 {
		b.session()
	}
	b.clock.Advance(25 * time.Hour)
	b.must(b.Advance(t.Context()))
	if n := len(b.get("/v1/checkout/sessions", "status", "open")["data"].([]any)); n != 0 {
		t.Errorf("%d sessions are open after a day", n)
	}
}

func TestDashboardRefusals(t *testing.T) {
	b := start(t, nil)
	ctx := t.Context()
	session, intent := b.paid(CardSucceeds)
	refund, err := b.RefundFromDashboard(ctx, intent, 148000)
	b.must(err)
	open := b.session()
	for name, test := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"pay twice":         {b.Pay(ctx, session, CardSucceeds), fault.Conflict},
		"pay by no card":    {b.Pay(ctx, open, "1234"), fault.Conflict},
		"unknown session":   {b.Pay(ctx, "cs_test_"+newID(), CardSucceeds), fault.NotFound},
		"no id":             {b.Expire(ctx, ""), fault.NotFound},
		"expire a paid one": {b.Expire(ctx, session), fault.Conflict},
		"method not there":  {b.PayLater(ctx, open, "wechat_pay"), fault.Conflict},
		"settle nothing":    {b.SettleAsync(ctx, open, true), fault.Conflict},
		"succeed again":     {b.SucceedRefund(ctx, refund), fault.Conflict},
		"other refund":      {b.FailRefund(ctx, refund[:len(refund)-1]+"9", "unknown"), fault.NotFound},
		"close no dispute":  {b.CloseDispute(ctx, intent, true), fault.Conflict},
	} {
		if !fault.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %s", name, test.err, test.want)
		}
	}
	if _, err := b.RefundFromDashboard(ctx, intent, 1); !fault.Is(err, fault.Conflict) {
		t.Errorf("more than was paid: %v", err)
	}
	if _, err := b.CreateDispute(ctx, intent, 148001, "general"); !fault.Is(err, fault.Conflict) {
		t.Errorf("dispute of more than was paid: %v", err)
	}
}

// hook is a webhook endpoint that checks signatures and answers as told.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	events []map[string]any
	status int
	got    chan struct{}
}

func newHook(t *testing.T) *hook {
	h := &hook{status: http.StatusOK, got: make(chan struct{}, 1000)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e map[string]any
		if err := json.Unmarshal(body, &e); err != nil || !strings.HasPrefix(r.Header.Get("Stripe-Signature"), "t=") {
			t.Errorf("event %s, %v, signature %q", body, err, r.Header.Get("Stripe-Signature"))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
		w.WriteHeader(h.status)
		h.got <- struct{}{}
	}))
	t.Cleanup(h.Close)
	return h
}

// types returns the types of the events that came since the last answer was set.
func (h *hook) types() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, e := range h.events {
		out = append(out, e["type"].(string))
	}
	return out
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.events = status, nil
}

func TestDelivery(t *testing.T) {
	h := newHook(t)
	b := start(t, func(o *Options) { o.WebhookURL, o.WebhookSecret = h.URL, "whsec" })
	deliver := func(want int) {
		t.Helper()
		n, err := b.DeliverPending(t.Context())
		if err != nil || n != want {
			t.Fatalf("delivered %d, %v; want %d", n, err, want)
		}
	}
	undelivered := func() int { return len(b.get("/v1/events", "delivery_success", "false")["data"].([]any)) }
	paid := []string{"charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"}

	b.paid(CardSucceeds)
	if n := undelivered(); n != 3 {
		t.Errorf("%d undelivered events, want 3", n)
	}
	deliver(3)
	if got := h.types(); !slices.Equal(got, paid) {
		t.Errorf("sent %v, want %v", got, paid)
	}
	deliver(0)
	if n := undelivered(); n != 0 {
		t.Errorf("%d undelivered events, want none", n)
	}

	// A refused event is sent again, later and later, and given up at last.
	h.answer(http.StatusInternalServerError)
	session := b.session()
	b.must(b.Expire(t.Context(), session))
	for _, wait := range backoff {
		deliver(0)
		b.clock.Advance(wait - time.Nanosecond)
		h.answer(http.StatusInternalServerError)
		deliver(0)
		if got := h.types(); len(got) != 0 {
			t.Errorf("sent %v before its time", got)
		}
		b.clock.Advance(time.Nanosecond)
	}
	h.answer(http.StatusFound)
	deliver(0)
	b.clock.Advance(deliverFor)
	deliver(0)
	b.clock.Advance(deliverFor)
	h.answer(http.StatusOK)
	deliver(0)
	if n := undelivered(); n != 1 {
		t.Errorf("%d undelivered events, want the one that was given up", n)
	}

	for name, test := range map[string]struct {
		disturb func([]Delivery) []Delivery
		want    []string
		taken   int
	}{
		"twice":    {Twice, append(slices.Clone(paid), paid...), 6},
		"reversed": {Reversed, []string{paid[2], paid[1], paid[0]}, 3},
		"dropped":  {Dropped, nil, 0},
	} {
		h.answer(http.StatusOK)
		b.paid(CardSucceeds)
		b.Disturb(test.disturb)
		deliver(test.taken)
		if got := h.types(); !slices.Equal(got, test.want) {
			t.Errorf("%s: sent %v, want %v", name, got, test.want)
		}
		b.Recover()
		b.clock.Advance(backoff[0])
		deliver(3 * btoi(test.taken == 0)) // what was dropped comes later
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestRun(t *testing.T) {
	h := newHook(t)
	b := start(t, func(o *Options) { o.WebhookURL, o.WebhookSecret = h.URL, "whsec" })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	b.paid(CardDisputed)
	for range 3 {
		<-h.got
	}
	b.clock.Advance(DefaultDelay) // the dispute comes by itself
	for !slices.Contains(h.types(), "charge.dispute.created") {
		<-h.got
	}
	cancel()
	b.must(<-done)
}

func TestOptions(t *testing.T) {
	_, err := New(t.Context(), Options{Engine: openEngine(t, t.TempDir()), WebhookURL: "http://127.0.0.1:1"})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a webhook without a secret: %v, want Invalid", err)
	}
}

// TestMoney checks over any course of events that no more goes back than came
// in and that the balance is the sum of what happened.
func TestMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		card := rapid.SampledFrom([]string{CardSucceeds, CardDisputed, CardRefundFails, CardRefundPending}).Draw(t, "card")
		p := &payment{ID: newID(), Session: session{
			Status: statusOpen, Amount: 1000, Currency: "usd", Methods: []string{"card"},
			Created: now, ExpiresAt: now.Add(time.Hour),
		}}
		at := func() change {
			c := change{payment: p, now: now, delay: time.Minute, deliver: true}
			c.advance()
			return c
		}
		at().pay(attempt{Method: "card", Card: card})
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			c := at()
			switch amount := rapid.Int64Range(1, 1200).Draw(t, "amount"); rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				if c.refundable(amount) == nil {
					c.refund(amount, "", newID(), nil)
				}
			case 1:
				if len(p.Refunds) > 0 {
					c.settleRefund(p.Refunds[len(p.Refunds)-1].ID, rapid.SampledFrom([]string{"", "unknown"}).Draw(t, "failure"))
				}
			case 2:
				if rest := p.unrefunded(); rest > 0 && len(p.Disputes) < 3 && !p.disputed() {
					c.dispute(rest, "general")
				}
			case 3:
				if len(p.Disputes) > 0 {
					c.closeDispute(p.Disputes[len(p.Disputes)-1].ID, rapid.Bool().Draw(t, "won"))
				}
			case 4:
				now = now.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second)
			}
			if r := p.refunded(); r < 0 || r > p.Session.Amount {
				t.Fatalf("%d of %d refunded", r, p.Session.Amount)
			}
			var balance, lost int64
			for _, x := range p.Transactions {
				balance += x.Amount
			}
			for _, d := range p.Disputes {
				if d.Status != statusWon {
					lost += d.Amount
				}
			}
			if want := p.Session.Amount - p.refunded() - lost; balance != want {
				t.Fatalf("the balance is %d, want %d", balance, want)
			}
			if next := p.keys()["due"]; next != "" && next <= store.TimeKey(now) && step(p, now) {
				t.Fatalf("due at %s, which has passed at %s", next, now)
			}
		}
	})
}

// step reports whether something is still due after advancing.
func step(p *payment, now time.Time) bool {
	change{payment: p, now: now, delay: time.Minute}.advance()
	next := p.keys()["due"]
	return next != "" && next <= store.TimeKey(now)
}

func TestConcurrentRequests(t *testing.T) {
	b := start(t, nil)
	_, intent := b.paid(CardSucceeds)
	var wg sync.WaitGroup
	var mu sync.Mutex
	refunds, sessions := 0, map[any]bool{}
	for i := range 12 {
		wg.Go(func() {
			status, o, _ := b.api("POST", "/v1/refunds", "payment_intent", intent, "amount", "20000", "Idempotency-Key:", fmt.Sprint(i))
			mu.Lock()
			defer mu.Unlock()
			if status == http.StatusOK {
				refunds++
			} else if status != http.StatusBadRequest {
				t.Errorf("refund: %d %v", status, o)
			}
		})
		wg.Go(func() {
			status, o, _ := b.api("POST", "/v1/checkout/sessions", append(slices.Clone(sessionPairs), "Idempotency-Key:", "one")...)
			mu.Lock()
			defer mu.Unlock()
			if status == http.StatusOK {
				sessions[o["id"]] = true
			} else if status != http.StatusConflict {
				t.Errorf("session: %d %v", status, o)
			}
		})
	}
	wg.Wait()
	if refunds != 7 || len(sessions) != 1 {
		t.Errorf("%d refunds and %d sessions, want 7 and 1", refunds, len(sessions))
	}
}

// FuzzAPI sends any body to the endpoints that change something.
func FuzzAPI(f *testing.F) {
	engine, err := sqlite.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = engine.Close() })
	s, err := New(f.Context(), Options{Engine: engine})
	if err != nil {
		f.Fatal(err)
	}
	form := url.Values{}
	for i := 0; i < len(sessionPairs); i += 2 {
		form.Set(sessionPairs[i], sessionPairs[i+1])
	}
	f.Add(form.Encode(), "payment_intent=pi_1&amount=-1", "email=a%40b.c&number=4242")
	f.Add("expand[]=a.b.c&metadata[]]=1&line_items[0]=", "amount=99999999999999999999", "%zz")
	f.Fuzz(func(t *testing.T, session, refund, page string) {
		post := func(path, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer sk_test_1")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("POST %s %q: %d %s", path, body, w.Code, w.Body)
			}
			return w
		}
		post("/v1/refunds", refund)
		if w := post("/v1/checkout/sessions", session); w.Code == http.StatusOK {
			var o map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil {
				t.Fatal(err)
			}
			post("/checkout/"+o["id"].(string), page)
			post("/checkout/"+o["id"].(string)+"/confirm", page)
		}
	})
}
