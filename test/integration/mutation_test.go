package integration

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// mutation is what an administrator's mutating admission policy does to each object of a resource
// in the namespaces of a suite.
type mutation struct {
	groups, resources []string
	// patch is a CEL expression that gives the operations of a JSON patch.
	patch string
	// where is a CEL expression that holds of the requests that it changes.
	where string
}

// skipWithoutMutatingPolicies skips a spec that needs one.
func skipWithoutMutatingPolicies() {
	GinkgoHelper()
	bed.SkipBefore(GinkgoTB(), "1.36", "no v1 of MutatingAdmissionPolicy (KEP-3962)")
}

// mutate puts a mutating admission policy in force until the spec or the returned function ends it,
// and waits until the API server asks it.
func (m mutation) mutate(suite string) (end func()) {
	GinkgoHelper()
	skipWithoutMutatingPolicies()
	name := UniqueName()
	if m.where == "" {
		m.where = "true"
	}
	rule := func(groups, resources []string) admissionregistrationv1.NamedRuleWithOperations {
		return admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
			Rule:       admissionregistrationv1.Rule{APIGroups: groups, APIVersions: []string{"*"}, Resources: resources},
		}}
	}
	probe := `[JSONPatch{op: "add", path: "/data", value: {"mutated": "yes"}}]`
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{
					rule(m.groups, m.resources), rule([]string{""}, []string{"configmaps"}),
				},
			},
			MatchConditions: []admissionregistrationv1.MatchCondition{
				{Name: "where", Expression: `request.kind.kind == "ConfigMap" || (` + m.where + `)`},
			},
			FailurePolicy:      &fail,
			ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
			Mutations: []admissionregistrationv1.Mutation{
				{
					PatchType: admissionregistrationv1.PatchTypeJSONPatch,
					JSONPatch: &admissionregistrationv1.JSONPatch{
						Expression: fmt.Sprintf(`request.kind.kind == "ConfigMap" ? %s : %s`, probe, m.patch),
					},
				},
			},
		},
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{
			PolicyName: name,
			MatchResources: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"suite": suite}},
			},
		},
	}
	ExpectCreated(policy, binding)
	ended := false
	end = func() {
		if !ended {
			ended = true
			Expect(admin.Delete(ctx, binding)).To(Succeed())
			Expect(admin.Delete(ctx, policy)).To(Succeed())
			Eventually(func() bool { return mutates(suite) }).Should(BeFalse())
		}
	}
	DeferCleanup(end)
	Eventually(func() bool { return mutates(suite) }).Should(BeTrue())
	return end
}

// mutates reports whether the API server asks the policy by now.
func mutates(suite string) bool {
	GinkgoHelper()
	probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: suite + "-a", Name: "probe"}}
	Expect(admin.Create(ctx, probe, client.DryRunAll)).To(Succeed())
	return probe.Data["mutated"] == "yes"
}

// costLabels adds a label and annotations, as a platform does that tells costs apart.
var costLabels = mutation{
	groups: []string{"", "networking.k8s.io", "rbac.authorization.k8s.io", "security.bulwark.dev"},
	resources: []string{
		"networkpolicies",
		"limitranges",
		"resourcequotas",
		"serviceaccounts",
		"roles",
		"rolebindings",
		"namespacepostures",
	},
	patch: `[JSONPatch{op: "add", path: "/metadata/labels/cost", value: "42"}, ` +
		`JSONPatch{op: "add", path: "/metadata/annotations", value: {"billed": "yes"}}]`,
	where: "has(object.metadata.labels)",
}

// ingressOnly takes egress out of each NetworkPolicy.
var ingressOnly = mutation{
	groups: []string{"networking.k8s.io"}, resources: []string{"networkpolicies"},
	patch: `[JSONPatch{op: "replace", path: "/spec/policyTypes", value: ["Ingress"]}]`,
	where: `object.metadata.name == "bulwark-default-deny"`,
}

// governedUnder creates a profile and a namespace in which a mutating policy is in force before
// there is a baseline.
func governedUnder(
	m mutation,
	changes ...func(*v1alpha1.SecurityProfile),
) (profile *v1alpha1.SecurityProfile, namespace string, end func()) {
	GinkgoHelper()
	name := UniqueName()
	namespace = name + "-a"
	ExpectCreated(fixture.Namespace(namespace, name))
	end = m.mutate(name)
	profile = fixture.Profile(name, changes...)
	ExpectCreated(profile)
	EventuallyReported(profile, namespace)
	return profile, namespace, end
}

// EventuallyChangedByAdmission waits until the report says so of an object, and checks who is told
// and that nobody is accused.
func EventuallyChangedByAdmission(profile *v1alpha1.SecurityProfile, namespace, kind, name, field string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		o := EventuallyObject(namespace, kind, name, v1alpha1.ObjectStateDrifted)
		g.Expect(o.Message).To(HavePrefix("changed by admission: " + field))
		report := ReportOn(g, namespace)
		g.Expect(report.IsReady()).To(BeFalse())
		g.Expect(report.Summary.Contested).To(BeZero())
		g.Expect(report.Drift).
			NotTo(ContainElement(HaveField("State", Or(Equal(v1alpha1.DriftStateCorrected), Equal(v1alpha1.DriftStateContested)))))
	}).Should(Succeed())
	Eventually(
		func() []string { return eventReasons("Namespace", namespace) },
	).Should(ContainElement(v1alpha1.EventMutated))
	Expect(eventReasons("Namespace", namespace)).NotTo(ContainElement(v1alpha1.EventContested))
	EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
	EventuallyCondition(profile, v1alpha1.ConditionCompliant, metav1.ConditionFalse)
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Conditions).
			To(ContainElement(HaveField("Message", And(ContainSubstring(field), ContainSubstring(kind+" "+name)))))
	}).Should(Succeed())
	Expect(metric("bulwark_corrections_total", "profile", profile.Name)).To(BeZero())
}

var _ = Describe("A mutating admission policy", func() {
	It("that adds labels and annotations to what Bulwark makes is no drift, and costs no write at rest", func() {
		profile, namespace, _ := governedUnder(costLabels)
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		policy := deny(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(policy), policy)).To(Succeed())
		Expect(policy.GetLabels()).To(HaveKeyWithValue("cost", "42"))
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
		EventuallyQuiet()
		before := operatorWrites()
		bulwark.Stop()
		bulwark = startOperator()
		EventuallySynced(profile.Name)
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(3 * time.Second).
			Should(BeEmpty())

		tampers["drops a direction"].do(namespace)
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Drift).To(HaveExactElements(HaveField("State", v1alpha1.DriftStateCorrected)))
	})

	It("that changes what a policy enforces is told as that, tried ever more seldom, and forgotten when it ends", func() {
		profile, namespace, end := governedUnder(ingressOnly)
		const field = `spec.policyTypes: want ["Ingress","Egress"], got ["Ingress"]`
		EventuallyChangedByAdmission(profile, namespace, "NetworkPolicy", "bulwark-default-deny", field)
		before := len(operatorWrites())
		Consistently(func() int { return corrections(before, "networkpolicies", namespace) }).WithTimeout(7 * time.Second).
			Should(BeNumerically("<=", 3)) // After 2, 4 and 8 seconds.
		Expect(corrections(before, "namespacepostures", namespace)).To(BeZero())

		By("telling the same after a restart, and accusing nobody")
		bulwark.Stop()
		bulwark = startOperator()
		EventuallySynced(profile.Name)
		EventuallyChangedByAdmission(profile, namespace, "NetworkPolicy", "bulwark-default-deny", field)

		end()
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
	})

	It("that undoes the correction of what somebody else did leaves that as it is in the history", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		end := mutation{
			groups: ingressOnly.groups, resources: ingressOnly.resources, where: ingressOnly.where,
			patch: `[JSONPatch{op: "add", path: "/spec/podSelector", value: {"matchLabels": {"no": "pod"}}}]`,
		}.mutate(profile.Name)
		Update(deny(namespace), func(o client.Object) {
			o.(*networkingv1.NetworkPolicy).Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
		})
		entry := EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStatePresent })
		Expect(entry.Fields).To(ContainElement(HaveField("Path", "spec.ingress")))
		Eventually(func() string {
			return EventuallyObject(namespace, "NetworkPolicy", "bulwark-default-deny", v1alpha1.ObjectStateDrifted).Message
		}).
			Should(HavePrefix("changed by admission: spec.podSelector.matchLabels.no: want nothing, got"))
		Consistently(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Drift).To(HaveExactElements(HaveField("State", v1alpha1.DriftStatePresent)))
		}).Should(Succeed())
		end()
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Drift).To(HaveExactElements(HaveField("State", v1alpha1.DriftStateCorrected)))
	})

	DescribeTable("is told from drift whatever it changes", func(m mutation, kind, name, field string) {
		profile, namespace, end := governedUnder(m)
		if kind == "Namespace" {
			name = namespace
		}
		EventuallyChangedByAdmission(profile, namespace, kind, name, field)
		before := len(operatorWrites())
		Consistently(
			func() int { return corrections(before, strings.ToLower(kind)+"s", namespace) },
		).WithTimeout(3 * time.Second).
			Should(BeNumerically("<=", 2))
		end()
		EventuallyEstablished(profile, namespace)
	},
		Entry("a label of the namespace", mutation{
			groups: []string{""}, resources: []string{"namespaces"},
			where: `object.metadata.labels[?"pod-security.kubernetes.io/enforce"].orValue("") == "restricted"`,
			patch: `[JSONPatch{op: "replace", path: "/metadata/labels/pod-security.kubernetes.io~1enforce", value: "baseline"}]`,
		}, "Namespace", "", `metadata.labels[pod-security.kubernetes.io/enforce]: want "restricted", got "baseline"`),
		Entry("a label of the namespace, by taking it off", mutation{
			groups: []string{""}, resources: []string{"namespaces"},
			where: `has(object.metadata.labels) && "pod-security.kubernetes.io/warn" in object.metadata.labels`,
			patch: `[JSONPatch{op: "remove", path: "/metadata/labels/pod-security.kubernetes.io~1warn"}]`,
		}, "Namespace", "", `metadata.labels[pod-security.kubernetes.io/warn]: want "restricted", got nothing`),
		Entry("whether a service account's token is mounted", mutation{
			groups: []string{""}, resources: []string{"serviceaccounts"}, where: `object.metadata.name == "bulwark-app"`,
			patch: `[JSONPatch{op: "add", path: "/automountServiceAccountToken", value: true}]`,
		}, "ServiceAccount", "bulwark-app", "automountServiceAccountToken: want false, got true"),
		Entry("the amount of a quota", mutation{
			groups: []string{""}, resources: []string{"resourcequotas"},
			patch: `[JSONPatch{op: "replace", path: "/spec/hard/pods", value: "7"}]`,
		}, "ResourceQuota", "bulwark-compute", `spec.hard.pods: want "2", got "7"`),
		Entry("the subjects of a binding", mutation{
			groups: []string{
				"rbac.authorization.k8s.io",
			},
			resources: []string{"rolebindings"},
			where:     `object.metadata.name == "bulwark-viewers"`,
			patch:     `[JSONPatch{op: "replace", path: "/subjects/0/name", value: "others"}]`,
		}, "RoleBinding", "bulwark-viewers", "subjects: want"),
		Entry("a label of ours", mutation{
			groups: []string{""}, resources: []string{"limitranges"},
			patch: `[JSONPatch{op: "replace", path: "/metadata/labels/app.kubernetes.io~1managed-by", value: "platform"}]`,
		}, "LimitRange", "bulwark-limits", `metadata.labels[app.kubernetes.io/managed-by]: want "bulwark", got "platform"`),
	)
})
