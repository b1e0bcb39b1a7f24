package findings

import (
	"fmt"
	"net/netip"
	"slices"

	"go4.org/netipx"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"

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

// Opening is one rule of a NetworkPolicy that lets everybody in or out.
type Opening struct {
	Direction networkingv1.PolicyType
	// Peers says who is let through.
	Peers string
	// Ports says at which ports; empty is all.
	Ports string
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

// rule is a rule of either direction.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rules(spec *networkingv1.NetworkPolicySpec, direction networkingv1.PolicyType) []rule {
	var all []rule
	if direction == networkingv1.PolicyTypeIngress {
		for _, r := range spec.Ingress {
			all = append(all, rule{r.From, r.Ports})
		}
		return all
	}
	for _, r := range spec.Egress {
		all = append(all, rule{r.To, r.Ports})
	}
	return all
}

// openings are those of the rules that let everybody through. The address blocks of all rules are
// seen together, since two halves are a whole.
func openings(direction networkingv1.PolicyType, rules []rule) []Opening {
	var open []Opening
	var blocks, atAllPorts []*networkingv1.IPBlock
	var ports []string
	for _, r := range rules {
		at := portsString(r.ports)
		if len(r.peers) == 0 {
			open = withOpening(open, Opening{direction, "every peer", at})
		}
		for _, peer := range r.peers {
			switch {
			case peer.IPBlock != nil:
				blocks = append(blocks, peer.IPBlock)
				if at == "" {
					atAllPorts = append(atAllPorts, peer.IPBlock)
				} else if len(ports) <= maxListed && !slices.Contains(ports, at) {
					ports = append(ports, at)
				}
			case everyNamespace(peer.NamespaceSelector):
				open = withOpening(open, Opening{direction, podsOfEveryNamespace(&peer), at})
			}
		}
	}
	switch { // A narrow block at all ports does not open all ports of a wide one.
	case wide(atAllPorts):
		open = withOpening(open, Opening{direction, blocksString(atAllPorts), ""})
	case wide(blocks):
		open = withOpening(open, Opening{direction, blocksString(blocks), listed(ports, maxListed)})
	}
	return open
}

// someNamespace stands for a namespace's name that is not known. No selector can list it, since no
// label's value holds a slash.
const someNamespace = "some/namespace"

const (
	// maxOpenings bounds what is kept of the rules of one direction, and maxText what is kept of
	// each text.
	maxOpenings = 8
	maxText     = 256
)

// withOpening adds an opening that is new, as long as there are few. One at all ports takes the
// place of another, if none is: how grave it is hangs on that.
func withOpening(open []Opening, o Opening) []Opening {
	o.Peers, o.Ports = printable.Cut(o.Peers, maxText), printable.Cut(o.Ports, maxText)
	switch {
	case slices.Contains(open, o):
		return open
	case len(open) < maxOpenings:
		return append(open, o)
	case o.Ports == "" && !slices.ContainsFunc(open, func(other Opening) bool { return other.Ports == "" }):
		open[len(open)-1] = o
	}
	return open
}

// everyNamespace reports whether a selector matches a namespace that nobody gave a label: it bears
// none but its name, which is not known here. Then it matches nearly all of them.
func everyNamespace(selector *metav1.LabelSelector) bool {
	if selector == nil {
		return false
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set{corev1.LabelMetadataName: someNamespace})
}

// podsOfEveryNamespace names the peer. A selector of its pods narrows nothing: their labels are in
// the hands of whoever owns them.
func podsOfEveryNamespace(peer *networkingv1.NetworkPolicyPeer) string {
	peers := "every namespace"
	if s := selectorString(peer.NamespaceSelector); s != "" {
		peers = "every namespace that is " + s
	}
	if peer.PodSelector == nil || selectorString(peer.PodSelector) == "" {
		return peers
	}
	return "pods labelled " + selectorString(peer.PodSelector) + " of " + peers
}

const (
	// wideIPv4 and wideIPv6 are the shares of all addresses from which on a policy counts as open
	// to everybody: a sixteenth. That is far more than any network of one's own, such as
	// 10.0.0.0/8, and too much for a few policies to add up unseen.
	wideIPv4 = 1.0 / 16
	wideIPv6 = 1.0 / 16
)

// globalUnicast are the IPv6 addresses that the Internet has.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// wide reports whether address blocks come to a sixteenth of all IPv4 addresses, or of those IPv6
// addresses that the Internet has.
func wide(blocks []*networkingv1.IPBlock) bool {
	var v4, v6 float64
	for _, prefix := range union(blocks) {
		switch {
		case prefix.Addr().Is4():
			v4 += share(prefix.Bits())
		case prefix.Bits() <= globalUnicast.Bits():
			if prefix.Overlaps(globalUnicast) {
				v6 = 1
			}
		case globalUnicast.Contains(prefix.Addr()):
			v6 += share(prefix.Bits() - globalUnicast.Bits())
		}
	}
	return v4 >= wideIPv4 || v6 >= wideIPv6
}

// union is what address blocks hold together, as prefixes of which none overlaps another.
func union(blocks []*networkingv1.IPBlock) []netip.Prefix {
	var all netipx.IPSetBuilder
	for _, block := range blocks {
		cidr, ok := prefix(block.CIDR)
		if !ok {
			continue // The API server lets none such in.
		}
		var one netipx.IPSetBuilder
		one.AddPrefix(cidr)
		for _, except := range block.Except {
			if cidr, ok := prefix(except); ok {
				one.RemovePrefix(cidr)
			}
		}
		if set, err := one.IPSet(); err == nil {
			all.AddSet(set)
		}
	}
	set, err := all.IPSet()
	if err != nil {
		return nil
	}
	return set.Prefixes()
}

// prefix is an address block as NetworkPolicies hold it. API servers before 1.36 let in leading
// zeros, such as 0.0.0.0/00, and IPv4-mapped addresses, and later ones keep those that they have.
func prefix(cidr string) (netip.Prefix, bool) {
	_, block, err := netutils.ParseCIDRSloppy(cidr)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(block.IP)
	fixed, length := block.Mask.Size()
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, fixed-(length-addr.BitLen())), ok
}

// share is the share of a prefix in what it is a part of, of which it fixes so many more bits.
func share(bits int) float64 {
	s := 1.0
	for range bits {
		s /= 2
	}
	return s
}

const maxListed = 8

func blocksString(blocks []*networkingv1.IPBlock) string {
	var words []string
	for _, b := range blocks {
		word := b.CIDR
		if len(b.Except) > 0 {
			word += " except " + listed(b.Except, maxListed)
		}
		words = append(words, word)
	}
	return listed(words, maxListed)
}

// portsString lists ports as TCP 80, UDP 1000-2000; all ports are the empty string.
func portsString(ports []networkingv1.NetworkPolicyPort) string {
	var words []string
	for _, p := range ports {
		protocol := string(ptr.Deref(p.Protocol, corev1.ProtocolTCP))
		switch {
		case p.Port == nil:
			words = append(words, "every "+protocol+" port")
		case p.EndPort != nil:
			words = append(words, fmt.Sprintf("%s %s-%d", protocol, p.Port, *p.EndPort))
		default:
			words = append(words, protocol+" "+p.Port.String())
		}
	}
	return listed(words, maxListed)
}

// selectorString is a label selector as people write it; what selects everything is the empty
// string.
func selectorString(selector *metav1.LabelSelector) string {
	if selector == nil || len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(selector)
}

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
