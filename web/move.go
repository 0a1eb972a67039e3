package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// showMove offers other dates, and says what moving to the one in the address
// would bring.
func (s *Server) showMove(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	return s.movePage(c, http.StatusOK, b, c.QueryParam("start"), "")
}

// movePage shows the dates to which a booking can move, and the difference for
// one of them, the first by default.
func (s *Server) movePage(c echo.Context, status int, b checkout.Booking, start, notice string) error {
	ctx, p := c.Request().Context(), s.personalPage(c)
	v := templates.MoveView{Booking: b, Path: s.BookingPath(b.ID), Notice: notice, Today: shanghaiDate(s.Now())}
	starts, err := s.Checkout.Starts(ctx, b.Quote.PackageID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	for _, st := range starts {
		if st.Key != b.Quote.StartKey {
			v.Starts = append(v.Starts, st)
			if start == "" && st.Left > 0 {
				start = st.Key
			}
		}
	}
	preview, err := s.Checkout.MovePreview(ctx, b.ID, start)
	var f *fault.Error
	switch {
	case err == nil:
		v.Preview = &preview
	case !errors.As(err, &f) || f.Kind != fault.Invalid && f.Kind != fault.Conflict && f.Kind != fault.Forbidden && f.Kind != fault.NotFound:
		return err
	case f.Code == "not_movable" || f.Code == "move_late" || f.Code == "moving":
		return s.refused(c, b.ID, err)
	case len(v.Starts) > 0:
		v.Errors = templates.FieldErrors(p, f.Fields)
		if status = statuses[f.Kind]; len(v.Errors) == 0 {
			v.Notice = localizedMessage(p, f)
		}
	}
	v.Start = start
	p.Path, p.Query, p.Title = v.Path+"/move", "", p.T("move.title")
	return s.render(c, status, templates.Move(p, v))
}

// moveBooking moves to the date, for the difference that was shown.
func (s *Server) moveBooking(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	p, start := s.page(c), c.FormValue("start")
	amount, err := strconv.ParseInt(c.FormValue("amount"), 10, 64)
	if err != nil || c.FormValue("sure") != "yes" {
		return s.movePage(c, http.StatusUnprocessableEntity, b, start, p.T("move.be_sure"))
	}
	expected := catalog.Money{Amount: amount, Currency: c.FormValue("currency")}
	_, err = s.Checkout.Move(c.Request().Context(), b.ID, start, expected, checkout.Act{Actor: checkout.ActorPatient})
	switch code := codeOf(err); {
	case code == "difference_changed" || code == codeFull || fault.Is(err, fault.Invalid):
		var f *fault.Error
		errors.As(err, &f)
		return s.movePage(c, statuses[f.Kind], b, start, localizedMessage(p, f))
	case err != nil:
		return s.refused(c, b.ID, err)
	}
	return s.redirect(c, s.BookingPath(b.ID))
}
