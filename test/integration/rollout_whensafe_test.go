package integration

import (
	"fmt"
	"strings"
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

const (
	enforceLevel = "pod-security.kubernetes.io/enforce"
	warnLevel    = "pod-security.kubernetes.io/warn"
	auditLevel   = "pod-security.kubernetes.io/audit"
)

func whenSafe(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.RolloutWhenSafe }

// atBaseline makes the profile enforce the level baseline.
func atBaseline(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "baseline" }

// loosePod is a pod that the level baseline admits and restricted does not.
func loosePod(namespace, name string) *corev1.Pod {
	pod := fixture.RestrictedPod(namespace, name)
	pod.Spec.SecurityContext.RunAsNonRoot = nil
	return pod
}

func deleteNow(pod *corev1.Pod) {
	GinkgoHelper()
	Expect(admin.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
}

// EventuallyBlocked waits until an object waits.
func EventuallyBlocked(namespace, kind string) v1alpha1.BlockedObject {
	GinkgoHelper()
	var blocked v1alpha1.BlockedObject
	Eventually(func(g Gomega) {
		g.Expect(ReportOn(g, namespace).Blocked).To(ContainElement(HaveField("Object.Kind", kind), &blocked))
	}).Should(Succeed())
	return blocked
}

func labelsOf(namespace string) map[string]string {
	GinkgoHelper()
	ns := theNamespace(namespace)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	return ns.GetLabels()
}

// refuses asks the API server whether it would refuse a pod.
func refuses(pod *corev1.Pod) bool {
	return admin.Create(ctx, pod, client.DryRunAll) != nil
}

var _ = Describe("The roll-out WhenSafe", thatLooksOften, func() {
	It("of a stricter Pod Security level warns and audits, names the pods, and ratchets once they are gone", func() {
		profile, namespace := Governed(atBaseline, whenSafe)
		EventuallyEstablished(profile, namespace)
		loose := loosePod(namespace, "loose")
		EventuallyAdmitted(loose)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "restricted" })

		blocked := EventuallyBlocked(namespace, "Namespace")
		Expect(blocked.Violators).To(ConsistOf("loose"))
		Expect(blocked.ViolatorsTotal).To(BeEquivalentTo(1))
		Expect(blocked.Message).To(And(ContainSubstring(`restricted:v1.37`), ContainSubstring("runAsNonRoot")))
		Expect(labelsOf(namespace)).To(And(
			HaveKeyWithValue(
				enforceLevel,
				"baseline",
			),
			HaveKeyWithValue(warnLevel, "restricted"),
			HaveKeyWithValue(auditLevel, "restricted"),
		))
		Expect(refuses(loosePod(namespace, "another"))).To(BeFalse())
		Expect(refuses(fixture.PrivilegedPod(namespace, "another"))).To(BeTrue())
		report := ReportOn(Default, namespace)
		Expect(report.IsReady()).To(BeTrue())
		Expect(report.Summary.Blocked).To(BeEquivalentTo(1))
		Expect(
			EventuallyObject(namespace, "Namespace", namespace, v1alpha1.ObjectStateBlocked).Message,
		).To(ContainSubstring("waits"))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonBlocked)
		EventuallyCondition(profile, v1alpha1.ConditionReconciling, metav1.ConditionTrue)
		Expect(meta.IsStatusConditionFalse(profile.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		Expect(profile.Status.Namespaces.Blocked).To(BeEquivalentTo(1))
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventBlocked))
		Expect(metric("bulwark_namespaces", "profile", profile.Name, "state", "blocked")).To(Equal(1.0))

		By("writing nothing while it waits")
		EventuallyQuiet()
		before := operatorWrites()
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(3 * time.Second).
			Should(BeEmpty())

		deleteNow(loose)
		EventuallyEstablished(profile, namespace)
		Expect(refuses(loosePod(namespace, "another"))).To(BeTrue())
		EventuallyReady(profile)
		report = ReportOn(Default, namespace)
		Expect(report.Blocked).To(BeEmpty())
		Expect(report.Drift).To(BeEmpty(), "nobody tampered with anything")
		Expect(labelsOf(namespace)).NotTo(HaveKey(auditLevel))
	})

	It("keeps what is in place while it waits, also against who loosens it", func() {
		profile, namespace := Governed(atBaseline, whenSafe)
		EventuallyEstablished(profile, namespace)
		EventuallyAdmitted(loosePod(namespace, "loose"))
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "restricted" })
		EventuallyBlocked(namespace, "Namespace")
		for _, level := range []string{"privileged", ""} {
			Update(theNamespace(namespace), func(o client.Object) {
				if o.GetLabels()[enforceLevel] = level; level == "" {
					delete(o.GetLabels(), enforceLevel)
				}
			})
			Eventually(func() string { return labelsOf(namespace)[enforceLevel] }).Should(Equal("baseline"))
		}
		EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
			return e.Object.Kind == "Namespace" && strings.Contains(fmt.Sprint(e.Fields), "privileged") &&
				e.State == v1alpha1.DriftStateCorrected
		})
	})

	It("takes nobody's word for it that a level which was in place has yet to come", func() {
		profile, namespace := Governed(whenSafe)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[enforceLevel] = "privileged" })
		EventuallyAdmitted(fixture.PrivilegedPod(namespace, "slipped-in"))
		Update(
			profile,
			func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 7 },
		) // A new generation, in which the level is the same.
		bulwark = startOperatorWith(operatorConf, looksOften)
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Blocked).To(BeEmpty())
		EventuallyFound(namespace, "Pod", "slipped-in", v1alpha1.FindingIDPodSecurityViolated)
	})

	It("of a namespace that has no level yet lets the level wait and puts all else in place", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		old := fixture.PrivilegedPod(namespace, "old")
		EventuallyAdmitted(old)
		profile := fixture.Profile(name, whenSafe, func(p *v1alpha1.SecurityProfile) { p.Spec.Limits = nil })
		ExpectCreated(profile)
		EventuallyBlocked(namespace, "Namespace")
		ExpectAllElseInPlace(namespace, namespace)
		Expect(labelsOf(namespace)).To(And(Not(HaveKey(enforceLevel)), HaveKeyWithValue(warnLevel, "restricted")))
		deleteNow(old)
		EventuallyEstablished(profile, namespace)
	})

	It("of a LimitRange holds it against the pods that run", func() {
		profile, namespace := Governed(whenSafe)
		EventuallyEstablished(profile, namespace)
		large := fixture.RestrictedPod(namespace, "large")
		large.Spec.Containers[0].Resources.Limits = corev1.ResourceList{
			"cpu":    *resourceQuantity("1"),
			"memory": *resourceQuantity("1Gi"),
		}
		EventuallyAdmitted(large)
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Limits[0].Max = corev1.ResourceList{"cpu": *resourceQuantity("500m"), "memory": *resourceQuantity("1Gi")}
		})
		blocked := EventuallyBlocked(namespace, "LimitRange")
		Expect(blocked.Violators).To(ConsistOf("large"))
		Expect(blocked.Message).To(ContainSubstring("container app has a limit of 1 for cpu, which is at most 500m"))
		limits := &corev1.LimitRange{}
		key := client.ObjectKey{Namespace: namespace, Name: "bulwark-limits"}
		Expect(admin.Get(ctx, key, limits)).To(Succeed())
		Expect(limits.Spec.Limits[0].Max.Cpu().String()).To(Equal("1"))

		By("keeping the old one in place")
		Expect(admin.Delete(ctx, limits)).To(Succeed())
		Eventually(func(g Gomega) {
			again := &corev1.LimitRange{}
			g.Expect(admin.Get(ctx, key, again)).To(Succeed())
			g.Expect(again.Spec.Limits[0].Max.Cpu().String()).To(Equal("1"))
		}).Should(Succeed())
		deleteNow(large)
		EventuallyEstablished(profile, namespace)
	})

	It("of a quota holds it against what is used", func() {
		profile, namespace := Governed(whenSafe)
		EventuallyEstablished(profile, namespace)
		one, two := fixture.RestrictedPod(namespace, "one"), fixture.RestrictedPod(namespace, "two")
		EventuallyAdmitted(one)
		EventuallyAdmitted(two)
		Eventually(func(g Gomega) { // kube-controller-manager counts.
			quota := &corev1.ResourceQuota{}
			g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-compute"}, quota)).To(Succeed())
			g.Expect(quota.Status.Used.Pods().Value()).To(BeEquivalentTo(2))
		}).Should(Succeed())
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas[0].Spec.Hard = corev1.ResourceList{"pods": *resourceQuantity("1")}
			p.Spec.Quotas = append(p.Spec.Quotas, v1alpha1.Quota{Name: "requests", Spec: corev1.ResourceQuotaSpec{
				Hard: corev1.ResourceList{"requests.cpu": *resourceQuantity("150m")},
			}})
		})
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Blocked).To(ConsistOf(
				And(
					HaveField("Object.Name", "bulwark-compute"),
					HaveField("Message", ContainSubstring("2 of pods are used, which will be at most 1")),
				),
				And(
					HaveField("Object.Name", "bulwark-requests"),
					HaveField("Message", ContainSubstring("200m of requests.cpu are used, which will be at most 150m")),
				),
			))
		}).Should(Succeed())
		err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-requests"}, &corev1.ResourceQuota{})
		Expect(client.IgnoreNotFound(err)).To(Succeed())
		Expect(err).To(HaveOccurred())
		Expect(ReportOn(Default, namespace).IsReady()).To(BeTrue())
		deleteNow(two)
		EventuallyEstablished(profile, namespace)
	})

	It("is over when the profile says Immediate", func() {
		profile, namespace := Governed(atBaseline, whenSafe)
		EventuallyEstablished(profile, namespace)
		EventuallyAdmitted(loosePod(namespace, "loose"))
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "restricted" })
		EventuallyBlocked(namespace, "Namespace")
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.RolloutImmediate })
		EventuallyEstablished(profile, namespace)
		report := ReportOn(Default, namespace)
		Expect(report.Blocked).To(BeEmpty())
		Expect(report.OperatorState.InPlace).To(BeEmpty())
	})

	It("is previewed under Audit", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(loosePod(namespace, "loose"))
		ExpectCreated(fixture.Profile(name, fixture.Audited))
		Expect(EventuallyBlocked(namespace, "Namespace").Violators).To(ConsistOf("loose"))
		Expect(labelsOf(namespace)).NotTo(HaveKey(enforceLevel))
		Expect(ReportOn(Default, namespace).Summary.Blocked).To(BeZero(), "nothing waits, since nothing is written")
	})

	It("says the same of the same pods each time, though the API server names another of them first", func() {
		profile, namespace := Governed(atBaseline, whenSafe, func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = nil })
		EventuallyEstablished(profile, namespace)
		for i := range 8 {
			EventuallyAdmitted(loosePod(namespace, fmt.Sprintf("loose-%d", i)))
		}
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "restricted" })
		blocked := EventuallyBlocked(namespace, "Namespace")
		Expect(blocked.Violators).To(HaveLen(8))
		Expect(blocked.ViolatorsTotal).To(BeEquivalentTo(8))
		EventuallyReported(profile, namespace)
		version := ReportOn(Default, namespace).ResourceVersion
		Consistently(func(g Gomega) { // Each look is a dry run, and looks are often here.
			g.Expect(ReportOn(g, namespace).ResourceVersion).To(Equal(version))
		}).WithTimeout(4 * time.Second).Should(Succeed())
	})

	It("tells what is at stake with many violators, of which it names some", func() {
		profile, namespace := Governed(atBaseline, whenSafe, func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = nil })
		EventuallyEstablished(profile, namespace)
		for i := range 20 {
			EventuallyAdmitted(loosePod(namespace, fmt.Sprintf("loose-%02d", i)))
		}
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "restricted" })
		Expect(EventuallyBlocked(namespace, "Namespace").ViolatorsTotal).To(BeEquivalentTo(20))
		Expect(EventuallyBlocked(namespace, "Namespace").Violators).To(HaveLen(v1alpha1.MaxViolators))
		Expect(EventuallyBlocked(namespace, "Namespace").Message).To(And(
			ContainSubstring("restricted:v1.37"), ContainSubstring("pod loose-00: "), ContainSubstring("runAsNonRoot")))
	})
})

var _ = Describe("What another profile retained", thatLooksOften, func() {
	It("is what stays in place while a stricter one waits", func() {
		first, namespace := Governed(fixture.Retained)
		EventuallyEstablished(first, namespace)
		large := fixture.RestrictedPod(namespace, "large")
		large.Spec.Containers[0].Resources.Limits = corev1.ResourceList{
			"cpu":    *resourceQuantity("1"),
			"memory": *resourceQuantity("1Gi"),
		}
		EventuallyAdmitted(large)
		Expect(admin.Delete(ctx, first)).To(Succeed())
		EventuallyGone(first)
		second := fixture.Profile(
			first.Name+"-b",
			whenSafe,
			fixture.Selecting(first.Name),
			func(p *v1alpha1.SecurityProfile) {
				p.Spec.Limits[0].Max = corev1.ResourceList{"cpu": *resourceQuantity("500m"), "memory": *resourceQuantity("1Gi")}
			},
		)
		ExpectCreated(second)
		EventuallyBlocked(namespace, "LimitRange")
		limits := &corev1.LimitRange{}
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-limits"}, limits)).To(Succeed())
			g.Expect(limits.Labels).To(HaveKeyWithValue(v1alpha1.ProfileLabel, second.Name))
		}).Should(Succeed())
		Expect(limits.Spec.Limits[0].Max.Cpu().String()).To(Equal("1"))
		deleteNow(large)
		EventuallyEstablished(second, namespace)
	})
})
