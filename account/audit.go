package account

import (
	"context"
	"time"

	"github.com/medtour/medtour/store"
)

// Audited is one line of the audit trail: who did what to which thing, when
// and why. Lines are added and never changed.
type Audited struct {
	At time.Time `json:"at"`
	// Actor is a person's address, or the name of a part of the program.
	Actor string `json:"actor"`
	// Organisation for which the actor acted; Owner is the one whose thing it
	// is, where that is another.
	Organisation string `json:"organisation,omitempty"`
	Owner        string `json:"owner,omitempty"`
	// Action is a verb: "offering.submit", "member.join".
	Action string `json:"action"`
	// Thing is <kind>/<id>.
	Thing  string `json:"thing,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Detail says in English what changed.
	Detail string `json:"detail,omitempty"`
	// Request is the id under which the log has the request.
	Request string `json:"request,omitempty"`
}

// Audit is the audit trail.
type Audit struct {
	now   func() time.Time
	lines *store.Collection[Audited]
}

const (
	maxAuditReason = 2000
	maxAuditDetail = 4000
)

// OpenAudit opens the audit trail.
func OpenAudit(ctx context.Context, engine store.Engine, now func() time.Time) (*Audit, error) {
	lines, err := store.Open(ctx, engine, store.Def[Audited]{Name: "account_audit",
		Indexes: []store.Index{{Name: "at"}, {Name: "owner"}, {Name: "thing"}, {Name: "actor"}},
		Keys: func(l Audited) map[string]string {
			at := store.TimeKey(l.At)
			return map[string]string{"at": at, "owner": auditKey(l.owner(), at), "thing": auditKey(l.Thing, at), "actor": auditKey(l.Actor, at)}
		}})
	return &Audit{now: now, lines: lines}, err
}

func auditKey(of, at string) string {
	if of == "" {
		return ""
	}
	return of + "/" + at
}

// owner is the organisation that may read the line.
func (l Audited) owner() string {
	if l.Owner != "" {
		return l.Owner
	}
	return l.Organisation
}

// Note adds a line; the time is now.
func (a *Audit) Note(ctx context.Context, l Audited) error {
	l.At = a.now().UTC()
	l.Reason, l.Detail = clip(l.Reason, maxAuditReason), clip(l.Detail, maxAuditDetail)
	return a.lines.Insert(ctx, newToken(), l)
}

// AuditFilter chooses lines; what is empty chooses all.
type AuditFilter struct {
	// Owner is the organisation that may read the line.
	Owner, Thing, Actor string
	// From is the first time, To the end of the range.
	From, To time.Time
}

// query reads by the narrowest index of the filter; the rest is told by keeps.
func (f AuditFilter) query() store.Query {
	index, prefix := "at", ""
	switch {
	case f.Thing != "":
		index, prefix = "thing", f.Thing+"/"
	case f.Actor != "":
		index, prefix = "actor", f.Actor+"/"
	case f.Owner != "":
		index, prefix = "owner", f.Owner+"/"
	}
	q := store.PrefixQuery(prefix)
	if !f.From.IsZero() {
		q.From = prefix + store.TimeKey(f.From)
	}
	if !f.To.IsZero() {
		q.To = prefix + store.TimeKey(f.To)
	}
	q.Index, q.Descending = index, true
	return q
}

func (f AuditFilter) keeps(l Audited) bool {
	return (f.Owner == "" || f.Owner == l.owner()) && (f.Thing == "" || f.Thing == l.Thing) && (f.Actor == "" || f.Actor == l.Actor)
}

// Find returns a page of lines, the latest first; it may have up to twice as
// many as the limit. The cursor is of the page before, empty for the first.
func (a *Audit) Find(ctx context.Context, f AuditFilter, limit int, after string) (lines []Audited, next string, err error) {
	q := f.query()
	q.Limit, q.After = limit, after
	for len(lines) < limit {
		page, err := a.lines.Find(ctx, q)
		if err != nil {
			return nil, "", err
		}
		for _, rec := range page.Items {
			if f.keeps(rec.Value) {
				lines = append(lines, rec.Value)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	return lines, q.After, nil
}

// Each calls g for every line that a filter chooses, the latest first, until g
// returns an error, which Each returns.
func (a *Audit) Each(ctx context.Context, f AuditFilter, g func(Audited) error) error {
	q := f.query()
	q.Limit = store.MaxPage
	return a.lines.Each(ctx, q, func(rec store.Record[Audited]) error {
		if !f.keeps(rec.Value) {
			return nil
		}
		return g(rec.Value)
	})
}
