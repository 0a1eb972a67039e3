package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

func TestAmountOf(t *testing.T) {
	for _, tt := range []struct {
		typed, currency string
		want            int64
		ok              bool
	}{
		{"12,500.5", "CNY", 1250050, true}, {"12500.50", "CNY", 1250050, true}, {" 7 ", "JPY", 7, true}, {"7.00", "JPY", 7, true}, {"1.25", "KWD", 1250, true},
		{"7.5", "JPY", 0, false}, {"1.005", "CNY", 0, false}, {"-1", "CNY", 0, false}, {"1e5", "CNY", 0, false}, {"abc", "CNY", 0, false}, {".5", "CNY", 0, false},
		{"9999999999999999999999", "CNY", 0, false},
	} {
		m, ok := amountOf(tt.typed, tt.currency)
		if ok != tt.ok || ok && (m == nil || m.Amount != tt.want || m.Currency != tt.currency) {
			t.Errorf("%q in %s: %v, %v", tt.typed, tt.currency, m, ok)
		}
	}
	if m, ok := amountOf("  ", "CNY"); m != nil || !ok {
		t.Errorf("nothing typed: %v, %v", m, ok)
	}
}

func TestWithRows(t *testing.T) {
	form := func() url.Values {
		return url.Values{"rooms.rows": {"3"}, "rooms[0].en": {"a"}, "rooms[1].en": {"b"}, "rooms[2].en": {"c"}, "rooms[1].id": {"two"}}
	}
	for act, want := range map[string]string{"": "abc 3", "add:rooms": "abc 4", "drop:rooms:1": "ac 2", "drop:rooms:2": "ab 2", "up:rooms:1": "bac 3", "up:rooms:0": "abc 3", "drop:rooms:9": "abc 3", "drop:lines:0": "abc 3", "up": "abc 3"} {
		f := form()
		withRows(f, act)
		if got := f.Get("rooms[0].en") + f.Get("rooms[1].en") + f.Get("rooms[2].en") + " " + f.Get("rooms.rows"); got != want {
			t.Errorf("%q: %s, want %s", act, got, want)
		}
	}
	f := form()
	withRows(f, "up:rooms:1")
	if f.Get("rooms[0].id") != "two" || f.Get("rooms[1].id") != "" {
		t.Error("a row leaves its id behind")
	}
}

// What is shown is what is saved: a form that is sent as it came changes
// nothing.
func TestTermsComeBackAsTheyWere(t *testing.T) {
	s := newTestServer(t)
	rates := s.Rates
	err := s.Catalog.Packages.Each(context.Background(), func(pkg catalog.Package) error {
		form := termsForm(pkg, catalog.Costing{})
		got, _, fields := withPrice(pkg, form, rates)
		if len(fields) == 0 {
			got, fields = withConditions(got, form)
		}
		changes, err := catalog.Differences(pkg, got)
		if err != nil || len(fields) > 0 || len(changes) > 0 {
			t.Errorf("%s: %v %v %v", pkg.ID, changes, fields, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTermFields(t *testing.T) {
	for name, want := range map[string]string{"lines[2].label": "lines[2].en", "lines[2].label.en": "lines[2].en", "lines[0].amount.currency": "lines[0].amount", "options.rooms[1].name": "rooms[1].en",
		"options.rooms[1].surcharge.amount": "rooms[1].surcharge", "policy.tiers[0].days_before": "tiers[0].days", "deposit.basis_points": "deposit", "options.interpreters[1]": "interpreters",
		"policy.causes.unfit": "cause.unfit", "inclusions[3]": "inclusions[3].en", "currency": "currency"} {
		if got := termFields([]fault.Field{{Name: name}})[0].Name; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestPricesOfAPackage(t *testing.T) {
	s := newTestServer(t)
	ctx, cookie := context.Background(), s.signInAs(t, "agency")
	id := s.newPackage(t, cookie, "Priced")
	path := "/console/packages/" + id + "/price"
	form := fieldsOf(s.page(t, path, "Cookie", cookie).Find("form[data-builder]"))

	doc := s.send(t, cookie, path, with(form, "act", "save", "lines[0].amount", "a lot", "deposit", "200")).document(t)
	if doc.Find(`input[name="lines[0].amount"]`).AttrOr("value", "") != "a lot" || doc.Find(`[id="error-lines[0].amount"]`).Length() != 1 {
		t.Error("a wrong amount is lost, or nothing is said of it")
	}
	doc = s.send(t, cookie, path, with(form, "act", "save", "lines[0].amount", "100", "deposit", "200")).document(t)
	if doc.Find("#error-deposit").Length() != 1 {
		t.Errorf("a deposit of 200 %%: %s", text(doc.Find(".error-summary")))
	}
	filled := with(form, "lines[0].amount", "4,000", "lines[0].cost", "1500.50", "lines[1].amount", "6000")
	doc = s.send(t, cookie, path, with(filled, "act", "add:lines")).document(t)
	form = fieldsOf(doc.Find("form[data-builder]"))
	if got := text(doc.Find("[aria-labelledby=totals] tr.total").First()); !strings.Contains(got, "10,000.00") {
		t.Errorf("the total reads %q", got)
	}
	if got := text(doc.Find(".sum-list dd").First()); !strings.Contains(got, "8,499.50") {
		t.Errorf("the margin reads %q", got)
	}
	last := "lines[8]"
	if form.Get("lines.rows") != "9" {
		t.Fatalf("%s rows", form.Get("lines.rows"))
	}
	a := s.send(t, cookie, path, with(form, "act", "save", last+".en", "Tea", last+".zh-Hans", "茶", last+".payee", "agency", last+".due", "on-arrival", last+".per", "booking", last+".amount", "80", "presentment", "USD"))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, text(a.document(t).Find(".error-summary")))
	}
	l, err := s.Catalog.Packages.Listing(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	tea := l.Value.Lines[8]
	if tea.ID != "tea" || tea.Amount == nil || tea.Amount.Amount != 8000 || l.Value.Lines[0].Label["ar"] == "" || l.Value.Presentment[0] != "USD" {
		t.Errorf("saved as %+v, %v", tea, l.Value.Presentment)
	}
	costing, err := s.Catalog.Costing(ctx, id)
	if err != nil || costing.Costs[l.Value.Lines[0].ID].Amount != 150050 {
		t.Errorf("the cost is %v, %v", costing, err)
	}
}

func TestConditionsOfAPackage(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signInAs(t, "agency")
	path := "/console/packages/" + ownPackageID + "/conditions"
	doc := s.page(t, path, "Cookie", cookie)
	form := fieldsOf(doc.Find("form[data-builder]"))
	if form.Get("policy") != "standard" || doc.Find(".policy li").Length() < 4 {
		t.Errorf("policy %q, read in %d sentences", form.Get("policy"), doc.Find(".policy li").Length())
	}
	standard := text(doc.Find(".policy"))
	strict := text(s.send(t, cookie, path, with(form, "act", "check", "policy", "strict")).document(t).Find(".policy"))
	if strict == standard || strict == "" {
		t.Errorf("the strict policy reads like the standard one: %s", strict)
	}
	own := with(form, "act", "save", "policy", "own", "tiers[0].days", "5", "tiers[1].days", "9", "max_companions", "99")
	a := s.send(t, cookie, path, own)
	doc = a.document(t)
	if a.StatusCode != http.StatusUnprocessableEntity || doc.Find(`[id="error-tiers[1].days"]`).Length() != 1 || doc.Find("#error-max_companions").Length() != 1 {
		t.Errorf("status %d: %s", a.StatusCode, text(doc.Find(".error-summary")))
	}
}
