package oracle

import (
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// randomSpec is made of what the table is made of.
func randomSpec(r *rand.Rand) spec {
	s := spec{
		PodSelector: choose.OneOf(
			r,
			selector{},
			selector{},
			labelled("app", "web"),
			requiring("app", metav1.LabelSelectorOpNotIn, "db"),
		),
	}
	s.PolicyTypes = choose.OneOf(r, nil, []direction{ingress}, []direction{egress}, directions, directions, directions)
	s.Ingress, s.Egress = in(randomRules(r)...).Ingress, out(randomRules(r)...).Egress
	return s
}

func randomRules(r *rand.Rand) []aRule {
	var rules []aRule
	for range r.IntN(4) {
		one := aRule{ports: randomPorts(r)}
		for range 1 + r.IntN(3) {
			one.peers = append(one.peers, randomPeer(r))
		}
		if r.IntN(16) == 0 {
			one.peers = nil
		}
		rules = append(rules, one)
	}
	return rules
}

func randomPorts(r *rand.Rand) []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for range r.IntN(3) {
		ports = append(
			ports,
			choose.OneOf(r, tcp(443), ranged(1000, 2000), named("http"), at(corev1.ProtocolUDP, 53), every(corev1.ProtocolSCTP),
				networkingv1.NetworkPolicyPort{}),
		)
	}
	return ports
}

func randomPeer(r *rand.Rand) peer {
	switch r.IntN(8) {
	case 0:
		return podsHere()
	case 1:
		return podsHere("app", "web")
	case 2:
		return podsOf(randomNamespaces(r), randomPods(r))
	case 3:
		return namespaces(randomNamespaces(r))
	case 4:
		return randomBlock(r, "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/2", "16.0.0.0/4")
	case 5:
		return randomBlock(r, "::/0", "::/1", "8000::/1", "2000::/3", "2000::/4", "3000::/4", "2400::/7")
	case 6:
		return choose.OneOf(
			r,
			block("16.0.0.0/5"),
			block("24.0.0.0/5"),
			block("64.0.0.0/6"),
			block("10.0.0.0/8"),
			block("2400::/8"),
			block("2600::/8"),
			block("2a00::/9"),
		)
	default:
		return choose.OneOf(
			r,
			block("203.0.113.7/32"),
			block("172.16.0.0/12"),
			block("192.168.0.0/16"),
			block("2001:db8::/32"),
			block("fc00::/7"),
		)
	}
}

// randomNamespaces is a selector of one or two requirements, each of which every second time or
// less is one that strangers meet.
func randomNamespaces(r *rand.Rand) selector {
	one := func() selector {
		return choose.OneOf(
			r,
			selector{},
			labelled("team", "a"),
			labelled("team", ""),
			labelled(corev1.LabelMetadataName, "monitoring"),
			requiring("team", metav1.LabelSelectorOpIn, "a", "b"),
			requiring("team", metav1.LabelSelectorOpNotIn, "a"),
			requiring("team", metav1.LabelSelectorOpExists),
			requiring("team", metav1.LabelSelectorOpDoesNotExist),
			requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpIn, "monitoring", "kube-system"),
			requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, "kube-system"),
			requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpExists),
			requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpDoesNotExist),
		)
	}
	a, b := one(), one()
	if r.IntN(2) == 0 || a.MatchLabels != nil {
		return a
	}
	return and(a, b)
}

// randomPods is a selector that some labels meet: a pod of a stranger has what labels it likes.
func randomPods(r *rand.Rand) selector {
	return choose.OneOf(r, selector{}, labelled("app", "prometheus"), requiring("app", metav1.LabelSelectorOpNotIn, "web"),
		requiring("app", metav1.LabelSelectorOpDoesNotExist), requiring("app", metav1.LabelSelectorOpExists),
		requiring("app", metav1.LabelSelectorOpIn, "web", "db"))
}

// within are parts of a block that it can leave out, those first that are so large that little is
// left.
var within = map[string][]string{
	"0.0.0.0/0": {
		"0.0.0.0/1",
		"128.0.0.0/1",
		"128.0.0.0/2",
		"192.0.0.0/3",
		"224.0.0.0/4",
		"240.0.0.0/5",
		"10.0.0.0/8",
		"192.168.0.0/16",
	},
	"0.0.0.0/1":   {"0.0.0.0/2", "64.0.0.0/2", "64.0.0.0/3", "96.0.0.0/4", "10.0.0.0/8"},
	"128.0.0.0/1": {"128.0.0.0/2", "192.0.0.0/2", "192.0.0.0/3", "192.168.0.0/16"},
	"64.0.0.0/2":  {"64.0.0.0/3", "96.0.0.0/4", "112.0.0.0/5"},
	"16.0.0.0/4":  {"16.0.0.0/5", "17.0.0.0/8", "17.1.0.0/16"},
	"::/0":        {"2000::/3", "2000::/4", "3000::/4", "fc00::/7", "2001:db8::/32"},
	"::/1":        {"2000::/3", "2000::/4", "3000::/4"},
	"8000::/1":    {"fc00::/7"},
	"2000::/3":    {"2000::/4", "3000::/4", "3000::/5", "2a00::/8", "2001:db8::/32"},
	"2000::/4":    {"2000::/5", "2800::/5", "2c00::/6", "2001:db8::/32"},
	"3000::/4":    {"3000::/5", "3800::/6"},
	"2400::/7":    {"2400::/8", "2400::/11"},
}

func randomBlock(r *rand.Rand, cidrs ...string) peer {
	cidr := choose.OneOf(r, cidrs...)
	var except []string
	for _, part := range within[cidr] {
		if r.IntN(2) == 0 {
			except = append(except, part)
		}
	}
	return block(cidr, except...)
}
