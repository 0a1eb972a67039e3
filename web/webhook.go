package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/fault"
)

// maxWebhook is the greatest size of a webhook in bytes; Stripe's events are a
// few kilobytes.
const maxWebhook = 256 << 10

// stripeWebhook takes an event. Stripe sends it again until the answer is 2xx,
// so an error that may pass must not be acknowledged.
func (s *Server) stripeWebhook(c echo.Context) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxWebhook))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return fault.New(fault.TooLarge, "an event has at most %d bytes", maxWebhook)
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the event could not be read")
	}
	if err := s.Checkout.HandleWebhook(c.Request().Context(), body, c.Request().Header.Get("Stripe-Signature")); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}
