package stripesim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// apiError is an error as Stripe answers it.
type apiError struct {
	Status  int
	Type    string
	Code    string
	Param   string
	Message string
	// Unsaved errors are not kept under the idempotency key: the request was
	// refused before it began.
	Unsaved bool
}

func (e *apiError) Error() string { return e.Message }

func (e *apiError) object() object {
	o := object{"type": e.Type, "message": e.Message}
	if e.Code != "" {
		o["code"] = e.Code
	}
	if e.Param != "" {
		o["param"] = e.Param
	}
	return object{"error": o}
}

const (
	typeInvalid     = "invalid_request_error"
	typeIdempotency = "idempotency_error"
	typeAPI         = "api_error"
)

// refuse is a request that was understood and cannot be done.
func refuse(code, param, format string, args ...any) *apiError {
	return &apiError{
		Status: http.StatusBadRequest, Type: typeInvalid, Code: code, Param: param,
		Message: fmt.Sprintf(format, args...),
	}
}

// malformed is a request whose parameters are wrong.
func malformed(code, param, format string, args ...any) *apiError {
	e := refuse(code, param, format, args...)
	e.Unsaved = true
	return e
}

func missing(kind, id, param string) *apiError {
	return &apiError{
		Status: http.StatusNotFound, Type: typeInvalid, Code: "resource_missing", Param: param,
		Message: fmt.Sprintf("No such %s: '%s'", kind, id), Unsaved: true,
	}
}

// params are the parameters of a request under their bracketed names. Each is
// taken once; what is left at the end is unknown. The first error is kept.
type params struct {
	values url.Values
	err    *apiError
}

func (p *params) fail(err *apiError) {
	if p.err == nil {
		p.err = err
	}
}

// str takes an optional parameter. A parameter that is given and empty is
// refused, as Stripe does where there is nothing to unset.
func (p *params) str(name string) string {
	v, given := p.values[name]
	if !given {
		return ""
	}
	delete(p.values, name)
	if v[0] == "" {
		p.fail(malformed("parameter_invalid_empty", name,
			"You passed an empty string for '%s'. We assume empty values are an attempt to unset a parameter; however '%s' cannot be unset.", name, name))
	}
	return v[0]
}

// need takes a required parameter.
func (p *params) need(name string) string {
	if _, given := p.values[name]; !given {
		p.fail(malformed("parameter_missing", name, "Missing required param: %s.", name))
		return ""
	}
	return p.str(name)
}

// text takes an optional parameter of limited length in characters.
func (p *params) text(name string, limit int) string {
	s := p.str(name)
	if utf8.RuneCountInString(s) > limit {
		p.fail(malformed("", name, "Invalid string: must be at most %d characters", limit))
	}
	return s
}

// one takes an optional parameter that must be one of a set.
func (p *params) one(name string, allowed ...string) string {
	s := p.str(name)
	if s != "" && !slices.Contains(allowed, s) {
		p.fail(malformed("", name, "Invalid %s: must be one of %s", name, strings.Join(allowed, ", ")))
	}
	return s
}

// integer takes an optional integer; given reports whether there was one.
func (p *params) integer(name string) (n int64, given bool) {
	s := p.str(name)
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		p.fail(malformed("parameter_invalid_integer", name, "Invalid integer: %s", s))
	}
	return n, true
}

// list takes name[0], name[1], … or name[] in order.
func (p *params) list(name string) []string {
	out := p.values[name+"[]"]
	delete(p.values, name+"[]")
	for i := 0; ; i++ {
		v, given := p.values[fmt.Sprintf("%s[%d]", name, i)]
		if !given {
			return out
		}
		delete(p.values, fmt.Sprintf("%s[%d]", name, i))
		out = append(out, v[0])
	}
}

// metadata takes all of name[key].
func (p *params) metadata(name string) map[string]string {
	out := map[string]string{}
	for full, v := range p.values {
		rest, ok := strings.CutPrefix(full, name+"[")
		key, ok2 := strings.CutSuffix(rest, "]")
		if !ok || !ok2 {
			continue
		}
		delete(p.values, full)
		if utf8.RuneCountInString(key) > maxMetadataKey || utf8.RuneCountInString(v[0]) > maxMetadataValue {
			p.fail(malformed("", full, "Metadata keys can have up to %d characters and values up to %d.",
				maxMetadataKey, maxMetadataValue))
		}
		out[key] = v[0]
	}
	if len(out) > maxMetadata {
		p.fail(malformed("", name, "You can specify up to %d keys.", maxMetadata))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// link takes an http(s) address.
func (p *params) link(name string, required bool) string {
	take := p.str
	if required {
		take = p.need
	}
	s := take(name)
	if s == "" {
		return ""
	}
	// The placeholder holds braces, which no URL may.
	u, err := url.Parse(strings.ReplaceAll(s, sessionPlaceholder, "id"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		p.fail(malformed("url_invalid", name, "Not a valid URL"))
	}
	return s
}

// done returns the first error, an unknown parameter being the last.
func (p *params) done() *apiError {
	if p.err == nil && len(p.values) > 0 {
		names := make([]string, 0, len(p.values))
		for name := range p.values {
			names = append(names, name)
		}
		slices.Sort(names)
		return malformed("parameter_unknown", names[0], "Received unknown parameter: %s", names[0])
	}
	return p.err
}
