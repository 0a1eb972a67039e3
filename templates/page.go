package templates

import (
	"net/url"
	"strings"

	"github.com/medtour/medtour/catalog"
)

// Page is what the layout needs for every page.
type Page struct {
	*Locale
	// Path without language prefix, and the raw query.
	Path  string
	Query string
	// Base is the address of the site without a slash at the end, for
	// canonical links: https://medtour.example.
	Base string
	// Currency in which the reader wants prices.
	Currency string
	// Currencies to choose from.
	Currencies []string
	// RatesDate is the date of the exchange rates.
	RatesDate string
	// Demo is true when no money moves.
	Demo bool
	// Asset returns the hashed address of a static file.
	Asset func(name string) string

	// Title, Description are for the head; NoIndex keeps personal pages out of
	// search engines.
	Title       string
	Description string
	NoIndex     bool
	// JSONLD are schema.org objects, marshalled by the layout.
	JSONLD []any
	// Search is what stands in the header's search field.
	Search string
	// Section is the part of the navigation that is current: "treatments",
	// "hospitals", "packages", "deposits", "account", "console".
	Section string
	// Convert converts for display; it reports false where it cannot.
	Convert func(m catalog.Money, to string) (catalog.Money, bool)
}

// URL returns an address within the site in the reader's language. The path
// starts with a slash and may carry a query.
func (p Page) URL(path string) string { return p.URLIn(p.Tag, path) }

// URLIn returns an address within the site in a language. English has no
// prefix.
func (p Page) URLIn(lang, path string) string {
	if lang == "en" {
		return path
	}
	if path == "/" {
		return "/" + lang
	}
	return "/" + lang + path
}

// Here returns the address of this page in a language.
func (p Page) Here(lang string) string {
	u := p.URLIn(lang, p.Path)
	if p.Query != "" {
		u += "?" + p.Query
	}
	return u
}

// Canonical returns the absolute address of this page in a language, without
// what only sorts or filters.
func (p Page) Canonical(lang string) string { return p.Base + p.URLIn(lang, p.Path) }

// QueryURL returns an address of a path with a query.
func (p Page) QueryURL(path string, query url.Values) string {
	if len(query) == 0 {
		return p.URL(path)
	}
	return p.URL(path) + "?" + query.Encode()
}

// Price writes an amount in the reader's currency for cards, and the amount as
// it was set where they differ.
func (p Page) Price(m catalog.Money) (shown, original string) {
	converted, ok := p.Convert(m, p.Currency)
	if !ok || m.Currency == p.Currency {
		return p.Money(m), ""
	}
	return p.Money(converted), p.MoneyCode(m)
}

// Said is a text of the catalogue as a reader sees it.
type Said struct {
	Text string
	// Lang of the text; it differs from the reader's where it falls back.
	Lang     string
	Fallback bool
}

// Say picks a text for the reader.
func (p Page) Say(t catalog.Text) Said {
	s, lang := t.In(p.Tag)
	return Said{Text: s, Lang: lang, Fallback: lang != p.Tag && lang != ""}
}

// Name returns a short text for the reader, for attributes and titles.
func (p Page) Name(t catalog.Text) string { return t.Get(p.Tag) }

// SourceHost shortens a source's address to what names it.
func SourceHost(s catalog.Source) string {
	u, err := url.Parse(s.Address)
	if err != nil || u.Host == "" {
		return s.Address
	}
	return strings.TrimPrefix(u.Host, "www.")
}
