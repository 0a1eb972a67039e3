package checkout

import (
	"context"
	"time"

	"github.com/medtour/medtour/catalog"
)

// Payments is what checkout needs of a card processor. checkout/stripepay
// implements it over Stripe's API. Every call that changes something carries
// an idempotency key and parameters that were stored before the call, so that
// it can be repeated after a crash with the same effect as one call.
//
// Errors of every method: Unavailable when the processor did not answer or
// asked to try later (the effect is unknown, repeat the same call); Invalid
// when it refused the request for good; NotFound for an unknown object.
type Payments interface {
	// CreateSession opens a hosted payment page.
	CreateSession(ctx context.Context, p SessionParams) (Session, error)
	// Session fetches a session.
	Session(ctx context.Context, id string) (Session, error)
	// ExpireSession ends an open session so that it can no longer be paid.
	// Expiring an expired session is no error; a session that was completed
	// meanwhile is Conflict.
	ExpireSession(ctx context.Context, id, idempotencyKey string) (Session, error)
	// CreateRefund sends money back.
	CreateRefund(ctx context.Context, p RefundParams) (Refund, error)
	// Refunds lists all refunds of a payment, oldest first.
	Refunds(ctx context.Context, paymentID string) ([]Refund, error)
	// Disputes lists all disputes of a payment, oldest first.
	Disputes(ctx context.Context, paymentID string) ([]Dispute, error)
	// SessionsCreated lists the sessions made from one time to before another,
	// oldest first.
	SessionsCreated(ctx context.Context, from, to time.Time) ([]Session, error)
	// BalanceTransactions lists what changed the account's balance from one time
	// to before another, oldest first.
	BalanceTransactions(ctx context.Context, from, to time.Time) ([]BalanceTransaction, error)
	// UndeliveredEvents lists the events since a time that no webhook has
	// delivered, oldest first.
	UndeliveredEvents(ctx context.Context, since time.Time) ([]Event, error)
	// ParseEvent verifies a webhook and says what it is about. Errors:
	// Unauthorized for a bad signature, Invalid for a wrong version or mode or
	// a body that is no event, TooLarge.
	ParseEvent(body []byte, signature string) (Event, error)
}

// SessionParams are the parameters of a hosted payment page. They are stored
// in the booking log before the call and repeated exactly after a crash.
type SessionParams struct {
	// IdempotencyKey is <booking>:checkout:<attempt>.
	IdempotencyKey string `json:"idempotency_key"`
	// BookingID goes into client_reference_id and the payment's metadata and
	// transfer group, so that an unknown payment can be traced.
	BookingID string `json:"booking_id"`
	// Attempt counts the sessions of a booking from 1; it goes into the
	// metadata.
	Attempt int `json:"attempt"`
	// Amount is the deposit.
	Amount catalog.Money `json:"amount"`
	// Title is what the payment page shows as the thing bought.
	Title string `json:"title"`
	// Description is the line below the title; may be empty.
	Description string `json:"description,omitempty"`
	// Email of the payer, for the processor's own receipt; may be empty.
	Email string `json:"email,omitempty"`
	// Locale in the processor's own naming: "zh", "auto".
	Locale string `json:"locale"`
	// Methods are the payment methods offered: "card", "alipay", "wechat_pay".
	Methods []string `json:"methods"`
	// SuccessURL and CancelURL are where the patient returns.
	SuccessURL string `json:"success_url"`
	CancelURL  string `json:"cancel_url"`
	// ExpiresAt ends the session. Stripe takes 30 minutes to 24 hours from
	// creation, whole seconds.
	ExpiresAt time.Time `json:"expires_at"`
}

// SessionStatus is the state of a hosted payment page.
type SessionStatus string

const (
	// SessionOpen can still be paid.
	SessionOpen SessionStatus = "open"
	// SessionComplete went through; PaymentStatus says whether money came.
	SessionComplete SessionStatus = "complete"
	// SessionExpired can no longer be paid.
	SessionExpired SessionStatus = "expired"
)

// Session is a hosted payment page.
type Session struct {
	ID        string
	BookingID string
	Attempt   int
	// URL of the page while the session is open.
	URL    string
	Status SessionStatus
	// Paid is true once the money has come; a complete session of an
	// asynchronous method is not paid yet.
	Paid bool
	// Failed is true when an asynchronous method failed for good.
	Failed bool
	// Amount is what the session charges.
	Amount catalog.Money
	// PaymentID is the payment intent, empty before there is one.
	PaymentID string
	Created   time.Time
	ExpiresAt time.Time
}

// RefundParams are the parameters of a refund.
type RefundParams struct {
	// IdempotencyKey is <booking>:refund:<n>.
	IdempotencyKey string        `json:"idempotency_key"`
	BookingID      string        `json:"booking_id"`
	PaymentID      string        `json:"payment_id"`
	Amount         catalog.Money `json:"amount"`
	// Key goes into the refund's metadata, so that a refund whose answer was
	// lost can be recognised in the list of refunds.
	Key string `json:"key"`
}

// RefundStatus is the state of a refund.
type RefundStatus string

const (
	RefundPending   RefundStatus = "pending"
	RefundSucceeded RefundStatus = "succeeded"
	RefundFailed    RefundStatus = "failed"
	RefundCanceled  RefundStatus = "canceled"
	// RefundRequiresAction waits for the payer, to give bank details.
	RefundRequiresAction RefundStatus = "requires_action"
)

// Refund is money on its way back.
type Refund struct {
	ID        string
	PaymentID string
	// Key is RefundParams.Key, empty for a refund made elsewhere, such as in
	// the processor's dashboard.
	Key           string
	Amount        catalog.Money
	Status        RefundStatus
	FailureReason string
	Created       time.Time
}

// DisputeStatus is the state of a dispute as the processor names it.
type DisputeStatus string

// Dispute is a payment contested by the card holder.
type Dispute struct {
	ID        string
	PaymentID string
	Amount    catalog.Money
	// Status as Stripe names it: needs_response, under_review, won, lost,
	// warning_closed and others.
	Status  DisputeStatus
	Reason  string
	Created time.Time
}

// Closed reports whether the dispute has ended.
func (d Dispute) Closed() bool {
	return d.Status == "won" || d.Status == "lost" || d.Status == "warning_closed"
}

// TransactionKind says why the account's balance has changed.
type TransactionKind string

// The kinds of transactions that the log knows of; any other, a fee for one,
// is empty.
const (
	TransactionCharge          TransactionKind = "charge"
	TransactionRefund          TransactionKind = "refund"
	TransactionRefundFailure   TransactionKind = "refund-failure"
	TransactionDispute         TransactionKind = "dispute"
	TransactionDisputeReversal TransactionKind = "dispute-reversal"
	TransactionTransfer        TransactionKind = "transfer"
	TransactionReversal        TransactionKind = "reversal"
)

// BalanceTransaction is a change of the account's balance.
type BalanceTransaction struct {
	ID   string
	Kind TransactionKind
	// Source is the id of what it is about: the refund, dispute, transfer or
	// reversal; the payment of a charge.
	Source string
	// Amount of the source, in the currency in which it was made; the balance
	// itself may be kept in another.
	Amount catalog.Money
	// BookingID, PaymentID and TransferID of the source, whichever it has.
	BookingID  string
	PaymentID  string
	TransferID string
	Created    time.Time
}

// Event is a webhook, reduced to what it is about. Events are triggers only:
// the object is fetched again before anything is decided.
type Event struct {
	ID   string
	Type string
	// Known is false for a type that checkout does not act on.
	Known bool
	// BookingID of the object's metadata, may be empty.
	BookingID string
	// SessionID, PaymentID of the object, whichever it has.
	SessionID string
	PaymentID string
	Created   time.Time
}
