package checkout

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/medtour/medtour/fault"
)

// reopenFor is how long after it was made an unpaid booking may still be paid
// at its old price.
const reopenFor = 24 * time.Hour

// urlMargin is the least time left on a payment page to which a patient is
// sent.
const urlMargin = time.Minute

// Limits of what the payment page shows, in characters (Stripe's own are 250
// and 1000).
const (
	maxTitle       = 200
	maxDescription = 300
)

var errFull = fault.New(fault.Conflict, "All places on this date are taken. Choose another date.").WithCode("full")

var errRoomFull = fault.New(fault.Conflict, "All rooms of this kind are taken on this date. Choose another room or another date.").WithCode("room_full")

// Book turns a quote into a booking: it claims a place and opens a payment
// page, to which Booking.PayURL sends the patient. A quote becomes one booking,
// however often Book is called; later calls return it as it is. PayURL is empty
// where the card processor does not answer; Pay tries again. Errors: Invalid
// with fields, NotFound and Gone of the quote, Forbidden for a treatment that
// is no longer sold, Conflict with code "full", or "room_full" where only the
// kind of room is taken.
func (s *Service) Book(ctx context.Context, quoteID string, p Patient) (Booking, error) {
	id := bookingID(quoteID)
	b, err := s.load(ctx, id)
	switch {
	case err == nil && b.State == StateExpired:
		if _, err := s.Pay(ctx, id); err != nil {
			return b, err
		}
		return s.load(ctx, id)
	case err == nil:
		return s.Settle(ctx, id)
	case !fault.Is(err, fault.NotFound):
		return Booking{}, err
	}
	q, err := s.GetQuote(ctx, quoteID)
	if err != nil {
		return Booking{}, err
	}
	if err := p.Validate(q.Companions); err != nil {
		return Booking{}, err
	}
	if err := s.bookable(ctx, q); err != nil {
		return Booking{}, err
	}
	if err := s.create(ctx, id, q, p); err != nil {
		return Booking{}, err
	}
	b, err = s.Settle(ctx, id)
	if err == nil && b.State == StateExpired && b.Reason == ReasonFull {
		err = s.noPlace(ctx, q)
	}
	return b, err
}

// noPlace is why no place could be claimed for a quote a moment ago.
func (s *Service) noPlace(ctx context.Context, q Quote) error {
	return cmp.Or(s.fullError(ctx, q), error(errFull))
}

// bookable refuses what may not be sold today, and a date without a place.
func (s *Service) bookable(ctx context.Context, q Quote) error {
	pkg, err := s.catalog.Packages.Get(ctx, q.PackageID)
	if fault.Is(err, fault.NotFound) {
		return fault.Wrap(fault.Gone, err, "This package is no longer offered.").WithCode("package_gone")
	}
	if err != nil {
		return err
	}
	o := offer{pkg: pkg}
	if err := s.medical(ctx, &o); err != nil {
		return err
	}
	if err := sellable(o.class); err != nil {
		return err
	}
	if closed, err := s.closed(ctx, q.StartKey); err != nil || closed {
		if err == nil {
			err = fault.New(fault.Gone, "This departure was closed. Choose another date.").WithCode("departure_closed")
		}
		return err
	}
	return s.fullError(ctx, q)
}

// fullError says that no place, or no room of its kind, is left for a quote;
// nil where both are.
func (s *Service) fullError(ctx context.Context, q Quote) error {
	start, err := s.capacity(ctx, q.StartKey)
	if err != nil {
		return err
	}
	if left, err := s.Places(ctx, start, ""); err != nil || left == 0 {
		return cmp.Or(err, error(errFull))
	}
	if _, limited := start.RoomCapacity[q.RoomID]; !limited {
		return nil
	}
	if left, err := s.Places(ctx, start, q.RoomID); err != nil || left == 0 {
		return cmp.Or(err, error(errRoomFull))
	}
	return nil
}

// create writes the first entry of a booking's log; the list view knows of it
// before. Somebody who was first is no error.
func (s *Service) create(ctx context.Context, id string, q Quote, p Patient) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	if err := s.mark(ctx, id); err != nil {
		return err
	}
	err := s.entries.Insert(ctx, entryID(id, 0), Entry{
		Kind: EntryCreated, At: s.now(), Actor: ActorPatient, Quote: &q, Patient: &p, Until: s.holdUntil(),
	})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// ActorPatient is the actor of what a patient does without signing in.
const ActorPatient = "patient"

func (s *Service) holdUntil() time.Time { return s.now().Add(s.cfg.HoldFor).Truncate(time.Second) }

// sessionParams are the parameters of a payment page. It ends with the hold,
// later where the processor would refuse so short a life.
func (s *Service) sessionParams(b Booking, attempt int) SessionParams {
	q := b.Quote
	success, cancel := s.cfg.ReturnURL(b.ID, q.Lang)
	offered := methods(s.cfg.Methods, s.cfg.Country, q, s.now())
	if slices.ContainsFunc(b.Timeline, func(e Entry) bool { return e.Kind == EntryAttemptFailed && e.Reason == ReasonRefused }) {
		// A wallet that the account has not enabled after all must not keep
		// anybody from paying.
		offered = []string{MethodCard}
	}
	return SessionParams{
		IdempotencyKey: fmt.Sprintf("%s:checkout:%d", b.ID, attempt),
		BookingID:      b.ID,
		Attempt:        attempt,
		Amount:         q.Deposit,
		Title:          cut(q.PackageName.Get(q.Lang), maxTitle),
		Description:    cut(b.Number+" · "+q.Start.Format(time.DateOnly)+" · "+q.Deposit.String(), maxDescription),
		Email:          b.Patient.Email,
		Locale:         locale(q.Lang),
		Methods:        offered,
		SuccessURL:     success,
		CancelURL:      cancel,
		ExpiresAt:      later(b.HoldUntil, s.now().Add(MinHoldFor).Truncate(time.Second)),
	}
}

func refundKey(booking string, n int) string { return fmt.Sprintf("%s:refund:%d", booking, n) }

// locales of Stripe's payment page by language of ours. It has no Arabic; auto
// follows the browser.
var locales = map[string]string{
	"en": "en", "zh": "zh", "zh-Hans": "zh", "zh-Hant": "zh-TW", "ru": "ru", "fr": "fr", "es": "es",
}

func locale(lang string) string {
	if l, ok := locales[lang]; ok {
		return l
	}
	return "auto"
}

func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit])
}

// Pay returns the address of the page on which a booking's deposit is paid: the
// open one, or that of a new attempt while a place is held or can be had again.
// Errors: NotFound; Conflict with code "paid", "pending", "full" or
// "room_full"; Gone with
// code "closed"; Forbidden for a treatment that is no longer sold; Unavailable
// when the card processor does not answer or refuses, to be tried again.
func (s *Service) Pay(ctx context.Context, id string) (string, error) {
	b, err := s.Settle(ctx, id)
	if err != nil {
		return "", err
	}
	if a := b.payable(); a != nil && a.Until.Sub(s.now()) > urlMargin {
		return a.URL, nil
	}
	if err := mayRetry(b, s.now()); err != nil {
		return "", err
	}
	if err := s.bookableAgain(ctx, b); err != nil {
		return "", err
	}
	b, err = s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		// Somebody else asks for the same: their attempt will do.
		if a := b.payable(); a != nil && a.Until.Sub(now) > urlMargin || b.starting() {
			return Entry{}, errDone
		}
		return Entry{Kind: EntryRetry, Actor: ActorPatient, Until: s.holdUntil()}, mayRetry(b, now)
	})
	switch {
	case err != nil:
		return "", err
	case b.PayURL != "":
		return b.PayURL, nil
	case b.State == StateExpired && b.Reason == ReasonFull:
		return "", s.noPlace(ctx, b.Quote)
	}
	return "", errSilent
}

var errSilent = fault.New(fault.Unavailable, "The payment page cannot be opened at the moment. Please try again in a minute.").WithCode("payment_unavailable")

func (s *Service) bookableAgain(ctx context.Context, b Booking) error {
	err := s.bookable(ctx, b.Quote)
	if b.Place > 0 && fault.Is(err, fault.Conflict) { // the booking's own place counts as taken
		return nil
	}
	return err
}

// mayRetry says why a booking cannot have another attempt to pay.
func mayRetry(b Booking, now time.Time) error {
	closed := func(message string) error { return fault.New(fault.Gone, "%s", message).WithCode("closed") }
	switch b.State {
	case StateAwaiting, StateConfirmed, StateCompleted:
		return fault.New(fault.Conflict, "The deposit has been paid.").WithCode("paid")
	case StateDeclined, StateCancelled:
		return closed("This booking has ended. Choose the package again to make a new one.")
	}
	if slices.ContainsFunc(b.Attempts, func(a Attempt) bool { return a.Status == AttemptPending }) {
		return fault.New(fault.Conflict, "A payment is under way. Its outcome will be shown here.").WithCode("pending")
	}
	switch {
	case b.starting():
		return errSilent
	case now.Sub(b.Created) > reopenFor || !b.Quote.Start.After(today(now)):
		return closed("This price is no longer valid. Choose the package again to see today's.")
	case b.started() >= maxAttempts:
		return closed("There were too many attempts to pay. Choose the package again to make a new booking.")
	}
	return nil
}

// starting reports whether an attempt to pay was asked for and its payment page
// is not open yet.
func (b *Booking) starting() bool {
	return b.State == StateHolding && b.started() < b.wanted || slices.ContainsFunc(b.Attempts, func(a Attempt) bool { return a.Status == AttemptStarted })
}

// Act says who does something to a booking, and why.
type Act struct {
	// Actor as the audit trail names them.
	Actor string
	// Reason in the actor's own words; may be empty.
	Reason string
}

// maxReason is the greatest length of a reason, in characters.
const maxReason = 1000

func (a Act) validate() error {
	var f fault.Fields
	if a.Actor == "" {
		f.Add("actor", "required", "say who does it")
	}
	line(&f, "actor", a.Actor, maxPersonName, false)
	line(&f, "reason", a.Reason, maxReason, true)
	return f.Err("This cannot be done.")
}

// errDone says that what was asked for has happened before.
var errDone = fault.New(fault.Conflict, "This has been done already.")

// act adds an entry by a person, decided on the log as it is, and settles what
// follows from it.
func (s *Service) act(ctx context.Context, id string, decide func(Booking, time.Time) (Entry, error)) (Booking, error) {
	b, err := s.load(ctx, id)
	if err != nil {
		return b, err
	}
	short, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	r := run{s: s, b: b}
	for {
		e, err := decide(r.b, s.now())
		if err == errDone {
			break
		}
		if err != nil {
			return r.b, err
		}
		seq := len(r.b.Timeline)
		won, err := r.append(short, e)
		if err != nil {
			return r.b, err
		}
		if won {
			break
		}
		if len(r.b.Timeline) <= seq {
			return r.b, fault.New(fault.Internal, "The log of the booking is damaged.")
		}
	}
	return s.Settle(ctx, id)
}

func refuse(code, message string) error {
	return fault.New(fault.Conflict, "%s", message).WithCode(code)
}

// Accept records that the hospital accepts the case, which confirms the
// booking. Errors: NotFound, Invalid, Conflict when it does not wait for an
// answer (any more).
func (s *Service) Accept(ctx context.Context, id string, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		switch {
		case b.State == StateConfirmed && !b.AnswerBy.IsZero():
			return Entry{}, errDone
		case b.State != StateAwaiting:
			return Entry{}, refuse("not_waiting", "This booking does not wait for an answer.")
		case !now.Before(b.AnswerBy):
			return Entry{}, refuse("answer_late", "The time to answer is over; the patient is refunded in full.")
		}
		return Entry{Kind: EntryAccepted, Actor: a.Actor, Reason: a.Reason}, nil
	})
}

// Decline records that the hospital, or the agency, cannot take the patient:
// the deposit goes back in full. A confirmed booking can be declined as well.
// Errors: NotFound, Invalid, Conflict.
func (s *Service) Decline(ctx context.Context, id string, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, _ time.Time) (Entry, error) {
		switch b.State {
		case StateDeclined:
			return Entry{}, errDone
		case StateAwaiting, StateConfirmed:
			return Entry{Kind: EntryDeclined, Actor: a.Actor, Reason: a.Reason}, nil
		}
		return Entry{}, refuse("not_waiting", "This booking can no longer be declined.")
	})
}

// Complete records that the journey has taken place, which makes the deposit
// payable. Errors: NotFound, Invalid, Conflict when the booking is not
// confirmed or has not begun.
func (s *Service) Complete(ctx context.Context, id string, a Act) (Booking, error) {
	if err := a.validate(); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		switch {
		case b.State == StateCompleted:
			return Entry{}, errDone
		case b.State != StateConfirmed:
			return Entry{}, refuse("not_confirmed", "Only a confirmed booking can be completed.")
		case b.Quote.Start.After(today(now)):
			return Entry{}, refuse("not_begun", "The journey has not begun yet.")
		}
		return Entry{Kind: EntryCompleted, Actor: a.Actor, Reason: a.Reason}, nil
	})
}
