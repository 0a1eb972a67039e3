package catalog

import (
	"context"
	"strings"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Ref is a reference from one entry to another.
type Ref struct {
	Kind Kind
	ID   string
	// Field that holds the reference.
	Field string
}

// refsOf returns what an entry refers to.
func refsOf(v Entity) []Ref {
	switch e := v.(type) {
	case Organisation:
		if e.HospitalID != "" {
			return []Ref{{KindHospital, e.HospitalID, "hospital_id"}}
		}
	case Offering:
		return []Ref{{KindTreatment, e.TreatmentID, "treatment_id"}, {KindHospital, e.HospitalID, "hospital_id"}}
	case Package:
		refs := []Ref{{KindOrganisation, e.AgencyID, "agency_id"}, {KindPlace, e.HotelAreaID, "hotel_area_id"}}
		for i, id := range e.OfferingIDs {
			refs = append(refs, Ref{KindOffering, id, indexed("offering_ids", i)})
		}
		for i, d := range e.Itinerary.Days {
			for j, it := range d.Items {
				if it.PlaceID != "" {
					refs = append(refs, Ref{KindPlace, it.PlaceID, indexed(indexed("itinerary.days", i)+".items", j) + ".place_id"})
				}
			}
		}
		return refs
	case Departure:
		return []Ref{{KindPackage, e.PackageID, "package_id"}}
	case Synonym:
		var refs []Ref
		for i, id := range e.TreatmentIDs {
			refs = append(refs, Ref{KindTreatment, id, indexed("treatment_ids", i)})
		}
		for i, id := range e.HospitalIDs {
			refs = append(refs, Ref{KindHospital, id, indexed("hospital_ids", i)})
		}
		return refs
	}
	return nil
}

// link says that an entry refers to another. Its id is
// <target kind>/<target>/<kind>/<id>, so that who refers to a thing is a range
// of ids on every engine.
type link struct{}

func linkPrefix(target Ref, kind Kind) string {
	return string(target.Kind) + "/" + target.ID + "/" + string(kind) + "/"
}

// link stores the links of an entry. One that is there already stays.
func (c *Catalog) link(ctx context.Context, v Entity) error {
	for _, ref := range refsOf(v) {
		err := c.links.Insert(ctx, linkPrefix(ref, v.EntityKind())+v.EntityID(), link{})
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// referrers returns the ids of published entries of a kind that refer to a
// target, in the order of ids.
func (c *Catalog) referrers(ctx context.Context, target Ref, kind Kind) ([]string, error) {
	prefix := linkPrefix(target, kind)
	var out []string
	err := c.links.Each(ctx, store.PrefixQuery(prefix), func(rec store.Record[link]) error {
		id := strings.TrimPrefix(rec.ID, prefix)
		ok, err := c.keeper(kind).refersTo(ctx, id, target)
		if ok {
			out = append(out, id)
		}
		return err
	})
	return out, err
}

// refersTo reports whether what is published of an entry refers to a target.
func (r *Repo[T]) refersTo(ctx context.Context, id string, to Ref) (bool, error) {
	v, err := r.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, ref := range refsOf(v) {
		if ref.Kind == to.Kind && ref.ID == to.ID {
			return true, nil
		}
	}
	return false, nil
}

func getAll[T Entity](ctx context.Context, r *Repo[T], ids []string) ([]T, error) {
	out := make([]T, 0, len(ids))
	for _, id := range ids {
		v, err := r.Get(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// OfferingsOfTreatment returns the published offerings of a treatment.
func (c *Catalog) OfferingsOfTreatment(ctx context.Context, id string) ([]Offering, error) {
	return list(ctx, c, Ref{Kind: KindTreatment, ID: id}, c.Offerings)
}

// OfferingsOfHospital returns the published offerings of a hospital.
func (c *Catalog) OfferingsOfHospital(ctx context.Context, id string) ([]Offering, error) {
	return list(ctx, c, Ref{Kind: KindHospital, ID: id}, c.Offerings)
}

// PackagesOfOffering returns the published packages that contain an offering.
func (c *Catalog) PackagesOfOffering(ctx context.Context, id string) ([]Package, error) {
	return list(ctx, c, Ref{Kind: KindOffering, ID: id}, c.Packages)
}

// PackagesOfPlace returns the published packages that name a place.
func (c *Catalog) PackagesOfPlace(ctx context.Context, id string) ([]Package, error) {
	return list(ctx, c, Ref{Kind: KindPlace, ID: id}, c.Packages)
}

// PackagesOfAgency returns the published packages of an agency.
func (c *Catalog) PackagesOfAgency(ctx context.Context, id string) ([]Package, error) {
	return list(ctx, c, Ref{Kind: KindOrganisation, ID: id}, c.Packages)
}

// DeparturesOfPackage returns the published departures of a package.
func (c *Catalog) DeparturesOfPackage(ctx context.Context, id string) ([]Departure, error) {
	return list(ctx, c, Ref{Kind: KindPackage, ID: id}, c.Departures)
}

func list[T Entity](ctx context.Context, c *Catalog, target Ref, r *Repo[T]) ([]T, error) {
	ids, err := c.referrers(ctx, target, r.kind)
	if err != nil {
		return nil, err
	}
	return getAll(ctx, r, ids)
}
