package findings

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Opening is one rule of a NetworkPolicy that lets everybody in or out.
type Opening struct {
	Direction networkingv1.PolicyType
	// Peers says who is let through.
	Peers string
	// Ports says at which ports; empty is all.
	Ports string
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
