package catalog

import (
	"time"

	"github.com/medtour/medtour/fault"
)

// State is where an entry stands in the publishing workflow.
type State string

// The states.
const (
	Draft     State = "draft"
	Submitted State = "submitted"
	Published State = "published"
	Suspended State = "suspended"
	Archived  State = "archived"
)

// transitions says which state may follow which without a change of content.
// A change of content always starts a new draft.
var transitions = map[State][]State{
	Draft:     {Submitted, Archived},
	Submitted: {Published, Draft},
	Published: {Suspended, Archived},
	Suspended: {Published, Archived},
	Archived:  {Draft},
}

// MayFollow reports whether a state may be left for another.
func (s State) MayFollow(next State) bool {
	for _, t := range transitions[s] {
		if t == next {
			return true
		}
	}
	return false
}

// Listing is an entry with its place in the workflow.
type Listing[T Entity] struct {
	// State of the latest revision.
	State State `json:"state"`
	// Revision is the number of the latest revision, from 1.
	Revision int `json:"revision"`
	// Value is the content of the latest revision.
	Value T `json:"value"`
	// Shown is what patients see, nil where they see nothing.
	Shown *T `json:"shown,omitempty"`
	// ShownRevision is the revision that Shown belongs to, 0 for none.
	ShownRevision int `json:"shown_revision,omitempty"`
	// Unfed is true while the change feed does not have the latest change.
	Unfed bool `json:"unfed,omitempty"`
	// Author, Reason and At of the latest revision.
	Author string    `json:"author"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Revision is one step of an entry's history; it never changes.
type Revision[T Entity] struct {
	Number int       `json:"number"`
	State  State     `json:"state"`
	Value  T         `json:"value"`
	Author string    `json:"author"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// apply folds a revision into the listing. It is the only way a listing
// changes, so the listing can always be rebuilt from its history.
func (l Listing[T]) apply(r Revision[T]) Listing[T] {
	l.State, l.Revision, l.Value = r.State, r.Number, r.Value
	l.Author, l.Reason, l.At, l.Unfed = r.Author, r.Reason, r.At, true
	switch r.State {
	case Published:
		shown := r.Value
		l.Shown, l.ShownRevision = &shown, r.Number
	case Suspended, Archived:
		l.Shown, l.ShownRevision = nil, 0
	}
	return l
}

// Edit names who changes an entry and why.
type Edit struct {
	// Author is the member, or the name of the program's part that acts.
	Author string
	Reason string
	// Over is the revision that the author had read, 0 for an entry that was
	// not there: the change is refused where it is not the latest. Nil changes
	// whatever is the latest.
	Over *int
}

// CodeChanged is the code of a Conflict with a change that somebody else made
// since.
const CodeChanged = "edit.changed"

// overtaken refuses a change of a revision that is not the latest.
func (e Edit) overtaken(kind Kind, latest int) error {
	if e.Over == nil || *e.Over == latest {
		return nil
	}
	return fault.New(fault.Conflict, "somebody else changed this %s since you read it; load it again", kind).WithCode(CodeChanged)
}

// Limits of an edit.
const (
	maxAuthor = 200
	maxReason = 2000
)

func (e Edit) validate() error {
	var f fault.Fields
	if e.Author == "" {
		f.Add("author", "required", "say who makes the change")
	}
	validateString(&f, "author", e.Author, maxAuthor)
	validateString(&f, "reason", e.Reason, maxReason)
	return f.Err("the change is not signed")
}
