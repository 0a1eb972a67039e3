package stripepay

import (
	"context"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v79"

	"github.com/medtour/medtour/checkout"
)

// BalanceTransactions implements checkout.Payments.
func (c *Client) BalanceTransactions(ctx context.Context, from, to time.Time) ([]checkout.BalanceTransaction, error) {
	p := &stripe.BalanceTransactionListParams{
		ListParams:   listParams(ctx),
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThan: to.Unix()},
	}
	p.AddExpand("data.source") // the balance may be kept in another currency
	it := c.balance.List(p)
	var out []checkout.BalanceTransaction
	for it.Next() {
		out = append(out, transactionOf(it.BalanceTransaction()))
	}
	slices.Reverse(out)
	return out, translate(it.Err())
}

// transactionOf reads a transaction. Its kind follows from its source: Stripe
// has several types for a charge and a refund, by the method of payment.
func transactionOf(t *stripe.BalanceTransaction) checkout.BalanceTransaction {
	out := checkout.BalanceTransaction{ID: t.ID, Created: time.Unix(t.Created, 0).UTC()}
	s := t.Source
	if s == nil {
		return out
	}
	out.Source = s.ID
	switch {
	case s.Charge != nil:
		out.Kind, out.Amount, out.BookingID = checkout.TransactionCharge, money(s.Charge.Amount, s.Charge.Currency), s.Charge.Metadata[metaBooking]
		out.PaymentID = intentID(s.Charge.PaymentIntent)
		out.Source = out.PaymentID
	case s.Refund != nil:
		out.Kind, out.Amount, out.BookingID = checkout.TransactionRefund, money(s.Refund.Amount, s.Refund.Currency), s.Refund.Metadata[metaBooking]
		out.PaymentID = intentID(s.Refund.PaymentIntent)
		if t.Amount > 0 {
			out.Kind = checkout.TransactionRefundFailure
		}
	case s.Dispute != nil:
		out.Kind, out.Amount = checkout.TransactionDispute, money(s.Dispute.Amount, s.Dispute.Currency)
		out.PaymentID = intentID(s.Dispute.PaymentIntent)
		if t.Amount > 0 {
			out.Kind = checkout.TransactionDisputeReversal
		}
	case s.Transfer != nil:
		out.Kind, out.Amount, out.BookingID = checkout.TransactionTransfer, money(s.Transfer.Amount, s.Transfer.Currency), s.Transfer.Metadata[metaBooking]
		if out.BookingID == "" {
			out.BookingID = s.Transfer.TransferGroup
		}
	case s.TransferReversal != nil:
		out.Kind, out.Amount = checkout.TransactionReversal, money(s.TransferReversal.Amount, s.TransferReversal.Currency)
		out.BookingID = s.TransferReversal.Metadata[metaBooking]
		if s.TransferReversal.Transfer != nil {
			out.TransferID = s.TransferReversal.Transfer.ID
		}
	}
	return out
}

func intentID(p *stripe.PaymentIntent) string {
	if p == nil {
		return ""
	}
	return p.ID
}
