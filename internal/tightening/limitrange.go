package tightening

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// PodCheck holds the pods of a namespace against an object.
type PodCheck interface {
	// Add holds one pod against it.
	Add(pod *corev1.Pod)
	// Result is what the object would refuse, after all pods were added.
	Result() *Refused
}

var _, _ PodCheck = (*LimitCheck)(nil), (*QuotaCheck)(nil)

// LimitCheck holds pods against a LimitRange that is to take the place of another.
type LimitCheck struct {
	refused       Refused
	items, before []corev1.LimitRangeItem
}

// NewLimitCheck is a check of the items that begin to apply where others applied before.
func NewLimitCheck(items, before []corev1.LimitRangeItem) *LimitCheck {
	return &LimitCheck{items: items, before: before}
}

// Add holds one pod against it: it would be refused if it were made anew, and would not have been before.
func (c *LimitCheck) Add(pod *corev1.Pod) {
	if ended(pod) {
		return
	}
	refusedBefore := limitViolations(c.before, pod)
	var new []string
	for _, violation := range limitViolations(c.items, pod) {
		if !slices.ContainsFunc(refusedBefore, func(before limitViolation) bool { return before.what == violation.what }) {
			new = append(new, violation.text)
		}
	}
	if len(new) == 0 {
		return
	}
	c.refused.Total++
	c.refused.Pods = append(c.refused.Pods, pod.Name)
	if len(c.refused.Reasons) < maxReasons {
		c.refused.Reasons = append(c.refused.Reasons, fmt.Sprintf("pod %s: %s", pod.Name, new[0]))
	}
}

// Result is what would be refused.
func (c *LimitCheck) Result() *Refused { return &c.refused }

// maxReasons bounds what is said in words; pods that are not spoken of are counted.
const maxReasons = 4

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// limitViolation is a bound that a pod does not keep: which, and in words.
type limitViolation struct{ what, text string }

// limitViolations are the bounds that the admission plugin LimitRanger would refuse the pod for. It is not published as a library.
func limitViolations(items []corev1.LimitRangeItem, pod *corev1.Pod) []limitViolation {
	var violations []limitViolation
	for i := range items {
		item := &items[i]
		switch item.Type {
		case corev1.LimitTypeContainer:
			for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
				requests, limits := withDefaults(item, &c.Resources)
				violations = append(violations, bounds(item, "container "+c.Name, requests, limits)...)
			}
		case corev1.LimitTypePod:
			violations = append(violations, bounds(item, "the pod",
				resource.PodRequests(pod, resource.PodResourcesOptions{ExcludeOverhead: true}),
				resource.PodLimits(pod, resource.PodResourcesOptions{ExcludeOverhead: true}))...)
		}
	}
	return violations
}

// withDefaults are the requests and limits of a container as they would be if it were made anew.
func withDefaults(item *corev1.LimitRangeItem, r *corev1.ResourceRequirements) (requests, limits corev1.ResourceList) {
	requests, limits = corev1.ResourceList{}, corev1.ResourceList{}
	for _, from := range []corev1.ResourceList{r.Limits, item.Default} {
		addMissing(limits, from)
	}
	for _, from := range []corev1.ResourceList{r.Requests, r.Limits, item.DefaultRequest} {
		addMissing(requests, from)
	}
	return requests, limits
}

func addMissing(to, from corev1.ResourceList) {
	for name, quantity := range from {
		if _, set := to[name]; !set {
			to[name] = quantity
		}
	}
}

// bounds are the bounds of an item that requests and limits do not keep.
func bounds(item *corev1.LimitRangeItem, who string, requests, limits corev1.ResourceList) []limitViolation {
	var violations []limitViolation
	add := func(bound string, name corev1.ResourceName, text string) {
		violations = append(violations, limitViolation{fmt.Sprint(item.Type, bound, name, who), who + " " + text})
	}
	for _, name := range sortedNames(item.Max) {
		most := item.Max[name]
		limit, set := limits[name]
		switch request := requests[name]; {
		case !set:
			add("max", name, fmt.Sprintf("has no limit for %s, which is at most %s", name, most.String()))
		case limit.Cmp(most) > 0:
			add("max", name, fmt.Sprintf("has a limit of %s for %s, which is at most %s", limit.String(), name, most.String()))
		case request.Cmp(most) > 0:
			add("max", name, fmt.Sprintf("requests %s of %s, which is at most %s", request.String(), name, most.String()))
		}
	}
	for _, name := range sortedNames(item.Min) {
		least := item.Min[name]
		request, set := requests[name]
		limit, limited := limits[name]
		switch {
		case !set:
			add("min", name, fmt.Sprintf("requests no %s, which is at least %s", name, least.String()))
		case request.Cmp(least) < 0:
			add("min", name, fmt.Sprintf("requests %s of %s, which is at least %s", request.String(), name, least.String()))
		case limited && limit.Cmp(least) < 0:
			add("min", name, fmt.Sprintf("has a limit of %s for %s, which is at least %s", limit.String(), name, least.String()))
		}
	}
	for _, name := range sortedNames(item.MaxLimitRequestRatio) {
		ratio := item.MaxLimitRequestRatio[name]
		request, limit := requests[name], limits[name]
		if request.IsZero() || limit.IsZero() {
			add("ratio", name, fmt.Sprintf("does not set both a request and a limit for %s, of which the ratio is bound", name))
		} else if limit.AsApproximateFloat64()/request.AsApproximateFloat64() > ratio.AsApproximateFloat64() {
			add("ratio", name, fmt.Sprintf("has a limit of %s for %s at a request of %s, which is more than %s times",
				limit.String(), name, request.String(), ratio.String()))
		}
	}
	return violations
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
