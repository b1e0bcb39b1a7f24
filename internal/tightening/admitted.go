package tightening

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
)

// admitted is the pod that the API server makes of a manifest, in the order in which it does so: a
// container's limits are its requests where it has none, then each LimitRange gives its defaults,
// then what is set for the whole pod is completed from its containers.
func (l limitRanges) admitted(manifest *corev1.Pod) *corev1.Pod {
	pod := withResources(manifest, func(_ string, _ *corev1.Container, r *corev1.ResourceRequirements) {
		addMissing(r.Requests, r.Limits)
		for _, items := range l {
			defaults, requests := corev1.ResourceList{}, corev1.ResourceList{}
			for i := range items {
				if items[i].Type == corev1.LimitTypeContainer { // The last item of a LimitRange overrides the ones before.
					maps.Copy(defaults, items[i].Default)
					maps.Copy(requests, items[i].DefaultRequest)
				}
			}
			addMissing(r.Limits, defaults)
			addMissing(r.Requests, requests)
		}
	})
	completePod(pod)
	return pod
}

func addMissing(to, from corev1.ResourceList) {
	for name, quantity := range from {
		if _, set := to[name]; !set {
			to[name] = quantity
		}
	}
}

// completePod completes what a pod sets for all of its containers together, as Kubernetes 1.37
// does. Older versions do so before a LimitRange gives defaults, and what they work out is noted as
// if it had been sent.
func completePod(pod *corev1.Pod) {
	if pod.Spec.Resources == nil || len(pod.Spec.Resources.Requests)+len(pod.Spec.Resources.Limits) == 0 {
		return
	}
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	maps.Copy(r.Requests, pod.Spec.Resources.Requests)
	maps.Copy(r.Limits, pod.Spec.Resources.Limits)
	requests := resource.AggregateContainerRequests(pod, resource.PodResourcesOptions{})
	limits := resource.AggregateContainerLimits(pod, resource.PodResourcesOptions{})

	// 1. The limits of huge pages are the sum, since they cannot be overcommitted.
	addMissing(r.Limits, only(limits, func(name corev1.ResourceName) bool {
		_, requested := r.Requests[name]
		return isHugePages(name) && !requested
	}))
	// 2. A request is the sum, else the limit.
	addMissing(r.Requests, only(requests, func(name corev1.ResourceName) bool {
		return resource.IsSupportedPodLevelResource(name) && !isHugePages(name)
	}))
	addMissing(r.Requests, r.Limits)
	// 3. A limit is the sum, if each container has one, and at least the request.
	sums := only(limits, func(name corev1.ResourceName) bool {
		_, requested := r.Requests[name]
		return requested && resource.IsSupportedPodLevelResource(name) && allLimit(pod, name)
	})
	for name, sum := range sums {
		if request := r.Requests[name]; request.Cmp(sum) > 0 {
			sums[name] = request
		}
	}
	addMissing(r.Limits, sums)
	pod.Spec.Resources = &r
}

// only is the part of a list whose names are wanted.
func only(list corev1.ResourceList, wanted func(corev1.ResourceName) bool) corev1.ResourceList {
	part := maps.Clone(list)
	maps.DeleteFunc(part, func(name corev1.ResourceName, _ resourcev1.Quantity) bool { return !wanted(name) })
	return part
}

// allLimit reports whether each container of a pod has a limit for the resource.
func allLimit(pod *corev1.Pod, name corev1.ResourceName) bool {
	return !slices.ContainsFunc(
		slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers),
		func(c corev1.Container) bool {
			_, set := c.Resources.Limits[name]
			return !set
		},
	)
}
