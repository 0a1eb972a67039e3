package catalog

import (
	"time"

	"github.com/medtour/medtour/fault"
)

// Package is what an agency sells around one or more offerings.
type Package struct {
	ID       string `json:"id"`
	AgencyID string `json:"agency_id"`
	// OfferingIDs are the treatments of the package, the main one first.
	OfferingIDs []string `json:"offering_ids"`
	Name        Text     `json:"name"`
	Summary     Text     `json:"summary,omitempty"`
	// HotelAreaID is where the nights outside the ward are spent, unless an item
	// of the itinerary names another area.
	HotelAreaID string    `json:"hotel_area_id"`
	Itinerary   Itinerary `json:"itinerary"`
	Inclusions  []Text    `json:"inclusions,omitempty"`
	Exclusions  []Text    `json:"exclusions,omitempty"`
	Options     Options   `json:"options"`
	// Currency in which the prices are set.
	Currency string `json:"currency"`
	// Presentment lists further currencies in which a patient may pay,
	// converted at the rate in the quote.
	Presentment []string    `json:"presentment,omitempty"`
	Lines       []PriceLine `json:"lines"`
	Deposit     DepositRule `json:"deposit"`
	Policy      Policy      `json:"policy"`
	// Demo marks a package with made-up prices; every page that shows it says
	// so.
	Demo bool `json:"demo,omitempty"`
}

// Itinerary is a package day by day.
type Itinerary struct {
	Days []Day `json:"days"`
}

// Day is one day, or several alike.
type Day struct {
	// From and To are the first and last day, counted from 1; equal for a
	// single day.
	From  int    `json:"from"`
	To    int    `json:"to"`
	Items []Item `json:"items"`
}

// ItemKind says what an item of a day is.
type ItemKind string

// The kinds of items.
const (
	ItemMedical  ItemKind = "medical"
	ItemTransfer ItemKind = "transfer"
	ItemHotel    ItemKind = "hotel"
	ItemSight    ItemKind = "sight"
	ItemMeal     ItemKind = "meal"
	ItemRest     ItemKind = "rest"
	ItemFlight   ItemKind = "flight"
	// ItemInterpreter is an interpreter's company beyond that at examinations.
	ItemInterpreter ItemKind = "interpreter"
)

// ItemKinds lists the kinds of items.
var ItemKinds = []ItemKind{ItemMedical, ItemTransfer, ItemHotel, ItemSight, ItemMeal, ItemRest, ItemFlight, ItemInterpreter}

var itemKinds = set(ItemKinds...)

// Step says what a medical item is.
type Step string

// The steps of a medical stay.
const (
	// StepWorkup is an examination before the procedure.
	StepWorkup Step = "workup"
	// StepProcedure is the procedure; over several days for a course.
	StepProcedure Step = "procedure"
	// StepWard is a day on the ward.
	StepWard Step = "ward"
	// StepCheck is an examination after the procedure.
	StepCheck Step = "check"
)

var steps = set(StepWorkup, StepProcedure, StepWard, StepCheck)

// Item is one thing on a day.
type Item struct {
	Kind ItemKind `json:"kind"`
	// Text says what it is; a sight without text is named by its place.
	Text Text `json:"text,omitempty"`
	// OfferingID and Step for a medical item.
	OfferingID string `json:"offering_id,omitempty"`
	Step       Step   `json:"step,omitempty"`
	// PlaceID for a sight or a meal; for a hotel the area in which the nights
	// are spent from this day on.
	PlaceID string `json:"place_id,omitempty"`
	// Exertion and Hazards of an activity that is at no catalogue place.
	Exertion Exertion `json:"exertion,omitempty"`
	Hazards  []Hazard `json:"hazards,omitempty"`
}

// Length returns the last day of the itinerary.
func (it Itinerary) Length() int {
	last := 0
	for _, d := range it.Days {
		last = max(last, d.To)
	}
	return last
}

// Options are what a patient may choose.
type Options struct {
	// MaxCompanions who may come along.
	MaxCompanions int `json:"max_companions"`
	// Rooms to choose from; the first is the default.
	Rooms []Room `json:"rooms,omitempty"`
	// Interpreters are the languages to choose from, BCP 47.
	Interpreters []string `json:"interpreters,omitempty"`
}

// Room is a kind of room.
type Room struct {
	ID   string `json:"id"`
	Name Text   `json:"name"`
	// Surcharge for the whole stay, in the package's currency.
	Surcharge Money `json:"surcharge"`
}

// Payee is who is paid.
type Payee string

// The payees.
const (
	PayeeHospital    Payee = "hospital"
	PayeeAgency      Payee = "agency"
	PayeeInterpreter Payee = "interpreter"
	PayeeHotel       Payee = "hotel"
	PayeePlatform    Payee = "platform"
)

var payees = set(PayeeHospital, PayeeAgency, PayeeInterpreter, PayeeHotel, PayeePlatform)

// Due is when a line is paid. The deposit is taken from the lines due on
// arrival and lowers them.
type Due string

// The times of payment.
const (
	DueOnArrival  Due = "on-arrival"
	DueAtHospital Due = "at-hospital"
)

// Per says how often a line is charged.
type Per string

// The multipliers of a line.
const (
	PerBooking   Per = "booking"
	PerCompanion Per = "companion"
)

// PriceLine is one line of the price.
type PriceLine struct {
	ID    string `json:"id"`
	Label Text   `json:"label"`
	Payee Payee  `json:"payee"`
	Due   Due    `json:"due"`
	Per   Per    `json:"per"`
	// Amount in the package's currency; nil where the hospital bills it and no
	// price is known.
	Amount *Money `json:"amount,omitempty"`
}

// From returns what the package costs one patient with the first room, without
// what the hospital bills later and nobody knows yet.
func (p Package) From() Money {
	sum := Money{Currency: p.Currency}
	for _, l := range p.Lines {
		if l.Per == PerBooking && l.Amount != nil {
			sum.Amount += l.Amount.Amount
		}
	}
	if len(p.Options.Rooms) > 0 {
		sum.Amount += p.Options.Rooms[0].Surcharge.Amount
	}
	return sum
}

// DepositRule says how much of what is due on arrival is paid at booking.
type DepositRule struct {
	// BasisPoints of the sum due on arrival: 2000 is 20 %.
	BasisPoints int64 `json:"basis_points"`
}

// Cause is a medical or official reason for which a booking ends.
type Cause string

// The causes.
const (
	// CauseDeclined: the hospital declined the case or did not answer.
	CauseDeclined Cause = "declined"
	// CauseIneligible: judged ineligible on arrival.
	CauseIneligible Cause = "ineligible"
	// CauseVisa: the visa was refused.
	CauseVisa Cause = "visa-refused"
	// CauseUnfit: unfit to travel.
	CauseUnfit Cause = "unfit"
)

// Causes lists the causes that a patient may name; a decline is the
// hospital's.
var Causes = []Cause{CauseVisa, CauseUnfit, CauseIneligible}

// Policy says what comes back when a booking is cancelled.
type Policy struct {
	// Tiers in falling order of DaysBefore; a change of mind pays back the
	// share of the first tier whose DaysBefore has not passed, else nothing.
	Tiers []Tier `json:"tiers"`
	// Causes gives the share for a medical or official reason, in basis
	// points. CauseDeclined is always 10000.
	Causes map[Cause]int64 `json:"causes"`
	// RevisedPlanBasisPoints: a revised estimate above the accepted one by
	// more than this opens a full refund.
	RevisedPlanBasisPoints int64 `json:"revised_plan_basis_points"`
}

// Tier is a step of a cancellation policy.
type Tier struct {
	// DaysBefore is the least number of whole days before the departure.
	DaysBefore int `json:"days_before"`
	// RefundBasisPoints of the deposit that come back.
	RefundBasisPoints int64 `json:"refund_basis_points"`
}

const fullBasisPoints = 10_000

// RefundShare returns what a change of mind pays back on a day, in basis
// points.
func (p Policy) RefundShare(today, departure time.Time) int64 {
	days := daysBetween(today, departure)
	for _, t := range p.Tiers {
		if days >= t.DaysBefore {
			return t.RefundBasisPoints
		}
	}
	return 0
}

// CauseShare returns what a cause pays back, in basis points.
func (p Policy) CauseShare(c Cause) int64 {
	if c == CauseDeclined {
		return fullBasisPoints
	}
	return p.Causes[c]
}

// daysBetween returns the whole days from one date to another.
func daysBetween(from, to time.Time) int {
	return int(dateOf(to).Sub(dateOf(from)) / (24 * time.Hour))
}

func dateOf(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// EntityKind returns KindPackage.
func (p Package) EntityKind() Kind { return KindPackage }

// EntityID returns the id.
func (p Package) EntityID() string { return p.ID }

// Limits of a package.
const (
	maxItineraryDays = 366
	maxItemsPerDay   = 20
	maxLines         = 50
	maxRooms         = 10
	maxCompanions    = 9
	maxOfferings     = 10
)

// Validate checks the package alone.
func (p Package) Validate() error {
	var f fault.Fields
	validateID(&f, "id", p.ID)
	validateID(&f, "agency_id", p.AgencyID)
	validateIDs(&f, "offering_ids", p.OfferingIDs, maxOfferings)
	if len(p.OfferingIDs) == 0 {
		f.Add("offering_ids", "required", "a package is built around at least one offering")
	}
	p.Name.validate(&f, "name", MaxName, true)
	p.Summary.validate(&f, "summary", MaxParagraph, false)
	validateID(&f, "hotel_area_id", p.HotelAreaID)
	p.Itinerary.validate(&f, "itinerary")
	for i, t := range p.Inclusions {
		t.validate(&f, indexed("inclusions", i), MaxName, true)
	}
	for i, t := range p.Exclusions {
		t.validate(&f, indexed("exclusions", i), MaxName, true)
	}
	p.Options.validate(&f, "options", p.Currency)
	p.validatePrices(&f)
	p.Policy.validate(&f, "policy")
	return f.Err("the package is not complete")
}

func (it Itinerary) validate(f *fault.Fields, field string) {
	if len(it.Days) == 0 {
		f.Add(field+".days", "required", "an itinerary has at least one day")
	}
	next := 1
	for i, d := range it.Days {
		name := indexed(field+".days", i)
		if d.From != next || d.To < d.From || d.To > maxItineraryDays {
			f.Add(name+".from", "order", "days follow each other from 1 without gaps, up to %d", maxItineraryDays)
			return
		}
		next = d.To + 1
		if len(d.Items) > maxItemsPerDay {
			f.Add(name+".items", "too_many", "at most %d items a day", maxItemsPerDay)
			continue
		}
		for j, item := range d.Items {
			item.validate(f, indexed(name+".items", j))
		}
	}
}

func (it Item) validate(f *fault.Fields, field string) {
	if !itemKinds[it.Kind] {
		f.Add(field+".kind", "enum", "unknown kind of item %q", clip(string(it.Kind)))
	}
	it.Text.validate(f, field+".text", MaxName, it.PlaceID == "")
	if it.Kind == ItemMedical {
		validateID(f, field+".offering_id", it.OfferingID)
		if !steps[it.Step] {
			f.Add(field+".step", "enum", "use workup, procedure, ward or check")
		}
	}
	if it.PlaceID != "" {
		validateID(f, field+".place_id", it.PlaceID)
	}
	if it.Kind == ItemSight && it.PlaceID == "" && exertionRank[it.Exertion] == 0 {
		f.Add(field+".exertion", "required", "an activity without a place needs its exertion")
	}
	validateHazards(f, field+".hazards", it.Hazards)
}

func (o Options) validate(f *fault.Fields, field, currency string) {
	if o.MaxCompanions < 0 || o.MaxCompanions > maxCompanions {
		f.Add(field+".max_companions", "range", "between 0 and %d", maxCompanions)
	}
	if len(o.Rooms) > maxRooms {
		f.Add(field+".rooms", "too_many", "at most %d rooms", maxRooms)
	}
	for i, r := range o.Rooms {
		name := indexed(field+".rooms", i)
		validateID(f, name+".id", r.ID)
		r.Name.validate(f, name+".name", MaxName, true)
		r.Surcharge.validate(f, name+".surcharge")
		if r.Surcharge.Currency != currency {
			f.Add(name+".surcharge.currency", "currency", "use the package's currency, %s", clip(currency))
		}
	}
	for i, l := range o.Interpreters {
		if !validTag(l) {
			f.Add(indexed(field+".interpreters", i), "language", "use a BCP 47 language tag")
		}
	}
}

func (p Package) validatePrices(f *fault.Fields) {
	if !ValidCurrency(p.Currency) {
		f.Add("currency", "currency", "use an ISO 4217 code such as CNY")
	}
	for i, c := range p.Presentment {
		if !ValidCurrency(c) {
			f.Add(indexed("presentment", i), "currency", "use an ISO 4217 code such as USD")
		}
	}
	if len(p.Lines) == 0 || len(p.Lines) > maxLines {
		f.Add("lines", "range", "between 1 and %d price lines", maxLines)
	}
	seen := map[string]bool{}
	for i, l := range p.Lines {
		name := indexed("lines", i)
		validateID(f, name+".id", l.ID)
		if seen[l.ID] {
			f.Add(name+".id", "duplicate", "%q is there twice", clip(l.ID))
		}
		seen[l.ID] = true
		l.Label.validate(f, name+".label", MaxName, true)
		if !payees[l.Payee] {
			f.Add(name+".payee", "enum", "use hospital, agency, interpreter, hotel or platform")
		}
		if l.Due != DueOnArrival && l.Due != DueAtHospital {
			f.Add(name+".due", "enum", "use on-arrival or at-hospital")
		}
		if l.Per != PerBooking && l.Per != PerCompanion {
			f.Add(name+".per", "enum", "use booking or companion")
		}
		switch {
		case l.Amount == nil && l.Due != DueAtHospital:
			f.Add(name+".amount", "required", "only what the hospital bills may be without an amount")
		case l.Amount != nil:
			l.Amount.validate(f, name+".amount")
			if l.Amount.Currency != p.Currency {
				f.Add(name+".amount.currency", "currency", "use the package's currency, %s", clip(p.Currency))
			}
		}
	}
	if p.Deposit.BasisPoints < 1 || p.Deposit.BasisPoints > fullBasisPoints {
		f.Add("deposit.basis_points", "range", "between 1 and %d", fullBasisPoints)
	}
}

func (p Policy) validate(f *fault.Fields, field string) {
	last := 1 << 30
	for i, t := range p.Tiers {
		name := indexed(field+".tiers", i)
		if t.DaysBefore < 0 || t.DaysBefore >= last {
			f.Add(name+".days_before", "order", "falling, not below 0")
		}
		last = t.DaysBefore
		if t.RefundBasisPoints < 0 || t.RefundBasisPoints > fullBasisPoints {
			f.Add(name+".refund_basis_points", "range", "between 0 and %d", fullBasisPoints)
		}
	}
	for cause, share := range p.Causes {
		if share < 0 || share > fullBasisPoints {
			f.Add(field+".causes."+string(cause), "range", "between 0 and %d", fullBasisPoints)
		}
		if cause == CauseDeclined && share != fullBasisPoints {
			f.Add(field+".causes.declined", "fixed", "a declined case always pays back everything")
		}
	}
	if p.RevisedPlanBasisPoints < 0 || p.RevisedPlanBasisPoints > 10*fullBasisPoints {
		f.Add(field+".revised_plan_basis_points", "range", "between 0 and %d", 10*fullBasisPoints)
	}
}
