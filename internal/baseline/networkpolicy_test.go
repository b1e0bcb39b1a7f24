package baseline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	ingress = networkingv1.PolicyTypeIngress
	egress  = networkingv1.PolicyTypeEgress
)

func directed(t ...networkingv1.PolicyType) []networkingv1.PolicyType { return t }

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: ptr.To(protocol), Port: ptr.To(intstr.FromInt32(number))}
}

func policySpecs(network *v1alpha1.Network) map[string]networkingv1.NetworkPolicySpec {
	specs := map[string]networkingv1.NetworkPolicySpec{}
	for _, policy := range rendered[*networkingv1.NetworkPolicy](v1alpha1.SecurityProfileSpec{Network: network}) {
		specs[policy.Name] = policy.Spec
	}
	return specs
}

func TestBuiltInNetworkPolicies(t *testing.T) {
	pods := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
	dnsPods := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"kubernetes.io/metadata.name": "kube-system"},
		},
		PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
	}
	nodeLocal := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": "coredns"}},
	}
	for sentence, tc := range map[string]struct {
		network *v1alpha1.Network
		policy  string
		want    networkingv1.NetworkPolicySpec
	}{
		"default-deny selects every pod and admits nothing": {
			network: &v1alpha1.Network{DefaultDeny: directed(ingress, egress)}, policy: "bulwark-default-deny",
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress, egress)},
		},
		"directions are in a fixed order, whatever the profile's": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress, ingress)}, policy: "bulwark-default-deny",
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress, egress)},
		},
		"only egress denied leaves ingress alone": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress)}, policy: "bulwark-default-deny",
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(egress)},
		},
		"DNS is by default kube-dns in kube-system, on 53 over UDP and TCP": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress), AllowDNS: &v1alpha1.AllowDNS{}}, policy: "bulwark-allow-dns",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(egress),
				Egress: []networkingv1.NetworkPolicyEgressRule{{
					To:    []networkingv1.NetworkPolicyPeer{dnsPods},
					Ports: []networkingv1.NetworkPolicyPort{port("UDP", 53), port("TCP", 53)},
				}},
			},
		},
		"DNS can be elsewhere, on ports that are TCP unless they say so": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress), AllowDNS: &v1alpha1.AllowDNS{
				NamespaceSelector: nodeLocal.NamespaceSelector,
				PodSelector:       nodeLocal.PodSelector,
				Ports:             []v1alpha1.DNSPort{{Protocol: "UDP", Port: 5353}, {Port: 8053}},
			}},
			policy: "bulwark-allow-dns",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(egress),
				Egress: []networkingv1.NetworkPolicyEgressRule{{
					To:    []networkingv1.NetworkPolicyPeer{nodeLocal},
					Ports: []networkingv1.NetworkPolicyPort{port("UDP", 5353), port("TCP", 8053)},
				}},
			},
		},
		"DNS can be at addresses too, in the order of their text and on the same ports": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress), AllowDNS: &v1alpha1.AllowDNS{
				CIDRs: []string{"fd00::10/128", "169.254.20.10/32"},
				Ports: []v1alpha1.DNSPort{{Protocol: "UDP", Port: 5353}},
			}},
			policy: "bulwark-allow-dns",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(egress),
				Egress: []networkingv1.NetworkPolicyEgressRule{{
					To: []networkingv1.NetworkPolicyPeer{
						dnsPods,
						{IPBlock: &networkingv1.IPBlock{CIDR: "169.254.20.10/32"}},
						{IPBlock: &networkingv1.IPBlock{CIDR: "fd00::10/128"}},
					},
					Ports: []networkingv1.NetworkPolicyPort{port("UDP", 5353)},
				}},
			},
		},
		"the same namespace is admitted in both directions that are denied": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress, ingress), AllowSameNamespace: &v1alpha1.AllowSameNamespace{}},
			policy:  "bulwark-allow-same-namespace",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(ingress, egress),
				Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: pods}},
				Egress:      []networkingv1.NetworkPolicyEgressRule{{To: pods}},
			},
		},
		"the same namespace does not isolate egress where only ingress is denied": {
			network: &v1alpha1.Network{DefaultDeny: directed(ingress), AllowSameNamespace: &v1alpha1.AllowSameNamespace{}},
			policy:  "bulwark-allow-same-namespace",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(ingress),
				Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: pods}},
			},
		},
		"the same namespace does not isolate ingress where only egress is denied": {
			network: &v1alpha1.Network{DefaultDeny: directed(egress), AllowSameNamespace: &v1alpha1.AllowSameNamespace{}},
			policy:  "bulwark-allow-same-namespace",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(egress),
				Egress:      []networkingv1.NetworkPolicyEgressRule{{To: pods}},
			},
		},
		"the API server is by default on TCP 443, its addresses in order": {
			network: &v1alpha1.Network{
				DefaultDeny:    directed(egress),
				AllowAPIServer: &v1alpha1.AllowAPIServer{CIDRs: []string{"10.0.0.2/32", "10.0.0.1/32"}},
			},
			policy: "bulwark-allow-apiserver",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(egress),
				Egress: []networkingv1.NetworkPolicyEgressRule{{
					To: []networkingv1.NetworkPolicyPeer{
						{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.1/32"}},
						{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.2/32"}},
					},
					Ports: []networkingv1.NetworkPolicyPort{port("TCP", 443)},
				}},
			},
		},
		"the API server can be on another port": {
			network: &v1alpha1.Network{
				DefaultDeny:    directed(egress),
				AllowAPIServer: &v1alpha1.AllowAPIServer{CIDRs: []string{"fd00::1/128"}, Ports: []int32{6443}},
			},
			policy: "bulwark-allow-apiserver",
			want: networkingv1.NetworkPolicySpec{
				PolicyTypes: directed(egress),
				Egress: []networkingv1.NetworkPolicyEgressRule{{
					To:    []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "fd00::1/128"}}},
					Ports: []networkingv1.NetworkPolicyPort{port("TCP", 6443)},
				}},
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, there := policySpecs(tc.network)[tc.policy]
			if !there {
				t.Fatalf("there is no NetworkPolicy %s", tc.policy)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNetworkPoliciesAreOnlyThoseDeclared(t *testing.T) {
	for sentence, tc := range map[string]struct {
		network *v1alpha1.Network
		want    []string
	}{
		"no section makes none":                                             {},
		"an empty section makes none":                                       {network: &v1alpha1.Network{}},
		"a direction makes default-deny":                                    {network: &v1alpha1.Network{DefaultDeny: directed(egress)}, want: []string{"bulwark-default-deny"}},
		"an allowance without denial makes nothing that would isolate pods": {network: &v1alpha1.Network{AllowSameNamespace: &v1alpha1.AllowSameNamespace{}}},
		"a policy is named by the profile": {
			network: &v1alpha1.Network{Policies: []v1alpha1.NetworkPolicy{{Name: "metrics"}, {Name: "api"}}},
			want:    []string{"bulwark-metrics", "bulwark-api"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got []string
			for _, policy := range rendered[*networkingv1.NetworkPolicy](v1alpha1.SecurityProfileSpec{Network: tc.network}) {
				got = append(got, policy.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeclaredNetworkPoliciesAreDefaultedAsTheAPIServerDoes(t *testing.T) {
	unspoken := networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromString("http"))}
	tcp := networkingv1.NetworkPolicyPort{Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To(intstr.FromString("http"))}
	cidr := []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}},
	}
	in := func(ports ...networkingv1.NetworkPolicyPort) []networkingv1.NetworkPolicyIngressRule {
		return []networkingv1.NetworkPolicyIngressRule{{From: cidr, Ports: ports}}
	}
	out := func(ports ...networkingv1.NetworkPolicyPort) []networkingv1.NetworkPolicyEgressRule {
		return []networkingv1.NetworkPolicyEgressRule{{To: cidr, Ports: ports}}
	}
	for sentence, tc := range map[string]struct {
		spec, want networkingv1.NetworkPolicySpec
	}{
		"without rules it is a policy on ingress": {
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress)},
		},
		"with ingress rules it is a policy on ingress": {
			spec: networkingv1.NetworkPolicySpec{Ingress: in(port("TCP", 80))},
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress), Ingress: in(port("TCP", 80))},
		},
		"with egress rules it is a policy on both": {
			spec: networkingv1.NetworkPolicySpec{Egress: out(port("TCP", 80))},
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress, egress), Egress: out(port("TCP", 80))},
		},
		"types that are given stay as given, in their order": {
			spec: networkingv1.NetworkPolicySpec{PolicyTypes: directed(egress, ingress), Egress: out()},
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(egress, ingress), Egress: out()},
		},
		"egress alone stays egress alone": {
			spec: networkingv1.NetworkPolicySpec{PolicyTypes: directed(egress)},
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(egress)},
		},
		"a port without a protocol is TCP, in both directions": {
			spec: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress, egress), Ingress: in(unspoken), Egress: out(unspoken)},
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress, egress), Ingress: in(tcp), Egress: out(tcp)},
		},
		"a protocol that is given stays": {
			spec: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress), Ingress: in(port("SCTP", 9), port("UDP", 53), unspoken)},
			want: networkingv1.NetworkPolicySpec{PolicyTypes: directed(ingress), Ingress: in(port("SCTP", 9), port("UDP", 53), tcp)},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := policySpecs(&v1alpha1.Network{Policies: []v1alpha1.NetworkPolicy{{Name: "p", Spec: *tc.spec.DeepCopy()}}})
			if diff := cmp.Diff(map[string]networkingv1.NetworkPolicySpec{"bulwark-p": tc.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
