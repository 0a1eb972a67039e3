package catalog

import (
	"slices"

	"github.com/medtour/medtour/fault"
)

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
	// Packaging says which agencies may build packages on it; nil is all.
	Packaging *Packaging `json:"packaging,omitempty"`
}

// PackagingRule says who may build packages on an offering.
type PackagingRule string

// The rules of packaging.
const (
	// PackagingAll lets every agency.
	PackagingAll PackagingRule = "all"
	// PackagingListed lets the agencies that the hospital lists.
	PackagingListed PackagingRule = "listed"
	// PackagingOnRequest wants the hospital's consent to each package.
	PackagingOnRequest PackagingRule = "on-request"
)

// PackagingRules lists the rules of packaging.
var PackagingRules = []PackagingRule{PackagingAll, PackagingListed, PackagingOnRequest}

// Packaging is what a hospital allows agencies to do with an offering. It
// binds packages when they are submitted; those already published stay.
type Packaging struct {
	Rule PackagingRule `json:"rule"`
	// AgencyIDs that may, where they are listed.
	AgencyIDs []string `json:"agency_ids,omitempty"`
}

// PackagingRule returns the rule in force.
func (o Offering) PackagingRule() PackagingRule {
	if o.Packaging == nil {
		return PackagingAll
	}
	return o.Packaging.Rule
}

// maxAgencies bounds the agencies that an offering lists.
const maxAgencies = 200

func (p *Packaging) validate(f *fault.Fields, field string) {
	if p == nil {
		return
	}
	if !slices.Contains(PackagingRules, p.Rule) {
		f.Add(field+".rule", "enum", "use all, listed or on-request")
	}
	if (p.Rule == PackagingListed) != (len(p.AgencyIDs) > 0) {
		f.Add(field+".agency_ids", "required", "list the agencies where the rule is listed, and only there")
	}
	validateIDs(f, field+".agency_ids", p.AgencyIDs, maxAgencies)
}

// PriceModel says how a price is meant.
type PriceModel string

// The price models.
const (
	PriceFixed     PriceModel = "fixed"
	PriceRange     PriceModel = "range"
	PriceFrom      PriceModel = "from"
	PriceOnRequest PriceModel = "on-request"
	// PriceByTier has an amount for each of several tiers: a kind of lens, a
	// number of sessions.
	PriceByTier PriceModel = "by-tier"
)

// PriceModels lists the price models.
var PriceModels = []PriceModel{PriceOnRequest, PriceFixed, PriceRange, PriceFrom, PriceByTier}

// Price is what a hospital charges for an offering.
type Price struct {
	Model PriceModel `json:"model"`
	// Min is the price, or the lower end; Max the upper end of a range.
	Min *Money `json:"min,omitempty"`
	Max *Money `json:"max,omitempty"`
	// Tiers of a price by tier, all in one currency.
	Tiers []PriceTier `json:"tiers,omitempty"`
	// AsOf is the date of the price, YYYY-MM-DD.
	AsOf     string `json:"as_of,omitempty"`
	Includes Text   `json:"includes,omitempty"`
	Source   Source `json:"source,omitzero"`
}

// PriceTier is one of the amounts of a price by tier.
type PriceTier struct {
	Label  Text  `json:"label"`
	Amount Money `json:"amount"`
}

// Lowest returns the least amount of a price, nil where it is on request.
func (p *Price) Lowest() *Money {
	if p == nil {
		return nil
	}
	low := p.Min
	for _, t := range p.Tiers {
		if low == nil || t.Amount.Amount < low.Amount {
			low = &t.Amount
		}
	}
	return low
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
	o.Packaging.validate(&f, "packaging")
	return f.Err("the offering is not complete")
}

func (p Price) validate(f *fault.Fields, field string) {
	if !slices.Contains(PriceModels, p.Model) {
		f.Add(field+".model", "enum", "use fixed, range, from, by-tier or on-request")
	}
	if (p.Model == PriceOnRequest || p.Model == PriceByTier) != (p.Min == nil) {
		f.Add(field+".min", "required", "a fixed price, a range and a price from need an amount, and only they")
	}
	p.validateTiers(f, field+".tiers")
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
	if p.Lowest() != nil && !validDate(p.AsOf) {
		f.Add(field+".as_of", "date", "say as of when, YYYY-MM-DD")
	}
	if p.Lowest() != nil && p.Source.Address == "" {
		f.Add(field+".source.address", "required", "a price needs a source")
	}
	if p.Source.Address != "" && !grades[p.Source.Grade] {
		f.Add(field+".source.grade", "enum", "unknown grade %q", clip(string(p.Source.Grade)))
	}
	p.Includes.validate(f, field+".includes", MaxParagraph, false)
}

// maxTiers bounds a price by tier: a table that can be read.
const maxTiers = 20

func (p Price) validateTiers(f *fault.Fields, field string) {
	if (p.Model == PriceByTier) != (len(p.Tiers) > 0) || len(p.Tiers) > maxTiers {
		f.Add(field, "range", "a price by tier, and only one, has 1 to %d tiers", maxTiers)
		return
	}
	for i, t := range p.Tiers {
		t.Label.validate(f, indexed(field, i)+".label", MaxName, true)
		t.Amount.validate(f, indexed(field, i)+".amount")
		if t.Amount.Currency != p.Tiers[0].Amount.Currency {
			f.Add(indexed(field, i)+".amount.currency", "currency", "use one currency in all tiers")
		}
	}
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
