package templates

import (
	"context"
	"encoding/json"
	"io"

	"github.com/a-h/templ"
)

// jsonLD renders a schema.org object. Marshalling escapes <, > and &, so no
// text of the catalogue can end the element.
func jsonLD(object any) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		data, err := json.Marshal(object)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, `<script type="application/ld+json">`+string(data)+`</script>`)
		return err
	})
}
