package oracle

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type (
	spec      = networkingv1.NetworkPolicySpec
	peer      = networkingv1.NetworkPolicyPeer
	selector  = metav1.LabelSelector
	direction = networkingv1.PolicyType
)

const (
	ingress = networkingv1.PolicyTypeIngress
	egress  = networkingv1.PolicyTypeEgress
)

// policies are every form of policy that matters, with the directions that it opens to everybody.
var policies = map[string]struct {
	spec  spec
	opens []direction
}{
	// Which directions a policy speaks of.
	"a policy that says nothing denies ingress":             {spec: spec{}},
	"a policy of both directions without rules denies both": {spec: types(spec{}, ingress, egress)},
	"an empty ingress rule opens ingress":                   {in(rule(anyone())), opens(ingress)},
	"an empty egress rule opens egress":                     {out(rule(anyone())), opens(egress)},
	"empty rules of both directions open both":              {both(rule(anyone())), opens(ingress, egress)},
	"without policyTypes an ingress rule counts":            {types(in(rule(anyone()))), opens(ingress)},
	"without policyTypes an egress rule counts":             {types(out(rule(anyone()))), opens(egress)},
	"without policyTypes rules of both directions count": {
		types(both(rule(anyone()))),
		opens(ingress, egress),
	},
	"an ingress rule of a policy about egress means nothing": {spec: types(in(rule(anyone())), egress)},
	"an egress rule of a policy about ingress means nothing": {spec: types(out(rule(anyone())), ingress)},
	"of both rules the one of the only direction counts: ingress": {
		types(both(rule(anyone())), ingress),
		opens(ingress),
	},
	"of both rules the one of the only direction counts: egress": {types(both(rule(anyone())), egress), opens(egress)},
	"a direction without rules stays closed beside one that is open": {
		types(in(rule(anyone())), ingress, egress),
		opens(ingress),
	},
	"peers that are an empty list are everybody": {both(rule([]peer{})), opens(ingress, egress)},
	"a rule that opens counts behind rules that do not": {
		both(rule(from(podsHere("app", "web"))), rule(anyone())),
		opens(ingress, egress),
	},

	// The ports do not matter to whether everybody gets through, only to where.
	"everybody at one port": {both(rule(anyone(), tcp(443))), opens(ingress, egress)},
	"everybody at a range of ports": {
		both(rule(anyone(), ranged(1000, 2000))),
		opens(ingress, egress),
	},
	"everybody at a port by name": {both(rule(anyone(), named("http"))), opens(ingress, egress)},
	"everybody at one UDP port": {
		both(rule(anyone(), at(corev1.ProtocolUDP, 53))),
		opens(ingress, egress),
	},
	"everybody at every UDP port": {
		both(rule(anyone(), every(corev1.ProtocolUDP))),
		opens(ingress, egress),
	},
	"everybody at every SCTP port": {
		both(rule(anyone(), every(corev1.ProtocolSCTP))),
		opens(ingress, egress),
	},
	"everybody at a port without a protocol": {
		both(rule(anyone(), networkingv1.NetworkPolicyPort{Port: number(80)})),
		opens(ingress, egress),
	},
	"everybody at a port that says nothing": {
		both(rule(anyone(), networkingv1.NetworkPolicyPort{})),
		opens(ingress, egress),
	},
	"everybody at several ports": {
		both(rule(anyone(), tcp(80), tcp(443), named("metrics"))),
		opens(ingress, egress),
	},
	"every namespace at one port": {
		both(rule(from(namespaces(selector{})), tcp(443))),
		opens(ingress, egress),
	},
	"every namespace at a port by name": {
		both(rule(from(namespaces(selector{})), named("http"))),
		opens(ingress, egress),
	},
	"the whole Internet at one port": {
		both(rule(from(block("0.0.0.0/0")), tcp(443))),
		opens(ingress, egress),
	},
	"the whole Internet at one SCTP port": {
		both(rule(from(block("0.0.0.0/0")), at(corev1.ProtocolSCTP, 9))),
		opens(ingress, egress),
	},
	"pods of the namespace at every port stay harmless": {spec: both(rule(from(podsHere()), every(corev1.ProtocolTCP)))},

	// Selectors of namespaces. A stranger's namespace bears its name as a label, and no other.
	"every namespace": {
		both(rule(from(namespaces(selector{})))),
		opens(ingress, egress),
	},
	"namespaces with a label": {spec: both(rule(from(namespaces(labelled("team", "a")))))},
	"namespaces with two labels": {
		spec: both(rule(from(namespaces(labelled("team", "a", "tier", "front"))))),
	},
	"namespaces with a label of no value": {spec: both(rule(from(namespaces(labelled("team", "")))))},
	"the namespace of a name": {
		spec: both(rule(from(namespaces(labelled(corev1.LabelMetadataName, "monitoring"))))),
	},
	"namespaces with a label of several values": {
		spec: both(rule(from(namespaces(requiring("team", metav1.LabelSelectorOpIn, "a", "b"))))),
	},
	"namespaces of several names": {
		spec: both(
			rule(from(namespaces(requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpIn, "monitoring", "ingress-nginx")))),
		),
	},
	"namespaces without a value of a label": {
		both(rule(from(namespaces(requiring("team", metav1.LabelSelectorOpNotIn, "a"))))),
		opens(ingress, egress),
	},
	"namespaces of any other name": {
		both(rule(from(namespaces(requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, "kube-system"))))),
		opens(ingress, egress),
	},
	"namespaces of any name but several": {
		both(
			rule(
				from(namespaces(requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, "kube-system", "default", ours))),
			),
		),
		opens(ingress, egress),
	},
	"namespaces without a label": {
		both(rule(from(namespaces(requiring("team", metav1.LabelSelectorOpDoesNotExist))))),
		opens(ingress, egress),
	},
	"namespaces without a name": {
		spec: both(rule(from(namespaces(requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpDoesNotExist))))),
	},
	"namespaces that have a name": {
		both(rule(from(namespaces(requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpExists))))),
		opens(ingress, egress),
	},
	"namespaces that have a label": {
		spec: both(rule(from(namespaces(requiring("team", metav1.LabelSelectorOpExists))))),
	},
	"a label that is there and is not of a value": {
		spec: both(
			rule(
				from(
					namespaces(
						and(requiring("team", metav1.LabelSelectorOpExists), requiring("team", metav1.LabelSelectorOpNotIn, "a")),
					),
				),
			),
		),
	},
	"a label that lacks, with the name of a namespace": {
		spec: both(
			rule(
				from(
					namespaces(
						and(requiring("team", metav1.LabelSelectorOpDoesNotExist), labelled(corev1.LabelMetadataName, "monitoring")),
					),
				),
			),
		),
	},
	"a label that lacks, with a name that is not another's": {
		both(
			rule(
				from(
					namespaces(
						and(
							requiring("team", metav1.LabelSelectorOpDoesNotExist),
							requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, "kube-system"),
						),
					),
				),
			),
		),
		opens(ingress, egress),
	},

	// Selectors of pods.
	"all pods of the namespace":          {spec: both(rule(from(podsHere())))},
	"pods of the namespace with a label": {spec: both(rule(from(podsHere("app", "web"))))},
	"pods of the namespace without a label": {
		spec: both(rule(from(peer{PodSelector: ref(requiring("app", metav1.LabelSelectorOpDoesNotExist))}))),
	},
	"all pods of every namespace": {
		both(rule(from(podsOf(selector{}, selector{})))),
		opens(ingress, egress),
	},
	"pods with a label of every namespace": {
		both(rule(from(podsOf(selector{}, labelled("app", "prometheus"))))),
		opens(ingress, egress),
	},
	"pods of no label of every namespace": {
		both(rule(from(podsOf(selector{}, requiring("app", metav1.LabelSelectorOpDoesNotExist))))),
		opens(ingress, egress),
	},
	"pods of another label of every namespace": {
		both(rule(from(podsOf(selector{}, requiring("app", metav1.LabelSelectorOpNotIn, "web", "db"))))),
		opens(ingress, egress),
	},
	"pods with a label of a namespace with a label": {
		spec: both(rule(from(podsOf(labelled("team", "a"), labelled("app", "prometheus"))))),
	},
	"pods with a label of the namespace of a name": {
		spec: both(rule(from(podsOf(labelled(corev1.LabelMetadataName, "kube-system"), labelled("k8s-app", "kube-dns"))))),
	},
	"pods with a label of namespaces of any other name": {
		both(
			rule(
				from(
					podsOf(requiring(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, "kube-system"), labelled("app", "web")),
				),
			),
		),
		opens(ingress, egress),
	},
	"every namespace is one peer of several": {
		both(rule(from(podsHere(), block("10.0.0.0/8"), namespaces(selector{})))),
		opens(ingress, egress),
	},
	"several harmless peers": {
		spec: both(rule(from(podsHere(), block("10.0.0.0/8"), namespaces(labelled("team", "a"))))),
	},
	"several harmless rules": {
		spec: both(
			rule(from(podsHere())),
			rule(from(block("10.0.0.0/8")), tcp(443)),
			rule(from(namespaces(labelled("team", "a")))),
		),
	},
	"ingress from every namespace, egress to the same one": {
		types(spec{Ingress: in(rule(from(namespaces(selector{})))).Ingress, Egress: out(rule(from(podsHere()))).Egress}),
		opens(ingress),
	},
	"ingress from the same one, egress to every namespace": {
		types(spec{Ingress: in(rule(from(podsHere()))).Ingress, Egress: out(rule(from(namespaces(selector{})))).Egress}),
		opens(egress),
	},

	// Address blocks of IPv4.
	"every IPv4 address": {
		both(rule(from(block("0.0.0.0/0")))),
		opens(ingress, egress),
	},
	"one half of IPv4": {
		both(rule(from(block("0.0.0.0/1")))),
		opens(ingress, egress),
	},
	"both halves of IPv4": {
		both(rule(from(block("0.0.0.0/1"), block("128.0.0.0/1")))),
		opens(ingress, egress),
	},
	"both halves of IPv4 in two rules": {
		both(rule(from(block("0.0.0.0/1"))), rule(from(block("128.0.0.0/1")))),
		opens(ingress, egress),
	},
	"a sixteenth of IPv4": {
		both(rule(from(block("16.0.0.0/4")))),
		opens(ingress, egress),
	},
	"less than a sixteenth of IPv4": {spec: both(rule(from(block("16.0.0.0/5"))))},
	"two parts that make a sixteenth of IPv4": {
		both(rule(from(block("16.0.0.0/5"), block("64.0.0.0/5")))),
		opens(ingress, egress),
	},
	"two parts in two rules, at other ports": {
		both(rule(from(block("16.0.0.0/5")), tcp(80)), rule(from(block("64.0.0.0/5")), tcp(443))),
		opens(ingress, egress),
	},
	"the same part twice is no more than once": {
		spec: both(rule(from(block("16.0.0.0/5"), block("16.0.0.0/5"))), rule(from(block("16.0.0.0/6")))),
	},
	"parts of which one lies in the other": {
		spec: both(rule(from(block("16.0.0.0/5"), block("16.0.0.0/8")))),
	},
	"parts in two directions are not added up": {
		spec: types(
			spec{Ingress: in(rule(from(block("16.0.0.0/5")))).Ingress, Egress: out(rule(from(block("64.0.0.0/5")))).Egress},
		),
	},
	"all but the private addresses": {
		both(rule(from(block("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))),
		opens(ingress, egress),
	},
	"all but the metadata service": {
		both(rule(from(block("0.0.0.0/0", "169.254.169.254/32")))),
		opens(ingress, egress),
	},
	"all but one half": {
		both(rule(from(block("0.0.0.0/0", "0.0.0.0/1")))),
		opens(ingress, egress),
	},
	"all but both halves is nothing": {
		spec: both(rule(from(block("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1")))),
	},
	"all but so much that little is left": {
		spec: both(rule(from(block("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3", "224.0.0.0/4", "240.0.0.0/5")))),
	},
	"all but so much that a sixteenth is left": {
		both(rule(from(block("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3", "224.0.0.0/4")))),
		opens(ingress, egress),
	},
	"what one block leaves out another lets in": {
		both(rule(from(block("0.0.0.0/1", "0.0.0.0/2", "64.0.0.0/2"), block("0.0.0.0/2")))),
		opens(ingress, egress),
	},
	"two halves, each of which is left out by half": {
		both(rule(from(block("0.0.0.0/1", "0.0.0.0/2"), block("128.0.0.0/1", "192.0.0.0/2")))),
		opens(ingress, egress),
	},
	"the private addresses": {
		spec: both(rule(from(block("10.0.0.0/8"), block("172.16.0.0/12"), block("192.168.0.0/16"), block("100.64.0.0/10")))),
	},
	"one address": {
		spec: both(rule(from(block("203.0.113.7/32")), tcp(5432))),
	},
	"a network of a provider": {
		spec: both(rule(from(block("3.0.0.0/9"), block("52.0.0.0/8")), tcp(443))),
	},
	"every IPv4 address, of a policy for some pods": {
		selecting(both(rule(from(block("0.0.0.0/0")))), labelled("app", "web")),
		opens(ingress, egress),
	},
	"every namespace, of a policy for pods of several values": {
		selecting(both(rule(from(namespaces(selector{})))), requiring("app", metav1.LabelSelectorOpIn, "web", "db")),
		opens(ingress, egress),
	},
	"everybody, of a policy for pods without a value": {
		selecting(both(rule(anyone())), requiring("app", metav1.LabelSelectorOpNotIn, "web")),
		opens(ingress, egress),
	},
	"everybody, of a policy for pods without a label": {
		selecting(both(rule(anyone())), requiring("app", metav1.LabelSelectorOpDoesNotExist)),
		opens(ingress, egress),
	},
	"pods of the namespace, of a policy for some pods": {
		spec: selecting(both(rule(from(podsHere()))), labelled("app", "web")),
	},

	// Address blocks of IPv6.
	"every IPv6 address":                 {both(rule(from(block("::/0")))), opens(ingress, egress)},
	"every IPv6 address of the Internet": {both(rule(from(block("2000::/3")))), opens(ingress, egress)},
	"one half of the IPv6 Internet":      {both(rule(from(block("2000::/4")))), opens(ingress, egress)},
	"both halves of the IPv6 Internet in two rules": {
		both(rule(from(block("2000::/4"))), rule(from(block("3000::/4")))),
		opens(ingress, egress),
	},
	"the half of IPv6 that holds the Internet":         {both(rule(from(block("::/1")))), opens(ingress, egress)},
	"the half of IPv6 that does not hold the Internet": {spec: both(rule(from(block("8000::/1"))))},
	"a sixteenth of the IPv6 Internet":                 {both(rule(from(block("2400::/7")))), opens(ingress, egress)},
	"less than a sixteenth of the IPv6 Internet":       {spec: both(rule(from(block("2400::/8"))))},
	"two parts of the IPv6 Internet": {
		both(rule(from(block("2400::/8"), block("2a00::/8")))),
		opens(ingress, egress),
	},
	"the private IPv6 addresses": {spec: both(rule(from(block("fc00::/7"), block("fe80::/10"))))},
	"all IPv6 but the Internet":  {spec: both(rule(from(block("::/0", "2000::/3"))))},
	"all IPv6 but the private addresses": {
		both(rule(from(block("::/0", "fc00::/7")))),
		opens(ingress, egress),
	},
	"all IPv6 but one half of the Internet": {
		both(rule(from(block("::/0", "2000::/4")))),
		opens(ingress, egress),
	},
	"all IPv6 but both halves of the Internet":         {spec: both(rule(from(block("::/0", "2000::/4", "3000::/4"))))},
	"a network of IPv6":                                {spec: both(rule(from(block("2001:db8::/32"))))},
	"a thirty-second of either family is not added up": {spec: both(rule(from(block("16.0.0.0/5"), block("2400::/8"))))},
	"a narrow block of IPv4 and all of IPv6": {
		both(rule(from(block("10.0.0.0/8"), block("::/0"))), rule(from(podsHere()))),
		opens(ingress, egress),
	},
}

func opens(directions ...direction) []direction { return directions }

func policy(s spec) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ours, Name: "foreign"}, Spec: s}
}

// aRule is a rule of either direction.
type aRule struct {
	peers []peer
	ports []networkingv1.NetworkPolicyPort
}

func rule(peers []peer, ports ...networkingv1.NetworkPolicyPort) aRule { return aRule{peers, ports} }

func anyone() []peer            { return nil }
func from(peers ...peer) []peer { return peers }

func in(rules ...aRule) spec {
	s := spec{PolicyTypes: []direction{ingress}}
	for _, r := range rules {
		s.Ingress = append(s.Ingress, networkingv1.NetworkPolicyIngressRule{From: r.peers, Ports: r.ports})
	}
	return s
}

func out(rules ...aRule) spec {
	s := spec{PolicyTypes: []direction{egress}}
	for _, r := range rules {
		s.Egress = append(s.Egress, networkingv1.NetworkPolicyEgressRule{To: r.peers, Ports: r.ports})
	}
	return s
}

func both(rules ...aRule) spec {
	return spec{Ingress: in(rules...).Ingress, Egress: out(rules...).Egress, PolicyTypes: directions}
}

// types gives a policy these policyTypes in place of its own; none at all are absent.
func types(s spec, directions ...direction) spec {
	s.PolicyTypes = directions
	return s
}

func selecting(s spec, pods selector) spec {
	s.PodSelector = pods
	return s
}

func namespaces(s selector) peer { return peer{NamespaceSelector: &s} }
func podsOf(namespaces, pods selector) peer {
	return peer{NamespaceSelector: &namespaces, PodSelector: &pods}
}
func podsHere(labels ...string) peer { return peer{PodSelector: ref(labelled(labels...))} }

func block(cidr string, except ...string) peer {
	return peer{IPBlock: &networkingv1.IPBlock{CIDR: cidr, Except: except}}
}

// labelled is pairs of key and value.
func labelled(pairs ...string) selector {
	s := selector{MatchLabels: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.MatchLabels[pairs[i]] = pairs[i+1]
	}
	return s
}

func requiring(key string, operator metav1.LabelSelectorOperator, values ...string) selector {
	return selector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
}

func and(a, b selector) selector {
	return selector{MatchLabels: b.MatchLabels, MatchExpressions: append(a.MatchExpressions, b.MatchExpressions...)}
}

func ref[T any](v T) *T { return &v }

func number(n int32) *intstr.IntOrString { return ref(intstr.FromInt32(n)) }

func tcp(n int32) networkingv1.NetworkPolicyPort { return at(corev1.ProtocolTCP, n) }

func at(protocol corev1.Protocol, n int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: number(n)}
}

func named(name string) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: ref(intstr.FromString(name))}
}

func ranged(first, last int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: ref(corev1.ProtocolTCP), Port: number(first), EndPort: &last}
}

func every(protocol corev1.Protocol) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol}
}
