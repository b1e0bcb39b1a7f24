package attack

import (
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const opensUp = "the NetworkPolicy opens"

// teamA is a requirement that a tenant may name others by.
var teamA = metav1.LabelSelectorRequirement{Key: "team", Operator: metav1.LabelSelectorOpIn, Values: []string{"a"}}

func requirement(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
}

// opened makes a policy of each list of peers, for each direction.
func opened(as client.Client, lists ...[]networkingv1.NetworkPolicyPeer) []error {
	var answers []error
	for _, peers := range lists {
		answers = append(
			answers,
			as.Create(ctx, policy("attack", ingressFrom(peers...))),
			as.Create(ctx, policy("attack", egressTo(peers...))),
		)
	}
	return answers
}

func one(peer networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{peer}
}

// networkAttacks add NetworkPolicies that open what the profile's close.
func networkAttacks() []attack {
	return []attack{
		{
			name: "adds a NetworkPolicy with a rule for everybody", as: dev, outcome: refused, why: opensUp,
			do: func(as client.Client) []error { return opened(as, nil) },
		},
		{
			name: "adds one for 0.0.0.0/0 or ::/0", as: robot, outcome: refused, why: opensUp,
			do: func(as client.Client) []error {
				return opened(as, blocks("0.0.0.0/0"), blocks("::/0"))
			},
		},
		{
			name: "adds one for all addresses in two halves, or in smaller parts", as: dev, outcome: refused, why: opensUp,
			do: func(as client.Client) []error {
				return opened(as, blocks("0.0.0.0/1", "128.0.0.0/1"), blocks("::/1", "8000::/1"),
					blocks("0.0.0.0/5", "8.0.0.0/5", "16.0.0.0/5", "24.0.0.0/5", "32.0.0.0/5"), blocks("2000::/4", "3000::/4"))
			},
		},
		{
			name: "spreads the halves over two rules", as: dev, outcome: refused, why: opensUp,
			do: func(as client.Client) []error {
				halves := ingressFrom(blocks("0.0.0.0/5")...)
				halves.Ingress = append(halves.Ingress, networkingv1.NetworkPolicyIngressRule{From: blocks("8.0.0.0/5")})
				return []error{as.Create(ctx, policy("attack", halves))}
			},
		},
		{
			name: "adds one for all addresses but one", as: dev, outcome: refused, why: opensUp,
			do: func(as client.Client) []error {
				peers := blocks("0.0.0.0/0")
				peers[0].IPBlock.Except = []string{"192.0.2.1/32"}
				return opened(as, peers)
			},
		},
		{
			name: "writes the block of all addresses in a way that is not canonical", as: dev, outcome: refused,
			do: func(as client.Client) []error {
				return opened(
					as,
					blocks("10.0.0.0/0"),
					blocks("000.0.0.0/0"),
					blocks("0.0.0.0/00"),
					blocks("::ffff:0.0.0.0/96"),
					blocks("0::0/0"),
				)
			},
		},
		{
			name: "adds one for every namespace", as: dev, outcome: refused, why: opensUp,
			do: func(as client.Client) []error { return opened(as, one(namespaces())) },
		},
		{
			name:    "adds one for every namespace that is not another, or that lacks a label",
			as:      robot,
			outcome: refused,
			why:     opensUp,
			do: func(as client.Client) []error {
				return opened(
					as,
					one(namespaces(requirement("team", metav1.LabelSelectorOpNotIn, "nobody"))),
					one(namespaces(requirement(corev1.LabelMetadataName, metav1.LabelSelectorOpNotIn, "nobody"))),
					one(namespaces(requirement("team", metav1.LabelSelectorOpDoesNotExist))),
					one(namespaces(requirement(corev1.LabelMetadataName, metav1.LabelSelectorOpExists))),
					one(
						namespaces(
							requirement(corev1.LabelMetadataName, metav1.LabelSelectorOpExists),
							requirement("team", metav1.LabelSelectorOpNotIn, "nobody"),
						),
					),
				)
			},
		},
		{
			name: "hides such a peer behind others", as: dev, outcome: refused,
			do: func(as client.Client) []error {
				var peers []networkingv1.NetworkPolicyPeer
				for range 200 {
					peers = append(peers, namespaces(teamA))
				}
				return opened(as, append(peers, namespaces()), append(peers, blocks("0.0.0.0/0")...))
			},
		},
		{
			name: "adds one that is narrow, and widens it", as: dev, outcome: refused, why: opensUp,
			do: func(as client.Client) []error {
				narrow := policy("narrow", ingressFrom(namespaces(teamA)))
				Expect(as.Create(ctx, narrow)).To(Succeed())
				defer func() { Expect(as.Delete(ctx, narrow.DeepCopy())).To(Succeed()) }()
				return inEveryWay(as, narrow.DeepCopy(), func(o *networkingv1.NetworkPolicy) { o.Spec = ingressFrom() })
			},
		},
	}
}

func nodePort() *corev1.Service {
	return &corev1.Service{ObjectMeta: inShop("attack"), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}},
	}}
}

// serviceAttacks let the world in by a Service.
func serviceAttacks() []attack {
	const types = "the type of a Service must be one of ClusterIP"
	return []attack{{
		name: "adds a Service of the type NodePort, LoadBalancer or ExternalName", as: dev, outcome: refused, why: types,
		do: func(as client.Client) []error {
			balanced, external := nodePort(), nodePort()
			balanced.Spec.Type = corev1.ServiceTypeLoadBalancer
			external.Spec.Type, external.Spec.ExternalName = corev1.ServiceTypeExternalName, "evil.example.com"
			return []error{as.Create(ctx, nodePort()), as.Create(ctx, balanced), as.Create(ctx, external)}
		},
	}, {
		name: "makes a Service of the type ClusterIP one of NodePort", as: dev, outcome: refused, why: types,
		do: func(as client.Client) []error {
			service := nodePort()
			service.Name, service.Spec.Type = "narrow", corev1.ServiceTypeClusterIP
			Expect(as.Create(ctx, service)).To(Succeed())
			defer func() { Expect(as.Delete(ctx, service.DeepCopy())).To(Succeed()) }()
			return inEveryWay(as, service.DeepCopy(), func(o *corev1.Service) { o.Spec.Type = corev1.ServiceTypeNodePort })
		},
	}}
}
