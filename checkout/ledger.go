package checkout

import (
	"math/big"
	"time"

	"github.com/medtour/medtour/catalog"
)

// Account is where a part of the money of a booking stands.
type Account string

const (
	// AccountHeld is held for a payee until the journey has taken place.
	AccountHeld Account = "held"
	// AccountPayable is owed to a payee: the journey took place, or a
	// cancellation left it under the policy.
	AccountPayable Account = "payable"
	// AccountPaidOut was paid to a payee, or is on its way.
	AccountPaidOut Account = "paid-out"
	// AccountReceived is where the money came from; it is negative, and only in
	// postings.
	AccountReceived Account = "received"
	// AccountRefunded has gone back to the patient.
	AccountRefunded Account = "refunded"
	// AccountRefundDue is on its way back, or owed.
	AccountRefundDue Account = "refund-due"
	// AccountDisputed was taken back by the card holder's bank for good.
	AccountDisputed Account = "disputed"
	// AccountDeficit is negative: more went back than had come.
	AccountDeficit Account = "deficit"
)

// LedgerLine is a part of a payment.
type LedgerLine struct {
	PaymentID string
	Account   Account
	// Payee of what is held, payable or paid out, and the organisation that is
	// paid for it.
	Payee        catalog.Payee
	Organisation string
	Amount       catalog.Money
}

// Ledger says where the money of a booking stands. The lines of a payment add
// up to the payment. It is computed from the log.
func (b Booking) Ledger() []LedgerLine {
	var out []LedgerLine
	for _, p := range b.Payments {
		add := func(account Account, payee catalog.Payee, amount int64) {
			if amount != 0 {
				out = append(out, LedgerLine{p.ID, account, payee, b.Quote.organisation(payee), catalog.Money{Amount: amount, Currency: p.Amount.Currency}})
			}
		}
		paidOut := b.paidOut(p.ID)
		m := b.moneyOf(p)
		add(AccountRefunded, "", m.refunded)
		add(AccountRefundDue, "", m.underWay+m.owed)
		add(AccountDisputed, "", m.lost)
		rest := p.Amount.Amount - m.refunded - m.underWay - m.owed - m.lost
		switch account := b.restAccount(p); {
		case rest < 0 || account == "":
			add(AccountDeficit, "", rest)
		default:
			for i, share := range split(rest, b.Quote.Lines) {
				payee := b.Quote.Lines[i].Payee
				paid := min(share, paidOut[b.Quote.organisation(payee)])
				paidOut[b.Quote.organisation(payee)] -= paid
				add(account, payee, share-paid)
				add(AccountPaidOut, payee, paid)
			}
		}
		// What was paid out of money that has gone back since is owed to us.
		for _, payee := range []catalog.Payee{catalog.PayeeHospital, catalog.PayeeAgency, catalog.PayeePlatform} {
			excess := paidOut[b.Quote.organisation(payee)]
			paidOut[b.Quote.organisation(payee)] = 0
			add(AccountPaidOut, payee, excess)
			add(AccountPayable, payee, -excess)
		}
	}
	return out
}

// PlatformOrganisation is the organisation of what the platform earns.
const PlatformOrganisation = "platform"

// organisation returns who is paid for a payee: the agency pays whom it has
// engaged itself.
func (q Quote) organisation(payee catalog.Payee) string {
	switch {
	case payee == "":
		return ""
	case payee == catalog.PayeePlatform:
		return PlatformOrganisation
	case payee == catalog.PayeeHospital && len(q.HospitalIDs) > 0:
		return q.HospitalIDs[0]
	}
	return q.AgencyID
}

// paidOut sums the payouts of a payment by organisation, less what was taken
// back of them.
func (b *Booking) paidOut(payment string) map[string]int64 {
	sums := map[string]int64{}
	for _, p := range b.Payouts {
		if p.PaymentID == payment && p.Status != PayoutFailed {
			sums[p.Organisation] += p.Amount.Amount - p.reversed()
		}
	}
	return sums
}

// restAccount is where that part of a payment stands which does not go back;
// empty for a payment that goes back whole.
func (b Booking) restAccount(p Payment) Account {
	switch {
	case p.Status != PaymentAccepted:
		return ""
	case b.State == StateCompleted || b.State == StateCancelled:
		return AccountPayable
	}
	return AccountHeld
}

// split divides an amount, not negative, over the lines due on arrival in
// proportion to their amounts, to the last unit. The result has an element for
// every line.
func split(amount int64, lines []QuoteLine) []int64 {
	var total int64
	weight := make([]int64, len(lines))
	for i, l := range lines {
		if l.Due == catalog.DueOnArrival && l.Amount != nil {
			weight[i] = l.Amount.Amount
			total += weight[i]
		}
	}
	// Cumulative shares are rounded down, so that what rounding takes from one
	// line falls to the next and the last is exact.
	out := make([]int64, len(lines))
	var sum, given int64
	for i := range lines {
		if weight[i] == 0 {
			continue
		}
		sum += weight[i]
		upTo := new(big.Int).Mul(big.NewInt(amount), big.NewInt(sum))
		out[i] = upTo.Quo(upTo, big.NewInt(total)).Int64() - given
		given += out[i]
	}
	return out
}

// money is what a payment comes to, in its own currency's Stripe units.
type money struct {
	// due is what has to go back in all.
	due int64
	// refunded has gone back, underWay is asked for.
	refunded, underWay int64
	// lost was taken by a dispute.
	lost int64
	// owed has to go back and is not asked for.
	owed int64
	// contested is true while a dispute keeps the processor from refunding.
	contested bool
	// failures counts refunds that came to nothing; failed is when the last one
	// did.
	failures int
	failed   time.Time
}

// moneyOf computes what a payment comes to. It is pure.
func (b *Booking) moneyOf(p Payment) money {
	m := money{due: b.refundDue(p)}
	for _, r := range b.Refunds {
		switch {
		case r.PaymentID != p.ID:
		case r.lost() && (r.Reason == ReasonNothingDue || r.Number <= b.forgiven[p.ID]): // never sent, or a person has asked for another
		case r.lost():
			m.failures, m.failed = m.failures+1, later(m.failed, r.Changed)
		case r.Status == RefundSucceeded:
			m.refunded += r.Amount.Amount
		default:
			m.underWay += r.Amount.Amount
		}
	}
	for _, d := range b.Disputes {
		if d.PaymentID == p.ID {
			if d.Status == disputeLost {
				m.lost += d.Amount.Amount
			}
			m.contested = m.contested || d.Open && !d.inquiry()
		}
	}
	m.owed = max(m.due-m.refunded-m.underWay-m.lost, 0)
	return m
}

// disputeLost is the status of a dispute whose money is gone for good.
const disputeLost DisputeStatus = "lost"

// inquiry reports whether the bank only asks, so that the payment can still be
// refunded. Stripe's names for that begin with "warning_".
func (d DisputeRecord) inquiry() bool {
	const prefix = "warning_"
	return len(d.Status) > len(prefix) && d.Status[:len(prefix)] == prefix
}

// refundDue is how much of a payment has to go back in all.
func (b *Booking) refundDue(p Payment) int64 {
	switch {
	case p.Status == PaymentRejected, p.Status == PaymentAccepted && b.State == StateDeclined:
		return p.Amount.Amount
	case p.Status == PaymentAccepted && b.State == StateCancelled:
		return b.refundOnCancel.Amount
	}
	return 0
}
