package catalog

import (
	"time"

	"github.com/medtour/medtour/fault"
)

// Grade says what kind of page a source is.
type Grade string

// The grades, from the catalogue's editorial rules.
const (
	GradeOfficial     Grade = "official"
	GradeHospital     Grade = "hospital"
	GradeSeed         Grade = "seed"
	GradePeerReviewed Grade = "peer-reviewed"
	GradeClinical     Grade = "clinical-guidance"
	GradeNews         Grade = "news"
	GradeGuidebook    Grade = "guidebook"
	GradeDirectory    Grade = "directory"
	GradeEncyclopedia Grade = "encyclopedia"
	GradeCommercial   Grade = "commercial"
	GradeMirror       Grade = "mirror"
)

var grades = set(GradeOfficial, GradeHospital, GradeSeed, GradePeerReviewed, GradeClinical, GradeNews,
	GradeGuidebook, GradeDirectory, GradeEncyclopedia, GradeCommercial, GradeMirror)

// Source says where a statement comes from.
type Source struct {
	// Address is the page's address, or the name of a document in the
	// operator's files.
	Address string `json:"address"`
	// Date of the page, YYYY, YYYY-MM or YYYY-MM-DD; empty is undated.
	Date  string `json:"date,omitempty"`
	Grade Grade  `json:"grade"`
	// DoNotLink: the fact is used, the address is not printed as a link.
	DoNotLink bool `json:"do_not_link,omitempty"`
}

// ClaimKind says what a claim is about.
type ClaimKind string

// The kinds of claims.
const (
	ClaimPrice         ClaimKind = "price"
	ClaimVolume        ClaimKind = "volume"
	ClaimFact          ClaimKind = "fact"
	ClaimSpecialty     ClaimKind = "specialty"
	ClaimService       ClaimKind = "service"
	ClaimLanguage      ClaimKind = "language"
	ClaimAccreditation ClaimKind = "accreditation"
	ClaimDesignation   ClaimKind = "designation"
	ClaimInsurer       ClaimKind = "insurer"
	ClaimEvidence      ClaimKind = "evidence"
	ClaimStay          ClaimKind = "stay"
	ClaimAddress       ClaimKind = "address"
	ClaimWebsite       ClaimKind = "website"
	ClaimPerson        ClaimKind = "person"
	ClaimCaution       ClaimKind = "caution"
	ClaimProduct       ClaimKind = "product"
)

var claimKinds = set(ClaimPrice, ClaimVolume, ClaimFact, ClaimSpecialty, ClaimService, ClaimLanguage, ClaimAccreditation,
	ClaimDesignation, ClaimInsurer, ClaimEvidence, ClaimStay, ClaimAddress, ClaimWebsite, ClaimPerson, ClaimCaution, ClaimProduct)

// Claim is a statement of fact that is shown to a patient, with its source.
type Claim struct {
	Kind ClaimKind `json:"kind"`
	// Key is the stable name of what is claimed within its kind: the service,
	// the language tag, the insurer's id. May be empty.
	Key  string `json:"key,omitempty"`
	Text Text   `json:"text"`
	// Value, Min and Max are the figure, where there is one, in Unit.
	Value *float64 `json:"value,omitempty"`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
	// Unit is a noun ("patients") or an ISO 4217 code in main units.
	Unit string `json:"unit,omitempty"`
	// Scope limits what a price or a service statement covers:
	// "product, mainland", "one case", "all-public-pilots".
	Scope string `json:"scope,omitempty"`
	// Year the figure is about.
	Year   int    `json:"year,omitempty"`
	Source Source `json:"source,omitzero"`
	// By is who makes the claim: "hospital", "company". Shown as
	// "according to ...".
	By string `json:"by,omitempty"`
	// VerifiedBy is the operator's member who read the source.
	VerifiedBy string `json:"verified_by,omitempty"`
	// Expires is the last day on which the claim is shown, YYYY-MM-DD.
	Expires string `json:"expires,omitempty"`
	// Unverified marks general knowledge or a planning rule, which has no
	// source; it is shown with a mark or not at all.
	Unverified bool `json:"unverified,omitempty"`
	// Outcome marks success rates and the like: never in advertising, in
	// ranking or on a card; only with who reported it and when.
	Outcome bool `json:"outcome,omitempty"`
	// Conflict says how other sources disagree; the claim is then never shown
	// as settled.
	Conflict string `json:"conflict,omitempty"`
	// Historical, Undated, Stale, Weak and NeedsConfirmation: kept for
	// reference, not fit for a promise to a patient.
	Historical        bool `json:"historical,omitempty"`
	Undated           bool `json:"undated,omitempty"`
	Stale             bool `json:"stale,omitempty"`
	Weak              bool `json:"weak,omitempty"`
	NeedsConfirmation bool `json:"needs_confirmation,omitempty"`
	// Inferred marks what the compiler concluded; nothing is sold on it.
	Inferred bool `json:"inferred,omitempty"`
}

// Shown reports whether a claim may be shown at all on a day: it has a source
// or says that it is unverified, and has not expired.
func (c Claim) Shown(now time.Time) bool {
	if c.Source.Address == "" && !c.Unverified {
		return false
	}
	return c.Expires == "" || now.UTC().Format(time.DateOnly) <= c.Expires
}

// Solid reports whether a claim may stand on a card or in a summary: sourced,
// current, undisputed, no outcome.
func (c Claim) Solid(now time.Time) bool {
	return c.Shown(now) && !c.Unverified && !c.Outcome && c.Conflict == "" && !c.Historical && !c.Stale && !c.Weak &&
		!c.NeedsConfirmation && !c.Inferred
}

// ShownClaims returns the claims that may be shown on a day.
func ShownClaims(claims []Claim, now time.Time) []Claim {
	var out []Claim
	for _, c := range claims {
		if c.Shown(now) {
			out = append(out, c)
		}
	}
	return out
}

// maxClaims bounds a list of claims: a page must stay readable and a document
// small.
const maxClaims = 500

func validateClaims(f *fault.Fields, field string, claims []Claim) {
	if len(claims) > maxClaims {
		f.Add(field, "too_many", "at most %d claims", maxClaims)
		return
	}
	for i, c := range claims {
		c.validate(f, indexed(field, i))
	}
}

func (c Claim) validate(f *fault.Fields, field string) {
	if !claimKinds[c.Kind] {
		f.Add(field+".kind", "enum", "unknown kind of claim %q", clip(string(c.Kind)))
	}
	c.Text.validate(f, field+".text", MaxParagraph, true)
	switch {
	case c.Unverified && c.Source.Address != "":
		f.Add(field+".unverified", "conflict", "a claim with a source is not unverified")
	case !c.Unverified && c.Source.Address == "":
		f.Add(field+".source.address", "required", "name the source, or mark the claim unverified")
	case c.Source.Address != "" && !grades[c.Source.Grade]:
		f.Add(field+".source.grade", "enum", "unknown grade %q", clip(string(c.Source.Grade)))
	}
	validateString(f, field+".source.address", c.Source.Address, 2000)
	if !validPartialDate(c.Source.Date) {
		f.Add(field+".source.date", "date", "use YYYY, YYYY-MM or YYYY-MM-DD")
	}
	if c.Expires != "" && !validDate(c.Expires) {
		f.Add(field+".expires", "date", "use YYYY-MM-DD")
	}
	if c.Min != nil && c.Max != nil && *c.Min > *c.Max {
		f.Add(field+".min", "range", "must not be above max")
	}
}

// validPartialDate accepts an empty string, YYYY, YYYY-MM and YYYY-MM-DD, and
// the ranges "2020 to 2022" that sources sometimes carry are refused.
func validPartialDate(s string) bool {
	if s == "" {
		return true
	}
	for _, layout := range []string{"2006", "2006-01", time.DateOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

func validDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// ClaimTrouble says why the operator should look at a claim.
type ClaimTrouble string

// The troubles.
const (
	ClaimExpired     ClaimTrouble = "expired"
	ClaimExpires     ClaimTrouble = "expires"
	ClaimContradicts ClaimTrouble = "contradicts"
)

// TroubledClaim is a claim that the operator should look at.
type TroubledClaim struct {
	// Index of the claim among those of its entry.
	Index   int
	Trouble ClaimTrouble
}

// TroubledClaims finds, among the claims of an entry, those that have expired
// or will before the day soon, those for which a contradiction is on record,
// and pairs that give different figures for the same thing of the same year.
// Days are YYYY-MM-DD.
func TroubledClaims(claims []Claim, today, soon string) []TroubledClaim {
	var out []TroubledClaim
	for i, c := range claims {
		switch {
		case c.Expires != "" && c.Expires < today:
			out = append(out, TroubledClaim{i, ClaimExpired})
		case c.Conflict != "" || contradicted(claims, i):
			out = append(out, TroubledClaim{i, ClaimContradicts})
		case c.Expires != "" && c.Expires < soon:
			out = append(out, TroubledClaim{i, ClaimExpires})
		}
	}
	return out
}

// contradicted reports whether another claim gives a different figure for the
// same thing.
func contradicted(claims []Claim, i int) bool {
	c := claims[i]
	if c.Value == nil || c.Key == "" {
		return false
	}
	for j, d := range claims {
		if j != i && d.Value != nil && d.Kind == c.Kind && d.Key == c.Key && d.Scope == c.Scope && d.Unit == c.Unit && d.Year == c.Year && *d.Value != *c.Value {
			return true
		}
	}
	return false
}
