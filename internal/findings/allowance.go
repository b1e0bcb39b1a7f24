package findings

import (
	"encoding/json"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const maxRemedy = 512

// allowance is the remedy: the entry of spec.network.policies that lets the API server in. JSON is
// YAML that needs one line.
func (j *judge) allowance(b *backend, c *Call) string {
	rule := networkingv1.NetworkPolicyIngressRule{
		Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(c.Port))}},
	}
	hint := "; narrow it by a from with the ipBlock of the control plane"
	if api := j.profile.Spec.Network.AllowAPIServer; api != nil { // It comes from where it is reached.
		hint = ""
		for _, cidr := range api.CIDRs {
			rule.From = append(rule.From, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}})
		}
	}
	if b.labels == nil || b.port == nil {
		hint = "; put in the labels and the port of the pods behind Service " + c.Service
	} else {
		rule.Ports[0].Port = b.port
	}
	spec := networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: b.labels},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{rule},
	}
	const where = "add to spec.network.policies: "
	remedy := where + entry(allowanceName(c.Service), &spec) + hint
	if len(remedy) > maxRemedy { // Labels can have hundreds of characters, and of address blocks there can be many.
		spec.PodSelector, spec.Ingress[0].From = metav1.LabelSelector{}, nil
		remedy = where + entry(
			allowanceName(c.Service),
			&spec,
		) + "; put in the labels of the pods behind the Service, and whom to let in"
	}
	return remedy
}

// allowanceName is one that the schema of a profile takes.
func allowanceName(service string) string {
	if name := "apiserver-to-" + service; len(name) <= maxAllowanceName {
		return name
	}
	return "apiserver-to-webhook"
}

const maxAllowanceName = 55

func entry(name string, spec *networkingv1.NetworkPolicySpec) string {
	data, err := json.Marshal(struct {
		Name string                          `json:"name"`
		Spec *networkingv1.NetworkPolicySpec `json:"spec"`
	}{name, spec})
	if err != nil {
		return err.Error() // It is of strings and numbers, and never fails.
	}
	return string(data)
}
