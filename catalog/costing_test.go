package catalog_test

import (
	"slices"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func TestCosting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		c := open(t, engine)
		if got, err := c.Costing(ctx, "a"); err != nil || len(got.Costs) > 0 {
			t.Fatalf("a costing that nobody made: %v, %v", got, err)
		}
		for _, amount := range []int64{100, 250} {
			v := catalog.Costing{Costs: map[string]catalog.Money{"hotel": {Amount: amount, Currency: "CNY"}}}
			if err := c.SaveCosting(ctx, "a", v); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Costing(ctx, "a"); err != nil || got.Costs["hotel"].Amount != amount {
				t.Fatalf("got %v, %v, want %d", got, err, amount)
			}
		}
	})
}

func TestMargin(t *testing.T) {
	line := func(id string, payee catalog.Payee, per catalog.Per, amount int64) catalog.PriceLine {
		l := catalog.PriceLine{ID: id, Payee: payee, Per: per}
		if amount > 0 {
			l.Amount = &catalog.Money{Amount: amount, Currency: "CNY"}
		}
		return l
	}
	p := catalog.Package{Currency: "CNY", Lines: []catalog.PriceLine{
		line("service", catalog.PayeeAgency, catalog.PerBooking, 1000),
		line("hotel", catalog.PayeeHotel, catalog.PerBooking, 500),
		line("companion", catalog.PayeeAgency, catalog.PerCompanion, 300),
		line("platform", catalog.PayeePlatform, catalog.PerBooking, 50),
		line("hospital", catalog.PayeeHospital, catalog.PerBooking, 0),
	}}
	costs := func(currency string) catalog.Costing {
		return catalog.Costing{Costs: map[string]catalog.Money{"hotel": {Amount: 400, Currency: currency}, "companion": {Amount: 350, Currency: currency}, "gone": {Amount: 9, Currency: currency}}}
	}
	for _, tt := range []struct {
		name               string
		costing            catalog.Costing
		companions         int
		income, cost, left int64
		uncosted           []string
	}{
		{"nothing is known", catalog.Costing{}, 0, 1500, 0, 1500, []string{"service", "hotel"}},
		{"alone", costs("CNY"), 0, 1500, 400, 1100, []string{"service"}},
		{"companions at a loss", costs("CNY"), 2, 2100, 1100, 1000, []string{"service"}},
		{"costs in another currency than the package has now", costs("USD"), 1, 1800, 0, 1800, []string{"service", "hotel", "companion"}},
	} {
		m := p.Margin(tt.costing, tt.companions)
		if m.Income.Amount != tt.income || m.Cost.Amount != tt.cost || m.Left.Amount != tt.left || !slices.Equal(m.Uncosted, tt.uncosted) || m.Left.Currency != "CNY" {
			t.Errorf("%s: %+v", tt.name, m)
		}
	}
}
