package findings

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Policy is what a NetworkPolicy opens to everybody.
type Policy struct {
	// Openings are never empty: a policy that opens nothing to everybody is harmless. They are
	// distinct, and at most maxOpenings, those at all ports first: a policy can have a million
	// rules.
	Openings []Opening
	// Pods are the pods of the namespace that it opens, as a label selector; empty is all.
	Pods string
}

// PolicyOf is what a NetworkPolicy opens to everybody; false if it opens nothing.
func PolicyOf(np *networkingv1.NetworkPolicy) (Policy, bool) {
	p := Policy{Pods: printable.Cut(selectorString(&np.Spec.PodSelector), maxText)}
	for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
		if applies(&np.Spec, direction) {
			p.Openings = append(p.Openings, openings(direction, rules(&np.Spec, direction))...)
		}
	}
	return p, len(p.Openings) > 0
}

// applies reports whether a policy says anything of a direction; without policyTypes, as the API
// server defaults them.
func applies(spec *networkingv1.NetworkPolicySpec, direction networkingv1.PolicyType) bool {
	if len(spec.PolicyTypes) == 0 {
		return direction == networkingv1.PolicyTypeIngress || len(spec.Egress) > 0
	}
	return slices.Contains(spec.PolicyTypes, direction)
}

const maxListed = 8

// policies finds what re-opens a direction that defaultDeny closes.
func (j *judge) policies(policies map[string]Policy) {
	network := j.profile.Spec.Network
	if network == nil || !j.profile.LooksFor(v1alpha1.FindingIDNetworkReopened) {
		return
	}
	for _, name := range sortedKeys(policies) {
		policy := policies[name]
		for _, direction := range network.DefaultDeny {
			j.reopened(name, &policy, direction)
		}
	}
}

func (j *judge) reopened(name string, policy *Policy, direction networkingv1.PolicyType) {
	var words []string
	severity := v1alpha1.SeverityMedium
	for _, o := range policy.Openings {
		if o.Direction != direction {
			continue
		}
		at := "at " + o.Ports
		if o.Ports == "" {
			severity, at = v1alpha1.SeverityHigh, "at all ports"
		}
		words = append(words, o.Peers+" "+at)
	}
	if len(words) == 0 {
		return
	}
	pods := "all pods"
	if policy.Pods != "" {
		pods = "the pods labelled " + policy.Pods
	}
	way := map[networkingv1.PolicyType]string{networkingv1.PolicyTypeIngress: "from", networkingv1.PolicyTypeEgress: "to"}[direction]
	j.add(v1alpha1.Finding{
		ID:       v1alpha1.FindingIDNetworkReopened,
		Severity: severity,
		Object:   Reference("NetworkPolicy", name),
		Message: fmt.Sprintf(
			"defaultDeny closes %s, and this opens it for %s %s: %s",
			direction,
			pods,
			way,
			listed(words, maxListed),
		),
		Remedy: "name the peers by namespace and pod labels or by narrow address blocks, or delete the policy; declare what all namespaces need under spec.network.policies",
	})
}
