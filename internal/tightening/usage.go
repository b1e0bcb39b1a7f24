package tightening

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
)

const (
	countPods    = corev1.ResourceName("count/pods")
	limitsPrefix = "limits."
	// deviceClassPrefix is that of a device class that is requested as if it were a resource of its
	// own.
	deviceClassPrefix = "deviceclass.resource.kubernetes.io/"
)

// Usage is what Kubernetes charges to a quota for a pod at a time, by the names that quotas use. A
// pod is an object for as long as it is there. It is charged for what it uses until it ends.
func Usage(pod *corev1.Pod, now time.Time) corev1.ResourceList {
	one := *resourcev1.NewQuantity(1, resourcev1.DecimalSI)
	used := corev1.ResourceList{countPods: one}
	if !charged(pod, now) {
		return used
	}
	used[corev1.ResourcePods] = one
	unshared := *pod // The library adds overhead to what the whole pod sets, and a large quantity is changed in place.
	unshared.Spec.Resources = pod.Spec.Resources.DeepCopy()
	pod = &unshared
	options := resource.PodResourcesOptions{
		UseStatusResources: true,
	} // A pod that is being resized is charged the larger one.
	for name, quantity := range resource.PodRequests(pod, options) {
		switch {
		case compute(name) || isHugePages(name):
			used[name] = quantity
			used[corev1.DefaultResourceRequestsPrefix+name] = quantity
		case isExtended(name) || strings.HasPrefix(string(name), deviceClassPrefix):
			used[corev1.DefaultResourceRequestsPrefix+name] = quantity
		}
	}
	for name, quantity := range resource.PodLimits(pod, options) {
		if compute(name) {
			used[limitsPrefix+name] = quantity
		}
	}
	return used
}

// compute reports whether quotas count both requests and limits of a resource.
func compute(name corev1.ResourceName) bool {
	return name == corev1.ResourceCPU || name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage
}

// charged reports whether Kubernetes charges for what a pod uses: not after it has ended, and not
// after it should have been gone, since its node may be lost. The time at which it should be gone
// includes its grace period, which Kubernetes waits for once more.
func charged(pod *corev1.Pod, now time.Time) bool {
	if ended(pod) {
		return false
	}
	if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds == nil {
		return true
	}
	grace := time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
	return !now.After(pod.DeletionTimestamp.Add(grace))
}
