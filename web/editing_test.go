package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
)

// newOrganisation publishes an organisation of a kind with a member of each
// role, <role>@<id>.example, and returns it.
func (s *testServer) newOrganisation(t testing.TB, id string, kind catalog.OrganisationKind) catalog.Organisation {
	t.Helper()
	org := catalog.Organisation{ID: id, Name: catalog.Text{"en": "Test " + id}, OrganisationKind: kind, Languages: []string{"en"}, Demo: true}
	if _, err := s.Catalog.Organisations.Publish(t.Context(), org, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	for _, role := range account.Roles {
		if err := s.Accounts.Join(t.Context(), id, account.Member{Email: string(role) + "@" + id + ".example", Role: role}); err != nil {
			t.Fatal(err)
		}
	}
	return org
}

// as signs a person in who has proved everything that is asked for, and
// returns the session's cookie.
func (s *testServer) as(t testing.TB, email string) string {
	t.Helper()
	token, err := s.Accounts.Begin(t.Context(), email, "test", account.ProofPasskey)
	if err != nil {
		t.Fatal(err)
	}
	return "session=" + token
}

// fields returns what a browser would send of a form as it is shown.
func fields(form *goquery.Selection) url.Values {
	out := url.Values{}
	form.Find("input[name], textarea[name], select[name]").Each(func(_ int, f *goquery.Selection) {
		name := f.AttrOr("name", "")
		_, checked := f.Attr("checked")
		switch kind := f.AttrOr("type", ""); {
		case (kind == "checkbox" || kind == "radio") && !checked:
		case goquery.NodeName(f) == "textarea":
			out.Add(name, f.Text())
		case goquery.NodeName(f) == "select":
			out.Add(name, f.Find("option[selected]").AttrOr("value", f.Find("option").AttrOr("value", "")))
		default:
			out.Add(name, f.AttrOr("value", ""))
		}
	})
	return out
}

// Of two editors the second is shown what the first changed, loses nothing of
// what was typed, and may save once it has been seen.
func TestTwoEditors(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "two-editors", catalog.Agency)
	mei, li := s.as(t, "owner@two-editors.example"), s.as(t, "editor@two-editors.example")
	first := s.page(t, "/console/about", "Cookie", mei)
	if _, hidden := first.Find("[data-editors]").Attr("hidden"); !hidden {
		t.Error("who is alone is told of others")
	}
	second := s.page(t, "/console/about", "Cookie", li)
	if got := text(second.Find("[data-editors]")); !strings.Contains(got, "owner@two-editors.example") {
		t.Errorf("the second editor is told %q", got)
	}
	beat := func(doc *goquery.Document, cookie string, more ...string) answer {
		form := url.Values{"token": {doc.Find("[data-editors]").AttrOr("data-token", "")}}
		for _, name := range more {
			form.Set(name, "1")
		}
		return s.form(t, "/console/editing", form, "Cookie", cookie)
	}
	if a := beat(first, mei); a.StatusCode != http.StatusOK || !strings.Contains(a.Body, "editor@two-editors.example") {
		t.Errorf("the first editor is told %d %q", a.StatusCode, a.Body)
	}
	if a := beat(first, li); a.StatusCode != http.StatusNotFound {
		t.Errorf("a token of somebody else: status %d", a.StatusCode)
	}

	mine, theirs := fields(first.Find("main form[data-draft]")), fields(second.Find("main form[data-draft]"))
	mine.Set("name.fr", "Nom français")
	theirs.Set("name.en", "Their name")
	a := s.form(t, "/console/about", mine, "Cookie", mei)
	if a.StatusCode != http.StatusSeeOther || !strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "saved=organisation%2Ftwo-editors") {
		t.Fatalf("the first save: status %d, %v", a.StatusCode, a.Header)
	}
	doc := want(t, s.form(t, "/console/about", theirs, "Cookie", li), http.StatusConflict)
	if got := text(doc.Find(".error-summary tbody")); got != "Name · FrenchnothingNom français" {
		t.Errorf("the difference shown is %q", got)
	}
	if got := doc.Find(`[name="name.en"]`).AttrOr("value", ""); got != "Their name" {
		t.Errorf("what was typed became %q", got)
	}
	if _, typed := doc.Find("form[data-draft]").Attr("data-typed"); !typed {
		t.Error("the page does not say that it shows what was typed")
	}
	again := fields(doc.Find("main form[data-draft]"))
	again.Set("name.fr", "Nom français")
	again.Set("intent", "submit")
	if a := s.form(t, "/console/about", again, "Cookie", li); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving what was brought together: status %d", a.StatusCode)
	}
	l, err := s.Catalog.Organisations.Listing(t.Context(), "two-editors")
	if err != nil || l.State != catalog.Submitted || l.Value.Name["en"] != "Their name" || l.Value.Name["fr"] != "Nom français" {
		t.Errorf("stored: %+v, %v", l, err)
	}
	if a := beat(second, li, "stop"); a.StatusCode != http.StatusNoContent {
		t.Errorf("closing: status %d", a.StatusCode)
	}
	if a := beat(first, mei); a.Body != "" {
		t.Errorf("after closing: %q", a.Body)
	}
}

// What is wrong is said beside the field, and what was typed stays.
func TestAboutRefused(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "about-refused", catalog.Agency)
	owner := s.as(t, "owner@about-refused.example")
	form := fields(s.page(t, "/console/about", "Cookie", owner).Find("main form[data-draft]"))
	form.Set("name.en", "")
	form.Set("languages", "en, not a tag!")
	doc := want(t, s.form(t, "/console/about", form, "Cookie", owner), http.StatusUnprocessableEntity)
	if doc.Find(".error-summary li").Length() == 0 || doc.Find("#languages").AttrOr("value", "") != "en, not a tag!" {
		t.Errorf("errors %q, languages %q", text(doc.Find(".error-summary")), doc.Find("#languages").AttrOr("value", ""))
	}
	for _, a := range doc.Find(".error-summary a").EachIter() {
		if doc.Find(`[id="`+strings.TrimPrefix(a.AttrOr("href", ""), "#")+`"]`).Length() != 1 {
			t.Errorf("%q leads nowhere", a.AttrOr("href", ""))
		}
	}
}
