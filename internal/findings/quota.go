package findings

import (
	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// quotas judges the quotas of the baseline of which more is used than they grant.
func (j *judge) quotas(exceeded map[string]string) {
	if !j.profile.LooksFor(v1alpha1.FindingIDQuotaExceeded) {
		return
	}
	for _, name := range sortedKeys(exceeded) {
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDQuotaExceeded, Severity: v1alpha1.SeverityMedium, Object: Reference("ResourceQuota", name),
			Message: exceeded[name],
			Remedy: "end what is not needed, or let the profile grant more: " +
				"until less is used than it grants, nothing more of it is admitted",
		})
	}
}
