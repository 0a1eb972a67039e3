package stripepay

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v79"

	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
)

// Payouts by Stripe Connect are separate charges and transfers: the platform
// has charged the deposit, and transfers a part of it to the organisation's
// connected account later. A transfer is made in the currency of the deposit,
// of which the platform's account must hold a balance.
// See https://docs.stripe.com/connect/separate-charges-and-transfers.

var _ checkout.PayoutProvider = (*Client)(nil)

// maxAccount is the greatest length of an account's id that is taken.
const maxAccount = 64

// CheckAccount implements checkout.PayoutProvider.
func (c *Client) CheckAccount(account string) error {
	var f fault.Fields
	id, ok := strings.CutPrefix(account, "acct_")
	if !ok || id == "" || len(account) > maxAccount || strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		f.Add("account", "account", "is no connected account of Stripe; it starts with acct_")
	}
	return f.Err("The account cannot be used.")
}

// Transfer implements checkout.PayoutProvider.
func (c *Client) Transfer(ctx context.Context, p checkout.TransferParams) (checkout.Transfer, error) {
	t, err := c.transfers.New(&stripe.TransferParams{
		Params:        stripe.Params{Context: ctx, IdempotencyKey: stripe.String(p.IdempotencyKey)},
		Amount:        stripe.Int64(p.Amount.Amount),
		Currency:      stripe.String(strings.ToLower(p.Amount.Currency)),
		Destination:   stripe.String(p.Account),
		TransferGroup: stripe.String(p.BookingID),
		Metadata:      map[string]string{metaBooking: p.BookingID, metaPayout: p.IdempotencyKey},
	})
	if err != nil {
		return checkout.Transfer{}, translateTransfer(err)
	}
	return transferOf(t), nil
}

// Transfers implements checkout.PayoutProvider.
func (c *Client) Transfers(ctx context.Context, bookingID string) ([]checkout.Transfer, error) {
	it := c.transfers.List(&stripe.TransferListParams{ListParams: listParams(ctx), TransferGroup: stripe.String(bookingID)})
	var out []checkout.Transfer
	for it.Next() {
		out = append(out, transferOf(it.Transfer()))
	}
	slices.Reverse(out)
	return out, translate(it.Err())
}

// Reverse implements checkout.PayoutProvider.
func (c *Client) Reverse(ctx context.Context, p checkout.ReversalParams) (checkout.Reversal, error) {
	r, err := c.reversals.New(&stripe.TransferReversalParams{
		Params:   stripe.Params{Context: ctx, IdempotencyKey: stripe.String(p.IdempotencyKey)},
		ID:       stripe.String(p.TransferID),
		Amount:   stripe.Int64(p.Amount.Amount),
		Metadata: map[string]string{metaBooking: p.BookingID, metaPayout: p.IdempotencyKey},
	})
	if err != nil {
		return checkout.Reversal{}, translateTransfer(err)
	}
	return reversalOf(r), nil
}

// transferOf reads a transfer. Stripe lists up to ten reversals with it, the
// latest first; a payout has fewer.
func transferOf(t *stripe.Transfer) checkout.Transfer {
	out := checkout.Transfer{ID: t.ID, Key: t.Metadata[metaPayout], Amount: money(t.Amount, t.Currency)}
	if t.Reversals != nil {
		for _, r := range t.Reversals.Data {
			out.Reversals = append(out.Reversals, reversalOf(r))
		}
	}
	slices.Reverse(out.Reversals)
	return out
}

func reversalOf(r *stripe.TransferReversal) checkout.Reversal {
	return checkout.Reversal{ID: r.ID, Key: r.Metadata[metaPayout], Amount: money(r.Amount, r.Currency)}
}

// unableCodes are Stripe's codes for an account that cannot be paid to. The
// last one is not among the constants of stripe-go.
var unableCodes = []stripe.ErrorCode{stripe.ErrorCodeAccountInvalid, stripe.ErrorCodeAccountClosed, stripe.ErrorCodeNoAccount,
	stripe.ErrorCodeResourceMissing, "insufficient_capabilities_for_transfer"}

// translateTransfer is translate with the reason of a refusal as its code.
func translateTransfer(err error) error {
	out := translate(err)
	var e *stripe.Error
	var f *fault.Error
	if !errors.As(err, &e) || !errors.As(out, &f) || f.Kind != fault.Invalid && f.Kind != fault.NotFound {
		return out
	}
	switch {
	case e.Code == stripe.ErrorCodeBalanceInsufficient:
		f.Code = checkout.ReasonBalance
	case slices.Contains(unableCodes, e.Code):
		f.Code = checkout.ReasonAccount
	}
	return f
}
