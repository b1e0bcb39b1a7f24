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
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// EventuallyObject waits until the report says of one object that it is in a state, and is that
// object's entry.
func EventuallyObject(namespace, kind, name string, state v1alpha1.ObjectState) v1alpha1.ManagedObject {
	GinkgoHelper()
	var found v1alpha1.ManagedObject
	Eventually(func(g Gomega) {
		for _, o := range ReportOn(g, namespace).Objects {
			if o.Kind == kind && o.Name == name {
				found = o
			}
		}
		g.Expect(found.State).To(Equal(state), "%v", found)
	}).WithTimeout(70 * time.Second).Should(Succeed())
	return found
}

// ExpectAllElseInPlace waits until every object but the given one is as declared: a quota is when
// it has been counted.
func ExpectAllElseInPlace(namespace, name string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, o := range ReportOn(g, namespace).Objects {
			if o.Name != name {
				g.Expect(o.State).To(Equal(v1alpha1.ObjectStateCompliant), "%v", o)
			}
		}
	}).Should(Succeed())
}

// forbidObjectsOf has the API server refuse policies and quotas of a name, as another's policy may,
// and is the name of that policy.
func forbidObjectsOf(name string) string {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Name: "forbid-" + name}
	rule := func(group, resource string) admissionregistrationv1.NamedRuleWithOperations {
		return admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"CREATE"},
			Rule: admissionregistrationv1.Rule{
				APIGroups:   []string{group},
				APIVersions: []string{"v1"},
				Resources:   []string{resource},
			},
		}}
	}
	ExpectCreated(
		&admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admissionregistrationv1.MatchResources{
					ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{
						rule("networking.k8s.io", "networkpolicies"), rule("", "resourcequotas"),
					},
				},
				Validations: []admissionregistrationv1.Validation{{Expression: `request.name != "` + name + `"`}},
			},
		},
		&admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: meta.Name, ValidationActions: []admissionregistrationv1.ValidationAction{"Deny"},
			},
		},
	)
	DeferCleanup(func() {
		Expect(admin.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta})).To(Succeed())
		Expect(admin.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta})).To(Succeed())
	})
	Eventually(func() error {
		return admin.Create(
			ctx,
			&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}},
			client.DryRunAll,
		)
	}).Should(MatchError(ContainSubstring(meta.Name)))
	return meta.Name
}

var _ = Describe("What the API server refuses", func() {
	It("is a failure of that object, with its words and the remedy, and heals once it is granted", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.RBAC.Roles[0].Rules[0].Resources = []string{"secrets"}
		})
		role := EventuallyObject(namespace, "Role", "bulwark-developer", v1alpha1.ObjectStateFailed)
		Expect(role.Message).To(And(
			ContainSubstring("attempting to grant RBAC permissions not currently held"),
			ContainSubstring("remedy: "), ContainSubstring(v1alpha1.AggregateToGrantableLabel+"=true")))
		Expect(ReportOn(Default, namespace).IsReady()).To(BeFalse())
		Expect(Differences(Default, profile, namespace)).To(ConsistOf(
			ContainSubstring("Missing Role bulwark-developer"), ContainSubstring("Missing RoleBinding bulwark-developer")))
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady)
		Expect(ready.Reason).To(Equal(v1alpha1.ReasonFailed))
		Expect(ready.Message).To(ContainSubstring(namespace))
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventFailed))
		Expect(
			metric("bulwark_apply_errors_total", "profile", profile.Name, "kind", "Role", "reason", "Forbidden"),
		).To(BeNumerically(">=", 1))

		grantable := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{
				Name:   "grant-secrets",
				Labels: map[string]string{v1alpha1.AggregateToGrantableLabel: "true"},
			},
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch"}},
			},
		}
		Expect(admin.Create(ctx, grantable)).To(Succeed())
		DeferCleanup(func() { Expect(admin.Delete(ctx, grantable)).To(Succeed()) })
		EventuallyObject(namespace, "Role", "bulwark-developer", v1alpha1.ObjectStateCompliant)
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		Expect(meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)).To(BeNil())
	})

	It("is also a ClusterRole that does not exist, until it does and may be bound", func() {
		name := "absent-" + UniqueName()
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[0].ClusterRole = name })
		binding := EventuallyObject(namespace, "RoleBinding", "bulwark-viewers", v1alpha1.ObjectStateFailed)
		Expect(binding.Message).To(And(ContainSubstring(`"`+name+`" not found`), ContainSubstring("remedy: ")))
		ExpectAllElseInPlace(namespace, "bulwark-viewers")

		role := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{"example.com"}, Resources: []string{"widgets"}, Verbs: []string{"get"}},
			},
		}
		bind := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{
				Name:   name + "-bind",
				Labels: map[string]string{v1alpha1.AggregateToGrantableLabel: "true"},
			},
			Rules: []rbacv1.PolicyRule{
				{
					APIGroups: []string{
						rbacv1.GroupName,
					},
					Resources:     []string{"clusterroles"},
					ResourceNames: []string{name},
					Verbs:         []string{"bind"},
				},
			},
		}
		Expect(admin.Create(ctx, role)).To(Succeed())
		Expect(admin.Create(ctx, bind)).To(Succeed())
		EventuallyObject(namespace, "RoleBinding", "bulwark-viewers", v1alpha1.ObjectStateCompliant)
		EventuallyReady(profile)
	})

	It("is also what only the API server can see: a policy of the platform's own", func() {
		name := forbidObjectsOf("bulwark-wrong")
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Network.Policies = []v1alpha1.NetworkPolicy{{Name: "wrong", Spec: networkingv1.NetworkPolicySpec{
				Ingress: []networkingv1.NetworkPolicyIngressRule{{}},
			}}}
			p.Spec.Quotas = append(p.Spec.Quotas, v1alpha1.Quota{Name: "wrong", Spec: corev1.ResourceQuotaSpec{
				Hard: corev1.ResourceList{"services": *resourceQuantity("1")},
			}})
		})
		policy := EventuallyObject(namespace, "NetworkPolicy", "bulwark-wrong", v1alpha1.ObjectStateFailed)
		Expect(policy.Message).To(ContainSubstring(name))
		quota := EventuallyObject(namespace, "ResourceQuota", "bulwark-wrong", v1alpha1.ObjectStateFailed)
		Expect(quota.Message).To(ContainSubstring(name))
		ExpectAllElseInPlace(namespace, "bulwark-wrong")
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Network.Policies, p.Spec.Quotas = nil, p.Spec.Quotas[:1] })
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
	})

	It("is no reason to try without pause", func() {
		_, namespace := Governed(fixture.OnlyNetwork, func(p *v1alpha1.SecurityProfile) {
			p.Spec.RBAC = &v1alpha1.RBAC{Roles: []v1alpha1.Role{{
				Name: "keys", Rules: []v1alpha1.PolicyRule{{Resources: []string{"secrets"}, Verbs: []string{"get"}}},
			}}}
		})
		EventuallyObject(namespace, "Role", "bulwark-keys", v1alpha1.ObjectStateFailed)
		tries := func() (n int) {
			for _, w := range operatorWrites() {
				if w.Namespace == namespace && w.Resource == "roles" {
					n++
				}
			}
			return n
		}
		time.Sleep(3 * time.Second) // The pause between tries is what is measured.
		Expect(tries()).To(BeNumerically("<=", 8))
	})
})

var _ = Describe("A selector that cannot be compiled", func() {
	It("stalls the profile, and leaves in place what it established before", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.NamespaceSelector.MatchLabels["not a label key"] = "x"
		})
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady)
		Expect(ready.Reason).To(Equal(v1alpha1.ReasonInvalid))
		Expect(ready.Message).To(ContainSubstring("spec.namespaceSelector"))
		Consistently(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-default-deny"}, &networkingv1.NetworkPolicy{})).
				To(Succeed())
		}).WithTimeout(500 * time.Millisecond).Should(Succeed())
		Update(profile, func(p *v1alpha1.SecurityProfile) { delete(p.Spec.NamespaceSelector.MatchLabels, "not a label key") })
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
	})
})

// storeUncomputable stores a quantity that the schema refuses, as one may be stored from before it
// did.
func storeUncomputable(profile *v1alpha1.SecurityProfile) {
	GinkgoHelper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(
		schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	)
	crd.SetName("securityprofiles." + v1alpha1.GroupVersion.Group)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
	const quantities = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/quotas/items/properties/spec/properties/hard/additionalProperties/pattern"
	path := strings.Split(strings.ReplaceAll(strings.TrimPrefix(quantities, "/spec/versions/0/"), "/", "."), ".")
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	Expect(err).NotTo(HaveOccurred())
	pattern, found, err := unstructured.NestedString(versions[0].(map[string]any), path...)
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue())
	setPattern := func(pattern string) {
		patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": quantities, "value": pattern}})
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Patch(ctx, crd, client.RawPatch(types.JSONPatchType, patch))).To(Succeed())
	}
	setPattern(".*")
	DeferCleanup(setPattern, pattern)
	patch := client.RawPatch(
		types.MergePatchType,
		[]byte(`{"spec":{"quotas":[{"name":"compute","spec":{"hard":{"pods":"1e0.5"}}}]}}`),
	)
	Eventually(func() error { return admin.Patch(ctx, profile.DeepCopy(), patch) }).Should(Succeed())
	setPattern(pattern)
	other := fixture.Profile("refused", fixture.OnlyNetwork)
	other.Spec.Quotas = []v1alpha1.Quota{
		{Name: "a", Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": *resourceQuantity("1")}}},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(other)
	Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{Object: content}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SecurityProfile"))
	quota := object.Object["spec"].(map[string]any)["quotas"].([]any)[0].(map[string]any)
	quota["spec"].(map[string]any)["hard"].(map[string]any)["pods"] = "1e0.5"
	Eventually(
		func() error { return admin.Create(ctx, object.DeepCopy(), client.DryRunAll) },
	).Should(MatchError(ContainSubstring("should match")))
}

var _ = Describe("A profile whose quantities Go cannot hold, stored before the schema refused them", func() {
	It("is stalled alone: others go on, and what it established before stays", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		storeUncomputable(profile)
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		Expect(
			meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Message,
		).To(ContainSubstring("quantities must match"))

		other, otherNamespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(other, otherNamespace)
		Expect(
			admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-default-deny"}, &networkingv1.NetworkPolicy{}),
		).To(Succeed())

		stored := &unstructured.Unstructured{}
		stored.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SecurityProfile"))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), stored)).To(Succeed())
		Expect(stored.Object["spec"]).To(HaveKey("network"), "the operator wrote a spec")

		patch := client.RawPatch(
			types.MergePatchType,
			[]byte(`{"spec":{"quotas":[{"name":"compute","spec":{"hard":{"pods":"3"}}}]}}`),
		)
		Expect(admin.Patch(ctx, profile.DeepCopy(), patch)).To(Succeed())
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
	})
})

var _ = Describe("An object that somebody else made", func() {
	foreign := func(namespace string) *networkingv1.NetworkPolicy {
		return &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"},
			Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}},
		}
	}
	inTheWay := func(changes ...func(*v1alpha1.SecurityProfile)) (*v1alpha1.SecurityProfile, *networkingv1.NetworkPolicy) {
		GinkgoHelper()
		name := UniqueName()
		profile, policy := fixture.Profile(name, changes...), foreign(name+"-a")
		ExpectCreated(fixture.Namespace(policy.Namespace, name))
		Expect(admin.Create(ctx, policy, asTenant)).To(Succeed())
		ExpectCreated(profile)
		EventuallyReported(profile, policy.Namespace)
		return profile, policy
	}

	It("is a Conflict and left alone, whatever else is done, until it goes", func() {
		profile, policy := inTheWay()
		object := EventuallyObject(policy.Namespace, "NetworkPolicy", policy.Name, v1alpha1.ObjectStateConflict)
		Expect(object.Message).To(ContainSubstring("spec.adoption"))
		ExpectAllElseInPlace(policy.Namespace, policy.Name)
		entry := EventuallyDrift(
			policy.Namespace,
			func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateConflict },
		)
		Expect(entry.Object.Name).To(Equal(policy.Name))
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		Expect(profile.Status.Namespaces.Conflicted).To(BeEquivalentTo(1))
		Eventually(
			func() []string { return eventReasons("Namespace", policy.Namespace) },
		).Should(ContainElement(v1alpha1.EventConflict))

		after := foreign(policy.Namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(policy), after)).To(Succeed())
		Expect(after.ResourceVersion).To(Equal(policy.ResourceVersion), "it was written")

		Expect(admin.Delete(ctx, after)).To(Succeed())
		tampers["loosens a quota"].do(policy.Namespace) // Any event leads to another look.
		EventuallyEstablished(profile, policy.Namespace)
	})

	It("is taken over with adoption, and that is recorded", func() {
		profile, policy := inTheWay(fixture.Adopting)
		EventuallyEstablished(profile, policy.Namespace)
		entry := EventuallyDrift(
			policy.Namespace,
			func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateCorrected },
		)
		Expect(entry.Object.Name).To(Equal(policy.Name))
		Expect(entry.Manager).To(Equal(string(asTenant)))
		Expect(entry.Fields).To(ContainElement(HaveField("Path", "spec.ingress")))
		Eventually(
			func() []string { return eventReasons("Namespace", policy.Namespace) },
		).Should(ContainElement(v1alpha1.EventAdopted))
	})
})
