package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/medtour/medtour/store"
)

// documents is a collection: a table "c_<name>" with one column "k_<index>"
// for each index, which is NULL where the document is not in the index.
// Prefixes keep the names clear of SQL's own words.
type documents struct {
	engine *Engine
	schema store.Schema
	table  string

	insert, replace, remove, removeAny, exists string
}

func newDocuments(e *Engine, schema store.Schema) *documents {
	d := &documents{engine: e, schema: schema, table: "c_" + schema.Name}
	var names, marks, sets strings.Builder
	for _, ix := range schema.Indexes {
		names.WriteString(", " + column(ix.Name))
		marks.WriteString(", ?")
		sets.WriteString(", " + column(ix.Name) + " = ?")
	}
	d.insert = "INSERT INTO " + d.table + " (id, version, body" + names.String() + ") VALUES (?, 1, ?" + marks.String() + ")"
	d.replace = "UPDATE " + d.table + " SET version = version + 1, body = ?" + sets.String() + " WHERE id = ? AND version = ?"
	d.remove = "DELETE FROM " + d.table + " WHERE id = ? AND version = ?"
	d.removeAny = "DELETE FROM " + d.table + " WHERE id = ?"
	d.exists = "SELECT 1 FROM " + d.table + " WHERE id = ?"
	return d
}

// nothing stands for the table where there is none: it has the columns that are
// asked for and no row.
func (d *documents) nothing() string {
	columns := "'' AS id, 0 AS version, x'' AS body"
	for _, ix := range d.schema.Indexes {
		columns += ", '' AS " + column(ix.Name)
	}
	return "(SELECT " + columns + " WHERE 0)"
}

func column(index string) string { return "k_" + index }

// indexName differs between unique and ordinary indexes, so that a change
// from one to the other makes the index anew.
func (d *documents) indexName(ix store.Index) string {
	if ix.Unique {
		return "u_" + d.schema.Name + "__" + ix.Name
	}
	return "i_" + d.schema.Name + "__" + ix.Name
}

// migrate brings the table to the schema.
func (d *documents) migrate(ctx context.Context, conn *sql.Conn) error {
	exec := func(query string) error {
		_, err := conn.ExecContext(ctx, query)
		return err
	}
	if err := exec("CREATE TABLE IF NOT EXISTS " + d.table + " (id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL, body BLOB NOT NULL)"); err != nil {
		return err
	}
	columns, err := names(ctx, conn, "SELECT name FROM pragma_table_info('"+d.table+"') WHERE name LIKE 'k\\_%' ESCAPE '\\'")
	if err != nil {
		return err
	}
	indexes, err := names(ctx, conn, "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = '"+d.table+"'")
	if err != nil {
		return err
	}
	wantColumns, wantIndexes := map[string]bool{}, map[string]bool{}
	for _, ix := range d.schema.Indexes {
		wantColumns[column(ix.Name)], wantIndexes[d.indexName(ix)] = true, true
	}
	for name := range indexes {
		if !wantIndexes[name] {
			if err := exec("DROP INDEX " + name); err != nil {
				return err
			}
		}
	}
	for name := range columns {
		if !wantColumns[name] {
			if err := exec("ALTER TABLE " + d.table + " DROP COLUMN " + name); err != nil {
				return err
			}
		}
	}
	fill := false
	for _, ix := range d.schema.Indexes {
		if columns[column(ix.Name)] {
			continue
		}
		fill = true
		if err := exec("ALTER TABLE " + d.table + " ADD COLUMN " + column(ix.Name) + " TEXT"); err != nil {
			return err
		}
	}
	if fill {
		if err := d.fill(ctx, conn); err != nil {
			return err
		}
	}
	for _, ix := range d.schema.Indexes {
		if indexes[d.indexName(ix)] {
			continue
		}
		if err := exec(d.createIndex(ix)); err != nil {
			return d.refusal(err)
		}
	}
	return nil
}

func (d *documents) createIndex(ix store.Index) string {
	create, columns := "CREATE INDEX ", column(ix.Name)+", id"
	if ix.Unique {
		create, columns = "CREATE UNIQUE INDEX ", column(ix.Name)
	}
	return create + d.indexName(ix) + " ON " + d.table + " (" + columns + ") WHERE " + column(ix.Name) + " IS NOT NULL"
}

// names returns the names that a query selects.
func names(ctx context.Context, conn *sql.Conn, query string) (map[string]bool, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		found[name] = true
	}
	return found, rows.Err()
}

// fill derives the index values of every document anew.
func (d *documents) fill(ctx context.Context, conn *sql.Conn) error {
	var sets []string
	for _, ix := range d.schema.Indexes {
		sets = append(sets, column(ix.Name)+" = ?")
	}
	update := "UPDATE " + d.table + " SET " + strings.Join(sets, ", ") + " WHERE id = ?"
	for last := ""; ; {
		var id string
		var body []byte
		err := conn.QueryRowContext(ctx, "SELECT id, body FROM "+d.table+" WHERE id > ? ORDER BY id LIMIT 1", last).Scan(&id, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		values, err := d.values(body)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, update, append(values, id)...); err != nil {
			return err
		}
		last = id
	}
}

// values returns the values of the index columns in the order of the schema.
func (d *documents) values(body []byte) ([]any, error) {
	derived, err := d.schema.Values(body)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(d.schema.Indexes))
	for i, ix := range d.schema.Indexes {
		if value := derived[ix.Name]; value != "" {
			values[i] = value
		}
	}
	return values, nil
}

// refusal turns a violated constraint into the fault that refuses one write;
// other errors stay as they are.
func (d *documents) refusal(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return store.Taken(d.schema.Name, "id")
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		for _, ix := range d.schema.Indexes {
			if strings.HasSuffix(e.Error(), d.table+"."+column(ix.Name)+" (2067)") {
				return store.Taken(d.schema.Name, ix.Name)
			}
		}
		return store.Taken(d.schema.Name, "value")
	}
	return err
}

func (d *documents) Get(ctx context.Context, id string) (store.Document, error) {
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return store.Document{}, err
	}
	defer leave()
	statement, err := d.engine.readStatement(ctx, "SELECT version, body FROM "+d.table+" WHERE id = ?")
	if err != nil {
		return store.Document{}, translate(err)
	}
	doc := store.Document{ID: id}
	err = statement.QueryRowContext(ctx, id).Scan(&doc.Version, &doc.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Document{}, store.Missing(d.schema.Name)
	}
	if err != nil {
		return store.Document{}, translate(err)
	}
	return doc, nil
}

func (d *documents) Insert(ctx context.Context, id string, body []byte) error {
	if err := store.CheckID(id); err != nil {
		return err
	}
	values, err := d.values(body)
	if err != nil {
		return err
	}
	args := append([]any{id, body}, values...)
	return d.engine.submit(ctx, len(body), func() error {
		return d.refusal(d.engine.exec(d.insert, args...))
	})
}

func (d *documents) Replace(ctx context.Context, id string, version int64, body []byte) error {
	values, err := d.values(body)
	if err != nil {
		return err
	}
	args := append(append([]any{body}, values...), id, version)
	return d.engine.submit(ctx, len(body), func() error {
		changed, err := d.engine.execCount(d.replace, args...)
		if err != nil {
			return d.refusal(err)
		}
		if changed == 0 {
			return d.lost(id)
		}
		return nil
	})
}

func (d *documents) Delete(ctx context.Context, id string, version int64) error {
	return d.engine.submit(ctx, 0, func() error {
		query, args := d.remove, []any{id, version}
		if version == 0 {
			query, args = d.removeAny, []any{id}
		}
		changed, err := d.engine.execCount(query, args...)
		if err == nil && changed == 0 {
			return d.lost(id)
		}
		return err
	})
}

// lost says why a write matched no document, inside its transaction.
func (d *documents) lost(id string) error {
	statement, err := d.engine.writeStatement(d.exists)
	if err != nil {
		return err
	}
	var one int
	err = statement.QueryRow(id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Missing(d.schema.Name)
	}
	if err != nil {
		return err
	}
	return store.Moved(d.schema.Name)
}

func (d *documents) Find(ctx context.Context, query store.Query) (store.Page, error) {
	query, after, err := d.schema.Resolve(query)
	if err != nil {
		return store.Page{}, err
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return store.Page{}, err
	}
	defer leave()
	page, err := d.page(ctx, query, after)
	if err != nil {
		return store.Page{}, translate(err)
	}
	return page, nil
}

// page reads one document more than the page holds, to know whether another
// page follows.
func (d *documents) page(ctx context.Context, query store.Query, after store.Position) (store.Page, error) {
	sqlText, args := d.selection(query, after)
	statement, err := d.engine.readStatement(ctx, sqlText)
	if err != nil {
		return store.Page{}, err
	}
	rows, err := statement.QueryContext(ctx, append(args, query.Limit+1)...)
	if err != nil {
		return store.Page{}, err
	}
	defer rows.Close()
	var page store.Page
	var last store.Position
	for size := 0; rows.Next(); {
		if len(page.Documents) == query.Limit || size > store.MaxPageBytes {
			page.Next = query.Cursor(last)
			break
		}
		var doc store.Document
		if err := rows.Scan(&doc.ID, &doc.Version, &doc.Body, &last.Value); err != nil {
			return store.Page{}, err
		}
		last.ID = doc.ID
		size += len(doc.Body)
		page.Documents = append(page.Documents, doc)
	}
	return page, rows.Err()
}

// selection returns the SQL of a page but for its limit, which is the last
// parameter.
func (d *documents) selection(query store.Query, after store.Position) (string, []any) {
	where, args := conditions(query)
	greater, order := " > ", " ASC"
	if query.Descending {
		greater, order = " < ", " DESC"
	}
	value, sorted := "''", "id"+order
	switch {
	case query.Index == "":
		if after.ID != "" {
			where, args = append(where, "id"+greater+"?"), append(args, after.ID)
		}
	default:
		value, sorted = column(query.Index), column(query.Index)+order+", id"+order
		if after.ID != "" {
			where = append(where, "("+value+", id)"+greater+"(?, ?)")
			args = append(args, after.Value, after.ID)
		}
	}
	return "SELECT id, version, body, " + value + " FROM " + d.table + clause(where) + " ORDER BY " + sorted + " LIMIT ?", args
}

// conditions returns what a query demands of a document, without its cursor.
func conditions(query store.Query) (where []string, args []any) {
	name := "id"
	if query.Index != "" {
		name = column(query.Index)
		where = append(where, name+" IS NOT NULL")
	}
	add := func(operator, value string) {
		if value != "" {
			where, args = append(where, name+operator+"?"), append(args, value)
		}
	}
	if query.Equal != "" {
		add(" = ", query.Equal)
		return where, args
	}
	add(" >= ", query.From)
	add(" < ", query.To)
	return where, args
}

func clause(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(where, " AND ")
}

func (d *documents) Count(ctx context.Context, query store.Query) (int64, error) {
	query.After = ""
	query, _, err := d.schema.Resolve(query)
	if err != nil {
		return 0, err
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	where, args := conditions(query)
	statement, err := d.engine.readStatement(ctx, "SELECT count(*) FROM "+d.table+clause(where))
	if err != nil {
		return 0, translate(err)
	}
	var n int64
	return n, translate(statement.QueryRowContext(ctx, args...).Scan(&n))
}
