package store

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/medtour/medtour/fault"
)

// MaxContentType is the greatest length of a file's content type in bytes.
const MaxContentType = 255

// MaxPageBytes is the size of bodies after which Find ends a page although
// fewer documents than the limit are in it: a page must fit in memory.
const MaxPageBytes = 64 << 20

// The rules that every engine shares. An engine calls them before it touches
// its database, so that all engines refuse the same input in the same words.

var errMoved = errors.New("the version has changed")

// Moved is the error of a write that named a version which the document no
// longer has.
func Moved(collection string) error {
	return fault.Wrap(fault.Conflict, errMoved, "Somebody else has changed this entry of %q meanwhile: read it again.", collection)
}

// Taken is the error of a write whose id, or whose value of a unique index,
// another document has. Field is "id" or the name of the index.
func Taken(collection, field string) error {
	return fault.New(fault.Conflict, "Another entry of %q has this %s already.", collection, field)
}

// Missing is the error for a document that does not exist.
func Missing(collection string) error {
	return fault.New(fault.NotFound, "There is no such entry in %q.", collection)
}

// CheckID returns Invalid for an id that no engine stores.
func CheckID(id string) error { return checkKey("An id", id) }

// CheckFile returns Invalid for a file name or a content type that no engine
// stores.
func CheckFile(name, contentType string) error {
	if len(contentType) > MaxContentType || !utf8.ValidString(contentType) {
		return fault.New(fault.Invalid, "A content type is at most %d bytes of text.", MaxContentType)
	}
	return checkKey("A file name", name)
}

func checkKey(what, s string) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "%s must not be empty.", what)
	case len(s) > MaxID:
		return fault.New(fault.Invalid, "%s has at most %d bytes.", what, MaxID)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fault.New(fault.Invalid, "%s is text without control characters.", what)
	}
	return nil
}

// Check returns Invalid for a schema that no engine can open.
func (s Schema) Check() error {
	if !validName(s.Name) {
		return fault.New(fault.Invalid, "The collection name %q is not lower-case letters and underscores.", s.Name)
	}
	seen := map[string]bool{"id": true}
	for _, ix := range s.Indexes {
		if !validName(ix.Name) || seen[ix.Name] {
			return fault.New(fault.Invalid, "The index name %q of %q is not lower-case letters and underscores, is \"id\" or is there twice.", ix.Name, s.Name)
		}
		seen[ix.Name] = true
	}
	if len(s.Indexes) > 0 && s.Keys == nil {
		return fault.New(fault.Invalid, "The collection %q has indexes but no function for their values.", s.Name)
	}
	return nil
}

// maxName keeps names of collections and indexes, with an engine's prefixes,
// within the limits of every database.
const maxName = 40

func validName(name string) bool {
	outside := func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, outside)
}

// Values returns the index values of a body, without empty ones. Errors:
// TooLarge for a body over MaxDocument; Invalid for one that is no JSON
// object or has an index value that no engine stores.
func (s Schema) Values(body []byte) (map[string]string, error) {
	if len(body) > MaxDocument {
		return nil, fault.New(fault.TooLarge, "An entry of %q is at most %d MiB.", s.Name, MaxDocument>>20)
	}
	if len(body) == 0 || body[0] != '{' || !utf8.Valid(body) {
		return nil, fault.New(fault.Invalid, "An entry of %q must be a JSON object.", s.Name)
	}
	values := make(map[string]string, len(s.Indexes))
	if len(s.Indexes) == 0 {
		return values, nil
	}
	derived, err := s.Keys(body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "An entry of %q cannot be read.", s.Name)
	}
	for _, ix := range s.Indexes {
		value := derived[ix.Name]
		if value == "" {
			continue
		}
		if err := checkKey("The value of "+ix.Name, value); err != nil {
			return nil, err
		}
		values[ix.Name] = value
	}
	return values, nil
}

// Unique reports whether the collection has a unique index of that name.
func (s Schema) Unique(index string) bool {
	for _, ix := range s.Indexes {
		if ix.Name == index {
			return ix.Unique
		}
	}
	return false
}

// Position is where a document stands in the order of a query: after all with
// a smaller value, and after those with the same value and a smaller id. A
// query by id has no values.
type Position struct{ Value, ID string }

// Resolve checks a query against the schema and returns it with its limit
// filled in, and the position after which its page starts, which is zero for
// the first page. Errors: Invalid.
func (s Schema) Resolve(q Query) (Query, Position, error) {
	declared := q.Index == ""
	for _, ix := range s.Indexes {
		declared = declared || ix.Name == q.Index
	}
	if !declared {
		return q, Position{}, fault.New(fault.Invalid, "The collection %q has no index %q.", s.Name, q.Index)
	}
	for _, bound := range []string{q.Equal, q.From, q.To} {
		// Twice the length of a value leaves room for bounds such as the end
		// of a prefix.
		if len(bound) > 2*MaxID || !utf8.ValidString(bound) {
			return q, Position{}, fault.New(fault.Invalid, "A value to search for is at most %d bytes of text.", 2*MaxID)
		}
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		return q, Position{}, fault.New(fault.Invalid, "A page has between 1 and %d entries.", MaxPage)
	}
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	if q.After == "" {
		return q, Position{}, nil
	}
	pos, ok := q.position()
	if !ok {
		return q, Position{}, fault.New(fault.Invalid, "The cursor does not belong to this query: start at the first page.")
	}
	return q, pos, nil
}

// Cursor returns the cursor of the page that starts after a position. It
// names the index and the direction, so that it cannot be used with another
// query. Neither ids nor values contain the separator.
func (q Query) Cursor(after Position) string {
	return base64.RawURLEncoding.EncodeToString([]byte(q.order() + "\x00" + after.Value + "\x00" + after.ID))
}

func (q Query) position() (Position, bool) {
	if len(q.After) > 4*MaxID {
		return Position{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(q.After)
	if err != nil {
		return Position{}, false
	}
	parts := strings.Split(string(raw), "\x00")
	if len(parts) != 3 || parts[0] != q.order() || checkKey("", parts[2]) != nil {
		return Position{}, false
	}
	if (q.Index == "") != (parts[1] == "") || q.Index != "" && checkKey("", parts[1]) != nil {
		return Position{}, false
	}
	return Position{Value: parts[1], ID: parts[2]}, true
}

func (q Query) order() string {
	if q.Descending {
		return "-" + q.Index
	}
	return "+" + q.Index
}
