package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// impersonating is a client that the API server takes for somebody else.
func impersonating(user string, groups ...string) client.Client {
	GinkgoHelper()
	return bed.Impersonating(
		GinkgoTB(),
		rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")},
	)
}

// allowed asks the API server whether a member of a group may do something in a namespace.
func allowed(group, namespace, verb, apiGroup, resource, subresource string) bool {
	GinkgoHelper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "somebody", Groups: []string{group, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: apiGroup, Resource: resource, Subresource: subresource,
		},
	}}
	Expect(admin.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

var _ = Describe("A namespace with its baseline in place", Ordered, func() {
	var profile *v1alpha1.SecurityProfile
	var namespace string

	BeforeAll(func() {
		samples, err := fixture.Samples()
		Expect(err).NotTo(HaveOccurred())
		for i := range samples {
			if samples[i].Name == "restricted" {
				profile = &samples[i]
			}
		}
		// The sample as it is, but for a quota that a test can reach.
		profile.Spec.Quotas[0].Spec.Hard[corev1.ResourcePods] = *resourceQuantity("2")
		namespace = UniqueName()
		ns := fixture.Namespace(namespace, "none")
		ns.Labels["tier"] = "prod"
		ExpectCreated(ns, profile)
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
	})

	It("has a privileged pod refused", func() {
		err := admin.Create(ctx, fixture.PrivilegedPod(namespace, "privileged"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(`violates PodSecurity "restricted:v1.37"`)))
	})

	It("fills in a container's limits and requests, and mounts no token", func() {
		pod := fixture.HardenedPod(namespace, "defaulted")
		EventuallyAdmitted(pod)
		limits, requests := pod.Spec.Containers[0].Resources.Limits, pod.Spec.Containers[0].Resources.Requests
		Expect(limits.Cpu().String()).To(Equal("500m"))
		Expect(limits.Memory().String()).To(Equal("512Mi"))
		Expect(requests.Cpu().String()).To(Equal("100m"))
		Expect(requests.StorageEphemeral().String()).To(Equal("128Mi"))
		Expect(pod.Spec.Volumes).To(BeEmpty(), "a token is mounted")
	})

	It("has a container above the limits refused", func() {
		pod := fixture.HardenedPod(namespace, "large")
		pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: *resourceQuantity("5")}
		Expect(admin.Create(ctx, pod)).To(MatchError(ContainSubstring("maximum cpu usage per Container is 4")))
	})

	It("has the pod beyond the quota refused", func() {
		EventuallyAdmitted(fixture.HardenedPod(namespace, "second"))
		err := admin.Create(ctx, fixture.HardenedPod(namespace, "third"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("exceeded quota: bulwark-compute")))
	})

	It("lets the bound group list pods, and nothing more", func() {
		developer := impersonating("dev", "developers")
		Expect(developer.List(ctx, &corev1.PodList{}, client.InNamespace(namespace))).To(Succeed())
		err := developer.List(ctx, &corev1.SecretList{}, client.InNamespace(namespace))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		err = developer.List(ctx, &corev1.PodList{}, client.InNamespace("default"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		err = developer.Delete(ctx, &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"}})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)

		Expect(allowed("developers", namespace, "list", "", "pods", "")).To(BeTrue())
		Expect(allowed("developers", namespace, "get", "", "pods", "log")).To(BeTrue())
		Expect(allowed("developers", namespace, "create", "", "pods", "exec")).To(BeFalse())
		Expect(allowed("developers", namespace, "delete", "", "pods", "")).To(BeFalse())
		Expect(allowed("strangers", namespace, "list", "", "pods", "")).To(BeFalse())
		Expect(allowed("on-call", namespace, "list", "apps", "deployments", "")).To(BeTrue())
		Expect(allowed("on-call", namespace, "list", "", "secrets", "")).To(BeFalse())
	})

	It("lets a tenant read its posture, and not write it", func() {
		viewer := impersonating("pager", "on-call")
		report := &v1alpha1.NamespacePosture{}
		Eventually(func() error { // kube-controller-manager aggregates the permission into view.
			return viewer.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)
		}).Should(Succeed())
		report.Status = fixture.Ready(false)
		Expect(apierrors.IsForbidden(viewer.Update(ctx, report))).To(BeTrue())
	})

	It("sets the version beside each Pod Security level", func() {
		ns := &corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: namespace}, ns)).To(Succeed())
		for _, mode := range []string{"enforce", "audit", "warn"} {
			Expect(ns.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/"+mode, "restricted"))
			Expect(ns.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/"+mode+"-version", "v1.37"))
		}
	})
})

var _ = Describe("A change of a profile", func() {
	It("reaches every namespace: what it adds, changes, drops, and what cannot be changed in place", func() {
		profile, namespace := Governed()
		second := profile.Name + "-b"
		ExpectCreated(fixture.Namespace(second, profile.Name))
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.PodSecurity.Enforce = "baseline"
			p.Spec.Network.Policies = []v1alpha1.NetworkPolicy{{
				Name: "extra", Spec: networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{}}},
			}}
			p.Spec.Limits = nil
			p.Spec.Quotas[0].Spec = corev1.ResourceQuotaSpec{
				Hard:   corev1.ResourceList{corev1.ResourcePods: *resourceQuantity("3")},
				Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}, // immutable
			}
			p.Spec.RBAC.Bindings[0].ClusterRole = "edit" // roleRef is immutable
			p.Spec.RBAC.DefaultServiceAccount = nil
		})
		for _, ns := range []string{namespace, second} {
			EventuallyEstablished(profile, ns)
			report := ReportOn(Default, ns)
			Expect(report.Drift).To(BeEmpty(), "a roll-out is not drift")
		}
		EventuallyReady(profile)
		Eventually(func(g Gomega) {
			account := &corev1.ServiceAccount{}
			g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, account)).To(Succeed())
			g.Expect(account.AutomountServiceAccountToken).To(BeNil())
			g.Expect(account.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
		}).Should(Succeed())
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventReplaced))
	})

	It("writes nothing when it only reorders a list", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas = append(p.Spec.Quotas, v1alpha1.Quota{
				Name: "objects", Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"services": *resourceQuantity("5")}},
			})
		})
		EventuallyEstablished(profile, namespace)
		before := baselineWrites()
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Quotas[0], p.Spec.Quotas[1] = p.Spec.Quotas[1], p.Spec.Quotas[0]
			p.Spec.Network.DefaultDeny = []networkingv1.PolicyType{"Egress", "Ingress"}
		})
		EventuallyReported(profile, namespace)
		Expect(baselineWrites()).To(Equal(before))
	})
})

// EventuallyAdmitted creates a pod as soon as what its admission needs is there: the namespace's
// default ServiceAccount, and a quota that kube-controller-manager has counted.
func EventuallyAdmitted(pod *corev1.Pod) {
	GinkgoHelper()
	Eventually(func() error { return admin.Create(ctx, pod) }).Should(Succeed())
}
