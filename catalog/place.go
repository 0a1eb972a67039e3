package catalog

import "github.com/medtour/medtour/fault"

// Exertion is how much an activity asks of the body; the order matters.
type Exertion string

// The grades of exertion, from least to most.
const (
	ExertionRest      Exertion = "rest"
	ExertionSeated    Exertion = "easy-seated"
	ExertionShortWalk Exertion = "short-walk"
	ExertionLongWalk  Exertion = "long-walk"
	ExertionStrenuous Exertion = "strenuous"
)

var exertionRank = map[Exertion]int{ExertionRest: 1, ExertionSeated: 2, ExertionShortWalk: 3, ExertionLongWalk: 4, ExertionStrenuous: 5}

// Above reports whether e asks more than limit.
func (e Exertion) Above(limit Exertion) bool { return exertionRank[e] > exertionRank[limit] }

// Hazard is what a phase of recovery may forbid and a place may bring.
type Hazard string

// The hazards.
const (
	HazardCrowds  Hazard = "crowds"
	HazardSun     Hazard = "sun"
	HazardWater   Hazard = "water"
	HazardScreens Hazard = "screens"
	HazardFlight  Hazard = "flight"
	HazardSmoke   Hazard = "smoke"
	HazardStairs  Hazard = "stairs"
	HazardUneven  Hazard = "uneven"
	HazardBoat    Hazard = "boat"
	HazardPollen  Hazard = "pollen"
	HazardHeight  Hazard = "height"
	HazardFlash   Hazard = "flash"
	HazardLongDay Hazard = "long-day"
	HazardHeat    Hazard = "heat"
)

// Hazards lists all hazards.
var Hazards = []Hazard{HazardCrowds, HazardSun, HazardWater, HazardScreens, HazardFlight, HazardSmoke, HazardStairs,
	HazardUneven, HazardBoat, HazardPollen, HazardHeight, HazardFlash, HazardLongDay, HazardHeat}

var hazards = set(Hazards...)

func validateHazards(f *fault.Fields, field string, list []Hazard) {
	for i, h := range list {
		if !hazards[h] {
			f.Add(indexed(field, i), "enum", "unknown hazard %q", clip(string(h)))
		}
	}
}

// Setting says whether a place is under a roof.
type Setting string

// The settings.
const (
	Indoor  Setting = "indoor"
	Outdoor Setting = "outdoor"
	Both    Setting = "both"
)

// PlaceKindHotelArea is the kind of a neighbourhood to stay in; no hotel is
// named.
const PlaceKindHotelArea = "hotel-area"

// Place is a sight, a neighbourhood or a hotel area.
type Place struct {
	ID   string `json:"id"`
	Name Text   `json:"name"`
	// PlaceKind is a word such as museum, park, hotel-area.
	PlaceKind string    `json:"place_kind"`
	District  string    `json:"district,omitempty"`
	Position  *Position `json:"position,omitempty"`
	Exertion  Exertion  `json:"exertion,omitempty"`
	Setting   Setting   `json:"setting,omitempty"`
	// Minutes a visit takes.
	Minutes Span     `json:"minutes"`
	Hazards []Hazard `json:"hazards,omitempty"`
	// Claims describe the place, with their sources.
	Claims []Claim `json:"claims,omitempty"`
}

// EntityKind returns KindPlace.
func (p Place) EntityKind() Kind { return KindPlace }

// EntityID returns the id.
func (p Place) EntityID() string { return p.ID }

// Validate checks the place alone.
func (p Place) Validate() error {
	var f fault.Fields
	validateID(&f, "id", p.ID)
	p.Name.validate(&f, "name", MaxName, true)
	validateID(&f, "place_kind", p.PlaceKind)
	validateString(&f, "district", p.District, 60)
	p.Position.validate(&f, "position")
	if p.PlaceKind != PlaceKindHotelArea && exertionRank[p.Exertion] == 0 {
		f.Add("exertion", "enum", "use rest, easy-seated, short-walk, long-walk or strenuous")
	}
	if p.Setting != "" && p.Setting != Indoor && p.Setting != Outdoor && p.Setting != Both {
		f.Add("setting", "enum", "use indoor, outdoor or both")
	}
	if p.Minutes.Min < 0 || p.Minutes.Max < p.Minutes.Min || p.Minutes.Max > 24*60 {
		f.Add("minutes", "range", "0 ≤ min ≤ max ≤ 1440")
	}
	validateHazards(&f, "hazards", p.Hazards)
	validateClaims(&f, "claims", p.Claims)
	return f.Err("the place is not complete")
}
