package posture

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/counting"
)

// uncountedNamespaces are those in which a quota is not counted, and what their reports say of it.
type uncountedNamespaces struct {
	names []string
	says  map[string]bool
	never bool // some of it never will be, before somebody changes the profile
}

// maxSaid bounds what a condition quotes of the reports. They say the same wherever the profile and
// the cause are.
const maxSaid = 3

// add notes what a report says. One of another generation says nothing of this one.
func (u *uncountedNamespaces) add(report *v1alpha1.NamespacePosture, current bool) {
	for _, o := range report.Objects {
		if o.State != v1alpha1.ObjectStateUncounted || !current {
			continue
		}
		u.never = u.never || strings.HasPrefix(o.Message, counting.NotCounted)
		if u.says == nil {
			u.says = map[string]bool{}
		}
		u.says[o.Name+": "+o.Message] = true
	}
}

// sentence says what is not counted.
func (u *uncountedNamespaces) sentence() string {
	said := slices.Sorted(maps.Keys(u.says))
	more := ""
	if len(said) > maxSaid {
		more = fmt.Sprintf("; and %d more", len(said)-maxSaid)
		said = said[:maxSaid]
	}
	return "quotas hold nobody (" + strings.Join(said, "; ") + more + ")"
}
