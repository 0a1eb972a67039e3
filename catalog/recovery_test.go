package catalog

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func days(n int) *int { return &n }

// surgery is a timeline with every phase: 1 day of workup, the operation,
// up to 2 nights, 3 restricted and 4 gentle days; flying after 7 days.
func surgery() Timeline {
	return Timeline{FlyAfterDays: days(7), Phases: []Phase{
		{Kind: PhaseWorkup, Days: Span{1, 1}},
		{Kind: PhaseProcedure, Days: Span{1, 1}, MaxExertion: ExertionRest},
		{Kind: PhaseAdmission, Days: Span{1, 2}, MaxExertion: ExertionRest},
		{Kind: PhaseRestricted, Days: Span{2, 3}, MaxExertion: ExertionSeated, Avoid: []Hazard{HazardCrowds, HazardWater}},
		{Kind: PhaseGentle, Days: Span{4, 4}, MaxExertion: ExertionShortWalk, Avoid: []Hazard{HazardBoat}},
	}}
}

var testPlaces = map[string]Place{
	"museum": {ID: "museum", Exertion: ExertionSeated, Minutes: Span{60, 90}, Position: &Position{Lat: 31.23, Lon: 121.47}},
	"bazaar": {ID: "bazaar", Exertion: ExertionShortWalk, Minutes: Span{60, 90}, Position: &Position{Lat: 31.23, Lon: 121.48}, Hazards: []Hazard{HazardCrowds}},
	"park":   {ID: "park", Exertion: ExertionShortWalk, Minutes: Span{30, 60}, Position: &Position{Lat: 31.21, Lon: 121.45}},
	"lake":   {ID: "lake", Exertion: ExertionShortWalk, Minutes: Span{60, 120}, Position: &Position{Lat: 31.22, Lon: 121.46}, Hazards: []Hazard{HazardBoat}},
	"hills":  {ID: "hills", Exertion: ExertionStrenuous, Minutes: Span{60, 120}, Position: &Position{Lat: 31.1, Lon: 121.2}},
	"town":   {ID: "town", Exertion: ExertionShortWalk, Minutes: Span{120, 240}, Position: &Position{Lat: 30.25, Lon: 120.16}, Hazards: []Hazard{HazardLongDay}},
	"island": {ID: "island", Exertion: ExertionShortWalk, Minutes: Span{60, 60}, Position: &Position{Lat: 30, Lon: 123}},
	"lost":   {ID: "lost", Exertion: ExertionSeated, Minutes: Span{60, 60}},
}

// stay builds a stay of n days with the operation on day 2 and sights on the
// days named.
func stay(n int, t Timeline, sights map[int]string) Stay {
	s := Stay{Offerings: map[string]Timeline{"op": t}, Places: testPlaces, Base: &Position{Lat: 31.2, Lon: 121.44}}
	for day := 1; day <= n; day++ {
		d := Day{From: day, To: day}
		switch day {
		case 1:
			d.Items = append(d.Items, Item{Kind: ItemMedical, OfferingID: "op", Step: StepWorkup, Text: Text{"en": "checks"}})
		case 2:
			d.Items = append(d.Items, Item{Kind: ItemMedical, OfferingID: "op", Step: StepProcedure, Text: Text{"en": "operation"}})
		}
		if place := sights[day]; place != "" {
			d.Items = append(d.Items, Item{Kind: ItemSight, PlaceID: place})
		}
		s.Itinerary.Days = append(s.Itinerary.Days, d)
	}
	return s
}

func rules(findings []Finding) string {
	var out []string
	for _, f := range findings {
		out = append(out, string(f.Rule))
	}
	return strings.Join(out, " ")
}

func TestRecoveryCheck(t *testing.T) {
	noFlightRule := surgery()
	noFlightRule.FlyAfterDays = nil
	for _, tt := range []struct {
		name   string
		stay   Stay
		want   string
		freeOn int
	}{
		{"quiet stay", stay(9, surgery(), nil), "", 0},
		{"crowds in the restricted phase", stay(9, surgery(), map[int]string{6: "bazaar"}), "exertion hazard", 8},
		{"crowds in the gentle phase are allowed", stay(9, surgery(), map[int]string{8: "bazaar"}), "", 0},
		{"boat in the gentle phase", stay(13, surgery(), map[int]string{9: "lake"}), "hazard", 12},
		{"boat after it", stay(13, surgery(), map[int]string{12: "lake"}), "", 0},
		{"an outing from the ward", stay(9, surgery(), map[int]string{3: "museum"}), "ward exertion", 5},
		{"a walk on the day of the operation", stay(9, surgery(), map[int]string{2: "park"}), "exertion", 8},
		{"seated in the restricted phase", stay(9, surgery(), map[int]string{5: "museum"}), "", 0},
		{"strenuous in the gentle phase", stay(9, surgery(), map[int]string{8: "hills"}), "exertion", 0},
		{"too early home", stay(8, surgery(), nil), "fit-to-fly", 9},
		{"nights do not cover the admission", stay(3, surgery(), nil), "nights fit-to-fly", 0},
		{"no examination before", Stay{Itinerary: Itinerary{Days: []Day{
			{From: 1, To: 1, Items: []Item{{Kind: ItemMedical, OfferingID: "op", Step: StepProcedure}}}, {From: 2, To: 9}}},
			Offerings: map[string]Timeline{"op": surgery()}}, "workup", 0},
		{"no operation", Stay{Itinerary: Itinerary{Days: []Day{{From: 1, To: 9}}}, Offerings: map[string]Timeline{"op": surgery()}}, "procedure", 0},
		{"no rule for flying and no check", stay(9, noFlightRule, nil), "doctor-check", 0},
		{"out of reach", stay(14, surgery(), map[int]string{13: "island"}), "reach", 0},
		{"position not known", stay(14, surgery(), map[int]string{13: "lost"}), "reach", 0},
		{"unknown place", stay(14, surgery(), map[int]string{13: "nowhere"}), "reach", 0},
		{"a day trip when well", stay(14, surgery(), map[int]string{13: "town"}), "", 0},
		{"a day trip too far in the gentle phase is fine for the rules that it has", stay(14, surgery(), map[int]string{1: "town"}), "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.stay.Check()
			if rules(got) != tt.want {
				t.Fatalf("rules %q, want %q: %+v", rules(got), tt.want, got)
			}
			if tt.freeOn != 0 && got[0].FreeFrom != tt.freeOn {
				t.Errorf("free from day %d, want %d", got[0].FreeFrom, tt.freeOn)
			}
		})
	}
}

func TestFullDay(t *testing.T) {
	s := stay(14, surgery(), nil)
	for range 7 {
		s.Itinerary.Days[12].Items = append(s.Itinerary.Days[12].Items, Item{Kind: ItemSight, PlaceID: "museum"})
	}
	if got := rules(s.Check()); got != "full-day" {
		t.Errorf("rules %q", got)
	}
}

func TestFlightWithinTheStay(t *testing.T) {
	s := stay(14, surgery(), nil)
	s.Itinerary.Days[4].Items = append(s.Itinerary.Days[4].Items, Item{Kind: ItemFlight, Text: Text{"en": "to Xi'an"}})
	got := s.Check()
	if rules(got) != "fit-to-fly" || got[0].Day != 5 || got[0].FreeFrom != 9 {
		t.Errorf("findings %+v", got)
	}
}

// genStay draws a timeline and an itinerary of sights around it.
func genStay(t *rapid.T) Stay {
	span := func(label string, limit int) Span {
		lo := rapid.IntRange(0, limit).Draw(t, label+" min")
		return Span{lo, rapid.IntRange(lo, limit).Draw(t, label+" max")}
	}
	exertion := rapid.SampledFrom([]Exertion{"", ExertionRest, ExertionSeated, ExertionShortWalk, ExertionLongWalk})
	avoid := rapid.SliceOfNDistinct(rapid.SampledFrom(Hazards), 0, 4, rapid.ID[Hazard])
	tl := Timeline{Phases: []Phase{
		{Kind: PhaseProcedure, Days: Span{1, 1}},
		{Kind: PhaseAdmission, Days: span("admission", 5), MaxExertion: ExertionRest},
		{Kind: PhaseRestricted, Days: span("restricted", 10), MaxExertion: exertion.Draw(t, "restricted"), Avoid: avoid.Draw(t, "restricted avoid")},
		{Kind: PhaseGentle, Days: span("gentle", 10), MaxExertion: exertion.Draw(t, "gentle"), Avoid: avoid.Draw(t, "gentle avoid")},
	}, FlyAfterDays: days(rapid.IntRange(0, 20).Draw(t, "fly"))}
	sights := map[int]string{}
	n := rapid.IntRange(3, 40).Draw(t, "days")
	for day := 1; day <= n; day++ {
		sights[day] = rapid.SampledFrom([]string{"", "", "museum", "bazaar", "park", "lake", "hills", "town", "island"}).Draw(t, "sight")
	}
	return stay(n, tl, sights)
}

// Whatever passes really keeps every phase: the check is redone here the slow
// way, activity by activity.
func TestPassingStaysBreakNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genStay(t)
		if len(s.Check()) > 0 {
			return
		}
		tl := s.Offerings["op"]
		for _, d := range s.Itinerary.Days {
			for _, it := range d.Items {
				if it.Kind != ItemSight {
					continue
				}
				at := 2
				for _, p := range tl.Phases[1:] {
					if d.From > at && d.From <= at+p.Days.Max {
						place := testPlaces[it.PlaceID]
						if p.Kind == PhaseAdmission || place.Exertion.Above(p.MaxExertion) && p.MaxExertion != "" {
							t.Fatalf("day %d: %s during %s", d.From, it.PlaceID, p.Kind)
						}
						for _, h := range place.Hazards {
							if slices.Contains(p.Avoid, h) {
								t.Fatalf("day %d: %s during %s", d.From, h, p.Kind)
							}
						}
					}
					at += p.Days.Max
				}
			}
		}
		if n := s.Itinerary.Length(); n < 2+*tl.FlyAfterDays || n < 2+tl.Nights().Max {
			t.Fatalf("%d days end before day %d", n, 2+*tl.FlyAfterDays)
		}
	})
}

// Taking an outing away never breaks a rule.
func TestRemovingAnOutingNeverHurts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genStay(t)
		before := len(s.Check())
		day := rapid.IntRange(0, len(s.Itinerary.Days)-1).Draw(t, "day")
		items := &s.Itinerary.Days[day].Items
		*items = slices.DeleteFunc(slices.Clone(*items), func(it Item) bool { return it.Kind == ItemSight })
		if after := len(s.Check()); after > before {
			t.Fatalf("%d findings became %d", before, after)
		}
	})
}

// FreeFrom keeps its word: moved to that day alone, the outing passes.
func TestFreeFromIsFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genStay(t)
		for _, f := range s.Check() {
			if f.Item < 0 || f.FreeFrom == 0 {
				continue
			}
			if f.FreeFrom <= f.Day {
				t.Fatalf("free from day %d for day %d", f.FreeFrom, f.Day)
			}
			moved := stay(s.Itinerary.Length(), s.Offerings["op"], map[int]string{f.FreeFrom: f.PlaceID})
			for _, g := range moved.Check() {
				if g.Item >= 0 {
					t.Fatalf("day %d for %s: %s", f.FreeFrom, f.PlaceID, g.Message)
				}
			}
		}
	})
}

// A multi-day entry means the same as its days written out.
func TestSpansEqualSingleDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genStay(t)
		n := s.Itinerary.Length()
		place := rapid.SampledFrom([]string{"museum", "bazaar", "lake"}).Draw(t, "place")
		single, spanned := stay(n, s.Offerings["op"], nil), stay(n, s.Offerings["op"], nil)
		from := rapid.IntRange(3, n).Draw(t, "from")
		for day := from; day <= n; day++ {
			single.Itinerary.Days[day-1].Items = []Item{{Kind: ItemSight, PlaceID: place}}
		}
		spanned.Itinerary.Days = append(spanned.Itinerary.Days[:from-1], Day{From: from, To: n, Items: []Item{{Kind: ItemSight, PlaceID: place}}})
		if a, b := single.Check(), spanned.Check(); !slices.Equal(a, b) {
			t.Fatalf("single days %+v, span %+v", a, b)
		}
	})
}
