package catalog

// MissingText is a text that lacks some languages.
type MissingText struct {
	Field string
	// Languages of Languages in which it is missing.
	Languages []string
}

// MissingTranslations lists the texts of an entry that are there in some of the
// languages of pages but not in all. A text that is not there at all is left
// out: whether it is needed is Validate's question.
func MissingTranslations(v Entity) []MissingText {
	var out []MissingText
	text := func(field string, t Text) {
		if missing := t.Missing(); len(missing) > 0 && len(missing) < len(Languages) {
			out = append(out, MissingText{field, missing})
		}
	}
	readTexts(v, text, func(field string, c Claim) { text(field+".text", c.Text) })
	return out
}

// readTexts calls text for every text of an entry that its owner writes and
// patients read, and claim for every claim.
func readTexts(v Entity, text func(field string, t Text), claim func(field string, c Claim)) {
	claims := func(field string, list []Claim) {
		for i, c := range list {
			claim(indexed(field, i), c)
		}
	}
	switch e := v.(type) {
	case Organisation:
		text("name", e.Name)
		text("summary", e.Summary)
	case Hospital:
		text("name", e.Name)
		text("summary", e.Summary)
		claims("claims", e.Claims)
	case Offering:
		text("name", e.Name)
		text("summary", e.Summary)
		text("team", e.Team)
		if e.Price != nil {
			text("price.includes", e.Price.Includes)
			for i, t := range e.Price.Tiers {
				text(indexed("price.tiers", i)+".label", t.Label)
			}
		}
		if e.Timeline != nil {
			claims("timeline.basis", e.Timeline.Basis)
		}
		claims("claims", e.Claims)
	case Package:
		readPackage(e, text)
	}
}

func readPackage(p Package, text func(field string, t Text)) {
	list := func(field string, texts []Text) {
		for i, t := range texts {
			text(indexed(field, i), t)
		}
	}
	text("name", p.Name)
	text("summary", p.Summary)
	list("inclusions", p.Inclusions)
	list("exclusions", p.Exclusions)
	for i, d := range p.Itinerary.Days {
		for j, it := range d.Items {
			text(indexed(indexed("itinerary.days", i)+".items", j)+".text", it.Text)
		}
	}
	for i, r := range p.Options.Rooms {
		text(indexed("options.rooms", i)+".name", r.Name)
	}
	for i, l := range p.Lines {
		text(indexed("lines", i)+".label", l.Label)
	}
}
