// Package medtour holds nothing but the test of its architecture.
package medtour

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/medtour/medtour"

// mayImport gives, for every package, our packages that it may import. What is
// not listed may import none of ours.
var mayImport = map[string][]string{
	"fault":                 {},
	"store":                 {"fault"},
	"store/sqlite":          {"fault", "store"},
	"store/mongo":           {"fault", "store"},
	"store/storetest":       {"fault", "store", "store/sqlite", "store/mongo"},
	"catalog":               {"fault", "store"},
	"search":                {"fault", "store", "catalog"},
	"care":                  {"fault", "store", "catalog"},
	"account":               {"fault", "store", "catalog"},
	"checkout":              {"fault", "store", "catalog"},
	"checkout/checkouttest": {"store", "catalog", "checkout"},
	"checkout/stripepay":    {"fault", "catalog", "checkout"},
	"checkout/stripesim":    {"fault", "store", "catalog"},
	"seed":                  {"fault", "catalog"},
	"static":                {},
	"templates":             {"fault", "catalog", "search", "checkout", "care", "account"},
	"web":                   {"fault", "catalog", "search", "checkout", "care", "account", "templates", "static", "seed"},
	"cmd/medtour":           {"fault", "store", "store/sqlite", "store/mongo", "catalog", "search", "care", "account", "checkout", "checkout/stripepay", "checkout/stripesim", "templates", "web", "static", "seed"},
}

// onlyIn gives, for modules that must stay in one corner, the packages that
// may import them.
var onlyIn = map[string][]string{
	"github.com/labstack/echo":    {"web"},
	"github.com/blevesearch/":     {"search"},
	"go.mongodb.org/mongo-driver": {"store/mongo", "store/storetest"},
	"modernc.org/sqlite":          {"store/sqlite"},
	"github.com/stripe/stripe-go": {"checkout/stripepay", "checkout/stripesim"},
	"github.com/FerretDB/":        {"store/storetest"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Doc        string
	Name       string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,Name", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath != module {
			all = append(all, p)
		}
	}
}

func TestImportDirection(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, ok := mayImport[name]
		if !ok {
			t.Errorf("package %s is not in the architecture: say what it may import", name)
			continue
		}
		for _, imp := range p.Imports {
			if ours, found := strings.CutPrefix(imp, module+"/"); found && !slices.Contains(allowed, ours) {
				t.Errorf("%s must not import %s", name, ours)
			}
			for prefix, corners := range onlyIn {
				if strings.HasPrefix(imp, prefix) && !slices.Contains(corners, name) {
					t.Errorf("%s must not import %s: only %v may", name, imp, corners)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
