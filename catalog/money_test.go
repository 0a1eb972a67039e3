package catalog

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

var testRates = Rates{Date: "2026-01-02", Base: "EUR", Rates: map[string]Rate{
	"USD": {PerBase: "1.0389"}, "JPY": {PerBase: "163.06"}, "KWD": {PerBase: "0.3203"}, "CNY": {PerBase: "7.5833"}, "ISK": {PerBase: "144.5"}, "RUB": {PerBase: "105.9", Date: "2026-01-01"},
}}

func TestConvert(t *testing.T) {
	for _, tt := range []struct {
		from Money
		to   string
		want string
	}{
		{MainUnits(100, "EUR"), "USD", "USD 103.89"},
		{MainUnits(100, "EUR"), "JPY", "JPY 16306"},
		{MainUnits(163, "JPY"), "EUR", "EUR 1.00"},
		{MainUnits(100, "EUR"), "KWD", "KWD 32.030"},
		{MainUnits(10500, "CNY"), "USD", "USD 1438.48"},
		{MainUnits(100, "EUR"), "ISK", "ISK 14450.00"},
		{MainUnits(7, "USD"), "USD", "USD 7.00"},
	} {
		got, ok := testRates.Convert(tt.from, tt.to)
		if !ok || got.String() != tt.want {
			t.Errorf("%s to %s: %s, want %s", tt.from, tt.to, got, tt.want)
		}
	}
	if _, ok := testRates.Convert(MainUnits(1, "EUR"), "XXX"); ok {
		t.Error("converted to an unknown currency")
	}
	if got := testRates.DateOf("USD", "RUB"); got != "2026-01-01" {
		t.Errorf("date %s", got)
	}
}

// A conversion is off by half a step at most, whatever the amount, and is
// always chargeable.
func TestConvertIsTheNearestStep(t *testing.T) {
	codes := []string{"EUR", "USD", "JPY", "KWD", "CNY", "ISK", "RUB"}
	rapid.Check(t, func(t *rapid.T) {
		from := Money{rapid.Int64Range(0, maxAmount).Draw(t, "amount"), rapid.SampledFrom(codes).Draw(t, "from")}
		to := rapid.SampledFrom(codes).Draw(t, "to")
		got, ok := testRates.Convert(from, to)
		if !ok {
			t.Fatal("not converted")
		}
		if from.Currency == to {
			if got != from {
				t.Fatalf("%s became %s", from, got)
			}
			return
		}
		if got.Amount%ChargeStep(to) != 0 {
			t.Fatalf("%s is not chargeable", got)
		}
		a, _ := testRates.rat(from.Currency)
		b, _ := testRates.rat(to)
		exact := new(big.Rat).SetInt64(from.Amount)
		exact.Mul(exact, b).Quo(exact, a).Mul(exact, pow10(Decimals(to))).Quo(exact, pow10(Decimals(from.Currency)))
		diff := exact.Sub(exact, new(big.Rat).SetInt64(got.Amount))
		if diff.Abs(diff).Cmp(big.NewRat(ChargeStep(to), 2)) > 0 {
			t.Fatalf("%s is off by %s", got, diff.FloatString(3))
		}
	})
}

func TestPercentAndRounding(t *testing.T) {
	for _, tt := range []struct {
		m    Money
		bp   int64
		want int64
	}{
		{Money{1000, "USD"}, 2000, 200}, {Money{999, "USD"}, 5000, 500}, {Money{1, "JPY"}, 5000, 1}, {Money{12345, "KWD"}, 10000, 12350},
		{Money{maxAmount, "USD"}, 10000, maxAmount}, {Money{0, "USD"}, 3000, 0}, {Money{12349, "ISK"}, 10000, 12300}, {Money{12350, "ISK"}, 10000, 12400},
	} {
		if got := tt.m.Percent(tt.bp); got.Amount != tt.want {
			t.Errorf("%d bp of %s: %d, want %d", tt.bp, tt.m, got.Amount, tt.want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for want, m := range map[string]Money{
		"14.80": {1480, "USD"}, "0.05": {5, "USD"}, "-0.05": {-5, "EUR"}, "500": {500, "JPY"}, "1.230": {1230, "KWD"}, "0": {0, "VND"},
	} {
		if got := m.Decimal(); got != want {
			t.Errorf("%+v: %s, want %s", m, got, want)
		}
	}
}

func TestParseMoney(t *testing.T) {
	for _, row := range []struct {
		typed, code string
		want        int64
		ok          bool
	}{
		{"12500", "CNY", 1250000, true}, {"12,500.5", "CNY", 1250050, true}, {" 12 500.50 ", "CNY", 1250050, true}, {"0", "CNY", 0, true},
		{"500", "JPY", 500, true}, {"1.234", "KWD", 1234, true}, {"500.5", "JPY", 0, false}, {"1.234", "CNY", 0, false},
		{"", "CNY", 0, false}, {"-1", "CNY", 0, false}, {"1.", "CNY", 0, false}, {".5", "CNY", 0, false}, {"1e9", "CNY", 0, false},
		{"一千", "CNY", 0, false}, {"999999999999999999999", "CNY", 0, false}, {"1", "cny", 0, false}, {"1", "", 0, false}, {"1.2.3", "CNY", 0, false},
	} {
		got, ok := ParseMoney(row.typed, row.code)
		if ok != row.ok || ok && (got.Amount != row.want || got.Currency != row.code) {
			t.Errorf("%q %s: %v %v", row.typed, row.code, got, ok)
		}
	}
}

// What is written is read again.
func TestParseMoneyReadsDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money{Amount: rapid.Int64Range(0, 999_999_999_999).Draw(t, "amount"), Currency: rapid.SampledFrom([]string{"CNY", "JPY", "KWD", "ISK"}).Draw(t, "currency")}
		if got, ok := ParseMoney(m.Decimal(), m.Currency); !ok || got != m {
			t.Fatalf("%s became %v, %v", m, got, ok)
		}
	})
}
