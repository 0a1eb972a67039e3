package templates

import (
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
)

// Waiting is what comes next in a booking.
type Waiting struct {
	// Key of the sentence.
	Key string
	// Until is its deadline, a moment; zero without one.
	Until time.Time
	// Otherwise is true where there is a sentence on what happens when the
	// deadline passes.
	Otherwise bool
	Amount    catalog.Money
	// Date is a day in Shanghai, as midnight UTC.
	Date  time.Time
	Share int64
}

// waits lists what comes next, in the order in which it is due.
func waits(b checkout.Booking, now time.Time) []Waiting {
	out := waitsOfPeople(b, now)
	if paid(b) && b.Closed == nil {
		if s, ok := refundFalls(b.Quote, shanghaiDate(now)); ok {
			out = append(out, Waiting{Key: "policy", Amount: s.Refund, Date: s.Until, Share: s.Share})
		}
		out = append(out, Waiting{Key: "arrival", Amount: b.Quote.DueOnArrival, Date: b.Quote.Start})
		if hospitalBills(b.Quote) || b.Quote.DueAtHospital.Amount > 0 {
			out = append(out, Waiting{Key: "bill"})
		}
	}
	return append(out, waitsOfMoney(b, now)...)
}

// waitsOfPeople are what the patient or the hospital has to do.
func waitsOfPeople(b checkout.Booking, now time.Time) []Waiting {
	var out []Waiting
	add := func(w Waiting) { out = append(out, w) }
	if b.Closed != nil && open(b) {
		add(Waiting{Key: "closed", Until: b.Closed.Until, Otherwise: true, Amount: b.Quote.Deposit})
	}
	if b.Moving != nil {
		add(Waiting{Key: "moving", Date: b.Moving.Start})
	}
	if open(b) && now.Before(b.FreeExitUntil) {
		add(Waiting{Key: "exit", Until: b.FreeExitUntil, Otherwise: true, Amount: b.Quote.Deposit})
	}
	switch {
	case b.State == checkout.StateHolding && paymentPending(b):
		add(Waiting{Key: "bank"})
	case b.State == checkout.StateHolding:
		add(Waiting{Key: "pay", Until: b.HoldUntil, Otherwise: true, Amount: b.Quote.Deposit})
	case b.State == checkout.StateAwaiting && b.Question != nil:
		add(Waiting{Key: "reply", Until: b.Question.ReplyBy, Otherwise: true, Amount: b.Quote.Deposit})
		add(Waiting{Key: "hospital_then", Until: b.AnswerBy})
	case b.State == checkout.StateAwaiting:
		add(Waiting{Key: "hospital", Until: b.AnswerBy, Otherwise: true, Amount: b.Quote.Deposit})
	}
	return out
}

// waitsOfMoney are what banks have to do.
func waitsOfMoney(b checkout.Booking, now time.Time) []Waiting {
	var out []Waiting
	if b.RefundPending.Amount > 0 {
		key := "refund"
		if b.RefundStatus == checkout.RefundFailed {
			key = "refund_failed"
		}
		out = append(out, Waiting{Key: key, Amount: b.RefundPending})
	}
	for _, r := range b.Refunds {
		if by := refundShownBy(r.Changed); r.Status == checkout.RefundSucceeded && !by.Before(shanghaiDate(now)) {
			out = append(out, Waiting{Key: "refund_sent", Amount: r.Amount, Date: by})
		}
	}
	if slices.ContainsFunc(b.Disputes, func(d checkout.DisputeRecord) bool { return d.Open }) {
		out = append(out, Waiting{Key: "dispute"})
	}
	return out
}

// open reports whether a booking may still be cancelled.
func open(b checkout.Booking) bool {
	return b.State == checkout.StateHolding || b.State == checkout.StateAwaiting || b.State == checkout.StateConfirmed
}

// paid reports whether a booking's deposit is paid and its journey ahead.
func paid(b checkout.Booking) bool {
	return b.State == checkout.StateAwaiting || b.State == checkout.StateConfirmed
}

// paymentPending reports whether the payer is done and the bank is not.
func paymentPending(b checkout.Booking) bool {
	return slices.ContainsFunc(b.Attempts, func(a checkout.Attempt) bool { return a.Status == checkout.AttemptPending })
}

// refundFalls returns the step of the policy that runs now, where a later one
// pays back less.
func refundFalls(q checkout.Quote, today time.Time) (PolicyStep, bool) {
	steps := policySteps(q, today)
	return steps[0], len(steps) > 1 && steps[0].Share > 0
}

// refundDays is the greatest number of business days after which a refund to a
// card is seen by its holder: "approximately 5-10 business days later,
// depending upon the bank" (https://docs.stripe.com/refunds).
const refundDays = 10

// refundShownBy is the date by which a refund that was sent is usually seen.
// Saturdays and Sundays are no business days; holidays differ by country and
// are left out, which is why pages say "usually".
func refundShownBy(sent time.Time) time.Time {
	day := shanghaiDate(sent)
	for n := 0; n < refundDays; {
		day = day.AddDate(0, 0, 1)
		if wd := day.Weekday(); wd != time.Saturday && wd != time.Sunday {
			n++
		}
	}
	return day
}

// tone is the colour of a state.
func tone(s checkout.State) string {
	switch s {
	case checkout.StateConfirmed, checkout.StateCompleted:
		return ""
	case checkout.StateHolding, checkout.StateAwaiting:
		return "gold"
	case checkout.StateDeclined, checkout.StateCancelled, checkout.StateExpired:
		return "apricot"
	}
	return "plain"
}

// stateKey is the key of what a state means, which for some depends on why it
// was reached and on who has to act.
func stateKey(b checkout.Booking) string {
	switch {
	case b.Closed != nil && open(b):
		return "departure-closed"
	case b.State == checkout.StateHolding && paymentPending(b):
		return "holding-pending"
	case b.State == checkout.StateExpired && b.Reason == checkout.ReasonFull:
		return "expired-full"
	case b.State == checkout.StateAwaiting && b.Question != nil:
		return "asked"
	case b.State == checkout.StateDeclined && b.Reason == checkout.ReasonSilence:
		return "declined-silence"
	case b.State == checkout.StateDeclined && b.Reason == checkout.ReasonIncomplete:
		return "declined-incomplete"
	case b.State == checkout.StateCancelled && b.Cause == checkout.CauseClosed:
		return "cancelled-closed"
	case b.State == checkout.StateConfirmed && b.Quote.BookingClass == catalog.Instant:
		return "confirmed-instant"
	}
	return string(b.State)
}

// pillKey is the key of a state in two words.
func pillKey(b checkout.Booking) string {
	if key := stateKey(b); key == "asked" || key == "departure-closed" {
		return key
	}
	return string(b.State)
}

// pillTone is its colour.
func pillTone(b checkout.Booking) string {
	if stateKey(b) == "departure-closed" {
		return "apricot"
	}
	return tone(b.State)
}

// Event is a line of a booking's history in the reader's words.
type Event struct {
	At   time.Time
	Text string
	// Said is what a person added in their own words.
	Said string
}

// events tells the log; what is only of technical interest, or between the
// marketplace and its partners, has no message and is left out.
func events(p Page, b checkout.Booking) []Event {
	var out []Event
	moving := b.Quote
	for _, e := range b.Timeline {
		if e.Kind == checkout.EntryMoveAsked {
			moving = *e.Quote
		}
		if e.Kind == checkout.EntryPlaceReleased && e.StartKey != "" { // the place that a move has left
			continue
		}
		key := "event." + eventKey(e)
		if !p.Has(key) {
			continue
		}
		amount, until := b.Quote.Deposit, ""
		switch {
		case e.Kind == checkout.EntryRefundSent || e.Kind == checkout.EntryRefundUpdated:
			amount = refundAmount(b, e)
		case e.Amount != nil:
			amount = *e.Amount
		}
		if !e.Until.IsZero() {
			until = p.Time(e.Until)
		}
		ev := Event{At: e.At, Said: wordsOf(e), Text: p.T(key, "amount", p.MoneyCode(amount), "hours", p.Int(b.Quote.AnswerHours),
			"cause", p.Or("cancel.cause."+string(e.Cause), string(e.Cause)), "date", p.Date(moving.Start), "time", until)}
		if n := len(out); n > 0 && out[n-1].Text == ev.Text {
			continue
		}
		out = append(out, ev)
	}
	return out
}

// eventKey is the key of an entry's message, without its prefix.
func eventKey(e checkout.Entry) string {
	key := string(e.Kind)
	switch e.Kind {
	case checkout.EntryRefundSent, checkout.EntryRefundUpdated:
		return "refund-" + e.Status
	case checkout.EntryExpired, checkout.EntryDeclined:
		if slices.Contains([]string{checkout.ReasonFull, checkout.ReasonSilence, checkout.ReasonIncomplete}, e.Reason) {
			return key + "-" + e.Reason
		}
	case checkout.EntryCancelled:
		if e.Cause != "" {
			return key + "-cause"
		}
	case checkout.EntryReminded:
		return key + "-" + e.To
	case checkout.EntryEstimated:
		if !e.Until.IsZero() {
			return key + "-exit"
		}
	case checkout.EntryResolved:
		return key + "-" + e.Method
	}
	return key
}

// wordsOf is what a person added to an entry in their own words, for the patient
// to read.
func wordsOf(e checkout.Entry) string {
	switch e.Kind {
	case checkout.EntryAsked, checkout.EntryReplied:
		return e.Text
	case checkout.EntryAccepted, checkout.EntryDepartureClosed, checkout.EntryEstimated:
		return e.Reason
	case checkout.EntryDeclined:
		if e.Reason != checkout.ReasonSilence && e.Reason != checkout.ReasonIncomplete {
			return e.Reason
		}
	}
	return ""
}

// refundAmount is the amount of the refund that an entry is about.
func refundAmount(b checkout.Booking, e checkout.Entry) catalog.Money {
	for _, r := range b.Refunds {
		if r.ID != "" && r.ID == e.RefundID || r.Number != 0 && r.Number == e.Refund {
			return r.Amount
		}
	}
	return b.Quote.Deposit
}

// Left writes how long it is until a deadline, in the largest unit that says
// it well.
func (l *Locale) Left(now, until time.Time) string {
	d := until.Sub(now)
	switch {
	case d <= 0:
		return l.T("left.over")
	case d < time.Hour:
		return l.N("left.minutes", max(int(d.Minutes()), 1))
	case d < 96*time.Hour:
		return l.N("left.hours", int(d.Hours()))
	}
	return l.N("left.days", int(d.Hours()/24))
}

// UTC writes a moment in UTC, its date only where that differs from
// Shanghai's.
func (l *Locale) UTC(t time.Time) string {
	t = t.UTC()
	clock := l.T("time.utc", "time", l.cldr.FmtTimeShort(t))
	if t.Day() == t.In(catalog.Shanghai).Day() {
		return clock
	}
	return l.T("time.utc_on", "date", l.cldr.FmtDateLong(t), "time", l.cldr.FmtTimeShort(t))
}

// shanghaiDate is the date in Shanghai at midnight UTC.
func shanghaiDate(t time.Time) time.Time {
	y, m, d := t.In(catalog.Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// Change compares the hospital's estimate that a patient accepted with its
// last one.
type Change struct {
	Accepted, Last, Difference catalog.Money
	// BasisPoints of the accepted one by which the last one differs.
	BasisPoints int64
	// Revised is true where there is a difference.
	Revised bool
}

// changeOf compares the estimates of a booking that has some.
func changeOf(b checkout.Booking) Change {
	last := b.Estimates[len(b.Estimates)-1].Amount
	c := Change{Accepted: last, Last: last}
	if b.AcceptedEstimate != nil && b.AcceptedEstimate.Currency == last.Currency && b.AcceptedEstimate.Amount > 0 {
		c.Accepted = *b.AcceptedEstimate
	}
	c.Difference = catalog.Money{Amount: last.Amount - c.Accepted.Amount, Currency: last.Currency}
	c.Revised = c.Difference.Amount != 0
	// Amounts have a limit of 10^12, so this fits.
	c.BasisPoints = c.Difference.Amount * 10_000 / c.Accepted.Amount
	return c
}

// Signed writes a difference of money with its sign.
func (l *Locale) Signed(m catalog.Money) string {
	if m.Amount > 0 {
		return "+" + l.MoneyCode(m)
	}
	if m.Amount < 0 {
		return "−" + l.MoneyCode(catalog.Money{Amount: -m.Amount, Currency: m.Currency})
	}
	return l.MoneyCode(m)
}

// SignedPercent writes a difference in basis points with its sign.
func (l *Locale) SignedPercent(basisPoints int64) string {
	if basisPoints > 0 {
		return "+" + l.Percent(basisPoints)
	}
	if basisPoints < 0 {
		return "−" + l.Percent(-basisPoints)
	}
	return l.Percent(0)
}

// payMethods names the ways to pay on the open payment page of a booking.
func payMethods(p Page, b checkout.Booking) string {
	if len(b.Attempts) == 0 {
		return ""
	}
	var names []string
	for _, m := range b.Attempts[len(b.Attempts)-1].Params.Methods {
		names = append(names, p.Or("method."+m, m))
	}
	return strings.Join(names, p.T("plan.comma"))
}
