package catalog

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Catalog is the whole catalogue over a store.
type Catalog struct {
	Insurers      *Repo[Insurer]
	Organisations *Repo[Organisation]
	Treatments    *Repo[Treatment]
	Hospitals     *Repo[Hospital]
	Places        *Repo[Place]
	Offerings     *Repo[Offering]
	Packages      *Repo[Package]
	Departures    *Repo[Departure]
	Synonyms      *Repo[Synonym]

	links    *store.Collection[link]
	changes  *store.Collection[Change]
	consents *store.Collection[Consent]
	costings *store.Collection[Costing]
	now      func() time.Time

	mu sync.Mutex
	// lastSeq is the last change known to this node.
	lastSeq int64
	// changed is closed and replaced when this node appends a change.
	changed chan struct{}
}

// Open opens the catalogue of a store and tells the feed what a writer left
// untold when it died. The clock decides the times of revisions.
func Open(ctx context.Context, engine store.Engine, now func() time.Time) (*Catalog, error) {
	c := &Catalog{now: now, changed: make(chan struct{})}
	var err error
	open := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	open(func() (e error) { c.Insurers, e = openRepo[Insurer](ctx, c, engine, KindInsurer); return })
	open(func() (e error) {
		c.Organisations, e = openRepo[Organisation](ctx, c, engine, KindOrganisation)
		return
	})
	open(func() (e error) { c.Treatments, e = openRepo[Treatment](ctx, c, engine, KindTreatment); return })
	open(func() (e error) { c.Hospitals, e = openRepo[Hospital](ctx, c, engine, KindHospital); return })
	open(func() (e error) { c.Places, e = openRepo[Place](ctx, c, engine, KindPlace); return })
	open(func() (e error) { c.Offerings, e = openRepo[Offering](ctx, c, engine, KindOffering); return })
	open(func() (e error) { c.Packages, e = openRepo[Package](ctx, c, engine, KindPackage); return })
	open(func() (e error) { c.Departures, e = openRepo[Departure](ctx, c, engine, KindDeparture); return })
	open(func() (e error) { c.Synonyms, e = openRepo[Synonym](ctx, c, engine, KindSynonym); return })
	open(func() (e error) { c.links, e = store.Open(ctx, engine, store.Def[link]{Name: "catalog_links"}); return })
	open(func() (e error) {
		c.changes, e = store.Open(ctx, engine, store.Def[Change]{Name: "catalog_changes"})
		return
	})
	open(func() (e error) { c.consents, e = store.Open(ctx, engine, consentsDef); return })
	open(func() (e error) {
		c.costings, e = store.Open(ctx, engine, store.Def[Costing]{Name: "catalog_costings"})
		return
	})
	open(func() error { return c.readLastSeq(ctx) })
	open(func() error { return c.Flush(ctx) })
	if err != nil {
		return nil, err
	}
	return c, nil
}

// keeper is what the Catalog needs of every Repo, whatever its type.
type keeper interface {
	exists(ctx context.Context, id string) (bool, error)
	flush(ctx context.Context) error
	invalidate(id string)
	importLine(ctx context.Context, line []byte, opts ImportOptions) (outcome, string, error)
	export(ctx context.Context, emit func([]byte) error) error
	refersTo(ctx context.Context, id string, to Ref) (bool, error)
	Count(ctx context.Context) (int64, error)
}

func (c *Catalog) keeper(kind Kind) keeper {
	switch kind {
	case KindInsurer:
		return c.Insurers
	case KindOrganisation:
		return c.Organisations
	case KindTreatment:
		return c.Treatments
	case KindHospital:
		return c.Hospitals
	case KindPlace:
		return c.Places
	case KindOffering:
		return c.Offerings
	case KindPackage:
		return c.Packages
	case KindDeparture:
		return c.Departures
	case KindSynonym:
		return c.Synonyms
	}
	return nil
}

// Count returns how many entries of a kind are published.
func (c *Catalog) Count(ctx context.Context, kind Kind) (int64, error) {
	return c.keeper(kind).Count(ctx)
}

// check refuses content that may not be stored in a state: what Validate
// refuses, references to nothing, and for what is to be shown a package that
// may not be sold.
func (c *Catalog) check(ctx context.Context, v Entity, state State) error {
	if err := v.Validate(); err != nil {
		return err
	}
	var f fault.Fields
	for _, ref := range refsOf(v) {
		ok, err := c.keeper(ref.Kind).exists(ctx, ref.ID)
		if err != nil {
			return err
		}
		if !ok {
			f.Add(ref.Field, "reference", "there is no %s %q", ref.Kind, clip(ref.ID))
		}
	}
	if err := f.Err("the " + string(v.EntityKind()) + " refers to what is not there"); err != nil {
		return err
	}
	if state == Submitted {
		// Imports, the seed and the operator publish without this: what
		// sources say in old words is theirs to weigh.
		if err := lintErr(v); err != nil {
			return err
		}
	}
	if p, ok := v.(Package); ok && (state == Published || state == Submitted) {
		return c.checkPackage(ctx, p)
	}
	if d, ok := v.(Departure); ok && len(d.RoomCapacity) > 0 && (state == Published || state == Submitted) {
		return c.checkRooms(ctx, d)
	}
	return nil
}

// checkRooms refuses a departure that limits a room which its package does not
// have.
func (c *Catalog) checkRooms(ctx context.Context, d Departure) error {
	p, err := c.Packages.Get(ctx, d.PackageID)
	if err != nil {
		return err
	}
	var f fault.Fields
	for room := range d.RoomCapacity {
		if !slices.ContainsFunc(p.Options.Rooms, func(r Room) bool { return r.ID == room }) {
			f.Add("room_capacity."+clip(room), "reference", "the package has no room %q", clip(room))
		}
	}
	return f.Err("the departure refers to what is not there")
}

// checkPackage refuses a package whose treatment may not be sold, which the
// hospital does not allow, or whose itinerary fails the recovery check.
func (c *Catalog) checkPackage(ctx context.Context, p Package) error {
	var f fault.Fields
	for i, id := range p.OfferingIDs {
		o, err := c.Offerings.Get(ctx, id)
		if err != nil {
			return err
		}
		t, err := c.Treatments.Get(ctx, o.TreatmentID)
		if err != nil {
			return err
		}
		if !t.BookingClass.Sellable() {
			f.Add(indexed("offering_ids", i), "booking_class", "%s is %s: it is never sold in a package", id, t.BookingClass)
		}
		if err := c.checkPackaging(ctx, &f, indexed("offering_ids", i), p, o); err != nil {
			return err
		}
	}
	stay, err := c.Stay(ctx, p)
	if err != nil {
		return err
	}
	for _, finding := range stay.Check() {
		f.Add(itineraryField(p.Itinerary, finding), string(finding.Rule), "day %d: %s", finding.Day, finding.Message)
	}
	return f.Err("the package cannot be published")
}

// itineraryField names the place in the itinerary that a finding is about.
func itineraryField(it Itinerary, finding Finding) string {
	for i, d := range it.Days {
		if finding.Day < d.From || finding.Day > d.To {
			continue
		}
		field := indexed("itinerary.days", i)
		if finding.Item >= 0 {
			field += indexed(".items", finding.Item)
		}
		return field
	}
	return "itinerary"
}

// Stay gathers what the recovery check of a package needs.
func (c *Catalog) Stay(ctx context.Context, p Package) (Stay, error) {
	s := Stay{Itinerary: p.Itinerary, Offerings: map[string]Timeline{}, Places: map[string]Place{}}
	for _, id := range p.OfferingIDs {
		o, err := c.Offerings.Get(ctx, id)
		if err != nil {
			return s, err
		}
		t, err := c.Timeline(ctx, o)
		if err != nil {
			return s, err
		}
		s.Offerings[id] = t
	}
	for _, d := range p.Itinerary.Days {
		for _, it := range d.Items {
			if it.PlaceID == "" {
				continue
			}
			place, err := c.Places.Get(ctx, it.PlaceID)
			if err != nil {
				return s, err
			}
			s.Places[it.PlaceID] = place
		}
	}
	area, err := c.Places.Get(ctx, p.HotelAreaID)
	s.Base = area.Position
	return s, err
}

// Timeline returns the timeline of an offering: its own, or the treatment's.
func (c *Catalog) Timeline(ctx context.Context, o Offering) (Timeline, error) {
	if o.Timeline != nil {
		return *o.Timeline, nil
	}
	t, err := c.Treatments.Get(ctx, o.TreatmentID)
	return t.Timeline, err
}
