package gather

import (
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// largeOf returns the objects that bear Bulwark's label, stay after the corrections, and are not
// cached in full because they are large.
func largeOf(outcomes []drift.Outcome) []findings.Large {
	var large []findings.Large
	for i := range outcomes {
		o := &outcomes[i]
		if o.Got == nil || o.Done {
			continue
		}
		if bytes := baseline.LeftOut(o.Got); bytes > findings.MaxBytes {
			large = append(large, findings.Large{Object: o.Object, Bytes: bytes})
		}
	}
	return large
}
