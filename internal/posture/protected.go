package posture

import (
	"cmp"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// AddProtected adds to the findings of a profile how many objects bear its label in protected
// namespaces.
func AddProtected(status *v1alpha1.SecurityProfileStatus, n int) {
	if n == 0 {
		return
	}
	status.FindingTotals = append(status.FindingTotals, v1alpha1.FindingTotal{
		ID: v1alpha1.FindingIDObjectInProtectedNamespace, Severity: v1alpha1.SeverityLow, Count: int32(max(0, min(n, 1<<30))),
	})
	slices.SortFunc(status.FindingTotals, func(a, b v1alpha1.FindingTotal) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Severity, b.Severity))
	})
}
