package checkout

import (
	"context"
	"fmt"
	"time"

	"github.com/medtour/medtour/fault"
)

// NoticeKind says what a patient is told about a booking.
type NoticeKind string

// The kinds of notices. Entry of the notice has the particulars.
const (
	// NoticePaid: the deposit has come.
	NoticePaid NoticeKind = "paid"
	// NoticeReturned: a payment goes back in full; Entry.Reason says why.
	NoticeReturned NoticeKind = "returned"
	// NoticeAccepted: the hospital has accepted.
	NoticeAccepted NoticeKind = "accepted"
	// NoticeDeclined: the deposit goes back in full; Entry.Reason says why.
	NoticeDeclined NoticeKind = "declined"
	// NoticeCancelled: Entry.Amount goes back.
	NoticeCancelled NoticeKind = "cancelled"
	// NoticeAsked: the hospital asks Entry.Text until Entry.Until.
	NoticeAsked NoticeKind = "asked"
	// NoticeReminded: the question is still open.
	NoticeReminded NoticeKind = "reminded"
	// NoticeClosed: the departure is closed; another can be chosen until
	// Entry.Until.
	NoticeClosed NoticeKind = "closed"
	// NoticeMoved: the booking is on another date now.
	NoticeMoved NoticeKind = "moved"
	// NoticeEstimated: the revised estimate opens a way out until Entry.Until.
	NoticeEstimated NoticeKind = "estimated"
	// NoticeRefunded: Entry.Amount is on its way.
	NoticeRefunded NoticeKind = "refunded"
	// NoticeRefundFailed: a refund could not be sent; a person looks into it.
	NoticeRefundFailed NoticeKind = "refund-failed"
)

// noticeFor is how long after the fact a patient is told of it; later it would
// confuse.
const noticeFor = 72 * time.Hour

// Notice is something that a patient should hear of without looking at the
// booking.
type Notice struct {
	Kind NoticeKind
	// Key is the same whenever the same notice is given, and no other has it.
	Key string
	// Entry of the log that it is about.
	Entry Entry
	// Booking as it was after the entry.
	Booking Booking
}

// notices returns what the entries of the log from one on tell the patient. It
// is pure.
func (b *Booking) notices(from int) []Notice {
	var out []Notice
	before := fold(b.ID, b.Timeline[:from])
	for i := from; i < len(b.Timeline); i++ {
		after := fold(b.ID, b.Timeline[:i+1])
		e := b.Timeline[i]
		if kind := noticeOf(&before, &after, e); kind != "" {
			key := fmt.Sprintf("%s/%s/%d", kind, b.ID, e.Seq)
			if kind == NoticePaid { // there is one deposit
				key = fmt.Sprintf("%s/%s", kind, b.ID)
			}
			out = append(out, Notice{kind, key, e, after})
		}
		before = after
	}
	return out
}

// noticeOf is what an entry tells the patient; empty for nothing.
func noticeOf(before, after *Booking, e Entry) NoticeKind {
	switch {
	case before.deposit() < 0 && after.deposit() >= 0:
		return NoticePaid
	case before.refundStatus() != RefundFailed && after.refundStatus() == RefundFailed:
		return NoticeRefundFailed
	}
	switch e.Kind {
	case EntryPaymentRejected:
		return NoticeReturned
	case EntryAccepted:
		return NoticeAccepted
	case EntryDeclined:
		return NoticeDeclined
	case EntryAsked:
		return NoticeAsked
	case EntryMoved:
		return NoticeMoved
	case EntryCancelled:
		if after.deposit() >= 0 {
			return NoticeCancelled
		}
	case EntryReminded:
		if e.To == ToPatient {
			return NoticeReminded
		}
	case EntryDepartureClosed:
		// Who is refunded at once hears of the cancellation.
		if after.Closed != nil && after.deposit() >= 0 && e.Until.After(e.At) {
			return NoticeClosed
		}
	case EntryEstimated:
		if !e.Until.IsZero() {
			return NoticeEstimated
		}
	case EntryRefundSent, EntryRefundFound:
		if e.Status != string(RefundFailed) && e.Status != string(RefundCanceled) {
			return NoticeRefunded
		}
	}
	return ""
}

// tell gives the notices that were not given yet, and returns up to which entry
// the patient has been told. A process that dies before that is stored gives
// them again, with the same keys.
func (s *Service) tell(ctx context.Context, b Booking) (int, error) {
	told := len(b.Timeline)
	if s.cfg.Notify == nil {
		return told, nil
	}
	rec, err := s.views.Get(ctx, b.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return 0, err
	}
	from := rec.Value.Told
	if from >= told {
		return from, nil
	}
	for _, n := range b.notices(from) {
		if s.now().Sub(n.Entry.At) > noticeFor {
			continue
		}
		if err := s.cfg.Notify(ctx, n); err != nil {
			return from, err
		}
	}
	return told, nil
}
