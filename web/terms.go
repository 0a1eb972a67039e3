package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/checkout"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

func (s *Server) termsRoutes() {
	for _, tab := range []string{"price", "conditions"} {
		path := packagesPath + "/:id/" + tab
		s.consoleRoute(http.MethodGet, path, account.SeeListings, func(c echo.Context, a actor) error { return s.showTerms(c, a, tab) }, catalog.Agency)
		s.consoleRoute(http.MethodPost, path, account.EditListings, func(c echo.Context, a actor) error { return s.editTerms(c, a, tab) }, catalog.Agency)
	}
}

const (
	// maxTermRows bounds the rows of a form of prices, rooms or tiers.
	maxTermRows = 60
	// exampleDays is how far ahead the example departure is where a package
	// has none.
	exampleDays = 60
	ownPolicy   = "own"
)

// rowNames are the lists of rows of each page.
var rowNames = map[string][]string{"price": {"lines"}, "conditions": {"rooms", "tiers", "inclusions", "exclusions"}}

// termsForm writes a package and its costing as the fields of a form.
func termsForm(pkg catalog.Package, costing catalog.Costing) url.Values {
	f := url.Values{"currency": {pkg.Currency}, "presentment": pkg.Presentment, "deposit": {percentText(pkg.Deposit.BasisPoints)},
		"max_companions": {strconv.Itoa(pkg.Options.MaxCompanions)}, "interpreters": {strings.Join(pkg.Options.Interpreters, ", ")}}
	for i, l := range pkg.Lines {
		name := indexedName("lines", i)
		f.Set(name+".id", l.ID)
		f.Set(name+".en", l.Label["en"])
		f.Set(name+".zh-Hans", l.Label["zh-Hans"])
		f.Set(name+".payee", string(l.Payee))
		f.Set(name+".due", string(l.Due))
		f.Set(name+".per", string(l.Per))
		if l.Amount != nil {
			f.Set(name+".amount", l.Amount.Decimal())
		}
		if cost, ok := costing.Costs[l.ID]; ok {
			f.Set(name+".cost", cost.Decimal())
		}
	}
	for i, r := range pkg.Options.Rooms {
		name := indexedName("rooms", i)
		f.Set(name+".id", r.ID)
		f.Set(name+".en", r.Name["en"])
		f.Set(name+".zh-Hans", r.Name["zh-Hans"])
		f.Set(name+".surcharge", r.Surcharge.Decimal())
	}
	f.Set("policy", catalog.Standards().PolicyID(pkg.Policy))
	if f.Get("policy") == "" {
		f.Set("policy", ownPolicy)
	}
	for i, t := range pkg.Policy.Tiers {
		f.Set(indexedName("tiers", i)+".days", strconv.Itoa(t.DaysBefore))
		f.Set(indexedName("tiers", i)+".share", percentText(t.RefundBasisPoints))
	}
	for _, cause := range catalog.Causes {
		f.Set("cause."+string(cause), percentText(pkg.Policy.CauseShare(cause)))
	}
	f.Set("revised", percentText(pkg.Policy.RevisedPlanBasisPoints))
	for name, texts := range map[string][]catalog.Text{"inclusions": pkg.Inclusions, "exclusions": pkg.Exclusions} {
		for i, t := range texts {
			f.Set(indexedName(name, i)+".from", strconv.Itoa(i))
			f.Set(indexedName(name, i)+".en", t["en"])
			f.Set(indexedName(name, i)+".zh-Hans", t["zh-Hans"])
		}
	}
	for name, n := range map[string]int{"lines": len(pkg.Lines), "rooms": len(pkg.Options.Rooms), "tiers": len(pkg.Policy.Tiers), "inclusions": len(pkg.Inclusions), "exclusions": len(pkg.Exclusions)} {
		f.Set(name+".rows", strconv.Itoa(n))
	}
	return f
}

// percentText writes basis points as they are typed: "12.5".
func percentText(basisPoints int64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(float64(basisPoints)/100, 'f', 2, 64), "0"), ".")
}

// percentOf reads a share of a form.
func percentOf(f *fault.Fields, form url.Values, name string) int64 {
	x, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(form.Get(name)), "%")), 64)
	if err != nil || !(x >= 0 && x <= 1000) {
		f.Add(name, "percent", "a percentage such as 20 or 12.5")
		return 0
	}
	return int64(x*100 + .5)
}

// amountOf reads an amount in the currency's main unit: "12,500.50". ok is
// false for what is none; an empty one is nil.
func amountOf(typed, currency string) (m *catalog.Money, ok bool) {
	typed = strings.NewReplacer(",", "", "，", "", " ", "").Replace(strings.TrimSpace(typed))
	if typed == "" {
		return nil, true
	}
	whole, part, _ := strings.Cut(typed, ".")
	decimals := catalog.Decimals(currency)
	if len(strings.TrimRight(part, "0")) > decimals || strings.Trim(whole+part, "0123456789") != "" || whole == "" || len(whole) > 12 {
		return nil, false
	}
	part = (part + strings.Repeat("0", decimals))[:decimals]
	n, err := strconv.ParseInt(whole+part, 10, 64)
	return &catalog.Money{Amount: n, Currency: currency}, err == nil
}

func formMoneyOf(f *fault.Fields, form url.Values, name, currency string) *catalog.Money {
	m, ok := amountOf(form.Get(name), currency)
	if !ok {
		f.Add(name, "amount", "an amount such as 12500 or 12500.50")
	}
	return m
}

func rowsOf(form url.Values, name string) int {
	n, _ := strconv.Atoi(form.Get(name + ".rows"))
	return min(max(n, 0), maxTermRows)
}

// withLabel puts the English and Chinese words of a row into a text; its other
// languages stay unless neither is as it was.
func withLabel(form url.Values, name string, old catalog.Text) catalog.Text {
	t := catalog.Text{}
	same := false
	for _, lang := range []string{"en", "zh-Hans"} {
		words := strings.TrimSpace(form.Get(name + "." + lang))
		if words != "" {
			t[lang] = words
		}
		same = same || words == old[lang] && words != ""
	}
	for lang, words := range old {
		if same && lang != "en" && lang != "zh-Hans" {
			t[lang] = words
		}
	}
	return t
}

// withPrice puts the page of prices into a package. It is pure.
func withPrice(pkg catalog.Package, form url.Values, rates catalog.Rates) (catalog.Package, catalog.Costing, []fault.Field) {
	var f fault.Fields
	costing := catalog.Costing{Costs: map[string]catalog.Money{}}
	was := pkg.Lines
	if pkg.Currency = form.Get("currency"); !rates.Has(pkg.Currency) {
		f.Add("currency", "unknown", "choose a currency of the list")
	}
	pkg.Presentment, pkg.Lines = nil, nil
	for _, code := range form["presentment"] {
		if code != pkg.Currency && rates.Has(code) {
			pkg.Presentment = append(pkg.Presentment, code)
		}
	}
	pkg.Deposit.BasisPoints = percentOf(&f, form, "deposit")
	for i := range rowsOf(form, "lines") {
		name := indexedName("lines", i)
		l := catalog.PriceLine{ID: form.Get(name + ".id"), Payee: catalog.Payee(form.Get(name + ".payee")), Due: catalog.Due(form.Get(name + ".due")), Per: catalog.Per(form.Get(name + ".per"))}
		var old catalog.Text
		if j := slices.IndexFunc(was, func(o catalog.PriceLine) bool { return o.ID == l.ID }); j >= 0 {
			old = was[j].Label
		}
		l.Label = withLabel(form, name, old)
		if l.ID == "" && len(l.Label) > 0 {
			l.ID = freeID(form, "lines", l.Label["en"])
			form.Set(name+".id", l.ID)
		}
		l.Amount = formMoneyOf(&f, form, name+".amount", pkg.Currency)
		if cost := formMoneyOf(&f, form, name+".cost", pkg.Currency); cost != nil {
			costing.Costs[l.ID] = *cost
		}
		pkg.Lines = append(pkg.Lines, l)
	}
	for i := range pkg.Options.Rooms {
		pkg.Options.Rooms = slices.Clone(pkg.Options.Rooms)
		pkg.Options.Rooms[i].Surcharge.Currency = pkg.Currency
	}
	return pkg, costing, f
}

// freeID makes an id for a new row that no other row of the form has.
func freeID(form url.Values, rows, label string) string {
	base := slug(label)
	if base == "" {
		base = strings.TrimSuffix(rows, "s")
	}
	taken := map[string]bool{}
	for j := range rowsOf(form, rows) {
		taken[form.Get(indexedName(rows, j)+".id")] = true
	}
	id := base
	for n := 2; taken[id]; n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	return id
}

// withConditions puts the page of options and rules into a package. It is pure.
func withConditions(pkg catalog.Package, form url.Values) (catalog.Package, []fault.Field) {
	var f fault.Fields
	n, err := strconv.Atoi(strings.TrimSpace(form.Get("max_companions")))
	if err != nil {
		f.Add("max_companions", "number", "a whole number")
	}
	was := pkg
	pkg.Options = catalog.Options{MaxCompanions: n}
	for i := range rowsOf(form, "rooms") {
		name := indexedName("rooms", i)
		r := catalog.Room{ID: form.Get(name + ".id")}
		var old catalog.Text
		if j := slices.IndexFunc(was.Options.Rooms, func(o catalog.Room) bool { return o.ID == r.ID }); j >= 0 {
			r, old = was.Options.Rooms[j], was.Options.Rooms[j].Name
		}
		r.Name = withLabel(form, name, old)
		if r.ID == "" && len(r.Name) > 0 {
			r.ID = freeID(form, "rooms", r.Name["en"])
			form.Set(name+".id", r.ID)
		}
		r.Surcharge = catalog.Money{Currency: pkg.Currency}
		if m := formMoneyOf(&f, form, name+".surcharge", pkg.Currency); m != nil {
			r.Surcharge = *m
		}
		pkg.Options.Rooms = append(pkg.Options.Rooms, r)
	}
	pkg.Options.Interpreters = append(pkg.Options.Interpreters, tagsIn(form.Get("interpreters"))...)
	texts := func(name string, old []catalog.Text) (out []catalog.Text) {
		for i := range rowsOf(form, name) {
			var from catalog.Text
			if j, err := strconv.Atoi(form.Get(indexedName(name, i) + ".from")); err == nil && j >= 0 && j < len(old) {
				from = old[j]
			}
			out = append(out, withLabel(form, indexedName(name, i), from))
		}
		return out
	}
	pkg.Inclusions, pkg.Exclusions = texts("inclusions", was.Inclusions), texts("exclusions", was.Exclusions)
	if standard, ok := catalog.Standards().Policy(form.Get("policy")); ok {
		pkg.Policy = standard
		return pkg, f
	}
	pkg.Policy = catalog.Policy{Causes: map[catalog.Cause]int64{}, RevisedPlanBasisPoints: percentOf(&f, form, "revised")}
	for i := range rowsOf(form, "tiers") {
		name := indexedName("tiers", i)
		days, err := strconv.Atoi(strings.TrimSpace(form.Get(name + ".days")))
		if err != nil {
			f.Add(name+".days", "number", "a whole number")
		}
		pkg.Policy.Tiers = append(pkg.Policy.Tiers, catalog.Tier{DaysBefore: days, RefundBasisPoints: percentOf(&f, form, name+".share")})
	}
	for _, cause := range catalog.Causes {
		pkg.Policy.Causes[cause] = percentOf(&f, form, "cause."+string(cause))
	}
	return pkg, f
}

// withRows applies an act to the rows of a form: "add:<list>",
// "drop:<list>:<row>", "up:<list>:<row>". It is pure but for the form.
func withRows(form url.Values, act string) {
	kind, arg, _ := strings.Cut(act, ":")
	list, number, _ := strings.Cut(arg, ":")
	rows := rowsOf(form, list)
	i, err := strconv.Atoi(number)
	switch {
	case kind == "add" && rows < maxTermRows:
		form.Set(list+".rows", strconv.Itoa(rows+1))
	case err != nil || i < 0 || i >= rows:
	case kind == "up" && i > 0:
		swapRows(form, list, i, i-1)
	case kind == "drop":
		for ; i+1 < rows; i++ {
			swapRows(form, list, i, i+1)
		}
		for name := range form {
			if strings.HasPrefix(name, indexedName(list, rows-1)) {
				form.Del(name)
			}
		}
		form.Set(list+".rows", strconv.Itoa(rows-1))
	}
}

func swapRows(form url.Values, list string, i, j int) {
	x, y := indexedName(list, i), indexedName(list, j)
	moved := url.Values{}
	for name, values := range form {
		switch {
		case strings.HasPrefix(name, x):
			moved[y+strings.TrimPrefix(name, x)] = values
		case strings.HasPrefix(name, y):
			moved[x+strings.TrimPrefix(name, y)] = values
		default:
			continue
		}
		form.Del(name)
	}
	for name, values := range moved {
		form[name] = values
	}
}

func (s *Server) showTerms(c echo.Context, a actor, tab string) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	costing, err := s.Catalog.Costing(c.Request().Context(), l.Value.ID)
	if err != nil {
		return err
	}
	return s.termsPage(c, a, l, tab, packageForm{}, l.Value, costing, termsForm(l.Value, costing))
}

func (s *Server) editTerms(c echo.Context, a actor, tab string) error {
	ctx := c.Request().Context()
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
	}
	costing, err := s.Catalog.Costing(ctx, l.Value.ID)
	if err != nil {
		return err
	}
	act := form.Get("act")
	withRows(form, act)
	pkg, fields := l.Value, []fault.Field(nil)
	if tab == "price" {
		pkg, costing, fields = withPrice(pkg, form, s.Rates)
	} else {
		pkg, fields = withConditions(pkg, form)
	}
	f := typed(c)
	if act != "save" || len(fields) > 0 {
		if f.fields = fields; act == "save" {
			f.status = http.StatusUnprocessableEntity
		}
		return s.termsPage(c, a, l, tab, f, pkg, costing, form)
	}
	f, done, err := s.savePackage(c, a, pkg, tab)
	if err == nil && done && tab == "price" {
		err = s.Catalog.SaveCosting(ctx, pkg.ID, costing)
	}
	switch {
	case err != nil:
		return err
	case done:
		return s.done(c, pkg.ID, tab, "saved")
	}
	return s.termsPage(c, a, l, tab, f, pkg, costing, form)
}

// termsPage shows the prices or the options and rules of a package as they are
// typed, with what comes of them.
func (s *Server) termsPage(c echo.Context, a actor, l catalog.Listing[catalog.Package], tab string, f packageForm, pkg catalog.Package, costing catalog.Costing, form url.Values) error {
	ctx := c.Request().Context()
	p, frame := s.packagePageOf(c, a, l)
	v := templates.TermsView{PackageHead: s.packageHead(p, a, l, tab), Form: form, Rows: map[string]int{}, Currencies: p.Currencies, Currency: pkg.Currency, Today: shanghaiDate(s.Now()),
		Errors: templates.FieldErrors(p, termFields(f.fields))}
	for _, name := range rowNames[tab] {
		v.Rows[name] = rowsOf(form, name)
	}
	if a.may(account.SeeMoney) || a.may(account.EditListings) {
		for n := range min(pkg.Options.MaxCompanions, 2) + 1 {
			v.Margins = append(v.Margins, pkg.Margin(costing, n))
		}
	}
	for n := range min(pkg.Options.MaxCompanions, 2) + 1 {
		q, err := s.exampleQuote(ctx, pkg, n)
		switch {
		case fault.Is(err, fault.Invalid), fault.Is(err, fault.Forbidden), fault.Is(err, fault.NotFound):
		case err != nil:
			return err
		default:
			v.Quotes = append(v.Quotes, q)
		}
	}
	var err error
	if v.Editor, err = s.packageEditor(c, a, l.Value.ID, tab, l.Revision, f); err != nil {
		return err
	}
	v.Editor.Rows = true
	if tab == "price" {
		return s.render(c, f.statusOf(), templates.Price(p, frame, v))
	}
	return s.render(c, f.statusOf(), templates.Conditions(p, frame, v))
}

// termNames turns the names of validation into those of the form.
var termNames = strings.NewReplacer("options.rooms", "rooms", "options.", "", "policy.tiers", "tiers", "policy.causes.", "cause.", ".days_before", ".days",
	".refund_basis_points", ".share", "deposit.basis_points", "deposit", ".label", ".en", ".name", ".en", ".amount.", ".amount", ".surcharge.", ".surcharge")

// termFields names the faults of a package after the fields of its form.
func termFields(fields []fault.Field) []fault.Field {
	out := slices.Clone(fields)
	for i, f := range fields {
		name := termNames.Replace(f.Name)
		for _, field := range []string{".amount", ".surcharge", ".en"} {
			if at := strings.Index(name, field); at >= 0 {
				name = name[:at+len(field)]
			}
		}
		switch {
		case strings.HasPrefix(name, "interpreters["):
			name = "interpreters"
		case strings.HasPrefix(name, "inclusions[") || strings.HasPrefix(name, "exclusions["):
			name = name[:strings.Index(name, "]")+1] + ".en"
		}
		out[i].Name = name
	}
	return out
}

// exampleQuote prices a package for its next departure, or for one in some time
// where it has none.
func (s *Server) exampleQuote(ctx context.Context, pkg catalog.Package, companions int) (checkout.Quote, error) {
	start := catalog.Start{Key: "example", PackageID: pkg.ID, Date: shanghaiDate(s.Now()).AddDate(0, 0, exampleDays)}
	departures, err := s.Catalog.DeparturesOfPackage(ctx, pkg.ID)
	if err != nil {
		return checkout.Quote{}, err
	}
	for _, d := range departures {
		// Of starts that are close most of the policy has passed.
		for _, st := range d.Starts(s.Now()) {
			if st.Date.After(start.Date.AddDate(0, 0, -exampleDays/2)) {
				return s.Checkout.PriceOf(ctx, pkg, st, checkout.Choice{PackageID: pkg.ID, StartKey: st.Key, Companions: companions, Lang: "en"})
			}
		}
	}
	return s.Checkout.PriceOf(ctx, pkg, start, checkout.Choice{PackageID: pkg.ID, StartKey: start.Key, Companions: companions, Lang: "en"})
}
