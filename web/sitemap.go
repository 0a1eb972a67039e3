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
	for _, list := range []struct {
		kind catalog.Kind
		ids  func() ([]string, error)
	}{
		{catalog.KindTreatment, func() ([]string, error) { return idsOf(ctx, s, s.Catalog.Treatments) }},
		{catalog.KindHospital, func() ([]string, error) { return idsOf(ctx, s, s.Catalog.Hospitals) }},
		{catalog.KindOffering, func() ([]string, error) { return idsOf(ctx, s, s.Catalog.Offerings) }},
		{catalog.KindPackage, func() ([]string, error) { return idsOf(ctx, s, s.Catalog.Packages) }},
	} {
		ids, err := list.ids()
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			paths = append(paths, pathOf(list.kind, id))
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
