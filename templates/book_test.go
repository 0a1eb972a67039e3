package templates

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func testPage(lang string) Page {
	return Page{Locale: LocaleFor(lang), Asset: func(name string) string { return name },
		Convert: func(m catalog.Money, _ string) (catalog.Money, bool) { return m, true }}
}

func TestPolicySteps(t *testing.T) {
	q := checkout.Quote{Start: day("2027-01-31"), Deposit: catalog.Money{Amount: 10_000, Currency: "USD"},
		Policy: catalog.Policy{Tiers: []catalog.Tier{{DaysBefore: 30, RefundBasisPoints: 10_000}, {DaysBefore: 7, RefundBasisPoints: 2_500}}}}
	for _, c := range []struct {
		today string
		want  []string
	}{
		{"2026-12-01", []string{"Until 1 January 2027: 100% of the deposit comes back (USD 100.00).",
			"From 2 January 2027 to 24 January 2027: 25% of the deposit comes back (USD 25.00).", "From 25 January 2027: nothing comes back."}},
		{"2027-01-01", []string{"Until 1 January 2027: 100% of the deposit comes back (USD 100.00).",
			"From 2 January 2027 to 24 January 2027: 25% of the deposit comes back (USD 25.00).", "From 25 January 2027: nothing comes back."}},
		{"2027-01-02", []string{"Until 24 January 2027: 25% of the deposit comes back (USD 25.00).", "From 25 January 2027: nothing comes back."}},
		{"2027-01-25", []string{"Nothing comes back."}},
	} {
		var got []string
		for _, s := range policySteps(q, day(c.today)) {
			got = append(got, strings.ReplaceAll(policyText(testPage("en"), s), "\u00a0", " "))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("on %s:\n%s\nwant\n%s", c.today, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestPolicyStepsAgreeWithPolicy draws policies and days: what the page
// promises for a day is what the policy pays on it.
func TestPolicyStepsAgreeWithPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := day("2027-06-01")
		var tiers []catalog.Tier
		before := 120
		for range rapid.IntRange(0, 4).Draw(t, "tiers") {
			before -= rapid.IntRange(1, 29).Draw(t, "gap")
			tiers = append(tiers, catalog.Tier{DaysBefore: max(before, 0), RefundBasisPoints: rapid.Int64Range(0, 10_000).Draw(t, "share")})
		}
		q := checkout.Quote{Start: start, Deposit: catalog.Money{Amount: 50_000, Currency: "EUR"}, Policy: catalog.Policy{Tiers: tiers}}
		today := start.AddDate(0, 0, -rapid.IntRange(0, 150).Draw(t, "days before"))
		steps := policySteps(q, today)
		when := today.AddDate(0, 0, rapid.IntRange(0, 150).Draw(t, "later"))
		if when.After(start) {
			when = start
		}
		i := slices.IndexFunc(steps, func(s PolicyStep) bool {
			return !when.Before(s.From) && (s.Until.IsZero() || !when.After(s.Until))
		})
		if i < 0 || steps[i].Share != q.Policy.RefundShare(when, start) {
			t.Fatalf("on %s the page promises %v of %v, the policy pays %d", when.Format(time.DateOnly), i, steps, q.Policy.RefundShare(when, start))
		}
	})
}

// stay is four days: examination, procedure with a night on the ward, strict
// rest, gentle.
func stay() catalog.Stay {
	fly := 2
	medical := func(step catalog.Step) catalog.Item {
		return catalog.Item{Kind: catalog.ItemMedical, OfferingID: "x", Step: step, Text: catalog.Text{"en": string(step)}}
	}
	return catalog.Stay{
		Itinerary: catalog.Itinerary{Days: []catalog.Day{
			{From: 1, To: 1, Items: []catalog.Item{medical(catalog.StepWorkup)}},
			{From: 2, To: 2, Items: []catalog.Item{medical(catalog.StepProcedure)}},
			{From: 3, To: 4, Items: []catalog.Item{{Kind: catalog.ItemRest, Text: catalog.Text{"en": "rest"}}}},
			{From: 5, To: 6, Items: []catalog.Item{{Kind: catalog.ItemSight, PlaceID: "tea"}}},
		}},
		Offerings: map[string]catalog.Timeline{"x": {FlyAfterDays: &fly, Phases: []catalog.Phase{
			{Kind: catalog.PhaseWorkup, Days: catalog.Span{Min: 1, Max: 1}},
			{Kind: catalog.PhaseProcedure, Days: catalog.Span{Min: 1, Max: 1}, MaxExertion: catalog.ExertionRest},
			{Kind: catalog.PhaseAdmission, Days: catalog.Span{Max: 1}, MaxExertion: catalog.ExertionRest},
			{Kind: catalog.PhaseRestricted, Days: catalog.Span{Min: 1, Max: 1}, MaxExertion: catalog.ExertionSeated, Avoid: []catalog.Hazard{catalog.HazardCrowds}},
			{Kind: catalog.PhaseGentle, Days: catalog.Span{Min: 1, Max: 1}, Avoid: []catalog.Hazard{catalog.HazardWater}},
		}}},
		Places: map[string]catalog.Place{"tea": {ID: "tea", Name: catalog.Text{"en": "Tea house"}, Position: &catalog.Position{Lat: 31.2, Lon: 121.44}}},
		Base:   &catalog.Position{Lat: 31.2, Lon: 121.43},
	}
}

func TestStripAndDays(t *testing.T) {
	names := map[string]catalog.Text{"x": {"en": "Lens surgery"}}
	strip := Strip(stay().LayOut())
	want := []Segment{{"workup", 1, 1}, {"procedure", 2, 2}, {"admission", 3, 3}, {"restricted", 4, 4}, {"gentle", 5, 5}, {"free", 6, 6}}
	if !slices.Equal(strip, want) {
		t.Errorf("the strip is %v, want %v", strip, want)
	}
	if got := stripText(testPage("en"), strip[:2]); got != "Day 1: Examinations; Day 2: Procedure" {
		t.Errorf("the strip says %q", got)
	}
	days := Days(stay(), names, day("2026-12-30"))
	if d := days[2]; !d.Quiet || len(d.Reasons) != 2 || d.Reasons[0].Phase != catalog.PhaseAdmission || d.Reasons[1].Avoid[0] != catalog.HazardCrowds {
		t.Errorf("days 3–4: %+v", d)
	}
	if got := days[2].dates(testPage("en")); got != "Fri 1 Jan – Sat 2 Jan" {
		t.Errorf("days 3–4 are %q", got)
	}
	if d := days[3]; d.Quiet || len(d.Reasons) != 1 || d.Reasons[0].From != 5 || d.Reasons[0].To != 5 || d.Items[0].Text.Get("en") != "Tea house" {
		t.Errorf("days 5–6: %+v", d)
	}
	if d := days[0]; d.Quiet || len(d.Reasons) != 0 || d.dates(testPage("en")) != "Wed 30 Dec" {
		t.Errorf("day 1: %+v", d)
	}
}

// TestStripFillsItsWidth: whatever the days, the boxes stand side by side from
// one edge to the other, in both directions of writing.
func TestStripFillsItsWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var strip []Segment
		next := 1
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 60), 1, 12).Draw(t, "days") {
			strip = append(strip, Segment{Kind: segmentFree, From: next, To: next + n - 1})
			next += n
		}
		for _, lang := range []string{"en", "ar"} {
			sum, seen := 0.0, map[string]bool{}
			for _, b := range boxes(testPage(lang), strip) {
				w := percentage(t, b.Width)
				sum += w
				if x := percentage(t, b.X); x < -0.01 || x+w > 100.01 || seen[b.X] {
					t.Fatalf("%s: a box from %s, %s wide", lang, b.X, b.Width)
				}
				seen[b.X] = true
			}
			if math.Abs(sum-100) > 0.1 {
				t.Fatalf("%s: the boxes are %f %% wide", lang, sum)
			}
		}
	})
}

func percentage(t *rapid.T, percent string) float64 {
	var x float64
	if err := json.Unmarshal([]byte(strings.TrimSuffix(percent, "%")), &x); err != nil {
		t.Fatalf("%q is no percentage", percent)
	}
	return x
}

func TestRefusals(t *testing.T) {
	near := &catalog.Position{Lat: 31.21, Lon: 121.43}
	places := []catalog.Place{
		{ID: "market", Name: catalog.Text{"en": "Market"}, PlaceKind: "market", Position: near, Exertion: catalog.ExertionShortWalk, Hazards: []catalog.Hazard{catalog.HazardCrowds}},
		{ID: "pool", Name: catalog.Text{"en": "Pool"}, PlaceKind: "pool", Position: near, Exertion: catalog.ExertionSeated, Hazards: []catalog.Hazard{catalog.HazardWater}},
		{ID: "far", Name: catalog.Text{"en": "Far"}, PlaceKind: "park", Position: &catalog.Position{Lat: 30, Lon: 120}, Exertion: catalog.ExertionSeated, Hazards: []catalog.Hazard{catalog.HazardCrowds}},
		{ID: "nowhere", Name: catalog.Text{"en": "Nowhere"}, PlaceKind: "park", Exertion: catalog.ExertionSeated, Hazards: []catalog.Hazard{catalog.HazardCrowds}},
	}
	got := Refusals(stay(), map[string]catalog.Text{"x": {"en": "Lens surgery"}}, places, 3)
	if len(got) != 1 {
		t.Fatalf("%d refusals, want the market alone: %+v", len(got), got)
	}
	r := got[0]
	if r.Day != 4 || r.Phase != catalog.PhaseRestricted || r.Exertion != catalog.ExertionShortWalk || !slices.Equal(r.Hazards, []catalog.Hazard{catalog.HazardCrowds}) || r.FreeFrom != 5 {
		t.Errorf("the market: %+v", r)
	}
	if got := r.against(testPage("en")); got != "short walks, crowds" {
		t.Errorf("against it: %q", got)
	}
	free := stay()
	free.Offerings = map[string]catalog.Timeline{"x": {Phases: []catalog.Phase{{Kind: catalog.PhaseProcedure, Days: catalog.Span{Min: 1, Max: 1}}}}}
	if got := Refusals(free, nil, places, 3); len(got) != 0 {
		t.Errorf("a stay without quiet days refuses %+v", got)
	}
}

// TestSketchStaysOnThePaper draws positions over the whole delta.
func TestSketchStaysOnThePaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hotel := catalog.Place{Position: &catalog.Position{Lat: 31.2, Lon: 121.4}}
		var places []catalog.Place
		for range rapid.IntRange(0, 25).Draw(t, "places") {
			pl := catalog.Place{}
			if rapid.Bool().Draw(t, "known") {
				pl.Position = &catalog.Position{Lat: rapid.Float64Range(30, 32).Draw(t, "lat"), Lon: rapid.Float64Range(120, 122.5).Draw(t, "lon")}
			}
			places = append(places, pl)
		}
		s := NewSketch(hotel, nil, places)
		if len(s.Spots)+len(s.Unknown) != len(places) {
			t.Fatalf("%d spots and %d unknown of %d", len(s.Spots), len(s.Unknown), len(places))
		}
		for i, sp := range s.Spots {
			if !(sp.X >= 0 && sp.X <= SketchWidth && sp.Y >= 0 && sp.Y <= SketchHeight) || sp.Number != i+1 {
				t.Fatalf("spot %d at %f, %f", sp.Number, sp.X, sp.Y)
			}
		}
	})
}

func TestSketchPartsDots(t *testing.T) {
	at := &catalog.Position{Lat: 31.2, Lon: 121.4}
	s := NewSketch(catalog.Place{Position: at}, []catalog.Hospital{{Position: at}}, []catalog.Place{{Position: at}, {Position: at}})
	for i, a := range s.Spots {
		if d := math.Hypot(a.X-SketchWidth/2, a.Y-SketchHeight/2); d < sketchDot-1 {
			t.Errorf("dot %d covers the hotel", a.Number)
		}
		for _, b := range s.Spots[:i] {
			if math.Hypot(a.X-b.X, a.Y-b.Y) < sketchDot-1 {
				t.Errorf("dots %d and %d cover each other", a.Number, b.Number)
			}
		}
	}
}

func TestWaits(t *testing.T) {
	usd := func(n int64) catalog.Money { return catalog.Money{Amount: n, Currency: "USD"} }
	now := day("2026-12-01")
	q := checkout.Quote{Deposit: usd(100), Lines: []checkout.QuoteLine{{ID: "bill"}}, Start: day("2027-01-31"),
		Policy: catalog.Policy{Tiers: []catalog.Tier{{DaysBefore: 30, RefundBasisPoints: 10_000}}}}
	closed, soon := &checkout.ClosedDeparture{Until: now.Add(time.Hour)}, now.Add(time.Hour)
	sent := func(at time.Time) []checkout.RefundRecord {
		return []checkout.RefundRecord{{Amount: usd(50), Status: checkout.RefundSucceeded, Changed: at}}
	}
	for name, c := range map[string]struct {
		b    checkout.Booking
		want []string
	}{
		"holding":       {checkout.Booking{State: checkout.StateHolding}, []string{"pay"}},
		"bank at work":  {checkout.Booking{State: checkout.StateHolding, Attempts: []checkout.Attempt{{Status: checkout.AttemptPending}}}, []string{"bank"}},
		"awaiting":      {checkout.Booking{State: checkout.StateAwaiting}, []string{"hospital", "policy", "arrival", "bill"}},
		"asked":         {checkout.Booking{State: checkout.StateAwaiting, Question: &checkout.Question{}}, []string{"reply", "hospital_then", "policy", "arrival", "bill"}},
		"confirmed":     {checkout.Booking{State: checkout.StateConfirmed}, []string{"policy", "arrival", "bill"}},
		"free exit":     {checkout.Booking{State: checkout.StateConfirmed, FreeExitUntil: soon}, []string{"exit", "policy", "arrival", "bill"}},
		"exit over":     {checkout.Booking{State: checkout.StateConfirmed, FreeExitUntil: now}, []string{"policy", "arrival", "bill"}},
		"closed":        {checkout.Booking{State: checkout.StateConfirmed, Closed: closed}, []string{"closed"}},
		"closed, ended": {checkout.Booking{State: checkout.StateCancelled, Closed: closed}, nil},
		"moving":        {checkout.Booking{State: checkout.StateConfirmed, Moving: &checkout.Quote{}}, []string{"moving", "policy", "arrival", "bill"}},
		"refunded":      {checkout.Booking{State: checkout.StateDeclined, Refunds: sent(now.AddDate(0, 0, -13))}, []string{"refund_sent"}},
		"long refunded": {checkout.Booking{State: checkout.StateDeclined, Refunds: sent(now.AddDate(0, 0, -15))}, nil},
		"expired":       {checkout.Booking{State: checkout.StateExpired}, nil},
		"refunding":     {checkout.Booking{State: checkout.StateDeclined, RefundPending: usd(100)}, []string{"refund"}},
		"refund failed": {checkout.Booking{State: checkout.StateCancelled, RefundPending: usd(100), RefundStatus: checkout.RefundFailed}, []string{"refund_failed"}},
		"disputed":      {checkout.Booking{State: checkout.StateCompleted, Disputes: []checkout.DisputeRecord{{Open: true}}}, []string{"dispute"}},
		"dispute over":  {checkout.Booking{State: checkout.StateCompleted, Disputes: []checkout.DisputeRecord{{}}}, nil},
	} {
		c.b.Quote = q
		var got []string
		for _, w := range waits(c.b, now) {
			got = append(got, w.Key)
			if !LocaleFor("en").Has("booking.waits."+w.Key) || w.Otherwise && !LocaleFor("en").Has("booking.otherwise."+w.Key) {
				t.Errorf("%s: there is no message of %s", name, w.Key)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestStateKey(t *testing.T) {
	for want, b := range map[string]checkout.Booking{
		"expired": {State: checkout.StateExpired, Reason: checkout.ReasonUnpaid}, "expired-full": {State: checkout.StateExpired, Reason: checkout.ReasonFull},
		"declined": {State: checkout.StateDeclined, Reason: "no bed"}, "declined-silence": {State: checkout.StateDeclined, Reason: checkout.ReasonSilence},
		"declined-incomplete": {State: checkout.StateDeclined, Reason: checkout.ReasonIncomplete}, "cancelled": {State: checkout.StateCancelled, Cause: catalog.CauseVisa},
		"cancelled-closed": {State: checkout.StateCancelled, Cause: checkout.CauseClosed, Closed: &checkout.ClosedDeparture{}},
		"departure-closed": {State: checkout.StateConfirmed, Closed: &checkout.ClosedDeparture{}}, "asked": {State: checkout.StateAwaiting, Question: &checkout.Question{}},
		"holding-pending": {State: checkout.StateHolding, Attempts: []checkout.Attempt{{Status: checkout.AttemptPending}}},
		"confirmed":       {State: checkout.StateConfirmed, Quote: checkout.Quote{BookingClass: catalog.OnAcceptance}}, "confirmed-instant": {State: checkout.StateConfirmed, Quote: checkout.Quote{BookingClass: catalog.Instant}},
	} {
		if got := stateKey(b); got != want {
			t.Errorf("%+v: %q, want %q", b.State, got, want)
		}
		for _, key := range []string{"booking.state." + pillKey(b), "booking.title." + want, "booking.text." + want} {
			if !LocaleFor("en").Has(key) {
				t.Errorf("there is no message %s", key)
			}
		}
	}
	for _, s := range checkout.States {
		for _, key := range []string{"booking.state.", "booking.title.", "booking.text."} {
			if !LocaleFor("en").Has(key + string(s)) {
				t.Errorf("there is no message %s%s", key, s)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	deposit, refund := catalog.Money{Amount: 10_000, Currency: "USD"}, catalog.Money{Amount: 5_000, Currency: "USD"}
	at := day("2026-12-01").Add(time.Hour)
	b := checkout.Booking{
		Quote:   checkout.Quote{Deposit: deposit, AnswerHours: 72},
		Refunds: []checkout.RefundRecord{{Number: 1, ID: "re_1", Amount: refund}},
		Timeline: []checkout.Entry{
			{Kind: checkout.EntryCreated}, {Kind: checkout.EntryPlaceClaimed}, {Kind: checkout.EntryAttempt}, {Kind: checkout.EntrySessionOpened},
			{Kind: checkout.EntryPaid, Amount: &deposit},
			{Kind: checkout.EntryReminded, To: checkout.ToHospital}, {Kind: checkout.EntryAsked, Text: "Since when?", Reason: "not for the patient", Until: at},
			{Kind: checkout.EntryReminded, To: checkout.ToPatient}, {Kind: checkout.EntryReplied, Text: "Since May."},
			{Kind: checkout.EntryEstimated, Amount: &deposit}, {Kind: checkout.EntryEstimated, Amount: &refund, Until: at},
			{Kind: checkout.EntryDepartureClosed, Reason: "too few"}, {Kind: checkout.EntryMoveAsked, Quote: &checkout.Quote{Start: day("2027-01-31")}},
			{Kind: checkout.EntryMoved}, {Kind: checkout.EntryPlaceReleased, StartKey: "old"},
			{Kind: checkout.EntryPayoutRequested, Amount: &deposit}, {Kind: checkout.EntryPayoutSent}, {Kind: checkout.EntryPayoutFailed},
			{Kind: checkout.EntryResolved, Method: "note"}, {Kind: checkout.EntryResolved, Method: "bank", Amount: &refund},
			{Kind: checkout.EntryDeclined, Reason: "no bed is free"}, {Kind: checkout.EntryDeclined, Reason: checkout.ReasonIncomplete},
			{Kind: checkout.EntryDeclined, Reason: checkout.ReasonSilence}, {Kind: checkout.EntryCancelled, Cause: catalog.CauseVisa, Amount: &refund},
			{Kind: checkout.EntryRefundRequested, Refund: 1, Amount: &refund}, {Kind: checkout.EntryRefundSent, Refund: 1, RefundID: "re_1", Status: "pending"},
			{Kind: checkout.EntryRefundUpdated, RefundID: "re_1", Status: "succeeded"}, {Kind: checkout.EntryRefundUpdated, RefundID: "re_1", Status: "succeeded"},
		},
	}
	var got []string
	for _, e := range events(testPage("en"), b) {
		got = append(got, strings.TrimSpace(strings.ReplaceAll(e.Text, "\u00a0", " ")+" "+e.Said))
	}
	want := []string{"You made the booking.", "A place was held for you.", "USD 100.00 was paid.",
		"The hospital was reminded to answer.", "The hospital asked you for more, to be answered by 1 December 2026, 09:00 Shanghai time. Since when?",
		"You were reminded to reply.", "You replied. Since May.", "The hospital gave an estimate: USD 100.00.",
		"The hospital raised its estimate to USD 50.00. You may leave with a full refund until 1 December 2026, 09:00 Shanghai time.",
		"The agency closed the departure. too few", "A move to 31 January 2027 was asked for.", "The booking was moved to 31 January 2027.",
		"The refund of USD 50.00 was paid by bank transfer.",
		"The hospital declined the case. no bed is free", "No reply came in time, so the case was closed.",
		"The hospital did not answer within 72 hours.", "The booking was cancelled (My visa was refused). USD 50.00 comes back.",
		"A refund of USD 50.00 was asked for.", "The refund of USD 50.00 is under way.", "The refund of USD 50.00 was sent."}
	if !slices.Equal(got, want) {
		t.Errorf("the history is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRefundShownBy(t *testing.T) {
	for sent, want := range map[string]string{"2026-11-23T00:00": "2026-12-07", "2026-11-20T15:59": "2026-12-04", "2026-11-20T16:00": "2026-12-04", "2026-11-22T16:00": "2026-12-07"} {
		at, err := time.Parse("2006-01-02T15:04", sent)
		if err != nil {
			t.Fatal(err)
		}
		if got := refundShownBy(at).Format(time.DateOnly); got != want {
			t.Errorf("sent %s: %s, want %s", sent, got, want)
		}
	}
}

func TestUTC(t *testing.T) {
	for at, want := range map[time.Duration]string{time.Hour: "01:00 UTC", 16 * time.Hour: "1 December 2026, 16:00 UTC"} {
		if got := LocaleFor("en").UTC(day("2026-12-01").Add(at)); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

func TestChangeOf(t *testing.T) {
	cny := func(n int64) *catalog.Money { return &catalog.Money{Amount: n, Currency: "CNY"} }
	b := checkout.Booking{AcceptedEstimate: cny(30_000), Estimates: []checkout.Estimate{{Amount: *cny(30_000)}, {Amount: *cny(42_000)}}}
	if c := changeOf(b); !c.Revised || c.Difference != *cny(12_000) || c.BasisPoints != 4_000 {
		t.Errorf("raised: %+v", c)
	}
	b.Estimates = append(b.Estimates, checkout.Estimate{Amount: *cny(29_700)})
	if c := changeOf(b); !c.Revised || c.Difference != *cny(-300) || c.BasisPoints != -100 {
		t.Errorf("lowered: %+v", c)
	}
	b.Estimates = b.Estimates[:1]
	if c := changeOf(b); c.Revised || c.Last != *cny(30_000) {
		t.Errorf("as it was: %+v", c)
	}
}

// TestMoveLines: the differences of the lines add up to that of the total.
func TestMoveLines(t *testing.T) {
	usd := func(n int64) *catalog.Money { return &catalog.Money{Amount: n, Currency: "USD"} }
	before := checkout.Quote{Choice: checkout.Choice{Currency: "USD"}, Lines: []checkout.QuoteLine{{ID: "hotel", Amount: usd(100)}, {ID: "tour", Amount: usd(20)}, {ID: "bill"}}}
	after := checkout.Quote{Choice: checkout.Choice{Currency: "USD"}, Lines: []checkout.QuoteLine{{ID: "hotel", Amount: usd(130)}, {ID: "bill"}, {ID: "gift", Amount: usd(5)}}}
	var got []int64
	for _, l := range moveLines(before, after) {
		got = append(got, l.Difference.Amount)
	}
	if !slices.Equal(got, []int64{30, 0, 5, -20}) {
		t.Errorf("the differences are %v", got)
	}
}

func TestLeft(t *testing.T) {
	now := day("2026-11-22")
	for left, want := range map[time.Duration]string{
		-time.Second: "the time is over", time.Second: "1 minute left", 59 * time.Minute: "59 minutes left", time.Hour: "1 hour left",
		72*time.Hour - time.Minute: "71 hours left", 5 * 24 * time.Hour: "5 days left",
	} {
		if got := LocaleFor("en").Left(now, now.Add(left)); got != want {
			t.Errorf("%s: %q, want %q", left, got, want)
		}
	}
}

func TestFieldErrors(t *testing.T) {
	fields := []fault.Field{{Name: "companions", Code: "range", Message: "m"}, {Name: "companion_names[1]", Code: "too_long", Message: "m"}, {Name: "odd", Code: "odd", Message: "said in English"}}
	got := FieldErrors(testPage("en"), fields, "max", "2")
	for i, want := range []string{"Choose between 0 and 2 companions.", "This is too long.", "said in English"} {
		if got[i].Message != want {
			t.Errorf("%s: %q, want %q", fields[i].Name, got[i].Message, want)
		}
	}
	if got.Of("companion_names[1]") == "" || got.Of("companion_names[0]") != "" {
		t.Error("a fault stands beside the wrong field")
	}
}

// TestNotSoldHasNoDeposit: whatever else is known, a treatment that is not
// sold never gets a way to pay.
func TestNotSoldHasNoDeposit(t *testing.T) {
	q := checkout.Quote{Total: catalog.MainUnits(100, "USD"), Deposit: catalog.MainUnits(20, "USD"), DueOnArrival: catalog.MainUnits(80, "USD")}
	for class, sold := range map[catalog.BookingClass]bool{catalog.Instant: true, catalog.OnAcceptance: true, catalog.EnquiryOnly: false, catalog.NeedsApproval: false, "": false} {
		v := PackageView{Class: class, Quote: &q, Starts: []checkout.StartLeft{{Start: catalog.Start{Key: "x_2027-01-01", Date: day("2027-01-01")}, Left: 2}}}
		var out bytes.Buffer
		if err := Package(testPage("en"), v).Render(context.Background(), &out); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "formaction"); got != sold {
			t.Errorf("%q: a way to pay: %t", class, got)
		}
	}
}
