package catalog

import "github.com/medtour/medtour/fault"

// Meaning says what the terms of a synonym are to a search.
type Meaning string

// The meanings.
const (
	// MeansTarget: people who type a term look for the treatments and
	// hospitals that the synonym names.
	MeansTarget Meaning = "target"
	// MeansNothing: a term says nothing about what is looked for ("best",
	// "please").
	MeansNothing Meaning = "noise"
	// MeansElsewhere: a term says that something is looked for that is not
	// here ("pizza").
	MeansElsewhere Meaning = "elsewhere"
)

var meanings = set(MeansTarget, MeansNothing, MeansElsewhere)

// Synonym is a row of the search vocabulary that the operator keeps, beside
// the table that ships with the program: what people call something, in any
// language.
type Synonym struct {
	ID           string   `json:"id"`
	Meaning      Meaning  `json:"meaning"`
	TreatmentIDs []string `json:"treatment_ids,omitempty"`
	HospitalIDs  []string `json:"hospital_ids,omitempty"`
	// Percent says how surely the terms mean the targets, 30 to 100.
	Percent int    `json:"percent,omitempty"`
	Terms   []Term `json:"terms"`
	// Note is for the operator: why it is here.
	Note string `json:"note,omitempty"`
}

// EntityKind returns KindSynonym.
func (s Synonym) EntityKind() Kind { return KindSynonym }

// EntityID returns the id.
func (s Synonym) EntityID() string { return s.ID }

// minPercent is the least weight of an alternative: a weaker one finds what
// nobody looked for.
const minPercent = 30

// Validate checks the synonym alone.
func (s Synonym) Validate() error {
	var f fault.Fields
	validateID(&f, "id", s.ID)
	if !meanings[s.Meaning] {
		f.Add("meaning", "enum", "use target, noise or elsewhere")
	}
	validateIDs(&f, "treatment_ids", s.TreatmentIDs, maxTerms)
	validateIDs(&f, "hospital_ids", s.HospitalIDs, maxTerms)
	if targets := len(s.TreatmentIDs) + len(s.HospitalIDs); (s.Meaning == MeansTarget) != (targets > 0) {
		f.Add("treatment_ids", "required", "name a treatment or a hospital for a term that means one, and none for another")
	}
	if s.Meaning == MeansTarget && (s.Percent < minPercent || s.Percent > 100) {
		f.Add("percent", "range", "between %d and 100", minPercent)
	}
	if len(s.Terms) == 0 {
		f.Add("terms", "required", "give at least one term")
	}
	validateTerms(&f, "terms", s.Terms)
	validateString(&f, "note", s.Note, MaxParagraph)
	return f.Err("the synonym is not complete")
}
