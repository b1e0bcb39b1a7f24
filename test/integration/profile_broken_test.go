package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const notALabel = "not a label key"

// breaks makes a spec one that the schema admits and nobody can carry out.
func breaks(p *v1alpha1.SecurityProfile) {
	labels := map[string]string{notALabel: "x"}
	for key, value := range p.Spec.NamespaceSelector.MatchLabels {
		labels[key] = value
	}
	p.Spec.NamespaceSelector.MatchLabels = labels
}

// mends undoes it.
func mends(p *v1alpha1.SecurityProfile) { delete(p.Spec.NamespaceSelector.MatchLabels, notALabel) }

// neverValid makes a profile that goes before every other, and that has never been carried out.
func neverValid(changes ...func(*v1alpha1.SecurityProfile)) *v1alpha1.SecurityProfile {
	GinkgoHelper()
	changes = append(
		[]func(*v1alpha1.SecurityProfile){fixture.OnlyNetwork, fixture.WithPriority(1000), breaks},
		changes...)
	profile := fixture.Profile(UniqueName()+"-broken", changes...)
	ExpectCreated(profile)
	EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	return profile
}

// broken makes a profile that governs a namespace, and breaks it.
func broken(changes ...func(*v1alpha1.SecurityProfile)) (*v1alpha1.SecurityProfile, string) {
	GinkgoHelper()
	profile, namespace := Governed(changes...)
	EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionTrue)
	EventuallyOlderThanASecond(namespace)
	Update(profile, breaks)
	EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	return profile, namespace
}

// EventuallyOlderThanASecond waits until the second is over in which a namespace was made. Times
// are of whole seconds: a profile that breaks in that second holds none that may have been made
// afterwards.
func EventuallyOlderThanASecond(namespace string) {
	GinkgoHelper()
	ns := theNamespace(namespace)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	Eventually(time.Now).Should(BeTemporally(">=", ns.GetCreationTimestamp().Add(time.Second)))
}

// EventuallySuspended waits until the report on a namespace says that its profile is broken, and
// why.
func EventuallySuspended(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		report := ReportOn(g, namespace)
		g.Expect(report.Profile).To(Equal(profile.Name))
		g.Expect(report.IsReady()).To(BeFalse())
		g.Expect(report.Stalled()).To(And(ContainSubstring(profile.Name), ContainSubstring(notALabel)))
		g.Expect(report.Stalled()).To(ContainSubstring("spec.namespaceSelector"))
	}).Should(Succeed())
}

// marks puts the name of a profile on a namespace, as who may write its label and its report can.
var marks = map[string]func(namespace, profile string){
	"by its label": func(namespace, profile string) {
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = profile })
	},
	"by its report": func(namespace, profile string) {
		Update(&v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.PostureName}},
			func(r *v1alpha1.NamespacePosture) { r.Profile = profile })
	},
	"by its report and the report's label": func(namespace, profile string) {
		Update(&v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.PostureName}},
			func(r *v1alpha1.NamespacePosture) { r.Profile, r.Labels[v1alpha1.ProfileLabel] = profile, profile })
	},
}

func defaultDenyOf(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"}}
}

var _ = Describe("A profile that never could be carried out", func() {
	It("governs nothing, and says so", func() {
		never := neverValid()
		Expect(meta.FindStatusCondition(never.Status.Conditions, v1alpha1.ConditionReady).Message).
			To(ContainSubstring("it never could be, and governs nothing"))
		Expect(never.Status.Selection).To(BeNil())
		Expect(never.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{}))
	})

	for way, mark := range marks {
		It("lets nobody stop the corrections of another, also not before the operator starts: "+way, func() {
			never := neverValid()
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			mark(namespace, never.Name)
			EventuallyEstablished(profile, namespace)
			Expect(labelsOf(namespace)).To(HaveKeyWithValue(v1alpha1.ProfileLabel, profile.Name))

			bulwark.Stop()
			mark(namespace, never.Name)
			Expect(admin.Delete(ctx, defaultDenyOf(namespace))).To(Succeed())
			bulwark = startOperator()
			EventuallyEstablished(profile, namespace)
			Expect(ReportOn(Default, namespace).Profile).To(Equal(profile.Name))
			Expect(labelsOf(namespace)).To(HaveKeyWithValue(v1alpha1.ProfileLabel, profile.Name))
		})
	}

	It("lets nobody make a namespace without a baseline, and the label is told", func() {
		never, another := neverValid(), neverValid(fixture.Audited)
		profile, _ := Governed()
		for i, mark := range []string{never.Name, another.Name} {
			namespace := fixture.Namespace(profile.Name+[]string{"-x", "-y"}[i], profile.Name)
			namespace.Labels[v1alpha1.ProfileLabel], namespace.Labels[enforceLevel] = mark, "privileged"
			ExpectCreated(namespace)
			EventuallyEstablished(profile, namespace.Name)
			Expect(
				admin.Create(ctx, fixture.PrivilegedPod(namespace.Name, "privileged")),
			).To(MatchError(ContainSubstring("violates PodSecurity")))
			Eventually(
				func() []string { return eventReasons("Namespace", namespace.Name) },
			).Should(ContainElement(v1alpha1.EventRemoved))
		}
	})

	It("has its label taken off where no profile governs, and that is told", func() {
		never := neverValid()
		namespace := fixture.Namespace(never.Name+"-a", "none")
		namespace.Labels[v1alpha1.ProfileLabel] = never.Name
		ExpectCreated(namespace)
		EventuallyUntouched(namespace.Name)
		Eventually(
			func() []string { return eventReasons("Namespace", namespace.Name) },
		).Should(ConsistOf(v1alpha1.EventRemoved))
		marks["by its label"](namespace.Name, never.Name)
		EventuallyUntouched(namespace.Name)
	})

	It("keeps nothing of a profile of its name that was valid", func() {
		former, namespace := Governed()
		EventuallyEstablished(former, namespace)
		deleteProfile(former)
		again := fixture.Profile(former.Name, breaks)
		ExpectCreated(again)
		EventuallyCondition(again, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		marks["by its label"](namespace, again.Name)
		EventuallyUntouched(namespace)
		other := fixture.Profile(former.Name+"-other", fixture.Selecting(former.Name))
		ExpectCreated(other)
		EventuallyEstablished(other, namespace)
		marks["by its label"](namespace, again.Name)
		EventuallyEstablished(other, namespace)
	})

	It("exempts nobody from what the policies of another refuse, also while the operator is down", func() {
		profile, _ := Governed(fixture.OnlyNetwork, fixture.Guarded)
		EventuallyPoliced(profile)
		never := neverValid()
		marked := func(change func(map[string]string)) *corev1.Namespace {
			namespace := fixture.Namespace(UniqueName()+"-x", profile.Name)
			namespace.Labels[v1alpha1.ProfileLabel] = never.Name
			change(namespace.Labels)
			return namespace
		}
		refuses := func() {
			GinkgoHelper()
			for range 3 { // The operator would have to be faster than the API server, if it changed anything.
				Expect(admin.Create(ctx, marked(func(map[string]string) {}))).
					To(MatchError(ContainSubstring("is set by Bulwark alone")))
			}
		}
		EventuallyRefused(admin, marked(func(map[string]string) {}), "is set by Bulwark alone")
		refuses()
		bulwark.Stop()
		refuses()

		By("nor where tamper does not guard the label")
		bulwark = startOperator()
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Protection.Tamper, p.Spec.Protection.BreakGlassGroups = "", nil
		})
		EventuallyPoliced(profile)
		bulwark.Stop()
		DeferCleanup(func() { bulwark = startOperator() })
		namespace := marked(func(map[string]string) {})
		Eventually(func() error { return admin.Create(ctx, namespace.DeepCopy()) }).Should(Succeed())
		for range 5 {
			Expect(admin.Create(ctx, fixture.RestrictedPod(namespace.Name, "app"))).NotTo(Succeed())
			Expect(admin.Create(ctx, nodePortIn(namespace.Name))).To(MatchError(ContainSubstring("allowedServiceTypes")))
		}
	})
})

// nodePortIn is a Service that opens a port of the nodes.
func nodePortIn(namespace string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "open-"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
	}
}

var _ = Describe("A profile that is broken by an edit", func() {
	DescribeTable("leaves what it governed as it is, says so in report and status, and goes on when it is mended",
		func(changes ...func(*v1alpha1.SecurityProfile)) {
			profile, namespace := broken(changes...)
			EventuallySuspended(profile, namespace)
			Expect(profile.Status.Selection.MatchLabels).To(Equal(map[string]string{"suite": profile.Name}))
			before := uids(namespace)
			EventuallyQuiet()
			writes := operatorWrites()
			bulwark.Stop()
			bulwark = startOperator()
			EventuallySynced(profile.Name)
			Consistently(func(g Gomega) { g.Expect(uids(namespace)).To(Equal(before)) }).Should(Succeed())
			Expect(unlike(writes, operatorWrites())).To(BeEmpty())

			Update(profile, mends)
			EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionTrue)
			report := EventuallyReported(profile, namespace)
			Expect(report.Stalled()).To(BeEmpty())
			Expect(
				report.Drift,
			).To(Or(BeEmpty(), HaveEach(HaveField("State", v1alpha1.DriftStatePresent))), "nobody has moved anything")
			Expect(uids(namespace)).To(Equal(before))
		},
		Entry("Enforce"),
		Entry("Audit", fixture.Audited),
		Entry("Retain", fixture.Retained),
	)

	It("is not replaced by a lower one, nor does its name reach further than it did", func() {
		profile, namespace := broken(fixture.WithPriority(50))
		EventuallySuspended(profile, namespace)
		before := uids(namespace)
		everywhere := fixture.Profile(
			profile.Name+"-lower",
			fixture.OnlyNetwork,
			fixture.WithPriority(1),
			func(p *v1alpha1.SecurityProfile) {
				p.Spec.NamespaceSelector.MatchLabels = nil
				p.Spec.NamespaceSelector.MatchExpressions = []v1alpha1.LabelRequirement{
					{Key: "suite", Operator: metav1.LabelSelectorOpIn, Values: []string{profile.Name, profile.Name + "-else"}},
				}
			},
		)
		beside := profile.Name + "-beside"
		ExpectCreated(fixture.Namespace(beside, profile.Name+"-else"), everywhere)
		EventuallyEstablished(everywhere, beside)
		for _, mark := range marks {
			mark(beside, profile.Name)
			Expect(client.IgnoreNotFound(admin.Delete(ctx, defaultDenyOf(beside)))).To(Succeed())
			EventuallyEstablished(everywhere, beside)
		}
		Consistently(func(g Gomega) { g.Expect(uids(namespace)).To(Equal(before)) }).Should(Succeed())
		EventuallySuspended(profile, namespace)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(everywhere), everywhere)).To(Succeed())
			g.Expect(everywhere.Status.Namespaces.Overridden).To(BeEquivalentTo(1))
		}).Should(Succeed())
		Update(profile, mends)
		EventuallyEstablished(profile, namespace)
	})

	It("gives way to a higher one, whatever priority the broken spec claims", func() {
		profile, namespace := broken(fixture.WithPriority(50))
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 900 })
		higher := fixture.Profile(profile.Name+"-higher", fixture.Selecting(profile.Name), fixture.WithPriority(60))
		ExpectCreated(higher)
		EventuallyEstablished(higher, namespace)
		deleteProfile(higher)
		EventuallySuspended(profile, namespace)
	})

	It("keeps no label of another one on what it governs, and has it told", func() {
		profile, namespace := broken()
		EventuallySuspended(profile, namespace)
		marks["by its label"](namespace, "another")
		Eventually(
			func() map[string]string { return labelsOf(namespace) },
		).ShouldNot(HaveKeyWithValue(v1alpha1.ProfileLabel, "another"))
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventRemoved))
		marks["by its report"](namespace, "another")
		EventuallySuspended(profile, namespace)
		Update(profile, mends)
		EventuallyEstablished(profile, namespace)
	})

	It("has a namespace that joins what it governs wait, and says so", func() {
		profile, _ := broken()
		joining := profile.Name + "-joining"
		ExpectCreated(fixture.Namespace(joining, profile.Name))
		EventuallySuspended(profile, joining)
		Update(profile, mends)
		EventuallyEstablished(profile, joining)
	})

	It("lets a namespace go that its last valid spec does not select", func() {
		profile, namespace := broken()
		EventuallySuspended(profile, namespace)
		Update(theNamespace(namespace), func(o client.Object) { delete(o.GetLabels(), "suite") })
		EventuallyUntouched(namespace)
	})

	It("and was edited before governs by the last edit that was valid", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		added := profile.Name + "-added"
		ExpectCreated(fixture.Namespace(added, profile.Name+"-more"))
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.NamespaceSelector.MatchLabels["suite"] += "-more" })
		EventuallyEstablished(profile, added)
		EventuallyUntouched(namespace)
		Update(profile, breaks)
		EventuallySuspended(profile, added)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.NamespaceSelector.MatchLabels["suite"] = p.Name })
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		EventuallySuspended(profile, added)
		ConsistentlyUntouched(namespace)
	})

	It("can be deleted, and leaves what its deletionPolicy says", func() {
		profile, namespace := broken(fixture.Retained)
		EventuallySuspended(profile, namespace)
		deleteProfile(profile)
		Expect(
			admin.Get(ctx, client.ObjectKeyFromObject(defaultDenyOf(namespace)), &networkingv1.NetworkPolicy{}),
		).To(Succeed())
		Eventually(func() map[string]string { return labelsOf(namespace) }).ShouldNot(HaveKey(v1alpha1.ProfileLabel))

		profile, namespace = broken()
		EventuallySuspended(profile, namespace)
		deleteProfile(profile)
		EventuallyUntouched(namespace)
	})

	It("does not hold back another one that is deleted and has left something where it governs", func() {
		profile, namespace := Governed(fixture.WithPriority(50))
		EventuallyEstablished(profile, namespace)
		lower := fixture.Profile(profile.Name+"-lower", fixture.OnlyNetwork, fixture.WithPriority(1))
		moving := lower.Name + "-a"
		ExpectCreated(fixture.Namespace(moving, lower.Name), lower)
		EventuallyEstablished(lower, moving)
		Update(profile, breaks)
		EventuallySuspended(profile, namespace)
		Update(theNamespace(moving), func(o client.Object) { o.GetLabels()["suite"] = profile.Name })
		EventuallySuspended(profile, moving)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(defaultDenyOf(moving)), &networkingv1.NetworkPolicy{})).To(Succeed())
		deleteProfile(lower)
		EventuallyGone(defaultDenyOf(moving))
	})
})

// withoutMemory takes out of a profile's status what it remembers, as an older release left it.
func withoutMemory(profile *v1alpha1.SecurityProfile) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		profile.Status.Selection = nil
		g.Expect(admin.Status().Update(ctx, profile)).To(Succeed())
	}).Should(Succeed())
}

var _ = Describe("A profile of an older release, whose status does not remember what it selects,", func() {
	It("has its status remember that", func() {
		profile, namespace := Governed()
		EventuallyReady(profile)
		bulwark.Stop()
		withoutMemory(profile)
		before := uids(namespace)
		bulwark = startOperator()
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.Selection).NotTo(BeNil())
		}).Should(Succeed())
		Update(profile, breaks)
		EventuallySuspended(profile, namespace)
		Expect(uids(namespace)).To(Equal(before))
	})

	It("and that is broken keeps what bears its name where no other governs", func() {
		profile, namespace := broken()
		EventuallySuspended(profile, namespace)
		bulwark.Stop()
		withoutMemory(profile)
		before := uids(namespace)
		bulwark = startOperator()
		EventuallySynced(profile.Name)
		Consistently(
			func(g Gomega) { g.Expect(uids(namespace)).To(Equal(before)) },
		).WithTimeout(3 * time.Second).
			Should(Succeed())
		EventuallySuspended(profile, namespace)

		By("and not where another does")
		other, beside := Governed()
		EventuallyEstablished(other, beside)
		for _, mark := range marks {
			mark(beside, profile.Name)
			EventuallyEstablished(other, beside)
		}
		Update(profile, mends)
		EventuallyEstablished(profile, namespace)
		Expect(uids(namespace)).To(Equal(before))
	})
})
