package checkout

import (
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// Methods of payment.
const (
	MethodCard   = "card"
	MethodAlipay = "alipay"
	MethodWeChat = "wechat_pay"
)

// wallet is what Stripe says of a method besides cards, which every account can
// take in every currency.
type wallet struct {
	// countries of the Stripe account.
	countries []string
	// currencies of which an account may take that of its country, and CNY.
	currencies []string
	// refundable is how long after a payment it can be refunded. A deposit must
	// be refundable until the journey begins.
	refundable time.Duration
}

// wallets by method. Sources: https://docs.stripe.com/payments/alipay and
// https://docs.stripe.com/payments/wechat-pay, business locations, presentment
// currencies ("depending on business location") and refunds.
var wallets = map[string]wallet{
	MethodAlipay: {
		strings.Fields("AT AU BE BG CA CH CY CZ DE DK EE ES FI FR GB GI GR HK HR HU IE IT JP LI LT LU LV MT MY NL NO NZ PT RO SE SG SI SK US"),
		strings.Fields("AUD CAD CNY EUR GBP HKD JPY MYR NZD SGD USD"), 90 * 24 * time.Hour},
	MethodWeChat: {
		strings.Fields("AT AU BE BG CA CH CY CZ DE DK EE ES FI FR GB GR HK HU IE IT JP LT LU LV MT NL NO PL PT RO SE SG SI SK US"),
		strings.Fields("AUD CAD CHF CNY DKK EUR GBP HKD JPY NOK SEK SGD USD"), 180 * 24 * time.Hour},
}

// ownCurrency is the currency of an account's country; the others have the euro
// for a wallet.
var ownCurrency = map[string]string{"AU": "AUD", "CA": "CAD", "CH": "CHF", "DK": "DKK", "GB": "GBP", "HK": "HKD", "JP": "JPY", "MY": "MYR",
	"NO": "NOK", "NZ": "NZD", "SE": "SEK", "SG": "SGD", "US": "USD"}

// methods returns those of the enabled methods by which a quote can be paid at
// an account of a country; card always. It is pure.
func methods(enabled []string, country string, q Quote, now time.Time) []string {
	out := []string{MethodCard}
	for _, m := range enabled {
		w, known := wallets[m]
		own, ok := ownCurrency[country]
		if !ok || !slices.Contains(w.currencies, own) {
			own = "EUR"
		}
		takes := q.Deposit.Currency == own || q.Deposit.Currency == "CNY"
		if known && takes && slices.Contains(w.countries, country) && q.Start.Before(now.Add(w.refundable)) {
			out = append(out, m)
		}
	}
	return out
}

// minimumCharge is the least that Stripe charges, in the currency's units; any
// other currency has what fifty US cents come to. Source:
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
var minimumCharge = map[string]int64{
	"USD": 50, "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50, "GBP": 30,
	"HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300,
	"SGD": 50, "THB": 1000,
}

// maximumCharge is the most that Stripe charges: eight digits, at the same
// place.
const maximumCharge = 99_999_999

// chargeable refuses a deposit that Stripe would not charge. It is pure.
func chargeable(deposit catalog.Money, rates catalog.Rates) error {
	least, listed := minimumCharge[deposit.Currency]
	if !listed {
		if m, ok := rates.Convert(catalog.Money{Amount: minimumCharge["USD"], Currency: "USD"}, deposit.Currency); ok {
			least = m.Amount
		}
	}
	var f fault.Fields
	switch {
	case deposit.Amount < least:
		f.Add("currency", "deposit_small", "the deposit of %s is less than can be charged in this currency, %s", deposit,
			catalog.Money{Amount: least, Currency: deposit.Currency})
	case deposit.Amount > maximumCharge:
		f.Add("currency", "deposit_large", "the deposit of %s is more than can be charged in this currency; choose another", deposit)
	}
	return f.Err("Some of the choices are not available.")
}
