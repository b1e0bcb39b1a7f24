package integration

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// givesPermissionsBack is what the message says to do.
func givesPermissionsBack() {
	kubectl("apply", "--server-side", "--force-conflicts", "-k", "config/rbac")
}

// ExpectNothingLeft checks that a namespace holds nothing that bears Bulwark's label, and bears
// none itself.
func ExpectNothingLeft(namespace string) {
	GinkgoHelper()
	nothingLeft(Default, namespace)
}

func nothingLeft(g Gomega, namespace string) {
	GinkgoHelper()
	for _, o := range Managed(g, namespace) {
		g.Expect(o.GetLabels()).NotTo(HaveKey(v1alpha1.ProfileLabel), "%T %s", o, o.GetName())
		_, itself := o.(*corev1.Namespace)
		g.Expect(itself).To(BeTrue(), "%T %s is left", o, o.GetName())
	}
}

var _ = Describe("A profile whose permissions go first", func() {
	BeforeEach(func() { DeferCleanup(givesPermissionsBack) })

	stalls := func(profile *v1alpha1.SecurityProfile) func() float64 {
		return func() float64 { return metric("bulwark_deletion_stalled", "profile", profile.Name) }
	}

	It("is told of by a metric where not even its status can be written, and goes once they are given back", func() {
		profile, namespace := Governed(fixture.Guarded)
		EventuallyEstablished(profile, namespace)
		Expect(
			admin.Delete(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "bulwark-manager"}}),
		).To(Succeed())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		Eventually(stalls(profile)).WithTimeout(30 * time.Second).Should(Equal(1.0))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		policy := &networkingv1.NetworkPolicy{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-default-deny"}, policy)).To(Succeed())

		givesPermissionsBack()
		EventuallyGoneWithin(2*time.Minute, profile)
		ExpectNothingLeft(namespace)
		Expect(stalls(profile)()).To(BeZero())
	})

	DescribeTable(
		"says in its condition what is left and how to let go",
		func(group, resource, missing, left string) {
			profile, namespace := Governed(fixture.Guarded)
			EventuallyEstablished(profile, namespace)
			role := &rbacv1.ClusterRole{}
			Expect(admin.Get(ctx, client.ObjectKey{Name: "bulwark-manager"}, role)).To(Succeed())
			role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.APIGroups, group) && slices.Contains(r.Resources, resource)
			})
			Expect(admin.Update(ctx, role)).To(Succeed())
			Expect(admin.Delete(ctx, profile)).To(Succeed())
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
				stalled := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)
				g.Expect(stalled).NotTo(BeNil())
				g.Expect(stalled.Reason).To(Equal(v1alpha1.ReasonPermissionsLost))
				g.Expect(stalled.Message).To(And(ContainSubstring("It may not: "+missing), ContainSubstring(left),
					ContainSubstring("kubectl apply --server-side -k config/rbac"), ContainSubstring(v1alpha1.Finalizer)))
				g.Expect(meta.IsStatusConditionFalse(profile.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
			}).WithTimeout(30 * time.Second).Should(Succeed())

			givesPermissionsBack()
			EventuallyGoneWithin(2*time.Minute, profile)
			ExpectNothingLeft(namespace)
		},
		Entry(
			"of an object of the baseline",
			"networking.k8s.io",
			"networkpolicies",
			"delete networkpolicies.networking.k8s.io",
			" in 1 namespaces (",
		),
		Entry("of its admission policies", thatWaitsLong, "admissionregistration.k8s.io", "validatingadmissionpolicies",
			"delete validatingadmissionpolicies.admissionregistration.k8s.io", " validatingadmissionpolicies, "),
	)

	It("lets go by hand where the operator is gone too, as the documentation has it", func() {
		profile, namespace := Governed(fixture.Guarded)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		DeferCleanup(func() { // Its ServiceAccount is another one by then, so that its token is of no use any more.
			givesPermissionsBack()
			var err error
			operatorConf, err = plane.OperatorConfig(ctx)
			Expect(err).NotTo(HaveOccurred())
			bulwark = startOperator()
		})
		kubectl("delete", "-k", "config/rbac", "--wait=false")
		kubectl("delete", "securityprofile", profile.Name, "--wait=false")

		kubectl("patch", "securityprofile", profile.Name, "--type=merge", `--patch={"metadata":{"finalizers":null}}`)
		kubectl("wait", "--for=delete", "validatingadmissionpolicies,validatingadmissionpolicybindings",
			"-l", v1alpha1.ProfileLabel+"="+profile.Name, "--timeout=60s")
		eventually := func(args ...string) { // The API server forgets each policy within a second or two.
			GinkgoHelper()
			Eventually(func() error { return plane.Kubectl(ctx, args...).Run() }).Should(Succeed())
		}
		eventually("label", "namespaces", "-l", v1alpha1.ProfileLabel+"="+profile.Name, v1alpha1.ProfileLabel+"-",
			baseline.PodSecurityPrefix+"enforce-", baseline.PodSecurityPrefix+"enforce-version-")
		eventually("label", "serviceaccounts", "-A", "-l", v1alpha1.ProfileLabel+"="+profile.Name,
			v1alpha1.ProfileLabel+"-", v1alpha1.ManagedByLabel+"-")

		EventuallyGone(profile)
		Eventually(func(g Gomega) { nothingLeft(g, namespace) }).Should(Succeed())
		EventuallyGone(
			&v1alpha1.NamespacePosture{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.PostureName}},
		)
		policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
		Expect(admin.List(ctx, policies, client.MatchingLabels{v1alpha1.ProfileLabel: profile.Name})).To(Succeed())
		Expect(policies.Items).To(BeEmpty())
	})
})
