package account

import (
	"testing"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
	"github.com/medtour/medtour/store/storetest"
)

func TestOnboarding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, engine store.Engine) {
		a, ctx := accountsOn(t, engine), t.Context()
		agency := catalog.Organisation{ID: "agency", OrganisationKind: catalog.Agency}
		for name, seen := range map[string]struct {
			check Check
			Checked
		}{
			"of another kind": {CheckPilot, Checked{Document: "x"}},
			"no date":         {CheckLicence, Checked{Document: "x", Expires: "soon"}},
		} {
			if err := a.Check(ctx, agency, seen.check, seen.Checked); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v, want Invalid", name, err)
			}
		}
		for _, c := range []Check{CheckLicence, CheckLiability} {
			if err := a.Check(ctx, agency, c, Checked{Document: "No. 1", Expires: "2026-12-31", By: "op@example.org"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Check(ctx, agency, CheckLiability, Checked{By: "op@example.org"}); err != nil {
			t.Fatal(err)
		}
		got, err := a.Onboarding(ctx, "agency")
		if err != nil || len(got) != 1 || got[CheckLicence].Document != "No. 1" || got[CheckLicence].At.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		if c := got[CheckLicence]; c.Expired("2026-12-31") || !c.Expired("2027-01-01") {
			t.Error("a document holds to the end of its last day")
		}
		if got, err := a.Onboarding(ctx, "another"); err != nil || got != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
