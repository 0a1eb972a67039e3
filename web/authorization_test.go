package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
)

// serve answers a request without a network.
func (s *testServer) serve(method, path string, form url.Values, headers ...string) *http.Response {
	req := httptest.NewRequest(method, s.URL+path, strings.NewReader(form.Encode()))
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, req)
	return rec.Result()
}

// filled puts ids in place of the parameters of a route's path: those by the
// segment before them, another where there is none.
func filled(path string, ids map[string]string) (_ string, unknown bool) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if !strings.HasPrefix(part, ":") {
			continue
		}
		id, ok := ids[parts[i-1]]
		if !ok {
			id, unknown = "nothing-here", true
		}
		parts[i] = id
	}
	return strings.Join(parts, "/"), unknown
}

var organisationKinds = []catalog.OrganisationKind{catalog.HospitalDepartment, catalog.Agency, catalog.Operator, catalog.LiaisonOffice}

// team is an organisation of each kind with a session of each role.
type testTeams map[catalog.OrganisationKind]map[account.Role]string

// teams publishes an organisation of each kind and signs all its members in.
func (s *testServer) teams(t *testing.T, prefix string) testTeams {
	t.Helper()
	out := testTeams{}
	for _, kind := range organisationKinds {
		id := prefix + "-" + string(kind)
		s.newOrganisation(t, id, kind)
		out[kind] = map[account.Role]string{}
		for _, role := range account.Roles {
			out[kind][role] = s.as(t, string(role)+"@"+id+".example")
		}
	}
	return out
}

// TestAuthorization walks the route table of the consoles with every role of
// every kind of organisation: what the table of permissions does not allow is
// refused, whatever the address and the form; strangers, people without an
// organisation and members who have proved an e-mail address alone reach
// nothing.
func TestAuthorization(t *testing.T) {
	s := newTestServer(t)
	teams := s.teams(t, "authorization")
	weak, err := s.Accounts.Begin(t.Context(), "owner@authorization-agency.example", "test", account.ProofEmail)
	if err != nil {
		t.Fatal(err)
	}
	patient := s.as(t, "patient@authorization.example")
	refused := 0
	for _, r := range s.consoleTable {
		path, _ := filled(r.Path, nil)
		get := r.Method == http.MethodGet
		ask := func(who, cookie string, status int, location string) {
			t.Helper()
			res := s.serve(r.Method, path, nil, "Cookie", cookie)
			if res.StatusCode != status || !strings.HasPrefix(res.Header.Get("Location"), location) {
				t.Errorf("%s %s as %s: status %d to %q, want %d to %q", r.Method, r.Path, who, res.StatusCode, res.Header.Get("Location"), status, location)
			}
		}
		if get {
			ask("a stranger", "", http.StatusSeeOther, "/sign-in?return=")
			ask("a weak session", "session="+weak, http.StatusSeeOther, "/sign-in/second?return=")
		} else {
			ask("a stranger", "", http.StatusUnauthorized, "")
			ask("a weak session", "session="+weak, http.StatusForbidden, "")
		}
		ask("somebody without an organisation", patient, http.StatusSeeOther, "/console/organisation")
		for kind, roles := range teams {
			for role, cookie := range roles {
				if account.May(kind, role, r.Action) && (len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind)) {
					continue
				}
				refused++
				ask(string(role)+" of "+string(kind), cookie, http.StatusForbidden, "")
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d refusals were tried: the test has lost its subject", refused)
	}
}

// foreign are things of others, by the segment of the path before their id.
func (s *testServer) foreign(t *testing.T) map[string]string {
	t.Helper()
	start := s.openStart(t, "tuina-warm-hands-slow-days", 9)
	booking := s.booked(t, "en", "tuina-warm-hands-slow-days", url.Values{"start": {start.Key}})
	id, err := s.links.Verify(booking[strings.LastIndex(booking, "/")+1:])
	if err != nil {
		t.Fatal(err)
	}
	departures, err := s.Catalog.Departures.Listings(t.Context(), catalog.ListingFilter{}, 1, "")
	if err != nil || len(departures.Items) == 0 {
		t.Fatalf("no departure: %v", err)
	}
	return map[string]string{"packages": "tuina-warm-hands-slow-days", "offerings": "icl-at-eent-fudan", "hospitals": "ruijin",
		"bookings": id, "cases": id, "departures": departures.Items[0].Value.Value.ID}
}

// TestForeignThings walks the route table with the ids of others: who may do
// something with what is theirs does not reach what is not. The operator's own
// pages are about everybody's things.
func TestForeignThings(t *testing.T) {
	s := newTestServer(t)
	ids, teams := s.foreign(t), s.teams(t, "foreign")
	token, err := s.Accounts.Invite(t.Context(), "demo-agency-jade-bridge", "test", "invited@foreign.example", account.Editor)
	if err != nil {
		t.Fatal(err)
	}
	invitation, err := s.Accounts.Invitation(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := s.Accounts.NewKey(t.Context(), "foreign-agency", "test", "test", account.Scopes, account.KeyDays[0])
	if err != nil {
		t.Fatal(err)
	}
	// The forms that name a thing themselves.
	forms := map[string]url.Values{
		"/console/members/role":     {"email": {"owner@foreign-agency.example"}, "role": {"viewer"}},
		"/console/members/remove":   {"email": {"owner@foreign-agency.example"}},
		"/console/members/withdraw": {"invitation": {invitation.ID}},
		"/console/keys/revoke":      {"key": {key.ID}},
		"/console/editing":          {"token": {s.links.EditingToken(account.Session{ID: "other"}, "package/"+ids["packages"])}},
	}
	tried := 0
	for _, r := range s.consoleTable {
		form, named := forms[r.Path]
		// A language is nobody's.
		thing := strings.ReplaceAll(r.Path, "/:lang", "/en")
		if !named && !strings.Contains(thing, ":") || slices.Equal(r.Kinds, []catalog.OrganisationKind{catalog.Operator}) {
			continue
		}
		path, unknown := filled(thing, ids)
		if unknown {
			t.Logf("UNTESTED with a thing of others, add it to foreign: %s %s", r.Method, r.Path)
		}
		for _, kind := range organisationKinds {
			if len(r.Kinds) > 0 && !slices.Contains(r.Kinds, kind) || named && kind == catalog.Agency {
				continue
			}
			tried++
			if res := s.serve(r.Method, path, form, "Cookie", teams[kind][account.Owner]); res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s as owner of %s: status %d to %q, want 404 or 403", r.Method, path, kind, res.StatusCode, res.Header.Get("Location"))
			}
		}
	}
	for _, path := range []string{"/console/organisation", "/account/sessions", "/account/invitations"} {
		form := url.Values{"organisation": {"demo-agency-jade-bridge"}, "invitation": {invitation.ID}, "answer": {"accept"}}
		if sessions, err := s.Accounts.Sessions(t.Context(), "viewer@foreign-agency.example"); err != nil || len(sessions) != 1 {
			t.Fatalf("sessions %v, %v", sessions, err)
		} else {
			form.Set("session", sessions[0].ID)
		}
		if res := s.serve(http.MethodPost, path, form, "Cookie", teams[catalog.Agency][account.Owner]); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s with what is others': status %d", path, res.StatusCode)
		}
	}
	if tried == 0 {
		t.Error("no thing of others was tried: the test has lost its subject")
	}
	if _, err := s.Accounts.Invitation(t.Context(), token); err != nil {
		t.Errorf("somebody else's invitation: %v", err)
	}
}

// walked are the routes of the whole site, without files, the local Stripe and
// those of other tests.
func (s *testServer) walked() (routes [][2]string) {
	for _, r := range s.echo.Routes() {
		if !strings.Contains(r.Path, "*") && !strings.Contains(r.Path, "/test-") && !strings.HasPrefix(r.Method, "echo_") {
			routes = append(routes, [2]string{r.Method, r.Path})
		}
	}
	return routes
}

// TestCrossSite sends a form from another site to every route that changes
// something: it is refused before anything is looked at, where a cookie would
// prove something.
func TestCrossSite(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "cross-site", catalog.Agency)
	cookie := s.as(t, "owner@cross-site.example")
	tried := 0
	for _, r := range s.walked() {
		path, _ := filled(r[1], nil)
		if r[0] == http.MethodGet || r[0] == http.MethodHead || strings.HasPrefix(path, "/webhooks/") {
			continue
		}
		tried++
		status := http.StatusForbidden
		if strings.HasPrefix(path, partnerAPI) {
			status = http.StatusUnauthorized // keys alone open it
		}
		for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site", "Origin", "https://other.medtour.example"}} {
			if res := s.serve(r[0], path, nil, append([]string{"Cookie", cookie}, headers...)...); res.StatusCode != status {
				t.Errorf("%s %s from %v: status %d", r[0], r[1], headers, res.StatusCode)
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d routes were tried: the test has lost its subject", tried)
	}
	if _, err := s.Accounts.Membership(t.Context(), "owner@cross-site.example", "cross-site"); err != nil {
		t.Errorf("something was done: %v", err)
	}
}

// TestWaysOut walks every route with addresses of other sites to return to, as
// a stranger and signed in: nothing leads away, nothing breaks, and no cookie
// can be read by scripts or sent by other sites that need not be.
func TestWaysOut(t *testing.T) {
	s := newTestServer(t)
	s.newOrganisation(t, "ways-out", catalog.Operator)
	evil := []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/\t/evil.example", "/%09/evil.example"}
	for i, r := range s.walked() {
		if r[0] != http.MethodGet && r[0] != http.MethodPost || strings.HasPrefix(r[1], "/healthz") || strings.HasPrefix(r[1], "/readyz") {
			continue
		}
		path, _ := filled(r[1], nil)
		// Each route gets a session of its own, since some end it.
		cookies := []string{"", s.as(t, "owner@ways-out.example")}
		for j, back := range evil {
			q := url.Values{"return": {back}, "next": {back}, "url": {back}}
			cookie := cookies[(i+j)%2]
			var res *http.Response
			if r[0] == http.MethodGet {
				res = s.serve(r[0], path+"?"+q.Encode(), nil, "Cookie", cookie)
			} else {
				res = s.serve(r[0], path, q, "Cookie", cookie)
			}
			if to := res.Header.Get("Location"); to != "" && (localPath(to) != to || strings.HasPrefix(to, "//")) && !strings.HasPrefix(to, s.URL+"/") {
				t.Errorf("%s %s with %q leads to %q", r[0], r[1], back, to)
			}
			// Passkeys are not to be had at an address without a name.
			if res.StatusCode >= http.StatusInternalServerError && res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s %s with %q: status %d", r[0], r[1], back, res.StatusCode)
			}
			for _, c := range res.Cookies() {
				if c.SameSite == 0 || c.SameSite == http.SameSiteNoneMode || c.Path != "/" || strings.HasSuffix(c.Name, "session") && !c.HttpOnly {
					t.Errorf("%s %s sets the cookie %s", r[0], r[1], c)
				}
			}
		}
	}
}
