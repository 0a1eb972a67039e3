package stripepay

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stripe/stripe-go/v79"

	"github.com/medtour/medtour/fault"
)

// translate turns an error of stripe-go into one of package fault. It is the
// only place that knows what Stripe's failures mean.
//
// What is not plainly a refusal is Unavailable: whether the call had an effect
// is unknown, and repeating it with its idempotency key is right. That holds
// for a refused key (401, 403) as well: it says nothing about the request, and
// work resumes once the operator has put the key right.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fault.Wrap(fault.Canceled, err, "The request was given up.")
	}
	var e *stripe.Error
	if !errors.As(err, &e) {
		return unavailable(err)
	}
	// The library's error renders whole objects, with e-mail addresses.
	cause := fmt.Errorf("stripe: status %d, type %q, code %q, param %q, request %s: %s",
		e.HTTPStatusCode, e.Type, e.Code, e.Param, e.RequestID, e.Msg)
	switch {
	case e.Code == stripe.ErrorCodeIdempotencyKeyInUse, e.Code == stripe.ErrorCodeLockTimeout,
		e.Code == stripe.ErrorCodeRateLimit:
		return unavailable(cause)
	case e.Code == stripe.ErrorCodeResourceMissing, e.HTTPStatusCode == http.StatusNotFound:
		return fault.Wrap(fault.NotFound, cause, "The payment processor does not know this payment.")
	case e.HTTPStatusCode == http.StatusBadRequest, e.HTTPStatusCode == http.StatusPaymentRequired:
		return fault.Wrap(fault.Invalid, cause, "The payment processor refused the request.")
	}
	return unavailable(cause)
}

func unavailable(cause error) error {
	return fault.Wrap(fault.Unavailable, cause, "The payment processor does not answer at the moment. Please try again.")
}
