package seed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/store/sqlite"
)

// presentments are the currencies in which every demo package can be paid.
var presentments = []string{"USD", "EUR", "GBP", "CNY", "AED", "RUB", "INR", "JPY"}

// demoCatalog loads the whole seed. Publishing runs the recovery check, so a
// package whose itinerary fails it would be among the errors.
func demoCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	engine, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := catalog.Open(t.Context(), engine, now)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Load(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range report.Errors {
		t.Error(e)
	}
	return c
}

func TestDemoPackagesArePublished(t *testing.T) {
	c := demoCatalog(t)
	list := read[catalog.Package](t, "packages.ndjson")
	if len(list) < 24 {
		t.Errorf("%d packages, want at least 24", len(list))
	}
	treatments, agencies := map[string]bool{}, map[string]bool{}
	for _, p := range list {
		if _, err := c.Packages.Get(t.Context(), p.ID); err != nil {
			t.Errorf("%s is not published: %v", p.ID, err)
		}
		if !p.Demo {
			t.Errorf("%s is not marked as demo", p.ID)
		}
		agencies[p.AgencyID] = true
		for _, id := range p.OfferingIDs {
			o, err := c.Offerings.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			treatment, err := c.Treatments.Get(t.Context(), o.TreatmentID)
			if err != nil {
				t.Fatal(err)
			}
			if !treatment.BookingClass.Sellable() {
				t.Errorf("%s sells %s, which is %s", p.ID, treatment.ID, treatment.BookingClass)
			}
			treatments[treatment.ID] = true
		}
		stay, err := c.Stay(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range stay.Check() {
			t.Errorf("%s day %d: %s: %s", p.ID, f.Day, f.Rule, f.Message)
		}
		// The day of departure is one on which the patient may fly.
		if fit := stay.FitToFly(); fit == 0 || fit > p.Itinerary.Length() {
			t.Errorf("%s ends on day %d, fit to fly on day %d", p.ID, p.Itinerary.Length(), fit)
		}
	}
	if len(treatments) < 10 {
		t.Errorf("packages over %d treatments, want at least 10", len(treatments))
	}
	if len(agencies) != 5 {
		t.Errorf("packages by %d agencies, want 5", len(agencies))
	}
	for id := range agencies {
		o, err := c.Organisations.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if o.OrganisationKind != catalog.Agency || !o.Demo {
			t.Errorf("%s: kind %s, demo %v; every agency of the seed is a demo agency", id, o.OrganisationKind, o.Demo)
		}
	}
}

func TestDemoPackagesNameNoHospitalPrice(t *testing.T) {
	for _, p := range read[catalog.Package](t, "packages.ndjson") {
		hospital := 0
		for _, l := range p.Lines {
			if l.Payee != catalog.PayeeHospital {
				continue
			}
			hospital++
			if l.Amount != nil || l.Due != catalog.DueAtHospital {
				t.Errorf("%s: line %s invents a hospital's price", p.ID, l.ID)
			}
		}
		if hospital != 1 {
			t.Errorf("%s has %d lines of the hospital, want 1", p.ID, hospital)
		}
	}
}

func TestDemoDepartures(t *testing.T) {
	series := map[string][]catalog.Departure{}
	for _, d := range read[catalog.Departure](t, "departures.ndjson") {
		if d.Rolling == nil {
			t.Errorf("%s has a date that will pass", d.ID)
		}
		series[d.PackageID] = append(series[d.PackageID], d)
	}
	for _, p := range read[catalog.Package](t, "packages.ndjson") {
		for _, day := range []time.Time{now(), now().AddDate(1, 0, 0)} {
			var starts []catalog.Start
			for _, d := range series[p.ID] {
				starts = append(starts, d.Starts(day)...)
			}
			if len(starts) == 0 {
				t.Errorf("%s cannot be booked on %s", p.ID, day.Format(time.DateOnly))
			}
			for _, s := range starts {
				if item := weekendAppointment(p, s.Date); item != "" {
					t.Errorf("start %s: %s falls on a weekend", s.Key, item)
					break
				}
			}
		}
	}
}

// weekendAppointment names an appointment that a start date would put on a
// Saturday or Sunday, when most outpatient departments are closed; empty where
// there is none. Days on the ward do not count.
func weekendAppointment(p catalog.Package, start time.Time) string {
	for _, d := range p.Itinerary.Days {
		for _, it := range d.Items {
			if it.Kind != catalog.ItemMedical || it.Step == catalog.StepWard {
				continue
			}
			for day := d.From; day <= d.To; day++ {
				if w := start.AddDate(0, 0, day-1).Weekday(); w == time.Sunday || w == time.Saturday {
					return fmt.Sprintf("day %d, %q,", day, it.Text["en"])
				}
			}
		}
	}
	return ""
}

func TestDemoDepositsInEveryCurrency(t *testing.T) {
	rates, err := Rates()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range read[catalog.Package](t, "packages.ndjson") {
		payable := append([]string{p.Currency}, p.Presentment...)
		for _, code := range presentments {
			if !slices.Contains(payable, code) {
				t.Errorf("%s cannot be paid in %s", p.ID, code)
			}
		}
		sum := catalog.Money{Currency: p.Currency}
		for _, l := range p.Lines {
			if l.Amount != nil && l.Due == catalog.DueOnArrival && l.Per == catalog.PerBooking {
				sum = sum.Add(*l.Amount)
			}
		}
		if len(p.Options.Rooms) < 2 || p.Options.Rooms[0].Surcharge.Amount != 0 {
			t.Errorf("%s: a choice of rooms is wanted, the first of them at the price of the lines", p.ID)
		}
		deposit := sum.Percent(p.Deposit.BasisPoints)
		for _, code := range payable {
			m, ok := rates.Convert(deposit, code)
			if !ok || m.Amount <= 0 || m.Amount%catalog.ChargeStep(code) != 0 {
				t.Errorf("%s: a deposit of %s is %s in %s", p.ID, deposit, m, code)
			}
		}
	}
}

func TestRatesAreSourced(t *testing.T) {
	rates, err := Rates()
	if err != nil {
		t.Fatal(err)
	}
	for code, r := range rates.Rates {
		date := r.Date
		if date == "" {
			date = rates.Date
		}
		if day, err := time.Parse(time.DateOnly, date); err != nil || day.After(now()) {
			t.Errorf("%s: date %q", code, date)
		}
		if r.Source == "" || !rates.Has(code) {
			t.Errorf("%s: %+v is not a rate with a source", code, r)
		}
	}
	// The pegs hold whatever the day.
	for code, want := range map[string]int64{"AED": 367250, "SAR": 375000} {
		if m, _ := rates.Convert(catalog.Money{Amount: 100_000, Currency: "USD"}, code); m.Amount != want {
			t.Errorf("USD 1000 is %s, want %d", m, want)
		}
	}
}

// TestDemoTexts: every text is there in all languages of the pages and
// promises nothing.
func TestDemoTexts(t *testing.T) {
	check := func(where string, text catalog.Text) {
		t.Helper()
		if missing := text.Missing(); len(missing) > 0 {
			t.Errorf("%s is missing in %v", where, missing)
		}
		for lang, s := range text {
			if pattern, ok := banned[lang]; ok && pattern.MatchString(s) {
				t.Errorf("%s in %s: %q has %q", where, lang, s, pattern.FindString(s))
			}
		}
	}
	for _, o := range read[catalog.Organisation](t, "organisations.ndjson") {
		check(o.ID+" name", o.Name)
		check(o.ID+" summary", o.Summary)
	}
	for _, p := range read[catalog.Package](t, "packages.ndjson") {
		check(p.ID+" name", p.Name)
		check(p.ID+" summary", p.Summary)
		for lang, summary := range p.Summary {
			if !strings.Contains(summary, strconv.Itoa(p.Itinerary.Length())) {
				t.Errorf("%s in %s: the summary does not say how many days it takes: %q", p.ID, lang, summary)
			}
		}
		for _, d := range p.Itinerary.Days {
			for i, it := range d.Items {
				check(fmt.Sprintf("%s day %d item %d", p.ID, d.From, i), it.Text)
			}
		}
		for i, text := range slices.Concat(p.Inclusions, p.Exclusions) {
			check(fmt.Sprintf("%s inclusion %d", p.ID, i), text)
		}
		for _, l := range p.Lines {
			check(p.ID+" line "+l.ID, l.Label)
		}
		for _, r := range p.Options.Rooms {
			check(p.ID+" room "+r.ID, r.Name)
		}
	}
}
