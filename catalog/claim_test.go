package catalog

import (
	"slices"
	"testing"
)

func TestTroubledClaims(t *testing.T) {
	figure := func(key string, value float64, year int) Claim {
		return Claim{Kind: ClaimVolume, Key: key, Value: &value, Year: year}
	}
	claims := []Claim{
		{Kind: ClaimFact, Expires: "2026-01-01"},
		{Kind: ClaimFact, Expires: "2026-12-01"},
		{Kind: ClaimFact, Expires: "2027-12-01"},
		{Kind: ClaimFact, Conflict: "another page says otherwise"},
		figure("operations", 100, 2024),
		figure("operations", 120, 2024),
		figure("operations", 120, 2025),
		figure("visits", 100, 2024),
	}
	got := TroubledClaims(claims, "2026-11-22", "2027-01-21")
	want := []TroubledClaim{{0, ClaimExpired}, {1, ClaimExpires}, {3, ClaimContradicts}, {4, ClaimContradicts}, {5, ClaimContradicts}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
