package findings

import (
	"fmt"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// RuleViolation is what a pod breaks of the rules for pods of a profile.
type RuleViolation struct {
	// Words are those in which the API server would say it.
	Words string
	// Denied says that the API server is to refuse such a pod, and not only to warn.
	Denied bool
}

// podRules finds the pods that run and break rules of spec.workloads and spec.images.
func (j *judge) podRules(facts *PodFacts) {
	if !j.profile.HasPodRules() || !j.profile.LooksFor(v1alpha1.FindingIDWorkloadRuleViolated) {
		return
	}
	for _, name := range sortedKeys(facts.Rules) {
		severity, remedy := v1alpha1.SeverityHigh, "change what makes it and roll that out anew; another like it is refused, or will be once the rule is in force here"
		if !facts.Rules[name].Denied {
			severity, remedy = v1alpha1.SeverityLow, "change what makes it and roll that out anew; the rule only warns"
		}
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDWorkloadRuleViolated, Severity: severity, Object: Reference(podKind, name),
			Message: "it runs and breaks rules for pods: " + facts.Rules[name].Words, Remedy: remedy,
		})
	}
	if facts.Unseen > 0 {
		j.add(v1alpha1.Finding{
			ID: v1alpha1.FindingIDWorkloadRuleViolated, Severity: v1alpha1.SeverityLow,
			Object:  v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: j.namespace},
			Message: fmt.Sprintf("%d pods more than are looked at may break rules for pods", facts.Unseen),
			Remedy:  "mend those that are named; the next are looked at then",
		})
	}
}
