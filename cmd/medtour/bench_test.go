package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// BenchmarkBooking takes bookings through the whole program over HTTP: quote,
// details, payment on the local payment page, return, the hospital's answer.
// Each one is another patient on another start date of another package, as
// long as there are places.
func BenchmarkBooking(b *testing.B) {
	base, _ := site(b, Config{Data: b.TempDir()})
	choices := bookable(b, base)
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1)) - 1
			if n >= len(choices) {
				b.Errorf("only %d places in the catalogue", len(choices))
				return
			}
			if err := book(base, choices[n]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bookings/s")
}

// choice is a form that makes a quote.
type choice struct {
	action string
	values url.Values
}

// bookable returns one choice for every free place of the starting catalogue.
func bookable(b testing.TB, base string) []choice {
	b.Helper()
	client := &http.Client{}
	var out []choice
	var rounds [][]choice
	for page := 1; page <= 2; page++ {
		list := document(b, client, fmt.Sprintf("%s/search?kind=package&page=%d", base, page))
		list.Find("article.hit h3 a").Each(func(_ int, a *goquery.Selection) {
			doc := document(b, client, base+a.AttrOr("href", ""))
			action := doc.Find("#choose button[formmethod=post]").AttrOr("formaction", "")
			doc.Find("#start option:not([disabled])").Each(func(_ int, option *goquery.Selection) {
				values := url.Values{"start": {option.AttrOr("value", "")}, "companions": {"0"}, "currency": {"USD"}}
				for _, name := range []string{"room", "interpreter"} {
					if v, ok := doc.Find("#" + name + " option").First().Attr("value"); ok {
						values.Set(name, v)
					}
				}
				// Every start date has at least two places.
				for round := range 2 {
					if len(rounds) <= round {
						rounds = append(rounds, nil)
					}
					rounds[round] = append(rounds[round], choice{action, values})
				}
			})
		})
	}
	for _, r := range rounds {
		out = append(out, r...)
	}
	return out
}

// book is one patient from quote to the hospital's yes.
func book(base string, c choice) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar}
	quote, err := post(client, base+c.action, c.values)
	if err != nil {
		return fmt.Errorf("quote: %w", err)
	}
	payment, err := post(client, quote+"/book", url.Values{"name": {"Bench Mark"}, "email": {"bench@example.org"}, "consent": {"yes"}})
	if err != nil {
		return fmt.Errorf("details: %w", err)
	}
	booking, err := post(client, payment, url.Values{"email": {"bench@example.org"}, "name": {"Bench Mark"}, "method": {"card"},
		"number": {"4242424242424242"}, "expiry": {"12/34"}, "cvc": {"123"}})
	if err != nil {
		return fmt.Errorf("payment: %w", err)
	}
	if !strings.Contains(booking, "/bookings/") {
		return fmt.Errorf("after the payment: %s", booking)
	}
	res, err := client.Get(booking)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		return err
	}
	switch state := page.Find("[data-state]").AttrOr("data-state", ""); state {
	case "confirmed":
		return nil
	case "awaiting-hospital", "awaiting":
		_, err = post(client, booking+"/demo", url.Values{"act": {"accept"}})
		return err
	default:
		return fmt.Errorf("after the payment the booking is %s", state)
	}
}

// post sends a form and returns the address at which it ends.
func post(client *http.Client, address string, values url.Values) (string, error) {
	res, err := client.PostForm(address, values)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return "", err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("%s: %s", address, res.Status)
	}
	return res.Request.URL.String(), nil
}

func document(b testing.TB, client *http.Client, address string) *goquery.Document {
	b.Helper()
	res, err := client.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return doc
}
