package catalog

import "github.com/medtour/medtour/fault"

// PhaseKind is a part of a medical stay.
type PhaseKind string

const (
	// PhaseWorkup is examination before the procedure.
	PhaseWorkup PhaseKind = "workup"
	// PhaseProcedure is the day of the procedure, or the days of a course of
	// sessions without admission.
	PhaseProcedure PhaseKind = "procedure"
	// PhaseAdmission is nights on the ward, from the procedure day.
	PhaseAdmission PhaseKind = "admission"
	// PhaseRestricted is recovery with strict limits.
	PhaseRestricted PhaseKind = "restricted"
	// PhaseGentle is recovery with mild limits, until fit to fly.
	PhaseGentle PhaseKind = "gentle"
)

var phaseRank = map[PhaseKind]int{PhaseWorkup: 1, PhaseProcedure: 2, PhaseAdmission: 3, PhaseRestricted: 4, PhaseGentle: 5}

// Timeline is the medical phases of a treatment in days.
type Timeline struct {
	// Phases in order; the workup, if any, comes first. After it they follow
	// one another from the day of the procedure.
	Phases []Phase `json:"phases"`
	// FlyAfterDays is how many days after the last day of the procedure a
	// patient may fly; nil where no rule is known and the doctor decides.
	FlyAfterDays *int `json:"fly_after_days,omitempty"`
	// Basis says where the figures come from.
	Basis []Claim `json:"basis,omitempty"`
}

// Phase is one phase and what it allows.
type Phase struct {
	Kind PhaseKind `json:"kind"`
	// Days of the phase; for an admission its nights.
	Days Span `json:"days"`
	// MaxExertion is the most that the phase allows; empty allows everything.
	MaxExertion Exertion `json:"max_exertion,omitempty"`
	// Avoid is what the phase forbids.
	Avoid []Hazard `json:"avoid,omitempty"`
}

// Phase returns the phase of a kind, and whether there is one.
func (t Timeline) Phase(kind PhaseKind) (Phase, bool) {
	for _, p := range t.Phases {
		if p.Kind == kind {
			return p, true
		}
	}
	return Phase{}, false
}

// Nights returns the nights on the ward.
func (t Timeline) Nights() Span {
	p, _ := t.Phase(PhaseAdmission)
	return p.Days
}

// StayDays returns how many days a patient should reckon with in the city,
// from the first examination to the flight home.
func (t Timeline) StayDays() Span {
	var s Span
	for _, p := range t.Phases {
		s.Min += p.Days.Min
		s.Max += p.Days.Max
	}
	if t.FlyAfterDays != nil {
		workup, _ := t.Phase(PhaseWorkup)
		procedure, _ := t.Phase(PhaseProcedure)
		s.Min = max(s.Min, workup.Days.Min+procedure.Days.Min+*t.FlyAfterDays)
		s.Max = max(s.Max, workup.Days.Max+procedure.Days.Max+*t.FlyAfterDays)
	}
	return s
}

func (t Timeline) validate(f *fault.Fields, field string) {
	last := 0
	for i, p := range t.Phases {
		name := indexed(field+".phases", i)
		rank := phaseRank[p.Kind]
		switch {
		case rank == 0:
			f.Add(name+".kind", "enum", "unknown phase %q", clip(string(p.Kind)))
		case rank <= last:
			f.Add(name+".kind", "order", "phases stand once each, in the order workup, procedure, admission, restricted, gentle")
		}
		last = rank
		p.Days.validate(f, name+".days")
		if p.MaxExertion != "" && exertionRank[p.MaxExertion] == 0 {
			f.Add(name+".max_exertion", "enum", "use rest, easy-seated, short-walk, long-walk or strenuous")
		}
		validateHazards(f, name+".avoid", p.Avoid)
	}
	if t.FlyAfterDays != nil && (*t.FlyAfterDays < 0 || *t.FlyAfterDays > maxSpan) {
		f.Add(field+".fly_after_days", "range", "between 0 and %d", maxSpan)
	}
	validateClaims(f, field+".basis", t.Basis)
}
