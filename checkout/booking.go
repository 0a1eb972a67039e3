package checkout

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// State is where a booking stands. Refunds and disputes are facts beside it.
type State string

const (
	// StateHolding: a place is held, or being looked for, and the deposit is
	// not paid.
	StateHolding State = "holding"
	// StateExpired: not paid in time, or no place was left.
	StateExpired State = "expired"
	// StateAwaiting: paid, and the hospital has still to answer. Nothing is
	// confirmed.
	StateAwaiting State = "awaiting-hospital"
	// StateConfirmed: paid, and accepted where that is needed.
	StateConfirmed State = "confirmed"
	// StateDeclined: declined by the hospital or not answered; refunded in
	// full.
	StateDeclined State = "declined"
	// StateCancelled: cancelled by or for the patient under the policy.
	StateCancelled State = "cancelled"
	// StateCompleted: the journey took place.
	StateCompleted State = "completed"
)

// States lists all states in the order of a booking's life.
var States = []State{StateHolding, StateExpired, StateAwaiting, StateConfirmed, StateDeclined, StateCancelled, StateCompleted}

// over reports whether a booking in the state needs no place any more.
func (s State) over() bool { return s == StateExpired || s == StateDeclined || s == StateCancelled }

// EntryKind says what an entry of the log states.
type EntryKind string

// The kinds of entries, with the fields that they use.
const (
	// EntryCreated: Quote, Patient, Until (of the hold).
	EntryCreated EntryKind = "created"
	// EntryPlaceClaimed: Place, RoomPlace where the room is limited.
	EntryPlaceClaimed EntryKind = "place-claimed"
	// EntryPlaceReleased: Place; StartKey for the one that a move has left.
	EntryPlaceReleased EntryKind = "place-released"
	// EntryRetry asks for another attempt to pay: Until.
	EntryRetry EntryKind = "retry"
	// EntryAttempt: Attempt, Session. Written before the call.
	EntryAttempt EntryKind = "attempt"
	// EntrySessionOpened: Attempt, SessionID, URL, Until.
	EntrySessionOpened EntryKind = "session-opened"
	// EntryAttemptFailed: Attempt, Reason. The payment page could not be
	// opened; Unknown where it may exist nevertheless.
	EntryAttemptFailed EntryKind = "attempt-failed"
	// EntrySessionPending: SessionID. The payer is done, the money is under
	// way.
	EntrySessionPending EntryKind = "payment-pending"
	// EntrySessionFailed: SessionID. The money did not come.
	EntrySessionFailed EntryKind = "payment-failed"
	// EntrySessionExpired: SessionID.
	EntrySessionExpired EntryKind = "session-expired"
	// EntryPaid: SessionID, PaymentID, Amount.
	EntryPaid EntryKind = "paid"
	// EntryPaymentRejected: PaymentID, Reason. It goes back in full.
	EntryPaymentRejected EntryKind = "payment-rejected"
	// EntryExpired: Reason, one of ReasonUnpaid and ReasonFull.
	EntryExpired EntryKind = "expired"
	// EntryAccepted: Actor.
	EntryAccepted EntryKind = "accepted"
	// EntryDeclined: Actor, Reason; ReasonSilence for no answer of the hospital,
	// ReasonIncomplete for none of the patient.
	EntryDeclined EntryKind = "declined"
	// EntryCancelled: Actor, Reason, Cause, Amount (to be refunded).
	EntryCancelled EntryKind = "cancelled"
	// EntryPayoutRequested: Actor, Payout, To (an organisation), Method,
	// AccountID, PaymentID, Amount. Written before the call.
	EntryPayoutRequested EntryKind = "payout-requested"
	// EntryPayoutSent: Actor, Payout, Reference.
	EntryPayoutSent EntryKind = "payout-sent"
	// EntryPayoutFailed: Actor, Payout, Reason.
	EntryPayoutFailed EntryKind = "payout-failed"
	// EntryReversalRequested: Payout, Reversal, To, Amount. Written before the
	// call.
	EntryReversalRequested EntryKind = "reversal-requested"
	// EntryReversalSent: Payout, Reversal, Reference.
	EntryReversalSent EntryKind = "reversal-sent"
	// EntryReversalFailed: Payout, Reversal, Reason.
	EntryReversalFailed EntryKind = "reversal-failed"
	// EntryReversalFound: Payout, Reference, Amount. One that was made elsewhere.
	EntryReversalFound EntryKind = "reversal-found"
	// EntryResolved: Actor, Reason, Item, Method (a remedy); Reference, PaymentID
	// and Amount where it is about a refund.
	EntryResolved EntryKind = "resolved"
	// EntryAsked: Actor, Text, Until (to reply).
	EntryAsked EntryKind = "asked"
	// EntryReplied: Actor, Text.
	EntryReplied EntryKind = "replied"
	// EntryReminded: To, Until (the deadline), Attempt (which reminder of it).
	EntryReminded EntryKind = "reminded"
	// EntryEstimated: Actor, Amount, Until (to leave with a full refund).
	EntryEstimated EntryKind = "estimated"
	// EntryDepartureClosed: Actor, Reason, StartKey, Until (to move).
	EntryDepartureClosed EntryKind = "departure-closed"
	// EntryMoveAsked: Actor, Quote (its next revision).
	EntryMoveAsked EntryKind = "move-asked"
	// EntryMoved: Place, RoomPlace. The quote of EntryMoveAsked holds from here on.
	EntryMoved EntryKind = "moved"
	// EntryMoveFailed: Reason.
	EntryMoveFailed EntryKind = "move-failed"
	// EntryCompleted: Actor.
	EntryCompleted EntryKind = "completed"
	// EntryRefundRequested: Refund, PaymentID, Amount. Written before the
	// call.
	EntryRefundRequested EntryKind = "refund-requested"
	// EntryRefundSent: Refund, RefundID, Status.
	EntryRefundSent EntryKind = "refund-sent"
	// EntryRefundRefused: Refund, Reason.
	EntryRefundRefused EntryKind = "refund-refused"
	// EntryRefundFound: RefundID, PaymentID, Amount, Status. A refund that was
	// made elsewhere.
	EntryRefundFound EntryKind = "refund-found"
	// EntryRefundUpdated: RefundID, Status, Reason.
	EntryRefundUpdated EntryKind = "refund-updated"
	// EntryDisputeOpened: DisputeID, PaymentID, Amount, Status, Reason.
	EntryDisputeOpened EntryKind = "dispute-opened"
	// EntryDisputeUpdated: DisputeID, Status.
	EntryDisputeUpdated EntryKind = "dispute-updated"
	// EntryDisputeClosed: DisputeID, Status.
	EntryDisputeClosed EntryKind = "dispute-closed"
)

// Reasons that checkout itself writes into entries.
const (
	ReasonUnpaid     = "unpaid"
	ReasonFull       = "full"
	ReasonSilence    = "no-answer"
	ReasonIncomplete = "incomplete"
	ReasonAmount     = "amount-differs"
	ReasonDuplicate  = "paid-twice"
	ReasonClosed     = "booking-closed"
	ReasonPlaceGone  = "place-gone"
	ReasonRefused    = "refused"
	ReasonNoAnswer   = "processor-silent"
	ReasonOutOfTime  = "out-of-time"
	ReasonNothingDue = "nothing-due"
)

// ActorSystem is the actor of what checkout does by itself.
const ActorSystem = "system"

// Entry is one fact about a booking. Entries are never changed.
type Entry struct {
	Seq  int64     `json:"seq"`
	Kind EntryKind `json:"kind"`
	At   time.Time `json:"at"`
	// Actor is who did it, as the caller of an act names them.
	Actor  string        `json:"actor"`
	Reason string        `json:"reason,omitempty"`
	Cause  catalog.Cause `json:"cause,omitempty"`

	Quote   *Quote    `json:"quote,omitempty"`
	Patient *Patient  `json:"patient,omitempty"`
	Until   time.Time `json:"until,omitzero"`

	Place     int            `json:"place,omitempty"`
	RoomPlace int            `json:"room_place,omitempty"`
	StartKey  string         `json:"start_key,omitempty"`
	Text      string         `json:"text,omitempty"`
	To        string         `json:"to,omitempty"`
	Attempt   int            `json:"attempt,omitempty"`
	Session   *SessionParams `json:"session,omitempty"`
	SessionID string         `json:"session_id,omitempty"`
	URL       string         `json:"url,omitempty"`
	Unknown   bool           `json:"unknown,omitempty"`

	PaymentID string         `json:"payment_id,omitempty"`
	Amount    *catalog.Money `json:"amount,omitempty"`
	Refund    int            `json:"refund,omitempty"`
	RefundID  string         `json:"refund_id,omitempty"`
	DisputeID string         `json:"dispute_id,omitempty"`
	Payout    int            `json:"payout,omitempty"`
	Reversal  int            `json:"reversal,omitempty"`
	AccountID string         `json:"account_id,omitempty"`
	Method    string         `json:"method,omitempty"`
	Reference string         `json:"reference,omitempty"`
	Item      string         `json:"item,omitempty"`
	Status    string         `json:"status,omitempty"`
}

var entriesDef = store.Def[Entry]{
	Name:    "checkout_log",
	Indexes: []store.Index{{Name: "payment"}},
	Keys: func(e Entry) map[string]string {
		switch e.Kind {
		case EntryPaid:
			return map[string]string{"payment": e.PaymentID}
		case EntryPayoutSent: // the transfer, of which an event or a transaction may tell
			return map[string]string{"payment": e.Reference}
		}
		return nil
	},
}

func entryID(booking string, seq int64) string { return booking + "/" + store.SeqKey(seq) }

// Patient is who travels.
type Patient struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	// Country of residence, ISO 3166-1 alpha-2; may be empty.
	Country        string   `json:"country,omitempty"`
	Note           string   `json:"note,omitempty"`
	CompanionNames []string `json:"companion_names,omitempty"`
}

// Limits of a patient's details, in characters; the e-mail address in bytes
// (RFC 5321).
const (
	maxPersonName = 120
	maxNote       = 2000
	maxEmail      = 254
)

// Validate trims the details and refuses what is wrong with them, with a fault
// for every field. companions is the number in the quote; their names may be
// given later.
func (p *Patient) Validate(companions int) error {
	var f fault.Fields
	p.Name, p.Email, p.Note = strings.TrimSpace(p.Name), strings.TrimSpace(p.Email), strings.TrimSpace(p.Note)
	p.Country = strings.ToUpper(strings.TrimSpace(p.Country))
	if p.Name == "" {
		f.Add("name", "required", "give the name as in the passport")
	}
	line(&f, "name", p.Name, maxPersonName, false)
	if p.Email == "" {
		f.Add("email", "required", "give an e-mail address")
	} else if a, err := mail.ParseAddress(p.Email); err != nil || a.Address != p.Email || len(p.Email) > maxEmail ||
		!strings.Contains(p.Email[strings.LastIndex(p.Email, "@")+1:], ".") {
		f.Add("email", "email", "give an e-mail address such as name@example.org")
	}
	if p.Country != "" {
		if r, err := language.ParseRegion(p.Country); err != nil || !r.IsCountry() || len(p.Country) != 2 {
			f.Add("country", "country", "use an ISO 3166-1 code of two letters")
		}
	}
	line(&f, "note", p.Note, maxNote, true)
	p.CompanionNames = slices.DeleteFunc(slices.Clone(p.CompanionNames), func(s string) bool { return strings.TrimSpace(s) == "" })
	if len(p.CompanionNames) > companions {
		f.Add("companion_names", "too_many", "at most %d, as in the quote", companions)
	}
	for i, n := range p.CompanionNames {
		line(&f, fmt.Sprintf("companion_names[%d]", i), n, maxPersonName, false)
	}
	return f.Err("Some of the details are missing or wrong.")
}

func line(f *fault.Fields, field, s string, limit int, breaks bool) {
	switch {
	case !utf8.ValidString(s):
		f.Add(field, "utf8", "must be UTF-8 text")
	case utf8.RuneCountInString(s) > limit:
		f.Add(field, "too_long", "at most %d characters", limit)
	case strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && !(breaks && (r == '\n' || r == '\r' || r == '\t')) || r == 0x7f
	}):
		f.Add(field, "control", "must not contain control characters")
	}
}

// AttemptStatus is where an attempt to pay stands.
type AttemptStatus string

const (
	// AttemptStarted: written down; the payment page is not known yet.
	AttemptStarted AttemptStatus = "started"
	// AttemptUnknown: given up, but the payment page may exist. Nobody knows
	// its address; it can be paid until Until at the latest.
	AttemptUnknown AttemptStatus = "unknown"
	// AttemptOpen: the page can be paid.
	AttemptOpen AttemptStatus = "open"
	// AttemptPending: done by the payer, the money is under way.
	AttemptPending AttemptStatus = "pending"
	// AttemptPaid: the money has come.
	AttemptPaid AttemptStatus = "paid"
	// AttemptFailed: the page could not be opened or the money did not come.
	AttemptFailed AttemptStatus = "failed"
	// AttemptExpired: the page can no longer be paid.
	AttemptExpired AttemptStatus = "expired"
)

// Attempt is an attempt to pay the deposit.
type Attempt struct {
	Number    int
	Status    AttemptStatus
	Params    SessionParams
	SessionID string
	URL       string
	Started   time.Time
	// Until is when the payment page ends at the latest.
	Until time.Time
}

// PaymentStatus says what became of money that came.
type PaymentStatus string

const (
	// PaymentUndecided: it has come when no place was held; one is looked for.
	PaymentUndecided PaymentStatus = "undecided"
	// PaymentAccepted: it is the deposit.
	PaymentAccepted PaymentStatus = "accepted"
	// PaymentRejected: it goes back in full, whatever happens to the booking.
	PaymentRejected PaymentStatus = "rejected"
)

// Payment is money that came.
type Payment struct {
	ID     string
	Amount catalog.Money
	Status PaymentStatus
	// Reason of a rejection.
	Reason string
	At     time.Time
}

// RefundRecord is money on its way back.
type RefundRecord struct {
	// Number counts the refunds of a booking from 1; 0 for one made elsewhere.
	Number    int
	PaymentID string
	Amount    catalog.Money
	// ID at the processor, empty until it is known.
	ID string
	// Status is empty until the processor has answered, and failed for one
	// that it refused.
	Status RefundStatus
	Reason string
	// At is when it was asked for, Changed when it last changed.
	At      time.Time
	Changed time.Time
}

// lost reports whether the refund came to nothing.
func (r RefundRecord) lost() bool { return r.Status == RefundFailed || r.Status == RefundCanceled }

// DisputeRecord is a payment contested by the card holder.
type DisputeRecord struct {
	ID        string
	PaymentID string
	Amount    catalog.Money
	Status    DisputeStatus
	Reason    string
	Open      bool
	At        time.Time
}

// Booking is the fold over a booking's log.
type Booking struct {
	ID string
	// Number is the human receipt number.
	Number  string
	Quote   Quote
	Patient Patient
	State   State
	// Reason and Cause of the last change of State, where it has one.
	Reason string
	Cause  catalog.Cause
	// Created is when the booking was made.
	Created time.Time
	// HoldUntil is when an unpaid place is given up.
	HoldUntil time.Time
	// PaidAt is when the deposit came; AnswerBy when the hospital must have
	// answered. Zero where there is none.
	PaidAt   time.Time
	AnswerBy time.Time
	// Paid, Refunded (done) and RefundPending (owed or on its way) in the
	// currency of the quote, over all payments.
	Paid          catalog.Money
	Refunded      catalog.Money
	RefundPending catalog.Money
	// RefundStatus is empty without refunds; failed when a person must look.
	RefundStatus RefundStatus
	Attempts     []Attempt
	Payments     []Payment
	Refunds      []RefundRecord
	Disputes     []DisputeRecord
	Payouts      []Payout
	// Place is the number of the held place, 0 without one.
	Place int
	// RoomPlace is the number of the held room of the quote's kind, 0 where
	// there is no limit for it.
	RoomPlace int
	// Question is what the hospital has asked and the patient has not answered;
	// AnswerBy is then the latest that the hospital's answer can come.
	Question *Question
	// Estimates of the hospital, oldest first; AcceptedEstimate is the one that
	// later ones are compared with, nil without one.
	Estimates        []Estimate
	AcceptedEstimate *catalog.Money
	// FreeExitUntil is until when CauseRevisedPlan pays back everything.
	FreeExitUntil time.Time
	// Closed is set when the departure was closed, until the booking is moved.
	Closed *ClosedDeparture
	// Moving is the quote after a move that is under way.
	Moving *Quote
	// PayURL is where the patient pays; empty when there is nothing to pay.
	PayURL string
	// Timeline is the log itself.
	Timeline []Entry

	// placeSeq is the entry that made the claim good.
	placeSeq int64
	// clock is when the deadline that runs was set, reminded the number of its
	// last reminder.
	clock     time.Time
	reminded  int
	questions int
	lastReply string
	// forgiven has the number of the last refund of a payment after which a
	// person has asked for another.
	forgiven map[string]int
	// left are the places that moves have left and that are still claimed.
	left []claimRef
	// moved is set once the booking was moved.
	moved bool
	// wanted is the number of the last attempt to pay that was asked for.
	wanted int
	// refundOnCancel is what a cancellation pays back of the deposit.
	refundOnCancel catalog.Money
}

// number derives the receipt number. It tells nothing of the id, which opens
// the booking.
func number(id string, created time.Time) string {
	return fmt.Sprintf("MT-%d-%s", created.In(catalog.Shanghai).Year(), strings.ToUpper(derive("number", id)[:8]))
}

// fold computes a booking from its log. It is pure; entries are in order from
// seq 0 without gaps.
func fold(id string, entries []Entry) Booking {
	b := Booking{ID: id}
	for _, e := range entries {
		b.apply(e)
	}
	b.Timeline = entries
	b.total()
	return b
}

func (b *Booking) apply(e Entry) {
	switch e.Kind {
	case EntryCreated:
		b.Number, b.Created = number(b.ID, e.At), e.At
		b.Quote, b.Patient = *e.Quote, *e.Patient
		b.State, b.HoldUntil, b.wanted = StateHolding, e.Until, 1
	case EntryRetry:
		b.State, b.Reason, b.wanted = StateHolding, "", b.started()+1
		b.HoldUntil = later(b.HoldUntil, e.Until)
	case EntryPlaceClaimed:
		b.Place, b.RoomPlace, b.placeSeq = e.Place, e.RoomPlace, e.Seq
		if i := b.undecided(); i >= 0 {
			b.accept(i, e.At)
		}
	case EntryPlaceReleased:
		b.released(e)
	case EntryExpired:
		b.State, b.Reason = StateExpired, e.Reason
	case EntryAccepted:
		b.State, b.Reason, b.Question = StateConfirmed, e.Reason, nil
	case EntryDeclined:
		b.State, b.Reason, b.Cause = StateDeclined, e.Reason, catalog.CauseDeclined
		b.Moving, b.Question = nil, nil
	case EntryCancelled:
		b.State, b.Reason, b.Cause, b.refundOnCancel = StateCancelled, e.Reason, e.Cause, *e.Amount
		b.Moving, b.Question = nil, nil
	case EntryCompleted:
		b.State, b.Reason, b.Moving = StateCompleted, e.Reason, nil
	case EntryEstimated:
		b.estimated(e)
	case EntryAsked, EntryReplied, EntryReminded:
		b.applyAnswer(e)
	case EntryPayoutRequested, EntryPayoutSent, EntryPayoutFailed,
		EntryReversalRequested, EntryReversalSent, EntryReversalFailed, EntryReversalFound:
		b.applyPayout(e)
	case EntryResolved:
		b.applyResolved(e)
	case EntryDepartureClosed:
		b.closed(e)
	case EntryMoveAsked:
		b.Moving = e.Quote
	case EntryMoved:
		b.move(e)
	case EntryMoveFailed:
		b.Moving = nil
	default:
		b.applyMoney(e)
	}
}

func (b *Booking) released(e Entry) {
	if e.StartKey == "" {
		b.Place, b.RoomPlace, b.placeSeq = 0, 0, 0
		return
	}
	b.left = slices.DeleteFunc(slices.Clone(b.left), func(c claimRef) bool { return c.pool == e.StartKey && c.place == e.Place })
}

func (b *Booking) closed(e Entry) {
	if b.Moving != nil && b.Moving.StartKey == e.StartKey {
		b.Moving = nil
	}
	if b.Quote.StartKey == e.StartKey {
		b.Closed = &ClosedDeparture{Until: e.Until, Reason: e.Reason, At: e.At}
	}
}

// applyMoney is the part of apply that is about attempts, payments, refunds
// and disputes.
func (b *Booking) applyMoney(e Entry) {
	switch e.Kind {
	case EntryAttempt:
		b.Attempts = append(b.Attempts, Attempt{Number: e.Attempt, Status: AttemptStarted, Params: *e.Session,
			Started: e.At, Until: e.Session.ExpiresAt})
		b.HoldUntil = later(b.HoldUntil, e.Session.ExpiresAt)
	case EntrySessionOpened:
		b.opened(e)
	case EntryAttemptFailed:
		for i := range b.Attempts {
			if a := &b.Attempts[i]; a.Number == e.Attempt && a.SessionID == "" {
				a.Status = AttemptFailed
				if e.Unknown {
					a.Status = AttemptUnknown
				}
			}
		}
	case EntrySessionPending:
		b.session(e.SessionID, AttemptPending)
	case EntrySessionFailed:
		b.session(e.SessionID, AttemptFailed)
	case EntrySessionExpired:
		b.session(e.SessionID, AttemptExpired)
	case EntryPaid:
		b.session(e.SessionID, AttemptPaid)
		b.Payments = append(b.Payments, Payment{ID: e.PaymentID, Amount: *e.Amount, Status: PaymentUndecided, At: e.At})
		i := len(b.Payments) - 1
		if b.State == StateHolding && b.Place > 0 && b.mismatch(b.Payments[i]) == "" {
			b.accept(i, e.At)
		}
	case EntryPaymentRejected:
		for i := range b.Payments {
			if p := &b.Payments[i]; p.ID == e.PaymentID && p.Status == PaymentUndecided {
				p.Status, p.Reason = PaymentRejected, e.Reason
			}
		}
	case EntryRefundRequested:
		b.Refunds = append(b.Refunds, RefundRecord{Number: e.Refund, PaymentID: e.PaymentID, Amount: *e.Amount, At: e.At, Changed: e.At})
	case EntryRefundFound:
		b.Refunds = append(b.Refunds, RefundRecord{PaymentID: e.PaymentID, Amount: *e.Amount, ID: e.RefundID,
			Status: RefundStatus(e.Status), Reason: e.Reason, At: e.At, Changed: e.At})
	case EntryRefundSent, EntryRefundRefused, EntryRefundUpdated:
		b.refunded(e)
	case EntryDisputeOpened:
		b.Disputes = append(b.Disputes, DisputeRecord{ID: e.DisputeID, PaymentID: e.PaymentID, Amount: *e.Amount,
			Status: DisputeStatus(e.Status), Reason: e.Reason, Open: true, At: e.At})
	case EntryDisputeUpdated, EntryDisputeClosed:
		for i := range b.Disputes {
			if d := &b.Disputes[i]; d.ID == e.DisputeID {
				d.Status, d.Open = DisputeStatus(e.Status), e.Kind == EntryDisputeUpdated
			}
		}
	}
}

// opened notes the payment page of an attempt. A second page of one attempt,
// which the processor should never make, is an attempt of its own.
func (b *Booking) opened(e Entry) {
	i := slices.IndexFunc(b.Attempts, func(a Attempt) bool { return a.Number == e.Attempt && a.SessionID == "" })
	if i < 0 {
		b.Attempts = append(b.Attempts, Attempt{Number: e.Attempt, Started: e.At})
		i = len(b.Attempts) - 1
	}
	a := &b.Attempts[i]
	a.Status, a.SessionID, a.URL, a.Until = AttemptOpen, e.SessionID, e.URL, e.Until
}

func (b *Booking) session(id string, status AttemptStatus) {
	for i := range b.Attempts {
		if a := &b.Attempts[i]; a.SessionID == id {
			a.Status = status
		}
	}
}

func (b *Booking) refunded(e Entry) {
	for i := range b.Refunds {
		r := &b.Refunds[i]
		switch {
		case e.Kind == EntryRefundUpdated && r.ID == e.RefundID:
			r.Status, r.Reason, r.Changed = RefundStatus(e.Status), e.Reason, e.At
		case e.Kind == EntryRefundSent && r.Number == e.Refund:
			r.ID, r.Status, r.Reason, r.Changed = e.RefundID, RefundStatus(e.Status), e.Reason, e.At
		case e.Kind == EntryRefundRefused && r.Number == e.Refund:
			r.Status, r.Reason, r.Changed = RefundFailed, e.Reason, e.At
		}
	}
}

// mismatch says why a payment cannot be the deposit, whatever places there
// are; empty when it can.
func (b *Booking) mismatch(p Payment) string {
	switch {
	case p.Amount != b.Quote.Deposit:
		return ReasonAmount
	case b.deposit() >= 0:
		return ReasonDuplicate
	case b.State != StateHolding && b.State != StateExpired:
		return ReasonClosed
	}
	return ""
}

// accept makes a payment the deposit.
func (b *Booking) accept(i int, at time.Time) {
	b.Payments[i].Status = PaymentAccepted
	b.PaidAt, b.Reason = at, ""
	if b.Quote.BookingClass == catalog.Instant {
		b.State = StateConfirmed
		return
	}
	b.State = StateAwaiting
	b.startClock(at)
}

// undecided returns the first payment that still needs a decision and could be
// the deposit, -1 without one.
func (b *Booking) undecided() int {
	return slices.IndexFunc(b.Payments, func(p Payment) bool { return p.Status == PaymentUndecided && b.mismatch(p) == "" })
}

// deposit returns the accepted payment, -1 without one.
func (b *Booking) deposit() int {
	return slices.IndexFunc(b.Payments, func(p Payment) bool { return p.Status == PaymentAccepted })
}

// total computes what follows from the rest.
func (b *Booking) total() {
	zero := catalog.Money{Currency: b.Quote.Deposit.Currency}
	b.Paid, b.Refunded, b.RefundPending = zero, zero, zero
	for _, p := range b.Payments {
		if p.Amount.Currency != zero.Currency {
			continue
		}
		m := b.moneyOf(p)
		b.Paid = b.Paid.Add(p.Amount)
		b.Refunded.Amount += m.refunded
		b.RefundPending.Amount += m.underWay + m.owed
	}
	b.RefundStatus = b.refundStatus()
	b.PayURL = ""
	if a := b.payable(); a != nil {
		b.PayURL = a.URL
	}
}

// payable returns the latest attempt whose page the patient can pay.
func (b *Booking) payable() *Attempt {
	for i := len(b.Attempts) - 1; i >= 0; i-- {
		if a := &b.Attempts[i]; b.State == StateHolding && b.Place > 0 && a.Status == AttemptOpen {
			return a
		}
	}
	return nil
}

func (b *Booking) refundStatus() RefundStatus {
	var status RefundStatus
	for _, p := range b.Payments {
		m := b.moneyOf(p)
		switch {
		case m.owed > 0 && m.failures >= maxRefundTries:
			return RefundFailed
		case m.owed+m.underWay > 0:
			status = RefundPending
		case m.refunded > 0 && status == "":
			status = RefundSucceeded
		}
	}
	return status
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// load reads a booking's log. Errors: NotFound.
func (s *Service) load(ctx context.Context, id string) (Booking, error) {
	unknown := fault.New(fault.NotFound, "There is no such booking.").WithCode("booking_unknown")
	if !validID(id) {
		return Booking{}, unknown
	}
	var entries []Entry
	q := store.PrefixQuery(id + "/")
	q.Limit = store.MaxPage
	err := s.entries.Each(ctx, q, func(rec store.Record[Entry]) error {
		if rec.Value.Seq != int64(len(entries)) {
			return fmt.Errorf("checkout: entry %s where seq %d is expected", rec.ID, len(entries))
		}
		entries = append(entries, rec.Value)
		return nil
	})
	if err != nil {
		return Booking{}, err
	}
	if len(entries) == 0 {
		return Booking{}, unknown
	}
	return fold(id, entries), nil
}

// Booking returns a booking as its log says. Errors: NotFound.
func (s *Service) Booking(ctx context.Context, id string) (Booking, error) { return s.load(ctx, id) }
