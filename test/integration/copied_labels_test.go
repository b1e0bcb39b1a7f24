package integration

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// aCopy is what a copier makes of a managed object of another namespace: it keeps the labels and
// drops the owner.
func aCopy(namespace, profile string) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "copied-limits", Labels: map[string]string{
			v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile, "copier.example.com/from": "elsewhere",
		}},
		Spec: corev1.LimitRangeSpec{
			Limits: []corev1.LimitRangeItem{
				{Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{"memory": *resourceQuantity("128Mi")}},
			},
		},
	}
}

// startCopier makes the copy, and makes it again whenever it is gone.
func startCopier(copied *corev1.LimitRange) (stop func()) {
	GinkgoHelper()
	ExpectSource(copied.Namespace)
	return startRival(
		&corev1.LimitRange{},
		copied.Namespace,
		func(ctx context.Context, c client.Client, _ reconcile.Request) error {
			err := c.Create(ctx, copied.DeepCopy(), client.FieldOwner("copier"))
			if apierrors.IsAlreadyExists(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
				return nil
			}
			return client.IgnoreNotFound(err)
		},
	)
}

// ExpectSource creates what a copier hears of first, so that it is there when the operator hears of
// the copy. When the spec has ended, it leaves no copy that waits for its removal: an operator that
// is started by a later spec would remove it at once.
func ExpectSource(namespace string) {
	GinkgoHelper()
	DeferCleanup(func() {
		Expect(
			admin.DeleteAllOf(ctx, &corev1.LimitRange{}, client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel}),
		).To(Succeed())
	})
	ExpectCreated(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "source"}})
}

// ExpectDamped checks that the operator removes copies from a namespace ever more seldom.
func ExpectDamped(namespace string) {
	GinkgoHelper()
	before := len(operatorWrites())
	Consistently(func() int { return corrections(before, "limitranges", namespace) }).WithTimeout(7 * time.Second).
		Should(BeNumerically("<=", 4))
	// Whatever has been so far: one after two seconds at the earliest, and then after twice as long
	// each time.
}

// unselectedNamespace is a namespace that no profile selects.
func unselectedNamespace() string {
	GinkgoHelper()
	name := UniqueName()
	ExpectCreated(fixture.Namespace(name, "nobodys"))
	return name
}

var _ = Describe("Who copies what Bulwark makes", func() {
	It(
		"into a governed namespace is damped and told, takes nothing of the baseline away, and is forgotten in the end",
		func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			stop := startCopier(aCopy(namespace, profile.Name))
			entry := ExpectContested(profile, namespace, "copier")
			Expect(entry.Change).To(Equal(v1alpha1.DriftChangeUnexpected))
			Expect(entry.Object.Name).To(Equal("copied-limits"))
			EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
			EventuallyCondition(profile, v1alpha1.ConditionCompliant, metav1.ConditionFalse)
			Expect(profile.Status.Conditions).To(ContainElement(HaveField("Message", And(
				ContainSubstring("LimitRange copied-limits"), ContainSubstring("copier"), ContainSubstring(namespace)))))
			report := ReportOn(Default, namespace)
			Expect(report.Summary.Contested).To(BeEquivalentTo(1))
			Expect(report.IsReady()).To(BeTrue(), "the baseline is in place")
			ExpectDamped(namespace)
			stop()
			EventuallyGone(aCopy(namespace, profile.Name))
			ExpectHealed(profile, namespace)
			EventuallyReady(profile)
		},
	)

	It("and labels what stays when its label goes, a ServiceAccount, is forgotten in the end, too", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
		label := client.RawPatch(
			types.MergePatchType,
			fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, v1alpha1.ProfileLabel, profile.Name),
		)
		stop := startRival(
			&corev1.ServiceAccount{},
			namespace,
			func(ctx context.Context, c client.Client, r reconcile.Request) error {
				if r.Name != account.Name {
					return nil
				}
				return client.IgnoreNotFound(c.Patch(ctx, account.DeepCopy(), label, client.FieldOwner("labeller")))
			},
		)
		ExpectContested(profile, namespace, "")
		stop()
		ExpectHealed(profile, namespace)
		EventuallyReady(profile)
		EventuallyQuiet()
		Expect(ReportOn(Default, namespace).Objects).NotTo(ContainElement(HaveField("Kind", "ServiceAccount")))
	})

	It("under ever new names cannot keep a profile that goes", func() {
		profile, governed := Governed(fixture.OnlyNetwork)
		namespace := unselectedNamespace()
		flood, stop := context.WithCancel(ctx)
		made, done := atomic.Int64{}, make(chan struct{})
		go func() {
			defer close(done)
			for flood.Err() == nil {
				o := aCopy(namespace, profile.Name)
				o.Name = fmt.Sprint("copied-", made.Add(1))
				_ = admin.Create(flood, o) // It ends with the spec.
				select {
				case <-flood.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}()
		defer func() {
			stop()
			<-done
			Expect(admin.DeleteAllOf(ctx, &corev1.LimitRange{}, client.InNamespace(namespace))).To(Succeed())
		}()
		Eventually(made.Load).WithTimeout(15 * time.Second).Should(BeNumerically(">", 40))
		deleteProfile(profile)
		EventuallyUnreported(governed)
	})

	DescribeTable(
		"into a namespace that nobody governs is damped and told there",
		func(change func(*v1alpha1.SecurityProfile), exists bool) {
			profile, _ := Governed(fixture.OnlyNetwork, change)
			namespace, label := unselectedNamespace(), profile.Name
			if !exists {
				label = "nobodys-" + profile.Name
			}
			stop := startCopier(aCopy(namespace, label))
			Eventually(func() []string { return eventReasons("Namespace", namespace) }).
				Should(ContainElements(v1alpha1.EventRemoved, v1alpha1.EventContested))
			name := profile.Name
			if !exists {
				name = "" // Whoever copies chooses the label.
			}
			Expect(metric("bulwark_contests_total", "profile", name, "kind", "LimitRange")).To(BeNumerically(">=", 1))
			ExpectDamped(namespace)
			stop()
			EventuallyGone(aCopy(namespace, label))
		},
		Entry("with the label of a profile", func(*v1alpha1.SecurityProfile) {}, true),
		Entry("with the label of a profile that is not there", func(*v1alpha1.SecurityProfile) {}, false),
	)

	It("with the label of a profile that retains, has its label taken off, damped", func() {
		profile, _ := Governed(fixture.OnlyNetwork, fixture.Retained)
		namespace := unselectedNamespace()
		copied := aCopy(namespace, profile.Name)
		Expect(admin.Create(ctx, copied)).To(Succeed())
		stop := startRival(
			&corev1.LimitRange{},
			namespace,
			func(ctx context.Context, c client.Client, request reconcile.Request) error {
				live := &corev1.LimitRange{}
				if err := c.Get(ctx, request.NamespacedName, live); err != nil || live.Labels[v1alpha1.ProfileLabel] != "" {
					return client.IgnoreNotFound(err)
				}
				live.Labels[v1alpha1.ProfileLabel] = profile.Name
				return c.Update(ctx, live, client.FieldOwner("copier"))
			},
		)
		Eventually(func() []string { return eventReasons("Namespace", namespace) }).
			Should(ContainElements(v1alpha1.EventRemoved, v1alpha1.EventContested))
		ExpectDamped(namespace)
		stop()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(copied), &corev1.LimitRange{})).To(Succeed())
	})

	It("under ever new names is damped, too", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		var n atomic.Int32
		ExpectSource(namespace)
		stop := startRival(
			&corev1.LimitRange{},
			namespace,
			func(ctx context.Context, c client.Client, request reconcile.Request) error {
				if err := c.Get(
					ctx,
					request.NamespacedName,
					&corev1.LimitRange{},
				); !apierrors.IsNotFound(err) &&
					request.Name != "source" {
					return err
				}
				fresh := aCopy(namespace, profile.Name)
				fresh.Name = fmt.Sprint("copy-", n.Add(1))
				return c.Create(ctx, fresh, client.FieldOwner("copier"))
			},
		)
		EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateContested })
		ExpectDamped(namespace)
		stop()
	})

	It("does not hold a profile back that is deleted, wherever the copies are", func() {
		profile, _ := Governed(fixture.OnlyNetwork)
		other, governed := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(other, governed)
		for _, namespace := range []string{governed, unselectedNamespace()} {
			startCopier(aCopy(namespace, profile.Name))
		}
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
	})

	It("into a protected namespace is left alone there, and told on the profile, which it does not hold back", func() {
		profile, _ := Governed(fixture.OnlyNetwork)
		protected := "protected-" + UniqueName()
		ExpectCreated(fixture.Namespace(protected, profile.Name))
		copied := aCopy(protected, profile.Name)
		Expect(admin.Create(ctx, copied)).To(Succeed())
		policy := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: protected, Name: "bulwark-default-deny", Labels: copied.Labels},
		}
		Expect(admin.Create(ctx, policy)).To(Succeed())
		Update(theNamespace(protected), func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = profile.Name })
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.FindingTotals).To(ConsistOf(v1alpha1.FindingTotal{
				ID: v1alpha1.FindingIDObjectInProtectedNamespace, Severity: v1alpha1.SeverityLow, Count: 3}))
		}).Should(Succeed())
		Eventually(
			func() []string { return eventReasons("SecurityProfile", profile.Name) },
		).Should(ContainElement(v1alpha1.EventProtected))

		By("telling the namespace, where there is no such profile")
		nobodys := aCopy(protected, "nobodys-"+profile.Name)
		nobodys.Name = "nobodys"
		Expect(admin.Create(ctx, nobodys)).To(Succeed())
		Eventually(
			func() []string { return eventReasons("Namespace", protected) },
		).Should(ContainElement(v1alpha1.EventProtected))

		EventuallyQuiet()
		before := operatorWrites()
		bulwark.Stop()
		bulwark = startOperator()
		EventuallySynced(profile.Name)
		Consistently(func() []string { return unlike(before, operatorWrites()) }).Should(BeEmpty())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
		for _, o := range []client.Object{copied, policy, nobodys} {
			uid := o.GetUID()
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
			Expect(o.GetUID()).To(Equal(uid))
			Expect(o.GetLabels()).To(HaveKey(v1alpha1.ProfileLabel))
		}
		for _, w := range operatorWrites() {
			Expect(w.Namespace).NotTo(Equal(protected), "%+v", w)
			Expect(w.Name).NotTo(Equal(protected), "%+v", w)
		}
	})
})

var _ = Describe("What is removed", func() {
	It("since the profile does not declare it any more is told by an event", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Network.AllowDNS, p.Spec.RBAC.Bindings = nil, nil })
		EventuallyEstablished(profile, namespace)
		Eventually(func() []string { return eventReasons("Namespace", namespace) }).Should(ConsistOf(v1alpha1.EventRemoved))
	})

	It("since it bears a label that is not its own is told by an event", func() {
		profile, _ := Governed(fixture.OnlyNetwork)
		namespace := unselectedNamespace()
		copied := aCopy(namespace, profile.Name)
		Expect(admin.Create(ctx, copied)).To(Succeed())
		EventuallyGone(copied)
		Eventually(func() []string { return eventReasons("Namespace", namespace) }).Should(ConsistOf(v1alpha1.EventRemoved))
	})

	DescribeTable(
		"of a namespace that leaves before its first report is no copy of anything",
		func(change func(*v1alpha1.SecurityProfile)) {
			whileNothingIsCounted() // Which keeps the report away for seconds.
			name := UniqueName()
			profile := fixture.Profile(name, func(p *v1alpha1.SecurityProfile) {
				change(p)
				p.Spec.Quotas = quotaOf("compute", "pods", "2")
			})
			namespace := fixture.Namespace(name+"-a", name)
			ExpectCreated(namespace, profile)
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: aQuota}}
			Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(quota), quota) }).
				WithPolling(5 * time.Millisecond).Should(Succeed())
			deselect(namespace.Name)
			EventuallyGone(quota)
			Eventually(func() map[string]string { return labelsOf(namespace.Name) }).ShouldNot(HaveKey(v1alpha1.ProfileLabel))
			Eventually(func() []string { return eventReasons("Namespace", namespace.Name) }).
				Should(And(ContainElement(v1alpha1.EventBaselineRemoved), Not(ContainElement(v1alpha1.EventRemoved))))
		},
		Entry("with a NetworkPolicy", fixture.OnlyNetwork),
		Entry("with a Pod Security level", atRestricted),
		Entry("with everything", func(*v1alpha1.SecurityProfile) {}),
	)

	It("in a namespace that a tenant labelled is told by an event", func() {
		profile, _ := Governed(fixture.OnlyNetwork)
		namespace := unselectedNamespace()
		copied := aCopy(namespace, profile.Name)
		Update(theNamespace(namespace), func(o client.Object) {
			o.SetLabels(map[string]string{v1alpha1.ProfileLabel: profile.Name})
		})
		Expect(admin.Create(ctx, copied)).To(Succeed())
		EventuallyGone(copied)
		Eventually(func() []string { return eventReasons("Namespace", namespace) }).
			Should(And(ContainElement(v1alpha1.EventRemoved), Not(ContainElement(v1alpha1.EventBaselineRemoved))))
	})
})
