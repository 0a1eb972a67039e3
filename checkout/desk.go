package checkout

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

// ItemKind says why a person must look.
type ItemKind string

// The kinds of items.
const (
	// ItemRefundFailed: money that is owed to a patient could not be sent back.
	ItemRefundFailed ItemKind = "refund-failed"
	// ItemAmount: a payment came with another amount than was quoted; it goes
	// back in full.
	ItemAmount ItemKind = "amount-mismatch"
	// ItemDispute: a card holder contests a payment.
	ItemDispute ItemKind = "dispute"
	// ItemPayoutFailed: a payout did not arrive.
	ItemPayoutFailed ItemKind = "payout-failed"
	// ItemOverpaid: more was paid out to an organisation than is left for it.
	ItemOverpaid ItemKind = "overpaid"
	// ItemUnknownPayment: the card processor has a payment that belongs to no
	// booking.
	ItemUnknownPayment ItemKind = "unknown-payment"
	// ItemDifference: the card processor and the log disagree about a payment.
	ItemDifference ItemKind = "difference"
)

// Remedy is what a person does about an item.
type Remedy string

// The remedies.
const (
	// RemedyNote closes the item: it was dealt with elsewhere, or needs nothing.
	RemedyNote Remedy = "note"
	// RemedyRetry sends a failed refund again.
	RemedyRetry Remedy = "retry"
	// RemedyBank says that a failed refund was paid by bank transfer, under the
	// bank's reference.
	RemedyBank Remedy = "bank"
)

// Item is something that a person must look at. One about a booking follows
// from its log, and so does its end.
type Item struct {
	ID        string         `json:"id"`
	Kind      ItemKind       `json:"kind"`
	BookingID string         `json:"booking_id,omitempty"`
	PaymentID string         `json:"payment_id,omitempty"`
	Amount    *catalog.Money `json:"amount,omitempty"`
	// Note says what was found, in English.
	Note   string    `json:"note,omitempty"`
	Opened time.Time `json:"opened"`
	// Remedy, Actor, Reason and Resolved say how it ended; zero while it is
	// open.
	Remedy   Remedy    `json:"remedy,omitempty"`
	Actor    string    `json:"actor,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Resolved time.Time `json:"resolved,omitzero"`
}

// Remedies lists what can be done about the item.
func (i Item) Remedies() []Remedy {
	switch {
	case !i.Resolved.IsZero():
		return nil
	case i.Kind == ItemRefundFailed:
		return []Remedy{RemedyRetry, RemedyBank}
	}
	return []Remedy{RemedyNote}
}

var itemsDef = store.Def[Item]{
	Name:    "checkout_items",
	Indexes: []store.Index{{Name: "open"}},
	Keys: func(i Item) map[string]string {
		if !i.Resolved.IsZero() {
			return nil
		}
		return map[string]string{"open": store.TimeKey(i.Opened)}
	},
}

// items derives what a person must look at from a booking. It is pure.
func (b *Booking) items() []Item {
	var out []Item
	add := func(kind ItemKind, object, payment string, amount catalog.Money, at time.Time, note string) {
		i := Item{ID: string(kind) + "-" + object, Kind: kind, BookingID: b.ID, PaymentID: payment, Amount: &amount, Note: note, Opened: at}
		for _, e := range b.Timeline {
			if e.Kind == EntryResolved && e.Item == i.ID {
				i.Remedy, i.Actor, i.Reason, i.Resolved = Remedy(e.Method), e.Actor, e.Reason, e.At
			}
		}
		out = append(out, i)
	}
	for _, p := range b.Payments {
		if p.Status == PaymentRejected && p.Reason == ReasonAmount {
			add(ItemAmount, p.ID, p.ID, p.Amount, p.At, "quoted "+b.Quote.Deposit.String())
		}
		if number, at := b.givenUp(p); number > 0 {
			m := b.moneyOf(p)
			add(ItemRefundFailed, fmt.Sprintf("%s-%d", b.ID, number), p.ID, catalog.Money{Amount: m.owed, Currency: p.Amount.Currency}, at, "")
		}
	}
	for _, d := range b.Disputes {
		add(ItemDispute, d.ID, d.PaymentID, d.Amount, d.At, d.Reason)
	}
	for _, p := range b.Payouts {
		if p.Status == PayoutFailed {
			add(ItemPayoutFailed, fmt.Sprintf("%s-%d", b.ID, p.Number), p.PaymentID, p.Amount, p.Changed, p.Organisation+": "+p.Reason)
		}
	}
	payable := map[string]catalog.Money{}
	for _, l := range b.Ledger() {
		if l.Account == AccountPayable {
			sum := payable[l.Organisation]
			payable[l.Organisation] = catalog.Money{Amount: sum.Amount + l.Amount.Amount, Currency: l.Amount.Currency}
		}
	}
	for organisation, sum := range payable {
		if sum.Amount < 0 {
			sum.Amount = -sum.Amount
			add(ItemOverpaid, fmt.Sprintf("%s-%s", b.ID, organisation), "", sum, b.Timeline[len(b.Timeline)-1].At, organisation)
		}
	}
	return out
}

// givenUp returns the number of the last refund of a payment, and when it
// failed, where no further one is sent without a person.
func (b *Booking) givenUp(p Payment) (number int, at time.Time) {
	if m := b.moneyOf(p); m.owed == 0 || m.failures < maxRefundTries {
		return 0, at
	}
	for _, r := range b.Refunds {
		if r.PaymentID == p.ID && r.lost() && r.Number >= number {
			number, at = r.Number, r.Changed
		}
	}
	return number, at
}

// keepItems brings the list of items up to a booking.
func (s *Service) keepItems(ctx context.Context, b Booking) error {
	for _, i := range b.items() {
		if err := s.openItem(ctx, i); err != nil {
			return err
		}
		if i.Resolved.IsZero() {
			continue
		}
		if err := s.closeItem(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// openItem stores an item that is not stored yet.
func (s *Service) openItem(ctx context.Context, i Item) error {
	_, err := s.items.Get(ctx, i.ID)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	if err = s.items.Insert(ctx, i.ID, i); fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

func (s *Service) closeItem(ctx context.Context, i Item) error {
	rec, err := s.items.Get(ctx, i.ID)
	if err != nil || !rec.Value.Resolved.IsZero() {
		return err
	}
	_, err = s.items.Update(ctx, i.ID, func(v *Item) error {
		if v.Resolved.IsZero() {
			v.Remedy, v.Actor, v.Reason, v.Resolved = i.Remedy, i.Actor, i.Reason, i.Resolved
		}
		return nil
	})
	return err
}

// Items returns the open items, oldest first. after is the cursor of the page
// before. Errors: Invalid for a bad cursor.
func (s *Service) Items(ctx context.Context, limit int, after string) (items []Item, next string, err error) {
	if limit <= 0 || limit > store.MaxPage {
		limit = store.DefaultPage
	}
	page, err := s.items.Find(ctx, store.Query{Index: "open", Limit: limit, After: after})
	for _, rec := range page.Items {
		items = append(items, rec.Value)
	}
	return items, page.Next, err
}

// Item returns an item, open or not. Errors: NotFound.
func (s *Service) Item(ctx context.Context, id string) (Item, error) {
	unknown := fault.New(fault.NotFound, "There is no such item.").WithCode("item_unknown")
	if id == "" || len(id) > store.MaxID {
		return Item{}, unknown
	}
	rec, err := s.items.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return Item{}, unknown
	}
	return rec.Value, err
}

// Resolve does something about an item and closes it. About a booking that is
// an entry of its log. reference is the bank's, for RemedyBank. Errors:
// NotFound; Invalid with fields, for no reason among others; Conflict with code
// "resolved" or "not_possible".
func (s *Service) Resolve(ctx context.Context, itemID string, remedy Remedy, reference string, a Act) (Item, error) {
	if err := validateRemedy(remedy, reference, a); err != nil {
		return Item{}, err
	}
	i, err := s.Item(ctx, itemID)
	switch {
	case err != nil:
		return Item{}, err
	case !i.Resolved.IsZero():
		return i, refuse("resolved", "This has been dealt with already.")
	case !slices.Contains(i.Remedies(), remedy):
		return i, refuse("not_possible", "This cannot be done about it.")
	case i.BookingID == "" || i.Kind == ItemDifference:
		i.Remedy, i.Actor, i.Reason, i.Resolved = remedy, a.Actor, a.Reason, s.now()
		if err := s.closeItem(ctx, i); err != nil {
			return i, err
		}
		return s.Item(ctx, itemID)
	}
	_, err = s.act(ctx, i.BookingID, func(b Booking, _ time.Time) (Entry, error) {
		for _, now := range b.items() {
			if now.ID == i.ID && now.Resolved.IsZero() {
				return Entry{Kind: EntryResolved, Actor: a.Actor, Reason: a.Reason, Item: i.ID, Method: string(remedy), Reference: reference,
					PaymentID: i.PaymentID, Amount: now.Amount}, nil
			}
		}
		if slices.ContainsFunc(b.Timeline, func(e Entry) bool { return e.Kind == EntryResolved && e.Item == i.ID }) {
			return Entry{}, errDone
		}
		if remedy != RemedyNote {
			return Entry{}, refuse("not_possible", "There is nothing left to do about it.")
		}
		return Entry{Kind: EntryResolved, Actor: a.Actor, Reason: a.Reason, Item: i.ID, Method: string(remedy)}, nil
	})
	if err != nil {
		return i, err
	}
	i.Remedy, i.Actor, i.Reason, i.Resolved = remedy, a.Actor, a.Reason, s.now()
	if err := s.closeItem(ctx, i); err != nil {
		return i, err
	}
	return s.Item(ctx, itemID)
}

func validateRemedy(remedy Remedy, reference string, a Act) error {
	if err := a.validate(); err != nil {
		return err
	}
	var f fault.Fields
	if strings.TrimSpace(a.Reason) == "" {
		f.Add("reason", "required", "say why")
	}
	line(&f, "reference", reference, maxReference, false)
	if (remedy == RemedyBank) != (reference != "") {
		f.Add("reference", "required", "give the reference of the bank transfer, and only for one")
	}
	return f.Err("This cannot be done.")
}

// applyResolved is the part of apply that is about items.
func (b *Booking) applyResolved(e Entry) {
	switch Remedy(e.Method) {
	case RemedyRetry:
		if b.forgiven == nil {
			b.forgiven = map[string]int{}
		}
		b.forgiven[e.PaymentID] = b.lastRefund()
	case RemedyBank:
		b.Refunds = append(b.Refunds, RefundRecord{PaymentID: e.PaymentID, Amount: *e.Amount, ID: "bank:" + e.Reference,
			Status: RefundSucceeded, At: e.At, Changed: e.At})
	}
}
