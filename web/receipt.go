package web

import (
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

var errNoReceipt = fault.New(fault.NotFound, "There is no such receipt: no money has moved yet.").WithCode("receipt.none")

// showReceipt shows what was paid, ready to print.
func (s *Server) showReceipt(c echo.Context) error { return s.receipt(c, 0) }

// showRefundReceipt shows one refund, ready to print.
func (s *Server) showRefundReceipt(c echo.Context) error {
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil || n < 1 {
		return errNoReceipt
	}
	return s.receipt(c, n)
}

// receipt shows the receipt of the payments, or of the refund of a number from
// 1, in the order of the log.
func (s *Server) receipt(c echo.Context, refund int) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	if b.Paid.Amount == 0 || refund > len(b.Refunds) {
		return errNoReceipt
	}
	p := s.personalPage(c)
	v := templates.ReceiptView{Booking: b, Path: s.BookingPath(b.ID), Refund: refund}
	if v.Agency, v.Hospital, err = s.parties(c.Request().Context(), b); err != nil {
		return err
	}
	p.Path, p.Query, p.Title = v.Path+"/receipt", "", templates.ReceiptTitle(p, v)+" "+templates.ReceiptNumber(v)
	if refund > 0 {
		p.Path = v.Path + "/refunds/" + strconv.Itoa(refund)
	}
	return s.ok(c, templates.Receipt(p, v))
}
