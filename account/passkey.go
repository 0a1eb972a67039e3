package account

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// challengeValid is how long a person may take to touch a key.
	challengeValid = 5 * time.Minute
	maxPasskeys    = 20
	maxPasskeyName = 60
	// Challenges that one client may ask for per window.
	challengesPerClient = 120
)

// Passkey is a key of a person's device.
type Passkey struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created,omitzero"`
	Used    time.Time `json:"used,omitzero"`
	// Cloned says that its counter went back: somebody may have a copy. It
	// opens nothing any more.
	Cloned     bool                `json:"cloned,omitempty"`
	Credential webauthn.Credential `json:"credential"`
}

// ID names a passkey in forms.
func (k Passkey) ID() string { return hash(string(k.Credential.ID)) }

// challenge is a question to a passkey, stored under the hash of its token and
// asked once.
type challenge struct {
	// Email of the person who adds a passkey, empty for signing in.
	Email   string               `json:"email,omitempty"`
	Data    webauthn.SessionData `json:"data"`
	Expires time.Time            `json:"expires,omitzero"`
}

// Question is what a browser passes on to a device, as the WebAuthn API takes
// it, with the token under which the answer is expected.
type Question struct {
	Token     string `json:"token"`
	PublicKey any    `json:"publicKey"`
}

// passkeysAt returns the relying party of a site's address, nil where passkeys
// cannot work: they are bound to a name, which an IP address is not.
func passkeysAt(baseURL string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return nil, nil
	}
	required := true
	return webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: "Medtour", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{RequireResidentKey: &required, ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired}})
}

// holder is a person as the WebAuthn library wants one.
type holder struct{ factors }

func (h holder) WebAuthnID() []byte          { return h.Handle }
func (h holder) WebAuthnName() string        { return h.Email }
func (h holder) WebAuthnDisplayName() string { return h.Email }
func (h holder) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, k := range h.Passkeys {
		if !k.Cloned {
			out = append(out, k.Credential)
		}
	}
	return out
}

// HasPasskeys reports whether passkeys work at the site's address.
func (f *Factors) HasPasskeys() bool { return f.relying != nil }

func errNoPasskeys() error {
	return fault.New(fault.Unavailable, "Passkeys do not work at this address; they need one with a name.").WithCode("passkey.unavailable")
}

// errPasskey refuses an answer without saying more than that it is wrong.
func errPasskey(cause error) error {
	return fault.Wrap(fault.Unauthorized, cause, "This passkey was not accepted. Try again, or use the link by e-mail.").WithCode("passkey.refused")
}

// AskForPasskey begins a sign-in by passkey, of whomever the device knows.
// Errors: TooMany, Unavailable.
func (f *Factors) AskForPasskey(ctx context.Context, client string) (Question, error) {
	if f.relying == nil {
		return Question{}, errNoPasskeys()
	}
	ok, err := f.accounts.allow(ctx, "challenge", client, challengesPerClient, clientWindow)
	if err == nil && !ok {
		err = fault.New(fault.TooMany, "Too many attempts from here. Please wait an hour.").WithCode("signin.too_many_tries")
	}
	if err != nil {
		return Question{}, err
	}
	asked, data, err := f.relying.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Question{}, fault.Wrap(fault.Internal, err, "the question to a passkey")
	}
	return f.ask(ctx, "", *data, asked.Response)
}

func (f *Factors) ask(ctx context.Context, email string, data webauthn.SessionData, publicKey any) (Question, error) {
	q := Question{Token: newToken(), PublicKey: publicKey}
	return q, f.challenges.Insert(ctx, hash(q.Token), challenge{Email: email, Data: data, Expires: f.now().Add(challengeValid)})
}

// take uses a challenge up; of several that answer one, one succeeds.
func (f *Factors) take(ctx context.Context, token string) (challenge, error) {
	rec, err := f.challenges.Get(ctx, hash(token))
	if err == nil {
		err = f.challenges.Delete(ctx, rec.ID, rec.Version)
	}
	if err == nil && !f.now().Before(rec.Value.Expires) {
		err = fault.New(fault.NotFound, "the challenge has expired")
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		err = errPasskey(err)
	}
	return rec.Value, err
}

// SignInByPasskey checks a device's answer and begins a session. Errors:
// Unauthorized for any answer that is not right, and for a passkey that seems
// to have been copied, which opens nothing from then on.
func (f *Factors) SignInByPasskey(ctx context.Context, token string, answer json.RawMessage, device string) (sessionToken string, err error) {
	if f.relying == nil {
		return "", errNoPasskeys()
	}
	asked, err := f.take(ctx, token)
	if err != nil {
		return "", err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil || asked.Email != "" {
		return "", errPasskey(err)
	}
	user, credential, err := f.relying.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) { return f.holder(ctx, handle) }, asked.Data, parsed)
	if err != nil {
		return "", errPasskey(err)
	}
	email := user.WebAuthnName()
	if err := f.noteUse(ctx, email, *credential); err != nil {
		return "", err
	}
	return f.accounts.Begin(ctx, email, device, ProofPasskey)
}

// holder finds the person of a user handle.
func (f *Factors) holder(ctx context.Context, handle []byte) (webauthn.User, error) {
	page, err := f.people.Find(ctx, store.Query{Index: "handle", Equal: hash(string(handle)), Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(page.Items) == 0 || !bytes.Equal(page.Items[0].Value.Handle, handle) {
		return nil, fault.New(fault.NotFound, "no person has this handle")
	}
	return holder{page.Items[0].Value}, nil
}

// noteUse stores the counter of a passkey that was used, and refuses one whose
// counter went back. Of two answers with one counter the second is refused.
func (f *Factors) noteUse(ctx context.Context, email string, c webauthn.Credential) error {
	cloned := c.Authenticator.CloneWarning
	_, err := f.people.Update(ctx, hash(email), func(p *factors) error {
		i := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return bytes.Equal(k.Credential.ID, c.ID) })
		if i < 0 {
			return errPasskey(nil)
		}
		k := &p.Passkeys[i]
		stored := k.Credential.Authenticator.SignCount
		cloned = cloned || stored != 0 && c.Authenticator.SignCount <= stored
		k.Cloned = k.Cloned || cloned
		k.Credential, k.Used = c, f.now()
		return nil
	})
	if err == nil && cloned {
		err = fault.New(fault.Unauthorized, "This passkey seems to have been copied and is locked. Sign in another way and remove it.").WithCode("passkey.cloned")
	}
	return err
}

// AskForNewPasskey begins the registration of a passkey. Errors: Forbidden for
// a session that must first prove more, TooMany, Unavailable.
func (f *Factors) AskForNewPasskey(ctx context.Context, s Session) (Question, error) {
	if f.relying == nil {
		return Question{}, errNoPasskeys()
	}
	p, err := f.ofPerson(ctx, s)
	if err != nil {
		return Question{}, err
	}
	if len(p.Passkeys) >= maxPasskeys {
		return Question{}, fault.New(fault.TooMany, "You have %d passkeys. Remove one that you do not use.", maxPasskeys).WithCode("passkey.too_many")
	}
	known := webauthn.Credentials(holder{p}.WebAuthnCredentials())
	asked, data, err := f.relying.BeginRegistration(holder{p}, webauthn.WithExclusions(known.CredentialDescriptors()))
	if err != nil {
		return Question{}, fault.Wrap(fault.Internal, err, "the question to a new passkey")
	}
	return f.ask(ctx, s.Email, *data, asked.Response)
}

// AddPasskey checks a device's answer and keeps its passkey. The session has
// then proved it, and goes on under a new token. Errors: Unauthorized,
// Forbidden, Conflict.
func (f *Factors) AddPasskey(ctx context.Context, s Session, token, name string, answer json.RawMessage) (sessionToken string, err error) {
	if f.relying == nil {
		return "", errNoPasskeys()
	}
	asked, err := f.take(ctx, token)
	if err != nil {
		return "", err
	}
	p, err := f.ofPerson(ctx, s)
	if err != nil {
		return "", err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil || asked.Email != s.Email {
		return "", errPasskey(err)
	}
	credential, err := f.relying.CreateCredential(holder{p}, asked.Data, parsed)
	if err != nil {
		return "", errPasskey(err)
	}
	if name = clip(name, maxPasskeyName); name == "" {
		name = "Passkey"
	}
	_, err = f.people.Update(ctx, hash(s.Email), func(p *factors) error {
		if err := p.changeable(s); err != nil {
			return err
		}
		if slices.ContainsFunc(p.Passkeys, func(k Passkey) bool { return bytes.Equal(k.Credential.ID, credential.ID) }) {
			return fault.New(fault.Conflict, "This passkey is there already.").WithCode("passkey.already")
		}
		p.Passkeys = append(p.Passkeys, Passkey{Name: name, Created: f.now(), Credential: *credential})
		return nil
	})
	if err != nil {
		return "", err
	}
	return f.accounts.Strengthen(ctx, s, ProofPasskey)
}

// RemovePasskey removes a passkey. Errors: Forbidden for a session that must
// first prove more, NotFound.
func (f *Factors) RemovePasskey(ctx context.Context, s Session, id string) error {
	_, err := f.people.Update(ctx, hash(s.Email), func(p *factors) error {
		if err := p.changeable(s); err != nil {
			return err
		}
		i := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.ID() == id })
		if i < 0 {
			return fault.New(fault.NotFound, "There is no such passkey.").WithCode("passkey.none")
		}
		p.Passkeys = slices.Delete(p.Passkeys, i, i+1)
		return nil
	})
	return err
}
