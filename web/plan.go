package web

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
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
	"github.com/medtour/medtour/templates"
)

func (s *Server) planRoutes() {
	const path = packagesPath + "/:id/plan"
	s.consoleRoute(http.MethodGet, path, account.SeeListings, s.showPlan, catalog.Agency)
	s.consoleRoute(http.MethodPost, path, account.EditListings, s.editPlan, catalog.Agency)
}

// draftPlan is the medical and the daily side of a package while it is edited:
// everything comes with the form and goes back with the page, so that nothing
// is lost and nothing is stored before it is saved.
type draftPlan struct {
	pkg catalog.Package
	// lang in which texts are edited.
	lang string
	// picking is the block of days for which a place is looked for, 0 for
	// none; placeQuery and placeFits choose which places are shown, placeDay
	// the day of the block.
	picking, placeDay int
	placeQuery        string
	placeFits         bool
	offeringQuery     string
}

func (s *Server) showPlan(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	return s.planPage(c, a, l, packageForm{}, draftPlan{pkg: l.Value, lang: langOf(c)})
}

// editPlan applies an act to the plan that came with the form and shows the
// result, or saves it.
func (s *Server) editPlan(c echo.Context, a actor) error {
	ctx := c.Request().Context()
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
	}
	d, err := planOf(form, l.Value)
	if err != nil {
		return err
	}
	act, arg, _ := strings.Cut(form.Get("act"), ":")
	switch act {
	case "save":
		f, done, err := s.savePackage(c, a, d.pkg, "plan")
		if err != nil {
			return err
		}
		if done {
			return s.done(c, l.Value.ID, "plan", "saved")
		}
		return s.planPage(c, a, l, f, d)
	case "layout":
		timelines, _, err := s.timelinesOf(ctx, d.pkg.OfferingIDs)
		if err != nil {
			return err
		}
		d.pkg.Itinerary = catalog.PlanStay(d.pkg.OfferingIDs, timelines)
	default:
		d = d.apply(act, strings.Split(arg, ":"), form)
	}
	return s.planPage(c, a, l, typed(c), d)
}

// planOf reads the plan of a form: what was shown, with the texts and numbers
// of days that were typed. It is pure. Errors: Invalid where the form is not
// one of ours.
func planOf(form url.Values, saved catalog.Package) (draftPlan, error) {
	d := draftPlan{pkg: saved, lang: form.Get("lang"), placeQuery: strings.TrimSpace(form.Get("place_q")), placeFits: form.Get("place_fits") != "",
		offeringQuery: strings.TrimSpace(form.Get("offering_q"))}
	if !slices.Contains(catalog.Languages, d.lang) {
		d.lang = "en"
	}
	d.picking, _ = strconv.Atoi(form.Get("picking"))
	d.placeDay, _ = strconv.Atoi(form.Get("place_day"))
	if d.picking > 0 && !form.Has("place_q") {
		d.placeFits = true
	}
	var it catalog.Itinerary
	err := json.Unmarshal([]byte(form.Get("plan")), &it)
	if err != nil || len(it.Days) == 0 || !consecutive(it) {
		return d, fault.Wrap(fault.Invalid, err, "The form is not complete. Open the page again.").WithCode("console.agency.incomplete")
	}
	d.pkg.OfferingIDs = slices.Clone(form["offering"])
	d.pkg.HotelAreaID = form.Get("hotel_area")
	d.pkg.Itinerary = withCounts(withTexts(it, form), form)
	return d, nil
}

// maxPlanDays bounds the days of a plan that is edited: a year, as a package.
const maxPlanDays = 366

// consecutive reports whether the days follow each other from 1.
func consecutive(it catalog.Itinerary) bool {
	next := 1
	for _, d := range it.Days {
		if d.From != next || d.To < d.From || d.To > maxPlanDays {
			return false
		}
		next = d.To + 1
	}
	return true
}

// withTexts takes over the texts that were typed, under the names
// text.<language>.<first day>.<item>.
func withTexts(it catalog.Itinerary, form url.Values) catalog.Itinerary {
	out := catalog.Itinerary{Days: slices.Clone(it.Days)}
	for i, d := range out.Days {
		d.Items = slices.Clone(d.Items)
		for j, item := range d.Items {
			for _, lang := range catalog.Languages {
				name := "text." + lang + "." + strconv.Itoa(d.From) + "." + strconv.Itoa(j)
				typed := strings.TrimSpace(form.Get(name))
				if !form.Has(name) || typed == item.Text[lang] {
					continue
				}
				text := catalog.Text{}
				for l, t := range item.Text {
					text[l] = t
				}
				if text[lang] = typed; typed == "" {
					delete(text, lang)
				}
				item.Text = text
			}
			d.Items[j] = item
		}
		out.Days[i] = d
	}
	return out
}

// withCounts takes over the numbers of days alike, under the names
// count.<first day>. The last block is first, so that the days before it keep
// their numbers.
func withCounts(it catalog.Itinerary, form url.Values) catalog.Itinerary {
	for _, d := range slices.Backward(it.Days) {
		n, err := strconv.Atoi(form.Get("count." + strconv.Itoa(d.From)))
		have := d.To - d.From + 1
		switch {
		case err != nil || n < 1 || n == have:
		case n > have:
			it = it.WithDays(d.To+1, n-have, d.Items...)
		default:
			it = it.WithoutDays(d.From+n, d.To)
		}
	}
	return it
}

// block returns the days alike of which a day is one.
func block(it catalog.Itinerary, day int) (catalog.Day, bool) {
	i := slices.IndexFunc(it.Days, func(d catalog.Day) bool { return d.From <= day && day <= d.To })
	if i < 0 {
		return catalog.Day{}, false
	}
	return it.Days[i], true
}

// apply takes one act of the builder. What is not known changes nothing. It is
// pure.
func (d draftPlan) apply(act string, args []string, form url.Values) draftPlan {
	n := make([]int, 4)
	for i := range min(len(args), len(n)) {
		n[i], _ = strconv.Atoi(args[i])
	}
	it := d.pkg.Itinerary
	b, known := block(it, n[0])
	switch act {
	case "offering":
		if !slices.Contains(d.pkg.OfferingIDs, args[0]) {
			d.pkg.OfferingIDs = append(d.pkg.OfferingIDs, args[0])
		}
	case "no-offering":
		d.pkg.OfferingIDs = slices.DeleteFunc(d.pkg.OfferingIDs, func(id string) bool { return id == args[0] })
		d.pkg.Itinerary = withoutOffering(it, args[0])
	case "insert":
		d.pkg.Itinerary = it.WithDays(n[0], 1, catalog.Standards().Item("free"))
	case "pick":
		d.picking, d.placeDay, d.placeQuery, d.placeFits = n[0], n[0], "", true
	case "close":
		d.picking = 0
	case "place":
		if day, ok := block(it, d.placeDay); ok && day.From == d.picking {
			d.pkg.Itinerary = it.WithItem(d.placeDay, d.placeDay, catalog.Item{Kind: catalog.ItemSight, PlaceID: args[0]})
			d.picking = 0
		}
	case "mend":
		d.pkg.Itinerary = it.With(remedyOf(args))
	}
	if !known {
		return d
	}
	switch act {
	case "drop":
		d.pkg.Itinerary = it.WithoutDays(b.From, b.To)
	case "up":
		d.pkg.Itinerary = it.WithItemUp(b.From, b.To, n[1])
	case "down":
		d.pkg.Itinerary = it.WithItemDown(b.From, b.To, n[1])
	case "out":
		d.pkg.Itinerary = it.WithoutItem(b.From, b.To, n[1])
	case "add":
		from, to := b.From, b.To
		if day, err := strconv.Atoi(form.Get("add_day." + args[0])); err == nil && day >= b.From && day <= b.To {
			from, to = day, day
		}
		if item, ok := newItem(form.Get("add."+args[0]), strings.TrimSpace(form.Get("add_text."+args[0])), form.Get("add_exertion."+args[0]), d.lang); ok {
			d.pkg.Itinerary = it.WithItem(from, to, item)
		}
	}
	return d
}

// withoutOffering takes the medical items of an offering out of the days.
func withoutOffering(it catalog.Itinerary, id string) catalog.Itinerary {
	out := catalog.Itinerary{Days: slices.Clone(it.Days)}
	for i, d := range out.Days {
		out.Days[i].Items = slices.DeleteFunc(slices.Clone(d.Items), func(item catalog.Item) bool { return item.OfferingID == id })
	}
	return out
}

// newItem makes an item of a choice: "standard:<id>", "medical:<step>:<offering>",
// "area:<place>", or "own:<kind>" with a text. It is pure.
func newItem(choice, text, exertion, lang string) (catalog.Item, bool) {
	standard := catalog.Standards()
	kind, arg, _ := strings.Cut(choice, ":")
	var item catalog.Item
	switch kind {
	case "standard":
		item = standard.Item(arg)
	case "medical":
		step, offering, _ := strings.Cut(arg, ":")
		item = standard.Item(step)
		item.OfferingID = offering
	case "area":
		item = standard.Item("hotel-move")
		item.PlaceID = arg
	case "own":
		item = catalog.Item{Kind: catalog.ItemKind(arg)}
		if item.Kind == catalog.ItemSight {
			item.Exertion = catalog.Exertion(cmp.Or(exertion, string(catalog.ExertionShortWalk)))
		}
	}
	if text != "" {
		item.Text = catalog.Text{lang: text}
	}
	return item, item.Kind != "" && len(item.Text) > 0
}

// remedyAct writes a remedy as the value of a button; remedyOf reads it.
func remedyAct(r catalog.Remedy) string {
	return strings.Join([]string{"mend", string(r.Kind), strconv.Itoa(r.FromDay), strconv.Itoa(r.Item), strconv.Itoa(r.Day), strconv.Itoa(r.Days), string(r.Step), r.OfferingID}, ":")
}

func remedyOf(args []string) catalog.Remedy {
	if len(args) != 7 {
		return catalog.Remedy{}
	}
	n := make([]int, 5)
	for i := 1; i < 5; i++ {
		n[i], _ = strconv.Atoi(args[i])
	}
	return catalog.Remedy{Kind: catalog.RemedyKind(args[0]), FromDay: n[1], Item: n[2], Day: n[3], Days: n[4], Step: catalog.Step(args[5]), OfferingID: args[6]}
}

// looseStay gathers what the recovery check of a package needs, leaving out
// what is not published any more: a draft may name it.
func (s *Server) looseStay(ctx context.Context, pkg catalog.Package) (catalog.Stay, error) {
	stay := catalog.Stay{Itinerary: pkg.Itinerary, Places: map[string]catalog.Place{}}
	timelines, _, err := s.timelinesOf(ctx, pkg.OfferingIDs)
	if err != nil {
		return stay, err
	}
	stay.Offerings = timelines
	ids := []string{pkg.HotelAreaID}
	for _, d := range pkg.Itinerary.Days {
		for _, it := range d.Items {
			if it.PlaceID != "" {
				ids = append(ids, it.PlaceID)
			}
		}
	}
	for _, id := range ids {
		place, err := s.Catalog.Places.Get(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return stay, err
		}
		stay.Places[id] = place
	}
	stay.Base = stay.Places[pkg.HotelAreaID].Position
	return stay, nil
}

// planPage shows the builder.
func (s *Server) planPage(c echo.Context, a actor, l catalog.Listing[catalog.Package], f packageForm, d draftPlan) error {
	ctx := c.Request().Context()
	p, frame := s.packagePageOf(c, a, l)
	v := templates.PlanView{PackageHead: s.packageHead(p, a, l, "plan"), Lang: d.lang, HotelArea: d.pkg.HotelAreaID, OfferingQuery: d.offeringQuery, Picking: d.picking}
	v.Errors = planErrors(p, f.fields)
	plan, err := json.Marshal(d.pkg.Itinerary)
	if err != nil {
		return err
	}
	if v.Editor, err = s.packageEditor(c, a, l.Value.ID, "plan", l.Revision, f); err != nil {
		return err
	}
	v.Plan = string(plan)
	if v.Offerings, err = s.offeringChoices(ctx, p, a.Org.ID, d.offeringQuery, d.pkg.OfferingIDs); err != nil {
		return err
	}
	if v.Areas, err = s.hotelAreas(ctx, p); err != nil {
		return err
	}
	stay, err := s.looseStay(ctx, d.pkg)
	if err != nil {
		return err
	}
	names := map[string]catalog.Text{}
	for _, o := range v.Offerings {
		names[o.ID] = catalog.Text{p.Tag: o.Name}
	}
	v.Strip, v.FitToFly, v.Nights, v.WardNights = templates.Strip(stay.LayOut()), stay.FitToFly(), nightsOf(stay), wardNights(stay)
	v.Blocks = planBlocks(p, stay, names, v.Offerings)
	for _, b := range v.Blocks {
		v.Problems += len(b.Findings)
		for _, it := range b.Items {
			v.Problems += len(it.Findings)
		}
	}
	if d.picking > 0 {
		if v.Picker, err = s.placePicker(ctx, p, stay, d); err != nil {
			return err
		}
	}
	return s.render(c, f.statusOf(), templates.Plan(p, frame, v))
}

// planErrors says what is wrong with a plan; the days know their first day, not
// their place in the list.
func planErrors(p templates.Page, fields []fault.Field) templates.FormErrors {
	out := templates.FieldErrors(p, fields)
	for i, f := range fields {
		if strings.HasPrefix(f.Name, "itinerary") {
			out[i].Message = f.Name + ": " + out[i].Message
			out[i].Field = "days"
		}
	}
	return out
}

// nightsOf counts the nights between the days that are not on the ward at its
// longest.
func nightsOf(stay catalog.Stay) int {
	return max(stay.Itinerary.Length()-1-wardNights(stay), 0)
}

func wardNights(stay catalog.Stay) int {
	n := 0
	for _, day := range stay.LayOut() {
		if day.Ward {
			n++
		}
	}
	return n
}

// maxMended is for how many findings remedies are tried: those of the first
// days come first, and mending them often mends others.
const maxMended = 12

// planBlocks lays the days out for the builder, each with what the check says
// of it and what would mend that. It is pure.
func planBlocks(p templates.Page, stay catalog.Stay, names map[string]catalog.Text, offerings []templates.OfferingChoice) []templates.PlanBlock {
	hospital := func(id string) string {
		i := slices.IndexFunc(offerings, func(o templates.OfferingChoice) bool { return o.ID == id })
		if i < 0 {
			return id
		}
		return offerings[i].Name + " · " + offerings[i].Hospital
	}
	days := templates.Days(stay, names, time.Time{})
	var out []templates.PlanBlock
	for i, d := range stay.Itinerary.Days {
		b := templates.PlanBlock{DayView: days[i]}
		for _, it := range d.Items {
			item := templates.PlanItem{Item: it}
			if pl, ok := stay.Places[it.PlaceID]; ok {
				item.Place = placeFacts(p, pl)
			} else if it.PlaceID != "" {
				item.Place = it.PlaceID
			}
			b.Items = append(b.Items, item)
		}
		out = append(out, b)
	}
	for n, f := range stay.Check() {
		i := slices.IndexFunc(out, func(b templates.PlanBlock) bool { return b.From <= f.Day && f.Day <= b.To })
		if i < 0 {
			continue
		}
		found := templates.PlanFinding{Text: findingText(p, f, hospital(f.OfferingID))}
		if n < maxMended {
			for _, r := range stay.Remedies(f) {
				found.Remedies = append(found.Remedies, templates.PlanRemedy{Label: remedyText(p, r), Act: remedyAct(r)})
			}
		}
		if f.PlaceID != "" {
			found.Pick = out[i].From
		}
		if f.Item >= 0 && f.Item < len(out[i].Items) {
			out[i].Items[f.Item].Findings = append(out[i].Items[f.Item].Findings, found)
		} else {
			out[i].Findings = append(out[i].Findings, found)
		}
	}
	return out
}

// findingText says a finding in the reader's words.
func findingText(p templates.Page, f catalog.Finding, treatment string) string {
	key := "console.agency.finding." + string(f.Rule)
	if f.Rule == catalog.RuleProcedure && f.Phase != "" {
		key += "_short"
	}
	return p.T(key, "day", p.Int(f.Day), "treatment", treatment, "phase", p.Or("plan.phase."+string(f.Phase), string(f.Phase)),
		"hazard", p.Or("hazard."+string(f.Hazard), string(f.Hazard)), "exertion", p.Or("exertion."+string(f.Exertion), string(f.Exertion)),
		"limit", p.Or("exertion."+string(f.Limit), string(f.Limit)), "have", p.Int(f.Have), "need", p.Int(f.Need), "free", p.Int(f.FreeFrom))
}

// remedyText says what a remedy does.
func remedyText(p templates.Page, r catalog.Remedy) string {
	if r.Kind == catalog.RemedyAddDays {
		return p.N("console.agency.remedy.add-days", r.Days, "what", p.T("console.agency.step."+cmp.Or(string(r.Step), "rest")), "day", p.Int(r.Day))
	}
	return p.T("console.agency.remedy."+string(r.Kind), "day", p.Int(r.Day), "what", p.T("console.agency.step."+cmp.Or(string(r.Step), "rest")))
}

// placeFacts says what an outing to a place is: exertion, roof, time.
func placeFacts(p templates.Page, pl catalog.Place) string {
	facts := []string{p.Name(pl.Name)}
	if pl.Exertion != "" {
		facts = append(facts, p.Or("exertion."+string(pl.Exertion), string(pl.Exertion)))
	}
	if pl.Setting != "" {
		facts = append(facts, p.Or("console.agency.setting."+string(pl.Setting), string(pl.Setting)))
	}
	if pl.Minutes.Max > 0 {
		facts = append(facts, p.T("console.agency.minutes", "n", p.Int(pl.Minutes.Max)))
	}
	return strings.Join(facts, " · ")
}

// placesFound is how many places the picker shows.
const placesFound = 30

// placePicker finds places for a day, the nearest first, each with what stands
// against it.
func (s *Server) placePicker(ctx context.Context, p templates.Page, stay catalog.Stay, d draftPlan) (*templates.PlacePicker, error) {
	b, ok := block(stay.Itinerary, d.picking)
	if !ok {
		return nil, nil
	}
	day := d.placeDay
	if day < b.From || day > b.To {
		day = b.From
	}
	v := &templates.PlacePicker{From: b.From, To: b.To, Day: day, Query: d.placeQuery, Fits: d.placeFits}
	places, err := published(ctx, s, s.Catalog.Places)
	if err != nil {
		return nil, err
	}
	hospital, err := s.mainHospital(ctx, d.pkg)
	if err != nil {
		return nil, err
	}
	base := stay.BaseOn(day)
	for _, pl := range places {
		if pl.PlaceKind == catalog.PlaceKindHotelArea || !placeMatches(p, pl, d.placeQuery) {
			continue
		}
		choice := templates.PlaceChoice{ID: pl.ID, Facts: placeFacts(p, pl), FromHotel: kilometres(p, base, pl.Position), FromHospital: kilometres(p, hospital, pl.Position), Km: math.Inf(1)}
		if base != nil && pl.Position != nil {
			choice.Km = catalog.DistanceKm(*base, *pl.Position)
		}
		free := 0
		for _, f := range stay.Outing(day, pl) {
			if text := reasonAgainst(p, f); !slices.Contains(choice.Against, text) {
				choice.Against = append(choice.Against, text)
			}
			free = max(free, f.FreeFrom)
		}
		if free > 0 {
			choice.FreeFrom = p.Int(free)
		}
		if len(choice.Against) == 0 || !d.placeFits {
			v.Places = append(v.Places, choice)
		} else {
			v.Refused++
		}
	}
	slices.SortStableFunc(v.Places, func(x, y templates.PlaceChoice) int { return cmp.Compare(x.Km, y.Km) })
	v.Places = v.Places[:min(len(v.Places), placesFound)]
	return v, nil
}

// reasonAgainst says in a few words what stands against an outing.
func reasonAgainst(p templates.Page, f catalog.Finding) string {
	switch f.Rule {
	case catalog.RuleExertion:
		return p.Or("exertion."+string(f.Exertion), string(f.Exertion))
	case catalog.RuleHazard:
		return p.Or("hazard."+string(f.Hazard), string(f.Hazard))
	}
	return p.T("console.agency.against." + string(f.Rule))
}

func placeMatches(p templates.Page, pl catalog.Place, q string) bool {
	text := strings.ToLower(pl.ID + " " + p.Name(pl.Name) + " " + pl.Name.Get("en") + " " + pl.PlaceKind + " " + pl.District)
	for word := range strings.FieldsSeq(strings.ToLower(q)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func kilometres(p templates.Page, from, to *catalog.Position) string {
	if from == nil || to == nil {
		return p.T("console.agency.km_unknown")
	}
	return p.T("console.agency.km", "n", p.Decimal(catalog.DistanceKm(*from, *to), 1))
}

// mainHospital returns where the first treatment of a package takes place, nil
// where that is not known.
func (s *Server) mainHospital(ctx context.Context, pkg catalog.Package) (*catalog.Position, error) {
	if len(pkg.OfferingIDs) == 0 {
		return nil, nil
	}
	o, err := s.Catalog.Offerings.Get(ctx, pkg.OfferingIDs[0])
	if err == nil {
		var h catalog.Hospital
		h, err = s.Catalog.Hospitals.Get(ctx, o.HospitalID)
		return h.Position, err
	}
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return nil, err
}
