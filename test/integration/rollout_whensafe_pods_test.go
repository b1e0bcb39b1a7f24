package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

func cpu(quantity string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(quantity)}
}

// onlyLimits leaves the profile a LimitRange of one item for containers, beside its network.
func onlyLimits(item v1alpha1.LimitRangeItem) func(*v1alpha1.SecurityProfile) {
	return func(p *v1alpha1.SecurityProfile) {
		fixture.OnlyNetwork(p)
		p.Spec.Rollout = v1alpha1.RolloutWhenSafe
		item.Type = corev1.LimitTypeContainer
		p.Spec.Limits = []v1alpha1.LimitRangeItem{item}
	}
}

// onlyQuota leaves the profile one quota, beside its network.
func onlyQuota(name corev1.ResourceName, most string) func(*v1alpha1.SecurityProfile) {
	return func(p *v1alpha1.SecurityProfile) {
		fixture.OnlyNetwork(p)
		p.Spec.Rollout = v1alpha1.RolloutWhenSafe
		p.Spec.Quotas = []v1alpha1.Quota{
			{Name: "one", Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{name: resource.MustParse(most)}}},
		}
	}
}

// newNamespace makes a namespace, and says by which name a profile selects it.
func newNamespace() (namespace, suite string) {
	GinkgoHelper()
	suite = UniqueName()
	namespace = suite + "-a"
	ExpectCreated(fixture.Namespace(namespace, suite))
	return namespace, suite
}

// limitRangeNow is what is in place of the LimitRange; nil if nothing is.
func limitRangeNow(namespace string) *corev1.LimitRange {
	GinkgoHelper()
	limits := &corev1.LimitRange{}
	err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-limits"}, limits)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	if err != nil {
		return nil
	}
	return limits
}

// theirs is a LimitRange of somebody else.
func theirs(namespace string, item corev1.LimitRangeItem) *corev1.LimitRange {
	item.Type = corev1.LimitTypeContainer
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      "theirs",
		},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}},
	}
}

var _ = Describe("The roll-out WhenSafe of a LimitRange", thatLooksOften, func() {
	half := v1alpha1.LimitRangeItem{Default: cpu("500m"), DefaultRequest: cpu("100m")}
	DescribeTable(
		"waits for pods that its defaults would make invalid",
		func(says string, set func(*corev1.PodSpec), item v1alpha1.LimitRangeItem) {
			namespace, suite := newNamespace()
			big := fixture.RestrictedPod(namespace, "big")
			set(&big.Spec)
			again := big.DeepCopy()
			again.Name = "again"
			EventuallyAdmitted(big)
			profile := fixture.Profile(suite, onlyLimits(item))
			ExpectCreated(profile)

			blocked := EventuallyBlocked(namespace, "LimitRange")
			Expect(blocked.Violators).To(ConsistOf("big"))
			Expect(blocked.Message).To(ContainSubstring("pod big: " + says))
			Expect(limitRangeNow(namespace)).To(BeNil())
			Expect(refuses(again.DeepCopy())).To(BeFalse())

			By("refusing it once it is gone, as was said")
			deleteNow(big)
			EventuallyEstablished(profile, namespace)
			Expect(limitRangeNow(namespace)).NotTo(BeNil())
			Eventually(func() bool { return refuses(again.DeepCopy()) }).Should(BeTrue())
		},
		Entry("since the default limit is below what a container requests",
			"container app requests 1 of cpu, which is more than the limit of 500m that it would have",
			func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests = cpu("1") }, half),
		Entry("or an init container",
			"container first requests 2 of cpu, which is more than the limit of 500m that it would have",
			func(s *corev1.PodSpec) {
				first := *s.Containers[0].DeepCopy()
				first.Name, first.Resources.Requests = "first", cpu("2")
				s.InitContainers = []corev1.Container{first}
			}, half),
		Entry("since the default limit is above that of the whole pod",
			"container app would have a limit of 500m for cpu, which is more than the limit of 200m of the pod",
			func(s *corev1.PodSpec) { s.Resources = &corev1.ResourceRequirements{Limits: cpu("200m")} }, half),
		Entry("since the default requests are above that of the whole pod",
			"the pod requests 150m of cpu, which is less than the 200m that its containers would request",
			func(s *corev1.PodSpec) {
				s.Containers = append(s.Containers, *s.Containers[0].DeepCopy())
				s.Containers[1].Name = "side"
				s.Resources = &corev1.ResourceRequirements{Requests: cpu("150m")}
			}, v1alpha1.LimitRangeItem{DefaultRequest: cpu("100m")}),
		Entry(
			"since the maximum becomes the default limit",
			"container app requests 1 of cpu, which is at most 500m",
			func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests = cpu("1") },
			v1alpha1.LimitRangeItem{Max: cpu("500m")},
		),
	)

	It("holds pods against what the LimitRanges of others give beside it", func() {
		namespace, suite := newNamespace()
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "old"))
		ExpectCreated(theirs(namespace, corev1.LimitRangeItem{DefaultRequest: cpu("1")}))
		ExpectCreated(fixture.Profile(suite, onlyLimits(v1alpha1.LimitRangeItem{Default: cpu("500m")})))
		Expect(
			EventuallyBlocked(namespace, "LimitRange").Message,
		).To(ContainSubstring("pod old: container app requests 1 of cpu"))
	})

	It("takes nothing of what the old one gave for what a pod asks for, whatever the annotation says", func() {
		namespace, suite := newNamespace()
		profile := fixture.Profile(suite, onlyLimits(v1alpha1.LimitRangeItem{Default: cpu("1")}))
		ExpectCreated(profile)
		EventuallyEstablished(profile, namespace)
		ExpectCreated(
			theirs(namespace, corev1.LimitRangeItem{Default: corev1.ResourceList{"memory": resource.MustParse("1Gi")}}),
		)
		silent := fixture.RestrictedPod(namespace, "silent")
		Eventually(func(g Gomega) { // Both give, and the second to do so overwrites what the first has noted.
			pod := silent.DeepCopy()
			g.Expect(admin.Create(ctx, pod, client.DryRunAll)).To(Succeed())
			g.Expect(pod.Spec.Containers[0].Resources.Limits).
				To(And(HaveKey(corev1.ResourceCPU), HaveKey(corev1.ResourceMemory)))
			g.Expect(pod.Annotations["kubernetes.io/limit-ranger"]).To(HavePrefix("LimitRanger plugin set: memory"))
		}).Should(Succeed())
		EventuallyAdmitted(silent)
		Update(silent, func(p *corev1.Pod) { delete(p.Annotations, "kubernetes.io/limit-ranger") })
		Update(profile, onlyLimits(v1alpha1.LimitRangeItem{Max: cpu("500m")}))
		EventuallyEstablished(profile, namespace)
		Expect(limitRangeNow(namespace).Spec.Limits[0].Max.Cpu().String()).To(Equal("500m"))
	})

	It("waits for who asked for as much, though the annotation says that it was given", func() {
		namespace, suite := newNamespace()
		profile := fixture.Profile(suite, onlyLimits(v1alpha1.LimitRangeItem{Default: cpu("1")}))
		ExpectCreated(profile)
		EventuallyEstablished(profile, namespace)
		asks := fixture.RestrictedPod(namespace, "asks")
		asks.Annotations = map[string]string{
			"kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container app; cpu limit for container app",
		}
		asks.Spec.Containers[0].Resources.Limits = cpu("1")
		EventuallyAdmitted(asks)
		Update(profile, onlyLimits(v1alpha1.LimitRangeItem{Max: cpu("500m")}))
		Expect(EventuallyBlocked(namespace, "LimitRange").Violators).To(ConsistOf("asks"))
	})
})

// lost makes pods that nobody will ever take away, and deletes them with a grace period.
func lost(namespace string, grace time.Duration, change func(*corev1.Pod)) []*corev1.Pod {
	GinkgoHelper()
	var pods []*corev1.Pod
	for _, name := range []string{"lost-1", "lost-2"} {
		pod := fixture.RestrictedPod(namespace, name)
		pod.Finalizers, pod.Spec.NodeName = []string{"example.com/lost"}, "lost"
		change(pod)
		EventuallyAdmitted(pod)
		Expect(admin.Delete(ctx, pod, client.GracePeriodSeconds(int64(grace.Seconds())))).To(Succeed())
		DeferCleanup(func() {
			Expect(
				client.IgnoreNotFound(
					admin.Patch(ctx, pod, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))),
				),
			).To(Succeed())
		})
		pods = append(pods, pod)
	}
	return pods
}

// EventuallyPastGrace waits until Kubernetes charges nobody for the pods.
func EventuallyPastGrace(pods []*corev1.Pod) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, pod := range pods {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
			g.Expect(time.Since(pod.DeletionTimestamp.Time)).
				To(BeNumerically(">", time.Duration(*pod.DeletionGracePeriodSeconds)*time.Second))
		}
	}).Should(Succeed())
}

var _ = Describe("The roll-out WhenSafe of a quota", thatLooksOften, func() {
	asIs := func(*corev1.Pod) {}
	asking := func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = cpu("2") }
	DescribeTable(
		"does not count pods that should have been gone",
		func(name corev1.ResourceName, most string, change func(*corev1.Pod)) {
			namespace, suite := newNamespace()
			EventuallyPastGrace(lost(namespace, time.Second, change))
			profile := fixture.Profile(suite, onlyQuota(name, most))
			ExpectCreated(profile)
			EventuallyEstablished(profile, namespace)
			Expect(ReportOn(Default, namespace).Blocked).To(BeEmpty())
			Expect(
				admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-one"}, &corev1.ResourceQuota{}),
			).To(Succeed())
		},
		Entry("as pods", corev1.ResourcePods, "1", asIs),
		Entry("by what they request", corev1.ResourceRequestsCPU, "1", asking),
		Entry("by another name of it", corev1.ResourceCPU, "1", asking),
		Entry("nor want them to say how much they need", corev1.ResourceLimitsMemory, "1Gi", asIs),
	)

	It("counts them as objects, which they are", func() {
		namespace, suite := newNamespace()
		EventuallyPastGrace(lost(namespace, time.Second, asIs))
		ExpectCreated(fixture.Profile(suite, onlyQuota("count/pods", "1")))
		Expect(
			EventuallyBlocked(namespace, "ResourceQuota").Message,
		).To(ContainSubstring("2 of count/pods are used, which will be at most 1"))
	})

	It("counts pods that are being deleted until their grace period is over", func() {
		namespace, suite := newNamespace()
		lost(namespace, 6*time.Second, asIs)
		profile := fixture.Profile(suite, onlyQuota(corev1.ResourcePods, "1"))
		ExpectCreated(profile)
		Expect(EventuallyBlocked(namespace, "ResourceQuota").Message).To(ContainSubstring("2 of pods are used"))
		EventuallyEstablished(profile, namespace)
	})

	It("counts what a pod has been given, while it is resized to less", func() {
		namespace, suite := newNamespace()
		shrinks := fixture.RestrictedPod(namespace, "shrinks")
		shrinks.Spec.Containers[0].Resources.Requests = cpu("100m")
		EventuallyAdmitted(shrinks)
		shrinks.Status.Phase = corev1.PodRunning
		shrinks.Status.ContainerStatuses = []corev1.ContainerStatus{
			{
				Name:               "app",
				Image:              "app:v1",
				AllocatedResources: cpu("2"),
				Resources:          &corev1.ResourceRequirements{Requests: cpu("2")},
			},
		}
		Expect(admin.Status().Update(ctx, shrinks)).To(Succeed())
		ExpectCreated(fixture.Profile(suite, onlyQuota(corev1.ResourceRequestsCPU, "1")))
		Expect(
			EventuallyBlocked(namespace, "ResourceQuota").Message,
		).To(ContainSubstring("2 of requests.cpu are used, which will be at most 1"))
	})

	It("counts what is set for a whole pod, and its sidecars", func() {
		namespace, suite := newNamespace()
		whole := fixture.RestrictedPod(namespace, "whole")
		whole.Spec.Resources = &corev1.ResourceRequirements{Requests: cpu("600m")}
		side := fixture.RestrictedPod(namespace, "side")
		always := corev1.ContainerRestartPolicyAlways
		sidecar := *side.Spec.Containers[0].DeepCopy()
		sidecar.Name, sidecar.RestartPolicy, sidecar.Resources.Requests = "sidecar", &always, cpu("200m")
		side.Spec.InitContainers = []corev1.Container{sidecar}
		side.Spec.Containers[0].Resources.Requests = cpu("300m")
		EventuallyAdmitted(whole)
		EventuallyAdmitted(side)
		ExpectCreated(fixture.Profile(suite, onlyQuota(corev1.ResourceRequestsCPU, "1")))
		Expect(
			EventuallyBlocked(namespace, "ResourceQuota").Message,
		).To(ContainSubstring("1100m of requests.cpu are used, which will be at most 1"))
	})
})
