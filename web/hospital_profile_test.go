package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
)

// A hospital says who it is: each fact with its source; what is verified stays
// so only while it says the same.
func TestHospitalProfile(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "profile-hospital")
	owner := s.as(t, "owner@profile-hospital-department.example")
	verified := catalog.Claim{Kind: catalog.ClaimAccreditation, Text: catalog.Text{"en": "Accredited by a body."}, VerifiedBy: "operator", Conflict: "",
		Source: catalog.Source{Address: "certificate", Grade: catalog.GradeHospital}}
	other := verified
	other.Text = catalog.Text{"en": "Accredited by another."}
	h, err := s.Catalog.Hospitals.Get(t.Context(), "profile-hospital")
	if err != nil {
		t.Fatal(err)
	}
	h.Claims = []catalog.Claim{verified, other}
	if _, err := s.Catalog.Hospitals.Publish(t.Context(), h, catalog.Edit{Author: "operator"}); err != nil {
		t.Fatal(err)
	}
	form := editorForm(s.page(t, "/console/hospital/edit", "Cookie", owner))
	form.Set("summary.fr", "Un hôpital d’essai.")
	form.Set("aliases", "TPH\n\n Test clinic ")
	form.Set("answer_hours", "24")
	form.Set("claims[1].text.en", "Accredited by a third.")
	form.Set("claims[1].expires", "2020-01-01")
	form.Set("intent", "add:claims:insurer")
	form = editorForm(want(t, s.form(t, "/console/hospital/edit", form, "Cookie", owner), http.StatusOK))
	form.Set("claims[2].text.en", "Bills directly.")
	form.Set("claims[2].scope", "direct-billing")
	form.Set("claims[2].source.address", "agreement")
	form.Set("claims[2].source.grade", "hospital")
	form.Set("intent", "submit")
	if a := s.form(t, "/console/hospital/edit", form, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving: status %d: %s", a.StatusCode, text(a.document(t).Find(".error-summary")))
	}
	l, err := s.Catalog.Hospitals.Listing(t.Context(), "profile-hospital")
	if err != nil || l.State != catalog.Submitted || len(l.Value.Claims) != 3 || strings.Join(l.Value.Aliases, "|") != "TPH|Test clinic" || l.Value.AnswerHours != 24 {
		t.Fatalf("stored: %+v, %v", l, err)
	}
	if c := l.Value.Claims; c[0].VerifiedBy != "operator" || c[1].VerifiedBy != "" || c[2].Scope != "direct-billing" || c[2].Kind != catalog.ClaimInsurer {
		t.Errorf("claims: %+v", c)
	}
	if l.Shown == nil || l.Shown.Summary["fr"] != "" {
		t.Error("patients see what nobody approved")
	}
	doc := s.page(t, "/console/hospital", "Cookie", owner)
	if got := text(doc.Find("#changes").Closest("section")); !strings.Contains(got, "Un hôpital d’essai.") {
		t.Errorf("what would change is %q", got)
	}
	preview := s.page(t, "/console/hospital/preview/fr", "Cookie", owner)
	if got := text(preview.Find("main")); preview.Find(".preview-bar").Length() != 1 || !strings.Contains(got, "Un hôpital d’essai.") || strings.Contains(got, "Accredited by a third.") {
		t.Error("the preview does not show what patients would see: the new text, without the expired claim")
	}
	steps := fields(doc.Find("form.steps-form"))
	steps.Set("step", "archive")
	if a := s.form(t, "/console/hospital/step", steps, "Cookie", owner); a.StatusCode != http.StatusConflict {
		t.Errorf("a hospital takes itself out: status %d", a.StatusCode)
	}
	steps.Set("step", "withdraw")
	if a := s.form(t, "/console/hospital/step", steps, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Errorf("taking it back: status %d", a.StatusCode)
	}
	if a := s.form(t, "/console/hospital/edit", url.Values{"revision": {"1"}, "name.en": {"Mine"}}, "Cookie", s.as(t, "viewer@profile-hospital-department.example")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer edits: status %d", a.StatusCode)
	}
}

// A hospital is asked for its consent to a package, refuses with a reason and
// gives it.
func TestHospitalConsents(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "consent-hospital")
	s.newHospital(t, "no-consent-hospital")
	s.newOrganisation(t, "consent-agency", catalog.Agency)
	owner, foreign := s.as(t, "owner@consent-hospital-department.example"), s.as(t, "owner@no-consent-hospital-department.example")
	edit := catalog.Edit{Author: "test"}
	o := catalog.Offering{ID: "consent-offering", TreatmentID: "icl", HospitalID: "consent-hospital", Packaging: &catalog.Packaging{Rule: catalog.PackagingOnRequest}}
	if _, err := s.Catalog.Offerings.Publish(t.Context(), o, edit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Catalog.Offerings.Move(context.Background(), o.ID, catalog.Archived, edit) })
	pkg, err := s.Catalog.Packages.Get(t.Context(), "icl-by-the-west-bund")
	if err != nil {
		t.Fatal(err)
	}
	pkg.ID, pkg.AgencyID, pkg.OfferingIDs = "consent-package", "consent-agency", []string{o.ID}
	if _, err := s.Catalog.Packages.Save(t.Context(), pkg, edit); err != nil {
		t.Fatal(err)
	}
	if got := text(s.page(t, "/console/requests", "Cookie", owner).Find(".empty")); got == "" {
		t.Error("an empty list says nothing")
	}
	if _, err := s.Catalog.AskConsent(t.Context(), pkg.ID, o.ID, catalog.Edit{Author: "owner@consent-agency.example", Reason: "for spring"}); err != nil {
		t.Fatal(err)
	}
	if s.page(t, "/console", "Cookie", owner).Find(`.console-tasks a[href="/console/requests"]`).Length() != 1 {
		t.Error("the hospital is not told")
	}
	if got := text(s.page(t, "/console/requests", "Cookie", owner).Find(".request")); !strings.Contains(got, "for spring") || !strings.Contains(got, "Test consent-agency") {
		t.Errorf("the request says %q", got)
	}
	answer := url.Values{"offering": {o.ID}, "package": {pkg.ID}, "answer": {"refuse"}}
	if a := s.form(t, "/console/requests", answer, "Cookie", foreign); a.StatusCode != http.StatusNotFound {
		t.Errorf("another hospital answers: status %d", a.StatusCode)
	}
	if doc := want(t, s.form(t, "/console/requests", answer, "Cookie", owner), http.StatusUnprocessableEntity); doc.Find(".request .field-error").Length() != 1 {
		t.Error("a refusal without a reason is not refused beside its field")
	}
	answer.Set("reason", "the second day is too full")
	if a := s.form(t, "/console/requests", answer, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Errorf("refusing: status %d", a.StatusCode)
	}
	answer.Set("answer", "give")
	if a := s.form(t, "/console/requests", answer, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Errorf("consenting: status %d", a.StatusCode)
	}
	if c, err := s.Catalog.Consent(t.Context(), o.ID, pkg.ID); err != nil || c.State != catalog.ConsentGiven {
		t.Errorf("the consent is %+v, %v", c, err)
	}
}
