package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// content reads a file whole.
func content(t testing.TB, files store.Files, name string) string {
	t.Helper()
	r, info, err := files.Open(t.Context(), name)
	want(t, err, ok)
	text, err := io.ReadAll(r)
	want(t, err, ok)
	want(t, r.Close(), ok)
	if sum := sha256.Sum256(text); info.SHA256 != hex.EncodeToString(sum[:]) || info.Size != int64(len(text)) {
		t.Fatalf("the file %q has %d bytes; its description is %+v", name, len(text), info)
	}
	return string(text)
}

// absent checks that a name holds nothing and can be taken.
func absent(t testing.TB, files store.Files, name string) {
	t.Helper()
	_, err := files.Stat(t.Context(), name)
	want(t, err, fault.NotFound)
	_, _, err = files.Open(t.Context(), name)
	want(t, err, fault.NotFound)
	want(t, files.Delete(t.Context(), name), fault.NotFound)
	_, err = files.Create(t.Context(), name, "", strings.NewReader("afterwards"), 0)
	want(t, err, ok)
	if text := content(t, files, name); text != "afterwards" {
		t.Fatalf("got %q", text)
	}
}

func testFiles(t *testing.T, engine store.Engine) {
	ctx, files := t.Context(), engine.Files()
	before := time.Now().Add(-time.Second)
	info, err := files.Create(ctx, "a/b", "text/plain; charset=utf-8", strings.NewReader("hello"), 5)
	want(t, err, ok)
	if info.Name != "a/b" || info.ContentType != "text/plain; charset=utf-8" || info.Size != 5 ||
		info.SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" ||
		info.Created.Before(before) || info.Created.After(time.Now()) {
		t.Fatalf("got %+v", info)
	}
	stat, err := files.Stat(ctx, "a/b")
	want(t, err, ok)
	_, opened, err := files.Open(ctx, "a/b")
	want(t, err, ok)
	if stat != info || opened != info {
		t.Fatalf("created %+v, found %+v and %+v", info, stat, opened)
	}
	if text := content(t, files, "a/b"); text != "hello" {
		t.Fatalf("got %q", text)
	}

	_, err = files.Create(ctx, "a/b", "", strings.NewReader("other"), 0)
	want(t, err, fault.Conflict)
	if text := content(t, files, "a/b"); text != "hello" {
		t.Fatalf("a refused file left %q", text)
	}
	want(t, files.Delete(ctx, "a/b"), ok)
	absent(t, files, "a/b")

	for _, name := range []string{"a", "A", "a/b/c", "..", "../../x", "/", "con", "nul.txt", "$x", "a.", "a ", "东方", "é", "e\u0301", strings.Repeat("东", store.MaxID/3)} {
		_, err := files.Create(ctx, name, "", strings.NewReader(name), 0)
		want(t, err, ok)
	}
	for _, name := range []string{"a", "A", "..", "é", "e\u0301", strings.Repeat("东", store.MaxID/3)} {
		if text := content(t, files, name); text != name {
			t.Fatalf("%q holds %q", name, text)
		}
	}
	for _, name := range []string{"", "a\x00b", "a\nb", "\xff", strings.Repeat("x", store.MaxID+1)} {
		_, err := files.Create(ctx, name, "", strings.NewReader(""), 0)
		want(t, err, fault.Invalid)
		_, err = files.Stat(ctx, name)
		want(t, err, fault.NotFound)
		want(t, files.Delete(ctx, name), fault.NotFound)
	}
	_, err = files.Create(ctx, "type", strings.Repeat("x", store.MaxContentType+1), strings.NewReader(""), 0)
	want(t, err, fault.Invalid)

	_, err = files.Create(ctx, "empty", "", strings.NewReader(""), 1)
	want(t, err, ok)
	if text := content(t, files, "empty"); text != "" {
		t.Fatalf("got %q", text)
	}
	for _, limit := range []int64{1, 4} {
		_, err = files.Create(ctx, "limited", "", strings.NewReader("hello"), limit)
		want(t, err, fault.TooLarge)
	}
	absent(t, files, "limited")
}

// testLargeFile streams a file that no single document or buffer holds.
func testLargeFile(t *testing.T, engine store.Engine) {
	ctx, files := t.Context(), engine.Files()
	const size = 4<<20 + 12345
	stream := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), size) }
	info, err := files.Create(ctx, "large", "application/octet-stream", iotest.HalfReader(stream()), size)
	want(t, err, ok)
	r, opened, err := files.Open(ctx, "large")
	want(t, err, ok)
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	want(t, err, ok)
	want(t, r.Close(), ok)
	if n != size || info.Size != size || opened != info || hex.EncodeToString(sum.Sum(nil)) != info.SHA256 {
		t.Fatalf("%d bytes read of %+v", n, info)
	}
	_, err = files.Create(ctx, "over", "", stream(), size-1)
	want(t, err, fault.TooLarge)
	absent(t, files, "over")
	want(t, files.Delete(ctx, "large"), ok)
	absent(t, files, "large")
}

func testFailingReader(t *testing.T, engine store.Engine) {
	files := engine.Files()
	failure := errors.New("the line went dead")
	for _, sent := range []int{0, 10, 3 << 20} {
		r := io.MultiReader(bytes.NewReader(make([]byte, sent)), iotest.ErrReader(failure))
		_, err := files.Create(t.Context(), "broken", "", r, 0)
		if !errors.Is(err, failure) {
			t.Fatalf("got %v", err)
		}
		_, err = files.Stat(t.Context(), "broken")
		want(t, err, fault.NotFound)
	}
	absent(t, files, "broken")
}

func testRacingFiles(t *testing.T, engine store.Engine) {
	ctx, files := t.Context(), engine.Files()
	const racers, size = 5, 1<<20 + 7
	var won atomic.Int64
	parallel(racers, func(i int) {
		body := bytes.Repeat([]byte{'a' + byte(i)}, size)
		_, err := files.Create(ctx, "prize", "", bytes.NewReader(body), 0)
		switch fault.KindOf(err) {
		case ok:
			won.Add(1)
		case fault.Conflict:
		default:
			t.Error(err)
		}
	})
	text := content(t, files, "prize")
	if won.Load() != 1 || len(text) != size || strings.Trim(text, text[:1]) != "" {
		t.Fatalf("%d won; the file has %d bytes", won.Load(), len(text))
	}
}

func testCanceledFiles(t *testing.T, engine store.Engine) {
	files := engine.Files()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := io.MultiReader(bytes.NewReader(make([]byte, 3<<20)), readerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	}))
	_, err := files.Create(ctx, "given up", "", body, 0)
	want(t, err, fault.Canceled)
	_, err = files.Create(ctx, "given up", "", strings.NewReader("x"), 0)
	want(t, err, fault.Canceled)
	_, _, err = files.Open(ctx, "given up")
	want(t, err, fault.Canceled)
	_, err = files.Stat(ctx, "given up")
	want(t, err, fault.Canceled)
	want(t, files.Delete(ctx, "given up"), fault.Canceled)
	absent(t, files, "given up")
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
