package catalog

import "github.com/medtour/medtour/fault"

// Offering is one Treatment at one Hospital: the unit that patients search.
type Offering struct {
	// ID is <treatment>-at-<hospital> in the seed; any id elsewhere.
	ID          string `json:"id"`
	TreatmentID string `json:"treatment_id"`
	HospitalID  string `json:"hospital_id"`
	// Name replaces the treatment's where the hospital has its own.
	Name Text `json:"name,omitempty"`
	// Summary is what the hospital says it does; empty uses the treatment's.
	Summary Text `json:"summary,omitempty"`
	// Team says who does it.
	Team Text `json:"team,omitempty"`
	// Timeline at this hospital; nil uses the treatment's.
	Timeline *Timeline `json:"timeline,omitempty"`
	// Price is the hospital's own; nil is "on request".
	Price *Price `json:"price,omitempty"`
	// Claims are what sources say of this treatment at this hospital.
	Claims []Claim `json:"claims,omitempty"`
}

// PriceModel says how a price is meant.
type PriceModel string

// The price models.
const (
	PriceFixed     PriceModel = "fixed"
	PriceRange     PriceModel = "range"
	PriceFrom      PriceModel = "from"
	PriceOnRequest PriceModel = "on-request"
)

var priceModels = set(PriceFixed, PriceRange, PriceFrom, PriceOnRequest)

// Price is what a hospital charges for an offering.
type Price struct {
	Model PriceModel `json:"model"`
	// Min is the price, or the lower end; Max the upper end of a range.
	Min *Money `json:"min,omitempty"`
	Max *Money `json:"max,omitempty"`
	// AsOf is the date of the price, YYYY-MM-DD.
	AsOf     string `json:"as_of,omitempty"`
	Includes Text   `json:"includes,omitempty"`
	Source   Source `json:"source,omitzero"`
}

// EntityKind returns KindOffering.
func (o Offering) EntityKind() Kind { return KindOffering }

// EntityID returns the id.
func (o Offering) EntityID() string { return o.ID }

// Validate checks the offering alone.
func (o Offering) Validate() error {
	var f fault.Fields
	validateID(&f, "id", o.ID)
	validateID(&f, "treatment_id", o.TreatmentID)
	validateID(&f, "hospital_id", o.HospitalID)
	o.Name.validate(&f, "name", MaxName, false)
	o.Summary.validate(&f, "summary", MaxParagraph, false)
	o.Team.validate(&f, "team", MaxParagraph, false)
	if o.Timeline != nil {
		o.Timeline.validate(&f, "timeline")
	}
	if o.Price != nil {
		o.Price.validate(&f, "price")
	}
	validateClaims(&f, "claims", o.Claims)
	return f.Err("the offering is not complete")
}

func (p Price) validate(f *fault.Fields, field string) {
	if !priceModels[p.Model] {
		f.Add(field+".model", "enum", "use fixed, range, from or on-request")
	}
	if (p.Model == PriceOnRequest) != (p.Min == nil) {
		f.Add(field+".min", "required", "every price but one on request needs an amount")
	}
	if (p.Model == PriceRange) != (p.Max != nil) {
		f.Add(field+".max", "required", "a range, and only a range, needs an upper amount")
	}
	for name, m := range map[string]*Money{".min": p.Min, ".max": p.Max} {
		if m != nil {
			m.validate(f, field+name)
		}
	}
	if p.Min != nil && p.Max != nil && (p.Min.Currency != p.Max.Currency || p.Min.Amount > p.Max.Amount) {
		f.Add(field+".max", "range", "one currency, and not below min")
	}
	if p.Min != nil && !validDate(p.AsOf) {
		f.Add(field+".as_of", "date", "say as of when, YYYY-MM-DD")
	}
	if p.Min != nil && p.Source.Address == "" {
		f.Add(field+".source.address", "required", "a price needs a source")
	}
	p.Includes.validate(f, field+".includes", MaxParagraph, false)
}

// maxAmount bounds a price in Stripe units: Stripe takes at most twelve
// digits for the largest currencies.
const maxAmount = 999_999_999_999

func (m Money) validate(f *fault.Fields, field string) {
	if !ValidCurrency(m.Currency) {
		f.Add(field+".currency", "currency", "use an ISO 4217 code such as CNY")
	}
	if m.Amount < 0 || m.Amount > maxAmount {
		f.Add(field+".amount", "range", "between 0 and %d", int64(maxAmount))
	} else if m.Amount%ChargeStep(m.Currency) != 0 {
		f.Add(field+".amount", "step", "a multiple of %d in this currency", ChargeStep(m.Currency))
	}
}
