package integration

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	countPolicies = "count/networkpolicies.networking.k8s.io"
	objectsQuota  = "bulwark-objects"
)

// countingPolicies bounds how many NetworkPolicies there are, as docs/security.md advises, with
// room for the baseline's two and more.
func countingPolicies(most string) func(*v1alpha1.SecurityProfile) {
	return func(profile *v1alpha1.SecurityProfile) {
		profile.Spec.Quotas = quotaOf("objects", countPolicies, most)
		profile.Spec.Network.AllowDNS = nil
		profile.Spec.Network.DefaultDeny = []networkingv1.PolicyType{"Ingress"}
	}
}

func tenantPolicy(namespace, name string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			PolicyTypes: []networkingv1.PolicyType{"Ingress"},
		},
	}
}

func theDeny(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"}}
}

// fill makes objects until the quota refuses them.
func fill(make func(i int) client.Object) {
	GinkgoHelper()
	for i := range 100 {
		if err := admin.Create(ctx, make(i)); err != nil {
			Expect(err).To(MatchError(ContainSubstring("exceeded quota: ")))
			return
		}
	}
	Fail("the quota refuses nothing")
}

// fillWhileGone deletes an object of ours while the operator does not run, and lets a tenant take
// its place. All else is taken already, so that the place is free only when kube-controller-manager
// has counted that the object is gone.
func fillWhileGone(ours client.Object, make func(i int) client.Object) {
	GinkgoHelper()
	bulwark.Stop()
	defer func() { bulwark = startOperator() }()
	fill(make)
	// kube-controller-manager would keep a usage that it believes to be right by a status that it
	// has not heard of yet. Once it counts a quota that was made since, it has.
	EventuallyQuotasCount("services")
	Expect(admin.Delete(ctx, ours)).To(Succeed())
	Eventually(func() error { return admin.Create(ctx, make(1000)) }).Should(Succeed(), "nobody counts what is gone")
}

// ExpectClosed waits until a quota declares and enforces what it should.
func ExpectClosed(namespace, name, entry, most string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		quota := liveQuota(g, namespace, name)
		for _, hard := range []corev1.ResourceList{quota.Spec.Hard, quota.Status.Hard} {
			amount := hard[corev1.ResourceName(entry)]
			g.Expect(amount.String()).To(Equal(most))
		}
	}).Should(Succeed())
}

// ExpectNoTampering checks that nobody is said to have changed a quota.
func ExpectNoTampering(namespace string) {
	GinkgoHelper()
	for _, entry := range ReportOn(Default, namespace).Drift {
		Expect(entry.Object.Kind).NotTo(Equal("ResourceQuota"), "%+v", entry)
	}
}

// EventuallyCounted waits until kube-controller-manager counts a kind: it looks for new ones every
// 30 s, and does not look again at quotas that were there before.
func EventuallyQuotasCount(entry string) {
	GinkgoHelper()
	const name = "probe"
	Eventually(func(g Gomega) {
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceName(entry): *resourceQuantity("9")}},
		}
		g.Expect(admin.Create(ctx, quota)).To(Succeed())
		defer func() { Expect(admin.Delete(ctx, quota)).To(Succeed()) }()
		g.Eventually(func(g Gomega) {
			g.Expect(liveQuota(g, "default", name).Status.Used).To(HaveKey(corev1.ResourceName(entry)))
		}).WithTimeout(2 * time.Second).Should(Succeed())
	}).WithTimeout(time.Minute).Should(Succeed())
}

var _ = Describe("A quota of the baseline that a tenant has filled", func() {
	It("does not keep the default-deny out: it is opened for that write and closed again", func() {
		profile, namespace := Governed(countingPolicies("3"))
		EventuallyEstablished(profile, namespace)
		fillWhileGone(
			theDeny(namespace),
			func(i int) client.Object { return tenantPolicy(namespace, fmt.Sprint("tenant-", i)) },
		)

		EventuallyEstablished(profile, namespace)
		ExpectClosed(namespace, objectsQuota, countPolicies, "3")
		Expect(
			admin.Create(ctx, tenantPolicy(namespace, "more")),
		).To(MatchError(ContainSubstring("exceeded quota: " + objectsQuota)))
		ExpectNoTampering(namespace)
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventOpened))
		finding := EventuallyFound(namespace, "ResourceQuota", objectsQuota, v1alpha1.FindingIDQuotaExceeded)
		Expect(finding.Message).To(ContainSubstring(countPolicies))
		EventuallyReady(profile)

		Expect(admin.Delete(ctx, tenantPolicy(namespace, "tenant-1000"))).To(Succeed())
		EventuallyNothingFound(namespace)
	})

	It("does not do so while the tenant goes on filling it", func() {
		profile, namespace := Governed(countingPolicies("3"))
		EventuallyEstablished(profile, namespace)
		flood, stop := context.WithCancel(ctx)
		flooded := make(chan int)
		for worker := range 4 {
			go func() {
				n := 0
				for i := 0; flood.Err() == nil; i++ {
					if admin.Create(flood, tenantPolicy(namespace, fmt.Sprintf("flood-%d-%d", worker, i))) == nil {
						n++
					}
				}
				flooded <- n
			}()
		}
		for range 3 {
			uid := theDeny(namespace)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(uid), uid)).To(Succeed())
			Expect(admin.Delete(ctx, uid.DeepCopy())).To(Succeed())
			Eventually(func(g Gomega) {
				again := theDeny(namespace)
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(again), again)).To(Succeed())
				g.Expect(again.UID).NotTo(Equal(uid.UID))
			}).WithTimeout(5 * time.Second).Should(Succeed())
		}
		stop()
		sum := 0
		for range 4 {
			sum += <-flooded
		}
		GinkgoWriter.Println("the tenant made", sum)
		Expect(sum).To(BeNumerically("<", 60), "the quota bounds the tenant all the same")
		EventuallyEstablished(profile, namespace)
		ExpectClosed(namespace, objectsQuota, countPolicies, "3")
		ExpectNoTampering(namespace)
	})

	It("does not do so while nothing is counted, nor under tamper protection", func() {
		profile, namespace := Governed(countingPolicies("3"), func(p *v1alpha1.SecurityProfile) {
			p.Spec.Protection = &v1alpha1.Protection{
				Tamper:           v1alpha1.ProhibitionForbid,
				BreakGlassGroups: []string{fixture.BreakGlass},
			}
		})
		EventuallyEstablished(profile, namespace)
		EventuallyPoliced(profile)
		fill(func(i int) client.Object { return tenantPolicy(namespace, fmt.Sprint("tenant-", i)) })
		whileNothingIsCounted()
		breaksGlass := impersonating("operator-on-call", fixture.BreakGlass, "system:masters")
		Expect(breaksGlass.Delete(ctx, theDeny(namespace))).To(Succeed()) // The usage that is known stays as it was.
		EventuallyEstablished(profile, namespace)
		ExpectClosed(namespace, objectsQuota, countPolicies, "3")
		ExpectNoTampering(namespace)
	})

	for kind, tt := range map[string]struct {
		entries []string // with their amounts: what the baseline makes, and one more
		ours    client.Object
		make    func(meta metav1.ObjectMeta) client.Object
	}{
		"a LimitRange": {
			[]string{"count/limitranges", "2"}, &corev1.LimitRange{ObjectMeta: tenants("bulwark-limits")},
			func(meta metav1.ObjectMeta) client.Object { return &corev1.LimitRange{ObjectMeta: meta} },
		},
		"a ResourceQuota, by the name that it has of old": {
			[]string{"resourcequotas", "3"}, &corev1.ResourceQuota{ObjectMeta: tenants(aQuota)},
			func(meta metav1.ObjectMeta) client.Object { return &corev1.ResourceQuota{ObjectMeta: meta} },
		},
		"a ResourceQuota, by both names": {
			[]string{"resourcequotas", "3", "count/resourcequotas", "3"}, &corev1.ResourceQuota{ObjectMeta: tenants(aQuota)},
			func(meta metav1.ObjectMeta) client.Object { return &corev1.ResourceQuota{ObjectMeta: meta} },
		},
		"a ServiceAccount": {
			[]string{"count/serviceaccounts", "3"}, &corev1.ServiceAccount{ObjectMeta: tenants("bulwark-app")},
			func(meta metav1.ObjectMeta) client.Object { return &corev1.ServiceAccount{ObjectMeta: meta} },
		},
		"a Role": {
			[]string{"count/roles.rbac.authorization.k8s.io", "2"}, &rbacv1.Role{ObjectMeta: tenants("bulwark-developer")},
			func(meta metav1.ObjectMeta) client.Object { return &rbacv1.Role{ObjectMeta: meta} },
		},
		"a RoleBinding": {
			[]string{"count/rolebindings.rbac.authorization.k8s.io", "3"}, &rbacv1.RoleBinding{ObjectMeta: tenants("bulwark-viewers")},
			func(meta metav1.ObjectMeta) client.Object {
				binding := roleBinding(meta.Name, "view", group("developers"))
				binding.ObjectMeta = meta
				return binding
			},
		},
	} {
		It("does not keep "+kind+" out", func() {
			profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
				p.Spec.Quotas = append(p.Spec.Quotas, quotaOf("objects", tt.entries...)...)
			})
			EventuallyEstablished(profile, namespace)
			ours := tt.ours.DeepCopyObject().(client.Object)
			ours.SetNamespace(namespace)
			fillWhileGone(ours, func(i int) client.Object {
				return tt.make(metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("tenant-", i)})
			})
			EventuallyEstablished(profile, namespace)
			for i := 0; i < len(tt.entries); i += 2 {
				ExpectClosed(namespace, objectsQuota, tt.entries[i], tt.entries[i+1])
			}
			for _, entry := range ReportOn(Default, namespace).Drift {
				Expect(entry.Object.Name).NotTo(Equal(objectsQuota), "%+v", entry)
			}
		})
	}

	It("does not keep the report out", func() {
		const countReports = "count/namespacepostures.security.bulwark.dev"
		EventuallyQuotasCount(countReports)
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = quotaOf("objects", countReports, "1")
		})
		EventuallyEstablished(profile, namespace)
		whileNothingIsCounted() // So the report is still counted when it is gone.
		report := ReportOn(Default, namespace)
		Expect(admin.Delete(ctx, report)).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, namespace).UID).NotTo(Equal(report.UID)) }).Should(Succeed())
		ExpectClosed(namespace, objectsQuota, countReports, "1")
	})

	It("does not do so either when its usage is unknown, so that it refuses everybody", func() {
		profile, namespace := Governed(countingPolicies("9"))
		EventuallyEstablished(profile, namespace)
		whileNothingIsCounted()
		patchStatus(namespace, objectsQuota, `{"used":{"`+countPolicies+`":null}}`)
		Eventually(func() error { return admin.Create(ctx, tenantPolicy(namespace, "tenant"), client.DryRunAll) }).
			Should(MatchError(ContainSubstring("status unknown for quota: " + objectsQuota)))
		Expect(admin.Delete(ctx, theDeny(namespace))).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(Differences(g, profile, namespace)).To(BeEmpty()) }).Should(Succeed())
		ExpectClosed(namespace, objectsQuota, countPolicies, "9")
		EventuallyObject(namespace, "ResourceQuota", objectsQuota, v1alpha1.ObjectStateUncounted)
	})

	It("does not do so together with others that count the same", func() {
		profile, namespace := Governed(countingPolicies("3"), func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = append(p.Spec.Quotas, quotaOf("more-objects", countPolicies, "3", "services", "5")...)
		})
		EventuallyEstablished(profile, namespace)
		fillWhileGone(
			theDeny(namespace),
			func(i int) client.Object { return tenantPolicy(namespace, fmt.Sprint("tenant-", i)) },
		)
		EventuallyEstablished(profile, namespace)
		ExpectClosed(namespace, objectsQuota, countPolicies, "3")
		ExpectClosed(namespace, "bulwark-more-objects", countPolicies, "3")
		ExpectNoTampering(namespace)
	})

	It("does not keep out what a change of the profile brings, nor what the next profile does", func() {
		profile, namespace := Governed(countingPolicies("2"))
		EventuallyEstablished(profile, namespace)
		Update(profile, func(p *v1alpha1.SecurityProfile) { // It is made before the other goes.
			p.Spec.Network.AllowSameNamespace = nil
			p.Spec.Network.Policies = []v1alpha1.NetworkPolicy{{Name: "web", Spec: tenantPolicy("", "").Spec}}
		})
		EventuallyEstablished(profile, namespace)
		next := fixture.Profile(
			UniqueName(),
			fixture.Selecting(profile.Name),
			fixture.WithPriority(1),
			func(p *v1alpha1.SecurityProfile) {
				p.Spec.Quotas = nil
			},
		)
		ExpectCreated(next)
		EventuallyEstablished(next, namespace)
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
	})

	It("does not keep out what has to be made anew, since it is immutable", func() {
		const countBindings = "count/rolebindings.rbac.authorization.k8s.io"
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = append(p.Spec.Quotas, quotaOf("objects", countBindings, "2")...)
		})
		EventuallyEstablished(profile, namespace)
		whileNothingIsCounted()
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[0].ClusterRole = "edit" })
		EventuallyEstablished(profile, namespace)
		ExpectClosed(namespace, objectsQuota, countBindings, "2")
	})

	It("is closed again after an operator that died before it could", func() {
		profile, namespace := Governed(countingPolicies("3"))
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		patchStatus(namespace, objectsQuota, `{"hard":{"`+countPolicies+`":"9"}}`, client.FieldOwner(v1alpha1.FieldManager))
		bulwark = startOperator()
		ExpectClosed(namespace, objectsQuota, countPolicies, "3")
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
	})
})

var _ = Describe("A quota of another maker", func() {
	It("is not opened, whatever its name is", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		for _, quota := range []string{"tenants", objectsQuota} {
			Expect(admin.Create(ctx, &corev1.ResourceQuota{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: quota},
				Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{countPolicies: *resourceQuantity("0")}},
			})).To(Succeed())
			Eventually(func(g Gomega) {
				g.Expect(liveQuota(g, namespace, quota).Status.Used).To(HaveKey(corev1.ResourceName(countPolicies)))
			}).Should(Succeed())
		}
		profile := fixture.Profile(name, countingPolicies("3"))
		ExpectCreated(profile)
		deny := EventuallyObject(namespace, "NetworkPolicy", "bulwark-default-deny", v1alpha1.ObjectStateFailed)
		Expect(deny.Message).To(And(ContainSubstring("exceeded quota: "), ContainSubstring("remedy: raise the quota")))
		for _, quota := range []string{"tenants", objectsQuota} {
			for _, w := range operatorWrites() {
				written := w.ResponseStatus < 300 && w.Resource == "resourcequotas" && w.Namespace == namespace && w.Name == quota
				Expect(written).To(BeFalse(), "%+v", w)
			}
		}
		Expect(admin.Delete(ctx, liveQuota(Default, namespace, "tenants"))).To(Succeed())
		Expect(admin.Delete(ctx, liveQuota(Default, namespace, objectsQuota))).To(Succeed())
		EventuallyEstablished(profile, namespace)
	})
})
