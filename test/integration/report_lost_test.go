package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// stripAndOpen has the default-deny bear nothing of Bulwark's and let in everybody.
func stripAndOpen(namespace string) {
	GinkgoHelper()
	Expect(admin.Patch(ctx, theDeny(namespace), client.RawPatch(types.MergePatchType, []byte(
		`{"metadata":{"labels":null,"ownerReferences":null},"spec":{"ingress":[{}]}}`)), asTenant)).To(Succeed())
}

// EventuallyClosed waits until the default-deny is Bulwark's again and lets in nobody.
func EventuallyClosed(namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		deny := theDeny(namespace)
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(deny), deny)).To(Succeed())
		g.Expect(deny.Spec.Ingress).To(BeEmpty())
		g.Expect(deny.Labels).To(HaveKeyWithValue(v1alpha1.ManagedByLabel, v1alpha1.ManagedBy))
	}).Should(Succeed())
}

var _ = Describe("A report that somebody takes away while the operator is up", func() {
	const countReports = "count/namespacepostures.security.bulwark.dev"

	for sentence, strip := range map[string]func(namespace string){
		"strips and opens": stripAndOpen,
		"deletes and makes anew without labels": func(namespace string) {
			Expect(admin.Delete(ctx, theDeny(namespace))).To(Succeed())
			open := theDeny(namespace)
			open.Spec = networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}}
			_ = admin.Create(ctx, open, asTenant) // Bulwark may be faster.
		},
	} {
		text := "and keeps away by a quota makes nothing unmanaged that somebody " + sentence + ", and hides no drift"
		It(text, thatWaitsLong, func() {
			EventuallyQuotasCount(countReports)
			profile, namespace := Governed(fixture.OnlyNetwork)
			EventuallyEstablished(profile, namespace)
			quota := quotaOfNone(namespace, countReports)
			Expect(admin.Create(ctx, quota, asTenant)).To(Succeed())
			Eventually(func(g Gomega) {
				g.Expect(liveQuota(g, namespace, quota.Name).Status.Used).To(HaveKey(corev1.ResourceName(countReports)))
			}).Should(Succeed())
			Expect(admin.Delete(ctx, ReportOn(Default, namespace))).To(Succeed())
			strip(namespace)
			EventuallyClosed(namespace)
			Eventually(func() []string { return eventReasons("Namespace", namespace) }).
				Should(ContainElement(v1alpha1.EventDrift), "no report can tell it")
			Expect(admin.Delete(ctx, quota)).To(Succeed())
			EventuallyEstablished(profile, namespace)
		})
	}

	It("and makes anew with another word makes nothing unmanaged, and keeps the history", func() {
		_, before := withHistory(fixture.OnlyNetwork)
		for range 3 { // More would be a contest, of which an entry counts once.
			Expect(admin.Delete(ctx, ReportOn(Default, before.Namespace))).To(Succeed())
			forged := before.DeepCopy()
			forged.ObjectMeta = metav1.ObjectMeta{Namespace: before.Namespace, Name: v1alpha1.PostureName}
			forged.Objects, forged.Drift, forged.DriftTotal, forged.NamespaceUID = nil, nil, 0, "another"
			_ = admin.Create(ctx, forged, asTenant) // Bulwark may be faster.
			stripAndOpen(before.Namespace)
			EventuallyClosed(before.Namespace)
			Eventually(func(g Gomega) { g.Expect(ReportOn(g, before.Namespace).IsReady()).To(BeTrue()) }).Should(Succeed())
		}
		Eventually(
			func(g Gomega) { g.Expect(ReportOn(g, before.Namespace).DriftTotal).To(BeEquivalentTo(4)) },
		).Should(Succeed())
	})

	It("is unmanaged no more than before once a profile has left the namespace", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(theDeny(namespace))
		EventuallyGone(profile)
		own := theDeny(namespace)
		own.Spec = networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}}
		Expect(admin.Create(ctx, own, asTenant)).To(Succeed())
		again := fixture.Profile(profile.Name, fixture.OnlyNetwork)
		ExpectCreated(again)
		Eventually(
			func(g Gomega) { g.Expect(ReportOn(g, namespace).Summary.Conflicted).To(BeEquivalentTo(1)) },
		).Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(own), own)).To(Succeed())
		Expect(own.Spec.Ingress).To(HaveLen(1), "it is a tenant's")
	})
})
