package stripesim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Connected accounts that behave in a way of their own; any other acct_… takes
// transfers and gives them back.
const (
	// AccountRestricted may not be transferred to.
	AccountRestricted = "acct_restricted"
	// AccountMissing does not exist.
	AccountMissing = "acct_missing"
	// AccountEmptied has spent at once what it got: nothing can be reversed.
	AccountEmptied = "acct_emptied"
)

const (
	prefixTransfer = "tr_"
	prefixReversal = "trr_"
	prefixPayout   = "po_"
)

// transfer is money that has left the platform's balance: to a connected
// account, or to its bank. The document is found by its id.
type transfer struct {
	ID string `json:"id"`
	// Destination is empty for a payout to the bank.
	Destination  string            `json:"destination,omitempty"`
	Amount       int64             `json:"amount"`
	Currency     string            `json:"currency"`
	Group        string            `json:"group,omitempty"`
	Description  string            `json:"description,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Created      time.Time         `json:"created"`
	Reversals    []reversal        `json:"reversals,omitempty"`
	Transactions []transaction     `json:"transactions"`
}

type reversal struct {
	ID          string            `json:"id"`
	Amount      int64             `json:"amount"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Created     time.Time         `json:"created"`
	Transaction string            `json:"transaction"`
	// Request that made it, so that its repetition after a crash finds it.
	Request string `json:"request"`
}

// reversed is what was taken back.
func (t *transfer) reversed() int64 {
	var sum int64
	for _, r := range t.Reversals {
		sum += r.Amount
	}
	return sum
}

// transact books a change of the platform's balance and returns its id.
func (t *transfer) transact(kind, category string, amount int64, source string, at time.Time) string {
	id := fmt.Sprintf("%s%s%03d", prefixTransaction, strings.TrimPrefix(strings.TrimPrefix(t.ID, prefixTransfer), prefixPayout), len(t.Transactions)+1)
	t.Transactions = append(t.Transactions, transaction{ID: id, Type: kind, Category: category, Amount: amount, Source: source, Created: at})
	return id
}

func (s *Server) createTransfer(ctx context.Context, c *call) (any, error) {
	p := c.params
	t := transfer{ID: prefixTransfer + c.request, Created: s.clock(), Destination: p.need("destination"), Currency: strings.ToLower(p.need("currency")),
		Group: p.str("transfer_group"), Description: p.text("description", maxDescription), Metadata: p.metadata("metadata")}
	amount, given := p.integer("amount")
	if !given || amount <= 0 {
		p.fail(malformed("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1."))
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	t.Amount = amount
	if err := checkTransfer(t); err != nil {
		return nil, err
	}
	t.transact("transfer", "transfer", -amount, t.ID, t.Created)
	if err := s.leave(ctx, t); err != nil {
		return nil, err
	}
	return t.object(), nil
}

func checkTransfer(t transfer) error {
	switch {
	case !slices.Contains(currencies, t.Currency):
		return malformed("", "currency", "Invalid currency: %s.", t.Currency)
	case t.Amount%catalog.ChargeStep(strings.ToUpper(t.Currency)) != 0:
		return malformed("", "amount", "Invalid amount: in %s it must be a multiple of %d.", t.Currency, catalog.ChargeStep(strings.ToUpper(t.Currency)))
	case !strings.HasPrefix(t.Destination, "acct_"), t.Destination == AccountMissing:
		return refuse("resource_missing", "destination", "No such destination: '%s'", t.Destination)
	case t.Destination == AccountRestricted:
		return refuse("insufficient_capabilities_for_transfer", "destination",
			"Your destination account needs to have at least one of the following capabilities enabled: transfers, crypto_transfers, legacy_payments")
	}
	return nil
}

// leave lets money leave the balance where there is so much. A transfer that is
// there already is the same request before a crash.
func (s *Server) leave(ctx context.Context, t transfer) error {
	s.moving.Lock()
	defer s.moving.Unlock()
	if _, err := s.transfers.Get(ctx, t.ID); !fault.Is(err, fault.NotFound) {
		return err
	}
	balance, err := s.balance(ctx, t.Currency)
	if err != nil {
		return err
	}
	if balance < t.Amount {
		return refuse("balance_insufficient", "", "You have insufficient available funds in your Stripe account.")
	}
	return s.transfers.Insert(ctx, t.ID, t)
}

// balance of the platform in a currency.
func (s *Server) balance(ctx context.Context, currency string) (int64, error) {
	var sum int64
	add := func(list []transaction) {
		for _, t := range list {
			sum += t.Amount
		}
	}
	err := s.payments.Each(ctx, store.Query{Limit: store.MaxPage}, func(rec store.Record[payment]) error {
		if rec.Value.Session.Currency == currency {
			add(rec.Value.Transactions)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = s.eachTransfer(ctx, "", func(t transfer) {
		if t.Currency == currency {
			add(t.Transactions)
		}
	})
	return sum, err
}

// eachTransfer visits the transfers of a group, all of them without one.
func (s *Server) eachTransfer(ctx context.Context, group string, f func(transfer)) error {
	q := store.Query{Limit: store.MaxPage}
	if group != "" {
		q.Index, q.Equal = "group", group
	}
	return s.transfers.Each(ctx, q, func(rec store.Record[transfer]) error {
		f(rec.Value)
		return nil
	})
}

func (s *Server) listTransfers(ctx context.Context, c *call) (any, error) {
	group, destination := c.params.str("transfer_group"), c.params.str("destination")
	var all []listed
	err := s.eachTransfer(ctx, group, func(t transfer) {
		if t.Destination != "" && (destination == "" || destination == t.Destination) {
			all = append(all, listed{t.ID, t.Created, t.object(), t.expand})
		}
	})
	if err != nil {
		return nil, err
	}
	return s.list(ctx, c, func(*payment) []listed { return nil }, all...)
}

func (s *Server) getTransfer(ctx context.Context, c *call) (any, error) {
	id := c.r.PathValue("id")
	if err := c.params.done(); err != nil {
		return nil, err
	}
	rec, err := s.transfers.Get(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && rec.Value.Destination == "" {
		return nil, missing("transfer", id, "id")
	}
	return rec.Value.object(), err
}

func (s *Server) createReversal(ctx context.Context, c *call) (any, error) {
	id, p := c.r.PathValue("id"), c.params
	amount, given := p.integer("amount")
	meta := p.metadata("metadata")
	if err := p.done(); err != nil {
		return nil, err
	}
	if given && amount <= 0 {
		return nil, malformed("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	}
	var made reversal
	rec, err := s.transfers.Update(ctx, id, func(t *transfer) error {
		for _, r := range t.Reversals {
			if r.Request == c.request {
				made = r
				return nil
			}
		}
		sum := amount
		if !given {
			sum = t.Amount - t.reversed()
		}
		var err error
		made, err = t.reverse(sum, meta, c.request, s.clock())
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil, missing("transfer", id, "id")
	}
	if err != nil {
		return nil, err
	}
	return rec.Value.reversalObject(made), nil
}

// reverse takes an amount back.
func (t *transfer) reverse(amount int64, meta map[string]string, request string, at time.Time) (reversal, error) {
	rest := t.Amount - t.reversed()
	switch {
	case t.Destination == "":
		return reversal{}, missing("transfer", t.ID, "id")
	case rest == 0:
		return reversal{}, refuse("", "", "Transfer %s has already been reversed.", t.ID)
	case amount > rest:
		return reversal{}, refuse("", "amount", "Reversal amount (%d) is greater than the unreversed amount on the transfer (%d)", amount, rest)
	case t.Destination == AccountEmptied:
		return reversal{}, refuse("balance_insufficient", "", "The connected account has insufficient funds to reverse the transfer.")
	}
	r := reversal{ID: fmt.Sprintf("%s%s%03d", prefixReversal, strings.TrimPrefix(t.ID, prefixTransfer), len(t.Reversals)+1),
		Amount: amount, Metadata: meta, Created: at, Request: request}
	r.Transaction = t.transact("transfer_refund", "transfer_reversal", amount, r.ID, at)
	t.Reversals = append(t.Reversals, r)
	return r, nil
}

func (t *transfer) object() object {
	reversals := make([]object, 0, len(t.Reversals))
	for _, r := range slices.Backward(t.Reversals) {
		reversals = append(reversals, t.reversalObject(r))
	}
	return object{
		"id": t.ID, "object": "transfer", "livemode": false, "amount": t.Amount, "amount_reversed": t.reversed(),
		"reversed": t.reversed() == t.Amount, "currency": t.Currency, "created": t.Created.Unix(),
		"destination": t.Destination, "destination_payment": nil, "description": text(t.Description),
		"metadata": metadata(t.Metadata), "source_transaction": nil, "source_type": "card",
		"transfer_group": text(t.Group), "balance_transaction": t.Transactions[0].ID,
		"reversals": object{"object": "list", "data": reversals, "has_more": false, "url": "/v1/transfers/" + t.ID + "/reversals"},
	}
}

func (t *transfer) reversalObject(r reversal) object {
	return object{
		"id": r.ID, "object": "transfer_reversal", "amount": r.Amount, "currency": t.Currency, "created": r.Created.Unix(),
		"metadata": metadata(r.Metadata), "transfer": t.ID, "balance_transaction": r.Transaction,
		"destination_payment_refund": nil, "source_refund": nil,
	}
}

func (t *transfer) payoutObject() object {
	return object{
		"id": t.ID, "object": "payout", "livemode": false, "amount": t.Amount, "currency": t.Currency, "created": t.Created.Unix(),
		"arrival_date": t.Created.Unix(), "status": "paid", "type": "bank_account", "metadata": object{},
	}
}

// expand replaces the source of a balance transaction by the object.
func (t transfer) expand(o object, path string) bool {
	if path != "source" {
		return false
	}
	switch id := o["source"]; {
	case id == t.ID && t.Destination == "":
		o["source"] = t.payoutObject()
	case id == t.ID:
		o["source"] = t.object()
	default:
		for _, r := range t.Reversals {
			if id == r.ID {
				o["source"] = t.reversalObject(r)
			}
		}
	}
	return true
}
