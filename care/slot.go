package care

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// SlotState is how far a slot is.
type SlotState string

// The states of a slot.
const (
	SlotOpen      SlotState = "open"
	SlotWithdrawn SlotState = "withdrawn"
)

// Slot is a time at which an expert of a hospital can look at a case with the
// patient. The expert is named by the role alone, "glaucoma consultant": who it
// is, the hospital says when the appointment is confirmed.
type Slot struct {
	ID         string       `json:"id"`
	HospitalID string       `json:"hospital_id"`
	Expert     catalog.Text `json:"expert"`
	Start      time.Time    `json:"start"`
	Minutes    int          `json:"minutes"`
	// Language of the talk, BCP 47.
	Language string    `json:"language"`
	State    SlotState `json:"state"`
	By       string    `json:"by"`
}

// Slots keeps the slots of hospitals.
type Slots struct {
	now   func() time.Time
	slots *store.Collection[Slot]
}

// Limits of a slot.
const (
	minSlotMinutes = 10
	maxSlotMinutes = 240
	// maxSlotAhead is how far ahead a slot may be: rosters are not known longer.
	maxSlotAhead = 365 * 24 * time.Hour
	maxExpert    = 200
)

// OpenSlots opens the slots of a store.
func OpenSlots(ctx context.Context, engine store.Engine, now func() time.Time) (*Slots, error) {
	slots, err := store.Open(ctx, engine, store.Def[Slot]{Name: "care_slots", Indexes: []store.Index{{Name: "hospital"}},
		Keys: func(s Slot) map[string]string {
			if s.State != SlotOpen {
				return nil
			}
			return map[string]string{"hospital": s.HospitalID + "/" + store.TimeKey(s.Start)}
		}})
	return &Slots{now: now, slots: slots}, err
}

// Validate checks a slot that is to be published at a time.
func (s Slot) Validate(now time.Time) error {
	var f fault.Fields
	if s.Expert["en"] == "" && s.Expert["zh-Hans"] == "" {
		f.Add("expert", "required", "name the expert's role in en or zh-Hans")
	}
	for lang, text := range s.Expert {
		if utf8.RuneCountInString(text) > maxExpert {
			f.Add("expert."+lang, "too_long", "at most %d characters", maxExpert)
		}
	}
	if !s.Start.After(now) || s.Start.After(now.Add(maxSlotAhead)) {
		f.Add("start", "range", "in the future, at most a year ahead")
	}
	if s.Minutes < minSlotMinutes || s.Minutes > maxSlotMinutes {
		f.Add("minutes", "range", "between %d and %d minutes", minSlotMinutes, maxSlotMinutes)
	}
	if s.Language == "" || len(s.Language) > 35 {
		f.Add("language", "required", "choose the language of the talk")
	}
	return f.Err("the slot is not complete")
}

// Publish adds an open slot under a new id. Errors: Invalid.
func (s *Slots) Publish(ctx context.Context, slot Slot) (Slot, error) {
	if err := slot.Validate(s.now()); err != nil {
		return slot, err
	}
	slot.ID, slot.State, slot.Start = strings.ToLower(rand.Text()), SlotOpen, slot.Start.UTC()
	return slot, s.slots.Insert(ctx, slot.ID, slot)
}

// Withdraw takes a slot of a hospital back. Errors: NotFound, also for one of
// another hospital.
func (s *Slots) Withdraw(ctx context.Context, hospitalID, id string) (Slot, error) {
	rec, err := s.slots.Update(ctx, id, func(slot *Slot) error {
		if slot.HospitalID != hospitalID {
			return fault.New(fault.NotFound, "There is no such slot.")
		}
		slot.State = SlotWithdrawn
		return nil
	})
	return rec.Value, err
}

// Upcoming returns the open slots of a hospital that have not begun, soonest
// first, at most store.MaxPage.
func (s *Slots) Upcoming(ctx context.Context, hospitalID string) ([]Slot, error) {
	q := store.PrefixQuery(hospitalID + "/")
	q.Index, q.From, q.Limit = "hospital", hospitalID+"/"+store.TimeKey(s.now()), store.MaxPage
	page, err := s.slots.Find(ctx, q)
	var out []Slot
	for _, rec := range page.Items {
		out = append(out, rec.Value)
	}
	return out, err
}
