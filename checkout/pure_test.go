package checkout

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

var testRates = catalog.Rates{Date: "2026-11-20", Base: "EUR", Rates: map[string]catalog.Rate{
	"USD": {PerBase: "1.1583"}, "CNY": {PerBase: "8.2365"}, "JPY": {PerBase: "180.12"}, "ISK": {PerBase: "146.7"},
	"KWD": {PerBase: "0.35571"}, "UGX": {PerBase: "4172.2"}, "XOF": {PerBase: "655.957"},
}}

var testCurrencies = []string{"EUR", "USD", "CNY", "JPY", "ISK", "KWD", "UGX", "XOF"}

// drawOffer draws a package that may be published and a choice that fits it.
func drawOffer(t *rapid.T) (offer, Choice) {
	currency := rapid.SampledFrom(testCurrencies).Draw(t, "currency")
	amount := func(name string) catalog.Money {
		n := rapid.Int64Range(0, 5_000_000).Draw(t, name)
		return catalog.Money{Amount: n * catalog.ChargeStep(currency), Currency: currency}
	}
	p := catalog.Package{ID: "p", Currency: currency, Presentment: testCurrencies,
		Options: catalog.Options{MaxCompanions: 9, Rooms: []catalog.Room{{ID: "a", Surcharge: amount("a")}, {ID: "b", Surcharge: amount("b")}}},
		Deposit: catalog.DepositRule{BasisPoints: rapid.Int64Range(1, 10_000).Draw(t, "deposit")},
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "lines") {
		m := amount(fmt.Sprintf("line %d", i))
		l := catalog.PriceLine{ID: fmt.Sprint(i), Payee: catalog.PayeeAgency,
			Due: rapid.SampledFrom([]catalog.Due{catalog.DueOnArrival, catalog.DueAtHospital}).Draw(t, "due"),
			Per: rapid.SampledFrom([]catalog.Per{catalog.PerBooking, catalog.PerCompanion}).Draw(t, "per"), Amount: &m}
		if l.Due == catalog.DueAtHospital && rapid.Bool().Draw(t, "unpriced") {
			l.Amount = nil
		}
		p.Lines = append(p.Lines, l)
	}
	c := Choice{PackageID: "p", StartKey: "d_2027-03-01", Companions: rapid.IntRange(0, 9).Draw(t, "companions"),
		RoomID:   rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "room"),
		Currency: rapid.SampledFrom(testCurrencies).Draw(t, "pay in")}
	return offer{pkg: p, class: catalog.OnAcceptance, answerHours: 72,
		start: catalog.Start{Key: c.StartKey, Date: time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), Capacity: 3}}, c
}

func TestPriceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, c := drawOffer(t)
		q, err := price(o, c, testRates)
		var f *fault.Error
		if errors.As(err, &f) && slices.ContainsFunc(f.Fields, func(f fault.Field) bool { return strings.HasPrefix(f.Code, "deposit_") }) {
			return // TestChargeable says when
		}
		if err != nil {
			var arrival int64
			for _, l := range o.pkg.Lines {
				if l.Due == catalog.DueOnArrival && (l.Per == catalog.PerBooking || c.Companions > 0) {
					arrival += l.Amount.Amount
				}
			}
			if arrival > 10_000 {
				t.Fatalf("no price: %v", err)
			}
			t.Skip("nothing is due on arrival")
		}
		step := catalog.ChargeStep(c.Currency)
		var total, arrival int64
		for _, l := range q.Lines {
			if l.Amount == nil {
				continue
			}
			if l.Amount.Currency != c.Currency || l.Amount.Amount%step != 0 || l.Amount.Amount < 0 {
				t.Fatalf("line %s is %s", l.ID, l.Amount)
			}
			if l.Original.Amount != l.Unit.Amount*int64(l.Quantity) {
				t.Fatalf("%d × %s is not %s", l.Quantity, l.Unit, l.Original)
			}
			total += l.Amount.Amount
			if l.Due == catalog.DueOnArrival {
				arrival += l.Amount.Amount
			}
		}
		if q.Total.Amount != total || q.Deposit.Amount+q.DueOnArrival.Amount != arrival || q.DueAtHospital.Amount != total-arrival {
			t.Fatalf("lines add up to %d, %d on arrival: %+v", total, arrival, q)
		}
		if q.Deposit.Amount < step || q.Deposit.Amount > arrival || q.Deposit.Amount%step != 0 {
			t.Fatalf("deposit %s of %d", q.Deposit, arrival)
		}
		if exact := float64(arrival) * float64(o.pkg.Deposit.BasisPoints) / 10_000; float64(q.Deposit.Amount)-exact > float64(step) {
			t.Fatalf("deposit %s, exactly %.2f", q.Deposit, exact)
		}
		if (q.Rate == "") != (c.Currency == o.pkg.Currency) {
			t.Fatalf("rate %q from %s to %s", q.Rate, o.pkg.Currency, c.Currency)
		}
	})
}

func TestStrictestClass(t *testing.T) {
	order := []catalog.BookingClass{"", catalog.Instant, catalog.OnAcceptance, catalog.NeedsApproval, catalog.EnquiryOnly, "unheard-of"}
	for i, a := range order {
		for j, b := range order {
			if got := stricter(a, b); got != order[max(i, j)] {
				t.Errorf("of %q and %q the stricter is %q", a, b, got)
			}
		}
	}
}

func TestPreviewProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom(testCurrencies).Draw(t, "currency")
		paid := catalog.Money{Amount: catalog.ChargeStep(currency) * rapid.Int64Range(1, 1_000_000).Draw(t, "paid"), Currency: currency}
		var tiers []catalog.Tier
		for days := rapid.IntRange(0, 90).Draw(t, "first"); days >= 0; days -= rapid.IntRange(1, 40).Draw(t, "next") {
			tiers = append(tiers, catalog.Tier{DaysBefore: days, RefundBasisPoints: rapid.Int64Range(0, 10_000).Draw(t, "share")})
		}
		cause := rapid.SampledFrom(append(slices.Clone(catalog.Causes), "")).Draw(t, "cause")
		policy := catalog.Policy{Tiers: tiers, Causes: map[catalog.Cause]int64{catalog.CauseVisa: rapid.Int64Range(0, 10_000).Draw(t, "visa")}}
		start := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
		b := Booking{State: StateConfirmed, Quote: Quote{Deposit: paid, Start: start, Policy: policy, DueOnArrival: paid},
			Payments: []Payment{{ID: "p", Amount: paid, Status: PaymentAccepted}}}
		now := start.Add(-time.Duration(rapid.Int64Range(-10*24, 120*24).Draw(t, "hours")) * time.Hour)
		p, err := preview(b, cause, now)
		if err != nil {
			t.Fatal(err)
		}
		if p.Refund.Amount+p.Kept.Amount != paid.Amount || p.Refund.Amount < 0 || p.Kept.Amount < 0 || p.Refund.Amount%catalog.ChargeStep(currency) != 0 {
			t.Fatalf("of %s, %s come back and %s are kept", paid, p.Refund, p.Kept)
		}
		if p.Share < 0 || p.Share > 10_000 || (p.Share == 10_000 && p.Kept.Amount != 0) || (p.Share == 0 && p.Refund.Amount != 0) {
			t.Fatalf("share %d: %s come back, %s are kept", p.Share, p.Refund, p.Kept)
		}
		// A date in Shanghai begins eight hours before the one in UTC.
		days := int(start.Sub(now.Add(8*time.Hour).Truncate(24*time.Hour)) / (24 * time.Hour))
		if days != p.DaysBefore {
			t.Fatalf("%d days before, want %d", p.DaysBefore, days)
		}
	})
}

func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := []QuoteLine{{Due: catalog.DueAtHospital}, {Due: catalog.DueAtHospital, Amount: &catalog.Money{Amount: 7}}}
		var total int64
		for range rapid.IntRange(1, 12).Draw(t, "lines") {
			m := catalog.Money{Amount: rapid.Int64Range(0, 1e12).Draw(t, "amount")}
			total += m.Amount
			lines = append(lines, QuoteLine{Due: catalog.DueOnArrival, Amount: &m})
		}
		if total == 0 {
			t.Skip("nothing is due on arrival")
		}
		amount := rapid.Int64Range(0, total).Draw(t, "deposit")
		var sum int64
		for i, share := range split(amount, lines) {
			sum += share
			if share < 0 || share > 0 && lines[i].Due != catalog.DueOnArrival {
				t.Fatalf("line %d has %d", i, share)
			}
			if share > 0 && share > lines[i].Amount.Amount {
				t.Fatalf("line of %d has %d", lines[i].Amount.Amount, share)
			}
		}
		if sum != amount {
			t.Fatalf("shares of %d add up to %d", amount, sum)
		}
	})
}

// world answers the steps of decide at random, as a card processor and other
// people might, keeping the processor's own rules.
type world struct {
	t   *rapid.T
	now time.Time
	b   Booking
	// truth is the processor's: what was paid, and what went back of it.
	paid     map[string]catalog.Money
	refunds  map[string][]Refund
	disputes map[string][]Dispute
	// transfers to the agency's account.
	transfers []Transfer
	// down is set while the processor does not answer.
	down bool
}

func (w *world) add(e Entry) {
	e.Seq, e.At = int64(len(w.b.Timeline)), w.now
	w.b = fold(w.b.ID, append(slices.Clip(w.b.Timeline), e))
	w.check()
}

func (w *world) chance(name string, percent int) bool {
	return rapid.IntRange(1, 100).Draw(w.t, name) <= percent
}

// check holds after every entry.
func (w *world) check() {
	b := w.b
	if again := fold(b.ID, b.Timeline); !reflect.DeepEqual(again, b) {
		w.t.Fatal("the fold depends on more than the log")
	}
	sums := map[string]int64{}
	for _, l := range b.Ledger() {
		sums[l.PaymentID] += l.Amount.Amount
	}
	balance := map[string]int64{}
	for _, p := range b.Postings() {
		balance[fmt.Sprint(p.Seq, p.Amount.Currency)] += p.Amount.Amount
		if p.Account == AccountReceived {
			sums[p.PaymentID] += p.Amount.Amount
		}
	}
	for entry, sum := range balance {
		if sum != 0 {
			w.t.Fatalf("the postings of entry %s add up to %d: %+v", entry, sum, b.Postings())
		}
	}
	for id, sum := range sums {
		if sum != 0 {
			w.t.Fatalf("%d of payment %s are on no account", sum, id)
		}
		sums[id] = 0
	}
	for _, l := range b.Ledger() {
		sums[l.PaymentID] += l.Amount.Amount
	}
	accepted := 0
	for _, p := range b.Payments {
		if sums[p.ID] != p.Amount.Amount {
			w.t.Fatalf("the ledger of %s adds up to %d: %+v", p.Amount, sums[p.ID], b.Ledger())
		}
		var sent int64
		for _, r := range b.Refunds {
			if r.PaymentID == p.ID && r.ID != "" && !r.lost() {
				sent += r.Amount.Amount
			}
		}
		if sent > p.Amount.Amount {
			w.t.Fatalf("%d of %s go back", sent, p.Amount)
		}
		if p.Status == PaymentAccepted {
			accepted++
			if p.Amount != b.Quote.Deposit {
				w.t.Fatalf("%s was taken for a deposit of %s", p.Amount, b.Quote.Deposit)
			}
		}
	}
	if accepted > 1 {
		w.t.Fatal("two payments were accepted")
	}
	last := b.Timeline[len(b.Timeline)-1]
	hospital := slices.ContainsFunc(b.Timeline, func(e Entry) bool { return e.Kind == EntryAccepted })
	if b.Quote.BookingClass == catalog.OnAcceptance && (b.State == StateConfirmed || b.State == StateCompleted) && !hospital {
		w.t.Fatal("confirmed without the hospital")
	}
	if (b.State == StateConfirmed || b.State == StateAwaiting) && (accepted != 1 || b.Place == 0) {
		w.t.Fatalf("%s with %d payments and place %d", b.State, accepted, b.Place)
	}
	if last.Kind == EntryPlaceReleased && !last.At.IsZero() {
		for _, a := range b.Attempts {
			if a.Status == AttemptOpen || a.Status == AttemptUnknown && w.now.Before(a.Until) {
				w.t.Fatal("the place went while a page could be paid")
			}
		}
	}
}

// settle runs decide until nothing is left, or the processor is down. It fails
// where that takes too long.
func (w *world) settle(l look) {
	l.seen = map[string]bool{}
	for range maxSteps {
		st := decide(&w.b, w.now, l)
		if other := decide(&w.b, w.now, l); !reflect.DeepEqual(st, other) {
			w.t.Fatalf("decide says %+v, then %+v", st, other)
		}
		if st.do == actNothing {
			return
		}
		if w.down && st.do >= actAdopt {
			return
		}
		w.answer(st, l)
	}
	w.t.Fatalf("no rest after %d steps", maxSteps)
}

func (w *world) answer(st step, l look) {
	switch st.do {
	case actAppend:
		w.add(st.entry)
	case actAttempt:
		n := w.b.started() + 1
		w.add(Entry{Kind: EntryAttempt, Attempt: n, Session: &SessionParams{Attempt: n, ExpiresAt: later(w.b.HoldUntil, w.now.Add(MinHoldFor))}})
	case actClaim:
		if w.b.Place > 0 {
			w.t.Fatalf("a place is claimed while %d is held", w.b.Place)
		}
		switch full := w.chance("full", 20); {
		case full && st.id != "":
			w.add(Entry{Kind: EntryPaymentRejected, PaymentID: st.id, Reason: ReasonPlaceGone})
		case full:
			w.add(Entry{Kind: EntryExpired, Reason: ReasonFull})
		default:
			w.add(Entry{Kind: EntryPlaceClaimed, Place: 1 + rapid.IntRange(0, 4).Draw(w.t, "place")})
		}
	case actRelease:
		w.add(Entry{Kind: EntryPlaceReleased, Place: w.b.Place})
	case actMove:
		if w.chance("full", 20) {
			w.add(Entry{Kind: EntryMoveFailed, Reason: ReasonFull})
			return
		}
		w.add(Entry{Kind: EntryMoved, Place: 1 + rapid.IntRange(0, 4).Draw(w.t, "place")})
	case actLeave:
		w.add(Entry{Kind: EntryPlaceReleased, Place: w.b.left[0].place, StartKey: w.b.left[0].pool})
	case actSweep:
		l.seen["claims"] = true
	case actOpen:
		a := w.b.Attempts[st.attempt]
		switch {
		case w.chance("refused", 10):
			w.add(Entry{Kind: EntryAttemptFailed, Attempt: a.Number, Reason: ReasonRefused})
		case w.chance("given up", 20):
			w.add(Entry{Kind: EntryAttemptFailed, Attempt: a.Number, Reason: ReasonNoAnswer, Unknown: true})
		default:
			w.add(Entry{Kind: EntrySessionOpened, Attempt: a.Number, SessionID: fmt.Sprintf("cs_%d", a.Number), Until: a.Until})
		}
	case actFetch:
		a := w.b.Attempts[st.attempt]
		l.seen["session "+a.SessionID] = true
		w.fetch(a)
	case actExpire:
		a := w.b.Attempts[st.attempt]
		if w.took(a) || w.chance("paid meanwhile", 20) {
			w.pay(a)
			return
		}
		w.add(Entry{Kind: EntrySessionExpired, SessionID: a.SessionID})
	case actRefund:
		w.refund(w.b.Refunds[st.refund])
	case actListRefunds:
		if e, found := w.b.newRefund(st.id, w.refunds[st.id]); found {
			w.add(e)
			return
		}
		l.seen["refunds "+st.id] = true
	case actListDisputes:
		if e, found := w.b.newDispute(st.id, w.disputes[st.id]); found {
			w.add(e)
			return
		}
		l.seen["disputes "+st.id] = true
	case actPayOut:
		w.transfer(w.b.Payouts[st.payout], l)
	case actReverse:
		p := w.b.Payouts[st.payout]
		w.reverse(p, p.Reversals[st.reversal], l)
	case actListTransfers:
		if e, found := w.b.newTransfer(w.transfers); found {
			w.add(e)
			return
		}
		l.seen["transfers "+w.b.Payouts[st.payout].Method] = true
	default:
		w.t.Fatalf("step %+v", st)
	}
}

// transfer answers a payout that is to be sent, at times not at all.
func (w *world) transfer(p Payout, l look) {
	key := payoutKey(w.b.ID, p.Number)
	if p.byHand() {
		l.seen[key] = true
		return
	}
	if i := slices.IndexFunc(w.transfers, func(t Transfer) bool { return t.Key == key }); i >= 0 {
		w.add(Entry{Kind: EntryPayoutSent, Payout: p.Number, Reference: w.transfers[i].ID})
		return
	}
	if reason := w.b.payoutStop(p); reason != "" {
		w.add(Entry{Kind: EntryPayoutFailed, Payout: p.Number, Reason: reason})
		return
	}
	if w.chance("refused", 20) {
		w.add(Entry{Kind: EntryPayoutFailed, Payout: p.Number, Reason: ReasonBalance})
		return
	}
	t := Transfer{ID: fmt.Sprintf("tr_%d", p.Number), Key: key, Amount: p.Amount}
	w.transfers = append(w.transfers, t)
	if w.chance("answer lost", 30) {
		l.seen[key] = true
		return
	}
	w.add(Entry{Kind: EntryPayoutSent, Payout: p.Number, Reference: t.ID})
}

// reverse answers a reversal that is to be sent, at times not at all.
func (w *world) reverse(p Payout, r PayoutReversal, l look) {
	key := reversalKey(w.b.ID, p.Number, r.Number)
	if e, found := w.b.newTransfer(w.transfers); found {
		w.add(e)
		return
	}
	if w.chance("refused", 20) {
		w.add(Entry{Kind: EntryReversalFailed, Payout: p.Number, Reversal: r.Number, Reason: ReasonBalance})
		return
	}
	for i := range w.transfers {
		if t := &w.transfers[i]; t.ID == p.Reference {
			made := Reversal{ID: fmt.Sprintf("trr_%d_%d", p.Number, r.Number), Key: key, Amount: r.Amount}
			t.Reversals = append(t.Reversals, made)
			if w.chance("answer lost", 30) {
				l.seen[key] = true
				return
			}
			w.add(Entry{Kind: EntryReversalSent, Payout: p.Number, Reversal: r.Number, Reference: made.ID})
			return
		}
	}
	w.t.Fatalf("a reversal of %s, which is not there", p.Reference)
}

func (w *world) fetch(a Attempt) {
	switch {
	case w.took(a):
		w.pay(a)
	case a.Status == AttemptPending && w.chance("fails", 30):
		w.add(Entry{Kind: EntrySessionFailed, SessionID: a.SessionID})
	case w.chance("paid", 50):
		w.pay(a)
	case a.Status == AttemptPending:
	case !w.now.Before(a.Until):
		w.add(Entry{Kind: EntrySessionExpired, SessionID: a.SessionID})
	case w.chance("pending", 20):
		w.add(Entry{Kind: EntrySessionPending, SessionID: a.SessionID})
	}
}

// took reports whether the processor has taken money on an attempt, which the
// log may have to learn again.
func (w *world) took(a Attempt) bool {
	_, ok := w.paid["pi_"+a.SessionID]
	return ok
}

func (w *world) pay(a Attempt) {
	amount := w.b.Quote.Deposit
	switch rapid.IntRange(0, 9).Draw(w.t, "amount") {
	case 0:
		amount.Amount--
	case 1:
		amount.Currency = "JPY"
	}
	id := "pi_" + a.SessionID
	if w.took(a) {
		amount = w.paid[id]
	}
	w.paid[id] = amount
	w.add(Entry{Kind: EntryPaid, SessionID: a.SessionID, PaymentID: id, Amount: &amount})
}

// rest is what can still be refunded at the processor.
func (w *world) rest(payment string) int64 {
	rest := w.paid[payment].Amount
	for _, r := range w.refunds[payment] {
		if r.Status != RefundFailed {
			rest -= r.Amount.Amount
		}
	}
	for _, d := range w.disputes[payment] {
		if d.Status != "won" {
			return 0
		}
	}
	return rest
}

func (w *world) refund(rec RefundRecord) {
	if e, found := w.b.newRefund(rec.PaymentID, w.refunds[rec.PaymentID]); found {
		w.add(e)
		return
	}
	if w.b.excess(rec) {
		w.add(Entry{Kind: EntryRefundRefused, Refund: rec.Number, Reason: ReasonNothingDue})
		return
	}
	if rec.Amount.Amount > w.rest(rec.PaymentID) {
		w.add(Entry{Kind: EntryRefundRefused, Refund: rec.Number, Reason: ReasonRefused})
		return
	}
	status := rapid.SampledFrom([]RefundStatus{RefundSucceeded, RefundPending}).Draw(w.t, "refund")
	f := Refund{ID: fmt.Sprintf("re_%s_%d", rec.PaymentID, len(w.refunds[rec.PaymentID])), PaymentID: rec.PaymentID,
		Key: refundKey(w.b.ID, rec.Number), Amount: rec.Amount, Status: status}
	w.refunds[rec.PaymentID] = append(w.refunds[rec.PaymentID], f)
	if w.chance("answer lost", 20) {
		return // the next round finds it in the list
	}
	w.add(Entry{Kind: EntryRefundSent, Refund: rec.Number, RefundID: f.ID, Status: string(status), PaymentID: rec.PaymentID, Amount: &rec.Amount})
}

// happen lets something happen that nobody decided here. It returns what the
// webhook about it would say.
func (w *world) happen() look {
	b := &w.b
	switch rapid.IntRange(0, 16).Draw(w.t, "happens") {
	case 0:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(w.t, "hours")) * time.Hour)
	case 1, 2:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(w.t, "minutes")) * time.Minute)
	case 3:
		if b.State == StateAwaiting && w.now.Before(b.AnswerBy) {
			w.add(Entry{Kind: EntryAccepted, Actor: "hospital"})
		}
	case 4:
		if b.State == StateAwaiting || b.State == StateConfirmed {
			w.add(Entry{Kind: EntryDeclined, Actor: "hospital"})
		}
	case 5:
		if p, err := preview(*b, rapid.SampledFrom([]catalog.Cause{"", catalog.CauseVisa, catalog.CauseUnfit}).Draw(w.t, "cause"), w.now); err == nil {
			w.add(Entry{Kind: EntryCancelled, Cause: p.Cause, Amount: &p.Refund})
		}
	case 6:
		if b.payable() == nil && mayRetry(*b, w.now) == nil {
			w.add(Entry{Kind: EntryRetry, Until: w.now.Add(DefaultHoldFor)})
		}
	case 7:
		w.down = !w.down
	case 8, 9:
		return w.elsewhere()
	case 10:
		// The page of an attempt that was given up turns up after all.
		for _, a := range b.Attempts {
			if a.Status == AttemptUnknown {
				w.add(Entry{Kind: EntrySessionOpened, Attempt: a.Number, SessionID: fmt.Sprintf("cs_%d", a.Number), Until: a.Until})
			}
		}
	case 11:
		if key := fmt.Sprintf("d_%d", len(b.Timeline)); mayMove(*b, key, w.now) == nil {
			q := b.Quote
			q.StartKey, q.Start = key, q.Start.AddDate(0, 0, 1)
			w.add(Entry{Kind: EntryMoveAsked, Quote: &q})
		}
	case 13:
		if b.State == StateAwaiting && b.Question == nil && b.questions < maxQuestions {
			w.add(Entry{Kind: EntryAsked, Text: "?", Until: w.now.Add(replyFor)})
		} else if b.Question != nil {
			w.add(Entry{Kind: EntryReplied, Text: "!"})
		}
	case 14:
		if b.State == StateAwaiting || b.State == StateConfirmed {
			m := catalog.Money{Amount: rapid.Int64Range(1, 1000).Draw(w.t, "estimate"), Currency: "CNY"}
			e := Entry{Kind: EntryEstimated, Amount: &m}
			if b.exceeds(m) {
				e.Until = w.now.Add(minExitFor)
			}
			w.add(e)
			if p, err := preview(*b, CauseRevisedPlan, w.now); b.Closed == nil && (err == nil) != w.now.Before(b.FreeExitUntil) || err == nil && p.Kept.Amount != 0 {
				w.t.Fatalf("exit until %s: %+v, %v", b.FreeExitUntil, p, err)
			}
		}
	case 15:
		if b.State == StateConfirmed && w.chance("completed", 30) {
			w.add(Entry{Kind: EntryCompleted, Actor: "agency"})
		}
	case 16:
		w.payOut()
	case 12:
		if ended := b.State.over() || b.State == StateCompleted; !ended && w.chance("closed", 30) {
			w.add(Entry{Kind: EntryDepartureClosed, StartKey: b.Quote.StartKey,
				Until: w.now.Add(time.Duration(rapid.IntRange(0, 48).Draw(w.t, "to move")) * time.Hour)})
		}
	}
	return look{}
}

// payOut pays out what is due, or says what became of the last payout.
func (w *world) payOut() {
	b := &w.b
	if due, err := b.PayoutDue("agency"); err == nil {
		w.add(Entry{Kind: EntryPayoutRequested, Payout: len(b.Payouts) + 1, To: "agency", PaymentID: b.Payments[b.deposit()].ID, Amount: &due,
			Method: rapid.SampledFrom([]string{PayoutManual, PayoutStripe}).Draw(w.t, "method")})
	} else if n := len(b.Payouts); n > 0 && b.Payouts[n-1].byHand() {
		w.add(Entry{Kind: rapid.SampledFrom([]EntryKind{EntryPayoutSent, EntryPayoutFailed}).Draw(w.t, "payout"), Payout: n})
	}
}

// elsewhere lets something happen to a payment at the processor.
func (w *world) elsewhere() look {
	if len(w.b.Payments) == 0 {
		return look{}
	}
	p := w.b.Payments[rapid.IntRange(0, len(w.b.Payments)-1).Draw(w.t, "payment")]
	list, contested := w.refunds[p.ID], w.disputes[p.ID]
	switch rapid.IntRange(0, 3).Draw(w.t, "elsewhere") {
	case 0:
		if rest := w.rest(p.ID); rest > 0 {
			m := catalog.Money{Amount: rapid.Int64Range(1, rest).Draw(w.t, "dashboard"), Currency: p.Amount.Currency}
			w.refunds[p.ID] = append(list, Refund{ID: fmt.Sprintf("re_%s_%d", p.ID, len(list)), Amount: m, Status: RefundSucceeded})
		}
	case 1:
		for i := range list {
			list[i].Status = rapid.SampledFrom([]RefundStatus{list[i].Status, RefundFailed}).Draw(w.t, "later")
		}
	case 2:
		if rest := w.rest(p.ID); rest > 0 {
			m := catalog.Money{Amount: rest, Currency: p.Amount.Currency}
			w.disputes[p.ID] = append(contested, Dispute{ID: fmt.Sprintf("dp_%s_%d", p.ID, len(contested)), Amount: m,
				Status: rapid.SampledFrom([]DisputeStatus{"needs_response", "warning_needs_response"}).Draw(w.t, "dispute")})
		}
	case 3:
		for i, d := range contested {
			if !d.Closed() {
				contested[i].Status = rapid.SampledFrom([]DisputeStatus{"won", disputeLost}).Draw(w.t, "verdict")
			}
		}
	}
	return look{payment: p.ID}
}

// TestLivesOfABooking drives decide and fold through random lives, and from
// every prefix of such a life on: they come to rest, the ledger adds up after
// every entry, nothing is confirmed without the hospital, and money that cannot
// be the deposit goes back.
func TestLivesOfABooking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.live(12)
		life := w.b.Timeline
		prefix := rapid.IntRange(1, len(life)).Draw(t, "prefix")
		w.b = fold(w.b.ID, life[:prefix])
		w.live(3)
		w.rest4ever()
	})
}

// live lets things happen, at times several before anybody settles.
func (w *world) live(most int) {
	for range rapid.IntRange(0, most).Draw(w.t, "length") {
		var l look
		for range rapid.IntRange(1, 3).Draw(w.t, "at once") {
			l = w.happen()
		}
		w.settle(l)
	}
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), b: Booking{ID: newID()},
		paid: map[string]catalog.Money{}, refunds: map[string][]Refund{}, disputes: map[string][]Dispute{}}
	price := catalog.Money{Amount: 100_000, Currency: "USD"}
	w.add(Entry{Kind: EntryCreated, Until: w.now.Add(DefaultHoldFor), Patient: &Patient{}, Quote: &Quote{
		Choice: Choice{StartKey: "d"}, AgencyID: "agency",
		BookingClass: rapid.SampledFrom([]catalog.BookingClass{catalog.Instant, catalog.OnAcceptance}).Draw(t, "class"),
		Deposit:      price.Percent(2000), AnswerHours: 72, Start: time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC),
		Lines:  []QuoteLine{{ID: "care", Payee: catalog.PayeeAgency, Due: catalog.DueOnArrival, Quantity: 1, Amount: &price}},
		Policy: catalog.Policy{Tiers: []catalog.Tier{{DaysBefore: 7, RefundBasisPoints: 5000}}, Causes: map[catalog.Cause]int64{catalog.CauseVisa: 10_000}},
	}})
	w.settle(look{})
	return w
}

// rest4ever lets time go by until nothing can happen any more, and looks at
// what is left.
func (w *world) rest4ever() {
	w.down = false
	for range 30 {
		w.now = w.now.Add(26 * time.Hour)
		for id := range w.paid {
			w.settle(look{payment: id})
		}
		w.settle(look{sweep: true})
		if next := nextLook(&w.b, w.now); !next.IsZero() && next.Before(w.now) {
			w.t.Fatalf("to be looked at again at %s, which has passed", next)
		}
	}
	b := w.b
	if b.State == StateHolding && !slices.ContainsFunc(b.Attempts, func(a Attempt) bool { return a.Status == AttemptPending }) || b.State == StateAwaiting {
		w.t.Fatalf("still %s a month later", b.State)
	}
	if b.State.over() && b.Place != 0 || len(b.left) > 0 || b.Moving != nil {
		w.t.Fatalf("%s, and holds place %d, has left %v and moves to %v", b.State, b.Place, b.left, b.Moving)
	}
	if b.Closed != nil && b.State == StateConfirmed {
		w.t.Fatal("left behind on a closed departure")
	}
	w.checkPayouts()
	for _, p := range b.Payments {
		m := b.moneyOf(p)
		if p.Status == PaymentUndecided || m.owed > 0 && !m.contested && m.failures < maxRefundTries {
			w.t.Fatalf("payment %s is %s, owed %d", p.ID, p.Status, m.owed)
		}
	}
}

// checkPayouts: what the agency's account holds is what the log says, and no more
// than is left for the agency unless a person has to get it back.
func (w *world) checkPayouts() {
	byHand, tried := false, false
	for _, p := range w.b.Payouts {
		byHand = byHand || p.byHand()
		for _, r := range p.Reversals {
			tried = tried || r.Status == PayoutFailed && r.Number >= maxRefundTries
		}
		i := slices.IndexFunc(w.transfers, func(t Transfer) bool { return t.Key == payoutKey(w.b.ID, p.Number) })
		if !p.byHand() && ((p.Status == PayoutSent) != (i >= 0) || p.Status == PayoutRequested) {
			w.t.Fatalf("payout %d is %s, transfers %+v", p.Number, p.Status, w.transfers)
		}
		if i < 0 {
			continue
		}
		var reversed int64
		for _, r := range w.transfers[i].Reversals {
			reversed += r.Amount.Amount
		}
		if reversed != p.reversed() || reversed > p.Amount.Amount {
			w.t.Fatalf("%d of %s were reversed, the log has %d", reversed, p.Amount, p.reversed())
		}
	}
	if over := -w.b.payableTo("agency"); over > 0 && !byHand && !tried {
		w.t.Fatalf("the agency keeps %d too much: %+v", over, w.b.Payouts)
	}
}

// TestMoneyBeforeThePlace: a booking was given up and is wanted again, and the
// page of its first attempt turns out to have been paid before a place is held.
func TestMoneyBeforeThePlace(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	amount := catalog.Money{Amount: 20_000, Currency: "USD"}
	entries := []Entry{
		{Kind: EntryCreated, Until: now, Patient: &Patient{}, Quote: &Quote{BookingClass: catalog.Instant, Deposit: amount, Start: now.AddDate(0, 1, 0)}},
		{Kind: EntryPlaceClaimed, Place: 3},
		{Kind: EntryAttempt, Attempt: 1, Session: &SessionParams{Attempt: 1, ExpiresAt: now}},
		{Kind: EntryAttemptFailed, Attempt: 1, Unknown: true, Reason: ReasonNoAnswer},
		{Kind: EntryExpired, Reason: ReasonUnpaid},
		{Kind: EntryPlaceReleased, Place: 3},
		{Kind: EntryRetry, Until: now.Add(time.Hour)},
		{Kind: EntrySessionOpened, Attempt: 1, SessionID: "cs", Until: now},
		{Kind: EntryPaid, SessionID: "cs", PaymentID: "pi", Amount: &amount},
		{Kind: EntryPlaceClaimed, Place: 1},
	}
	for i := range entries {
		entries[i].Seq, entries[i].At = int64(i), now
	}
	b := fold("b", entries[:9])
	if b.State != StateHolding || b.Payments[0].Status != PaymentUndecided {
		t.Fatalf("without a place: %s, payment %s", b.State, b.Payments[0].Status)
	}
	if st := decide(&b, now, look{seen: map[string]bool{}}); st.do != actClaim || st.id != "pi" {
		t.Fatalf("next step %+v", st)
	}
	if b = fold("b", entries); b.State != StateConfirmed || b.Payments[0].Status != PaymentAccepted {
		t.Fatalf("with a place: %s, payment %s", b.State, b.Payments[0].Status)
	}
}
