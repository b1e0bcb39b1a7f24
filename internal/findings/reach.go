package findings

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// maxServices bounds how many Services of one namespace are asked for.
const maxServices = 32

// ServicesToAsk are the Services of which it matters what they say: those that are called, where
// the profile closes ingress.
func ServicesToAsk(profile *v1alpha1.SecurityProfile, namespace string, facts *Facts) []string {
	if len(facts.Callers) == 0 || profile.Spec.Network == nil || !profile.LooksFor(v1alpha1.FindingIDWebhookUnreachable) {
		return nil
	}
	j := newJudge(profile, namespace)
	if len(j.declaredGates().closing) == 0 {
		return nil
	}
	var names []string
	for i := range facts.Callers {
		names = append(names, facts.Callers[i].Service)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxServices)]
}

// backend is what is known of the pods that a call ends at.
type backend struct {
	labels labels.Set // nil is unknown
	port   *intstr.IntOrString
}

// backendOf is where a call ends; false if no pod of the namespace is there. The Service's ports
// are unknown if it could not be read or does not exist yet.
func backendOf(c *Call, service *corev1.ServiceSpec) (backend, bool) {
	if service == nil {
		return backend{}, true
	}
	if len(service.Selector) == 0 || service.Type == corev1.ServiceTypeExternalName {
		return backend{}, false
	}
	b := backend{labels: service.Selector}
	for _, p := range service.Ports {
		if p.Port == c.Port {
			b.port = ptr.To(p.TargetPort)
			if *b.port == (intstr.IntOrString{}) {
				b.port = ptr.To(intstr.FromInt32(p.Port))
			}
		}
	}
	return b, true
}

// selects reports whether a selector selects the pods: surely, and possibly. Of pods no more is
// known than by which labels the Service finds them.
func (b *backend) selects(selector *metav1.LabelSelector) (surely, possibly bool) {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, false // The API server lets none such in.
	}
	requirements, selectable := s.Requirements()
	surely, possibly = selectable, selectable
	for _, r := range requirements {
		if _, known := b.labels[r.Key()]; !known {
			surely = false
		} else if !r.Matches(b.labels) {
			return false, false
		}
	}
	return surely, possibly
}

// admits reports whether one of these ports is that of the pods. Of a port that has a name here and
// a number there, it cannot be told that it is another.
func (b *backend) admits(ports []networkingv1.NetworkPolicyPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		switch {
		case ptr.Deref(p.Protocol, corev1.ProtocolTCP) != corev1.ProtocolTCP:
			return false
		case p.Port == nil, b.port == nil, p.Port.Type != b.port.Type:
			return true
		case p.EndPort != nil:
			return p.Port.IntVal <= b.port.IntVal && b.port.IntVal <= *p.EndPort
		}
		return *p.Port == *b.port
	})
}

// unreachable finds Services that the API server calls and that the baseline closes to it. The API
// server is no pod: policies that name pods or namespaces do not let it in.
func (j *judge) unreachable(facts *Facts) {
	if len(facts.Callers) == 0 || !j.profile.LooksFor(v1alpha1.FindingIDWebhookUnreachable) {
		return
	}
	declared := j.declaredGates()
	if len(declared.closing) == 0 {
		return
	}
	for i := range facts.Callers {
		c := &facts.Callers[i]
		b, pods := backendOf(&c.Call, facts.Services[c.Service])
		if c.Namespace != j.namespace || !pods || !declared.close(&b) {
			continue
		}
		if declared.letIn(&b) || gates(facts.Gates).letIn(&b) {
			continue
		}
		j.add(v1alpha1.Finding{
			ID:       v1alpha1.FindingIDWebhookUnreachable,
			Severity: c.severity(),
			Object:   c.Object,
			Message: fmt.Sprintf(
				"the API server calls Service %s at port %d here%s, and the baseline closes ingress to the pods behind it; "+
					"no policy lets in what is not a pod%s",
				c.Service,
				c.Port,
				c.purpose(),
				c.consequence(),
			),
			Remedy: j.allowance(&b, &c.Call),
		})
	}
}
