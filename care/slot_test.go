package care_test

import (
	"testing"
	"time"

	"github.com/medtour/medtour/care"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func TestSlots(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		ctx, now := t.Context(), time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
		slots, err := care.OpenSlots(ctx, engine, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		slot := func(hours int) care.Slot {
			return care.Slot{HospitalID: "h", Expert: catalog.Text{"en": "glaucoma consultant"}, Start: now.Add(time.Duration(hours) * time.Hour), Minutes: 30, Language: "en"}
		}
		var ids []string
		for _, hours := range []int{48, 1, 24} {
			s, err := slots.Publish(ctx, slot(hours))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, s.ID)
		}
		foreign := slot(2)
		foreign.HospitalID = "h-2"
		if _, err := slots.Publish(ctx, foreign); err != nil {
			t.Fatal(err)
		}
		upcoming := func() (out []string) {
			t.Helper()
			list, err := slots.Upcoming(ctx, "h")
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range list {
				out = append(out, s.ID)
			}
			return out
		}
		if got := upcoming(); len(got) != 3 || got[0] != ids[1] || got[2] != ids[0] {
			t.Errorf("upcoming: %v of %v", got, ids)
		}
		if _, err := slots.Withdraw(ctx, "h-2", ids[2]); !fault.Is(err, fault.NotFound) {
			t.Errorf("another hospital withdraws it: %v", err)
		}
		if _, err := slots.Withdraw(ctx, "h", ids[2]); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Hour)
		if got := upcoming(); len(got) != 1 || got[0] != ids[0] {
			t.Errorf("after one was withdrawn and one began: %v", got)
		}
	})
}

func TestSlotRefused(t *testing.T) {
	now := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	good := care.Slot{HospitalID: "h", Expert: catalog.Text{"zh-Hans": "青光眼专科医生"}, Start: now.Add(time.Hour), Minutes: 30, Language: "en"}
	if err := good.Validate(now); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*care.Slot){
		"in the past":    func(s *care.Slot) { s.Start = now },
		"too far":        func(s *care.Slot) { s.Start = now.AddDate(1, 1, 0) },
		"too short":      func(s *care.Slot) { s.Minutes = 9 },
		"too long":       func(s *care.Slot) { s.Minutes = 241 },
		"nobody":         func(s *care.Slot) { s.Expert = nil },
		"without a word": func(s *care.Slot) { s.Language = "" },
	} {
		s := good
		change(&s)
		if err := s.Validate(now); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
