package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Difference is one field in which two revisions of an entry differ.
type Difference struct {
	// Path names the field as in the JSON of the entry: "summary.en",
	// "rooms[twin].sleeps". What stands in brackets names the item: see itemKey.
	Path string
	// Before and After are the values; empty for a field that was not there.
	Before, After string
}

// Differences lists the fields in which two values differ, in the order of
// their paths.
func Differences[T Entity](before, after T) ([]Difference, error) {
	x, err := leaves(before)
	if err != nil {
		return nil, err
	}
	y, err := leaves(after)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for path, was := range x {
		if is := y[path]; is != was {
			out = append(out, Difference{path, was, is})
		}
	}
	for path, is := range y {
		if _, there := x[path]; !there {
			out = append(out, Difference{Path: path, After: is})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// leaves returns the plain values of an entry's JSON by path. Lists of plain
// values are one value.
func leaves(v any) (map[string]string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	// Numbers stay as they are written: an amount must not pass through a float.
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	out := map[string]string{}
	gather(out, "", tree)
	return out, nil
}

func gather(out map[string]string, path string, node any) {
	switch n := node.(type) {
	case map[string]any:
		for name, child := range n {
			gather(out, strings.TrimPrefix(path+"."+name, "."), child)
		}
	case []any:
		var plain []string
		seen := map[string]bool{}
		for i, child := range n {
			fields, nested := child.(map[string]any)
			if !nested {
				plain = append(plain, fmt.Sprint(child))
				continue
			}
			key := itemKey(fields)
			if key == "" || seen[key] {
				key = strings.TrimSpace(key + " " + strconv.Itoa(i+1))
			}
			seen[key] = true
			gather(out, path+"["+key+"]", child)
		}
		if len(plain) > 0 {
			out[path] = strings.Join(plain, ", ")
		}
	case nil:
	default:
		out[path] = fmt.Sprint(n)
	}
}

// itemKey names an item of a list, wherever it stands in it: by its id, or by
// its kind and key as claims have them. Empty for one without a name, which is
// known by its place, from 1.
func itemKey(item map[string]any) string {
	if id, ok := item["id"].(string); ok {
		return id
	}
	kind, _ := item["kind"].(string)
	key, _ := item["key"].(string)
	return strings.TrimSpace(kind + " " + key)
}
