package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
)

func TestDeparturesOf(t *testing.T) {
	today := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	form := func(pairs ...string) url.Values {
		f := url.Values{"kind": {"single"}, "capacity": {"4"}, "from": {"2026-12-07"}, "to": {"2027-01-31"}, "weeks": {"2"}, "weekday": {"1"}, "lead": {"14"}, "horizon": {"180"}}
		return with(f, pairs...)
	}
	for _, tt := range []struct {
		name   string
		form   url.Values
		want   string
		faults string
	}{
		{"one date", form(), "p-20261207", ""},
		{"every second week", form("kind", "series"), "p-20261207 p-20261221 p-20270104 p-20270118", ""},
		{"every Monday", form("kind", "rolling"), "p-monday", ""},
		{"today", form("from", "2026-11-22"), "", "from"},
		{"no date, no places", form("from", "soon", "capacity", "0"), "", "capacity from"},
		{"a series that ends before it begins", form("kind", "series", "to", "2026-12-01"), "", "to"},
		{"a series of decades", form("kind", "series", "to", "2099-01-01", "weeks", "1"), "", "to"},
		{"a horizon within the lead time", form("kind", "rolling", "horizon", "3"), "", "horizon"},
	} {
		list, faults := departuresOf(tt.form, "p", today)
		var ids, names []string
		for _, d := range list {
			ids = append(ids, d.ID)
			if err := d.Validate(); err != nil && tt.faults == "" {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		for _, f := range faults {
			names = append(names, f.Name)
		}
		if strings.Join(names, " ") != tt.faults || tt.faults == "" && strings.Join(ids, " ") != tt.want {
			t.Errorf("%s: %v, faults %v", tt.name, ids, names)
		}
	}
}

// publishedPackage makes a package that can be booked and returns its id.
func (s *testServer) publishedPackage(t *testing.T, cookie, name string) string {
	t.Helper()
	ctx, id := context.Background(), s.newPackage(t, cookie, name)
	l, err := s.Catalog.Packages.Listing(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	pkg := l.Value
	pkg.Lines = append([]catalog.PriceLine(nil), pkg.Lines...)
	pkg.Lines[0].Amount = &catalog.Money{Amount: 500000, Currency: "CNY"}
	if _, err := s.Catalog.Packages.Publish(ctx, pkg, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	return id
}

// Dates are added, booked, listed and closed; whoever was on one is moved or
// refunded, and nobody is forgotten.
func TestDeparturesAreAddedBookedAndClosed(t *testing.T) {
	s := newTestServer(t)
	ctx, cookie := context.Background(), s.signInAs(t, "agency")
	id := s.publishedPackage(t, cookie, "Dates to close")
	path := "/console/packages/" + id + "/departures"
	first, second := shanghaiDate(s.Now()).AddDate(0, 0, 60), shanghaiDate(s.Now()).AddDate(0, 0, 74)
	form := url.Values{"kind": {"series"}, "capacity": {"2"}, "from": {first.Format(time.DateOnly)}, "to": {second.Format(time.DateOnly)}, "weeks": {"2"}}
	if a := s.send(t, cookie, path, with(form, "capacity", "many")); a.StatusCode != http.StatusUnprocessableEntity || a.document(t).Find("#departure-capacity").AttrOr("value", "") != "many" {
		t.Errorf("a wrong capacity: status %d", a.StatusCode)
	}
	if a := s.send(t, cookie, path, form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("adding: status %d: %s", a.StatusCode, text(a.document(t).Find(".error-summary")))
	}
	if a := s.send(t, cookie, path, form); a.StatusCode != http.StatusConflict {
		t.Errorf("adding them again: status %d", a.StatusCode)
	}
	links := s.page(t, path, "Cookie", cookie).Find("table.list tbody th a")
	if links.Length() != 2 {
		t.Fatalf("%d starts", links.Length())
	}
	start := links.First().AttrOr("href", "")
	key, other := strings.TrimPrefix(start, "/console/departures/"), strings.TrimPrefix(links.Last().AttrOr("href", ""), "/console/departures/")

	q, err := s.Checkout.Quote(ctx, checkout.Choice{PackageID: id, StartKey: key, Currency: "CNY", Lang: "en", Companions: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Checkout.Book(ctx, q.ID, checkout.Patient{Name: "=Guest One", Email: "guest@example.org", CompanionNames: []string{"Companion"}, Note: "No nuts"})
	if err != nil {
		t.Fatal(err)
	}
	doc := s.page(t, start, "Cookie", cookie)
	if got := text(doc.Find("[aria-labelledby=guests] tbody")); !strings.Contains(got, b.Number) || !strings.Contains(got, "=Guest One") {
		t.Errorf("on it: %s", got)
	}
	file := s.get(t, start+"?format=csv", "Cookie", cookie)
	if !strings.Contains(file.Body, "'=Guest One") || !strings.Contains(file.Body, "Companion") || !strings.Contains(file.Body, b.Number) {
		t.Errorf("the guest list is %s", file.Body)
	}
	if got := text(s.page(t, "/console/departures?state=booked", "Cookie", cookie).Find("table.list")); !strings.Contains(got, "Dates to close") {
		t.Errorf("the calendar has %s", got)
	}
	if got := text(s.page(t, "/console/agency/bookings?q="+b.Number, "Cookie", cookie).Find("table.list tbody")); !strings.Contains(got, b.Number) || strings.Count(got, "MT-") != 1 {
		t.Errorf("the list has %s", got)
	}
	doc = s.page(t, "/console/agency/bookings/"+b.ID, "Cookie", cookie)
	if got := text(doc.Find("main")); !strings.Contains(got, "No nuts") || !strings.Contains(got, "5,000.00") {
		t.Errorf("the booking reads %s", got)
	}

	bad := s.send(t, cookie, start+"/close", url.Values{"how": {"choose"}, "move_by": {"tomorrow"}})
	if bad.StatusCode != http.StatusUnprocessableEntity || bad.document(t).Find("#error-reason, #error-move_by").Length() != 2 {
		t.Errorf("closing without a reason or a date: status %d", bad.StatusCode)
	}
	a := s.send(t, cookie, start+"/close", url.Values{"how": {"move"}, "to": {other}, "reason": {"The guide is ill."}, "move_by": {shanghaiDate(s.Now()).AddDate(0, 0, 7).Format(time.DateOnly)}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("closing: status %d: %s", a.StatusCode, text(a.document(t).Find("main")))
	}
	doc = s.page(t, start, "Cookie", cookie)
	if doc.Find("#close").Length() != 0 || !strings.Contains(text(doc.Find(".note.stop")), "The guide is ill.") {
		t.Error("a closed departure does not say so")
	}
	after, err := s.Checkout.Booking(ctx, b.ID)
	if err != nil || after.Closed == nil && after.State != checkout.StateExpired && after.State != checkout.StateCancelled && after.Quote.StartKey != other {
		t.Errorf("the booking knows nothing of it: %s on %s, %v", after.State, after.Quote.StartKey, err)
	}
	if _, err := s.Checkout.Quote(ctx, checkout.Choice{PackageID: id, StartKey: key, Currency: "CNY", Lang: "en"}); err == nil {
		t.Error("a closed date can still be booked")
	}
}

// What belongs to another agency does not exist, and who may not see bookings
// does not.
func TestBookingsOfOthersDoNotExist(t *testing.T) {
	s := newTestServer(t)
	ctx, cookie := context.Background(), s.signInAs(t, "agency")
	foreign, err := s.Catalog.DeparturesOfPackage(ctx, foreignPackageID)
	if err != nil || len(foreign) == 0 {
		t.Fatal(err)
	}
	key := foreign[0].Starts(s.Now())[0].Key
	q, err := s.Checkout.Quote(ctx, checkout.Choice{PackageID: foreignPackageID, StartKey: key, Currency: "CNY", Lang: "en"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Checkout.Book(ctx, q.ID, checkout.Patient{Name: "Of Others", Email: "others@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/console/departures/" + key, "/console/departures/" + key + "?format=csv", "/console/departures/" + foreign[0].ID, "/console/departures/nothing", "/console/departures/BAD_2026-12-07",
		"/console/agency/bookings/" + b.ID, "/console/agency/bookings/nothing", "/console/packages/" + foreignPackageID + "/departures", "/console/packages/" + foreignPackageID + "/history", "/console/packages/" + foreignPackageID + "/preview"} {
		if a := s.get(t, path, "Cookie", cookie); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	if a := s.send(t, cookie, "/console/departures/"+key+"/close", url.Values{"how": {"refund"}, "reason": {"x"}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("closing another's: status %d", a.StatusCode)
	}
	if got := s.get(t, "/console/agency/bookings?format=csv", "Cookie", cookie).Body + s.get(t, "/console/agency/ledger?format=csv", "Cookie", cookie).Body; strings.Contains(got, b.Number) {
		t.Error("another's booking is in the files")
	}
	editor := s.memberAs(t, demoAgency, "editor@agency.example", "editor")
	for _, path := range []string{"/console/agency/bookings", "/console/agency/ledger", "/console/departures"} {
		if a := s.get(t, path, "Cookie", editor); a.StatusCode != http.StatusForbidden {
			t.Errorf("an editor at %s: status %d", path, a.StatusCode)
		}
		if a := s.get(t, path, "Cookie", cookie); a.StatusCode != http.StatusOK {
			t.Errorf("an owner at %s: status %d", path, a.StatusCode)
		}
	}
}

// The preview is the patient's page, for members only, and books nothing.
func TestPreviewAndHistory(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signInAs(t, "agency")
	id := s.publishedPackage(t, cookie, "Seen before")
	path := "/console/packages/" + id
	texts := fieldsOf(s.page(t, path+"/texts", "Cookie", cookie).Find("form[data-builder]"))
	if a := s.send(t, cookie, path+"/texts", with(texts, "act", "save", "name.en", "Seen only by us")); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", a.StatusCode)
	}
	doc := s.page(t, path+"/preview", "Cookie", cookie)
	if text(doc.Find("h1")) != "Seen only by us" || doc.Find("[role=note] a[href='"+path+"']").Length() != 1 || doc.Find("meta[name=robots][content=noindex]").Length() != 1 {
		t.Errorf("the preview is %q", text(doc.Find("h1")))
	}
	if doc.Find("[formaction]").Length() != 0 || doc.Find(".price.big").Length() != 1 {
		t.Error("the preview takes bookings or shows no price")
	}
	if a := s.get(t, path+"/preview"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a stranger: status %d", a.StatusCode)
	}
	if got := text(s.page(t, "/packages/"+id).Find("h1")); got != "Seen before" {
		t.Errorf("patients read %q", got)
	}
	doc = s.page(t, path+"/history", "Cookie", cookie)
	if doc.Find(".choices > li").Length() != 3 || !strings.Contains(text(doc.Find(".difference").First()), "Seen only by us") {
		t.Errorf("%d revisions; the last changed %s", doc.Find(".choices > li").Length(), text(doc.Find(".difference").First()))
	}
}

func TestNextKey(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	in := func(days int) time.Time { return now.AddDate(0, 0, days) }
	for _, tt := range []struct {
		b    checkout.View
		want string
	}{
		{checkout.View{State: checkout.StateHolding}, "pays"},
		{checkout.View{State: checkout.StateAwaiting, Start: in(3)}, "answers"},
		{checkout.View{State: checkout.StateAwaiting, ReplyBy: in(1)}, "replies"},
		{checkout.View{State: checkout.StateConfirmed, Start: in(40)}, "comes"},
		{checkout.View{State: checkout.StateConfirmed, Start: in(13)}, "prepare"},
		{checkout.View{State: checkout.StateConfirmed, Start: in(-1)}, "travels"},
		{checkout.View{State: checkout.StateCancelled, RefundPending: catalog.Money{Amount: 1}}, "refund"},
		{checkout.View{State: checkout.StateCompleted}, ""},
	} {
		if got := nextKey(tt.b, now); got != tt.want {
			t.Errorf("%s starting %s: %q, want %q", tt.b.State, tt.b.Start, got, tt.want)
		}
	}
}
