package stripepay

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/stripe/stripe-go/v79"

	"github.com/medtour/medtour/fault"
)

func TestTranslate(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"nothing":           {nil, ""},
		"connection":        {&url.Error{Op: "Post", Err: errors.New("connection refused")}, fault.Unavailable},
		"deadline":          {&url.Error{Op: "Post", Err: context.DeadlineExceeded}, fault.Unavailable},
		"given up":          {&url.Error{Op: "Post", Err: context.Canceled}, fault.Canceled},
		"key in use":        {&stripe.Error{HTTPStatusCode: 409, Type: "invalid_request_error", Code: "idempotency_key_in_use"}, fault.Unavailable},
		"key in use, 400":   {&stripe.Error{HTTPStatusCode: 400, Type: "idempotency_error", Code: "idempotency_key_in_use"}, fault.Unavailable},
		"other conflict":    {&stripe.Error{HTTPStatusCode: 409, Type: "invalid_request_error"}, fault.Unavailable},
		"lock timeout":      {&stripe.Error{HTTPStatusCode: 429, Type: "invalid_request_error", Code: "lock_timeout"}, fault.Unavailable},
		"lock timeout, 400": {&stripe.Error{HTTPStatusCode: 400, Type: "invalid_request_error", Code: "lock_timeout"}, fault.Unavailable},
		"rate limit":        {&stripe.Error{HTTPStatusCode: 429, Type: "invalid_request_error", Code: "rate_limit"}, fault.Unavailable},
		"server error":      {&stripe.Error{HTTPStatusCode: 500, Type: "api_error"}, fault.Unavailable},
		"bad key":           {&stripe.Error{HTTPStatusCode: 401, Type: "invalid_request_error"}, fault.Unavailable},
		"no permission":     {&stripe.Error{HTTPStatusCode: 403, Type: "invalid_request_error"}, fault.Unavailable},
		"other parameters":  {&stripe.Error{HTTPStatusCode: 400, Type: "idempotency_error"}, fault.Invalid},
		"bad parameter":     {&stripe.Error{HTTPStatusCode: 400, Type: "invalid_request_error", Code: "parameter_unknown"}, fault.Invalid},
		"card":              {&stripe.Error{HTTPStatusCode: 402, Type: "card_error", Code: "card_declined"}, fault.Invalid},
		"missing":           {&stripe.Error{HTTPStatusCode: 404, Type: "invalid_request_error", Code: "resource_missing"}, fault.NotFound},
		"missing parameter": {&stripe.Error{HTTPStatusCode: 400, Type: "invalid_request_error", Code: "resource_missing"}, fault.NotFound},
	} {
		if got := fault.KindOf(translate(test.err)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
