package tightening

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
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

// amounts are the requests and limits of somebody, and the bounds that they do not keep.
type amounts struct {
	item             *corev1.LimitRangeItem
	who              string
	requests, limits corev1.ResourceList
	violations       []limitViolation
}

// bounds are the bounds of an item that requests and limits do not keep.
func bounds(item *corev1.LimitRangeItem, who string, requests, limits corev1.ResourceList) []limitViolation {
	a := &amounts{item: item, who: who, requests: requests, limits: limits}
	for _, name := range sortedNames(item.Max) {
		a.holdMax(name, item.Max[name])
	}
	for _, name := range sortedNames(item.Min) {
		a.holdMin(name, item.Min[name])
	}
	for _, name := range sortedNames(item.MaxLimitRequestRatio) {
		a.holdRatio(name, item.MaxLimitRequestRatio[name])
	}
	return a.violations
}

func (a *amounts) add(bound string, name corev1.ResourceName, format string, args ...any) {
	what := fmt.Sprint(a.item.Type, bound, name, a.who)
	a.violations = append(a.violations, limitViolation{what, a.who + " " + fmt.Sprintf(format, args...)})
}

func (a *amounts) holdMax(name corev1.ResourceName, most resourcev1.Quantity) {
	limit, set := a.limits[name]
	switch request := a.requests[name]; {
	case !set:
		a.add("max", name, "has no limit for %s, which is at most %s", name, most.String())
	case limit.Cmp(most) > 0:
		a.add("max", name, "has a limit of %s for %s, which is at most %s", limit.String(), name, most.String())
	case request.Cmp(most) > 0:
		a.add("max", name, "requests %s of %s, which is at most %s", request.String(), name, most.String())
	}
}

func (a *amounts) holdMin(name corev1.ResourceName, least resourcev1.Quantity) {
	request, set := a.requests[name]
	limit, limited := a.limits[name]
	switch {
	case !set:
		a.add("min", name, "requests no %s, which is at least %s", name, least.String())
	case request.Cmp(least) < 0:
		a.add("min", name, "requests %s of %s, which is at least %s", request.String(), name, least.String())
	case limited && limit.Cmp(least) < 0:
		a.add("min", name, "has a limit of %s for %s, which is at least %s", limit.String(), name, least.String())
	}
}

func (a *amounts) holdRatio(name corev1.ResourceName, ratio resourcev1.Quantity) {
	request, limit := a.requests[name], a.limits[name]
	switch {
	case request.IsZero() || limit.IsZero():
		a.add("ratio", name, "does not set both a request and a limit for %s, of which the ratio is bound", name)
	case limit.AsApproximateFloat64()/request.AsApproximateFloat64() > ratio.AsApproximateFloat64():
		a.add("ratio", name, "has a limit of %s for %s at a request of %s, which is more than %s times",
			limit.String(), name, request.String(), ratio.String())
	}
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
