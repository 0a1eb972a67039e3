package search

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ForgeFingerprint makes the index of a closed folder one of another version.
func ForgeFingerprint(t *testing.T, dir string) {
	t.Helper()
	name, err := os.ReadFile(filepath.Join(dir, currentFile))
	if err != nil {
		t.Fatal(err)
	}
	idx, err := openIndex(filepath.Join(dir, strings.TrimSpace(string(name))))
	if err != nil {
		t.Fatal(err)
	}
	if err := idx.SetInternal([]byte(internalPrint), []byte("0-0")); err != nil {
		t.Fatal(err)
	}
	if err := idx.Close(); err != nil {
		t.Fatal(err)
	}
}

// Countable is the text under which a query is counted.
var Countable = countable
