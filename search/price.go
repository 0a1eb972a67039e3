package search

import (
	"math"
	"strconv"
	"strings"

	"github.com/medtour/medtour/catalog"
)

// exchange brings prices into one currency, so that they can be compared: the
// base of a dated table of rates, in hundredths of it.
type exchange struct {
	rates catalog.Rates
	// perUnit is the worth of one Stripe unit of a currency.
	perUnit map[string]float64
}

// precise is the amount by which the worth of a unit is found.
const precise = 1_000_000_000_000

func newExchange(rates catalog.Rates) exchange {
	x := exchange{rates, map[string]float64{}}
	add := func(code string) {
		if base, ok := rates.Convert(catalog.Money{Amount: precise, Currency: code}, rates.Base); ok {
			hundredth := math.Pow10(2 - catalog.Decimals(rates.Base))
			x.perUnit[code] = float64(base.Amount) * hundredth / precise
		}
	}
	if rates.Base != "" {
		add(rates.Base)
	}
	for code := range rates.Rates {
		add(code)
	}
	return x
}

// worth returns an amount in hundredths of the base, at least one; 0 where
// there is no rate for its currency. A greater amount is never worth less.
func (x exchange) worth(m catalog.Money) int32 {
	w := math.Round(float64(m.Amount) * x.perUnit[m.Currency])
	if x.perUnit[m.Currency] == 0 {
		return 0
	}
	return int32(max(1, min(w, math.MaxInt32)))
}

// PriceRange is a choice of the facet price, in main units of a currency:
// above Low and up to High.
type PriceRange struct {
	// Low is 0 where there is no lower end, High where there is no upper one.
	Low, High int64
	Currency  string
}

// maxPrice bounds a price in main units.
const maxPrice = 1_000_000_000

// String writes a range as ParsePriceRange reads it.
func (r PriceRange) String() string {
	end := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	return end(r.Low) + ".." + end(r.High) + r.Currency
}

// ParsePriceRange reads a value of the facet price: "2000..5000USD",
// "..5000USD", "50000..JPY". It reports false for what is none, or written in
// any other way.
func ParsePriceRange(s string) (PriceRange, bool) {
	var r PriceRange
	low, rest, ok := strings.Cut(s, "..")
	if !ok || len(rest) < 3 || !catalog.ValidCurrency(rest[len(rest)-3:]) {
		return r, false
	}
	high := rest[:len(rest)-3]
	r.Currency = rest[len(rest)-3:]
	for s, to := range map[string]*int64{low: &r.Low, high: &r.High} {
		if s == "" {
			continue
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 || n > maxPrice {
			return PriceRange{}, false
		}
		*to = n
	}
	return r, low+high != "" && (r.High == 0 || r.Low < r.High) && r.String() == s
}

// span is the same range of worths.
func (x exchange) span(r PriceRange) worths {
	w := worths{high: math.MaxInt32}
	if r.Low > 0 {
		w.low = x.worth(catalog.MainUnits(r.Low, r.Currency))
	}
	if r.High > 0 {
		w.high = x.worth(catalog.MainUnits(r.High, r.Currency))
	}
	return w
}

// worths is a range of prices: above low and up to high.
type worths struct{ low, high int32 }

// has reports whether a price lies in the range; what has none never does.
func (w worths) has(worth int32) bool { return worth > w.low && worth <= w.high }

// priceSteps are the ends of the ranges that are offered, in US dollars or what
// is nearest to them in another currency and as round.
const (
	firstStep  = 9 // 1000
	priceSteps = 6 // to 50000
)

// round returns the n-th of the numbers 1, 2, 5, 10, 20, 50, 100...
func round(n int) int64 { return [...]int64{1, 2, 5}[n%3] * int64(math.Pow10(n/3)) }

// ranges are the choices of the facet price in a currency, the lowest first;
// none where there is no rate for it.
func (x exchange) ranges(currency string) []PriceRange {
	per, dollar := x.perUnit[currency], x.perUnit["USD"]
	if dollar == 0 {
		dollar = 100
	}
	if per == 0 {
		return nil
	}
	rate := dollar * 100 / (per * math.Pow10(catalog.Decimals(currency)))
	first := max(firstStep+int(math.Round(3*math.Log10(rate))), 0)
	var out []PriceRange
	low := int64(0)
	for i := range priceSteps {
		high := round(first + i)
		out = append(out, PriceRange{low, high, currency})
		low = high
	}
	return append(out, PriceRange{Low: low, Currency: currency})
}
