package findings

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

func TestWebhookUnreachable(t *testing.T) {
	closed := func(policies ...v1alpha1.NetworkPolicy) v1alpha1.SecurityProfileSpec {
		return v1alpha1.SecurityProfileSpec{
			Network: &v1alpha1.Network{
				DefaultDeny:        []direction{ingress},
				AllowSameNamespace: &v1alpha1.AllowSameNamespace{},
				Policies:           policies,
			},
		}
	}
	gate := func(pods metav1.LabelSelector, ports ...port) map[string]Gate {
		return map[string]Gate{"theirs": {Pods: pods, Ports: [][]port{ports}}}
	}
	labelled := func(value string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{"app": value}}
	}
	named := intstr.FromString("https")
	service := func(target intstr.IntOrString) *corev1.ServiceSpec {
		return &corev1.ServiceSpec{
			Selector: map[string]string{"app": "hook"},
			Ports:    []corev1.ServicePort{{Port: 443, TargetPort: target}},
		}
	}
	const unreachable = true
	for sentence, tc := range map[string]struct {
		spec    v1alpha1.SecurityProfileSpec
		call    Call
		service *corev1.ServiceSpec
		gates   map[string]Gate
		want    bool
	}{
		"closed ingress cuts it off":                    {spec: closed(), want: unreachable},
		"a Service of another namespace is not of this": {spec: closed(), call: CallOf("other", "hook", nil, true)},
		"open ingress does not":                         {spec: v1alpha1.SecurityProfileSpec{Network: &v1alpha1.Network{DefaultDeny: []direction{egress}}}},
		"no network section does not":                   {},
		"a declared policy that closes these pods does": {
			spec:    v1alpha1.SecurityProfileSpec{Network: &v1alpha1.Network{Policies: []v1alpha1.NetworkPolicy{{Name: "p", Spec: networkingv1.NetworkPolicySpec{PodSelector: labelled("hook")}}}}},
			service: service(intstr.FromInt32(9443)), want: unreachable},
		"a declared policy that closes other pods does not": {
			spec:    v1alpha1.SecurityProfileSpec{Network: &v1alpha1.Network{Policies: []v1alpha1.NetworkPolicy{{Name: "p", Spec: networkingv1.NetworkPolicySpec{PodSelector: labelled("web")}}}}},
			service: service(intstr.FromInt32(9443))},
		"a declared policy lets it in": {
			spec:    closed(v1alpha1.NetworkPolicy{Name: "p", Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{from(nil, tcp(9443))}}}),
			service: service(intstr.FromInt32(9443))},
		"a declared policy lets in another port": {
			spec:    closed(v1alpha1.NetworkPolicy{Name: "p", Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{from(nil, tcp(443))}}}),
			service: service(intstr.FromInt32(9443)), want: unreachable},
		"an unmanaged policy lets it in":                     {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("hook"), tcp(9443))},
		"one at all ports does":                              {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("hook"))},
		"one at every port of TCP does":                      {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("hook"), port{})},
		"one at a range of ports does":                       {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("hook"), port{Port: ptr.To(intstr.FromInt32(9000)), EndPort: ptr.To[int32](9999)})},
		"one at another range does not":                      {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("hook"), port{Port: ptr.To(intstr.FromInt32(1)), EndPort: ptr.To[int32](999)}), want: unreachable},
		"one at the port of UDP does not":                    {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("hook"), port{Protocol: ptr.To(corev1.ProtocolUDP), Port: ptr.To(intstr.FromInt32(9443))}), want: unreachable},
		"one of other pods does not":                         {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(labelled("web"), tcp(9443)), want: unreachable},
		"one of pods that it cannot be told of may":          {spec: closed(), service: service(intstr.FromInt32(9443)), gates: gate(metav1.LabelSelector{MatchLabels: map[string]string{"tier": "x"}}, tcp(9443))},
		"one at a named port does":                           {spec: closed(), service: service(named), gates: gate(labelled("hook"), port{Port: &named})},
		"one at another named port does not":                 {spec: closed(), service: service(named), gates: gate(labelled("hook"), port{Port: ptr.To(intstr.FromString("http"))}), want: unreachable},
		"a number may be that of a name":                     {spec: closed(), service: service(named), gates: gate(labelled("hook"), tcp(9443))},
		"without a target port it is the Service's":          {spec: closed(), service: service(intstr.IntOrString{}), gates: gate(labelled("hook"), tcp(443))},
		"of a Service that is not known, any port may be it": {spec: closed(), gates: gate(labelled("web"), tcp(1))},
		"a Service without pods is not behind any policy":    {spec: closed(), service: &corev1.ServiceSpec{}},
		"a Service of another name's is not, either":         {spec: closed(), service: &corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, Selector: map[string]string{"a": "b"}}},
	} {
		call := tc.call
		if call.Service == "" {
			call = CallOf("team-a", "hook", nil, true)
		}
		facts := Facts{
			Callers:  []Caller{{v1alpha1.ObjectReference{Kind: "ValidatingWebhookConfiguration", Name: "certs"}, call}},
			Services: map[string]*corev1.ServiceSpec{"hook": tc.service}, Gates: tc.gates,
		}
		var want list
		if tc.want {
			want = list{"High WebhookUnreachable ValidatingWebhookConfiguration/certs"}
		}
		if diff := cmp.Diff(want, brief(judged(tc.spec, facts))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestServicesToAsk(t *testing.T) {
	facts := &Facts{Callers: []Caller{
		{
			Call: CallOf("team-a", "b", nil, true),
		},
		{Call: CallOf("team-a", "a", nil, true)},
		{Call: CallOf("team-a", "b", ptr.To[int32](80), true)},
	}}
	closed := v1alpha1.SecurityProfileSpec{Network: &v1alpha1.Network{DefaultDeny: []direction{ingress}}}
	if diff := cmp.Diff(list{"a", "b"}, ServicesToAsk(profile(closed), "team-a", facts)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ignored := closed
	ignored.Findings = &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{"WebhookUnreachable"}}
	for sentence, got := range map[string]list{
		"where nothing is called":   ServicesToAsk(profile(closed), "team-a", &Facts{}),
		"where ingress is open":     ServicesToAsk(profile(v1alpha1.SecurityProfileSpec{Network: &v1alpha1.Network{DefaultDeny: []direction{egress}}}), "team-a", facts),
		"where nobody looks":        ServicesToAsk(profile(ignored), "team-a", facts),
		"where nothing is declared": ServicesToAsk(profile(v1alpha1.SecurityProfileSpec{}), "team-a", facts),
	} {
		if len(got) > 0 {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}
