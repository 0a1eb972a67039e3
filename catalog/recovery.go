package catalog

import (
	"fmt"
	"maps"
	"slices"
)

// Rule names a rule of the recovery check.
type Rule string

// The rules.
const (
	// RuleProcedure: every offering's procedure is in the itinerary.
	RuleProcedure Rule = "procedure"
	// RuleWorkup: the examinations before the procedure have their days.
	RuleWorkup Rule = "workup"
	// RuleExertion: an activity asks more of the body than its phase allows.
	RuleExertion Rule = "exertion"
	// RuleHazard: an activity brings what its phase forbids.
	RuleHazard Rule = "hazard"
	// RuleWard: an outing while the patient may still be on the ward.
	RuleWard Rule = "ward"
	// RuleNights: the stay does not cover the longest admission.
	RuleNights Rule = "nights"
	// RuleFitToFly: a flight before the patient may fly.
	RuleFitToFly Rule = "fit-to-fly"
	// RuleDoctorCheck: where no rule for flying is known, a doctor's check
	// comes before the flight.
	RuleDoctorCheck Rule = "doctor-check"
	// RuleReach: an activity too far from where the night is spent, or of
	// unknown position.
	RuleReach Rule = "reach"
	// RuleFullDay: more on a day than fits into it.
	RuleFullDay Rule = "full-day"
)

// Finding is a rule that an itinerary breaks.
type Finding struct {
	Rule Rule `json:"rule"`
	// Day counts from 1; Item is the index within the day's items, -1 when the
	// finding is about the day or the whole stay.
	Day  int `json:"day"`
	Item int `json:"item"`
	// OfferingID whose phase is broken.
	OfferingID string    `json:"offering_id,omitempty"`
	Phase      PhaseKind `json:"phase,omitempty"`
	PlaceID    string    `json:"place_id,omitempty"`
	Hazard     Hazard    `json:"hazard,omitempty"`
	// Exertion is what the activity asks, Limit what the phase allows.
	Exertion Exertion `json:"exertion,omitempty"`
	Limit    Exertion `json:"limit,omitempty"`
	// Have is what the itinerary has and Need what the rule asks: days before
	// the procedure, days of the procedure, nights after it, minutes of a day.
	Have int `json:"have,omitempty"`
	Need int `json:"need,omitempty"`
	// FreeFrom is the first day on which nothing would stand against it, 0
	// where there is none.
	FreeFrom int `json:"free_from,omitempty"`
	// Message says it in English.
	Message string `json:"message"`
}

// Stay is an itinerary with what is needed to check it.
type Stay struct {
	Itinerary Itinerary
	// Offerings gives the timeline of every offering of the package.
	Offerings map[string]Timeline
	// Places gives the catalogue places that the itinerary names.
	Places map[string]Place
	// Base is where the nights are spent until the itinerary moves to another
	// area.
	Base *Position
}

// BaseOn returns where the nights are spent on a day, nil where that is not
// known.
func (s Stay) BaseOn(day int) *Position {
	base := s.Base
	for _, d := range s.Itinerary.Days {
		if d.From > day {
			break
		}
		for _, it := range d.Items {
			if it.Kind == ItemHotel && it.PlaceID != "" {
				base = s.Places[it.PlaceID].Position
			}
		}
	}
	return base
}

// DayPlan is what the medical phases say of one day.
type DayPlan struct {
	Day int
	// Phases that fall on the day, one per offering at most.
	Phases []PhaseOn
	// MaxExertion is the strictest limit, empty when there is none.
	MaxExertion Exertion
	// Avoid is everything forbidden on the day, in the order of Hazards.
	Avoid []Hazard
	// Ward is true when the patient may be on the ward.
	Ward bool
}

// PhaseOn is a phase of an offering on a day.
type PhaseOn struct {
	OfferingID string
	Phase      Phase
}

// Limits of a day out. A restricted day holds one short outing; an ordinary
// one leaves room to rest. Planning rules of this catalogue.
const (
	reachRestrictedKm  = 15
	reachKm            = 60
	reachDayTripKm     = 200
	minutesRestricted  = 240
	minutesDay         = 600
	cityKmPerHour      = 20
	intercityKmPerHour = 100
)

// LayOut lays the phases of every offering over the days, taking the longest
// span of each, from the days on which the itinerary has the procedure.
func (s Stay) LayOut() []DayPlan {
	n := s.Itinerary.Length()
	plans := make([]DayPlan, n)
	for i := range plans {
		plans[i].Day = i + 1
	}
	for _, id := range s.offeringIDs() {
		first, last := s.procedureDays(id)
		if first == 0 {
			continue
		}
		for _, p := range s.Offerings[id].Phases {
			from, to := phaseDays(s.Offerings[id], p.Kind, first, last)
			for day := max(from, 1); day <= min(to, n); day++ {
				plans[day-1].add(id, p)
			}
		}
	}
	for i := range plans {
		plans[i].sortAvoid()
	}
	return plans
}

func (d *DayPlan) add(offeringID string, p Phase) {
	d.Phases = append(d.Phases, PhaseOn{offeringID, p})
	if p.Kind == PhaseAdmission {
		d.Ward = true
	}
	if p.MaxExertion != "" && (d.MaxExertion == "" || d.MaxExertion.Above(p.MaxExertion)) {
		d.MaxExertion = p.MaxExertion
	}
	d.Avoid = append(d.Avoid, p.Avoid...)
}

func (d *DayPlan) sortAvoid() {
	have := set(d.Avoid...)
	d.Avoid = nil
	for _, h := range Hazards {
		if have[h] {
			d.Avoid = append(d.Avoid, h)
		}
	}
}

// phaseDays returns the first and last day of a phase, laid from the days of
// the procedure. A phase of no days ends before it begins.
func phaseDays(t Timeline, kind PhaseKind, procedureFirst, procedureLast int) (from, to int) {
	switch kind {
	case PhaseWorkup:
		p, _ := t.Phase(kind)
		return procedureFirst - p.Days.Max, procedureFirst - 1
	case PhaseProcedure:
		return procedureFirst, procedureLast
	}
	// The night after the procedure day is the first on the ward, so the last
	// day on the ward is as many days later as there are nights.
	end := procedureLast
	for _, p := range t.Phases {
		if phaseRank[p.Kind] <= phaseRank[PhaseProcedure] {
			continue
		}
		from, to = end+1, end+p.Days.Max
		if p.Kind == kind {
			return from, to
		}
		end = to
	}
	return 1, 0
}

func (s Stay) offeringIDs() []string {
	ids := make([]string, 0, len(s.Offerings))
	for id := range s.Offerings {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// procedureDays returns the first and last day with the procedure of an
// offering, zeros where there is none.
func (s Stay) procedureDays(offeringID string) (first, last int) {
	for _, d := range s.Itinerary.Days {
		for _, it := range d.Items {
			if it.Kind == ItemMedical && it.Step == StepProcedure && it.OfferingID == offeringID {
				if first == 0 {
					first = d.From
				}
				last = d.To
			}
		}
	}
	return first, last
}

// Check returns every rule that the itinerary breaks, in the order of the
// days; none means that the package may be published.
func (s Stay) Check() []Finding {
	plans := s.LayOut()
	var out []Finding
	for _, id := range s.offeringIDs() {
		out = append(out, s.checkMedical(id)...)
	}
	for _, d := range s.Itinerary.Days {
		for day := d.From; day <= d.To; day++ {
			out = append(out, s.checkDay(plans, day, d.Items)...)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return a.Day - b.Day })
	return out
}

// checkMedical checks what an offering asks of the stay as a whole.
func (s Stay) checkMedical(id string) []Finding {
	t := s.Offerings[id]
	first, last := s.procedureDays(id)
	if first == 0 {
		return []Finding{{Rule: RuleProcedure, Day: 1, Item: -1, OfferingID: id,
			Message: fmt.Sprintf("no day has the procedure of %s", id)}}
	}
	var out []Finding
	if workup, ok := t.Phase(PhaseWorkup); ok && first-1 < workup.Days.Max {
		out = append(out, Finding{Rule: RuleWorkup, Day: first, Item: -1, OfferingID: id, Phase: PhaseWorkup, Have: first - 1, Need: workup.Days.Max,
			Message: fmt.Sprintf("the procedure is on day %d, but the examinations before it may take %d days", first, workup.Days.Max)})
	}
	if procedure, ok := t.Phase(PhaseProcedure); ok && last-first+1 < procedure.Days.Min {
		out = append(out, Finding{Rule: RuleProcedure, Day: first, Item: -1, OfferingID: id, Phase: PhaseProcedure, Have: last - first + 1, Need: procedure.Days.Min,
			Message: fmt.Sprintf("the procedure has %d days, it needs at least %d", last-first+1, procedure.Days.Min)})
	}
	end := s.Itinerary.Length()
	if nights := t.Nights().Max; end-last < nights {
		out = append(out, Finding{Rule: RuleNights, Day: end, Item: -1, OfferingID: id, Phase: PhaseAdmission, Have: end - last, Need: nights,
			Message: fmt.Sprintf("the stay has %d nights after the procedure, the admission may take %d", end-last, nights)})
	}
	return append(out, s.checkFlights(id, last)...)
}

// checkFlights refuses every flight, and an end of the stay, before the
// patient may fly. Leaving counts as flying: patients live abroad.
func (s Stay) checkFlights(id string, procedureLast int) []Finding {
	t := s.Offerings[id]
	fit := s.fitToFly(id, procedureLast)
	end := s.Itinerary.Length()
	var out []Finding
	if end < fit {
		out = append(out, Finding{Rule: RuleFitToFly, Day: end, Item: -1, OfferingID: id, Hazard: HazardFlight, FreeFrom: fit,
			Message: fmt.Sprintf("the stay ends on day %d, the patient may fly from day %d", end, fit)})
	}
	if t.FlyAfterDays == nil && !s.hasCheckAfter(id, procedureLast) {
		out = append(out, Finding{Rule: RuleDoctorCheck, Day: end, Item: -1, OfferingID: id, Hazard: HazardFlight,
			Message: "no rule for flying is known, so a doctor's check must come before the journey home"})
	}
	for day, items := range s.Itinerary.byDay() {
		day++
		for i, it := range items {
			if it.Kind == ItemFlight && day > procedureLast && day < fit && day != end {
				out = append(out, Finding{Rule: RuleFitToFly, Day: day, Item: i, OfferingID: id, Hazard: HazardFlight, FreeFrom: fit,
					Message: fmt.Sprintf("a flight on day %d, the patient may fly from day %d", day, fit)})
			}
		}
	}
	return out
}

// fitToFly returns the first day on which the patient may fly after an
// offering: after the admission, and after the rule for flying or, where none
// is known, after the restricted recovery.
func (s Stay) fitToFly(id string, procedureLast int) int {
	t := s.Offerings[id]
	fit := procedureLast
	if _, to := phaseDays(t, PhaseAdmission, procedureLast, procedureLast); t.Nights().Max > 0 {
		fit = max(fit, to)
	}
	if t.FlyAfterDays != nil {
		return max(fit, procedureLast+*t.FlyAfterDays)
	}
	if _, ok := t.Phase(PhaseRestricted); ok {
		_, to := phaseDays(t, PhaseRestricted, procedureLast, procedureLast)
		fit = max(fit, to)
	}
	return fit
}

// FitToFly returns the first day on which nothing stands against the flight
// home, 0 where an offering has no procedure in the itinerary.
func (s Stay) FitToFly() int {
	fit := 1
	for _, id := range s.offeringIDs() {
		first, last := s.procedureDays(id)
		if first == 0 {
			return 0
		}
		fit = max(fit, s.fitToFly(id, last))
	}
	return fit
}

func (s Stay) hasCheckAfter(id string, procedureLast int) bool {
	for _, d := range s.Itinerary.Days {
		for _, it := range d.Items {
			if it.Kind == ItemMedical && it.Step == StepCheck && it.OfferingID == id && d.To > procedureLast {
				return true
			}
		}
	}
	return false
}

// activity is what an item asks and brings, from its place and its own marks.
type activity struct {
	exertion Exertion
	hazards  []Hazard
	minutes  int
	position *Position
	dayTrip  bool
	known    bool
}

func (s Stay) activityOf(it Item) activity {
	a := activity{exertion: it.Exertion, hazards: slices.Clone(it.Hazards), known: true}
	if it.PlaceID == "" {
		return a
	}
	p, ok := s.Places[it.PlaceID]
	if !ok {
		return activity{}
	}
	if p.Exertion.Above(a.exertion) {
		a.exertion = p.Exertion
	}
	a.hazards = append(a.hazards, p.Hazards...)
	a.minutes, a.position = p.Minutes.Max, p.Position
	a.dayTrip = slices.Contains(p.Hazards, HazardLongDay)
	return a
}

// checkDay checks the outings of one day against the phases on it.
func (s Stay) checkDay(plans []DayPlan, day int, items []Item) []Finding {
	plan := plans[day-1]
	var out []Finding
	minutes := 0
	for i, it := range items {
		if it.Kind != ItemSight && it.Kind != ItemMeal {
			continue
		}
		a := s.activityOf(it)
		for _, f := range s.checkActivity(plan, it, a) {
			f.Day, f.Item, f.PlaceID = day, i, it.PlaceID
			f.FreeFrom = s.freeFrom(plans, day, it, a)
			out = append(out, f)
		}
		if s.reachable(plan, a) {
			minutes += a.minutes + s.travelMinutes(day, a)
		}
	}
	limit := minutesDay
	if plan.restricted() {
		limit = minutesRestricted
	}
	if minutes > limit {
		out = append(out, Finding{Rule: RuleFullDay, Day: day, Item: -1, Have: minutes, Need: limit,
			Message: fmt.Sprintf("the outings of the day take about %d minutes with the way, %d fit", minutes, limit)})
	}
	return out
}

// checkActivity checks one activity against a day.
func (s Stay) checkActivity(plan DayPlan, it Item, a activity) []Finding {
	var out []Finding
	if plan.Ward && it.Kind == ItemSight {
		out = append(out, Finding{Rule: RuleWard, Phase: PhaseAdmission, OfferingID: plan.wardOffering(),
			Message: "the patient may still be on the ward"})
	}
	for _, on := range plan.Phases {
		if limit := on.Phase.MaxExertion; limit != "" && a.exertion.Above(limit) {
			out = append(out, Finding{Rule: RuleExertion, OfferingID: on.OfferingID, Phase: on.Phase.Kind, Exertion: a.exertion, Limit: limit,
				Message: fmt.Sprintf("%s asked, the %s phase allows %s at most", a.exertion, on.Phase.Kind, limit)})
		}
		for _, h := range a.hazards {
			if slices.Contains(on.Phase.Avoid, h) {
				out = append(out, Finding{Rule: RuleHazard, OfferingID: on.OfferingID, Phase: on.Phase.Kind, Hazard: h,
					Message: fmt.Sprintf("the %s phase forbids %s", on.Phase.Kind, h)})
			}
		}
	}
	if it.PlaceID != "" && !s.reachable(plan, a) {
		out = append(out, Finding{Rule: RuleReach, Message: "too far from where the night is spent, or its position is not known"})
	}
	return out
}

// reachable reports whether an activity is near enough on a day.
func (s Stay) reachable(plan DayPlan, a activity) bool {
	base := s.BaseOn(plan.Day)
	if !a.known || a.position == nil || base == nil {
		return false
	}
	limit := float64(reachKm)
	switch {
	case plan.restricted():
		limit = reachRestrictedKm
	case a.dayTrip:
		limit = reachDayTripKm
	}
	return DistanceKm(*base, *a.position) <= limit
}

// travelMinutes estimates the way there and back of a reachable activity.
func (s Stay) travelMinutes(day int, a activity) int {
	speed := float64(cityKmPerHour)
	if a.dayTrip {
		speed = intercityKmPerHour
	}
	return int(2 * 60 * DistanceKm(*s.BaseOn(day), *a.position) / speed)
}

// freeFrom returns the first later day on which an activity would break no
// rule, 0 where there is none within the stay.
func (s Stay) freeFrom(plans []DayPlan, day int, it Item, a activity) int {
	for _, p := range plans[day:] {
		if len(s.checkActivity(p, it, a)) == 0 {
			return p.Day
		}
	}
	return 0
}

// Quiet reports whether recovery limits the day, so that a page should say
// why little happens on it.
func (d DayPlan) Quiet() bool {
	return d.Ward || d.restricted()
}

func (d DayPlan) restricted() bool {
	return slices.ContainsFunc(d.Phases, func(on PhaseOn) bool { return on.Phase.Kind == PhaseRestricted })
}

func (d DayPlan) wardOffering() string {
	for _, on := range d.Phases {
		if on.Phase.Kind == PhaseAdmission {
			return on.OfferingID
		}
	}
	return ""
}

// Outing returns what would stand against a visit to a place on a day, besides
// what stands against the day already; nothing where it is allowed.
func (s Stay) Outing(day int, place Place) []Finding {
	plans := s.LayOut()
	l := s.Itinerary.byDay()
	if day < 1 || day > len(l) {
		return nil
	}
	s.Places = maps.Clone(s.Places)
	if s.Places == nil {
		s.Places = map[string]Place{}
	}
	s.Places[place.ID] = place
	items := l[day-1]
	full := func(f Finding) bool { return f.Rule == RuleFullDay }
	already := slices.ContainsFunc(s.checkDay(plans, day, items), full)
	visit := Item{Kind: ItemSight, PlaceID: place.ID}
	return slices.DeleteFunc(s.checkDay(plans, day, append(slices.Clone(items), visit)), func(f Finding) bool {
		return f.Item != len(items) && (!full(f) || already)
	})
}
