package team

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/posturetest"
)

var _ = Describe("A team", func() {
	profile := Restricted("restricted")

	BeforeEach(func(ctx SpecContext) {
		Expect(bulwark.Govern(ctx, "team-a", profile)).To(Succeed())
	})

	It("runs what is confined", func(ctx SpecContext) {
		Expect(bulwark.Client.Create(ctx, confinedPod("team-a", "confined"))).To(Succeed())
	})

	It("runs nothing that writes to its root file system", func(ctx SpecContext) {
		pod := confinedPod("team-a", "writing")
		pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil
		Expect(bulwark.Client.Create(ctx, pod)).To(BeRefusedBy("readOnlyRootFilesystem"))
	})

	It("cannot open its network", func(ctx SpecContext) {
		alice := tenant(ctx, "alice", "team-a")
		policy := &networkingv1.NetworkPolicy{}
		key := client.ObjectKey{Namespace: "team-a", Name: "bulwark-default-deny"}
		Expect(alice.Get(ctx, key, policy)).To(Succeed())
		policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		Expect(alice.Update(ctx, policy, client.FieldOwner("alice"))).To(Succeed())

		Eventually(bulwark.Posture).WithArguments("team-a").WithContext(ctx).Should(And(
			HaveDrift(Drift{
				Kind: "NetworkPolicy", Field: "spec.policyTypes", Manager: "alice", State: v1alpha1.DriftStateCorrected,
			}),
			BeCompliantWith(profile),
		))
	}, SpecTimeout(20*time.Second))

	It("does not even touch it where tampering is forbidden", func(ctx SpecContext) {
		guarded := Restricted("guarded")
		guarded.Spec.Protection = &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid}
		Expect(bulwark.Govern(ctx, "team-b", guarded)).To(Succeed())

		policy := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "bulwark-default-deny"},
		}
		Expect(tenant(ctx, "bob", "team-b").Delete(ctx, policy)).To(BeRefusedBy("tamper-objects"))
	})
})

// confinedPod is a pod that a namespace with the profile Restricted admits.
func confinedPod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "registry.example.com/app:v1",
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				ReadOnlyRootFilesystem:   ptr.To(true),
				RunAsNonRoot:             ptr.To(true),
				SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}}},
	}
}

// tenant is a client of somebody who may write the NetworkPolicies of one namespace.
func tenant(ctx context.Context, name, namespace string) client.Client {
	GinkgoHelper()
	user, err := env.AddUser(envtest.User{Name: name}, nil)
	Expect(err).NotTo(HaveOccurred())
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	Expect(bulwark.Client.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"},
		Verbs: []string{"get", "update", "delete"},
	}}})).To(Succeed())
	Expect(bulwark.Client.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})).To(Succeed())
	c, err := client.New(user.Config(), client.Options{Scheme: bulwark.Client.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return c
}
