package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/account"
	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/templates"
)

func (s *Server) textRoutes() {
	const path = packagesPath + "/:id/texts"
	s.consoleRoute(http.MethodGet, path, account.SeeListings, s.showTexts, catalog.Agency)
	s.consoleRoute(http.MethodPost, path, account.EditListings, s.editTexts, catalog.Agency)
}

// packageText is a text of a package with its place: text is what stands
// there, set puts another.
type packageText struct {
	// path names it as validation does, kind says in words what it is.
	path, kind string
	text       catalog.Text
	limit      int
	// set returns the package with another text there.
	set func(catalog.Package, catalog.Text) catalog.Package
}

// packageTexts lists the texts of a package, in the order of its page.
func packageTexts(pkg catalog.Package) []packageText {
	type set = func(catalog.Package, catalog.Text) catalog.Package
	out := []packageText{
		{"name", "name", pkg.Name, catalog.MaxName, func(p catalog.Package, t catalog.Text) catalog.Package { p.Name = t; return p }},
		{"summary", "summary", pkg.Summary, catalog.MaxParagraph, func(p catalog.Package, t catalog.Text) catalog.Package { p.Summary = t; return p }},
	}
	add := func(path, kind string, text catalog.Text, f set) {
		out = append(out, packageText{path, kind, text, catalog.MaxName, f})
	}
	for i, d := range pkg.Itinerary.Days {
		for j, it := range d.Items {
			if len(it.Text) > 0 || it.PlaceID == "" {
				add(indexedName("itinerary.days", i)+indexedName(".items", j)+".text", "day", it.Text, func(p catalog.Package, t catalog.Text) catalog.Package {
					p.Itinerary = replaced(p.Itinerary, i, j, t)
					return p
				})
			}
		}
	}
	list := func(name, kind string, texts []catalog.Text, put func(*catalog.Package, []catalog.Text)) {
		for i, t := range texts {
			add(indexedName(name, i), kind, t, func(p catalog.Package, t catalog.Text) catalog.Package {
				changed := append([]catalog.Text(nil), textsOf(p, name)...)
				changed[i] = t
				put(&p, changed)
				return p
			})
		}
	}
	list("inclusions", "inclusion", pkg.Inclusions, func(p *catalog.Package, t []catalog.Text) { p.Inclusions = t })
	list("exclusions", "exclusion", pkg.Exclusions, func(p *catalog.Package, t []catalog.Text) { p.Exclusions = t })
	for i, r := range pkg.Options.Rooms {
		add(indexedName("options.rooms", i)+".name", "room", r.Name, func(p catalog.Package, t catalog.Text) catalog.Package {
			p.Options.Rooms = append([]catalog.Room(nil), p.Options.Rooms...)
			p.Options.Rooms[i].Name = t
			return p
		})
	}
	for i, l := range pkg.Lines {
		add(indexedName("lines", i)+".label", "line", l.Label, func(p catalog.Package, t catalog.Text) catalog.Package {
			p.Lines = append([]catalog.PriceLine(nil), p.Lines...)
			p.Lines[i].Label = t
			return p
		})
	}
	return out
}

func textsOf(p catalog.Package, name string) []catalog.Text {
	if name == "inclusions" {
		return p.Inclusions
	}
	return p.Exclusions
}

// replaced returns an itinerary with another text of one item.
func replaced(it catalog.Itinerary, day, item int, t catalog.Text) catalog.Itinerary {
	it.Days = append([]catalog.Day(nil), it.Days...)
	it.Days[day].Items = append([]catalog.Item(nil), it.Days[day].Items...)
	it.Days[day].Items[item].Text = t
	return it
}

func indexedName(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

func (s *Server) showTexts(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	return s.textsPage(c, a, l, packageForm{}, l.Value)
}

// textLanguage is the language beside English and Chinese that a page of texts
// shows; all of them at once would be six columns.
func textLanguage(lang string) string {
	for _, l := range catalog.Languages[2:] {
		if l == lang {
			return l
		}
	}
	return catalog.Languages[2]
}

func (s *Server) textsPage(c echo.Context, a actor, l catalog.Listing[catalog.Package], f packageForm, pkg catalog.Package) error {
	p, frame := s.packagePageOf(c, a, l)
	third := textLanguage(c.FormValue("third"))
	v := templates.TextsView{PackageHead: s.packageHead(p, a, l, "texts"), Languages: []string{"en", "zh-Hans", third}, Third: third,
		Missing: map[string]int{}, Errors: templates.FieldErrors(p, f.fields)}
	found := map[string][]string{}
	for _, finding := range catalog.Lint(pkg) {
		found[finding.Path()] = append(found[finding.Path()], p.T("console.agency.lint."+string(finding.Severity), "words", finding.Words)+" "+finding.Message)
	}
	for _, t := range packageTexts(pkg) {
		row := templates.TextRow{Path: t.path, Label: p.T("console.agency.text." + t.kind), Text: t.text, Limit: t.limit, Long: t.limit > catalog.MaxName, Lint: map[string][]string{}}
		for _, lang := range t.text.Missing() {
			v.Missing[lang]++
		}
		for _, lang := range v.Languages {
			row.Lint[lang] = found[t.path+"."+lang]
		}
		v.Rows = append(v.Rows, row)
	}
	var err error
	if v.Editor, err = s.packageEditor(c, a, l.Value.ID, "texts", l.Revision, f); err != nil {
		return err
	}
	return s.render(c, f.statusOf(), templates.Texts(p, frame, v))
}

// withTypedTexts puts the texts of a form, <path>.<language>, into a package.
// It is pure.
func withTypedTexts(pkg catalog.Package, form url.Values) catalog.Package {
	for _, t := range packageTexts(pkg) {
		text, was := catalog.Text{}, false
		for lang, words := range t.text {
			text[lang] = words
		}
		for _, lang := range catalog.Languages {
			name := t.path + "." + lang
			if !form.Has(name) {
				continue
			}
			was = true
			if words := strings.TrimSpace(strings.ReplaceAll(form.Get(name), "\r\n", "\n")); words == "" {
				delete(text, lang)
			} else {
				text[lang] = words
			}
		}
		if was {
			pkg = t.set(pkg, text)
		}
	}
	return pkg
}

func (s *Server) editTexts(c echo.Context, a actor) error {
	l, err := s.ownPackage(c, a)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
	}
	pkg := withTypedTexts(l.Value, form)
	if form.Get("act") != "save" {
		return s.textsPage(c, a, l, typed(c), pkg)
	}
	f, done, err := s.savePackage(c, a, pkg, "texts")
	if err != nil {
		return err
	}
	if done {
		return s.redirect(c, packagesPath+"/"+l.Value.ID+"/texts?done=saved&third="+textLanguage(form.Get("third")))
	}
	return s.textsPage(c, a, l, f, pkg)
}
