// Package seed holds the starting catalogue and loads it: real hospitals,
// treatments and places, every fact with its source, and beside them a few
// organisations, packages and departures for demonstration, which say so
// themselves.
//
// Loading is idempotent and never undoes what people changed: an entry that
// exists is left as it is.
package seed

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/medtour/medtour/catalog"
)

//go:embed *.ndjson *.json
var files embed.FS

// order of the files: an entry refers only to entries of its own or an
// earlier file.
var order = []string{
	"insurers.ndjson", "treatments.ndjson", "hospitals.ndjson", "organisations.ndjson",
	"places.ndjson", "offerings.ndjson", "packages.ndjson", "departures.ndjson",
}

// author signs the revisions of the seed.
var author = catalog.Edit{Author: "seed", Reason: "starting catalogue"}

// Load publishes every entry of the starting catalogue that the catalogue
// does not have yet. Progress, which may be nil, is called now and then with
// the lines done and their total. The report counts all files together; lines
// that the catalogue refused stand in its Errors, with the line of their own
// file. The error is about the store.
func Load(ctx context.Context, c *catalog.Catalog, progress func(done, total int)) (catalog.ImportReport, error) {
	type file struct {
		name string
		body []byte
	}
	var present []file
	total := 0
	for _, name := range order {
		body, err := files.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return catalog.ImportReport{}, fmt.Errorf("seed: read %s: %w", name, err)
		}
		present = append(present, file{name, body})
		total += bytes.Count(body, []byte("\n"))
	}
	var sum catalog.ImportReport
	for _, f := range present {
		opts := catalog.ImportOptions{By: author, SkipExisting: true}
		if progress != nil {
			done := sum.Lines
			opts.Progress = func(lines int) { progress(done+lines, total) }
		}
		report, err := c.Import(ctx, bytes.NewReader(f.body), opts)
		sum = add(sum, report)
		if err != nil {
			return sum, fmt.Errorf("seed: load %s: %w", f.name, err)
		}
	}
	return sum, nil
}

func add(a, b catalog.ImportReport) catalog.ImportReport {
	a.Lines += b.Lines
	a.Created += b.Created
	a.Updated += b.Updated
	a.Unchanged += b.Unchanged
	a.Failed += b.Failed
	a.Errors = append(a.Errors, b.Errors...)
	return a
}

// Rates returns the exchange rates that the program starts with.
func Rates() (catalog.Rates, error) {
	var r catalog.Rates
	body, err := files.ReadFile("rates.json")
	if err != nil {
		return r, fmt.Errorf("seed: %w", err)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("seed: rates.json: %w", err)
	}
	return r, nil
}

// Document is a kind of paper that hospitals ask for before they answer a
// case; a Treatment names the ids.
type Document struct {
	ID   string       `json:"id"`
	Name catalog.Text `json:"name"`
}

// documents are read once, when the program starts: the file is part of the
// program, so a fault in it is one of the build, which the tests find.
var documents = func() []Document {
	var list []Document
	body, err := files.ReadFile("documents.json")
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		panic("seed: documents.json: " + err.Error())
	}
	return list
}()

// Documents returns the kinds of papers, in the order in which they are asked
// for. The list is shared; do not change it.
func Documents() []Document { return documents }
