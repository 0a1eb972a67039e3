package account

import (
	"context"
	"slices"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// EditingBeat is how often an open editor says that it is open.
	EditingBeat = 30 * time.Second
	// editingGone is after how long one that says nothing is closed: two beats
	// and a slow line.
	editingGone = 75 * time.Second
	// maxEditors bounds how many names a page shows.
	maxEditors = 20
)

// editing says that somebody has an editor open. Its id is <thing>/<session>.
type editing struct {
	Email   string    `json:"email"`
	Expires time.Time `json:"expires,omitzero"`
}

// Editing notes that a session has an editor of a thing open, and returns the
// addresses of who else has, in their order. thing is <kind>/<id>.
func (a *Accounts) Editing(ctx context.Context, thing string, s Session) (others []string, err error) {
	now, id := a.now(), editingID(thing, s)
	e := editing{Email: s.Email, Expires: now.Add(editingGone)}
	err = a.editors.Insert(ctx, id, e)
	if fault.Is(err, fault.Conflict) {
		_, err = a.editors.Update(ctx, id, func(old *editing) error {
			*old = e
			return nil
		})
	}
	// One that is closed at this moment is open again by the next beat.
	if err = gone(err); err != nil {
		return nil, err
	}
	q := store.PrefixQuery(hash(thing) + "/")
	q.Limit = maxEditors
	page, err := a.editors.Find(ctx, q)
	for _, rec := range page.Items {
		if rec.ID != id && now.Before(rec.Value.Expires) {
			others = append(others, rec.Value.Email)
		}
	}
	slices.Sort(others)
	return slices.Compact(others), err
}

// StopEditing notes that a session has closed the editor of a thing.
func (a *Accounts) StopEditing(ctx context.Context, thing string, s Session) error {
	return gone(a.editors.Delete(ctx, editingID(thing, s), 0))
}

func editingID(thing string, s Session) string { return hash(thing) + "/" + s.ID }
