package watch

import (
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/bulwark-dev/bulwark/internal/findings"
)

// policyFacts are the facts of a NetworkPolicy: what it opens to everybody, and what it lets in
// that is no pod, each nil if there is none; and how many bytes it is, if it is large.
type policyFacts struct {
	opens *findings.Policy
	gate  *findings.Gate
	bytes int
}

func policyFactsOf(np *networkingv1.NetworkPolicy) (policyFacts, bool) {
	var facts policyFacts
	if opens, open := findings.PolicyOf(np); open {
		facts.opens = &opens
	}
	if gate, open := findings.GateOf(np); open {
		facts.gate = &gate
	}
	if bytes := np.Spec.Size(); bytes > findings.MaxBytes {
		facts.bytes = bytes
	}
	return facts, facts != policyFacts{}
}

func splitPolicyFacts(all map[string]policyFacts) (map[string]findings.Policy, map[string]findings.Gate) {
	policies, gates := map[string]findings.Policy{}, map[string]findings.Gate{}
	for name, facts := range all {
		if facts.opens != nil {
			policies[name] = *facts.opens
		}
		if facts.gate != nil {
			gates[name] = *facts.gate
		}
	}
	return policies, gates
}

// largePolicies lists the large ones of a namespace's unmanaged NetworkPolicies.
func largePolicies(all map[string]policyFacts) []findings.Large {
	var large []findings.Large
	for name, facts := range all {
		if facts.bytes > 0 {
			large = append(large, findings.Large{Object: findings.Reference("NetworkPolicy", name), Bytes: facts.bytes})
		}
	}
	return large
}
