package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
)

// key makes a key of an organisation.
func (s *testServer) key(t testing.TB, organisation string, scopes ...account.Scope) string {
	t.Helper()
	_, secret, err := s.Accounts.NewKey(context.Background(), organisation, "test", "test", scopes, 30)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// call calls the API with a key. Headers are pairs.
func (s *testServer) call(t testing.TB, key, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.URL+"/api/v1/partner/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		headers = append(headers, "Authorization", "Bearer "+key)
	}
	return s.do(t, req, append(headers, "Content-Type", "application/json")...)
}

// refused checks the status of a call and what its JSON says.
func refused(t testing.TB, a answer, status int, says string) {
	t.Helper()
	var e apiError
	if err := json.Unmarshal([]byte(a.Body), &e); err != nil || a.StatusCode != status || !strings.Contains(a.Body, says) || e.Error.Message == "" {
		t.Errorf("%s %s: %d, want %d with %q: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, says, a.Body)
	}
}

const demoDepartment = "demo-hospital-department"

func TestKeysInTheConsole(t *testing.T) {
	s := newTestServer(t)
	owner := s.signInAs(t, "agency")
	doc := s.page(t, keysPath, "Cookie", owner)
	if doc.Find(".console-side nav a[aria-current=page]").AttrOr("href", "") != keysPath {
		t.Error("the navigation does not show the page")
	}
	bad := want(t, s.send(t, owner, keysPath, url.Values{"name": {"keeps what was typed"}, "days": {"7"}}), http.StatusUnprocessableEntity)
	if bad.Find("#name").AttrOr("value", "") != "keeps what was typed" || bad.Find("main [role=alert] a").Length() != 2 {
		t.Errorf("a key that is not complete: %s", text(bad.Find("main")))
	}
	made := want(t, s.send(t, owner, keysPath, url.Values{"name": {"booking system"}, "days": {"30"}, "scope": {"listings:read"}}), http.StatusOK)
	secret := text(made.Find(".secret"))
	if a := s.call(t, secret, http.MethodGet, "packages", ""); a.StatusCode != http.StatusOK {
		t.Errorf("the new key: %d %s", a.StatusCode, a.Body)
	}
	shown := s.page(t, keysPath, "Cookie", owner)
	if html, _ := shown.Html(); secret == "" || strings.Contains(html, secret) {
		t.Error("the key is shown again")
	}
	row := shown.Find("table.keys tbody tr").FilterFunction(func(_ int, r *goquery.Selection) bool { return strings.Contains(r.Text(), "booking system") })
	id := row.Find("[name=key]").AttrOr("value", "")
	want(t, s.send(t, s.signInAs(t, "hospital"), keysPath+"/revoke", url.Values{"key": {id}}), http.StatusNotFound)
	s.sent(t, s.send(t, owner, keysPath+"/revoke", url.Values{"key": {id}}))
	refused(t, s.call(t, secret, http.MethodGet, "packages", ""), http.StatusUnauthorized, "revoked")
	if actions := s.actions(t, demoAgency); !slices.Contains(actions, "key.make") || !slices.Contains(actions, "key.revoke") {
		t.Errorf("the audit trail says %v", actions)
	}
	editor := s.memberAs(t, demoAgency, "editor@keys.example", account.Editor)
	want(t, s.get(t, keysPath, "Cookie", editor), http.StatusForbidden)
}

func TestPartnerAPIRefuses(t *testing.T) {
	s := newTestServer(t)
	read, write := s.key(t, demoDepartment, account.ReadListings), s.key(t, demoDepartment, account.WriteListings)
	agency := s.key(t, demoAgency, account.ReadListings, account.WriteListings)
	none := []string{"If-None-Match", "*"}
	refused(t, s.call(t, "", http.MethodGet, "offerings", ""), http.StatusUnauthorized, "Bearer")
	refused(t, s.call(t, "mt_wrong", http.MethodGet, "offerings", ""), http.StatusUnauthorized, "not known")
	refused(t, s.call(t, read, http.MethodPut, "offerings/api-x", "{}", none...), http.StatusForbidden, "listings:write")
	refused(t, s.call(t, write, http.MethodGet, "offerings", ""), http.StatusForbidden, "listings:read")
	refused(t, s.call(t, agency, http.MethodGet, "offerings", ""), http.StatusForbidden, "hospital-department")
	refused(t, s.call(t, read, http.MethodGet, "offerings/icl-at-eent-fudan", ""), http.StatusNotFound, "yours")
	refused(t, s.call(t, agency, http.MethodGet, "packages/"+foreignPackageID, ""), http.StatusNotFound, "yours")
	refused(t, s.call(t, write, http.MethodPut, "offerings/icl-at-eent-fudan", `{"treatment_id":"icl"}`, "If-Match", `"1"`), http.StatusNotFound, "yours")
	refused(t, s.call(t, write, http.MethodPost, "offerings/icl-at-eent-fudan/submit", "", "If-Match", `"1"`), http.StatusNotFound, "yours")
	refused(t, s.call(t, write, http.MethodPut, "offerings/icl-at-eent-fudan", `{"treatment_id":"icl"}`, none...), http.StatusPreconditionFailed, "taken")
	refused(t, s.call(t, agency, http.MethodGet, "departures?package_id="+foreignPackageID, ""), http.StatusNotFound, "yours")
	refused(t, s.call(t, agency, http.MethodPut, "departures/api-foreign", `{"package_id":"`+foreignPackageID+`","date":"2030-01-01","capacity":3}`, none...), http.StatusUnprocessableEntity, "package_id")
	refused(t, s.call(t, agency, http.MethodGet, "packages?limit=1000", ""), http.StatusUnprocessableEntity, "limit")
	for _, c := range []struct{ name, body, says string }{
		{"no JSON", "{", "JSON"},
		{"nothing", "", "JSON"},
		{"an unknown field", `{"beds":3}`, "beds"},
		{"a wrong type", `{"name":3}`, "name"},
		{"another id", `{"id":"api-y","treatment_id":"icl"}`, "id"},
		{"another hospital", `{"treatment_id":"icl","hospital_id":"eent-fudan"}`, "hospital_id"},
		{"no such treatment", `{"treatment_id":"gone"}`, "treatment_id"},
		{"no treatment", `{}`, "treatment_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, s.call(t, write, http.MethodPut, "offerings/api-x", c.body, none...), http.StatusUnprocessableEntity, c.says)
		})
	}
	refused(t, s.call(t, write, http.MethodPut, "offerings/api-x", `{"x":"`+strings.Repeat("y", 5<<20)+`"}`, none...), http.StatusRequestEntityTooLarge, "too_large")
	for _, h := range [][]string{nil, {"If-Match", "*"}, {"If-Match", "1"}, {"If-Match", `W/"1"`}, {"If-None-Match", `"1"`}, {"If-Match", `"1"`, "If-None-Match", "*"}} {
		refused(t, s.call(t, write, http.MethodPut, "offerings/api-x", "{}", h...), http.StatusPreconditionRequired, "If-Match")
	}
	if _, err := s.Catalog.Offerings.Listing(t.Context(), "api-x"); err == nil {
		t.Error("a refused call has left something")
	}
}

func TestPartnerKeepsAnOffering(t *testing.T) {
	s := newTestServer(t)
	key := s.key(t, demoDepartment, account.ReadListings, account.WriteListings)
	const path = "offerings/api-kept"
	body := func(name string) string { return `{"treatment_id":"icl","name":{"en":"` + name + `"}}` }
	// Browsers of other sites send these headers; a key needs no cookie.
	made := s.call(t, key, http.MethodPut, path, body("First"), "If-None-Match", "*", "Origin", "https://partner.example", "Sec-Fetch-Site", "cross-site")
	if made.StatusCode != http.StatusCreated || made.Header.Get("ETag") != `"1"` || !strings.Contains(made.Body, `"state":"draft"`) {
		t.Fatalf("%d %s", made.StatusCode, made.Body)
	}
	got := s.call(t, key, http.MethodGet, path, "")
	var entry partnerEntry[catalog.Offering]
	if err := json.Unmarshal([]byte(got.Body), &entry); err != nil || entry.Entry.HospitalID == "" || got.Header.Get("ETag") != `"1"` || !strings.Contains(entry.ChangedBy, "key test") {
		t.Errorf("%s, %v", got.Body, err)
	}
	if a := s.call(t, key, http.MethodPut, path, body("Second"), "If-Match", `"1"`); a.StatusCode != http.StatusOK || a.Header.Get("ETag") != `"2"` {
		t.Errorf("a change: %d %s", a.StatusCode, a.Body)
	}
	refused(t, s.call(t, key, http.MethodPut, path, body("Late"), "If-Match", `"1"`), http.StatusPreconditionFailed, `\"2\"`)
	refused(t, s.call(t, key, http.MethodPost, path+"/submit", "", "If-Match", `"1"`), http.StatusPreconditionFailed, `\"2\"`)
	if a := s.call(t, key, http.MethodPost, path+"/submit", "", "If-Match", `"2"`); a.StatusCode != http.StatusOK || !strings.Contains(a.Body, `"state":"submitted"`) {
		t.Errorf("submitting: %d %s", a.StatusCode, a.Body)
	}
	refused(t, s.call(t, key, http.MethodPost, path+"/submit", "", "If-Match", `"3"`), http.StatusConflict, "submitted")
	if a := s.call(t, key, http.MethodGet, "offerings", ""); !strings.Contains(a.Body, `"api-kept"`) {
		t.Errorf("the list is %s", a.Body)
	}
	if a := s.get(t, "/offerings/api-kept"); a.StatusCode != http.StatusNotFound {
		t.Errorf("patients see a draft: %d", a.StatusCode)
	}
}

// A departure applies at once: there is nothing in it that needs a look.
func TestPartnerKeepsDepartures(t *testing.T) {
	s := newTestServer(t)
	key := s.key(t, demoAgency, account.ReadListings, account.WriteListings)
	const path = "departures/api-departure"
	body := func(pkg, rest string) string {
		return `{"package_id":"` + pkg + `","date":"2031-03-03","capacity":4` + rest + `}`
	}
	if a := s.call(t, key, http.MethodPut, path, body(ownPackageID, ""), "If-None-Match", "*"); a.StatusCode != http.StatusCreated || !strings.Contains(a.Body, `"published"`) {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	if a := s.call(t, key, http.MethodGet, "departures?package_id="+ownPackageID+"&limit=1", ""); !strings.Contains(a.Body, "api-departure") {
		t.Errorf("the list is %s", a.Body)
	}
	refused(t, s.call(t, key, http.MethodGet, "departures", ""), http.StatusUnprocessableEntity, "package_id")
	refused(t, s.call(t, key, http.MethodPost, path+"/submit", "", "If-Match", `"1"`), http.StatusNotFound, "not_found")
	if a := s.call(t, key, http.MethodPut, path, body(ownPackageID, `,"closed":true`), "If-Match", `"1"`); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	d, err := s.Catalog.Departures.Get(t.Context(), "api-departure")
	if err != nil || !d.Closed {
		t.Errorf("%+v, %v", d, err)
	}
}
