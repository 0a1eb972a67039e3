package account

import (
	"slices"
	"testing"

	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func TestEditing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, clock := open(t, engine)
		mei, li := Session{ID: "1", Email: "mei@example.org"}, Session{ID: "2", Email: "li@example.org"}
		phone := Session{ID: "3", Email: "li@example.org"}
		see := func(who Session, thing string, want ...string) {
			t.Helper()
			if got, err := a.Editing(t.Context(), thing, who); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s at %s sees %v, %v, want %v", who.Email, thing, got, err, want)
			}
		}
		see(mei, "offering/x")
		see(li, "offering/x", "mei@example.org")
		see(phone, "offering/x", "li@example.org", "mei@example.org")
		see(mei, "offering/x", "li@example.org")
		see(mei, "offering/y")
		for _, s := range []Session{li, phone, phone} {
			if err := a.StopEditing(t.Context(), "offering/x", s); err != nil {
				t.Fatal(err)
			}
		}
		see(mei, "offering/x")
		see(li, "offering/x", "mei@example.org")
		clock.pass(editingGone)
		see(li, "offering/x")
		clock.pass(2 * editingGone)
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := a.editors.Count(t.Context(), store.Query{}); err != nil || n != 0 {
			t.Errorf("%d are left, %v", n, err)
		}
	})
}
