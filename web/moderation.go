package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

const (
	queuePath    = "/console/queue"
	listingsPath = "/console/listings"
	// queuePage is how many submissions of a kind the queue shows, and how many
	// rows a list of listings has.
	queuePage = 50
	// searchedListings is how many of the latest listings a search by words
	// reads.
	searchedListings = 5000
)

// moderation is what the operator does with the listings of one kind.
type moderation struct {
	kind catalog.Kind
	list func(ctx context.Context, f catalog.ListingFilter, limit int, after string) ([]templates.Submission, string, error)
	each func(ctx context.Context, f catalog.ListingFilter, g func(templates.Submission) error) error
	read func(ctx context.Context, id string) (templates.Submission, error)
	// publish shows the latest revision to patients; the claims at the indexes
	// in verified are marked as read by the operator.
	publish func(ctx context.Context, id string, verified []int, by catalog.Edit) error
	move    func(ctx context.Context, id string, state catalog.State, by catalog.Edit) error
	count   func(ctx context.Context, f catalog.ListingFilter) (int64, error)
}

// errEnough ends a walk over a list.
var errEnough = errors.New("enough")

// moderationOf says how the listings of a kind are moderated. claims returns
// the entry's claims, nil where the kind has none.
func moderationOf[T catalog.Entity](repo *catalog.Repo[T], kind catalog.Kind, name func(T) catalog.Text, claims func(*T) []catalog.Claim) moderation {
	row := func(l catalog.Listing[T]) templates.Submission {
		return templates.Submission{Kind: kind, ID: l.Value.EntityID(), Name: name(l.Value), State: l.State, Shown: l.Shown != nil, Revision: l.Revision, Author: l.Author, Reason: l.Reason, At: l.At}
	}
	return moderation{
		kind: kind,
		list: func(ctx context.Context, f catalog.ListingFilter, limit int, after string) ([]templates.Submission, string, error) {
			page, err := repo.Listings(ctx, f, limit, after)
			var out []templates.Submission
			for _, rec := range page.Items {
				out = append(out, row(rec.Value))
			}
			return out, page.Next, err
		},
		each: func(ctx context.Context, f catalog.ListingFilter, g func(templates.Submission) error) error {
			return repo.EachListing(ctx, f, func(l catalog.Listing[T]) error { return g(row(l)) })
		},
		read: func(ctx context.Context, id string) (templates.Submission, error) {
			l, err := repo.Listing(ctx, id)
			if err != nil {
				return templates.Submission{}, err
			}
			v := row(l)
			var before T
			if l.Shown != nil {
				before = *l.Shown
			}
			if v.Changes, err = catalog.Differences(before, l.Value); err != nil {
				return v, err
			}
			v.Findings, v.Claims = catalog.Lint(l.Value), claims(&l.Value)
			history, err := repo.History(ctx, id)
			for _, r := range slices.Backward(history) {
				v.History = append(v.History, templates.Step{Number: r.Number, State: r.State, Author: r.Author, Reason: r.Reason, At: r.At})
			}
			return v, err
		},
		publish: func(ctx context.Context, id string, verified []int, by catalog.Edit) error {
			l, err := repo.Listing(ctx, id)
			if err != nil {
				return err
			}
			list := claims(&l.Value)
			for _, i := range verified {
				if i >= 0 && i < len(list) {
					list[i].VerifiedBy = by.Author
				}
			}
			_, err = repo.Publish(ctx, l.Value, by)
			return err
		},
		move:  repo.Move,
		count: repo.CountListings,
	}
}

func noClaims[T any](*T) []catalog.Claim { return nil }

// moderations are the kinds that partners write, in the order of the queue.
func (s *Server) moderations() []moderation {
	c := s.Catalog
	return []moderation{
		moderationOf(c.Hospitals, catalog.KindHospital, func(v catalog.Hospital) catalog.Text { return v.Name }, func(v *catalog.Hospital) []catalog.Claim { return v.Claims }),
		moderationOf(c.Offerings, catalog.KindOffering, s.offeringName, func(v *catalog.Offering) []catalog.Claim { return v.Claims }),
		moderationOf(c.Packages, catalog.KindPackage, func(v catalog.Package) catalog.Text { return v.Name }, noClaims[catalog.Package]),
		moderationOf(c.Organisations, catalog.KindOrganisation, func(v catalog.Organisation) catalog.Text { return v.Name }, noClaims[catalog.Organisation]),
		moderationOf(c.Treatments, catalog.KindTreatment, func(v catalog.Treatment) catalog.Text { return v.Name }, func(v *catalog.Treatment) []catalog.Claim { return v.Claims }),
		moderationOf(c.Places, catalog.KindPlace, func(v catalog.Place) catalog.Text { return v.Name }, noClaims[catalog.Place]),
	}
}

// offeringName is an offering's own name, or its treatment's.
func (s *Server) offeringName(o catalog.Offering) catalog.Text {
	if len(o.Name) > 0 {
		return o.Name
	}
	// What is published is in memory; an offering of a treatment that is not
	// shows as its id.
	t, _ := s.Catalog.Treatments.Get(context.Background(), o.TreatmentID)
	return t.Name
}

func (s *Server) moderationOfKind(kind string) (moderation, error) {
	for _, m := range s.moderations() {
		if string(m.kind) == kind {
			return m, nil
		}
	}
	return moderation{}, fault.New(fault.NotFound, "There is no such kind of listing.")
}

func (s *Server) moderationRoutes() {
	s.consoleRoute(http.MethodGet, queuePath, account.SeeReports, s.showQueue, catalog.Operator)
	s.consoleRoute(http.MethodGet, listingsPath, account.SeeReports, s.listListings, catalog.Operator)
	s.consoleRoute(http.MethodGet, listingsPath+"/:kind/:id", account.SeeReports, s.showListing, catalog.Operator)
	s.consoleRoute(http.MethodPost, listingsPath+"/:kind/:id", account.Moderate, s.moderate, catalog.Operator)
	s.consoleTasks = append(s.consoleTasks, s.queueTasks)
}

func (s *Server) queueTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	if !a.may(account.Moderate) {
		return nil, nil
	}
	var total int64
	for _, m := range s.moderations() {
		n, err := m.count(ctx, catalog.ListingFilter{State: catalog.Submitted})
		if err != nil {
			return nil, err
		}
		total += n
	}
	if total == 0 {
		return nil, nil
	}
	return []templates.ConsoleTask{{Label: p.N("console.queue.task", int(total)), Path: queuePath}}, nil
}

// showQueue lists what waits for the operator, the longest waiting first.
func (s *Server) showQueue(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.queue")
	frame.Done = said(p, c.QueryParam("done"))
	var all []templates.Submission
	for _, m := range s.moderations() {
		list, _, err := m.list(c.Request().Context(), catalog.ListingFilter{State: catalog.Submitted}, queuePage, "")
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(x, y templates.Submission) int { return x.At.Compare(y.At) })
	l := templates.List{Path: queuePath, Query: c.QueryParams(), Empty: p.T("console.queue.empty"),
		Columns: []templates.ListColumn{{Label: p.T("console.listing")}, {Label: p.T("console.listing.kind")}, {Label: p.T("console.audit.actor")}, {Label: p.T("console.queue.since")}, {Label: p.T("console.audit.reason")}}}
	for _, v := range all {
		l.Rows = append(l.Rows, templates.ListRow{Path: v.Path(), Cells: []string{v.Label(p), p.T("console.kind_of." + string(v.Kind)), v.Author, p.Time(v.At), v.Reason}})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

func (s *Server) listListings(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.listings")
	kind := c.QueryParam("kind")
	if kind == "" {
		kind = string(catalog.KindOffering)
	}
	m, err := s.moderationOfKind(kind)
	if err != nil {
		return err
	}
	filter := catalog.ListingFilter{State: catalog.State(c.QueryParam("state"))}
	if c.QueryParam("format") == "csv" {
		return s.sendCSV(c, kind, []string{"id", "name", "state", "revision", "author", "at"}, func(row func(...string) error) error {
			return m.each(ctx, filter, func(v templates.Submission) error {
				return row(v.ID, v.Name.Get(p.Tag), string(v.State), strconv.Itoa(v.Revision), v.Author, v.At.Format("2006-01-02T15:04:05Z07:00"))
			})
		})
	}
	l := templates.List{Path: listingsPath, Query: c.QueryParams(), CSV: true, SearchLabel: p.T("console.listings.search"), Empty: p.T("console.listings.empty"),
		Filters: []templates.ListFilter{{Name: "kind", Label: p.T("console.listing.kind")}, {Name: "state", Label: p.T("console.desk.state")}},
		Columns: []templates.ListColumn{{Label: p.T("console.listing")}, {Label: p.T("console.desk.state")}, {Label: p.T("console.listing.id")}, {Label: p.T("console.audit.actor")}, {Label: p.T("console.audit.at")}}}
	for _, m := range s.moderations() {
		l.Filters[0].Choices = append(l.Filters[0].Choices, templates.ListChoice{Value: string(m.kind), Label: p.T("console.kind_of." + string(m.kind))})
	}
	for _, state := range []catalog.State{catalog.Draft, catalog.Submitted, catalog.Published, catalog.Suspended, catalog.Archived} {
		l.Filters[1].Choices = append(l.Filters[1].Choices, templates.ListChoice{Value: string(state), Label: p.T("console.state." + string(state))})
	}
	rows, next, err := m.find(ctx, filter, c.QueryParam("q"), p.Tag, c.QueryParam("after"))
	if err != nil {
		return err
	}
	l.Next = next
	for _, v := range rows {
		l.Rows = append(l.Rows, templates.ListRow{Path: v.Path(), Tone: templates.StateTone(v.State), Cells: []string{v.Label(p), p.T("console.state." + string(v.State)), v.ID, v.Author, p.Time(v.At)}})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// find returns a page of listings, or with words those of the latest whose id
// or name has them.
func (m moderation) find(ctx context.Context, f catalog.ListingFilter, words, lang, after string) ([]templates.Submission, string, error) {
	words = strings.ToLower(strings.TrimSpace(words))
	if words == "" {
		return m.list(ctx, f, queuePage, after)
	}
	var out []templates.Submission
	read := 0
	err := m.each(ctx, f, func(v templates.Submission) error {
		if read++; read > searchedListings || len(out) == queuePage {
			return errEnough
		}
		if strings.Contains(v.ID, words) || strings.Contains(strings.ToLower(v.Name.Get(lang)), words) {
			out = append(out, v)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, "", err
}

func (s *Server) showListing(c echo.Context, a actor) error {
	return s.listingPage(c, a, http.StatusOK, templates.SubmissionView{})
}

func (s *Server) listingPage(c echo.Context, a actor, status int, v templates.SubmissionView) error {
	m, err := s.moderationOfKind(c.Param("kind"))
	if err != nil {
		return err
	}
	if v.Submission, err = m.read(c.Request().Context(), c.Param("id")); err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	p.Title = v.Submission.Label(p)
	frame.Done = said(p, c.QueryParam("done"))
	if a.may(account.Moderate) {
		v.Acts = moderationActs[v.Submission.State]
	}
	return s.render(c, status, templates.Moderation(p, frame, v))
}

// moderationActs are what the operator may do with a listing in a state.
var moderationActs = map[catalog.State][]string{
	catalog.Submitted: {"approve", "return"},
	catalog.Published: {"suspend", "archive"},
	catalog.Suspended: {"restore", "archive"},
}

// moderate does what the operator has decided, over the revision that was
// shown.
func (s *Server) moderate(c echo.Context, a actor) error {
	ctx, id, act := c.Request().Context(), c.Param("id"), c.FormValue("act")
	m, err := s.moderationOfKind(c.Param("kind"))
	if err != nil {
		return err
	}
	v, err := m.read(ctx, id)
	if err != nil {
		return err
	}
	edit := editOver(c, a, strings.TrimSpace(c.FormValue("reason")))
	switch {
	case !slices.Contains(moderationActs[v.State], act):
		err = fault.New(fault.Conflict, "This cannot be done in the state that the listing has now.").WithCode("console.listing.state_changed")
	case act != "approve" && act != "restore" && edit.Reason == "":
		err = fault.New(fault.Invalid, "Say why: the owner is shown the reason.").WithCode("console.listing.reason")
	case act == "approve":
		err = m.publish(ctx, id, verifiedClaims(c), edit)
	default:
		err = m.move(ctx, id, map[string]catalog.State{"return": catalog.Draft, "suspend": catalog.Suspended, "restore": catalog.Published, "archive": catalog.Archived}[act], edit)
	}
	var f *fault.Error
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		p := s.page(c)
		return s.listingPage(c, a, statuses[f.Kind], templates.SubmissionView{Notice: localizedMessage(p, f), Errors: templates.FieldErrors(p, f.Fields), Reason: edit.Reason})
	}
	if err != nil {
		return err
	}
	line := account.Audited{Action: string(m.kind) + "." + act, Thing: string(m.kind) + "/" + id, Reason: edit.Reason}
	if line.Owner, err = s.organisationOf(ctx, m.kind, id); err != nil {
		return err
	}
	if err := s.note(c, a, line); err != nil {
		return err
	}
	if act == "approve" || act == "return" {
		return s.redirect(c, queuePath+"?done="+act)
	}
	return s.redirect(c, v.Path()+"?done="+act)
}

// verifiedClaims reads which claims the operator has held against their
// sources.
func verifiedClaims(c echo.Context) []int {
	form, err := c.FormParams()
	if err != nil {
		return nil
	}
	var out []int
	for _, s := range form["verified"] {
		if i, err := strconv.Atoi(s); err == nil {
			out = append(out, i)
		}
	}
	return out
}

// organisationOf returns the organisation whose a listing is, empty for the
// operator's, so that its members find it in their audit trail.
func (s *Server) organisationOf(ctx context.Context, kind catalog.Kind, id string) (string, error) {
	hospital := ""
	switch kind {
	case catalog.KindOrganisation:
		return id, nil
	case catalog.KindPackage:
		l, err := s.Catalog.Packages.Listing(ctx, id)
		return l.Value.AgencyID, err
	case catalog.KindOffering:
		l, err := s.Catalog.Offerings.Listing(ctx, id)
		if err != nil {
			return "", err
		}
		hospital = l.Value.HospitalID
	case catalog.KindHospital:
		hospital = id
	default:
		return "", nil
	}
	owner := ""
	err := s.Catalog.Organisations.Each(ctx, func(o catalog.Organisation) error {
		if o.HospitalID == hospital {
			owner = o.ID
		}
		return nil
	})
	return owner, err
}
