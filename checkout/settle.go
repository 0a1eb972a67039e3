package checkout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

const (
	// runTimeout ends one run of Settle. It is shorter than busyAtLeast, so
	// that whatever a run leaves undone is seen by the worker.
	runTimeout = 2 * time.Minute
	// maxSteps bounds a run; a long life of a booking takes some dozens.
	maxSteps = 300
	// giveUpAfter is how long opening a payment page is repeated when the
	// processor does not answer. Stripe may answer a failure again and again
	// for one idempotency key; the next attempt has another.
	giveUpAfter = 2 * time.Minute
	// maxAttempts to pay of one booking, so that nobody holds a place for ever
	// without paying.
	maxAttempts = 6
	// maxRefundTries of one payment; then a person must look.
	maxRefundTries = 3
)

// refundPause is how long to wait after a refund failed, by the number of
// failures.
var refundPause = []time.Duration{0, time.Hour, 24 * time.Hour}

// action is what a step does.
type action int

const (
	// actNothing: the booking is settled for now.
	actNothing action = iota
	// actAppend inserts the entry of the step.
	actAppend
	// actAttempt writes down a new attempt to pay.
	actAttempt
	// actClaim claims a place.
	actClaim
	// actRelease frees the place.
	actRelease
	// actMove claims the place to which the booking moves, actLeave frees the
	// one that it has left.
	actMove
	actLeave
	// actSweep frees dead claims.
	actSweep
	// actAdopt looks at a session that the log does not know.
	actAdopt
	// actOpen opens the payment page of an attempt.
	actOpen
	// actFetch looks at a session.
	actFetch
	// actExpire ends a session.
	actExpire
	// actRefund sends a refund that was asked for.
	actRefund
	// actListRefunds and actListDisputes look at a payment.
	actListRefunds
	actListDisputes
	// actPayOut sends a payout that was asked for, actReverse takes a part of
	// one back, actListTransfers looks at all of the booking.
	actPayOut
	actReverse
	actListTransfers
)

// step is the one next thing to do.
type step struct {
	do action
	// entry of actAppend.
	entry Entry
	// attempt is the index of the attempt that it is about.
	attempt int
	// refund is the index of the refund that it is about.
	refund int
	// payout and reversal are the indices of those that it is about.
	payout, reversal int
	// id of the session or the payment.
	id string
}

// look says what a run is to look at beyond what the log asks for, and what it
// has looked at already.
type look struct {
	// session and payment that an event is about; empty without one.
	session, payment string
	// sweep asks for what a process that died has left behind: dead claims to be
	// freed, and payments to be looked at that an event was about.
	sweep bool
	// transfers asks for the transfers of payouts to be looked at.
	transfers bool
	// seen has what was looked at in this run.
	seen map[string]bool
	// fresh are the payments that this run has learned of. Events about them
	// that came before, a dispute's for one, could not be told to be ours.
	fresh map[string]bool
}

// decide says what the next step of a booking is. It is pure: the log, the
// time and what the run has seen decide alone.
func decide(b *Booking, now time.Time, l look) step {
	for _, next := range []func(*Booking, time.Time, look) step{
		decideSessions, decidePayments, decideMove, decideState, decideRefunds, decidePayouts, decideRest,
	} {
		if st := next(b, now, l); st.do != actNothing {
			return st
		}
	}
	return step{}
}

// decideSessions learns what became of the payment pages.
func decideSessions(b *Booking, now time.Time, l look) step {
	if l.session != "" && !l.seen["session "+l.session] &&
		!slices.ContainsFunc(b.Attempts, func(a Attempt) bool { return a.SessionID == l.session }) {
		return step{do: actAdopt, id: l.session}
	}
	for i, a := range b.Attempts {
		switch {
		case a.Status == AttemptStarted && !now.Before(a.Until):
			return step{do: actAppend, entry: Entry{Kind: EntryAttemptFailed, Attempt: a.Number, Reason: ReasonOutOfTime, Unknown: true}}
		case a.Status == AttemptStarted:
			return step{do: actOpen, attempt: i}
		case (a.Status == AttemptOpen || a.Status == AttemptPending) && !l.seen["session "+a.SessionID]:
			return step{do: actFetch, attempt: i}
		}
	}
	return step{}
}

// decidePayments finds a place for money that came without one, or turns it
// down.
func decidePayments(b *Booking, now time.Time, _ look) step {
	for _, p := range b.Payments {
		if p.Status != PaymentUndecided {
			continue
		}
		reason := b.mismatch(p)
		if reason == "" && !b.Quote.Start.After(today(now)) {
			reason = ReasonClosed
		}
		switch {
		case reason != "":
			return step{do: actAppend, entry: Entry{Kind: EntryPaymentRejected, PaymentID: p.ID, Reason: reason}}
		case b.Place > 0:
			// The place is being given up; whoever does it may be half way.
			return step{do: actRelease}
		}
		return step{do: actClaim, id: p.ID}
	}
	return step{}
}

// decideState moves the booking on.
func decideState(b *Booking, now time.Time, _ look) step {
	switch {
	case b.Closed != nil && !b.State.over() && b.State != StateCompleted && (b.deposit() < 0 || !now.Before(b.Closed.Until)):
		return step{do: actAppend, entry: Entry{Kind: EntryCancelled, Cause: CauseClosed, Reason: b.Closed.Reason, Amount: b.depositPaid()}}
	case b.State == StateHolding:
		return decideHolding(b, now)
	case b.State == StateAwaiting:
		if st := decideAnswer(b, now); st.do != actNothing {
			return st
		}
	}
	// The booking needs no further payment: nobody shall be able to make one.
	if st := endSessions(b); st.do != actNothing {
		return st
	}
	if b.State.over() && b.Place > 0 && !b.mayBePaid(now) {
		return step{do: actRelease}
	}
	return step{}
}

func decideHolding(b *Booking, now time.Time) step {
	if !now.Before(b.HoldUntil) {
		if st := endSessions(b); st.do != actNothing {
			return st
		}
		if slices.ContainsFunc(b.Attempts, func(a Attempt) bool { return a.Status == AttemptPending }) || b.mayBePaid(now) {
			return step{}
		}
		return step{do: actAppend, entry: Entry{Kind: EntryExpired, Reason: ReasonUnpaid}}
	}
	switch {
	case b.Place == 0:
		return step{do: actClaim}
	case b.started() < b.wanted:
		return step{do: actAttempt}
	}
	return step{}
}

// started is the number of the last attempt that was written down.
func (b *Booking) started() int {
	n := 0
	for _, a := range b.Attempts {
		n = max(n, a.Number)
	}
	return n
}

// endSessions ends a payment page that can still be paid.
func endSessions(b *Booking) step {
	for i, a := range b.Attempts {
		if a.Status == AttemptOpen {
			return step{do: actExpire, attempt: i}
		}
	}
	return step{}
}

// mayBePaid reports whether there may be a payment page that can be paid and
// that cannot be ended, since nobody knows its id.
func (b *Booking) mayBePaid(now time.Time) bool {
	return slices.ContainsFunc(b.Attempts, func(a Attempt) bool {
		return a.Status == AttemptOpen || a.Status == AttemptUnknown && now.Before(a.Until)
	})
}

// decideRefunds sends back what is owed, and follows refunds and disputes.
func decideRefunds(b *Booking, now time.Time, l look) step {
	for i, r := range b.Refunds {
		if r.Status == "" {
			return step{do: actRefund, refund: i}
		}
	}
	for _, p := range b.Payments {
		m := b.moneyOf(p)
		asked := l.sweep || l.payment == p.ID || l.fresh[p.ID]
		if !l.seen["refunds "+p.ID] && (asked || m.underWay+m.owed > 0) {
			return step{do: actListRefunds, id: p.ID}
		}
		open := slices.ContainsFunc(b.Disputes, func(d DisputeRecord) bool { return d.PaymentID == p.ID && d.Open })
		if !l.seen["disputes "+p.ID] && (asked || open) {
			return step{do: actListDisputes, id: p.ID}
		}
		if m.owed > 0 && !m.contested && m.failures < maxRefundTries && !now.Before(m.failed.Add(refundPause[m.failures])) {
			amount := catalog.Money{Amount: m.owed, Currency: p.Amount.Currency}
			return step{do: actAppend, entry: Entry{Kind: EntryRefundRequested, Refund: b.lastRefund() + 1, PaymentID: p.ID, Amount: &amount}}
		}
	}
	return step{}
}

func (b *Booking) lastRefund() int {
	n := 0
	for _, r := range b.Refunds {
		n = max(n, r.Number)
	}
	return n
}

func decideRest(_ *Booking, _ time.Time, l look) step {
	if l.sweep && !l.seen["claims"] {
		return step{do: actSweep}
	}
	return step{}
}

// nextLook says when a settled booking has to be looked at again without any
// event; zero means never.
func nextLook(b *Booking, now time.Time) time.Time {
	var next time.Time
	at := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if b.Closed != nil && !b.State.over() && b.State != StateCompleted {
		at(b.Closed.Until)
	}
	switch b.State {
	case StateHolding:
		at(now.Add(time.Minute))
		if b.HoldUntil.After(now) {
			at(b.HoldUntil)
		}
	case StateAwaiting:
		at(b.nextAnswer())
	}
	for _, a := range b.Attempts {
		switch {
		case a.Status == AttemptStarted, a.Status == AttemptOpen:
			at(now.Add(time.Minute))
		case a.Status == AttemptPending:
			at(now.Add(10 * time.Minute))
		case a.Status == AttemptUnknown && b.Place > 0 && b.State.over() && now.Before(a.Until):
			at(a.Until)
		}
	}
	for _, p := range b.Payments {
		m := b.moneyOf(p)
		switch {
		case p.Status == PaymentUndecided:
			at(now.Add(time.Minute))
		case m.owed > 0 && !m.contested && m.failures < maxRefundTries:
			at(later(now.Add(time.Minute), m.failed.Add(refundPause[m.failures])))
		case m.underWay > 0:
			at(now.Add(time.Hour))
		}
	}
	if slices.ContainsFunc(b.Disputes, func(d DisputeRecord) bool { return d.Open }) {
		at(now.Add(24 * time.Hour))
	}
	if b.payoutUnderWay() {
		at(now.Add(time.Minute))
	}
	if _, from := b.nextReversal(); !from.IsZero() {
		at(later(now.Add(time.Minute), from))
	}
	return next
}

// Settle brings a booking forward until there is nothing left to do, and
// returns it. Where the card processor does not answer, the rest is left to
// the worker and that is no error. Errors: NotFound, those of the store.
func (s *Service) Settle(ctx context.Context, id string) (Booking, error) {
	return s.settle(ctx, id, look{})
}

// settle is Settle with something to look at.
func (s *Service) settle(ctx context.Context, id string, l look) (Booking, error) {
	b, err := s.run(ctx, id, l)
	if paymentsSilent(err) {
		s.log.WarnContext(ctx, "checkout: left to the worker", "booking", id, "error", err)
		return b, nil
	}
	return b, err
}

// run is settle with every error. The booking is what is known at its end; it
// is empty where nothing is.
func (s *Service) run(ctx context.Context, id string, l look) (Booking, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	b, err := s.load(ctx, id)
	if err != nil {
		return Booking{}, err
	}
	l.seen, l.fresh = map[string]bool{}, map[string]bool{}
	r := run{s: s, b: b, look: l}
	for range maxSteps {
		st := decide(&r.b, s.now(), r.look)
		if st.do == actNothing {
			return r.b, r.end(ctx)
		}
		switch err := r.do(ctx, st); {
		case paymentsSilent(err):
			r.missed = err
			return r.b, r.end(ctx)
		case err != nil:
			return r.b, err
		}
	}
	return r.b, fault.New(fault.Internal, "The booking does not come to rest.")
}

// end brings the lists up to the booking, and tells the patient.
func (r *run) end(ctx context.Context) error {
	if err := r.s.keepItems(ctx, r.b); err != nil {
		return err
	}
	told, err := r.s.tell(ctx, r.b)
	if err != nil {
		r.miss(err)
	}
	if err := r.s.show(ctx, r.b, r.missed != nil, r.sweep, told); err != nil {
		return err
	}
	return r.missed
}

// silent marks an error of Payments after which the worker goes on later.
type silent struct{ error }

func (e silent) Unwrap() error { return e.error }

func paymentsSilent(err error) bool {
	var e silent
	return errors.As(err, &e)
}

// run is one run over one booking.
type run struct {
	s *Service
	b Booking
	look
	// marked is set once the list view says that the booking is being worked
	// on.
	marked bool
	// missed is the first failure to look at something. What was not seen
	// changes nothing; the rest goes on.
	missed error
}

func (r *run) miss(err error) {
	if r.missed == nil {
		r.missed = silent{err}
	}
}

func (r *run) do(ctx context.Context, st step) error {
	switch st.do {
	case actAppend:
		return r.write(ctx, st.entry)
	case actAttempt:
		return r.attempt(ctx)
	case actClaim:
		return r.claim(ctx, st.id)
	case actRelease:
		return r.release(ctx)
	case actMove:
		return r.takeNew(ctx)
	case actLeave:
		return r.leave(ctx)
	case actSweep:
		r.seen["claims"] = true
		return r.s.sweep(ctx, r.b)
	case actAdopt:
		return r.adopt(ctx, st.id)
	case actOpen:
		return r.open(ctx, r.b.Attempts[st.attempt])
	case actFetch:
		return r.fetch(ctx, r.b.Attempts[st.attempt])
	case actExpire:
		return r.expire(ctx, r.b.Attempts[st.attempt])
	case actRefund:
		return r.refund(ctx, r.b.Refunds[st.refund])
	case actListRefunds:
		return r.listRefunds(ctx, st.id)
	case actListDisputes:
		return r.listDisputes(ctx, st.id)
	case actPayOut:
		return r.payOut(ctx, r.b.Payouts[st.payout])
	case actReverse:
		p := r.b.Payouts[st.payout]
		return r.reverse(ctx, p, p.Reversals[st.reversal])
	case actListTransfers:
		return r.listTransfers(ctx, r.b.Payouts[st.payout])
	}
	return fault.New(fault.Internal, "The booking has a step that nobody knows.")
}

// write inserts the next entry of the log. Where somebody else was first, the
// log is loaded again, and decide decides on what is there then.
func (r *run) write(ctx context.Context, e Entry) error {
	_, err := r.append(ctx, e)
	return err
}

// append is write; it reports whether the entry is in the log.
func (r *run) append(ctx context.Context, e Entry) (bool, error) {
	if e.Actor == "" {
		e.Actor = ActorSystem
	}
	e.Seq, e.At = int64(len(r.b.Timeline)), r.s.now()
	if !r.marked {
		if err := r.s.mark(ctx, r.b.ID); err != nil {
			return false, err
		}
		r.marked = true
	}
	err := r.s.entries.Insert(ctx, entryID(r.b.ID, e.Seq), e)
	if fault.Is(err, fault.Conflict) {
		b, err := r.s.load(ctx, r.b.ID)
		if err != nil {
			return false, err
		}
		r.b = b
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.b = fold(r.b.ID, append(slices.Clip(r.b.Timeline), e))
	return true, nil
}

// claim takes a place for the booking, or says that there is none.
func (r *run) claim(ctx context.Context, payment string) error {
	found, err := r.take(ctx, r.b.Quote, Entry{Kind: EntryPlaceClaimed})
	switch {
	case err != nil || found:
		return err
	case payment != "":
		return r.write(ctx, Entry{Kind: EntryPaymentRejected, PaymentID: payment, Reason: ReasonPlaceGone})
	}
	return r.write(ctx, Entry{Kind: EntryExpired, Reason: ReasonFull})
}

// take claims a place, and a room where it is limited, as a quote asks for, and
// makes the claim good with an entry. It reports false where there is none.
func (r *run) take(ctx context.Context, q Quote, e Entry) (bool, error) {
	seq := int64(len(r.b.Timeline))
	if !r.marked {
		// Before the claim, so that a claim left behind is swept.
		if err := r.s.mark(ctx, r.b.ID); err != nil {
			return false, err
		}
		r.marked = true
	}
	claim, err := r.s.hold(ctx, q, r.b.ID, seq)
	switch {
	case err == errOvertaken:
		r.b, err = r.s.load(ctx, r.b.ID)
		return true, err
	case err != nil || claim.place == 0:
		return false, err
	}
	e.Place, e.RoomPlace = claim.place, claim.roomPlace
	if err := r.write(ctx, e); err != nil {
		return true, err
	}
	good := r.b.held()
	if good.seq == seq && good.pool == claim.pool && good.place == claim.place {
		claim.place = 0
	}
	if good.seq == seq && good.roomPool == claim.roomPool && good.roomPlace == claim.roomPlace {
		claim.roomPlace = 0
	}
	return true, r.s.free(ctx, r.b.ID, claim)
}

// release frees the place, then says so. Before the entry nobody claims
// another one for this booking.
func (r *run) release(ctx context.Context) error {
	if err := r.s.free(ctx, r.b.ID, r.b.held()); err != nil {
		return err
	}
	return r.write(ctx, Entry{Kind: EntryPlaceReleased, Place: r.b.Place})
}

// attempt writes down the parameters of a payment page.
func (r *run) attempt(ctx context.Context) error {
	n := r.b.started() + 1
	p := r.s.sessionParams(r.b, n)
	return r.write(ctx, Entry{Kind: EntryAttempt, Attempt: n, Session: &p})
}

// open opens the payment page of an attempt with the stored parameters.
func (r *run) open(ctx context.Context, a Attempt) error {
	sess, err := r.s.pay.CreateSession(ctx, a.Params)
	switch {
	case err == nil:
		return r.opened(ctx, a.Number, sess)
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound):
		r.s.log.ErrorContext(ctx, "checkout: payment page refused", "booking", r.b.ID, "attempt", a.Number, "error", err)
		return r.write(ctx, Entry{Kind: EntryAttemptFailed, Attempt: a.Number, Reason: ReasonRefused})
	case ctx.Err() == nil && r.s.now().Sub(a.Started) > giveUpAfter:
		r.s.log.WarnContext(ctx, "checkout: payment page given up", "booking", r.b.ID, "attempt", a.Number, "error", err)
		return r.write(ctx, Entry{Kind: EntryAttemptFailed, Attempt: a.Number, Reason: ReasonNoAnswer, Unknown: true})
	}
	return r.unanswered(ctx, err)
}

// unanswered is for a call that had no answer. The processor also refuses a call
// that somebody else is making at this moment, after a double click for one:
// then it is decided anew on what they have written.
func (r *run) unanswered(ctx context.Context, err error) error {
	if r.overtaken(ctx) {
		return nil
	}
	return silent{err}
}

// overtakenAfter is how long a call of the processor takes at most, as a rule.
const overtakenAfter = 400 * time.Millisecond

// overtaken waits a moment and reports whether somebody else has gone on with
// the booking, which is loaded again.
func (r *run) overtaken(ctx context.Context) bool {
	timer := time.NewTimer(overtakenAfter)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	b, err := r.s.load(ctx, r.b.ID)
	if err != nil || len(b.Timeline) == len(r.b.Timeline) {
		return false
	}
	r.b = b
	return true
}

func (r *run) opened(ctx context.Context, attempt int, sess Session) error {
	return r.write(ctx, Entry{Kind: EntrySessionOpened, Attempt: attempt, SessionID: sess.ID, URL: sess.URL, Until: sess.ExpiresAt})
}

// adopt takes up a session that an event named and the log does not know: the
// answer that would have told its id was lost.
func (r *run) adopt(ctx context.Context, id string) error {
	r.seen["session "+id] = true
	sess, err := r.s.pay.Session(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && sess.BookingID != r.b.ID {
		r.s.log.WarnContext(ctx, "checkout: session is not of this booking", "booking", r.b.ID, "session", id)
		return nil
	}
	if err != nil {
		r.miss(err)
		return nil
	}
	delete(r.seen, "session "+id)
	return r.opened(ctx, sess.Attempt, sess)
}

// fetch looks at a session and writes down what is new.
func (r *run) fetch(ctx context.Context, a Attempt) error {
	r.seen["session "+a.SessionID] = true
	sess, err := r.s.pay.Session(ctx, a.SessionID)
	if fault.Is(err, fault.NotFound) {
		// A session of another account: nobody can pay it to us.
		r.s.log.ErrorContext(ctx, "checkout: session unknown to the processor", "booking", r.b.ID, "session", a.SessionID)
		return r.write(ctx, Entry{Kind: EntrySessionExpired, SessionID: a.SessionID})
	}
	if err != nil {
		r.miss(err)
		return nil
	}
	return r.learn(ctx, a, sess)
}

// learn writes down what a session says.
func (r *run) learn(ctx context.Context, a Attempt, sess Session) error {
	e := Entry{SessionID: sess.ID}
	switch {
	case sess.Paid:
		e.Kind, e.PaymentID, e.Amount = EntryPaid, sess.PaymentID, &sess.Amount
		r.fresh[sess.PaymentID] = true
	case sess.Status == SessionExpired:
		e.Kind = EntrySessionExpired
	case sess.Status == SessionComplete && sess.Failed:
		e.Kind = EntrySessionFailed
	case sess.Status == SessionComplete && a.Status != AttemptPending:
		e.Kind = EntrySessionPending
	default:
		return nil
	}
	return r.write(ctx, e)
}

// expire ends a session. One that was paid meanwhile is looked at again.
func (r *run) expire(ctx context.Context, a Attempt) error {
	sess, err := r.s.pay.ExpireSession(ctx, a.SessionID, r.b.ID+":expire:"+a.SessionID)
	if fault.Is(err, fault.Conflict) {
		sess, err = r.s.pay.Session(ctx, a.SessionID)
	}
	if err != nil {
		return silent{err}
	}
	if sess.Status == SessionOpen {
		return silent{fault.New(fault.Unavailable, "The payment page has not ended yet.")}
	}
	return r.learn(ctx, a, sess)
}

// refund sends a refund that was asked for. The payment's refunds are listed
// first: an earlier call may have had its effect without an answer, longer ago
// than the processor remembers the key.
func (r *run) refund(ctx context.Context, rec RefundRecord) error {
	list, err := r.s.pay.Refunds(ctx, rec.PaymentID)
	if err != nil {
		return silent{err}
	}
	params := refundParams(r.b.ID, rec)
	for _, f := range list {
		if f.Key == params.Key {
			return r.sent(ctx, rec, f)
		}
	}
	if e, found := r.b.newRefund(rec.PaymentID, list); found {
		return r.write(ctx, e)
	}
	if r.b.excess(rec) {
		return r.write(ctx, Entry{Kind: EntryRefundRefused, Refund: rec.Number, Reason: ReasonNothingDue})
	}
	f, err := r.s.pay.CreateRefund(ctx, params)
	switch {
	case err == nil:
		return r.sent(ctx, rec, f)
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound):
		r.s.log.ErrorContext(ctx, "checkout: refund refused", "booking", r.b.ID, "payment", rec.PaymentID, "error", err)
		r.look.payment = rec.PaymentID // a dispute may be the reason
		return r.write(ctx, Entry{Kind: EntryRefundRefused, Refund: rec.Number, Reason: ReasonRefused})
	}
	return r.unanswered(ctx, err)
}

func (r *run) sent(ctx context.Context, rec RefundRecord, f Refund) error {
	return r.write(ctx, Entry{Kind: EntryRefundSent, Refund: rec.Number, PaymentID: rec.PaymentID, Amount: &rec.Amount,
		RefundID: f.ID, Status: string(f.Status), Reason: f.FailureReason})
}

// refundParams are the parameters of a refund, the same whenever it is sent.
func refundParams(booking string, rec RefundRecord) RefundParams {
	key := refundKey(booking, rec.Number)
	return RefundParams{IdempotencyKey: key, Key: key, BookingID: booking, PaymentID: rec.PaymentID, Amount: rec.Amount}
}

// excess reports whether a refund that was asked for is more than is due, now
// that others have become known.
func (b *Booking) excess(rec RefundRecord) bool {
	for _, p := range b.Payments {
		if p.ID == rec.PaymentID {
			m := b.moneyOf(p)
			return m.refunded+m.underWay+m.lost > m.due
		}
	}
	return true
}

// newRefund returns the entry for the first refund at the processor that the
// log does not have as it is there.
func (b *Booking) newRefund(payment string, list []Refund) (Entry, bool) {
	for _, f := range list {
		i := slices.IndexFunc(b.Refunds, func(r RefundRecord) bool { return r.ID == f.ID })
		if i >= 0 {
			if b.Refunds[i].Status != f.Status {
				return Entry{Kind: EntryRefundUpdated, RefundID: f.ID, PaymentID: payment, Amount: &f.Amount,
					Status: string(f.Status), Reason: f.FailureReason}, true
			}
			continue
		}
		for _, r := range b.Refunds {
			if r.Number > 0 && r.PaymentID == payment && f.Key == refundKey(b.ID, r.Number) {
				return Entry{Kind: EntryRefundSent, Refund: r.Number, PaymentID: payment, Amount: &f.Amount,
					RefundID: f.ID, Status: string(f.Status), Reason: f.FailureReason}, true
			}
		}
		return Entry{Kind: EntryRefundFound, RefundID: f.ID, PaymentID: payment, Amount: &f.Amount,
			Status: string(f.Status), Reason: f.FailureReason}, true
	}
	return Entry{}, false
}

// listRefunds looks at the refunds of a payment and writes down what is new,
// one entry at a time.
func (r *run) listRefunds(ctx context.Context, payment string) error {
	list, err := r.s.pay.Refunds(ctx, payment)
	if err != nil {
		r.seen["refunds "+payment] = true
		r.miss(err)
		return nil
	}
	if e, found := r.b.newRefund(payment, list); found {
		return r.write(ctx, e)
	}
	r.seen["refunds "+payment] = true
	return nil
}

// listDisputes looks at the disputes of a payment and writes down what is new,
// one entry at a time.
func (r *run) listDisputes(ctx context.Context, payment string) error {
	list, err := r.s.pay.Disputes(ctx, payment)
	if err != nil {
		r.seen["disputes "+payment] = true
		r.miss(err)
		return nil
	}
	if e, found := r.b.newDispute(payment, list); found {
		return r.write(ctx, e)
	}
	r.seen["disputes "+payment] = true
	return nil
}

func (b *Booking) newDispute(payment string, list []Dispute) (Entry, bool) {
	for _, d := range list {
		e := Entry{DisputeID: d.ID, PaymentID: payment, Amount: &d.Amount, Status: string(d.Status), Reason: d.Reason}
		i := slices.IndexFunc(b.Disputes, func(r DisputeRecord) bool { return r.ID == d.ID })
		switch {
		case i < 0:
			e.Kind = EntryDisputeOpened
		case d.Closed() && (b.Disputes[i].Open || b.Disputes[i].Status != d.Status):
			e.Kind = EntryDisputeClosed
		case b.Disputes[i].Status != d.Status:
			e.Kind = EntryDisputeUpdated
		default:
			continue
		}
		return e, true
	}
	return Entry{}, false
}
