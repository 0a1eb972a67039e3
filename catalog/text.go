package catalog

import (
	"strings"
	"unicode/utf8"

	"github.com/medtour/medtour/fault"
)

// Text is a text in several languages: BCP 47 tag to string.
type Text map[string]string

// Languages are the languages of pages and content, in the order in which they
// are offered. Adding one is adding a message file and a line here.
var Languages = []string{"en", "zh-Hans", "ar", "ru", "fr", "es"}

// fallbacks gives the languages to try for a reader, after their own. English
// closes every chain, being the language in which all content exists.
var fallbacks = map[string][]string{
	"zh-Hant": {"zh-Hans", "en"},
	"zh":      {"zh-Hans", "en"},
}

// In returns the text for a reader of lang and the language it is in, which
// differs from lang where it falls back; pages must say so. Both are empty
// where there is no text at all.
func (t Text) In(lang string) (text, in string) {
	if s := t[lang]; s != "" {
		return s, lang
	}
	chain, ok := fallbacks[lang]
	if !ok {
		chain = []string{"en"}
	}
	for _, l := range chain {
		if s := t[l]; s != "" {
			return s, l
		}
	}
	for _, l := range Languages {
		if s := t[l]; s != "" {
			return s, l
		}
	}
	return "", ""
}

// Get returns the text for a reader of lang, falling back.
func (t Text) Get(lang string) string {
	s, _ := t.In(lang)
	return s
}

// Missing returns the languages of Languages in which there is no text.
func (t Text) Missing() []string {
	var out []string
	for _, l := range Languages {
		if t[l] == "" {
			out = append(out, l)
		}
	}
	return out
}

// Limits of texts in characters. The longest titles of medical articles have
// some 400, their abstracts some 10,000: a catalogue built from such texts must
// go in whole.
const (
	MaxName      = 500
	MaxParagraph = 20_000
)

// validate notes what is wrong with a text: no English or Chinese, too long,
// control characters.
func (t Text) validate(f *fault.Fields, field string, limit int, required bool) {
	if required && t["en"] == "" && t["zh-Hans"] == "" {
		f.Add(field, "required", "give a text in en or zh-Hans")
	}
	for lang, s := range t {
		name := field + "." + lang
		if !validTag(lang) {
			f.Add(name, "language", "use a BCP 47 language tag such as en or zh-Hans")
		}
		validateString(f, name, s, limit)
	}
}

// validateString notes a string that is too long, not UTF-8 or has control
// characters other than line breaks.
func validateString(f *fault.Fields, field, s string, limit int) {
	switch {
	case !utf8.ValidString(s):
		f.Add(field, "utf8", "must be UTF-8 text")
	case utf8.RuneCountInString(s) > limit:
		f.Add(field, "too_long", "at most %d characters", limit)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }):
		f.Add(field, "control", "must not contain control characters")
	}
}

// validTag reports whether s has the form of a BCP 47 tag of language, script
// and region.
func validTag(s string) bool {
	if len(s) < 2 || len(s) > 35 {
		return false
	}
	for part := range strings.SplitSeq(s, "-") {
		if len(part) < 2 || len(part) > 8 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return false
		}
	}
	return true
}

// Term is a search term in one language.
type Term struct {
	Text string `json:"text"`
	Lang string `json:"lang"`
	// Ambiguous terms are also the spelling of something else: ask, do not
	// correct.
	Ambiguous bool `json:"ambiguous,omitempty"`
}
