package account

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// hand is a clock that a test moves.
type hand struct{ at atomic.Int64 }

func newHand() *hand {
	h := &hand{}
	h.at.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return h
}
func (h *hand) now() time.Time       { return time.Unix(0, h.at.Load()).UTC() }
func (h *hand) pass(d time.Duration) { h.at.Add(int64(d)) }

func open(t *testing.T, engine store.Engine) (*Accounts, *hand) {
	t.Helper()
	h := newHand()
	a, err := OpenAccounts(t.Context(), engine, h.now)
	if err != nil {
		t.Fatal(err)
	}
	return a, h
}

// signIn signs a person in and returns the token of the session.
func signIn(t *testing.T, a *Accounts, email, device string) string {
	t.Helper()
	link, err := a.RequestLink(t.Context(), email, "192.0.2.1", "/account")
	if err != nil || link == "" {
		t.Fatalf("link %q, %v", link, err)
	}
	token, _, err := a.SignIn(t.Context(), link, device)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		ctx := t.Context()
		a, clock := open(t, engine)
		link, err := a.RequestLink(ctx, " Maria@Example.org ", "192.0.2.1", "/account")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if l, err := a.Link(ctx, link); err != nil || l.Email != "maria@example.org" || l.Return != "/account" {
				t.Fatalf("looking at a link: %+v, %v", l, err)
			}
		}
		first, _, err := a.SignIn(ctx, link, "Browser\n1")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.SignIn(ctx, link, ""); !fault.Is(err, fault.Gone) {
			t.Errorf("a used link: %v", err)
		}
		for _, forged := range []string{"", "x", link + "A", hash(link)} {
			if _, _, err := a.SignIn(ctx, forged, ""); !fault.Is(err, fault.NotFound) {
				t.Errorf("forged link %q: %v", forged, err)
			}
			if _, err := a.Session(ctx, forged); !fault.Is(err, fault.Unauthorized) {
				t.Errorf("forged session %q: %v", forged, err)
			}
		}
		late, err := a.RequestLink(ctx, "maria@example.org", "192.0.2.1", "")
		if err != nil {
			t.Fatal(err)
		}
		clock.pass(LinkValid)
		if _, _, err := a.SignIn(ctx, late, ""); !fault.Is(err, fault.Gone) {
			t.Errorf("an expired link: %v", err)
		}

		second := signIn(t, a, "maria@example.org", "Browser 2")
		other := signIn(t, a, "li@example.org", "Browser 3")
		list, err := a.Sessions(ctx, "maria@example.org")
		if err != nil || len(list) != 2 || list[0].Device != "Browser 2" || list[1].Device != "Browser 1" {
			t.Fatalf("sessions %+v, %v", list, err)
		}
		theirs, err := a.Session(ctx, other)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Revoke(ctx, "maria@example.org", theirs.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("ending somebody else's session: %v", err)
		}
		if err := a.Revoke(ctx, "maria@example.org", list[1].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Session(ctx, first); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("an ended session: %v", err)
		}
		if err := a.RevokeAll(ctx, "maria@example.org"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Session(ctx, second); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("a session after all were ended: %v", err)
		}
		if _, err := a.Session(ctx, other); err != nil {
			t.Errorf("somebody else's session was ended: %v", err)
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	a, clock := open(t, storetest.Open(t, storetest.SQLite(t)))
	ctx := t.Context()
	idle, used := signIn(t, a, "idle@example.org", ""), signIn(t, a, "used@example.org", "")
	for range 5 {
		clock.pass(SessionIdle - time.Hour)
		_, err := a.Session(ctx, used)
		if within := clock.now().Before(newHand().now().Add(SessionLimit)); within != (err == nil) {
			t.Errorf("a used session at %s: %v", clock.now(), err)
		}
	}
	if _, err := a.Session(ctx, idle); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a session that nobody used: %v", err)
	}
	if err := a.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	for name, count := range map[string]func(context.Context, store.Query) (int64, error){"links": a.links.Count, "sessions": a.sessions.Count, "counters": a.counters.Count} {
		if n, err := count(ctx, store.Query{}); err != nil || n != 0 {
			t.Errorf("%d %s are left, %v", n, name, err)
		}
	}
}

// Of many that use one link at the same time, one gets a session.
func TestOneLinkUsedAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, _ := open(t, engine)
		link, err := a.RequestLink(t.Context(), "maria@example.org", "192.0.2.1", "")
		if err != nil {
			t.Fatal(err)
		}
		var won atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, _, err := a.SignIn(t.Context(), link, "")
				switch {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Gone):
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := a.Sessions(t.Context(), "maria@example.org")
		if err != nil || won.Load() != 1 || len(list) != 1 {
			t.Errorf("%d sign-ins, %d sessions, %v", won.Load(), len(list), err)
		}
	})
}

func TestThrottle(t *testing.T) {
	a, clock := open(t, storetest.Open(t, storetest.SQLite(t)))
	ctx := t.Context()
	first, err := a.RequestLink(ctx, "maria@example.org", "192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < linksPerAddress; i++ {
		if token, err := a.RequestLink(ctx, "MARIA@example.org", "192.0.2.1", ""); err != nil || token == "" {
			t.Fatalf("request %d: %q, %v", i, token, err)
		}
	}
	if token, err := a.RequestLink(ctx, "maria@example.org", "192.0.2.9", ""); err != nil || token != "" {
		t.Errorf("over the limit of an address: %q, %v", token, err)
	}
	if _, _, err := a.SignIn(ctx, first, ""); err != nil {
		t.Errorf("the owner is locked out: %v", err)
	}
	clock.pass(addressWindow)
	if token, err := a.RequestLink(ctx, "maria@example.org", "192.0.2.9", ""); err != nil || token == "" {
		t.Errorf("after the window: %q, %v", token, err)
	}
	clock.pass(clientWindow)
	for i := range linksPerClient + 1 {
		_, err := a.RequestLink(ctx, strings.Repeat("a", i+1)+"@example.org", "192.0.2.2", "")
		if over := i == linksPerClient; over != fault.Is(err, fault.TooMany) || !over && err != nil {
			t.Errorf("request %d of a client: %v", i, err)
		}
	}
}

func FuzzNormalizeEmail(f *testing.F) {
	for _, s := range []string{"a@b.c", " A@B.C ", "a@b", "<a@b.c>", "a\r\nBcc: x@y.z@b.c", "\"a b\"@b.c", "名@例.中国", "K@b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		email, err := NormalizeEmail(s)
		if err != nil {
			return
		}
		if again, err := NormalizeEmail(email); err != nil || again != email {
			t.Errorf("%q became %q and then %q, %v", s, email, again, err)
		}
		if strings.ContainsAny(email, "\r\n\x00") || len(email) > maxEmail {
			t.Errorf("%q was taken for an address", email)
		}
	})
}
