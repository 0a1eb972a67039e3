package search

import (
	"context"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
)

//go:embed vocabulary/*.tsv
var vocabularyFiles embed.FS

// ref is what a phrase points at: a treatment (t:icl), a hospital (h:ruijin)
// or a facet value (f:language=en), with how surely.
type ref struct {
	tag    string
	weight float32
}

// concept is one row of the vocabulary: what people call one thing.
type concept struct {
	refs  []ref
	terms []catalog.Term
	// noise words say nothing about what is looked for.
	noise bool
	// off words say that something is looked for that is not here.
	off bool
	// child words speak of a child; young is what the concept then points at.
	child bool
	young []ref
}

// vocabulary is the curated table.
type vocabulary struct {
	concepts []concept
	// print changes when the table does.
	print uint64
	byRef map[string][]catalog.Term
}

// strongRef is the weight from which a concept's terms are also indexed with
// what it points at.
const strongRef = 0.8

func loadVocabulary() (*vocabulary, error) {
	v := &vocabulary{byRef: map[string][]catalog.Term{}}
	names, err := fs.Glob(vocabularyFiles, "vocabulary/*.tsv")
	if err != nil {
		return nil, fmt.Errorf("search: vocabulary: %w", err)
	}
	sum := fnv.New64a()
	for _, name := range names {
		body, err := vocabularyFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("search: vocabulary: %w", err)
		}
		sum.Write(body)
		if err := v.parse(name, string(body)); err != nil {
			return nil, err
		}
	}
	v.print = sum.Sum64()
	for _, c := range v.concepts {
		for _, r := range c.refs {
			if r.weight >= strongRef {
				v.byRef[r.tag] = append(v.byRef[r.tag], c.terms...)
			}
		}
	}
	return v, nil
}

// youngMark stands before what a concept points at where the query speaks of a
// child.
const youngMark = "young="

// parse reads a table: the first line names the languages of the columns after
// the first, which holds what the row points at. Terms are parted by "|"; in
// the last column, "other", each names its language: "de:Hüfte".
func (v *vocabulary) parse(name, body string) error {
	var langs []string
	for i, line := range strings.Split(body, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, "\t")
		if langs == nil {
			langs = cells[1:]
			continue
		}
		if len(cells) > len(langs)+1 {
			return fmt.Errorf("search: vocabulary: %s:%d: %d columns of %d", name, i+1, len(cells), len(langs)+1)
		}
		c := concept{}
		for _, target := range strings.Fields(cells[0]) {
			switch target {
			case "noise":
				c.noise = true
				continue
			case "off":
				c.off = true
				continue
			case "child":
				c.child = true
				continue
			}
			target, young := strings.CutPrefix(target, youngMark)
			tag, weight, err := parseTarget(target)
			if err != nil {
				return fmt.Errorf("search: vocabulary: %s:%d: %w", name, i+1, err)
			}
			if young {
				c.young = append(c.young, ref{tag, weight * weightConcept})
			} else {
				c.refs = append(c.refs, ref{tag, weight})
			}
		}
		for j, cell := range cells[1:] {
			for _, term := range strings.Split(cell, "|") {
				lang := langs[j]
				if lang == "other" {
					var ok bool
					if lang, term, ok = strings.Cut(term, ":"); !ok && lang != "" {
						return fmt.Errorf("search: vocabulary: %s:%d: %q has no language", name, i+1, lang)
					}
				}
				if term = strings.TrimSpace(term); term != "" {
					c.terms = append(c.terms, catalog.Term{Text: term, Lang: strings.TrimSpace(lang)})
				}
			}
		}
		v.concepts = append(v.concepts, c)
	}
	return nil
}

// parseTarget reads "t:icl" or "t:icl*0.6"; a blank in it is written "+".
func parseTarget(s string) (string, float32, error) {
	tag, w, ok := strings.Cut(strings.ReplaceAll(s, "+", " "), "*")
	if !strings.Contains(tag, ":") {
		return "", 0, fmt.Errorf("%q is no target", s)
	}
	if !ok {
		return tag, 1, nil
	}
	weight, err := strconv.ParseFloat(w, 32)
	if err != nil || weight <= 0 || weight > 1 {
		return "", 0, fmt.Errorf("%q is no weight", w)
	}
	return tag, float32(weight), nil
}

// termsOf returns the terms that mean a target.
func (v *vocabulary) termsOf(tag string) []catalog.Term { return v.byRef[tag] }

// entry is what the phrase book knows of a phrase.
type entry struct {
	refs []ref
	// label names the meaning to the reader: the terms of the concept.
	label catalog.Text
	noise bool
	off   bool
	// upper entries are abbreviations that are also common words: they count
	// only in capitals.
	upper bool
	// name says that the phrase is the very name of something.
	name bool
	// child entries speak of a child; young is what the entry then points at.
	child bool
	young []ref
}

// wish reports whether the phrase asks for a property of the place.
func (e *entry) wish() bool {
	for _, r := range e.refs {
		if isFacetRef(r.tag) {
			return true
		}
	}
	return false
}

// treats reports whether the phrase points at a treatment.
func (e *entry) treats() bool {
	return slices.ContainsFunc(e.refs, func(r ref) bool { return r.tag[0] == 't' })
}

// sure reports whether the phrase surely says what is looked for.
func (e *entry) sure() bool {
	return !e.wish() && slices.ContainsFunc(e.refs, func(r ref) bool { return r.weight >= surely })
}

func (e *entry) merge(refs []ref, label catalog.Text) {
	for _, r := range refs {
		found := false
		for i := range e.refs {
			if e.refs[i].tag == r.tag {
				e.refs[i].weight = max(e.refs[i].weight, r.weight)
				found = true
			}
		}
		if !found {
			e.refs = append(e.refs, r)
		}
	}
	if e.label == nil {
		e.label = label
	}
}

// phrasebook knows every phrase of the vocabulary and the catalogue. It never
// changes once made.
type phrasebook struct {
	entries map[string]*entry
	// longest phrase in tokens.
	longest int
	// gapped holds the phrases of unbroken script with one character left out,
	// by which a wrong one is found: "白内?" is 白内障. Empty where there are
	// several.
	gapped map[string]string
	// points of the map by what requests call them, and that by their names.
	points      map[string]position
	pointNames  map[string]catalog.Text
	names       map[string]string
	longestName int
	// starts are the names of districts and places from each of their words on,
	// in their order.
	starts []pointStart
}

// maxPhrase bounds a phrase in tokens: longer names are found by their words.
const maxPhrase = 40

// Weights by where a phrase comes from.
const (
	weightName       = 1.0
	weightTerm       = 0.95
	weightConcept    = 0.9
	weightCode       = 0.9
	weightCodeParent = 0.7
	weightIndication = 0.75
	weightPinyin     = 0.9
	weightDefault    = 0.9
)

// phraseKeys returns the keys under which a phrase in a language is known:
// its stems without stop words, with hyphens joined and parted.
func phraseKeys(l *language, text string) []string {
	var out []string
	for _, tokens := range [][]token{tokenize(text), tokenizeParted(text)} {
		if key, n := phraseKey(l, tokens); n > 0 && n <= maxPhrase && (len(out) == 0 || out[0] != key) {
			out = append(out, key)
		}
	}
	return out
}

// phraseKey joins the language and the stems of tokens. Stop words are left out
// where two words or more are left; of a single one only articles are, since
// "at night" is not "night".
func phraseKey(l *language, tokens []token) (string, int) {
	drop := l.droppable(tokens)
	var parts []string
	for _, t := range tokens {
		switch {
		case drop(t):
		case l.stop[t.text]:
			parts = append(parts, t.text)
		default:
			parts = append(parts, l.stem(t))
		}
	}
	return l.code + " " + strings.Join(parts, " "), len(parts)
}

// articles say nothing in any of the languages that have them.
var articles = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields("the a an le la les un une des du el los las una del der die das den dem ein eine il lo gli i o os as um uma my mi mon ma mes mein meine") {
		m[w] = true
	}
	return m
}()

// droppable returns which of the tokens of a phrase are left out of its key.
func (l *language) droppable(tokens []token) func(token) bool {
	content, others := 0, 0
	for _, t := range tokens {
		switch {
		case !l.stop[t.text]:
			content++
		case !articles[t.text]:
			others++
		}
	}
	return func(t token) bool {
		switch {
		case !l.stop[t.text] || content == 0:
			return false
		case content == 1 && others > 0:
			return articles[t.text]
		}
		return true
	}
}

func (p *phrasebook) put(lang, text string, refs []ref, label catalog.Text) *entry {
	var last *entry
	l := languageOf(lang)
	if abbreviation(text) {
		l = languageByCode[restCode]
	}
	for _, key := range phraseKeys(l, text) {
		e := p.entries[key]
		if e == nil {
			e = &entry{}
			p.entries[key] = e
		}
		e.merge(refs, label)
		p.longest = max(p.longest, strings.Count(key, " "))
		last = e
	}
	if l.script == unbroken && len(refs) > 0 {
		p.gap(fold(text))
	}
	return last
}

// Lengths of phrases of unbroken script in which a wrong character is found.
const (
	minGapped = 2
	maxGapped = 6
)

// gapMark stands for the character left out.
const gapMark = '?'

func (p *phrasebook) gap(phrase string) {
	runes := []rune(phrase)
	if len(runes) < minGapped || len(runes) > maxGapped || strings.IndexFunc(phrase, func(r rune) bool { return scriptOf(r) != unbroken }) >= 0 {
		return
	}
	for i, r := range runes {
		runes[i] = gapMark
		if other, ok := p.gapped[string(runes)]; !ok {
			p.gapped[string(runes)] = phrase
		} else if other != phrase {
			p.gapped[string(runes)] = ""
		}
		runes[i] = r
	}
}

// maxAbbreviation is the greatest length of a word in capitals that is taken
// for an abbreviation, which has no stem.
const maxAbbreviation = 6

func abbreviation(s string) bool {
	return len(s) <= maxAbbreviation && strings.IndexFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}

func one(tag string, weight float32) []ref { return []ref{{tag, weight}} }

func (p *phrasebook) concepts(list []concept) {
	for _, c := range list {
		label := catalog.Text{}
		for _, t := range c.terms {
			tag := pageTag(t.Lang)
			if label[tag] == "" {
				label[tag] = t.Text
			}
		}
		refs := make([]ref, len(c.refs))
		for i, r := range c.refs {
			refs[i] = ref{r.tag, r.weight * weightConcept}
		}
		for _, t := range c.terms {
			if e := p.put(t.Lang, t.Text, refs, label); e != nil {
				e.noise = e.noise || c.noise
				e.off = e.off || c.off
				e.child = e.child || c.child
				e.young = append(e.young, c.young...)
			}
			if languageOf(t.Lang).code == "zh" && !c.noise && !c.off {
				p.pinyin(t.Text, refs, label)
			}
		}
	}
}

// pinyin adds the romanised form of a short Chinese term.
func (p *phrasebook) pinyin(text string, refs []ref, label catalog.Text) {
	folded := fold(text)
	if n := utf8.RuneCountInString(folded); n < 2 || n > 6 {
		return
	}
	if spaced := pinyin(folded); spaced != "" {
		weak := make([]ref, len(refs))
		for i, r := range refs {
			weak[i] = ref{r.tag, r.weight * weightPinyin}
		}
		p.put(restCode, spaced, weak, label)
		p.put(restCode, strings.ReplaceAll(spaced, " ", ""), weak, label)
	}
}

// pageTag is the language tag of pages for a language of the vocabulary.
func pageTag(lang string) string {
	if lang == "zh" {
		return "zh-Hans"
	}
	return lang
}

func (p *phrasebook) treatment(t catalog.Treatment) {
	tag := refTreatment(t.ID)
	for lang, name := range t.Name {
		for i, n := range nameForms(name) {
			w := float32(weightName)
			if i > 0 {
				w = weightTerm
			}
			if e := p.put(lang, n, one(tag, w), t.Name); e != nil {
				e.name = e.name || i == 0
			}
			if languageOf(lang).code == "zh" {
				p.pinyin(n, one(tag, w), t.Name)
			}
		}
	}
	for _, term := range append(t.LayTerms[:len(t.LayTerms):len(t.LayTerms)], t.Misspellings...) {
		w := float32(weightTerm)
		if term.Ambiguous {
			w = 0.6
		}
		p.put(term.Lang, term.Text, one(tag, w), t.Name)
		if languageOf(term.Lang).code == "zh" {
			p.pinyin(term.Text, one(tag, w), t.Name)
		}
	}
	for _, a := range t.Abbreviations {
		if e := p.put(restCode, a, one(tag, weightTerm), t.Name); e != nil && commonWord(a) {
			e.upper = true
		}
	}
	for _, ind := range t.Indications {
		for lang, name := range ind.Name {
			for _, n := range nameForms(name) {
				p.put(lang, n, one(tag, weightIndication), t.Name)
			}
			// What follows a comma narrows: "Multiple myeloma, relapsed".
			if head, _, ok := strings.Cut(name, ","); ok {
				p.put(lang, head, one(tag, weightIndication), t.Name)
			}
		}
		for code := range icdCodes(ind.ICD10) {
			w := float32(weightCode)
			if code != ind.ICD10 {
				w = weightCodeParent
			}
			p.put(restCode, code, one(tag, w), t.Name)
		}
	}
}

// commonWord reports whether an abbreviation reads like a word in some
// language.
func commonWord(a string) bool {
	w := fold(a)
	for _, l := range languages {
		if l.stop[w] {
			return true
		}
	}
	return w == "hit" || w == "er" || w == "pt" || w == "ba"
}

func (p *phrasebook) hospital(h catalog.Hospital) {
	tag := refHospital(h.ID)
	for lang, name := range h.Name {
		for i, n := range nameForms(name) {
			if e := p.put(lang, n, one(tag, weightName), h.Name); e != nil {
				e.name = e.name || i == 0
			}
			head, _, _ := strings.Cut(n, ",")
			p.put(lang, head, one(tag, weightName), h.Name)
		}
	}
	p.district(h)
	for _, a := range h.Aliases {
		p.put(guessTag(a), a, one(tag, weightName), h.Name)
		if guessTag(a) == "zh" {
			p.pinyin(a, one(tag, weightTerm), h.Name)
		}
	}
}

// nameForms returns a name, and where it has a part in brackets the name
// without it and the part alone.
func nameForms(name string) []string {
	out := []string{name}
	open := strings.IndexAny(name, "(\uff08")
	end := strings.LastIndexAny(name, ")\uff09")
	if open <= 0 || end < open {
		return out
	}
	_, size := utf8.DecodeRuneInString(name[open:])
	_, closing := utf8.DecodeRuneInString(name[end:])
	out = append(out, name[:open]+" "+name[end+closing:])
	for _, part := range strings.FieldsFunc(name[open+size:end], func(r rune) bool { return strings.ContainsRune("\u3001,/\uff0c", r) }) {
		if utf8.RuneCountInString(part) > 1 {
			out = append(out, part)
		}
	}
	return out
}

// conceptOf turns a row of the operator's table into one of the vocabulary.
func conceptOf(s catalog.Synonym) concept {
	c := concept{terms: s.Terms, noise: s.Meaning == catalog.MeansNothing, off: s.Meaning == catalog.MeansElsewhere}
	weight := float32(s.Percent) / 100
	for _, id := range s.TreatmentIDs {
		c.refs = append(c.refs, ref{refTreatment(id), weight})
	}
	for _, id := range s.HospitalIDs {
		c.refs = append(c.refs, ref{refHospital(id), weight})
	}
	return c
}

// newPhrasebook reads the phrases of the vocabulary, of the operator's table
// and of all published treatments and hospitals. drafts stand in place of the
// rows with their ids.
func newPhrasebook(ctx context.Context, v *vocabulary, cat *catalog.Catalog, drafts ...catalog.Synonym) (*phrasebook, error) {
	p := &phrasebook{entries: map[string]*entry{}, gapped: map[string]string{}}
	p.concepts(v.concepts)
	var own []concept
	err := cat.Synonyms.Each(ctx, func(s catalog.Synonym) error {
		if !slices.ContainsFunc(drafts, func(d catalog.Synonym) bool { return d.ID == s.ID }) {
			own = append(own, conceptOf(s))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, d := range drafts {
		own = append(own, conceptOf(d))
	}
	p.concepts(own)
	err = cat.Treatments.Each(ctx, func(t catalog.Treatment) error { p.treatment(t); return nil })
	if err == nil {
		err = cat.Hospitals.Each(ctx, func(h catalog.Hospital) error { p.hospital(h); return nil })
	}
	if err == nil {
		err = p.readPoints(ctx, v, cat)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range p.entries {
		sort.Slice(e.refs, func(i, j int) bool { return e.refs[i].tag < e.refs[j].tag })
	}
	return p, nil
}
