package account

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// maxMembers bounds an organisation: its team is one document.
const maxMembers = 500

// Member is a person in an organisation.
type Member struct {
	Email string    `json:"email"`
	Role  Role      `json:"role"`
	Since time.Time `json:"since,omitzero"`
	// AddedBy is who invited the member.
	AddedBy string `json:"added_by,omitempty"`
}

// team is everybody in an organisation, stored under its id: one document, so
// that an organisation never loses its last owner to two changes at once.
type team struct {
	Members []Member `json:"members"`
}

func (t team) find(email string) int {
	return slices.IndexFunc(t.Members, func(m Member) bool { return m.Email == email })
}

// owned refuses a team without an owner.
func (t team) owned() error {
	if !slices.ContainsFunc(t.Members, func(m Member) bool { return m.Role == Owner }) {
		return fault.New(fault.Conflict, "An organisation needs an owner. Make somebody else an owner first.").WithCode("console.member.last_owner")
	}
	return nil
}

// belongs says that a person is, or was about to become, a member. Its id is
// <person>/<organisation>, so that a person's organisations are a range of ids.
// One too many is filtered when read.
type belongs struct {
	Organisation string `json:"organisation"`
}

// Membership is what a person is to an organisation.
type Membership struct {
	Organisation string
	Member
}

// Join makes a person a member. The first member must be an owner. Errors:
// Conflict for somebody who is one already, Invalid for an address or role.
func (a *Accounts) Join(ctx context.Context, organisation string, m Member) error {
	email, err := NormalizeEmail(m.Email)
	if err != nil {
		return err
	}
	if !slices.Contains(Roles, m.Role) {
		return errNoRole()
	}
	m.Email, m.Since = email, a.now()
	err = a.belongs.Insert(ctx, hash(email)+"/"+organisation, belongs{Organisation: organisation})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	if m.Role == Owner {
		err = a.teams.Insert(ctx, organisation, team{Members: []Member{m}})
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return a.changeTeam(ctx, organisation, func(t *team) error {
		switch {
		case t.find(email) >= 0:
			return errMember()
		case len(t.Members) >= maxMembers:
			return fault.New(fault.TooLarge, "An organisation has at most %d members.", maxMembers)
		}
		t.Members = append(t.Members, m)
		return nil
	})
}

// SetRole gives a member another role. Errors: NotFound, Conflict for the last
// owner.
func (a *Accounts) SetRole(ctx context.Context, organisation, email string, role Role) error {
	if !slices.Contains(Roles, role) {
		return errNoRole()
	}
	return a.changeTeam(ctx, organisation, func(t *team) error {
		i := t.find(email)
		if i < 0 {
			return errNoMember()
		}
		t.Members[i].Role = role
		return nil
	})
}

// Leave ends a membership. Errors: NotFound, Conflict for the last owner.
func (a *Accounts) Leave(ctx context.Context, organisation, email string) error {
	return a.changeTeam(ctx, organisation, func(t *team) error {
		i := t.find(email)
		if i < 0 {
			return errNoMember()
		}
		t.Members = slices.Delete(t.Members, i, i+1)
		return nil
	})
}

func (a *Accounts) changeTeam(ctx context.Context, organisation string, change func(*team) error) error {
	_, err := a.teams.Update(ctx, organisation, func(t *team) error {
		if err := change(t); err != nil {
			return err
		}
		return t.owned()
	})
	return err
}

func errNoRole() error {
	return fault.New(fault.Invalid, "There is no such role.").WithCode("console.member.role")
}

func errMember() error {
	return fault.New(fault.Conflict, "This person is a member already.").WithCode("console.member.already")
}

func errNoMember() error {
	return fault.New(fault.NotFound, "There is no such member.").WithCode("console.member.none")
}

// Members lists an organisation's members in the order of their addresses.
func (a *Accounts) Members(ctx context.Context, organisation string) ([]Member, error) {
	rec, err := a.teams.Get(ctx, organisation)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	list := slices.Clone(rec.Value.Members)
	slices.SortFunc(list, func(x, y Member) int { return strings.Compare(x.Email, y.Email) })
	return list, err
}

// Membership returns what a person is to an organisation. Errors: NotFound for
// a stranger to it.
func (a *Accounts) Membership(ctx context.Context, email, organisation string) (Membership, error) {
	rec, err := a.teams.Get(ctx, organisation)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Membership{}, err
	}
	i := rec.Value.find(email)
	if i < 0 {
		return Membership{}, errNoMember()
	}
	return Membership{Organisation: organisation, Member: rec.Value.Members[i]}, nil
}

// Memberships lists a person's organisations in the order of their ids.
func (a *Accounts) Memberships(ctx context.Context, email string) ([]Membership, error) {
	var out []Membership
	err := a.belongs.Each(ctx, store.PrefixQuery(hash(email)+"/"), func(rec store.Record[belongs]) error {
		m, err := a.Membership(ctx, email, rec.Value.Organisation)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		out = append(out, m)
		return err
	})
	return out, err
}

// ActFor makes a session act for an organisation of its person. Errors:
// NotFound for one that the person does not belong to.
func (a *Accounts) ActFor(ctx context.Context, s Session, organisation string) error {
	if _, err := a.Membership(ctx, s.Email, organisation); err != nil {
		return err
	}
	_, err := a.sessions.Update(ctx, s.ID, func(s *Session) error {
		s.Organisation = organisation
		return nil
	})
	return err
}
