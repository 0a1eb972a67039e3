package account

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

// TestMay is the table of permissions, written out once more by hand: a change
// of the one in the code must be meant.
func TestMay(t *testing.T) {
	yes := map[Role][]Action{
		Owner: {SeeListings, EditListings, SubmitListings, SeeBookings, AnswerBookings, SeeMoney, SettleMoney, SeeMembers, ManageMembers, ManageKeys, SeeAudit,
			Moderate, EditVocabulary, ManageOrganisations, SeeReports},
		Editor:      {SeeListings, EditListings, SubmitListings, SeeMembers, Moderate, EditVocabulary, SeeReports},
		Coordinator: {SeeListings, SeeBookings, AnswerBookings, SeeMembers, SeeReports},
		Finance:     {SeeListings, SeeBookings, SeeMoney, SettleMoney, SeeMembers, SeeAudit, SeeReports},
		Viewer:      {SeeListings, SeeMembers, SeeReports},
	}
	for _, kind := range []catalog.OrganisationKind{catalog.HospitalDepartment, catalog.Agency, catalog.Operator, catalog.LiaisonOffice} {
		for _, role := range append(slices.Clone(Roles), "", "root") {
			for _, action := range append(slices.Clone(Actions), "", "anything") {
				want := slices.Contains(yes[role], action) && (kind == catalog.Operator || !slices.Contains(operatorsOnly, action))
				if got := May(kind, role, action); got != want {
					t.Errorf("%s of %s, %s: %v, want %v", role, kind, action, got, want)
				}
			}
		}
	}
}

// codeOf returns the translation key of an error.
func codeOf(err error) string {
	var f *fault.Error
	errors.As(err, &f)
	if f == nil {
		return ""
	}
	return f.Code
}

func accountsOn(t *testing.T, engine store.Engine) *Accounts {
	t.Helper()
	a, err := OpenAccounts(t.Context(), engine, func() time.Time { return time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTeam(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, ctx := accountsOn(t, engine), t.Context()
		for _, m := range []Member{{Email: "Owner@example.org ", Role: Owner}, {Email: "b@example.org", Role: Editor}} {
			if err := a.Join(ctx, "agency", m); err != nil {
				t.Fatal(err)
			}
		}
		for name, err := range map[string]error{
			"twice":       a.Join(ctx, "agency", Member{Email: "owner@example.org", Role: Viewer}),
			"last owner":  a.Leave(ctx, "agency", "owner@example.org"),
			"no owner":    a.SetRole(ctx, "agency", "owner@example.org", Viewer),
			"owner twice": a.Join(ctx, "agency", Member{Email: "b@example.org", Role: Owner}),
		} {
			if !fault.Is(err, fault.Conflict) {
				t.Errorf("%s: %v, want Conflict", name, err)
			}
		}
		if err := a.Join(ctx, "agency", Member{Email: "c@example.org", Role: "king"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("an unknown role: %v", err)
		}
		if err := a.Join(ctx, "empty", Member{Email: "c@example.org", Role: Viewer}); err == nil {
			t.Error("a team began without an owner")
		}
		got, err := a.Memberships(ctx, "b@example.org")
		if err != nil || len(got) != 1 || got[0].Organisation != "agency" || got[0].Role != Editor {
			t.Errorf("memberships %v, %v", got, err)
		}
		if err := a.Leave(ctx, "agency", "b@example.org"); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Memberships(ctx, "b@example.org"); err != nil || len(got) != 0 {
			t.Errorf("who has left belongs to %v, %v", got, err)
		}
	})
}

// TestOwnersLeavingAtOnce: of two owners that leave at the same time one stays.
func TestOwnersLeavingAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a := accountsOn(t, engine)
		people := []string{"a@example.org", "b@example.org"}
		for _, email := range people {
			if err := a.Join(t.Context(), "agency", Member{Email: email, Role: Owner}); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for _, email := range people {
			wg.Go(func() { _ = a.Leave(t.Context(), "agency", email) })
		}
		wg.Wait()
		if left, err := a.Members(t.Context(), "agency"); err != nil || len(left) != 1 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

func TestAudit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		began := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
		now := began
		a, err := OpenAudit(t.Context(), engine, func() time.Time { now = now.Add(time.Second); return now })
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []Audited{
			{Actor: "a@example.org", Organisation: "one", Action: "offering.save", Thing: "offering/x"},
			{Actor: "op@example.org", Organisation: "operator", Owner: "one", Action: "offering.publish", Thing: "offering/x"},
			{Actor: "b@example.org", Organisation: "two", Action: "package.save", Thing: "package/y"},
		} {
			if err := a.Note(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			filter AuditFilter
			want   []string
		}{
			{AuditFilter{}, []string{"package.save", "offering.publish", "offering.save"}},
			{AuditFilter{Owner: "one"}, []string{"offering.publish", "offering.save"}},
			{AuditFilter{Thing: "offering/x"}, []string{"offering.publish", "offering.save"}},
			{AuditFilter{Actor: "b@example.org"}, []string{"package.save"}},
			{AuditFilter{Owner: "on"}, nil},
			{AuditFilter{Owner: "one", Actor: "op@example.org"}, []string{"offering.publish"}},
			{AuditFilter{Owner: "two", Thing: "offering/x"}, nil},
			{AuditFilter{From: began.Add(2 * time.Second)}, []string{"package.save", "offering.publish"}},
			{AuditFilter{Owner: "one", To: began.Add(2 * time.Second)}, []string{"offering.save"}},
		} {
			lines, _, err := a.Find(t.Context(), c.filter, 10, "")
			var got []string
			for _, l := range lines {
				got = append(got, l.Action)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, %v, want %v", c.filter, got, err, c.want)
			}
			var each, paged []string
			if err := a.Each(t.Context(), c.filter, func(l Audited) error { each = append(each, l.Action); return nil }); err != nil || !slices.Equal(each, c.want) {
				t.Errorf("%+v, each: %v, %v, want %v", c.filter, each, err, c.want)
			}
			for after, more := "", true; more; more = after != "" {
				if lines, after, err = a.Find(t.Context(), c.filter, 1, after); err != nil {
					t.Fatal(err)
				}
				for _, l := range lines {
					paged = append(paged, l.Action)
				}
			}
			if !slices.Equal(paged, c.want) {
				t.Errorf("%+v, by pages: %v, want %v", c.filter, paged, c.want)
			}
		}
	})
}
