package web

import (
	"context"
	"encoding/xml"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/medtour/medtour/catalog"
	"github.com/medtour/medtour/templates"
)

// maxSitemap is how many addresses one file may have; sitemaps.org.
const maxSitemap = 50_000

// fixedPages are those that are there whatever the catalogue holds.
var fixedPages = []string{"/", "/treatments", "/hospitals", "/packages", "/how-deposits-work", "/how-results-are-ordered"}

type sitemapFile struct {
	XMLName xml.Name      `xml:"urlset"`
	Space   string        `xml:"xmlns,attr"`
	XHTML   string        `xml:"xmlns:xhtml,attr"`
	URLs    []sitemapPage `xml:"url"`
}

type sitemapPage struct {
	Loc        string          `xml:"loc"`
	Alternates []sitemapInLang `xml:"xhtml:link"`
}

type sitemapInLang struct {
	Rel  string `xml:"rel,attr"`
	Lang string `xml:"hreflang,attr"`
	Href string `xml:"href,attr"`
}

// sitemap lists every public page in every language.
func (s *Server) sitemap(c echo.Context) error {
	paths, err := s.publicPaths(c.Request().Context())
	if err != nil {
		return err
	}
	body, err := xml.Marshal(sitemapOf(s.BaseURL, paths))
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "application/xml; charset=utf-8", append([]byte(xml.Header), body...))
}

func (s *Server) publicPaths(ctx context.Context) ([]string, error) {
	paths := append([]string{}, fixedPages...)
	add := func(v catalog.Entity) { paths = append(paths, pathOf(v.EntityKind(), v.EntityID())) }
	for _, each := range []func() error{
		func() error {
			return s.Catalog.Treatments.Each(ctx, func(v catalog.Treatment) error { add(v); return nil })
		},
		func() error {
			return s.Catalog.Hospitals.Each(ctx, func(v catalog.Hospital) error { add(v); return nil })
		},
		func() error {
			return s.Catalog.Offerings.Each(ctx, func(v catalog.Offering) error { add(v); return nil })
		},
		func() error {
			return s.Catalog.Packages.Each(ctx, func(v catalog.Package) error { add(v); return nil })
		},
	} {
		if err := each(); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// sitemapOf lists the pages in all languages, as many as one file may have.
func sitemapOf(base string, paths []string) sitemapFile {
	file := sitemapFile{Space: "http://www.sitemaps.org/schemas/sitemap/0.9", XHTML: "http://www.w3.org/1999/xhtml"}
	for _, path := range paths {
		var alternates []sitemapInLang
		for _, lang := range catalog.Languages {
			alternates = append(alternates, sitemapInLang{"alternate", lang, base + templates.Page{}.URLIn(lang, path)})
		}
		for _, a := range alternates {
			if len(file.URLs) < maxSitemap {
				file.URLs = append(file.URLs, sitemapPage{Loc: a.Href, Alternates: alternates})
			}
		}
	}
	return file
}
