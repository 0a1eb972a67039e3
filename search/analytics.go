package search

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Analytics counts what is searched for, without persons: per day, language,
// kind and query, and nothing about who asked. There is no address, cookie or
// id in what it is told.
//
// A query can still give somebody away by its words. So its text is stored
// only once it has been typed shownFrom times on one day; until then there is
// a counter under a hash with a salt of that day, and two days later the salt
// is deleted. What looks like an address, a phone number or another long
// number is never kept, nor is what is too long to be a mere query: such
// searches count for the day alone.
//
// Counting costs a search no write: counts are gathered in memory and written
// every few seconds. A crash loses those of the last seconds. All nodes on a
// store count together. Methods may be called at the same time.
type Analytics struct {
	now    func() time.Time
	counts *store.Collection[queryDay]
	salts  *store.Collection[daySalt]

	mu      sync.Mutex
	pending map[queryKey]SearchCounts

	// flushing is held while counts are written; it guards what follows.
	flushing sync.Mutex
	// distinct is the number of queries that this node added on a day.
	distinct map[string]int
	saltOf   map[string][]byte
	// pruned is the day on which what is old was last removed.
	pruned string
}

const (
	// KeepDays is how long counts are kept.
	KeepDays = 90
	// shownFrom is how often a query must be typed on one day for its text to
	// be stored.
	shownFrom = 3
	// maxCounted is the length in characters above which a text is a letter
	// rather than a query.
	maxCounted = 100
	// flushEvery is the time between two writes.
	flushEvery = 5 * time.Second
	// flushTimeout bounds the last write before the program ends.
	flushTimeout = 5 * time.Second
	// maxPending bounds the memory between two writes and maxDistinct the
	// queries that a node adds on a day, some 10 MB: who sends nonsense by the
	// million must not fill the disk. Further ones count for the day alone.
	maxPending  = 2000
	maxDistinct = 50_000
)

// SearchCounts are the counters of a query, or sums of them.
type SearchCounts struct {
	Searches int `json:"searches"`
	// Empty searches found nothing.
	Empty int `json:"empty,omitempty"`
	// Hits that all searches found together.
	Hits int `json:"hits,omitempty"`
	// Pages are the searches answered with a page, on which a click can be
	// counted; others were answered to programs.
	Pages int `json:"pages,omitempty"`
	// Clicks on results.
	Clicks int `json:"clicks,omitempty"`
}

func (c SearchCounts) plus(o SearchCounts) SearchCounts {
	return SearchCounts{c.Searches + o.Searches, c.Empty + o.Empty, c.Hits + o.Hits, c.Pages + o.Pages, c.Clicks + o.Clicks}
}

// queryKey is what is counted together. Without a query it is all that whose
// words are withheld.
type queryKey struct {
	day, lang string
	kind      catalog.Kind
	query     string
}

// queryDay is the stored counter of a query on a day.
type queryDay struct {
	Day  string       `json:"day"`
	Lang string       `json:"lang"`
	Kind catalog.Kind `json:"kind"`
	// Text is the query, empty while it is too rare.
	Text string `json:"text,omitempty"`
	SearchCounts
}

// daySalt is a random number that all nodes share on a day.
type daySalt struct {
	Salt []byte `json:"salt"`
}

// NewAnalytics opens the counters on a store.
func NewAnalytics(ctx context.Context, engine store.Engine, now func() time.Time) (*Analytics, error) {
	counts, err := store.Open(ctx, engine, store.Def[queryDay]{Name: "search_counts"})
	if err != nil {
		return nil, err
	}
	salts, err := store.Open(ctx, engine, store.Def[daySalt]{Name: "search_salts"})
	if err != nil {
		return nil, err
	}
	return &Analytics{now: now, counts: counts, salts: salts, pending: map[queryKey]SearchCounts{}, distinct: map[string]int{}, saltOf: map[string][]byte{}}, nil
}

// Note counts a search for a kind of entry and what it found. Page says that
// the answer was a page, on which a click can be counted. Browsing without a
// query is not counted.
func (a *Analytics) Note(lang string, kind catalog.Kind, query string, hits int, page bool) {
	n := SearchCounts{Searches: 1, Hits: hits}
	if hits == 0 {
		n.Empty = 1
	}
	if page {
		n.Pages = 1
	}
	a.count(lang, kind, query, n)
}

// Click counts a click on a result of a search.
func (a *Analytics) Click(lang string, kind catalog.Kind, query string) {
	a.count(lang, kind, query, SearchCounts{Clicks: 1})
}

// otherLanguage is where languages count that are not of the site.
const otherLanguage = "other"

func (a *Analytics) count(lang string, kind catalog.Kind, query string, n SearchCounts) {
	if cleanQuery(query) == "" || !slices.Contains(searchable, kind) {
		return
	}
	if !slices.Contains(catalog.Languages, lang) {
		lang = otherLanguage
	}
	key := queryKey{day: a.day(0), lang: lang, kind: kind, query: countable(query)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(key, n)
}

// add gathers counts; the caller holds mu.
func (a *Analytics) add(key queryKey, n SearchCounts) {
	if _, ok := a.pending[key]; !ok && len(a.pending) >= maxPending {
		key.query = ""
	}
	a.pending[key] = a.pending[key].plus(n)
}

// day is the date in Shanghai some days from today.
func (a *Analytics) day(offset int) string {
	return a.now().In(catalog.Shanghai).AddDate(0, 0, offset).Format(time.DateOnly)
}

// countable brings a query into the form under which it is counted: lower
// case, single blanks. It is empty where the text must not be kept.
func countable(query string) string {
	if len(query) > maxQueryBytes {
		return ""
	}
	q := strings.ToLower(cleanQuery(norm.NFKC.String(query)))
	if utf8.RuneCountInString(q) > maxCounted || personal(q) {
		return ""
	}
	return q
}

const (
	// maxDigits is the length above which a number may name a person: of a
	// passport, a card, a file.
	maxDigits = 5
	// maxGrouped is the same for digits in groups, as in dates of birth and
	// phone numbers; "under 200 000" has six.
	maxGrouped = 6
)

// personal reports whether a text may hold an address or a number that belongs
// to a person.
func personal(q string) bool {
	if strings.Contains(q, "@") || strings.Contains(q, "://") || strings.Contains(q, "www.") {
		return true
	}
	run, grouped := 0, 0
	for _, r := range q {
		switch {
		case unicode.IsDigit(r):
			run++
			grouped++
		case unicode.IsLetter(r):
			run, grouped = 0, 0
		default:
			run = 0
		}
		if run > maxDigits || grouped > maxGrouped {
			return true
		}
	}
	return false
}

// Run writes the counts every few seconds until the context ends, and then
// once more. report is called with what goes wrong meanwhile, which is tried
// again.
func (a *Analytics) Run(ctx context.Context, report func(error)) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := a.Flush(ctx); err != nil && ctx.Err() == nil {
				report(fmt.Errorf("search counts: %w", err))
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			if err := a.Flush(last); err != nil {
				report(fmt.Errorf("the last search counts are lost: %w", err))
			}
			return
		}
	}
}

// Flush writes what has been counted so far and, once a day, removes what is
// too old. What could not be written stays for the next time. Errors: those of
// the store.
func (a *Analytics) Flush(ctx context.Context) error {
	a.flushing.Lock()
	defer a.flushing.Unlock()
	a.mu.Lock()
	batch := a.pending
	a.pending = map[queryKey]SearchCounts{}
	a.mu.Unlock()
	for key, n := range batch {
		if err := a.write(ctx, key, n); err != nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			for key, n := range batch {
				a.add(key, n)
			}
			return err
		}
		delete(batch, key)
	}
	return a.prune(ctx)
}

// writeTries bounds how often two nodes may get in each other's way.
const writeTries = 3

// write adds counts to a stored counter. A click on a result of a search that
// was never counted is let fall, so that clicks alone cannot fill the store.
func (a *Analytics) write(ctx context.Context, key queryKey, n SearchCounts) error {
	id, err := a.id(ctx, key)
	if err != nil {
		return err
	}
	for range writeTries {
		_, err = a.counts.Update(ctx, id, func(d *queryDay) error {
			d.add(key, n)
			return nil
		})
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		if n.Searches == 0 {
			return nil
		}
		if key.query != "" && a.distinct[key.day] >= maxDistinct {
			key.query = ""
			return a.write(ctx, key, n)
		}
		d := queryDay{Day: key.day, Lang: key.lang, Kind: key.kind}
		d.add(key, n)
		if err = a.counts.Insert(ctx, id, d); err == nil {
			a.distinct[key.day]++
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return err
}

func (d *queryDay) add(key queryKey, n SearchCounts) {
	d.SearchCounts = d.SearchCounts.plus(n)
	if d.Searches >= shownFrom {
		d.Text = key.query
	}
}

// id names the counter of a query on a day without telling the query.
func (a *Analytics) id(ctx context.Context, key queryKey) (string, error) {
	prefix := key.day + "/" + key.lang + "/" + string(key.kind) + "/"
	if key.query == "" {
		return prefix + "-", nil
	}
	salt, err := a.salt(ctx, key.day)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, salt)
	_, _ = io.WriteString(mac, key.query)
	return prefix + hex.EncodeToString(mac.Sum(nil)[:16]), nil
}

// salt returns the salt of a day. The first node to ask makes it up.
func (a *Analytics) salt(ctx context.Context, day string) ([]byte, error) {
	if salt, ok := a.saltOf[day]; ok {
		return salt, nil
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("search: no random numbers: %w", err)
	}
	if err := a.salts.Insert(ctx, day, daySalt{fresh}); err != nil && !fault.Is(err, fault.Conflict) {
		return nil, err
	}
	rec, err := a.salts.Get(ctx, day)
	if err != nil {
		return nil, err
	}
	a.saltOf[day] = rec.Value.Salt
	return rec.Value.Salt, nil
}

// prune removes, once a day, counts that are too old and the salts of all days
// but today and yesterday, whose counts may still be under way.
func (a *Analytics) prune(ctx context.Context) error {
	today, yesterday := a.day(0), a.day(-1)
	if a.pruned == today {
		return nil
	}
	if err := removeBefore(ctx, a.counts, a.day(1-KeepDays)); err != nil {
		return err
	}
	if err := removeBefore(ctx, a.salts, yesterday); err != nil {
		return err
	}
	for day := range a.saltOf {
		if day < yesterday {
			delete(a.saltOf, day)
		}
	}
	for day := range a.distinct {
		if day < yesterday {
			delete(a.distinct, day)
		}
	}
	a.pruned = today
	return nil
}

// removeBefore deletes the documents whose id comes before a limit.
func removeBefore[T any](ctx context.Context, c *store.Collection[T], limit string) error {
	for {
		page, err := c.Find(ctx, store.Query{To: limit, Limit: store.MaxPage})
		if err != nil || len(page.Items) == 0 {
			return err
		}
		for _, rec := range page.Items {
			// Another node may be at the same work.
			if err := c.Delete(ctx, rec.ID, 0); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
	}
}

// DayCounts are the searches of a day in one language.
type DayCounts struct {
	Day  string `json:"day"`
	Lang string `json:"lang"`
	SearchCounts
}

// QueryCounts are the counts of a query over the days of a report.
type QueryCounts struct {
	Lang  string       `json:"lang"`
	Kind  catalog.Kind `json:"kind"`
	Query string       `json:"query"`
	SearchCounts
}

// SearchReport is what was searched for on some days.
type SearchReport struct {
	// From and To are the first and the last day, YYYY-MM-DD in Shanghai.
	From string `json:"from"`
	To   string `json:"to"`
	// Days with searches, the latest first.
	Days []DayCounts `json:"days"`
	// Total of all searches, Withheld of those whose words are not known.
	Total    SearchCounts `json:"total"`
	Withheld SearchCounts `json:"withheld"`
	// Queries whose words are known, the most frequent first.
	Queries []QueryCounts `json:"queries"`
}

// Report sums up the last days, today included, in one language or, where it
// is empty, in all. It knows what has been flushed. Errors: Invalid for a
// number of days beyond KeepDays.
func (a *Analytics) Report(ctx context.Context, days int, lang string) (SearchReport, error) {
	if days < 1 || days > KeepDays {
		return SearchReport{}, fault.New(fault.Invalid, "counts are kept for %d days: ask for 1 to %d", KeepDays, KeepDays)
	}
	r := SearchReport{From: a.day(1 - days), To: a.day(0), Days: []DayCounts{}, Queries: []QueryCounts{}}
	byDay, byQuery := map[DayCounts]SearchCounts{}, map[QueryCounts]SearchCounts{}
	err := a.counts.Each(ctx, store.Query{From: r.From, Limit: store.MaxPage}, func(rec store.Record[queryDay]) error {
		d := rec.Value
		if lang != "" && d.Lang != lang {
			return nil
		}
		r.Total = r.Total.plus(d.SearchCounts)
		day := DayCounts{Day: d.Day, Lang: d.Lang}
		byDay[day] = byDay[day].plus(d.SearchCounts)
		if d.Text == "" {
			r.Withheld = r.Withheld.plus(d.SearchCounts)
			return nil
		}
		query := QueryCounts{Lang: d.Lang, Kind: d.Kind, Query: d.Text}
		byQuery[query] = byQuery[query].plus(d.SearchCounts)
		return nil
	})
	if err != nil {
		return r, err
	}
	for day, n := range byDay {
		day.SearchCounts = n
		r.Days = append(r.Days, day)
	}
	for query, n := range byQuery {
		query.SearchCounts = n
		r.Queries = append(r.Queries, query)
	}
	slices.SortFunc(r.Days, func(x, y DayCounts) int {
		return cmp.Or(strings.Compare(y.Day, x.Day), y.Searches-x.Searches, strings.Compare(x.Lang, y.Lang))
	})
	slices.SortFunc(r.Queries, byCount(func(q QueryCounts) int { return q.Searches }))
	return r, nil
}

// byCount orders queries by a count, the greatest first.
func byCount(count func(QueryCounts) int) func(x, y QueryCounts) int {
	return func(x, y QueryCounts) int {
		return cmp.Or(count(y)-count(x), strings.Compare(x.Query, y.Query), strings.Compare(x.Lang, y.Lang), strings.Compare(string(x.Kind), string(y.Kind)))
	}
}

// Empty returns the queries that found nothing, the most frequent first.
func (r SearchReport) Empty() []QueryCounts {
	return most(r.Queries, func(q QueryCounts) int { return q.Empty })
}

// lowClick is the share of pages with a click below which a query is one whose
// results do not convince, in percent.
const lowClick = 20

// LowClick returns the queries that found something on which few clicked, the
// most pages without a click first.
func (r SearchReport) LowClick() []QueryCounts {
	return most(r.Queries, func(q QueryCounts) int {
		if q.Hits == 0 || 100*q.Clicks >= lowClick*q.Pages {
			return 0
		}
		return q.Pages - q.Clicks
	})
}

// most returns the queries with a count above 0, the greatest first.
func most(queries []QueryCounts, count func(QueryCounts) int) []QueryCounts {
	out := []QueryCounts{}
	for _, q := range queries {
		if count(q) > 0 {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, byCount(count))
	return out
}
