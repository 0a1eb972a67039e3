package search

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:embed wishes.tsv
var wishTable string

// Meanings of the phrases of the table of wishes, beside the codes of
// currencies and the factors.
const (
	meansUnder      = "under"
	meansUnderAfter = "under after"
	meansOver       = "over"
	meansBetween    = "between"
	meansAnd        = "and"
	meansNear       = "near"
	meansNearAfter  = "near after"
	meansNoPrice    = "not a price"
	meansSort       = "sort " // and the order
)

// Wishes that are no facets.
const (
	wishSort = "sort"
	wishNear = "near"
)

var wishesBeside = []string{wishSort, wishNear}

const (
	// leastBarePrice is the least number that is a price without a currency.
	leastBarePrice = 500
	// maxNumberDigits bounds a number: nobody pays more.
	maxNumberDigits = 9
	// nearFillers is how many words may stand between "near" and a name.
	nearFillers = 1
)

// factors are the words by which a number is multiplied.
var factors = []struct {
	meaning string
	by      int64
}{{"thousand", 1000}, {"ten thousand", 10_000}, {"million", 1_000_000}}

// wishPhrases are the phrases of the table with what each may mean.
type wishPhrases struct {
	means   map[string][]string
	longest int
}

// wishWordsKnown is the table of wishes: the first column is the meaning, the
// others hold phrases parted by "|".
var wishWordsKnown = func() wishPhrases {
	t := wishPhrases{means: map[string][]string{}}
	for i, line := range strings.Split(wishTable, "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		for _, cell := range cells[1:] {
			for _, phrase := range strings.Split(cell, "|") {
				if lang, rest, ok := strings.Cut(phrase, ":"); ok && languageByCode[lang] != nil {
					phrase = rest
				}
				words := wishWords(phrase)
				if key := joinWords(words); key != "" && !slices.Contains(t.means[key], cells[0]) {
					t.means[key] = append(t.means[key], cells[0])
					t.longest = max(t.longest, len(words))
				}
			}
		}
	}
	return t
}()

// wishWord is a word, a number or a sign of a query.
type wishWord struct {
	text string
	// number is what a word of digits says, 0 for others.
	number     int64
	start, end int
}

// signs that count as words, by the word of the table that means the same.
var signs = map[rune]string{'$': "usd", '€': "eur", '£': "gbp", '¥': "cny", '￥': "cny", '₽': "rub", '₹': "inr", '<': "under", '≤': "under",
	'-': "to", '–': "to", '—': "to", '~': "to", '～': "to"}

// wishWords cuts a text into words, and numbers from what is written on to
// them: "€5,000", "5k", "2万".
func wishWords(s string) []wishWord {
	var out []wishWord
	last := 0
	gap := func(to int) {
		for i, r := range s[last:to] {
			if sign, ok := signs[r]; ok {
				out = append(out, wishWord{text: sign, start: last + i, end: last + i + utf8.RuneLen(r)})
			}
		}
		last = to
	}
	for _, t := range tokenize(s) {
		gap(t.start)
		digits := len(t.text) - len(strings.TrimLeft(t.text, "0123456789."))
		if digits == 0 {
			out = append(out, wishWord{text: t.text, start: t.start, end: t.end})
		} else {
			out = appendNumber(out, s, t, digits)
		}
		last = t.end
	}
	gap(len(s))
	return out
}

// appendNumber adds a token that begins with digits, and what follows them.
// Thousands may be apart: "20 000".
func appendNumber(out []wishWord, s string, t token, digits int) []wishWord {
	split := t.end
	if digits < len(t.text) && len(t.text) == t.end-t.start {
		split = t.start + digits
	}
	n, ok := wholeNumber(t.text[:digits])
	w := wishWord{text: t.text[:digits], number: n, start: t.start, end: split}
	switch i := len(out) - 1; {
	case ok && digits == 3 && i >= 0 && out[i].number > 0 && out[i].number < 1_000_000 && s[out[i].end:t.start] == " ":
		out[i].number, out[i].end = 1000*out[i].number+n, split
	default:
		out = append(out, w)
	}
	if digits < len(t.text) {
		out = append(out, wishWord{text: t.text[digits:], start: split, end: t.end})
	}
	return out
}

// wholeNumber reads "5000", "5.000" and "4999.50", in which the tokenizer has
// made every mark a point. What has too many digits is none.
func wholeNumber(s string) (int64, bool) {
	groups := strings.Split(strings.Trim(s, "."), ".")
	whole := groups[0]
	for i, g := range groups[1:] {
		if len(g) == 3 {
			whole += g
		} else if i+2 < len(groups) {
			return 0, false
		}
	}
	if len(whole) > maxNumberDigits {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	return n, err == nil
}

func joinWords(words []wishWord) string {
	text := make([]string, len(words))
	for i, w := range words {
		text[i] = w.text
	}
	return strings.Join(text, " ")
}

// asked is what a query asks for in words that are no words to search by.
type asked struct {
	// query without those words.
	query string
	// wishes in the order in which they stand; near and sort among them.
	wishes []Applied
}

// askedReader reads the wishes of a query.
type askedReader struct {
	book     *phrasebook
	words    []wishWord
	currency string
}

// readAsked takes prices, orders and points of the map out of a query: "hip
// replacement under 5000 usd", "cheap lasik", "eye hospital near Yu Garden". A
// price without a currency is one of the reader's.
func readAsked(book *phrasebook, query, currency string) asked {
	r := askedReader{book: book, words: wishWords(query), currency: currency}
	out := asked{query: query}
	var rest strings.Builder
	last := 0
	for i := 0; i < len(r.words); {
		n, facet, value := r.price(i)
		if n == 0 {
			n, facet, value = r.near(i)
		}
		if n == 0 {
			n, facet, value = r.order(i)
		}
		if n == 0 {
			i++
			continue
		}
		from, to := r.words[i].start, r.words[i+n-1].end
		rest.WriteString(query[last:from] + " ")
		last = to
		out.wishes = append(out.wishes, Applied{Facet: facet, Value: value, Typed: query[from:to]})
		i += n
	}
	if len(out.wishes) > 0 {
		rest.WriteString(query[last:])
		out.query = strings.TrimFunc(cleanQuery(rest.String()), func(r rune) bool { return !isWordRune(r) })
		// What tied the wish to the rest in Chinese: "cheap" + 的 + "surgery".
		out.query = strings.TrimPrefix(out.query, "的")
	}
	return out
}

// means returns how many words from i on are a phrase of a meaning.
func (r askedReader) means(i int, meaning string) int {
	for n := min(wishWordsKnown.longest, len(r.words)-i); n > 0; n-- {
		if slices.Contains(wishWordsKnown.means[joinWords(r.words[i:i+n])], meaning) {
			return n
		}
	}
	return 0
}

// currencyAt returns how many words from i on name a currency, and which.
func (r askedReader) currencyAt(i int) (int, string) {
	for n := min(wishWordsKnown.longest, len(r.words)-i); n > 0; n-- {
		for _, m := range wishWordsKnown.means[joinWords(r.words[i:i+n])] {
			if len(m) == 3 && strings.ToUpper(m) == m {
				return n, m
			}
		}
	}
	return 0, ""
}

// amount reads a number from i on, with its currency before or after it. End
// is 0 where there is none.
func (r askedReader) amount(i int) (end int, n int64, currency string) {
	at := i
	take := func() {
		for {
			k, c := r.currencyAt(at)
			if k == 0 {
				return
			}
			at += k
			if currency == "" || c != "USD" {
				currency = c
			}
		}
	}
	take()
	if at >= len(r.words) || r.words[at].number == 0 {
		return 0, 0, ""
	}
	n = r.words[at].number
	at++
	for _, f := range factors {
		if k := r.means(at, f.meaning); k > 0 && n <= maxPrice/f.by {
			n *= f.by
			at += k
			break
		}
	}
	take()
	if n > maxPrice {
		return 0, 0, ""
	}
	return at, n, currency
}

// bare reports whether a number without a currency may be a price.
func (r askedReader) bare(end int, n int64) bool {
	return n >= leastBarePrice && r.means(end, meansNoPrice) == 0
}

// price reads a limit of the price from i on, and returns its length in words.
func (r askedReader) price(i int) (length int, facet, value string) {
	found := func(end int, low, high int64, currency string) (int, string, string) {
		if currency == "" {
			currency = r.currency
		}
		return end - i, facetPrice, PriceRange{low, high, currency}.String()
	}
	between := r.means(i, meansBetween)
	if end, low, c := r.amount(i + between); end > 0 {
		if k := r.means(end, meansAnd); k > 0 {
			if end, high, c2 := r.amount(end + k); end > 0 && low < high && (c == "" || c2 == "" || c == c2) {
				if c+c2 != "" || between > 0 && r.bare(end, low) {
					return found(end, low, high, c+strings.TrimPrefix(c2, c))
				}
			}
		}
	}
	under, over := r.means(i, meansUnder), r.means(i, meansOver)
	if end, n, c := r.amount(i + under); end > 0 {
		after := r.means(end, meansUnderAfter)
		if c != "" && (under > 0 || over == 0) || under+after > 0 && r.bare(end, n) {
			return found(end+after, 0, n, c)
		}
	}
	if end, n, c := r.amount(i + over); over > 0 && end > 0 && c != "" {
		return found(end, n, 0, c)
	}
	return 0, "", ""
}

// order reads an order from i on.
func (r askedReader) order(i int) (length int, facet, value string) {
	for _, order := range Sorts {
		if n := r.means(i, meansSort+order); n > length {
			length, facet, value = n, wishSort, order
		}
	}
	return length, facet, value
}

// near reads a point of the map from i on. A district is none here: the name
// of one asks for what is in it.
func (r askedReader) near(i int) (length int, facet, value string) {
	if n := r.means(i, meansNear); n > 0 {
		for filler := range nearFillers + 1 {
			if k, ref := r.point(i + n + filler); k > 0 {
				return n + filler + k, wishNear, ref
			}
		}
	}
	if k, ref := r.point(i); k > 0 {
		if n := r.means(i+k, meansNearAfter); n > 0 {
			return k + n, wishNear, ref
		}
	}
	return 0, "", ""
}

// point returns how many words from i on are the name of a point.
func (r askedReader) point(i int) (int, string) {
	for n := min(r.book.longestName, len(r.words)-i); n > 0; n-- {
		if ref, ok := r.book.names[joinWords(r.words[i:i+n])]; ok {
			return n, ref
		}
	}
	return 0, ""
}
