package web

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/templates"
)

// operation is a call of the API: it is served and described from here.
type operation struct {
	Method, Path, Summary string
	// Scope that a key must have; empty where no key is needed.
	Scope account.Scope
	// In are values of the types whose tags say what is sent, Out one of what
	// comes back.
	In  []any
	Out any
	// Made says that what was not there is answered with 201.
	Made bool
}

// The parameters of calls.
type (
	idParam struct {
		ID string `path:"id" description:"Lower-case letters, digits and single hyphens."`
	}
	pageParams struct {
		Limit int    `query:"limit" minimum:"1" maximum:"100" description:"How many; 100 where it is left out."`
		After string `query:"after" description:"The field next of the page before."`
	}
	ofPackage struct {
		PackageID string `query:"package_id" required:"true" description:"A package of yours."`
	}
	saveParams struct {
		IfMatch     string `header:"If-Match" description:"The ETag that you read, such as \"3\", to change an entry. One of the two headers is needed: else 428."`
		IfNoneMatch string `header:"If-None-Match" description:"* to make a new entry."`
	}
	submitParams struct {
		IfMatch string `header:"If-Match" required:"true" description:"The ETag of the draft."`
	}
	searchParams struct {
		Query    string `query:"q" description:"What somebody typed, in any language."`
		Kind     string `query:"kind" enum:"offering,package,hospital,treatment" description:"offering where it is left out. Facets of the kind are parameters too."`
		Lang     string `query:"lang" description:"BCP 47 tag of the reader's language."`
		Page     int    `query:"page" minimum:"1"`
		PerPage  int    `query:"per_page" minimum:"1"`
		Sort     string `query:"sort"`
		Near     string `query:"near" description:"Where distances are measured from."`
		After    string `query:"after" description:"The last hit of the page before; see next."`
		Currency string `query:"currency" description:"ISO 4217 code of the price facets."`
		Ignore   string `query:"ignore" description:"Filters that were read out of the query and are not wanted."`
	}
	// apiHead is what every published entry has beside its fields.
	apiHead struct {
		Kind string `json:"kind"`
		URL  string `json:"url"`
	}
)

// shownOf describes a published entry.
func shownOf[T any]() any { return jsonschema.AllOf(*new(T), apiHead{}) }

// operation serves a call and notes it for the description.
func (s *Server) operation(o operation, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
	s.operations = append(s.operations, o)
	s.echo.Add(o.Method, o.Path, h, m...)
}

var pathParam = regexp.MustCompile(`:(\w+)`)

// openAPI describes the calls in the form of OpenAPI 3.1, from the types that
// the handlers read and write.
func (s *Server) openAPI() (*openapi31.Spec, error) {
	r := openapi31.NewReflector()
	// Names of generic types have brackets, which references may not.
	r.DefaultOptions = append(r.DefaultOptions, jsonschema.InterceptDefName(func(_ reflect.Type, name string) string {
		return strings.NewReplacer("[", "", "]", "", "/", "", "·", "").Replace(name)
	}))
	r.Spec = &openapi31.Spec{Openapi: "3.1.0", Servers: []openapi31.Server{{URL: s.BaseURL}}}
	r.Spec.Info.WithTitle("Medtour").WithVersion("1").WithDescription("Amounts of money are whole numbers in the unit in which Stripe takes them: cents for USD, yen for JPY. " +
		"Errors have one form. Keys are made in the console of an organisation.")
	r.Spec.SetHTTPBearerTokenSecurity("key", "", "A key of an organisation: mt_…")
	for _, o := range s.operations {
		oc, err := r.NewOperationContext(o.Method, pathParam.ReplaceAllString(o.Path, "{$1}"))
		if err != nil {
			return nil, err
		}
		oc.SetSummary(o.Summary)
		if o.Scope != "" {
			oc.SetDescription("The key needs the scope " + string(o.Scope) + ".")
			oc.AddSecurity("key")
		}
		for _, in := range o.In {
			oc.AddReqStructure(in)
		}
		oc.AddRespStructure(o.Out, openapi.WithHTTPStatus(http.StatusOK))
		if o.Made {
			oc.AddRespStructure(o.Out, openapi.WithHTTPStatus(http.StatusCreated))
		}
		oc.AddRespStructure(apiError{}, func(cu *openapi.ContentUnit) { cu.IsDefault = true })
		if err := r.AddOperation(oc); err != nil {
			return nil, err
		}
	}
	return r.Spec, nil
}

func (s *Server) showOpenAPI(c echo.Context) error {
	spec, err := s.openAPI()
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, spec)
}

// apiCall puts a call in words.
func apiCall(o operation) templates.APICall {
	call := templates.APICall{Method: o.Method, Path: pathParam.ReplaceAllString(o.Path, "{$1}"), Summary: o.Summary, Scope: string(o.Scope)}
	for _, in := range o.In {
		t, params := reflect.TypeOf(in), len(call.Params)
		for i := range t.NumField() {
			for _, where := range []string{"path", "query", "header"} {
				if name := t.Field(i).Tag.Get(where); name != "" {
					call.Params = append(call.Params, templates.APIParam{Name: name, In: where, Description: t.Field(i).Tag.Get("description")})
				}
			}
		}
		call.Body = call.Body || len(call.Params) == params
	}
	return call
}

// showAPI describes the API to people who write programs, in the languages of
// the consoles.
func (s *Server) showAPI(c echo.Context) error {
	if !slices.Contains(consoleLanguages, langOf(c)) {
		return c.Redirect(http.StatusSeeOther, c.Request().URL.RequestURI())
	}
	p := s.page(c)
	p.Path, p.Title = "/api", p.T("console.partner.api.title")
	calls := make([]templates.APICall, len(s.operations))
	for i, o := range s.operations {
		calls[i] = apiCall(o)
	}
	return s.ok(c, templates.API(p, calls))
}
