package attack

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	declaresPodSecurity = "the profile declares the Pod Security labels of the namespace"
	losesBaseline       = "the namespace would lose its baseline by these labels"
	endedByKubernetes   = "the namespace is emptied and ended by Kubernetes alone"

	enforceLabel = baseline.PodSecurityPrefix + "enforce"
	versionLabel = enforceLabel + "-version"
)

func namespaceOf(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// forgedNamespace is a new one that pretends to have the baseline of a profile that does not select
// it.
func forgedNamespace() *corev1.Namespace {
	ns := unselected("forged")
	ns.Labels[v1alpha1.ProfileLabel] = "fortress"
	return ns
}

// restoredNamespace is a new one that the profile selects and that bears its label already, as one
// from a backup does.
func restoredNamespace(name string) *corev1.Namespace {
	ns := selected(name)
	ns.Labels[v1alpha1.ProfileLabel] = "fortress"
	return ns
}

// ExpectNoPrivilegedPod lets somebody try as often as it takes to meet every moment between the
// namespace's creation and its baseline.
func ExpectNoPrivilegedPod(as tenant, namespace string) {
	GinkgoHelper()
	attacker := as.client()
	for range 50 {
		Expect(attacker.Create(ctx, privilegedPod(namespace))).To(MatchError(Or(
			ContainSubstring("bulwark-fortress-pods-wait-for-"), ContainSubstring("violates PodSecurity"))))
	}
}

// privilegedPod is a pod that breaks no rule but those of Pod Security, so that no other refusal is
// faster: neither that of a LimitRange, nor that of a policy for workloads or images.
func privilegedPod(namespace string) *corev1.Pod {
	pod := fixture.HardenedPod(namespace, "privileged")
	context := pod.Spec.Containers[0].SecurityContext
	context.Privileged, context.AllowPrivilegeEscalation = ptr.To(true), nil
	selfSufficient(&pod.Spec)
	return pod
}

// leftBehind ends an unselected namespace by hand, so that a forged report outlives it, and makes
// it anew as if from a backup.
func leftBehind(as client.Client, name string) []error {
	ns, report := unselected(name), forgedReport(name)
	answers := []error{as.Create(ctx, ns)}
	report.NamespaceUID = ns.UID
	answers = append(answers, as.Create(ctx, report))
	ns.Spec.Finalizers = nil
	return append(answers, as.SubResource("finalize").Update(ctx, ns),
		as.Delete(ctx, namespaceOf(name)), as.Delete(ctx, namespaceOf(name)), // The second ends what the first marks.
		as.Create(ctx, restoredNamespace(name)))
}

// relabelled writes other labels of shop in every way.
func relabelled(as client.Client, change func(labels map[string]string), removes bool) []error {
	GinkgoHelper()
	return rewritten(as, shop, func(ns *corev1.Namespace) { change(ns.Labels) }, removes)
}

// rewritten writes a namespace in every way that there is, and by the subresources too. finalize
// knows only PUT.
func rewritten(as client.Client, name string, change func(*corev1.Namespace), removes bool) []error {
	GinkgoHelper()
	w := writing(namespaceOf(name), change)
	answers := w.withoutApply(as)
	if !removes {
		answers = append(answers, w.applied(as))
	}
	w.subresource = "status"
	answers = append(answers, w.withoutApply(as)...)
	if !removes {
		answers = append(answers, w.applied(as))
	}
	w.subresource = "finalize"
	return append(answers, w.put(as))
}

func sets(key, value string) func(map[string]string) {
	return func(labels map[string]string) { labels[key] = value }
}

func removes(key string) func(map[string]string) {
	return func(labels map[string]string) { delete(labels, key) }
}

// namespaceAttacks are on the labels of Pod Security.
func namespaceAttacks() []attack {
	return []attack{
		{
			name: "lowers the Pod Security level of a namespace", as: creator, outcome: refused, why: declaresPodSecurity,
			do: func(as client.Client) []error {
				return append(
					relabelled(as, sets(enforceLabel, "privileged"), false),
					relabelled(as, sets(enforceLabel, "baseline"), false)...)
			},
		},
		{
			name: "removes the Pod Security level", as: creator, outcome: refused, why: declaresPodSecurity,
			do: func(as client.Client) []error { return relabelled(as, removes(enforceLabel), true) },
		},
		{
			name: "pins an old version of the level, or none", as: creator, outcome: refused, why: declaresPodSecurity,
			do: func(as client.Client) []error {
				return append(relabelled(as, sets(versionLabel, "v1.0"), false), relabelled(as, removes(versionLabel), true)...)
			},
		},
		{
			name: "removes all labels at once", as: creator, outcome: refused,
			do: func(as client.Client) []error {
				return relabelled(as, func(labels map[string]string) { clear(labels) }, true)
			},
		},
		{
			name:    "makes a namespace with a lower Pod Security level in the selection",
			as:      creator,
			outcome: refused,
			why:     declaresPodSecurity,
			do: func(as client.Client) []error {
				low, old := selected("lowered"), selected("lowered")
				low.Labels[enforceLabel], old.Labels[versionLabel] = "privileged", "v1.0"
				return []error{as.Create(ctx, low), as.Create(ctx, old)}
			},
		},
		{
			name:    "has a namespace selected and lowers its Pod Security level in one write",
			as:      creator,
			outcome: refused,
			why:     declaresPodSecurity,
			do: func(as client.Client) []error {
				return inEveryWay(as, namespaceOf(outside), func(ns *corev1.Namespace) {
					ns.Labels = selected(outside).Labels
					ns.Labels[enforceLabel] = "privileged"
				})
			},
		},
		{
			name:    "has a namespace selected that has a lower level already, and starts a privileged pod",
			as:      creator,
			outcome: undone,
			do: func(as client.Client) []error {
				ns := unselected("lowered-before")
				ns.Labels[enforceLabel] = "privileged"
				answers := []error{as.Create(ctx, ns)}
				ns.Labels["suite"] = "fortress"
				answers = append(answers, as.Update(ctx, ns))
				for range 20 {
					Expect(as.Create(ctx, fixture.PrivilegedPod(ns.Name, "privileged"))).NotTo(Succeed())
				}
				return answers
			},
			then: func() { EventuallyEstablished(fortress, "lowered-before") },
		},
		{
			name: "sets a Pod Security label that the profile does not declare", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				return inEveryWay(
					as,
					namespaceOf(annex),
					func(ns *corev1.Namespace) { ns.Labels[baseline.PodSecurityPrefix+"audit"] = "privileged" },
				)
			},
			then: func() {
				Expect(
					admin.Create(ctx, fixture.PrivilegedPod(annex, "privileged")),
				).To(MatchError(ContainSubstring("violates PodSecurity")))
			},
		},
	}
}

// selectionAttacks take a namespace from its profile, or pretend that it has one.
func selectionAttacks() []attack {
	return []attack{
		{
			name: "takes the label off by which a namespace is selected", as: creator, outcome: refused, why: losesBaseline,
			do: func(as client.Client) []error { return relabelled(as, removes("suite"), true) },
		},
		{
			name:    "gives the label by which a namespace is selected another value",
			as:      creator,
			outcome: refused,
			why:     losesBaseline,
			do:      func(as client.Client) []error { return relabelled(as, sets("suite", "none"), false) },
		},
		{
			name: "takes the label off by which Bulwark knows the namespace", as: creator, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error { return relabelled(as, removes(v1alpha1.ProfileLabel), true) },
		},
		{
			name: "has the namespace belong to another profile by that label", as: creator, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error { return relabelled(as, sets(v1alpha1.ProfileLabel, "another"), false) },
		},
		{
			name: "makes a namespace that has that label already", as: creator, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error {
				forged := restoredNamespace("forged")
				forged.Labels[v1alpha1.ProfileLabel] = "another"
				return []error{as.Create(ctx, forged), as.Create(ctx, forgedNamespace())}
			},
		},
		{
			name:    "makes a namespace in the selection that has that label already, as a restore does, and starts a privileged pod at once",
			as:      creator,
			outcome: harmless,
			do:      func(as client.Client) []error { return []error{as.Create(ctx, restoredNamespace("restored"))} },
			then: func() {
				ExpectNoPrivilegedPod(creator, "restored")
				EventuallyEstablished(fortress, "restored")
			},
		},
		{
			name: "does so with a lower Pod Security level", as: creator, outcome: refused, why: declaresPodSecurity,
			do: func(as client.Client) []error {
				low, old := restoredNamespace("restored-low"), restoredNamespace("restored-low")
				low.Labels[enforceLabel], old.Labels[versionLabel] = "privileged", "v1.0"
				return []error{as.Create(ctx, low), as.Create(ctx, old)}
			},
		},
		{
			name: "does so and takes the names of the baseline before it is there", as: creator, outcome: harmless,
			do: func(as client.Client) []error { return []error{as.Create(ctx, restoredNamespace("restored-squatted"))} },
			then: func() {
				open := &networkingv1.NetworkPolicy{
					ObjectMeta: metav1.ObjectMeta{Namespace: "restored-squatted", Name: "bulwark-default-deny"},
				}
				open.Spec.PodSelector.MatchLabels = map[string]string{"no": "pod"}
				attacker := creator.client()
				for range 20 {
					Expect(attacker.Create(ctx, open.DeepCopy())).To(MatchError(Or(
						ContainSubstring("names that begin with bulwark- are reserved"), ContainSubstring("already exists"))))
				}
				EventuallyEstablished(fortress, "restored-squatted")
			},
		},
		{
			name:    "has a forged NamespacePosture outlive a namespace that no profile selects, and makes that namespace anew with both labels",
			as:      creator,
			outcome: harmless,
			do:      func(as client.Client) []error { return leftBehind(as, "left-behind") },
			then: func() {
				ExpectNoPrivilegedPod(creator, "left-behind")
				EventuallyEstablished(fortress, "left-behind")
			},
		},
		{
			name:    "makes a namespace in the selection that has that label, and empty",
			as:      creator,
			outcome: refused,
			why:     labelIsSet,
			do: func(as client.Client) []error {
				empty := restoredNamespace("restored-empty")
				empty.Labels[v1alpha1.ProfileLabel] = ""
				return []error{as.Create(ctx, empty)}
			},
		},
		{
			name: "has the label by which Bulwark knows the namespace empty", as: creator, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error { return relabelled(as, sets(v1alpha1.ProfileLabel, ""), false) },
		},
		{
			name: "puts that label on a namespace that no profile selects", as: creator, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error {
				return inEveryWay(
					as,
					namespaceOf(outside),
					func(ns *corev1.Namespace) { ns.Labels[v1alpha1.ProfileLabel] = "fortress" },
				)
			},
		},
		{
			name:    "tries to, without being given any permission on namespaces",
			as:      mallory,
			outcome: refused,
			why:     `cannot patch resource "namespaces"`,
			do: func(as client.Client) []error {
				w := writing(namespaceOf(shop), func(ns *corev1.Namespace) { delete(ns.Labels, "suite") })
				return []error{w.patched(as, client.MergeFrom(w.before))}
			},
		},
	}
}

// endAttacks are on what remains of a namespace that ends.
func endAttacks() []attack {
	return []attack{
		{
			name:    "ends a namespace without having it emptied, so that the next one of its name inherits what is left",
			as:      creator,
			outcome: refused,
			why:     endedByKubernetes,
			do: func(as client.Client) []error {
				w := writing(namespaceOf(shop), func(ns *corev1.Namespace) { ns.Spec.Finalizers = nil })
				w.subresource = "finalize"
				return []error{w.put(as)}
			},
		},
		{
			name:    "deletes a namespace and, while a pod of it lingers, wants the pod without NetworkPolicies",
			as:      creator,
			outcome: harmless,
			do: func(as client.Client) []error {
				Expect(as.Create(ctx, selected("lingering"))).To(Succeed())
				EventuallyEstablished(fortress, "lingering")
				pod := compliantPod("lingering", "lingers")
				pod.Finalizers = []string{"tenants.example.com/keep"}
				return []error{as.Create(ctx, pod), as.Delete(ctx, namespaceOf("lingering"))}
			},
			then: func() {
				// Kubernetes deletes pods first (KEP-5080), and what isolates them when they are
				// gone.
				pod := &corev1.Pod{}
				Eventually(func(g Gomega) {
					g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: "lingering", Name: "lingers"}, pod)).To(Succeed())
					g.Expect(pod.DeletionTimestamp).NotTo(BeNil())
				}).Should(Succeed())
				Consistently(func(g Gomega) {
					g.Expect(Differences(g, fortress, "lingering")).To(BeEmpty())
				}).WithTimeout(second).Should(Succeed())
				pod.Finalizers = nil
				Expect(admin.Update(ctx, pod)).To(Succeed())
				EventuallyGone(namespaceOf("lingering"))
			},
		},
	}
}
