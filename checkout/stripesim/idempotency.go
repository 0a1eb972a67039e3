package stripesim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/medtour/medtour/fault"
)

// reply is what is kept under an idempotency key. It is inserted before the
// request is carried out and completed afterwards. The handlers recognise the
// request by its id, so that a repetition after a crash in between finishes
// what was begun instead of doing it again.
type reply struct {
	// Parameters is a hash of method, path and parameters.
	Parameters string    `json:"parameters"`
	Request    string    `json:"request"`
	Created    time.Time `json:"created"`
	// Status is 0 until the request is answered.
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// idempotent carries a request out once for its key.
func (s *Server) idempotent(ctx context.Context, key string, c *call, run func() answer) answer {
	id := digest(key)
	if !s.begin(id) {
		return s.answer(nil, &apiError{Status: http.StatusConflict, Type: typeInvalid, Code: "idempotency_key_in_use",
			Message: "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): " + key})
	}
	defer s.end(id)

	parameters := digest(c.r.Method + " " + c.r.URL.Path + "?" + c.params.values.Encode())
	kept, err := s.replies.Get(ctx, id)
	if err == nil && s.clock().Sub(kept.Value.Created) >= keyLife {
		if err = s.replies.Delete(ctx, id, kept.Version); err == nil {
			err = fault.New(fault.NotFound, "The key was forgotten.")
		}
	}
	switch {
	case fault.Is(err, fault.NotFound):
		first := reply{Parameters: parameters, Request: c.request, Created: s.clock()}
		if err := s.replies.Insert(ctx, id, first); err != nil {
			return s.answer(nil, err)
		}
	case err != nil:
		return s.answer(nil, err)
	case kept.Value.Parameters != parameters:
		return s.answer(nil, &apiError{Status: http.StatusBadRequest, Type: typeIdempotency,
			Message: "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '" + key + "' if you meant to execute a different request."})
	case kept.Value.Status != 0:
		return answer{status: kept.Value.Status, body: kept.Value.Body, replayed: true}
	default:
		c.request = kept.Value.Request
	}

	a := run()
	// The effect is there: its reply is kept even when the caller has gone.
	ctx = context.WithoutCancel(ctx)
	if a.unsaved {
		err = s.replies.Delete(ctx, id, 0)
	} else {
		_, err = s.replies.Update(ctx, id, func(r *reply) error {
			r.Status, r.Body = a.status, a.body
			return nil
		})
	}
	if err != nil {
		return s.answer(nil, err)
	}
	return a
}

// begin claims a key; it reports false while another request has it.
func (s *Server) begin(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight[id] {
		return false
	}
	s.inFlight[id] = true
	return true
}

func (s *Server) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inFlight, id)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
