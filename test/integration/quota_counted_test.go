package integration

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const aQuota = "bulwark-compute"

// whileNothingIsCounted freezes kube-controller-manager until the function that it returns, or the
// spec, ends.
func whileNothingIsCounted() (thaw func()) {
	GinkgoHelper()
	Expect(plane.FreezeControllerManager()).To(Succeed())
	thaw = func() { Expect(plane.ThawControllerManager()).To(Succeed()) }
	DeferCleanup(thaw)
	return thaw
}

// gated lets pods wait until the baseline is in place, and leaves the profile a quota of two pods
// and what a pod needs to be admitted though no controller makes the service account default.
func gated(profile *v1alpha1.SecurityProfile) {
	fixture.OnlyNetwork(profile)
	profile.Spec.Quotas = quotaOf("compute", "pods", "2")
	profile.Spec.RBAC = &v1alpha1.RBAC{
		ServiceAccounts: []v1alpha1.ServiceAccount{{Name: "app"}}, DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{},
	}
	profile.Spec.Protection = &v1alpha1.Protection{ReadyGate: v1alpha1.RequirementRequire}
}

// quotaOf is one quota with pairs of entries and amounts.
func quotaOf(name string, pairs ...string) []v1alpha1.Quota {
	hard := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		hard[corev1.ResourceName(pairs[i])] = *resourceQuantity(pairs[i+1])
	}
	return []v1alpha1.Quota{{Name: v1alpha1.ObjectName(name), Spec: corev1.ResourceQuotaSpec{Hard: hard}}}
}

func appPod(namespace, name string) *corev1.Pod {
	pod := fixture.RestrictedPod(namespace, name)
	pod.Spec.ServiceAccountName = "bulwark-app"
	return pod
}

// EventuallyUncounted waits until the report says that a quota holds nobody, and the profile that
// it is not ready for that.
func EventuallyUncounted(profile *v1alpha1.SecurityProfile, namespace, says string) {
	GinkgoHelper()
	object := EventuallyObject(namespace, "ResourceQuota", aQuota, v1alpha1.ObjectStateUncounted)
	Expect(object.Message).To(ContainSubstring(says))
	report := ReportOn(Default, namespace)
	Expect(report.IsReady()).To(BeFalse())
	Expect(report.Summary.Uncounted).To(BeEquivalentTo(1))
	Expect(report.Summary.Drifted+report.Summary.Failed).To(BeZero(), "it is neither drift nor a failure")
	ExpectAllElseInPlace(namespace, aQuota)
	EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
			c := meta.FindStatusCondition(profile.Status.Conditions, condition)
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonUncounted), "%s: %s", condition, c.Message)
			g.Expect(c.Message).To(And(ContainSubstring(says), ContainSubstring(namespace)))
		}
		g.Expect(profile.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{Selected: 1, Uncounted: 1}))
	}).Should(Succeed())
}

// patchStatus changes the status of a quota as whoever may do that could.
func patchStatus(namespace, name, status string, options ...client.SubResourcePatchOption) {
	GinkgoHelper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"status":`+status+`}`))
	Expect(admin.Status().Patch(ctx, quota, patch, options...)).To(Succeed())
}

func liveQuota(g Gomega, namespace, name string) *corev1.ResourceQuota {
	GinkgoHelper()
	quota := &corev1.ResourceQuota{}
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, quota)).To(Succeed())
	return quota
}

var _ = Describe("A quota that Kubernetes has not counted", func() {
	It("holds nobody: the namespace is not ready and the gate stays shut until it does", func() {
		thaw := whileNothingIsCounted()
		profile, namespace := Governed(gated)
		EventuallyUncounted(profile, namespace, "has not counted pods yet")
		Expect(
			meta.IsStatusConditionTrue(profile.Status.Conditions, v1alpha1.ConditionReconciling),
		).To(BeTrue(), "somebody will count it")
		Expect(meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)).To(BeNil())
		for i := range 6 {
			err := admin.Create(ctx, appPod(namespace, fmt.Sprint("early-", i)))
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(ContainSubstring("is not ready")))
		}
		Expect(eventReasons("Namespace", namespace)).To(BeEmpty(), "the profile says it, once for all")

		thaw()
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		EventuallyAdmitted(appPod(namespace, "first"))
		EventuallyAdmitted(appPod(namespace, "second"))
		Expect(admin.Create(ctx, appPod(namespace, "third"))).To(MatchError(ContainSubstring("exceeded quota: " + aQuota)))
	})

	It("does not keep secret who changes it back from the first moment on", func() {
		whileNothingIsCounted()
		profile := fixture.Profile(UniqueName(), gated)
		namespace := profile.Name + "-a"
		ExpectCreated(fixture.Namespace(namespace, profile.Name), profile)
		report := &v1alpha1.NamespacePosture{}
		Eventually(func(g Gomega) {
			quota := liveQuota(g, namespace, aQuota)
			if quota.Spec.Hard.Pods().Value() == 2 {
				quota.Spec.Hard = corev1.ResourceList{"pods": *resourceQuantity("99")}
				g.Expect(admin.Update(ctx, quota, client.FieldOwner("rival"))).To(Succeed())
			}
			g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)).To(Succeed())
			g.Expect(report.Drift).
				To(ContainElement(And(HaveField("Manager", "rival"), HaveField("State", v1alpha1.DriftStateContested))))
		}).WithPolling(200 * time.Millisecond).WithTimeout(12 * time.Second).Should(Succeed())
	})

	DescribeTable(
		"is also one that was in place, when its declaration changes",
		func(change func(*v1alpha1.SecurityProfile), says string) {
			profile, namespace := Governed(gated)
			EventuallyEstablished(profile, namespace)
			thaw := whileNothingIsCounted()
			Update(profile, change)
			EventuallyUncounted(profile, namespace, says)
			Expect(admin.Create(ctx, appPod(namespace, "early"))).To(MatchError(ContainSubstring("is not ready")))
			thaw()
			EventuallyEstablished(profile, namespace)
			EventuallyReady(profile)
			EventuallyAdmitted(appPod(namespace, "late"))
		},
		Entry(
			"to less",
			func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = quotaOf("compute", "pods", "1") },
			"has not counted pods yet",
		),
		Entry(
			"to more",
			func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = quotaOf("compute", "pods", "5") },
			"has not counted pods yet",
		),
		Entry("to another entry beside", func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = quotaOf("compute", "pods", "2", "services", "1")
		}, "has not counted services yet"),
		Entry("to other scopes, for which it is made anew", func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas[0].Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
		}, "has not counted pods yet"),
	)

	It("is told after a restart too, and of a profile that audits", func() {
		profile, namespace := Governed(gated)
		EventuallyEstablished(profile, namespace)
		whileNothingIsCounted()
		bulwark.Stop()
		patchStatus(namespace, aQuota, `{"hard":null,"used":null}`)
		bulwark = startOperator()
		EventuallyUncounted(profile, namespace, "has not counted pods yet")
		Update(profile, fixture.Audited)
		EventuallyReported(profile, namespace)
		EventuallyObject(namespace, "ResourceQuota", aQuota, v1alpha1.ObjectStateUncounted)
		EventuallyReady(profile) // It only evaluates.
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonUncounted)
	})

	It("cannot be made to seem counted, nor one that is counted go on seeming so", func() {
		profile, namespace := Governed(gated)
		EventuallyEstablished(profile, namespace)
		for what, status := range map[string]string{
			"somebody raises what is in force":  `{"hard":{"pods":"1000"}}`,
			"somebody takes it out of force":    `{"hard":{"pods":null}}`,
			"somebody makes the usage unknown":  `{"used":{"pods":null}}`,
			"somebody empties the whole status": `{"hard":null,"used":null}`,
		} {
			By(what)
			patchStatus(namespace, aQuota, status)
			object := EventuallyObject(namespace, "ResourceQuota", aQuota, v1alpha1.ObjectStateUncounted)
			Expect(object.Message).To(ContainSubstring("pods"))
			Expect(admin.Create(ctx, appPod(namespace, "late"))).To(MatchError(ContainSubstring("is not ready")))
			patchStatus(namespace, aQuota, `{"hard":{"pods":"2"},"used":{"pods":"0"}}`)
			EventuallyEstablished(profile, namespace)
		}
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
	})

	It("is told where Kubernetes never will, by name, and all else holds", func() {
		profile, namespace := Governed(gated, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = append(
				quotaOf("compute", "pods", "1", "count/widgets.example.com", "1", "count/gadgets.example.com", "1"),
				quotaOf("objects", "count/configmaps", "9")...)
		})
		EventuallyUncounted(profile, namespace, "does not count count/gadgets.example.com (it knows no resource gadgets of "+
			"example.com in namespaces), count/widgets.example.com (")
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		Update(profile, func(p *v1alpha1.SecurityProfile) { delete(p.Spec.Quotas[0].Spec.Hard, "count/widgets.example.com") })
		EventuallyUncounted(profile, namespace, "count/gadgets.example.com")
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = quotaOf("compute", "pods", "1") })
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		EventuallyAdmitted(appPod(namespace, "first"))
		Expect(admin.Create(ctx, appPod(namespace, "second"))).To(MatchError(ContainSubstring("exceeded quota: " + aQuota)))
	})

	It("is refused at apply or told by name where the group of what it counts is missing", func() {
		profile := fixture.Profile(UniqueName(), fixture.OnlyNetwork, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = quotaOf("compute", "count/deployments", "1", "count/jobs", "1")
		})
		if err := admin.Create(ctx, profile.DeepCopy()); apierrors.IsInvalid(err) {
			Expect(err).To(MatchError(ContainSubstring("count/deployments")))
			return
		}
		Expect(admin.Delete(ctx, profile.DeepCopy())).To(Succeed())
		EventuallyGone(profile)
		ExpectCreated(fixture.Namespace(profile.Name+"-a", profile.Name), profile)
		EventuallyUncounted(
			profile,
			profile.Name+"-a",
			"count/deployments (it is count/deployments.apps), count/jobs (it is count/jobs.batch)",
		)
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	})

	It("costs no write where it is counted soon: one report is written, when it is", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		thaw := whileNothingIsCounted()
		profile := fixture.Profile(name)
		ExpectCreated(profile)
		Eventually(func(g Gomega) { liveQuota(g, namespace, aQuota) }).Should(Succeed())
		Consistently(func() int { return postureWrites(namespace) }).WithTimeout(time.Second).Should(BeZero())
		thaw()
		EventuallyEstablished(profile, namespace)
		EventuallyQuiet()
		Expect(postureWrites(namespace)).To(Equal(1))
	})

	It(
		"does not make a namespace that was ready not so for a moment, each time that somebody's change is corrected",
		func() {
			profile, namespace := Governed(gated)
			EventuallyEstablished(profile, namespace)
			for range 2 {
				before := postureWrites(namespace)
				tampers["loosens a quota"].do(namespace)
				Eventually(func() int { return postureWrites(namespace) }).Should(BeNumerically(">", before))
				EventuallyEstablished(profile, namespace)
				Consistently(
					func(g Gomega) { g.Expect(ReportOn(g, namespace).IsReady()).To(BeTrue()) },
				).WithTimeout(time.Second).
					Should(Succeed())
				Expect(postureWrites(namespace)).To(Equal(before + 1))
			}
		},
	)
})

var _ = Describe("A quota that is exceeded", func() {
	It("is a finding that comes and goes with that, and not with the usage", func() {
		profile, namespace := Governed(gated, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Protection = nil
			p.Spec.Quotas = quotaOf("compute", "pods", "4", "configmaps", "9")
		})
		EventuallyEstablished(profile, namespace)
		for i := range 4 {
			EventuallyAdmitted(appPod(namespace, fmt.Sprint("pod-", i)))
		}
		Update(
			profile,
			func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = quotaOf("compute", "pods", "2", "configmaps", "9") },
		)
		finding := EventuallyFound(namespace, "ResourceQuota", aQuota, v1alpha1.FindingIDQuotaExceeded)
		Expect(finding.Severity).To(Equal(v1alpha1.SeverityMedium))
		Expect(finding.Message).To(Equal("more is used than the quota grants of pods"))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
		EventuallyReady(profile)
		Expect(ReportOn(Default, namespace).IsReady()).To(BeTrue(), "it holds whoever asks for more")

		EventuallyQuiet()
		before := operatorWrites()
		Expect(admin.Delete(ctx, appPod(namespace, "pod-0"), client.GracePeriodSeconds(0))).To(Succeed()) // 3 of 2
		Expect(
			admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "usage"}}),
		).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(liveQuota(g, namespace, aQuota).Status.Used.Pods().Value()).To(BeEquivalentTo(3))
		}).Should(Succeed())
		Consistently(func() []string { return unlike(before, operatorWrites()) }).Should(BeEmpty())

		Expect(admin.Delete(ctx, appPod(namespace, "pod-1"), client.GracePeriodSeconds(0))).To(Succeed()) // 2 of 2
		EventuallyNothingFound(namespace)
		EventuallyCompliance(profile, metav1.ConditionTrue, v1alpha1.ReasonCompliant)
	})

	It("can be ignored", func() {
		profile, namespace := Governed(gated, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Protection = nil
			p.Spec.Findings = &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{v1alpha1.FindingIDQuotaExceeded}}
		})
		EventuallyEstablished(profile, namespace)
		EventuallyAdmitted(appPod(namespace, "first"))
		EventuallyAdmitted(appPod(namespace, "second"))
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = quotaOf("compute", "pods", "1") })
		EventuallyEstablished(profile, namespace)
		Consistently(func(g Gomega) { g.Expect(ReportOn(g, namespace).Findings).To(BeEmpty()) }).Should(Succeed())
	})
})
