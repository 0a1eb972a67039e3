package checkout

import (
	"context"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// doneEvent notes that an event had its effect. It is written after the
// effect: an event that is delivered again in between does the same once more,
// which changes nothing.
type doneEvent struct {
	Type string    `json:"type"`
	At   time.Time `json:"at"`
}

// keepEvents is how long an event is remembered. Stripe delivers one for three
// days at most.
const keepEvents = 30 * 24 * time.Hour

var eventsDef = store.Def[doneEvent]{
	Name:    "checkout_events",
	Indexes: []store.Index{{Name: "at"}},
	Keys:    func(e doneEvent) map[string]string { return map[string]string{"at": store.TimeKey(e.At)} },
}

// HandleWebhook takes an event of the card processor: it settles the booking
// that the event is about. The event itself decides nothing. An event about
// what checkout does not know is logged and taken. Errors: Unauthorized for a
// bad signature, Invalid, TooLarge; any other asks for another delivery.
func (s *Service) HandleWebhook(ctx context.Context, body []byte, signature string) error {
	ev, err := s.pay.ParseEvent(body, signature)
	if err != nil || !ev.Known {
		return err
	}
	if _, err := s.events.Get(ctx, ev.ID); err == nil || !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := s.handle(ctx, ev); err != nil {
		return err
	}
	return s.done(ctx, ev)
}

// done notes that an event had its effect.
func (s *Service) done(ctx context.Context, ev Event) error {
	err := s.events.Insert(ctx, ev.ID, doneEvent{Type: ev.Type, At: s.now()})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

func (s *Service) handle(ctx context.Context, ev Event) error {
	id, err := s.bookingOf(ctx, ev)
	if err != nil {
		return err
	}
	if id == "" {
		s.log.WarnContext(ctx, "checkout: event about something unknown", "event", ev.ID, "type", ev.Type,
			"booking", clip(ev.BookingID), "session", ev.SessionID, "payment", ev.PaymentID)
		return s.unknown(ctx, ev.PaymentID, ev.Type, &Findings{Begun: s.now()})
	}
	l := look{session: ev.SessionID}
	if ev.SessionID == "" {
		l.payment = ev.PaymentID
		// Nothing in the log asks for a look at the payment: should this process
		// die, the worker will, and not only once the event is sent again.
		if err := s.mark(ctx, id); err != nil {
			return err
		}
	}
	_, err = s.run(ctx, id, l)
	return err
}

// bookingOf finds the booking that an event is about; empty without one.
func (s *Service) bookingOf(ctx context.Context, ev Event) (string, error) {
	if validID(ev.BookingID) {
		_, err := s.entries.Get(ctx, entryID(ev.BookingID, 0))
		if err == nil {
			return ev.BookingID, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return "", err
		}
	}
	if ev.PaymentID == "" {
		return "", nil
	}
	page, err := s.entries.Find(ctx, store.Query{Index: "payment", Equal: ev.PaymentID, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return "", err
	}
	return page.Items[0].ID[:len(page.Items[0].ID)-len(entryID("", 0))], nil
}
