package account

import (
	"context"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Message is a mail.
type Message struct {
	To      string `json:"to"`
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text,omitempty"`
	HTML    string `json:"html,omitempty"`
	// Lang is the language of the text, a BCP 47 tag.
	Lang string `json:"lang,omitempty"`
	// ID is the same in every attempt to send the mail, so that a reader's
	// program shows one that was sent twice once.
	ID string `json:"-"`
}

// Mailer sends mail. Send returns nil once somebody else has taken charge of
// the message.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

const (
	// sendLease is how long a message is left to the process that sends it; it
	// must exceed sendTimeout.
	sendLease   = 3 * time.Minute
	sendTimeout = time.Minute
	// retryFirst is the pause after the first failure; it doubles up to
	// retryMost.
	retryFirst = 15 * time.Second
	retryMost  = time.Hour
	outboxTick = 15 * time.Second
	// mailboxKept is how long mail that is shown instead of sent stays.
	mailboxKept = 7 * 24 * time.Hour
	mailboxPage = 50
)

// Letter is a message in the outbox.
type Letter struct {
	Message Message   `json:"message"`
	Created time.Time `json:"created,omitzero"`
	// Until is when sending it has no use any more.
	Until time.Time `json:"until,omitzero"`
	// Due is when it is tried next; zero once it was sent or given up.
	Due      time.Time `json:"due,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	// Failure is what the last attempt failed with, for the log.
	Failure string    `json:"failure,omitempty"`
	Sent    time.Time `json:"sent,omitzero"`
	// Keep leaves an empty trace of a message that must go out only once.
	Keep bool `json:"keep,omitempty"`
}

// Outbox keeps mail until it is sent, so that none is lost when the process
// dies. A message may go out twice where the process dies between sending and
// noting it, never not at all. Any number of processes may run it.
type Outbox struct {
	letters *store.Collection[Letter]
	mailer  Mailer
	now     func() time.Time
	wake    chan struct{}
}

// OpenOutbox opens the outbox. Without a mailer nothing is sent: the messages
// stay for Mailbox.
func OpenOutbox(ctx context.Context, engine store.Engine, mailer Mailer, now func() time.Time) (*Outbox, error) {
	letters, err := store.Open(ctx, engine, store.Def[Letter]{Name: "account_outbox",
		Indexes: []store.Index{{Name: "due"}, {Name: "created"}},
		Keys: func(l Letter) map[string]string {
			return map[string]string{"due": store.TimeKey(l.Due), "created": store.TimeKey(l.Created)}
		}})
	return &Outbox{letters: letters, mailer: mailer, now: now, wake: make(chan struct{}, 1)}, err
}

// Sends reports whether mail goes out; else it is shown.
func (o *Outbox) Sends() bool { return o.mailer != nil }

// Post takes charge of a message that has a use until a time.
func (o *Outbox) Post(ctx context.Context, m Message, until time.Time) error {
	return o.post(ctx, newToken(), m, until, false)
}

// PostOnce takes charge of a message unless one of this id was posted before,
// at any time.
func (o *Outbox) PostOnce(ctx context.Context, id string, m Message, until time.Time) error {
	err := o.post(ctx, id, m, until, true)
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

func (o *Outbox) post(ctx context.Context, id string, m Message, until time.Time, keep bool) error {
	now := o.now()
	if err := o.letters.Insert(ctx, id, Letter{Message: m, Created: now, Due: now, Until: until, Keep: keep}); err != nil {
		return err
	}
	select {
	case o.wake <- struct{}{}:
	default: // Run has been told already
	}
	return nil
}

// Mailbox returns the latest messages that are shown instead of sent.
func (o *Outbox) Mailbox(ctx context.Context) ([]Letter, error) {
	if o.Sends() {
		return nil, nil
	}
	page, err := o.letters.Find(ctx, store.Query{Index: "created", Descending: true, Limit: mailboxPage})
	out := make([]Letter, 0, len(page.Items))
	for _, rec := range page.Items {
		if rec.Value.Message.Subject != "" {
			out = append(out, rec.Value)
		}
	}
	return out, err
}

// Run sends what is due until the context ends. What fails is reported and
// tried again.
func (o *Outbox) Run(ctx context.Context, report func(error)) {
	for {
		if err := o.Flush(ctx, report); err != nil && ctx.Err() == nil {
			report(err)
		}
		if !wait(ctx, outboxTick, o.wake) {
			return
		}
	}
}

// Flush makes one attempt at everything that is due. What cannot be sent is
// reported and stays; the error is that of the store.
func (o *Outbox) Flush(ctx context.Context, report func(error)) error {
	due := o.now()
	if !o.Sends() {
		due = due.Add(-mailboxKept)
	}
	// The end of a range is not part of it.
	return o.letters.Each(ctx, store.Query{Index: "due", To: store.TimeKey(due.Add(1))}, func(rec store.Record[Letter]) error {
		return o.attempt(ctx, rec, report)
	})
}

// attempt claims a letter for a while, sends it and notes what came of it. One
// that another process has claimed meanwhile is left to it.
func (o *Outbox) attempt(ctx context.Context, rec store.Record[Letter], report func(error)) error {
	now := o.now()
	l := &rec.Value
	if !o.Sends() || !now.Before(l.Until) {
		if o.Sends() {
			report(fault.New(fault.Unavailable, "a mail was given up after %d attempts: %s", l.Attempts, l.Failure))
		}
		return o.finish(ctx, rec, time.Time{})
	}
	l.Due = now.Add(sendLease)
	l.Attempts++
	if err := o.letters.Replace(ctx, rec); err != nil {
		return taken(err)
	}
	rec.Version++
	message := l.Message
	message.ID = hash(rec.ID)
	sendCtx, cancel := context.WithTimeout(ctx, sendTimeout)
	err := o.mailer.Send(sendCtx, message)
	cancel()
	if err == nil {
		return o.finish(ctx, rec, o.now())
	}
	report(err)
	l.Failure = clip(err.Error(), 500)
	l.Due = now.Add(min(retryFirst<<min(l.Attempts-1, 10), retryMost))
	return taken(o.letters.Replace(ctx, rec))
}

// finish removes a letter, which may hold a secret link; of one that must go
// out only once the trace stays.
func (o *Outbox) finish(ctx context.Context, rec store.Record[Letter], sent time.Time) error {
	if !rec.Value.Keep {
		return taken(o.letters.Delete(ctx, rec.ID, rec.Version))
	}
	rec.Value = Letter{Message: Message{To: rec.Value.Message.To}, Created: rec.Value.Created, Attempts: rec.Value.Attempts, Sent: sent, Keep: true}
	return taken(o.letters.Replace(ctx, rec))
}

// taken takes it as done that another process was first.
func taken(err error) error {
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return gone(err)
}
