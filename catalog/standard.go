package catalog

import (
	_ "embed"
	"encoding/json"
	"slices"
)

// Standard is what an agency may start from: texts that exist in every
// language of ours, the usual lines of a price, cancellation policies.
type Standard struct {
	// Items are the usual things of a day, by id.
	Items []StandardItem `json:"items"`
	// Lines are the usual lines of a price, without amounts.
	Lines      []PriceLine      `json:"lines"`
	Rooms      []Room           `json:"rooms"`
	Inclusions []Text           `json:"inclusions"`
	Exclusions []Text           `json:"exclusions"`
	Policies   []StandardPolicy `json:"policies"`
}

// StandardItem is an item of a day under an id.
type StandardItem struct {
	ID string `json:"id"`
	Item
}

// StandardPolicy is a cancellation policy under an id.
type StandardPolicy struct {
	ID     string `json:"id"`
	Policy Policy `json:"policy"`
}

//go:embed standard.json
var standardFile []byte

var standard = mustStandard()

// mustStandard reads the file, which is part of the program: a broken one is a
// defect that a test finds.
func mustStandard() Standard {
	var s Standard
	if err := json.Unmarshal(standardFile, &s); err != nil {
		panic(err)
	}
	return s
}

// Standards returns what an agency may start from. It is shared: do not change
// it.
func Standards() Standard { return standard }

// Item returns the item of an id, the zero Item where there is none.
func (s Standard) Item(id string) Item {
	i := slices.IndexFunc(s.Items, func(it StandardItem) bool { return it.ID == id })
	if i < 0 {
		return Item{}
	}
	return s.Items[i].Item
}

// Policy returns the policy of an id. It reports false where there is none.
func (s Standard) Policy(id string) (Policy, bool) {
	i := slices.IndexFunc(s.Policies, func(p StandardPolicy) bool { return p.ID == id })
	if i < 0 {
		return Policy{}, false
	}
	return s.Policies[i].Policy, true
}

// PolicyID returns the id of the standard policy that a policy is, empty where
// it is none of them.
func (s Standard) PolicyID(p Policy) string {
	for _, sp := range s.Policies {
		if sameContent(sp.Policy, p) {
			return sp.ID
		}
	}
	return ""
}
