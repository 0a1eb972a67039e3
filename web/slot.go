package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/care"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	slotsPath = "/console/slots"
	// slotTime is how a browser sends a date with a time.
	slotTime = "2006-01-02T15:04"
)

func (s *Server) slotRoutes() {
	s.consoleRoute(http.MethodGet, slotsPath, account.SeeListings, s.showSlots, hospitalsOnly)
	s.consoleRoute(http.MethodPost, slotsPath, account.AnswerBookings, s.publishSlot, hospitalsOnly)
	s.consoleRoute(http.MethodPost, slotsPath+"/withdraw", account.AnswerBookings, s.withdrawSlot, hospitalsOnly)
}

func (s *Server) showSlots(c echo.Context, a actor) error {
	return s.slotsPage(c, a, http.StatusOK, templates.SlotsView{Minutes: "30", Language: "en"})
}

func (s *Server) slotsPage(c echo.Context, a actor, status int, v templates.SlotsView) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.nav.slots")
	var err error
	if v.Slots, err = s.Slots.Upcoming(c.Request().Context(), a.Org.HospitalID); err != nil {
		return err
	}
	v.MayEdit = a.may(account.AnswerBookings)
	frame.Done = said(p, c.QueryParam("done"))
	return s.render(c, status, templates.Slots(p, frame, v))
}

// publishSlot adds a slot; its time is that of Shanghai.
func (s *Server) publishSlot(c echo.Context, a actor) error {
	v := templates.SlotsView{Expert: catalog.Text{}, Start: c.FormValue("start"), Minutes: c.FormValue("minutes"), Language: c.FormValue("language")}
	for _, lang := range consoleLanguages {
		if text := strings.TrimSpace(c.FormValue("expert." + lang)); text != "" {
			v.Expert[lang] = text
		}
	}
	// What cannot be read is refused as out of range.
	start, _ := time.ParseInLocation(slotTime, v.Start, catalog.Shanghai)
	minutes, _ := strconv.Atoi(v.Minutes)
	slot, err := s.Slots.Publish(c.Request().Context(), care.Slot{HospitalID: a.Org.HospitalID, Expert: v.Expert, Start: start, Minutes: minutes, Language: v.Language, By: a.Email})
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		v.Errors = templates.ListingErrors(s.page(c), f)
		return s.slotsPage(c, a, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "slot.publish", Thing: "slot/" + slot.ID}); err != nil {
		return err
	}
	return s.redirect(c, slotsPath+"?done=slot")
}

func (s *Server) withdrawSlot(c echo.Context, a actor) error {
	slot, err := s.Slots.Withdraw(c.Request().Context(), a.Org.HospitalID, c.FormValue("slot"))
	if err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "slot.withdraw", Thing: "slot/" + slot.ID}); err != nil {
		return err
	}
	return s.redirect(c, slotsPath+"?done=slot-withdrawn")
}
