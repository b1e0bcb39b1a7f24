package findings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestGateOf(t *testing.T) {
	for sentence, tc := range map[string]struct {
		spec networkingv1.NetworkPolicySpec
		want *Gate
	}{
		"no rule lets nobody in":               {networkingv1.NetworkPolicySpec{PolicyTypes: []direction{ingress}}, nil},
		"a rule without peers lets in all":     {networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{from(nil)}}, &Gate{Ports: [][]port{nil}}},
		"an address block lets in addresses":   {networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{from([]peer{block("10.0.0.0/8")}, tcp(1))}}, &Gate{Ports: [][]port{{tcp(1)}}}},
		"one beside pods does too":             {networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{from([]peer{namespaces()[0], block("10.0.0.0/8")})}}, &Gate{Ports: [][]port{nil}}},
		"namespaces let in pods":               {networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{from(namespaces())}}, nil},
		"rules of the other direction are not": {networkingv1.NetworkPolicySpec{PolicyTypes: []direction{egress}, Ingress: []networkingv1.NetworkPolicyIngressRule{from(nil)}}, nil},
		"what is too large to keep selects all": {networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"a": strings.Repeat("x", 4096)}},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{from(nil)}}, &Gate{Ports: [][]port{nil}}},
		"too many ports are all": {networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{
			from(nil, tcp(1)), from(nil, tcp(1), tcp(2), tcp(3), tcp(4), tcp(5), tcp(6), tcp(7), tcp(8), tcp(9))}}, &Gate{Ports: [][]port{nil}}},
	} {
		var want Gate
		if tc.want != nil {
			want = *tc.want
		}
		got, any := GateOf(&networkingv1.NetworkPolicy{Spec: tc.spec})
		if diff := cmp.Diff(want, got); diff != "" || any != (tc.want != nil) {
			t.Errorf("%s: %t (-want +got):\n%s", sentence, any, diff)
		}
	}
}
