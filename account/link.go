// Package account says who somebody is and what they may do.
//
// A patient needs no account: whoever holds the signed link of a booking may
// see it and act on it. Links cannot be guessed or made without the secret,
// and do not expire, since a patient may come back to one after months.
//
// Who proves an e-mail address, by a link that is sent to it, has an account:
// there is no password. Tokens of links and sessions are stored as hashes
// only. Mail waits in an outbox until a relay has taken it.
package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/medtour/medtour/fault"
)

// MinSecret is the least length of the secret that signs links, in bytes.
const MinSecret = 32

// signatureBytes of the signature are kept in a link: 128 bits cannot be
// guessed, and a link must stay short enough for an e-mail.
const signatureBytes = 16

// Links signs and verifies links to bookings.
type Links struct{ secret []byte }

// NewLinks returns a signer. Errors: Invalid for a secret that is too short.
func NewLinks(secret []byte) (*Links, error) {
	if len(secret) < MinSecret {
		return nil, fault.New(fault.Invalid, "the secret that signs booking links must have at least %d bytes", MinSecret)
	}
	return &Links{secret: secret}, nil
}

// sign returns what proves that a text was signed here for a purpose.
func (l *Links) sign(purpose, text string) string {
	mac := hmac.New(sha256.New, l.secret)
	mac.Write([]byte(purpose + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:signatureBytes])
}

// Token returns the part of a booking's link that proves who holds it:
// <booking>.<signature>.
func (l *Links) Token(bookingID string) string {
	return bookingID + "." + l.sign("booking", bookingID)
}

// Verify returns the booking of a token. Errors: NotFound for one that was not
// signed here, so that a guess learns nothing.
func (l *Links) Verify(token string) (bookingID string, err error) {
	id, _, ok := strings.Cut(token, ".")
	if !ok || !hmac.Equal([]byte(l.Token(id)), []byte(token)) {
		return "", fault.New(fault.NotFound, "This booking link is not valid. Use the whole link that you were given.").WithCode("error.booking_link")
	}
	return id, nil
}

// EditingToken proves that a session was shown the editor of a thing while it
// acted for its organisation.
func (l *Links) EditingToken(s Session, thing string) string {
	return thing + "." + l.sign("editing", s.ID+"\x00"+s.Organisation+"\x00"+thing)
}

// VerifyEditing returns the thing of a token of this session. Errors: NotFound
// for one that was not signed for it.
func (l *Links) VerifyEditing(s Session, token string) (thing string, err error) {
	thing = token[:max(strings.LastIndexByte(token, '.'), 0)]
	if !hmac.Equal([]byte(l.EditingToken(s, thing)), []byte(token)) {
		return "", fault.New(fault.NotFound, "There is no such page.")
	}
	return thing, nil
}
