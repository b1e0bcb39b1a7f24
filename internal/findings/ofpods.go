package findings

import "github.com/bulwark-dev/bulwark/api/v1alpha1"

// OfPods are the findings for which pods are read, or the API server is asked.
var OfPods = []v1alpha1.FindingID{
	v1alpha1.FindingIDPodSecurityViolated, v1alpha1.FindingIDPodSecurityExempt, v1alpha1.FindingIDWorkloadRuleViolated,
}

// LooksForInPods reports whether a profile declares what pods could violate by one of these
// findings, and wants to know of it.
func LooksForInPods(profile *v1alpha1.SecurityProfile, id v1alpha1.FindingID) bool {
	declared := profile.HasPodRules()
	if id != v1alpha1.FindingIDWorkloadRuleViolated {
		_, declared = LevelOf(profile)
	}
	return declared && profile.LooksFor(id)
}
