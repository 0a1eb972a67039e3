package catalog

import (
	"strings"
	"time"

	"github.com/medtour/medtour/fault"
)

// Departure is a start date of a package with its capacity, or a rolling
// series of them.
type Departure struct {
	ID        string `json:"id"`
	PackageID string `json:"package_id"`
	// Date of the first day, YYYY-MM-DD; empty for a rolling departure.
	Date string `json:"date,omitempty"`
	// Rolling gives start dates relative to today.
	Rolling *Rolling `json:"rolling,omitempty"`
	// Capacity is how many bookings each start date takes.
	Capacity int `json:"capacity"`
	// RoomCapacity is how many of them may have a room of the package, by its
	// id; one that is not named is limited by Capacity alone. It counts the
	// bookings that were made since it was set.
	RoomCapacity map[string]int `json:"room_capacity,omitempty"`
	// Closed departures take no new bookings.
	Closed bool `json:"closed,omitempty"`
}

// Rolling is a start every week on one day.
type Rolling struct {
	// Weekday of the start, 0 is Sunday.
	Weekday time.Weekday `json:"weekday"`
	// LeadDays is the least number of days from today to the start.
	LeadDays int `json:"lead_days"`
	// HorizonDays is the greatest number of days from today to the start.
	HorizonDays int `json:"horizon_days"`
}

// Start is one start date of a departure: what a quote names and places are
// counted on.
type Start struct {
	// Key is <departure>_<date>.
	Key         string
	DepartureID string
	PackageID   string
	// Date at midnight UTC; read it as a date in Shanghai.
	Date     time.Time
	Capacity int
	// RoomCapacity is that of the departure.
	RoomCapacity map[string]int
}

// Starts returns the start dates that can be booked on a day, soonest first.
func (d Departure) Starts(now time.Time) []Start {
	if d.Closed {
		return nil
	}
	today := dateOf(now.In(Shanghai))
	if d.Rolling == nil {
		date, err := time.Parse(time.DateOnly, d.Date)
		if err != nil || !date.After(today) {
			return nil
		}
		return []Start{d.start(date)}
	}
	var out []Start
	first := today.AddDate(0, 0, d.Rolling.LeadDays)
	first = first.AddDate(0, 0, (int(d.Rolling.Weekday)-int(first.Weekday())+7)%7)
	end := today.AddDate(0, 0, d.Rolling.HorizonDays)
	for date := first; !date.After(end); date = date.AddDate(0, 0, 7) {
		out = append(out, d.start(date))
	}
	return out
}

func (d Departure) start(date time.Time) Start {
	return Start{Key: d.ID + "_" + date.Format(time.DateOnly), DepartureID: d.ID, PackageID: d.PackageID, Date: date, Capacity: d.Capacity,
		RoomCapacity: d.RoomCapacity}
}

// ParseStartKey splits the key of a start. It reports false for what is none.
func ParseStartKey(key string) (departureID string, date time.Time, ok bool) {
	id, day, found := strings.Cut(key, "_")
	date, err := time.Parse(time.DateOnly, day)
	return id, date, found && err == nil && validID(id)
}

// Shanghai is the time zone of every departure. China has kept UTC+8 without
// summer time since 1991 (IANA tz, Asia/Shanghai).
var Shanghai = time.FixedZone("CST", 8*60*60)

// EntityKind returns KindDeparture.
func (d Departure) EntityKind() Kind { return KindDeparture }

// EntityID returns the id.
func (d Departure) EntityID() string { return d.ID }

// Limits of a departure.
const (
	maxCapacity = 1000
	maxHorizon  = 730
)

// Validate checks the departure alone.
func (d Departure) Validate() error {
	var f fault.Fields
	validateID(&f, "id", d.ID)
	validateID(&f, "package_id", d.PackageID)
	switch {
	case (d.Date == "") == (d.Rolling == nil):
		f.Add("date", "required", "give either a date or a rolling rule")
	case d.Date != "" && !validDate(d.Date):
		f.Add("date", "date", "use YYYY-MM-DD")
	}
	if r := d.Rolling; r != nil {
		if r.Weekday < 0 || r.Weekday > 6 {
			f.Add("rolling.weekday", "range", "0 (Sunday) to 6")
		}
		if r.LeadDays < 1 || r.HorizonDays < r.LeadDays || r.HorizonDays > maxHorizon {
			f.Add("rolling.lead_days", "range", "1 ≤ lead_days ≤ horizon_days ≤ %d", maxHorizon)
		}
	}
	if d.Capacity < 1 || d.Capacity > maxCapacity {
		f.Add("capacity", "range", "between 1 and %d", maxCapacity)
	}
	if len(d.RoomCapacity) > maxRooms {
		f.Add("room_capacity", "too_many", "at most %d rooms", maxRooms)
	}
	for room, n := range d.RoomCapacity {
		validateID(&f, "room_capacity."+clip(room), room)
		if n < 0 || n > d.Capacity {
			f.Add("room_capacity."+clip(room), "range", "between 0 and the capacity, %d", d.Capacity)
		}
	}
	return f.Err("the departure is not complete")
}
