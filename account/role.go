package account

import (
	"slices"

	"github.com/medtour/medtour/catalog"
)

// Role is what a member is to an organisation.
type Role string

// The roles.
const (
	// Owner may do everything, and alone decides who is a member.
	Owner Role = "owner"
	// Editor writes what is listed.
	Editor Role = "editor"
	// Coordinator answers patients' cases and bookings.
	Coordinator Role = "coordinator"
	// Finance sees and settles money.
	Finance Role = "finance"
	// Viewer looks on; patients' data are not among what is seen.
	Viewer Role = "viewer"
)

// Roles lists the roles, the widest first.
var Roles = []Role{Owner, Editor, Coordinator, Finance, Viewer}

// Action is something that a member may or may not do for an organisation.
type Action string

// The actions of every organisation, on its own things.
const (
	SeeListings    Action = "see-listings"
	EditListings   Action = "edit-listings"
	SubmitListings Action = "submit-listings"
	SeeBookings    Action = "see-bookings"
	AnswerBookings Action = "answer-bookings"
	SeeMoney       Action = "see-money"
	SettleMoney    Action = "settle-money"
	SeeMembers     Action = "see-members"
	ManageMembers  Action = "manage-members"
	ManageKeys     Action = "manage-keys"
	SeeAudit       Action = "see-audit"
)

// The actions of the operator alone, on everybody's things.
const (
	Moderate            Action = "moderate"
	EditVocabulary      Action = "edit-vocabulary"
	ManageOrganisations Action = "manage-organisations"
	SeeReports          Action = "see-reports"
)

// allowed is the one table of who may do what.
var allowed = map[Action][]Role{
	SeeListings:    Roles,
	EditListings:   {Owner, Editor},
	SubmitListings: {Owner, Editor},
	SeeBookings:    {Owner, Coordinator, Finance},
	AnswerBookings: {Owner, Coordinator},
	SeeMoney:       {Owner, Finance},
	SettleMoney:    {Owner, Finance},
	SeeMembers:     Roles,
	ManageMembers:  {Owner},
	ManageKeys:     {Owner},
	SeeAudit:       {Owner, Finance},

	Moderate:            {Owner, Editor},
	EditVocabulary:      {Owner, Editor},
	ManageOrganisations: {Owner},
	SeeReports:          Roles,
}

// operatorsOnly are the actions on what belongs to others.
var operatorsOnly = []Action{Moderate, EditVocabulary, ManageOrganisations, SeeReports}

// Actions lists every action, those of the operator alone last.
var Actions = append([]Action{SeeListings, EditListings, SubmitListings, SeeBookings, AnswerBookings, SeeMoney, SettleMoney,
	SeeMembers, ManageMembers, ManageKeys, SeeAudit}, operatorsOnly...)

// May reports whether a member of an organisation of a kind, in a role, may do
// something for it. Whether the thing is the organisation's own is another
// question: catalog.Organisation.Owns answers it.
func May(kind catalog.OrganisationKind, role Role, action Action) bool {
	if slices.Contains(operatorsOnly, action) && kind != catalog.Operator {
		return false
	}
	return slices.Contains(allowed[action], role)
}
