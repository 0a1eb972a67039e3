package stripesim

import (
	"slices"
	"strings"
	"time"
)

// Rules of Stripe that a session must keep. Sources: the API reference
// (https://docs.stripe.com/api/checkout/sessions/create) and
// https://docs.stripe.com/currencies.
const (
	minExpiry = 30 * time.Minute
	maxExpiry = 24 * time.Hour
	// expirySlack forgives the time that a request is under way.
	expirySlack = 10 * time.Second
	// maxAmount is eight digits.
	maxAmount = 99_999_999
	// keyLife is how long an idempotency key is remembered.
	keyLife = 24 * time.Hour
	// maxMetadata keys, and the lengths of a key and a value in characters.
	maxMetadata      = 50
	maxMetadataKey   = 40
	maxMetadataValue = 500
)

// currencies that Stripe charges in.
var currencies = strings.Fields(`
	aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp bzd cad cdf chf clp cny
	cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk
	jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr
	mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos
	srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw`)

// minimum charges, in the currency's Stripe units.
var minimum = map[string]int64{
	"usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
	"eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300,
	"nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}

// locales of the hosted page. Arabic is not among them: an Arabic page comes
// by "auto" only.
var locales = strings.Fields(`
	auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru
	sk sl sv th tr vi zh zh-HK zh-TW`)

// methodCurrencies are the currencies of a payment method, nil meaning all.
var methodCurrencies = map[string][]string{
	"card":       nil,
	"alipay":     strings.Fields("aud cad cny eur gbp hkd jpy myr nzd sgd usd"),
	"wechat_pay": strings.Fields("aud cad chf cny dkk eur gbp hkd jpy nok sek sgd usd"),
}

// testCard is a card number of https://docs.stripe.com/testing and what comes
// of it.
type testCard struct {
	Number string
	// Decline refuses the payment, nil accepts it.
	Decline *decline
	// ThreeDSecure asks the payer to authenticate on a second page.
	ThreeDSecure bool
	// Disputed charges are contested a little later.
	Disputed bool
	// RefundFails: refunds succeed at first and fail a little later.
	RefundFails bool
	// RefundPending: refunds succeed a little later.
	RefundPending bool
	// Note is the key of the line about the card on the page.
	Note string
}

// Numbers of the test cards.
const (
	CardSucceeds          = "4242424242424242"
	CardDeclined          = "4000000000000002"
	CardInsufficientFunds = "4000000000009995"
	CardThreeDSecure      = "4000002500003155"
	CardThreeDSecure2     = "4000000000003220"
	CardDisputed          = "4000000000000259"
	CardRefundFails       = "4000000000005126"
	CardRefundPending     = "4000000000007726"
)

var testCards = []testCard{
	{Number: CardSucceeds, Note: "card_succeeds"},
	{Number: CardDeclined, Note: "card_declined", Decline: &decline{
		"card_declined", "generic_decline", "Your card was declined."}},
	{Number: CardInsufficientFunds, Note: "card_funds", Decline: &decline{
		"card_declined", "insufficient_funds", "Your card has insufficient funds."}},
	{Number: CardThreeDSecure, Note: "card_3ds", ThreeDSecure: true},
	{Number: CardThreeDSecure2, Note: "card_3ds", ThreeDSecure: true},
	{Number: CardDisputed, Note: "card_disputed", Disputed: true},
	{Number: CardRefundFails, Note: "card_refund_fails", RefundFails: true},
	{Number: CardRefundPending, Note: "card_refund_pending", RefundPending: true},
}

// cardOf returns a test card, a zero one for any other number.
func cardOf(number string) testCard {
	if i := slices.IndexFunc(testCards, func(c testCard) bool { return c.Number == number }); i >= 0 {
		return testCards[i]
	}
	return testCard{}
}

var declinedAuthentication = decline{
	Code: "payment_intent_authentication_failure",
	Message: "We are unable to authenticate your payment method. " +
		"Please choose a different payment method and try again.",
}

// luhn reports whether the check digit of a card number is right.
func luhn(number string) bool {
	sum := 0
	for i := range len(number) {
		d := int(number[len(number)-1-i] - '0')
		if d < 0 || d > 9 {
			return false
		}
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return len(number) >= 12 && len(number) <= 19 && sum%10 == 0
}
