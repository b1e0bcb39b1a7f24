package attack

import (
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const writtenByBulwark = "a NamespacePosture is written by Bulwark alone"

// forgedReport says that the whole baseline is in place.
func forgedReport(namespace string) *v1alpha1.NamespacePosture {
	return &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.PostureName},
		Profile:    "fortress", ProfileGeneration: 1, Enforcement: v1alpha1.EnforcementEnforce, Status: fixture.Ready(true),
	}
}

// reportAttacks are on the NamespacePosture, which says whether pods may come.
func reportAttacks() []attack {
	report := func() *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{ObjectMeta: inShop(v1alpha1.PostureName)}
	}
	return []attack{
		{
			name: "has the NamespacePosture forget its drift", as: mallory, outcome: refused, why: writtenByBulwark,
			do: func(as client.Client) []error {
				return inEveryWay(as, report(), func(o *v1alpha1.NamespacePosture) { o.DriftTotal = 1000 })
			},
		},
		{
			name:    "has the NamespacePosture say that the baseline is not in place",
			as:      mallory,
			outcome: refused,
			why:     writtenByBulwark,
			do: func(as client.Client) []error {
				return inEveryWay(as, report(), func(o *v1alpha1.NamespacePosture) { o.Status = fixture.Ready(false) })
			},
		},
		{
			name: "adds a finalizer and a label to the NamespacePosture", as: mallory, outcome: refused, why: writtenByBulwark,
			do: func(as client.Client) []error {
				return inEveryWay(as, report(), func(o *v1alpha1.NamespacePosture) {
					o.Finalizers = []string{"tenants.example.com/keep"}
					o.Labels["tenants"] = "own"
				})
			},
		},
		{
			name: "deletes the NamespacePosture", as: mallory, outcome: refused, why: writtenByBulwark,
			do: func(as client.Client) []error {
				return []error{as.Delete(ctx, report()), as.DeleteAllOf(ctx, report(), client.InNamespace(shop))}
			},
		},
		{
			name:    "forges a NamespacePosture before there is a baseline, has the namespace selected, and starts a privileged pod at once",
			as:      creator,
			outcome: harmless,
			do: func(as client.Client) []error {
				ns := unselected("forged-report")
				answers := []error{as.Create(ctx, ns), as.Create(ctx, forgedReport("forged-report"))}
				ns.Labels = selected("forged-report").Labels
				return append(answers, as.Update(ctx, ns))
			},
			then: func() {
				// Until Bulwark has been there the label of the profile is missing, and then there
				// are those of Pod Security.
				ExpectNoPrivilegedPod(creator, "forged-report")
				EventuallyEstablished(fortress, "forged-report")
			},
		},
	}
}

// attacksOnADownOperator are for when nobody would correct anything.
func attacksOnADownOperator() []attack {
	return []attack{
		{
			name:    "forges a NamespacePosture before there is a baseline, and has the namespace selected",
			as:      creator,
			outcome: harmless,
			do: func(as client.Client) []error {
				ns := unselected("forged-while-down")
				answers := []error{as.Create(ctx, ns), as.Create(ctx, forgedReport("forged-while-down"))}
				ns.Labels = selected("forged-while-down").Labels
				return append(answers, as.Update(ctx, ns))
			},
			then: func() {
				// Only the gate has something against the first: both of its policies, of which the
				// API server tells one.
				asCreator := creator.client()
				Expect(asCreator.Create(ctx, compliantPod("forged-while-down", "app", selfSufficient))).To(MatchError(Or(
					ContainSubstring("Bulwark has not been there"), ContainSubstring("its NamespacePosture posture is not ready"))))
				Expect(asCreator.Create(ctx, fixture.PrivilegedPod("forged-while-down", "privileged"))).NotTo(Succeed())
			},
		},
		{
			name:    "has a forged NamespacePosture outlive a namespace that no profile selects, makes that namespace anew with both labels, and starts a pod",
			as:      creator,
			outcome: harmless,
			do:      func(as client.Client) []error { return leftBehind(as, "left-behind-while-down") },
			then: func() {
				Expect(Get(&v1alpha1.NamespacePosture{}, "left-behind-while-down", v1alpha1.PostureName).IsReady()).To(BeTrue())
				pod := compliantPod("left-behind-while-down", "app", selfSufficient)
				asCreator := creator.client()
				Eventually(func() error { return asCreator.Create(ctx, pod.DeepCopy()) }).
					Should(MatchError(ContainSubstring("its NamespacePosture posture is not ready")))
				Consistently(func() error { return asCreator.Create(ctx, pod.DeepCopy()) }).WithTimeout(second).
					Should(MatchError(ContainSubstring("bulwark-fortress-pods-wait-for-")))
			},
		},
		{
			name: "makes a namespace, which gets no baseline, and a pod in it", as: creator, outcome: harmless,
			do: func(as client.Client) []error { return []error{as.Create(ctx, selected("made-while-down"))} },
			then: func() {
				asCreator := creator.client()
				Consistently(
					func() error { return asCreator.Create(ctx, compliantPod("made-while-down", "app", selfSufficient)) },
				).WithTimeout(second).
					Should(MatchError(ContainSubstring("bulwark-fortress-pods-wait-for-")))
			},
		},
	}
}
