package catalog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/medtour/medtour/fault"
)

// ImportOptions says how an import goes.
type ImportOptions struct {
	// By signs the revisions.
	By Edit
	// SkipExisting leaves entries that exist as they are: for the seed, which
	// must not undo what people changed.
	SkipExisting bool
	// Progress, when set, is called now and then with the number of lines
	// done.
	Progress func(lines int)
}

// ImportReport says what an import did.
type ImportReport struct {
	// Lines that held an entry; empty lines do not count.
	Lines     int
	Created   int
	Updated   int
	Unchanged int
	// Failed counts the bad lines, Errors describes the first of them in
	// order.
	Failed int
	Errors []LineError
}

// LineError is a line that was not imported.
type LineError struct {
	// Line counts from 1.
	Line int
	Kind Kind
	ID   string
	Err  error
}

// Error describes the line, its entry and every wrong field.
func (e LineError) Error() string {
	where := fmt.Sprintf("line %d", e.Line)
	if e.Kind != "" {
		where += fmt.Sprintf(" (%s %s)", e.Kind, e.ID)
	}
	var f *fault.Error
	if !errors.As(e.Err, &f) {
		return where + ": " + e.Err.Error()
	}
	where += ": " + f.Message
	for _, field := range f.Fields {
		where += fmt.Sprintf("; %s: %s", field.Name, field.Message)
	}
	return where
}

// Limits of an import.
const (
	// MaxLine is the greatest length of a line in bytes; the largest entry of
	// the starting catalogue has a tenth of a megabyte.
	MaxLine = 4 << 20
	// maxLineErrors bounds the report of a file that is wrong throughout.
	maxLineErrors = 1000
	// importWorkers write at the same time, so that the store commits them
	// together.
	importWorkers = 16
	// importBatch is how many lines are read ahead.
	importBatch = 512
)

// outcome of one line.
type outcome int

const (
	lineUnchanged outcome = iota
	lineCreated
	lineUpdated
)

type importLine struct {
	number int
	kind   Kind
	id     string
	body   []byte
}

// Import publishes every entry of an NDJSON stream: one object a line, its
// "kind" beside its fields. Bad lines are reported, good ones go in; an entry
// must come after those it refers to. Importing again changes nothing. The
// error is about the stream or the store, not about lines.
func (c *Catalog) Import(ctx context.Context, r io.Reader, opts ImportOptions) (ImportReport, error) {
	if err := opts.By.validate(); err != nil {
		return ImportReport{}, err
	}
	im := importer{cat: c, opts: opts}
	br := bufio.NewReaderSize(r, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(br)
		if err == io.EOF {
			break
		}
		if errors.Is(err, errLongLine) {
			im.report.Lines++
			im.fail(importLine{number: number}, fault.New(fault.TooLarge, "longer than %d bytes", MaxLine))
			continue
		}
		if err != nil {
			return im.report, fmt.Errorf("catalog: read import: %w", err)
		}
		if err := im.add(ctx, number, line); err != nil {
			return im.report, err
		}
	}
	err := im.flush(ctx)
	slices.SortStableFunc(im.report.Errors, func(a, b LineError) int { return a.Line - b.Line })
	return im.report, err
}

var errLongLine = errors.New("line too long")

// readLine reads a line without its end; io.EOF after the last.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := br.ReadSlice('\n')
		if !long && len(line)+len(part) > MaxLine {
			long, line = true, nil
		}
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && err != io.EOF:
			return nil, err
		case long:
			return nil, errLongLine
		case err == io.EOF && len(line) == 0:
			return nil, io.EOF
		}
		return bytes.TrimSpace(line), nil
	}
}

// importer gathers lines of one kind, which do not refer to each other, and
// writes them side by side.
type importer struct {
	cat   *Catalog
	opts  ImportOptions
	batch []importLine

	mu     sync.Mutex
	report ImportReport
}

func (im *importer) add(ctx context.Context, number int, line []byte) error {
	if number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if len(line) == 0 {
		return nil
	}
	im.report.Lines++
	var head struct {
		Kind Kind   `json:"kind"`
		ID   string `json:"id"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		im.fail(importLine{number: number}, jsonFault(err))
		return nil
	}
	next := importLine{number, head.Kind, head.ID, line}
	if im.cat.keeper(head.Kind) == nil {
		im.fail(importLine{number: number}, &fault.Error{Kind: fault.Invalid, Message: "the line is not an entry of the catalogue",
			Fields: []fault.Field{{Name: "kind", Code: "enum", Message: fmt.Sprintf("unknown kind %q; use one of %v", clip(string(head.Kind)), Kinds)}}})
		return nil
	}
	same := func(l importLine) bool { return l.kind != next.kind || l.id == next.id }
	if len(im.batch) >= importBatch || slices.ContainsFunc(im.batch, same) {
		if err := im.flush(ctx); err != nil {
			return err
		}
	}
	im.batch = append(im.batch, next)
	return nil
}

func (im *importer) flush(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(importWorkers)
	for _, line := range im.batch {
		g.Go(func() error { return im.write(ctx, line) })
	}
	im.batch = im.batch[:0:0]
	err := g.Wait()
	if im.opts.Progress != nil {
		im.opts.Progress(im.report.Lines)
	}
	return err
}

// write stores one line. Faults of the line are reported; those of the store
// end the import.
func (im *importer) write(ctx context.Context, line importLine) error {
	done, id, err := im.cat.keeper(line.kind).importLine(ctx, line.body, im.opts)
	im.mu.Lock()
	defer im.mu.Unlock()
	switch {
	case err != nil:
		switch fault.KindOf(err) {
		case fault.Invalid, fault.NotFound, fault.Conflict, fault.TooLarge:
			line.id = id
			im.fail(line, err)
			return nil
		}
		return err
	case done == lineCreated:
		im.report.Created++
	case done == lineUpdated:
		im.report.Updated++
	default:
		im.report.Unchanged++
	}
	return nil
}

func (im *importer) fail(line importLine, err error) {
	im.report.Failed++
	if len(im.report.Errors) < maxLineErrors {
		im.report.Errors = append(im.report.Errors, LineError{Line: line.number, Kind: line.kind, ID: clip(line.id), Err: err})
	}
}

// importLine decodes and publishes one entry.
func (r *Repo[T]) importLine(ctx context.Context, line []byte, opts ImportOptions) (outcome, string, error) {
	v, err := Decode[T](line)
	if err != nil {
		return lineUnchanged, "", err
	}
	id := v.EntityID()
	exists := false
	if validID(id) {
		if exists, err = r.exists(ctx, id); err != nil {
			return lineUnchanged, id, err
		}
	}
	if exists && opts.SkipExisting {
		return lineUnchanged, id, nil
	}
	changed, err := r.Publish(ctx, v, opts.By)
	switch {
	case err != nil || !changed:
		return lineUnchanged, id, err
	case exists:
		return lineUpdated, id, nil
	}
	return lineCreated, id, nil
}

// Decode reads an entry strictly, its "kind" beside its fields or left out: a
// field that the type does not have is a mistake of the sender that would
// otherwise be lost without a word. It does not validate. Errors: Invalid.
func Decode[T Entity](line []byte) (T, error) {
	var v T
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return v, jsonFault(err)
	}
	delete(raw, "kind")
	body, err := json.Marshal(raw)
	if err != nil {
		return v, jsonFault(err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, jsonFault(err)
	}
	return v, nil
}

var unknownField = regexp.MustCompile(`unknown field "(.*)"`)

// jsonFault translates an error of the JSON decoder into one that names the
// field.
func jsonFault(err error) error {
	e := fault.Wrap(fault.Invalid, err, "this is not the JSON that is expected")
	var typeErr *json.UnmarshalTypeError
	var syntaxErr *json.SyntaxError
	if errors.As(err, &typeErr) {
		e.Fields = []fault.Field{{Name: typeErr.Field, Code: "type", Message: fmt.Sprintf("is a %s where %s is expected", typeErr.Value, jsonTypeName(typeErr.Type.Kind().String()))}}
	} else if errors.As(err, &syntaxErr) {
		e.Message = fmt.Sprintf("this is not JSON: at byte %d: %s", syntaxErr.Offset, syntaxErr.Error())
	} else if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		e.Fields = []fault.Field{{Name: clip(m[1]), Code: "unknown", Message: "no such field; see docs/import.md"}}
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		e.Message = "this is not JSON: it ends too early"
	}
	return e
}

// jsonTypeName says what JSON type a Go kind is read from.
func jsonTypeName(goKind string) string {
	switch goKind {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "struct", "map":
		return "an object"
	case "slice", "array":
		return "a list"
	}
	return "a number"
}

// Export writes every published entry of the kinds (all when none is named) as
// NDJSON that Import takes.
func (c *Catalog) Export(ctx context.Context, w io.Writer, kinds ...Kind) error {
	if len(kinds) == 0 {
		kinds = Kinds
	}
	bw := bufio.NewWriter(w)
	for _, kind := range kinds {
		k := c.keeper(kind)
		if k == nil {
			return fault.New(fault.Invalid, "unknown kind %q; use one of %v", clip(string(kind)), Kinds)
		}
		err := k.export(ctx, func(line []byte) error {
			_, err := bw.Write(append(line, '\n'))
			return err
		})
		if err != nil {
			return err
		}
	}
	return bw.Flush()
}

func (r *Repo[T]) export(ctx context.Context, emit func([]byte) error) error {
	return r.Each(ctx, func(v T) error {
		body, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("catalog: export %s: %w", r.kind, err)
		}
		head := fmt.Sprintf(`{"kind":%q,`, r.kind)
		return emit(append([]byte(head), body[1:]...))
	})
}
