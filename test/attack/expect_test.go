package attack

import (
	"fmt"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// Picture is what a namespace holds of its baseline, down to the resourceVersion by which each
// write can be told, and what its report says. What Kubernetes and tenants may write beside it is
// left out: a quota's usage, and the fields of a Namespace that nobody manages.
func Picture(namespace string) map[string]any {
	GinkgoHelper()
	picture := map[string]any{}
	for _, o := range Managed(Default, namespace) {
		var content any = o
		switch o := o.(type) {
		case *corev1.ResourceQuota:
			o.Status, o.ResourceVersion, o.ManagedFields = corev1.ResourceQuotaStatus{}, "", nil
		case *corev1.ServiceAccount: // Of Secrets it names tens of thousands where an attack has left them.
			o.Secrets, o.ImagePullSecrets = nil, nil
		case *corev1.Namespace:
			content = []any{o.UID, o.Labels, o.Finalizers, o.Spec, o.Status.Phase}
		}
		picture[fmt.Sprintf("%T %s", o, o.GetName())] = content
	}
	report := Get(&v1alpha1.NamespacePosture{}, namespace, v1alpha1.PostureName)
	picture["report"] = []any{
		report.UID,
		report.Labels,
		report.Profile,
		report.Enforcement,
		report.IsReady(),
		report.Objects,
		report.DriftTotal,
	}
	return picture
}

// EventuallyInForce waits until the profile's policies are there and the API server asks each of
// them: it takes up what is new within a second or two.
func EventuallyInForce(profile *v1alpha1.SecurityProfile) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		condition := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission)
		g.Expect(condition).NotTo(BeNil(), "%v", profile.Status.Conditions)
		g.Expect(condition.Status).To(Equal(metav1.ConditionTrue), "%s: %s", condition.Reason, condition.Message)
	}).Should(Succeed())
	asMallory, asCreator := mallory.client(), creator.client()
	openedUp := policy("probe", ingressFrom())
	latest := compliantPod(shop, "probe", image(registry+"/app:latest"))
	writable := compliantPod(shop, "probe", writableRoot)
	for concern, request := range map[string]func() error{
		"tamper-objects":          func() error { return asMallory.Delete(ctx, defaultDeny(), client.DryRunAll) },
		"tamper-namespaces":       func() error { return asCreator.Create(ctx, forgedNamespace(), client.DryRunAll) },
		"images":                  func() error { return asMallory.Create(ctx, latest.DeepCopy(), client.DryRunAll) },
		"workloads":               func() error { return asMallory.Create(ctx, writable.DeepCopy(), client.DryRunAll) },
		"services":                func() error { return asMallory.Create(ctx, nodePort(), client.DryRunAll) },
		"tenant-network-policies": func() error { return asMallory.Create(ctx, openedUp.DeepCopy(), client.DryRunAll) },
	} {
		Eventually(request).Should(MatchError(ContainSubstring("bulwark-"+profile.Name+"-"+concern)), concern)
	}
}

// revision is when, in the order of all writes, the object was last written.
func revision(o client.Object) uint64 {
	GinkgoHelper()
	n, err := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// ExpectBaselineBefore checks that everything of the baseline was in place when the pod was made:
// each object was last written before it, a quota, of which usage is written ever again, was made
// before, and the pod got what the LimitRange gives.
func ExpectBaselineBefore(pod *corev1.Pod) {
	GinkgoHelper()
	Expect(Differences(Default, fortress, pod.Namespace)).To(BeEmpty())
	for _, o := range Managed(Default, pod.Namespace) {
		if quota, ok := o.(*corev1.ResourceQuota); ok {
			Expect(quota.CreationTimestamp.Time).NotTo(BeTemporally(">", pod.CreationTimestamp.Time))
			continue
		}
		Expect(
			revision(o.(client.Object)),
		).To(BeNumerically("<", revision(pod)), "%T %s was not yet in place", o, o.GetName())
	}
	Expect(pod.Spec.Containers[0].Resources.Limits.Cpu().String()).To(Equal("200m"))
	report := Get(&v1alpha1.NamespacePosture{}, pod.Namespace, v1alpha1.PostureName)
	Expect(report.IsReady()).To(BeTrue())
}
