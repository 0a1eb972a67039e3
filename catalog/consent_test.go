package catalog_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// vaccination is a catalogue with one offering and one package around it.
func vaccination(t *testing.T, engine store.Engine) (*catalog.Catalog, catalog.Offering, catalog.Package) {
	t.Helper()
	c := open(t, engine)
	name := catalog.Text{"en": "x"}
	o := catalog.Offering{ID: "o", TreatmentID: "t", HospitalID: "h"}
	p := catalog.Package{ID: "p", AgencyID: "agency", OfferingIDs: []string{"o"}, Name: name, HotelAreaID: "area", Currency: "CNY",
		Itinerary: catalog.Itinerary{Days: []catalog.Day{{From: 1, To: 1, Items: []catalog.Item{
			{Kind: catalog.ItemMedical, OfferingID: "o", Step: catalog.StepProcedure, Text: name}}}}},
		Lines: []catalog.PriceLine{{ID: "l", Label: name, Payee: catalog.PayeeAgency, Due: catalog.DueOnArrival, Per: catalog.PerBooking,
			Amount: &catalog.Money{Amount: 100, Currency: "CNY"}}},
		Deposit: catalog.DepositRule{BasisPoints: 1000}}
	for _, err := range []error{
		publish(c.Treatments, catalog.Treatment{ID: "t", Name: name, Specialty: "s", ServiceType: catalog.Vaccination, BookingClass: catalog.Instant,
			Timeline: catalog.Timeline{Phases: []catalog.Phase{{Kind: catalog.PhaseProcedure, Days: catalog.Span{Min: 1, Max: 1}}}, FlyAfterDays: new(int)}}),
		publish(c.Hospitals, catalog.Hospital{ID: "h", Name: name, Ownership: catalog.Public}),
		publish(c.Organisations, catalog.Organisation{ID: "agency", Name: name, OrganisationKind: catalog.Agency}),
		publish(c.Places, catalog.Place{ID: "area", Name: name, PlaceKind: catalog.PlaceKindHotelArea, Position: &catalog.Position{Lat: 31, Lon: 121}}),
		publish(c.Offerings, o),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c, o, p
}

func publish[T catalog.Entity](r *catalog.Repo[T], v T) error {
	_, err := r.Publish(ctx, v, by)
	return err
}

// codes returns the codes of an error's fields.
func codes(err error) string {
	var f *fault.Error
	var out []string
	if errors.As(err, &f) {
		for _, field := range f.Fields {
			out = append(out, field.Code)
		}
	}
	return strings.Join(out, " ")
}

func TestPackagingBindsSubmission(t *testing.T) {
	c, o, p := vaccination(t, storetest.Open(t, storetest.SQLite(t)))
	for _, row := range []struct {
		packaging *catalog.Packaging
		want      string
	}{
		{nil, ""},
		{&catalog.Packaging{Rule: catalog.PackagingAll}, ""},
		{&catalog.Packaging{Rule: catalog.PackagingListed, AgencyIDs: []string{"agency", "other"}}, ""},
		{&catalog.Packaging{Rule: catalog.PackagingListed, AgencyIDs: []string{"other"}}, "packaging"},
		{&catalog.Packaging{Rule: catalog.PackagingOnRequest}, "consent"},
	} {
		o.Packaging = row.packaging
		if err := publish(c.Offerings, o); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Packages.Save(ctx, p, by); err != nil {
			t.Fatalf("a draft is refused: %v", err)
		}
		err := c.Packages.Move(ctx, "p", catalog.Submitted, by)
		if got := codes(err); got != row.want || (err == nil) != (row.want == "") {
			t.Errorf("%+v: %v, want %q", row.packaging, err, row.want)
		}
	}
	o.Packaging = &catalog.Packaging{Rule: catalog.PackagingListed}
	if err := publish(c.Offerings, o); !fault.Is(err, fault.Invalid) {
		t.Errorf("a list without agencies: %v", err)
	}
}

func TestConsent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		c, o, p := vaccination(t, engine)
		if _, err := c.Packages.Save(ctx, p, by); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AskConsent(ctx, "p", "o", by); !fault.Is(err, fault.Invalid) {
			t.Errorf("asked where nobody need ask: %v", err)
		}
		o.Packaging = &catalog.Packaging{Rule: catalog.PackagingOnRequest}
		if err := publish(c.Offerings, o); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AnswerConsent(ctx, "o", "p", true, by); !fault.Is(err, fault.NotFound) {
			t.Errorf("answered what nobody asked: %v", err)
		}
		state := func(want catalog.ConsentState) {
			t.Helper()
			for _, s := range []catalog.ConsentState{catalog.ConsentAsked, catalog.ConsentGiven, catalog.ConsentRefused} {
				for _, f := range []catalog.ConsentFilter{{HospitalID: "h", State: s}, {AgencyID: "agency", State: s}} {
					page, err := c.Consents(ctx, f, 10, "")
					if err != nil {
						t.Fatal(err)
					}
					if found := slices.ContainsFunc(page.Items, func(r store.Record[catalog.Consent]) bool { return r.Value.PackageID == "p" }); found != (s == want) {
						t.Errorf("%+v: found %v, want it to be %s", f, found, want)
					}
				}
			}
			if err := c.Packages.Move(ctx, "p", catalog.Submitted, by); (err == nil) != (want == catalog.ConsentGiven) {
				t.Errorf("%s: submission: %v", want, err)
			}
		}
		ask := func() {
			t.Helper()
			if _, err := c.AskConsent(ctx, "p", "o", by); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		state(catalog.ConsentAsked)
		if _, err := c.AnswerConsent(ctx, "o", "p", false, catalog.Edit{Author: "hospital"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("refused without a reason: %v", err)
		}
		if _, err := c.AnswerConsent(ctx, "o", "p", false, by); err != nil {
			t.Fatal(err)
		}
		state(catalog.ConsentRefused)
		ask()
		state(catalog.ConsentAsked)
		if _, err := c.AnswerConsent(ctx, "o", "p", true, by); err != nil {
			t.Fatal(err)
		}
		ask()
		state(catalog.ConsentGiven)
	})
}

func TestSubmissionRefusesPromises(t *testing.T) {
	c, o, _ := vaccination(t, storetest.Open(t, storetest.SQLite(t)))
	o.Summary = catalog.Text{"en": "A cure is guaranteed."}
	if _, err := c.Offerings.Save(ctx, o, by); err != nil {
		t.Fatalf("a draft may hold anything: %v", err)
	}
	if err := c.Offerings.Move(ctx, "o", catalog.Submitted, by); codes(err) != "lint-guarantee" {
		t.Errorf("submitted with a promise: %v", err)
	}
	o.Summary = catalog.Text{"en": "The injection takes a minute."}
	if _, err := c.Offerings.Save(ctx, o, by); err != nil {
		t.Fatal(err)
	}
	if err := c.Offerings.Move(ctx, "o", catalog.Submitted, by); err != nil {
		t.Errorf("a plain text is refused: %v", err)
	}
}

func TestPriceByTier(t *testing.T) {
	money := func(amount int64) catalog.Money { return catalog.Money{Amount: amount, Currency: "CNY"} }
	tier := func(amount catalog.Money) catalog.PriceTier {
		return catalog.PriceTier{Label: catalog.Text{"en": "x"}, Amount: amount}
	}
	source := catalog.Source{Address: "https://hospital.example/prices", Grade: catalog.GradeHospital}
	for _, row := range []struct {
		price catalog.Price
		ok    bool
	}{
		{catalog.Price{Model: catalog.PriceByTier, Tiers: []catalog.PriceTier{tier(money(300)), tier(money(200))}, AsOf: "2026-01-01", Source: source}, true},
		{catalog.Price{Model: catalog.PriceByTier, AsOf: "2026-01-01", Source: source}, false},
		{catalog.Price{Model: catalog.PriceByTier, Tiers: []catalog.PriceTier{tier(money(300))}, Source: source}, false},
		{catalog.Price{Model: catalog.PriceByTier, Tiers: []catalog.PriceTier{tier(money(300))}, AsOf: "2026-01-01"}, false},
		{catalog.Price{Model: catalog.PriceByTier, Tiers: []catalog.PriceTier{tier(money(300)), tier(catalog.Money{Amount: 1, Currency: "USD"})}, AsOf: "2026-01-01", Source: source}, false},
		{catalog.Price{Model: catalog.PriceOnRequest, Tiers: []catalog.PriceTier{tier(money(300))}, AsOf: "2026-01-01", Source: source}, false},
		{catalog.Price{Model: catalog.PriceOnRequest}, true},
	} {
		o := catalog.Offering{ID: "o", TreatmentID: "t", HospitalID: "h", Price: &row.price}
		if err := o.Validate(); (err == nil) != row.ok {
			t.Errorf("%+v: %v", row.price, err)
		}
	}
	p := catalog.Price{Model: catalog.PriceByTier, Tiers: []catalog.PriceTier{tier(money(300)), tier(money(200)), tier(money(250))}}
	if low := p.Lowest(); low == nil || *low != money(200) {
		t.Errorf("lowest of the tiers: %v", low)
	}
	if (*catalog.Price)(nil).Lowest() != nil {
		t.Error("no price has a lowest amount")
	}
}
