package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

// showCalendar gives the itinerary as a calendar file.
func (s *Server) showCalendar(c echo.Context) error {
	b, err := s.bookingOf(c)
	if err != nil {
		return err
	}
	ctx, p := c.Request().Context(), s.page(c)
	var days []templates.DayView
	pkg, err := s.Catalog.Packages.Get(ctx, b.Quote.PackageID)
	if err == nil {
		stay, err := s.Catalog.Stay(ctx, pkg)
		if err != nil {
			return err
		}
		days = templates.Days(stay, nil, b.Quote.Start)
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	c.Response().Header().Set("Content-Disposition", `attachment; filename="`+b.Number+`.ics"`)
	return c.Blob(http.StatusOK, "text/calendar; charset=utf-8", calendar(p, b, days))
}

// calendarStatus is the status of an event by the state of the booking: only
// what is confirmed is certain, and a departure that was closed does not take
// place (RFC 5545, 3.8.1.11).
func calendarStatus(b checkout.Booking) string {
	if b.Closed != nil {
		return "CANCELLED"
	}
	switch b.State {
	case checkout.StateConfirmed, checkout.StateCompleted:
		return "CONFIRMED"
	case checkout.StateHolding, checkout.StateAwaiting:
		return "TENTATIVE"
	}
	return "CANCELLED"
}

// calendar writes a booking's itinerary as iCalendar (RFC 5545). Days are dates
// without a time, since they are days in Shanghai wherever the reader is. The
// booking's link is left out: a calendar is often shared, and the link is the
// key to the booking.
func calendar(p templates.Page, b checkout.Booking, days []templates.DayView) []byte {
	var w icalendar
	w.line("BEGIN", "VCALENDAR")
	w.line("VERSION", "2.0")
	w.line("PRODID", "-//Medtour//Itinerary//EN")
	w.line("CALSCALE", "GREGORIAN")
	w.line("METHOD", "PUBLISH")
	w.text("X-WR-CALNAME", p.Name(b.Quote.PackageName))
	w.line("X-WR-TIMEZONE", "Asia/Shanghai")
	last := b.Timeline[len(b.Timeline)-1].At
	event := func(n int, first, end time.Time, summary, description string) {
		w.line("BEGIN", "VEVENT")
		w.line("UID", fmt.Sprintf("%s-%d@medtour", strings.ToLower(b.Number), n))
		w.line("DTSTAMP", last.UTC().Format("20060102T150405Z"))
		w.line("SEQUENCE", fmt.Sprint(len(b.Timeline)))
		w.line("DTSTART;VALUE=DATE", first.Format("20060102"))
		w.line("DTEND;VALUE=DATE", end.AddDate(0, 0, 1).Format("20060102"))
		w.text("SUMMARY", summary)
		w.text("DESCRIPTION", description)
		w.text("LOCATION", p.T("calendar.location"))
		w.line("STATUS", calendarStatus(b))
		w.line("TRANSP", "TRANSPARENT")
		w.line("END", "VEVENT")
	}
	note := p.T("booking.number", "number", b.Number) + "\n" + p.T("booking.state."+string(b.State))
	// A package that was changed since the booking may have other days.
	if len(days) == 0 || days[len(days)-1].To != b.Quote.Days {
		event(0, b.Quote.Start, b.Quote.Start.AddDate(0, 0, b.Quote.Days-1), p.Name(b.Quote.PackageName), note)
		days = nil
	}
	for _, d := range days {
		summary, description := dayText(p, d)
		event(d.From, d.First, d.Last, summary, description+"\n\n"+note)
	}
	w.line("END", "VCALENDAR")
	return w.buf
}

// dayText says a day: in short what leads it, the medical part first, and all
// of it.
func dayText(p templates.Page, d templates.DayView) (summary, description string) {
	lines := make([]string, len(d.Items))
	lead := -1
	for i, it := range d.Items {
		lines[i] = p.Name(it.Text)
		if it.Kind == catalog.ItemMedical && lead < 0 {
			lead = i
		}
	}
	summary = p.DayRange(d.From, d.To)
	if len(lines) > 0 {
		summary += ": " + lines[max(lead, 0)]
	}
	return summary, strings.Join(lines, "\n")
}

// icalendar writes content lines.
type icalendar struct{ buf []byte }

// maxLine is the greatest length of a line in bytes without its break (RFC
// 5545, 3.1).
const maxLine = 75

// line writes a property, folded between characters.
func (w *icalendar) line(name, value string) {
	s := name + ":" + value
	for limit := maxLine; len(s) > limit; limit = maxLine - 1 {
		n := limit
		for !utf8.RuneStart(s[n]) {
			n--
		}
		w.buf = append(append(w.buf, s[:n]...), "\r\n "...)
		s = s[n:]
	}
	w.buf = append(append(w.buf, s...), "\r\n"...)
}

var icalendarText = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// text writes a property of type text, escaped (RFC 5545, 3.3.11).
func (w *icalendar) text(name, value string) { w.line(name, icalendarText.Replace(value)) }
