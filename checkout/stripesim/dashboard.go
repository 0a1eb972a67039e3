package stripesim

import (
	"context"
	"slices"
	"strings"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// What happens at Stripe without the caller of the API: by the payer, by
// somebody at the dashboard, by the card holder's bank. Errors: NotFound for
// an unknown id, Conflict where the state does not allow it.

// act changes the payment that an object belongs to. The object must exist.
func (s *Server) act(ctx context.Context, id string, f func(change) error) error {
	if paymentOf(id) == "" {
		return fault.New(fault.NotFound, "There is no %s.", id)
	}
	return s.change(ctx, paymentOf(id), func(c change) error {
		if c.object(id) == nil {
			return fault.New(fault.NotFound, "There is no %s.", id)
		}
		return f(c)
	})
}

func require(ok bool, what string) error {
	if !ok {
		return fault.New(fault.Conflict, "The state does not allow it: %s.", what)
	}
	return nil
}

// Pay pays a session by card as the payer does on the page; authentication
// with 3-D Secure succeeds. A card that is declined leaves the session open
// and is no error.
func (s *Server) Pay(ctx context.Context, sessionID, card string) error {
	return s.act(ctx, sessionID, func(c change) error {
		by := attempt{Method: "card", Card: card, Email: "payer@example.com", Name: "Test Payer"}
		known := cardOf(card)
		if err := require(c.Session.Status == statusOpen && known.Number != "", "pay"); err != nil {
			return err
		}
		if known.Decline != nil {
			c.decline(by, *known.Decline)
			return nil
		}
		c.pay(by)
		return nil
	})
}

// PayLater pays a session by an asynchronous method: it is completed without
// the money, which is settled by SettleAsync or comes after Options.Delay.
func (s *Server) PayLater(ctx context.Context, sessionID, method string) error {
	return s.act(ctx, sessionID, func(c change) error {
		ok := c.Session.Status == statusOpen && slices.Contains(c.Session.Methods, method)
		if err := require(ok, "pay later"); err != nil {
			return err
		}
		c.process(attempt{Method: method, Email: "payer@example.com", Name: "Test Payer"}, true)
		return nil
	})
}

// SettleAsync ends a payment that is being processed.
func (s *Server) SettleAsync(ctx context.Context, sessionID string, succeeds bool) error {
	return s.act(ctx, sessionID, func(c change) error {
		return require(c.settleAsync(succeeds), "settle")
	})
}

// Expire expires a session as from the dashboard.
func (s *Server) Expire(ctx context.Context, sessionID string) error {
	return s.act(ctx, sessionID, func(c change) error { return require(c.expire(), "expire") })
}

// RefundFromDashboard refunds an amount of a payment, in the currency's Stripe
// units, and returns the refund's id.
func (s *Server) RefundFromDashboard(ctx context.Context, paymentID string, amount int64) (id string, err error) {
	request := newID()
	err = s.act(ctx, paymentID, func(c change) error {
		if err := c.refundable(amount); err != nil {
			return fault.Wrap(fault.Conflict, err, "The payment cannot be refunded.")
		}
		id = c.refund(amount, "requested_by_customer", request, nil)
		return nil
	})
	return id, err
}

// SucceedRefund ends a pending refund.
func (s *Server) SucceedRefund(ctx context.Context, refundID string) error {
	return s.act(ctx, refundID, func(c change) error { return require(c.settleRefund(refundID, ""), "refund") })
}

// FailRefund fails a refund for one of Stripe's reasons, such as
// "lost_or_stolen_card". One that has succeeded can still fail.
func (s *Server) FailRefund(ctx context.Context, refundID, reason string) error {
	return s.act(ctx, refundID, func(c change) error { return require(c.settleRefund(refundID, reason), "fail") })
}

// Withdraw pays an amount of the platform's balance out to its bank.
func (s *Server) Withdraw(ctx context.Context, amount catalog.Money) error {
	t := transfer{ID: prefixPayout + newID(), Amount: amount.Amount, Currency: strings.ToLower(amount.Currency), Created: s.clock()}
	t.transact("payout", "payout", -amount.Amount, t.ID, t.Created)
	if err := s.leave(ctx, t); err != nil {
		return fault.Wrap(fault.Conflict, err, "The balance cannot be paid out.")
	}
	return nil
}

// ReverseFromDashboard takes an amount of a transfer back.
func (s *Server) ReverseFromDashboard(ctx context.Context, transferID string, amount int64) error {
	request := newID()
	_, err := s.transfers.Update(ctx, transferID, func(t *transfer) error {
		_, err := t.reverse(amount, nil, request, s.clock())
		return err
	})
	return err
}

// CreateDispute contests a payment for an amount and one of Stripe's reasons,
// such as "fraudulent", and returns the dispute's id.
func (s *Server) CreateDispute(ctx context.Context, paymentID string, amount int64, reason string) (id string, err error) {
	err = s.act(ctx, paymentID, func(c change) error {
		if err := require(!c.disputed() && amount > 0 && amount <= c.unrefunded(), "dispute"); err != nil {
			return err
		}
		id = c.dispute(amount, reason)
		return nil
	})
	return id, err
}

// CloseDispute ends a dispute.
func (s *Server) CloseDispute(ctx context.Context, disputeID string, won bool) error {
	return s.act(ctx, disputeID, func(c change) error { return require(c.closeDispute(disputeID, won), "close") })
}
