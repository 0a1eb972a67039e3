package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/fault"
)

// benchData makes up a catalogue of any size. The same size gives the same
// catalogue. Its words are made of syllables and as unevenly frequent as those
// of a language; nothing in it names anything real.
type benchData struct {
	size       int
	words      []string
	treatments []catalog.Treatment
	hospitals  []catalog.Hospital
}

const (
	benchVocabulary = 20_000
	benchTreatments = 200
	benchHospitals  = 500
	// benchCommon is the number of words that stand in most texts and name
	// nothing.
	benchCommon = 100
	// benchTextWords gives about one kilobyte of text for each offering.
	benchTextWords = 150
)

func newBenchData(size int) *benchData {
	d := &benchData{size: size}
	r := rand.New(rand.NewPCG(1, 0))
	seen := map[string]bool{}
	for len(d.words) < benchVocabulary {
		if w := benchWord(r); !seen[w] {
			seen[w] = true
			d.words = append(d.words, w)
		}
	}
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for i := range benchTreatments {
		nights := r.IntN(15)
		t := catalog.Treatment{ID: fmt.Sprintf("treatment-%d", i), Name: catalog.Text{"en": d.title(r, 3)},
			Specialty:    fmt.Sprintf("specialty-%d", r.IntN(30)),
			ServiceType:  catalog.ServiceType(pick(string(catalog.Outpatient), string(catalog.Inpatient), string(catalog.TCM), string(catalog.HealthCheckup))),
			BookingClass: catalog.BookingClass(pick(string(catalog.Instant), string(catalog.OnAcceptance))),
			Timeline: catalog.Timeline{Phases: []catalog.Phase{{Kind: catalog.PhaseProcedure, Days: catalog.Span{Min: 1, Max: 1}},
				{Kind: catalog.PhaseAdmission, Days: catalog.Span{Min: nights, Max: nights}}}}}
		d.treatments = append(d.treatments, t)
	}
	for i := range min(benchHospitals, 1+size/20) {
		d.hospitals = append(d.hospitals, catalog.Hospital{ID: fmt.Sprintf("hospital-%d", i), Name: catalog.Text{"en": d.title(r, 2) + " hospital"},
			Ownership: catalog.Ownership(pick(string(catalog.Public), string(catalog.Private), string(catalog.JointVenture))), District: fmt.Sprintf("District %d", r.IntN(16))})
	}
	return d
}

// benchWord is a word of two to four syllables.
func benchWord(r *rand.Rand) string {
	const consonants, vowels = "bcdfghklmnprstvz", "aeiou"
	var b strings.Builder
	for range 2 + r.IntN(3) {
		b.WriteByte(consonants[r.IntN(len(consonants))])
		b.WriteByte(vowels[r.IntN(len(vowels))])
		if r.IntN(3) == 0 {
			b.WriteByte("nrsl"[r.IntN(4)])
		}
	}
	return b.String()
}

// zipf draws words of a text by rank.
func zipf(r *rand.Rand) *rand.Zipf { return rand.NewZipf(r, 1.1, 10, benchVocabulary-1) }

// title is a name of some words, none of them common.
func (d *benchData) title(r *rand.Rand, words int) string {
	draw := zipf(r)
	var out []string
	for len(out) < words {
		if n := draw.Uint64(); n >= benchCommon {
			out = append(out, d.words[n])
		}
	}
	return strings.Join(out, " ")
}

// benchOffering is an offering with what is searched of it.
type benchOffering struct {
	catalog.Offering
	treatment *catalog.Treatment
	hospital  *catalog.Hospital
}

func (o benchOffering) title() string { return o.Name["en"] }

// facets are the values by which offerings are narrowed.
func (o benchOffering) facets() map[string]string {
	t := o.treatment
	return map[string]string{"specialty": t.Specialty, "treatment": t.ID, "service_type": string(t.ServiceType), "booking_class": string(t.BookingClass),
		"stay": fmt.Sprint(t.Timeline.Phases[1].Days.Max / 4), "hospital": o.hospital.ID, "ownership": string(o.hospital.Ownership), "district": o.hospital.District}
}

// offering returns the offering of a number.
func (d *benchData) offering(i int) benchOffering {
	r := rand.New(rand.NewPCG(2, uint64(i)))
	o := benchOffering{treatment: &d.treatments[r.IntN(len(d.treatments))], hospital: &d.hospitals[r.IntN(len(d.hospitals))]}
	title := d.title(r, 4)
	draw := zipf(r)
	text := make([]string, benchTextWords)
	for n := range text {
		text[n] = d.words[draw.Uint64()]
	}
	o.Offering = catalog.Offering{ID: fmt.Sprintf("offering-%d", i), TreatmentID: o.treatment.ID, HospitalID: o.hospital.ID,
		Name: catalog.Text{"en": title}, Summary: catalog.Text{"en": strings.Join(text, " ")}}
	return o
}

// write writes the catalogue as an import reads it.
func (d *benchData) write(w io.Writer) error {
	line := func(kind catalog.Kind, entry any) error {
		body, err := json.Marshal(entry)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "{\"kind\":%q,%s\n", kind, body[1:])
		return err
	}
	for _, t := range d.treatments {
		if err := line(catalog.KindTreatment, t); err != nil {
			return err
		}
	}
	for _, h := range d.hospitals {
		if err := line(catalog.KindHospital, h); err != nil {
			return err
		}
	}
	for i := range d.size {
		if err := line(catalog.KindOffering, d.offering(i).Offering); err != nil {
			return err
		}
	}
	return nil
}

// load imports the catalogue.
func (d *benchData) load(ctx context.Context, cat *catalog.Catalog, progress func(lines int)) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(d.write(w)) }()
	report, err := cat.Import(ctx, r, catalog.ImportOptions{By: catalog.Edit{Author: "bench-search"}, Progress: progress})
	_ = r.Close()
	if err == nil && report.Failed > 0 {
		err = fault.Wrap(fault.Internal, report.Errors[0], "%d entries of the generated catalogue were refused", report.Failed)
	}
	return err
}

// benchQuery is what somebody looks for, in several forms.
type benchQuery struct {
	// Words are two of an offering's name, Typo the same with two letters of
	// one exchanged, Common two words of most texts, Prefix the beginning of a
	// name.
	Words, Typo, Common, Prefix string
	District                    string
}

// queries returns n different queries, each of which an offering answers.
func (d *benchData) queries(n int) []benchQuery {
	r := rand.New(rand.NewPCG(3, 0))
	seen := map[string]bool{}
	var out []benchQuery
	// A small catalogue may not have so many.
	for try := 0; len(out) < n && try < 20*n; try++ {
		o := d.offering(r.IntN(d.size))
		words := strings.Fields(o.title())
		i := r.IntN(len(words) - 1)
		q := benchQuery{Words: words[i] + " " + words[i+1], Common: d.words[r.IntN(benchCommon)] + " " + d.words[r.IntN(benchCommon)], Prefix: o.title()[:3], District: o.hospital.District}
		w := []byte(words[i])
		at := len(w) / 2
		if seen[q.Words] || len(w) < 5 || w[at] == w[at+1] {
			continue
		}
		seen[q.Words] = true
		w[at], w[at+1] = w[at+1], w[at]
		q.Typo = string(w) + " " + words[i+1]
		out = append(out, q)
	}
	return out
}
