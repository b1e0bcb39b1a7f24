package oracle

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	ours     = "ours"
	stranger = "somebody-elses"
)

// One address of each of as many equal parts of all IPv4 addresses, and of the IPv6 addresses that
// the Internet has, 2000::/3. A block is narrow if it is smaller than such a part: then its one
// address says little.
const (
	parts        = 256
	threshold    = parts / 16
	narrowIPv4   = 8
	narrowIPv6   = 3 + 8
	somewhereIn4 = "%d.137.41.7"
)

func addresses() (ipv4, ipv6 []string) {
	for i := range parts {
		ipv4 = append(ipv4, fmt.Sprintf(somewhereIn4, i))
		ipv6 = append(
			ipv6,
			netip.AddrFrom16([16]byte{0x20 | byte(i>>3), byte(i<<5) | 0x0d, 0xb8, 0x41, 0x07, 15: 0x29}).String(),
		)
	}
	return ipv4, ipv6
}

var ipv4Addresses, ipv6Addresses = addresses()

// probed is which strangers a policy lets through, each at any port.
type probed struct {
	pods                   bool
	ipv4, ipv6             int
	narrowIPv4, narrowIPv6 int
}

func (p probed) open() bool { return p.pods || p.ipv4 >= threshold || p.ipv6 >= threshold }

// onTheEdge reports whether narrow blocks, each of which may have swayed one address, might have
// decided.
func (p probed) onTheEdge() bool {
	edge := func(n, narrow int) bool { return n-narrow < threshold && n+narrow >= threshold }
	sure := p.pods || p.ipv4-p.narrowIPv4 >= threshold || p.ipv6-p.narrowIPv6 >= threshold
	return !sure && (p.narrowIPv4 > 0 && edge(p.ipv4, p.narrowIPv4) || p.narrowIPv6 > 0 && edge(p.ipv6, p.narrowIPv6))
}

func (p probed) String() string {
	return fmt.Sprintf("pods: %t, %d of %d IPv4 addresses, %d of %d IPv6 addresses", p.pods, p.ipv4, parts, p.ipv6, parts)
}

// probe asks cyclonus which strangers get through to a pod that the policy selects, or the pod to
// them. Beside the policy is one that denies all, so that a pod that the policy does not isolate is
// not one that it opens.
func probe(np *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) probed {
	np = asStored(np)
	deny := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ours, Name: "default-deny"}}
	deny.Spec.PolicyTypes = directions
	pod := &matcher.TrafficPeer{IP: "192.0.2.1", Internal: &matcher.InternalPeer{
		Namespace:       ours,
		NamespaceLabels: map[string]string{corev1.LabelMetadataName: ours},
		PodLabels:       satisfying(&np.Spec.PodSelector),
	}}
	getsThrough := func(all *matcher.Policy, peer *matcher.TrafficPeer) bool {
		return slices.ContainsFunc(portsToTry(&np.Spec), func(p port) bool {
			traffic := &matcher.Traffic{
				Source:           peer,
				Destination:      pod,
				ResolvedPort:     p.number,
				ResolvedPortName: p.name,
				Protocol:         p.protocol,
			}
			if direction == networkingv1.PolicyTypeEgress {
				traffic.Source, traffic.Destination = pod, peer
			}
			return all.IsIngressOrEgressAllowed(traffic, direction == networkingv1.PolicyTypeIngress).IsAllowed()
		})
	}
	var result probed
	// Which addresses pods have, nobody knows: pods are asked of the policy without its address
	// blocks.
	toPods := matcher.BuildNetworkPolicies(false, []*networkingv1.NetworkPolicy{deny, withoutBlocks(np)})
	for _, podLabels := range labelsOfStrangers(&np.Spec) {
		result.pods = result.pods ||
			getsThrough(toPods, &matcher.TrafficPeer{IP: "192.0.2.2", Internal: &matcher.InternalPeer{
				Namespace: stranger, NamespaceLabels: map[string]string{corev1.LabelMetadataName: stranger}, PodLabels: podLabels,
			}})
	}
	toAll := matcher.BuildNetworkPolicies(false, []*networkingv1.NetworkPolicy{deny, np})
	through := func(addresses []string) int {
		n := 0
		for _, address := range addresses {
			if getsThrough(toAll, &matcher.TrafficPeer{IP: address}) {
				n++
			}
		}
		return n
	}
	result.ipv4, result.ipv6 = through(ipv4Addresses), through(ipv6Addresses)
	result.narrowIPv4, result.narrowIPv6 = narrow(np, direction)
	return result
}

// narrow counts the blocks of a direction that are too small to be probed.
func narrow(np *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) (ipv4, ipv6 int) {
	for _, peer := range peersOf(np, direction) {
		if peer.IPBlock == nil {
			continue
		}
		for _, cidr := range append([]string{peer.IPBlock.CIDR}, peer.IPBlock.Except...) {
			_, length, _ := strings.Cut(cidr, "/")
			bits, _ := strconv.Atoi(length)
			switch is6 := strings.Contains(cidr, ":"); {
			case is6 && bits > narrowIPv6:
				ipv6++
			case !is6 && bits > narrowIPv4:
				ipv4++
			}
		}
	}
	return ipv4, ipv6
}

func peersOf(np *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	if direction == networkingv1.PolicyTypeIngress {
		for _, r := range np.Spec.Ingress {
			peers = append(peers, r.From...)
		}
		return peers
	}
	for _, r := range np.Spec.Egress {
		peers = append(peers, r.To...)
	}
	return peers
}

// changed is a copy of a policy with the peers of every rule changed. A rule that had peers and has
// none any more is left out: it would mean everybody.
func changed(
	np *networkingv1.NetworkPolicy,
	change func(networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer,
) *networkingv1.NetworkPolicy {
	all := func(peers []networkingv1.NetworkPolicyPeer) (out []networkingv1.NetworkPolicyPeer, keep bool) {
		for _, peer := range peers {
			out = append(out, change(peer)...)
		}
		return out, len(out) > 0 || len(peers) == 0
	}
	np = np.DeepCopy()
	ingress, egress := np.Spec.Ingress, np.Spec.Egress
	np.Spec.Ingress, np.Spec.Egress = nil, nil
	for _, r := range ingress {
		if from, keep := all(r.From); keep {
			np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: from, Ports: r.Ports})
		}
	}
	for _, r := range egress {
		if to, keep := all(r.To); keep {
			np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: to, Ports: r.Ports})
		}
	}
	return np
}

func withoutBlocks(np *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	return changed(np, func(peer networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
		if peer.IPBlock != nil {
			return nil
		}
		return []networkingv1.NetworkPolicyPeer{peer}
	})
}

// asStored is a policy with the policyTypes that the API server gives it, and with its peers'
// selectors so written that cyclonus reads them as Kubernetes does.
func asStored(np *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	np = changed(np, func(peer networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
		var peers []networkingv1.NetworkPolicyPeer
		for _, namespaces := range readings(peer.NamespaceSelector) {
			for _, pods := range readings(peer.PodSelector) {
				peers = append(
					peers,
					networkingv1.NetworkPolicyPeer{NamespaceSelector: namespaces, PodSelector: pods, IPBlock: peer.IPBlock},
				)
			}
		}
		return peers
	})
	if len(np.Spec.PolicyTypes) == 0 {
		np.Spec.PolicyTypes = directions
		if len(np.Spec.Egress) == 0 {
			np.Spec.PolicyTypes = directions[:1]
		}
	}
	return np
}

// readings are selectors of which one at least matches what the given one matches. To Kubernetes
// NotIn matches what lacks the label, to cyclonus it does not; an empty value in matchLabels wants
// the label to be there, to cyclonus it may lack.
func readings(selector *metav1.LabelSelector) []*metav1.LabelSelector {
	if selector == nil {
		return []*metav1.LabelSelector{nil}
	}
	all := []*metav1.LabelSelector{{}}
	and := func(requirements ...metav1.LabelSelectorRequirement) {
		var out []*metav1.LabelSelector
		for _, s := range all {
			for _, r := range requirements {
				out = append(out, &metav1.LabelSelector{MatchExpressions: append(slices.Clone(s.MatchExpressions), r)})
			}
		}
		all = out
	}
	for _, key := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		and(
			metav1.LabelSelectorRequirement{
				Key:      key,
				Operator: metav1.LabelSelectorOpIn,
				Values:   []string{selector.MatchLabels[key]},
			},
		)
	}
	for _, r := range selector.MatchExpressions {
		if r.Operator == metav1.LabelSelectorOpNotIn {
			and(r, metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOpDoesNotExist})
		} else {
			and(r)
		}
	}
	return all
}

// satisfying are labels that a selector matches, cyclonus' way.
func satisfying(selector *metav1.LabelSelector) map[string]string {
	labels := maps.Clone(selector.MatchLabels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, r := range selector.MatchExpressions {
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			labels[r.Key] = r.Values[0]
		case metav1.LabelSelectorOpNotIn:
			labels[r.Key] = "none-of-them"
		case metav1.LabelSelectorOpExists:
			if _, there := labels[r.Key]; !there {
				labels[r.Key] = "something"
			}
		}
	}
	return labels
}

// labelsOfStrangers are none, some, and those that a peer asks for.
func labelsOfStrangers(spec *networkingv1.NetworkPolicySpec) []map[string]string {
	all := []map[string]string{{}, {"app": "web"}, {"app": "db", "tier": "back"}}
	for _, direction := range directions {
		for _, peer := range peersOf(&networkingv1.NetworkPolicy{Spec: *spec}, direction) {
			if peer.PodSelector != nil {
				all = append(all, satisfying(peer.PodSelector))
			}
		}
	}
	return all
}

type port struct {
	number   int
	name     string
	protocol corev1.Protocol
}

// portsToTry are a port of each protocol, and those that a policy names. Whether a port has a name
// is a stranger's own choice.
func portsToTry(spec *networkingv1.NetworkPolicySpec) []port {
	ports := []port{{8080, "", corev1.ProtocolTCP}, {8080, "", corev1.ProtocolUDP}, {8080, "", corev1.ProtocolSCTP}}
	add := func(named []networkingv1.NetworkPolicyPort) {
		for _, p := range named {
			protocol := corev1.ProtocolTCP
			if p.Protocol != nil {
				protocol = *p.Protocol
			}
			switch {
			case p.Port == nil:
			case p.Port.Type == intstr.String:
				ports = append(ports, port{9090, p.Port.StrVal, protocol})
			default:
				ports = append(ports, port{p.Port.IntValue(), "", protocol})
			}
		}
	}
	for _, r := range spec.Ingress {
		add(r.Ports)
	}
	for _, r := range spec.Egress {
		add(r.Ports)
	}
	return ports
}
