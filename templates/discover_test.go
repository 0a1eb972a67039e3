package templates

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/medtour/medtour/catalog"
)

func TestMark(t *testing.T) {
	for _, c := range []struct {
		text  string
		terms []string
		want  string
	}{
		{"CAR-T cell therapy", []string{"car-t"}, "[CAR-T] cell therapy"},
		{"Knees and a knee", []string{"knee"}, "[Knees] and a [knee]"},
		{"Unknee", []string{"knee"}, "Unknee"},
		{"针刺与针灸", []string{"针灸"}, "针刺与[针灸]"},
		{"زراعة الكبد", []string{"الكبد"}, "زراعة [الكبد]"},
		{"Плечо и колено", []string{"Колено"}, "Плечо и [колено]"},
		{"a b c", []string{"a", ""}, "a b c"},
		{"", []string{"x"}, ""},
		{"x", nil, "x"},
	} {
		var got strings.Builder
		for _, s := range Mark(c.text, c.terms) {
			if s.Mark {
				got.WriteString("[" + s.Text + "]")
			} else {
				got.WriteString(s.Text)
			}
		}
		if got.String() != c.want {
			t.Errorf("Mark(%q, %q) = %s, want %s", c.text, c.terms, got.String(), c.want)
		}
	}
}

// TestMarkLosesNothing: whatever is marked, the text stays the same.
func TestMarkLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		terms := rapid.SliceOf(rapid.String()).Draw(t, "terms")
		var got strings.Builder
		for _, s := range Mark(text, terms) {
			got.WriteString(s.Text)
		}
		// Bytes that are no text become the replacement character.
		if want := string([]rune(text)); got.String() != want {
			t.Fatalf("%q became %q", want, got.String())
		}
	})
}

// TestPhasesFillTheStrip: the phases lie beside each other from end to end,
// and each can be seen.
func TestPhasesFillTheStrip(t *testing.T) {
	kinds := []catalog.PhaseKind{catalog.PhaseWorkup, catalog.PhaseProcedure, catalog.PhaseAdmission, catalog.PhaseRestricted, catalog.PhaseGentle}
	rapid.Check(t, func(t *rapid.T) {
		var line catalog.Timeline
		for _, kind := range kinds {
			days := rapid.IntRange(0, 730).Draw(t, string(kind))
			line.Phases = append(line.Phases, catalog.Phase{Kind: kind, Days: catalog.Span{Max: days}})
		}
		lang := rapid.SampledFrom(catalog.Languages).Draw(t, "language")
		phases := layPhases(Page{Locale: LocaleFor(lang)}, line)
		sum := 0.0
		for i, s := range phases {
			if s.width < leastShare-1e-9 || s.x < -1e-9 || s.x+s.width > 100+1e-9 {
				t.Fatalf("phase %d lies from %f over %f", i, s.x, s.width)
			}
			if i > 0 {
				before, after := phases[i-1], s
				if lang == "ar" {
					before, after = after, before
				}
				if math.Abs(before.x+before.width-after.x) > 1e-6 {
					t.Fatalf("phases %d and %d do not meet", i-1, i)
				}
			}
			sum += s.width
		}
		if len(phases) > 0 && math.Abs(sum-100) > 1e-6 {
			t.Fatalf("the phases fill %f percent", sum)
		}
	})
}

func TestFigure(t *testing.T) {
	p := Page{Locale: LocaleFor("en")}
	value := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		claim catalog.Claim
		want  string
	}{
		{catalog.Claim{Value: value(500), Unit: "beds", Text: catalog.Text{"en": "Beds."}}, "500 beds"},
		{catalog.Claim{Value: value(7500), Unit: "patients", Text: catalog.Text{"en": "More than 7,500 children."}}, ""},
		{catalog.Claim{Value: value(94), Unit: "percent", Text: catalog.Text{"en": "Survival."}}, "94%"},
		{catalog.Claim{Value: value(2.5), Unit: "years", Text: catalog.Text{"en": "Wait."}}, ""},
		{catalog.Claim{Kind: catalog.ClaimPrice, Value: value(500), Unit: "CNY", Text: catalog.Text{"en": "Price."}}, ""},
		{catalog.Claim{Text: catalog.Text{"en": "None."}}, ""},
	} {
		if got := figure(p, c.claim, c.claim.Text["en"]); got != c.want {
			t.Errorf("figure of %q is %q, want %q", c.claim.Text["en"], got, c.want)
		}
	}
}

func TestNumberGivesEachSourceOneNumber(t *testing.T) {
	claim := func(address string) catalog.Claim { return catalog.Claim{Source: catalog.Source{Address: address}} }
	n := Number([]catalog.Claim{claim("a"), claim("b"), claim(""), claim("a")})
	if got := n.Numbers; len(got) != 4 || got[0] != 1 || got[1] != 2 || got[2] != 0 || got[3] != 1 || len(n.Sources) != 2 {
		t.Errorf("numbers %v over %d sources", n.Numbers, len(n.Sources))
	}
}

func TestPartialDate(t *testing.T) {
	for in, want := range map[string]string{"2024": "2024", "2024-05": "May 2024", "2024-05-07": "7 May 2024", "": "", "soon": "soon"} {
		if got := LocaleFor("en").PartialDate(in); got != want {
			t.Errorf("%q is written %q, want %q", in, got, want)
		}
	}
	if got := LocaleFor("zh-Hans").PartialDate("2024-05"); got != "2024年5月" {
		t.Errorf("in Chinese: %q", got)
	}
}

func TestChooseLanguageKeepsTheAddress(t *testing.T) {
	p := Page{Locale: LocaleFor("en"), Path: "/search", Query: "q=knee&kind=package"}
	if got := chooseLanguage(p, "ar"); got != "/ar/search?kind=package&lang=ar&q=knee" {
		t.Errorf("the link is %s", got)
	}
}

func TestPriceFigure(t *testing.T) {
	p := Page{Locale: LocaleFor("en"), Currency: "USD", Convert: func(m catalog.Money, to string) (catalog.Money, bool) {
		return catalog.Money{Amount: m.Amount * 14151 / 100_000, Currency: to}, to == "USD"
	}}
	value := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		claim              catalog.Claim
		stated, about, why string
	}{
		{catalog.Claim{Value: value(200000), Unit: "CNY"}, "CNY 200,000", "$28,302", "rounded to whole dollars"},
		{catalog.Claim{Min: value(30000), Max: value(40000), Unit: "CNY"}, "CNY 30,000 – CNY 40,000", "$4,245 – $5,660", "both ends"},
		{catalog.Claim{Value: value(1500), Unit: "USD"}, "USD 1,500", "", "the reader's own currency"},
		{catalog.Claim{Value: value(3), Unit: "ratio"}, "", "", "no money"},
	} {
		if stated, about := priceFigure(p, c.claim); stated != c.stated || about != c.about {
			t.Errorf("%s: %q, %q, want %q, %q", c.why, stated, about, c.stated, c.about)
		}
	}
}
