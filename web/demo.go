package web

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// demoExitFor is how long a patient may leave, and choose another date, after
// an act of the demonstration.
const demoExitFor = 7 * 24 * time.Hour

// demoAct acts in place of the hospital and the agency, in a demonstration
// only.
func (s *Server) demoAct(c echo.Context) error {
	if !s.Demo {
		return echo.ErrNotFound
	}
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	ctx, by := c.Request().Context(), checkout.Act{Actor: "demo hospital"}
	switch c.FormValue("act") {
	case "accept":
		_, err = s.Checkout.Accept(ctx, b.ID, by)
	case "decline":
		_, err = s.Checkout.Decline(ctx, b.ID, by)
	case "ask":
		_, err = s.Checkout.Ask(ctx, b.ID, strings.TrimSpace(c.FormValue("question")), by)
	case "estimate":
		err = s.demoEstimate(ctx, b, c.FormValue("amount"), by)
	case "close":
		if b.State != checkout.StateAwaiting && b.State != checkout.StateConfirmed {
			return s.refused(c, b.ID, fault.New(fault.Conflict, "This booking no longer waits for an answer.").WithCode("not_waiting"))
		}
		_, err = s.Checkout.CloseDeparture(ctx, b.Quote.StartKey, s.Now().Add(demoExitFor), checkout.Act{Actor: "demo agency"})
	default:
		err = fault.New(fault.Invalid, "Choose what the hospital or the agency does.").WithCode("demo.choose")
	}
	if err != nil {
		return s.refused(c, b.ID, err)
	}
	return s.redirect(c, s.BookingPath(b.ID))
}

// demoEstimate records an estimate in whole units of its currency.
func (s *Server) demoEstimate(ctx context.Context, b checkout.Booking, typed string, by checkout.Act) error {
	// At most nine digits, so that no currency's units overflow.
	n, err := strconv.ParseInt(strings.TrimSpace(typed), 10, 32)
	if err != nil {
		var f fault.Fields
		f.Add("amount", "range", "a whole number above 0")
		return f.Err("The estimate is not complete.")
	}
	_, err = s.Checkout.Estimate(ctx, b.ID, catalog.MainUnits(n, templates.EstimateCurrency(b)), s.Now().Add(demoExitFor), by)
	return err
}
