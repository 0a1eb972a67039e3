package catalog

import (
	"context"
	"slices"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// ConsentState says how far a hospital's consent is.
type ConsentState string

// The states of a consent.
const (
	ConsentAsked   ConsentState = "asked"
	ConsentGiven   ConsentState = "given"
	ConsentRefused ConsentState = "refused"
)

// Consent is a hospital's answer to an agency that wants to sell a package
// around an offering whose packaging is on request. It is no content of the
// catalogue: it has no revisions and patients never see it.
type Consent struct {
	OfferingID string       `json:"offering_id"`
	PackageID  string       `json:"package_id"`
	HospitalID string       `json:"hospital_id"`
	AgencyID   string       `json:"agency_id"`
	State      ConsentState `json:"state"`
	// By, Reason and At are of the last step: the agency's asking, the
	// hospital's answer.
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

var consentsDef = store.Def[Consent]{
	Name:    "catalog_consents",
	Indexes: []store.Index{{Name: "hospital"}, {Name: "agency"}},
	Keys: func(c Consent) map[string]string {
		at := store.TimeKey(c.At)
		return map[string]string{"hospital": c.HospitalID + "/" + string(c.State) + "/" + at, "agency": c.AgencyID + "/" + string(c.State) + "/" + at}
	},
}

func consentID(offeringID, packageID string) string { return offeringID + "/" + packageID }

// ConsentFilter chooses consents of a hospital or of an agency in a state.
type ConsentFilter struct {
	HospitalID, AgencyID string
	State                ConsentState
}

// Consents returns a page of consents, those asked or answered first first.
func (c *Catalog) Consents(ctx context.Context, f ConsentFilter, limit int, after string) (store.Records[Consent], error) {
	q := store.PrefixQuery(f.HospitalID + "/" + string(f.State) + "/")
	q.Index = "hospital"
	if f.HospitalID == "" {
		q = store.PrefixQuery(f.AgencyID + "/" + string(f.State) + "/")
		q.Index = "agency"
	}
	q.Limit, q.After = limit, after
	return c.consents.Find(ctx, q)
}

// Consent returns the consent to a package on an offering. Errors: NotFound
// where it was never asked for.
func (c *Catalog) Consent(ctx context.Context, offeringID, packageID string) (Consent, error) {
	rec, err := c.consents.Get(ctx, consentID(offeringID, packageID))
	return rec.Value, err
}

// AskConsent records that an agency asks for consent to the latest revision of
// a package on an offering. Asking again after a refusal asks anew; otherwise
// what stands stays. Errors: NotFound, Invalid where the package is not around
// the offering or needs no consent.
func (c *Catalog) AskConsent(ctx context.Context, packageID, offeringID string, by Edit) (Consent, error) {
	if err := by.validate(); err != nil {
		return Consent{}, err
	}
	p, err := c.Packages.Listing(ctx, packageID)
	if err != nil {
		return Consent{}, err
	}
	o, err := c.Offerings.Get(ctx, offeringID)
	if err != nil {
		return Consent{}, err
	}
	if !slices.Contains(p.Value.OfferingIDs, offeringID) || o.PackagingRule() != PackagingOnRequest {
		return Consent{}, fault.New(fault.Invalid, "This package needs no consent for this offering.").WithCode("console.consent.not_needed")
	}
	asked := Consent{OfferingID: offeringID, PackageID: packageID, HospitalID: o.HospitalID, AgencyID: p.Value.AgencyID,
		State: ConsentAsked, By: by.Author, Reason: by.Reason, At: c.now().UTC()}
	err = c.consents.Insert(ctx, consentID(offeringID, packageID), asked)
	if !fault.Is(err, fault.Conflict) {
		return asked, err
	}
	rec, err := c.consents.Update(ctx, consentID(offeringID, packageID), func(was *Consent) error {
		if was.State == ConsentRefused {
			*was = asked
		}
		return nil
	})
	return rec.Value, err
}

// AnswerConsent records a hospital's answer; a consent may be taken back,
// which binds the package from its next submission. Errors: NotFound, Invalid
// where a refusal gives no reason.
func (c *Catalog) AnswerConsent(ctx context.Context, offeringID, packageID string, give bool, by Edit) (Consent, error) {
	if err := by.validate(); err != nil {
		return Consent{}, err
	}
	state := ConsentGiven
	if !give {
		state = ConsentRefused
		if by.Reason == "" {
			var f fault.Fields
			f.Add("reason", "required", "say why, so that the agency can mend it")
			return Consent{}, f.Err("the refusal has no reason")
		}
	}
	rec, err := c.consents.Update(ctx, consentID(offeringID, packageID), func(was *Consent) error {
		was.State, was.By, was.Reason, was.At = state, by.Author, by.Reason, c.now().UTC()
		return nil
	})
	return rec.Value, err
}

// checkPackaging notes where a hospital does not let an agency build a package
// on its offering.
func (c *Catalog) checkPackaging(ctx context.Context, f *fault.Fields, field string, p Package, o Offering) error {
	switch o.PackagingRule() {
	case PackagingListed:
		if !slices.Contains(o.Packaging.AgencyIDs, p.AgencyID) {
			f.Add(field, "packaging", "the hospital lets only agencies that it lists build packages on %s", o.ID)
		}
	case PackagingOnRequest:
		consent, err := c.Consent(ctx, o.ID, p.ID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if consent.State != ConsentGiven {
			f.Add(field, "consent", "ask the hospital for its consent to build this package on %s", o.ID)
		}
	}
	return nil
}
