package offline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// within is a profile that lets tenants open nothing to everybody in these directions.
func within(t reporter, directions ...networkingv1.PolicyType) *Evaluator {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	profile.Spec.Network = &v1alpha1.Network{DefaultDeny: directions, TenantPolicies: v1alpha1.TenantPoliciesWithin}
	e, err := New(profile, bulwark.Cluster{Operator: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

type reporter interface {
	Helper()
	Fatal(args ...any)
}

// opened are the directions of a NetworkPolicy that is created that the evaluator refuses.
func opened(t *rapid.T, e *Evaluator, np *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(np)
	if err != nil {
		t.Fatal(err)
	}
	violations, err := e.Evaluate(t.Context(), Request{
		Object: &unstructured.Unstructured{
			Object: object,
		},
		User:      tenant,
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var directions []networkingv1.PolicyType
	for _, v := range violations {
		rest, ok := strings.CutPrefix(v.Message, "the NetworkPolicy opens ")
		direction, _, _ := strings.Cut(rest, " ")
		if !ok {
			t.Fatalf("%s: %s", v.Policy, v.Message)
		}
		directions = append(directions, networkingv1.PolicyType(direction))
	}
	return directions
}

// tenantPolicies generates NetworkPolicies as tenants write them.
func tenantPolicies(blocks func(*rapid.T) *networkingv1.IPBlock) *rapid.Generator[*networkingv1.NetworkPolicy] {
	return rapid.Custom(func(t *rapid.T) *networkingv1.NetworkPolicy {
		np := &networkingv1.NetworkPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
			ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "shop"},
		}
		for range rapid.IntRange(0, 3).Draw(t, "ingress") {
			np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers(t, blocks)})
		}
		for range rapid.IntRange(0, 3).Draw(t, "egress") {
			np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers(t, blocks)})
		}
		np.Spec.PolicyTypes = several(t, "policyTypes", 2, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
		return np
	})
}

func peers(t *rapid.T, blocks func(*rapid.T) *networkingv1.IPBlock) []networkingv1.NetworkPolicyPeer {
	var all []networkingv1.NetworkPolicyPeer
	for range drawn(t, "peers", 1, 1, 2, 3, 0) {
		peer := networkingv1.NetworkPolicyPeer{}
		switch drawn(t, "peer", "block", "pods", "namespaces", "both") {
		case "block":
			peer.IPBlock = blocks(t)
		case "pods":
			peer.PodSelector = &metav1.LabelSelector{}
		case "namespaces":
			peer.NamespaceSelector = namespaceSelector(t)
		case "both":
			peer.NamespaceSelector, peer.PodSelector = namespaceSelector(
				t,
			), &metav1.LabelSelector{
				MatchLabels: map[string]string{"a": "b"},
			}
		}
		all = append(all, peer)
	}
	return all
}

func namespaceSelector(t *rapid.T) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if drawn(t, "matchLabels", false, false, true) {
		s.MatchLabels = map[string]string{drawn(t, "label", labelKeys...): "a"}
	}
	for range drawn(t, "expressions", 0, 1, 2) {
		e := metav1.LabelSelectorRequirement{Key: drawn(t, "key", labelKeys...), Operator: drawn(
			t,
			"operator",
			metav1.LabelSelectorOpNotIn,
			metav1.LabelSelectorOpDoesNotExist,
			metav1.LabelSelectorOpExists,
			metav1.LabelSelectorOpIn,
		)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = []string{"a"}
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

// anyBlock is an address block of any size, and may leave others out.
func anyBlock(t *rapid.T) *networkingv1.IPBlock {
	if rapid.Bool().Draw(t, "IPv6") {
		return &networkingv1.IPBlock{
			CIDR: fmt.Sprintf(
				"%s/%d",
				drawn(t, "address", "2000::", "::", "fc00::", "fd12:3456::", "2001:db8::", "3000::", "4000::", "fe80::"),
				drawn(t, "bits", rapid.IntRange(0, 12).Draw(t, "wide"), rapid.IntRange(0, 128).Draw(t, "any")),
			),
		}
	}
	bits := drawn(t, "bits", rapid.IntRange(0, 8).Draw(t, "wide"), rapid.IntRange(0, 32).Draw(t, "any"))
	block := &networkingv1.IPBlock{CIDR: fmt.Sprintf("%d.0.0.0/%d", rapid.IntRange(0, 255).Draw(t, "address"), bits)}
	if bits < 8 && rapid.Bool().Draw(t, "except") {
		block.Except = []string{fmt.Sprintf("%d.0.0.0/%d", rapid.IntRange(0, 255).Draw(t, "left out"), bits+1)}
	}
	return block
}

// narrowBlock is one of so few addresses that no few of them come to much.
func narrowBlock(t *rapid.T) *networkingv1.IPBlock {
	return &networkingv1.IPBlock{
		CIDR: drawn(t, "block", "10.0.0.0/8", "192.168.0.0/16", "1.2.3.4/32", "fd00::/8", "2001:db8::/32", "2001:db8::1/128"),
	}
}

// A policy is refused if it would be a finding, were it there.
func TestWithinRefusesWhateverWouldBeAFinding(t *testing.T) {
	often(t, 2000)
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	for _, closed := range [][]networkingv1.PolicyType{both, both[:1], both[1:]} {
		t.Run(fmt.Sprint(closed), func(t *testing.T) {
			e := within(t, closed...)
			rapid.Check(t, func(t *rapid.T) {
				np := tenantPolicies(anyBlock).Draw(t, "policy")
				refused := opened(t, e, np)
				for _, direction := range refused {
					if !slices.Contains(closed, direction) {
						t.Errorf("%s is refused, and is not closed", direction)
					}
				}
				found, _ := findings.PolicyOf(np)
				for _, o := range found.Openings {
					if slices.Contains(closed, o.Direction) && !slices.Contains(refused, o.Direction) {
						t.Errorf("it opens %s for %s, and only %v is refused: %+v", o.Direction, o.Peers, refused, np.Spec)
					}
				}
			})
		})
	}
}

// Where no address block is at the bounds, what is refused is what would be a finding, and nothing
// else.
func TestWithinLetsPassWhatIsNarrow(t *testing.T) {
	often(t, 2000)
	e := within(t, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		np := tenantPolicies(narrowBlock).Draw(t, "policy")
		refused := opened(t, e, np)
		found, _ := findings.PolicyOf(np)
		for _, direction := range refused {
			if !slices.ContainsFunc(found.Openings, func(o findings.Opening) bool { return o.Direction == direction }) {
				t.Errorf("%s is refused, and is not open to everybody: %+v", direction, np.Spec)
			}
		}
		if len(refused) == 0 && len(np.Spec.Ingress)+len(np.Spec.Egress) > 0 {
			passed++
		}
	})
	if passed == 0 {
		t.Error("nothing that opens something passed")
	}
}
