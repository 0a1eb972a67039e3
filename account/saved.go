package account

import (
	"context"
	"slices"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// maxFavourites and maxSearches bound what a person keeps.
	maxFavourites = 200
	maxSearches   = 20
	// maxSearchQuery is the greatest length of a saved search's address, in
	// bytes.
	maxSearchQuery = 2000
	// MaxKnown is how many hits a saved search remembers.
	MaxKnown = 500
)

// Favourite is something that a person wants to find again: <kind>/<id>.
type Favourite struct {
	Thing string    `json:"thing"`
	Since time.Time `json:"since"`
}

// SavedSearch is a search of which a person is told when it finds something
// new.
type SavedSearch struct {
	ID    string `json:"-"`
	Email string `json:"email"`
	// Query is the search as it stands in an address: "q=knee&district=Xuhui".
	Query string `json:"query"`
	// Lang is the language of pages and mails, a BCP 47 tag.
	Lang  string    `json:"lang"`
	Since time.Time `json:"since"`
	// Known are the hits that the person has been shown or told of.
	Known []string `json:"known,omitempty"`
}

// Saved keeps favourites and saved searches. They belong to a proved address.
type Saved struct {
	now        func() time.Time
	favourites *store.Collection[favourites]
	searches   *store.Collection[SavedSearch]
}

// favourites of a person are one document, under the hash of the address.
type favourites struct {
	List []Favourite `json:"list"`
}

// OpenSaved opens the collections.
func OpenSaved(ctx context.Context, engine store.Engine, now func() time.Time) (*Saved, error) {
	s := &Saved{now: now}
	var err error
	if s.favourites, err = store.Open(ctx, engine, store.Def[favourites]{Name: "account_favourites"}); err != nil {
		return nil, err
	}
	s.searches, err = store.Open(ctx, engine, store.Def[SavedSearch]{Name: "account_searches"})
	return s, err
}

// Favourites lists what a person keeps, the latest first.
func (s *Saved) Favourites(ctx context.Context, email string) ([]Favourite, error) {
	rec, err := s.favourites.Get(ctx, hash(email))
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	list := slices.Clone(rec.Value.List)
	slices.Reverse(list)
	return list, err
}

// Keep adds something to a person's favourites, or takes it away. Doing so
// twice is no error. Errors: TooLarge for one too many.
func (s *Saved) Keep(ctx context.Context, email, thing string, keep bool) error {
	change := func(f *favourites) error {
		i := slices.IndexFunc(f.List, func(x Favourite) bool { return x.Thing == thing })
		switch {
		case keep && i >= 0, !keep && i < 0:
		case !keep:
			f.List = slices.Delete(f.List, i, i+1)
		case len(f.List) >= maxFavourites:
			return fault.New(fault.TooLarge, "You keep %d favourites already. Take one away first.", maxFavourites).WithCode("saved.too_many")
		default:
			f.List = append(f.List, Favourite{Thing: thing, Since: s.now()})
		}
		return nil
	}
	var first favourites
	if err := change(&first); err != nil {
		return err
	}
	err := s.favourites.Insert(ctx, hash(email), first)
	if fault.Is(err, fault.Conflict) {
		_, err = s.favourites.Update(ctx, hash(email), change)
	}
	return err
}

// SaveSearch keeps a search; known are its hits of now. Saving one twice is no
// error. Errors: TooLarge for one too many or too long.
func (s *Saved) SaveSearch(ctx context.Context, v SavedSearch) error {
	list, err := s.Searches(ctx, v.Email)
	if err != nil {
		return err
	}
	if len(v.Query) > maxSearchQuery {
		return fault.New(fault.TooLarge, "This search is too long to be saved. Use fewer filters.").WithCode("saved.long")
	}
	if slices.ContainsFunc(list, func(x SavedSearch) bool { return x.Query == v.Query }) {
		return nil
	}
	if len(list) >= maxSearches {
		return fault.New(fault.TooLarge, "You keep %d searches already. Take one away first.", maxSearches).WithCode("saved.too_many")
	}
	v.Since, v.Known = s.now(), v.Known[:min(len(v.Known), MaxKnown)]
	return s.searches.Insert(ctx, hash(v.Email)+"/"+hash(v.Query)[:32], v)
}

// Searches lists a person's saved searches, the latest first.
func (s *Saved) Searches(ctx context.Context, email string) ([]SavedSearch, error) {
	var out []SavedSearch
	err := s.searches.Each(ctx, store.PrefixQuery(hash(email)+"/"), func(rec store.Record[SavedSearch]) error {
		rec.Value.ID = rec.ID
		out = append(out, rec.Value)
		return nil
	})
	slices.SortFunc(out, func(x, y SavedSearch) int { return y.Since.Compare(x.Since) })
	return out, err
}

// ForgetSearch takes a saved search of a person away. Errors: NotFound for one
// of somebody else.
func (s *Saved) ForgetSearch(ctx context.Context, email, id string) error {
	rec, err := s.searches.Get(ctx, id)
	if err == nil && rec.Value.Email != email {
		err = fault.New(fault.NotFound, "There is no such saved search.")
	}
	if err != nil {
		return err
	}
	return gone(s.searches.Delete(ctx, id, 0))
}

// EachSearch calls f for every saved search of everybody.
func (s *Saved) EachSearch(ctx context.Context, f func(SavedSearch) error) error {
	return s.searches.Each(ctx, store.Query{Limit: store.MaxPage}, func(rec store.Record[SavedSearch]) error {
		rec.Value.ID = rec.ID
		return f(rec.Value)
	})
}

// Told notes that a person has been told of hits.
func (s *Saved) Told(ctx context.Context, id string, hits []string) error {
	_, err := s.searches.Update(ctx, id, func(v *SavedSearch) error {
		for _, h := range hits {
			if !slices.Contains(v.Known, h) {
				v.Known = append(v.Known, h)
			}
		}
		v.Known = v.Known[max(0, len(v.Known)-MaxKnown):]
		return nil
	})
	return gone(err)
}
