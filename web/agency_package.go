package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/search"
	"github.com/medtour/medtour/templates"
)

const (
	// defaultDeposit of a new package, in basis points.
	defaultDeposit = 2000
	// defaultPolicy is the standard policy of a new package.
	defaultPolicy = "standard"
	// offeringsFound is how many offerings a search of the builder shows.
	offeringsFound = 20
	// idTries bounds the search for an id that is not taken.
	idTries = 50
	// maxSlug leaves room for a number behind it.
	maxSlug = 80
)

// slug makes an id out of a name, empty where it has no Latin letter or digit.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '\'' || r == '’':
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := b.String()
	return strings.Trim(s[:min(len(s), maxSlug)], "-")
}

// createdAs stores a new package under the first free id made of a name.
func (s *Server) createdAs(c echo.Context, a actor, pkg catalog.Package, name string) (string, error) {
	base := slug(name)
	if base == "" {
		base = "package"
	}
	free := 0
	edit := a.edit("")
	edit.Over = &free
	for n := range idTries {
		pkg.ID = base
		if n > 0 {
			pkg.ID += "-" + strconv.Itoa(n+1)
		}
		wrote, err := s.Catalog.Packages.Save(c.Request().Context(), pkg, edit)
		if fault.Is(err, fault.Conflict) || err == nil && !wrote {
			continue // taken, perhaps by one exactly like it
		}
		if err != nil {
			return "", err
		}
		return pkg.ID, s.note(c, a, account.Audited{Action: "package.create", Thing: "package/" + pkg.ID})
	}
	return "", fault.New(fault.Conflict, "There are many packages of this name. Choose another.").WithCode("console.agency.name_taken")
}

// offeringChoices searches the offerings for the builder. Those that may not be
// in a package are shown with the reason.
func (s *Server) offeringChoices(ctx context.Context, p templates.Page, agency, q string, chosen []string) ([]templates.OfferingChoice, error) {
	if len([]rune(q)) > search.MaxQuery {
		q = string([]rune(q)[:search.MaxQuery])
	}
	ids := slices.Clone(chosen)
	if strings.TrimSpace(q) != "" {
		res, err := s.Search.Search(ctx, search.Request{Query: q, Kind: catalog.KindOffering, Lang: p.Tag, PerPage: offeringsFound})
		if err != nil {
			return nil, err
		}
		for _, hit := range res.Hits {
			if !slices.Contains(ids, hit.ID) {
				ids = append(ids, hit.ID)
			}
		}
	}
	var out []templates.OfferingChoice
	for i, id := range ids {
		choice, err := s.offeringChoice(ctx, p, agency, id)
		if err != nil {
			return nil, err
		}
		choice.Chosen = i < len(chosen)
		out = append(out, choice)
	}
	return out, nil
}

// offeringChoice describes an offering to an agency; one that is not published
// any more has a reason against it and its id for a name.
func (s *Server) offeringChoice(ctx context.Context, p templates.Page, agency, id string) (templates.OfferingChoice, error) {
	gone := templates.OfferingChoice{ID: id, Name: id, Against: p.T("console.agency.offering.gone")}
	o, err := s.Catalog.Offerings.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
	if err != nil {
		return gone, err
	}
	h, err := s.Catalog.Hospitals.Get(ctx, o.HospitalID)
	if err != nil {
		return gone, err
	}
	choice := templates.OfferingChoice{ID: id, Name: p.Name(offeringName(o, t)), Hospital: p.Name(h.Name)}
	timeline := timelineOf(o, t)
	choice.Stay = p.SpanText("console.agency.stay", timeline.StayDays())
	if nights := timeline.Nights(); nights.Max > 0 {
		choice.Ward = p.SpanText("console.agency.ward", nights)
	}
	switch rule := o.PackagingRule(); {
	case !t.BookingClass.Sellable():
		choice.Against = p.T("console.agency.offering." + string(t.BookingClass))
	case rule == catalog.PackagingListed && !slices.Contains(o.Packaging.AgencyIDs, agency):
		choice.Against = p.T("console.agency.offering.not_listed")
	case rule == catalog.PackagingOnRequest:
		choice.Consent = p.T("console.agency.consent.needed")
	}
	return choice, nil
}

// hotelAreas lists the areas in which nights can be spent.
func (s *Server) hotelAreas(ctx context.Context, p templates.Page) ([]templates.ListChoice, error) {
	places, err := published(ctx, s, s.Catalog.Places)
	var out []templates.ListChoice
	for _, pl := range places {
		if pl.PlaceKind == catalog.PlaceKindHotelArea {
			out = append(out, templates.ListChoice{Value: pl.ID, Label: p.Name(pl.Name)})
		}
	}
	slices.SortFunc(out, func(a, b templates.ListChoice) int { return strings.Compare(a.Label, b.Label) })
	return out, err
}

func (s *Server) newPackage(c echo.Context, a actor) error {
	form := url.Values{"currency": {"CNY"}, "q": {c.QueryParam("q")}}
	return s.newPackagePage(c, a, http.StatusOK, form, nil)
}

func (s *Server) newPackagePage(c echo.Context, a actor, status int, form url.Values, fields []fault.Field) error {
	ctx := c.Request().Context()
	p, frame := s.consolePage(c, a, "")
	p.Title, p.Path = p.T("console.agency.new"), packagesPath+"/new"
	v := templates.NewPackageView{Form: form, Currencies: p.Currencies, Errors: templates.FieldErrors(p, fields)}
	var err error
	if v.Areas, err = s.hotelAreas(ctx, p); err != nil {
		return err
	}
	if v.Offerings, err = s.offeringChoices(ctx, p, a.Org.ID, form.Get("q"), form["offering"]); err != nil {
		return err
	}
	return s.render(c, status, templates.NewPackage(p, frame, v))
}

// createPackage makes a package out of a name, offerings and a hotel area: its
// days are laid out, its lines, options and rules are the usual ones.
func (s *Server) createPackage(c echo.Context, a actor) error {
	form, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
	}
	if form.Get("act") != "create" {
		return s.newPackagePage(c, a, http.StatusOK, form, nil)
	}
	pkg, fields, err := s.startPackage(c.Request().Context(), a, form)
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		id, err := s.createdAs(c, a, pkg, pkg.Name["en"])
		if err == nil {
			return s.done(c, id, "plan", "created")
		}
		if found, ok := faultFields(err); ok {
			fields = found
		} else if !fault.Is(err, fault.Conflict) {
			return err
		} else {
			fields = []fault.Field{{Name: "name.en", Code: "name_taken", Message: err.Error()}}
		}
	}
	return s.newPackagePage(c, a, http.StatusUnprocessableEntity, form, fields)
}

// startPackage builds a new package from the form.
func (s *Server) startPackage(ctx context.Context, a actor, form url.Values) (catalog.Package, []fault.Field, error) {
	standard := catalog.Standards()
	policy, _ := standard.Policy(defaultPolicy)
	currency := form.Get("currency")
	pkg := catalog.Package{AgencyID: a.Org.ID, OfferingIDs: slices.Compact(slices.Clone(form["offering"])), Name: catalog.Text{}, HotelAreaID: form.Get("hotel_area"),
		Inclusions: standard.Inclusions, Exclusions: standard.Exclusions, Currency: currency, Deposit: catalog.DepositRule{BasisPoints: defaultDeposit},
		Policy: policy, Options: catalog.Options{MaxCompanions: 1, Interpreters: a.Org.Languages}, Demo: a.Org.Demo}
	var fields fault.Fields
	for _, lang := range []string{"en", "zh-Hans"} {
		if name := strings.TrimSpace(form.Get("name." + lang)); name != "" {
			pkg.Name[lang] = name
		}
	}
	if len(pkg.Name) == 0 {
		fields.Add("name.en", "required", "give the package a name")
	}
	if pkg.HotelAreaID == "" {
		fields.Add("hotel_area", "required", "choose where the nights are spent")
	}
	if !s.Rates.Has(currency) {
		fields.Add("currency", "unknown", "choose a currency of the list")
	}
	for _, l := range standard.Lines {
		if l.Due == catalog.DueOnArrival {
			l.Amount = &catalog.Money{Currency: currency}
		}
		pkg.Lines = append(pkg.Lines, l)
	}
	for _, r := range standard.Rooms {
		r.Surcharge = catalog.Money{Currency: currency}
		pkg.Options.Rooms = append(pkg.Options.Rooms, r)
	}
	timelines, against, err := s.timelinesOf(ctx, pkg.OfferingIDs)
	switch {
	case err != nil:
		return pkg, nil, err
	case len(pkg.OfferingIDs) == 0:
		fields.Add("offering", "required", "choose at least one treatment")
	case len(against) > 0:
		fields.Add("offering", "not_sold", "%s cannot be in a package", strings.Join(against, ", "))
	}
	pkg.Itinerary = catalog.PlanStay(pkg.OfferingIDs, timelines)
	return pkg, fields, nil
}

// timelinesOf returns the timelines of offerings, and the ids of those that may
// not be in a package.
func (s *Server) timelinesOf(ctx context.Context, ids []string) (timelines map[string]catalog.Timeline, against []string, err error) {
	timelines = map[string]catalog.Timeline{}
	for _, id := range ids {
		o, err := s.Catalog.Offerings.Get(ctx, id)
		if fault.Is(err, fault.NotFound) {
			against = append(against, id)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		t, err := s.Catalog.Treatments.Get(ctx, o.TreatmentID)
		if err != nil {
			return nil, nil, err
		}
		if !t.BookingClass.Sellable() {
			against = append(against, id)
		}
		timelines[id] = timelineOf(o, t)
	}
	return timelines, against, nil
}

func (s *Server) showOwnPackage(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	return s.ownPackagePage(c, a, http.StatusOK, l, "")
}

// ownPackagePage is the first page of a package: where it stands and what is
// missing.
func (s *Server) ownPackagePage(c echo.Context, a actor, status int, l catalog.Listing[catalog.Package], notice string) error {
	ctx := c.Request().Context()
	p, frame := s.packagePageOf(c, a, l)
	v := templates.OwnPackageView{PackageHead: s.packageHead(p, a, l, ""), Notice: notice, Changed: p.Time(l.At), Author: l.Author, ShownRevision: l.ShownRevision}
	checks, err := s.readiness(ctx, p, l.Value)
	if err != nil {
		return err
	}
	v.Checks = checks
	if v.Consents, err = s.consentsOf(ctx, p, l.Value); err != nil {
		return err
	}
	for _, next := range []catalog.State{catalog.Submitted, catalog.Draft, catalog.Archived} {
		if l.State.MayFollow(next) && (next != catalog.Submitted || !blocked(checks)) {
			v.Acts = append(v.Acts, string(l.State)+"-"+string(next))
		}
	}
	if l.State == catalog.Draft || l.State == catalog.Suspended {
		history, err := s.Catalog.Packages.History(ctx, l.Value.ID)
		if err != nil {
			return err
		}
		v.Returned = lastReason(history)
	}
	return s.render(c, status, templates.OwnPackage(p, frame, v))
}

// lastReason is why the operator sent an entry back or suspended it, as long as
// it has not been submitted again.
func lastReason[T catalog.Entity](history []catalog.Revision[T]) string {
	for _, rev := range slices.Backward(history) {
		switch {
		case rev.State == catalog.Submitted || rev.State == catalog.Published:
			return ""
		case rev.Reason != "":
			return rev.Reason
		}
	}
	return ""
}

func blocked(checks []templates.ReadyCheck) bool {
	return slices.ContainsFunc(checks, func(c templates.ReadyCheck) bool { return c.Level == templates.ReadyStop })
}

// bad is 1 for what is wrong, for counting.
func bad(is bool) int {
	if is {
		return 1
	}
	return 0
}

// consentsOf lists the offerings of a package for which the hospital has to
// agree; those to which it has are chosen.
func (s *Server) consentsOf(ctx context.Context, p templates.Page, pkg catalog.Package) ([]templates.OfferingChoice, error) {
	var out []templates.OfferingChoice
	for _, id := range pkg.OfferingIDs {
		o, err := s.Catalog.Offerings.Get(ctx, id)
		if fault.Is(err, fault.NotFound) || err == nil && o.PackagingRule() != catalog.PackagingOnRequest {
			continue
		}
		if err != nil {
			return nil, err
		}
		choice, err := s.offeringChoice(ctx, p, pkg.AgencyID, id)
		if err != nil {
			return nil, err
		}
		consent, err := s.Catalog.Consent(ctx, id, pkg.ID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		choice.Consent = p.T("console.agency.consent." + cmp.Or(string(consent.State), "needed"))
		if consent.State == catalog.ConsentRefused {
			choice.Against = consent.Reason
		}
		choice.Chosen, choice.MayAsk = consent.State == catalog.ConsentGiven, consent.State == "" || consent.State == catalog.ConsentRefused
		out = append(out, choice)
	}
	return out, nil
}

// askConsent asks a hospital whether a package may be built on its offering.
func (s *Server) askConsent(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	id := c.FormValue("offering")
	if _, err := s.Catalog.AskConsent(c.Request().Context(), l.Value.ID, id, a.edit("")); err != nil {
		return err
	}
	if err := s.note(c, a, account.Audited{Action: "package.ask-consent", Thing: "package/" + l.Value.ID, Detail: id}); err != nil {
		return err
	}
	return s.done(c, l.Value.ID, "", "asked")
}

// readiness says what a package lacks to be submitted and to be found.
func (s *Server) readiness(ctx context.Context, p templates.Page, pkg catalog.Package) ([]templates.ReadyCheck, error) {
	_, against, err := s.timelinesOf(ctx, pkg.OfferingIDs)
	if err != nil {
		return nil, err
	}
	stay, err := s.looseStay(ctx, pkg)
	if err != nil {
		return nil, err
	}
	departures, err := s.Catalog.DeparturesOfPackage(ctx, pkg.ID)
	if err != nil {
		return nil, err
	}
	starts := 0
	for _, d := range departures {
		starts += len(d.Starts(s.Now()))
	}
	missing := 0
	for _, t := range packageTexts(pkg) {
		missing += bad(len(t.text.Missing()) > 0)
	}
	consents, err := s.consentsOf(ctx, p, pkg)
	if err != nil {
		return nil, err
	}
	open, refused := 0, 0
	for _, o := range consents {
		open += bad(!o.Chosen)
	}
	for _, f := range catalog.Lint(pkg) {
		refused += bad(f.Severity == catalog.Refuse)
	}
	check := func(tab, key string, n int, level string) templates.ReadyCheck {
		if n == 0 {
			return templates.ReadyCheck{Level: templates.ReadyGood, Label: p.T("console.agency.ready." + key), Tab: tab}
		}
		return templates.ReadyCheck{Level: level, Label: p.N("console.agency.unready."+key, n), Tab: tab}
	}
	return []templates.ReadyCheck{
		check("plan", "offerings", len(against), templates.ReadyStop),
		check("plan", "recovery", len(stay.Check()), templates.ReadyStop),
		check("", "consents", open, templates.ReadyStop),
		check("texts", "lint", refused, templates.ReadyStop),
		check("price", "price", bad(onArrival(pkg).Amount <= 0), templates.ReadyStop),
		check("texts", "texts", missing, templates.ReadyWarn),
		check("departures", "departures", bad(starts == 0), templates.ReadyWarn),
	}, nil
}

// movePackage takes a package to another state.
func (s *Server) movePackage(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	p := s.personalPage(c)
	next := catalog.State(c.FormValue("state"))
	if next != catalog.Submitted && next != catalog.Draft && next != catalog.Archived || !l.State.MayFollow(next) {
		return s.ownPackagePage(c, a, http.StatusUnprocessableEntity, l, p.T("console.agency.state_changed"))
	}
	if next == catalog.Submitted {
		checks, err := s.readiness(ctx, p, l.Value)
		if err != nil {
			return err
		}
		if blocked(checks) {
			return s.ownPackagePage(c, a, http.StatusUnprocessableEntity, l, p.T("console.agency.not_ready"))
		}
	}
	edit := a.edit("")
	edit.Over = &l.Revision
	err = s.Catalog.Packages.Move(ctx, l.Value.ID, next, edit)
	if fault.Is(err, fault.Conflict) {
		return s.ownPackagePage(c, a, http.StatusConflict, l, p.T("console.agency.overtaken"))
	}
	if err != nil {
		return err
	}
	action := map[catalog.State]string{catalog.Submitted: "package.submit", catalog.Draft: "package.withdraw", catalog.Archived: "package.archive"}[next]
	if err := s.note(c, a, account.Audited{Action: action, Thing: "package/" + l.Value.ID}); err != nil {
		return err
	}
	return s.done(c, l.Value.ID, "", string(l.State)+"-"+string(next))
}

// copyPackage makes a new package like an old one. Departures and costs stay
// with the old one.
func (s *Server) copyPackage(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	pkg := l.Value
	pkg.Name = catalog.Text{}
	for lang, name := range l.Value.Name {
		pkg.Name[lang] = templates.LocaleFor(lang).T("console.agency.copy_name", "name", name)
	}
	id, err := s.createdAs(c, a, pkg, l.Value.ID)
	if err != nil {
		return err
	}
	return s.done(c, id, "", "copied")
}
