package attack

import (
	"math"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// blamed is who did nothing.
const blamed = "kubectl-alice"

// historyForgeries are changes of a report that rewrite what has happened.
func historyForgeries() []func(*v1alpha1.NamespacePosture) {
	entry := func(namespace string, at time.Time) v1alpha1.DriftEntry {
		return v1alpha1.DriftEntry{
			Namespace: namespace,
			Change:    v1alpha1.DriftChangeMissing,
			State:     v1alpha1.DriftStateCorrected,
			Manager:   blamed,
			Object: v1alpha1.ObjectReference{
				APIVersion: "networking.k8s.io/v1",
				Kind:       "NetworkPolicy",
				Name:       "bulwark-default-deny",
			},
			ObservedAt: metav1.NewTime(at).Rfc3339Copy(),
		}
	}
	return []func(*v1alpha1.NamespacePosture){
		func(r *v1alpha1.NamespacePosture) { r.DriftTotal = math.MaxInt64 },
		func(r *v1alpha1.NamespacePosture) {
			r.Drift = []v1alpha1.DriftEntry{entry("kube-system", time.Now().AddDate(4, 0, 0))}
		},
		func(r *v1alpha1.NamespacePosture) { r.Drift = []v1alpha1.DriftEntry{entry("", time.Now())} },
	}
}

// reportOf is the report on a namespace.
func reportOf(namespace string) *v1alpha1.NamespacePosture {
	return &v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.PostureName}}
}

// forgeHistory makes each of the forgeries in one way.
func forgeHistory(as client.Client, namespace string) []error {
	var answers []error
	for _, forge := range historyForgeries() {
		answers = append(
			answers,
			changed(as, reportOf(namespace), func(o client.Object) { forge(o.(*v1alpha1.NamespacePosture)) }),
		)
	}
	return answers
}

// EventuallyUnforged waits until nothing of the forgeries is left, in the report and in the status
// of the profile.
func EventuallyUnforged(profile *v1alpha1.SecurityProfile, namespace string, most int64) {
	GinkgoHelper()
	honest := func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		report := Get(&v1alpha1.NamespacePosture{}, namespace, v1alpha1.PostureName)
		for _, total := range []int64{report.DriftTotal, profile.Status.DriftTotal} {
			g.Expect(total).To(And(BeNumerically(">=", 0), BeNumerically("<=", most)))
		}
		for _, entry := range append(report.Drift, profile.Status.Drift...) {
			g.Expect(entry.Manager).NotTo(Equal(blamed))
			g.Expect(entry.Namespace).NotTo(Equal("kube-system"))
		}
	}
	Eventually(honest).Should(Succeed())
	Consistently(honest).WithTimeout(2 * second).Should(Succeed())
}

// historyAttacks are on what has happened, and on what a namespace was before.
func historyAttacks() []attack {
	unguarded := fixture.Profile("unguarded", fixture.OnlyNetwork)
	return []attack{
		{
			name:    "forges the history in the NamespacePosture: counts, other namespaces, somebody to blame",
			as:      mallory,
			outcome: refused,
			why:     writtenByBulwark,
			do: func(as client.Client) []error {
				var answers []error
				for _, forge := range historyForgeries() {
					answers = append(answers, inEveryWay(as, reportOf(shop), forge)...)
				}
				return answers
			},
		},
		{
			name: "does so in a namespace of a profile without tamper protection", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				Expect(admin.Create(ctx, unguarded)).To(Succeed())
				DeferCleanup(func() { Expect(admin.Delete(ctx, unguarded)).To(Succeed()) })
				Expect(admin.Create(ctx, fixture.Namespace("unguarded", unguarded.Name))).To(Succeed())
				EventuallyEstablished(unguarded, "unguarded")
				deny := &networkingv1.NetworkPolicy{
					ObjectMeta: metav1.ObjectMeta{Namespace: "unguarded", Name: "bulwark-default-deny"},
				}
				Expect(as.Delete(ctx, deny)).To(Succeed())
				Eventually(
					func() int64 { return Get(reportOf("unguarded"), "unguarded", v1alpha1.PostureName).DriftTotal },
				).Should(BeEquivalentTo(1))
				return forgeHistory(as, "unguarded")
			},
			then: func() { EventuallyUnforged(unguarded, "unguarded", 1) },
		},
		{
			name: "forges the history in the NamespacePosture", as: rescuer, outcome: undone,
			do:   func(as client.Client) []error { return forgeHistory(as, annex) },
			then: func() { EventuallyUnforged(fortress, annex, 1000) },
		},
		{
			name: "makes a namespace that says what Pod Security labels it bore before", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				ns := selected("said-before")
				ns.Labels[v1alpha1.ProfileLabel] = fortress.Name
				ns.Annotations = map[string]string{
					v1alpha1.PodSecurityBeforeAnnotation: `{"pod-security.kubernetes.io/audit":"privileged","pod-security.kubernetes.io/audit-version":"v1.20"}`,
				}
				return []error{as.Create(ctx, ns)}
			},
			then: func() {
				EventuallyEstablished(fortress, "said-before")
				Consistently(
					func() map[string]string { return Get(&corev1.Namespace{}, "", "said-before").Labels },
				).WithTimeout(second).
					ShouldNot(Or(HaveKey("pod-security.kubernetes.io/audit"), HaveKey("pod-security.kubernetes.io/audit-version")))
			},
		},
	}
}
