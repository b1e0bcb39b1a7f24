package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// ConsistentlyUntouched checks that nothing of ours is in a namespace and that nothing comes.
func ConsistentlyUntouched(namespace string) {
	GinkgoHelper()
	Consistently(func(g Gomega) { ExpectUntouched(g, namespace) }).WithTimeout(500 * time.Millisecond).Should(Succeed())
}

// EventuallyUntouched waits until nothing of ours is left in a namespace.
func EventuallyUntouched(namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) { ExpectUntouched(g, namespace) }).Should(Succeed())
}

func ExpectUntouched(g Gomega, namespace string) {
	GinkgoHelper()
	managed := Managed(g, namespace)
	g.Expect(managed).To(HaveLen(1), "nothing but the namespace itself")
	for key := range managed[0].GetLabels() {
		g.Expect(key).NotTo(Or(HavePrefix("pod-security.kubernetes.io/"), Equal(v1alpha1.ProfileLabel)))
	}
	reports := &v1alpha1.NamespacePostureList{}
	g.Expect(admin.List(ctx, reports, client.InNamespace(namespace))).To(Succeed())
	g.Expect(reports.Items).To(BeEmpty())
}

var _ = Describe("Selection", func() {
	It("leaves out what is excluded by name or glob, protected, or not selected", func() {
		name := UniqueName()
		profile := fixture.Profile(name, fixture.OnlyNetwork, func(p *v1alpha1.SecurityProfile) {
			p.Spec.ExcludeNamespaces = []string{name + "-out", name + "-ci-*"}
		})
		in, out, glob, protected, other := name+"-in", name+"-out", name+"-ci-1", "protected-"+name, name+"-other"
		ExpectCreated(
			fixture.Namespace(in, name), fixture.Namespace(out, name), fixture.Namespace(glob, name),
			fixture.Namespace(protected, name), fixture.Namespace(other, "another"), profile)
		EventuallyEstablished(profile, in)
		for _, namespace := range []string{out, glob, protected, other} {
			ConsistentlyUntouched(namespace)
		}
		EventuallyReady(profile)
		Expect(profile.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{Selected: 1, Compliant: 1}))
	})

	It("follows a namespace that gains and loses its labels", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		Update(theNamespace(namespace), func(o client.Object) { delete(o.GetLabels(), "suite") })
		EventuallyUntouched(namespace)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.Namespaces.Selected).To(BeZero())
		}).Should(Succeed())
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = profile.Name })
		EventuallyEstablished(profile, namespace)
	})

	It("gives a namespace that several select to the highest priority, and of equals to the smaller name", func() {
		low, namespace := Governed(fixture.OnlyNetwork, fixture.WithPriority(1))
		EventuallyEstablished(low, namespace)
		b := fixture.Profile(low.Name+"-b", fixture.Selecting(low.Name), fixture.WithPriority(5))
		ExpectCreated(b)
		EventuallyEstablished(b, namespace)
		a := fixture.Profile(low.Name+"-a", fixture.Selecting(low.Name), fixture.WithPriority(5))
		ExpectCreated(a)
		EventuallyEstablished(a, namespace)
		for _, overridden := range []*v1alpha1.SecurityProfile{low, b} {
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(overridden), overridden)).To(Succeed())
				g.Expect(overridden.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{Overridden: 1}))
			}).Should(Succeed())
		}
		Update(low, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 9 })
		EventuallyEstablished(low, namespace)
	})

	It("hands a namespace over with no instant without a default-deny", func() {
		first, namespace := Governed(fixture.WithPriority(1))
		EventuallyEstablished(first, namespace)
		clients, err := kubernetes.NewForConfig(plane.Config)
		Expect(err).NotTo(HaveOccurred())
		watch, err := clients.NetworkingV1().NetworkPolicies(namespace).Watch(ctx, metav1.ListOptions{
			FieldSelector: "metadata.name=bulwark-default-deny"})
		Expect(err).NotTo(HaveOccurred())
		changes := make(chan []string)
		go func() {
			var seen []string
			for e := range watch.ResultChan() {
				if policy, ok := e.Object.(*networkingv1.NetworkPolicy); ok {
					seen = append(seen, string(e.Type)+" "+policy.Labels[v1alpha1.ProfileLabel])
				}
			}
			changes <- seen
		}()

		second := fixture.Profile(
			first.Name+"-second",
			fixture.OnlyNetwork,
			fixture.Selecting(first.Name),
			fixture.WithPriority(2),
		)
		ExpectCreated(second)
		EventuallyEstablished(second, namespace)
		Expect(admin.Delete(ctx, second)).To(Succeed())
		EventuallyGone(second)
		EventuallyEstablished(first, namespace)

		watch.Stop()
		Expect(<-changes).To(Equal([]string{
			"ADDED " + first.Name, "MODIFIED " + second.Name, "MODIFIED " + first.Name}))
	})
})

var _ = Describe("Deleting a profile", func() {
	It(
		"goes through though its name is on another maker's object, which the profile that governs there leaves alone",
		func() {
			profile, _ := Governed(fixture.OnlyNetwork)
			bulwark.Stop()
			other := fixture.Profile(UniqueName(), fixture.OnlyNetwork)
			namespace := fixture.Namespace(other.Name+"-a", other.Name)
			bearing := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace.Name,
				Name:      "bulwark-default-deny",
				Labels:    map[string]string{v1alpha1.ProfileLabel: profile.Name},
			}}
			ExpectCreated(namespace, bearing, other)
			bulwark = startOperator()
			EventuallyReported(other, namespace.Name)
			Expect(admin.Delete(ctx, profile)).To(Succeed())
			EventuallyGone(profile)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(bearing), bearing)).To(Succeed())
		},
	)

	It("removes its baseline everywhere, and leaves what is not its own", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		foreign := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tenants-own"}}
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
		EventuallyUntouched(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(foreign), foreign)).To(Succeed())
		account := &corev1.ServiceAccount{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, account)).To(Succeed())
		Expect(account.AutomountServiceAccountToken).To(BeNil())
	})

	It("leaves the baseline in place with Retain, and a new profile takes it up again", func() {
		profile, namespace := Governed(fixture.Retained)
		EventuallyEstablished(profile, namespace)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)

		kept := &networkingv1.NetworkPolicy{}
		key := client.ObjectKey{Namespace: namespace, Name: "bulwark-default-deny"}
		Consistently(func(g Gomega) { // Long enough for the garbage collector to act, if it had a reason to.
			g.Expect(admin.Get(ctx, key, kept)).To(Succeed())
			g.Expect(kept.OwnerReferences).To(BeEmpty())
			g.Expect(kept.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
		}).Should(Succeed())
		ns := theNamespace(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
		Expect(ns.GetLabels()).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
		Expect(ns.GetLabels()).NotTo(HaveKey(v1alpha1.ProfileLabel))

		again := fixture.Profile(profile.Name)
		ExpectCreated(again)
		EventuallyEstablished(again, namespace)
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
	})

	It("is not held up by a forged binding, which grants more than the operator may write", func() {
		profile, namespace := Governed(fixture.Retained)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		forged := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace,
				Name:      "forged",
				Labels:    map[string]string{v1alpha1.ProfileLabel: profile.Name},
			},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		}
		ExpectCreated(forged)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(profile)
		EventuallyGone(forged)
		kept := &corev1.ResourceQuota{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-compute"}, kept)).To(Succeed())
	})

	It("is carried out when the operator comes back, if it was down", func() {
		removed, removedFrom := Governed()
		retained, retainedIn := Governed(fixture.Retained)
		EventuallyEstablished(removed, removedFrom)
		EventuallyEstablished(retained, retainedIn)
		bulwark.Stop()
		Expect(admin.Delete(ctx, removed)).To(Succeed())
		Expect(admin.Delete(ctx, retained)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(removed)
		EventuallyGone(retained)
		EventuallyUntouched(removedFrom)
		kept := &corev1.ResourceQuota{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: retainedIn, Name: "bulwark-compute"}, kept)).To(Succeed())
	})
})

var _ = Describe("A namespace that goes", func() {
	It("leaves no error and nothing behind, and can come again", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		for range 2 {
			ns := theNamespace(namespace)
			Expect(admin.Delete(ctx, ns)).To(Succeed())
			EventuallyGone(ns)
			Consistently(func() error { // An apply that came too late must not bring it back.
				return client.IgnoreNotFound(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns))
			}).WithTimeout(500 * time.Millisecond).Should(Succeed())
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).NotTo(Succeed())
			ExpectCreated(fixture.Namespace(namespace, profile.Name))
			EventuallyEstablished(profile, namespace)
			Expect(ReportOn(Default, namespace).Drift).To(BeEmpty(), "it is another namespace")
		}
		EventuallyReady(profile)
	})

	It("is not made anew by an apply that comes too late", func() {
		name := UniqueName() // Has the API server never seen; by its UID, an apply says that it means one that is there.
		late := corev1ac.Namespace(name).
			WithUID("11111111-2222-3333-4444-555555555555").
			WithLabels(map[string]string{"late": "yes"})
		err := admin.Apply(ctx, late, client.FieldOwner(v1alpha1.FieldManager), client.ForceOwnership)
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		ns := theNamespace(name)
		Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns))).To(BeTrue())
	})

	It("does not hold up the deletion of its profile while it terminates", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		stuck := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "stuck", Finalizers: []string{"example.com/stay"}}}
		Expect(admin.Create(ctx, stuck)).To(Succeed())
		Expect(admin.Delete(ctx, theNamespace(namespace))).To(Succeed())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
		Update(stuck, func(o *corev1.ConfigMap) { o.Finalizers = nil })
		EventuallyGone(theNamespace(namespace))
	})
})
