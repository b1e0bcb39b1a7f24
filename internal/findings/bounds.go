package findings

import (
	"fmt"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// MaxBytes is how many bytes an object's content is at most that nobody is told of. Objects that
// people write, and that generators write for them, are a hundredth of it.
const MaxBytes = 64 << 10

// Large is an object that is larger.
type Large struct {
	Object v1alpha1.ObjectReference
	Bytes  int
}

// large finds objects that are larger than any that serves its purpose.
func (j *judge) large(large []Large) {
	if !j.profile.LooksFor(v1alpha1.FindingIDObjectTooLarge) {
		return
	}
	for _, o := range large {
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDObjectTooLarge, Severity: v1alpha1.SeverityMedium, Object: o.Object,
			Message: fmt.Sprintf("it holds %d KiB, of which everything that watches its kind keeps a copy, "+
				"on each node if that is a network plugin", o.Bytes>>10),
			Remedy: "delete it, or write what it is for in fewer words",
		})
	}
}

// tooMany finds that more objects bear Bulwark's label than it caches.
func (j *judge) tooMany(uncached map[string]int) {
	if !j.profile.LooksFor(v1alpha1.FindingIDTooManyObjects) {
		return
	}
	for _, kind := range sortedKeys(uncached) {
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDTooManyObjects, Severity: v1alpha1.SeverityMedium, Object: Reference("Namespace", j.namespace),
			// Without their number, which would have the report written with each that comes or
			// goes.
			Message: fmt.Sprintf("more objects of the kind %s bear the label %s than Bulwark keeps in view, "+
				"and no profile declares them", kind, v1alpha1.ProfileLabel),
			Remedy: "find out who makes them, and delete them; a profile that enforces removes them by itself",
		})
	}
}
