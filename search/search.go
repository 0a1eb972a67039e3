package search

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

const (
	// confident is the share of what a query says that a hit must answer to be
	// shown at all.
	confident = 0.27
	// Less is enough where a phrase surely says what is looked for, since the
	// rest is talk then, and more is needed where the vocabulary knows nothing.
	confidentSure, confidentWords = 0.15, 0.5
	// nearBest is the share of the best score that a hit must have.
	nearBest = 0.12
	// defaultTimeLimit is the time that a query may take before it is answered
	// with what has been found.
	defaultTimeLimit = 2 * time.Second
)

// Search answers a request. The same request over the same state of the index
// is answered once, so a result is shared: do not change it. Errors: Invalid
// with the fields that are wrong, TooLarge for a query beyond all measure,
// Unavailable while there is no index.
func (e *Engine) Search(ctx context.Context, req Request) (Result, error) {
	begin := time.Now()
	req, err := req.normal()
	if err != nil {
		return Result{}, err
	}
	snap, err := e.acquire()
	if err != nil {
		return Result{}, err
	}
	defer snap.release()
	key := e.today() + "\x00" + req.key()
	res, ok := snap.results.Get(key)
	if !ok {
		found, err, _ := snap.flight.Do(key, func() (any, error) {
			// Who waits for the answer may be gone by then, others not.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeLimit())
			defer cancel()
			res, err := e.search(ctx, snap, req)
			if err == nil && !res.Partial {
				snap.results.Add(key, res)
			}
			return res, err
		})
		if err != nil {
			return Result{}, err
		}
		res = found.(Result)
	}
	res.Took = time.Since(begin)
	return res, nil
}

func (e *Engine) timeLimit() time.Duration {
	if e.cfg.TimeLimit > 0 {
		return e.cfg.TimeLimit
	}
	return defaultTimeLimit
}

func (e *Engine) search(ctx context.Context, snap *snapshot, req Request) (Result, error) {
	q := &query{ctx: ctx, snap: snap, req: req, typed: req.Query, filters: snap.filters(req.Filters), feedBack: req.Kind == catalog.KindOffering && !e.noFeedback}
	defer q.release()
	if q.feedBack && !req.NoFilters && snap.texts() {
		if err := q.match(); err != nil {
			return Result{}, err
		}
		// Words such as "cheap" or "English" are no wishes where texts have them.
		if req.NoFilters = q.text; !q.text {
			q.matched = q.matched[:0]
		}
	}
	var wishes []Applied
	if !req.NoFilters {
		asked := readAsked(snap.book, req.Query, cmp.Or(req.Currency, e.cfg.Rates.Base))
		q.req.Query, q.asked = asked.query, asked.wishes
		wishes = slices.Clone(asked.wishes)
	}
	arranged, err := q.arrange(wishes)
	if err != nil {
		return Result{}, err
	}
	if !q.text {
		if err := q.match(); err != nil {
			return Result{}, err
		}
	}
	if q.plan != nil && !req.NoFilters {
		wishes = append(wishes, q.plan.wishes(e.cfg.Now().In(catalog.Shanghai))...)
	}
	applied, unmet := q.applyWishes(wishes)
	res := q.result()
	res.Applied, res.Unmet = append(arranged, applied...), unmet
	if res.Total == 0 {
		res.Unmet = nil
		if res.Relaxations, err = q.relaxations(); err != nil {
			return Result{}, err
		}
	}
	// What follows the scoring is bounded by the page and has no limit of its own.
	if err := e.fillHits(context.WithoutCancel(ctx), q, &res); err != nil {
		return Result{}, err
	}
	res.Partial = q.partial
	return res, nil
}

// query is one search under way.
type query struct {
	ctx     context.Context
	snap    *snapshot
	req     Request
	filters filters
	// typed is the query as it came.
	typed string
	// asked is what the query asked for in words that are no part of it now.
	asked []Applied
	// feedBack says that words of the first hits are added. It does so in every
	// order, or the order would change what is found.
	feedBack bool
	// near is where Request.Near is.
	near position
	plan *plan
	// corrected is the query with typing errors mended, empty if it has none.
	corrected string
	// matched documents of every kind, whatever the filters.
	matched []ranked
	// passed are those of the kind that pass the filters, hits the page of them.
	passed, hits []ranked
	// text says that the text of a plain offering answers best.
	text bool
	// partial says that time ran out.
	partial bool
}

// rankings are lists of hits to be used again: of a hundred thousand documents
// they are too long to be made for each query.
var rankings = sync.Pool{New: func() any { return new([]ranked) }}

func newRanking() []ranked { return (*rankings.Get().(*[]ranked))[:0] }

// release gives the lists of the query back.
func (q *query) release() {
	for _, list := range [][]ranked{q.matched, q.passed} {
		rankings.Put(&list)
	}
	q.matched, q.passed, q.hits = nil, nil, nil
}

// match finds the documents that answer the query.
func (q *query) match() error {
	if q.req.Query == "" {
		q.matched = newRanking()
		for d, k := range q.snap.kind {
			if k != noKind {
				q.matched = append(q.matched, ranked{doc: uint32(d)})
			}
		}
		return nil
	}
	var err error
	if q.plan, q.corrected, err = q.snap.understand(q.req.Query, q.req.Lang); err != nil {
		return err
	}
	q.matched, err = q.find(q.plan, q.feedBack)
	return err
}

// find scores every document for a plan and keeps those that answer enough of
// it. Plain documents need answer but a part: what is asked of them may be
// worded in any way.
func (q *query) find(p *plan, feedback bool) ([]ranked, error) {
	snap := q.snap
	sc := &scorer{ctx: q.ctx, snap: snap, plan: p}
	all := snap.borrow()
	defer snap.giveBack(all)
	total := sc.run(p.spans, all)
	matched := len(all.touched)
	if feedback {
		if err := sc.feedBack(all); err != nil {
			return nil, err
		}
	}
	if sc.err != nil {
		return nil, sc.err
	}
	q.partial = q.partial || q.ctx.Err() != nil
	q.text = snap.texts() && snap.favourTexts(all, total[offeringKind])
	var best [kindCount]float32
	for _, d := range all.touched {
		if k := snap.kind[d]; k != noKind && !snap.plain[d] {
			best[k] = max(best[k], all.val[d])
		}
	}
	least := p.confident()
	out := newRanking()
	for _, d := range all.touched {
		k := snap.kind[d]
		if k == noKind || !snap.plain[d] && (best[k] < least*total[k] || all.val[d] < nearBest*best[k]) {
			continue
		}
		out = append(out, ranked{d, all.val[d]})
	}
	if len(all.touched) > matched {
		out = snap.keepAdded(out, all.touched[matched:])
	}
	return out, nil
}

// favourTexts lowers curated offerings below the plain ones that answer a query
// of the given weight, and reports whether one does.
func (snap *snapshot) favourTexts(all *scores, total float32) bool {
	var plain, curated float32
	for _, d := range all.touched {
		switch {
		case snap.kind[d] != offeringKind:
		case snap.plain[d]:
			plain = max(plain, all.val[d])
		default:
			curated = max(curated, all.val[d])
		}
	}
	if plain == 0 || plain < textAnswers*total {
		return false
	}
	if most := curatedShare * plain; curated > most {
		for _, d := range all.touched {
			if snap.kind[d] == offeringKind && !snap.plain[d] {
				all.val[d] *= most / curated
			}
		}
	}
	return true
}

// confident is the share of what the query says that the best answer must
// reach.
func (p *plan) confident() float32 {
	off := slices.ContainsFunc(p.spans, func(s *span) bool { return s.entry != nil && s.entry.off })
	if p.sure && !off {
		return confidentSure
	}
	if slices.ContainsFunc(p.spans, func(s *span) bool { return s.entry != nil && len(s.entry.refs) > 0 }) {
		return confident
	}
	return confidentWords
}

// withWishes adds to words of the query what else it asked for.
func (q *query) withWishes(words string) string {
	if words == "" {
		return ""
	}
	for _, w := range q.asked {
		words += " " + w.Typed
	}
	return words
}

// first returns how many hits come before the page: those up to After, where
// that is still among them.
func (q *query) first(before func(a, b ranked) int) int {
	offset := min((q.req.Page-1)*q.req.PerPage, len(q.hits))
	if q.req.After == "" || q.req.Page == 1 {
		return offset
	}
	at := slices.IndexFunc(q.hits, func(r ranked) bool { return q.snap.id[r.doc] == q.req.After })
	if at < 0 {
		return offset
	}
	n := 1
	for _, r := range q.hits {
		if before(r, q.hits[at]) < 0 {
			n++
		}
	}
	return n
}

// result makes the page without titles.
func (q *query) result() Result {
	res := Result{Page: q.req.Page, PerPage: q.req.PerPage, Sort: q.req.Sort, Near: q.req.Near, Counts: map[catalog.Kind]int{}}
	if len(q.matched) > 0 {
		res.DidYouMean = q.withWishes(q.corrected)
		res.Searched = res.DidYouMean
	}
	counts := newFacetCounter(q.snap, q.filters, q.req.Kind, q.req.Currency)
	var active [kindCount]uint32
	var passed [kindCount]int
	for k, kind := range searchable {
		active[k] = q.filters.of(kind)
	}
	wanted := uint8(slices.Index(searchable, q.req.Kind))
	q.passed = newRanking()
	for _, r := range q.matched {
		k := q.snap.kind[r.doc]
		if k == wanted {
			if counts.count(r.doc) {
				q.passed = append(q.passed, r)
			}
		} else if q.filters.failed(q.snap, r.doc, active[k]) == 0 {
			passed[k]++
		}
	}
	q.hits = q.passed
	res.Total = len(q.hits)
	passed[wanted] = res.Total
	for k, kind := range searchable {
		if passed[k] > 0 || kind == q.req.Kind {
			res.Counts[kind] = passed[k]
		}
	}
	res.Facets = counts.facets()
	before := q.snap.comparison(q.hits, q.req, q.near)
	first := q.first(before)
	last := min(first+q.req.PerPage, len(q.hits))
	q.hits = order(q.hits, last, before)
	var far map[uint32]int32
	if q.req.Near != "" {
		far = q.snap.distances(q.hits[first:last], q.near)
	}
	for _, r := range q.hits[first:last] {
		res.Hits = append(res.Hits, Hit{
			ID: q.snap.id[r.doc], Kind: q.req.Kind, Score: float64(r.score),
			TreatmentID: q.snap.treatment[r.doc], HospitalID: q.snap.hospital[r.doc],
			Metres: int(far[r.doc]),
		})
	}
	q.hits = q.hits[first:last]
	if q.plan != nil {
		res.Matched = q.plan.meanings(q.req.Lang)
	}
	return res
}

// fillHits adds titles and reasons. An entry that ceased to be published a
// moment ago falls out.
func (e *Engine) fillHits(ctx context.Context, q *query, res *Result) error {
	explain := newExplainer(q.snap, q.plan, q.req.Lang)
	kept := res.Hits[:0]
	for i, h := range res.Hits {
		title, err := e.title(ctx, q.snap, q.hits[i].doc, q.req.Lang)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		h.Title = title
		if q.plan != nil {
			if h.Why, err = explain.why(q.plan.spans, q.hits[i].doc, nil); err != nil {
				return err
			}
		}
		kept = append(kept, h)
	}
	res.Hits = kept
	return nil
}

// title returns the name of an entry in a language. An offering without a name
// of its own has its treatment's.
func (e *Engine) title(ctx context.Context, snap *snapshot, doc uint32, lang string) (string, error) {
	own, err := snap.stored(doc, titleField)
	if err != nil || own != "" {
		return readTitle(own).Get(lang), err
	}
	t, err := e.cfg.Catalog.Treatments.Get(ctx, snap.treatment[doc])
	return t.Name.Get(lang), err
}

// maxMeanings bounds the list of other words.
const maxMeanings = 5

// meanings returns the words for which phrases of the query were also taken.
func (p *plan) meanings(lang string) []string {
	var out []string
	for _, s := range p.spans {
		if s.entry == nil || len(s.entry.refs) == 0 {
			continue
		}
		label := s.entry.label.Get(lang)
		if label != "" && fold(label) != fold(p.text(s.from, s.to)) && !slices.Contains(out, label) && len(out) < maxMeanings {
			out = append(out, label)
		}
	}
	return out
}

// explainer says which phrases of a query led to a document.
type explainer struct {
	snap *snapshot
	plan *plan
	lang string
	// words and points hold, once asked for, where the words of a span stand
	// and what its phrase points at.
	words  map[*span][]*occurrences
	points map[*span][]*posting
}

func newExplainer(snap *snapshot, p *plan, lang string) *explainer {
	return &explainer{snap: snap, plan: p, lang: lang, words: map[*span][]*occurrences{}, points: map[*span][]*posting{}}
}

func (x *explainer) why(spans []*span, doc uint32, out []Why) ([]Why, error) {
	for _, s := range spans {
		if s.entry != nil && s.entry.noise && len(s.entry.refs) == 0 {
			continue
		}
		typed := x.plan.text(s.from, s.to)
		points, err := remember(x.points, s, x.snap.pointed)
		if err != nil {
			return nil, err
		}
		if anyHas(points, doc) {
			out = append(out, Why{Typed: typed, Means: s.entry.label.Get(x.lang)})
			continue
		}
		if len(s.parts) > 0 {
			if out, err = x.why(s.parts, doc, out); err != nil {
				return nil, err
			}
			continue
		}
		words, err := remember(x.words, s, func(s *span) ([]*occurrences, error) { return x.snap.standing(x.plan.tokens[s.from:s.to]) })
		if err != nil {
			return nil, err
		}
		if anyHas(words, doc) {
			out = append(out, Why{Typed: typed, Means: typed})
		}
	}
	return out, nil
}

func remember[L any](known map[*span][]L, s *span, find func(*span) ([]L, error)) ([]L, error) {
	if lists, ok := known[s]; ok {
		return lists, nil
	}
	lists, err := find(s)
	known[s] = lists
	return lists, err
}

func anyHas[L interface{ has(doc uint32) bool }](lists []L, doc uint32) bool {
	return slices.ContainsFunc(lists, func(l L) bool { return l.has(doc) })
}

// standing returns where a word stands, or the pairs of neighbours of a run in
// unbroken script.
func (snap *snapshot) standing(tokens []token) ([]*occurrences, error) {
	var out []*occurrences
	for i := range max(1, len(tokens)-1) {
		key := wordOf(tokens[i])
		if len(tokens) > 1 {
			key = pairOf(tokens[i], tokens[i+1])
		}
		list, err := snap.occurrences(key)
		if err != nil {
			return nil, err
		}
		out = append(out, list)
	}
	return out, nil
}

// pointed returns the documents that the phrase of a span points at.
func (snap *snapshot) pointed(s *span) ([]*posting, error) {
	if s.entry == nil {
		return nil, nil
	}
	var out []*posting
	for _, r := range s.entry.refs {
		tags := []string{tagSelf + r.tag, tagRelated + r.tag}
		if isFacetRef(r.tag) {
			tags = []string{r.tag}
		}
		for _, tag := range tags {
			p, err := snap.posting(tagField, tag)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// maxRelaxed bounds how many words are tried without.
const maxRelaxed = 8

// relaxations says what would be found without one filter, or without any
// where one alone is not enough; and where no entry answers the words, without
// one of them, or with one alone.
func (q *query) relaxations() ([]Relaxation, error) {
	var out []Relaxation
	for _, name := range sortedKeys(q.req.Filters) {
		if len(q.req.Filters[name]) == 0 {
			continue
		}
		rest := maps.Clone(q.req.Filters)
		delete(rest, name)
		if n := q.passing(q.matched, rest); n > 0 {
			out = append(out, Relaxation{DropFilter: name, Query: q.typed, Count: n})
		}
	}
	if n := q.passing(q.matched, nil); n > 0 && len(out) == 0 {
		return append(out, Relaxation{DropFilter: AllFilters, Query: q.typed, Count: n}), nil
	}
	if q.plan == nil || len(q.plan.spans) < 2 || len(q.matched) > 0 {
		return out, nil
	}
	spans := q.plan.spans[:min(len(q.plan.spans), maxRelaxed)]
	words := func(s *span) (string, int, int) {
		start, end := q.plan.tokens[s.from].start, q.plan.tokens[s.to-1].end
		return q.plan.query[start:end], start, end
	}
	for _, s := range spans {
		word, start, end := words(s)
		n, err := q.would(q.plan.query[:start] + " " + q.plan.query[end:])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, Relaxation{DropWord: word, Query: q.withWishes(cleanQuery(q.plan.query[:start] + " " + q.plan.query[end:])), Count: n})
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, s := range spans {
		word, _, _ := words(s)
		n, err := q.would(word)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, Relaxation{OnlyWord: word, Query: q.withWishes(word), Count: n})
		}
	}
	return out, nil
}

// passing counts the hits of the request's kind that pass filters.
func (q *query) passing(hits []ranked, by map[string][]string) int {
	f := q.snap.filters(by)
	active := f.of(q.req.Kind)
	n := 0
	for _, r := range hits {
		if searchable[q.snap.kind[r.doc]] == q.req.Kind && f.failed(q.snap, r.doc, active) == 0 {
			n++
		}
	}
	return n
}

// would counts what other words would find under the request's filters.
func (q *query) would(words string) (int, error) {
	found, err := q.find(newPlan(q.snap.book, cleanQuery(words), q.req.Lang), false)
	if err != nil {
		return 0, err
	}
	return q.passing(found, q.req.Filters), nil
}
