// Package stripepay is the Stripe adapter of checkout: it implements
// checkout.Payments, and checkout.PayoutProvider with Stripe Connect, over Stripe's API at the version this build of stripe-go
// speaks, and over anything that speaks the same, such as checkout/stripesim.
//
// It promises: no state besides connections, no package-wide settings of
// stripe-go touched, every failure translated into package fault at one point
// (translate), and nothing of a card or a secret in an error or a log line.
package stripepay

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v79"
	"github.com/stripe/stripe-go/v79/balancetransaction"
	checkoutsession "github.com/stripe/stripe-go/v79/checkout/session"
	"github.com/stripe/stripe-go/v79/dispute"
	"github.com/stripe/stripe-go/v79/event"
	"github.com/stripe/stripe-go/v79/refund"
	"github.com/stripe/stripe-go/v79/transfer"
	"github.com/stripe/stripe-go/v79/transferreversal"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
)

const (
	// requestTimeout ends a call to Stripe that hangs. Stripe answers within a
	// few seconds; a patient waits for some of these calls.
	requestTimeout = 30 * time.Second
	// maxRetries bounds Config.MaxNetworkRetries: checkout repeats calls itself,
	// so the library's own retries only bridge a hiccup.
	maxRetries = 5
	// pageSize of listings, the most that Stripe gives.
	pageSize = 100
)

// Names of the metadata that ties Stripe's objects to bookings.
const (
	metaBooking = "booking_id"
	metaAttempt = "attempt"
	metaRefund  = "refund_key"
	metaPayout  = "payout_key"
)

// Config is what a Client needs.
type Config struct {
	// SecretKey of the account, sk_test_… or sk_live_… (or restricted, rk_…).
	// Its prefix decides whether events must be of live or test mode.
	SecretKey string
	// WebhookSecrets of the endpoint; several while one is being replaced. At
	// least one, none empty.
	WebhookSecrets []string
	// APIURL of another server that speaks Stripe's API; empty is Stripe. A
	// live key is never sent elsewhere than to Stripe.
	APIURL string
	// MaxNetworkRetries is how often stripe-go itself repeats a call, 0 to 5.
	MaxNetworkRetries int
	// Clock tells the time for the age of webhook signatures; nil is time.Now.
	Clock func() time.Time
	// Logger takes what stripe-go has to say; nil discards it.
	Logger *slog.Logger
}

// validate reports what is wrong with a configuration and whether its key is
// a live one.
func (c Config) validate() (live bool, err error) {
	var bad fault.Fields
	mode := ""
	if parts := strings.SplitN(c.SecretKey, "_", 3); len(parts) == 3 && parts[2] != "" &&
		(parts[0] == "sk" || parts[0] == "rk") {
		mode = parts[1]
	}
	if mode != "live" && mode != "test" {
		bad.Add("secret_key", "", "is no Stripe secret key; it starts with sk_test_, sk_live_, rk_test_ or rk_live_")
	}
	if len(c.WebhookSecrets) == 0 || slices.Contains(c.WebhookSecrets, "") {
		bad.Add("webhook_secrets", "", "needs at least one secret, and none may be empty: anyone can sign with an empty secret")
	}
	if c.APIURL != "" {
		u, err := url.Parse(c.APIURL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			bad.Add("api_url", "", "is no http(s) URL")
		}
		if mode == "live" {
			bad.Add("api_url", "", "must be empty with a live key")
		}
	}
	if c.MaxNetworkRetries < 0 || c.MaxNetworkRetries > maxRetries {
		bad.Add("max_network_retries", "", "must be 0 to %d", maxRetries)
	}
	return mode == "live", bad.Err("The Stripe configuration is wrong.")
}

// Client talks to one Stripe account. It is safe for concurrent use.
type Client struct {
	sessions checkoutsession.Client
	refunds  refund.Client
	disputes dispute.Client
	events   event.Client
	balance  balancetransaction.Client
	// transfers and reversals of Connect.
	transfers transfer.Client
	reversals transferreversal.Client

	secrets []string
	live    bool
	clock   func() time.Time
}

var _ checkout.Payments = (*Client)(nil)

// New returns a client. Errors: Invalid with a field for everything that is
// wrong with the configuration.
func New(cfg Config) (*Client, error) {
	live, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	backend := &stripe.BackendConfig{
		EnableTelemetry:   stripe.Bool(false),
		HTTPClient:        &http.Client{Timeout: requestTimeout},
		LeveledLogger:     leveled{cfg.Logger},
		MaxNetworkRetries: stripe.Int64(int64(cfg.MaxNetworkRetries)),
	}
	if cfg.APIURL != "" {
		backend.URL = stripe.String(cfg.APIURL)
	}
	b := stripe.GetBackendWithConfig(stripe.APIBackend, backend)
	return &Client{
		sessions:  checkoutsession.Client{B: b, Key: cfg.SecretKey},
		refunds:   refund.Client{B: b, Key: cfg.SecretKey},
		disputes:  dispute.Client{B: b, Key: cfg.SecretKey},
		events:    event.Client{B: b, Key: cfg.SecretKey},
		balance:   balancetransaction.Client{B: b, Key: cfg.SecretKey},
		transfers: transfer.Client{B: b, Key: cfg.SecretKey},
		reversals: transferreversal.Client{B: b, Key: cfg.SecretKey},
		secrets:   slices.Clone(cfg.WebhookSecrets),
		live:      live,
		clock:     cfg.Clock,
	}, nil
}

// Live reports whether the key moves real money.
func (c *Client) Live() bool { return c.live }

// CreateSession implements checkout.Payments.
func (c *Client) CreateSession(ctx context.Context, p checkout.SessionParams) (checkout.Session, error) {
	s, err := c.sessions.New(sessionParams(ctx, p))
	if err != nil {
		return checkout.Session{}, translate(err)
	}
	return sessionOf(s), nil
}

// sessionParams renders the stored parameters of a session. It depends on
// nothing else, since a repeated call must send the same.
func sessionParams(ctx context.Context, p checkout.SessionParams) *stripe.CheckoutSessionParams {
	meta := map[string]string{metaBooking: p.BookingID, metaAttempt: strconv.Itoa(p.Attempt)}
	description := p.Description
	if description == "" {
		description = p.Title
	}
	out := &stripe.CheckoutSessionParams{
		Params:            stripe.Params{Context: ctx, IdempotencyKey: stripe.String(p.IdempotencyKey)},
		Mode:              stripe.String(string(stripe.CheckoutSessionModePayment)),
		ClientReferenceID: stripe.String(p.BookingID),
		Metadata:          meta,
		LineItems: []*stripe.CheckoutSessionLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionLineItemPriceDataParams{
				Currency:   stripe.String(strings.ToLower(p.Amount.Currency)),
				UnitAmount: stripe.Int64(p.Amount.Amount),
				ProductData: &stripe.CheckoutSessionLineItemPriceDataProductDataParams{
					Name:        stripe.String(p.Title),
					Description: optional(p.Description),
				},
			},
		}},
		PaymentIntentData: &stripe.CheckoutSessionPaymentIntentDataParams{
			Description:   stripe.String(description),
			Metadata:      meta,
			TransferGroup: stripe.String(p.BookingID),
		},
		PaymentMethodTypes: stripe.StringSlice(p.Methods),
		Locale:             optional(p.Locale),
		CustomerEmail:      optional(p.Email),
		SuccessURL:         stripe.String(p.SuccessURL),
		CancelURL:          stripe.String(p.CancelURL),
		ExpiresAt:          stripe.Int64(p.ExpiresAt.Unix()),
	}
	if slices.Contains(p.Methods, "wechat_pay") {
		// Stripe refuses WeChat Pay on a hosted page without it.
		out.PaymentMethodOptions = &stripe.CheckoutSessionPaymentMethodOptionsParams{
			WeChatPay: &stripe.CheckoutSessionPaymentMethodOptionsWeChatPayParams{Client: stripe.String("web")},
		}
	}
	return out
}

// optional leaves a parameter out when it is empty: to Stripe an empty string
// means that the value is to be removed, or is an error.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Session implements checkout.Payments.
func (c *Client) Session(ctx context.Context, id string) (checkout.Session, error) {
	p := &stripe.CheckoutSessionParams{Params: stripe.Params{Context: ctx}}
	p.AddExpand("payment_intent") // tells a failed asynchronous payment from one under way
	s, err := c.sessions.Get(id, p)
	if err != nil {
		return checkout.Session{}, translate(err)
	}
	return sessionOf(s), nil
}

// SessionsCreated lists the sessions made from one time to before another,
// oldest first, for the daily reconciliation. Errors: Unavailable, Invalid.
func (c *Client) SessionsCreated(ctx context.Context, from, to time.Time) ([]checkout.Session, error) {
	p := &stripe.CheckoutSessionListParams{
		ListParams:   listParams(ctx),
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThan: to.Unix()},
	}
	p.AddExpand("data.payment_intent")
	it := c.sessions.List(p)
	var out []checkout.Session
	for it.Next() {
		out = append(out, sessionOf(it.CheckoutSession()))
	}
	slices.Reverse(out)
	return out, translate(it.Err())
}

// ExpireSession implements checkout.Payments.
func (c *Client) ExpireSession(ctx context.Context, id, idempotencyKey string) (checkout.Session, error) {
	p := &stripe.CheckoutSessionExpireParams{
		Params: stripe.Params{Context: ctx, IdempotencyKey: stripe.String(idempotencyKey)},
	}
	s, err := c.sessions.Expire(id, p)
	if err == nil {
		return sessionOf(s), nil
	}
	refused := translate(err)
	if !fault.Is(refused, fault.Invalid) {
		return checkout.Session{}, refused
	}
	// Stripe refuses to expire what is not open, without saying in a code why.
	now, err := c.Session(ctx, id)
	switch {
	case err != nil:
		return checkout.Session{}, err
	case now.Status == checkout.SessionExpired:
		return now, nil
	case now.Status == checkout.SessionComplete:
		return now, fault.Wrap(fault.Conflict, refused, "The payment has gone through meanwhile.")
	}
	return checkout.Session{}, refused
}

// CreateRefund implements checkout.Payments. Stripe takes the currency from
// the payment.
func (c *Client) CreateRefund(ctx context.Context, p checkout.RefundParams) (checkout.Refund, error) {
	r, err := c.refunds.New(&stripe.RefundParams{
		Params:        stripe.Params{Context: ctx, IdempotencyKey: stripe.String(p.IdempotencyKey)},
		PaymentIntent: stripe.String(p.PaymentID),
		Amount:        stripe.Int64(p.Amount.Amount),
		Metadata:      map[string]string{metaBooking: p.BookingID, metaRefund: p.Key},
	})
	if err != nil {
		return checkout.Refund{}, translate(err)
	}
	return refundOf(r), nil
}

// Refunds implements checkout.Payments.
func (c *Client) Refunds(ctx context.Context, paymentID string) ([]checkout.Refund, error) {
	it := c.refunds.List(&stripe.RefundListParams{
		ListParams:    listParams(ctx),
		PaymentIntent: stripe.String(paymentID),
	})
	var out []checkout.Refund
	for it.Next() {
		out = append(out, refundOf(it.Refund()))
	}
	slices.Reverse(out)
	return out, translate(it.Err())
}

// Disputes implements checkout.Payments.
func (c *Client) Disputes(ctx context.Context, paymentID string) ([]checkout.Dispute, error) {
	it := c.disputes.List(&stripe.DisputeListParams{
		ListParams:    listParams(ctx),
		PaymentIntent: stripe.String(paymentID),
	})
	var out []checkout.Dispute
	for it.Next() {
		out = append(out, disputeOf(it.Dispute()))
	}
	slices.Reverse(out)
	return out, translate(it.Err())
}

func listParams(ctx context.Context) stripe.ListParams {
	return stripe.ListParams{Context: ctx, Limit: stripe.Int64(pageSize)}
}

// money turns Stripe's amount and lower-case currency into ours.
func money(amount int64, currency stripe.Currency) catalog.Money {
	return catalog.Money{Amount: amount, Currency: strings.ToUpper(string(currency))}
}

func sessionOf(s *stripe.CheckoutSession) checkout.Session {
	attempt, _ := strconv.Atoi(s.Metadata[metaAttempt]) // 0 where the session is not ours
	out := checkout.Session{
		ID:        s.ID,
		BookingID: s.ClientReferenceID,
		Attempt:   attempt,
		URL:       s.URL,
		Status:    checkout.SessionStatus(s.Status),
		Paid:      s.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid,
		Amount:    money(s.AmountTotal, s.Currency),
		Created:   time.Unix(s.Created, 0).UTC(),
		ExpiresAt: time.Unix(s.ExpiresAt, 0).UTC(),
	}
	if s.PaymentIntent != nil {
		out.PaymentID = s.PaymentIntent.ID
		out.Failed = out.Status == checkout.SessionComplete && !out.Paid &&
			(s.PaymentIntent.Status == stripe.PaymentIntentStatusRequiresPaymentMethod ||
				s.PaymentIntent.Status == stripe.PaymentIntentStatusCanceled)
	}
	return out
}

func refundOf(r *stripe.Refund) checkout.Refund {
	out := checkout.Refund{
		ID:            r.ID,
		Key:           r.Metadata[metaRefund],
		Amount:        money(r.Amount, r.Currency),
		Status:        checkout.RefundStatus(r.Status),
		FailureReason: string(r.FailureReason),
		Created:       time.Unix(r.Created, 0).UTC(),
	}
	if r.PaymentIntent != nil {
		out.PaymentID = r.PaymentIntent.ID
	}
	return out
}

func disputeOf(d *stripe.Dispute) checkout.Dispute {
	out := checkout.Dispute{
		ID:      d.ID,
		Amount:  money(d.Amount, d.Currency),
		Status:  checkout.DisputeStatus(d.Status),
		Reason:  string(d.Reason),
		Created: time.Unix(d.Created, 0).UTC(),
	}
	if d.PaymentIntent != nil {
		out.PaymentID = d.PaymentIntent.ID
	}
	return out
}

// leveled passes stripe-go's log to slog. Debug lines hold whole replies with
// e-mail addresses and are dropped; errors come back to the caller as well.
type leveled struct{ log *slog.Logger }

func (leveled) Debugf(string, ...any) {}

func (l leveled) Infof(format string, v ...any) { l.write(slog.LevelDebug, format, v) }

func (l leveled) Warnf(format string, v ...any) { l.write(slog.LevelWarn, format, v) }

func (l leveled) Errorf(format string, v ...any) { l.write(slog.LevelDebug, format, v) }

func (l leveled) write(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "stripe: "+fmt.Sprintf(format, v...))
	}
}
