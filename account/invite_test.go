package account

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// agency is an organisation with one owner.
func agency(t *testing.T, a *Accounts) {
	t.Helper()
	if err := a.Join(t.Context(), "agency", Member{Email: "owner@example.org", Role: Owner}); err != nil {
		t.Fatal(err)
	}
}

func invite(t *testing.T, a *Accounts, email string, role Role) (token string) {
	t.Helper()
	token, err := a.Invite(t.Context(), "agency", "owner@example.org", email, role)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestInvitations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, clock := open(t, engine)
		ctx := t.Context()
		agency(t, a)
		first, second := invite(t, a, " Li@Example.org", Editor), invite(t, a, "li@example.org", Coordinator)
		if _, err := a.Invitation(ctx, first); codeOf(err) != "invite.withdrawn" {
			t.Errorf("one that was replaced: %v", err)
		}
		if list, err := a.Invitations(ctx, "agency"); err != nil || len(list) != 1 || list[0].Role != Coordinator {
			t.Errorf("open: %+v, %v", list, err)
		}
		session, i, err := a.AcceptLink(ctx, second, "Browser")
		if err != nil || i.Email != "li@example.org" {
			t.Fatalf("accepting: %+v, %v", i, err)
		}
		s, err := a.Session(ctx, session)
		if err != nil || s.Organisation != "agency" || s.Email != "li@example.org" {
			t.Errorf("the session is %+v, %v", s, err)
		}
		if m, err := a.Membership(ctx, "li@example.org", "agency"); err != nil || m.Role != Coordinator || m.AddedBy != "owner@example.org" {
			t.Errorf("the member is %+v, %v", m, err)
		}
		if _, _, err := a.AcceptLink(ctx, second, ""); codeOf(err) != "invite.used" {
			t.Errorf("a used link: %v", err)
		}
		if _, err := a.Invite(ctx, "agency", "", "li@example.org", Owner); codeOf(err) != "console.member.already" {
			t.Errorf("inviting a member: %v", err)
		}
		if _, err := a.Invite(ctx, "agency", "", "x@example.org", "king"); !fault.Is(err, fault.Invalid) {
			t.Errorf("an unknown role: %v", err)
		}

		late := invite(t, a, "late@example.org", Viewer)
		clock.pass(InvitationValid)
		if _, _, err := a.AcceptLink(ctx, late, ""); codeOf(err) != "invite.expired" {
			t.Errorf("an expired link: %v", err)
		}
		for _, forged := range []string{"", "x", hash(late)} {
			if _, err := a.Invitation(ctx, forged); !fault.Is(err, fault.NotFound) {
				t.Errorf("forged %q: %v", forged, err)
			}
		}
		clock.pass(invitationKept + 1)
		if err := a.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if n, err := a.invitations.Count(ctx, store.Query{}); err != nil || n != 0 {
			t.Errorf("%d invitations are left, %v", n, err)
		}
	})
}

func TestInvitationsAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, _ := open(t, engine)
		ctx := t.Context()
		agency(t, a)
		invite(t, a, "li@example.org", Editor)
		token := signIn(t, a, "li@example.org", "")
		li, err := a.Session(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		list, err := a.InvitationsTo(ctx, "li@example.org")
		if err != nil || len(list) != 1 {
			t.Fatalf("to whom it is: %v, %v", list, err)
		}
		if _, err := a.Answer(ctx, Session{Email: "mei@example.org"}, list[0].ID, true); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else answers: %v", err)
		}
		if _, err := a.Withdraw(ctx, "hospital", list[0].ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("another organisation withdraws: %v", err)
		}
		if _, err := a.Answer(ctx, li, list[0].ID, false); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Answer(ctx, li, list[0].ID, true); !fault.Is(err, fault.Gone) {
			t.Errorf("accepting what was declined: %v", err)
		}
		invite(t, a, "li@example.org", Finance)
		if list, err = a.InvitationsTo(ctx, "li@example.org"); err != nil || len(list) != 1 {
			t.Fatalf("invited again: %v, %v", list, err)
		}
		if _, err := a.Answer(ctx, li, list[0].ID, true); err != nil {
			t.Fatal(err)
		}
		if s, err := a.Session(ctx, token); err != nil || s.Organisation != "agency" {
			t.Errorf("the session acts for %q, %v", s.Organisation, err)
		}
		if _, err := a.Withdraw(ctx, "agency", list[0].ID); !fault.Is(err, fault.Gone) {
			t.Errorf("withdrawing what was accepted: %v", err)
		}
	})
}

// Of many that use one invitation at the same time, one gets a session.
func TestOneInvitationUsedAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, _ := open(t, engine)
		agency(t, a)
		token := invite(t, a, "li@example.org", Editor)
		var won atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, _, err := a.AcceptLink(t.Context(), token, "")
				switch {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Gone):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d accepted it", won.Load())
		}
	})
}

func TestInvitationsThrottled(t *testing.T) {
	a, clock := open(t, storetest.Open(t, storetest.SQLite(t)))
	agency(t, a)
	for range invitesPerAddress {
		invite(t, a, "li@example.org", Editor)
	}
	if _, err := a.Invite(t.Context(), "other", "", "li@example.org", Editor); !fault.Is(err, fault.TooMany) {
		t.Errorf("over the limit: %v", err)
	}
	clock.pass(inviteWindow)
	invite(t, a, "li@example.org", Editor)
}
