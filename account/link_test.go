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

func TestEditingTokens(t *testing.T) {
	links, err := NewLinks(bytes.Repeat([]byte("s"), MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	s := Session{ID: "1", Organisation: "agency"}
	token := links.EditingToken(s, "package/a.b")
	if thing, err := links.VerifyEditing(s, token); err != nil || thing != "package/a.b" {
		t.Fatalf("own token: %q, %v", thing, err)
	}
	for name, other := range map[string]Session{"session": {ID: "2", Organisation: "agency"}, "organisation": {ID: "1", Organisation: "hospital"}} {
		if _, err := links.VerifyEditing(other, token); !fault.Is(err, fault.NotFound) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for _, bad := range []string{"", ".", "package/a.b", strings.Replace(token, "a.b", "a.c", 1), links.Token("1")} {
		if _, err := links.VerifyEditing(s, bad); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", bad, err)
		}
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
