package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	// askQuickly is how often the page after a payment asks every
	// askEverySeconds; after that it asks every askSlowlySeconds, and stops
	// after askAtMost.
	askQuickly       = 10
	askAtMost        = 40
	askEverySeconds  = "3"
	askSlowlySeconds = "15"
)

func (s *Server) bookingRoutes(e *echo.Echo) {
	g := e.Group("/bookings/:token", s.private)
	g.GET("", s.showBooking)
	g.GET("/return", s.returnFromPayment)
	g.POST("/pay", s.payBooking)
	g.GET("/cancel", s.showCancel)
	g.POST("/cancel", s.cancelBooking)
	g.GET("/receipt", s.showReceipt)
	g.GET("/refund", s.showRefundReceipt)
	g.GET("/calendar.ics", s.showCalendar)
	g.POST("/demo", s.demoHospital)
}

// private keeps personal pages out of caches, and their addresses, which are
// secrets, out of the referrers that other sites get. The site itself must
// still see where a form comes from.
func (s *Server) private(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "no-store")
		c.Response().Header().Set("Referrer-Policy", "same-origin")
		return next(c)
	}
}

// personalPage is a page for one person only.
func (s *Server) personalPage(c echo.Context) templates.Page {
	p := s.page(c)
	p.NoIndex = true
	return p
}

// bookingOf returns the booking whose link was opened.
func (s *Server) bookingOf(c echo.Context) (checkout.Booking, error) {
	id, err := s.bookingID(c.Param("token"))
	if err != nil {
		return checkout.Booking{}, err
	}
	return s.Checkout.Booking(c.Request().Context(), id)
}

func (s *Server) showBooking(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	return s.bookingPage(c, http.StatusOK, b, nil)
}

// bookingPage shows a booking; change, where it is not nil, says more than the
// booking itself.
func (s *Server) bookingPage(c echo.Context, status int, b checkout.Booking, change func(templates.Page, *templates.BookingView)) error {
	p := s.personalPage(c)
	p.Path, p.Query = s.BookingPath(b.ID), ""
	p.Title = p.T("booking.number", "number", b.Number)
	v := templates.BookingView{Booking: b, Path: p.Path, Now: s.Now()}
	var err error
	if v.Agency, v.Hospital, err = s.parties(c.Request().Context(), b); err != nil {
		return err
	}
	if change != nil {
		change(p, &v)
	}
	return s.render(c, status, templates.Booking(p, v))
}

// parties names the agency and the main hospital of a booking. What is no
// longer published still has its id.
func (s *Server) parties(ctx context.Context, b checkout.Booking) (agency catalog.Organisation, hospital catalog.Hospital, err error) {
	agency, err = s.Catalog.Organisations.Get(ctx, b.Quote.AgencyID)
	if fault.Is(err, fault.NotFound) {
		agency, err = catalog.Organisation{Name: catalog.Text{"en": b.Quote.AgencyID}}, nil
	}
	if err != nil {
		return agency, hospital, err
	}
	hospital, err = s.Catalog.Hospitals.Get(ctx, b.Quote.HospitalIDs[0])
	if fault.Is(err, fault.NotFound) {
		hospital, err = catalog.Hospital{Name: catalog.Text{"en": b.Quote.HospitalIDs[0]}}, nil
	}
	return agency, hospital, err
}

// refused shows a booking with what stopped the last step; an error without a
// booking stays an error.
func (s *Server) refused(c echo.Context, id string, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind == fault.Internal || f.Kind == fault.NotFound {
		return err
	}
	b, loadErr := s.Checkout.Booking(c.Request().Context(), id)
	if loadErr != nil {
		return err
	}
	s.logError(c, f, statuses[f.Kind])
	return s.bookingPage(c, statuses[f.Kind], b, func(p templates.Page, v *templates.BookingView) {
		v.Notice = localizedMessage(p, f)
	})
}

// returnFromPayment is where the payment page sends the patient. The processor
// is asked; while it does not know, the page asks again by itself.
func (s *Server) returnFromPayment(c echo.Context) error {
	id, err := s.bookingID(c.Param("token"))
	if err != nil {
		return err
	}
	b, err := s.Checkout.Settle(c.Request().Context(), id)
	if fault.Is(err, fault.Unavailable) {
		b, err = s.Checkout.Booking(c.Request().Context(), id)
	}
	if err != nil {
		return err
	}
	if b.State != checkout.StateHolding {
		s.mailPaid(c, b)
		return s.redirect(c, s.BookingPath(id))
	}
	return s.askAgain(c, b)
}

func (s *Server) askAgain(c echo.Context, b checkout.Booking) error {
	n, err := strconv.Atoi(c.QueryParam("n"))
	if err != nil || n < 0 {
		n = 0
	}
	seconds := askEverySeconds
	if n >= askQuickly {
		seconds = askSlowlySeconds
	}
	if n < askAtMost {
		next := s.page(c).URL(s.BookingPath(b.ID) + "/return?n=" + strconv.Itoa(n+1))
		c.Response().Header().Set("Refresh", seconds+"; url="+next)
	}
	return s.bookingPage(c, http.StatusOK, b, func(_ templates.Page, v *templates.BookingView) {
		v.Asking, v.Asked = true, n >= askQuickly
	})
}

// payBooking sends the patient to the payment page again.
func (s *Server) payBooking(c echo.Context) error {
	id, err := s.bookingID(c.Param("token"))
	if err != nil {
		return err
	}
	payURL, err := s.Checkout.Pay(c.Request().Context(), id)
	switch {
	case codeOf(err) == codePaid:
		return s.redirect(c, s.BookingPath(id))
	case codeOf(err) == codePending:
		return s.redirect(c, s.BookingPath(id)+"/return")
	case err != nil:
		return s.refused(c, id, err)
	}
	return c.Redirect(http.StatusSeeOther, payURL)
}

// demoHospital answers a case in place of the hospital, in a demonstration
// only.
func (s *Server) demoHospital(c echo.Context) error {
	if !s.Demo {
		return echo.ErrNotFound
	}
	id, err := s.bookingID(c.Param("token"))
	if err != nil {
		return err
	}
	answer := s.Checkout.Accept
	switch c.FormValue("answer") {
	case "accept":
	case "decline":
		answer = s.Checkout.Decline
	default:
		return fault.New(fault.Invalid, "Choose whether the hospital accepts or declines.").WithCode("demo.choose")
	}
	if _, err := answer(c.Request().Context(), id, checkout.Act{Actor: "demo hospital"}); err != nil {
		return s.refused(c, id, err)
	}
	return s.redirect(c, s.BookingPath(id))
}

// showCancel shows what cancelling would bring for each reason.
func (s *Server) showCancel(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	return s.cancelPage(c, http.StatusOK, b, "")
}

func (s *Server) cancelPage(c echo.Context, status int, b checkout.Booking, notice string) error {
	v := templates.CancelView{Booking: b, Path: s.BookingPath(b.ID), Notice: notice}
	for _, cause := range append([]catalog.Cause{""}, catalog.Causes...) {
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
	case err != nil:
		return s.refused(c, b.ID, err)
	}
	return s.redirect(c, s.BookingPath(b.ID))
}

func (s *Server) showReceipt(c echo.Context) error       { return s.receipt(c, false) }
func (s *Server) showRefundReceipt(c echo.Context) error { return s.receipt(c, true) }

func (s *Server) receipt(c echo.Context, refund bool) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	if refund && len(b.Refunds) == 0 || b.Paid.Amount == 0 {
		return fault.New(fault.NotFound, "Nothing has been paid yet, so there is no receipt.").WithCode("receipt.none")
	}
	p := s.personalPage(c)
	v := templates.ReceiptView{Booking: b, Path: s.BookingPath(b.ID), Refund: refund, Now: s.Now()}
	if v.Agency, v.Hospital, err = s.parties(c.Request().Context(), b); err != nil {
		return err
	}
	p.Path, p.Query, p.Title = v.Path+"/receipt", "", p.T("receipt.title")+" "+b.Number
	return s.ok(c, templates.Receipt(p, v))
}
