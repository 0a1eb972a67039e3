package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// showCancel shows what cancelling would bring for each reason.
func (s *Server) showCancel(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	return s.cancelPage(c, http.StatusOK, b, "")
}

// causesOf are the reasons that make a difference to a booking, a change of
// mind among them as no cause. It is pure.
func causesOf(b checkout.Booking, now time.Time) []catalog.Cause {
	if b.Closed != nil || b.Paid.Amount == 0 {
		return []catalog.Cause{""} // what was paid comes back in full, whatever the reason
	}
	causes := append([]catalog.Cause{""}, catalog.Causes...)
	if now.Before(b.FreeExitUntil) {
		causes = append([]catalog.Cause{checkout.CauseRevisedPlan}, causes...)
	}
	return causes
}

func (s *Server) cancelPage(c echo.Context, status int, b checkout.Booking, notice string) error {
	v := templates.CancelView{Booking: b, Path: s.BookingPath(b.ID), Notice: notice}
	for _, cause := range causesOf(b, s.Now()) {
		preview, err := s.Checkout.CancelPreview(c.Request().Context(), b.ID, cause)
		if err != nil {
			return s.refused(c, b.ID, err)
		}
		v.Previews = append(v.Previews, preview)
	}
	p := s.personalPage(c)
	p.Path, p.Query, p.Title = v.Path+"/cancel", "", p.T("cancel.title")
	return s.render(c, status, templates.Cancel(p, v))
}

// cancelBooking cancels for the reason and the refund that were shown.
func (s *Server) cancelBooking(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	amount, err := strconv.ParseInt(c.FormValue("amount"), 10, 64)
	if err != nil || c.FormValue("sure") != "yes" {
		return s.cancelPage(c, http.StatusUnprocessableEntity, b, s.page(c).T("cancel.be_sure"))
	}
	expected := catalog.Money{Amount: amount, Currency: c.FormValue("currency")}
	_, err = s.Checkout.Cancel(c.Request().Context(), b.ID, catalog.Cause(c.FormValue("cause")), expected, checkout.Act{Actor: checkout.ActorPatient})
	switch {
	case codeOf(err) == "refund_changed":
		return s.cancelPage(c, http.StatusConflict, b, s.page(c).T("refund_changed"))
	case fault.Is(err, fault.Invalid):
		return s.cancelPage(c, http.StatusUnprocessableEntity, b, s.page(c).T("cancel.choose"))
	case err != nil:
		return s.refused(c, b.ID, err)
	}
	return s.redirect(c, s.BookingPath(b.ID))
}
