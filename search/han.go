package search

import "strings"

// simplified folds Traditional Chinese and Japanese characters to the
// simplified ones.
var simplified = func() map[rune]rune {
	m := map[rune]rune{}
	pairs := []rune(strings.ReplaceAll(strings.ReplaceAll(simplifiedPairs, "\n", ""), " ", ""))
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}()

const simplifiedPairs = `華华山山`

// readings gives the pinyin of characters, without tones.
var readings = func() map[rune]string {
	m := map[rune]string{}
	for _, line := range strings.Fields(pinyinTable) {
		syllable, chars, _ := strings.Cut(line, ":")
		for _, r := range chars {
			m[r] = syllable
		}
	}
	return m
}()

// pinyin returns the syllables of a folded Chinese text, empty where a
// character is not known or the text is not Chinese alone.
func pinyin(folded string) string {
	var out []string
	for _, r := range folded {
		s := readings[r]
		if s == "" {
			return ""
		}
		out = append(out, s)
	}
	if len(out) < 2 {
		return ""
	}
	return strings.Join(out, " ")
}

const pinyinTable = `zhen:针 jiu:灸`
