package seed

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/store/sqlite"
)

func now() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }

// read decodes a file of the seed strictly and validates every line.
func read[T catalog.Entity](t *testing.T, name string) []T {
	t.Helper()
	body, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	for i, line := range bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(line, &raw); err != nil {
			t.Fatalf("%s:%d: %v", name, i+1, err)
		}
		var kind catalog.Kind
		if err := json.Unmarshal(raw["kind"], &kind); err != nil {
			t.Fatalf("%s:%d: %v", name, i+1, err)
		}
		delete(raw, "kind")
		rest, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		var v T
		dec := json.NewDecoder(bytes.NewReader(rest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s:%d: %v", name, i+1, err)
		}
		if kind != v.EntityKind() {
			t.Errorf("%s:%d: kind %q, want %q", name, i+1, kind, v.EntityKind())
		}
		if err := v.Validate(); err != nil {
			t.Errorf("%s:%d: %s: %v", name, i+1, v.EntityID(), err)
		}
		list = append(list, v)
	}
	if !slices.IsSortedFunc(list, func(a, b T) int { return strings.Compare(a.EntityID(), b.EntityID()) }) {
		t.Errorf("%s is not sorted by id", name)
	}
	return list
}

// world is the seed without what is there for demonstration.
type world struct {
	insurers   []catalog.Insurer
	treatments []catalog.Treatment
	hospitals  []catalog.Hospital
	places     []catalog.Place
	offerings  []catalog.Offering
}

var loaded struct {
	once sync.Once
	world
}

// load reads the files once for all tests.
func load(t *testing.T) world {
	t.Helper()
	loaded.once.Do(func() { loaded.world = readAll(t) })
	return loaded.world
}

func readAll(t *testing.T) world {
	t.Helper()
	return world{
		insurers:   read[catalog.Insurer](t, "insurers.ndjson"),
		treatments: read[catalog.Treatment](t, "treatments.ndjson"),
		hospitals:  slices.DeleteFunc(read[catalog.Hospital](t, "hospitals.ndjson"), func(h catalog.Hospital) bool { return h.Demo }),
		places:     read[catalog.Place](t, "places.ndjson"),
		offerings:  read[catalog.Offering](t, "offerings.ndjson"),
	}
}

// claims calls f with every claim of the seed.
func (w world) claims(f func(of string, c catalog.Claim)) {
	each := func(of string, list []catalog.Claim) {
		for _, c := range list {
			f(of, c)
		}
	}
	for _, v := range w.insurers {
		each(v.ID, v.Claims)
	}
	for _, v := range w.treatments {
		each(v.ID, v.Claims)
		each(v.ID, v.Timeline.Basis)
	}
	for _, v := range w.hospitals {
		each(v.ID, v.Claims)
	}
	for _, v := range w.places {
		each(v.ID, v.Claims)
	}
	for _, v := range w.offerings {
		each(v.ID, v.Claims)
	}
}

func TestCounts(t *testing.T) {
	w := load(t)
	areas, flagships, pilots := 0, 0, 0
	for _, p := range w.places {
		if p.PlaceKind == catalog.PlaceKindHotelArea {
			areas++
		}
	}
	for _, v := range w.treatments {
		if v.Flagship {
			flagships++
		}
	}
	for _, h := range w.hospitals {
		if h.PilotUnit != nil && *h.PilotUnit {
			pilots++
		}
	}
	claims := map[catalog.ClaimKind]int{}
	for _, h := range w.hospitals {
		for _, c := range h.Claims {
			claims[c.Kind]++
		}
	}
	for _, v := range w.treatments {
		for _, c := range v.Claims {
			claims[c.Kind]++
		}
	}
	evidence := 0
	for _, o := range w.offerings {
		for _, c := range o.Claims {
			if c.Kind == catalog.ClaimEvidence {
				evidence++
			}
		}
	}
	for name, n := range map[string][2]int{
		"insurers":   {len(w.insurers), 34},
		"treatments": {len(w.treatments), 60},
		"hospitals":  {len(w.hospitals), 44},
		"pilots":     {pilots, 30},
		"places":     {len(w.places), 68},
		"areas":      {areas, 13},
		"offerings":  {len(w.offerings), 72},
		"flagships":  {flagships, 10},
		"documents":  {len(Documents()), 20},
		"services":   {claims[catalog.ClaimService], 103},
		"prices":     {claims[catalog.ClaimPrice], 31},
		"specialty":  {claims[catalog.ClaimSpecialty], 67},
		"evidence":   {evidence, 73},
		"people":     {claims[catalog.ClaimPerson], 7},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: %d, want %d", name, n[0], n[1])
		}
	}
}

// TestReferences: the catalogue's own check at import needs a store; this one
// names the line.
func TestReferences(t *testing.T) {
	w := load(t)
	treatments, hospitals, insurers, documents := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, v := range w.treatments {
		treatments[v.ID] = true
	}
	for _, v := range w.hospitals {
		hospitals[v.ID] = true
	}
	for _, v := range w.insurers {
		insurers[v.ID] = true
	}
	for _, v := range Documents() {
		documents[v.ID] = true
		if missing := v.Name.Missing(); len(missing) > 0 {
			t.Errorf("document %s lacks %v", v.ID, missing)
		}
	}
	for _, o := range w.offerings {
		if !treatments[o.TreatmentID] || !hospitals[o.HospitalID] {
			t.Errorf("%s refers to nothing", o.ID)
		}
		if o.ID != o.TreatmentID+"-at-"+o.HospitalID {
			t.Errorf("%s is not named after its treatment and hospital", o.ID)
		}
	}
	for _, v := range w.treatments {
		for _, d := range v.Documents {
			if !documents[d] {
				t.Errorf("%s asks for unknown document %s", v.ID, d)
			}
		}
	}
	for _, h := range w.hospitals {
		for _, c := range h.ClaimsOf(catalog.ClaimInsurer) {
			if c.Key != "" && !insurers[c.Key] {
				t.Errorf("%s names unknown insurer %s", h.ID, c.Key)
			}
		}
	}
}

// rank finds statements that set a hospital above others or speak of results:
// they are kept, with who says so, but never reach a card.
var rank = regexp.MustCompile(`(?i)survival|free of cancer|world's (largest|highest)|highest (ICL )?(count|number)|ranked first|responded well|largest (centre|number of newborns)|most births|of its kind in china`)

func TestClaims(t *testing.T) {
	w := load(t)
	outcome, unlinked := 0, 0
	w.claims(func(of string, c catalog.Claim) {
		if (c.Source.Address == "") != c.Unverified {
			t.Errorf("%s: %q has neither a source nor the mark, or both", of, c.Text["en"])
		}
		if c.Inferred {
			t.Errorf("%s: %q is inferred", of, c.Text["en"])
		}
		if c.Outcome {
			outcome++
		}
		if c.Source.DoNotLink {
			unlinked++
		}
		if rank.MatchString(c.Text["en"]) && !c.Outcome {
			t.Errorf("%s: %q reads as an outcome or a rank and is not marked", of, c.Text["en"])
		}
	})
	if outcome == 0 || unlinked == 0 {
		t.Errorf("%d outcomes and %d unlinked sources: marks were lost", outcome, unlinked)
	}
}

// TestOfferingsAreSourced: an offering stands on a statement about that
// hospital, never on a guess.
func TestOfferingsAreSourced(t *testing.T) {
	for _, o := range load(t).offerings {
		if !slices.ContainsFunc(o.Claims, func(c catalog.Claim) bool {
			return c.Kind == catalog.ClaimEvidence && c.Source.Address != "" && !c.Inferred
		}) {
			t.Errorf("%s has no sourced evidence", o.ID)
		}
		if o.Price != nil {
			t.Errorf("%s has a price; no hospital has given one", o.ID)
		}
	}
}

func TestConflictsAreKept(t *testing.T) {
	w := load(t)
	conflicts := map[string]int{}
	w.claims(func(of string, c catalog.Claim) {
		if c.Conflict != "" {
			conflicts[of]++
		}
	})
	for _, id := range []string{"renji", "scmc", "childrens-fudan", "zhongshan", "sphic", "united-family-pudong",
		"car-t-cd19-large-b-cell-lymphoma", "car-t-bcma-multiple-myeloma", "car-t-cd19-b-all-adult"} {
		if conflicts[id] == 0 {
			t.Errorf("%s lost its conflict", id)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, p := range load(t).places {
		if p.Position == nil || !p.Position.Approximate {
			t.Errorf("%s: no position, or one that passes for exact", p.ID)
		}
		if p.PlaceKind == catalog.PlaceKindHotelArea {
			continue
		}
		if p.Setting == catalog.Outdoor && !slices.Contains(p.Hazards, catalog.HazardSun) {
			t.Errorf("%s is outdoors and without sun", p.ID)
		}
		if p.Minutes.Max == 0 {
			t.Errorf("%s takes no time", p.ID)
		}
	}
}

func TestBookingClasses(t *testing.T) {
	want := map[string]catalog.BookingClass{
		"paediatric-liver-transplant-living-donor": catalog.EnquiryOnly,
		"emergency-care":                      catalog.EnquiryOnly,
		"paediatric-emergency-transfer":       catalog.EnquiryOnly,
		"fetal-laser-ttts":                    catalog.EnquiryOnly,
		"fetal-cardiac-intervention":          catalog.EnquiryOnly,
		"haematopoietic-stem-cell-transplant": catalog.NeedsApproval,
		"comprehensive-health-check":          catalog.Instant,
		"acupuncture":                         catalog.Instant,
		"proton-therapy":                      catalog.OnAcceptance,
		"acupuncture-anaesthesia":             catalog.OnAcceptance,
		"integrative-tcm-oncology":            catalog.OnAcceptance,
	}
	for _, v := range load(t).treatments {
		if class, ok := want[v.ID]; ok && v.BookingClass != class {
			t.Errorf("%s is %s, want %s", v.ID, v.BookingClass, class)
		}
		if !v.BookingClass.Sellable() {
			for _, c := range v.Claims {
				if c.Kind == catalog.ClaimPrice && c.Solid(now()) {
					t.Errorf("%s may not be sold and has a price fit for a card", v.ID)
				}
			}
		}
		if v.BookingClass == catalog.Instant && v.Timeline.Nights().Max > 1 {
			t.Errorf("%s is instant with %d nights on the ward", v.ID, v.Timeline.Nights().Max)
		}
	}
}

func TestTimelines(t *testing.T) {
	for _, v := range load(t).treatments {
		tl := v.Timeline
		if len(tl.Basis) == 0 {
			t.Errorf("%s does not say where its figures come from", v.ID)
		}
		if len(tl.Phases) == 0 && v.BookingClass.Sellable() {
			t.Errorf("%s may be sold and has no phases", v.ID)
		}
		if _, ok := tl.Phase(catalog.PhaseAdmission); ok && tl.Nights().Max > 1 {
			p, ok := tl.Phase(catalog.PhaseGentle)
			if !ok || p.MaxExertion == "" || len(p.Avoid) == 0 {
				t.Errorf("%s lets go of a patient from the ward without limits", v.ID)
			}
		}
		if tl.FlyAfterDays != nil && *tl.FlyAfterDays > 0 {
			workup, _ := tl.Phase(catalog.PhaseWorkup)
			if tl.StayDays().Max < workup.Days.Max+*tl.FlyAfterDays {
				t.Errorf("%s ends before the patient may fly", v.ID)
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	w := load(t)
	for _, v := range w.treatments {
		need := []string{"en", "zh-Hans"}
		if v.Flagship {
			need = catalog.Languages
		}
		if len(v.Steps) < 3 || len(v.Steps) > 6 {
			t.Errorf("%s has %d steps, want 3 to 6", v.ID, len(v.Steps))
		}
		for _, lang := range need {
			if v.Name[lang] == "" || v.Summary[lang] == "" {
				t.Errorf("%s has no name or summary in %s", v.ID, lang)
			}
			for i, s := range v.Steps {
				if s[lang] == "" {
					t.Errorf("%s: step %d is not in %s", v.ID, i+1, lang)
				}
			}
		}
		for _, ind := range v.Indications {
			if ind.Name["en"] == "" || ind.Name["zh-Hans"] == "" {
				t.Errorf("%s: indication %v lacks a language", v.ID, ind.Name)
			}
		}
	}
	chinese := func(of string, claims []catalog.Claim) {
		for _, c := range claims {
			if c.Text["en"] == "" || c.Text["zh-Hans"] == "" {
				t.Errorf("%s: claim %q is not in both languages", of, c.Text["en"])
			}
		}
	}
	for _, v := range w.treatments {
		chinese(v.ID, v.Claims)
		chinese(v.ID, v.Timeline.Basis)
	}
	for _, o := range w.offerings {
		chinese(o.ID, o.Claims)
	}
	for _, h := range w.hospitals {
		if h.Summary["en"] == "" || h.Summary["zh-Hans"] == "" {
			t.Errorf("%s has no summary in en and zh-Hans", h.ID)
		}
		for _, c := range h.ClaimsOf(catalog.ClaimService) {
			if c.Text["zh-Hans"] == "" {
				t.Errorf("%s: service %q is not in Chinese", h.ID, c.Text["en"])
			}
		}
	}
}

// banned holds what may not stand in a text of our own: promises, ranks and
// comparisons (Advertising Law of the PRC, article 16).
var banned = map[string]*regexp.Regexp{
	"en":      regexp.MustCompile(`(?i)\b(best|no\. ?1|number one|first-class|safest|safer|cures?|cured|guarantee[ds]?|world-class|leading|top|most advanced|painless|miracle|success rate|100 ?%|better than|cheaper|cheapest|largest|famous|renowned|pioneer\w*)\b`),
	"zh-Hans": regexp.MustCompile(`最好|第一|最安全|根治|治愈|保证|最佳|最先进|领先|顶级|无痛|成功率|安全可靠|优于|著名|权威|国家级|零风险|包治|首选|唯一|最大`),
	"ar":      regexp.MustCompile(`الأفضل|نضمن|مضمون|شفاء تام|الأول في العالم|الأكثر أمان`),
	"ru":      regexp.MustCompile(`(?i)лучш|гарант|излеч|номер один|самый безопасн|безболезненн`),
	"fr":      regexp.MustCompile(`(?i)\b(meilleure?s?|garanti\w*|guéri\w*|numéro un|le plus sûr|indolore)\b`),
	"es":      regexp.MustCompile(`(?i)\b(el mejor|la mejor|garanti\w*|cura(r|ción)?|número uno|más segur[oa]|indoloro)\b`),
}

func TestOwnTextsPromiseNothing(t *testing.T) {
	w := load(t)
	check := func(of string, text catalog.Text) {
		for lang, s := range text {
			if pattern, ok := banned[lang]; ok && pattern.MatchString(s) {
				t.Errorf("%s in %s: %q has %q", of, lang, s, pattern.FindString(s))
			}
		}
	}
	for _, v := range w.treatments {
		check(v.ID, v.Summary)
		for _, s := range v.Steps {
			check(v.ID, s)
		}
	}
	for _, h := range w.hospitals {
		check(h.ID, h.Summary)
	}
}

func TestBannedPatterns(t *testing.T) {
	for lang, text := range map[string]string{
		"en": "The Best clinic", "zh-Hans": "全国第一", "ar": "المستشفى الأفضل", "ru": "Лучшая клиника",
		"fr": "le meilleur hôpital", "es": "es el mejor hospital",
	} {
		if !banned[lang].MatchString(text) {
			t.Errorf("the lint lets %q pass", text)
		}
	}
	if banned["en"].MatchString("Stop smoking and secure the stop.") {
		t.Error("the lint refuses plain words")
	}
}

func TestLoadTwice(t *testing.T) {
	engine, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	c, err := catalog.Open(ctx, engine, now)
	if err != nil {
		t.Fatal(err)
	}
	lastDone, lastTotal := 0, 0
	first, err := Load(ctx, c, func(done, total int) {
		if done < lastDone || done > total {
			t.Errorf("progress went from %d to %d of %d", lastDone, done, total)
		}
		lastDone, lastTotal = done, total
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range first.Errors {
		t.Error(e.Error())
	}
	if first.Created != first.Lines || first.Created < 34+60+44+68+72 {
		t.Errorf("created %d of %d lines", first.Created, first.Lines)
	}
	if lastDone != lastTotal {
		t.Errorf("progress ended at %d of %d", lastDone, lastTotal)
	}

	h, err := c.Hospitals.Get(ctx, "huashan")
	if err != nil {
		t.Fatal(err)
	}
	h.District = "Changed by a person"
	if _, err := c.Hospitals.Publish(ctx, h, catalog.Edit{Author: "editor", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	again, err := Load(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.Unchanged != first.Lines || again.Created+again.Updated+again.Failed != 0 {
		t.Errorf("second load: %+v", again)
	}
	if h, err = c.Hospitals.Get(ctx, "huashan"); err != nil || h.District != "Changed by a person" {
		t.Errorf("the seed undid a change: %q, %v", h.District, err)
	}
}
