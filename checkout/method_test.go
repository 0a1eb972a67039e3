package checkout

import (
	"slices"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

func TestMethods(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	both := []string{MethodAlipay, MethodWeChat}
	for _, tt := range []struct {
		name, country, currency string
		enabled                 []string
		days                    int
		want                    []string
	}{
		{"nothing enabled", "US", "USD", nil, 30, nil},
		{"both", "US", "USD", both, 30, both},
		{"yuan anywhere", "FR", "CNY", both, 30, both},
		{"only one enabled", "US", "USD", []string{MethodWeChat}, 30, []string{MethodWeChat}},
		{"a currency of elsewhere", "US", "EUR", both, 30, nil},
		{"the euro of a country without a currency of its own there", "DE", "EUR", both, 30, both},
		{"francs by one of them", "CH", "CHF", both, 30, []string{MethodWeChat}},
		{"euros by the other", "CH", "EUR", both, 30, []string{MethodAlipay}},
		{"a country that one of them does not serve", "MY", "MYR", both, 30, []string{MethodAlipay}},
		{"a country that none of them serves", "BR", "BRL", both, 30, nil},
		{"a currency that none of them takes", "US", "KWD", both, 30, nil},
		{"a journey after the time for refunds", "US", "USD", both, 100, []string{MethodWeChat}},
		{"a journey far ahead", "US", "USD", both, 200, nil},
	} {
		q := Quote{Deposit: catalog.Money{Amount: 100, Currency: tt.currency}, Start: now.AddDate(0, 0, tt.days)}
		if got, want := methods(tt.enabled, tt.country, q, now), append([]string{MethodCard}, tt.want...); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
}

func TestChargeable(t *testing.T) {
	rates := catalog.Rates{Base: "EUR", Rates: map[string]catalog.Rate{"USD": {PerBase: "1.25"}, "KRW": {PerBase: "1600"}, "KWD": {PerBase: "0.375"}}}
	for _, tt := range []struct {
		amount   int64
		currency string
		ok       bool
	}{
		{49, "USD", false}, {50, "USD", true}, {99_999_999, "USD", true}, {100_000_000, "USD", false},
		{29, "GBP", false}, {30, "GBP", true}, {49, "JPY", false}, {50, "JPY", true}, {17499, "HUF", false}, {17500, "HUF", true},
		// Half a dollar is EUR 0.40: KRW 640, KWD 0.150.
		{639, "KRW", false}, {640, "KRW", true}, {140, "KWD", false}, {150, "KWD", true},
		// Without a rate nothing is known to be too small.
		{1, "XOF", true},
	} {
		err := chargeable(catalog.Money{Amount: tt.amount, Currency: tt.currency}, rates)
		if (err == nil) != tt.ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%d %s: %v", tt.amount, tt.currency, err)
		}
	}
}
