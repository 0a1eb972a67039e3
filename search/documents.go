package search

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// class is a group of fields of like weight. A class and a language make a
// field: name_en.
type class uint8

const (
	// className is the entry's own name.
	className class = iota
	// classTerm is what else it is called and what it is for.
	classTerm
	// classText is running text.
	classText
	// classRelated is what belongs to neighbours: the hospital of an offering,
	// the treatments of a hospital.
	classRelated
	classCount
)

var classNames = [classCount]string{"name", "term", "text", "rel"}

func fieldName(c class, l *language) string { return classNames[c] + "_" + l.code }

// Fields that are not text.
const (
	// tagField holds what the columns of a snapshot are made of, and what a
	// phrase of the query may point at.
	tagField = "tag"
	// wordField with a language is its dictionary of surface forms: word_en.
	wordField = "word_"
	// titleField is the entry's own name in every language, stored.
	titleField = "title"
	// vectorField with a language holds the terms of a plain document's texts,
	// stored, for feedback: vector_en.
	vectorField = "vector_"
	// nameStart holds every name from each of its words on, for suggestions.
	nameStart = "start"
)

// Tags begin with one of these.
const (
	tagSelf     = "="  // =t:icl: the entry is about treatment icl
	tagRelated  = "~"  // ~t:icl: the entry has to do with it
	tagFacet    = "f:" // f:district=Xuhui
	tagNumber   = "n:" // n:stay=3
	tagLanguage = "l:" // l:fr: has a name in French
	tagKind     = "k:"
	tagID       = "i:"
	// The treatment and the hospital that a hit names.
	tagTreatment = "it:"
	tagHospital  = "ih:"
	tagPosition  = "p:" // p:31.21000,121.44000
	tagPrice     = "c:" // c:CNY 1484000
)

func refTreatment(id string) string { return "t:" + id }
func refHospital(id string) string  { return "h:" + id }

// vocabularyID is the document that holds nothing but the words of the
// vocabulary, so that one dictionary knows all.
const vocabularyID = "vocabulary"

func docKey(kind catalog.Kind, id string) string { return string(kind) + "/" + id }

// searchable are the kinds that have documents.
var searchable = []catalog.Kind{catalog.KindOffering, catalog.KindPackage, catalog.KindHospital, catalog.KindTreatment}

// builder gathers the fields of one document.
type builder struct {
	fields map[string]*termField
	stored map[string][]byte
}

func newBuilder() *builder {
	return &builder{fields: map[string]*termField{}, stored: map[string][]byte{}}
}

// field returns a field of the document, made with room for so many terms. Text
// is counted and not stored.
func (b *builder) field(name string, options index.FieldIndexingOptions, room int) *termField {
	f := b.fields[name]
	if f == nil {
		f = &termField{name: name, options: index.IndexField | options, terms: make(index.TokenFrequencies, room)}
		b.fields[name] = f
	}
	return f
}

// add cuts a text into the terms of a class, and puts its words into the
// dictionary of the language.
func (b *builder) add(c class, tag, text string) {
	l := languageOf(tag)
	tokens := tokenize(text)
	var terms *termField
	count := func(term string) {
		if terms == nil {
			terms = b.field(l.fields[c], 0, len(tokens))
			if len(terms.terms) == 0 {
				terms.count(presence)
			}
		}
		terms.count(term)
	}
	for i, t := range tokens {
		if term := l.term(t); term != "" {
			count(term)
		}
		if t.script == unbroken && i+1 < len(tokens) && tokens[i+1].script == unbroken && tokens[i+1].start == t.end {
			count(t.text + tokens[i+1].text)
		}
	}
	b.wordsOf(l, tokens)
}

// minWord is the shortest word, in characters, that the dictionary has.
const minWord = 3

// wordsOf puts the folded words as they were written into the dictionary of a
// language, against which typing errors are corrected.
func (b *builder) wordsOf(l *language, tokens []token) {
	var words *termField
	for _, t := range tokens {
		if t.script == unbroken || utf8.RuneCountInString(t.text) < minWord {
			continue
		}
		if words == nil {
			words = b.field(l.words, index.SkipFreqNorm, len(tokens))
		}
		words.note(t.text)
	}
}

func (b *builder) text(c class, t catalog.Text) {
	for tag, s := range t {
		b.add(c, tag, s)
	}
}

// untagged adds a text of unknown language: Han characters are taken for
// Chinese.
func (b *builder) untagged(c class, s string) { b.add(c, guessTag(s), s) }

func guessTag(s string) string {
	for _, t := range tokenize(s) {
		switch t.script {
		case unbroken:
			return "zh"
		case cyrillic:
			return "ru"
		case arabic:
			return "ar"
		}
	}
	return "en"
}

// tagRoom is how many tags most documents have at most.
const tagRoom = 32

// tag adds one of the tags, which have doc values: a snapshot makes its columns
// of them.
func (b *builder) tag(sign, value string) {
	b.field(tagField, index.DocValues|index.SkipFreqNorm, tagRoom).note(sign + value)
}

func (b *builder) facet(name, value string) {
	if value != "" {
		b.tag(tagFacet, name+"="+value)
	}
}

func (b *builder) number(name string, n int) { b.tag(tagNumber, name+"="+strconv.Itoa(n)) }

// price adds what the entry costs, in the currency in which that was set: rates
// change without it. Of several prices the lowest counts.
func (b *builder) price(m catalog.Money) {
	b.tag(tagPrice, m.Currency+" "+strconv.FormatInt(m.Amount, 10))
}

// about says which treatment and hospital the entry is about.
func (b *builder) about(treatment, hospital string) {
	if treatment != "" {
		b.tag(tagTreatment, treatment)
	}
	if hospital != "" {
		b.tag(tagHospital, hospital)
	}
}

// title stores the entry's own name.
func (b *builder) title(name catalog.Text) {
	var out []byte
	for _, tag := range sortedKeys(name) {
		out = append(out, tag+"\x00"+name[tag]+"\x00"...)
	}
	b.stored[titleField] = out
}

// readTitle reads what title stored.
func readTitle(stored string) catalog.Text {
	parts := strings.Split(stored, "\x00")
	out := make(catalog.Text, len(parts)/2)
	for i := 0; i+1 < len(parts); i += 2 {
		out[parts[i]] = parts[i+1]
	}
	return out
}

// vectors stores the terms that the document has so far for feedback: in the
// languages that a query is taken for.
func (b *builder) vectors(known *termTable) {
	for _, l := range languages {
		if !l.speaks() {
			continue
		}
		if v := vectorOf(l, b.fields[l.fields[className]], b.fields[l.fields[classText]], known); len(v) > 0 {
			b.stored[vectorField+l.code] = v
		}
	}
}

// names adds what the entry is suggested by.
func (b *builder) names(t catalog.Text, others ...string) {
	for tag, s := range t {
		b.tag(tagLanguage, languageOf(tag).code)
		others = append(others, s)
	}
	for _, s := range others {
		for _, start := range nameStarts(s) {
			b.field(nameStart, index.SkipFreqNorm, 0).note(start)
		}
	}
}

// maxStart bounds a name start in bytes: more letters than anybody types
// before choosing.
const maxStart = 48

// nameStarts returns a folded name from each of its words on, and in pinyin
// where it is Chinese.
func nameStarts(name string) []string {
	var out []string
	folded := fold(name)
	for i, r := range folded {
		if i == 0 || folded[i-1] == ' ' || scriptOf(r) == unbroken {
			out = append(out, clipStart(folded[i:]))
		}
	}
	if p := pinyin(folded); p != "" {
		out = append(out, clipStart(p), clipStart(strings.ReplaceAll(p, " ", "")))
	}
	return out
}

func clipStart(s string) string {
	if len(s) <= maxStart {
		return s
	}
	return strings.ToValidUTF8(s[:maxStart], "")
}

// document makes the bleve document.
func (b *builder) document(key string) *document.Document {
	d := document.NewDocument(key)
	for _, name := range sortedKeys(b.fields) {
		d.AddField(b.fields[name])
	}
	for _, name := range sortedKeys(b.stored) {
		d.AddField(document.NewTextFieldCustom(name, nil, b.stored[name], index.StoreField, nil))
	}
	return d
}

// termField is a field of a bleve document that knows its terms already.
type termField struct {
	name    string
	options index.FieldIndexingOptions
	terms   index.TokenFrequencies
	length  int
	// room for terms, so that each is not allocated by itself.
	room []index.TokenFreq
}

// count adds one occurrence of a term.
func (f *termField) count(term string) {
	f.length++
	known := f.terms[term]
	if known == nil {
		if len(f.room) == cap(f.room) {
			const least, most = 8, 64
			f.room = make([]index.TokenFreq, 0, max(least, min(len(f.terms), most)))
		}
		f.room = append(f.room, index.TokenFreq{})
		known = &f.room[len(f.room)-1]
		f.terms[term] = known
	}
	known.SetFrequency(known.Frequency() + 1)
}

// note adds a term once.
func (f *termField) note(term string) {
	if f.terms[term] == nil {
		f.count(term)
	}
}

// What bleve asks of a field.

func (f *termField) Name() string                                     { return f.name }
func (f *termField) ArrayPositions() []uint64                         { return nil }
func (f *termField) Options() index.FieldIndexingOptions              { return f.options }
func (f *termField) Analyze()                                         {}
func (f *termField) Value() []byte                                    { return nil }
func (f *termField) NumPlainTextBytes() uint64                        { return 0 }
func (f *termField) Size() int                                        { return 0 }
func (f *termField) EncodedFieldType() byte                           { return 't' }
func (f *termField) AnalyzedLength() int                              { return f.length }
func (f *termField) AnalyzedTokenFrequencies() index.TokenFrequencies { return f.terms }

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// source makes documents of catalogue entries.
type source struct {
	cat   *catalog.Catalog
	vocab *vocabulary
	now   func() time.Time
	links *links
	terms *termTable
}

// links says which entries belong to which, each asked of the catalogue once
// per batch. Once all are known it is only read.
type links struct {
	cat *catalog.Catalog
	// treatments of a hospital and hospitals of a treatment by their
	// offerings, each once.
	treatments, hospitals map[string][]string
	// packages of an offering.
	packages map[string][]string
	// complete says that what is not here is not in the catalogue.
	complete bool
	// reviewing are the hospitals that look at records from afar, once asked
	// for.
	reviewing []string
}

func newLinks(cat *catalog.Catalog) *links {
	return &links{cat: cat, treatments: map[string][]string{}, hospitals: map[string][]string{}, packages: map[string][]string{}}
}

func (l *links) addOffering(o catalog.Offering) {
	l.treatments[o.HospitalID] = addOnce(l.treatments[o.HospitalID], o.TreatmentID)
	l.hospitals[o.TreatmentID] = addOnce(l.hospitals[o.TreatmentID], o.HospitalID)
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// treatmentsOf returns the treatments that a hospital offers.
func (l *links) treatmentsOf(ctx context.Context, hospital string) ([]string, error) {
	if known, ok := l.treatments[hospital]; ok || l.complete {
		return known, nil
	}
	offerings, err := l.cat.OfferingsOfHospital(ctx, hospital)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range offerings {
		out = addOnce(out, o.TreatmentID)
	}
	l.treatments[hospital] = out
	return out, nil
}

// hospitalsOf returns the hospitals that offer a treatment.
func (l *links) hospitalsOf(ctx context.Context, treatment string) ([]string, error) {
	if known, ok := l.hospitals[treatment]; ok || l.complete {
		return known, nil
	}
	offerings, err := l.cat.OfferingsOfTreatment(ctx, treatment)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range offerings {
		out = addOnce(out, o.HospitalID)
	}
	l.hospitals[treatment] = out
	return out, nil
}

// reviewingHospitals returns the hospitals that offer to look at records.
func (l *links) reviewingHospitals(ctx context.Context) ([]string, error) {
	if l.reviewing == nil {
		offerings, err := l.cat.OfferingsOfTreatment(ctx, recordsReviewTreatment)
		if err != nil {
			return nil, err
		}
		l.reviewing = []string{}
		for _, o := range offerings {
			l.reviewing = append(l.reviewing, o.HospitalID)
		}
	}
	return l.reviewing, nil
}

// packagesOf returns the packages that contain an offering.
func (l *links) packagesOf(ctx context.Context, offering string) ([]string, error) {
	if known, ok := l.packages[offering]; ok || l.complete {
		return known, nil
	}
	packages, err := l.cat.PackagesOfOffering(ctx, offering)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range packages {
		out = append(out, p.ID)
	}
	l.packages[offering] = out
	return out, nil
}

// build returns the document of an entry, nil where nothing of it is
// published.
func (s source) build(ctx context.Context, kind catalog.Kind, id string) (*document.Document, error) {
	var v catalog.Entity
	var err error
	switch kind {
	case catalog.KindTreatment:
		v, err = s.cat.Treatments.Get(ctx, id)
	case catalog.KindHospital:
		v, err = s.cat.Hospitals.Get(ctx, id)
	case catalog.KindOffering:
		v, err = s.cat.Offerings.Get(ctx, id)
	case catalog.KindPackage:
		v, err = s.cat.Packages.Get(ctx, id)
	}
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.documentOf(ctx, v)
}

// documentOf returns the document of a published entry, nil where something
// that it belongs to is not published.
func (s source) documentOf(ctx context.Context, v catalog.Entity) (*document.Document, error) {
	b := newBuilder()
	var err error
	switch v := v.(type) {
	case catalog.Treatment:
		err = s.treatment(ctx, b, v)
	case catalog.Hospital:
		err = s.hospital(ctx, b, v)
	case catalog.Offering:
		err = s.offering(ctx, b, v)
	case catalog.Package:
		err = s.pkg(ctx, b, v)
	}
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b.tag(tagKind, string(v.EntityKind()))
	b.tag(tagID, v.EntityID())
	return b.document(docKey(v.EntityKind(), v.EntityID())), nil
}

func (s source) treatment(ctx context.Context, b *builder, t catalog.Treatment) error {
	b.text(className, t.Name)
	s.treatmentTerms(b, classTerm, t)
	s.treatmentText(b, t)
	b.title(t.Name)
	b.names(t.Name, layNames(t)...)
	b.about(t.ID, "")
	b.tag(tagSelf, refTreatment(t.ID))
	treatmentFacets(b, t)
	b.facet("stay", stayBucket(t.Timeline))
	stayNumber(b, t.Timeline)
	hospitals, err := s.links.hospitalsOf(ctx, t.ID)
	if err != nil {
		return err
	}
	for _, h := range hospitals {
		b.tag(tagRelated, refHospital(h))
		b.facet("hospital", h)
	}
	quality := 0
	for _, has := range []bool{len(t.Summary) > 0, len(t.Steps) > 0, len(hospitals) > 0, t.Flagship} {
		if has {
			quality++
		}
	}
	b.number("quality", quality)
	return nil
}

// layNames are the words under which a treatment is suggested beside its name.
func layNames(t catalog.Treatment) []string {
	out := slices.Clone(t.Abbreviations)
	for _, l := range t.LayTerms {
		out = append(out, l.Text)
	}
	return out
}

func (s source) treatmentTerms(b *builder, c class, t catalog.Treatment) {
	for _, term := range t.LayTerms {
		b.add(c, term.Lang, term.Text)
	}
	for _, a := range t.Abbreviations {
		b.untagged(c, a)
	}
	for _, ind := range t.Indications {
		b.text(c, ind.Name)
		for code := range icdCodes(ind.ICD10) {
			b.add(c, restCode, code)
		}
	}
	for _, term := range s.vocab.termsOf(refTreatment(t.ID)) {
		b.add(c, term.Lang, term.Text)
	}
	b.add(classRelated, "en", strings.ReplaceAll(t.Specialty, "-", " "))
	b.add(classRelated, "en", strings.ReplaceAll(string(t.ServiceType), "-", " "))
}

func (s source) treatmentText(b *builder, t catalog.Treatment) {
	b.text(classText, t.Summary)
	for _, step := range t.Steps {
		b.text(classText, step)
	}
	s.claims(b, classText, t.Claims)
}

// told are the kinds of claims whose text says what an entry does. Cautions
// name conditions that it is not for; prices, stays and addresses name none.
var told = map[catalog.ClaimKind]bool{
	catalog.ClaimFact: true, catalog.ClaimSpecialty: true, catalog.ClaimService: true, catalog.ClaimEvidence: true,
	catalog.ClaimProduct: true, catalog.ClaimDesignation: true, catalog.ClaimAccreditation: true, catalog.ClaimPerson: true,
}

// claims adds the texts of claims. Outcome figures are left out: they never
// bear on the order of results.
func (s source) claims(b *builder, c class, claims []catalog.Claim) {
	for _, cl := range catalog.ShownClaims(claims, s.now()) {
		if told[cl.Kind] && !cl.Outcome {
			b.text(c, cl.Text)
		}
	}
}

func treatmentFacets(b *builder, t catalog.Treatment) {
	b.facet("specialty", t.Specialty)
	b.facet("treatment", t.ID)
	b.facet("service_type", string(t.ServiceType))
	for _, also := range t.AlsoServiceTypes {
		b.facet("service_type", string(also))
	}
	b.facet("booking_class", string(t.BookingClass))
}

func (s source) hospital(ctx context.Context, b *builder, h catalog.Hospital) error {
	b.text(className, h.Name)
	s.hospitalTerms(b, classTerm, h)
	b.text(classText, h.Summary)
	s.claims(b, classText, h.Claims)
	b.title(h.Name)
	b.names(h.Name, h.Aliases...)
	b.about("", h.ID)
	b.tag(tagSelf, refHospital(h.ID))
	if err := s.hospitalFacets(ctx, b, h); err != nil {
		return err
	}
	treatments, err := s.links.treatmentsOf(ctx, h.ID)
	if err != nil {
		return err
	}
	for _, treatment := range treatments {
		t, err := s.cat.Treatments.Get(ctx, treatment)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		b.tag(tagRelated, refTreatment(t.ID))
		b.text(classRelated, t.Name)
		for _, term := range t.LayTerms {
			b.add(classRelated, term.Lang, term.Text)
		}
		treatmentFacets(b, t)
	}
	b.number("quality", min(len(treatments), 4))
	return nil
}

func (s source) hospitalTerms(b *builder, c class, h catalog.Hospital) {
	for _, a := range h.Aliases {
		b.untagged(c, a)
	}
	b.add(c, "en", h.District)
	for _, term := range s.vocab.termsOf(refHospital(h.ID)) {
		b.add(c, term.Lang, term.Text)
	}
}

// recordsReview names the services and treatments by which a hospital looks at
// records from afar.
const (
	recordsReviewService   = "remote-consultation"
	recordsReviewTreatment = "telemedicine-second-opinion"
)

func (s source) hospitalFacets(ctx context.Context, b *builder, h catalog.Hospital) error {
	b.facet("hospital", h.ID)
	if h.Position != nil {
		b.tag(tagPosition, fmt.Sprintf("%.5f,%.5f", h.Position.Lat, h.Position.Lon))
	}
	b.facet("ownership", string(h.Ownership))
	b.facet("district", h.District)
	if h.PilotUnit != nil && *h.PilotUnit {
		b.facet("pilot", "yes")
		b.facet("designation", h.PilotScheme)
	}
	for _, c := range catalog.ShownClaims(h.Claims, s.now()) {
		switch {
		case c.Key == "" || c.Historical:
		case c.Kind == catalog.ClaimLanguage:
			b.facet("language", c.Key)
		case c.Kind == catalog.ClaimInsurer:
			b.facet("insurer", c.Key)
			insurer, err := s.cat.Insurers.Get(ctx, c.Key)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
			b.add(classRelated, "en", insurer.Name)
		case c.Kind == catalog.ClaimService && c.Key == recordsReviewService:
			b.facet("records_review", "yes")
		}
	}
	reviewing, err := s.links.reviewingHospitals(ctx)
	if slices.Contains(reviewing, h.ID) {
		b.facet("records_review", "yes")
	}
	return err
}

func (s source) offering(ctx context.Context, b *builder, o catalog.Offering) error {
	t, err := s.cat.Treatments.Get(ctx, o.TreatmentID)
	if err != nil {
		return err
	}
	h, err := s.cat.Hospitals.Get(ctx, o.HospitalID)
	if err != nil {
		return err
	}
	b.about(t.ID, h.ID)
	if len(o.Name) > 0 {
		b.number("plain", 1)
		b.title(o.Name)
		b.text(className, o.Name)
		b.text(classRelated, t.Name)
	} else {
		b.text(className, t.Name)
		s.treatmentTerms(b, classTerm, t)
		b.tag(tagSelf, refTreatment(t.ID))
	}
	b.tag(tagRelated, refTreatment(t.ID))
	b.tag(tagSelf, refHospital(h.ID))
	if len(o.Summary) > 0 {
		b.text(classText, o.Summary)
	} else {
		b.text(classText, t.Summary)
	}
	if len(o.Name) > 0 {
		b.vectors(s.terms)
	}
	b.text(classText, o.Team)
	s.claims(b, classText, o.Claims)
	b.text(classRelated, h.Name)
	s.hospitalTerms(b, classRelated, h)
	for tag := range t.Name {
		b.tag(tagLanguage, languageOf(tag).code)
	}
	treatmentFacets(b, t)
	if err := s.hospitalFacets(ctx, b, h); err != nil {
		return err
	}
	line := t.Timeline
	if o.Timeline != nil {
		line = *o.Timeline
	}
	b.facet("stay", stayBucket(line))
	stayNumber(b, line)
	// What the hospital charges is the price; without it, what the journey costs.
	low := o.Price.Lowest()
	ownPrice := low != nil && t.BookingClass.Sellable()
	if ownPrice {
		b.price(*low)
	}
	packages, err := s.links.packagesOf(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, packageID := range packages {
		p, err := s.cat.Packages.Get(ctx, packageID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		b.facet("package", "yes")
		b.facet("agency", p.AgencyID)
		if !ownPrice {
			b.price(p.From())
		}
		if err := s.departures(ctx, b, p.ID); err != nil {
			return err
		}
	}
	quality := 0
	for _, has := range []bool{len(o.Summary) > 0, len(o.Team) > 0, len(o.Claims) > 0, o.Price != nil || len(packages) > 0} {
		if has {
			quality++
		}
	}
	b.number("quality", quality)
	return nil
}

func (s source) pkg(ctx context.Context, b *builder, p catalog.Package) error {
	b.text(className, p.Name)
	b.text(classText, p.Summary)
	for _, t := range p.Inclusions {
		b.text(classText, t)
	}
	b.title(p.Name)
	b.names(p.Name)
	for i, offeringID := range p.OfferingIDs {
		if err := s.packageOffering(ctx, b, offeringID, i == 0); err != nil {
			return err
		}
	}
	if err := s.packagePlaces(ctx, b, p); err != nil {
		return err
	}
	agency, err := s.cat.Organisations.Get(ctx, p.AgencyID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	b.text(classRelated, agency.Name)
	b.facet("agency", p.AgencyID)
	b.facet("package", "yes")
	days := p.Itinerary.Length()
	b.facet("days", daysBucket(days))
	b.number("stay", days)
	b.price(p.From())
	b.number("quality", min(len(p.Summary), 4))
	return s.departures(ctx, b, p.ID)
}

func (s source) packageOffering(ctx context.Context, b *builder, id string, main bool) error {
	o, err := s.cat.Offerings.Get(ctx, id)
	if err != nil {
		return err
	}
	t, err := s.cat.Treatments.Get(ctx, o.TreatmentID)
	if err != nil {
		return err
	}
	h, err := s.cat.Hospitals.Get(ctx, o.HospitalID)
	if err != nil {
		return err
	}
	sign := tagRelated
	if main {
		sign = tagSelf
		b.about(t.ID, h.ID)
	}
	b.tag(sign, refTreatment(t.ID))
	b.tag(sign, refHospital(h.ID))
	b.text(classTerm, t.Name)
	s.treatmentTerms(b, classTerm, t)
	b.text(classRelated, t.Summary)
	b.text(classRelated, h.Name)
	s.hospitalTerms(b, classRelated, h)
	treatmentFacets(b, t)
	return s.hospitalFacets(ctx, b, h)
}

func (s source) packagePlaces(ctx context.Context, b *builder, p catalog.Package) error {
	seen := map[string]bool{}
	for _, d := range p.Itinerary.Days {
		for _, it := range d.Items {
			b.text(classRelated, it.Text)
			if it.PlaceID == "" || seen[it.PlaceID] {
				continue
			}
			seen[it.PlaceID] = true
			place, err := s.cat.Places.Get(ctx, it.PlaceID)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			b.text(classRelated, place.Name)
		}
	}
	return nil
}

// departures adds the months in which a package starts and how soon it does.
func (s source) departures(ctx context.Context, b *builder, packageID string) error {
	deps, err := s.cat.DeparturesOfPackage(ctx, packageID)
	if err != nil {
		return err
	}
	first := time.Time{}
	for _, d := range deps {
		for _, start := range d.Starts(s.now()) {
			b.facet("month", start.Date.Format("2006-01"))
			if first.IsZero() || start.Date.Before(first) {
				first = start.Date
			}
		}
	}
	if !first.IsZero() {
		b.tag(tagNumber, "departure="+first.Format("20060102"))
	}
	return nil
}

// stayBucket names how long a patient reckons with staying in the city.
func stayBucket(t catalog.Timeline) string {
	if len(t.Phases) == 0 && t.FlyAfterDays == nil {
		return ""
	}
	return daysBucket(t.StayDays().Max)
}

func stayNumber(b *builder, t catalog.Timeline) {
	if len(t.Phases) > 0 {
		b.number("stay", t.StayDays().Max)
	}
}

// daysBucket names a length of days; the names sort by length.
func daysBucket(days int) string {
	switch {
	case days <= 3:
		return "01-03"
	case days <= 7:
		return "04-07"
	case days <= 14:
		return "08-14"
	case days <= 28:
		return "15-28"
	}
	return "29-"
}

// icdCodes returns an ICD-10 code with its parents: C83.3, C83. A range such
// as Q00-Q99 gives its ends.
func icdCodes(code string) map[string]bool {
	out := map[string]bool{}
	for _, c := range strings.FieldsFunc(code, func(r rune) bool { return r == '-' || r == ',' || r == ' ' || r == ';' || r == '–' }) {
		out[c] = true
		if parent, _, ok := strings.Cut(c, "."); ok {
			out[parent] = true
		}
	}
	return out
}
