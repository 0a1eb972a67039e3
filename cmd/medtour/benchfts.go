package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
)

// ftsBench is the same catalogue in SQLite's full-text index FTS5, to compare
// with: title and text indexed, the facets in a table beside it. The driver is
// the one that the embedded store brings.
type ftsBench struct{ db *sql.DB }

func openFTS(ctx context.Context, dir string, d *benchData) (*ftsBench, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "fts.db"))
	if err != nil {
		return nil, err
	}
	f := &ftsBench{db}
	if err := f.fill(ctx, d); err != nil {
		_ = db.Close()
		return nil, err
	}
	return f, nil
}

func (f *ftsBench) fill(ctx context.Context, d *benchData) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		`CREATE VIRTUAL TABLE docs USING fts5(title, text, tokenize = 'porter')`,
		`CREATE TABLE facets (doc INTEGER, facet TEXT, value TEXT, PRIMARY KEY (doc, facet, value)) WITHOUT ROWID`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	doc, err := tx.PrepareContext(ctx, `INSERT INTO docs (rowid, title, text) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = doc.Close() }()
	facet, err := tx.PrepareContext(ctx, `INSERT INTO facets VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = facet.Close() }()
	for i := range d.size {
		o := d.offering(i)
		if _, err := doc.ExecContext(ctx, i, o.title(), o.Summary["en"]); err != nil {
			return err
		}
		for name, value := range o.facets() {
			if _, err := facet.ExecContext(ctx, i, name, value); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// search reads the first page of hits and the counts of all facets, and
// returns the number of hits. The words are alternatives, as in Medtour's
// search.
func (f *ftsBench) search(ctx context.Context, words string) (hits int, err error) {
	match := `"` + strings.Join(strings.Fields(words), `" OR "`) + `"`
	var id, n int
	var title, facet, value string
	err = f.each(ctx, `SELECT rowid, title FROM docs WHERE docs MATCH ? ORDER BY rank LIMIT 20`, match, func() {}, &id, &title)
	if err != nil {
		return 0, err
	}
	// Every offering has one specialty.
	return hits, f.each(ctx, `SELECT facet, value, count(*) FROM docs JOIN facets ON doc = docs.rowid WHERE docs MATCH ? GROUP BY facet, value`, match, func() {
		if facet == "specialty" {
			hits += n
		}
	}, &facet, &value, &n)
}

// each reads all rows of a query.
func (f *ftsBench) each(ctx context.Context, query, match string, row func(), dest ...any) error {
	rows, err := f.db.QueryContext(ctx, query, match)
	if err != nil {
		return fmt.Errorf("fts5: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("fts5: %w", err)
		}
		row()
	}
	return rows.Err()
}
