package account

import (
	"context"
	"slices"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

const (
	// InvitationValid is how long an invitation may be accepted.
	InvitationValid = 7 * 24 * time.Hour
	// invitationKept is how long one that ended is still known, so that its
	// link says what became of it.
	invitationKept = 60 * 24 * time.Hour
	maxInvitations = 500

	// Invitations to one address and by one organisation per window: they are
	// mail to strangers.
	invitesPerAddress      = 5
	invitesPerOrganisation = 100
	inviteWindow           = 24 * time.Hour
)

// InvitationState is what became of an invitation.
type InvitationState string

// The states of an invitation.
const (
	InvitationOpen      InvitationState = "open"
	InvitationAccepted  InvitationState = "accepted"
	InvitationDeclined  InvitationState = "declined"
	InvitationWithdrawn InvitationState = "withdrawn"
	InvitationExpired   InvitationState = "expired"
)

// Invitation asks a person to become a member. It is stored under the hash of
// its link's token, which is its id.
type Invitation struct {
	ID           string          `json:"-"`
	Organisation string          `json:"organisation"`
	Email        string          `json:"email"`
	Role         Role            `json:"role"`
	By           string          `json:"by"`
	State        InvitationState `json:"state"`
	Created      time.Time       `json:"created,omitzero"`
	Expires      time.Time       `json:"expires,omitzero"`
}

// at is the invitation's state at a time.
func (i Invitation) at(now time.Time) InvitationState {
	if i.State == InvitationOpen && !now.Before(i.Expires) {
		return InvitationExpired
	}
	return i.State
}

// usable says why an invitation can no longer be accepted.
func (i Invitation) usable(now time.Time) error {
	switch i.at(now) {
	case InvitationOpen:
		return nil
	case InvitationExpired:
		return fault.New(fault.Gone, "This invitation has expired. Ask whoever sent it for a new one.").WithCode("invite.expired")
	case InvitationWithdrawn:
		return fault.New(fault.Gone, "This invitation was withdrawn or replaced by a newer one.").WithCode("invite.withdrawn")
	}
	return fault.New(fault.Gone, "This invitation was answered already.").WithCode("invite.used")
}

func openInvitations(ctx context.Context, engine store.Engine) (*store.Collection[Invitation], error) {
	return store.Open(ctx, engine, store.Def[Invitation]{Name: "account_invitations",
		Indexes: []store.Index{{Name: "organisation"}, {Name: "email"}, {Name: "expires"}},
		Keys: func(i Invitation) map[string]string {
			at := store.TimeKey(i.Created)
			return map[string]string{"organisation": i.Organisation + "/" + at, "email": i.Email + "/" + at, "expires": store.TimeKey(i.Expires.Add(invitationKept))}
		}})
}

// Invite makes an invitation and returns the token of its link. An open one to
// the same person is withdrawn. Errors: Invalid for an address or role,
// Conflict for a member, TooMany.
func (a *Accounts) Invite(ctx context.Context, organisation, by, email string, role Role) (token string, err error) {
	if email, err = NormalizeEmail(email); err != nil {
		return "", err
	}
	if !slices.Contains(Roles, role) {
		return "", errNoRole()
	}
	if _, err := a.Membership(ctx, email, organisation); err == nil {
		return "", errMember()
	} else if !fault.Is(err, fault.NotFound) {
		return "", err
	}
	for _, limit := range []struct {
		kind, key string
		n         int
	}{{"invited", email, invitesPerAddress}, {"inviting", organisation, invitesPerOrganisation}} {
		if ok, err := a.allow(ctx, limit.kind, limit.key, limit.n, inviteWindow); err != nil {
			return "", err
		} else if !ok {
			return "", fault.New(fault.TooMany, "Too many invitations were sent today. Try again tomorrow.").WithCode("invite.too_many")
		}
	}
	open, err := a.Invitations(ctx, organisation)
	if err != nil {
		return "", err
	}
	for _, i := range open {
		if i.Email == email {
			if _, err := a.endInvitation(ctx, i.ID, InvitationWithdrawn); err != nil && !fault.Is(err, fault.Gone) {
				return "", err
			}
		}
	}
	token, now := newToken(), a.now()
	return token, a.invitations.Insert(ctx, hash(token), Invitation{Organisation: organisation, Email: email, Role: role, By: by,
		State: InvitationOpen, Created: now, Expires: now.Add(InvitationValid)})
}

// Invitations lists the open invitations of an organisation, the latest first.
func (a *Accounts) Invitations(ctx context.Context, organisation string) ([]Invitation, error) {
	return a.openInvitations(ctx, "organisation", organisation)
}

// InvitationsTo lists the open invitations to a person, the latest first.
func (a *Accounts) InvitationsTo(ctx context.Context, email string) ([]Invitation, error) {
	return a.openInvitations(ctx, "email", email)
}

func (a *Accounts) openInvitations(ctx context.Context, index, key string) ([]Invitation, error) {
	q := store.PrefixQuery(key + "/")
	q.Index, q.Descending, q.Limit = index, true, maxInvitations
	page, err := a.invitations.Find(ctx, q)
	var out []Invitation
	for _, rec := range page.Items {
		rec.Value.ID = rec.ID
		mine := key == rec.Value.Organisation || key == rec.Value.Email
		if mine && rec.Value.at(a.now()) == InvitationOpen {
			out = append(out, rec.Value)
		}
	}
	return out, err
}

// Invitation returns the invitation of a link's token, without using it up.
// Errors: NotFound for one that was not made here, Gone, with the invitation,
// for one that has ended.
func (a *Accounts) Invitation(ctx context.Context, token string) (Invitation, error) {
	i, err := a.invitation(ctx, hash(token))
	if err != nil {
		return i, err
	}
	return i, i.usable(a.now())
}

func (a *Accounts) invitation(ctx context.Context, id string) (Invitation, error) {
	rec, err := a.invitations.Get(ctx, id)
	rec.Value.ID = id
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		err = fault.Wrap(fault.NotFound, err, "This invitation is not valid. Use the whole link from the e-mail.").WithCode("invite.invalid")
	}
	return rec.Value, err
}

// endInvitation answers or withdraws an invitation that is open; of several
// who do so at the same time one succeeds. Errors: NotFound, Gone.
func (a *Accounts) endInvitation(ctx context.Context, id string, state InvitationState) (Invitation, error) {
	rec, err := a.invitations.Update(ctx, id, func(i *Invitation) error {
		if err := i.usable(a.now()); err != nil {
			return err
		}
		i.State = state
		return nil
	})
	rec.Value.ID = id
	return rec.Value, err
}

// AcceptLink makes whoever holds the link of an invitation a member, and
// begins a session: the link was sent to the address and so proves it. Errors:
// as Invitation; TooLarge for an organisation that is full.
func (a *Accounts) AcceptLink(ctx context.Context, token, device string) (sessionToken string, i Invitation, err error) {
	if i, err = a.Invitation(ctx, token); err != nil {
		return "", i, err
	}
	if err = a.accept(ctx, i); err != nil {
		return "", i, err
	}
	sessionToken, err = a.Begin(ctx, i.Email, device, ProofEmail)
	if err == nil {
		err = a.ActFor(ctx, Session{ID: hash(sessionToken), Email: i.Email}, i.Organisation)
	}
	return sessionToken, i, err
}

// Answer accepts or declines an invitation to whoever is signed in. Errors:
// NotFound for one to somebody else, Gone.
func (a *Accounts) Answer(ctx context.Context, s Session, id string, accept bool) (Invitation, error) {
	i, err := a.invitation(ctx, id)
	switch {
	case err != nil:
		return i, err
	case i.Email != s.Email:
		return i, fault.New(fault.NotFound, "This invitation is not valid. Use the whole link from the e-mail.").WithCode("invite.invalid")
	case !accept:
		return a.endInvitation(ctx, id, InvitationDeclined)
	}
	if err := a.accept(ctx, i); err != nil {
		return i, err
	}
	return i, a.ActFor(ctx, s, i.Organisation)
}

// accept uses an invitation up and makes the person a member; who is one
// already stays what they are. If they cannot become one the invitation stays
// open.
func (a *Accounts) accept(ctx context.Context, i Invitation) error {
	if _, err := a.endInvitation(ctx, i.ID, InvitationAccepted); err != nil {
		return err
	}
	err := a.Join(ctx, i.Organisation, Member{Email: i.Email, Role: i.Role, AddedBy: i.By})
	if err == nil || fault.Is(err, fault.Conflict) {
		return nil
	}
	_, again := a.invitations.Update(ctx, i.ID, func(i *Invitation) error {
		i.State = InvitationOpen
		return nil
	})
	if again != nil {
		return again
	}
	return err
}

// Withdraw ends an invitation of an organisation. Errors: NotFound for one of
// another, Gone for one that has ended.
func (a *Accounts) Withdraw(ctx context.Context, organisation, id string) (Invitation, error) {
	i, err := a.invitation(ctx, id)
	if err == nil && i.Organisation != organisation {
		err = fault.New(fault.NotFound, "There is no such invitation.").WithCode("invite.invalid")
	}
	if err != nil {
		return i, err
	}
	return a.endInvitation(ctx, id, InvitationWithdrawn)
}
