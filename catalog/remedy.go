package catalog

import "slices"

// RemedyKind says what would mend a finding.
type RemedyKind string

// The kinds of remedies, with the fields that they use.
const (
	// RemedyMove moves the item to a day: FromDay, Item, Day.
	RemedyMove RemedyKind = "move"
	// RemedyRemove takes the item out of its day: FromDay, Item.
	RemedyRemove RemedyKind = "remove"
	// RemedyAddDays puts Days days in front of Day: with a Step of the
	// offering, or days of rest without one.
	RemedyAddDays RemedyKind = "add-days"
	// RemedyAddStep adds a Step of the offering to Day.
	RemedyAddStep RemedyKind = "add-step"
)

// Remedy is a change of an itinerary that makes a finding go away.
type Remedy struct {
	Kind       RemedyKind
	FromDay    int
	Item       int
	Day        int
	Days       int
	Step       Step
	OfferingID string
}

// With returns the itinerary with a remedy applied.
func (it Itinerary) With(r Remedy) Itinerary {
	s := Standards()
	switch r.Kind {
	case RemedyMove:
		return it.WithItemAt(r.FromDay, r.Item, r.Day)
	case RemedyRemove:
		return it.WithoutItem(r.FromDay, r.FromDay, r.Item)
	case RemedyAddStep:
		return it.WithItem(r.Day, r.Day, r.item())
	case RemedyAddDays:
		if r.Step == "" {
			return it.WithDays(r.Day, r.Days, s.Item("rest"))
		}
		if r.Step == StepWard {
			return it.WithDays(r.Day, r.Days, r.item())
		}
		return it.WithDays(r.Day, r.Days, s.Item("hospital-transfer"), r.item())
	}
	return it
}

// item is the medical item that a remedy adds. The standard items of the steps
// have the names of the steps.
func (r Remedy) item() Item {
	item := Standards().Item(string(r.Step))
	item.OfferingID = r.OfferingID
	return item
}

// Remedies lists what would mend a finding of the check, the gentlest first.
// Each was tried: with it less stands against the itinerary.
func (s Stay) Remedies(f Finding) []Remedy {
	before := s.Check()
	var out []Remedy
	moves := 0
	for _, r := range s.candidates(f) {
		if r.Kind == RemedyMove && moves == maxMoves || !mends(before, s.with(r).Check(), f) {
			continue
		}
		if out = append(out, r); r.Kind == RemedyMove {
			moves++
		}
	}
	return out
}

const (
	// maxMoves bounds the other days that are offered for one item.
	maxMoves = 2
	// maxTried bounds the days on either side that are tried for it.
	maxTried = 40
)

func (s Stay) with(r Remedy) Stay {
	s.Itinerary = s.Itinerary.With(r)
	return s
}

// mends reports whether less stands against the itinerary than before. What is
// wrong with the stay as a whole comes first: days that are added for it may
// move an outing to a day that does not allow it, which has remedies of its
// own.
func mends(before, after []Finding, f Finding) bool {
	weight := func(list []Finding) (n int) {
		for _, g := range list {
			switch {
			case g.Rule != f.Rule || g.OfferingID != f.OfferingID:
			case g.Rule == RuleFullDay:
				n += g.Have - g.Need
			default:
				n++
			}
		}
		return n
	}
	better := weight(after) < weight(before)
	switch {
	case f.Rule == RuleFullDay:
		return better && len(after) <= len(before)
	case f.Item < 0:
		return better
	}
	return better && len(after) < len(before)
}

// candidates lists what may mend a finding.
func (s Stay) candidates(f Finding) []Remedy {
	first, last := s.procedureDays(f.OfferingID)
	end := s.Itinerary.Length()
	add := Remedy{Kind: RemedyAddDays, OfferingID: f.OfferingID}
	switch f.Rule {
	case RuleProcedure:
		procedure, _ := s.Offerings[f.OfferingID].Phase(PhaseProcedure)
		add.Step, add.Day, add.Days = StepProcedure, last+1, max(procedure.Days.Min, 1)-(last-first+1)
		if first == 0 {
			workup, _ := s.Offerings[f.OfferingID].Phase(PhaseWorkup)
			add.Day, add.Days = min(workup.Days.Max+1, end), max(procedure.Days.Min, 1)
		}
		return []Remedy{add}
	case RuleWorkup:
		add.Step, add.Day, add.Days = StepWorkup, first, f.Need-f.Have
		return []Remedy{add}
	case RuleNights:
		add.Step, add.Day, add.Days = StepWard, last+1, f.Need-f.Have
		return []Remedy{add}
	case RuleDoctorCheck:
		step := Remedy{Kind: RemedyAddStep, OfferingID: f.OfferingID, Step: StepCheck, Day: max(last+1, end-1)}
		add.Step, add.Day, add.Days = StepCheck, max(last+1, end), 1
		return []Remedy{step, add}
	case RuleFitToFly:
		if f.Item < 0 {
			add.Day, add.Days = max(last+1, end), f.FreeFrom-end
			return []Remedy{add}
		}
	}
	return s.moves(f)
}

// moves lists the days to which the item of a finding could go, later ones
// first since most limits end; for a day that is too full those of its items
// that could leave it. The last resort is to leave the item out.
func (s Stay) moves(f Finding) []Remedy {
	l := s.Itinerary.byDay()
	if f.Day < 1 || f.Day > len(l) {
		return nil
	}
	items := []int{f.Item}
	if f.Item < 0 {
		items = nil
		for i, it := range l[f.Day-1] {
			if it.Kind == ItemSight || it.Kind == ItemMeal {
				items = append(items, i)
			}
		}
		slices.Reverse(items)
	}
	var out []Remedy
	for _, i := range items {
		from := max(f.Day+1, f.FreeFrom)
		for day := from; day <= min(len(l), from+maxTried); day++ {
			out = append(out, Remedy{Kind: RemedyMove, FromDay: f.Day, Item: i, Day: day})
		}
		for day := f.Day - 1; day >= max(f.Day-maxTried, 1); day-- {
			out = append(out, Remedy{Kind: RemedyMove, FromDay: f.Day, Item: i, Day: day})
		}
	}
	for _, i := range items {
		out = append(out, Remedy{Kind: RemedyRemove, FromDay: f.Day, Item: i})
	}
	return out
}
