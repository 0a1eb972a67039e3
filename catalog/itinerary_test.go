package catalog

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// letters writes an itinerary with one letter for every item and a bar between
// blocks of days alike: "a|bc×3".
func letters(it Itinerary) string {
	var out []string
	for _, d := range it.Days {
		s := ""
		for _, item := range d.Items {
			s += item.Text["en"]
		}
		if n := d.To - d.From + 1; n > 1 {
			s += "×" + string(rune('0'+n))
		}
		out = append(out, s)
	}
	return strings.Join(out, "|")
}

func letter(s string) Item { return Item{Kind: ItemRest, Text: Text{"en": s}} }

func TestItineraryEdits(t *testing.T) {
	it := dayList{{letter("a")}, {letter("b"), letter("c")}, {letter("b"), letter("c")}, {letter("b"), letter("c")}, {letter("d")}}.itinerary()
	before := letters(it)
	for _, tt := range []struct {
		name string
		got  Itinerary
		want string
	}{
		{"as it is", it, "a|bc×3|d"},
		{"a day in front", it.WithDays(1, 1, letter("x")), "x|a|bc×3|d"},
		{"days at the end", it.WithDays(6, 2, letter("x")), "a|bc×3|d|x×2"},
		{"a day like its neighbours joins them", it.WithDays(3, 1, letter("b"), letter("c")), "a|bc×4|d"},
		{"no days", it.WithDays(2, 0, letter("x")), "a|bc×3|d"},
		{"a block out", it.WithoutDays(2, 4), "a|d"},
		{"a day of a block out", it.WithoutDays(3, 3), "a|bc×2|d"},
		{"not the last day", it.WithoutDays(1, 5), "a|bc×3|d"},
		{"an item to a day of a block", it.WithItem(3, 3, letter("x")), "a|bc|bcx|bc|d"},
		{"an item to a whole block", it.WithItem(2, 4, letter("x")), "a|bcx×3|d"},
		{"an item out", it.WithoutItem(2, 4, 0), "a|c×3|d"},
		{"an item that is not there", it.WithoutItem(2, 4, 7), "a|bc×3|d"},
		{"an item to another day", it.WithItemAt(1, 0, 5), "|bc×3|da"},
		{"up within the block", it.WithItemUp(2, 4, 1), "a|cb×3|d"},
		{"up to the day before", it.WithItemUp(2, 4, 0), "ab|c|bc×2|d"},
		{"up from the first day", it.WithItemUp(1, 1, 0), "a|bc×3|d"},
		{"down to the day after", it.WithItemDown(2, 4, 1), "a|bc×2|b|dc"},
		{"down from the last day", it.WithItemDown(5, 5, 0), "a|bc×3|d"},
		{"days that are not there", it.WithItemUp(4, 9, 0), "a|bc×3|d"},
	} {
		if got := letters(tt.got); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if letters(it) != before {
			t.Fatalf("%s changed the itinerary it was given", tt.name)
		}
	}
}

// timelines draws timelines of any shape that Validate takes.
func timelines() *rapid.Generator[Timeline] {
	return rapid.Custom(func(t *rapid.T) Timeline {
		var tl Timeline
		for _, kind := range []PhaseKind{PhaseWorkup, PhaseProcedure, PhaseAdmission, PhaseRestricted, PhaseGentle} {
			if !rapid.Bool().Draw(t, string(kind)) {
				continue
			}
			low := rapid.IntRange(0, 6).Draw(t, "min")
			p := Phase{Kind: kind, Days: Span{low, low + rapid.IntRange(0, 6).Draw(t, "more")}}
			if kind != PhaseWorkup {
				p.MaxExertion = rapid.SampledFrom([]Exertion{"", ExertionRest, ExertionSeated, ExertionShortWalk}).Draw(t, "exertion")
				p.Avoid = rapid.SliceOfNDistinct(rapid.SampledFrom(Hazards), 0, 3, rapid.ID).Draw(t, "avoid")
			}
			tl.Phases = append(tl.Phases, p)
		}
		if rapid.Bool().Draw(t, "rule") {
			n := rapid.IntRange(0, 30).Draw(t, "fly after")
			tl.FlyAfterDays = &n
		}
		return tl
	})
}

// What is laid out for an agency to start from passes the recovery check,
// whatever the timelines, and is complete.
func TestPlanStayPassesTheCheck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		offerings := map[string]Timeline{}
		ids := []string{"one", "two", "three"}[:rapid.IntRange(1, 3).Draw(t, "offerings")]
		for _, id := range ids {
			offerings[id] = timelines().Draw(t, id)
		}
		s := Stay{Itinerary: PlanStay(ids, offerings), Offerings: offerings}
		if findings := s.Check(); len(findings) > 0 {
			t.Fatalf("%+v", findings)
		}
		p := examplePackage()
		p.Itinerary = s.Itinerary
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		last := s.Itinerary.Days[len(s.Itinerary.Days)-1].Items
		if last[len(last)-1].Kind != ItemFlight {
			t.Fatal("the stay does not end with the flight home")
		}
	})
}

// examplePackage is a package that Validate takes.
func examplePackage() Package {
	return Package{ID: "example", AgencyID: "agency", OfferingIDs: []string{"one"}, Name: Text{"en": "Example"}, HotelAreaID: "area",
		Itinerary: Itinerary{Days: []Day{{From: 1, To: 1}}}, Currency: "CNY", Deposit: DepositRule{BasisPoints: 2000},
		Lines: []PriceLine{{ID: "line", Label: Text{"en": "Line"}, Payee: PayeeAgency, Due: DueOnArrival, Per: PerBooking, Amount: &Money{100, "CNY"}}}}
}

// From every plan, however bad, remedies lead to one that passes: each finding
// has one, each remedy makes things better, and they come to an end.
func TestRemediesLeadToAPlanThatPasses(t *testing.T) {
	names := []string{"museum", "bazaar", "park", "lake", "hills", "town", "island", "lost"}
	rapid.Check(t, func(t *rapid.T) {
		s := Stay{Offerings: map[string]Timeline{"op": timelines().Draw(t, "timeline")}, Places: testPlaces, Base: &Position{Lat: 31.2, Lon: 121.44}}
		days := make(dayList, rapid.IntRange(1, 12).Draw(t, "days"))
		for i := range days {
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				days[i] = append(days[i], rapid.Custom(func(t *rapid.T) Item {
					kind := rapid.SampledFrom([]ItemKind{ItemSight, ItemMeal, ItemFlight, ItemMedical, ItemRest}).Draw(t, "kind")
					item := Item{Kind: kind, Text: Text{"en": "x"}}
					switch kind {
					case ItemSight, ItemMeal:
						item.PlaceID = rapid.SampledFrom(names).Draw(t, "place")
					case ItemMedical:
						item.OfferingID, item.Step = "op", rapid.SampledFrom([]Step{StepWorkup, StepProcedure, StepWard, StepCheck}).Draw(t, "step")
					}
					return item
				}).Draw(t, "item"))
			}
		}
		s.Itinerary = days.itinerary()
		for n := 0; ; n++ {
			findings := s.Check()
			if len(findings) == 0 {
				return
			}
			remedies := s.Remedies(findings[0])
			if len(remedies) == 0 {
				t.Fatalf("nothing mends %+v of %+v", findings[0], s.Itinerary)
			}
			if n > 100 {
				t.Fatalf("no end: %+v, %+v", findings[0], remedies[0])
			}
			s.Itinerary = s.Itinerary.With(remedies[0])
		}
	})
}

func TestRemedies(t *testing.T) {
	long := surgery()
	for _, tt := range []struct {
		name string
		stay Stay
		want []Remedy
	}{
		{"an outing that a later day allows", stay(13, surgery(), map[int]string{9: "lake"}),
			[]Remedy{{Kind: RemedyMove, FromDay: 9, Day: 12}, {Kind: RemedyMove, FromDay: 9, Day: 13}, {Kind: RemedyRemove, FromDay: 9}}},
		{"an outing that no later day allows goes before the operation", stay(9, surgery(), map[int]string{8: "lake"}),
			[]Remedy{{Kind: RemedyMove, FromDay: 8, Day: 1}, {Kind: RemedyRemove, FromDay: 8}}},
		{"an end before the flight is allowed", stay(7, long, nil),
			[]Remedy{{Kind: RemedyAddDays, OfferingID: "op", Day: 7, Days: 2}}},
	} {
		findings := tt.stay.Check()
		if len(findings) == 0 {
			t.Fatalf("%s: no finding", tt.name)
		}
		got := tt.stay.Remedies(findings[0])
		for i := range got {
			if got[i].Kind == RemedyMove || got[i].Kind == RemedyRemove {
				got[i].Item = 0 // the medical items stand before the outing on some days
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestBaseOn(t *testing.T) {
	s := stay(6, Timeline{}, nil)
	far := Place{ID: "area", PlaceKind: PlaceKindHotelArea, Position: &Position{Lat: 30.25, Lon: 120.16}}
	s.Places = map[string]Place{"area": far, "town": testPlaces["town"]}
	s.Itinerary.Days[3].Items = []Item{{Kind: ItemHotel, PlaceID: "area"}}
	for day, want := range map[int]*Position{1: s.Base, 3: s.Base, 4: far.Position, 6: far.Position} {
		if got := s.BaseOn(day); got != want {
			t.Errorf("day %d: nights at %v, want %v", day, got, want)
		}
	}
}

// What Outing says of a visit is what the check says once it is planned.
func TestOutingForetellsTheCheck(t *testing.T) {
	plan := map[int]string{5: "museum", 8: "park"}
	for name, place := range testPlaces {
		for day := 1; day <= 13; day++ {
			s := stay(13, surgery(), plan)
			before := s.Check()
			foretold := s.Outing(day, place)
			s.Itinerary = s.Itinerary.WithItem(day, day, Item{Kind: ItemSight, PlaceID: name})
			if got := len(s.Check()) - len(before); got != len(foretold) {
				t.Errorf("%s on day %d: %d findings more, foretold %+v", name, day, got, foretold)
			}
		}
	}
	if got := stay(13, surgery(), plan).Outing(14, testPlaces["museum"]); got != nil {
		t.Errorf("on a day that is not there: %+v", got)
	}
}

func TestStandardsAreComplete(t *testing.T) {
	s := Standards()
	texts := map[string]Text{}
	for _, it := range s.Items {
		texts["item "+it.ID] = it.Text
	}
	for _, l := range s.Lines {
		texts["line "+l.ID] = l.Label
	}
	for _, r := range s.Rooms {
		texts["room "+r.ID] = r.Name
	}
	for _, text := range append(slices.Clone(s.Inclusions), s.Exclusions...) {
		texts[text["en"]] = text
	}
	for name, text := range texts {
		if missing := text.Missing(); len(missing) > 0 {
			t.Errorf("%s is missing in %v", name, missing)
		}
	}
	for _, step := range []Step{StepWorkup, StepProcedure, StepWard, StepCheck} {
		if item := s.Item(string(step)); item.Kind != ItemMedical || item.Step != step {
			t.Errorf("the item of the step %s is %+v", step, item)
		}
	}
	for _, sp := range s.Policies {
		p := examplePackage()
		p.Policy = sp.Policy
		if err := p.Validate(); err != nil {
			t.Errorf("policy %s: %v", sp.ID, err)
		}
		if got := s.PolicyID(sp.Policy); got != sp.ID {
			t.Errorf("policy %s is taken for %q", sp.ID, got)
		}
	}
	if got := s.PolicyID(Policy{}); got != "" {
		t.Errorf("a policy of one's own is taken for %q", got)
	}
}
