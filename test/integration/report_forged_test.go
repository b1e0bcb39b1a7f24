package integration

import (
	"math"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// withHistory is a governed namespace of which the default-deny was deleted once, and the report
// that tells it.
func withHistory(changes ...func(*v1alpha1.SecurityProfile)) (*v1alpha1.SecurityProfile, *v1alpha1.NamespacePosture) {
	GinkgoHelper()
	profile, namespace := Governed(changes...)
	EventuallyEstablished(profile, namespace)
	Expect(admin.Delete(ctx, theDeny(namespace))).To(Succeed())
	EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateCorrected })
	EventuallyEstablished(profile, namespace)
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.DriftTotal).To(BeEquivalentTo(1))
		g.Expect(profile.Status.Drift).To(HaveLen(1))
	}).Should(Succeed())
	return profile, ReportOn(Default, namespace)
}

// said is what a report says, without who wrote it when.
func said(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	said := report.DeepCopy()
	said.TypeMeta, said.ObjectMeta = metav1.TypeMeta{}, metav1.ObjectMeta{
		Labels:          report.Labels,
		OwnerReferences: report.OwnerReferences,
	}
	return said
}

// saidAnew is what a report says, without since when, which an operator that did not write it
// cannot know, and without the seal, which holds that too.
func saidAnew(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	said := said(report)
	for i := range said.Status.Conditions {
		said.Status.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	said.OperatorState.Seal = ""
	return said
}

// forgedSeal is the seal that a forgery gives to a report.
func forgedSeal(of *v1alpha1.NamespacePosture, forge func(*v1alpha1.NamespacePosture)) string {
	forged := of.DeepCopy()
	forge(forged)
	return forged.OperatorState.Seal
}

// blames is an entry of history that accuses somebody.
func blames(namespace, kind, name string, at time.Time) v1alpha1.DriftEntry {
	apiVersion := map[string]string{"NetworkPolicy": "networking.k8s.io/v1", "Namespace": "v1", "Deployment": "apps/v1"}[kind]
	return v1alpha1.DriftEntry{
		Namespace:  namespace,
		Object:     v1alpha1.ObjectReference{APIVersion: apiVersion, Kind: kind, Name: name},
		Change:     v1alpha1.DriftChangeMissing,
		Manager:    "alice",
		ObservedAt: metav1.NewTime(at).Rfc3339Copy(),
		State:      v1alpha1.DriftStateCorrected,
	}
}

var _ = Describe("A report that somebody else writes", func() {
	forgeries := map[string]func(*v1alpha1.NamespacePosture){
		"counts as much drift as there are numbers": func(r *v1alpha1.NamespacePosture) { r.DriftTotal = math.MaxInt64 },
		"counts some more drift":                    func(r *v1alpha1.NamespacePosture) { r.DriftTotal += 41 },
		"counts no drift":                           func(r *v1alpha1.NamespacePosture) { r.DriftTotal, r.Drift = 0, nil },
		"blames somebody in another namespace, in years": func(r *v1alpha1.NamespacePosture) {
			r.Drift = append([]v1alpha1.DriftEntry{blames("kube-system", "NetworkPolicy", "bulwark-default-deny",
				time.Now().AddDate(4, 0, 0))}, r.Drift...)
		},
		"blames somebody just now": func(r *v1alpha1.NamespacePosture) {
			r.Drift = append([]v1alpha1.DriftEntry{blames("", "NetworkPolicy", "bulwark-default-deny", time.Now())}, r.Drift...)
			r.DriftTotal++
		},
		"blames somebody else for what was": func(r *v1alpha1.NamespacePosture) { r.Drift[0].Manager = "alice" },
		"is of another profile":             func(r *v1alpha1.NamespacePosture) { r.Profile = "nobody" },
		"is of another namespace":           func(r *v1alpha1.NamespacePosture) { r.NamespaceUID = "of-another" },
		"is of another generation":          func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration += 7 },
		"says that nothing is in place":     func(r *v1alpha1.NamespacePosture) { r.Objects, r.Status = nil, fixture.Ready(false) },
		"says that everything failed": func(r *v1alpha1.NamespacePosture) {
			for i := range r.Objects {
				r.Objects[i].State, r.Objects[i].Message = v1alpha1.ObjectStateFailed, "refused by alice"
			}
			r.Summary = v1alpha1.PostureSummary{Failed: int32(len(r.Objects))}
		},
		"says that pods were not seen": func(r *v1alpha1.NamespacePosture) { r.PodsUnseen = true },
		"counts findings": func(r *v1alpha1.NamespacePosture) {
			r.FindingTotals = []v1alpha1.FindingTotal{
				{ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityHigh, Count: math.MaxInt32},
			}
		},
		"has no seal":      func(r *v1alpha1.NamespacePosture) { r.OperatorState.Seal = "" },
		"has another seal": func(r *v1alpha1.NamespacePosture) { r.OperatorState.Seal = "c2VhbA" },
	}

	for sentence, forge := range forgeries {
		It(sentence+" in vain", func() {
			profile, before := withHistory(fixture.OnlyNetwork)
			status := profile.Status.DeepCopy()
			Update(before.DeepCopy(), func(r *v1alpha1.NamespacePosture) { forge(r) })
			Eventually(
				func() *v1alpha1.NamespacePosture { return said(ReportOn(Default, before.Namespace)) },
			).Should(Equal(said(before)))
			Eventually(func() []string { return eventReasons("Namespace", before.Namespace) }).
				Should(ContainElement(v1alpha1.EventReportForged))
			Consistently(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
				g.Expect(profile.Status.DriftTotal).To(Equal(status.DriftTotal))
				g.Expect(profile.Status.Drift).To(Equal(status.Drift))
				g.Expect(profile.Status.Namespaces).To(Equal(status.Namespaces))
				g.Expect(profile.Status.FindingTotals).To(Equal(status.FindingTotals))
			}).Should(Succeed())
		})
	}

	for sentence, forge := range forgeries {
		It(sentence+" in vain, also while the operator is down", func() {
			profile, before := withHistory(fixture.OnlyNetwork)
			status := profile.Status.DeepCopy()
			bulwark.Stop()
			Update(before.DeepCopy(), func(r *v1alpha1.NamespacePosture) { forge(r) })
			bulwark = startOperator()
			Eventually(
				func() *v1alpha1.NamespacePosture { return saidAnew(ReportOn(Default, before.Namespace)) },
			).Should(Equal(saidAnew(before)))
			if forged := forgedSeal(before, forge); forged != before.OperatorState.Seal {
				Eventually(
					func() string { return ReportOn(Default, before.Namespace).OperatorState.Seal },
				).ShouldNot(Or(BeEmpty(), Equal(forged)))
			}
			EventuallyReady(profile)
			Expect(profile.Status.DriftTotal).To(Equal(status.DriftTotal))
			Expect(profile.Status.Drift).To(Equal(status.Drift), "the profile's status remembers what the report does not")
		})
	}

	It("makes a drift that it hides no less one", func() {
		_, before := withHistory(fixture.OnlyNetwork)
		Update(before.DeepCopy(), func(r *v1alpha1.NamespacePosture) { r.Objects = nil })
		Expect(admin.Delete(ctx, theDeny(before.Namespace))).To(Succeed())
		Eventually(func(g Gomega) {
			report := ReportOn(g, before.Namespace)
			g.Expect(report.DriftTotal).To(BeEquivalentTo(2))
			g.Expect(report.Drift).To(HaveLen(2))
		}).Should(Succeed())
	})

	It("is an earlier one, written once more, in vain", func() {
		_, first := withHistory(fixture.OnlyNetwork)
		Expect(admin.Delete(ctx, theDeny(first.Namespace))).To(Succeed())
		Eventually(
			func(g Gomega) { g.Expect(ReportOn(g, first.Namespace).DriftTotal).To(BeEquivalentTo(2)) },
		).Should(Succeed())
		second := ReportOn(Default, first.Namespace)
		Update(second.DeepCopy(), func(r *v1alpha1.NamespacePosture) {
			metadata := r.ObjectMeta
			*r = *first.DeepCopy()
			r.ObjectMeta = metadata
		})
		Eventually(
			func() *v1alpha1.NamespacePosture { return said(ReportOn(Default, first.Namespace)) },
		).Should(Equal(said(second)))
	})

	It("cannot be written with counts below zero", func() {
		_, before := withHistory(fixture.OnlyNetwork)
		for _, forge := range []func(*v1alpha1.NamespacePosture){
			func(r *v1alpha1.NamespacePosture) { r.DriftTotal = -1 },
			func(r *v1alpha1.NamespacePosture) { r.Truncated = math.MinInt64 },
			func(r *v1alpha1.NamespacePosture) { r.Summary.Failed = -1 },
			func(r *v1alpha1.NamespacePosture) { r.Summary.Contested = math.MinInt32 },
			func(r *v1alpha1.NamespacePosture) {
				r.FindingTotals = []v1alpha1.FindingTotal{{ID: v1alpha1.FindingIDQuotaExceeded, Severity: v1alpha1.SeverityLow, Count: -1}}
			},
		} {
			forged := before.DeepCopy()
			forge(forged)
			Expect(admin.Update(ctx, forged)).To(MatchError(ContainSubstring("should be greater than or equal to 0")))
		}
	})

	It("is refused where pods wait for it", func() {
		profile, namespace := Governed(gated)
		EventuallyEstablished(profile, namespace)
		EventuallyPoliced(profile)
		report := ReportOn(Default, namespace)
		Eventually(func() error {
			forged := report.DeepCopy()
			forged.Status = fixture.Ready(false)
			return admin.Update(ctx, forged, client.DryRunAll)
		}).Should(MatchError(ContainSubstring("a NamespacePosture is written by Bulwark alone")))
		Expect(admin.Delete(ctx, report)).To(MatchError(ContainSubstring("a NamespacePosture is written by Bulwark alone")))
	})

	It("opens the gate to no pod though it was there before", func() {
		profile, shut := Governed(gated, func(p *v1alpha1.SecurityProfile) {
			p.Spec.RBAC.Bindings = []v1alpha1.RoleBinding{{
				Name: "missing", ClusterRole: "not-there", Subjects: []v1alpha1.Subject{{Kind: "User", Name: "alice"}},
			}} // The baseline is never in place, so that the gate stays shut.
		})
		EventuallyRefused(admin, appPod(shut, "app"), "its NamespacePosture posture is not ready")

		namespace := fixture.Namespace(shut+"-forged", profile.Name)
		selected := namespace.Labels
		namespace.Labels = nil
		ExpectCreated(namespace)
		ExpectCreated(&v1alpha1.NamespacePosture{
			ObjectMeta:        metav1.ObjectMeta{Namespace: namespace.Name, Name: v1alpha1.PostureName},
			Profile:           profile.Name,
			NamespaceUID:      namespace.UID,
			ProfileGeneration: 1,
			Enforcement:       v1alpha1.EnforcementEnforce,
			Status:            fixture.Ready(true),
			DriftTotal:        math.MaxInt64,
			Drift:             []v1alpha1.DriftEntry{blames("", "Namespace", namespace.Name, time.Now())},
		})
		Update(namespace, func(ns *corev1.Namespace) { ns.Labels = selected })
		early := func() error { return admin.Create(ctx, appPod(namespace.Name, "early"), client.DryRunAll) }
		Eventually(
			early,
		).WithPolling(time.Millisecond).
			ShouldNot(Succeed(), "the API server hears of the namespace's label in its time")
		Consistently(early).WithPolling(5 * time.Millisecond).ShouldNot(Succeed())
		report := EventuallyReported(profile, namespace.Name)
		Expect(report.IsReady()).To(BeFalse())
		Expect(report.DriftTotal).To(BeZero())
		Eventually(
			func() []string { return eventReasons("Namespace", namespace.Name) },
		).Should(ContainElement(v1alpha1.EventReportForged))
	})
})
