package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/catalog"
)

// newHospital publishes a made-up hospital with a department that has a member
// of each role, <role>@<id>.example.
func (s *testServer) newHospital(t testing.TB, id string) {
	t.Helper()
	h := catalog.Hospital{ID: id, Name: catalog.Text{"en": "Test hospital " + id}, Ownership: catalog.Private, Demo: true}
	if _, err := s.Catalog.Hospitals.Publish(t.Context(), h, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	org := s.newOrganisation(t, id+"-department", catalog.HospitalDepartment)
	org.HospitalID = id
	if _, err := s.Catalog.Organisations.Publish(t.Context(), org, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Other tests count what is published.
		_ = s.Catalog.Hospitals.Move(context.Background(), id, catalog.Archived, catalog.Edit{Author: "test"})
		_ = s.Catalog.Organisations.Move(context.Background(), id+"-department", catalog.Archived, catalog.Edit{Author: "test"})
	})
}

// newOwnOffering creates a draft through the console and returns its path.
func (s *testServer) newOwnOffering(t testing.TB, cookie, treatment string) string {
	t.Helper()
	a := s.form(t, "/console/offerings", url.Values{"treatment": {treatment}}, "Cookie", cookie)
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("creating an offering: status %d", a.StatusCode)
	}
	return strings.TrimSuffix(a.Header.Get("Location"), "/edit")
}

func editorForm(doc *goquery.Document) url.Values { return fields(doc.Find("form.listing-edit")) }

// An offering goes from a treatment to what patients see, is changed, and what
// would change is shown field by field; every step has its author and reason.
func TestOfferingFromDraftToPatients(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "draft-hospital")
	owner := s.as(t, "owner@draft-hospital-department.example")
	if got := text(s.page(t, "/console/offerings", "Cookie", owner).Find(".empty")); !strings.Contains(got, "no offering yet") {
		t.Errorf("the empty list says %q", got)
	}
	found := s.page(t, "/console/offerings/new?q=ICL", "Cookie", owner)
	treatment := found.Find(`input[name=treatment]`).AttrOr("value", "")
	if treatment == "" {
		t.Fatal("searching the treatments finds none")
	}
	path := s.newOwnOffering(t, owner, treatment)
	edit := s.page(t, path+"/edit", "Cookie", owner)
	form := editorForm(edit)
	form.Set("summary.en", "A lens is placed in front of the natural lens.")
	form.Set("summary.zh-Hans", "在自然晶体前放置人工晶体。")
	form.Set("timeline", "own")
	form.Set("timeline.procedure.min", "1")
	form.Set("timeline.procedure.max", "1")
	form.Set("price.model", "by-tier")
	form.Set("price.tiers[0].label.en", "Plain lens")
	form.Set("price.tiers[0].amount", "30,000")
	form.Set("price.tiers[1].label.en", "Toric lens")
	form.Set("price.tiers[1].amount", "36000.50")
	form.Set("price.as_of", "2026-01-31")
	form.Set("price.source.address", "price list of the demonstration")
	form.Set("price.source.grade", "hospital")
	form.Set("intent", "add:claims:fact")
	form = editorForm(want(t, s.form(t, path+"/edit", form, "Cookie", owner), http.StatusOK))
	form.Set("claims[0].text.en", "Two operating days a week.")
	form.Set("claims[0].source.address", "timetable of the demonstration")
	form.Set("claims[0].source.grade", "hospital")
	form.Set("claims[0].source.date", "2026-01")
	form.Set("reason", "first listing")
	form.Set("intent", "save")
	if a := s.form(t, path+"/edit", form, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving: status %d, %s", a.StatusCode, text(a.document(t).Find(".error-summary")))
	}
	id := strings.TrimPrefix(path, "/console/offerings/")
	l, err := s.Catalog.Offerings.Listing(t.Context(), id)
	if err != nil || l.State != catalog.Draft || l.Value.Price == nil || len(l.Value.Price.Tiers) != 2 || l.Value.Price.Tiers[1].Amount.Amount != 3600050 ||
		len(l.Value.Claims) != 1 || l.Value.Timeline == nil || l.Reason != "first listing" {
		t.Fatalf("stored: %+v, %v", l, err)
	}
	if a := s.get(t, "/offerings/"+id); a.StatusCode != http.StatusNotFound {
		t.Errorf("patients see a draft: status %d", a.StatusCode)
	}

	doc := s.page(t, path, "Cookie", owner)
	if n := doc.Find("#missing").Closest("section").Find("tbody tr").Length(); n != 4 {
		t.Errorf("%d texts lack translations, want summary, two tiers and a claim", n)
	}
	steps := fields(doc.Find("form.steps-form"))
	steps.Set("step", "submit")
	if a := s.form(t, path+"/step", steps, "Cookie", owner); a.Header.Get("Location") != path+"?done=own-submit" {
		t.Fatalf("submitting: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	if err := s.Catalog.Offerings.Move(t.Context(), id, catalog.Published, catalog.Edit{Author: "operator"}); err != nil {
		t.Fatal(err)
	}
	public := s.page(t, "/offerings/"+id)
	if got := text(public.Find("aside .rows")); !strings.Contains(got, "Toric lens") {
		t.Errorf("the page of patients has the tiers %q", got)
	}

	form = editorForm(s.page(t, path+"/edit", "Cookie", owner))
	form.Set("summary.en", "The lens is put in on a Tuesday.")
	form.Set("intent", "save")
	if a := s.form(t, path+"/edit", form, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("a new revision: status %d", a.StatusCode)
	}
	doc = s.page(t, path, "Cookie", owner)
	if got := text(doc.Find("#changes").Closest("section").Find("tbody")); !strings.Contains(got, "The lens is put in on a Tuesday.") {
		t.Errorf("the difference is %q", got)
	}
	if got := text(s.page(t, "/offerings/"+id).Find("main")); strings.Contains(got, "on a Tuesday") {
		t.Error("patients see what nobody approved")
	}
	if n := doc.Find(".revisions > li").Length(); n != 5 {
		t.Errorf("%d steps in the history, want created, saved, submitted, published, changed", n)
	}
	claims := l.Value.Claims
	if l, err = s.Catalog.Offerings.Listing(t.Context(), id); err != nil || len(l.Value.Claims) != 1 || l.Value.Claims[0].Text["en"] != claims[0].Text["en"] {
		t.Errorf("the claims became %+v, %v", l.Value.Claims, err)
	}

	for _, lang := range catalog.Languages {
		preview := s.page(t, path+"/preview/"+lang, "Cookie", owner)
		if robots := preview.Find("meta[name=robots]").AttrOr("content", ""); !strings.Contains(robots, "noindex") || preview.Find(".preview-bar").Length() != 1 {
			t.Errorf("%s: the preview has no banner or may be indexed", lang)
		}
		if preview.Find("html").AttrOr("lang", "") != lang {
			t.Errorf("the preview is not in %s", lang)
		}
	}
	if got := text(s.page(t, path+"/preview/en", "Cookie", owner).Find("#here").Closest("section")); !strings.Contains(got, "on a Tuesday") {
		t.Errorf("the preview shows %q", got)
	}
	steps = fields(s.page(t, path, "Cookie", owner).Find("form.steps-form"))
	steps.Set("step", "archive")
	if a := s.form(t, path+"/step", steps, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("archiving: status %d", a.StatusCode)
	}
	if a := s.get(t, "/offerings/"+id); a.StatusCode != http.StatusNotFound {
		t.Errorf("patients see what is archived: status %d", a.StatusCode)
	}
	audit := text(s.page(t, "/console/audit", "Cookie", owner).Find("table"))
	for _, action := range []string{"offering.create", "offering.save", "offering.submit", "offering.archive"} {
		if !strings.Contains(audit, action) {
			t.Errorf("%s is not in the audit trail", action)
		}
	}
}

// A promise is said beside its field, refused at submission, and what was
// typed stays.
func TestOfferingLint(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "lint-hospital")
	owner := s.as(t, "owner@lint-hospital-department.example")
	path := s.newOwnOffering(t, owner, "icl")
	form := editorForm(s.page(t, path+"/edit", "Cookie", owner))
	form.Set("summary.en", "The best hospital in China: recovery guaranteed.")
	form.Set("summary.zh-Hans", "保证治愈")
	form.Set("intent", "submit")
	doc := want(t, s.form(t, path+"/edit", form, "Cookie", owner), http.StatusUnprocessableEntity)
	if got := doc.Find(`[id="summary.en"]`).Text(); got != "The best hospital in China: recovery guaranteed." {
		t.Errorf("what was typed became %q", got)
	}
	if n := doc.Find(`[data-lint="summary.en"] li.refuse`).Length(); n != 2 {
		t.Errorf("%d findings beside the English text, want 2", n)
	}
	if n := doc.Find(`[data-lint="summary.zh-Hans"] li.refuse`).Length(); n != 1 {
		t.Errorf("%d findings beside the Chinese text, want 1", n)
	}
	if doc.Find(`.error-summary a[href="#summary.en"]`).Length() == 0 || doc.Find(`[id="summary.en"]`).AttrOr("aria-invalid", "") != "true" {
		t.Error("the error does not lead to its field")
	}
	id := strings.TrimPrefix(path, "/console/offerings/")
	if l, err := s.Catalog.Offerings.Listing(t.Context(), id); err != nil || l.State != catalog.Draft || l.Value.Summary["zh-Hans"] != "保证治愈" {
		t.Errorf("the draft is %+v, %v", l, err)
	}
	form = editorForm(doc)
	form.Set("summary.en", "The lens is put in on a Tuesday.")
	form.Set("summary.zh-Hans", "在虹膜后放置晶体。")
	form.Set("intent", "submit")
	if a := s.form(t, path+"/edit", form, "Cookie", owner); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the mended text: status %d", a.StatusCode)
	}

	a := s.form(t, "/console/lint", url.Values{"text": {"保证治愈"}}, "Cookie", owner)
	var findings []map[string]string
	if err := json.Unmarshal([]byte(a.Body), &findings); err != nil || len(findings) != 1 || findings[0]["severity"] != "refuse" || findings[0]["text"] == "" {
		t.Errorf("the lint answers %q", a.Body)
	}
	if a := s.form(t, "/console/lint", url.Values{"text": {"保证治愈"}}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger asks the lint: status %d", a.StatusCode)
	}
}

// Each wrong field is named where it stands, and nothing typed is lost.
func TestOfferingRefused(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "refused-hospital")
	owner := s.as(t, "owner@refused-hospital-department.example")
	path := s.newOwnOffering(t, owner, "icl")
	for name, row := range map[string]struct {
		set   map[string]string
		field string
	}{
		"a word for a number":    {map[string]string{"timeline": "own", "timeline.procedure.min": "two"}, "timeline.procedure.min"},
		"days the wrong way":     {map[string]string{"timeline": "own", "timeline.workup.min": "3", "timeline.workup.max": "1"}, "timeline.workup.min"},
		"an amount in words":     {map[string]string{"price.model": "fixed", "price.min": "cheap"}, "price.min"},
		"no such currency":       {map[string]string{"price.model": "fixed", "price.min": "1", "price.currency": "RENMINBI"}, "price.min"},
		"a price without a date": {map[string]string{"price.model": "fixed", "price.min": "1", "price.source.address": "list", "price.source.grade": "hospital"}, "price.as_of"},
		"a price without source": {map[string]string{"price.model": "fixed", "price.min": "1", "price.as_of": "2026-01-01"}, "price.source.address"},
		"a tier without amount":  {map[string]string{"price.model": "by-tier", "price.tiers[0].label.en": "x", "price.as_of": "2026-01-01"}, "price.tiers[0].amount"},
		"a list without agency":  {map[string]string{"packaging.rule": "listed"}, "packaging.agency_ids"},
		"a claim without source": {map[string]string{"claims.rows": "1", "claims[0].kind": "fact", "claims[0].text.en": "Open daily."}, "claims[0].source.address"},
	} {
		form := editorForm(s.page(t, path+"/edit", "Cookie", owner))
		for k, v := range row.set {
			form.Set(k, v)
		}
		doc := want(t, s.form(t, path+"/edit", form, "Cookie", owner), http.StatusUnprocessableEntity)
		link := doc.Find(`.error-summary a[href="#` + row.field + `"]`)
		if link.Length() == 0 || doc.Find(`[id="`+row.field+`"]`).Length() != 1 || doc.Find(`[id="error-`+row.field+`"]`).Length() == 0 {
			t.Errorf("%s: the error does not stand at %s: %s", name, row.field, text(doc.Find(".error-summary")))
		}
		again := editorForm(doc)
		for k, v := range row.set {
			if k != "claims.rows" && again.Get(k) != v {
				t.Errorf("%s: %s became %q", name, k, again.Get(k))
			}
		}
	}
}

// What belongs to another hospital is not there, and a role that may not edit
// does not.
func TestOfferingsOfOthers(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "own-hospital")
	s.newHospital(t, "other-hospital")
	owner, other, viewer := s.as(t, "owner@own-hospital-department.example"), s.as(t, "owner@other-hospital-department.example"), s.as(t, "viewer@own-hospital-department.example")
	path := s.newOwnOffering(t, owner, "icl")
	for _, sub := range []string{"", "/edit", "/preview/en"} {
		for _, p := range []string{path, "/console/offerings/icl-at-eent-fudan", "/console/offerings/there-is-none"} {
			if a := s.get(t, p+sub, "Cookie", other); a.StatusCode != http.StatusNotFound {
				t.Errorf("GET %s for another: status %d", p+sub, a.StatusCode)
			}
		}
	}
	for _, sub := range []string{"/edit", "/step"} {
		if a := s.form(t, path+sub, url.Values{"step": {"archive"}, "revision": {"1"}, "intent": {"save"}}, "Cookie", other); a.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s for another: status %d", sub, a.StatusCode)
		}
		if a := s.form(t, path+sub, url.Values{"step": {"archive"}, "revision": {"1"}, "intent": {"save"}}, "Cookie", viewer); a.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s for a viewer: status %d", sub, a.StatusCode)
		}
	}
	if doc := s.page(t, path, "Cookie", viewer); doc.Find("form.steps-form, main a.btn[href$='/edit']").Length() != 0 {
		t.Error("a viewer is offered to edit")
	}
	if a := s.get(t, "/console/offerings", "Cookie", s.signInAs(t, "agency")); a.StatusCode != http.StatusForbidden {
		t.Errorf("an agency: status %d", a.StatusCode)
	}
}

func TestOwnOfferingsList(t *testing.T) {
	s := newTestServer(t)
	s.newHospital(t, "list-hospital")
	owner := s.as(t, "owner@list-hospital-department.example")
	s.newOwnOffering(t, owner, "icl")
	s.newOwnOffering(t, owner, "icl")
	s.newOwnOffering(t, owner, "comprehensive-health-check")
	rows := func(query string) int {
		return s.page(t, "/console/offerings"+query, "Cookie", owner).Find("table.list tbody tr").Length()
	}
	for query, n := range map[string]int{"": 3, "?q=icl": 2, "?state=draft": 3, "?state=published": 0, "?q=nothing+fits": 0, "?sort=name": 3, "?after=2": 1, "?after=-1": 3, "?after=x": 3} {
		if got := rows(query); got != n {
			t.Errorf("%s: %d rows, want %d", query, got, n)
		}
	}
	a := s.get(t, "/console/offerings?format=csv&q=icl", "Cookie", owner)
	if lines := strings.Count(a.Body, "\n"); lines != 3 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("the file has %d lines, type %q", lines, a.Header.Get("Content-Type"))
	}
}

func TestDropRows(t *testing.T) {
	form := url.Values{"claims.rows": {"4"}, "claims[0].text.en": {" "}, "claims[0].kind": {"fact"}, "claims[1].text.en": {"one"}, "claims[1].from": {"7"},
		"claims[2].text.en": {"two"}, "claims[2].remove": {"yes"}, "claims[3].source.address": {"three"}, "claims[9].text.en": {"beyond"}, "claims[x].text.en": {"no number"}, "name.en": {"n"}}
	dropRows(form, "claims", ".text.", ".source.address")
	want := "claims.rows=2&claims[0].from=7&claims[0].text.en=one&claims[1].source.address=three&claims[x].text.en=no number&name.en=n"
	if got, _ := url.QueryUnescape(form.Encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
