package stripesim

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/store"
)

// payment is everything that grows out of one checkout session: the session,
// its payment intent and charge, refunds, disputes, balance transactions and
// the events about them with their delivery. It is one document, so that a
// change and the event that announces it are stored together or not at all.
//
// Ids are a prefix of Stripe's, the payment's own id and, where there can be
// several, a number: cs_test_X, pi_X, ch_X, re_X001. Whatever id a request
// names, the document is found by it.
type payment struct {
	ID           string        `json:"id"`
	Session      session       `json:"session"`
	Intent       *intent       `json:"intent,omitempty"`
	Charge       *charge       `json:"charge,omitempty"`
	Refunds      []refund      `json:"refunds,omitempty"`
	Disputes     []dispute     `json:"disputes,omitempty"`
	Transactions []transaction `json:"transactions,omitempty"`
	Events       []event       `json:"events,omitempty"`
	// Attempt is what the payer has entered and has yet to authenticate, or
	// what is being processed.
	Attempt *attempt `json:"attempt,omitempty"`
	// Later are the changes that time will bring.
	Later []later `json:"later,omitempty"`
}

type session struct {
	Status        string            `json:"status"`
	Paid          bool              `json:"paid"`
	Created       time.Time         `json:"created"`
	ExpiresAt     time.Time         `json:"expires_at"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	Title         string            `json:"title"`
	Description   string            `json:"description,omitempty"`
	Reference     string            `json:"reference,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Intent        intentData        `json:"intent"`
	Locale        string            `json:"locale,omitempty"`
	Methods       []string          `json:"methods"`
	SubmitType    string            `json:"submit_type,omitempty"`
	SuccessURL    string            `json:"success_url"`
	CancelURL     string            `json:"cancel_url,omitempty"`
	CustomerEmail string            `json:"customer_email,omitempty"`
	// URL of the payment page.
	URL string `json:"url"`
	// ExpiredBy is the request that expired the session, so that its repetition
	// after a crash is no error.
	ExpiredBy string `json:"expired_by,omitempty"`
}

// intentData are the session's parameters for the payment intent to come.
type intentData struct {
	Description   string            `json:"description,omitempty"`
	TransferGroup string            `json:"transfer_group,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

type intent struct {
	Status  string    `json:"status"`
	Created time.Time `json:"created"`
	// Failure is the last error of a payment, nil after a success.
	Failure *decline `json:"failure,omitempty"`
}

// decline is why a payment did not go through, in Stripe's codes.
type decline struct {
	Code        string `json:"code"`
	DeclineCode string `json:"decline_code,omitempty"`
	Message     string `json:"message"`
}

type charge struct {
	Created time.Time `json:"created"`
	By      attempt   `json:"by"`
}

// attempt is how somebody pays. Of a card only the number of one of the test
// cards is kept, never what was typed.
type attempt struct {
	// Method is card, alipay or wechat_pay.
	Method string `json:"method"`
	Card   string `json:"card,omitempty"`
	Email  string `json:"email,omitempty"`
	Name   string `json:"name,omitempty"`
}

type refund struct {
	ID            string            `json:"id"`
	Amount        int64             `json:"amount"`
	Status        string            `json:"status"`
	Reason        string            `json:"reason,omitempty"`
	FailureReason string            `json:"failure_reason,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Created       time.Time         `json:"created"`
	// Request that made the refund, so that its repetition after a crash finds
	// it.
	Request       string `json:"request"`
	Transaction   string `json:"transaction"`
	FailedReverse string `json:"failed_reverse,omitempty"`
}

type dispute struct {
	ID           string    `json:"id"`
	Amount       int64     `json:"amount"`
	Status       string    `json:"status"`
	Reason       string    `json:"reason"`
	Created      time.Time `json:"created"`
	Transactions []string  `json:"transactions"`
}

type transaction struct {
	ID string `json:"id"`
	// Type and Category as Stripe names them.
	Type     string    `json:"type"`
	Category string    `json:"category"`
	Amount   int64     `json:"amount"`
	Source   string    `json:"source"`
	Created  time.Time `json:"created"`
}

type event struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Created time.Time       `json:"created"`
	Object  json.RawMessage `json:"object"`
	// Attempts to deliver it so far.
	Attempts int `json:"attempts"`
	// Next attempt; zero once there is nothing more to do.
	Next time.Time `json:"next,omitzero"`
	// Failed is true when no attempt succeeded and none will follow.
	Failed bool `json:"failed,omitempty"`
}

// later is a change that happens by itself at a time.
type later struct {
	At time.Time `json:"at"`
	Do string    `json:"do"`
	// ID of the object that it changes, where there are several.
	ID string `json:"id,omitempty"`
}

// What later.Do can be.
const (
	laterSucceed       = "payment_succeeds"
	laterFail          = "payment_fails"
	laterDispute       = "dispute"
	laterRefundSucceed = "refund_succeeds"
	laterRefundFail    = "refund_fails"
)

// Stripe's names of states.
const (
	statusOpen     = "open"
	statusComplete = "complete"
	statusExpired  = "expired"

	statusSucceeded       = "succeeded"
	statusProcessing      = "processing"
	statusCanceled        = "canceled"
	statusRequiresAction  = "requires_action"
	statusRequiresPayment = "requires_payment_method"

	statusPending = "pending"
	statusFailed  = "failed"

	statusNeedsResponse = "needs_response"
	statusWon           = "won"
	statusLost          = "lost"
)

// Prefixes of ids.
const (
	prefixSession     = "cs_test_"
	prefixIntent      = "pi_"
	prefixCharge      = "ch_"
	prefixRefund      = "re_"
	prefixDispute     = "dp_"
	prefixTransaction = "txn_"
	prefixEvent       = "evt_"
)

// idLength is the length of a payment's own id.
const idLength = 26

func newID() string { return rand.Text() }

// paymentOf returns the payment's id that is part of an object's id, empty
// when the object's id cannot be one of ours.
func paymentOf(id string) string {
	for _, prefix := range []string{
		prefixSession, prefixIntent, prefixCharge, prefixRefund, prefixDispute, prefixTransaction, prefixEvent,
	} {
		if rest, ok := strings.CutPrefix(id, prefix); ok && len(rest) >= idLength {
			return rest[:idLength]
		}
	}
	return ""
}

func (p *payment) id(prefix string) string { return prefix + p.ID }

func (p *payment) numbered(prefix string, n int) string {
	return fmt.Sprintf("%s%s%03d", prefix, p.ID, n+1)
}

// keys are the index values: the creation time for lists, the time of the next
// change by itself, the time of the next delivery.
func (p payment) keys() map[string]string {
	var due, outbox time.Time
	if p.Session.Status == statusOpen {
		due = p.Session.ExpiresAt
	}
	for _, l := range p.Later {
		due = earlier(due, l.At)
	}
	for _, e := range p.Events {
		outbox = earlier(outbox, e.Next)
	}
	return map[string]string{
		"created": store.TimeKey(p.Session.Created),
		"due":     store.TimeKey(due),
		"outbox":  store.TimeKey(outbox),
	}
}

// earlier returns the earlier of two times, a zero one meaning never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// unrefunded is what can still be refunded.
func (p *payment) unrefunded() int64 {
	if p.Charge == nil {
		return 0
	}
	return p.Session.Amount - p.refunded()
}

// refunded is what refunds have sent back or are sending.
func (p *payment) refunded() int64 {
	var sum int64
	for _, r := range p.Refunds {
		if r.Status != statusFailed && r.Status != statusCanceled {
			sum += r.Amount
		}
	}
	return sum
}

// disputed reports whether a dispute stands in the way of a refund.
func (p *payment) disputed() bool {
	return slices.ContainsFunc(p.Disputes, func(d dispute) bool { return d.Status != statusWon })
}

// change is one change of a payment at a time. Its methods are pure apart from
// the payment itself: they may be run again on a fresh copy.
type change struct {
	*payment
	now time.Time
	// delay of what happens later.
	delay time.Duration
	// deliver is whether there is an endpoint for events.
	deliver bool
}

// emit records an event about an object as it is now.
func (c change) emit(kind string, id string) {
	object, err := json.Marshal(c.object(id))
	if err != nil { // only maps, strings and numbers are rendered
		panic("stripesim: " + err.Error())
	}
	e := event{
		ID: c.numbered(prefixEvent, len(c.Events)), Type: kind, Created: c.now, Object: object,
	}
	if c.deliver {
		e.Next = c.now
	}
	c.Events = append(c.Events, e)
}

func (c change) transact(kind, category string, amount int64, source string) string {
	id := c.numbered(prefixTransaction, len(c.Transactions))
	c.Transactions = append(c.Transactions, transaction{
		ID: id, Type: kind, Category: category, Amount: amount, Source: source, Created: c.now,
	})
	return id
}

func (c change) later(do, id string) {
	c.Later = append(c.Later, later{At: c.now.Add(c.delay), Do: do, ID: id})
}

// attempted makes sure that there is an intent and notes who pays.
func (c change) attempted(by attempt) {
	if c.Intent == nil {
		c.Intent = &intent{Status: statusRequiresPayment, Created: c.now}
	}
	c.Attempt = &by
}

// requireAction sends the payer to the second page.
func (c change) requireAction(by attempt) {
	c.attempted(by)
	c.Intent.Status = statusRequiresAction
}

// decline refuses the payment; the session stays as it is.
func (c change) decline(by attempt, why decline) {
	c.attempted(by)
	c.Intent.Status, c.Intent.Failure = statusRequiresPayment, &why
	c.emit("payment_intent.payment_failed", c.id(prefixIntent))
}

// pay completes an open session with the money.
func (c change) pay(by attempt) {
	c.attempted(by)
	c.Session.Status = statusComplete
	c.receive()
	c.emit("checkout.session.completed", c.id(prefixSession))
}

// process completes an open session whose money comes later, or does not.
func (c change) process(by attempt, succeeds bool) {
	c.attempted(by)
	c.Session.Status, c.Intent.Status = statusComplete, statusProcessing
	c.emit("checkout.session.completed", c.id(prefixSession))
	if succeeds {
		c.later(laterSucceed, "")
	} else {
		c.later(laterFail, "")
	}
}

// receive books the money of the attempt.
func (c change) receive() {
	by := *c.Attempt
	c.Session.Paid, c.Intent.Status, c.Intent.Failure = true, statusSucceeded, nil
	c.Charge, c.Attempt = &charge{Created: c.now, By: by}, nil
	c.transact("charge", "charge", c.Session.Amount, c.id(prefixCharge))
	c.emit("charge.succeeded", c.id(prefixCharge))
	c.emit("payment_intent.succeeded", c.id(prefixIntent))
	if cardOf(by.Card).Disputed {
		c.later(laterDispute, "")
	}
}

// settleAsync ends a payment that is being processed. It reports whether there
// was one.
func (c change) settleAsync(succeeds bool) bool {
	if c.Intent == nil || c.Intent.Status != statusProcessing {
		return false
	}
	if succeeds {
		c.receive()
		c.emit("checkout.session.async_payment_succeeded", c.id(prefixSession))
		return true
	}
	c.decline(*c.Attempt, decline{
		Code: "payment_intent_payment_attempt_failed", Message: "The payment attempt failed.",
	})
	c.emit("checkout.session.async_payment_failed", c.id(prefixSession))
	return true
}

// expire ends an open session. It reports whether it was open.
func (c change) expire() bool {
	if c.Session.Status != statusOpen {
		return false
	}
	c.Session.Status, c.Attempt = statusExpired, nil
	if c.Intent != nil {
		c.Intent.Status = statusCanceled
	}
	c.emit("checkout.session.expired", c.id(prefixSession))
	return true
}

// refund sends an amount back; the caller has checked that there is so much.
func (c change) refund(amount int64, reason, request string, metadata map[string]string) string {
	r := refund{
		ID: c.numbered(prefixRefund, len(c.Refunds)), Amount: amount, Status: statusSucceeded,
		Reason: reason, Metadata: metadata, Created: c.now, Request: request,
	}
	r.Transaction = c.transact("refund", "refund", -amount, r.ID)
	switch card := cardOf(c.Charge.By.Card); {
	case card.RefundPending:
		r.Status = statusPending
		c.later(laterRefundSucceed, r.ID)
	case card.RefundFails:
		c.later(laterRefundFail, r.ID)
	}
	c.Refunds = append(c.Refunds, r)
	c.emit("charge.refunded", c.id(prefixCharge))
	return r.ID
}

// settleRefund ends a refund, with a reason when it failed. It reports whether
// there was one to end: a refund that has succeeded can still fail.
func (c change) settleRefund(id, failure string) bool {
	i := slices.IndexFunc(c.Refunds, func(r refund) bool { return r.ID == id })
	if i < 0 {
		return false
	}
	r := &c.Refunds[i]
	switch {
	case failure == "" && r.Status == statusPending:
		r.Status = statusSucceeded
	case failure != "" && (r.Status == statusPending || r.Status == statusSucceeded):
		r.Status, r.FailureReason = statusFailed, failure
		r.FailedReverse = c.transact("refund_failure", "refund_failure", r.Amount, r.ID)
	default:
		return false
	}
	c.emit("charge.refund.updated", id)
	return true
}

// dispute contests the charge for an amount.
func (c change) dispute(amount int64, reason string) string {
	d := dispute{
		ID: c.numbered(prefixDispute, len(c.Disputes)), Amount: amount, Status: statusNeedsResponse,
		Reason: reason, Created: c.now,
	}
	d.Transactions = []string{c.transact("adjustment", "dispute", -amount, d.ID)}
	c.Disputes = append(c.Disputes, d)
	c.emit("charge.dispute.created", d.ID)
	c.emit("charge.dispute.funds_withdrawn", d.ID)
	return d.ID
}

// closeDispute ends a dispute. It reports whether it was open.
func (c change) closeDispute(id string, won bool) bool {
	i := slices.IndexFunc(c.Disputes, func(d dispute) bool { return d.ID == id })
	if i < 0 || c.Disputes[i].Status != statusNeedsResponse {
		return false
	}
	d := &c.Disputes[i]
	d.Status = statusLost
	if won {
		d.Status = statusWon
		d.Transactions = append(d.Transactions, c.transact("adjustment", "dispute_reversal", d.Amount, id))
		c.emit("charge.dispute.funds_reinstated", id)
	}
	c.emit("charge.dispute.closed", id)
	return true
}

// advance does what the time has made due, in the order of time.
func (c change) advance() {
	var due []later
	c.Later = slices.DeleteFunc(c.Later, func(l later) bool {
		if l.At.After(c.now) {
			return false
		}
		due = append(due, l)
		return true
	})
	slices.SortStableFunc(due, func(a, b later) int { return a.At.Compare(b.At) })
	for _, l := range due {
		switch l.Do {
		case laterSucceed, laterFail:
			c.settleAsync(l.Do == laterSucceed)
		case laterDispute:
			if rest := c.unrefunded(); rest > 0 && !c.disputed() {
				c.dispute(rest, "fraudulent")
			}
		case laterRefundSucceed:
			c.settleRefund(l.ID, "")
		case laterRefundFail:
			c.settleRefund(l.ID, "expired_or_canceled_card")
		}
	}
	if !c.now.Before(c.Session.ExpiresAt) {
		c.expire()
	}
}
