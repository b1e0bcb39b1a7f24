package integration

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// permits is a rule of a ClusterRole, with which the operator itself may do the same.
func permits(group, resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}

// clusterRole is a new ClusterRole, until the spec ends.
func clusterRole(name string, labels map[string]string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	GinkgoHelper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Rules: rules}
	Expect(admin.Create(ctx, role)).To(Succeed())
	DeferCleanup(func() { Expect(client.IgnoreNotFound(admin.Delete(ctx, role))).To(Succeed()) })
	return role
}

// harmless is a rule that the operator has, and that a profile may grant.
var harmless = permits("", "pods", "get", "list")

const mallory = "mallory"

// bindsTo has the profile bind a ClusterRole to mallory.
func bindsTo(name string) func(*v1alpha1.SecurityProfile) {
	return func(p *v1alpha1.SecurityProfile) {
		p.Spec.RBAC.Bindings = append(p.Spec.RBAC.Bindings, v1alpha1.RoleBinding{
			Name: "bound", ClusterRole: name, Subjects: []v1alpha1.Subject{{Kind: "User", Name: mallory}},
		})
	}
}

func boundIn(namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-bound"}}
}

func listPods(user, namespace string) error {
	return impersonating(user).List(ctx, &corev1.PodList{}, client.InNamespace(namespace))
}

// ExpectRefused waits until the binding is refused with a rule named, and is sure that it is not
// there.
func ExpectRefused(namespace, rule string) {
	GinkgoHelper()
	refused := EventuallyObject(namespace, "RoleBinding", "bulwark-bound", v1alpha1.ObjectStateFailed)
	Expect(
		refused.Message,
	).To(And(ContainSubstring("permits what a profile must not grant"), ContainSubstring(rule), ContainSubstring("remedy: ")))
	Expect(
		apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(boundIn(namespace)), boundIn(namespace))),
	).To(BeTrue())
	Expect(apierrors.IsForbidden(listPods(mallory, namespace))).To(BeTrue(), "mallory has been given something")
}

var _ = Describe("A ClusterRole that a profile binds", func() {
	DescribeTable(
		"is judged as the profile's own roles are, though the operator holds what it permits:",
		func(rule rbacv1.PolicyRule, says string) {
			name := UniqueName()
			role := clusterRole("bound-"+name, nil, harmless, rule)
			profile, namespace := Governed(bindsTo(role.Name))
			ExpectRefused(namespace, says)
			EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
			Expect(
				meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Reason,
			).To(Equal(v1alpha1.ReasonFailed))
			Expect(profile.Status.Namespaces.Failed).To(BeEquivalentTo(1))
			ExpectAllElseInPlace(namespace, "bulwark-bound")
			Expect(ReportOn(Default, namespace).Findings).To(BeEmpty())
		},
		Entry(
			"it writes reports",
			permits("security.bulwark.dev", "namespacepostures", "update"),
			"update on namespacepostures.security.bulwark.dev",
		),
		Entry("it writes Reports", permits("openreports.io", "reports", "delete"), "delete on reports.openreports.io"),
		Entry(
			"it binds roles",
			permits(rbacv1.GroupName, "rolebindings", "create"),
			"create on rolebindings.rbac.authorization.k8s.io",
		),
		Entry(
			"it writes roles",
			permits(rbacv1.GroupName, "roles", "get", "patch"),
			"patch on roles.rbac.authorization.k8s.io",
		),
		Entry(
			"it deletes policies",
			permits("networking.k8s.io", "networkpolicies", "delete"),
			"delete on networkpolicies.networking.k8s.io",
		),
		Entry("it writes limits", permits("", "limitranges", "update"), "update on limitranges"),
		Entry(
			"it writes the status of quotas",
			permits("", "resourcequotas/status", "patch"),
			"patch on resourcequotas/status",
		),
		Entry("it labels the namespace", permits("", "namespaces", "patch"), "patch on namespaces"),
		Entry("it makes service accounts", permits("", "serviceaccounts", "create"), "create on serviceaccounts"),
		Entry("it writes one policy by name", rbacv1.PolicyRule{
			APIGroups: []string{
				"networking.k8s.io",
			},
			Resources:     []string{"networkpolicies"},
			ResourceNames: []string{"bulwark-default-deny"},
			Verbs:         []string{"update"},
		}, "update on networkpolicies.networking.k8s.io"),
		Entry("it binds a ClusterRole by name", rbacv1.PolicyRule{
			APIGroups: []string{
				rbacv1.GroupName,
			},
			Resources:     []string{"clusterroles"},
			ResourceNames: []string{"view"},
			Verbs:         []string{"bind"},
		}, "bind on clusterroles.rbac.authorization.k8s.io"),
	)

	It(
		"is judged if it bears the label of a profile, if others aggregate into it, and if findings are switched off",
		func() {
			bulwark.Stop()
			bulwark = startOperatorWith(operatorConf, func(o *operator.Options) { o.NoFindings = true })
			DeferCleanup(func() { bulwark.Stop(); bulwark = startOperator() })
			name := UniqueName()
			clusterRole(
				"part-of-"+name,
				map[string]string{"part-of": name},
				permits("security.bulwark.dev", "namespacepostures", "delete"),
			)
			whole := &rbacv1.ClusterRole{
				ObjectMeta: metav1.ObjectMeta{Name: "whole-" + name, Labels: map[string]string{v1alpha1.ProfileLabel: name}},
				AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{
					{MatchLabels: map[string]string{"part-of": name}},
				}},
			}
			Expect(admin.Create(ctx, whole)).To(Succeed())
			DeferCleanup(func() { Expect(admin.Delete(ctx, whole)).To(Succeed()) })
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(whole), whole)).To(Succeed())
				g.Expect(whole.Rules).NotTo(BeEmpty())
			}).Should(Succeed())
			_, namespace := Governed(bindsTo(whole.Name))
			ExpectRefused(namespace, "delete on namespacepostures.security.bulwark.dev")
		},
	)

	It("is bound as soon as it permits no more than it may, and then binds whom it is given to", func() {
		role := clusterRole("bound-"+UniqueName(), nil, harmless, permits(rbacv1.GroupName, "rolebindings", "create"))
		profile, namespace := Governed(bindsTo(role.Name))
		ExpectRefused(namespace, "create on rolebindings")
		Update(role, func(r *rbacv1.ClusterRole) { r.Rules = r.Rules[:1] })
		EventuallyEstablished(profile, namespace)
		Eventually(func() error { return listPods(mallory, namespace) }).Should(Succeed())
	})

	It("that permits too much replaces nothing that was declared before", func() {
		role := clusterRole("bound-"+UniqueName(), nil, permits("", "limitranges", "delete"))
		fine := clusterRole("fine-"+UniqueName(), nil, harmless)
		profile, namespace := Governed(bindsTo(fine.Name))
		EventuallyEstablished(profile, namespace)
		before := boundIn(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(before), before)).To(Succeed())
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[1].ClusterRole = role.Name })
		Expect(
			EventuallyObject(namespace, "RoleBinding", "bulwark-bound", v1alpha1.ObjectStateFailed).Message,
		).To(ContainSubstring("delete on limitranges"))
		after := boundIn(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(after), after)).To(Succeed())
		Expect(after.UID).To(Equal(before.UID))
		Expect(after.RoleRef.Name).To(Equal(fine.Name))

		By("but what somebody puts in the place of that goes")
		Expect(admin.Delete(ctx, after)).To(Succeed())
		stronger := boundIn(namespace)
		stronger.Labels, stronger.OwnerReferences = before.Labels, before.OwnerReferences
		stronger.RoleRef, stronger.Subjects = rbacv1.RoleRef{
			APIGroup: rbacv1.GroupName,
			Kind:     "ClusterRole",
			Name:     "admin",
		}, before.Subjects
		Eventually(func() error { stronger.ResourceVersion = ""; return admin.Create(ctx, stronger) }).Should(Succeed())
		EventuallyGone(stronger)
	})

	Describe("and that is widened later", func() {
		var (
			role      *rbacv1.ClusterRole
			profile   *v1alpha1.SecurityProfile
			namespace string
			before    *rbacv1.RoleBinding
		)
		BeforeEach(func() {
			role = clusterRole("bound-"+UniqueName(), nil, harmless)
			profile, namespace = Governed(bindsTo(role.Name))
			EventuallyEstablished(profile, namespace)
			before = boundIn(namespace)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(before), before)).To(Succeed())
			Update(role, func(r *rbacv1.ClusterRole) {
				r.Rules = append(r.Rules, permits("", "resourcequotas", "delete", "update"))
			})
		})

		found := func() v1alpha1.Finding {
			GinkgoHelper()
			return EventuallyFound(namespace, "ClusterRole", role.Name, v1alpha1.FindingIDForbiddenRulesBound)
		}

		It("is a finding that names the rule, comes as an event, and goes with the rule; the binding stays", func() {
			finding := found()
			Expect(finding.Severity).To(Equal(v1alpha1.SeverityHigh))
			Expect(
				finding.Message,
			).To(And(ContainSubstring("delete, update on resourcequotas"), ContainSubstring("RoleBinding bulwark-bound")))
			EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
			EventuallyReady(profile)
			Eventually(
				func() []string { return eventReasons("Namespace", namespace) },
			).Should(ContainElement(v1alpha1.EventFinding))
			EventuallyQuiet()
			writes := len(operatorWrites())
			Consistently(func() int { return len(operatorWrites()) }).WithTimeout(2 * time.Second).Should(Equal(writes))
			after := boundIn(namespace)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(after), after)).To(Succeed())
			Expect(after.ResourceVersion).To(Equal(before.ResourceVersion))
			Update(role, func(r *rbacv1.ClusterRole) { r.Rules = r.Rules[:1] })
			EventuallyNothingFound(namespace)
		})

		It("gives nobody anything new by it, and whom somebody adds is taken off", func() {
			found()
			Update(profile, func(p *v1alpha1.SecurityProfile) {
				p.Spec.RBAC.Bindings[1].Subjects = append(
					p.Spec.RBAC.Bindings[1].Subjects,
					v1alpha1.Subject{Kind: "User", Name: "eve"},
				)
			})
			EventuallyObject(namespace, "RoleBinding", "bulwark-bound", v1alpha1.ObjectStateFailed)
			Update(boundIn(namespace), func(b *rbacv1.RoleBinding) {
				b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: "trudy"})
			})
			Eventually(subjectsOf).WithContext(ctx).WithArguments(namespace).Should(ConsistOf(mallory))
			Consistently(
				subjectsOf,
			).WithContext(ctx).
				WithArguments(namespace).
				WithTimeout(2 * time.Second).
				Should(ConsistOf(mallory))
			Expect(found().Severity).To(Equal(v1alpha1.SeverityHigh))
		})

		It("is not bound anew once the binding is gone, nor in another namespace", func() {
			found()
			Expect(admin.Delete(ctx, boundIn(namespace))).To(Succeed())
			ExpectRefused(namespace, "delete, update on resourcequotas")
			EventuallyNothingFound(namespace)
			another := profile.Name + "-b"
			ExpectCreated(fixture.Namespace(another, profile.Name))
			ExpectRefused(another, "delete, update on resourcequotas")
		})
	})

	It("is the administrator's decision if the operator may bind it by its name: it is bound, and found", func() {
		role := clusterRole("bound-"+UniqueName(), nil, permits("networking.k8s.io", "networkpolicies", "update"))
		bind := permits(rbacv1.GroupName, "clusterroles", "bind")
		bind.ResourceNames = []string{role.Name}
		clusterRole(role.Name+"-bind", map[string]string{v1alpha1.AggregateToGrantableLabel: "true"}, bind)
		EventuallyGrantable(ContainElement(bind))
		profile, namespace := Governed(bindsTo(role.Name))
		EventuallyEstablished(profile, namespace)
		Expect(
			EventuallyFound(namespace, "ClusterRole", role.Name, v1alpha1.FindingIDForbiddenRulesBound).Message,
		).To(ContainSubstring("update on networkpolicies"))
		Expect(subjectsOf(ctx, namespace)).To(ConsistOf(mallory))
	})

	It("is edit, of which nothing is found that it has from Kubernetes; what it is given beyond is", func() {
		profile, namespace := Governed(bindsTo("edit"))
		EventuallyEstablished(profile, namespace)
		Consistently(
			func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings },
		).WithTimeout(time.Second).
			Should(BeEmpty())
		clusterRole("beyond-"+namespace, map[string]string{"rbac.authorization.k8s.io/aggregate-to-edit": "true"},
			permits("security.bulwark.dev", "namespacepostures", "delete"))
		Expect(EventuallyFound(namespace, "ClusterRole", "edit", v1alpha1.FindingIDForbiddenRulesBound).Message).To(
			ContainSubstring("(delete on namespacepostures.security.bulwark.dev)"))
		EventuallyEstablished(profile, namespace)
	})
})

// subjectsOf are the names of whom the binding gives something.
func subjectsOf(ctx context.Context, namespace string) []string {
	binding := boundIn(namespace)
	if err := admin.Get(ctx, client.ObjectKeyFromObject(binding), binding); err != nil {
		return []string{err.Error()}
	}
	var names []string
	for _, s := range binding.Subjects {
		names = append(names, s.Name)
	}
	return names
}
