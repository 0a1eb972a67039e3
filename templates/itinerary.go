package templates

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
)

// DayView is a day of an itinerary, or several alike, with its dates and what
// the medical phases say of it.
type DayView struct {
	From, To int
	// First and Last are the dates for the chosen departure, zero without one.
	First, Last time.Time
	Items       []ItemView
	// Reasons say what the phases on a quiet day forbid; on another day they
	// stand only where a phase begins.
	Reasons []Reason
	// Quiet is true when recovery limits the day.
	Quiet bool
}

// ItemView is one thing on a day.
type ItemView struct {
	Kind catalog.ItemKind
	Text catalog.Text
	// Place is the name of the place where Text does not stand for it.
	Place catalog.Text
}

// Dot is the class of an item's mark.
func (it ItemView) Dot() string {
	switch it.Kind {
	case catalog.ItemTransfer, catalog.ItemHotel, catalog.ItemFlight, catalog.ItemInterpreter:
		return "hotel"
	case catalog.ItemSight, catalog.ItemMeal:
		return "sight"
	case catalog.ItemRest:
		return "rest"
	}
	return "medical"
}

// Reason is a phase of a treatment that limits a run of days.
type Reason struct {
	From, To    int
	Phase       catalog.PhaseKind
	Treatment   catalog.Text
	MaxExertion catalog.Exertion
	Avoid       []catalog.Hazard
}

// limits reports whether the phase forbids anything.
func limits(p catalog.Phase) bool { return p.MaxExertion != "" || len(p.Avoid) > 0 }

// Days lays an itinerary over dates and phases. names gives the name of each
// offering; start is zero where no departure is chosen.
func Days(stay catalog.Stay, names map[string]catalog.Text, start time.Time) []DayView {
	plans := stay.LayOut()
	reasons := reasonsOf(plans, names)
	out := make([]DayView, 0, len(stay.Itinerary.Days))
	for _, d := range stay.Itinerary.Days {
		v := DayView{From: d.From, To: d.To}
		if !start.IsZero() {
			v.First, v.Last = start.AddDate(0, 0, d.From-1), start.AddDate(0, 0, d.To-1)
		}
		for _, it := range d.Items {
			item := ItemView{Kind: it.Kind, Text: it.Text}
			if len(it.Text) == 0 {
				item.Text = stay.Places[it.PlaceID].Name
			} else if it.PlaceID != "" && it.Kind == catalog.ItemMeal {
				item.Place = stay.Places[it.PlaceID].Name
			}
			v.Items = append(v.Items, item)
		}
		v.Quiet = slices.ContainsFunc(plans[d.From-1:d.To], catalog.DayPlan.Quiet)
		for _, r := range reasons {
			begins := d.From <= r.From && r.From <= d.To
			if begins || v.Quiet && r.From <= d.To && d.From <= r.To {
				v.Reasons = append(v.Reasons, r)
			}
		}
		out = append(out, v)
	}
	return out
}

// reasonsOf lists the runs of days that a phase of a treatment limits.
func reasonsOf(plans []catalog.DayPlan, names map[string]catalog.Text) []Reason {
	var out []Reason
	at := map[string]int{}
	for _, p := range plans {
		for _, on := range p.Phases {
			if !limits(on.Phase) {
				continue
			}
			key := on.OfferingID + " " + string(on.Phase.Kind)
			if i, ok := at[key]; ok {
				out[i].To = p.Day
				continue
			}
			at[key] = len(out)
			out = append(out, Reason{From: p.Day, To: p.Day, Phase: on.Phase.Kind, Treatment: names[on.OfferingID],
				MaxExertion: on.Phase.MaxExertion, Avoid: on.Phase.Avoid})
		}
	}
	return out
}

// Segment is a run of days of one kind in the recovery strip.
type Segment struct {
	// Kind is a phase, or "free" before, between and after them.
	Kind     string
	From, To int
}

const segmentFree = "free"

// segmentRank decides which phase a day shows where several fall on it.
var segmentRank = map[catalog.PhaseKind]int{
	catalog.PhaseProcedure: 5, catalog.PhaseAdmission: 4, catalog.PhaseRestricted: 3, catalog.PhaseWorkup: 2, catalog.PhaseGentle: 1,
}

// Strip joins the days of a stay into segments.
func Strip(plans []catalog.DayPlan) []Segment {
	var out []Segment
	for _, p := range plans {
		kind, rank := segmentFree, 0
		for _, on := range p.Phases {
			if r := segmentRank[on.Phase.Kind]; r > rank {
				kind, rank = string(on.Phase.Kind), r
			}
		}
		if n := len(out); n > 0 && out[n-1].Kind == kind {
			out[n-1].To = p.Day
			continue
		}
		out = append(out, Segment{Kind: kind, From: p.Day, To: p.Day})
	}
	return out
}

// stripBox is a segment as it is drawn, in percent of the strip's width.
type stripBox struct {
	Segment
	X, Width string
	// Label is empty where it would not fit.
	Label string
}

// stripWidth is how wide a strip is on a wide screen, in characters of its
// labels.
const stripWidth = 95

// boxes places the segments; in a right-to-left page the first day is at the
// right.
func boxes(p Page, strip []Segment) []stripBox {
	if len(strip) == 0 {
		return nil
	}
	days := float64(strip[len(strip)-1].To)
	out := make([]stripBox, len(strip))
	for i, s := range strip {
		x, w := float64(s.From-1)/days*100, float64(s.To-s.From+1)/days*100
		if p.Dir == "rtl" {
			x = 100 - x - w
		}
		out[i] = stripBox{Segment: s, X: percentOf(x), Width: percentOf(w)}
		if label := p.T("phase." + s.Kind); textWidth(label)+2 <= w/100*stripWidth {
			out[i].Label = label
		}
	}
	return out
}

func percentOf(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) + "%" }

// textWidth estimates a text's width in characters; CJK ones are twice as
// wide.
func textWidth(s string) float64 {
	n := 0.0
	for _, r := range s {
		if n++; r >= 0x2e80 {
			n++
		}
	}
	return n
}

// stripText says the strip in words.
func stripText(p Page, strip []Segment) string {
	parts := make([]string, len(strip))
	for i, s := range strip {
		parts[i] = p.DayRange(s.From, s.To) + ": " + p.T("phase."+s.Kind)
	}
	return strings.Join(parts, p.T("plan.list_separator"))
}

// DayRange writes "Day 3" or "Days 5–9".
func (l *Locale) DayRange(from, to int) string {
	if from == to {
		return l.T("plan.day", "n", l.Int(from))
	}
	return l.T("plan.days", "from", l.Int(from), "to", l.Int(to))
}

// ShortDate writes weekday, day and month.
func (l *Locale) ShortDate(t time.Time) string {
	return l.T("plan.date", "weekday", l.cldr.WeekdayAbbreviated(t.Weekday()), "day", l.Int(t.Day()), "month", l.cldr.MonthAbbreviated(t.Month()))
}

// dates writes the date of a day, or of the first and last of several.
func (d DayView) dates(p Page) string {
	if d.First.IsZero() {
		return ""
	}
	if d.From == d.To {
		return p.ShortDate(d.First)
	}
	return p.ShortDate(d.First) + " – " + p.ShortDate(d.Last)
}

// list joins words of the catalogue that have translations.
func list[T ~string](p Page, prefix string, words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = p.Or(prefix+string(w), string(w))
	}
	return strings.Join(out, p.T("plan.comma"))
}

// Refusal is an outing that the recovery check refuses on a day.
type Refusal struct {
	Place catalog.Text
	Day   int
	// Phase and Treatment that stand against it.
	Phase     catalog.PhaseKind
	Treatment catalog.Text
	// Ward is true when the patient may still be on the ward.
	Ward bool
	// Exertion is what the outing asks where that is too much; Hazards is what
	// it brings and the phase forbids.
	Exertion catalog.Exertion
	Hazards  []catalog.Hazard
	// FreeFrom is the first day on which nothing stands against it, 0 where
	// there is none.
	FreeFrom int
}

// Refusals shows what the recovery check would refuse on a quiet day of the
// stay: up to limit of the places, those against which most stands first.
func Refusals(stay catalog.Stay, names map[string]catalog.Text, places []catalog.Place, limit int) []Refusal {
	plan, ok := exampleDay(stay.LayOut())
	if !ok || stay.Base == nil {
		return nil
	}
	type candidate struct {
		catalog.Place
		weight int
	}
	var candidates []candidate
	for _, pl := range places {
		if _, planned := stay.Places[pl.ID]; planned || pl.Position == nil || pl.PlaceKind == catalog.PlaceKindHotelArea ||
			catalog.DistanceKm(*stay.Base, *pl.Position) > exampleKm {
			continue
		}
		weight := 0
		for _, h := range pl.Hazards {
			if slices.Contains(plan.Avoid, h) {
				weight++
			}
		}
		if weight > 0 {
			candidates = append(candidates, candidate{pl, weight})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return b.weight - a.weight })
	var out []Refusal
	var kinds []string
	for _, c := range candidates {
		if len(out) == limit {
			break
		}
		if slices.Contains(kinds, c.PlaceKind) {
			continue
		}
		if r, refused := refusal(stay, names, c.Place, plan.Day); refused {
			out, kinds = append(out, r), append(kinds, c.PlaceKind)
		}
	}
	return out
}

// exampleKm is how far from the hotel an example may be: nobody would wonder
// why a place out of town is left out.
const exampleKm = 12

// exampleDay picks the day of which most readers would ask why it is quiet: the
// first of restricted recovery, else the first on the ward.
func exampleDay(plans []catalog.DayPlan) (catalog.DayPlan, bool) {
	quiet := slices.IndexFunc(plans, func(p catalog.DayPlan) bool { return p.Quiet() && !p.Ward })
	if quiet < 0 {
		quiet = slices.IndexFunc(plans, catalog.DayPlan.Quiet)
	}
	if quiet < 0 {
		return catalog.DayPlan{}, false
	}
	return plans[quiet], true
}

// refusal asks the recovery check about an outing on a day.
func refusal(stay catalog.Stay, names map[string]catalog.Text, place catalog.Place, day int) (Refusal, bool) {
	at := slices.IndexFunc(stay.Itinerary.Days, func(d catalog.Day) bool { return d.From <= day && day <= d.To })
	if at < 0 {
		return Refusal{}, false
	}
	days := slices.Clone(stay.Itinerary.Days)
	item := len(days[at].Items)
	days[at].Items = append(slices.Clone(days[at].Items), catalog.Item{Kind: catalog.ItemSight, PlaceID: place.ID})
	known := map[string]catalog.Place{place.ID: place}
	for id, p := range stay.Places {
		known[id] = p
	}
	r := Refusal{Place: place.Name, Day: day}
	for _, f := range (catalog.Stay{Itinerary: catalog.Itinerary{Days: days}, Offerings: stay.Offerings, Places: known, Base: stay.Base}).Check() {
		if f.Day != day || f.Item != item {
			continue
		}
		if f.OfferingID != "" && r.Phase == "" {
			r.Phase, r.Treatment = f.Phase, names[f.OfferingID]
		}
		r.FreeFrom = f.FreeFrom
		switch f.Rule {
		case catalog.RuleWard:
			r.Ward = true
		case catalog.RuleExertion:
			r.Exertion = f.Exertion
		case catalog.RuleHazard:
			if !slices.Contains(r.Hazards, f.Hazard) {
				r.Hazards = append(r.Hazards, f.Hazard)
			}
		}
	}
	return r, r.Phase != ""
}

// against lists what stands against a refused outing.
func (r Refusal) against(p Page) string {
	var out []string
	if r.Exertion != "" {
		out = append(out, p.Or("exertion."+string(r.Exertion), string(r.Exertion)))
	}
	for _, h := range r.Hazards {
		out = append(out, p.Or("hazard."+string(h), string(h)))
	}
	return strings.Join(out, p.T("plan.comma"))
}

// Spot is a point of the distance sketch.
type Spot struct {
	// Kind is "hospital" or "place".
	Kind string
	Name catalog.Text
	// Number stands in the dot and in the list, from 1.
	Number int
	// Km from the hotel area, as the crow flies, in whole kilometres.
	Km   int
	X, Y float64
}

// Ring is a circle of one distance around the hotel area.
type Ring struct {
	Km int
	R  float64
}

// Sketch shows where things are around the hotel area: directions are true,
// distances grow with the square root, so that near and far both fit.
type Sketch struct {
	Hotel catalog.Text
	Spots []Spot
	Rings []Ring
	// Unknown are names without a position.
	Unknown []catalog.Text
}

// The size of the sketch's drawing.
const (
	SketchWidth  = 400
	SketchHeight = 320
	sketchRadius = 140
	sketchDot    = 22
)

// NewSketch places hospitals and places around the hotel area.
func NewSketch(hotel catalog.Place, hospitals []catalog.Hospital, places []catalog.Place) Sketch {
	s := Sketch{Hotel: hotel.Name}
	if hotel.Position == nil {
		return s
	}
	far := 2.0
	add := func(kind string, name catalog.Text, pos *catalog.Position) {
		if pos == nil {
			s.Unknown = append(s.Unknown, name)
			return
		}
		km := catalog.DistanceKm(*hotel.Position, *pos)
		far = max(far, km)
		dx := (pos.Lon - hotel.Position.Lon) * math.Cos(hotel.Position.Lat*math.Pi/180)
		angle := math.Atan2(pos.Lat-hotel.Position.Lat, dx)
		s.Spots = append(s.Spots, Spot{Kind: kind, Name: name, Number: len(s.Spots) + 1, Km: int(math.Round(km)),
			X: km * math.Cos(angle), Y: km * math.Sin(angle)})
	}
	for _, h := range hospitals {
		add("hospital", h.Name, h.Position)
	}
	for _, pl := range places {
		add("place", pl.Name, pl.Position)
	}
	scale := func(km float64) float64 { return sketchRadius * math.Sqrt(km/far) }
	for i := range s.Spots {
		sp := &s.Spots[i]
		km := math.Hypot(sp.X, sp.Y)
		f := 0.0
		if km > 0 {
			f = scale(km) / km
		}
		sp.X, sp.Y = SketchWidth/2+sp.X*f, SketchHeight/2-sp.Y*f
	}
	spread(s.Spots)
	for _, km := range []int{200, 100, 50, 20, 10, 5, 2, 1} {
		if float64(km) <= far && len(s.Rings) < 3 {
			s.Rings = append(s.Rings, Ring{Km: km, R: scale(float64(km))})
		}
	}
	return s
}

// spread moves dots apart that would cover each other or the hotel in the
// middle; positions are approximate anyway.
func spread(spots []Spot) {
	for range 60 {
		moved := false
		for i := range spots {
			moved = push(&spots[i].X, &spots[i].Y, SketchWidth/2, SketchHeight/2, float64(i)) || moved
			for j := range i {
				moved = push(&spots[i].X, &spots[i].Y, spots[j].X, spots[j].Y, float64(i)) || moved
			}
			spots[i].X = min(max(spots[i].X, sketchDot/2+2), SketchWidth-sketchDot/2-2)
			spots[i].Y = min(max(spots[i].Y, sketchDot/2+2), SketchHeight-sketchDot/2-2)
		}
		if !moved {
			return
		}
	}
}

// push moves a point away from another to the distance of a dot. Points on one
// spot part in a direction of their own.
func push(x, y *float64, ox, oy, turn float64) bool {
	dx, dy := *x-ox, *y-oy
	d := math.Hypot(dx, dy)
	if d >= sketchDot {
		return false
	}
	if d < 0.01 {
		dx, dy, d = math.Cos(turn), math.Sin(turn), 1
	}
	*x, *y = ox+dx/d*(sketchDot+.5), oy+dy/d*(sketchDot+.5)
	return true
}

func coord(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
