package account

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Check is something that the operator must have seen of an organisation
// before it lists or sells.
type Check string

// The checks.
const (
	// CheckLicence: the practice licence of a hospital, the travel agency's
	// business licence.
	CheckLicence Check = "licence"
	// CheckInsurers: agreements on direct billing with insurers.
	CheckInsurers Check = "insurers"
	// CheckLanguages: staff or interpreters for the languages that are listed.
	CheckLanguages Check = "languages"
	// CheckPilot: the criteria of the pilot designation for international
	// medical tourism.
	CheckPilot Check = "pilot"
	// CheckStandard: conformance with DB31/T 1487-2024.
	CheckStandard Check = "db31t-1487"
	// CheckLiability: an agency's liability insurance.
	CheckLiability Check = "liability"
	// CheckAgreement: the agreement with the operator.
	CheckAgreement Check = "agreement"
)

// ChecksOf lists what is checked of a kind of organisation, in the order in
// which it is asked for.
func ChecksOf(kind catalog.OrganisationKind) []Check {
	switch kind {
	case catalog.HospitalDepartment:
		return []Check{CheckAgreement, CheckLicence, CheckPilot, CheckStandard, CheckLanguages, CheckInsurers}
	case catalog.Agency:
		return []Check{CheckAgreement, CheckLicence, CheckLiability, CheckLanguages}
	case catalog.LiaisonOffice:
		return []Check{CheckAgreement, CheckLanguages}
	}
	return nil
}

// Checked is what the operator has seen for a check.
type Checked struct {
	// Document names what was seen: a number, a title, where it is filed.
	Document string `json:"document"`
	// Expires is the last day on which it holds, YYYY-MM-DD; empty for good.
	Expires string    `json:"expires,omitempty"`
	Note    string    `json:"note,omitempty"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

// Expired reports whether the document no longer holds on a day, YYYY-MM-DD.
func (c Checked) Expired(day string) bool { return c.Expires != "" && c.Expires < day }

// onboarding is what was checked of an organisation, under its id.
type onboarding struct {
	Checks map[Check]Checked `json:"checks"`
}

const (
	maxDocument = 300
	maxNote     = 2000
)

// Onboarding returns what was checked of an organisation.
func (a *Accounts) Onboarding(ctx context.Context, organisation string) (map[Check]Checked, error) {
	rec, err := a.onboarding.Get(ctx, organisation)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return rec.Value.Checks, err
}

// Check records what was seen for a check of an organisation of a kind; without
// a document it takes the record away. Errors: Invalid with fields.
func (a *Accounts) Check(ctx context.Context, org catalog.Organisation, check Check, seen Checked) error {
	var f fault.Fields
	seen.Document, seen.Note = strings.TrimSpace(seen.Document), strings.TrimSpace(seen.Note)
	if !slices.Contains(ChecksOf(org.OrganisationKind), check) {
		f.Add("check", "enum", "there is no such check for this organisation")
	}
	for name, s := range map[string]struct {
		text  string
		limit int
	}{"document": {seen.Document, maxDocument}, "note": {seen.Note, maxNote}} {
		if utf8.RuneCountInString(s.text) > s.limit {
			f.Add(name, "too_long", "at most %d characters", s.limit)
		}
	}
	if _, err := time.Parse(time.DateOnly, seen.Expires); seen.Expires != "" && err != nil {
		f.Add("expires", "date", "give the date as YYYY-MM-DD")
	}
	if err := f.Err("this cannot be recorded"); err != nil {
		return err
	}
	seen.At = a.now()
	change := func(o *onboarding) error {
		if o.Checks == nil {
			o.Checks = map[Check]Checked{}
		}
		if o.Checks[check] = seen; seen.Document == "" {
			delete(o.Checks, check)
		}
		return nil
	}
	var first onboarding
	_ = change(&first) // never fails
	err := a.onboarding.Insert(ctx, org.ID, first)
	if fault.Is(err, fault.Conflict) {
		_, err = a.onboarding.Update(ctx, org.ID, change)
	}
	return err
}

// onboardingDef keeps the record of an organisation under its id.
var onboardingDef = store.Def[onboarding]{Name: "account_onboarding"}
