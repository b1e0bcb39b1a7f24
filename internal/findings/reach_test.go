package findings

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestCallsOfWebhooks(t *testing.T) {
	at := func(namespace, name string, port *int32) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{
			Service:  &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: name, Port: port},
			CABundle: []byte("whatever"),
		}
	}
	ignore := ptr.To(admissionregistrationv1.Ignore)
	webhooks := []admissionregistrationv1.ValidatingWebhook{
		{Name: "a", ClientConfig: at("certs", "hook", nil), FailurePolicy: ignore},
		{
			Name:          "b",
			ClientConfig:  at("certs", "hook", ptr.To[int32](443)),
			FailurePolicy: ptr.To(admissionregistrationv1.Fail),
		},
		{Name: "c", ClientConfig: at("certs", "hook", ptr.To[int32](8443)), FailurePolicy: ignore},
		{Name: "d", ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://example.com")}},
		{Name: "e", ClientConfig: at("mesh", "hook", nil)},
	}
	want := []Call{
		{Namespace: "certs", Service: "hook", Port: 443, Vital: true, For: list{"a", "b"}},
		{Namespace: "certs", Service: "hook", Port: 8443, For: list{"c"}},
		{Namespace: "mesh", Service: "hook", Port: 443, Vital: true, For: list{"e"}},
	}
	got, any := ValidatingCalls(&admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: webhooks})
	if diff := cmp.Diff(want, got); diff != "" || !any {
		t.Errorf("%t (-want +got):\n%s", any, diff)
	}
	var mutating []admissionregistrationv1.MutatingWebhook
	for _, w := range webhooks {
		mutating = append(
			mutating,
			admissionregistrationv1.MutatingWebhook{Name: w.Name, ClientConfig: w.ClientConfig, FailurePolicy: w.FailurePolicy},
		)
	}
	got, any = MutatingCalls(&admissionregistrationv1.MutatingWebhookConfiguration{Webhooks: mutating})
	if diff := cmp.Diff(want, got); diff != "" || !any {
		t.Errorf("mutating: %t (-want +got):\n%s", any, diff)
	}
	if got, any := MutatingCalls(&admissionregistrationv1.MutatingWebhookConfiguration{Webhooks: mutating[3:4]}); any {
		t.Errorf("of a URL: %v", got)
	}
	var many []admissionregistrationv1.ValidatingWebhook
	for i := range 500 {
		many = append(
			many,
			admissionregistrationv1.ValidatingWebhook{
				Name:         strings.Repeat("x", 500),
				ClientConfig: at("certs", fmt.Sprintf("s%d", i%50), nil),
			},
		)
	}
	bounded, _ := ValidatingCalls(&admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: many})
	if len(bounded) != maxCalls || len(bounded[0].For) != maxListed || bounded[0].More != 2 {
		t.Errorf("%d calls, the first for %d and %d more", len(bounded), len(bounded[0].For), bounded[0].More)
	}
}

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

func TestTheRemedyOfAnUnreachableWebhookIsAnAllowance(t *testing.T) {
	hook := &corev1.ServiceSpec{
		Selector: map[string]string{"app": "hook"},
		Ports:    []corev1.ServicePort{{Port: 443, TargetPort: intstr.FromString("https")}},
	}
	for sentence, tc := range map[string]struct {
		service *corev1.ServiceSpec
		api     *v1alpha1.AllowAPIServer
		want    string
	}{
		"of a Service that is known": {service: hook, want: `add to spec.network.policies: {"name":"apiserver-to-hook","spec":{"podSelector":{"matchLabels":{"app":"hook"}},` +
			`"ingress":[{"ports":[{"port":"https"}]}],"policyTypes":["Ingress"]}}; narrow it by a from with the ipBlock of the control plane`},
		"where the profile says where the API server is": {service: hook, api: &v1alpha1.AllowAPIServer{CIDRs: []string{"192.0.2.1/32"}},
			want: `add to spec.network.policies: {"name":"apiserver-to-hook","spec":{"podSelector":{"matchLabels":{"app":"hook"}},` +
				`"ingress":[{"ports":[{"port":"https"}],"from":[{"ipBlock":{"cidr":"192.0.2.1/32"}}]}],"policyTypes":["Ingress"]}}`},
		"of a Service that is not known": {want: `add to spec.network.policies: {"name":"apiserver-to-hook","spec":{"podSelector":{},` +
			`"ingress":[{"ports":[{"port":443}]}],"policyTypes":["Ingress"]}}; put in the labels and the port of the pods behind Service hook`},
		"of pods with long labels": {
			service: &corev1.ServiceSpec{Selector: map[string]string{strings.Repeat("x", 253) + "/a": "b", strings.Repeat("y", 253) + "/a": "b"}, Ports: hook.Ports},
			want: `add to spec.network.policies: {"name":"apiserver-to-hook","spec":{"podSelector":{},"ingress":[{"ports":[{"port":"https"}]}],` +
				`"policyTypes":["Ingress"]}}; put in the labels of the pods behind the Service, and whom to let in`,
		},
	} {
		found := judged(
			v1alpha1.SecurityProfileSpec{Network: &v1alpha1.Network{DefaultDeny: []direction{ingress}, AllowAPIServer: tc.api}},
			Facts{
				Callers: []Caller{
					{Call: CallOf("team-a", "hook", nil, true)},
				},
				Services: map[string]*corev1.ServiceSpec{"hook": tc.service},
			},
		)
		if diff := cmp.Diff(tc.want, found[0].Remedy); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
		var policy v1alpha1.NetworkPolicy
		_, rest, _ := strings.Cut(found[0].Remedy, "policies: ")
		if err := json.NewDecoder(strings.NewReader(rest)).Decode(&policy); err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	if name := allowanceName(strings.Repeat("x", 63)); name != "apiserver-to-webhook" {
		t.Errorf("of a long name: %s", name)
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
