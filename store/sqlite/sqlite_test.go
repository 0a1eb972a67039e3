package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/sqlite"
	"github.com/medtour/medtour/store/storetest"
)

func TestConformance(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestLargePages(t *testing.T) { storetest.RunLargePages(t, storetest.SQLite) }

// entry is the document of these tests.
type entry struct {
	Text string `json:"text"`
	N    int    `json:"n"`
}

var entries = store.Def[entry]{
	Name:    "entries",
	Indexes: []store.Index{{Name: "text"}},
	Keys:    func(e entry) map[string]string { return map[string]string{"text": e.Text} },
}

func openFolder(t testing.TB, dir string) (*sqlite.Engine, *store.Collection[entry]) {
	t.Helper()
	engine, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	c, err := store.Open(context.Background(), engine, entries)
	if err != nil {
		t.Fatal(err)
	}
	return engine, c
}

func TestFolderNames(t *testing.T) {
	for _, name := range []string{"a b", "100%", "q?x=1", "h#1", "%20", "数据", "a&b=c", "deep/er/still"} {
		dir := filepath.Join(t.TempDir(), name)
		engine, c := openFolder(t, dir)
		if err := c.Insert(t.Context(), "1", entry{Text: name}); err != nil {
			t.Fatal(err)
		}
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "medtour.db")); err != nil {
			t.Error(err)
		}
	}
}

// refused opens a folder that must not open and returns why.
func refused(t *testing.T, dir string, kind fault.Kind) string {
	t.Helper()
	engine, err := sqlite.Open(dir)
	if err == nil {
		engine.Close()
		t.Fatalf("%s was opened", dir)
	}
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %q: %v", fault.KindOf(err), err)
	}
	return err.Error()
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	engine, _ := openFolder(t, dir)
	if text := refused(t, dir, fault.Unavailable); !strings.Contains(text, "in use by another process") {
		t.Fatal(text)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	openFolder(t, dir)
}

func TestUnusableFolders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, file, fault.Unavailable)
	refused(t, filepath.Join(file, "below"), fault.Unavailable)

	// A folder in the place of the database cannot be opened by anybody, not
	// even by root, whom permissions do not stop.
	blocked := t.TempDir()
	if err := os.Mkdir(filepath.Join(blocked, "medtour.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, blocked, fault.Unavailable)

	if os.Getuid() > 0 {
		closed := t.TempDir()
		if err := os.Chmod(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		refused(t, closed, fault.Unavailable)
	}
}

func TestDamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "medtour.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := refused(t, dir, fault.Internal); !strings.Contains(text, "backup") {
		t.Fatal(text)
	}
	// The refusal has not kept the folder.
	if err := os.Remove(filepath.Join(dir, "medtour.db")); err != nil {
		t.Fatal(err)
	}
	openFolder(t, dir)
}

func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "medtour.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestNewerLayout(t *testing.T) {
	dir := t.TempDir()
	engine, _ := openFolder(t, dir)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	db := raw(t, dir)
	if _, err := db.Exec("PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if text := refused(t, dir, fault.Invalid); !strings.Contains(text, "newer version") {
		t.Fatal(text)
	}
}

func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	engine, _ := openFolder(t, dir)
	files := engine.Files()
	for _, damage := range []func(data []byte) []byte{
		func(data []byte) []byte { return nil },
		func(data []byte) []byte { return data[:len(data)-1] },
		func(data []byte) []byte { return data[:4] },
		func(data []byte) []byte { return data[1:] },
		func(data []byte) []byte {
			binary.BigEndian.PutUint64(data[len(data)-16:], 1<<63)
			return data
		},
		func(data []byte) []byte {
			binary.BigEndian.PutUint64(data[len(data)-16:], 3)
			return data
		},
	} {
		if _, err := files.Create(t.Context(), "f", "", strings.NewReader("content"), 0); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(filepath.Join(dir, "files", "??", "*"))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		data, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(found[0], damage(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := files.Open(t.Context(), "f"); !fault.Is(err, fault.Internal) {
			t.Fatalf("got %v", err)
		}
		if err := files.Delete(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingLeftOver(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, "files", "new", "half")
	if err := os.MkdirAll(filepath.Dir(half), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(half, []byte("half a f"), 0o600); err != nil {
		t.Fatal(err)
	}
	engine, _ := openFolder(t, dir)
	if _, err := engine.Files().Create(t.Context(), "over", "", strings.NewReader("12345"), 4); !fault.Is(err, fault.TooLarge) {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "files", "*", "*"))
	if err != nil || len(found) != 0 {
		t.Fatal(found, err)
	}
}

func BenchmarkInsert(b *testing.B) {
	_, c := openFolder(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if err := c.Insert(b.Context(), fmt.Sprintf("%09d", i), sample(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInsertParallel has 64 callers per processor: commits are shared.
func BenchmarkInsertParallel(b *testing.B) {
	_, c := openFolder(b, b.TempDir())
	var n atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			if err := c.Insert(b.Context(), fmt.Sprintf("%09d", i), sample(i)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	_, c := filled(b)
	for i := 0; b.Loop(); i++ {
		if _, err := c.Get(b.Context(), fmt.Sprintf("%09d", i*7%samples)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	_, c := filled(b)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Get(b.Context(), fmt.Sprintf("%09d", int(n.Add(7))%samples)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	_, c := filled(b)
	for i := 0; b.Loop(); i++ {
		if _, err := c.Update(b.Context(), fmt.Sprintf("%09d", i*7%samples), func(e *entry) error { e.N++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFindPage(b *testing.B) {
	_, c := filled(b)
	for b.Loop() {
		page, err := c.Find(b.Context(), store.Query{Index: "text", Limit: 50})
		if err != nil || len(page.Items) != 50 {
			b.Fatal(err)
		}
	}
}

const samples = 10_000

func filled(b *testing.B) (*sqlite.Engine, *store.Collection[entry]) {
	engine, c := openFolder(b, b.TempDir())
	docs := make(chan int)
	done := make(chan error)
	const workers = 64
	for range workers {
		go func() {
			var failed error
			for i := range docs {
				if err := c.Insert(b.Context(), fmt.Sprintf("%09d", i), sample(i)); err != nil {
					failed = err
				}
			}
			done <- failed
		}()
	}
	for i := range samples {
		docs <- i
	}
	close(docs)
	for range workers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	return engine, c
}

func sample(i int) entry {
	return entry{N: i, Text: fmt.Sprintf("%05d %s", i*7919%100_003, strings.Repeat("text ", 60))}
}

// TestOthersMayRead reads a folder while it is in use.
func TestOthersMayRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := sqlite.OpenReadOnly(dir); !fault.Is(err, fault.NotFound) {
		t.Errorf("no folder: %v", err)
	}
	e, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	schema := store.Schema{Name: "things", Indexes: []store.Index{{Name: "kind"}}, Keys: func([]byte) (map[string]string, error) { return map[string]string{"kind": "a"}, nil }}
	things, err := e.Open(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := r.Open(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := things.Insert(t.Context(), "one", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if d, err := seen.Get(t.Context(), "one"); err != nil || string(d.Body) != "{}" {
		t.Errorf("read %v, %v", d, err)
	}
	if err := seen.Insert(t.Context(), "two", []byte("{}")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("write: %v", err)
	}
	if err := r.Files().Delete(t.Context(), "x"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("delete a file: %v", err)
	}
	schema.Name = "nothing"
	empty, err := r.Open(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []store.Query{{}, {Index: "kind", Equal: "a"}} {
		if page, err := empty.Find(t.Context(), query); err != nil || len(page.Documents) != 0 {
			t.Errorf("nothing made: %v, %v", page, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := things.Insert(t.Context(), "two", []byte("{}")); err != nil {
		t.Errorf("after the reader is gone: %v", err)
	}
}
