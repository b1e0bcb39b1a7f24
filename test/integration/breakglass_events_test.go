package integration

import (
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/events"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// countOf is how many events of a reason there are on an object.
func countOf(reason, kind, name string) int {
	GinkgoHelper()
	return len(slices.DeleteFunc(eventReasons(kind, name), func(r string) bool { return r != reason }))
}

var _ = Describe("A change of what tamper protection guards", func() {
	quota := func(namespace string) *corev1.ResourceQuota {
		return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-compute"}}
	}
	// EventuallyCounted repeats a change until policies have been in force long enough for it to be
	// told of.
	EventuallyCounted := func(counter string, profile *v1alpha1.SecurityProfile, change func() error) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			g.Expect(client.IgnoreNotFound(change())).To(Succeed())
			g.Expect(metric(counter, "profile", profile.Name)).To(BeNumerically(">", 0))
		}).WithPolling(2 * time.Second).WithTimeout(45 * time.Second).Should(Succeed())
	}

	It("is no use of break-glass where nobody may break glass", func() {
		profile, namespace := Governed(
			fixture.Guarded,
			func(p *v1alpha1.SecurityProfile) { p.Spec.Protection.BreakGlassGroups = nil },
		)
		EventuallyPoliced(profile)
		cfg, err := plane.ServiceAccountConfig(ctx, "kube-system", "generic-garbage-collector") // Policies let it delete.
		Expect(err).NotTo(HaveOccurred())
		collector := bed.ClientOf(GinkgoTB(), cfg)
		EventuallyCounted(
			"bulwark_guarded_changes_total",
			profile,
			func() error { return collector.Delete(ctx, quota(namespace)) },
		)
		EventuallyEstablished(profile, namespace)
		for kind, name := range map[string]string{"SecurityProfile": profile.Name, "Namespace": namespace} {
			Eventually(func() []string { return eventReasons(kind, name) }).Should(ContainElement(v1alpha1.EventGuardedChanged))
			Expect(eventReasons(kind, name)).NotTo(ContainElement(v1alpha1.EventBreakGlass))
		}
		Expect(metric("bulwark_break_glass_total", "profile", profile.Name)).To(BeZero())
	})

	It(
		"is not told of as break-glass if it came while the operator was down, since the policies may have been away too",
		func() {
			profile, namespace := Governed(fixture.Guarded)
			EventuallyPoliced(profile)
			breaker := impersonating("on-call", "system:masters", fixture.BreakGlass)
			EventuallyCounted(
				"bulwark_break_glass_total",
				profile,
				func() error { return breaker.Delete(ctx, quota(namespace)) },
			)
			EventuallyEstablished(profile, namespace)
			told := countOf(v1alpha1.EventBreakGlass, "Namespace", namespace)

			bulwark.Stop()
			deny := &networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"},
			}
			Expect(breaker.Delete(ctx, deny)).To(Succeed())
			bulwark = startOperator()
			EventuallyEstablished(profile, namespace)
			Eventually(
				func() int { return countOf(v1alpha1.EventGuardedChanged, "Namespace", namespace) },
			).Should(BeNumerically(">", 0))
			Expect(countOf(v1alpha1.EventBreakGlass, "Namespace", namespace)).To(Equal(told))
			Expect(
				metric("bulwark_break_glass_total", "profile", profile.Name),
			).To(BeZero(), "the counters are of the operator that was started")

			EventuallyCounted("bulwark_break_glass_total", profile, func() error { return breaker.Delete(ctx, deny.DeepCopy()) })
		},
	)
})

var _ = Describe("Hundreds of objects with Bulwark's label", func() {
	const many = 250
	for value, words := range map[string]string{"": "and an empty one", "of another": "and one of no profile"} {
		It("that a tenant makes, "+words+", are told of in a few events, none of which blames somebody", func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			DeferCleanup(func() { // Bulwark would remove them one by one while other specs count its writes.
				Expect(
					admin.DeleteAllOf(
						ctx,
						&corev1.ServiceAccount{},
						client.InNamespace(namespace),
						client.HasLabels{v1alpha1.ProfileLabel},
					),
				).To(Succeed())
			})
			for n := range many {
				account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
					Namespace: namespace, Name: fmt.Sprint("own-", n),
					Labels: map[string]string{v1alpha1.ProfileLabel: map[bool]string{true: "another"}[value != ""]},
				}}
				Expect(admin.Create(ctx, account)).To(Succeed())
			}
			Eventually(func() float64 {
				return metric("bulwark_drift_total", "profile", profile.Name, "change", string(v1alpha1.DriftChangeUnexpected))
			}).WithTimeout(time.Minute).Should(BeNumerically(">=", many), "each of them is counted")
			for kind, name := range map[string]string{"SecurityProfile": profile.Name, "Namespace": namespace} {
				told := func() int { return countOf(v1alpha1.EventDrift, kind, name) }
				Eventually(told).Should(Equal(events.Most+1), kind)
				for _, reason := range []string{v1alpha1.EventDrift, v1alpha1.EventCorrected, v1alpha1.EventContested} {
					Expect(countOf(reason, kind, name)).To(BeNumerically("<=", events.Most+1), "%s on %s", reason, kind)
				}
				Expect(eventReasons(kind, name)).NotTo(ContainElement(v1alpha1.EventBreakGlass))
				Expect(eventReasons(kind, name)).NotTo(ContainElement(v1alpha1.EventGuardedChanged))
			}
			Expect(metric("bulwark_break_glass_total", "profile", profile.Name)).To(BeZero())
		})
	}
})
