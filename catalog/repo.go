package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Repo keeps the entries of one kind: their listings, their history, and a
// cache of what is published.
//
// The history is the truth: a revision is inserted under the unique id
// <id>/<number>, so of two editors exactly one makes it; the listing is the
// fold over the history, brought up to date by whoever finds it behind.
type Repo[T Entity] struct {
	kind     Kind
	cat      *Catalog
	listings *store.Collection[Listing[T]]
	history  *store.Collection[Revision[T]]
	// shown caches published values; readers must not change them.
	shown *lru.Cache[string, *T]
	// epoch grows with every invalidation, so that a value read before one is
	// not cached after it.
	epoch atomic.Int64
}

// shownCacheSize is the number of published entries of a kind kept decoded:
// at some kilobytes each, a few dozen megabytes at most.
const shownCacheSize = 8192

const indexUnfed = "unfed"

func openRepo[T Entity](ctx context.Context, c *Catalog, engine store.Engine, kind Kind) (*Repo[T], error) {
	listings, err := store.Open(ctx, engine, store.Def[Listing[T]]{
		Name:    "catalog_" + string(kind),
		Indexes: []store.Index{{Name: "state"}, {Name: "owner"}, {Name: "at"}, {Name: "shown"}, {Name: indexUnfed}},
		Keys: func(l Listing[T]) map[string]string {
			at := store.TimeKey(l.At)
			keys := map[string]string{"state": string(l.State) + "/" + at, "at": at}
			if owner := ownerOf(l.Value); owner != "" {
				keys["owner"] = owner + "/" + at
			}
			if l.Shown != nil {
				keys["shown"] = "1"
			}
			if l.Unfed {
				keys[indexUnfed] = "1"
			}
			return keys
		},
	})
	if err != nil {
		return nil, err
	}
	history, err := store.Open(ctx, engine, store.Def[Revision[T]]{Name: "catalog_" + string(kind) + "_history"})
	if err != nil {
		return nil, err
	}
	cache, err := lru.New[string, *T](shownCacheSize)
	if err != nil {
		return nil, fmt.Errorf("catalog: cache: %w", err)
	}
	return &Repo[T]{kind: kind, cat: c, listings: listings, history: history, shown: cache}, nil
}

// Get returns what patients see of an entry. The value is shared: do not
// change it. Errors: NotFound for an entry that does not exist or is not
// published.
func (r *Repo[T]) Get(ctx context.Context, id string) (T, error) {
	var zero T
	if v, ok := r.shown.Get(id); ok {
		return *v, nil
	}
	epoch := r.epoch.Load()
	rec, err := r.listings.Get(ctx, id)
	if err != nil || rec.Value.Shown == nil {
		if err == nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			return zero, fault.Wrap(fault.NotFound, err, "there is no published %s %q", r.kind, clip(id))
		}
		return zero, err
	}
	if r.epoch.Load() == epoch {
		r.shown.Add(id, rec.Value.Shown)
	}
	return *rec.Value.Shown, nil
}

// Listing returns an entry with its place in the workflow. Errors: NotFound.
func (r *Repo[T]) Listing(ctx context.Context, id string) (Listing[T], error) {
	rec, err := r.listings.Get(ctx, id)
	return rec.Value, err
}

// Each calls f for everything published, in the order of ids, until f returns
// an error, which Each returns.
func (r *Repo[T]) Each(ctx context.Context, f func(T) error) error {
	q := store.Query{Index: "shown", Equal: "1", Limit: store.MaxPage}
	return r.listings.Each(ctx, q, func(rec store.Record[Listing[T]]) error { return f(*rec.Value.Shown) })
}

// Count returns how many entries are published.
func (r *Repo[T]) Count(ctx context.Context) (int64, error) {
	return r.listings.Count(ctx, store.Query{Index: "shown", Equal: "1"})
}

// ListingFilter chooses listings by one of its fields; all of them where every
// field is empty.
type ListingFilter struct {
	// Owner is a hospital's id for itself and its offerings, an agency's for
	// its packages, a package's for its departures, an organisation's for
	// itself.
	Owner string
	// State of the latest revision.
	State State
}

func (f ListingFilter) query() store.Query {
	q := store.Query{Index: "at"}
	switch {
	case f.Owner != "":
		q = store.PrefixQuery(f.Owner + "/")
		q.Index = "owner"
	case f.State != "":
		q = store.PrefixQuery(string(f.State) + "/")
		q.Index = "state"
	}
	q.Descending = true
	return q
}

// Listings returns a page of entries, those changed last first.
func (r *Repo[T]) Listings(ctx context.Context, f ListingFilter, limit int, after string) (store.Records[Listing[T]], error) {
	q := f.query()
	q.Limit, q.After = limit, after
	return r.listings.Find(ctx, q)
}

// EachListing calls g for every entry of a filter, those changed last first,
// until g returns an error, which EachListing returns.
func (r *Repo[T]) EachListing(ctx context.Context, f ListingFilter, g func(Listing[T]) error) error {
	q := f.query()
	q.Limit = store.MaxPage
	return r.listings.Each(ctx, q, func(rec store.Record[Listing[T]]) error { return g(rec.Value) })
}

// CountListings returns how many entries a filter chooses.
func (r *Repo[T]) CountListings(ctx context.Context, f ListingFilter) (int64, error) {
	return r.listings.Count(ctx, f.query())
}

// History returns every revision of an entry, the first one first.
func (r *Repo[T]) History(ctx context.Context, id string) ([]Revision[T], error) {
	var out []Revision[T]
	err := r.history.Each(ctx, store.PrefixQuery(id+"/"), func(rec store.Record[Revision[T]]) error {
		out = append(out, rec.Value)
		return nil
	})
	return out, err
}

// Save stores new content as a draft; what patients see does not change. It
// reports false where the content is the latest already. Errors: Invalid,
// Conflict when somebody else was first.
func (r *Repo[T]) Save(ctx context.Context, v T, by Edit) (bool, error) {
	return r.write(ctx, v, Draft, by)
}

// Publish stores content and shows it to patients at once: for the operator,
// imports and the seed. It reports false where exactly this is shown already.
// Errors: Invalid, Conflict when somebody else was first.
func (r *Repo[T]) Publish(ctx context.Context, v T, by Edit) (bool, error) {
	return r.write(ctx, v, Published, by)
}

func (r *Repo[T]) write(ctx context.Context, v T, state State, by Edit) (bool, error) {
	if err := by.validate(); err != nil {
		return false, err
	}
	if err := r.cat.check(ctx, v, state); err != nil {
		return false, err
	}
	cur, exists, err := r.current(ctx, v.EntityID())
	if err != nil {
		return false, err
	}
	if exists && cur.State == state && sameContent(cur.Value, v) {
		return false, nil
	}
	if err := by.overtaken(r.kind, cur.Revision); err != nil {
		return false, err
	}
	return true, r.append(ctx, cur, Revision[T]{Number: cur.Revision + 1, State: state, Value: v, Author: by.Author, Reason: by.Reason})
}

// Move takes an entry to another state of the workflow with its content as it
// is. Errors: NotFound, Invalid where the state may not follow or the content
// may not be published, Conflict when somebody else was first.
func (r *Repo[T]) Move(ctx context.Context, id string, state State, by Edit) error {
	if err := by.validate(); err != nil {
		return err
	}
	cur, exists, err := r.current(ctx, id)
	switch {
	case err != nil:
		return err
	case !exists:
		return fault.New(fault.NotFound, "there is no %s %q", r.kind, clip(id))
	case !cur.State.MayFollow(state):
		return fault.New(fault.Invalid, "a %s %s cannot become %s", cur.State, r.kind, state)
	}
	if err := by.overtaken(r.kind, cur.Revision); err != nil {
		return err
	}
	if err := r.cat.check(ctx, cur.Value, state); err != nil {
		return err
	}
	return r.append(ctx, cur, Revision[T]{Number: cur.Revision + 1, State: state, Value: cur.Value, Author: by.Author, Reason: by.Reason})
}

// current returns the listing of an entry, brought up to date with a revision
// that a writer left behind when it died.
func (r *Repo[T]) current(ctx context.Context, id string) (Listing[T], bool, error) {
	rec, err := r.listings.Get(ctx, id)
	exists := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return rec.Value, false, err
	}
	behind, err := r.history.Get(ctx, revisionID(id, rec.Value.Revision+1))
	if fault.Is(err, fault.NotFound) {
		return rec.Value, exists, nil
	}
	if err != nil {
		return rec.Value, exists, err
	}
	if err := r.fold(ctx, id, behind.Value); err != nil {
		return rec.Value, exists, err
	}
	return r.current(ctx, id)
}

// append makes a revision part of the history, folds it into the listing and
// feeds the change. Links come first: a link too many is filtered when read, a
// missing one would hide the entry.
func (r *Repo[T]) append(ctx context.Context, cur Listing[T], rev Revision[T]) error {
	id := rev.Value.EntityID()
	rev.At = r.cat.now().UTC()
	if err := r.cat.link(ctx, rev.Value); err != nil {
		return err
	}
	if err := r.history.Insert(ctx, revisionID(id, rev.Number), rev); err != nil {
		if fault.Is(err, fault.Conflict) {
			return fault.Wrap(fault.Conflict, err, "somebody else changed this %s a moment ago; load it again", r.kind).WithCode(CodeChanged)
		}
		return err
	}
	if err := r.fold(ctx, id, rev); err != nil {
		return err
	}
	return r.feed(ctx, id)
}

// fold brings a listing up to a revision. Another writer may do the same at
// the same time; whoever is second finds it done.
func (r *Repo[T]) fold(ctx context.Context, id string, rev Revision[T]) error {
	defer r.invalidate(id)
	if rev.Number == 1 {
		err := r.listings.Insert(ctx, id, Listing[T]{}.apply(rev))
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	_, err := r.listings.Update(ctx, id, func(l *Listing[T]) error {
		if l.Revision == rev.Number-1 {
			*l = l.apply(rev)
		}
		return nil
	})
	return err
}

// feed puts the latest change of an entry into the change feed and notes that
// it is there. It may be repeated: a change told twice does no harm.
func (r *Repo[T]) feed(ctx context.Context, id string) error {
	rec, err := r.listings.Get(ctx, id)
	if err != nil || !rec.Value.Unfed {
		return err
	}
	if err := r.cat.appendChange(ctx, Change{Kind: r.kind, ID: id, Revision: rec.Value.Revision, State: rec.Value.State}); err != nil {
		return err
	}
	told := rec.Value.Revision
	_, err = r.listings.Update(ctx, id, func(l *Listing[T]) error {
		if l.Revision == told {
			l.Unfed = false
		}
		return nil
	})
	return err
}

// flush feeds every change that a writer left untold when it died.
func (r *Repo[T]) flush(ctx context.Context) error {
	q := store.Query{Index: indexUnfed, Equal: "1"}
	return r.listings.Each(ctx, q, func(rec store.Record[Listing[T]]) error { return r.feed(ctx, rec.ID) })
}

func (r *Repo[T]) invalidate(id string) {
	r.epoch.Add(1)
	r.shown.Remove(id)
}

func (r *Repo[T]) exists(ctx context.Context, id string) (bool, error) {
	if _, ok := r.shown.Get(id); ok {
		return true, nil
	}
	_, err := r.listings.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func revisionID(id string, n int) string { return id + "/" + store.SeqKey(int64(n)) }

// sameContent compares two values as they would be stored.
func sameContent[T any](a, b T) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil {
		return reflect.DeepEqual(a, b)
	}
	return string(x) == string(y)
}
