package catalog_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

const goodLines = `{"kind":"treatment","id":"icl","name":{"en":"ICL"},"specialty":"ophthalmology","service_type":"outpatient","booking_class":"on-acceptance","timeline":{"phases":[]}}
{"kind":"hospital","id":"demo","name":{"en":"Demo"},"ownership":"public"}

{"kind":"offering","id":"icl-at-demo","treatment_id":"icl","hospital_id":"demo"}
`

func imported(t *testing.T, c *catalog.Catalog, in string) catalog.ImportReport {
	t.Helper()
	report, err := c.Import(ctx, strings.NewReader(in), catalog.ImportOptions{By: by})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestImportAgainChangesNothing(t *testing.T) {
	c := sqliteCatalog(t)
	if r := imported(t, c, "\xef\xbb\xbf"+strings.ReplaceAll(goodLines, "\n", "\r\n")); r.Created != 3 || r.Failed != 0 || r.Lines != 3 {
		t.Fatalf("first: %+v", r)
	}
	seq := c.LastSeq()
	if r := imported(t, c, goodLines); r.Unchanged != 3 || r.Created+r.Updated+r.Failed != 0 {
		t.Fatalf("again: %+v", r)
	}
	if c.LastSeq() != seq {
		t.Errorf("importing the same again made %d changes", c.LastSeq()-seq)
	}
	if r := imported(t, c, strings.Replace(goodLines, `"en":"Demo"`, `"en":"Demo Hospital"`, 1)); r.Updated != 1 || r.Unchanged != 2 {
		t.Fatalf("one changed: %+v", r)
	}
}

func TestSkipExistingKeepsWhatPeopleChanged(t *testing.T) {
	c := sqliteCatalog(t)
	imported(t, c, goodLines)
	opts := catalog.ImportOptions{By: by, SkipExisting: true}
	r, err := c.Import(ctx, strings.NewReader(strings.Replace(goodLines, `"en":"Demo"`, `"en":"Seed"`, 1)), opts)
	if err != nil || r.Updated != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if h, _ := c.Hospitals.Get(ctx, "demo"); h.Name["en"] != "Demo" {
		t.Errorf("name is %q", h.Name["en"])
	}
}

// Bad lines are named with number and field, and the good ones around them go
// in.
func TestBadLines(t *testing.T) {
	for _, tt := range []struct{ name, line, field, says string }{
		{"not JSON", `{"kind":`, "", "not JSON"},
		{"an array", `[1]`, "", "JSON"},
		{"no kind", `{"id":"x"}`, "kind", "unknown kind"},
		{"unknown kind", `{"kind":"robot","id":"x"}`, "kind", "unknown kind"},
		{"unknown field", `{"kind":"hospital","id":"x","name":{"en":"X"},"ownership":"public","beds":3}`, "beds", "no such field"},
		{"wrong type", `{"kind":"hospital","id":"x","name":"X","ownership":"public"}`, "name", "expected"},
		{"bad id", `{"kind":"hospital","id":"X Y","name":{"en":"X"},"ownership":"public"}`, "id", "letters, digits"},
		{"missing name", `{"kind":"hospital","id":"x","ownership":"public"}`, "name", "give a text"},
		{"control character", `{"kind":"hospital","id":"x","name":{"en":"a\u0007"},"ownership":"public"}`, "name.en", "control"},
		{"no such hospital", `{"kind":"offering","id":"x","treatment_id":"icl","hospital_id":"gone"}`, "hospital_id", "there is no hospital"},
		{"claim without source", `{"kind":"hospital","id":"x","name":{"en":"X"},"ownership":"public","claims":[{"kind":"fact","text":{"en":"big"}}]}`, "claims[0].source.address", "source"},
		{"a negative price", `{"kind":"offering","id":"x","treatment_id":"icl","hospital_id":"demo","price":{"model":"fixed","min":{"amount":-1,"currency":"CNY"},"as_of":"2026-01-01","source":{"address":"https://example.org","grade":"hospital"}}}`, "price.min.amount", "between"},
		{"too long", `{"kind":"insurer","id":"x","name":"` + strings.Repeat("y", catalog.MaxLine) + `"}`, "", "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sqliteCatalog(t)
			r := imported(t, c, goodLines+tt.line+"\n"+`{"kind":"insurer","id":"after","name":"After"}`)
			if r.Failed != 1 || r.Created != 4 || len(r.Errors) != 1 {
				t.Fatalf("%+v", r)
			}
			e := r.Errors[0]
			if e.Line != 5 || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("line %d: %s", e.Line, e.Error())
			}
			var f *fault.Error
			if tt.field != "" && (!errors.As(e.Err, &f) || len(f.Fields) == 0 || f.Fields[0].Name != tt.field) {
				t.Errorf("field %q is not named: %s", tt.field, e.Error())
			}
		})
	}
}

// What is exported, imported elsewhere and exported there is the same.
func TestExportImportRoundTrip(t *testing.T) {
	c := sqliteCatalog(t)
	imported(t, c, goodLines)
	var first, second bytes.Buffer
	if err := c.Export(ctx, &first); err != nil {
		t.Fatal(err)
	}
	other := sqliteCatalog(t)
	if r := imported(t, other, first.String()); r.Failed != 0 || r.Created != 3 {
		t.Fatalf("%+v", r)
	}
	if err := other.Export(ctx, &second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() || first.Len() == 0 {
		t.Errorf("first:\n%s\nsecond:\n%s", &first, &second)
	}
	if err := c.Export(ctx, &second, "robot"); !fault.Is(err, fault.Invalid) {
		t.Errorf("unknown kind: %v", err)
	}
}

// Lines of one entry keep their order: the last one stands.
func TestLaterLinesWin(t *testing.T) {
	c := sqliteCatalog(t)
	var in strings.Builder
	for i := range 40 {
		fmt.Fprintf(&in, `{"kind":"insurer","id":"i-%d","name":"%d"}`+"\n", i%7, i)
	}
	if r := imported(t, c, in.String()); r.Failed != 0 {
		t.Fatalf("%+v", r.Errors)
	}
	for i := range 7 {
		v, err := c.Insurers.Get(ctx, fmt.Sprintf("i-%d", i))
		last := 35 + i
		if i > 4 {
			last -= 7
		}
		if err != nil || v.Name != fmt.Sprint(last) {
			t.Errorf("i-%d is %q, want %d: %v", i, v.Name, last, err)
		}
	}
}
