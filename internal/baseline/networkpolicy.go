package baseline

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func (r *renderer) networkPolicies() []Object {
	network := r.spec.Network
	if network == nil {
		return nil
	}
	var policies []Object
	add := func(name string, spec networkingv1.NetworkPolicySpec) {
		defaultNetworkPolicy(&spec)
		policies = append(policies, &networkingv1.NetworkPolicy{ObjectMeta: r.owned(name), Spec: spec})
	}

	denied := directions(network.DefaultDeny)
	if len(denied) > 0 {
		add("default-deny", networkingv1.NetworkPolicySpec{PolicyTypes: denied})
	}
	if network.AllowDNS != nil {
		add("allow-dns", allowDNS(network.AllowDNS))
	}
	if network.AllowSameNamespace != nil && len(denied) > 0 {
		add("allow-same-namespace", allowSameNamespace(denied))
	}
	if network.AllowAPIServer != nil {
		add("allow-apiserver", allowAPIServer(network.AllowAPIServer))
	}
	for _, policy := range network.Policies {
		add(string(policy.Name), policy.Spec)
	}
	return policies
}

// directions are the policy types in a fixed order, so that reordering them in the profile changes
// nothing.
func directions(types []networkingv1.PolicyType) []networkingv1.PolicyType {
	var ordered []networkingv1.PolicyType
	for _, t := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
		if slices.Contains(types, t) {
			ordered = append(ordered, t)
		}
	}
	return ordered
}

// allowDNS keeps the selected pods as peers beside the addresses: a node's cache asks the cluster's
// DNS only on behalf of pods that ask the cache, and is not on every node at all times.
func allowDNS(dns *v1alpha1.AllowDNS) networkingv1.NetworkPolicySpec {
	selected := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: dns.EffectiveNamespaceSelector(),
		PodSelector:       dns.EffectivePodSelector(),
	}
	return networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{{
			To:    append([]networkingv1.NetworkPolicyPeer{selected}, addresses(dns.CIDRs)...),
			Ports: dns.EffectivePorts(),
		}},
	}
}

// addresses are peers in the order of their text, so that reordering them in the profile changes
// nothing.
func addresses(cidrs []string) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, cidr := range slices.Sorted(slices.Values(cidrs)) {
		peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}})
	}
	return peers
}

// allowSameNamespace speaks of the denied directions only: naming another would isolate pods in it.
func allowSameNamespace(denied []networkingv1.PolicyType) networkingv1.NetworkPolicySpec {
	podsOfThisNamespace := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
	spec := networkingv1.NetworkPolicySpec{PolicyTypes: denied}
	if slices.Contains(denied, networkingv1.PolicyTypeIngress) {
		spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: podsOfThisNamespace}}
	}
	if slices.Contains(denied, networkingv1.PolicyTypeEgress) {
		spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: podsOfThisNamespace}}
	}
	return spec
}

func allowAPIServer(api *v1alpha1.AllowAPIServer) networkingv1.NetworkPolicySpec {
	slices.Sort(api.Ports)
	return networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{To: addresses(api.CIDRs), Ports: api.EffectivePorts()}},
	}
}

// defaultNetworkPolicy sets what the API server defaults (k8s.io/kubernetes/pkg/apis/networking/v1
// SetDefaults).
func defaultNetworkPolicy(spec *networkingv1.NetworkPolicySpec) {
	if len(spec.PolicyTypes) == 0 {
		spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(spec.Egress) > 0 {
			spec.PolicyTypes = append(spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	for i := range spec.Ingress {
		defaultPorts(spec.Ingress[i].Ports)
	}
	for i := range spec.Egress {
		defaultPorts(spec.Egress[i].Ports)
	}
}

func defaultPorts(ports []networkingv1.NetworkPolicyPort) {
	tcp := corev1.ProtocolTCP
	for i := range ports {
		if ports[i].Protocol == nil {
			ports[i].Protocol = &tcp
		}
	}
}
