package stripesim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v79/webhook"

	"github.com/medtour/medtour/store"
)

const (
	// deliveryTimeout ends a delivery that the endpoint does not answer.
	deliveryTimeout = 20 * time.Second
	// deliverFor is how long an event is tried, as at Stripe in live mode.
	deliverFor = 3 * 24 * time.Hour
)

// backoff is the pause after an attempt that failed; the last one repeats.
var backoff = []time.Duration{5 * time.Second, 30 * time.Second, 5 * time.Minute, time.Hour}

// Delivery is an event on its way to the webhook endpoint.
type Delivery struct {
	EventID string
	Type    string
	created time.Time
	payment string
}

// Disturb changes what is sent: f is given the events that are due, in order,
// and returns those that are to be sent, in the order in which they are to be
// sent. One that it returns twice is sent twice; one that it leaves out counts
// as an attempt that failed. nil ends it.
func (s *Server) Disturb(f func(due []Delivery) []Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disturb = f
}

// Twice is for Disturb: every event is sent twice.
func Twice(due []Delivery) []Delivery { return append(due, due...) }

// Reversed is for Disturb: the last event is sent first.
func Reversed(due []Delivery) []Delivery {
	slices.Reverse(due)
	return due
}

// Dropped is for Disturb: no event arrives.
func Dropped([]Delivery) []Delivery { return nil }

// DeliverPending sends every event that is due by the clock once and returns
// how many the endpoint took. An endpoint that fails is no error.
func (s *Server) DeliverPending(ctx context.Context) (delivered int, err error) {
	s.delivering.Lock()
	defer s.delivering.Unlock()
	due, err := s.due(ctx)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	s.mu.Lock()
	disturb := s.disturb
	s.mu.Unlock()
	send := due
	if disturb != nil {
		send = disturb(slices.Clone(due))
	}
	for _, d := range due {
		if !slices.Contains(send, d) {
			if err := s.delivered(ctx, d, false); err != nil {
				return delivered, err
			}
		}
	}
	for _, d := range send {
		ok, err := s.deliver(ctx, d)
		if err == nil {
			err = s.delivered(ctx, d, ok)
		}
		if err != nil {
			return delivered, err
		}
		if ok {
			delivered++
		}
	}
	return delivered, nil
}

// due lists the events that are due, in the order in which they came about.
func (s *Server) due(ctx context.Context) ([]Delivery, error) {
	now := s.clock()
	var out []Delivery
	q := store.Query{Index: "outbox", To: store.TimeKey(now.Add(1))}
	err := s.payments.Each(ctx, q, func(rec store.Record[payment]) error {
		for _, e := range rec.Value.Events {
			if !e.Next.IsZero() && !e.Next.After(now) {
				out = append(out, Delivery{EventID: e.ID, Type: e.Type, created: e.Created, payment: rec.ID})
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Delivery) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.EventID, b.EventID))
	})
	return out, err
}

// deliver sends an event and reports whether the endpoint took it.
func (s *Server) deliver(ctx context.Context, d Delivery) (bool, error) {
	rec, err := s.payments.Get(ctx, d.payment)
	if err != nil {
		return false, err
	}
	body, err := json.MarshalIndent(rec.Value.object(d.EventID), "", "  ")
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opts.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	req.Header.Set("Stripe-Signature", Sign(body, s.opts.WebhookSecret, s.clock()))
	resp, err := s.client.Do(req)
	if err != nil {
		s.log.Warn("stripesim: event not delivered", "event", d.EventID, "type", d.Type, "error", err)
		return false, ctx.Err()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)) // lets the connection be used again
	_ = resp.Body.Close()
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	if !ok {
		s.log.Warn("stripesim: event refused", "event", d.EventID, "type", d.Type, "status", resp.StatusCode)
	}
	return ok, nil
}

// delivered notes the outcome of an attempt to send an event.
func (s *Server) delivered(ctx context.Context, d Delivery, ok bool) error {
	return s.change(context.WithoutCancel(ctx), d.payment, func(c change) error {
		i := slices.IndexFunc(c.Events, func(e event) bool { return e.ID == d.EventID })
		e := &c.Events[i]
		if e.Next.IsZero() { // a second copy; the first was taken
			return nil
		}
		e.Attempts++
		switch wait := backoff[min(e.Attempts, len(backoff))-1]; {
		case ok:
			e.Next = time.Time{}
		case c.now.Sub(e.Created) > deliverFor:
			e.Next, e.Failed = time.Time{}, true
		default:
			e.Next = c.now.Add(wait)
		}
		return nil
	})
}

// Sign returns the Stripe-Signature header of a body.
func Sign(body []byte, secret string, at time.Time) string {
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(webhook.ComputeSignature(at, body, secret)))
}
