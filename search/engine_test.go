package search_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
)

var by = catalog.Edit{Author: "test"}

// small is a catalogue of three treatments at two hospitals.
func small(t testing.TB) *catalog.Catalog {
	t.Helper()
	cat := newCatalog(t)
	for _, tr := range []catalog.Treatment{
		{ID: "icl", Name: catalog.Text{"en": "ICL (implantable collamer lens)", "zh-Hans": "ICL晶体植入术"}, Specialty: "ophthalmology", ServiceType: catalog.Outpatient, BookingClass: catalog.OnAcceptance,
			LayTerms: []catalog.Term{{Text: "contact lens inside the eye", Lang: "en"}}, Indications: []catalog.Indication{{Name: catalog.Text{"en": "Myopia"}, ICD10: "H52.1"}}},
		{ID: "acupuncture", Name: catalog.Text{"en": "Acupuncture", "zh-Hans": "针灸", "fr": "Acupuncture", "ru": "Иглоукалывание"}, Specialty: "tcm", ServiceType: catalog.TCM, BookingClass: catalog.Instant},
		{ID: "hip-replacement", Name: catalog.Text{"en": "Hip replacement", "de": "Hüftprothese"}, Specialty: "orthopaedics", ServiceType: catalog.Inpatient, BookingClass: catalog.OnAcceptance},
	} {
		publish(t, cat.Treatments, tr)
	}
	pilot := true
	publish(t, cat.Hospitals, catalog.Hospital{ID: "eastern-eye", Name: catalog.Text{"en": "Eastern Eye Hospital", "zh-Hans": "东方眼科医院"}, Ownership: catalog.Private, District: "Xuhui", PilotUnit: &pilot})
	publish(t, cat.Hospitals, catalog.Hospital{ID: "river", Name: catalog.Text{"en": "River Hospital"}, Ownership: catalog.Public, District: "Huangpu"})
	for _, o := range [][2]string{{"icl", "eastern-eye"}, {"icl", "river"}, {"acupuncture", "river"}, {"hip-replacement", "river"}} {
		publish(t, cat.Offerings, catalog.Offering{ID: o[0] + "-at-" + o[1], TreatmentID: o[0], HospitalID: o[1]})
	}
	return cat
}

func publish[T catalog.Entity](t testing.TB, r *catalog.Repo[T], v T) {
	t.Helper()
	if _, err := r.Publish(t.Context(), v, by); err != nil {
		t.Fatal(err)
	}
}

func ids(res search.Result) []string {
	out := []string{}
	for _, h := range res.Hits {
		out = append(out, h.ID)
	}
	return out
}

func find(t testing.TB, e *search.Engine, req search.Request) search.Result {
	t.Helper()
	res, err := e.Search(t.Context(), req)
	if err != nil {
		t.Fatalf("%+v: %v", req, err)
	}
	return res
}

func follow(t testing.TB, e *search.Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx, func(err error) { t.Errorf("follow: %v", err) })
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// eventually waits for what the feed brings.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("did not happen: %s", what)
}

func TestFindsByNameTermCodeAndLanguage(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	for query, want := range map[string]string{
		"ICL": "icl", "contact lens inside eye": "icl", "H52.1": "icl", "h52": "icl", "nearsighted": "icl", "近视": "icl", "近視": "icl",
		"иглоукалыванием": "acupuncture", "针灸": "acupuncture", "灸": "acupuncture", "acupunture": "acupuncture", "zhenjiu": "acupuncture", "zhen jiu": "acupuncture",
		"bunion hips": "hip-replacement", "huftprothese": "hip-replacement", "Hüfte": "hip-replacement", "hiip replacement": "hip-replacement",
		"bukjerfksdfybt": "acupuncture",
	} {
		res := find(t, e, search.Request{Query: query, Kind: catalog.KindTreatment})
		if len(res.Hits) == 0 || res.Hits[0].ID != want {
			t.Errorf("%q found %v, want %s first", query, ids(res), want)
		}
	}
}

func TestHitSaysWhy(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	res := find(t, e, search.Request{Query: "nearsighted", Lang: "en"})
	if got := ids(res); !slices.Equal(got, []string{"icl-at-eastern-eye", "icl-at-river"}) {
		t.Fatalf("found %v", got)
	}
	h := res.Hits[0]
	if h.TreatmentID != "icl" || h.HospitalID != "eastern-eye" || h.Title != "ICL (implantable collamer lens)" {
		t.Errorf("hit is %+v", h)
	}
	if len(h.Why) != 1 || h.Why[0].Typed != "nearsighted" || h.Why[0].Means == "" {
		t.Errorf("why is %+v", h.Why)
	}
	if res.Counts[catalog.KindTreatment] != 1 || res.Counts[catalog.KindOffering] != 2 {
		t.Errorf("counts are %v", res.Counts)
	}
}

func TestCorrectsTypingErrorsAndSaysSo(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	res := find(t, e, search.Request{Query: "hip replacemnt", Kind: catalog.KindTreatment})
	if res.DidYouMean != "hip replacement" || res.Searched != "hip replacement" {
		t.Errorf("did you mean %q, searched %q", res.DidYouMean, res.Searched)
	}
	if res = find(t, e, search.Request{Query: "眼科医完", Kind: catalog.KindHospital}); len(res.Hits) == 0 || res.Hits[0].ID != "eastern-eye" {
		t.Errorf("a wrong character found %v", ids(res))
	}
	if res = find(t, e, search.Request{Query: "hip replacement", Kind: catalog.KindTreatment}); res.DidYouMean != "" {
		t.Errorf("a word that exists was corrected: %q", res.DidYouMean)
	}
}

func TestNothingFits(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	for _, q := range []string{"pizza", "car tyres", "xqzvwkj", "weather tomorrow"} {
		if res := find(t, e, search.Request{Query: q}); res.Total != 0 {
			t.Errorf("%q found %v", q, ids(res))
		}
	}
	res := find(t, e, search.Request{Query: "pizza acupuncture", Filters: map[string][]string{"hospital": {"eastern-eye"}}})
	if res.Total != 0 || len(res.Relaxations) == 0 {
		t.Errorf("total %d, relaxations %+v", res.Total, res.Relaxations)
	}
}

func TestFacetsAreDisjunctive(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	res := find(t, e, search.Request{Filters: map[string][]string{"hospital": {"eastern-eye", "gone"}}})
	if got := ids(res); !slices.Equal(got, []string{"icl-at-eastern-eye"}) {
		t.Fatalf("found %v", got)
	}
	want := map[string]search.FacetValue{
		"river": {Value: "river", Count: 3}, "eastern-eye": {Value: "eastern-eye", Count: 1, Selected: true}, "gone": {Value: "gone", Selected: true},
	}
	for _, f := range res.Facets {
		switch f.Name {
		case "hospital":
			if len(f.Values) != len(want) {
				t.Errorf("values are %+v", f.Values)
			}
			for _, v := range f.Values {
				if v != want[v.Value] {
					t.Errorf("value is %+v, want %+v", v, want[v.Value])
				}
			}
		case "treatment":
			if len(f.Values) != 1 || f.Values[0].Value != "icl" {
				t.Errorf("another facet is not narrowed: %+v", f.Values)
			}
		}
	}
}

// TestFacetCountsEqualCounting draws filters over the starting catalogue and
// compares every count with a search for exactly that value.
func TestFacetCountsEqualCounting(t *testing.T) {
	e := seeded(t)
	all := map[catalog.Kind][]search.Facet{}
	for _, kind := range []catalog.Kind{catalog.KindOffering, catalog.KindPackage, catalog.KindHospital, catalog.KindTreatment} {
		all[kind] = find(t, e, search.Request{Kind: kind}).Facets
	}
	rapid.Check(t, func(r *rapid.T) {
		kind := rapid.SampledFrom([]catalog.Kind{catalog.KindOffering, catalog.KindPackage, catalog.KindHospital, catalog.KindTreatment}).Draw(r, "kind")
		req := search.Request{Kind: kind, Filters: map[string][]string{}, Query: rapid.SampledFrom([]string{"", "cancer", "eye", "中医"}).Draw(r, "query")}
		for range rapid.IntRange(0, 2).Draw(r, "facets") {
			f := rapid.SampledFrom(all[kind]).Draw(r, "facet")
			v := rapid.SampledFrom(f.Values).Draw(r, "value")
			req.Filters[f.Name] = append(req.Filters[f.Name], v.Value)
		}
		res, err := e.Search(context.Background(), req)
		if err != nil {
			r.Fatal(err)
		}
		if len(res.Facets) == 0 {
			return
		}
		f := rapid.SampledFrom(res.Facets).Draw(r, "counted facet")
		v := rapid.SampledFrom(f.Values).Draw(r, "counted value")
		alone := req
		alone.Filters = map[string][]string{}
		for k, values := range req.Filters {
			alone.Filters[k] = values
		}
		alone.Filters[f.Name] = []string{v.Value}
		one, err := e.Search(context.Background(), alone)
		if err != nil {
			r.Fatal(err)
		}
		if one.Total != v.Count {
			r.Fatalf("%v: facet %s=%s says %d, choosing it finds %d", req, f.Name, v.Value, v.Count, one.Total)
		}
	})
}

func TestEverythingFindsItselfByItsNames(t *testing.T) {
	e := seeded(t)
	cat, err := sharedCatalog()
	if err != nil {
		t.Fatal(err)
	}
	err = cat.Treatments.Each(t.Context(), func(tr catalog.Treatment) error {
		for lang, name := range tr.Name {
			res := find(t, e, search.Request{Query: name, Kind: catalog.KindTreatment, Lang: lang, PerPage: 3})
			if !slices.Contains(ids(res), tr.ID) {
				t.Errorf("%s %q found %v", lang, name, ids(res))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = cat.Hospitals.Each(t.Context(), func(h catalog.Hospital) error {
		for lang, name := range h.Name {
			res := find(t, e, search.Request{Query: name, Kind: catalog.KindHospital, Lang: lang, PerPage: 1})
			if !slices.Contains(ids(res), h.ID) {
				t.Errorf("%s %q found %v", lang, name, ids(res))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagingIsStable(t *testing.T) {
	e := seeded(t)
	whole := ids(find(t, e, search.Request{Query: "cancer", Kind: catalog.KindTreatment, PerPage: 100}))
	var paged []string
	for page := 1; ; page++ {
		res := find(t, e, search.Request{Query: "cancer", Kind: catalog.KindTreatment, PerPage: 4, Page: page})
		if len(res.Hits) == 0 {
			break
		}
		paged = append(paged, ids(res)...)
	}
	if !slices.Equal(whole, paged) {
		t.Errorf("in one page %v, in many %v", whole, paged)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	for name, c := range map[string]struct {
		req  search.Request
		kind fault.Kind
	}{
		"long query":      {search.Request{Query: strings.Repeat("a", 501)}, fault.Invalid},
		"huge query":      {search.Request{Query: strings.Repeat("a", 10<<10)}, fault.TooLarge},
		"unknown kind":    {search.Request{Kind: "place"}, fault.Invalid},
		"unknown facet":   {search.Request{Filters: map[string][]string{"colour": {"red"}}}, fault.Invalid},
		"unknown sort":    {search.Request{Sort: "fame"}, fault.Invalid},
		"negative page":   {search.Request{Page: -1}, fault.Invalid},
		"page too deep":   {search.Request{Page: 10_000, PerPage: 20}, fault.Invalid},
		"overflow":        {search.Request{Page: 1 << 62, PerPage: 100}, fault.Invalid},
		"too many a page": {search.Request{PerPage: 101}, fault.Invalid},
		"too many values": {search.Request{Filters: map[string][]string{"hospital": make([]string, 51)}}, fault.Invalid},
	} {
		_, err := e.Search(t.Context(), c.req)
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %s", name, err, c.kind)
		}
	}
	if res := find(t, e, search.Request{Query: "\x00acu\tpuncture\u202e \"(*"}); len(res.Hits) != 0 && res.Hits[0].TreatmentID != "acupuncture" {
		t.Errorf("control characters: %v", ids(res))
	}
	if res := find(t, e, search.Request{Query: "\x07ICL\x1b"}); res.Total != 2 {
		t.Errorf("control characters around a word: %v", ids(res))
	}
}

func TestFollowsTheFeed(t *testing.T) {
	cat := small(t)
	e := open(t, cat, t.TempDir())
	follow(t, e)
	publish(t, cat.Treatments, catalog.Treatment{ID: "icl", Name: catalog.Text{"en": "Zebrafish lens"}, Specialty: "ophthalmology", ServiceType: catalog.Outpatient, BookingClass: catalog.OnAcceptance})
	eventually(t, "a change of a treatment reaches its offerings", func() bool {
		return find(t, e, search.Request{Query: "zebrafish"}).Total == 2
	})
	publish(t, cat.Offerings, catalog.Offering{ID: "acupuncture-at-eastern-eye", TreatmentID: "acupuncture", HospitalID: "eastern-eye"})
	eventually(t, "a new offering is found", func() bool {
		return find(t, e, search.Request{Query: "acupuncture"}).Total == 2
	})
	if res := find(t, e, search.Request{Query: "acupuncture", Kind: catalog.KindHospital}); res.Total != 2 {
		t.Errorf("its hospital is not found by it: %v", ids(res))
	}
	if err := cat.Offerings.Move(t.Context(), "acupuncture-at-eastern-eye", catalog.Suspended, by); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a suspended offering is gone", func() bool {
		return find(t, e, search.Request{Query: "acupuncture"}).Total == 1 && find(t, e, search.Request{Query: "acupuncture", Kind: catalog.KindHospital}).Total == 1
	})
}

func TestResumesWhereItStopped(t *testing.T) {
	cat := small(t)
	dir := t.TempDir()
	e := open(t, cat, dir)
	_, before := e.Stats()
	if before != cat.LastSeq() {
		t.Fatalf("position %d, feed %d", before, cat.LastSeq())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	publish(t, cat.Hospitals, catalog.Hospital{ID: "hill", Name: catalog.Text{"en": "Hill Hospital"}, Ownership: catalog.Public})
	built := 0
	cfg := config(cat, dir)
	cfg.Progress = func(int, int) { built++ }
	again, err := search.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, seq := again.Stats(); seq != before || built != 0 {
		t.Errorf("position %d, want %d; built %d times", seq, before, built)
	}
	follow(t, again)
	eventually(t, "what changed meanwhile is found", func() bool {
		return find(t, again, search.Request{Query: "hill", Kind: catalog.KindHospital}).Total == 1
	})
}

// damage does something to the only index folder.
func damage(t *testing.T, dir string, f func(folder string)) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "index-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("folders %v, %v", found, err)
	}
	f(found[0])
}

func TestBuildsAnewWhatIsDamaged(t *testing.T) {
	cat := small(t)
	cases := map[string]func(folder string){
		"folder gone":     func(f string) { os.RemoveAll(f) },
		"meta unreadable": func(f string) { os.WriteFile(filepath.Join(f, "index_meta.json"), []byte("{"), 0o644) },
		"root cut":        func(f string) { os.Truncate(filepath.Join(f, "store", "root.bolt"), 100) },
		"segments empty": func(f string) {
			segments, _ := filepath.Glob(filepath.Join(f, "store", "*.zap"))
			for _, s := range segments {
				os.Truncate(s, 0)
			}
		},
		"segments gone": func(f string) {
			segments, _ := filepath.Glob(filepath.Join(f, "store", "*.zap"))
			for _, s := range segments {
				os.Remove(s)
			}
		},
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := open(t, cat, dir).Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, dir, f)
			e := open(t, cat, dir)
			if res := find(t, e, search.Request{Query: "ICL"}); res.Total != 2 {
				t.Errorf("found %v", ids(res))
			}
			damage(t, dir, func(string) {})
		})
	}
}

func TestAnotherFingerprintBuildsAnew(t *testing.T) {
	cat := small(t)
	dir := t.TempDir()
	if err := open(t, cat, dir).Close(); err != nil {
		t.Fatal(err)
	}
	search.ForgeFingerprint(t, dir)
	built := 0
	cfg := config(cat, dir)
	cfg.Progress = func(int, int) { built++ }
	e, err := search.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if built == 0 {
		t.Error("an index of another version was used as it is")
	}
}

func TestSearchGoesOnDuringRebuilds(t *testing.T) {
	cat := small(t)
	dir := t.TempDir()
	e := open(t, cat, dir)
	follow(t, e)
	stop := make(chan struct{})
	var searching sync.WaitGroup
	for range 2 {
		searching.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := e.Search(context.Background(), search.Request{Query: "lens eye"})
				if err != nil || res.Total != 2 {
					t.Errorf("during a rebuild: %d hits, %v", res.Total, err)
					return
				}
			}
		})
	}
	for i := range 3 {
		publish(t, cat.Hospitals, catalog.Hospital{ID: fmt.Sprintf("late-%d", i), Name: catalog.Text{"en": fmt.Sprintf("Latecomer %d", i)}, Ownership: catalog.Public})
		if err := e.Rebuild(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	searching.Wait()
	eventually(t, "nothing that changed during rebuilds is lost", func() bool {
		return find(t, e, search.Request{Query: "latecomer", Kind: catalog.KindHospital}).Total == 3
	})
	damage(t, dir, func(string) {})
}

func TestClosedEngineIsUnavailable(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	if !e.Ready() {
		t.Error("not ready after opening")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Search(t.Context(), search.Request{Query: "icl"}); !fault.Is(err, fault.Unavailable) || e.Ready() {
		t.Errorf("after Close: %v, ready %v", err, e.Ready())
	}
}

func TestSuggest(t *testing.T) {
	e := open(t, small(t), t.TempDir())
	for q, want := range map[string]string{"a": "acupuncture", "ACU": "acupuncture", "针": "acupuncture", "zhenj": "acupuncture", "игло": "acupuncture", "collam": "icl", "huft": "hip-replacement", "river h": "river"} {
		got, err := e.Suggest(t.Context(), q, "en", 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || got[0].ID != want {
			t.Errorf("%q suggests %+v, want %s first", q, got, want)
		}
	}
	got, err := e.Suggest(t.Context(), "hüf", "de", 5)
	if err != nil || len(got) != 1 || got[0].Title != "Hüftprothese" || len(got[0].Marks) != 1 || got[0].Title[got[0].Marks[0].Start:got[0].Marks[0].End] != "Hüf" {
		t.Errorf("suggestion is %+v, %v", got, err)
	}
	for _, c := range []struct{ typed, lang, title, ref string }{{"xu", "en", "Xuhui", "district Xuhui"}, {"徐", "zh-Hans", "徐汇区", "district Xuhui"}, {"сюй", "ru", "Сюйхуэй", "district Xuhui"}, {"yu g", "en", "Yu Garden", "place yu-garden"}} {
		got, err := seeded(t).Suggest(t.Context(), c.typed, c.lang, 8)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(got, func(s search.Suggestion) bool { return string(s.Kind)+" "+s.ID == c.ref })
		if i < 0 || got[i].Title != c.title || len(got[i].Marks) != 1 || len(got) > 8 {
			t.Errorf("%q suggests %+v, want %s", c.typed, got, c.ref)
		}
	}
	if got, err := e.Suggest(t.Context(), " \x00", "en", 5); err != nil || len(got) != 0 {
		t.Errorf("nothing typed suggests %v, %v", got, err)
	}
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{"", "ICL", "近视", "قصر النظر", "ghjnjyyfz", "a\x00b", "'", "-", "l'avc", "C83.3", "Ｃ８３．３", "घुटने", "ไทย", "((", "\xff\xfe", "car-t-", "٣ days"} {
		f.Add(s, "en")
	}
	e := open(f, small(f), f.TempDir())
	f.Fuzz(func(t *testing.T, q, lang string) {
		for _, kind := range []catalog.Kind{catalog.KindOffering, catalog.KindTreatment} {
			_, err := e.Search(context.Background(), search.Request{Query: q, Lang: lang, Kind: kind})
			if err != nil && !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.TooLarge) {
				t.Fatal(err)
			}
		}
		got, err := e.Suggest(context.Background(), q, lang, 5)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
		for _, s := range got {
			for _, m := range s.Marks {
				_ = s.Title[m.Start:m.End]
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	e := seeded(b)
	for _, q := range []string{"", "hip replacement", "my son needs a new liver", "diabtes long term managment", "宝宝眼睛反白光"} {
		b.Run(strings.ReplaceAll(q, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Search(context.Background(), search.Request{Query: q}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSuggest(b *testing.B) {
	e := seeded(b)
	for b.Loop() {
		if _, err := e.Suggest(context.Background(), "ac", "en", 8); err != nil {
			b.Fatal(err)
		}
	}
}
