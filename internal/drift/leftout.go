package drift

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// isLeftOut reports whether a part of an object is not known, since it was too large to be what is
// desired.
func isLeftOut(o baseline.Object, part any) bool {
	return baseline.LeftOut(o) > 0 && reflect.ValueOf(part).IsZero()
}

// fieldLeftOut is the difference of such a part: it says how large what was found is.
func fieldLeftOut(root string, want any, got baseline.Object) Field {
	return Field{
		Path: []string{root}, Want: valueOf(reflect.ValueOf(want)),
		Got: fmt.Sprintf("(%d bytes, more than is read)", baseline.LeftOut(got)),
	}
}

// mayHide reports whether a field is not known as a whole, and holds an immutable one, which then
// may differ too.
func (d *Drift) mayHide(f Field, immutable []string) bool {
	return d.Got != nil && baseline.LeftOut(d.Got) > 0 && slices.ContainsFunc(immutable, func(path string) bool {
		return strings.HasPrefix(path, f.String()+".")
	})
}
