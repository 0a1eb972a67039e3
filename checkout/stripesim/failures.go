package stripesim

import (
	"net/http"
	"path"
)

// FailureKind is how a request fails.
type FailureKind int

const (
	// Answer gives the status of the rule.
	Answer FailureKind = iota
	// Hang does not answer until the caller gives up.
	Hang
	// Cut closes the connection without an answer.
	Cut
)

// Failure is a rule about requests that are to fail.
type Failure struct {
	// Method and Path that it is about; empty means any. Path is a pattern of
	// package path: "/v1/checkout/sessions/*".
	Method, Path string
	// Skip lets so many matching requests pass first.
	Skip int
	// Times is how many requests fail; 0 means one, negative all.
	Times int
	Kind  FailureKind
	// AfterEffect carries the request out before it fails.
	AfterEffect bool
	// Status of an Answer.
	Status int
	// Saved keeps the Answer under the idempotency key, as Stripe does with the
	// failure of a request that it had begun. Not with AfterEffect.
	Saved bool
}

// Fail makes requests fail. The first rule that matches decides.
func (s *Server) Fail(rule Failure) {
	if rule.Times == 0 {
		rule.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, &rule)
}

// Recover forgets all rules of Fail and Disturb.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.disturb = nil, nil
}

// failure returns the rule by which a request is to fail, nil when it is not.
func (s *Server) failure(r *http.Request) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.failures {
		if f.Method != "" && f.Method != r.Method || f.Times == 0 {
			continue
		}
		if matched, err := path.Match(f.Path, r.URL.Path); f.Path != "" && (!matched || err != nil) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			return nil
		}
		if f.Times > 0 {
			f.Times--
		}
		rule := *f
		return &rule
	}
	return nil
}

// bringAbout fails a request: it returns the answer of the rule, or aborts the
// connection.
func (s *Server) bringAbout(r *http.Request, f *Failure) answer {
	switch f.Kind {
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Cut:
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	e := &apiError{Status: f.Status, Type: typeAPI, Message: "Something went wrong.", Unsaved: !f.Saved}
	switch f.Status {
	case http.StatusTooManyRequests:
		e.Type, e.Code, e.Message = typeInvalid, "rate_limit", "Too many requests hit the API too quickly."
	case http.StatusPaymentRequired:
		e.Type, e.Code, e.Message = "card_error", "card_declined", "Your card was declined."
	}
	return s.answer(nil, e)
}
