package integration

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	pluginFinalizer = "netpol.example.com/resources"
	pluginUser      = "netpol-controller"
)

// networkPlugin lets a user do what a network plugin's controller does: it may patch
// NetworkPolicies in all namespaces.
func networkPlugin() client.Client {
	GinkgoHelper()
	name := UniqueName()
	ExpectCreated(
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
			{
				APIGroups: []string{
					"networking.k8s.io",
				},
				Resources: []string{"networkpolicies"},
				Verbs:     []string{"get", "list", "watch", "update", "patch"},
			},
		}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: pluginUser}},
		})
	return impersonating(pluginUser)
}

// startNetworkPlugin puts the plugin's finalizer on each NetworkPolicy of a namespace whenever it
// is missing, and fails the spec if the API server refuses that.
func startNetworkPlugin(namespace string) {
	GinkgoHelper()
	plugin := networkPlugin()
	startRival(
		&networkingv1.NetworkPolicy{},
		namespace,
		func(ctx context.Context, c client.Client, request reconcile.Request) error {
			defer GinkgoRecover()
			policy := &networkingv1.NetworkPolicy{}
			if err := c.Get(
				ctx,
				request.NamespacedName,
				policy,
			); err != nil || len(policy.Finalizers) > 0 ||
				policy.DeletionTimestamp != nil {
				return client.IgnoreNotFound(err)
			}
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["`+pluginFinalizer+`"]}}`))
			err := plugin.Patch(ctx, policy, patch, client.FieldOwner(pluginUser))
			Expect(client.IgnoreNotFound(err)).To(Succeed(), "the plugin may not program %s", request)
			return nil
		},
	)
}

// EventuallyHeld waits until each of the namespace's managed policies bears the plugin's finalizer.
func EventuallyHeld(namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) { ExpectHeld(g, namespace) }).Should(Succeed())
}

func ExpectHeld(g Gomega, namespace string) {
	GinkgoHelper()
	policies := &networkingv1.NetworkPolicyList{}
	g.Expect(admin.List(ctx, policies, client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel})).
		To(Succeed())
	g.Expect(policies.Items).NotTo(BeEmpty())
	for _, policy := range policies.Items {
		g.Expect(policy.Finalizers).To(ConsistOf(pluginFinalizer), policy.Name)
	}
}

// letGo takes the finalizers of a namespace's policies off, so that they can go.
func letGo(namespace string) {
	GinkgoHelper()
	policies := &networkingv1.NetworkPolicyList{}
	Expect(admin.List(ctx, policies, client.InNamespace(namespace))).To(Succeed())
	for i := range policies.Items {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		Expect(client.IgnoreNotFound(admin.Patch(ctx, &policies.Items[i], patch))).To(Succeed())
	}
}

var _ = Describe("A network plugin's finalizer", func() {
	for sentence, changes := range map[string][]func(*v1alpha1.SecurityProfile){
		"without protection":                        nil,
		"with tamper protection and the ready gate": {fixture.Guarded, withGate},
	} {
		It("stays on each policy and takes nothing away, "+sentence, func() {
			profile, namespace := Governed(changes...)
			EventuallyEstablished(profile, namespace)
			EventuallyReady(profile)
			if len(changes) > 0 {
				EventuallyGuarded(profile, namespace)
			}
			EventuallyQuiet()
			before := operatorWrites()
			startNetworkPlugin(namespace)
			EventuallyHeld(namespace)
			Consistently(func(g Gomega) {
				ExpectHeld(g, namespace)
				report := ReportOn(g, namespace)
				g.Expect(report.IsReady()).To(BeTrue(), "%v", report.Objects)
				g.Expect(report.Drift).To(BeEmpty())
			}).Should(Succeed())
			EventuallyReady(profile)
			Expect(unlike(before, operatorWrites())).To(BeEmpty())
			EventuallyAdmitted(fixture.HardenedPod(namespace, "app"))

			By("coming back with a policy that was deleted, or opened")
			letGo(namespace)
			breaker := impersonating("ada", fixture.BreakGlass, "system:masters")
			Expect(breaker.Delete(ctx, deny(namespace))).To(Succeed())
			EventuallyEstablished(profile, namespace)
			EventuallyHeld(namespace)
			open := &networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"},
			}
			Expect(
				breaker.Patch(ctx, open, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"policyTypes":["Ingress"]}}`))),
			).To(Succeed())
			EventuallyEstablished(profile, namespace)
			ExpectHeld(Default, namespace)
		})
	}

	It("keeps nothing that the profile declares no more, nor the profile", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		startNetworkPlugin(namespace)
		EventuallyHeld(namespace)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Network.AllowDNS = nil })
		EventuallyGone(
			&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-allow-dns"}},
		)
		EventuallyEstablished(profile, namespace)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
		EventuallyGone(deny(namespace))
	})
})

// withGate gives tamper protection and the ready gate their users.
func withGate(p *v1alpha1.SecurityProfile) {
	p.Spec.Protection.BreakGlassGroups = []string{fixture.BreakGlass}
	p.Spec.Quotas = nil // kube-controller-manager, which counts, does not run here.
}

// EventuallyGuarded waits until tamper protection is asked: the API server hears of new policies
// within a second or two.
func EventuallyGuarded(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
	mallory := impersonating("mallory", "system:masters")
	Eventually(func() error { return mallory.Delete(ctx, deny(namespace), client.DryRunAll) }).
		Should(MatchError(ContainSubstring("is changed by Bulwark alone")))
}

var _ = Describe("A correction", func() {
	for sentence, object := range map[string]func(string) client.Object{
		"of a policy":       deny,
		"of a LimitRange":   named(&corev1.LimitRange{}, "bulwark-limits"),
		"of a quota":        named(&corev1.ResourceQuota{}, "bulwark-compute"),
		"of a role":         named(&rbacv1.Role{}, "bulwark-developer"),
		"of a role binding": named(&rbacv1.RoleBinding{}, "bulwark-viewers"),
	} {
		It(sentence+" keeps the object, and the labels, annotations and finalizers of others", func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			o := object(namespace)
			Update(o, func(o client.Object) {
				o.GetLabels()["cost.example.com/center"] = "42"
				o.SetAnnotations(map[string]string{"cost.example.com/note": "theirs"})
				o.SetFinalizers([]string{"example.com/keep"})
			})
			uid := o.GetUID()
			Update(o, func(o client.Object) {
				switch o := o.(type) {
				case *networkingv1.NetworkPolicy:
					o.Spec = networkingv1.NetworkPolicySpec{
						PolicyTypes: []networkingv1.PolicyType{"Ingress"},
						Ingress:     []networkingv1.NetworkPolicyIngressRule{{}},
						PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"no": "pod"}},
					}
				case *corev1.LimitRange:
					o.Spec.Limits = nil
				case *corev1.ResourceQuota:
					o.Spec.Hard = corev1.ResourceList{"secrets": *resourceQuantity("9")}
				case *rbacv1.Role:
					o.Rules = nil
				case *rbacv1.RoleBinding:
					o.Subjects = nil
				}
				o.SetOwnerReferences(nil)
				delete(o.GetLabels(), v1alpha1.ManagedByLabel)
			})
			EventuallyEstablished(profile, namespace)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
			Expect(o.GetUID()).To(Equal(uid))
			Expect(o.GetLabels()).To(And(HaveLen(3), HaveKeyWithValue("cost.example.com/center", "42")))
			Expect(o.GetAnnotations()).To(Equal(map[string]string{"cost.example.com/note": "theirs"}))
			Expect(o.GetFinalizers()).To(ConsistOf("example.com/keep"))
			EventuallyQuiet()
			before := operatorWrites()
			Consistently(
				func() []string { return unlike(before, operatorWrites()) },
			).WithTimeout(2 * time.Second).
				Should(BeEmpty())
		})
	}

	It("of a binding to another role takes the finalizer off that holds it", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-viewers"}}
		Eventually(func() error { // Faster than the operator, sooner or later.
			if err := admin.Delete(ctx, binding.DeepCopy()); client.IgnoreNotFound(err) != nil {
				return err
			}
			other := &rbacv1.RoleBinding{
				ObjectMeta: *binding.ObjectMeta.DeepCopy(),
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
			}
			other.Finalizers = []string{"example.com/stay"}
			return admin.Create(ctx, other, asTenant)
		}).Should(Succeed())
		EventuallyEstablished(profile, namespace)
	})
})
