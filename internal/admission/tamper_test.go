package admission

import (
	"reflect"
	"strings"
	"testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// A field of a report that nobody compares could be forged.
func TestEveryFieldOfAReportIsGuarded(t *testing.T) {
	fields := reflect.TypeFor[v1alpha1.NamespacePosture]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "metadata" && !strings.Contains(reported, `"`+name+`"`) {
			t.Errorf("%s is not compared", name)
		}
	}
}
