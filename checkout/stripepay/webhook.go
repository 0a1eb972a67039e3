package stripepay

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v79"
	"github.com/stripe/stripe-go/v79/webhook"

	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
)

const (
	// MaxWebhook is the greatest size of a webhook's body in bytes. Stripe's
	// events are a few kilobytes.
	MaxWebhook = 256 << 10
	// maxSignature is the greatest length of the signature header; it holds one
	// signature of about 70 characters for each secret that is active.
	maxSignature = 2 << 10
	// tolerance is how far the time of a signature may be off, both ways.
	// Stripe's own libraries allow the same.
	tolerance = webhook.DefaultTolerance
)

// knownTypes are the events that checkout acts on.
var knownTypes = []string{
	string(stripe.EventTypeCheckoutSessionCompleted),
	string(stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded),
	string(stripe.EventTypeCheckoutSessionAsyncPaymentFailed),
	string(stripe.EventTypeCheckoutSessionExpired),
	string(stripe.EventTypeChargeRefunded),
	string(stripe.EventTypeChargeRefundUpdated),
	string(stripe.EventTypeChargeDisputeCreated),
	string(stripe.EventTypeChargeDisputeClosed),
}

// KnownTypes are the types of event that a webhook endpoint must be subscribed
// to.
func KnownTypes() []string { return slices.Clone(knownTypes) }

// eventBody is the part of an event that is read. Only ids are taken from it:
// whatever is decided is decided on the object fetched again.
type eventBody struct {
	ID         string `json:"id"`
	Object     string `json:"object"`
	Type       string `json:"type"`
	APIVersion string `json:"api_version"`
	Livemode   bool   `json:"livemode"`
	Created    int64  `json:"created"`
	Data       struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

// eventObject is what the objects of the known events have in common.
type eventObject struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	ClientReferenceID string            `json:"client_reference_id"`
	Metadata          map[string]string `json:"metadata"`
	// PaymentIntent is an id, or an object where Stripe has expanded it.
	PaymentIntent *stripe.PaymentIntent `json:"payment_intent"`
}

// ParseEvent implements checkout.Payments.
func (c *Client) ParseEvent(body []byte, signature string) (checkout.Event, error) {
	if len(body) > MaxWebhook {
		return checkout.Event{}, fault.New(fault.TooLarge, "The event is larger than %d bytes.", MaxWebhook)
	}
	if !c.signed(body, signature) {
		return checkout.Event{}, fault.New(fault.Unauthorized, "The signature of the event is not valid.")
	}
	var e eventBody
	if err := json.Unmarshal(body, &e); err != nil {
		return checkout.Event{}, fault.Wrap(fault.Invalid, err, "The body is no event.")
	}
	switch {
	case e.Object != "event" || e.ID == "" || e.Type == "":
		return checkout.Event{}, fault.New(fault.Invalid, "The body is no event.")
	case e.APIVersion != stripe.APIVersion:
		return checkout.Event{}, fault.New(fault.Invalid,
			"The event is of another API version; set the webhook endpoint to %s.", stripe.APIVersion)
	case e.Livemode != c.live:
		return checkout.Event{}, fault.New(fault.Invalid,
			"The event and the secret key are not of the same mode, live or test.")
	}
	return eventOf(e.ID, e.Type, e.Created, e.Data.Object)
}

// eventOf reads what an event is about. An object of an unknown type may have
// any shape; a known one that cannot be read is Invalid.
func eventOf(id, kind string, created int64, object json.RawMessage) (checkout.Event, error) {
	out := checkout.Event{
		ID: id, Type: kind, Known: slices.Contains(knownTypes, kind), Created: time.Unix(created, 0).UTC(),
	}
	if !out.Known {
		return out, nil
	}
	var o eventObject
	if err := json.Unmarshal(object, &o); err != nil || o.ID == "" {
		return checkout.Event{}, fault.Wrap(fault.Invalid, err, "The object of the event cannot be read.")
	}
	out.BookingID = o.Metadata[metaBooking]
	if o.Object == "checkout.session" {
		out.SessionID = o.ID
		if out.BookingID == "" {
			out.BookingID = o.ClientReferenceID
		}
	}
	if o.PaymentIntent != nil {
		out.PaymentID = o.PaymentIntent.ID
	}
	return out, nil
}

// signed verifies Stripe's v1 scheme, https://docs.stripe.com/webhooks: the
// header "t=<unix seconds>,v1=<hex>,…" with one v1 per active secret. The
// verification of stripe-go takes no clock and lets signatures of the future
// pass.
func (c *Client) signed(body []byte, header string) bool {
	if len(header) > maxSignature {
		return false
	}
	var at time.Time
	var signatures [][]byte
	for item := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(item, "=")
		switch name {
		case "t":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return false
			}
			at = time.Unix(seconds, 0)
		case "v1":
			if sig, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, sig)
			}
		}
	}
	if off := c.clock().Sub(at).Abs(); off > tolerance {
		return false
	}
	for _, secret := range c.secrets {
		want := webhook.ComputeSignature(at, body, secret)
		if slices.ContainsFunc(signatures, func(sig []byte) bool { return hmac.Equal(sig, want) }) {
			return true
		}
	}
	return false
}

// UndeliveredEvents lists the known events since a time that the webhook
// endpoint has not taken yet, oldest first, for the hourly reconciliation.
// Errors: Unavailable, Invalid.
func (c *Client) UndeliveredEvents(ctx context.Context, since time.Time) ([]checkout.Event, error) {
	it := c.events.List(&stripe.EventListParams{
		ListParams:      listParams(ctx),
		CreatedRange:    &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()},
		DeliverySuccess: stripe.Bool(false),
		Types:           stripe.StringSlice(knownTypes),
	})
	var out []checkout.Event
	for it.Next() {
		e := it.Event()
		if e.Data == nil {
			continue
		}
		ev, err := eventOf(e.ID, string(e.Type), e.Created, e.Data.Raw)
		if err != nil {
			return nil, err
		}
		out = append(out, ev)
	}
	slices.Reverse(out)
	return out, translate(it.Err())
}
