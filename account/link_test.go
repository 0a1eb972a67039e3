package account

import (
	"bytes"
	"strings"
	"testing"

	"github.com/medtour/medtour/fault"
)

func TestLinks(t *testing.T) {
	links, err := NewLinks(bytes.Repeat([]byte("s"), MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	token := links.Token("abc")
	if id, err := links.Verify(token); err != nil || id != "abc" {
		t.Fatalf("own token: %q, %v", id, err)
	}
	other, err := NewLinks(bytes.Repeat([]byte("t"), MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "no signature": "abc", "empty signature": "abc.", "other booking": strings.Replace(token, "abc", "abd", 1),
		"other secret": other.Token("abc"), "cut": token[:len(token)-1], "longer": token + "A", "padded": token + "=",
	} {
		if _, err := links.Verify(bad); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewLinks([]byte("short")); !fault.Is(err, fault.Invalid) {
		t.Errorf("short secret: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	links, err := NewLinks(bytes.Repeat([]byte("s"), MinSecret))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(links.Token("abc"))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := links.Verify(token); err == nil && links.Token(id) != token {
			t.Errorf("%q was taken for %q", token, id)
		}
	})
}
