package tightening

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
)

// outOfBounds are the bounds of an item that an admitted pod does not keep.
func outOfBounds(item *corev1.LimitRangeItem, pod *corev1.Pod) []violation {
	var found []violation
	switch item.Type {
	case corev1.LimitTypeContainer:
		for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			found = append(found, bounds(item, "container "+c.Name, c.Resources.Requests, c.Resources.Limits)...)
		}
	case corev1.LimitTypePod:
		requests := resource.AggregateContainerRequests(pod, resource.PodResourcesOptions{})
		limits := resource.AggregateContainerLimits(pod, resource.PodResourcesOptions{})
		if pod.Spec.Resources != nil {
			override(requests, pod.Spec.Resources.Requests)
			override(limits, pod.Spec.Resources.Limits)
		}
		found = bounds(item, thePod, requests, limits)
	}
	return found
}

// override puts what a pod sets for all of its containers in the place of their sum. LimitRanger
// does so for these two only.
func override(sums, whole corev1.ResourceList) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if quantity, set := whole[name]; set {
			sums[name] = quantity
		}
	}
}

// amounts are the requests and limits of somebody, and the bounds that they do not keep.
type amounts struct {
	item             *corev1.LimitRangeItem
	who              string
	requests, limits corev1.ResourceList
	violations       []violation
}

// bounds are the bounds of an item that requests and limits do not keep.
func bounds(item *corev1.LimitRangeItem, who string, requests, limits corev1.ResourceList) []violation {
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

// add notes a bound that is not kept: what LimitRanger says of it, and a sentence with who it is.
func (a *amounts) add(bound string, name corev1.ResourceName, answer, format string, args ...any) {
	a.violations = append(a.violations, violation{
		what: fmt.Sprint(a.item.Type, bound, name, a.who), text: a.who + " " + fmt.Sprintf(format, args...),
		who: a.who, resource: name, answer: answer,
	})
}

// usage is what LimitRanger says of a bound.
func (a *amounts) usage(bound string, name corev1.ResourceName, enforced resourcev1.Quantity, found string) string {
	return fmt.Sprintf("%s %s usage per %s is %s%s", bound, name, a.item.Type, enforced.String(), found)
}

func (a *amounts) ratio(name corev1.ResourceName, enforced resourcev1.Quantity, found string) string {
	return fmt.Sprintf("%s max limit to request ratio per %s is %s, but %s", name, a.item.Type, enforced.String(), found)
}

func (a *amounts) holdMax(name corev1.ResourceName, most resourcev1.Quantity) {
	request, limit := a.requests[name], a.limits[name]
	_, limited := a.limits[name]
	requests, limits, bound := values(request, limit, most)
	switch {
	case !limited:
		a.add("max", name, a.usage("maximum", name, most, ".  No limit is specified"),
			"has no limit for %s, which is at most %s", name, most.String())
	case limits > bound:
		a.add("max", name, a.usage("maximum", name, most, ", but limit is "+limit.String()),
			"has a limit of %s for %s, which is at most %s", limit.String(), name, most.String())
	case requests > bound:
		a.add("max", name, a.usage("maximum", name, most, ", but request is "+request.String()),
			"requests %s of %s, which is at most %s", request.String(), name, most.String())
	}
}

func (a *amounts) holdMin(name corev1.ResourceName, least resourcev1.Quantity) {
	request, requested := a.requests[name]
	limit, limited := a.limits[name]
	requests, limits, bound := values(request, limit, least)
	switch {
	case !requested:
		a.add("min", name, a.usage("minimum", name, least, ".  No request is specified"),
			"requests no %s, which is at least %s", name, least.String())
	case requests < bound:
		a.add("min", name, a.usage("minimum", name, least, ", but request is "+request.String()),
			"requests %s of %s, which is at least %s", request.String(), name, least.String())
	case limited && limits < bound:
		a.add("min", name, a.usage("minimum", name, least, ", but limit is "+limit.String()),
			"has a limit of %s for %s, which is at least %s", limit.String(), name, least.String())
	}
}

func (a *amounts) holdRatio(name corev1.ResourceName, ratio resourcev1.Quantity) {
	request, limit := a.requests[name], a.limits[name]
	requests, limits, _ := values(request, limit, ratio)
	switch {
	case requests == 0 || limits == 0:
		missing := "limit"
		if requests == 0 {
			missing = "request"
		}
		a.add("ratio", name, a.ratio(name, ratio, fmt.Sprintf("no %[1]s is specified or %[1]s is 0", missing)),
			"does not set both a request and a limit for %s, of which the ratio is bound", name)
	case above(float64(limits)/float64(requests), ratio):
		a.add("ratio", name, a.ratio(name, ratio, fmt.Sprintf("provided ratio is %f", float64(limits)/float64(requests))),
			"has a limit of %s for %s at a request of %s, which is more than %s times",
			limit.String(), name, request.String(), ratio.String())
	}
}

// above compares a ratio with its bound in thousandths where they fit, as LimitRanger does: what is
// exactly a bound must not come out above it.
func above(is float64, bound resourcev1.Quantity) bool {
	if bound.Value() <= resourcev1.MaxMilliValue {
		return is*1000 > float64(bound.MilliValue())
	}
	return is > float64(bound.Value())
}

// values are a request, a limit and a bound, all in thousandths, or all in whole numbers if one of
// them is too large. They are rounded up, as LimitRanger does.
func values(request, limit, bound resourcev1.Quantity) (requests, limits, bounds int64) {
	if max(request.Value(), limit.Value(), bound.Value()) <= resourcev1.MaxMilliValue {
		return request.MilliValue(), limit.MilliValue(), bound.MilliValue()
	}
	return request.Value(), limit.Value(), bound.Value()
}
