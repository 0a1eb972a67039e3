package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Ways in which an organisation is paid.
const (
	// PayoutManual: a person pays at the bank and records its reference. It is
	// the default, since Stripe Connect does not reach mainland China.
	PayoutManual = "manual"
	// PayoutStripe: a transfer to the organisation's connected account at
	// Stripe (separate charges and transfers).
	PayoutStripe = "stripe_connect"
)

// PayoutProvider is a way to pay organisations. Every call that changes
// something carries an idempotency key and parameters that were stored before
// the call. Errors are those of Payments; an Invalid or NotFound one may have
// ReasonBalance or ReasonAccount as its code.
type PayoutProvider interface {
	// CheckAccount says what is wrong with an organisation's account. Errors:
	// Invalid.
	CheckAccount(account string) error
	// Transfer pays. Errors: also ErrByHand.
	Transfer(ctx context.Context, p TransferParams) (Transfer, error)
	// Transfers lists what was paid for a booking, oldest first.
	Transfers(ctx context.Context, bookingID string) ([]Transfer, error)
	// Reverse takes a part of a transfer back. Errors: also ErrByHand.
	Reverse(ctx context.Context, p ReversalParams) (Reversal, error)
}

// TransferParams are the parameters of a transfer.
type TransferParams struct {
	// IdempotencyKey is <booking>:payout:<n>; it goes into the metadata as well,
	// so that a transfer whose answer was lost can be recognised.
	IdempotencyKey string
	// BookingID is the transfer group.
	BookingID string
	// Account of the organisation at the provider.
	Account string
	Amount  catalog.Money
}

// Transfer is money that was paid to an organisation's account.
type Transfer struct {
	ID string
	// Key is TransferParams.IdempotencyKey, empty for a transfer made elsewhere.
	Key       string
	Amount    catalog.Money
	Reversals []Reversal
}

// ReversalParams are the parameters of the reversal of a transfer.
type ReversalParams struct {
	// IdempotencyKey is <booking>:payout:<n>:reversal:<m>.
	IdempotencyKey string
	BookingID      string
	TransferID     string
	Amount         catalog.Money
}

// Reversal is a part of a transfer that was taken back.
type Reversal struct {
	ID string
	// Key is ReversalParams.IdempotencyKey, empty for one made elsewhere.
	Key    string
	Amount catalog.Money
}

// ErrByHand says that a person has to do it.
var ErrByHand = fault.New(fault.Conflict, "A person does this at the bank.")

// byHand is the provider of manual payouts: a person makes them, and records
// them with RecordPayout.
type byHand struct{}

// CheckAccount takes any line of text that tells the person where to pay to.
func (byHand) CheckAccount(account string) error {
	var f fault.Fields
	line(&f, "account", account, maxReference, false)
	return f.Err("The account cannot be used.")
}

func (byHand) Transfer(context.Context, TransferParams) (Transfer, error) {
	return Transfer{}, ErrByHand
}

func (byHand) Transfers(context.Context, string) ([]Transfer, error) { return nil, nil }

func (byHand) Reverse(context.Context, ReversalParams) (Reversal, error) {
	return Reversal{}, ErrByHand
}

// PayoutAccount says how an organisation is paid.
type PayoutAccount struct {
	Organisation string `json:"organisation"`
	// Method is PayoutManual or PayoutStripe.
	Method string `json:"method"`
	// Account at the provider: acct_… at Stripe, a line for the person at the
	// bank otherwise, which may be empty.
	Account string `json:"account,omitempty"`
	// Actor and Reason of who set it, and when; zero for one that nobody has
	// set.
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// payoutAccountsDef keeps every account that an organisation has had under
// <organisation>/<n>; the last one counts.
var payoutAccountsDef = store.Def[PayoutAccount]{Name: "checkout_payout_accounts"}

// PayoutMethods lists the ways in which organisations can be paid here.
func (s *Service) PayoutMethods() []string {
	var out []string
	for _, m := range []string{PayoutManual, PayoutStripe} {
		if s.payouts[m] != nil {
			out = append(out, m)
		}
	}
	return out
}

// PayoutAccount returns how an organisation is paid: manually, where nobody has
// said anything else. Errors: those of the store.
func (s *Service) PayoutAccount(ctx context.Context, organisation string) (PayoutAccount, error) {
	account, _, err := s.payoutAccount(ctx, organisation)
	return account, err
}

// payoutAccount is PayoutAccount with the number of changes so far.
func (s *Service) payoutAccount(ctx context.Context, organisation string) (PayoutAccount, int64, error) {
	q := store.PrefixQuery(organisation + "/")
	q.Descending, q.Limit = true, 1
	page, err := s.payoutAccounts.Find(ctx, q)
	if err != nil || len(page.Items) == 0 {
		return PayoutAccount{Organisation: organisation, Method: PayoutManual}, 0, err
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(page.Items[0].ID, organisation+"/"), 10, 64)
	return page.Items[0].Value, n, err
}

// SetPayoutAccount says how an organisation is paid from now on. What was asked
// for before goes the way that was set then. Errors: Invalid with fields,
// Conflict when somebody else has changed it at the same moment.
func (s *Service) SetPayoutAccount(ctx context.Context, organisation, method, account string, a Act) (PayoutAccount, error) {
	if err := a.validate(); err != nil {
		return PayoutAccount{}, err
	}
	var f fault.Fields
	provider := s.payouts[method]
	if provider == nil {
		f.Add("method", "enum", "use one of %s", strings.Join(s.PayoutMethods(), ", "))
	}
	if organisation == "" || len(organisation) > maxPersonName || strings.Contains(organisation, "/") {
		f.Add("organisation", "required", "name the organisation by its id")
	}
	if err := f.Err("The account cannot be used."); err != nil {
		return PayoutAccount{}, err
	}
	if err := provider.CheckAccount(account); err != nil {
		return PayoutAccount{}, err
	}
	_, n, err := s.payoutAccount(ctx, organisation)
	if err != nil {
		return PayoutAccount{}, err
	}
	out := PayoutAccount{Organisation: organisation, Method: method, Account: account, Actor: a.Actor, Reason: a.Reason, At: s.now()}
	return out, s.payoutAccounts.Insert(ctx, organisation+"/"+store.SeqKey(n+1), out)
}

func payoutKey(booking string, n int) string { return fmt.Sprintf("%s:payout:%d", booking, n) }

func reversalKey(booking string, payout, n int) string {
	return fmt.Sprintf("%s:reversal:%d", payoutKey(booking, payout), n)
}

// decidePayouts sends what was asked for, and takes back what was paid out of
// money that has gone back since.
func decidePayouts(b *Booking, now time.Time, l look) step {
	for i, p := range b.Payouts {
		if !p.byHand() && (l.sweep || l.transfers) && !l.seen["transfers "+p.Method] {
			return step{do: actListTransfers, payout: i}
		}
	}
	for i, p := range b.Payouts {
		if p.Status == PayoutRequested && !l.seen[payoutKey(b.ID, p.Number)] {
			return step{do: actPayOut, payout: i}
		}
		for j, r := range p.Reversals {
			if r.Status == PayoutRequested && !l.seen[reversalKey(b.ID, p.Number, r.Number)] {
				return step{do: actReverse, payout: i, reversal: j}
			}
		}
	}
	if e, at := b.nextReversal(); !at.IsZero() && !now.Before(at) {
		return step{do: actAppend, entry: e}
	}
	return step{}
}

// nextReversal returns the entry that asks for the next reversal of a transfer
// and from when on it may be written; a zero time where nothing is to be taken
// back. What a person has paid out a person must get back.
func (b *Booking) nextReversal() (Entry, time.Time) {
	for i := len(b.Payouts) - 1; i >= 0; i-- {
		p := b.Payouts[i]
		over := -b.payableTo(p.Organisation)
		rest := p.Amount.Amount - p.reversed()
		if p.Status != PayoutSent || p.byHand() || over <= 0 || rest <= 0 {
			continue
		}
		failures, at, number := 0, p.Changed, 0
		for _, r := range p.Reversals {
			number = max(number, r.Number)
			if r.Status == PayoutFailed {
				failures, at = failures+1, later(at, r.Changed)
			}
		}
		if failures >= maxRefundTries {
			continue
		}
		amount := catalog.Money{Amount: min(over, rest), Currency: p.Amount.Currency}
		return Entry{Kind: EntryReversalRequested, Payout: p.Number, Reversal: number + 1, To: p.Organisation, Amount: &amount},
			at.Add(refundPause[failures])
	}
	return Entry{}, time.Time{}
}

// payoutStop says why a payout that was asked for must not be made any more;
// empty when it may.
func (b *Booking) payoutStop(p Payout) string {
	if reason := b.moneyOpen(); reason != "" {
		return reason
	}
	if b.payableTo(p.Organisation) < 0 {
		return ReasonNothingDue
	}
	return ""
}

// payOut sends a payout that was asked for. The transfers are listed first: an
// earlier call may have had its effect without an answer. So are refunds and
// disputes, of which nobody may have told.
func (r *run) payOut(ctx context.Context, p Payout) error {
	key, provider := payoutKey(r.b.ID, p.Number), r.s.payouts[p.Method]
	if p.byHand() || provider == nil {
		r.seen[key] = true
		return nil
	}
	list, err := provider.Transfers(ctx, r.b.ID)
	if err != nil {
		return silent{err}
	}
	if i := slices.IndexFunc(list, func(t Transfer) bool { return t.Key == key }); i >= 0 {
		return r.transferred(ctx, p, list[i])
	}
	if !r.seen["refunds "+p.PaymentID] || !r.seen["disputes "+p.PaymentID] {
		r.fresh[p.PaymentID] = true
		return nil
	}
	if r.missed != nil {
		return r.missed
	}
	if reason := r.b.payoutStop(p); reason != "" {
		return r.write(ctx, Entry{Kind: EntryPayoutFailed, Payout: p.Number, Reason: reason})
	}
	t, err := provider.Transfer(ctx, TransferParams{IdempotencyKey: key, BookingID: r.b.ID, Account: p.Account, Amount: p.Amount})
	switch {
	case err == nil:
		return r.transferred(ctx, p, t)
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound):
		r.s.log.ErrorContext(ctx, "checkout: payout refused", "booking", r.b.ID, "payout", p.Number, "error", err)
		return r.write(ctx, Entry{Kind: EntryPayoutFailed, Payout: p.Number, Reason: reasonOf(err)})
	}
	return r.unanswered(ctx, err)
}

// transferred writes down a transfer, whatever others have written meanwhile:
// the money has gone.
func (r *run) transferred(ctx context.Context, p Payout, t Transfer) error {
	for {
		won, err := r.append(ctx, Entry{Kind: EntryPayoutSent, Payout: p.Number, Reference: t.ID})
		if won || err != nil || r.b.Payouts[p.Number-1].Reference == t.ID {
			return err
		}
	}
}

// reverse takes back what a reversal has asked for.
func (r *run) reverse(ctx context.Context, p Payout, rev PayoutReversal) error {
	key, provider := reversalKey(r.b.ID, p.Number, rev.Number), r.s.payouts[p.Method]
	if provider == nil {
		r.seen[key] = true
		return nil
	}
	list, err := provider.Transfers(ctx, r.b.ID)
	if err != nil {
		return silent{err}
	}
	if e, found := r.b.newTransfer(list); found {
		return r.write(ctx, e)
	}
	got, err := provider.Reverse(ctx, ReversalParams{IdempotencyKey: key, BookingID: r.b.ID, TransferID: p.Reference, Amount: rev.Amount})
	switch {
	case err == nil:
		return r.write(ctx, Entry{Kind: EntryReversalSent, Payout: p.Number, Reversal: rev.Number, Reference: got.ID})
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound):
		r.s.log.ErrorContext(ctx, "checkout: reversal of a payout refused", "booking", r.b.ID, "payout", p.Number, "error", err)
		return r.write(ctx, Entry{Kind: EntryReversalFailed, Payout: p.Number, Reversal: rev.Number, Reason: reasonOf(err)})
	}
	return r.unanswered(ctx, err)
}

// listTransfers looks at the transfers of a booking and writes down what is
// new, one entry at a time.
func (r *run) listTransfers(ctx context.Context, p Payout) error {
	seen := "transfers " + p.Method
	provider := r.s.payouts[p.Method]
	if provider == nil {
		r.seen[seen] = true
		return nil
	}
	list, err := provider.Transfers(ctx, r.b.ID)
	if err != nil {
		r.seen[seen] = true
		r.miss(err)
		return nil
	}
	if e, found := r.b.newTransfer(list); found {
		return r.write(ctx, e)
	}
	r.seen[seen] = true
	return nil
}

// newTransfer returns the entry for the first transfer or reversal at the
// provider that the log does not have as it is there.
func (b *Booking) newTransfer(list []Transfer) (Entry, bool) {
	for _, p := range b.Payouts {
		i := slices.IndexFunc(list, func(t Transfer) bool { return t.Key == payoutKey(b.ID, p.Number) })
		if i < 0 {
			continue
		}
		if p.Reference == "" {
			return Entry{Kind: EntryPayoutSent, Payout: p.Number, Reference: list[i].ID}, true
		}
		for _, f := range list[i].Reversals {
			if slices.ContainsFunc(p.Reversals, func(r PayoutReversal) bool { return r.Reference == f.ID }) {
				continue
			}
			for _, r := range p.Reversals {
				if r.Number > 0 && f.Key == reversalKey(b.ID, p.Number, r.Number) {
					return Entry{Kind: EntryReversalSent, Payout: p.Number, Reversal: r.Number, Reference: f.ID}, true
				}
			}
			return Entry{Kind: EntryReversalFound, Payout: p.Number, Reference: f.ID, Amount: &f.Amount}, true
		}
	}
	return Entry{}, false
}

// reasonOf returns the reason for which a provider refuses.
func reasonOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && (f.Code == ReasonBalance || f.Code == ReasonAccount) {
		return f.Code
	}
	return ReasonRefused
}

// payoutUnderWay reports whether something waits for a provider's answer.
func (b *Booking) payoutUnderWay() bool {
	return slices.ContainsFunc(b.Payouts, func(p Payout) bool {
		waits := func(r PayoutReversal) bool { return r.Status == PayoutRequested }
		return !p.byHand() && (p.Status == PayoutRequested || slices.ContainsFunc(p.Reversals, waits))
	})
}
