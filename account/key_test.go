package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func TestKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, clock := open(t, engine)
		ctx := t.Context()
		newKey := func(organisation string) (Key, string) {
			t.Helper()
			k, secret, err := a.NewKey(ctx, organisation, "owner@example.org", " Hospital system ", []Scope{WriteListings, ReadListings, ReadListings}, 30)
			if err != nil {
				t.Fatal(err)
			}
			return k, secret
		}
		k, secret := newKey("agency")
		if k.Name != "Hospital system" || len(k.Scopes) != 2 || !strings.HasPrefix(secret, "mt_") || strings.Contains(secret, k.ID) {
			t.Errorf("the key is %+v", k)
		}
		got, err := a.Key(ctx, secret, "client")
		if err != nil || got.Organisation != "agency" || !got.May(WriteListings) || got.May("king") || got.Used.IsZero() {
			t.Errorf("calling: %+v, %v", got, err)
		}
		for _, wrong := range []string{"", "mt_", secret + "x", k.ID, hash(secret)} {
			if _, err := a.Key(ctx, wrong, "client"); !fault.Is(err, fault.Unauthorized) {
				t.Errorf("the wrong key %q: %v", wrong, err)
			}
		}
		if _, err := a.RevokeKey(ctx, "other", k.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("another organisation revokes: %v", err)
		}
		if _, err := a.RevokeKey(ctx, "agency", ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("revoking no key: %v", err)
		}
		if _, err := a.RevokeKey(ctx, "agency", k.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Key(ctx, secret, "client"); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("a revoked key: %v", err)
		}
		_, late := newKey("agency")
		newKey("agency-two")
		if keys, err := a.Keys(ctx, "agency"); err != nil || len(keys) != 2 {
			t.Errorf("the agency has %+v, %v", keys, err)
		}
		clock.pass(30 * 24 * time.Hour)
		if _, err := a.Key(ctx, late, "client"); !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("an expired key: %v", err)
		}
		clock.pass(keyKept + time.Second)
		if err := a.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if keys, err := a.Keys(ctx, "agency"); err != nil || len(keys) != 0 {
			t.Errorf("long afterwards there are %+v, %v", keys, err)
		}
	})
}

func TestKeyNeedsNameScopeAndEnd(t *testing.T) {
	a, _ := open(t, storetest.Open(t, storetest.SQLite(t)))
	_, _, err := a.NewKey(t.Context(), "agency", "", strings.Repeat("x", maxKeyName+1), []Scope{"king"}, 0)
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Fields) != 3 || f.Fields[0].Name != "name" || f.Fields[1].Name != "scope" || f.Fields[2].Name != "days" {
		t.Errorf("the faults are %v", err)
	}
}

// Wrong keys are counted by where they come from, calls by key.
func TestKeysAreThrottled(t *testing.T) {
	a, clock := open(t, storetest.Open(t, storetest.SQLite(t)))
	ctx := t.Context()
	_, secret, err := a.NewKey(ctx, "agency", "", "n", []Scope{ReadListings}, 30)
	if err != nil {
		t.Fatal(err)
	}
	for range wrongKeys {
		if _, err := a.Key(ctx, "mt_guess", "there"); !fault.Is(err, fault.Unauthorized) {
			t.Fatal(err)
		}
	}
	if _, err := a.Key(ctx, "mt_guess", "there"); !fault.Is(err, fault.TooMany) {
		t.Errorf("one guess more: %v", err)
	}
	for range keyCalls {
		if _, err := a.Key(ctx, secret, "there"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Key(ctx, secret, "there"); !fault.Is(err, fault.TooMany) {
		t.Errorf("one call more: %v", err)
	}
	clock.pass(callWindow)
	if _, err := a.Key(ctx, secret, "there"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
