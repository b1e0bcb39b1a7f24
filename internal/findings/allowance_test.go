package findings

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

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
