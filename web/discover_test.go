package web

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

// discoverPages is one page of each type, with the JSON-LD types that it must
// carry.
var discoverPages = map[string][]string{
	"/": {"WebSite"}, "/search?q=blood+cancer": nil, "/search?kind=package": nil, "/search?kind=hospital&q=eye": nil, "/search?kind=treatment": nil,
	"/search?q=zzqxv": nil, "/treatments": nil, "/treatments/icl": {"MedicalProcedure", "BreadcrumbList"},
	"/treatments/paediatric-liver-transplant-living-donor": {"MedicalProcedure"}, "/hospitals": nil,
	"/hospitals/renji": {"Hospital", "BreadcrumbList"}, "/hospitals/deltahealth": {"Hospital"},
	"/offerings/icl-at-eent-fudan": {"MedicalProcedure", "BreadcrumbList"}, "/how-results-are-ordered": nil,
}

// TestPagesAreSound checks what every page owes its readers, in every
// language.
func TestPagesAreSound(t *testing.T) {
	s := newTestServer(t)
	for path, ld := range discoverPages {
		for _, lang := range catalog.Languages {
			here := templates.Page{}.URLIn(lang, path)
			t.Run(here, func(t *testing.T) {
				doc := s.page(t, here)
				checkHead(t, s, doc, lang, path)
				checkBody(t, doc, lang)
				checkLD(t, doc, ld)
			})
		}
	}
}

func checkHead(t *testing.T, s *testServer, doc *goquery.Document, lang, path string) {
	t.Helper()
	html := doc.Find("html")
	if html.AttrOr("lang", "") != lang || html.AttrOr("dir", "") != templates.LocaleFor(lang).Dir {
		t.Errorf("html has lang %q and dir %q", html.AttrOr("lang", ""), html.AttrOr("dir", ""))
	}
	if doc.Find("title").Text() == "" || doc.Find(`meta[name="description"]`).AttrOr("content", "") == "" || doc.Find(`meta[property="og:title"]`).Length() != 1 {
		t.Error("title, description or og:title is missing")
	}
	bare, _, _ := strings.Cut(path, "?")
	if got, want := doc.Find(`link[rel="canonical"]`).AttrOr("href", ""), s.URL+(templates.Page{}.URLIn(lang, bare)); got != want {
		t.Errorf("canonical is %q, want %q", got, want)
	}
	if n := doc.Find(`link[rel="alternate"][hreflang]`).Length(); n != len(catalog.Languages)+1 {
		t.Errorf("%d alternates, want one per language and x-default", n)
	}
}

func checkBody(t *testing.T, doc *goquery.Document, lang string) {
	t.Helper()
	if n := doc.Find("h1").Length(); n != 1 {
		t.Errorf("%d h1, want 1", n)
	}
	if doc.Find("header").Length() == 0 || doc.Find("main#main").Length() != 1 || doc.Find("footer").Length() == 0 {
		t.Error("a landmark is missing")
	}
	if n := doc.Find("[style], [onclick], [onchange], style, script:not([src]):not([type='application/ld+json'])").Length(); n != 0 {
		t.Errorf("%d elements with inline style or script, which the content security policy forbids", n)
	}
	seen := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, e *goquery.Selection) {
		id := e.AttrOr("id", "")
		if seen[id] {
			t.Errorf("the id %q is there twice", id)
		}
		seen[id] = true
	})
	doc.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, e *goquery.Selection) {
		id, labelled := e.AttrOr("id", ""), e.AttrOr("aria-label", "") != "" || e.Closest("label").Length() > 0
		if !labelled && (id == "" || doc.Find(`label[for="`+id+`"]`).Length() == 0) {
			t.Errorf("the field %q has no label", e.AttrOr("name", ""))
		}
	})
	doc.Find("svg").Each(func(_ int, e *goquery.Selection) {
		if e.AttrOr("aria-hidden", "") != "true" && e.AttrOr("aria-label", "") == "" {
			t.Error("a drawing has neither a label nor aria-hidden")
		}
	})
	locale := templates.LocaleFor(lang)
	doc.Find("body *").Each(func(_ int, e *goquery.Selection) {
		if own := text(e); e.Children().Length() == 0 && strings.Contains(own, ".") && locale.Has(own) {
			t.Errorf("the page shows the message key %q", own)
		}
	})
}

func checkLD(t *testing.T, doc *goquery.Document, want []string) {
	t.Helper()
	var types []string
	doc.Find(`script[type="application/ld+json"]`).Each(func(_ int, e *goquery.Selection) {
		var object map[string]any
		if err := json.Unmarshal([]byte(e.Text()), &object); err != nil {
			t.Errorf("JSON-LD cannot be read: %v", err)
		}
		kind, _ := object["@type"].(string)
		types = append(types, kind)
	})
	for _, w := range want {
		if !slices.Contains(types, w) {
			t.Errorf("JSON-LD has %v, want %s among them", types, w)
		}
	}
}

// TestLinksLead follows every link within the site from one page of each type.
func TestLinksLead(t *testing.T) {
	s := newTestServer(t)
	targets := map[string]string{}
	for path := range discoverPages {
		s.page(t, path).Find("a[href], form[action]").Each(func(_ int, e *goquery.Selection) {
			href, _, _ := strings.Cut(e.AttrOr("href", e.AttrOr("action", "")), "#")
			if strings.HasPrefix(href, "/") && e.AttrOr("method", "") != "post" {
				targets[href] = path
			}
		})
	}
	if len(targets) < 100 {
		t.Fatalf("only %d links found", len(targets))
	}
	for href, from := range targets {
		if a := s.get(t, href); a.StatusCode != http.StatusOK && a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s links to %s, which answers %d", from, href, a.StatusCode)
		}
	}
}

// TestAnchorsExist checks that links to a part of a page have it there.
func TestAnchorsExist(t *testing.T) {
	s := newTestServer(t)
	pages := map[string]*goquery.Document{}
	load := func(path string) *goquery.Document {
		if pages[path] == nil {
			pages[path] = s.page(t, path)
		}
		return pages[path]
	}
	for path := range discoverPages {
		load(path).Find(`a[href*="#"]`).Each(func(_ int, e *goquery.Selection) {
			to, id, _ := strings.Cut(e.AttrOr("href", ""), "#")
			if to == "" {
				to = path
			}
			if strings.HasPrefix(to, "/") && load(to).Find(`[id="`+id+`"]`).Length() != 1 {
				t.Errorf("%s links to %s#%s, which is not there", path, to, id)
			}
		})
	}
}

var countOf = regexp.MustCompile(`\d+`)

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(countOf.FindString(s))
	if err != nil {
		t.Fatalf("no number in %q", s)
	}
	return n
}

// TestFilterNarrowsToItsCount chooses each value of each facet in turn: as many
// results must come as stood beside it, and a chip must take it back.
func TestFilterNarrowsToItsCount(t *testing.T) {
	s := newTestServer(t)
	for _, kind := range searchKinds {
		doc := s.page(t, "/search?q=cancer&kind="+string(kind))
		all := doc.Find("form.facets input[type=checkbox]")
		if all.Length() == 0 {
			t.Errorf("%s: no facets", kind)
		}
		all.Each(func(i int, box *goquery.Selection) {
			if i%4 != 0 {
				return // every fourth value tells as much in a quarter of the time
			}
			name, value := box.AttrOr("name", ""), box.AttrOr("value", "")
			count := number(t, box.Closest("label").Find("b").Text())
			q := url.Values{"q": {"cancer"}, "kind": {string(kind)}, name: {value}}
			narrowed := s.page(t, "/search?"+q.Encode())
			if got := number(t, narrowed.Find("#found-title").Text()); got != count {
				t.Errorf("%s=%s of %s gives %d results, its count says %d", name, value, kind, got, count)
			}
			if _, checked := narrowed.Find(`input[name="` + name + `"][value="` + value + `"]`).Attr("checked"); !checked {
				t.Errorf("%s=%s is not shown as chosen", name, value)
			}
			if n := narrowed.Find("ul.chips a.chip:not(.clear)").Length(); n != 1 {
				t.Errorf("%s=%s: %d chips, want 1", name, value, n)
			}
		})
	}
}

func TestTabsCountTheirResults(t *testing.T) {
	s := newTestServer(t)
	doc := s.page(t, "/search?q=knee")
	if doc.Find(`nav.tabs a[aria-current="page"]`).Length() != 1 || doc.Find("nav.tabs a").Length() != len(searchKinds) {
		t.Fatal("there is not one tab per kind with one of them current")
	}
	doc.Find("nav.tabs a").Each(func(_ int, tab *goquery.Selection) {
		if want, got := number(t, tab.Find(".num").Text()), number(t, s.page(t, tab.AttrOr("href", "")).Find("#found-title").Text()); got != want {
			t.Errorf("the tab %q leads to %d results", text(tab), got)
		}
	})
}

func TestPagesOfResultsMeetWithoutGapOrOverlap(t *testing.T) {
	s := newTestServer(t)
	total := number(t, s.page(t, "/search").Find("#found-title").Text())
	seen := map[string]bool{}
	next := "/search"
	for next != "" {
		doc := s.page(t, next)
		doc.Find("article.hit").Each(func(_ int, e *goquery.Selection) {
			path := e.AttrOr("data-path", "")
			if seen[path] {
				t.Errorf("%s is there twice", path)
			}
			seen[path] = true
		})
		next = doc.Find(`a[rel="next"]`).AttrOr("href", "")
	}
	if len(seen) != total {
		t.Errorf("the pages show %d of %d results", len(seen), total)
	}
}

func TestSearchRefusesWhatMakesNoSense(t *testing.T) {
	s := newTestServer(t)
	for path, want := range map[string]int{
		"/search?page=0":                                    http.StatusUnprocessableEntity,
		"/search?page=x":                                    http.StatusUnprocessableEntity,
		"/search?page=500":                                  http.StatusNotFound,
		"/search?kind=car":                                  http.StatusUnprocessableEntity,
		"/search?sort=random":                               http.StatusUnprocessableEntity,
		"/search?q=" + strings.Repeat("a", 600):             http.StatusUnprocessableEntity,
		"/search?q=" + strings.Repeat("a", 10<<10):          http.StatusRequestEntityTooLarge,
		"/search?q=%00%1f%e2%80%ae":                         http.StatusOK,
		"/search?utm_source=x":                              http.StatusOK,
		"/search?specialty=nothing-of-the-kind":             http.StatusOK,
		"/treatments/nothing":                               http.StatusNotFound,
		"/hospitals/..%2f..%2fetc":                          http.StatusNotFound,
		"/offerings/" + url.PathEscape("<script>"):          http.StatusNotFound,
		"/api/v1/search?kind=car":                           http.StatusUnprocessableEntity,
		"/api/v1/search?per_page=101":                       http.StatusUnprocessableEntity,
		"/api/v1/search?page=0":                             http.StatusUnprocessableEntity,
		"/api/v1/search?lang=xx":                            http.StatusUnprocessableEntity,
		"/api/v1/search?colour=red":                         http.StatusUnprocessableEntity,
		"/api/v1/search?kind=treatment&agency=x":            http.StatusUnprocessableEntity,
		"/api/v1/search?kind=package&agency=nobody":         http.StatusOK,
		"/api/v1/search?page=200&per_page=50":               http.StatusOK,
		"/search?page=10000":                                http.StatusNotFound,
		"/search?page=-1":                                   http.StatusUnprocessableEntity,
		"/search?near=place:nowhere":                        http.StatusUnprocessableEntity,
		"/search?price=cheap":                               http.StatusUnprocessableEntity,
		"/search?sort=distance":                             http.StatusOK,
		"/api/v1/search?sort=distance":                      http.StatusUnprocessableEntity,
		"/api/v1/search?currency=zz":                        http.StatusUnprocessableEntity,
		"/api/v1/search?price=..5000USD":                    http.StatusOK,
		"/api/v1/hospitals/nothing":                         http.StatusNotFound,
		"/suggest?q=" + strings.Repeat("a", 600) + "&lang=": http.StatusUnprocessableEntity,
	} {
		a := s.get(t, path)
		if a.StatusCode != want {
			t.Errorf("%.60s answers %d, want %d", path, a.StatusCode, want)
		}
		isJSON := strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/suggest")
		if isJSON != json.Valid([]byte(a.Body)) {
			t.Errorf("%.60s: JSON %v, want %v", path, !isJSON, isJSON)
		}
		if !isJSON && a.document(t).Find("main h1").Length() != 1 {
			t.Errorf("%.60s has no heading", path)
		}
	}
}

func TestNothingFoundLeadsOn(t *testing.T) {
	s := newTestServer(t)
	doc := s.page(t, "/search?q=cancer&specialty=ophthalmology&district=Qingpu&kind=offering")
	if doc.Find(".empty").Length() != 1 || doc.Find("article.hit").Length() != 0 {
		t.Fatal("this search should find nothing")
	}
	if clear := doc.Find("ul.chips a.clear").AttrOr("href", ""); number(t, s.page(t, clear).Find("#found-title").Text()) == 0 {
		t.Error("without the filters there is still nothing")
	}
	if doc.Find(".empty .ways a").Length() < 3 {
		t.Error("the empty page has fewer than three ways on")
	}
}

// TestCardsNeverShowOutcomes goes through all hits of all kinds: what is
// claimed of results stands on no card, and every fact on a card has a source.
func TestCardsNeverShowOutcomes(t *testing.T) {
	s := newTestServer(t)
	outcomes := map[string]bool{}
	eachClaim(t, s, func(c catalog.Claim) {
		if !c.Solid(time.Now()) {
			outcomes[strings.Join(strings.Fields(c.Text["en"]), " ")] = true
		}
	})
	eachClaim(t, s, func(c catalog.Claim) {
		if c.Solid(time.Now()) {
			delete(outcomes, strings.Join(strings.Fields(c.Text["en"]), " "))
		}
	})
	if len(outcomes) < 50 {
		t.Fatalf("only %d claims that may not stand on a card: the test has lost its subject", len(outcomes))
	}
	facts := 0
	for _, kind := range searchKinds {
		for next := "/search?kind=" + string(kind); next != ""; {
			doc := s.page(t, next)
			doc.Find(".hit .facts li").Each(func(_ int, li *goquery.Selection) {
				facts++
				source := text(li.Find(".small"))
				if source == "" {
					t.Errorf("the fact %q has no source", text(li))
				}
				if said := strings.TrimSpace(strings.TrimSuffix(text(li), source)); outcomes[said] {
					t.Errorf("a card shows %q", said)
				}
			})
			next = doc.Find(`a[rel="next"]`).AttrOr("href", "")
		}
	}
	if facts < 50 {
		t.Errorf("only %d facts on all cards", facts)
	}
}

func eachClaim(t *testing.T, s *testServer, f func(catalog.Claim)) {
	t.Helper()
	all := func(claims []catalog.Claim) {
		for _, c := range claims {
			f(c)
		}
	}
	err := s.Catalog.Hospitals.Each(t.Context(), func(h catalog.Hospital) error { all(h.Claims); return nil })
	if err == nil {
		err = s.Catalog.Offerings.Each(t.Context(), func(o catalog.Offering) error { all(o.Claims); return nil })
	}
	if err == nil {
		err = s.Catalog.Treatments.Each(t.Context(), func(v catalog.Treatment) error { all(v.Claims); all(v.Timeline.Basis); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestHospitalsShowClaimsAsTheyAre checks on every hospital's page that
// outcomes stand folded and named as reports, conflicts are marked, undated
// insurers too, and that nothing is linked that may not be.
func TestHospitalsShowClaimsAsTheyAre(t *testing.T) {
	s := newTestServer(t)
	now := time.Now()
	err := s.Catalog.Hospitals.Each(t.Context(), func(h catalog.Hospital) error {
		doc := s.page(t, "/hospitals/"+h.ID)
		var outcomes, conflicts int
		for _, c := range catalog.ShownClaims(h.Claims, now) {
			if c.Outcome {
				outcomes++
			}
			if c.Conflict != "" {
				conflicts++
			}
			if c.Source.DoNotLink && doc.Find(`a[href="`+c.Source.Address+`"]`).Length() > 0 {
				t.Errorf("%s links %s, which may not be linked", h.ID, c.Source.Address)
			}
		}
		if got := doc.Find("details.outcomes:not([open]) .claims > li").Length(); got != outcomes {
			t.Errorf("%s shows %d folded outcomes, has %d", h.ID, got, outcomes)
		}
		if got := doc.Find(".claim-conflict").Length(); got != conflicts {
			t.Errorf("%s shows %d conflicts, has %d", h.ID, got, conflicts)
		}
		doc.Find(".claims > li").Each(func(_ int, li *goquery.Selection) {
			if li.Find(".source").Length() == 0 && li.Find(".pill").Length() == 0 {
				t.Errorf("%s: %q has neither a source nor a mark", h.ID, text(li))
			}
		})
		doc.Find(`main a[href^="http"]`).Each(func(_ int, a *goquery.Selection) {
			if rel := a.AttrOr("rel", ""); !strings.Contains(rel, "nofollow") || !strings.Contains(rel, "noopener") {
				t.Errorf("%s: the link to %s has rel %q", h.ID, a.AttrOr("href", ""), rel)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEnquiryOnlySellsNothing goes through every treatment that may not be
// sold: its guide and its offerings say why and offer neither package nor
// price.
func TestEnquiryOnlySellsNothing(t *testing.T) {
	s := newTestServer(t)
	checked := 0
	check := func(path string, class catalog.BookingClass) {
		doc := s.page(t, path)
		box := doc.Find(".booking-box")
		if box.AttrOr("data-class", "") != string(class) || box.Find("p").Length() < 2 {
			t.Errorf("%s does not explain that it is %s", path, class)
		}
		if n := doc.Find(`main a[href^="/packages/"], main [data-kind="package"], #packages`).Length(); n != 0 {
			t.Errorf("%s offers a package", path)
		}
		checked++
	}
	err := s.Catalog.Treatments.Each(t.Context(), func(v catalog.Treatment) error {
		if v.BookingClass.Sellable() {
			return nil
		}
		check("/treatments/"+v.ID, v.BookingClass)
		offerings, err := s.Catalog.OfferingsOfTreatment(t.Context(), v.ID)
		for _, o := range offerings {
			check("/offerings/"+o.ID, v.BookingClass)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 4 {
		t.Errorf("only %d pages of treatments that may not be sold", checked)
	}
}

func TestGuideWithoutHospitalSaysSo(t *testing.T) {
	s := newTestServer(t)
	none := 0
	err := s.Catalog.Treatments.Each(t.Context(), func(v catalog.Treatment) error {
		offerings, err := s.Catalog.OfferingsOfTreatment(t.Context(), v.ID)
		doc := s.page(t, "/treatments/"+v.ID)
		section := doc.Find("#hospitals").Parent()
		if got := section.Find("article.hit").Length(); got != len(offerings) {
			t.Errorf("%s lists %d hospitals, has %d", v.ID, got, len(offerings))
		}
		if len(offerings) == 0 {
			none++
			if section.Find(".note").Length() != 1 {
				t.Errorf("%s has no hospital and does not say so", v.ID)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if none == 0 {
		t.Error("every treatment has a hospital: the test has lost its subject")
	}
}

func TestNotesPointToTheirSources(t *testing.T) {
	s := newTestServer(t)
	err := s.Catalog.Offerings.Each(t.Context(), func(o catalog.Offering) error {
		doc := s.page(t, "/offerings/"+o.ID)
		doc.Find("main sup a").Each(func(_ int, a *goquery.Selection) {
			note := doc.Find(a.AttrOr("href", "#nowhere"))
			if note.Length() != 1 || note.Find(".source").Length() != 1 {
				t.Errorf("%s: the note %s has no source", o.ID, a.AttrOr("href", ""))
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFallbackLanguageIsMarked(t *testing.T) {
	s := newTestServer(t)
	var id string
	err := s.Catalog.Treatments.Each(t.Context(), func(v catalog.Treatment) error {
		if v.Summary["ar"] == "" && v.Summary["en"] != "" {
			id = v.ID
		}
		return nil
	})
	if err != nil || id == "" {
		t.Fatalf("no guide without Arabic: %v", err)
	}
	doc := s.page(t, "/ar/treatments/"+id)
	lead := doc.Find("#what").Parent()
	if lead.Find(`[lang="en"][dir="ltr"]`).Length() == 0 || lead.Find(".in-lang").Length() == 0 {
		t.Errorf("the English summary of %s is not marked on the Arabic page", id)
	}
}

func TestClaimsThatMayNotBeShownAreNot(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	source := catalog.Source{Address: "https://example.org/a", Grade: catalog.GradeNews}
	text := catalog.Text{"en": "x"}
	claims := []catalog.Claim{
		{Kind: catalog.ClaimFact, Text: text, Source: source},
		{Kind: catalog.ClaimFact, Text: text, Source: source, Expires: "2026-11-30"},
		{Kind: catalog.ClaimFact, Text: text},
		{Kind: catalog.ClaimPrice, Text: text, Source: source, Expires: "2026-12-01"},
		{Kind: catalog.ClaimVolume, Text: text, Source: source, Outcome: true},
	}
	p := templates.Page{Locale: templates.LocaleFor("en")}
	v := treatmentView(p, catalog.Treatment{ID: "x", Claims: claims, Timeline: catalog.Timeline{Basis: claims}}, now)
	if len(v.Facts) != 1 || len(v.Prices) != 1 || len(v.Outcomes) != 1 || len(v.Treatment.Timeline.Basis) != 3 {
		t.Errorf("guide: %d facts, %d prices, %d outcomes, %d bases", len(v.Facts), len(v.Prices), len(v.Outcomes), len(v.Treatment.Timeline.Basis))
	}
	h := hospitalView(p, catalog.Hospital{ID: "x", Claims: claims}, now)
	if len(h.Facts) != 2 || len(h.Outcomes) != 1 {
		t.Errorf("hospital: %d facts, %d outcomes", len(h.Facts), len(h.Outcomes))
	}
	s := &Server{Config: Config{BaseURL: "https://m.example", Now: func() time.Time { return now }}}
	entry, err := s.shownEntry(catalog.Hospital{ID: "x", Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	if shown, _ := entry["claims"].([]any); len(shown) != 3 || entry["url"] != "https://m.example/hospitals/x" || entry["kind"] != catalog.KindHospital {
		t.Errorf("API: %v", entry)
	}
}

func TestAPISearch(t *testing.T) {
	s := newTestServer(t)
	var first, second apiResults
	decode(t, s.get(t, "/api/v1/search?q=icl&lang=ru&per_page=2"), &first)
	decode(t, s.get(t, "/api/v1/search?q=icl&lang=ru&per_page=2&page=2"), &second)
	if first.Total < 3 || len(first.Hits) != 2 || len(second.Hits) == 0 || first.Hits[0].ID == second.Hits[0].ID {
		t.Fatalf("pages of %d: %v, %v", first.Total, first.Hits, second.Hits)
	}
	hit := first.Hits[0]
	if hit.Kind != catalog.KindOffering || hit.Treatment != "icl" || hit.Hospital == "" || hit.URL != s.URL+"/ru/offerings/"+hit.ID || hit.Why == nil {
		t.Errorf("hit: %+v", hit)
	}
	specialty := first.Facets["specialty"]
	if len(specialty) == 0 || specialty[0].Value != "ophthalmology" || specialty[0].Label != templates.LocaleFor("ru").T("specialty.ophthalmology") || specialty[0].Count < 3 {
		t.Errorf("facet: %+v", specialty)
	}
	for _, kind := range searchKinds {
		var r apiResults
		decode(t, s.get(t, "/api/v1/search?per_page=100&kind="+string(kind)), &r)
		if len(r.Hits) != min(r.Total, 100) || r.Total == 0 {
			t.Errorf("%s: %d hits of %d", kind, len(r.Hits), r.Total)
		}
		var entry map[string]any
		decode(t, s.get(t, "/api/v1/"+string(kind)+"s/"+r.Hits[0].ID), &entry)
		if entry["id"] != r.Hits[0].ID || entry["url"] != s.URL+pathOf(kind, r.Hits[0].ID) {
			t.Errorf("%s: %v", kind, entry["url"])
		}
	}
}

func TestAPIErrorsNameTheField(t *testing.T) {
	s := newTestServer(t)
	var e apiError
	a := s.get(t, "/api/v1/search?per_page=500&page=-1&colour=red")
	if err := json.Unmarshal([]byte(a.Body), &e); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range e.Error.Fields {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if e.Error.Kind != "invalid" || !slices.Equal(names, []string{"colour", "page", "per_page"}) {
		t.Errorf("%+v", e)
	}
}

func decode(t *testing.T, a answer, v any) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d: %s", a.Request.URL, a.StatusCode, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		t.Fatalf("%s: %v", a.Request.URL, err)
	}
}

func TestSuggestionsLeadToTheirPages(t *testing.T) {
	s := newTestServer(t)
	for query, prefix := range map[string]string{"/suggest?q=kne": "/", "/suggest?q=huash": "/", "/zh-Hans/suggest?q=" + url.QueryEscape("针"): "/zh-Hans/"} {
		var list []suggestion
		decode(t, s.get(t, query), &list)
		if len(list) == 0 || len(list) > maxSuggestions {
			t.Errorf("%s: %d suggestions", query, len(list))
		}
		for _, e := range list {
			if !strings.HasPrefix(e.URL, prefix) || e.Title == "" || e.Label == "" {
				t.Errorf("%s: %+v", query, e)
			}
			s.page(t, e.URL)
		}
	}
	var none []suggestion
	if decode(t, s.get(t, "/suggest?q="), &none); none == nil || len(none) != 0 {
		t.Errorf("an empty field: %v, want an empty list", none)
	}
}

func TestSitemapListsPagesThatAreThere(t *testing.T) {
	s := newTestServer(t)
	var file struct {
		URLs []struct {
			Loc   string `xml:"loc"`
			Links []struct {
				Lang string `xml:"hreflang,attr"`
				Href string `xml:"href,attr"`
			} `xml:"link"`
		} `xml:"url"`
	}
	a := s.get(t, "/sitemap.xml")
	if err := xml.Unmarshal([]byte(a.Body), &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, u := range file.URLs {
		if seen[u.Loc] || len(u.Links) != len(catalog.Languages) {
			t.Errorf("%s is there twice or has %d alternates", u.Loc, len(u.Links))
		}
		seen[u.Loc] = true
		if i%29 == 0 { // coprime to the number of languages, so that all are met
			s.page(t, strings.TrimPrefix(u.Loc, s.URL))
		}
	}
	for _, want := range []string{"/", "/treatments/icl", "/ar/hospitals/renji", "/zh-Hans/offerings/icl-at-eent-fudan"} {
		if !seen[s.URL+want] {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestFirstVisitIsLedToTheReadersLanguage(t *testing.T) {
	s := newTestServer(t)
	for _, c := range []struct {
		name, path string
		headers    []string
		want       string
	}{
		{"Arabic browser", "/", []string{"Accept-Language", "ar-EG,en;q=0.5"}, "/ar"},
		{"Chinese browser", "/", []string{"Accept-Language", "zh-CN"}, "/zh-Hans"},
		{"English browser", "/", []string{"Accept-Language", "en-US"}, ""},
		{"a language that we do not have", "/", []string{"Accept-Language", "sw"}, ""},
		{"no language at all", "/", nil, ""},
		{"who chose English stays", "/", []string{"Accept-Language", "ar", "Cookie", "language=en"}, ""},
		{"who chose French comes back to it", "/", []string{"Accept-Language", "en", "Cookie", "language=fr"}, "/fr"},
		{"a cookie that makes no sense", "/", []string{"Accept-Language", "en", "Cookie", "language=//evil"}, ""},
		{"from within the site", "/", []string{"Accept-Language", "ar", "Referer", s.URL + "/treatments"}, ""},
		{"another site refers", "/", []string{"Accept-Language", "ar", "Referer", "https://example.org/"}, "/ar"},
		{"a page that names its language", "/ru", []string{"Accept-Language", "ar"}, ""},
		{"the query is kept", "/?utm=1", []string{"Accept-Language", "es"}, "/es?utm=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.get(t, c.path, c.headers...)
			if got := a.Header.Get("Location"); got != c.want || (c.want == "") != (a.StatusCode == http.StatusOK) {
				t.Errorf("answers %d to %q, want %q", a.StatusCode, got, c.want)
			}
			if c.path == "/" && !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Accept-Language") {
				t.Error("caches are not told that it depends on the language")
			}
		})
	}
}

func TestChoosingALanguageShowsThePageInIt(t *testing.T) {
	s := newTestServer(t)
	for _, c := range []struct{ path, want string }{
		{"/search?q=knee&lang=ar", "/ar/search?q=knee"},
		{"/ar/treatments/icl?lang=en", "/treatments/icl"},
		{"/ar?lang=zh-Hans", "/zh-Hans"},
		{"/zh-Hans//evil.example?lang=en", "/"},
	} {
		a := s.get(t, c.path)
		if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != c.want {
			t.Errorf("%s answers %d to %q, want %q", c.path, a.StatusCode, got, c.want)
		}
		if len(a.Cookies()) != 1 || a.Cookies()[0].Name != languageCookie {
			t.Errorf("%s does not keep the choice", c.path)
		}
	}
	if a := s.get(t, "/search?lang=xx"); a.StatusCode != http.StatusOK {
		t.Errorf("an unknown language answers %d", a.StatusCode)
	}
	// Every page offers every language, and each link leads to a page in it.
	doc := s.page(t, "/hospitals/renji")
	doc.Find("details.prefs .langs a").Each(func(_ int, link *goquery.Selection) {
		a := s.get(t, link.AttrOr("href", ""))
		if got := s.page(t, a.Header.Get("Location")).Find("html").AttrOr("lang", ""); got != link.AttrOr("hreflang", "") {
			t.Errorf("the link to %s leads to %s", link.AttrOr("hreflang", ""), got)
		}
	})
}

func TestParseSearch(t *testing.T) {
	q, err := url.ParseQuery("q=knee&kind=package&page=3&sort=departure&month=2026-12&month=&month=2027-01&stay=01-03&utm=x")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseSearch(q, "ru", "EUR")
	if err != nil {
		t.Fatal(err)
	}
	// A package has no stay; what is empty is no choice.
	want := map[string][]string{"month": {"2026-12", "2027-01"}}
	if r.Query != "knee" || r.Kind != catalog.KindPackage || r.Page != 3 || r.Lang != "ru" || r.Sort != search.SortDeparture || !maps.EqualFunc(r.Filters, want, slices.Equal) {
		t.Errorf("%+v", r)
	}
	if got := searchPath(r); got != "/search?kind=package&month=2026-12&month=2027-01&page=3&q=knee&sort=departure" {
		t.Errorf("the address is %s", got)
	}
	if got := searchPath(without(r, "month", "2026-12")); got != "/search?kind=package&month=2027-01&q=knee&sort=departure" {
		t.Errorf("without a month: %s", got)
	}
	if got := searchPath(ofKind(r, catalog.KindHospital)); got != "/search?kind=hospital&q=knee" {
		t.Errorf("for hospitals: %s", got)
	}
}

func TestPager(t *testing.T) {
	for _, c := range []struct {
		page, last int
		want       string
	}{
		{1, 1, "1"}, {1, 3, "1 2 3"}, {1, 9, "1 2 … 9"}, {5, 9, "1 … 4 5 6 … 9"}, {9, 9, "1 … 8 9"}, {3, 4, "1 2 3 4"},
	} {
		v := pager(search.Request{Kind: catalog.KindOffering, Page: c.page}, nil, c.last)
		var got []string
		for _, l := range v.Links {
			if l.Path == "" {
				got = append(got, "…")
			} else {
				got = append(got, strconv.Itoa(l.Number))
			}
		}
		if strings.Join(got, " ") != c.want || (v.Previous == "") != (c.page == 1) || (v.Next == "") != (c.page == c.last) {
			t.Errorf("page %d of %d: %v", c.page, c.last, got)
		}
	}
}

func TestClipText(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"Short.", 20, "Short."},
		{"One sentence. Another that is longer.", 20, "One sentence."},
		{"No end in sight here for a while", 20, "No end in sight…"},
		{"A long clause, and more of it follows", 20, "A long clause…"},
		{"血液\u3002第二句话很长很长", 5, "血液\u3002"},
		{"unbrokenunbrokenunbroken", 10, "unbrokenu…"},
		{"Version 1.2 is out. It is new.", 22, "Version 1.2 is out."},
	} {
		if got := clipText(c.in, c.limit); got != c.want {
			t.Errorf("clipText(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestPackageFrom(t *testing.T) {
	cny := func(n int64) *catalog.Money { m := catalog.MainUnits(n, "CNY"); return &m }
	pkg := catalog.Package{Currency: "CNY", Lines: []catalog.PriceLine{
		{Per: catalog.PerBooking, Amount: cny(1000)}, {Per: catalog.PerCompanion, Amount: cny(400)}, {Per: catalog.PerBooking}, {Per: catalog.PerBooking, Amount: cny(50)},
	}, Options: catalog.Options{Rooms: []catalog.Room{{Surcharge: *cny(10)}, {Surcharge: *cny(500)}}}}
	if got := pkg.From(); got != *cny(1060) {
		t.Errorf("from %v, want 1060 CNY", got)
	}
}

func TestNextStarts(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	got := nextStarts([]catalog.Departure{
		{ID: "a", Date: "2026-12-20", Capacity: 1}, {ID: "b", Date: "2026-12-05", Capacity: 1}, {ID: "c", Date: "2026-12-05", Capacity: 1},
		{ID: "d", Date: "2026-11-05", Capacity: 1}, {ID: "e", Date: "2026-12-03", Closed: true}, {ID: "f", Date: "2027-01-05", Capacity: 1},
	}, now, 2)
	if len(got) != 2 || got[0].Day() != 5 || got[1].Day() != 20 {
		t.Errorf("next starts: %v", got)
	}
}

// FuzzSearchPage throws queries at the page of results: whatever is typed, the
// answer is a page, never a failure of ours.
func FuzzSearchPage(f *testing.F) {
	for _, q := range []string{"", "knee", "癌症", "سرطان", "a\x00b", "\xff\xfe", "\"(((", "q:*^~", strings.Repeat("x ", 300), "<script>", "ICL OR NOT"} {
		f.Add(q, "offering", "1")
	}
	f.Add("x", "hospital", "2")
	s := newTestServer(f)
	f.Fuzz(func(t *testing.T, q, kind, page string) {
		a := s.get(t, "/search?"+url.Values{"q": {q}, "kind": {kind}, "page": {page}}.Encode())
		if a.StatusCode >= 500 || a.document(t).Find("h1").Length() != 1 {
			t.Errorf("q=%q kind=%q page=%q answers %d", q, kind, page, a.StatusCode)
		}
	})
}

// FuzzSearchAPI throws addresses at the API of search: the answer is JSON, and
// never a failure of ours.
func FuzzSearchAPI(f *testing.F) {
	for _, q := range []string{"q=cheap+lasik&price=..5000USD", "price=x", "near=hospital:huashan&sort=distance", "near=31.2,121.4&currency=EUR", "page=3&after=x", "sort=price&ignore=price&ignore=sort",
		"month=2026-12&month=&district=%ff", "q=under+5+%E2%82%AC&kind=package", "per_page=100&page=101", "near=0,NaN", "a=1&b"} {
		f.Add(q)
	}
	s := newTestServer(f)
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query)
		a := s.get(t, "/api/v1/search?"+values.Encode())
		if a.StatusCode >= 500 || !json.Valid([]byte(a.Body)) {
			t.Errorf("%q answers %d %.200s", query, a.StatusCode, a.Body)
		}
	})
}

// TestListsFollowTheCatalogue publishes and withdraws a guide: the list, the
// front page's count and the sitemap show it at once and no longer.
func TestListsFollowTheCatalogue(t *testing.T) {
	s := newTestServer(t)
	by := catalog.Edit{Author: "test"}
	v := catalog.Treatment{ID: "a-guide-of-this-test", Name: catalog.Text{"en": "A guide of this test"}, Specialty: "ent", ServiceType: catalog.Outpatient, BookingClass: catalog.Instant}
	there := func() (list, sitemap bool, count int) {
		list = s.page(t, "/treatments").Find(`a[href="/treatments/`+v.ID+`"]`).Length() == 1
		sitemap = strings.Contains(s.get(t, "/sitemap.xml").Body, "/treatments/"+v.ID+"<")
		return list, sitemap, number(t, s.page(t, "/").Find("dl.counts dd").First().Text())
	}
	_, _, before := there()
	if _, err := s.Catalog.Treatments.Publish(t.Context(), v, by); err != nil {
		t.Fatal(err)
	}
	if list, sitemap, count := there(); !list || !sitemap || count != before+1 {
		t.Errorf("published: in the list %v, in the sitemap %v, counted %d after %d", list, sitemap, count, before)
	}
	if err := s.Catalog.Treatments.Move(t.Context(), v.ID, catalog.Archived, by); err != nil {
		t.Fatal(err)
	}
	if list, sitemap, count := there(); list || sitemap || count != before {
		t.Errorf("withdrawn: in the list %v, in the sitemap %v, counted %d after %d", list, sitemap, count, before)
	}
}
