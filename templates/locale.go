package templates

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/bojanz/currency"
	"github.com/go-playground/locales"
	"github.com/go-playground/locales/ar_AE"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/ru"
	"github.com/go-playground/locales/zh_Hans_CN"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"github.com/medtour/medtour/catalog"
)

//go:embed messages
var messageFiles embed.FS

// Locale speaks one language: messages, plurals, dates, numbers, money.
type Locale struct {
	// Tag is the BCP 47 tag, one of catalog.Languages.
	Tag string
	// Dir is the direction of writing, "ltr" or "rtl".
	Dir string
	// Name is the language's name in itself.
	Name string

	cldr      locales.Translator
	localizer *i18n.Localizer
	plain     map[string]string
	money     *currency.Formatter
	code      *currency.Formatter
}

// languages describes the languages of pages; the messages are files in
// messages/<tag>.
var languages = map[string]struct {
	dir, name string
	cldr      locales.Translator
	currency  string
}{
	"en":      {"ltr", "English", en_GB.New(), "en"},
	"zh-Hans": {"ltr", "中文", zh_Hans_CN.New(), "zh-Hans"},
	"ar":      {"rtl", "العربية", ar_AE.New(), "ar-AE"},
	"ru":      {"ltr", "Русский", ru.New(), "ru"},
	"fr":      {"ltr", "Français", fr.New(), "fr"},
	"es":      {"ltr", "Español", es.New(), "es"},
}

var locs = mustLoadLocales()

// LocaleFor returns the locale of a tag of catalog.Languages, English for any
// other.
func LocaleFor(tag string) *Locale {
	if l, ok := locs[tag]; ok {
		return l
	}
	return locs["en"]
}

// mustLoadLocales reads the message files, which are part of the program: a
// broken one is a defect that a test finds.
func mustLoadLocales() map[string]*Locale {
	out := map[string]*Locale{}
	english, err := loadMessages("en")
	if err != nil {
		panic(err)
	}
	for _, tag := range catalog.Languages {
		l, err := loadLocale(tag, english)
		if err != nil {
			panic(err)
		}
		out[tag] = l
	}
	return out
}

func loadLocale(tag string, english map[string]any) (*Locale, error) {
	d, ok := languages[tag]
	if !ok {
		return nil, fmt.Errorf("templates: language %s is not described", tag)
	}
	messages, err := loadMessages(tag)
	if err != nil {
		return nil, err
	}
	l := &Locale{Tag: tag, Dir: d.dir, Name: d.name, cldr: d.cldr, plain: map[string]string{}}
	bundle := i18n.NewBundle(language.Make(tag))
	// English stands behind every language, so a message that is missing
	// shows as English and never as its key.
	for _, m := range []map[string]any{english, messages} {
		for key, value := range m {
			msg, err := message(key, value)
			if err != nil {
				return nil, fmt.Errorf("templates: %s: %w", tag, err)
			}
			if err := bundle.AddMessages(language.Make(tag), msg); err != nil {
				return nil, fmt.Errorf("templates: %s: %s: %w", tag, key, err)
			}
			delete(l.plain, key)
			if s, ok := value.(string); ok && !strings.Contains(s, "{{") {
				l.plain[key] = s
			}
		}
	}
	l.localizer = i18n.NewLocalizer(bundle, tag)
	locale := currency.NewLocale(d.currency)
	l.money = currency.NewFormatter(locale)
	l.money.MaxDigits = 0
	l.code = currency.NewFormatter(locale)
	l.code.CurrencyDisplay = currency.DisplayCode
	return l, nil
}

// loadMessages reads all message files of a language into one map of key to
// string or map of plural form to string.
func loadMessages(tag string) (map[string]any, error) {
	out := map[string]any{}
	dir := path.Join("messages", tag)
	entries, err := fs.ReadDir(messageFiles, dir)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, e := range entries {
		data, err := fs.ReadFile(messageFiles, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		var part map[string]any
		if err := json.Unmarshal(data, &part); err != nil {
			return nil, fmt.Errorf("templates: %s/%s: %w", dir, e.Name(), err)
		}
		for key, value := range part {
			if _, twice := out[key]; twice {
				return nil, fmt.Errorf("templates: %s: %q is there twice", dir, key)
			}
			out[key] = value
		}
	}
	return out, nil
}

func message(key string, value any) (*i18n.Message, error) {
	msg := &i18n.Message{ID: key}
	switch v := value.(type) {
	case string:
		msg.Other = v
		return msg, nil
	case map[string]any:
		for form, text := range v {
			s, ok := text.(string)
			if !ok {
				return nil, fmt.Errorf("%s.%s is not a string", key, form)
			}
			switch form {
			case "zero":
				msg.Zero = s
			case "one":
				msg.One = s
			case "two":
				msg.Two = s
			case "few":
				msg.Few = s
			case "many":
				msg.Many = s
			case "other":
				msg.Other = s
			default:
				return nil, fmt.Errorf("%s has the unknown plural form %s", key, form)
			}
		}
		return msg, nil
	}
	return nil, fmt.Errorf("%s is neither a string nor plural forms", key)
}

// T returns a message. The arguments are pairs of placeholder and value:
// T("quote.expires", "time", t).
func (l *Locale) T(key string, args ...any) string {
	if s, ok := l.plain[key]; ok {
		return s
	}
	return l.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: pairs(args)})
}

// N returns a message in the plural form for n, which is also the placeholder
// n, written as the language writes numbers.
func (l *Locale) N(key string, n int, args ...any) string {
	data := pairs(args)
	data["n"] = l.Int(n)
	return l.localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: n, TemplateData: data})
}

// Has reports whether there is a message of the key.
func (l *Locale) Has(key string) bool {
	if _, ok := l.plain[key]; ok {
		return true
	}
	_, err := l.localizer.Localize(&i18n.LocalizeConfig{MessageID: key})
	return err == nil
}

// Or returns the message of the key, or the other text where there is none:
// for words from the catalogue that may be new.
func (l *Locale) Or(key, other string) string {
	if s, ok := l.plain[key]; ok {
		return s
	}
	return other
}

func (l *Locale) localize(c *i18n.LocalizeConfig) string {
	s, err := l.localizer.Localize(c)
	if err != nil && s == "" {
		return c.MessageID
	}
	return s
}

func pairs(args []any) map[string]any {
	m := make(map[string]any, len(args)/2+1)
	for i := 0; i+1 < len(args); i += 2 {
		if key, ok := args[i].(string); ok {
			m[key] = args[i+1]
		}
	}
	return m
}

// Int writes a whole number.
func (l *Locale) Int(n int) string { return l.cldr.FmtNumber(float64(n), 0) }

// Decimal writes a number with a number of decimals.
func (l *Locale) Decimal(x float64, decimals uint64) string { return l.cldr.FmtNumber(x, decimals) }

// Percent writes basis points as a percentage.
func (l *Locale) Percent(basisPoints int64) string {
	decimals := uint64(0)
	if basisPoints%100 != 0 {
		decimals = 1
	}
	return l.cldr.FmtPercent(float64(basisPoints)/100, decimals)
}

// Date writes a date in full: 7 December 2026.
func (l *Locale) Date(t time.Time) string { return l.cldr.FmtDateLong(t) }

// Day writes a date with its weekday: Mon, 7 December.
func (l *Locale) Day(t time.Time) string {
	return l.cldr.WeekdayAbbreviated(t.Weekday()) + " · " + l.cldr.FmtDateLong(t)
}

// Weekday writes the name of the day.
func (l *Locale) Weekday(t time.Time) string { return l.cldr.WeekdayWide(t.Weekday()) }

// Time writes a date and a time of day in Shanghai, and says so.
func (l *Locale) Time(t time.Time) string {
	t = t.In(catalog.Shanghai)
	return l.T("time.shanghai", "date", l.cldr.FmtDateLong(t), "time", l.cldr.FmtTimeShort(t))
}

// Money writes an amount with the currency's symbol and no decimals where
// they are zero: for cards and lists.
func (l *Locale) Money(m catalog.Money) string {
	amount, err := currency.NewAmount(m.Decimal(), m.Currency)
	if err != nil {
		return m.String()
	}
	if unit := catalog.MainUnits(1, m.Currency).Amount; m.Amount%unit != 0 {
		return l.code.Format(amount)
	}
	return l.money.Format(amount)
}

// MoneyCode writes an amount with its ISO 4217 code and all its decimals:
// wherever money is promised or charged, since ¥ is CNY or JPY depending on
// the reader.
func (l *Locale) MoneyCode(m catalog.Money) string {
	amount, err := currency.NewAmount(m.Decimal(), m.Currency)
	if err != nil {
		return m.String()
	}
	return l.code.Format(amount)
}

// LanguageName returns a language's name for this reader, the tag itself where
// it is not known.
func (l *Locale) LanguageName(tag string) string { return l.Or("lang."+tag, tag) }

// direction returns the direction in which a language is written.
func direction(tag string) string {
	switch base, _, _ := strings.Cut(tag, "-"); base {
	case "ar", "fa", "he", "ur":
		return "rtl"
	}
	return "ltr"
}
