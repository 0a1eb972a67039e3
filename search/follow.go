package search

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// entryKey names an entry that has a document.
type entryKey struct {
	kind catalog.Kind
	id   string
}

// readAll sends everything that is published to f, so many at a time, and
// completes the links: those of packages before the first offering is sent,
// those of offerings before the first treatment.
func (s source) readAll(ctx context.Context, chunk int, f func([]catalog.Entity) error) error {
	var waiting []catalog.Entity
	send := func(v catalog.Entity) error {
		if waiting = append(waiting, v); len(waiting) < chunk {
			return nil
		}
		full := waiting
		waiting = nil
		return f(full)
	}
	if _, err := s.links.reviewingHospitals(ctx); err != nil {
		return err
	}
	err := s.cat.Packages.Each(ctx, func(v catalog.Package) error {
		for _, id := range v.OfferingIDs {
			s.links.packages[id] = addOnce(s.links.packages[id], v.ID)
		}
		return nil
	})
	s.links.complete = true
	if err == nil {
		err = s.cat.Offerings.Each(ctx, func(v catalog.Offering) error { s.links.addOffering(v); return send(v) })
	}
	if err == nil {
		err = s.cat.Treatments.Each(ctx, func(v catalog.Treatment) error { return send(v) })
	}
	if err == nil {
		err = s.cat.Hospitals.Each(ctx, func(v catalog.Hospital) error { return send(v) })
	}
	if err == nil {
		err = s.cat.Packages.Each(ctx, func(v catalog.Package) error { return send(v) })
	}
	if err != nil || len(waiting) == 0 {
		return err
	}
	return f(waiting)
}

const (
	// followBatch is the number of changes taken into one batch.
	followBatch = 500
	// gather is how long a change waits for company: one batch for many costs
	// a hundredth of many batches.
	gather = 150 * time.Millisecond
	// retryAfter is the pause after an error.
	retryAfter = time.Second
)

// Run follows the change feed until the context ends. The position stands in
// the index itself, written with the documents, so that Run goes on exactly
// where it stopped. report is called with what goes wrong meanwhile, which is
// tried again.
func (e *Engine) Run(ctx context.Context, report func(error)) {
	for ctx.Err() == nil {
		_, seq := e.Stats()
		if e.cfg.Catalog.Wait(ctx, seq) != nil {
			return
		}
		if err := e.follow(ctx); err != nil && ctx.Err() == nil {
			report(err)
			pause(ctx, retryAfter)
		}
	}
}

// CatchUp takes every change that is in the feed now into the index and
// returns: for commands that search once, without Run.
func (e *Engine) CatchUp(ctx context.Context) error {
	target := e.cfg.Catalog.LastSeq()
	for {
		_, seq := e.Stats()
		if seq >= target {
			return nil
		}
		if err := e.follow(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// follow takes the next changes into the index.
func (e *Engine) follow(ctx context.Context) error {
	_, seq := e.Stats()
	changes, err := e.cfg.Catalog.Changes(ctx, seq, followBatch)
	if err != nil {
		return err
	}
	e.mu.Lock()
	newDay := e.today() != e.day
	e.mu.Unlock()
	if len(changes) == 0 && !newDay {
		return nil
	}
	if len(changes) > 0 && len(changes) < followBatch {
		pause(ctx, gather)
		if changes, err = e.cfg.Catalog.Changes(ctx, seq, followBatch); err != nil {
			return err
		}
	}
	return e.apply(ctx, changes, newDay)
}

// today is the date in Shanghai, by which departures fall away.
func (e *Engine) today() string { return e.cfg.Now().In(catalog.Shanghai).Format(time.DateOnly) }

// bookKinds are the kinds from whose entries the phrasebook is made.
var bookKinds = []catalog.Kind{catalog.KindTreatment, catalog.KindHospital, catalog.KindPlace, catalog.KindSynonym}

// apply writes what changed, with the position, in one batch.
func (e *Engine) apply(ctx context.Context, changes []catalog.Change, newDay bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.Unavailable, "search is closed")
	}
	snap := e.snap.Load()
	// A rebuild may have overtaken the changes; writing them again does no
	// harm, but the position must not fall back.
	seq := snap.seq
	touched := map[entryKey]bool{}
	newBook := false
	for _, ch := range changes {
		seq = max(seq, ch.Seq)
		newBook = newBook || slices.Contains(bookKinds, ch.Kind)
		if err := e.touch(ctx, snap, ch, touched); err != nil {
			return err
		}
	}
	day := e.day
	if newDay {
		day = e.today()
		for d := range snap.size {
			if snap.kind[d] != noKind && snap.departure[d] != 0 {
				touched[entryKey{searchable[snap.kind[d]], snap.id[d]}] = true
			}
		}
	}
	batch := e.index.NewBatch()
	src := e.source()
	for k := range touched {
		d, err := src.build(ctx, k.kind, k.id)
		if err != nil {
			return err
		}
		if d == nil {
			batch.Delete(docKey(k.kind, k.id))
		} else if err := batch.IndexAdvanced(d); err != nil {
			return fmt.Errorf("search: write: %w", err)
		}
	}
	batch.SetInternal([]byte(internalSeq), seqBytes(seq))
	if err := e.index.Batch(batch); err != nil {
		return fmt.Errorf("search: write: %w", err)
	}
	e.day = day
	book := snap.book
	if newBook {
		book = nil
	}
	return e.refresh(ctx, book)
}

// touch marks every document that a change bears on: the entry's own, and
// those that repeat something of it. What it was related to before the change
// is read from the snapshot.
func (e *Engine) touch(ctx context.Context, snap *snapshot, ch catalog.Change, touched map[entryKey]bool) error {
	c := e.cfg.Catalog
	switch ch.Kind {
	case catalog.KindTreatment, catalog.KindHospital:
		touched[entryKey{ch.Kind, ch.ID}] = true
		tag := refTreatment(ch.ID)
		list := c.OfferingsOfTreatment
		if ch.Kind == catalog.KindHospital {
			tag, list = refHospital(ch.ID), c.OfferingsOfHospital
		}
		if err := touchTagged(snap, touched, tagSelf+tag, tagRelated+tag); err != nil {
			return err
		}
		offerings, err := list(ctx, ch.ID)
		if err != nil {
			return err
		}
		for _, o := range offerings {
			if err := e.touchOffering(ctx, o, touched); err != nil {
				return err
			}
		}
	case catalog.KindOffering:
		same, err := snap.posting(tagField, tagID+ch.ID)
		if err != nil {
			return err
		}
		for _, d := range same.docs {
			if snap.kind[d] == offeringKind {
				touched[entryKey{catalog.KindTreatment, snap.treatment[d]}] = true
				touched[entryKey{catalog.KindHospital, snap.hospital[d]}] = true
			}
		}
		touched[entryKey{catalog.KindOffering, ch.ID}] = true
		l, err := c.Offerings.Listing(ctx, ch.ID)
		if err != nil {
			return err
		}
		return e.touchOffering(ctx, l.Value, touched)
	case catalog.KindPackage:
		l, err := c.Packages.Listing(ctx, ch.ID)
		if err != nil {
			return err
		}
		return e.touchPackage(snap, l.Value, touched)
	case catalog.KindDeparture:
		l, err := c.Departures.Listing(ctx, ch.ID)
		if err != nil {
			return err
		}
		p, err := c.Packages.Get(ctx, l.Value.PackageID)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return e.touchPackage(snap, p, touched)
	case catalog.KindOrganisation:
		return touchTagged(snap, touched, tagFacet+"agency="+ch.ID)
	case catalog.KindInsurer:
		return touchTagged(snap, touched, tagFacet+"insurer="+ch.ID)
	case catalog.KindPlace:
		packages, err := c.PackagesOfPlace(ctx, ch.ID)
		if err != nil {
			return err
		}
		for _, p := range packages {
			touched[entryKey{catalog.KindPackage, p.ID}] = true
		}
	}
	return nil
}

// touchTagged marks the documents that carry one of some tags.
func touchTagged(snap *snapshot, touched map[entryKey]bool, tags ...string) error {
	for _, tag := range tags {
		p, err := snap.posting(tagField, tag)
		if err != nil {
			return err
		}
		for _, d := range p.docs {
			if snap.kind[d] != noKind {
				touched[entryKey{searchable[snap.kind[d]], snap.id[d]}] = true
			}
		}
	}
	return nil
}

func (e *Engine) touchOffering(ctx context.Context, o catalog.Offering, touched map[entryKey]bool) error {
	touched[entryKey{catalog.KindOffering, o.ID}] = true
	touched[entryKey{catalog.KindTreatment, o.TreatmentID}] = true
	touched[entryKey{catalog.KindHospital, o.HospitalID}] = true
	packages, err := e.cfg.Catalog.PackagesOfOffering(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, p := range packages {
		touched[entryKey{catalog.KindPackage, p.ID}] = true
	}
	return nil
}

// touchPackage marks a package and its offerings, those of before too.
func (e *Engine) touchPackage(snap *snapshot, p catalog.Package, touched map[entryKey]bool) error {
	touched[entryKey{catalog.KindPackage, p.ID}] = true
	for _, id := range p.OfferingIDs {
		touched[entryKey{catalog.KindOffering, id}] = true
	}
	return touchTagged(snap, touched, tagFacet+"agency="+p.AgencyID)
}
