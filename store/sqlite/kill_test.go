package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// killFolder names the folder that the process which is killed writes to.
const killFolder = "MEDTOUR_TEST_KILL_FOLDER"

// TestKilled starts this test binary as a process that writes documents and
// files and prints what is acknowledged, kills it in the middle, and looks at
// what it left: everything acknowledged is there and whole.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 5 {
		acknowledged := runAndKill(t, dir, round, 150+90*round)
		engine, c := openFolder(t, dir)
		checkDocuments(t, c, acknowledged)
		checkFiles(t, engine.Files(), round, acknowledged)
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
		var text string
		if err := raw(t, dir).QueryRow("PRAGMA integrity_check").Scan(&text); err != nil || text != "ok" {
			t.Fatal(text, err)
		}
	}
}

// runAndKill returns the lines that the process printed, at least so many.
func runAndKill(t *testing.T, dir string, round, lines int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$", "-test.v=false")
	cmd.Env = append(os.Environ(), killFolder+"="+dir, "MEDTOUR_TEST_KILL_ROUND="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			// A line without its end was not printed whole; what it says does
			// not count.
			break
		}
		acknowledged = append(acknowledged, strings.TrimSuffix(line, "\n"))
		if len(acknowledged) == 10 {
			refused(t, dir, fault.Unavailable)
		}
		if len(acknowledged) == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || len(acknowledged) < lines {
		t.Fatalf("the writer ended by itself after %d lines: %v", len(acknowledged), err)
	}
	return acknowledged
}

// checkDocuments looks for inserted ids and for the counter, which counts
// every acknowledged update.
func checkDocuments(t *testing.T, c *store.Collection[entry], acknowledged []string) {
	t.Helper()
	counted := 0
	for _, line := range acknowledged {
		verb, what, _ := strings.Cut(line, " ")
		switch verb {
		case "inserted":
			rec, err := c.Get(t.Context(), what)
			if err != nil || rec.Value.Text != "text of "+what {
				t.Fatalf("acknowledged %q is now %+v, %v", what, rec, err)
			}
		case "counted":
			n, err := strconv.Atoi(what)
			if err != nil {
				t.Fatal(err)
			}
			counted = max(counted, n)
		}
	}
	rec, err := c.Get(t.Context(), "counter")
	if err != nil || rec.Value.N < counted {
		t.Fatalf("the counter was acknowledged at %d and is %d, %v", counted, rec.Value.N, err)
	}
}

// checkFiles looks for acknowledged files, and that the one which was under
// way is whole or absent.
func checkFiles(t *testing.T, files store.Files, round int, acknowledged []string) {
	t.Helper()
	stored := map[string]bool{}
	for _, line := range acknowledged {
		if name, ok := strings.CutPrefix(line, "stored "); ok {
			stored[name] = true
		}
	}
	if len(stored) == 0 {
		t.Fatal("no file was stored")
	}
	for i := range len(stored) + 2 {
		name := fmt.Sprintf("%d/file/%d", round, i)
		r, _, err := files.Open(t.Context(), name)
		if fault.Is(err, fault.NotFound) && !stored[name] {
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		data, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(data, fileOf(name)) {
			t.Fatalf("%q has %d bytes, %v", name, len(data), err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func fileOf(name string) []byte { return bytes.Repeat([]byte(name+"\n"), 20_000) }

// TestKilledWriter is the process that TestKilled kills.
func TestKilledWriter(t *testing.T) {
	dir := os.Getenv(killFolder)
	if dir == "" {
		t.Skip("runs in a process of its own, started by TestKilled")
	}
	round, err := strconv.Atoi(os.Getenv("MEDTOUR_TEST_KILL_ROUND"))
	if err != nil {
		t.Fatal(err)
	}
	engine, c := openFolder(t, dir)
	ctx := context.Background()
	if err := c.Insert(ctx, "counter", entry{}); err != nil && !fault.Is(err, fault.Conflict) {
		t.Fatal(err)
	}
	failed := make(chan error)
	writer := func(step func(i int) (string, error)) {
		for i := 0; ; i++ {
			line, err := step(i)
			if err != nil {
				failed <- err
				return
			}
			// One write for one line, so that lines do not mix.
			if _, err := os.Stdout.WriteString(line + "\n"); err != nil {
				failed <- err
				return
			}
		}
	}
	for w := range 8 {
		go writer(func(i int) (string, error) {
			id := fmt.Sprintf("%d/%d/%d", round, w, i)
			return "inserted " + id, c.Insert(ctx, id, entry{Text: "text of " + id})
		})
	}
	for range 2 {
		go writer(func(int) (string, error) {
			rec, err := c.Update(ctx, "counter", func(e *entry) error { e.N++; return nil })
			return fmt.Sprint("counted ", rec.Value.N), err
		})
	}
	go writer(func(i int) (string, error) {
		name := fmt.Sprintf("%d/file/%d", round, i)
		_, err := engine.Files().Create(ctx, name, "text/plain", bytes.NewReader(fileOf(name)), 0)
		return "stored " + name, err
	})
	t.Fatal(<-failed)
}
