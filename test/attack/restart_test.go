package attack

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

func restart() {
	It("the API server boots, writes leases in kube-system, admits pods there, and guards what it guarded", func() {
		everywhere := everything()
		everywhere.Name, everywhere.Spec.Priority = "everywhere", 0
		everywhere.Spec.NamespaceSelector = v1alpha1.NamespaceSelector{}
		Expect(admin.Create(ctx, everywhere)).To(Succeed())
		EventuallyEstablished(everywhere, outside)
		DeferCleanup(func() {
			Expect(admin.Delete(ctx, everywhere)).To(Succeed())
			EventuallyGone(everywhere)
		})
		Eventually(
			func() error { return admin.Create(ctx, fixture.PrivilegedPod(outside, "privileged")) },
		).ShouldNot(Succeed())

		before := Picture(shop)
		Expect(plane.RestartAPIServer(ctx)).To(Succeed())
		protectedWorks()
		Expect(mallory.client().Delete(ctx, defaultDeny())).To(MatchError(ContainSubstring(partOfBaseline)))
		Expect(creator.client().Create(ctx, forgedNamespace())).To(MatchError(ContainSubstring(labelIsSet)))
		Expect(Picture(shop)).To(Equal(before))

		// Governed pods wait until the API server knows again what a NamespacePosture is.
		began := time.Now()
		Eventually(
			func() error { return admin.Create(ctx, compliantPod(shop, "after-restart")) },
		).WithTimeout(time.Minute).
			Should(Succeed())
		GinkgoWriter.Printf("governed pods waited for %s\n", time.Since(began))

		// The operator and the controllers of Kubernetes work on.
		namespace := UniqueName()
		Expect(creator.client().Create(ctx, unselected(namespace))).To(Succeed())
		Expect(creator.client().Create(ctx, deployment(namespace, 2))).To(Succeed())
		Eventually(func() int { return podsIn(namespace) }).WithTimeout(time.Minute).Should(Equal(2))
		EventuallyEstablished(everywhere, namespace)
	})
}

// protectedWorks checks that what keeps a cluster alive is admitted where no profile governs.
func protectedWorks() {
	GinkgoHelper()
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kube-scheduler"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a"), LeaseDurationSeconds: ptr.To(int32(15))},
	}
	Expect(admin.Create(ctx, lease)).To(Succeed())
	lease.Spec.HolderIdentity = ptr.To("b")
	Expect(admin.Update(ctx, lease)).To(Succeed())
	for _, namespace := range []string{metav1.NamespaceSystem, v1alpha1.OperatorNamespace} {
		pod := fixture.PrivilegedPod(namespace, "privileged")
		if namespace == v1alpha1.OperatorNamespace { // It has a level of its own.
			pod = fixture.RestrictedPod(namespace, "restricted")
		}
		Expect(admin.Create(ctx, pod)).To(Succeed())
		Expect(admin.Delete(ctx, pod)).To(Succeed())
	}
	ns := Get(&corev1.Namespace{}, "", metav1.NamespaceSystem)
	Expect(ns.Labels).NotTo(HaveKey(v1alpha1.ProfileLabel))
	Expect(
		admin.Patch(
			ctx,
			ns,
			client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"administrators":"own"}}}`)),
		),
	).To(Succeed())
}
