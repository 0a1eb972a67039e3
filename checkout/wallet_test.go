package checkout_test

import (
	"slices"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/checkout/stripesim"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store/storetest"
)

// TestWalletIsOffered: the page of a quote offers what its currency allows.
func TestWalletIsOffered(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.config.Methods, b.config.Country = []string{checkout.MethodAlipay, checkout.MethodWeChat}, "US"
		b.restart()
		b.clock.Advance(60 * 24 * time.Hour)
		for currency, want := range map[string][]string{
			"USD": {checkout.MethodCard, checkout.MethodAlipay, checkout.MethodWeChat},
			"CNY": {checkout.MethodCard, checkout.MethodAlipay, checkout.MethodWeChat},
			"JPY": {checkout.MethodCard},
		} {
			c := wide(catalog.Instant)
			c.Currency = currency
			got := b.book(c)
			if methods := got.Attempts[0].Params.Methods; !slices.Equal(methods, want) {
				t.Errorf("%s: %v, want %v", currency, methods, want)
			}
			if !slices.Contains(want, checkout.MethodAlipay) {
				continue
			}
			if err := b.sim.PayLater(ctx, got.Attempts[0].SessionID, checkout.MethodAlipay); err != nil {
				t.Fatal(err)
			}
			if err := b.sim.SettleAsync(ctx, got.Attempts[0].SessionID, true); err != nil {
				t.Fatal(err)
			}
			if got = b.settle(got.ID); got.State != checkout.StateConfirmed {
				t.Errorf("%s by Alipay: %s", currency, got.State)
			}
		}
	})
}

// TestRefusedWalletLeavesTheCard: where Stripe refuses the page with wallets, the
// next one has cards alone.
func TestRefusedWalletLeavesTheCard(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	b.config.Methods, b.config.Country = []string{checkout.MethodWeChat}, "US"
	b.restart()
	b.sim.Fail(stripesim.Failure{Method: "POST", Path: "/v1/checkout/sessions", Status: 400})
	got, err := b.Book(ctx, b.quote(wide(catalog.Instant)).ID, patient)
	if err != nil || got.PayURL != "" {
		t.Fatalf("%q, %v", got.PayURL, err)
	}
	if url, err := b.Pay(ctx, got.ID); err != nil || url == "" {
		t.Fatalf("%q, %v", url, err)
	}
	if got = b.settle(got.ID); !slices.Equal(got.Attempts[1].Params.Methods, []string{checkout.MethodCard}) {
		t.Errorf("%v", got.Attempts[1].Params.Methods)
	}
	b.pay(got, stripesim.CardSucceeds)
	if got = b.settle(got.ID); got.State != checkout.StateConfirmed {
		t.Errorf("%s", got.State)
	}
}

func TestWalletsNeedACountry(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	for _, country := range []string{"", "CN", "ZZ"} {
		config := b.config
		config.Methods, config.Country = []string{checkout.MethodAlipay}, country
		if _, err := checkout.New(ctx, config); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", country, err)
		}
	}
}

// TestDepositThatStripeWouldRefuse is refused when the price is made, not only
// when the patient is to pay.
func TestDepositThatStripeWouldRefuse(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t)))
	s := &scene{bench: b, choice: choice(catalog.Instant)}
	publishes(func(p *catalog.Package) { p.Lines[0].Amount, p.Lines[1].Amount, p.Options.Rooms = cny(10), cny(5), nil })(s)
	c := s.choice
	if _, err := b.Quote(ctx, c); !fault.Is(err, fault.Invalid) { // 20 % of CNY 15 is USD 0.38
		t.Errorf("a deposit below the least charge: %v", err)
	}
	c.Currency = "JPY" // JPY 45
	if _, err := b.Price(ctx, c); !fault.Is(err, fault.Invalid) {
		t.Errorf("a deposit below the least charge: %v", err)
	}
}
