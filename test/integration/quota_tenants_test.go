package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const countReports = "count/namespacepostures.security.bulwark.dev"

// EventuallyFailed waits until the profile counts a namespace failed, and says why.
func EventuallyFailed(profile *v1alpha1.SecurityProfile, words ...string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Namespaces.Failed).To(BeEquivalentTo(1))
		for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
			condition := meta.FindStatusCondition(profile.Status.Conditions, conditionType)
			g.Expect(condition).NotTo(BeNil())
			g.Expect(condition.Reason).To(Equal(v1alpha1.ReasonFailed))
			for _, w := range words {
				g.Expect(condition.Message).To(ContainSubstring(w))
			}
		}
	}).Should(Succeed())
}

var _ = Describe("A quota of another maker that counts what the baseline consists of", func() {
	It("is a finding, the graver if it has no room, and none once it counts nothing of that", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		quota := quotaOfNone(namespace, countPolicies)
		for _, entry := range []string{
			"resourcequotas", "count/resourcequotas", "count/limitranges", "count/serviceaccounts",
			"count/roles.rbac.authorization.k8s.io", countBindings, countReports,
		} {
			quota.Spec.Hard[corev1.ResourceName(entry)] = *resourceQuantity("100")
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		found := EventuallyFound(namespace, "ResourceQuota", "none", v1alpha1.FindingIDQuotaCountsBaseline)
		Expect(found.Severity).To(Equal(v1alpha1.SeverityHigh))
		Expect(found.Message).To(ContainSubstring(countPolicies + " grants 0"))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
		EventuallyReady(profile)

		Update(quota, func(q *corev1.ResourceQuota) { q.Spec.Hard[countPolicies] = *resourceQuantity("100") })
		Eventually(func() v1alpha1.Severity {
			return EventuallyFound(namespace, "ResourceQuota", "none", v1alpha1.FindingIDQuotaCountsBaseline).Severity
		}).Should(Equal(v1alpha1.SeverityMedium))
		Update(quota, func(q *corev1.ResourceQuota) { q.Spec.Hard = quotaOfNone(namespace, "services").Spec.Hard })
		EventuallyNothingFound(namespace)
	})

	It("that keeps an object out has the namespace failed, with the reason", func() {
		name := UniqueName()
		ExpectCreated(fixture.Namespace(name+"-a", name))
		Expect(admin.Create(ctx, quotaOfNone(name+"-a", countBindings))).To(Succeed())
		profile := fixture.Profile(name)
		ExpectCreated(profile)
		EventuallyFailed(profile, "in namespace "+name+"-a RoleBinding bulwark-", "none")
		Expect(
			EventuallyFound(name+"-a", "ResourceQuota", "none", v1alpha1.FindingIDQuotaCountsBaseline).Severity,
		).To(Equal(v1alpha1.SeverityHigh))
		Expect(admin.Delete(ctx, quotaOfNone(name+"-a", countBindings))).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, name+"-a").IsReady()).To(BeTrue()) }).
			WithTimeout(70 * time.Second).Should(Succeed())
		EventuallyReady(profile)
	})

	It("that keeps the report out has the namespace failed though there is none, with the reason, until it goes", func() {
		EventuallyQuotasCount(countReports)
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		Expect(admin.Create(ctx, quotaOfNone(namespace, countReports))).To(Succeed())
		profile := fixture.Profile(name)
		ExpectCreated(profile)
		EventuallyFailed(profile, "in namespace "+namespace+" NamespacePosture posture: the report is refused", "none")
		Expect(Differences(Default, profile, namespace)).To(BeEmpty(), "all else is in place")
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventFailed))

		By("which the next leader finds out, too")
		bulwark.Stop()
		bulwark = startOperator()
		EventuallyFailed(profile, "the report is refused")
		Expect(admin.Delete(ctx, quotaOfNone(namespace, countReports))).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, namespace).IsReady()).To(BeTrue()) }).
			WithTimeout(70 * time.Second).Should(Succeed())
		EventuallyReady(profile)
	})
})

var _ = Describe("A report that a policy of another maker refuses", func() {
	It("has the namespace failed, though the last report says that all is well", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		group, version := v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version
		end := refuse(namespace, group, version, "namespacepostures", "UPDATE", `false`)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = nil })
		EventuallyFailed(profile, "the report is refused", "the tenant does not want it")
		end()
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, namespace).ProfileGeneration).To(Equal(profile.Generation)) }).
			WithTimeout(70 * time.Second).Should(Succeed())
		EventuallyReady(profile)
	})
})
