package checkout

import (
	"context"
	"time"

	"github.com/medtour/medtour/fault"
)

const (
	// replyFor is how long a patient has to answer a question of the hospital:
	// papers have to be found and scanned.
	replyFor = 7 * 24 * time.Hour
	// maxQuestions of one booking, so that nobody keeps a deposit waiting for
	// ever.
	maxQuestions = 5
	// remindBefore is when the last reminder comes before a deadline.
	remindBefore = 12 * time.Hour
)

// Whom a reminder is for.
const (
	ToHospital = "hospital"
	ToPatient  = "patient"
)

// Question is what the hospital has asked and the patient has not answered.
type Question struct {
	Text string
	At   time.Time
	// ReplyBy is when the booking ends without a reply, refunded in full.
	ReplyBy time.Time
}

// Ask records that the hospital needs to know more before it answers. The
// hospital's time to answer begins anew with the patient's reply; without one
// in time the case is declined as incomplete and the deposit goes back in full.
// Errors: NotFound, Invalid, Conflict with code "not_waiting", "answer_late",
// "question_open" or "too_many_questions".
func (s *Service) Ask(ctx context.Context, id, question string, a Act) (Booking, error) {
	if err := validateText(a, "question", question); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		switch {
		case b.Question != nil && b.Question.Text == question:
			return Entry{}, errDone
		case b.State != StateAwaiting:
			return Entry{}, refuse("not_waiting", "This booking does not wait for an answer.")
		case b.Question != nil:
			return Entry{}, refuse("question_open", "The patient has not answered the last question yet.")
		case !now.Before(b.AnswerBy):
			return Entry{}, refuse("answer_late", "The time to answer is over; the patient is refunded in full.")
		case b.questions >= maxQuestions:
			return Entry{}, refuse("too_many_questions", "No more questions can be asked. Accept or decline the case.")
		}
		until := now.Add(replyFor)
		if start := midnight(b.Quote.Start); start.Before(until) {
			until = later(start, now)
		}
		return Entry{Kind: EntryAsked, Actor: a.Actor, Reason: a.Reason, Text: question, Until: until}, nil
	})
}

// Reply records the patient's answer to the hospital's question. Errors:
// NotFound, Invalid, Conflict with code "no_question" or "reply_late".
func (s *Service) Reply(ctx context.Context, id, text string, a Act) (Booking, error) {
	if err := validateText(a, "reply", text); err != nil {
		return Booking{}, err
	}
	return s.act(ctx, id, func(b Booking, now time.Time) (Entry, error) {
		switch {
		case b.Question == nil && b.lastReply == text:
			return Entry{}, errDone
		case b.Question == nil || b.State != StateAwaiting:
			return Entry{}, refuse("no_question", "There is no open question.")
		case !now.Before(b.Question.ReplyBy):
			return Entry{}, refuse("reply_late", "The time to reply is over; the deposit goes back in full.")
		}
		return Entry{Kind: EntryReplied, Actor: a.Actor, Reason: a.Reason, Text: text}, nil
	})
}

func validateText(a Act, field, text string) error {
	if err := a.validate(); err != nil {
		return err
	}
	var f fault.Fields
	if text == "" {
		f.Add(field, "required", "write something")
	}
	line(&f, field, text, maxNote, true)
	return f.Err("This cannot be sent.")
}

// startClock begins the time that somebody has.
func (b *Booking) startClock(at time.Time) {
	b.clock, b.reminded = at, 0
	b.AnswerBy = at.Add(b.answerTime())
}

func (b *Booking) answerTime() time.Duration { return time.Duration(b.Quote.AnswerHours) * time.Hour }

// applyAnswer is the part of apply that is about questions and reminders.
func (b *Booking) applyAnswer(e Entry) {
	switch e.Kind {
	case EntryAsked:
		b.startClock(e.Until) // the latest, should the reply come at the last moment
		b.clock = e.At
		b.Question = &Question{Text: e.Text, At: e.At, ReplyBy: e.Until}
		b.questions++
	case EntryReplied:
		b.Question, b.lastReply = nil, e.Text
		b.startClock(e.At)
	case EntryReminded:
		b.reminded = max(b.reminded, e.Attempt)
	}
}

// reminder is a moment at which somebody is reminded of a deadline.
type reminder struct {
	// number within the deadline, from 1.
	number int
	at     time.Time
}

// reminders lists the reminders of the deadline that runs, to whom it is, and
// the deadline: one at half time, one twelve hours before where that is later.
func (b *Booking) reminders() (to string, until time.Time, list []reminder) {
	to, until = ToHospital, b.AnswerBy
	if b.Question != nil {
		to, until = ToPatient, b.Question.ReplyBy
	}
	half := b.clock.Add(until.Sub(b.clock) / 2)
	list = []reminder{{1, half}}
	if last := until.Add(-remindBefore); last.After(half) {
		list = append(list, reminder{2, last})
	}
	return to, until, list
}

// decideAnswer reminds of the deadline, and ends what was not answered.
func decideAnswer(b *Booking, now time.Time) step {
	to, until, list := b.reminders()
	if !now.Before(until) {
		reason := ReasonSilence
		if to == ToPatient {
			reason = ReasonIncomplete
		}
		return step{do: actAppend, entry: Entry{Kind: EntryDeclined, Reason: reason}}
	}
	for i := len(list) - 1; i >= 0; i-- {
		// After the later one the earlier would come too late.
		if r := list[i]; !now.Before(r.at) && b.reminded < r.number {
			return step{do: actAppend, entry: Entry{Kind: EntryReminded, To: to, Until: until, Attempt: r.number}}
		}
	}
	return step{}
}

// nextAnswer is when decideAnswer has something to do next.
func (b *Booking) nextAnswer() time.Time {
	_, until, list := b.reminders()
	for _, r := range list {
		if b.reminded < r.number {
			return r.at
		}
	}
	return until
}
