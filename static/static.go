// Package static embeds the stylesheet, the script, icons and illustrations
// and serves them under names that carry a hash of their content, so that they
// may be cached for good.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"sort"
	"strings"
)

//go:embed css js img
var files embed.FS

// Prefix is the path under which Handler expects to be mounted.
const Prefix = "/static/"

type asset struct {
	body        []byte
	contentType string
}

// Assets are the static files by hashed name.
type Assets struct {
	byHash map[string]asset
	// names maps a plain name to its hashed one.
	names map[string]string
}

// Load reads the embedded files. The stylesheets are joined in the order of
// their names into app.css, the scripts into app.js.
func Load() (*Assets, error) {
	a := &Assets{byHash: map[string]asset{}, names: map[string]string{}}
	for _, bundle := range []struct{ name, pattern string }{{"app.css", "css/*.css"}, {"app.js", "js/*.js"}} {
		body, err := join(bundle.pattern)
		if err != nil {
			return nil, err
		}
		a.add(bundle.name, body)
	}
	return a, fs.WalkDir(files, "img", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err == nil {
			a.add(strings.TrimPrefix(name, "img/"), body)
		}
		return err
	})
}

func join(pattern string) ([]byte, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("static: nothing matches %s: %w", pattern, err)
	}
	sort.Strings(names)
	var out []byte
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		out = append(append(out, body...), '\n')
	}
	return out, nil
}

func (a *Assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.byHash[hashed] = asset{body: body, contentType: mime.TypeByExtension(ext)}
	a.names[name] = hashed
}

// URL returns the hashed address of a file. An unknown name gives an address
// that answers 404.
func (a *Assets) URL(name string) string {
	if hashed, ok := a.names[name]; ok {
		return Prefix + hashed
	}
	return Prefix + name
}

// ServeHTTP serves the files; a name without its hash is not found, since it
// could not be cached.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byHash[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.body)
}
