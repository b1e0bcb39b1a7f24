package integration

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/faultproxy"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// grantable lets profiles grant reading of secrets, and waits until they may or, once it is deleted
// again, may not.
func grantable(name string) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.AggregateToGrantableLabel: "true"}},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch"}},
		},
	}
}

func EventuallyGrantable(matcher OmegaMatcher) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		aggregated := &rbacv1.ClusterRole{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Name: "bulwark-grantable"}, aggregated)).To(Succeed())
		g.Expect(aggregated.Rules).To(matcher)
	}).Should(Succeed())
}

var _ = Describe("A deleted profile that retains its baseline", func() {
	DescribeTable("is not held up by a binding", func(forge func(namespace string) *rbacv1.RoleBinding) {
		profile, namespace := Governed(fixture.Retained)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		binding := forge(namespace)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(profile)
		EventuallyGone(binding)
		kept := &corev1.ResourceQuota{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-compute"}, kept)).To(Succeed())
	},
		Entry("that is forged and whose Role is gone", func(namespace string) *rbacv1.RoleBinding {
			return forgedBinding(namespace, "Role")
		}),
		Entry("that is forged and whose ClusterRole is gone", func(namespace string) *rbacv1.RoleBinding {
			return forgedBinding(namespace, "ClusterRole")
		}),
		Entry("that is its own and whose Role is gone", func(namespace string) *rbacv1.RoleBinding {
			own := metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}
			Expect(admin.Delete(ctx, &rbacv1.Role{ObjectMeta: own})).To(Succeed())
			return &rbacv1.RoleBinding{ObjectMeta: own}
		}),
	)

	It("is not held up by its own binding, of which somebody stripped and loosened the role", func() {
		profile, namespace := Governed(fixture.Retained)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}}
		Update(role, func(r *rbacv1.Role) {
			r.SetLabels(nil)
			r.Rules = append(
				r.Rules,
				rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			)
		})
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(profile)
		EventuallyGone(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}})
	})

	It("is not held up by its own role, to which somebody added what the operator may not grant", func() {
		profile, namespace := Governed(fixture.Retained)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		tampers["adds a rule to a role"].do(namespace)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(profile)
		EventuallyGone(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}})
	})

	It("waits with its own role and binding while the operator may not grant them, and then leaves them", func() {
		secrets := grantable("grant-" + UniqueName())
		Expect(admin.Create(ctx, secrets)).To(Succeed())
		EventuallyGrantable(ContainElement(secrets.Rules[0]))
		profile, namespace := Governed(fixture.Retained, func(p *v1alpha1.SecurityProfile) {
			p.Spec.RBAC.Roles[0].Rules[0].Resources = []string{"secrets"}
		})
		EventuallyEstablished(profile, namespace)
		Expect(admin.Delete(ctx, secrets)).To(Succeed())
		EventuallyGrantable(Not(ContainElement(secrets.Rules[0])))

		Expect(admin.Delete(ctx, profile)).To(Succeed())
		key := client.ObjectKey{Namespace: namespace, Name: "bulwark-developer"}
		role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
		Eventually(func(g Gomega) { // The others are let go.
			quota := &corev1.ResourceQuota{}
			g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-compute"}, quota)).To(Succeed())
			g.Expect(quota.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
		}).Should(Succeed())
		Consistently(func(g Gomega) {
			g.Expect(admin.Get(ctx, key, role)).To(Succeed())
			g.Expect(admin.Get(ctx, key, binding)).To(Succeed())
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		}).Should(Succeed())

		again := grantable(secrets.Name)
		Expect(admin.Create(ctx, again)).To(Succeed())
		DeferCleanup(func() { Expect(admin.Delete(ctx, again)).To(Succeed()) })
		EventuallyGone(profile)
		Expect(admin.Get(ctx, key, role)).To(Succeed())
		Expect(admin.Get(ctx, key, binding)).To(Succeed())
		Expect(role.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
		Expect(binding.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
	})
})

var _ = Describe("A watch that breaks", func() {
	// breaking is a governed namespace. With the operator's next write to the path in it something
	// is done, and the watches break before they have told of the write. To await that ends the
	// faults.
	breaking := func(
		path string, then func(namespace string), change func(*v1alpha1.SecurityProfile),
	) (profile *v1alpha1.SecurityProfile, namespace string, await func()) {
		GinkgoHelper()
		profile, namespace = Governed(change)
		EventuallyEstablished(profile, namespace)
		proxy := behindProxy()
		Update(ReportOn(Default, namespace), func(r *v1alpha1.NamespacePosture) { r.Status = fixture.Ready(false) })
		EventuallyEstablished(profile, namespace) // It is at work.

		proxy.Set(faultproxy.Faults{Lag: 2 * time.Second}) // So that the watch cannot tell of the write before it breaks.
		broken := make(chan struct{})
		proxy.OnNextWrite(
			func(to string) bool { return strings.HasSuffix(to, "/"+namespace+path) },
			func() {
				defer GinkgoRecover()
				defer close(broken)
				then(namespace)
				proxy.ExpireWatches()
			},
		)
		return profile, namespace, func() {
			GinkgoHelper()
			Eventually(broken).Should(BeClosed())
			proxy.Set(faultproxy.Faults{})
		}
	}

	It("while an object is abandoned keeps no later list of its kind waiting for the object", func() {
		profile, namespace, await := breaking("/resourcequotas/bulwark-compute", func(string) {}, fixture.Retained)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		await()
		EventuallyGone(profile)
		Expect(
			admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-compute"}, &corev1.ResourceQuota{}),
		).To(Succeed())
	})

	It("while a correction is undone keeps no later pass waiting for the correction", func() {
		policy := func(namespace string) client.Object {
			return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"}}
		}
		profile, namespace, await := breaking("/networkpolicies",
			func(namespace string) { Expect(admin.Delete(ctx, policy(namespace))).To(Succeed()) }, fixture.OnlyNetwork)
		Expect(admin.Delete(ctx, policy(namespace))).To(Succeed())
		await()
		EventuallyEstablished(profile, namespace)
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, namespace).DriftTotal).To(BeEquivalentTo(2)) }).Should(Succeed())
	})
})

// forgedBinding makes a binding that bears the label of the namespace's profile, to a role that is
// not there.
func forgedBinding(namespace, roleKind string) *rbacv1.RoleBinding {
	GinkgoHelper()
	ns := theNamespace(namespace)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	forged := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "forged", Labels: map[string]string{
			v1alpha1.ProfileLabel: ns.GetLabels()[v1alpha1.ProfileLabel],
		}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: roleKind, Name: "forged"},
	}
	Expect(admin.Create(ctx, forged)).To(Succeed())
	return forged
}

var _ = Describe("What somebody strips of our labels and owner while the operator is down", func() {
	granted := func(namespace string) []client.Object {
		own := metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}
		account := metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-app"}
		return []client.Object{
			&rbacv1.Role{ObjectMeta: own},
			&rbacv1.RoleBinding{ObjectMeta: own},
			&corev1.ServiceAccount{ObjectMeta: account},
		}
	}
	expectDefaultAccountReleased := func(namespace string) {
		GinkgoHelper()
		account := &corev1.ServiceAccount{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, account)).To(Succeed())
		Expect(account.AutomountServiceAccountToken).To(BeNil())
	}
	withoutRole := func(p *v1alpha1.SecurityProfile) {
		p.Spec.RBAC.Roles, p.Spec.RBAC.ServiceAccounts = nil, nil
	}
	// stripped is a namespace whose grants, default service account and own label were stripped,
	// and in which the administrator then did something.
	stripped := func(then func(*v1alpha1.SecurityProfile, string), changes ...func(*v1alpha1.SecurityProfile)) (*v1alpha1.SecurityProfile, string) {
		profile, namespace := Governed(changes...)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
		for _, o := range append(granted(namespace), account) {
			Update(o, func(o client.Object) {
				o.SetLabels(nil)
				o.SetOwnerReferences(nil)
			})
		}
		Update(theNamespace(namespace), func(o client.Object) { delete(o.GetLabels(), v1alpha1.ProfileLabel) })
		then(profile, namespace)
		bulwark = startOperator()
		return profile, namespace
	}
	deselect := func(_ *v1alpha1.SecurityProfile, namespace string) {
		Update(theNamespace(namespace), func(o client.Object) { delete(o.GetLabels(), "suite") })
	}
	remove := func(profile *v1alpha1.SecurityProfile, _ string) { Expect(admin.Delete(ctx, profile)).To(Succeed()) }

	It("goes when it is declared no more", func() {
		profile, namespace := stripped(func(p *v1alpha1.SecurityProfile, _ string) { Update(p, withoutRole) })
		for _, o := range granted(namespace) {
			EventuallyGone(o)
		}
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Drift).NotTo(ContainElement(HaveField("Change", v1alpha1.DriftChangeUnexpected)))
	})

	DescribeTable("goes when another profile takes the namespace over", func(changes ...func(*v1alpha1.SecurityProfile)) {
		var second *v1alpha1.SecurityProfile
		_, namespace := stripped(func(p *v1alpha1.SecurityProfile, _ string) {
			second = fixture.Profile(p.Name+"-b", fixture.OnlyNetwork, fixture.Selecting(p.Name), fixture.WithPriority(5))
			ExpectCreated(second)
		}, changes...)
		for _, o := range granted(namespace) {
			EventuallyGone(o)
		}
		EventuallyEstablished(second, namespace)
		expectDefaultAccountReleased(namespace)
	},
		Entry("from one that deletes"),
		Entry("from one that retains", fixture.Retained),
	)

	DescribeTable("goes", func(then func(*v1alpha1.SecurityProfile, string)) {
		_, namespace := stripped(then)
		EventuallyUntouched(namespace)
		for _, o := range granted(namespace) {
			EventuallyGone(o)
		}
		expectDefaultAccountReleased(namespace)
	},
		Entry("when the namespace is selected no more", deselect),
		Entry("when the profile is deleted", remove),
	)

	It("goes when the profile is deleted and one that audits selects the namespace", func() {
		_, namespace := stripped(func(p *v1alpha1.SecurityProfile, namespace string) {
			ExpectCreated(fixture.Profile(p.Name+"-audit", fixture.OnlyNetwork, fixture.Audited, fixture.Selecting(p.Name)))
			remove(p, namespace)
		})
		for _, o := range granted(namespace) {
			EventuallyGone(o)
		}
	})

	DescribeTable("stays", func(then func(*v1alpha1.SecurityProfile, string), changes ...func(*v1alpha1.SecurityProfile)) {
		profile, namespace := stripped(then, changes...)
		retained := profile.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain
		if retained {
			EventuallyUnreported(namespace)
		} else {
			EventuallyReported(profile, namespace)
		}
		Consistently(func(g Gomega) {
			for _, o := range granted(namespace) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
				g.Expect(drift.Ours(o.(baseline.Object))).To(Equal(retained), "whether a later profile recognises it")
			}
		}).WithTimeout(time.Second).Should(Succeed())
	},
		Entry("when a profile that retains selects the namespace no more", deselect, fixture.Retained),
		Entry("when a profile that retains is deleted", remove, fixture.Retained),
		Entry("when the profile only audits by now", func(p *v1alpha1.SecurityProfile, _ string) {
			Update(p, func(p *v1alpha1.SecurityProfile) { withoutRole(p); fixture.Audited(p) })
		}),
	)

	It("goes in a handover, also if it bears the label yet that says who made it", func() {
		first, namespace := Governed(fixture.Retained)
		EventuallyEstablished(first, namespace)
		bulwark.Stop()
		for _, o := range granted(namespace) {
			Update(o, func(o client.Object) { delete(o.GetLabels(), v1alpha1.ProfileLabel) })
		}
		second := fixture.Profile(first.Name+"-b", withoutRole, fixture.Selecting(first.Name), fixture.WithPriority(5))
		ExpectCreated(second)
		bulwark = startOperator()
		for _, o := range granted(namespace) {
			EventuallyGone(o)
		}
		EventuallyEstablished(second, namespace)
	})

	It("goes in a handover, also if deleting it fails at first", func() {
		var second *v1alpha1.SecurityProfile
		var permit func()
		_, namespace := stripped(func(p *v1alpha1.SecurityProfile, namespace string) {
			permit = forbidDeletionOfRoles(namespace)
			second = fixture.Profile(p.Name+"-b", withoutRole, fixture.Selecting(p.Name), fixture.WithPriority(5))
			ExpectCreated(second)
		})
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Objects).To(ContainElement(And(HaveField("Kind", "Role"),
				HaveField("State", v1alpha1.ObjectStateFailed), HaveField("Message", ContainSubstring("cannot be deleted")))))
		}).Should(Succeed())
		permit()
		for _, o := range granted(namespace) {
			EventuallyGone(o)
		}
		EventuallyEstablished(second, namespace)
	})

	It("stays a tenant's where the report is forged", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		own := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tenants-own"}}
		Expect(admin.Create(ctx, own)).To(Succeed())
		Update(ReportOn(Default, namespace), func(r *v1alpha1.NamespacePosture) {
			r.Objects = append(r.Objects, v1alpha1.ManagedObject{
				ObjectReference: v1alpha1.ObjectReference{
					APIVersion: rbacv1.SchemeGroupVersion.String(),
					Kind:       "Role",
					Name:       own.Name,
				},
				State: v1alpha1.ObjectStateCompliant,
			})
		})
		bulwark = startOperator()
		EventuallyEstablished(profile, namespace)
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Objects).NotTo(ContainElement(HaveField("Name", own.Name)))
		}).Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(own), own)).To(Succeed())
	})
})

var _ = Describe("What a profile that retains has abandoned", func() {
	It("stays, if the operator dies before it has abandoned the rest, and another profile takes over", func() {
		first, namespace := Governed(fixture.Retained)
		EventuallyEstablished(first, namespace)
		proxy := behindProxy()
		cut := make(chan struct{})
		proxy.OnNextWrite(
			func(to string) bool { return strings.HasSuffix(to, "/"+namespace+"/roles/bulwark-developer") },
			func() {
				proxy.Isolate()
				close(cut)
			},
		)
		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(cut).Should(BeClosed())
		bulwark.Stop()
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(role), role)).To(Succeed())
		Expect(role.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
		Expect(ReportOn(Default, namespace).Profile).To(Equal(first.Name))

		second := fixture.Profile(
			first.Name+"-b",
			fixture.OnlyNetwork,
			fixture.Selecting(first.Name),
			fixture.WithPriority(5),
		)
		ExpectCreated(second)
		bulwark = startOperator()
		EventuallyGone(first)
		EventuallyEstablished(second, namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(role), role)).To(Succeed())
	})
})

// EventuallyUnreported waits until there is no report on a namespace.
func EventuallyUnreported(namespace string) {
	GinkgoHelper()
	Eventually(func() bool {
		report := &v1alpha1.NamespacePosture{}
		key := client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}
		return apierrors.IsNotFound(admin.Get(ctx, key, report))
	}).Should(BeTrue())
}
