package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

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
	g.POST("/reply", s.replyToHospital)
	g.GET("/move", s.showMove)
	g.POST("/move", s.moveBooking)
	g.GET("/cancel", s.showCancel)
	g.POST("/cancel", s.cancelBooking)
	g.GET("/receipt", s.showReceipt)
	g.GET("/refunds/:n", s.showRefundReceipt)
	g.GET("/calendar.ics", s.showCalendar)
	g.POST("/demo", s.demoAct)
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
	if v.Room, err = s.roomOf(c.Request().Context(), b.Quote); err != nil {
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

// roomOf names the room of a quote; empty where the package has no choice of
// rooms, or not this one any more.
func (s *Server) roomOf(ctx context.Context, q checkout.Quote) (catalog.Text, error) {
	pkg, err := s.Catalog.Packages.Get(ctx, q.PackageID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	for _, r := range pkg.Options.Rooms {
		if r.ID == q.RoomID {
			return r.Name, err
		}
	}
	return nil, err
}

// refused shows a booking with what stopped the last step and what was typed;
// an error without a booking stays an error.
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
		v.Form = templates.BookingForm{Reply: c.FormValue("reply"), Question: c.FormValue("question"), Amount: c.FormValue("amount")}
		if v.Errors = templates.FieldErrors(p, f.Fields); len(v.Errors) == 0 {
			v.Notice = localizedMessage(p, f)
		}
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

// replyToHospital sends the patient's answer to the hospital's question.
func (s *Server) replyToHospital(c echo.Context) error {
	id, err := s.bookingID(c.Param("token"))
	if err != nil {
		return err
	}
	if _, err := s.Checkout.Reply(c.Request().Context(), id, strings.TrimSpace(c.FormValue("reply")), checkout.Act{Actor: checkout.ActorPatient}); err != nil {
		return s.refused(c, id, err)
	}
	return s.redirect(c, s.BookingPath(id))
}
