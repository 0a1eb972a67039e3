package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
)

const (
	ownPackageID     = "acupuncture-anaesthesia-three-weeks-and-more" // of the demo agency that signs in
	demoAgency       = "demo-agency-jade-bridge"
	foreignPackageID = "acupuncture-two-weeks-of-needles-and-tea"
)

// send posts a form as a member.
func (s *testServer) send(t testing.TB, cookie, path string, form url.Values) answer {
	t.Helper()
	return s.post(t, path, form, "Cookie", cookie)
}

// fieldsOf returns what a form would send, without its buttons.
func fieldsOf(form *goquery.Selection) url.Values {
	out := url.Values{}
	form.Find("input[name], select[name], textarea[name]").Each(func(_ int, f *goquery.Selection) {
		name, _ := f.Attr("name")
		switch kind, _ := f.Attr("type"); {
		case kind == "checkbox" || kind == "radio":
			if _, on := f.Attr("checked"); on {
				out.Add(name, f.AttrOr("value", "on"))
			}
		case goquery.NodeName(f) == "select":
			chosen := f.Find("option[selected]")
			if chosen.Length() == 0 {
				chosen = f.Find("option").First()
			}
			out.Add(name, chosen.AttrOr("value", ""))
		case goquery.NodeName(f) == "textarea":
			out.Add(name, f.Text())
		default:
			out.Add(name, f.AttrOr("value", ""))
		}
	})
	return out
}

func with(form url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = append([]string(nil), v...)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

// newPackage makes a package over HTTP and returns its id.
func (s *testServer) newPackage(t testing.TB, cookie, name string) string {
	t.Helper()
	a := s.send(t, cookie, "/console/packages/new", url.Values{"act": {"create"}, "name.en": {name}, "offering": {"icl-at-eent-fudan"},
		"hotel_area": {"hotel-area-kongjiang-wujiaochang"}, "currency": {"CNY"}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("making %q: status %d: %s", name, a.StatusCode, text(a.document(t).Find(".error-summary")))
	}
	id := strings.Split(strings.TrimPrefix(a.Header.Get("Location"), "/console/packages/"), "/")[0]
	return id
}

func TestPackagesOfAnAgency(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signInAs(t, "agency")
	doc := s.page(t, "/console/packages", "Cookie", cookie)
	rows := doc.Find("table.list tbody tr")
	if rows.Length() == 0 {
		t.Fatal("the agency has no packages")
	}
	rows.Find("th a").Each(func(_ int, a *goquery.Selection) {
		id := strings.TrimPrefix(a.AttrOr("href", ""), "/console/packages/")
		if l, err := s.Catalog.Packages.Listing(context.Background(), id); err != nil || l.Value.AgencyID != demoAgency {
			t.Errorf("%s is listed: %v, %s", id, err, l.Value.AgencyID)
		}
	})
	doc = s.page(t, "/console/packages?q=acupuncture-assisted&state=published&sort=name", "Cookie", cookie)
	if got := doc.Find("table.list tbody th a").AttrOr("href", ""); got != "/console/packages/"+ownPackageID {
		t.Errorf("the search finds %q", got)
	}
	doc = s.page(t, "/console/packages?q=zzzz", "Cookie", cookie)
	if doc.Find("table.list").Length() != 0 || doc.Find(".empty").Length() != 1 {
		t.Error("a search without results shows no empty state")
	}
	a := s.get(t, "/console/packages?format=csv", "Cookie", cookie)
	if !strings.HasPrefix(a.Body, "\ufeffid,name,state") || !strings.Contains(a.Body, ownPackageID) || strings.Contains(a.Body, foreignPackageID) {
		t.Errorf("the file is %.200s", a.Body)
	}
}

// Whose package it is, and what somebody is to the agency, decides.
func TestPackagesOfOthersDoNotExist(t *testing.T) {
	s := newTestServer(t)
	agency, hospital := s.signInAs(t, "agency"), s.signInAs(t, "hospital")
	for _, path := range []string{"", "/plan", "/texts"} {
		for id, want := range map[string]int{ownPackageID: http.StatusOK, foreignPackageID: http.StatusNotFound, "nothing-here": http.StatusNotFound, "BAD_ID": http.StatusNotFound} {
			if a := s.get(t, "/console/packages/"+id+path, "Cookie", agency); a.StatusCode != want {
				t.Errorf("%s%s: status %d, want %d", id, path, a.StatusCode, want)
			}
		}
		if a := s.get(t, "/console/packages/"+ownPackageID+path, "Cookie", hospital); a.StatusCode != http.StatusForbidden {
			t.Errorf("a hospital at %s: status %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/plan", "/texts", "/state", "/copy", "/consent"} {
		if a := s.send(t, agency, "/console/packages/"+foreignPackageID+path, url.Values{"act": {"save"}, "state": {"archived"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("posting to another's %s: status %d", path, a.StatusCode)
		}
	}
	viewer := s.memberAs(t, demoAgency, "viewer@agency.example", account.Viewer)
	if a := s.get(t, "/console/packages/"+ownPackageID+"/plan", "Cookie", viewer); a.StatusCode != http.StatusOK || strings.Contains(a.Body, `value="save"`) {
		t.Errorf("a viewer: status %d, may save: %v", a.StatusCode, strings.Contains(a.Body, `value="save"`))
	}
	if a := s.send(t, viewer, "/console/packages/"+ownPackageID+"/plan", url.Values{"act": {"save"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer saves: status %d", a.StatusCode)
	}
}

// memberAs signs somebody in who is a member in a role.
func (s *testServer) memberAs(t testing.TB, organisation, email string, role account.Role) string {
	t.Helper()
	ctx := context.Background()
	_ = s.Accounts.Join(ctx, organisation, account.Member{Email: email, Role: role, AddedBy: "test"}) // a member already in another test
	token, err := s.Accounts.Begin(ctx, email, "test", account.ProofPasskey)
	if err != nil {
		t.Fatal(err)
	}
	cookie := "session=" + token
	s.send(t, cookie, "/console/organisation", url.Values{"organisation": {organisation}})
	return cookie
}

// A new package is laid out so that it passes the recovery check, and keeps
// what was typed where something is missing.
func TestNewPackage(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signInAs(t, "agency")
	bad := s.send(t, cookie, "/console/packages/new", url.Values{"act": {"create"}, "name.en": {"Kept & typed"}, "currency": {"CNY"}, "offering": {"liver-transplant-at-nowhere"}})
	doc := bad.document(t)
	if bad.StatusCode != http.StatusUnprocessableEntity || doc.Find(`input[name="name.en"]`).AttrOr("value", "") != "Kept & typed" {
		t.Fatalf("status %d, the name is %q", bad.StatusCode, doc.Find(`input[name="name.en"]`).AttrOr("value", ""))
	}
	for _, field := range []string{"hotel_area", "offering"} {
		if doc.Find("#error-"+field).Length() != 1 {
			t.Errorf("nothing is said of %s", field)
		}
	}
	doc = s.send(t, cookie, "/console/packages/new", url.Values{"act": {"search"}, "q": {"liver transplant"}, "name.en": {"Kept"}}).document(t)
	if doc.Find("#offering .against").Length() == 0 || doc.Find("#offering input[disabled]").Length() == 0 {
		t.Error("a transplant can be chosen, or nothing says why not")
	}
	id := s.newPackage(t, cookie, "Two Clear Eyes!")
	if !strings.HasPrefix(id, "two-clear-eyes") {
		t.Errorf("the id is %q", id)
	}
	if again := s.newPackage(t, cookie, "Two Clear Eyes!"); again == id {
		t.Errorf("two packages are %q", id)
	}
	doc = s.page(t, "/console/packages/"+id+"/plan?done=created", "Cookie", cookie)
	if doc.Find(".plan-sum .note.calm").Length() != 1 || doc.Find(".findings").Length() != 0 {
		t.Errorf("the new plan does not pass: %s", text(doc.Find(".findings")))
	}
	if a := s.get(t, "/packages/"+id); a.StatusCode != http.StatusNotFound {
		t.Errorf("patients see a draft: status %d", a.StatusCode)
	}
	l, err := s.Catalog.Packages.Listing(context.Background(), id)
	if err != nil || !l.Value.Demo || l.State != catalog.Draft {
		t.Errorf("%+v, %v: a package of a demo agency has to be marked", l.State, err)
	}
}

// The check runs with every act, names what is broken and where, and its
// remedies do what they say; nothing is stored before it is saved.
func TestBuilderIsRefusedAndMends(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signInAs(t, "agency")
	id := s.newPackage(t, cookie, "Built by hand")
	path := "/console/packages/" + id + "/plan"
	form := fieldsOf(s.page(t, path, "Cookie", cookie).Find("form[data-builder]"))
	act := func(value string, pairs ...string) *goquery.Document {
		t.Helper()
		a := s.send(t, cookie, path, with(form, append(pairs, "act", value)...))
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", value, a.StatusCode)
		}
		doc := a.document(t)
		form = fieldsOf(doc.Find("form[data-builder]"))
		return doc
	}
	problems := func(doc *goquery.Document) int { return doc.Find(".findings > li").Length() }

	doc := act("no-offering:icl-at-eent-fudan")
	if doc.Find(`input[name="offering"]`).Length() != 0 {
		t.Fatal("the treatment is still there")
	}
	doc = act("offering:icl-at-eent-fudan")
	if problems(doc) != 1 || doc.Find(".remedies button").Length() == 0 {
		t.Fatalf("a plan without the procedure has %d problems: %s", problems(doc), text(doc.Find(".findings")))
	}
	for n := 0; problems(doc) > 0; n++ {
		button := doc.Find(".remedies button").First()
		if n > 20 || button.Length() == 0 {
			t.Fatalf("the remedies do not end: %s", text(doc.Find(".findings")))
		}
		doc = act(button.AttrOr("value", ""))
	}

	act("add:1", "add.1", "own:sight", "add_text.1", "Running up a tower", "add_exertion.1", "strenuous")
	if form.Get("text.en.1.2") != "Running up a tower" {
		t.Errorf("the words are %q", form.Get("text.en.1.2"))
	}
	act("check", "text.en.1.2", "Walking up a tower", "count.1", "2")
	if form.Get("text.en.1.2") != "Walking up a tower" || form.Get("count.1") != "2" {
		t.Errorf("typed: %q on %q days", form.Get("text.en.1.2"), form.Get("count.1"))
	}
	doc = act("pick:1")
	if doc.Find("#picker").Length() != 1 || doc.Find(".picker .choice").Length() == 0 {
		t.Fatal("no places to choose from")
	}
	doc = act("check", "place_fits", "", "place_q", "park")
	doc.Find(".picker .choice b").Each(func(_ int, b *goquery.Selection) {
		if !strings.Contains(strings.ToLower(b.Parent().Parent().Text()), "park") && b.Length() == 0 {
			t.Errorf("the search for parks finds %s", b.Text())
		}
	})
	place := doc.Find(".picker .choice button:not([disabled])").First().AttrOr("value", "")
	before := form.Get("plan")
	act(place)
	if form.Get("plan") == before || !strings.Contains(form.Get("plan"), strings.TrimPrefix(place, "place:")) {
		t.Errorf("%s was not added", place)
	}
	l, err := s.Catalog.Packages.Listing(context.Background(), id)
	if err != nil || l.Revision != 1 {
		t.Fatalf("revision %d before anything was saved, %v", l.Revision, err)
	}
	a := s.send(t, cookie, path, with(form, "act", "save"))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving: status %d: %s", a.StatusCode, text(a.document(t).Find(".error-summary")))
	}
	stale := s.send(t, cookie, path, with(form, "act", "save", "text.en.1.0", "Mine"))
	doc = stale.document(t)
	if stale.StatusCode != http.StatusConflict || doc.Find(".difference").Length() != 1 || fieldsOf(doc.Find("form[data-builder]")).Get("text.en.1.0") != "Mine" {
		t.Errorf("an older revision: status %d, %d differences, typed text %q", stale.StatusCode, doc.Find(".difference").Length(), fieldsOf(doc.Find("form[data-builder]")).Get("text.en.1.0"))
	}
	for _, plan := range []string{"", "{", `{"days":[]}`, `{"days":[{"from":2,"to":3}]}`, `{"days":[{"from":1,"to":100000}]}`} {
		if a := s.send(t, cookie, path, with(form, "act", "check", "plan", plan)); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("the plan %q: status %d", plan, a.StatusCode)
		}
	}
	for _, odd := range []string{"up:999:1", "down:1:-5", "out:x:y", "mend:move:1:9:9:9::", "mend", "place:nothing", "pick:400", "drop:0", "nonsense"} {
		if a := s.send(t, cookie, path, with(form, "act", odd)); a.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", odd, a.StatusCode)
		}
	}
}

func TestTextsSideBySide(t *testing.T) {
	s := newTestServer(t)
	cookie := s.signInAs(t, "agency")
	id := s.newPackage(t, cookie, "Words")
	path := "/console/packages/" + id + "/texts"
	doc := s.page(t, path+"?third=ru", "Cookie", cookie)
	form := fieldsOf(doc.Find("form[data-builder]"))
	if _, ok := form["name.ru"]; !ok || form.Get("name.en") != "Words" {
		t.Fatalf("the fields are %v", form)
	}
	bad := s.send(t, cookie, path, with(form, "act", "save", "name.en", "", "summary.en", "We cure everybody, guaranteed."))
	doc = bad.document(t)
	if bad.StatusCode != http.StatusUnprocessableEntity || doc.Find(".text-row .against").Length() == 0 || !strings.Contains(doc.Find(`textarea[name="summary.en"]`).Text(), "guaranteed") {
		t.Errorf("status %d, lint %q", bad.StatusCode, text(doc.Find(".text-row .against")))
	}
	a := s.send(t, cookie, path, with(form, "act", "save", "name.ru", "Слова"))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", a.StatusCode)
	}
	l, err := s.Catalog.Packages.Listing(context.Background(), id)
	if err != nil || l.Value.Name["ru"] != "Слова" || l.Value.Name["en"] != "Words" || len(l.Value.Lines[0].Label.Missing()) > 0 {
		t.Errorf("%v, %v", l.Value.Name, err)
	}
}

// A package goes to the operator when nothing stands against it, comes back
// with a reason, and can be copied and archived.
func TestWayOfAPackage(t *testing.T) {
	s := newTestServer(t)
	ctx, cookie := context.Background(), s.signInAs(t, "agency")
	id := s.newPackage(t, cookie, "On its way")
	path := "/console/packages/" + id
	if a := s.send(t, cookie, path+"/state", url.Values{"state": {"submitted"}}); a.StatusCode != http.StatusUnprocessableEntity || a.document(t).Find("[role=alert]").Length() != 1 {
		t.Errorf("a package without a price: status %d", a.StatusCode)
	}
	l, err := s.Catalog.Packages.Listing(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	pkg := l.Value
	pkg.Lines = append([]catalog.PriceLine(nil), pkg.Lines...)
	pkg.Lines[0].Amount = &catalog.Money{Amount: 100000, Currency: "CNY"}
	if _, err := s.Catalog.Packages.Save(ctx, pkg, catalog.Edit{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	state := func(want catalog.State) {
		t.Helper()
		if l, err := s.Catalog.Packages.Listing(ctx, id); err != nil || l.State != want {
			t.Fatalf("the state is %s, want %s: %v", l.State, want, err)
		}
	}
	move := func(to string, want int) {
		t.Helper()
		if a := s.send(t, cookie, path+"/state", url.Values{"state": {to}}); a.StatusCode != want {
			t.Fatalf("to %s: status %d, want %d: %s", to, a.StatusCode, want, text(a.document(t).Find("main")))
		}
	}
	move("submitted", http.StatusSeeOther)
	state(catalog.Submitted)
	move("published", http.StatusUnprocessableEntity)
	if err := s.Catalog.Packages.Move(ctx, id, catalog.Draft, catalog.Edit{Author: "operator@demo.example", Reason: "Say which hotel."}); err != nil {
		t.Fatal(err)
	}
	if got := text(s.page(t, path, "Cookie", cookie).Find("[aria-labelledby=returned] p")); got != "Say which hotel." {
		t.Errorf("the reason reads %q", got)
	}
	if got := text(s.page(t, "/console", "Cookie", cookie).Find(".console-tasks")); !strings.Contains(got, "On its way") {
		t.Errorf("to do: %s", got)
	}
	a := s.send(t, cookie, path+"/copy", nil)
	copyPath := strings.Split(a.Header.Get("Location"), "?")[0]
	if a.StatusCode != http.StatusSeeOther || copyPath == path || text(s.page(t, copyPath, "Cookie", cookie).Find("h1")) != "On its way (copy)" {
		t.Errorf("the copy: status %d at %s", a.StatusCode, copyPath)
	}
	move("archived", http.StatusSeeOther)
	move("draft", http.StatusSeeOther)
	state(catalog.Draft)
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{"Two Clear Eyes!": "two-clear-eyes", "  A  b--c ": "a-b-c", "一二三": "", "Fifty’s 5": "fiftys-5", "Élan": "lan",
		strings.Repeat("long ", 40): strings.TrimSuffix(strings.Repeat("long-", 16), "-")} {
		if got := slug(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
