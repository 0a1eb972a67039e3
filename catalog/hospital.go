package catalog

import "github.com/medtour/medtour/fault"

// Ownership of a hospital.
type Ownership string

// The forms of ownership.
const (
	Public       Ownership = "public"
	Private      Ownership = "private"
	JointVenture Ownership = "joint-venture"
)

var ownerships = set(Public, Private, JointVenture)

// Hospital is a provider.
type Hospital struct {
	ID   string `json:"id"`
	Name Text   `json:"name"`
	// NameBasis says where a name is our own rendering.
	NameBasis string `json:"name_basis,omitempty"`
	// Aliases are other names and spellings, for search.
	Aliases []string `json:"aliases,omitempty"`
	// Summary is our own short text, built from claims.
	Summary   Text      `json:"summary,omitempty"`
	Ownership Ownership `json:"ownership"`
	// PilotUnit: true, false, or nil for unknown.
	PilotUnit *bool `json:"pilot_unit,omitempty"`
	// PilotScheme names the list on which the hospital stands.
	PilotScheme string `json:"pilot_scheme,omitempty"`
	Affiliation string `json:"affiliation,omitempty"`
	// District of Shanghai in English, empty where unknown.
	District         string    `json:"district,omitempty"`
	DistrictVerified bool      `json:"district_verified,omitempty"`
	Position         *Position `json:"position,omitempty"`
	// Claims are everything stated of the hospital: specialties, services (Key
	// is the service), languages (Key is the BCP 47 tag), accreditations,
	// designations, insurers (Key is the insurer's id, Scope the relation),
	// facts, address, website, people.
	Claims []Claim `json:"claims,omitempty"`
	// Demo marks a hospital that exists for demonstration only; every page
	// that shows it says so.
	Demo bool `json:"demo,omitempty"`
	// AnswerHours is how many hours the hospital has to answer a case; 0 means
	// DefaultAnswerHours.
	AnswerHours int `json:"answer_hours,omitempty"`
}

// DefaultAnswerHours is how long a hospital has to answer a case where it has
// agreed to nothing else.
const DefaultAnswerHours = 72

// EntityKind returns KindHospital.
func (h Hospital) EntityKind() Kind { return KindHospital }

// EntityID returns the id.
func (h Hospital) EntityID() string { return h.ID }

// Validate checks the hospital alone.
func (h Hospital) Validate() error {
	var f fault.Fields
	validateID(&f, "id", h.ID)
	h.Name.validate(&f, "name", MaxName, true)
	h.Summary.validate(&f, "summary", MaxParagraph, false)
	if len(h.Aliases) > maxTerms {
		f.Add("aliases", "too_many", "at most %d aliases", maxTerms)
	}
	for i, a := range h.Aliases {
		validateString(&f, indexed("aliases", i), a, MaxName)
	}
	if !ownerships[h.Ownership] {
		f.Add("ownership", "enum", "use public, private or joint-venture")
	}
	validateString(&f, "affiliation", h.Affiliation, MaxName)
	validateString(&f, "district", h.District, 60)
	h.Position.validate(&f, "position")
	validateClaims(&f, "claims", h.Claims)
	if h.AnswerHours < 0 || h.AnswerHours > 24*30 {
		f.Add("answer_hours", "range", "between 0 and 720 hours")
	}
	return f.Err("the hospital is not complete")
}

// ClaimsOf returns the claims of one kind.
func (h Hospital) ClaimsOf(kind ClaimKind) []Claim {
	var out []Claim
	for _, c := range h.Claims {
		if c.Kind == kind {
			out = append(out, c)
		}
	}
	return out
}
