package templates

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
)

var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// placeholders returns the names that a message has in any of its forms.
func placeholders(value any) []string {
	var names []string
	for _, text := range formsOf(value) {
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(names, m[1]) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return names
}

// formsOf returns a message by plural form; one without forms stands under "".
func formsOf(value any) map[string]string {
	out := map[string]string{}
	switch v := value.(type) {
	case string:
		out[""] = v
	case map[string]any:
		for form, text := range v {
			out[form], _ = text.(string)
		}
	}
	return out
}

// pluralForms are the forms of each language, after CLDR 42.
var pluralForms = map[string]string{
	"en": "one other", "zh-Hans": "other", "ar": "few many one other two zero", "ru": "few many one other", "fr": "many one other", "es": "many one other",
}

// consoleMessages are those of the consoles, which speak consoleLanguages.
const consoleMessages = "console."

var consoleLanguages = []string{"en", "zh-Hans"}

// TestMessagesAreComplete checks that every language says everything that
// English does, with the same placeholders and in all its plural forms.
func TestMessagesAreComplete(t *testing.T) {
	english, err := loadMessages("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range catalog.Languages {
		messages, err := loadMessages(tag)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(pluralForms[tag])
		for key, value := range english {
			translated, ok := messages[key]
			if !ok && strings.HasPrefix(key, consoleMessages) && !slices.Contains(consoleLanguages, tag) {
				continue
			}
			if !ok {
				t.Errorf("%s: %q is missing", tag, key)
				continue
			}
			if a, b := placeholders(value), placeholders(translated); !slices.Equal(a, b) {
				t.Errorf("%s: %q has the placeholders %v, English %v", tag, key, b, a)
			}
			_, counts := value.(map[string]any)
			if _, plain := translated.(string); counts == plain {
				t.Errorf("%s: %q has plural forms in one language and none in the other", tag, key)
			}
			var forms []string
			for form, text := range formsOf(translated) {
				if strings.TrimSpace(text) == "" {
					t.Errorf("%s: %q is empty", tag, key)
				}
				forms = append(forms, form)
			}
			if slices.Sort(forms); counts && !slices.Equal(forms, want) {
				t.Errorf("%s: %q has the forms %v, the language has %v", tag, key, forms, want)
			}
		}
		for key := range messages {
			if _, ok := english[key]; !ok {
				t.Errorf("%s: %q is not in English", tag, key)
			}
		}
	}
}

// TestPlurals counts in every language: each number has its own form, and
// French and Spanish say a million with theirs.
func TestPlurals(t *testing.T) {
	for tag, want := range map[string]map[int]string{
		"en":      {1: "1 result", 2: "2 results", 0: "0 results"},
		"zh-Hans": {1: "1条结果", 1234: "1,234条结果"},
		"ru":      {1: "1 результат", 3: "3 результата", 5: "5 результатов", 11: "11 результатов", 21: "21 результат", 22: "22 результата"},
		"ar":      {0: "لا نتائج", 1: "نتيجة واحدة", 2: "نتيجتان", 3: "3 نتائج", 11: "11 نتيجة", 100: "100 نتيجة"},
		"fr":      {0: "0 résultat", 1: "1 résultat", 2: "2 résultats"},
		"es":      {1: "1 resultado", 2: "2 resultados", 0: "0 resultados"},
	} {
		for n, w := range want {
			if got := LocaleFor(tag).N("search.results", n); got != w {
				t.Errorf("%s: %d is %q, want %q", tag, n, got, w)
			}
		}
		if got := LocaleFor(tag).N("search.results", 1_000_000); !strings.Contains(got, "000") {
			t.Errorf("%s: a million is %q", tag, got)
		}
	}
}

// TestMessagesOfTheProgramExist reads the sources for keys that are written
// out: each must be in English, or readers would see the key.
func TestMessagesOfTheProgramExist(t *testing.T) {
	key := regexp.MustCompile(`\bp\.[TN]\("([^"]+)"[,)]`)
	english, err := loadMessages("en")
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, pattern := range []string{"*.templ", "*.go", "../web/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, found...)
	}
	n := 0
	for _, name := range sources {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllSubmatch(body, -1) {
			n++
			if _, ok := english[string(m[1])]; !ok {
				t.Errorf("%s uses the message %q, which is not there", name, m[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d uses of messages found: the test has lost its subject", n)
	}
}

// TestWordsOfTheCatalogueHaveNames checks that the fixed words of the
// catalogue do not show as they stand in the data.
func TestWordsOfTheCatalogueHaveNames(t *testing.T) {
	words := map[string][]string{
		"booking_class.": {string(catalog.Instant), string(catalog.OnAcceptance), string(catalog.EnquiryOnly), string(catalog.NeedsApproval)},
		"service_type.": {string(catalog.Outpatient), string(catalog.Inpatient), string(catalog.Emergency), string(catalog.HealthCheckup),
			string(catalog.Vaccination), string(catalog.HealthManagement), string(catalog.TCM), string(catalog.Telemedicine)},
		"ownership.": {string(catalog.Public), string(catalog.Private), string(catalog.JointVenture)},
		"phase.":     {string(catalog.PhaseWorkup), string(catalog.PhaseProcedure), string(catalog.PhaseAdmission), string(catalog.PhaseRestricted), string(catalog.PhaseGentle)},
		"exertion.": {string(catalog.ExertionRest), string(catalog.ExertionSeated), string(catalog.ExertionShortWalk), string(catalog.ExertionLongWalk),
			string(catalog.ExertionStrenuous)},
		"grade.": {string(catalog.GradeOfficial), string(catalog.GradeHospital), string(catalog.GradeSeed), string(catalog.GradePeerReviewed), string(catalog.GradeClinical),
			string(catalog.GradeNews), string(catalog.GradeGuidebook), string(catalog.GradeDirectory), string(catalog.GradeEncyclopedia), string(catalog.GradeCommercial), string(catalog.GradeMirror)},
	}
	for _, h := range catalog.Hazards {
		words["hazard."] = append(words["hazard."], string(h))
	}
	for prefix, list := range words {
		for _, w := range list {
			if !LocaleFor("en").Has(prefix + w) {
				t.Errorf("there is no message %s%s", prefix, w)
			}
		}
	}
}

// specialties that have a drawing of their own.
var specialties = []string{"oncology-cell-therapy", "haematology", "particle-therapy", "oncology", "paediatric-surgery", "gastroenterology", "surgery", "tcm",
	"ophthalmology", "paediatric-oncology", "paediatric-liver-transplant", "paediatric-cardiology", "cardiology", "neurology", "neurosurgery", "orthopaedics",
	"fetal-medicine", "obstetrics", "health-check", "vaccination", "rehabilitation", "telemedicine", "emergency", "paediatrics", "general-practice",
	"health-management", "ent"}

func TestEverySpecialtyHasItsOwnDrawing(t *testing.T) {
	seen := map[string]string{}
	for _, s := range append([]string{"a specialty of tomorrow"}, specialties...) {
		var b bytes.Buffer
		if err := illustration(s).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[b.String()]; ok {
			t.Errorf("%s is drawn like %s", s, other)
		}
		seen[b.String()] = s
	}
}
