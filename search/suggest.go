package search

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// KindDistrict is the kind of a suggested district, whose ID is its name. It is
// no kind of entry.
const KindDistrict catalog.Kind = "district"

// Suggestion is an entry whose name goes on from what has been typed.
type Suggestion struct {
	// Kind of an entry that can be searched for, catalog.KindPlace or
	// KindDistrict.
	Kind catalog.Kind
	ID   string
	// Title in the reader's language.
	Title string
	// Marks are the parts of the title that were typed, as byte offsets; none
	// where another name of the entry matched.
	Marks []Mark
}

// Mark is a part of a text from Start up to End, in bytes.
type Mark struct{ Start, End int }

const (
	// maxSuggestions bounds the suggestions of one call.
	maxSuggestions = 20
	// pointSuggestions bounds the districts and places among them; a quarter of
	// all is theirs where there are any.
	pointSuggestions = 3
	// readSuggestions is how many names are read for each that is wanted.
	readSuggestions = 3
	// maxStarts bounds the names that are compared for one call.
	maxStarts = 400
)

// Suggest returns entries whose names, or words in them, begin with what has
// been typed: treatments first, then hospitals, then packages, and after them
// some districts and places; at the end what is called so in other words. From one letter, or one Chinese character, on. Errors: Invalid for a text that is too long.
func (e *Engine) Suggest(ctx context.Context, q, lang string, limit int) ([]Suggestion, error) {
	if len(q) > maxQueryBytes || utf8.RuneCountInString(q) > MaxQuery {
		return nil, &fault.Error{Kind: fault.Invalid, Message: "the query is too long: use at most 500 characters",
			Fields: []fault.Field{{Name: "q", Code: "too_long", Message: "at most 500 characters"}}}
	}
	prefix := clipStart(fold(cleanQuery(q)))
	if prefix == "" {
		return nil, nil
	}
	limit = max(1, min(limit, maxSuggestions))
	snap, err := e.acquire()
	if err != nil {
		return nil, err
	}
	defer snap.release()
	docs, err := snap.startingWith(prefix)
	if err != nil {
		return nil, err
	}
	points := snap.book.startingWith(prefix, min(pointSuggestions, max(limit-len(docs), limit/4)))
	// Names that the reader sees begin so come before those that do in another
	// language.
	var out, others []Suggestion
	for _, d := range docs[:min(len(docs), readSuggestions*limit)] {
		if len(out)+len(points) == limit {
			break
		}
		s := Suggestion{Kind: searchable[snap.kind[d]], ID: snap.id[d]}
		s.Title, err = e.title(ctx, snap, d, lang)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.Marks = marks(s.Title, prefix); len(s.Marks) > 0 {
			out = append(out, s)
		} else {
			others = append(others, s)
		}
	}
	for _, ref := range points {
		kind, id, _ := strings.Cut(ref, ":")
		title := snap.book.pointNames[ref].Get(lang)
		out = append(out, Suggestion{Kind: catalog.Kind(kind), ID: id, Title: title, Marks: marks(title, prefix)})
	}
	out = append(out, others...)
	return out[:min(limit, len(out))], nil
}

// suggestRank orders the kinds in suggestions.
var suggestRank = map[catalog.Kind]int{catalog.KindTreatment: 0, catalog.KindHospital: 1, catalog.KindPackage: 2, catalog.KindOffering: 3}

// startingWith returns the documents with a name start of a prefix, the
// shortest names first within each kind.
func (snap *snapshot) startingWith(prefix string) ([]uint32, error) {
	dict, err := snap.reader.FieldDictPrefix(nameStart, []byte(prefix))
	if err != nil {
		return nil, fmt.Errorf("search: read names: %w", err)
	}
	defer dict.Close()
	length := map[uint32]int{}
	for range maxStarts {
		entry, err := dict.Next()
		if err != nil {
			return nil, fmt.Errorf("search: read names: %w", err)
		}
		if entry == nil {
			break
		}
		p, err := snap.posting(nameStart, entry.Term)
		if err != nil {
			return nil, err
		}
		for _, d := range p.docs {
			if n, ok := length[d]; snap.kind[d] != noKind && (!ok || len(entry.Term) < n) {
				length[d] = len(entry.Term)
			}
		}
	}
	out := make([]uint32, 0, len(length))
	for d := range length {
		out = append(out, d)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if x, y := suggestRank[searchable[snap.kind[a]]], suggestRank[searchable[snap.kind[b]]]; x != y {
			return x < y
		}
		if x, y := length[a], length[b]; x != y {
			return x < y
		}
		return snap.id[a] < snap.id[b]
	})
	return out, nil
}

// marks finds where the words of a title begin with a folded prefix.
func marks(title, prefix string) []Mark {
	tokens := tokenize(title)
	for i := range tokens {
		want := tokenize(prefix)
		if i+len(want) > len(tokens) {
			break
		}
		got := tokens[i : i+len(want)]
		last := len(want) - 1
		if !slices.EqualFunc(got[:last], want[:last], func(a, b token) bool { return a.text == b.text }) || !strings.HasPrefix(got[last].text, want[last].text) {
			continue
		}
		return []Mark{{got[0].start, endOf(title, got[last], want[last].text)}}
	}
	return nil
}

// endOf returns where in a title the letters end that fold to a beginning of a
// token.
func endOf(title string, t token, beginning string) int {
	for i, r := range title[t.start:t.end] {
		end := t.start + i + utf8.RuneLen(r)
		if folded := fold(title[t.start:end]); len(folded) >= len(beginning) {
			return end
		}
	}
	return t.end
}
