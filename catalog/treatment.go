package catalog

import "github.com/medtour/medtour/fault"

// BookingClass says how a treatment may be booked. It is enforced by checkout,
// not only by pages.
type BookingClass string

const (
	// Instant: low risk; confirmed once the deposit is paid.
	Instant BookingClass = "instant"
	// OnAcceptance: the deposit is taken, the hospital accepts or declines the
	// case within its deadline; decline or silence refunds all of it.
	OnAcceptance BookingClass = "on-acceptance"
	// EnquiryOnly: never a deposit, never a package. Organ transplants: the
	// law requires authorisation case by case and forbids selling them as
	// tourism (Regulations on Human Organ Donation and Transplantation).
	EnquiryOnly BookingClass = "enquiry-only"
	// NeedsApproval is like EnquiryOnly until the operator records the
	// approval.
	NeedsApproval BookingClass = "needs-approval"
)

// Sellable reports whether a treatment of the class may be in a package and
// take a deposit.
func (b BookingClass) Sellable() bool { return b == Instant || b == OnAcceptance }

var bookingClasses = set(Instant, OnAcceptance, EnquiryOnly, NeedsApproval)

// ServiceType is the kind of service in the city's terms for international
// care.
type ServiceType string

// The service types.
const (
	Outpatient       ServiceType = "outpatient"
	Inpatient        ServiceType = "inpatient"
	Emergency        ServiceType = "emergency"
	HealthCheckup    ServiceType = "health-checkup"
	Vaccination      ServiceType = "vaccination"
	HealthManagement ServiceType = "health-management"
	TCM              ServiceType = "tcm"
	Telemedicine     ServiceType = "telemedicine"
)

var serviceTypes = set(Outpatient, Inpatient, Emergency, HealthCheckup, Vaccination, HealthManagement, TCM, Telemedicine)

// Treatment is an entry of the medical taxonomy.
type Treatment struct {
	ID string `json:"id"`
	// Name in every language known, not only those of pages.
	Name Text `json:"name"`
	// Summary says in plain words what it is, in our own text.
	Summary Text `json:"summary,omitempty"`
	// Steps says in plain words what happens, in order.
	Steps            []Text        `json:"steps,omitempty"`
	Specialty        string        `json:"specialty"`
	ServiceType      ServiceType   `json:"service_type"`
	AlsoServiceTypes []ServiceType `json:"also_service_types,omitempty"`
	BookingClass     BookingClass  `json:"booking_class"`
	Indications      []Indication  `json:"indications,omitempty"`
	LayTerms         []Term        `json:"lay_terms,omitempty"`
	Misspellings     []Term        `json:"misspellings,omitempty"`
	Abbreviations    []string      `json:"abbreviations,omitempty"`
	// Timeline is the typical one; an Offering may have its own.
	Timeline Timeline `json:"timeline"`
	// Documents are ids of the document types that hospitals usually ask for.
	Documents []string `json:"documents,omitempty"`
	// Claims are prices, products, cautions and other statements about the
	// treatment wherever it is done.
	Claims []Claim `json:"claims,omitempty"`
	// Flagship treatments lead the home page.
	Flagship bool `json:"flagship,omitempty"`
}

// Indication is a condition that a treatment is for.
type Indication struct {
	Name Text `json:"name"`
	// ICD10 is the WHO ICD-10 code, may be empty.
	ICD10 string `json:"icd10,omitempty"`
	Note  string `json:"note,omitempty"`
}

// EntityKind returns KindTreatment.
func (t Treatment) EntityKind() Kind { return KindTreatment }

// EntityID returns the id.
func (t Treatment) EntityID() string { return t.ID }

// Limits of a treatment's lists.
const (
	maxTerms       = 500
	maxIndications = 100
	maxSteps       = 20
)

// Validate checks the treatment alone.
func (t Treatment) Validate() error {
	var f fault.Fields
	validateID(&f, "id", t.ID)
	t.Name.validate(&f, "name", MaxName, true)
	t.Summary.validate(&f, "summary", MaxParagraph, false)
	if len(t.Steps) > maxSteps {
		f.Add("steps", "too_many", "at most %d steps", maxSteps)
	}
	for i, s := range t.Steps {
		s.validate(&f, indexed("steps", i), MaxParagraph, true)
	}
	validateID(&f, "specialty", t.Specialty)
	for i, s := range append([]ServiceType{t.ServiceType}, t.AlsoServiceTypes...) {
		if !serviceTypes[s] {
			f.Add(indexed("service_type", i), "enum", "unknown service type %q", clip(string(s)))
		}
	}
	if !bookingClasses[t.BookingClass] {
		f.Add("booking_class", "enum", "use instant, on-acceptance, enquiry-only or needs-approval")
	}
	if len(t.Indications) > maxIndications {
		f.Add("indications", "too_many", "at most %d indications", maxIndications)
	}
	for i, ind := range t.Indications {
		ind.Name.validate(&f, indexed("indications", i)+".name", MaxName, true)
		validateString(&f, indexed("indications", i)+".icd10", ind.ICD10, 40)
		validateString(&f, indexed("indications", i)+".note", ind.Note, MaxParagraph)
	}
	validateTerms(&f, "lay_terms", t.LayTerms)
	validateTerms(&f, "misspellings", t.Misspellings)
	if len(t.Abbreviations) > maxTerms {
		f.Add("abbreviations", "too_many", "at most %d abbreviations", maxTerms)
	}
	for i, a := range t.Abbreviations {
		validateString(&f, indexed("abbreviations", i), a, MaxName)
	}
	t.Timeline.validate(&f, "timeline")
	validateIDs(&f, "documents", t.Documents, 100)
	validateClaims(&f, "claims", t.Claims)
	return f.Err("the treatment is not complete")
}

func validateTerms(f *fault.Fields, field string, terms []Term) {
	if len(terms) > maxTerms {
		f.Add(field, "too_many", "at most %d terms", maxTerms)
		return
	}
	for i, t := range terms {
		if t.Text == "" {
			f.Add(indexed(field, i)+".text", "required", "must not be empty")
		}
		validateString(f, indexed(field, i)+".text", t.Text, MaxName)
		if t.Lang != "" && !validTag(t.Lang) {
			f.Add(indexed(field, i)+".lang", "language", "use a BCP 47 language tag")
		}
	}
}
