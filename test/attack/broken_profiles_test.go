package attack

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	// misspelt is a profile that never could be carried out. It would go before every other.
	misspelt = "misspelt"
	// lapsed is one that could be, and that a later edit broke. It goes before every other, too,
	// where it selects.
	lapsed = "lapsed"
)

// breakProfiles makes both, and a namespace that the latter governed.
func breakProfiles() {
	GinkgoHelper()
	cannotBeRead := func(p *v1alpha1.SecurityProfile) { p.Spec.NamespaceSelector.MatchLabels["not a label key"] = "x" }
	Expect(
		admin.Create(ctx, fixture.Profile(misspelt, fixture.OnlyNetwork, fixture.WithPriority(1000), cannotBeRead)),
	).To(Succeed())
	profile := fixture.Profile(lapsed, fixture.OnlyNetwork, fixture.WithPriority(1000))
	Expect(admin.Create(ctx, profile)).To(Succeed())
	Expect(admin.Create(ctx, fixture.Namespace("once-governed", lapsed))).To(Succeed())
	EventuallyEstablished(profile, "once-governed")
	Update(profile, cannotBeRead)
	for _, name := range []string{misspelt, lapsed} {
		Eventually(func(g Gomega) {
			now := Get(&v1alpha1.SecurityProfile{}, "", name)
			stalled := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionStalled)
			g.Expect(stalled).NotTo(BeNil())
			g.Expect(stalled.Reason).To(Equal(v1alpha1.ReasonInvalid))
		}).Should(Succeed())
	}
}

// brokenProfileAttacks use the names of profiles that cannot be carried out, to get away from one
// that can.
func brokenProfileAttacks() []attack {
	var attacks []attack
	for _, broken := range []struct{ name, words string }{
		{misspelt, "a profile that never could be carried out"}, {lapsed, "a profile that an edit has broken"},
	} {
		named := func(ns *corev1.Namespace, level string) *corev1.Namespace {
			ns.Labels[v1alpha1.ProfileLabel] = broken.name
			if level != "" {
				ns.Labels[enforceLabel] = level
			}
			return ns
		}
		attacks = append(attacks, attack{
			name:    "makes a namespace in the selection with the label of " + broken.words + ", and with a lower Pod Security level or none",
			as:      creator,
			outcome: refused,
			why:     labelIsSet,
			do: func(as client.Client) []error {
				return []error{
					as.Create(ctx, named(selected("forged"), "privileged")),
					as.Create(ctx, named(selected("forged"), "")),
				}
			},
		}, attack{
			name: "has a namespace belong to " + broken.words + " by that label", as: creator, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error { return relabelled(as, sets(v1alpha1.ProfileLabel, broken.name), false) },
		}, attack{
			name:    "has a namespace selected that has the label of " + broken.words + " already, in one write",
			as:      creator,
			outcome: refused,
			why:     labelIsSet,
			do: func(as client.Client) []error {
				return inEveryWay(as, namespaceOf(outside), func(ns *corev1.Namespace) {
					ns.Labels = named(selected(outside), "privileged").Labels
				})
			},
		}, attack{
			name: "names " + broken.words + " in the NamespacePosture", as: mallory, outcome: refused, why: writtenByBulwark,
			do: func(as client.Client) []error {
				report := &v1alpha1.NamespacePosture{ObjectMeta: inShop(v1alpha1.PostureName)}
				return inEveryWay(as, report, func(o *v1alpha1.NamespacePosture) { o.Profile = broken.name })
			},
		}, attack{
			name:    "gives the label of " + broken.words + " to a namespace that no profile selects",
			as:      creator,
			outcome: harmless,
			do: func(as client.Client) []error {
				return []error{as.Create(ctx, named(unselected(broken.name+"-only-named"), "privileged"))}
			},
			then: func() { ExpectMarkTakenOff(broken.name + "-only-named") },
		}, attack{
			name:    "gives it to a namespace with a lower level before that is selected, and starts a privileged pod: " + broken.words,
			as:      creator,
			outcome: undone,
			do: func(as client.Client) []error {
				ns := named(unselected(broken.name+"-before"), "privileged")
				answers := []error{as.Create(ctx, ns)}
				answers = append(answers, as.Patch(ctx, namespaceOf(ns.Name),
					client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"suite":"fortress"}}}`))))
				for range 20 {
					Expect(as.Create(ctx, fixture.PrivilegedPod(ns.Name, "privileged"))).NotTo(Succeed())
				}
				return answers
			},
			then: func() { EventuallyEstablished(fortress, broken.name+"-before") },
		})
	}
	return attacks
}

// ExpectMarkTakenOff checks that a namespace bears the label of no profile, and that somebody was
// told.
func ExpectMarkTakenOff(namespace string) {
	GinkgoHelper()
	Eventually(func() map[string]string { return Get(&corev1.Namespace{}, "", namespace).Labels }).
		ShouldNot(HaveKey(v1alpha1.ProfileLabel))
	Eventually(func() []string {
		events := &corev1.EventList{}
		Expect(admin.List(ctx, events, client.InNamespace("default"))).To(Succeed())
		var told []string
		for _, e := range events.Items {
			if e.InvolvedObject.Kind == "Namespace" && e.InvolvedObject.Name == namespace {
				told = append(told, e.Reason)
			}
		}
		return told
	}).Should(ContainElement(v1alpha1.EventRemoved))
}

// heldReportAttacks hold by a finalizer what Bulwark has to take away before a profile can go.
func heldReportAttacks() []attack {
	held := func(namespace, profile string) *v1alpha1.NamespacePosture {
		report := forgedReport(namespace)
		report.Profile, report.Finalizers = profile, []string{keep}
		return report
	}
	// brief makes a profile that is to be deleted, and a namespace that no profile selects.
	brief := func(as client.Client, name string) []error {
		profile := fixture.Profile(name, fixture.OnlyNetwork)
		Expect(admin.Create(ctx, profile)).To(Succeed())
		return []error{as.Create(ctx, unselected(name))}
	}
	goes := func(name string) func() {
		return func() {
			profile := &v1alpha1.SecurityProfile{}
			profile.Name = name
			Expect(admin.Delete(ctx, profile)).To(Succeed())
			EventuallyGone(profile)
			EventuallyGone(held(name, name))
		}
	}
	return []attack{
		{
			name:    "forges a NamespacePosture where no profile governs, and holds it by a finalizer, so that the profile it names cannot be deleted",
			as:      creator,
			outcome: harmless,
			do: func(as client.Client) []error {
				return append(brief(as, "brief"), as.Create(ctx, held("brief", "brief")))
			},
			then: goes("brief"),
		},
		{
			name: "does so and deletes it, so that it is about to go and never does", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				answers := append(brief(as, "brief-going"), as.Create(ctx, held("brief-going", "brief-going")))
				return append(answers, client.IgnoreNotFound(as.Delete(ctx, held("brief-going", "brief-going"))))
			},
			then: goes("brief-going"),
		},
		{
			name: "does so with a label of the profile on the namespace", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				answers := brief(as, "brief-labelled")
				ns := Get(&corev1.Namespace{}, "", "brief-labelled")
				ns.Labels[v1alpha1.ProfileLabel] = "brief-labelled"
				return append(answers, as.Update(ctx, ns), as.Create(ctx, held("brief-labelled", "brief-labelled")))
			},
			then: goes("brief-labelled"),
		},
		{
			name: "does so five times, one after the other", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				answers := brief(as, "brief-again")
				for range 5 {
					Eventually(func() error { return as.Create(ctx, held("brief-again", "brief-again")) }).Should(Succeed())
					answers = append(answers, client.IgnoreNotFound(as.Delete(ctx, held("brief-again", "brief-again"))))
				}
				return answers
			},
			then: goes("brief-again"),
		},
	}
}
