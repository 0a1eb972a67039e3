package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/medtour/medtour/account"
)

// described returns the description as the server gives it, and a compiler
// that knows its schemas.
func (s *testServer) described(t *testing.T) (map[string]any, *jsonschema.Compiler) {
	t.Helper()
	a := s.get(t, "/api/v1/openapi.json")
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(a.Body))
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v: %.300s", a.StatusCode, err, a.Body)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("api.json", doc); err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any), c
}

// Every route of the API is described, and nothing that is not there.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	s := newTestServer(t)
	doc, _ := s.described(t)
	paths := doc["paths"].(map[string]any)
	var count int
	for _, p := range paths {
		count += len(p.(map[string]any))
	}
	for _, r := range s.echo.Routes() {
		if !strings.HasPrefix(r.Path, "/api/v1/") {
			continue
		}
		count--
		path, _ := paths[pathParam.ReplaceAllString(r.Path, "{$1}")].(map[string]any)
		op, ok := path[strings.ToLower(r.Method)].(map[string]any)
		if !ok || op["summary"] == "" {
			t.Errorf("%s %s is not described", r.Method, r.Path)
		} else if keyed := op["security"] != nil; keyed != strings.HasPrefix(r.Path, partnerAPI) {
			t.Errorf("%s %s says of the need of a key: %t", r.Method, r.Path, keyed)
		}
	}
	if count != 0 || len(paths) < 10 {
		t.Errorf("%d described calls are not there, of %d paths", count, len(paths))
	}
}

// What the running server answers fits its own description.
func TestAnswersFitOpenAPI(t *testing.T) {
	s := newTestServer(t)
	_, compiler := s.described(t)
	hospital := s.key(t, demoDepartment, account.Scopes...)
	agency := s.key(t, demoAgency, account.Scopes...)
	bearer := func(key string) []string { return []string{"Authorization", "Bearer " + key} }
	const offering = `{"treatment_id":"icl","name":{"en":"Described"}}`
	for _, c := range []struct {
		method, path, route, body, status string
		headers                           []string
	}{
		{"GET", "/api/v1/search?q=icl", "/api/v1/search", "", "200", nil},
		{"GET", "/api/v1/search?page=x", "/api/v1/search", "", "default", nil},
		{"GET", "/api/v1/offerings/icl-at-eent-fudan", "/api/v1/offerings/{id}", "", "200", nil},
		{"GET", "/api/v1/packages/" + ownPackageID, "/api/v1/packages/{id}", "", "200", nil},
		{"GET", "/api/v1/hospitals/ruijin", "/api/v1/hospitals/{id}", "", "200", nil},
		{"GET", "/api/v1/treatments/icl", "/api/v1/treatments/{id}", "", "200", nil},
		{"GET", "/api/v1/treatments/gone", "/api/v1/treatments/{id}", "", "default", nil},
		{"PUT", "/api/v1/partner/offerings/api-described", "/api/v1/partner/offerings/{id}", offering, "201", append(bearer(hospital), "If-None-Match", "*")},
		{"GET", "/api/v1/partner/offerings/api-described", "/api/v1/partner/offerings/{id}", "", "200", bearer(hospital)},
		{"GET", "/api/v1/partner/offerings", "/api/v1/partner/offerings", "", "200", bearer(hospital)},
		{"PUT", "/api/v1/partner/offerings/api-described", "/api/v1/partner/offerings/{id}", "{}", "default", bearer(hospital)},
		{"GET", "/api/v1/partner/packages", "/api/v1/partner/packages", "", "200", bearer(agency)},
		{"GET", "/api/v1/partner/departures?package_id=" + ownPackageID, "/api/v1/partner/departures", "", "200", bearer(agency)},
		{"GET", "/api/v1/partner/departures", "/api/v1/partner/departures", "", "default", bearer(agency)},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		a := s.do(t, req, c.headers...)
		if status := http.StatusText(a.StatusCode); c.status != "default" && !strings.HasPrefix(a.Status, c.status) || c.status == "default" && a.StatusCode < 400 {
			t.Errorf("%s %s: %s: %s", c.method, c.path, status, a.Body)
			continue
		}
		at := "api.json#/paths/" + strings.NewReplacer("/", "~1", "{", "%7B", "}", "%7D").Replace(c.route) + "/" + strings.ToLower(c.method) +
			"/responses/" + c.status + "/content/application~1json/schema"
		schema, err := compiler.Compile(at)
		if err != nil {
			t.Errorf("%s %s is not described: %v", c.method, c.path, err)
			continue
		}
		var got any
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Errorf("%s: %v", c.path, err)
		} else if err := schema.Validate(got); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
}

// The page for people has every call, in the languages of the consoles.
func TestAPIPage(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{"/api", "/zh-Hans/api"} {
		s.speaks(t, path)
		doc := s.page(t, path)
		if got := doc.Find(".api-call").Length(); got != len(s.operations) || got < 10 {
			t.Errorf("%s has %d calls of %d", path, got, len(s.operations))
		}
	}
	if got := text(s.page(t, "/api").Find(".api-call:contains('PUT /api/v1/partner/offerings/{id}')")); !strings.Contains(got, "If-Match") || !strings.Contains(got, "listings:write") || !strings.Contains(got, "body") {
		t.Errorf("saving an offering: %s", got)
	}
	if a := s.get(t, "/ar/api"); a.Header.Get("Location") != "/api" {
		t.Errorf("in another language: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
}
