package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Scope is what a key lets a program do.
type Scope string

// The scopes.
const (
	ReadListings  Scope = "listings:read"
	WriteListings Scope = "listings:write"
)

// Scopes lists the scopes.
var Scopes = []Scope{ReadListings, WriteListings}

// KeyDays are the lives of a key that can be chosen, in days.
var KeyDays = []int{30, 90, 365}

const (
	// keyPrefix tells people and scanners for leaked secrets what a key is.
	keyPrefix  = "mt_"
	maxKeyName = 80
	// maxKeys bounds the keys of an organisation that can be used.
	maxKeys = 50
	// keyKept is how long a key that ended is still listed.
	keyKept = 90 * 24 * time.Hour

	// keyCalls of one key, and calls of one client with wrong keys, per window.
	keyCalls   = 1200
	wrongKeys  = 120
	callWindow = time.Minute
)

// Key lets programs of an organisation call the API. It is stored under the
// hash of its secret, which is shown once.
type Key struct {
	// ID names the key in lists and in the audit trail; it proves nothing.
	ID           string    `json:"id"`
	Organisation string    `json:"organisation"`
	Name         string    `json:"name"`
	Scopes       []Scope   `json:"scopes"`
	By           string    `json:"by"`
	Created      time.Time `json:"created,omitzero"`
	Expires      time.Time `json:"expires,omitzero"`
	// Used is the last use, to within a few minutes.
	Used    time.Time `json:"used,omitzero"`
	Revoked bool      `json:"revoked,omitempty"`
}

// Usable reports whether the key opens anything at a time.
func (k Key) Usable(now time.Time) bool { return !k.Revoked && now.Before(k.Expires) }

// May reports whether the key has a scope.
func (k Key) May(scope Scope) bool { return slices.Contains(k.Scopes, scope) }

var keysDef = store.Def[Key]{Name: "account_keys", Indexes: []store.Index{{Name: "organisation"}, {Name: "key", Unique: true}, {Name: "expires"}},
	Keys: func(k Key) map[string]string {
		return map[string]string{"organisation": k.Organisation + "/" + store.TimeKey(k.Created), "key": k.ID, "expires": store.TimeKey(k.Expires.Add(keyKept))}
	}}

// NewKey makes a key of an organisation and returns its secret. Errors:
// Invalid, Conflict where the organisation has too many.
func (a *Accounts) NewKey(ctx context.Context, organisation, by, name string, scopes []Scope, days int) (k Key, secret string, err error) {
	name = strings.TrimSpace(name)
	var f fault.Fields
	if name == "" || clip(name, maxKeyName) != name {
		f.Add("name", "key_name", "give a name of at most %d letters", maxKeyName)
	}
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(s Scope) bool { return !slices.Contains(Scopes, s) }) {
		f.Add("scope", "key_scope", "choose at least one of %v", Scopes)
	}
	if !slices.Contains(KeyDays, days) {
		f.Add("days", "key_days", "choose one of %v days", KeyDays)
	}
	if err := f.Err("the key is not complete"); err != nil {
		return Key{}, "", err
	}
	keys, err := a.Keys(ctx, organisation)
	if err != nil {
		return Key{}, "", err
	}
	now, usable := a.now(), 0
	for _, k := range keys {
		if k.Usable(now) {
			usable++
		}
	}
	if usable >= maxKeys {
		return Key{}, "", fault.New(fault.Conflict, "There are %d keys already; revoke one that is not used.", maxKeys).WithCode("console.partner.too_many_keys")
	}
	secret = keyPrefix + newToken()
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	k = Key{ID: newKeyID(), Organisation: organisation, Name: name, Scopes: scopes, By: by, Created: now, Expires: now.AddDate(0, 0, days)}
	return k, secret, a.keys.Insert(ctx, hash(secret), k)
}

// newKeyID returns 64 random bits that name a key.
func newKeyID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Keys lists the keys of an organisation, the latest first, those that ended
// lately included.
func (a *Accounts) Keys(ctx context.Context, organisation string) ([]Key, error) {
	q := store.PrefixQuery(organisation + "/")
	q.Index, q.Descending = "organisation", true
	var out []Key
	err := a.keys.Each(ctx, q, func(rec store.Record[Key]) error {
		out = append(out, rec.Value)
		return nil
	})
	return out, err
}

// RevokeKey ends a key of an organisation at once. Errors: NotFound for one
// that is not the organisation's.
func (a *Accounts) RevokeKey(ctx context.Context, organisation, id string) (Key, error) {
	page, err := a.keys.Find(ctx, store.Query{Index: "key", Equal: id, Limit: 1})
	if err != nil && !fault.Is(err, fault.Invalid) {
		return Key{}, err
	}
	if id == "" || len(page.Items) == 0 || page.Items[0].Value.Organisation != organisation {
		return Key{}, fault.New(fault.NotFound, "There is no such key.").WithCode("console.partner.no_key")
	}
	rec, err := a.keys.Update(ctx, page.Items[0].ID, func(k *Key) error {
		k.Revoked = true
		return nil
	})
	return rec.Value, err
}

// Key returns the key of a secret and notes its use. client is where the call
// comes from. Errors: Unauthorized for a secret that is wrong, revoked or
// expired, TooMany.
func (a *Accounts) Key(ctx context.Context, secret, client string) (Key, error) {
	id, now := hash(secret), a.now()
	rec, err := a.keys.Get(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && !rec.Value.Usable(now) {
		return Key{}, a.wrongKey(ctx, rec.Value, client)
	}
	if err != nil {
		return Key{}, err
	}
	if ok, err := a.allow(ctx, "key", rec.Value.ID, keyCalls, callWindow); err != nil {
		return Key{}, err
	} else if !ok {
		return Key{}, fault.New(fault.TooMany, "this key makes more than %d calls a minute", keyCalls)
	}
	if now.Sub(rec.Value.Used) >= seenEvery {
		rec, err = a.keys.Update(ctx, id, func(k *Key) error {
			k.Used = now
			return nil
		})
	}
	return rec.Value, err
}

// wrongKey says what is wrong with a key: the zero Key is one that was not
// made here.
func (a *Accounts) wrongKey(ctx context.Context, k Key, client string) error {
	ok, err := a.allow(ctx, "wrong-key", client, wrongKeys, callWindow)
	switch {
	case err != nil:
		return err
	case !ok:
		return fault.New(fault.TooMany, "too many calls with wrong keys come from here; wait a minute")
	case k.Revoked:
		return fault.New(fault.Unauthorized, "this key has been revoked")
	case k.ID != "":
		return fault.New(fault.Unauthorized, "this key expired on %s", k.Expires.UTC().Format(time.DateOnly))
	}
	return fault.New(fault.Unauthorized, "this key is not known; send a key as Authorization: Bearer mt_…")
}
