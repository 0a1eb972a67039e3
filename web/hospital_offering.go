package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

const (
	offeringsPath = "/console/offerings"
	// offeringsPage is how many offerings a page of the list shows.
	offeringsPage = 50
	// treatmentsFound is how many treatments the search for a new offering
	// shows.
	treatmentsFound = 20
	// offeringTries bounds the search for an id that is not taken.
	offeringTries = 50
	// maxOfferingID leaves room for a number behind it.
	maxOfferingID = 110
)

// hospitalsOnly is the kind of the organisations that have the console of a hospital.
const hospitalsOnly = catalog.HospitalDepartment

func (s *Server) hospitalOfferingRoutes() {
	s.consoleRoute(http.MethodGet, offeringsPath, account.SeeListings, s.listOwnOfferings, hospitalsOnly)
	s.consoleRoute(http.MethodGet, offeringsPath+"/new", account.EditListings, s.newOffering, hospitalsOnly)
	s.consoleRoute(http.MethodPost, offeringsPath, account.EditListings, s.createOffering, hospitalsOnly)
	s.consoleRoute(http.MethodGet, offeringsPath+"/:id", account.SeeListings, s.showOwnOffering, hospitalsOnly)
	s.consoleRoute(http.MethodGet, offeringsPath+"/:id/edit", account.EditListings, s.editOffering, hospitalsOnly)
	s.consoleRoute(http.MethodPost, offeringsPath+"/:id/edit", account.EditListings, s.saveOffering, hospitalsOnly)
	s.consoleRoute(http.MethodPost, offeringsPath+"/:id/step", account.SubmitListings, s.stepOffering, hospitalsOnly)
	s.consoleRoute(http.MethodGet, offeringsPath+"/:id/preview/:lang", account.SeeListings, s.previewOffering, hospitalsOnly)
	s.consoleTasks = append(s.consoleTasks, s.offeringTasks)
}

// ownOffering is a row of the list.
type ownOffering struct {
	catalog.Listing[catalog.Offering]
	name string
}

// offeringOrders are the orders of the list.
var offeringOrders = map[string]func(a, b ownOffering) int{
	"name":  func(a, b ownOffering) int { return cmp.Compare(a.name, b.name) },
	"state": func(a, b ownOffering) int { return cmp.Compare(a.State, b.State) },
}

// ownOfferings returns the offerings of the actor's hospital that a list asks
// for, those changed last first where no other order is asked for.
func (s *Server) ownOfferings(ctx context.Context, p templates.Page, a actor, query url.Values) ([]ownOffering, error) {
	var out []ownOffering
	words := strings.Fields(strings.ToLower(query.Get("q")))
	err := s.Catalog.Offerings.EachListing(ctx, catalog.ListingFilter{Owner: a.Org.HospitalID}, func(l catalog.Listing[catalog.Offering]) error {
		if state := query.Get("state"); state != "" && string(l.State) != state {
			return nil
		}
		t, err := s.Catalog.Treatments.Get(ctx, l.Value.TreatmentID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		row := ownOffering{l, p.Name(first(l.Value.Name, t.Name, catalog.Text{"en": l.Value.ID}))}
		all := strings.ToLower(strings.Join([]string{row.name, t.Name["en"], t.Name["zh-Hans"], l.Value.Name["en"], l.Value.Name["zh-Hans"], l.Value.ID}, " "))
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all, w) }) {
			out = append(out, row)
		}
		return nil
	})
	if by := offeringOrders[query.Get("sort")]; by != nil {
		slices.SortStableFunc(out, by)
	}
	return out, err
}

func (s *Server) listOwnOfferings(c echo.Context, a actor) error {
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.nav.offerings")
	query := c.QueryParams()
	rows, err := s.ownOfferings(c.Request().Context(), p, a, query)
	if err != nil {
		return err
	}
	header := []string{p.T("console.offerings.name"), p.T("console.offerings.state"), p.T("console.offerings.price"), p.T("console.offerings.missing"), p.T("console.offerings.changed")}
	if query.Get("format") == "csv" {
		return s.sendCSV(c, "offerings", append([]string{"id"}, header...), func(row func(...string) error) error {
			for _, o := range rows {
				if err := row(append([]string{o.Value.ID}, s.offeringCells(p, o)...)...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	l := templates.List{Path: offeringsPath, Query: query, Lead: p.T("console.offerings.lead"), Empty: p.T("console.offerings.empty"), CSV: len(rows) > 0,
		SearchLabel: p.T("console.offerings.search"), Columns: []templates.ListColumn{{Label: header[0], Sort: "name"}, {Label: header[1], Sort: "state"},
			{Label: header[2]}, {Label: header[3], Numeric: true}, {Label: header[4]}}}
	if a.may(account.EditListings) {
		l.Actions = []templates.ListAction{{Label: p.T("console.offerings.new"), Path: offeringsPath + "/new"}}
	}
	states := templates.ListFilter{Name: "state", Label: p.T("console.offerings.state")}
	for _, state := range []catalog.State{catalog.Draft, catalog.Submitted, catalog.Published, catalog.Suspended, catalog.Archived} {
		states.Choices = append(states.Choices, templates.ListChoice{Value: string(state), Label: p.T("console.state." + string(state))})
	}
	l.Filters = []templates.ListFilter{states}
	from, to, next := pageOf(query.Get("after"), len(rows), offeringsPage)
	l.Next = next
	for _, o := range rows[from:to] {
		l.Rows = append(l.Rows, templates.ListRow{Path: offeringsPath + "/" + o.Value.ID, Cells: s.offeringCells(p, o), Tone: templates.StateTone(o.State)})
	}
	return s.ok(c, templates.ConsoleList(p, frame, l))
}

// pageOf cuts a page out of a list of n rows; the cursor is the number of the
// first row.
func pageOf(after string, n, size int) (from, to int, next string) {
	from, err := strconv.Atoi(after)
	if err != nil || from < 0 || from > n {
		from = 0
	}
	to = min(from+size, n)
	if to < n {
		next = strconv.Itoa(to)
	}
	return from, to, next
}

func (s *Server) offeringCells(p templates.Page, o ownOffering) []string {
	price := p.T("card.on_request")
	if low := o.Value.Price.Lowest(); low != nil {
		price = p.MoneyCode(*low)
	}
	missing := 0
	for _, m := range catalog.MissingTranslations(o.Value) {
		missing += len(m.Languages)
	}
	return []string{o.name, p.T("console.state." + string(o.State)), price, p.Int(missing), p.Time(o.At)}
}

// newOffering lets a hospital choose the treatment that it offers.
func (s *Server) newOffering(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title = p.T("console.offerings.new")
	q := []rune(c.QueryParam("q"))
	v := templates.NewOfferingView{Query: string(q[:min(len(q), search.MaxQuery)])}
	res, err := s.Search.Search(ctx, search.Request{Query: v.Query, Kind: catalog.KindTreatment, Lang: p.Tag, PerPage: treatmentsFound, NoFilters: true})
	if err != nil {
		return err
	}
	own, err := s.ownOfferings(ctx, p, a, nil)
	if err != nil {
		return err
	}
	for _, hit := range res.Hits {
		t, err := s.Catalog.Treatments.Get(ctx, hit.ID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		row := templates.TreatmentChoice{ID: t.ID, Name: t.Name, Specialty: specialtyName(p, t.Specialty), Class: string(t.BookingClass)}
		if i := slices.IndexFunc(own, func(o ownOffering) bool { return o.Value.TreatmentID == t.ID }); i >= 0 {
			row.Own = offeringsPath + "/" + own[i].Value.ID
		}
		v.Treatments = append(v.Treatments, row)
	}
	return s.ok(c, templates.NewOffering(p, frame, v))
}

// createOffering stores an empty draft of a treatment under the first free id.
func (s *Server) createOffering(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	o := catalog.Offering{TreatmentID: c.FormValue("treatment"), HospitalID: a.Org.HospitalID}
	base := o.TreatmentID + "-at-" + o.HospitalID
	base = strings.Trim(base[:min(len(base), maxOfferingID)], "-")
	free := 0
	edit := a.edit("")
	edit.Over = &free
	for n := range offeringTries {
		o.ID = base
		if n > 0 {
			o.ID += "-" + strconv.Itoa(n+1)
		}
		_, err := s.Catalog.Offerings.Listing(ctx, o.ID)
		if err == nil {
			continue
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		if _, err = s.Catalog.Offerings.Save(ctx, o, edit); changed(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.note(c, a, account.Audited{Action: "offering.create", Thing: thing(o)}); err != nil {
			return err
		}
		return s.redirect(c, offeringsPath+"/"+o.ID+"/edit")
	}
	return fault.New(fault.Conflict, "There are many offerings of this treatment already. Edit one of them.").WithCode("console.offerings.many")
}

func (s *Server) showOwnOffering(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	l, err := ownListing(ctx, s.Catalog.Offerings, a, c.Param("id"))
	if err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	v, err := listingPage(ctx, a, s.Catalog.Offerings, l, offeringsPath+"/"+l.Value.ID)
	if err != nil {
		return err
	}
	if p.Title, err = s.offeringTitle(ctx, p, l.Value); err != nil {
		return err
	}
	if l.Shown != nil {
		v.Public = "/offerings/" + l.Value.ID
	}
	v.Preview = v.Path + "/preview/" + p.Tag
	frame.Done = said(p, c.QueryParam("done"))
	return s.ok(c, templates.ListingPage(p, frame, v))
}

func (s *Server) offeringTitle(ctx context.Context, p templates.Page, o catalog.Offering) (string, error) {
	t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", err
	}
	return p.Name(first(o.Name, t.Name, catalog.Text{"en": o.ID})), nil
}

func (s *Server) editOffering(c echo.Context, a actor) error {
	l, err := ownListing(c.Request().Context(), s.Catalog.Offerings, a, c.Param("id"))
	if err != nil {
		return err
	}
	typical, err := s.typicalTimeline(c.Request().Context(), l.Value)
	if err != nil {
		return err
	}
	form := templates.ListingForm{Values: offeringForm(l.Value, typical), Findings: catalog.Lint(l.Value)}
	form.Values.Set("base", strconv.Itoa(l.Revision))
	return s.offeringEditPage(c, a, http.StatusOK, l, form)
}

func (s *Server) typicalTimeline(ctx context.Context, o catalog.Offering) (catalog.Timeline, error) {
	t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
	if fault.Is(err, fault.NotFound) {
		return catalog.Timeline{}, nil
	}
	return t.Timeline, err
}

func (s *Server) saveOffering(c echo.Context, a actor) error {
	l, err := ownListing(c.Request().Context(), s.Catalog.Offerings, a, c.Param("id"))
	if err != nil {
		return err
	}
	return saveListing(s, c, a, listingEditor[catalog.Offering]{repo: s.Catalog.Offerings, path: offeringsPath + "/" + l.Value.ID,
		read: readOffering, control: offeringControl, page: s.offeringEditPage}, l)
}

// offeringControl names the field of the form for a field of an offering.
func offeringControl(o catalog.Offering, field string) string {
	if rest, ok := strings.CutPrefix(field, "timeline.phases["); ok {
		number, _, _ := strings.Cut(rest, "]")
		if i, err := strconv.Atoi(number); err == nil && o.Timeline != nil && i < len(o.Timeline.Phases) {
			return "timeline." + string(o.Timeline.Phases[i].Kind) + ".min"
		}
	}
	if strings.HasPrefix(field, "packaging.agency_ids[") {
		return "packaging.agency_ids"
	}
	switch field {
	case "price.min.currency", "price.max.currency":
		return "price.currency"
	}
	if strings.HasPrefix(field, "price.tiers[") {
		item, _, _ := strings.Cut(field, ".amount")
		if item != field {
			return item + ".amount"
		}
	}
	if strings.HasPrefix(field, "price.m") {
		return strings.TrimSuffix(field, ".amount")
	}
	return field
}

func (s *Server) stepOffering(c echo.Context, a actor) error {
	l, err := ownListing(c.Request().Context(), s.Catalog.Offerings, a, c.Param("id"))
	if err != nil {
		return err
	}
	return moveListing(s, c, a, s.Catalog.Offerings, l, offeringsPath+"/"+l.Value.ID)
}

func (s *Server) offeringEditPage(c echo.Context, a actor, status int, l catalog.Listing[catalog.Offering], form templates.ListingForm) error {
	ctx := c.Request().Context()
	// A save may have come in between.
	l, err := s.Catalog.Offerings.Listing(ctx, l.Value.ID)
	if err != nil {
		return err
	}
	if form, err = s.listingForm(c, a, form, thing(l.Value), l.Revision, offeringsPath+"/"+l.Value.ID); err != nil {
		return err
	}
	v := templates.OfferingEditView{ListingForm: form}
	err = s.Catalog.Organisations.Each(ctx, func(o catalog.Organisation) error {
		if o.OrganisationKind == catalog.Agency {
			v.Agencies = append(v.Agencies, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p, frame := s.consolePage(c, a, "")
	if p.Title, err = s.offeringTitle(ctx, p, l.Value); err != nil {
		return err
	}
	return s.render(c, status, templates.OfferingEdit(p, frame, v))
}

// previewOffering shows the page of patients with the latest revision, in any
// language, to members only.
func (s *Server) previewOffering(c echo.Context, a actor) error {
	l, err := ownListing(c.Request().Context(), s.Catalog.Offerings, a, c.Param("id"))
	if err != nil {
		return err
	}
	p, preview, err := s.preview(c, offeringsPath+"/"+l.Value.ID, l.State)
	if err != nil {
		return err
	}
	return s.offeringPage(c, p, l.Value, preview)
}

// readOffering makes an offering of a form.
func readOffering(f *formReader, o catalog.Offering) catalog.Offering {
	o.Name, o.Summary, o.Team = withOthers(f.text("name"), o.Name), withOthers(f.text("summary"), o.Summary), withOthers(f.text("team"), o.Team)
	o.Timeline = readTimeline(f, o.Timeline)
	o.Price = readPrice(f)
	o.Claims = f.claims(o.Claims)
	o.Packaging = nil
	if rule := catalog.PackagingRule(f.Get("packaging.rule")); rule != "" && rule != catalog.PackagingAll {
		o.Packaging = &catalog.Packaging{Rule: rule}
		if rule == catalog.PackagingListed {
			o.Packaging.AgencyIDs = slices.Clone(f.Values["packaging.agency_ids"])
		}
	}
	return o
}

func readTimeline(f *formReader, before *catalog.Timeline) *catalog.Timeline {
	if f.Get("timeline") != "own" {
		return nil
	}
	t := &catalog.Timeline{}
	if before != nil {
		t.Basis = before.Basis
	}
	for _, kind := range templates.Phases {
		name := "timeline." + string(kind)
		if f.str(name+".min") == "" && f.str(name+".max") == "" {
			continue
		}
		p := catalog.Phase{Kind: kind, Days: catalog.Span{Min: f.number(name + ".min"), Max: f.number(name + ".max")}, MaxExertion: catalog.Exertion(f.Get(name + ".max_exertion"))}
		if f.str(name+".max") == "" {
			p.Days.Max = p.Days.Min
		}
		for _, h := range f.Values[name+".avoid"] {
			p.Avoid = append(p.Avoid, catalog.Hazard(h))
		}
		t.Phases = append(t.Phases, p)
	}
	if f.str("timeline.fly_after_days") != "" {
		n := f.number("timeline.fly_after_days")
		t.FlyAfterDays = &n
	}
	return t
}

func readPrice(f *formReader) *catalog.Price {
	p := catalog.Price{Model: catalog.PriceModel(f.Get("price.model"))}
	if p.Model == "" || p.Model == catalog.PriceOnRequest {
		return nil
	}
	code := strings.ToUpper(f.str("price.currency"))
	switch p.Model {
	case catalog.PriceByTier:
		for i := range f.rows("price.tiers") {
			name := "price.tiers[" + strconv.Itoa(i) + "]"
			tier := catalog.PriceTier{Label: f.text(name + ".label"), Amount: catalog.Money{Currency: code}}
			if m := f.money(name+".amount", code); m != nil {
				tier.Amount = *m
			} else if f.str(name+".amount") == "" {
				f.faults.Add(name+".amount", "required", "give the amount")
			}
			p.Tiers = append(p.Tiers, tier)
		}
	case catalog.PriceRange:
		p.Min, p.Max = f.money("price.min", code), f.money("price.max", code)
	default:
		p.Min = f.money("price.min", code)
	}
	p.AsOf, p.Includes, p.Source = f.str("price.as_of"), f.text("price.includes"), f.source("price.source")
	return &p
}

// offeringForm writes an offering into a form. The typical timeline stands in
// it where the offering has none of its own.
func offeringForm(o catalog.Offering, typical catalog.Timeline) url.Values {
	f := formWriter{url.Values{}}
	f.text("name", o.Name)
	f.text("summary", o.Summary)
	f.text("team", o.Team)
	f.Set("timeline", "typical")
	if o.Timeline != nil {
		f.Set("timeline", "own")
		typical = *o.Timeline
	}
	for _, p := range typical.Phases {
		name := "timeline." + string(p.Kind)
		f.Set(name+".min", strconv.Itoa(p.Days.Min))
		f.Set(name+".max", strconv.Itoa(p.Days.Max))
		f.Set(name+".max_exertion", string(p.MaxExertion))
		for _, h := range p.Avoid {
			f.Add(name+".avoid", string(h))
		}
	}
	if typical.FlyAfterDays != nil {
		f.Set("timeline.fly_after_days", strconv.Itoa(*typical.FlyAfterDays))
	}
	f.price(o.Price)
	f.claims(o.Claims)
	f.Set("packaging.rule", string(o.PackagingRule()))
	if o.Packaging != nil {
		f.Values["packaging.agency_ids"] = o.Packaging.AgencyIDs
	}
	return f.Values
}

func (f formWriter) price(p *catalog.Price) {
	f.Set("price.model", string(catalog.PriceOnRequest))
	f.Set("price.currency", "CNY")
	if p == nil {
		return
	}
	f.Set("price.model", string(p.Model))
	if low := p.Lowest(); low != nil {
		f.Set("price.currency", low.Currency)
	}
	if p.Min != nil {
		f.Set("price.min", p.Min.Decimal())
	}
	if p.Max != nil {
		f.Set("price.max", p.Max.Decimal())
	}
	f.Set("price.tiers.rows", strconv.Itoa(len(p.Tiers)))
	for i, t := range p.Tiers {
		name := "price.tiers[" + strconv.Itoa(i) + "]"
		f.text(name+".label", t.Label)
		f.Set(name+".amount", t.Amount.Decimal())
	}
	f.Set("price.as_of", p.AsOf)
	f.text("price.includes", p.Includes)
	f.source("price.source", p.Source)
}

// offeringTasks says what the operator has sent back, and which claims end
// soon.
func (s *Server) offeringTasks(ctx context.Context, p templates.Page, a actor) ([]templates.ConsoleTask, error) {
	if a.Org.OrganisationKind != catalog.HospitalDepartment || !a.may(account.EditListings) {
		return nil, nil
	}
	own, err := s.ownOfferings(ctx, p, a, nil)
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return []templates.ConsoleTask{{Label: p.T("console.offerings.first"), Path: offeringsPath + "/new"}}, nil
	}
	var out []templates.ConsoleTask
	for _, o := range own {
		path := offeringsPath + "/" + o.Value.ID
		switch {
		case o.State == catalog.Draft && o.Reason != "" && !s.isMember(ctx, a, o.Author):
			out = append(out, templates.ConsoleTask{Label: p.T("console.offerings.returned", "name", o.name), Path: path, Due: o.Reason, Urgent: true})
		case o.State == catalog.Draft:
			out = append(out, templates.ConsoleTask{Label: p.T("console.offerings.finish", "name", o.name), Path: path})
		}
		if day := endsSoon(o.Value.Claims, s.Now()); day != "" && o.State != catalog.Archived {
			out = append(out, templates.ConsoleTask{Label: p.T("console.offerings.ending", "name", o.name), Path: path + "/edit", Due: p.PartialDate(day)})
		}
	}
	return out, nil
}

func (s *Server) isMember(ctx context.Context, a actor, email string) bool {
	_, err := s.Accounts.Membership(ctx, email, a.Org.ID)
	return err == nil
}

// endsSoon returns the day on which the first claim ends within a month, empty
// for none.
func endsSoon(claims []catalog.Claim, now time.Time) string {
	limit, day := now.UTC().AddDate(0, 1, 0).Format(time.DateOnly), ""
	for _, c := range claims {
		if c.Expires != "" && c.Expires <= limit && (day == "" || c.Expires < day) {
			day = c.Expires
		}
	}
	return day
}
