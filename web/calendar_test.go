package web

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/templates"
)

// parseCalendar reads iCalendar strictly and returns its events.
func parseCalendar(t testing.TB, body string) []map[string]string {
	t.Helper()
	if !strings.HasSuffix(body, "\r\n") || strings.Count(body, "\n") != strings.Count(body, "\r\n") || strings.Count(body, "\r") != strings.Count(body, "\r\n") {
		t.Fatal("lines must end in CR LF")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\r\n"), "\r\n") {
		if len(line) > maxLine || !utf8.ValidString(line) {
			t.Fatalf("a line of %d bytes, valid UTF-8: %t: %q", len(line), utf8.ValidString(line), line)
		}
	}
	var events []map[string]string
	var event map[string]string
	uids := map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(body, "\r\n ", ""), "\r\n"), "\r\n")
	if lines[0] != "BEGIN:VCALENDAR" || lines[1] != "VERSION:2.0" || lines[len(lines)-1] != "END:VCALENDAR" {
		t.Fatalf("not a calendar: %q", lines)
	}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		switch {
		case !ok:
			t.Fatalf("a line without a value: %q", line)
		case line == "BEGIN:VEVENT":
			event = map[string]string{}
		case line == "END:VEVENT":
			for _, need := range []string{"UID", "DTSTAMP", "DTSTART;VALUE=DATE", "DTEND;VALUE=DATE", "SUMMARY"} {
				if event[need] == "" {
					t.Errorf("an event without %s: %v", need, event)
				}
			}
			if uids[event["UID"]] {
				t.Errorf("the UID %s is there twice", event["UID"])
			}
			uids[event["UID"]] = true
			events, event = append(events, event), nil
		case event != nil:
			event[name] = value
		}
	}
	return events
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\;`, ";", `\,`, ",", `\n`, "\n").Replace(s)
}

func TestCalendarTextSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("a;,\\\n\r é汉🙂ع:"))).Draw(t, "text")
		var w icalendar
		w.text("SUMMARY", s)
		out := string(w.buf)
		for line := range strings.SplitSeq(strings.TrimSuffix(out, "\r\n"), "\r\n") {
			if len(line) > maxLine || !utf8.ValidString(line) {
				t.Fatalf("a line of %d bytes: %q", len(line), line)
			}
		}
		unfolded := strings.TrimSuffix(strings.ReplaceAll(out, "\r\n ", ""), "\r\n")
		if strings.ContainsAny(unfolded, "\r\n") {
			t.Fatalf("a bare line break: %q", unfolded)
		}
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
		if got := unescape(strings.TrimPrefix(unfolded, "SUMMARY:")); got != want {
			t.Fatalf("%q became %q", want, got)
		}
	})
}

func TestCalendar(t *testing.T) {
	start := time.Date(2026, 12, 30, 0, 0, 0, 0, time.UTC)
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	b := checkout.Booking{Number: "MT-2026-ABCDEFGH", State: checkout.StateAwaiting, Timeline: []checkout.Entry{{At: at}},
		Quote: checkout.Quote{PackageName: catalog.Text{"en": "Rest; and tea"}, Start: start, Days: 3}}
	p := templates.Page{Locale: templates.LocaleFor("en")}
	days := []templates.DayView{
		{From: 1, To: 2, First: start, Last: start.AddDate(0, 0, 1), Items: []templates.ItemView{
			{Kind: catalog.ItemRest, Text: catalog.Text{"en": "Rest"}}, {Kind: catalog.ItemMedical, Text: catalog.Text{"en": "Check, then tea"}}}},
		{From: 3, To: 3, First: start.AddDate(0, 0, 2), Last: start.AddDate(0, 0, 2)},
	}
	events := parseCalendar(t, string(calendar(p, b, days)))
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	first := events[0]
	for name, want := range map[string]string{"DTSTART;VALUE=DATE": "20261230", "DTEND;VALUE=DATE": "20270101", "STATUS": "TENTATIVE",
		"DTSTAMP": "20261122T050000Z", "SUMMARY": `Days 1–2: Check\, then tea`} {
		if first[name] != want {
			t.Errorf("%s is %q, want %q", name, first[name], want)
		}
	}
	b.Quote.Days = 5
	if events := parseCalendar(t, string(calendar(p, b, days))); len(events) != 1 || events[0]["DTEND;VALUE=DATE"] != "20270104" {
		t.Errorf("a package that has changed since: %v", events)
	}
	b.State = checkout.StateCancelled
	if events := parseCalendar(t, string(calendar(p, b, nil))); events[0]["STATUS"] != "CANCELLED" {
		t.Errorf("a cancelled booking is %s in the calendar", events[0]["STATUS"])
	}
}

func TestCalendarStatus(t *testing.T) {
	for want, list := range map[string][]checkout.Booking{
		"CONFIRMED": {{State: checkout.StateConfirmed}, {State: checkout.StateCompleted}},
		"TENTATIVE": {{State: checkout.StateHolding}, {State: checkout.StateAwaiting}},
		"CANCELLED": {{State: checkout.StateExpired}, {State: checkout.StateDeclined}, {State: checkout.StateCancelled}, {State: checkout.StateConfirmed, Closed: &checkout.ClosedDeparture{}}},
	} {
		for _, b := range list {
			if got := calendarStatus(b); got != want {
				t.Errorf("%s: %s, want %s", b.State, got, want)
			}
		}
	}
}
