package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

func openTest(t *testing.T) (*Engine, *documents) {
	t.Helper()
	e, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	d, err := e.Open(t.Context(), store.Schema{Name: "things"})
	if err != nil {
		t.Fatal(err)
	}
	return e, d.(*documents)
}

func count(t *testing.T, d *documents) int64 {
	t.Helper()
	n, err := d.Count(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDurable shows that a commit waits for the disk, which no test that
// leaves the machine running can see from outside.
func TestDurable(t *testing.T) {
	e, _ := openTest(t)
	e.writing.Lock()
	defer e.writing.Unlock()
	var synchronous int
	var journal string
	err := errors.Join(
		e.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous),
		e.conn.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&journal),
	)
	const full = 2
	if err != nil || synchronous != full || journal != "wal" {
		t.Fatal(synchronous, journal, err)
	}
}

func TestRefusalLeavesNeighbours(t *testing.T) {
	e, d := openTest(t)
	var batch []*request
	for i := range 40 {
		id := fmt.Sprint(i)
		if i%2 == 1 {
			id = "0"
		}
		batch = append(batch, &request{done: make(chan error, 1), apply: func() error {
			return d.refusal(e.exec(d.insert, id, []byte("{}")))
		}})
	}
	e.commit(batch)
	for i, r := range batch {
		if err := <-r.done; fault.Is(err, fault.Conflict) != (i%2 == 1) || i%2 == 0 && err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if n := count(t, d); n != 20 {
		t.Fatalf("%d documents", n)
	}
}

// TestFailureUndoesBatch shows that nobody is told of success in a batch that
// was rolled back.
func TestFailureUndoesBatch(t *testing.T) {
	e, d := openTest(t)
	insert := func(id string) func() error {
		return func() error { return d.refusal(e.exec(d.insert, id, []byte("{}"))) }
	}
	failure := errors.New("the disk is gone")
	var batch []*request
	for _, apply := range []func() error{insert("1"), func() error { return failure }, insert("2")} {
		batch = append(batch, &request{done: make(chan error, 1), apply: apply})
	}
	e.commit(batch)
	for _, r := range batch {
		if err := <-r.done; !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
	}
	if n := count(t, d); n != 0 {
		t.Fatalf("%d documents", n)
	}
	if err := d.Insert(t.Context(), "1", []byte("{}")); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk caps the database, which SQLite reports like a full disk: the
// batch fails as a whole, and the engine goes on when there is room again.
func TestFullDisk(t *testing.T) {
	e, d := openTest(t)
	pragma := func(pages int) {
		t.Helper()
		e.writing.Lock()
		defer e.writing.Unlock()
		if _, err := e.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	pragma(200)
	large := []byte(`{"a":"` + strings.Repeat("x", 2<<20) + `"}`)
	if err := d.Insert(t.Context(), "large", large); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v", err)
	}
	if err := d.Insert(t.Context(), "small", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	pragma(1 << 30)
	if err := d.Insert(t.Context(), "large", large); err != nil {
		t.Fatal(err)
	}
	if n := count(t, d); n != 2 {
		t.Fatalf("%d documents", n)
	}
}

// TestWithdrawn cancels a write that waits for the writer, which does not run
// yet: the write is not done.
func TestWithdrawn(t *testing.T) {
	e, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	docs, err := e.Open(t.Context(), store.Schema{Name: "things"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error, 1)
	go func() { outcome <- docs.Insert(ctx, "withdrawn", []byte("{}")) }()
	for len(e.queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-outcome; !fault.Is(err, fault.Canceled) {
		t.Fatalf("got %v", err)
	}
	go e.runWriter()
	if err := docs.Insert(t.Context(), "kept", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if n := count(t, docs.(*documents)); n != 1 {
		t.Fatalf("%d documents", n)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
