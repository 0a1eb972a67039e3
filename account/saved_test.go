package account

import (
	"slices"
	"testing"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func TestSaved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
		s, err := OpenSaved(t.Context(), engine, func() time.Time { now = now.Add(time.Second); return now })
		if err != nil {
			t.Fatal(err)
		}
		ctx, me, other := t.Context(), "me@example.org", "other@example.org"
		for _, thing := range []string{"offering/a", "offering/b", "offering/a"} {
			if err := s.Keep(ctx, me, thing, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Keep(ctx, other, "offering/z", false); err != nil {
			t.Errorf("taking away what is not there: %v", err)
		}
		list, err := s.Favourites(ctx, me)
		if err != nil || len(list) != 2 || list[0].Thing != "offering/b" {
			t.Errorf("%v, %v", list, err)
		}
		if list, _ := s.Favourites(ctx, other); len(list) != 0 {
			t.Errorf("another has %v", list)
		}

		for range 2 {
			if err := s.SaveSearch(ctx, SavedSearch{Email: me, Query: "q=knee", Lang: "en", Known: []string{"a"}}); err != nil {
				t.Fatal(err)
			}
		}
		searches, err := s.Searches(ctx, me)
		if err != nil || len(searches) != 1 {
			t.Fatalf("%v, %v", searches, err)
		}
		if err := s.Told(ctx, searches[0].ID, []string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		if searches, _ = s.Searches(ctx, me); !slices.Equal(searches[0].Known, []string{"a", "b"}) {
			t.Errorf("known: %v", searches[0].Known)
		}
		if err := s.ForgetSearch(ctx, other, searches[0].ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("another forgets it: %v", err)
		}
		if err := s.ForgetSearch(ctx, me, searches[0].ID); err != nil {
			t.Fatal(err)
		}
		for i := range maxSearches + 1 {
			err = s.SaveSearch(ctx, SavedSearch{Email: me, Query: "q=" + string(rune('a'+i)), Lang: "en"})
		}
		if !fault.Is(err, fault.TooLarge) {
			t.Errorf("one too many: %v", err)
		}
	})
}
