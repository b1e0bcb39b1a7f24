package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// withSelectorsUnchecked does something while the CRD has no rules for selectors, as before it had
// them.
func withSelectorsUnchecked(do func() error) {
	GinkgoHelper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(
		schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	)
	crd.SetName("securityprofiles.security.bulwark.dev")
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
		Expect(unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")).To(Succeed())
		Expect(admin.Update(ctx, crd)).To(Succeed())
		EventuallyCircular(BeFalse())
	})
	unchecked, _, err := unstructured.NestedSlice(crd.DeepCopy().Object, "spec", "versions")
	Expect(err).NotTo(HaveOccurred())
	selector := []string{"schema", "openAPIV3Schema", "properties", "spec", "properties", "namespaceSelector"}
	Expect(unstructured.SetNestedMap(unchecked[0].(map[string]any), map[string]any{
		"type": "object", "x-kubernetes-preserve-unknown-fields": true,
	}, selector...)).To(Succeed())
	Expect(unstructured.SetNestedSlice(crd.Object, unchecked, "spec", "versions")).To(Succeed())
	Expect(admin.Update(ctx, crd)).To(Succeed())
	EventuallyCircular(BeTrue())
	Expect(do()).To(Succeed())
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
	Expect(unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")).To(Succeed())
	Expect(admin.Update(ctx, crd)).To(Succeed())
	EventuallyCircular(BeFalse())
}

// EventuallyCircular waits until the API server takes a profile that selects by what Bulwark
// writes, or does not.
func EventuallyCircular(takes OmegaMatcher) {
	GinkgoHelper()
	for range 3 { // The API server hears of a CRD's change step by step.
		Eventually(func() bool {
			return admin.Create(ctx, fixture.Profile(UniqueName(), whereNoLevelIs), client.DryRunAll) == nil
		}).Should(takes)
	}
}

// whereNoLevelIs makes a profile select namespaces on which nobody has set a Pod Security level.
func whereNoLevelIs(p *v1alpha1.SecurityProfile) {
	p.Spec.NamespaceSelector.MatchExpressions = []v1alpha1.LabelRequirement{
		{Key: enforceLevel, Operator: metav1.LabelSelectorOpDoesNotExist},
	}
}

var _ = Describe("A profile that selects by what Bulwark writes", func() {
	DescribeTable("and was stored before that was refused is stalled, names the label, and leaves all as it is",
		func(circular func(*v1alpha1.SecurityProfile), label string) {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			EventuallyQuiet()
			before := uids(namespace)
			withSelectorsUnchecked(func() error {
				if err := admin.Get(ctx, client.ObjectKeyFromObject(profile), profile); err != nil {
					return err
				}
				circular(profile)
				return admin.Update(ctx, profile)
			})
			EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
			stalled := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)
			Expect(stalled.Reason).To(Equal(v1alpha1.ReasonInvalid))
			Expect(
				stalled.Message,
			).To(ContainSubstring("Bulwark writes the label " + label + " on namespaces: select by a label of your own"))
			EventuallyQuiet()
			writes := operatorWrites()
			Consistently(func(g Gomega) {
				g.Expect(uids(namespace)).To(Equal(before))
				g.Expect(unlike(writes, operatorWrites())).To(BeEmpty())
			}).WithTimeout(2 * time.Second).Should(Succeed())
			Expect(labelsOf(namespace)).To(HaveKeyWithValue(enforceLevel, "restricted"))

			By("and can be mended, or deleted")
			Update(profile, func(p *v1alpha1.SecurityProfile) { p.Labels = map[string]string{"example.com/owner": "a"} })
			Update(profile, func(p *v1alpha1.SecurityProfile) {
				p.Spec.NamespaceSelector = fixture.Profile(p.Name).Spec.NamespaceSelector
			})
			EventuallyReady(profile)
			Expect(uids(namespace)).To(Equal(before))
			deleteProfile(profile)
			EventuallyUntouched(namespace)
		},
		Entry("by a Pod Security level that is absent", whereNoLevelIs, enforceLevel),
		Entry("by the label of its name", func(p *v1alpha1.SecurityProfile) {
			p.Spec.NamespaceSelector.MatchLabels[v1alpha1.ProfileLabel] = p.Name
		}, v1alpha1.ProfileLabel),
	)

	It("can be deleted while it is stalled", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		withSelectorsUnchecked(func() error {
			if err := admin.Get(ctx, client.ObjectKeyFromObject(profile), profile); err != nil {
				return err
			}
			whereNoLevelIs(profile)
			return admin.Update(ctx, profile)
		})
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		deleteProfile(profile)
		EventuallyUntouched(namespace)
	})

	It("is refused when it is applied, by name of the label", func() {
		err := admin.Create(ctx, fixture.Profile(UniqueName(), whereNoLevelIs))
		Expect(err).To(MatchError(ContainSubstring("a profile must not select by the label " + enforceLevel)))
	})
})
