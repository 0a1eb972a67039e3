package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// script is what decides how a run of letters is cut and analysed.
type script uint8

const (
	latin script = iota
	cyrillic
	arabic
	devanagari
	hangul
	// unbroken scripts are written without spaces: Han, kana, Thai, Lao,
	// Khmer, Burmese. Every character is a token of its own.
	unbroken
	otherScript
)

// token is a word, or one character of an unbroken script.
type token struct {
	// text is folded: lower case, without accents, simplified characters.
	text   string
	script script
	// start and end are byte offsets in the text that was cut.
	start, end int
}

func scriptOf(r rune) script {
	switch {
	case r < 0x250, unicode.Is(unicode.Latin, r):
		return latin
	case unicode.Is(unicode.Han, r), unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar), r == 'ー':
		return unbroken
	case unicode.Is(unicode.Cyrillic, r):
		return cyrillic
	case unicode.Is(unicode.Arabic, r):
		return arabic
	case unicode.Is(unicode.Devanagari, r):
		return devanagari
	case unicode.Is(unicode.Hangul, r):
		return hangul
	}
	return otherScript
}

// foldSingle maps letters that do not decompose into a base and a mark, and
// letters that readers write one for the other.
var foldSingle = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ı': "i", 'ə': "e", 'ŋ': "n",
	'ё': "е",
	'أ': "ا", 'إ': "ا", 'آ': "ا", 'ٱ': "ا", 'ى': "ي", 'ی': "ي", 'ة': "ه", 'ؤ': "و", 'ئ': "ي", 'ک': "ك", 'گ': "ك", 'ۀ': "ه", 'ـ': "", 'ء': "",
	'々': "",
}

// foldRune returns the folded form of one letter in NFKC.
func foldRune(r rune) string {
	r = unicode.ToLower(r)
	if r < utf8.RuneSelf {
		return string(r)
	}
	if s, ok := foldSingle[r]; ok {
		return s
	}
	if r >= 0x300 && r <= 0x36f || r >= 0x64b && r <= 0x65f || r == 0x670 || r >= 0x6d6 && r <= 0x6ed || r == 0x200c || r == 0x200d {
		return ""
	}
	switch scriptOf(r) {
	case latin:
		d := norm.NFD.String(string(r))
		base, _ := utf8.DecodeRuneInString(d)
		if s, ok := foldSingle[base]; ok {
			return s
		}
		return string(base)
	case unbroken:
		if s, ok := simplified[r]; ok {
			return string(s)
		}
	case arabic:
		if r >= '٠' && r <= '٩' {
			return string('0' + r - '٠')
		}
		if r >= '۰' && r <= '۹' {
			return string('0' + r - '۰')
		}
	}
	return string(r)
}

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || r == 'ـ'
}

// maxToken bounds a word in runes; longer ones are cut, since nobody searches
// by them.
const maxToken = 40

// tokenize cuts a text into folded tokens.
//
// A hyphen joins where one side is a single letter or digit (CAR-T, X-ray,
// PD-1) and parts elsewhere; a full stop or comma joins digits (C83.3, 18.2);
// an apostrophe takes away an elided article or a possessive s and otherwise
// joins (l'avc, Bell's, doesn't).
func tokenize(s string) []token { return cut(s, true) }

// tokenizeParted is tokenize with every hyphen parting: the other way in which
// people write CAR-T.
func tokenizeParted(s string) []token { return cut(s, false) }

func cut(s string, join bool) []token {
	const lettersPerToken = 6
	out := make([]token, 0, len(s)/lettersPerToken+1)
	var word strings.Builder
	var runes, start int
	var kind script
	flush := func(end int) {
		if word.Len() > 0 {
			out = append(out, token{text: word.String(), script: kind, start: start, end: end})
			word.Reset()
		}
		runes = 0
	}
	for i := 0; i < len(s); {
		if word.Len() == 0 {
			if end := plainWord(s, i); end > i {
				out = append(out, token{text: strings.ToLower(s[i:min(end, i+maxToken)]), script: latin, start: i, end: end})
				i = end
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isWordRune(r) {
			next, _ := utf8.DecodeRuneInString(s[i+size:])
			if word.Len() > 0 && isWordRune(next) && scriptOf(next) == kind && joins(r, word.String(), s[i+size:], join) {
				i += size
				if r == '.' || r == ',' {
					word.WriteByte('.')
				}
				continue
			}
			if isApostrophe(r) && word.Len() > 0 && isWordRune(next) {
				if rest := wordAt(s[i+size:]); strings.EqualFold(rest, "s") {
					flush(i)
					i += size + len(rest)
					continue
				}
				if runes <= 2 && kind == latin {
					word.Reset()
				}
			}
			flush(i)
			i += size
			continue
		}
		k := scriptOf(r)
		if unicode.Is(unicode.M, r) && word.Len() > 0 {
			k = kind
		}
		if word.Len() > 0 && (k != kind || k == unbroken) && !(kind == latin && unicode.IsDigit(r)) && !(unicode.IsDigit(r) && k == latin && kind != unbroken) {
			flush(i)
		}
		if word.Len() == 0 {
			start, kind = i, k
		}
		if runes < maxToken {
			word.WriteString(foldCompat(r))
			runes++
		}
		i += size
	}
	flush(len(s))
	return out
}

// plainWord returns where the word of ASCII letters and digits at i ends, where
// what follows cannot be part of it; else i. Most words are such, and take no
// folding.
func plainWord(s string, i int) int {
	end := i
	for end < len(s) && isPlain(s[end]) {
		end++
	}
	if end < len(s) && (s[end] >= utf8.RuneSelf || isApostrophe(rune(s[end])) || isHyphen(rune(s[end])) || s[end] == '.' || s[end] == ',') {
		next := end + 1
		if s[end] != '.' && s[end] != ',' || next < len(s) && s[next] != ' ' && s[next] != '\n' {
			return i
		}
	}
	return end
}

func isPlain(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || isDigit(b) }

// foldCompat folds a letter after its compatibility decomposition: full-width
// letters, ligatures, presentation forms.
func foldCompat(r rune) string {
	if r < utf8.RuneSelf {
		return foldRune(r)
	}
	n := norm.NFKC.String(string(r))
	if first, size := utf8.DecodeRuneInString(n); size == len(n) {
		return foldRune(first)
	}
	var b strings.Builder
	for _, x := range n {
		b.WriteString(foldRune(x))
	}
	return b.String()
}

func isApostrophe(r rune) bool { return r == '\'' || r == '’' || r == 'ʼ' || r == '`' }

func isHyphen(r rune) bool { return r == '-' || r == '‐' || r == '‑' || r == '–' }

// joins reports whether the mark r between the word before and the text after
// it holds them together.
func joins(r rune, before, after string, join bool) bool {
	rest := wordAt(after)
	switch {
	case isHyphen(r):
		return join && (utf8.RuneCountInString(before) == 1 || utf8.RuneCountInString(rest) == 1)
	case r == '.' || r == ',':
		return isDigit(before[len(before)-1]) && isDigit(rest[0])
	case isApostrophe(r):
		n := utf8.RuneCountInString(before)
		return n > 2 && !strings.EqualFold(rest, "s") && len(rest) <= 2
	}
	return false
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func wordAt(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return !isWordRune(r) }); i >= 0 {
		return s[:i]
	}
	return s
}

// fold returns the folded tokens of a text as one string: words apart by a
// blank, characters of unbroken scripts together.
func fold(s string) string {
	var b strings.Builder
	last := unbroken
	for _, t := range tokenize(s) {
		if b.Len() > 0 && (t.script != unbroken || last != unbroken) {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
		last = t.script
	}
	return b.String()
}
