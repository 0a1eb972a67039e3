package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// LinkValid is how long a sign-in link may be used.
	LinkValid = 20 * time.Minute
	// SessionIdle ends a session that nobody has used for so long.
	SessionIdle = 14 * 24 * time.Hour
	// SessionLimit ends a session however much it is used.
	SessionLimit = 60 * 24 * time.Hour
	// The same for a session that acts for an organisation.
	partnerIdle  = 12 * time.Hour
	partnerLimit = 7 * 24 * time.Hour

	// seenEvery is how exactly the last use of a session is kept: not every
	// page view is worth a write.
	seenEvery = 5 * time.Minute
	// maxEmail is the greatest length of an address (RFC 5321).
	maxEmail  = 254
	maxDevice = 200

	// Links to one address per window. Those already sent stay valid, so that
	// whoever asks in another's name does not lock the owner out.
	linksPerAddress = 5
	addressWindow   = 15 * time.Minute
	// Requests of one client per window: a family or a clinic behind one
	// address is below it.
	linksPerClient = 30
	clientWindow   = time.Hour

	sweepEvery = time.Hour
)

// PurposeSignIn is what a link opens: it must be redeemed for what it was made
// for.
const PurposeSignIn = "sign-in"

// Person is somebody who has proved an e-mail address.
type Person struct {
	Email   string    `json:"email"`
	Created time.Time `json:"created,omitzero"`
	// SignedIn is the last time.
	SignedIn time.Time `json:"signed_in,omitzero"`
}

// SignInLink is a link that proves an address, stored under the hash of its
// token.
type SignInLink struct {
	Purpose string `json:"purpose"`
	Email   string `json:"email"`
	// Return is the path to go on to, as the caller gave it.
	Return  string    `json:"return,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Used    bool      `json:"used,omitempty"`
}

// Session is a device on which somebody is signed in, stored under the hash of
// its token, which is also its id in lists.
type Session struct {
	ID    string `json:"-"`
	Email string `json:"email"`
	// Organisation for which the person acts, empty for a patient.
	Organisation string `json:"organisation,omitempty"`
	// Proof is how the person has proved who they are.
	Proof Proof `json:"proof,omitempty"`
	// Device is the browser's own description of itself.
	Device  string    `json:"device,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Seen is the last use, to within a few minutes.
	Seen time.Time `json:"seen,omitzero"`
}

// ends is when a session ends if it is not used again.
func (s Session) ends() time.Time {
	idle, limit := s.Seen.Add(SessionIdle), s.Created.Add(SessionLimit)
	if s.Organisation != "" {
		idle, limit = s.Seen.Add(partnerIdle), s.Created.Add(partnerLimit)
	}
	if idle.Before(limit) {
		return idle
	}
	return limit
}

// Strong reports whether the session may act for an organisation: it has
// proved more than an e-mail address.
func (s Session) Strong() bool {
	return s.Proof == ProofPasskey || s.Proof == ProofCode || s.Proof == ProofDemo
}

// counter counts acts within a window.
type counter struct {
	N       int       `json:"n"`
	Expires time.Time `json:"expires,omitzero"`
}

// Accounts signs people in. It is safe for concurrent use, by several
// processes on one store.
type Accounts struct {
	now      func() time.Time
	people   *store.Collection[Person]
	links    *store.Collection[SignInLink]
	sessions *store.Collection[Session]
	counters *store.Collection[counter]
	teams    *store.Collection[team]
	belongs  *store.Collection[belongs]

	onboarding *store.Collection[onboarding]
	editors    *store.Collection[editing]
	// invitations are mail that may make somebody a member.
	invitations *store.Collection[Invitation]
	keys        *store.Collection[Key]
}

// OpenAccounts opens the collections of accounts.
func OpenAccounts(ctx context.Context, engine store.Engine, now func() time.Time) (*Accounts, error) {
	a := &Accounts{now: now}
	expires := []store.Index{{Name: "expires"}}
	var err error
	if a.people, err = store.Open(ctx, engine, store.Def[Person]{Name: "account_people"}); err != nil {
		return nil, err
	}
	if a.links, err = store.Open(ctx, engine, store.Def[SignInLink]{Name: "account_links", Indexes: expires,
		Keys: func(l SignInLink) map[string]string { return map[string]string{"expires": store.TimeKey(l.Expires)} }}); err != nil {
		return nil, err
	}
	if a.sessions, err = store.Open(ctx, engine, store.Def[Session]{Name: "account_sessions", Indexes: append(expires, store.Index{Name: "email"}),
		Keys: func(s Session) map[string]string {
			return map[string]string{"expires": store.TimeKey(s.ends()), "email": s.Email + "/" + store.TimeKey(s.Created)}
		}}); err != nil {
		return nil, err
	}
	if a.teams, err = store.Open(ctx, engine, store.Def[team]{Name: "account_teams"}); err != nil {
		return nil, err
	}
	if a.belongs, err = store.Open(ctx, engine, store.Def[belongs]{Name: "account_belongs"}); err != nil {
		return nil, err
	}
	if a.invitations, err = openInvitations(ctx, engine); err != nil {
		return nil, err
	}
	if a.editors, err = store.Open(ctx, engine, store.Def[editing]{Name: "account_editors", Indexes: expires,
		Keys: func(e editing) map[string]string { return map[string]string{"expires": store.TimeKey(e.Expires)} }}); err != nil {
		return nil, err
	}
	if a.keys, err = store.Open(ctx, engine, keysDef); err != nil {
		return nil, err
	}
	if a.onboarding, err = store.Open(ctx, engine, onboardingDef); err != nil {
		return nil, err
	}
	a.counters, err = store.Open(ctx, engine, store.Def[counter]{Name: "account_counters", Indexes: expires,
		Keys: func(c counter) map[string]string { return map[string]string{"expires": store.TimeKey(c.Expires)} }})
	return a, err
}

// NormalizeEmail returns the form under which an address is known: trimmed and
// in lower case. Errors: Invalid, with the field "email".
func NormalizeEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	var f fault.Fields
	a, err := mail.ParseAddress(s)
	switch {
	case s == "":
		f.Add("email", "required", "give an e-mail address")
	case err != nil || a.Address != s || len(s) > maxEmail || !strings.Contains(s[strings.LastIndex(s, "@")+1:], ".") || strings.ContainsFunc(s, unicode.IsControl):
		f.Add("email", "email", "give an e-mail address such as name@example.org")
	}
	return s, f.Err("the e-mail address is not right")
}

// RequestLink makes a sign-in link for an address and returns its token. It
// returns an empty token where the address was sent enough links already, which
// whoever asks must not be told. client is where the request comes from.
// Errors: Invalid for an address, TooMany for a client that asks too often.
func (a *Accounts) RequestLink(ctx context.Context, email, client, returnPath string) (token string, err error) {
	if email, err = NormalizeEmail(email); err != nil {
		return "", err
	}
	ok, err := a.allow(ctx, "client", client, linksPerClient, clientWindow)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fault.New(fault.TooMany, "Too many sign-in links were asked for from here. Please wait an hour.").WithCode("signin.too_many")
	}
	if ok, err = a.allow(ctx, "address", email, linksPerAddress, addressWindow); err != nil || !ok {
		return "", err
	}
	token = newToken()
	return token, a.links.Insert(ctx, hash(token), SignInLink{Purpose: PurposeSignIn, Email: email, Return: returnPath, Expires: a.now().Add(LinkValid)})
}

// Link returns what a token is for, without using it up: programs that scan
// mail open links. Errors: NotFound for one that was not made here, Gone for
// one that was used or has expired.
func (a *Accounts) Link(ctx context.Context, token string) (SignInLink, error) {
	rec, err := a.links.Get(ctx, hash(token))
	if fault.Is(err, fault.NotFound) {
		return SignInLink{}, fault.Wrap(fault.NotFound, err, "This sign-in link is not valid. Use the whole link from the e-mail, or ask for a new one.").WithCode("signin.link_invalid")
	}
	if err != nil {
		return SignInLink{}, err
	}
	return rec.Value, a.usable(rec.Value)
}

func (a *Accounts) usable(l SignInLink) error {
	if l.Used || l.Purpose != PurposeSignIn || !a.now().Before(l.Expires) {
		return fault.New(fault.Gone, "This sign-in link was used already or has expired. Ask for a new one.").WithCode("signin.link_gone")
	}
	return nil
}

// SignIn uses up a link and begins a session with a token of its own, which it
// returns: never one that the browser had before. Of several that use one link
// at the same time, one succeeds. Errors: as Link.
func (a *Accounts) SignIn(ctx context.Context, token, device string) (sessionToken string, link SignInLink, err error) {
	if link, err = a.Link(ctx, token); err != nil {
		return "", link, err
	}
	rec, err := a.links.Update(ctx, hash(token), func(l *SignInLink) error {
		if err := a.usable(*l); err != nil {
			return err
		}
		l.Used = true
		return nil
	})
	if err != nil {
		return "", link, err
	}
	link = rec.Value
	sessionToken, err = a.Begin(ctx, link.Email, device, ProofEmail)
	return sessionToken, link, err
}

// Begin begins a session of a person who has given a proof, and returns its
// token. Who has one organisation acts for it at once.
func (a *Accounts) Begin(ctx context.Context, email, device string, proof Proof) (sessionToken string, err error) {
	if err := a.met(ctx, email); err != nil {
		return "", err
	}
	memberships, err := a.Memberships(ctx, email)
	if err != nil {
		return "", err
	}
	s := Session{Email: email, Device: clip(device, maxDevice), Proof: proof}
	if len(memberships) == 1 {
		s.Organisation = memberships[0].Organisation
	}
	return a.begin(ctx, s)
}

func (a *Accounts) begin(ctx context.Context, s Session) (token string, err error) {
	s.Created, s.Seen = a.now(), a.now()
	token = newToken()
	return token, a.sessions.Insert(ctx, hash(token), s)
}

// Strengthen puts a session that has proved more in place of one, under a new
// token, which it returns.
func (a *Accounts) Strengthen(ctx context.Context, s Session, proof Proof) (token string, err error) {
	old := s.ID
	s.Proof = proof
	if token, err = a.begin(ctx, s); err != nil {
		return "", err
	}
	return token, gone(a.sessions.Delete(ctx, old, 0))
}

// met notes that a person has signed in.
func (a *Accounts) met(ctx context.Context, email string) error {
	now := a.now()
	err := a.people.Insert(ctx, hash(email), Person{Email: email, Created: now, SignedIn: now})
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	_, err = a.people.Update(ctx, hash(email), func(p *Person) error {
		p.SignedIn = now
		return nil
	})
	return err
}

// Session returns the session of a token and notes its use. Errors:
// Unauthorized where there is none, or it has ended.
func (a *Accounts) Session(ctx context.Context, token string) (Session, error) {
	id, now := hash(token), a.now()
	rec, err := a.sessions.Get(ctx, id)
	if err == nil && !now.Before(rec.Value.ends()) {
		err = fault.New(fault.NotFound, "the session has ended")
	}
	if err == nil && now.Sub(rec.Value.Seen) >= seenEvery {
		rec, err = a.sessions.Update(ctx, id, func(s *Session) error {
			s.Seen = now
			return nil
		})
	}
	if fault.Is(err, fault.NotFound) {
		return Session{}, fault.Wrap(fault.Unauthorized, err, "Sign in to see this page.").WithCode("signin.needed")
	}
	rec.Value.ID = id
	return rec.Value, err
}

// Sessions lists where a person is signed in, the latest sign-in first.
func (a *Accounts) Sessions(ctx context.Context, email string) ([]Session, error) {
	q := store.PrefixQuery(email + "/")
	q.Index, q.Descending = "email", true
	var out []Session
	now := a.now()
	err := a.sessions.Each(ctx, q, func(rec store.Record[Session]) error {
		if rec.Value.Email == email && now.Before(rec.Value.ends()) {
			rec.Value.ID = rec.ID
			out = append(out, rec.Value)
		}
		return nil
	})
	return out, err
}

// Revoke ends a session of a person. Ending one that has ended is no error.
// Errors: NotFound for a session of somebody else.
func (a *Accounts) Revoke(ctx context.Context, email, id string) error {
	rec, err := a.sessions.Get(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case rec.Value.Email != email:
		return fault.New(fault.NotFound, "There is no such session.")
	}
	return gone(a.sessions.Delete(ctx, id, 0))
}

// RevokeAll ends every session of a person.
func (a *Accounts) RevokeAll(ctx context.Context, email string) error {
	list, err := a.Sessions(ctx, email)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := gone(a.sessions.Delete(ctx, s.ID, 0)); err != nil {
			return err
		}
	}
	return nil
}

// allow counts an act and reports whether it is within its limit.
func (a *Accounts) allow(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error) {
	start := a.now().Truncate(window)
	id := kind + "/" + hash(key) + "/" + strconv.FormatInt(start.Unix(), 10)
	err := a.counters.Insert(ctx, id, counter{N: 1, Expires: start.Add(window)})
	if !fault.Is(err, fault.Conflict) {
		return err == nil, err
	}
	var allowed bool
	_, err = a.counters.Update(ctx, id, func(c *counter) error {
		if allowed = c.N < limit; !allowed {
			return errOverLimit
		}
		c.N++
		return nil
	})
	if err == errOverLimit { // ends the update without a write
		err = nil
	}
	return allowed, err
}

var errOverLimit = fault.New(fault.TooMany, "over the limit")

// Run removes what has expired until the context ends.
func (a *Accounts) Run(ctx context.Context, report func(error)) { sweepOften(ctx, a.Sweep, report) }

func sweepOften(ctx context.Context, sweep func(context.Context) error, report func(error)) {
	for {
		if err := sweep(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		if !wait(ctx, sweepEvery, nil) {
			return
		}
	}
}

// Sweep removes what has expired.
func (a *Accounts) Sweep(ctx context.Context) error {
	before := store.TimeKey(a.now())
	if err := sweep(ctx, a.links, before); err != nil {
		return err
	}
	if err := sweep(ctx, a.sessions, before); err != nil {
		return err
	}
	if err := sweep(ctx, a.invitations, before); err != nil {
		return err
	}
	if err := sweep(ctx, a.editors, before); err != nil {
		return err
	}
	if err := sweep(ctx, a.keys, before); err != nil {
		return err
	}
	return sweep(ctx, a.counters, before)
}

func sweep[T any](ctx context.Context, c *store.Collection[T], before string) error {
	return c.Each(ctx, store.Query{Index: "expires", To: before}, func(rec store.Record[T]) error {
		err := c.Delete(ctx, rec.ID, rec.Version)
		if fault.Is(err, fault.Conflict) {
			return nil // used again meanwhile
		}
		return gone(err)
	})
}

// gone takes it as done that something is deleted already.
func gone(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// newToken returns 256 random bits for a link or a cookie.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is under what a token is stored, so that whoever reads the store cannot
// use it.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// clip cuts a text to a number of bytes of valid UTF-8 without controls.
func clip(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "")
}

// wait waits and reports false when the context ended.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}
