package account

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func openFactors(t *testing.T, engine store.Engine) (*Factors, *Accounts, *hand) {
	t.Helper()
	a, clock := open(t, engine)
	f, err := OpenFactors(t.Context(), engine, a, "http://localhost:8080", bytes.Repeat([]byte("s"), MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	return f, a, clock
}

// sessionOf returns the session of a token.
func sessionOf(t *testing.T, a *Accounts, token string) Session {
	t.Helper()
	s, err := a.Session(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		f, a, clock := openFactors(t, engine)
		ctx := t.Context()
		first := signIn(t, a, "li@example.org", "")
		weak := sessionOf(t, a, first)
		key, err := f.NewCode(ctx, weak)
		if err != nil {
			t.Fatal(err)
		}
		code := func() string {
			c, err := totp.GenerateCode(key.Secret(), clock.now())
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if again, err := f.Pending(ctx, weak); err != nil || again.Secret() != key.Secret() {
			t.Errorf("the authenticator to confirm: %v", err)
		}
		if rec, err := f.people.Get(ctx, hash("li@example.org")); err != nil || strings.Contains(rec.Value.Pending, key.Secret()) {
			t.Errorf("the secret is stored as it is, %v", err)
		}
		if _, _, err := f.ConfirmCode(ctx, weak, "000000"); codeOf(err) != "code.wrong" {
			t.Errorf("a wrong code: %v", err)
		}
		recovery, strong, err := f.ConfirmCode(ctx, weak, " "+code()[:3]+" "+code()[3:])
		if err != nil || len(recovery) != recoveryCodes {
			t.Fatalf("confirming: %v, %v", recovery, err)
		}
		if s := sessionOf(t, a, strong); !s.Strong() || strong == first {
			t.Errorf("the session is %+v", s)
		}
		if _, err := a.Session(ctx, first); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("the weak session goes on: %v", err)
		}

		weak = sessionOf(t, a, signIn(t, a, "li@example.org", ""))
		if weak.Strong() {
			t.Error("a link alone is strong")
		}
		if _, err := f.UseCode(ctx, weak, code()); codeOf(err) != "code.wrong" {
			t.Errorf("a code that was used: %v", err)
		}
		for name, err := range map[string]error{
			"new code":    second(f.NewCode(ctx, weak)),
			"new passkey": second(f.AskForNewPasskey(ctx, weak)),
			"remove code": f.RemoveCode(ctx, weak),
		} {
			if !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s with the link alone: %v", name, err)
			}
		}
		clock.pass(codePeriod)
		token, err := f.UseCode(ctx, weak, code())
		if err != nil || !sessionOf(t, a, token).Strong() {
			t.Errorf("the next code: %v", err)
		}
		clock.pass(codeWindow)
		weak = sessionOf(t, a, signIn(t, a, "li@example.org", ""))
		if token, err = f.UseCode(ctx, weak, strings.ToUpper(recovery[3])); err != nil {
			t.Errorf("a recovery code: %v", err)
		}
		weak = sessionOf(t, a, signIn(t, a, "li@example.org", ""))
		if _, err := f.UseCode(ctx, weak, recovery[3]); codeOf(err) != "code.wrong" {
			t.Errorf("a used recovery code: %v", err)
		}
		if p, err := f.Of(ctx, "li@example.org"); err != nil || !p.Any() || p.RecoveryLeft != recoveryCodes-1 {
			t.Errorf("left: %+v, %v", p, err)
		}
		if err := f.RemoveCode(ctx, sessionOf(t, a, token)); err != nil {
			t.Fatal(err)
		}
		if p, err := f.Of(ctx, "li@example.org"); err != nil || p.Any() {
			t.Errorf("after removing: %+v, %v", p, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// Of many that use one code at the same time, one is strengthened.
func TestOneCodeUsedAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		f, a, clock := openFactors(t, engine)
		s := sessionOf(t, a, signIn(t, a, "li@example.org", ""))
		key, err := f.NewCode(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		code, _ := totp.GenerateCode(key.Secret(), clock.now())
		if _, _, err := f.ConfirmCode(t.Context(), s, code); err != nil {
			t.Fatal(err)
		}
		clock.pass(codeWindow)
		code, _ = totp.GenerateCode(key.Secret(), clock.now())
		s = sessionOf(t, a, signIn(t, a, "li@example.org", ""))
		var won atomic.Int32
		var all sync.WaitGroup
		for range codesPerWindow {
			all.Go(func() {
				if _, err := f.UseCode(t.Context(), s, code); err == nil {
					won.Add(1)
				} else if codeOf(err) != "code.wrong" {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d used one code", won.Load())
		}
	})
}

func TestCodesThrottled(t *testing.T) {
	f, a, clock := openFactors(t, storetest.Open(t, storetest.SQLite(t)))
	s := sessionOf(t, a, signIn(t, a, "li@example.org", ""))
	if _, err := f.UseCode(t.Context(), s, "123456"); codeOf(err) != "code.wrong" {
		t.Errorf("who has no authenticator: %v", err)
	}
	var tried int
	for day := clock.now().Truncate(24 * time.Hour).Add(24 * time.Hour); clock.now().Before(day); clock.pass(codeWindow) {
		for range codesPerWindow + 1 {
			if _, err := f.UseCode(t.Context(), s, "123456"); codeOf(err) == "code.wrong" {
				tried++
			}
		}
	}
	if tried >= codesPerDay || tried < codesPerWindow {
		t.Errorf("%d more codes were tried in a day, want %d in all", tried, codesPerDay)
	}
}

// An authenticator of a person cannot be moved to another in the store.
func TestCodesAreSealedForTheirPerson(t *testing.T) {
	f, _, _ := openFactors(t, storetest.Open(t, storetest.SQLite(t)))
	sealed := f.sealed("li@example.org", "secret")
	if got, err := f.opened("li@example.org", sealed); err != nil || got != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := f.opened("mei@example.org", sealed); err == nil {
		t.Error("somebody else's secret opens")
	}
}

func TestPasskeysNeedAName(t *testing.T) {
	for address, want := range map[string]bool{"http://localhost:8080": true, "https://medtour.example": true, "http://127.0.0.1:8080": false, "http://[::1]:80": false} {
		relying, err := passkeysAt(address)
		if err != nil || (relying != nil) != want {
			t.Errorf("%s: %v, %v", address, relying != nil, err)
		}
	}
}

func TestPasskeyAnswersRefused(t *testing.T) {
	f, a, clock := openFactors(t, storetest.Open(t, storetest.SQLite(t)))
	ctx := t.Context()
	s := sessionOf(t, a, signIn(t, a, "li@example.org", ""))
	asked, err := f.AskForPasskey(ctx, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "x", asked.Token, asked.Token} {
		if _, err := f.SignInByPasskey(ctx, token, []byte(`{}`), ""); codeOf(err) != "passkey.refused" {
			t.Errorf("an empty answer to %q: %v", token, err)
		}
	}
	added, err := f.AskForNewPasskey(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.SignInByPasskey(ctx, added.Token, []byte(`{}`), ""); codeOf(err) != "passkey.refused" {
		t.Errorf("a question of registration used to sign in: %v", err)
	}
	if _, err := f.AddPasskey(ctx, s, added.Token, "", []byte(`{}`)); codeOf(err) != "passkey.refused" {
		t.Errorf("a question asked twice: %v", err)
	}
	if _, err := f.AskForPasskey(ctx, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	clock.pass(challengeValid + time.Second)
	if err := f.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := f.challenges.Count(ctx, store.Query{}); err != nil || n != 0 {
		t.Errorf("%d challenges are left, %v", n, err)
	}
	for range challengesPerClient {
		_, err = f.AskForPasskey(ctx, "192.0.2.1")
	}
	if !fault.Is(err, fault.TooMany) {
		t.Errorf("over the limit of a client: %v", err)
	}
}

// Sessions that act for an organisation end sooner.
func TestPartnerSessionsEnd(t *testing.T) {
	a, clock := open(t, storetest.Open(t, storetest.SQLite(t)))
	agency(t, a)
	var tokens []string
	for _, email := range []string{"owner@example.org", "patient@example.org"} {
		tokens = append(tokens, signIn(t, a, email, ""))
	}
	clock.pass(partnerIdle)
	var left []bool
	for _, token := range tokens {
		_, err := a.Session(t.Context(), token)
		left = append(left, err == nil)
	}
	if !slices.Equal(left, []bool{false, true}) {
		t.Errorf("after %s idle: %v", partnerIdle, left)
	}
	used := signIn(t, a, "owner@example.org", "")
	for passed := time.Duration(0); passed < partnerLimit+partnerIdle; passed += partnerIdle / 2 {
		if _, err := a.Session(t.Context(), used); (err == nil) != (passed < partnerLimit) {
			t.Errorf("used for %s: %v", passed, err)
		}
		clock.pass(partnerIdle / 2)
	}
}
