package integration

import (
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// callers are objects that have the API server call Service "webhook" of a namespace.
var callers = map[string]struct {
	object   func(name, namespace string) client.Object
	severity v1alpha1.Severity
	says     string
}{
	"a validating webhook": {validating, v1alpha1.SeverityHigh, "at port 443 here for certs.example.com, and"},
	"a mutating webhook that may be left out": {func(name, namespace string) client.Object {
		return &admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: tenants(name),
			Webhooks: []admissionregistrationv1.MutatingWebhook{
				{
					Name:                    "inject.example.com",
					AdmissionReviewVersions: []string{"v1"},
					SideEffects:             ptr.To(admissionregistrationv1.SideEffectClassNone),
					FailurePolicy:           ptr.To(admissionregistrationv1.Ignore),
					ClientConfig:            webhookAt(namespace),
					Rules:                   neverAsked,
				},
			},
		}
	}, v1alpha1.SeverityMedium, "what it checks passes unchecked"},
	"an aggregated API": {func(name, namespace string) client.Object {
		group := name + ".example.com"
		return like("apiregistration.k8s.io/v1", "APIService", "v1."+group, map[string]any{
			"group":                 group,
			"version":               "v1",
			"groupPriorityMinimum":  int64(100),
			"versionPriority":       int64(10),
			"insecureSkipTLSVerify": true,
			"service":               map[string]any{"namespace": namespace, "name": "webhook"},
		})
	}, v1alpha1.SeverityHigh, "requests that need its answer fail"},
	"the conversion of a custom resource": {func(name, namespace string) client.Object {
		group, plural := name+".example.com", "certs"
		return like("apiextensions.k8s.io/v1", "CustomResourceDefinition", plural+"."+group, map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"plural": plural, "kind": "Cert"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}},
			"conversion": map[string]any{"strategy": "Webhook", "webhook": map[string]any{
				"conversionReviewVersions": []any{"v1"},
				"clientConfig":             map[string]any{"service": map[string]any{"namespace": namespace, "name": "webhook"}},
			}},
		})
	}, v1alpha1.SeverityHigh, "requests that need its answer fail"},
}

// neverAsked are rules of a webhook that no request meets.
var neverAsked = []admissionregistrationv1.RuleWithOperations{
	{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule: admissionregistrationv1.Rule{
			APIGroups:   []string{"certs.example.com"},
			APIVersions: []string{"v1"},
			Resources:   []string{"*"},
		},
	},
}

func webhookAt(namespace string) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{
		Service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: "webhook"},
	}
}

func validating(name, namespace string) client.Object {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: tenants(name),
		Webhooks: []admissionregistrationv1.ValidatingWebhook{
			{
				Name:                    "certs.example.com",
				AdmissionReviewVersions: []string{"v1"},
				SideEffects:             ptr.To(admissionregistrationv1.SideEffectClassNone),
				ClientConfig:            webhookAt(namespace),
				Rules:                   neverAsked,
			},
		},
	}
}

// like is an object of a kind that the suite's client has no type for.
func like(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetName(name)
	return o
}

// created creates an object that no namespace holds, and deletes it when the spec ends.
func created(o client.Object) client.Object {
	GinkgoHelper()
	Expect(admin.Create(ctx, o)).To(Succeed())
	DeferCleanup(func() { Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed()) })
	return o
}

// EventuallyUnreachable waits for the finding on a caller.
func EventuallyUnreachable(namespace string, caller client.Object) v1alpha1.Finding {
	GinkgoHelper()
	gvk, err := admin.GroupVersionKindFor(caller)
	Expect(err).NotTo(HaveOccurred())
	return EventuallyFound(namespace, gvk.Kind, caller.GetName(), v1alpha1.FindingIDWebhookUnreachable)
}

// allowanceIn is the policy that a remedy advises.
func allowanceIn(remedy string) v1alpha1.NetworkPolicy {
	GinkgoHelper()
	var policy v1alpha1.NetworkPolicy
	_, rest, _ := strings.Cut(remedy, "spec.network.policies: ")
	Expect(json.NewDecoder(strings.NewReader(rest)).Decode(&policy)).To(Succeed(), remedy)
	return policy
}

// serviceOf is Service "webhook" in front of the pods labelled app=hook, at their port 9443.
func serviceOf(namespace string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "webhook"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{
			"app": "hook",
		},
		Ports: []corev1.ServicePort{{Port: 443, TargetPort: intstr.FromInt32(9443)}},
	}}
}

// lettingIn is a tenant's policy with one rule for ingress.
func lettingIn(
	namespace, name string,
	pods map[string]string,
	port int32,
	from ...networkingv1.NetworkPolicyPeer,
) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: pods}, PolicyTypes: []networkingv1.PolicyType{"Ingress"},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: from, Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(port))}},
			}},
		},
	}
}

var _ = Describe("What the API server calls behind closed ingress", func() {
	for what, c := range callers {
		It("is found of "+what+", and the allowance that the finding advises ends it", func() {
			profile, namespace := Governed(fixture.OnlyNetwork)
			caller := created(c.object(profile.Name, namespace))
			found := EventuallyUnreachable(namespace, caller)
			Expect(found.Severity).To(Equal(c.severity))
			Expect(found.Message).To(And(ContainSubstring("calls Service webhook"), ContainSubstring(c.says)))
			Update(profile, func(p *v1alpha1.SecurityProfile) {
				p.Spec.Network.Policies = []v1alpha1.NetworkPolicy{allowanceIn(found.Remedy)}
			})
			EventuallyNothingFound(namespace)
			Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Network.Policies = nil })
			EventuallyUnreachable(namespace, caller)
			Expect(admin.Delete(ctx, caller)).To(Succeed())
			EventuallyNothingFound(namespace)
		})
	}

	It("is found of the pods and the port that the Service has, and ends with a tenant's policy for them alone", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		Expect(admin.Create(ctx, serviceOf(namespace))).To(Succeed())
		caller := created(validating(profile.Name, namespace))
		policy := allowanceIn(EventuallyUnreachable(namespace, caller).Remedy)
		Expect(policy.Spec.PodSelector.MatchLabels).To(Equal(map[string]string{"app": "hook"}))
		Expect(policy.Spec.Ingress[0].Ports[0].Port.IntVal).To(BeEquivalentTo(9443))

		hook := map[string]string{"app": "hook"}
		address := networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.1.0.0/28"}}
		for _, helpless := range []*networkingv1.NetworkPolicy{
			lettingIn(namespace, "other-port", hook, 443, address),
			lettingIn(namespace, "other-pods", map[string]string{"app": "web"}, 9443, address),
			lettingIn(namespace, "pods", hook, 9443, networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}),
			lettingIn(namespace, "namespaces", hook, 9443, networkingv1.NetworkPolicyPeer{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "kube-system"}}}),
		} {
			Expect(admin.Create(ctx, helpless)).To(Succeed())
		}
		Consistently(func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings }).Should(ContainElement(
			HaveField("ID", v1alpha1.FindingIDWebhookUnreachable)))
		helps := lettingIn(namespace, "helps", hook, 9443, address)
		Expect(admin.Create(ctx, helps)).To(Succeed())
		EventuallyNothingFound(namespace)
		Expect(admin.Delete(ctx, helps)).To(Succeed())
		EventuallyUnreachable(namespace, caller)
	})

	It("is found under Audit, and of a namespace that a configuration names later", func() {
		profile, namespace := Governed(fixture.OnlyNetwork, fixture.Audited)
		caller := created(validating(profile.Name, "elsewhere"))
		Consistently(
			func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings },
		).WithTimeout(time.Second).
			Should(BeEmpty())
		configuration := caller.(*admissionregistrationv1.ValidatingWebhookConfiguration)
		Update(configuration, func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			c.Webhooks[0].ClientConfig.Service.Namespace = namespace
		})
		EventuallyUnreachable(namespace, caller)
		Update(configuration, func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			c.Webhooks[0].ClientConfig.Service.Namespace = "elsewhere"
		})
		EventuallyNothingFound(namespace)
	})

	It("is not found where ingress is open, nor of what is served from outside of the cluster", func() {
		open, inOpen := Governed(fixture.OnlyNetwork, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Network.DefaultDeny = []networkingv1.PolicyType{"Egress"}
		})
		created(validating(open.Name, inOpen))
		closed, inClosed := Governed(fixture.OnlyNetwork)
		outside := serviceOf(inClosed)
		outside.Spec.Selector = nil
		Expect(admin.Create(ctx, outside)).To(Succeed())
		created(validating(closed.Name, inClosed))
		Consistently(func(g Gomega) {
			g.Expect(ReportOn(g, inOpen).Findings).To(BeEmpty())
			g.Expect(ReportOn(g, inClosed).Findings).To(BeEmpty())
		}).Should(Succeed())
	})

	It("is written once: not again for another certificate, nor after a restart", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		caller := created(validating(profile.Name, namespace)).(*admissionregistrationv1.ValidatingWebhookConfiguration)
		EventuallyUnreachable(namespace, caller)
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
		EventuallyQuiet()
		before := operatorWrites()
		Update(caller, func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			c.Webhooks[0].ClientConfig.CABundle = plane.Config.CAData
		})
		bulwark.Stop()
		bulwark = startOperator()
		EventuallySynced(profile.Name)
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(4 * time.Second).
			Should(BeEmpty())
	})
})
