package catalog

import "github.com/medtour/medtour/fault"

// OrganisationKind says what an organisation is.
type OrganisationKind string

// The kinds of organisations.
const (
	HospitalDepartment OrganisationKind = "hospital-department"
	Agency             OrganisationKind = "agency"
	Operator           OrganisationKind = "operator"
	LiaisonOffice      OrganisationKind = "liaison-office"
)

var organisationKinds = set(HospitalDepartment, Agency, Operator, LiaisonOffice)

// Organisation is the public face of who takes part: a hospital's
// international department, an agency, the operator, a liaison office. Its
// members and their roles are kept by package account.
type Organisation struct {
	ID               string           `json:"id"`
	Name             Text             `json:"name"`
	OrganisationKind OrganisationKind `json:"organisation_kind"`
	Summary          Text             `json:"summary,omitempty"`
	// HospitalID for a hospital's department.
	HospitalID string `json:"hospital_id,omitempty"`
	// Languages that it serves in, BCP 47.
	Languages []string `json:"languages,omitempty"`
	// Demo marks an organisation that exists for demonstration only; every
	// page that shows it says so.
	Demo bool `json:"demo,omitempty"`
}

// EntityKind returns KindOrganisation.
func (o Organisation) EntityKind() Kind { return KindOrganisation }

// EntityID returns the id.
func (o Organisation) EntityID() string { return o.ID }

// Owns reports whether an entry is the organisation's to change: a hospital's
// department owns the hospital and its offerings, an agency its packages,
// every organisation itself, the operator what is nobody else's. The owner of
// a departure is that of its package.
func (o Organisation) Owns(v Entity) bool {
	switch e := v.(type) {
	case Organisation:
		return e.ID == o.ID
	case Hospital, Offering:
		return o.OrganisationKind == HospitalDepartment && o.HospitalID != "" && ownerOf(e) == o.HospitalID
	case Package:
		return o.OrganisationKind == Agency && e.AgencyID == o.ID
	case Treatment, Place, Insurer, Synonym:
		return o.OrganisationKind == Operator
	}
	return false
}

// ownerOf returns the id that stands for an entry's owner: the hospital's for a
// hospital and its offerings, the agency's for a package, the package's for a
// departure; empty for what is the operator's.
func ownerOf(v Entity) string {
	switch e := v.(type) {
	case Organisation:
		return e.ID
	case Hospital:
		return e.ID
	case Offering:
		return e.HospitalID
	case Package:
		return e.AgencyID
	case Departure:
		return e.PackageID
	}
	return ""
}

// Validate checks the organisation alone.
func (o Organisation) Validate() error {
	var f fault.Fields
	validateID(&f, "id", o.ID)
	o.Name.validate(&f, "name", MaxName, true)
	o.Summary.validate(&f, "summary", MaxParagraph, false)
	if !organisationKinds[o.OrganisationKind] {
		f.Add("organisation_kind", "enum", "use hospital-department, agency, operator or liaison-office")
	}
	for i, l := range o.Languages {
		if !validTag(l) {
			f.Add(indexed("languages", i), "language", "use a BCP 47 language tag")
		}
	}
	return f.Err("the organisation is not complete")
}

// Insurer is an insurer or administrator that hospitals may bill directly.
type Insurer struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	InsurerKind string  `json:"insurer_kind,omitempty"`
	Claims      []Claim `json:"claims,omitempty"`
}

// EntityKind returns KindInsurer.
func (i Insurer) EntityKind() Kind { return KindInsurer }

// EntityID returns the id.
func (i Insurer) EntityID() string { return i.ID }

// Validate checks the insurer alone.
func (i Insurer) Validate() error {
	var f fault.Fields
	validateID(&f, "id", i.ID)
	if i.Name == "" {
		f.Add("name", "required", "give the insurer's name")
	}
	validateString(&f, "name", i.Name, MaxName)
	validateClaims(&f, "claims", i.Claims)
	return f.Err("the insurer is not complete")
}
