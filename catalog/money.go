package catalog

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/medtour/medtour/fault"
)

// Money is an amount of a currency, as an integer in the unit in which Stripe
// takes it: yen for JPY, cents for USD, thousandths (in steps of ten) for KWD.
// See https://docs.stripe.com/currencies.
type Money struct {
	// Amount in Stripe units of the currency.
	Amount int64 `json:"amount"`
	// Currency is the ISO 4217 code in capitals.
	Currency string `json:"currency"`
}

// stripeUnits holds the currencies that do not have two decimals in steps of
// one. Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal
// and special-case currencies).
var stripeUnits = map[string]currencyUnit{
	"BIF": {0, 1}, "CLP": {0, 1}, "DJF": {0, 1}, "GNF": {0, 1}, "JPY": {0, 1},
	"KMF": {0, 1}, "KRW": {0, 1}, "MGA": {0, 1}, "PYG": {0, 1}, "RWF": {0, 1},
	"VND": {0, 1}, "VUV": {0, 1}, "XAF": {0, 1}, "XOF": {0, 1}, "XPF": {0, 1},
	"BHD": {3, 10}, "JOD": {3, 10}, "KWD": {3, 10}, "OMR": {3, 10}, "TND": {3, 10},
	"ISK": {2, 100}, "UGX": {2, 100},
}

// currencyUnit says how Stripe counts a currency.
type currencyUnit struct {
	// decimals between the main unit and Stripe's unit.
	decimals int
	// step is what every charged amount must be a multiple of, in Stripe units.
	step int64
}

func unitOf(code string) currencyUnit {
	if u, ok := stripeUnits[code]; ok {
		return u
	}
	return currencyUnit{2, 1}
}

// Decimals returns how many decimals lie between a currency's main unit and
// its Stripe unit.
func Decimals(code string) int { return unitOf(code).decimals }

// ChargeStep returns what every charged amount of a currency must be a multiple of,
// in Stripe units.
func ChargeStep(code string) int64 { return unitOf(code).step }

// RoundToStep rounds to the nearest chargeable amount, halves away from zero.
func (m Money) RoundToStep() Money {
	step := ChargeStep(m.Currency)
	if rest := m.Amount % step; rest != 0 {
		m.Amount -= rest
		if 2*rest >= step {
			m.Amount += step
		} else if -2*rest >= step {
			m.Amount -= step
		}
	}
	return m
}

// Add returns the sum of two amounts of one currency. It panics where the
// currencies differ, which no input can bring about: every sum is built from
// lines that were converted to one currency before.
func (m Money) Add(n Money) Money {
	if m.Currency != n.Currency {
		panic("catalog: sum of " + m.Currency + " and " + n.Currency)
	}
	return Money{m.Amount + n.Amount, m.Currency}
}

// Percent returns p percent of the amount, in basis points (100 = 1 %),
// rounded to a chargeable amount.
func (m Money) Percent(basisPoints int64) Money {
	return Money{mulDiv(m.Amount, basisPoints, 10_000), m.Currency}.RoundToStep()
}

// mulDiv returns a·b/c rounded to the nearest, halves away from zero, without
// overflow in between.
func mulDiv(a, b, c int64) int64 {
	n := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	return roundQuo(n, big.NewInt(c))
}

// roundQuo returns n/d rounded to the nearest, halves away from zero.
func roundQuo(n, d *big.Int) int64 {
	half := new(big.Int).Quo(new(big.Int).Abs(d), big.NewInt(2))
	if n.Sign() < 0 {
		half.Neg(half)
	}
	return new(big.Int).Quo(new(big.Int).Add(n, half), d).Int64()
}

// Decimal renders the amount in the currency's main unit with a point and no
// grouping, "1480.00", "500" for JPY: for machines, receipts and CSV.
func (m Money) Decimal() string {
	d := Decimals(m.Currency)
	sign, amount := "", m.Amount
	if amount < 0 {
		sign, amount = "-", -amount
	}
	s := fmt.Sprintf("%0*d", d+1, amount)
	if d == 0 {
		return sign + s
	}
	return sign + s[:len(s)-d] + "." + s[len(s)-d:]
}

// maxMoneyDigits bounds what ParseMoney reads: more would overflow.
const maxMoneyDigits = 14

// ParseMoney reads an amount in a currency's main unit as people type it,
// "12,500.50". It reports false for what is no amount, has more decimals than
// the currency, or is below zero.
func ParseMoney(typed, code string) (Money, bool) {
	s := strings.NewReplacer(",", "", " ", "", "\u00a0", "", "\u202f", "", "\u3000", "").Replace(typed)
	whole, part, point := strings.Cut(s, ".")
	d := Decimals(code)
	if whole == "" || point && part == "" || len(part) > d || len(whole) > maxMoneyDigits-d || !ValidCurrency(code) {
		return Money{}, false
	}
	digits := whole + part + strings.Repeat("0", d-len(part))
	if strings.Trim(digits, "0123456789") != "" {
		return Money{}, false
	}
	var amount int64
	for _, r := range digits {
		amount = amount*10 + int64(r-'0')
	}
	return Money{amount, code}, true
}

// String renders the amount with its ISO code: "USD 1480.00".
func (m Money) String() string { return m.Currency + " " + m.Decimal() }

// MainUnits returns an amount given in main units, 1480 dollars.
func MainUnits(amount int64, code string) Money {
	for range Decimals(code) {
		amount *= 10
	}
	return Money{amount, code}
}

// ValidCurrency reports whether s looks like an ISO 4217 code in capitals.
func ValidCurrency(s string) bool {
	return len(s) == 3 && strings.ToUpper(s) == s && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Rates is a dated table of exchange rates.
type Rates struct {
	// Date of the rates, YYYY-MM-DD.
	Date string `json:"date"`
	// Base is the currency in which the rates are quoted.
	Base string `json:"base"`
	// Rates gives units of the currency for one unit of the base, as decimal
	// strings so that no digit is lost. The base itself is not in it.
	Rates map[string]Rate `json:"rates"`
}

// Rate is one exchange rate with its origin.
type Rate struct {
	// PerBase is the decimal number of units for one unit of the base.
	PerBase string `json:"per_base"`
	// Date of this rate where it differs from the table's, YYYY-MM-DD.
	Date string `json:"date,omitempty"`
	// Source says where the rate was published.
	Source string `json:"source"`
}

// Has reports whether the table can convert a currency.
func (r Rates) Has(code string) bool {
	_, ok := r.rat(code)
	return ok
}

// DateOf returns the date of the oldest rate that a conversion uses.
func (r Rates) DateOf(from, to string) string {
	date := r.Date
	for _, code := range []string{from, to} {
		if rate, ok := r.Rates[code]; ok && rate.Date != "" && rate.Date < date {
			date = rate.Date
		}
	}
	return date
}

func (r Rates) rat(code string) (*big.Rat, bool) {
	if code == r.Base {
		return big.NewRat(1, 1), true
	}
	rate, ok := r.Rates[code]
	if !ok {
		return nil, false
	}
	// Only plain decimals: an exponent could name a number of any size.
	if len(rate.PerBase) > 40 || strings.Trim(rate.PerBase, "0123456789.") != "" {
		return nil, false
	}
	q, ok := new(big.Rat).SetString(rate.PerBase)
	if !ok || q.Sign() <= 0 {
		return nil, false
	}
	return q, true
}

// Convert converts an amount at the table's rates, rounded to a chargeable
// amount. It reports false where a currency is not in the table.
func (r Rates) Convert(m Money, to string) (Money, bool) {
	if m.Currency == to {
		return m, true
	}
	from, ok1 := r.rat(m.Currency)
	target, ok2 := r.rat(to)
	if !ok1 || !ok2 {
		return Money{}, false
	}
	q := new(big.Rat).SetInt64(m.Amount)
	q.Mul(q, target).Quo(q, from)
	q.Mul(q, pow10(Decimals(to))).Quo(q, pow10(Decimals(m.Currency)))
	step := ChargeStep(to)
	q.Quo(q, new(big.Rat).SetInt64(step))
	return Money{roundQuo(q.Num(), q.Denom()) * step, to}, true
}

func pow10(n int) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
}

// Validate checks a table of rates that did not ship with the program.
func (r Rates) Validate() error {
	var f fault.Fields
	if !validDate(r.Date) {
		f.Add("date", "date", "use YYYY-MM-DD")
	}
	if !ValidCurrency(r.Base) {
		f.Add("base", "currency", "use an ISO 4217 code such as EUR")
	}
	for code, rate := range r.Rates {
		field := "rates." + clip(code)
		if !ValidCurrency(code) {
			f.Add(field, "currency", "use an ISO 4217 code such as CNY")
		}
		if _, ok := r.rat(code); !ok {
			f.Add(field+".per_base", "range", "a decimal number above 0")
		}
		if rate.Date != "" && !validDate(rate.Date) {
			f.Add(field+".date", "date", "use YYYY-MM-DD")
		}
		if rate.Source == "" {
			f.Add(field+".source", "required", "say where the rate was published")
		}
	}
	return f.Err("the table of exchange rates is not right")
}
