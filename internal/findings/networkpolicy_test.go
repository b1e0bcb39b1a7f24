package findings

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

type (
	direction = networkingv1.PolicyType
	peer      = networkingv1.NetworkPolicyPeer
	port      = networkingv1.NetworkPolicyPort
)

const (
	ingress = networkingv1.PolicyTypeIngress
	egress  = networkingv1.PolicyTypeEgress
)

func from(peers []peer, ports ...port) networkingv1.NetworkPolicyIngressRule {
	return networkingv1.NetworkPolicyIngressRule{From: peers, Ports: ports}
}

func block(cidr string, except ...string) peer {
	return peer{IPBlock: &networkingv1.IPBlock{CIDR: cidr, Except: except}}
}

func blocks(cidrs ...string) []peer {
	var peers []peer
	for _, cidr := range cidrs {
		peers = append(peers, block(cidr))
	}
	return peers
}

func namespaces(requirements ...metav1.LabelSelectorRequirement) []peer {
	return []peer{{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: requirements}}}
}

func tcp(number int32) port { return port{Port: ptr.To(intstr.FromInt32(number))} }

// TestPolicyOf is about the words, and about fields that no other judge reads. test/oracle holds
// against another judge what a policy opens.
func TestPolicyOf(t *testing.T) {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for sentence, tc := range map[string]struct {
		pods metav1.LabelSelector
		in   []networkingv1.NetworkPolicyIngressRule
		want Policy
	}{
		"no rule opens nothing":     {},
		"an empty rule opens all":   {in: []networkingv1.NetworkPolicyIngressRule{{}}, want: opening("every peer", "")},
		"the pods are a selector's": {pods: *web, in: []networkingv1.NetworkPolicyIngressRule{{}}, want: Policy{Pods: "app=web", Openings: opening("every peer", "").Openings}},
		"ports are named with their protocol": {
			in: []networkingv1.NetworkPolicyIngressRule{from(nil, tcp(80), port{Port: ptr.To(intstr.FromInt32(1000)), EndPort: ptr.To[int32](2000), Protocol: ptr.To(corev1.ProtocolUDP)},
				port{Port: ptr.To(intstr.FromString("http"))}, port{Protocol: ptr.To(corev1.ProtocolSCTP)})},
			want: opening("every peer", "TCP 80, UDP 1000-2000, TCP http, every SCTP port"),
		},
		"of many ports the first are named": {
			in:   []networkingv1.NetworkPolicyIngressRule{from(nil, tcp(1), tcp(2), tcp(3), tcp(4), tcp(5), tcp(6), tcp(7), tcp(8), tcp(9), tcp(10))},
			want: opening("every peer", "TCP 1, TCP 2, TCP 3, TCP 4, TCP 5, TCP 6, TCP 7, TCP 8 and 2 more"),
		},
		"every namespace": {in: []networkingv1.NetworkPolicyIngressRule{from(namespaces())}, want: opening("every namespace", "")},
		"nearly every namespace": {
			in:   []networkingv1.NetworkPolicyIngressRule{from(namespaces(metav1.LabelSelectorRequirement{Key: "team", Operator: "DoesNotExist"}))},
			want: opening("every namespace that is !team", ""),
		},
		"pods of every namespace": {
			in:   []networkingv1.NetworkPolicyIngressRule{from([]peer{{NamespaceSelector: &metav1.LabelSelector{}, PodSelector: web}})},
			want: opening("pods labelled app=web of every namespace", ""),
		},
		"no namespace is named out of being one": {
			in: []networkingv1.NetworkPolicyIngressRule{from(namespaces(metav1.LabelSelectorRequirement{
				Key: "kubernetes.io/metadata.name", Operator: "NotIn", Values: []string{"a-namespace-of-somebody-else", "some-namespace"}}))},
			want: opening("every namespace that is kubernetes.io/metadata.name notin (a-namespace-of-somebody-else,some-namespace)", ""),
		},
		"a selector that is not valid matches nothing": {in: []networkingv1.NetworkPolicyIngressRule{from(namespaces(metav1.LabelSelectorRequirement{Key: "team", Operator: "Unheard"}))}},
		"each rule that opens is one opening": {
			in:   []networkingv1.NetworkPolicyIngressRule{from(nil, tcp(80)), from(namespaces(), tcp(443))},
			want: Policy{Openings: []Opening{{ingress, "every peer", "TCP 80"}, {ingress, "every namespace", "TCP 443"}}},
		},
		"a peer that is nothing opens nothing": {in: []networkingv1.NetworkPolicyIngressRule{from([]peer{{}})}},
		"blocks are named with what they leave out": {
			in:   []networkingv1.NetworkPolicyIngressRule{from([]peer{block("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12")})},
			want: opening("0.0.0.0/0 except 10.0.0.0/8, 172.16.0.0/12", ""),
		},
		"halves of several rules are open at the ports of all": {
			in:   []networkingv1.NetworkPolicyIngressRule{from(blocks("0.0.0.0/1"), tcp(80)), from(blocks("128.0.0.0/1"), tcp(443)), from(blocks("1.0.0.0/8"), tcp(80))},
			want: opening("0.0.0.0/1, 128.0.0.0/1, 1.0.0.0/8", "TCP 80, TCP 443"),
		},
		"a wide block is open at its own ports, not at all those of a narrow one": {
			in:   []networkingv1.NetworkPolicyIngressRule{from(blocks("10.0.0.5/32")), from(blocks("0.0.0.0/0"), tcp(443))},
			want: opening("10.0.0.5/32, 0.0.0.0/0", "TCP 443"),
		},
		"a wide block is open at all ports, whatever else is at some": {
			in:   []networkingv1.NetworkPolicyIngressRule{from(blocks("10.0.0.5/32"), tcp(443)), from(blocks("0.0.0.0/0"))},
			want: opening("0.0.0.0/0", ""),
		},
		"zeros that lead are read as old API servers do": {
			in: []networkingv1.NetworkPolicyIngressRule{from(blocks("0.0.0.0/00"))}, want: opening("0.0.0.0/00", ""),
		},
		"zeros that lead an address are, too": {
			in: []networkingv1.NetworkPolicyIngressRule{from(blocks("000.000.000.000/1"))}, want: opening("000.000.000.000/1", ""),
		},
		"what is left out can have zeros that lead": {in: []networkingv1.NetworkPolicyIngressRule{from([]peer{block("0.0.0.0/0", "0.0.0.0/01", "128.0.0.0/01")})}},
		"an address within a block stands for the block": {
			in: []networkingv1.NetworkPolicyIngressRule{from(blocks("192.0.2.1/1"))}, want: opening("192.0.2.1/1", ""),
		},
		"all IPv4 can be written as IPv6": {
			in: []networkingv1.NetworkPolicyIngressRule{from(blocks("::ffff:0.0.0.0/96"))}, want: opening("::ffff:0.0.0.0/96", ""),
		},
		"a narrow block of IPv4 can be, too":    {in: []networkingv1.NetworkPolicyIngressRule{from(blocks("::ffff:10.0.0.0/104"))}},
		"a block that is not valid is nothing":  {in: []networkingv1.NetworkPolicyIngressRule{from(blocks("everything", "0.0.0.0", "", "0.0.0.0/33"))}},
		"what is not valid leaves nothing out":  {in: []networkingv1.NetworkPolicyIngressRule{from([]peer{block("0.0.0.0/0", "everything")})}, want: opening("0.0.0.0/0 except everything", "")},
		"a block that leaves itself out is not": {in: []networkingv1.NetworkPolicyIngressRule{from([]peer{block("0.0.0.0/0", "0.0.0.0/0")})}},
	} {
		t.Run(sentence, func(t *testing.T) {
			np := &networkingv1.NetworkPolicy{Spec: networkingv1.NetworkPolicySpec{PodSelector: tc.pods, Ingress: tc.in}}
			got, found := PolicyOf(np)
			if diff := cmp.Diff(tc.want, got); diff != "" || found != (len(tc.want.Openings) > 0) {
				t.Errorf("found %t (-want +got):\n%s", found, diff)
			}
		})
	}
}

// opening is a policy that opens ingress to all pods.
func opening(peers, ports string) Policy {
	return Policy{Openings: []Opening{{ingress, peers, ports}}}
}

func TestNetworkReopened(t *testing.T) {
	const remedy = "name the peers by namespace and pod labels or by narrow address blocks, or delete the policy; declare what all namespaces need under spec.network.policies"
	in := Opening{ingress, "every peer", ""}
	out := Opening{egress, "0.0.0.0/0", "TCP 443"}
	finding := func(severity v1alpha1.Severity, message string) v1alpha1.Finding {
		return v1alpha1.Finding{
			ID: "NetworkReopened", Severity: severity, Message: message, Remedy: remedy,
			Object: v1alpha1.ObjectReference{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Name: "open"},
		}
	}
	for sentence, tc := range map[string]struct {
		network *v1alpha1.Network
		policy  Policy
		want    []v1alpha1.Finding
	}{
		"a profile without a network closes nothing":   {policy: Policy{Openings: []Opening{in, out}}},
		"a profile without defaultDeny closes nothing": {network: &v1alpha1.Network{}, policy: Policy{Openings: []Opening{in, out}}},
		"what is not closed cannot be re-opened":       {network: &v1alpha1.Network{DefaultDeny: []direction{egress}}, policy: Policy{Openings: []Opening{in}}},
		"all ports are grave": {
			&v1alpha1.Network{DefaultDeny: []direction{ingress}}, Policy{Openings: []Opening{in, out}},
			[]v1alpha1.Finding{finding("High", "defaultDeny closes Ingress, and this opens it for all pods from: every peer at all ports")},
		},
		"some ports are less so": {
			&v1alpha1.Network{DefaultDeny: []direction{egress}}, Policy{Openings: []Opening{in, out}, Pods: "app=web"},
			[]v1alpha1.Finding{finding("Medium", "defaultDeny closes Egress, and this opens it for the pods labelled app=web to: 0.0.0.0/0 at TCP 443")},
		},
		"each direction is a finding, the graver one first": {
			&v1alpha1.Network{DefaultDeny: []direction{egress, ingress}}, Policy{Openings: []Opening{out, in}},
			[]v1alpha1.Finding{
				finding("High", "defaultDeny closes Ingress, and this opens it for all pods from: every peer at all ports"),
				finding("Medium", "defaultDeny closes Egress, and this opens it for all pods to: 0.0.0.0/0 at TCP 443"),
			},
		},
		"of several openings the widest decides": {
			&v1alpha1.Network{DefaultDeny: []direction{egress}}, Policy{Openings: []Opening{{egress, "every namespace", ""}, out}},
			[]v1alpha1.Finding{finding("High", "defaultDeny closes Egress, and this opens it for all pods to: every namespace at all ports, 0.0.0.0/0 at TCP 443")},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := judged(
				v1alpha1.SecurityProfileSpec{Network: tc.network},
				Facts{Policies: map[string]Policy{"open": tc.policy}},
			)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFactsAreSmall makes objects as large as the API server stores them: whoever may make one must
// not fill the operator's memory.
func TestFactsAreSmall(t *testing.T) {
	policy := &networkingv1.NetworkPolicy{
		Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{}}},
	}
	for i := range 20000 {
		port := networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(int32(i)))}
		policy.Spec.PodSelector.MatchLabels[fmt.Sprint("label-", i)] = "x"
		policy.Spec.Ingress = append(
			policy.Spec.Ingress,
			networkingv1.NetworkPolicyIngressRule{Ports: []networkingv1.NetworkPolicyPort{port}},
			networkingv1.NetworkPolicyIngressRule{
				From:  []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0"}}},
				Ports: []networkingv1.NetworkPolicyPort{port},
			},
		)
	}
	policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
	open, _ := PolicyOf(policy)
	if len(open.Openings) > 2*maxOpenings ||
		!slices.ContainsFunc(open.Openings, func(o Opening) bool { return o.Ports == "" }) {
		t.Errorf("%d openings are kept, and that at all ports must be one of them", len(open.Openings))
	}
	binding := &rbacv1.RoleBinding{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: strings.Repeat("r", 1<<20)}}
	for i := range 20000 {
		binding.Subjects = append(
			binding.Subjects,
			rbacv1.Subject{Kind: "User", Name: fmt.Sprint(strings.Repeat("u", 300), i)},
		)
	}
	binding.Subjects = append(binding.Subjects, rbacv1.Subject{Kind: "Group", Name: "system:authenticated"})
	given, _ := BindingOf(binding)
	if len(given.Subjects) != maxSubjects || given.More != 20001-maxSubjects ||
		given.Subjects[0].Name != "system:authenticated" {
		t.Errorf("%d subjects are kept, %d more, the first is %q", len(given.Subjects), given.More, given.Subjects[0].Name)
	}
	limits := &corev1.LimitRange{
		Spec: corev1.LimitRangeSpec{
			Limits: []corev1.LimitRangeItem{{Type: "Container", Default: corev1.ResourceList{"cpu": resource.MustParse("1")}}},
		},
	}
	for i := range 20000 {
		limits.Spec.Limits[0].Default[corev1.ResourceName(fmt.Sprint("example.com/", i))] = resource.MustParse("1")
	}
	defaults, _ := LimitsOf(limits)
	for what, size := range map[string]int{
		"a policy": len(fmt.Sprint(open)), "a binding": len(fmt.Sprint(given)), "a LimitRange": len(fmt.Sprint(defaults)),
	} {
		if most := 32 << 10; size > most {
			t.Errorf("what is kept of %s has %d bytes", what, size)
		}
	}
}
