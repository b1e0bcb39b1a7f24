package attack

import (
	"fmt"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

const (
	countsBaseline = "a ResourceQuota that counts what the namespace's baseline consists of could keep it out"
	countPolicies  = "count/networkpolicies.networking.k8s.io"
)

// countingQuota is a tenant's own quota.
func countingQuota(namespace, name string, pairs ...string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"counts": "the-baseline"}},
		Spec:       corev1.ResourceQuotaSpec{Hard: quantities(pairs...)},
	}
}

// deleteCountingQuotas deletes those that a spec has made.
func deleteCountingQuotas() {
	own := client.MatchingLabels{"counts": "the-baseline"}
	Expect(admin.DeleteAllOf(ctx, &corev1.ResourceQuota{}, client.InNamespace(shop), own)).To(Succeed())
}

// countingAttacks keep the baseline out by quotas that have no room for it.
func countingAttacks() []attack {
	return []attack{{
		name: "makes a ResourceQuota that counts what the baseline consists of, or the reports on it", as: mallory,
		outcome: refused, why: countsBaseline,
		do: func(as client.Client) (answers []error) {
			for _, counter := range baseline.Counters() {
				answers = append(answers,
					as.Create(ctx, countingQuota(shop, "own", counter.Entry, "0")),
					as.Create(ctx, countingQuota(shop, "own", "pods", "5", counter.Entry, "1000")))
			}
			generated := countingQuota(shop, "", countPolicies, "0")
			generated.GenerateName = "own-"
			asked := countingQuota(shop, "own", "resourcequotas", "0")
			return append(answers, as.Create(ctx, generated), as.Create(ctx, asked, client.DryRunAll))
		},
		then: func() { // It is for emergencies.
			own := countingQuota(shop, "own", countPolicies, "0")
			Expect(rescuer.client().Create(ctx, own, client.DryRunAll)).To(Succeed())
		},
	}, {
		name: "has a ResourceQuota of their own count what the baseline consists of later", as: mallory,
		outcome: refused, why: countsBaseline,
		do: func(as client.Client) (answers []error) {
			own := countingQuota(shop, UniqueName(), "pods", "5000")
			Expect(as.Create(ctx, own)).To(Succeed())
			for _, entry := range []string{countPolicies, "resourcequotas", "count/namespacepostures.security.bulwark.dev"} {
				answers = append(answers, inEveryWay(as, own, func(q *corev1.ResourceQuota) {
					q.Spec.Hard[corev1.ResourceName(entry)] = quantities("n", "0")["n"]
				})...)
			}
			return answers
		},
		then: deleteCountingQuotas,
	}, {
		name: "leaves no room for the baseline by a ResourceQuota before there is one, has the namespace selected then, " +
			"and starts a pod", as: creator, outcome: harmless,
		do: func(as client.Client) []error { return crampedBefore(as, "cramped", countPolicies) },
		then: func() {
			EventuallyToldFailed("cramped", "exceeded quota: own")
			Expect(admin.Create(ctx, compliantPod("cramped", "app"))).To(MatchError(ContainSubstring("wait until the baseline")))
			own := countingQuota("cramped", "own")
			setTo := func(amount string) error {
				return changed(creator.client(), own, func(o client.Object) {
					o.(*corev1.ResourceQuota).Spec.Hard = quantities(countPolicies, amount)
				})
			}
			Expect(setTo("50")).To(Succeed(), "what was there before may grant more")
			EventuallyEstablished(fortress, "cramped")
			Expect(setTo("5")).To(MatchError(ContainSubstring(countsBaseline)))
		},
	}, {
		name: "does so for the report alone", as: creator, outcome: harmless,
		do: func(as client.Client) []error {
			return crampedBefore(as, "untold", "count/namespacepostures.security.bulwark.dev")
		},
		then: func() {
			EventuallyToldFailed("untold", "the report is refused")
			pod := compliantPod("untold", "app")
			Expect(admin.Create(ctx, pod)).To(MatchError(ContainSubstring("bulwark-fortress-pods-wait-for-")))
			Expect(admin.Delete(ctx, countingQuota("untold", "own"))).To(Succeed())
			EventuallyEstablished(fortress, "untold")
		},
	}}
}

// crampedBefore makes a namespace that no profile governs, with a quota that grants none of what it
// counts, and then has it governed.
func crampedBefore(as client.Client, namespace, entry string) []error {
	ns := unselected(namespace)
	answers := []error{as.Create(ctx, ns), as.Create(ctx, countingQuota(namespace, "own", entry, "0"))}
	ns.Labels = selected(namespace).Labels
	return append(answers, as.Update(ctx, ns))
}

// EventuallyToldFailed waits until the profile says that a namespace has failed, and why.
func EventuallyToldFailed(namespace, why string) {
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(fortress), fortress)).To(Succeed())
		g.Expect(fortress.Status.Namespaces.Failed).To(BeNumerically(">", 0))
		stalled := meta.FindStatusCondition(fortress.Status.Conditions, v1alpha1.ConditionStalled)
		g.Expect(stalled).NotTo(BeNil())
		g.Expect(stalled.Message).To(And(ContainSubstring(fmt.Sprintf("in namespace %s ", namespace)), ContainSubstring(why)))
	}).Should(Succeed())
}
