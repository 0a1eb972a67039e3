package stripesim

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Limits of Stripe's parameters, in characters.
const (
	maxName        = 250
	maxDescription = 1000
	maxReference   = 200
)

func (s *Server) createSession(ctx context.Context, c *call) (any, error) {
	p := payment{ID: c.request, Session: s.sessionOf(c)}
	expand := c.params.list("expand")
	if err := c.params.done(); err != nil {
		return nil, err
	}
	if err := checkSession(p.Session); err != nil {
		return nil, err
	}
	base := s.opts.BaseURL
	if base == "" {
		base = "http://" + c.r.Host
	}
	p.Session.URL = base + "/checkout/" + p.id(prefixSession)
	err := s.payments.Insert(ctx, p.ID, p)
	if err != nil && !fault.Is(err, fault.Conflict) { // a Conflict is the same request before a crash
		return nil, err
	}
	return s.fetch(ctx, "checkout.session", p.id(prefixSession), expand)
}

// sessionOf reads the parameters of a session. Faults are left in the
// parameters.
func (s *Server) sessionOf(c *call) session {
	const (
		item    = "line_items[0]"
		price   = item + "[price_data]"
		product = price + "[product_data]"
		intent  = "payment_intent_data"
	)
	p, now := c.params, s.clock()
	if mode := p.need("mode"); mode != "payment" {
		p.fail(malformed("", "mode", "Only the mode payment is simulated."))
	}
	out := session{
		Status:      statusOpen,
		Created:     now,
		ExpiresAt:   now.Add(maxExpiry),
		Currency:    strings.ToLower(p.need(price + "[currency]")),
		Title:       p.text(product+"[name]", maxName),
		Description: p.text(product+"[description]", maxDescription),
		Reference:   p.text("client_reference_id", maxReference),
		Metadata:    p.metadata("metadata"),
		Intent: intentData{
			Description:   p.text(intent+"[description]", maxDescription),
			TransferGroup: p.str(intent + "[transfer_group]"),
			Metadata:      p.metadata(intent + "[metadata]"),
		},
		Locale:        p.one("locale", locales...),
		Methods:       p.list("payment_method_types"),
		SubmitType:    p.one("submit_type", "auto", "book", "donate", "pay"),
		SuccessURL:    p.link("success_url", true),
		CancelURL:     p.link("cancel_url", false),
		CustomerEmail: p.text("customer_email", 512),
	}
	if out.Title == "" {
		p.fail(malformed("parameter_missing", product+"[name]", "Missing required param: %s[name].", product))
	}
	unit, given := p.integer(price + "[unit_amount]")
	if !given {
		p.fail(malformed("parameter_missing", price+"[unit_amount]", "Missing required param: %s[unit_amount].", price))
	}
	quantity, given := p.integer(item + "[quantity]")
	if !given {
		p.fail(malformed("parameter_missing", item+"[quantity]", "Missing required param: %s[quantity].", item))
	}
	if unit < 0 || unit > maxAmount || quantity < 1 || quantity > maxAmount {
		p.fail(malformed("parameter_invalid_integer", item, "Invalid amount or quantity."))
		return out
	}
	out.Amount = unit * quantity
	if at, given := p.integer("expires_at"); given {
		out.ExpiresAt = time.Unix(at, 0)
	}
	if client := p.one("payment_method_options[wechat_pay][client]", "android", "ios", "web"); client != "web" &&
		slices.Contains(out.Methods, "wechat_pay") {
		p.fail(malformed("parameter_missing", "payment_method_options[wechat_pay][client]",
			"Checkout requires payment_method_options[wechat_pay][client] to be web."))
	}
	return out
}

// checkSession applies Stripe's rules to the values of a session.
func checkSession(s session) error {
	const param = "line_items[0][price_data]"
	switch life := s.ExpiresAt.Sub(s.Created); {
	case life < minExpiry-expirySlack:
		return malformed("", "expires_at",
			"The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.")
	case life > maxExpiry+expirySlack:
		return malformed("", "expires_at",
			"The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.")
	}
	if !slices.Contains(currencies, s.Currency) {
		return malformed("", param+"[currency]", "Invalid currency: %s.", s.Currency)
	}
	if step := catalog.ChargeStep(strings.ToUpper(s.Currency)); s.Amount%step != 0 {
		return malformed("", param+"[unit_amount]", "Invalid amount: in %s it must be a multiple of %d.", s.Currency, step)
	}
	if s.Amount < max(minimum[s.Currency], 1) {
		return malformed("amount_too_small", param+"[unit_amount]",
			"The Checkout Session's total amount due must add up to at least %d in %s.", minimum[s.Currency], s.Currency)
	}
	if s.Amount > maxAmount {
		return malformed("amount_too_large", param+"[unit_amount]",
			"The Checkout Session's total amount due must be no more than %d in %s.", maxAmount, s.Currency)
	}
	if len(s.Methods) == 0 {
		return malformed("parameter_missing", "payment_method_types", "No valid payment method types for this Checkout Session.")
	}
	for _, m := range s.Methods {
		allowed, known := methodCurrencies[m]
		if !known {
			return malformed("", "payment_method_types", "The payment method type provided: %s is invalid.", m)
		}
		if allowed != nil && !slices.Contains(allowed, s.Currency) {
			return malformed("", "payment_method_types",
				"The currency provided (%s) is invalid for one or more payment method types (%s) on this Checkout Session.",
				s.Currency, m)
		}
	}
	if s.CustomerEmail != "" && !validEmail(s.CustomerEmail) {
		return malformed("email_invalid", "customer_email", "Invalid email address: %s", s.CustomerEmail)
	}
	return nil
}

func (s *Server) expireSession(ctx context.Context, c *call) (any, error) {
	id, expand := c.r.PathValue("id"), c.params.list("expand")
	if err := c.params.done(); err != nil {
		return nil, err
	}
	if paymentOf(id) == "" {
		return nil, missing("checkout.session", id, "session")
	}
	err := s.change(ctx, paymentOf(id), func(ch change) error {
		if ch.Session.ExpiredBy == c.request {
			return nil
		}
		ch.Session.ExpiredBy = c.request
		if status := ch.Session.Status; !ch.expire() {
			return refuse("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `%s`.", status)
		}
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return nil, missing("checkout.session", id, "session")
	}
	if err != nil {
		return nil, err
	}
	return s.fetch(ctx, "checkout.session", id, expand)
}

func (s *Server) createRefund(ctx context.Context, c *call) (any, error) {
	p := c.params
	id, charge := p.str("payment_intent"), p.str("charge")
	amount, given := p.integer("amount")
	reason := p.one("reason", "duplicate", "fraudulent", "requested_by_customer")
	meta, expand := p.metadata("metadata"), p.list("expand")
	if err := p.done(); err != nil {
		return nil, err
	}
	param, kind := "payment_intent", "payment_intent"
	if id == "" {
		id, param, kind = charge, "charge", "charge"
	} else if charge != "" {
		return nil, malformed("parameters_exclusive", "charge", "You may only specify one of these parameters: charge, payment_intent.")
	}
	if id == "" {
		return nil, malformed("parameter_missing", "charge", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	if paymentOf(id) == "" {
		return nil, missing(kind, id, param)
	}
	if given && amount <= 0 {
		return nil, malformed("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	}
	var refunded string
	err := s.change(ctx, paymentOf(id), func(ch change) error {
		if ch.object(id) == nil {
			return missing(kind, id, param)
		}
		for _, r := range ch.Refunds {
			if r.Request == c.request {
				refunded = r.ID
				return nil
			}
		}
		sum := amount
		if !given {
			sum = ch.unrefunded()
		}
		if err := ch.refundable(sum); err != nil {
			return err
		}
		refunded = ch.refund(sum, reason, c.request, meta)
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return nil, missing(kind, id, param)
	}
	if err != nil {
		return nil, err
	}
	return s.fetch(ctx, "refund", refunded, expand)
}

// refundable says why an amount cannot be refunded.
func (p *payment) refundable(amount int64) error {
	rest := p.unrefunded()
	switch {
	case p.Charge == nil:
		return refuse("", "", "This PaymentIntent (%s) does not have a successful charge to refund.", p.id(prefixIntent))
	case p.disputed():
		return refuse("charge_disputed", "", "Charge %s has been charged back; cannot issue a refund.", p.id(prefixCharge))
	case rest == 0:
		return refuse("charge_already_refunded", "", "Charge %s has already been refunded.", p.id(prefixCharge))
	case amount > rest:
		return refuse("", "amount", "Refund amount (%d) is greater than unrefunded amount on charge (%d)", amount, rest)
	case amount%catalog.ChargeStep(strings.ToUpper(p.Session.Currency)) != 0:
		return refuse("", "amount", "Invalid amount: in %s it must be a multiple of %d.",
			p.Session.Currency, catalog.ChargeStep(strings.ToUpper(p.Session.Currency)))
	}
	return nil
}

// retrieve returns the handler that gets one object of a kind.
func (s *Server) retrieve(kind, prefix string) func(context.Context, *call) (any, error) {
	return func(ctx context.Context, c *call) (any, error) {
		id, expand := c.r.PathValue("id"), c.params.list("expand")
		if err := c.params.done(); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(id, prefix) {
			return nil, missing(kind, id, "id")
		}
		return s.fetch(ctx, kind, id, expand)
	}
}

// fetch renders an object with the fields that are to be expanded.
func (s *Server) fetch(ctx context.Context, kind, id string, expand []string) (any, error) {
	p, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if p == nil || p.object(id) == nil {
		return nil, missing(kind, id, "id")
	}
	o := p.object(id)
	for _, path := range expand {
		if !p.expand(o, path) {
			return nil, malformed("", "expand", "This property cannot be expanded (%s).", path)
		}
	}
	return o, nil
}

// load returns the payment that an object belongs to, nil when there is none.
func (s *Server) load(ctx context.Context, id string) (*payment, error) {
	if paymentOf(id) == "" {
		return nil, nil
	}
	rec, err := s.payments.Get(ctx, paymentOf(id))
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return &rec.Value, err
}

// listed is an object of a list with what it is sorted and filtered by.
type listed struct {
	id      string
	created time.Time
	object  object
	// expand replaces an id in the object by what it names.
	expand func(o object, path string) bool
}

// list answers a list of what pick returns of each payment, newest first, and
// of others that belong to no payment.
func (s *Server) list(ctx context.Context, c *call, pick func(*payment) []listed, others ...listed) (any, error) {
	p := c.params
	intent, charge := p.str("payment_intent"), p.str("charge")
	limit, given := p.integer("limit")
	if !given {
		limit = 10
	}
	if limit < 1 || limit > 100 {
		p.fail(malformed("parameter_invalid_integer", "limit", "Invalid limit: must be 1 to 100."))
	}
	within := createdFilter(p)
	after, before, expand := p.str("starting_after"), p.str("ending_before"), p.list("expand")
	if err := p.done(); err != nil {
		return nil, err
	}
	var all []listed
	collect := func(pay *payment) {
		for _, l := range pick(pay) {
			if within(l.created) {
				l.expand = pay.expand
				all = append(all, l)
			}
		}
	}
	for _, l := range others {
		if within(l.created) {
			all = append(all, l)
		}
	}
	if only := intent + charge; only != "" {
		pay, err := s.load(ctx, only)
		if err != nil {
			return nil, err
		}
		if pay == nil || pay.object(only) == nil {
			return nil, missing("payment_intent", only, "payment_intent")
		}
		collect(pay)
	} else if err := s.payments.Each(ctx, store.Query{Limit: store.MaxPage}, func(rec store.Record[payment]) error {
		collect(&rec.Value)
		return nil
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b listed) int {
		if d := b.created.Compare(a.created); d != 0 {
			return d
		}
		return strings.Compare(b.id, a.id)
	})
	page, more, err := cut(all, int(limit), after, before)
	if err != nil {
		return nil, err
	}
	data := make([]object, 0, len(page))
	for _, l := range page {
		for _, path := range expand {
			if rest, ok := strings.CutPrefix(path, "data."); !ok || !l.expand(l.object, rest) {
				return nil, malformed("", "expand", "This property cannot be expanded (%s).", path)
			}
		}
		data = append(data, l.object)
	}
	return object{"object": "list", "url": c.r.URL.Path, "has_more": more, "data": data}, nil
}

// cut takes a page out of a list.
func cut(all []listed, limit int, after, before string) (page []listed, more bool, err error) {
	find := func(id, param string) (int, error) {
		i := slices.IndexFunc(all, func(l listed) bool { return l.id == id })
		if i < 0 {
			return 0, missing("object", id, param)
		}
		return i, nil
	}
	if before != "" {
		i, err := find(before, "ending_before")
		return all[max(0, i-limit):i], i > limit, err
	}
	if after != "" {
		i, err := find(after, "starting_after")
		if err != nil {
			return nil, false, err
		}
		all = all[i+1:]
	}
	return all[:min(limit, len(all))], len(all) > limit, nil
}

// createdFilter takes created and created[gt|gte|lt|lte].
func createdFilter(p *params) func(time.Time) bool {
	exact, isExact := p.integer("created")
	gt, isGT := p.integer("created[gt]")
	gte, isGTE := p.integer("created[gte]")
	lt, isLT := p.integer("created[lt]")
	lte, isLTE := p.integer("created[lte]")
	return func(t time.Time) bool {
		at := t.Unix()
		return (!isExact || at == exact) && (!isGT || at > gt) && (!isGTE || at >= gte) &&
			(!isLT || at < lt) && (!isLTE || at <= lte)
	}
}

func (s *Server) listSessions(ctx context.Context, c *call) (any, error) {
	status := c.params.one("status", statusOpen, statusComplete, statusExpired)
	return s.list(ctx, c, func(p *payment) []listed {
		if status != "" && p.Session.Status != status {
			return nil
		}
		return []listed{{id: p.id(prefixSession), created: p.Session.Created, object: p.sessionObject()}}
	})
}

func (s *Server) listRefunds(ctx context.Context, c *call) (any, error) {
	return s.list(ctx, c, func(p *payment) (out []listed) {
		for _, r := range p.Refunds {
			out = append(out, listed{id: r.ID, created: r.Created, object: p.refundObject(r)})
		}
		return out
	})
}

func (s *Server) listDisputes(ctx context.Context, c *call) (any, error) {
	return s.list(ctx, c, func(p *payment) (out []listed) {
		for _, d := range p.Disputes {
			out = append(out, listed{id: d.ID, created: d.Created, object: p.disputeObject(d)})
		}
		return out
	})
}

func (s *Server) listTransactions(ctx context.Context, c *call) (any, error) {
	kind, currency, source := c.params.str("type"), c.params.str("currency"), c.params.str("source")
	wanted := func(t transaction, of string) bool {
		return (kind == "" || kind == t.Type) && (currency == "" || currency == of) && (source == "" || source == t.Source)
	}
	var others []listed
	err := s.eachTransfer(ctx, "", func(tr transfer) {
		for _, t := range tr.Transactions {
			if wanted(t, tr.Currency) {
				others = append(others, listed{t.ID, t.Created, t.object(tr.Currency, ""), tr.expand})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return s.list(ctx, c, func(p *payment) (out []listed) {
		for _, t := range p.Transactions {
			if wanted(t, p.Session.Currency) {
				out = append(out, listed{id: t.ID, created: t.Created, object: t.object(p.Session.Currency, p.Session.Intent.Description)})
			}
		}
		return out
	}, others...)
}

func (s *Server) listEvents(ctx context.Context, c *call) (any, error) {
	types := c.params.list("types")
	if kind := c.params.str("type"); kind != "" {
		types = append(types, kind)
	}
	delivered := c.params.one("delivery_success", "true", "false")
	return s.list(ctx, c, func(p *payment) (out []listed) {
		for _, e := range p.Events {
			success := "true"
			if e.Failed || !e.Next.IsZero() {
				success = "false"
			}
			if (len(types) == 0 || slices.Contains(types, e.Type)) && (delivered == "" || delivered == success) {
				out = append(out, listed{id: e.ID, created: e.Created, object: e.object()})
			}
		}
		return out
	})
}

// validEmail is a rough check; whoever typed it sees it on the page.
func validEmail(s string) bool {
	name, host, ok := strings.Cut(s, "@")
	return ok && name != "" && strings.Contains(host, ".") && !strings.ContainsAny(s, " \t\r\n<>,;") &&
		!strings.Contains(host, "@") && len(s) <= 254
}

var _ http.Handler = (*Server)(nil)
