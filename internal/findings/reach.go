package findings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Call is that the API server calls a Service on behalf of an object: a webhook configuration, an
// APIService, or the conversion of a CustomResourceDefinition.
type Call struct {
	Namespace, Service string
	Port               int32
	// Vital says that requests fail where the Service does not answer. Of a webhook it is
	// failurePolicy Fail.
	Vital bool
	// For names the webhooks that are called so, at most maxListed, and More is how many there are
	// beyond them.
	For  []string
	More int
}

// Caller is a Call with the object that has the API server make it.
type Caller struct {
	Object v1alpha1.ObjectReference
	Call
}

// defaultCallPort is the port of a Service that is called if the object names none.
const defaultCallPort = 443

// ValidatingCalls are the Services that the webhooks of a configuration are at; false if there are
// none.
func ValidatingCalls(c *admissionregistrationv1.ValidatingWebhookConfiguration) ([]Call, bool) {
	var calls []Call
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		calls = withWebhook(calls, w.Name, w.ClientConfig.Service, w.FailurePolicy)
	}
	return calls, len(calls) > 0
}

// MutatingCalls are the Services that the webhooks of a configuration are at; false if there are
// none.
func MutatingCalls(c *admissionregistrationv1.MutatingWebhookConfiguration) ([]Call, bool) {
	var calls []Call
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		calls = withWebhook(calls, w.Name, w.ClientConfig.Service, w.FailurePolicy)
	}
	return calls, len(calls) > 0
}

func withWebhook(
	calls []Call,
	name string,
	s *admissionregistrationv1.ServiceReference,
	failure *admissionregistrationv1.FailurePolicyType,
) []Call {
	if s == nil {
		return calls // It is at a URL.
	}
	vital := ptr.Deref(failure, admissionregistrationv1.Fail) == admissionregistrationv1.Fail
	return withCall(calls, name, CallOf(s.Namespace, s.Name, s.Port, vital))
}

// maxCalls bounds what is kept of one object, which can name thousands of Services.
const maxCalls = 32

// withCall adds a call, or what it is for to the call of the same Service.
func withCall(calls []Call, name string, c Call) []Call {
	i := slices.IndexFunc(calls, func(other Call) bool {
		return other.Namespace == c.Namespace && other.Service == c.Service && other.Port == c.Port
	})
	switch {
	case i < 0 && len(calls) == maxCalls:
		return calls
	case i < 0:
		i = len(calls)
		calls = append(calls, c)
	}
	calls[i].Vital = calls[i].Vital || c.Vital
	if len(calls[i].For) == maxListed {
		calls[i].More++
	} else {
		calls[i].For = append(calls[i].For, printable.Cut(name, maxText))
	}
	return calls
}

// CallOf is a call of a Service, at the default port if none is named.
func CallOf(namespace, service string, port *int32, vital bool) Call {
	return Call{Namespace: namespace, Service: service, Port: ptr.Deref(port, defaultCallPort), Vital: vital}
}

// Gate is what a NetworkPolicy lets in that is no pod, and so possibly the API server.
type Gate struct {
	// Pods are those that it lets in to.
	Pods metav1.LabelSelector
	// Ports are those of each rule, at most maxOpenings of them; none is all.
	Ports [][]networkingv1.NetworkPolicyPort
}

// GateOf is what a NetworkPolicy lets in that is no pod; false if it lets in none: a rule without
// peers does, and one with an address block.
func GateOf(np *networkingv1.NetworkPolicy) (Gate, bool) {
	if !applies(&np.Spec, networkingv1.PolicyTypeIngress) {
		return Gate{}, false
	}
	g := Gate{}
	if np.Spec.PodSelector.Size() <= maxSelector { // What is too large to keep is taken to select.
		g.Pods = np.Spec.PodSelector
	}
	for _, r := range np.Spec.Ingress {
		if !letsInAddresses(r.From) {
			continue
		}
		if len(r.Ports) > maxListed || len(g.Ports) == maxOpenings {
			g.Ports = append(g.Ports[:0:0], nil) // What is too much to keep is taken to be all.
			break
		}
		g.Ports = append(g.Ports, r.Ports)
	}
	return g, len(g.Ports) > 0
}

// maxSelector bounds what is kept of a selector, in bytes.
const maxSelector = 2048

func letsInAddresses(peers []networkingv1.NetworkPolicyPeer) bool {
	return len(peers) == 0 ||
		slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool { return p.IPBlock != nil })
}

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

// backendOf is where a call ends; false if no pod of the namespace is there. What the Service says
// is unknown if it could not be read or does not exist yet.
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

func (c *Caller) severity() v1alpha1.Severity {
	if c.Vital {
		return v1alpha1.SeverityHigh
	}
	return v1alpha1.SeverityMedium
}

func (c *Caller) purpose() string {
	if len(c.For) == 0 {
		return ""
	}
	names := strings.Join(c.For, ", ")
	if c.More > 0 {
		names += fmt.Sprintf(" and %d more", c.More)
	}
	return " for " + names
}

func (c *Caller) consequence() string {
	if c.Vital {
		return ": requests that need its answer fail"
	}
	return ": what it checks passes unchecked"
}

// gates are NetworkPolicies in so far as they concern what is not a pod, by name.
type gates map[string]Gate

// letIn reports whether a policy may let the API server in.
func (g gates) letIn(b *backend) bool {
	for _, gate := range g {
		if _, possibly := b.selects(&gate.Pods); possibly && slices.ContainsFunc(gate.Ports, b.admits) {
			return true
		}
	}
	return false
}

// declaredGates are the declared policies: what they let in, and to which pods they close what they
// do not.
type declaredGates struct {
	gates
	closing []*metav1.LabelSelector
}

func (d *declaredGates) close(b *backend) bool {
	return slices.ContainsFunc(d.closing, func(s *metav1.LabelSelector) bool {
		surely, _ := b.selects(s)
		return surely
	})
}

func (j *judge) declaredGates() *declaredGates {
	d := &declaredGates{gates: gates{}}
	for _, o := range j.desired() {
		np, ok := o.(*networkingv1.NetworkPolicy)
		if !ok || !applies(&np.Spec, networkingv1.PolicyTypeIngress) {
			continue
		}
		d.closing = append(d.closing, &np.Spec.PodSelector)
		if gate, opens := GateOf(np); opens {
			d.gates[np.Name] = gate
		}
	}
	return d
}

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
