package account

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// Proof is how somebody has proved who they are in a session.
type Proof string

// The proofs. Only ProofEmail is not enough to act for an organisation.
const (
	ProofEmail Proof = "email"
	// ProofPasskey is a passkey that its device has verified the person for.
	ProofPasskey Proof = "passkey"
	// ProofCode is a link by e-mail and a code of an authenticator.
	ProofCode Proof = "code"
	// ProofDemo is one click in a demonstration, where nothing is at stake.
	ProofDemo Proof = "demo"
)

const (
	codePeriod = 30 * time.Second
	// codeSkew is how many periods a clock may be off, RFC 6238 5.2.
	codeSkew = 1
	// Wrong and right codes of one person per window: at 20 a day a guess of
	// six digits succeeds once in decades. Whoever tries has proved the e-mail
	// address, so nobody else can lock the owner out.
	codesPerWindow = 5
	codeWindow     = 15 * time.Minute
	codesPerDay    = 20
	recoveryCodes  = 10
	// pendingValid is how long a new authenticator may take to be confirmed.
	pendingValid = 30 * time.Minute
)

// factors are what a person can prove beside the e-mail address, stored under
// the hash of the address: one document, so that what is used up is used once.
type factors struct {
	Email string `json:"email"`
	// Handle is how devices know the person: 64 random bytes.
	Handle   []byte    `json:"handle"`
	Passkeys []Passkey `json:"passkeys,omitempty"`
	// Code is the secret of an authenticator, sealed; Pending one that is not
	// confirmed yet.
	Code         string    `json:"code,omitempty"`
	Pending      string    `json:"pending,omitempty"`
	PendingUntil time.Time `json:"pending_until,omitzero"`
	// Step is the period of the last code that was used: none is used twice.
	Step int64 `json:"step,omitempty"`
	// Recovery are hashes of codes that work once each.
	Recovery []string `json:"recovery,omitempty"`
}

// any reports whether the person can prove anything beside the address.
func (p factors) any() bool {
	return p.Code != "" || slices.ContainsFunc(p.Passkeys, func(k Passkey) bool { return !k.Cloned })
}

// changeable refuses a session that has proved the e-mail address alone where
// there is more to prove: else whoever reads the mail could replace it.
func (p factors) changeable(s Session) error {
	if p.any() && !s.Strong() {
		return fault.New(fault.Forbidden, "Prove with your passkey or code that it is you, then try again.").WithCode("signin.second_needed")
	}
	return nil
}

// SecondProofs are what a person has, for their own page.
type SecondProofs struct {
	Passkeys []Passkey
	Code     bool
	// RecoveryLeft is how many recovery codes were not used.
	RecoveryLeft int
}

// Any reports whether the person can prove anything beside the address.
func (p SecondProofs) Any() bool { return p.Code || len(p.Passkeys) > 0 }

// Factors keeps the second proofs of people: passkeys, and codes of an
// authenticator with recovery codes.
type Factors struct {
	accounts   *Accounts
	relying    *webauthn.WebAuthn
	seal       cipher.AEAD
	now        func() time.Time
	people     *store.Collection[factors]
	challenges *store.Collection[challenge]
}

// OpenFactors opens the second proofs. baseURL is the site's address, to which
// passkeys are bound; the secret encrypts those of authenticators.
func OpenFactors(ctx context.Context, engine store.Engine, accounts *Accounts, baseURL string, secret []byte) (*Factors, error) {
	f := &Factors{accounts: accounts, now: accounts.now}
	var err error
	if f.relying, err = passkeysAt(baseURL); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the site's address is not one that passkeys can be bound to")
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "authenticator secrets", 32)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	if f.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	if f.people, err = store.Open(ctx, engine, store.Def[factors]{Name: "account_factors", Indexes: []store.Index{{Name: "handle", Unique: true}},
		Keys: func(p factors) map[string]string { return map[string]string{"handle": hash(string(p.Handle))} }}); err != nil {
		return nil, err
	}
	f.challenges, err = store.Open(ctx, engine, store.Def[challenge]{Name: "account_challenges", Indexes: []store.Index{{Name: "expires"}},
		Keys: func(c challenge) map[string]string { return map[string]string{"expires": store.TimeKey(c.Expires)} }})
	return f, err
}

// Of returns what a person can prove.
func (f *Factors) Of(ctx context.Context, email string) (SecondProofs, error) {
	rec, err := f.people.Get(ctx, hash(email))
	if fault.Is(err, fault.NotFound) {
		return SecondProofs{}, nil
	}
	p := rec.Value
	return SecondProofs{Passkeys: p.Passkeys, Code: p.Code != "", RecoveryLeft: len(p.Recovery)}, err
}

// ofPerson returns the document of a session's person, making it where it is
// missing. Errors: Forbidden for a session that must first prove more.
func (f *Factors) ofPerson(ctx context.Context, s Session) (factors, error) {
	handle := make([]byte, 64)
	_, _ = rand.Read(handle) // never fails
	err := f.people.Insert(ctx, hash(s.Email), factors{Email: s.Email, Handle: handle})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return factors{}, err
	}
	rec, err := f.people.Get(ctx, hash(s.Email))
	if err != nil {
		return factors{}, err
	}
	return rec.Value, rec.Value.changeable(s)
}

// NewCode makes the secret of an authenticator for a person to scan. It counts
// once ConfirmCode has seen a code of it. Errors: Forbidden for a session that
// must first prove more.
func (f *Factors) NewCode(ctx context.Context, s Session) (*otp.Key, error) {
	if _, err := f.ofPerson(ctx, s); err != nil {
		return nil, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Medtour", AccountName: s.Email})
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	_, err = f.people.Update(ctx, hash(s.Email), func(p *factors) error {
		p.Pending, p.PendingUntil = f.sealed(s.Email, key.Secret()), f.now().Add(pendingValid)
		return p.changeable(s)
	})
	return key, err
}

// Pending returns the authenticator that waits to be confirmed. Errors: Gone.
func (f *Factors) Pending(ctx context.Context, s Session) (*otp.Key, error) {
	rec, err := f.people.Get(ctx, hash(s.Email))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	secret, err := f.pending(rec.Value)
	if err != nil {
		return nil, err
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	return totp.Generate(totp.GenerateOpts{Issuer: "Medtour", AccountName: s.Email, Secret: raw})
}

func (f *Factors) pending(p factors) (string, error) {
	if p.Pending == "" || !f.now().Before(p.PendingUntil) {
		return "", fault.New(fault.Gone, "Begin again: the code to scan has expired.").WithCode("code.expired")
	}
	return f.opened(p.Email, p.Pending)
}

// ConfirmCode takes an authenticator into use once a code shows that the person
// has it, and returns recovery codes, to be shown this once, and the new token
// of the session. Errors: Unauthorized for a wrong code, TooMany, Gone,
// Forbidden.
func (f *Factors) ConfirmCode(ctx context.Context, s Session, code string) (recovery []string, sessionToken string, err error) {
	if err := f.throttle(ctx, s.Email); err != nil {
		return nil, "", err
	}
	var hashes []string
	for range recoveryCodes {
		c := newRecoveryCode()
		recovery, hashes = append(recovery, c), append(hashes, hash(plainCode(c)))
	}
	_, err = f.people.Update(ctx, hash(s.Email), func(p *factors) error {
		if err := p.changeable(s); err != nil {
			return err
		}
		secret, err := f.pending(*p)
		if err != nil {
			return err
		}
		step, ok := f.step(secret, code, 0)
		if !ok {
			return errCode()
		}
		p.Code, p.Pending, p.PendingUntil, p.Step, p.Recovery = p.Pending, "", time.Time{}, step, hashes
		return nil
	})
	if err != nil {
		return nil, "", gonePerson(err)
	}
	sessionToken, err = f.accounts.Strengthen(ctx, s, ProofCode)
	return recovery, sessionToken, err
}

// UseCode checks a code of the authenticator, or a recovery code, each of which
// works once, and returns the new token of the session, which has proved it.
// Errors: Unauthorized for a wrong code, TooMany.
func (f *Factors) UseCode(ctx context.Context, s Session, code string) (sessionToken string, err error) {
	if err := f.throttle(ctx, s.Email); err != nil {
		return "", err
	}
	_, err = f.people.Update(ctx, hash(s.Email), func(p *factors) error {
		if p.Code == "" {
			return errCode()
		}
		if i := slices.Index(p.Recovery, hash(plainCode(code))); i >= 0 {
			p.Recovery = slices.Delete(p.Recovery, i, i+1)
			return nil
		}
		secret, err := f.opened(p.Email, p.Code)
		if err != nil {
			return err
		}
		step, ok := f.step(secret, code, p.Step)
		if !ok {
			return errCode()
		}
		p.Step = step
		return nil
	})
	if err != nil {
		return "", gonePerson(err)
	}
	return f.accounts.Strengthen(ctx, s, ProofCode)
}

// gonePerson takes a person without second proofs for a wrong code.
func gonePerson(err error) error {
	if fault.Is(err, fault.NotFound) {
		return errCode()
	}
	return err
}

// RemoveCode forgets the authenticator and its recovery codes. Errors:
// Forbidden for a session that must first prove more.
func (f *Factors) RemoveCode(ctx context.Context, s Session) error {
	_, err := f.people.Update(ctx, hash(s.Email), func(p *factors) error {
		if err := p.changeable(s); err != nil {
			return err
		}
		p.Code, p.Pending, p.Recovery = "", "", nil
		return nil
	})
	return gone(err)
}

func errCode() error {
	return fault.New(fault.Unauthorized, "This code is not right, or was used already. Wait for the next one.").WithCode("code.wrong")
}

func (f *Factors) throttle(ctx context.Context, email string) error {
	for _, w := range []struct {
		limit  int
		window time.Duration
	}{{codesPerWindow, codeWindow}, {codesPerDay, 24 * time.Hour}} {
		ok, err := f.accounts.allow(ctx, "code "+w.window.String(), email, w.limit, w.window)
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.TooMany, "Too many codes were tried. Wait a quarter of an hour, or use a passkey.").WithCode("code.too_many")
		}
	}
	return nil
}

// step returns the period to which a code belongs: one about now and after
// that of the last code that was used.
func (f *Factors) step(secret, code string, after int64) (int64, bool) {
	code = plainCode(code)
	current := f.now().Unix() / int64(codePeriod.Seconds())
	for step := max(current-codeSkew, after+1); step <= current+codeSkew; step++ {
		want, err := totp.GenerateCode(secret, time.Unix(step*int64(codePeriod.Seconds()), 0))
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, true
		}
	}
	return 0, false
}

// sealed encrypts a secret for a person; opened decrypts it.
func (f *Factors) sealed(email, secret string) string {
	return string(base32.StdEncoding.EncodeToString(f.seal.Seal(nil, nil, []byte(secret), []byte(email))))
}

func (f *Factors) opened(email, sealed string) (string, error) {
	raw, err := base32.StdEncoding.DecodeString(sealed)
	if err == nil {
		raw, err = f.seal.Open(nil, nil, raw, []byte(email))
	}
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the secret of an authenticator cannot be read; was the site's secret changed?")
	}
	return string(raw), nil
}

// newRecoveryCode returns 80 random bits in groups that are easy to copy.
func newRecoveryCode() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails
	s := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}

// plainCode takes out of a code what people put in to read it.
func plainCode(code string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -\u00a0\t", r) {
			return -1
		}
		return r
	}, code))
}

// Run removes what has expired until the context ends.
func (f *Factors) Run(ctx context.Context, report func(error)) { sweepOften(ctx, f.Sweep, report) }

// Sweep removes challenges that were never answered.
func (f *Factors) Sweep(ctx context.Context) error {
	return sweep(ctx, f.challenges, store.TimeKey(f.now()))
}
