package findings

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Gate is what a NetworkPolicy lets in that is no pod, and so possibly the API server.
type Gate struct {
	// Pods are those that it lets in to.
	Pods metav1.LabelSelector
	// Ports are those of each rule, at most maxOpenings of them; none is all.
	Ports [][]networkingv1.NetworkPolicyPort
}

// GateOf is what a NetworkPolicy lets in that is no pod; false if it lets in none: a rule without
// peers does, and one with an address block.
func GateOf(np *networkingv1.NetworkPolicy) (Gate, bool) {
	if !applies(&np.Spec, networkingv1.PolicyTypeIngress) {
		return Gate{}, false
	}
	g := Gate{}
	if np.Spec.PodSelector.Size() <= maxSelector { // What is too large to keep is taken to select.
		g.Pods = np.Spec.PodSelector
	}
	for _, r := range np.Spec.Ingress {
		if !letsInAddresses(r.From) {
			continue
		}
		if len(r.Ports) > maxListed || len(g.Ports) == maxOpenings {
			g.Ports = append(g.Ports[:0:0], nil) // What is too much to keep is taken to be all.
			break
		}
		g.Ports = append(g.Ports, r.Ports)
	}
	return g, len(g.Ports) > 0
}

// maxSelector bounds what is kept of a selector, in bytes.
const maxSelector = 2048

func letsInAddresses(peers []networkingv1.NetworkPolicyPeer) bool {
	return len(peers) == 0 ||
		slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool { return p.IPBlock != nil })
}

// gates are NetworkPolicies in so far as they concern what is not a pod, by name.
type gates map[string]Gate

// letIn reports whether a policy may let the API server in.
func (g gates) letIn(b *backend) bool {
	for _, gate := range g {
		if _, possibly := b.selects(&gate.Pods); possibly && slices.ContainsFunc(gate.Ports, b.admits) {
			return true
		}
	}
	return false
}

// declaredGates are the declared policies: what they let in, and to which pods they close what they
// do not.
type declaredGates struct {
	gates
	closing []*metav1.LabelSelector
}

func (d *declaredGates) close(b *backend) bool {
	return slices.ContainsFunc(d.closing, func(s *metav1.LabelSelector) bool {
		surely, _ := b.selects(s)
		return surely
	})
}

func (j *judge) declaredGates() *declaredGates {
	d := &declaredGates{gates: gates{}}
	for _, o := range j.desired() {
		np, ok := o.(*networkingv1.NetworkPolicy)
		if !ok || !applies(&np.Spec, networkingv1.PolicyTypeIngress) {
			continue
		}
		d.closing = append(d.closing, &np.Spec.PodSelector)
		if gate, opens := GateOf(np); opens {
			d.gates[np.Name] = gate
		}
	}
	return d
}
