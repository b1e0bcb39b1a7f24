package tightening

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/component-helpers/resource"
)

// invalid are the rules of API validation that the requests and limits of a pod do not keep.
func invalid(pod *corev1.Pod) []violation {
	var v validity
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		v.check("container "+c.Name, c.Resources)
	}
	if pod.Spec.Resources != nil {
		v.check(thePod, *pod.Spec.Resources)
		v.checkAgainstPod(pod)
	}
	return v.violations
}

const thePod = "the pod"

// validity gathers what is invalid about the requests and limits of a pod.
type validity struct{ violations []violation }

func (v *validity) add(rule, who string, name corev1.ResourceName, format string, args ...any) {
	v.violations = append(v.violations, violation{
		what: fmt.Sprint(
			"invalid ",
			rule,
			name,
			who,
		),
		text:     who + " " + fmt.Sprintf(format, args...),
		who:      who,
		resource: name,
	})
}

// check holds the requests and limits of a container, or of a whole pod, against each other.
func (v *validity) check(who string, r corev1.ResourceRequirements) {
	for _, name := range sortedNames(r.Limits) {
		v.checkValue(who, "limit", name, r.Limits[name])
	}
	for _, name := range sortedNames(r.Requests) {
		v.checkValue(who, "request", name, r.Requests[name])
		v.checkRequest(who, name, r)
	}
	if hasHugePages(r) && !setsAny(r, corev1.ResourceCPU) && !setsAny(r, corev1.ResourceMemory) {
		v.add("hugepages", who, "", "would have huge pages without cpu or memory")
	}
}

// checkRequest holds a request against the limit.
func (v *validity) checkRequest(who string, name corev1.ResourceName, r corev1.ResourceRequirements) {
	request := r.Requests[name]
	switch limit, limited := r.Limits[name]; {
	case !limited && !mayBeOvercommitted(name):
		v.add("limit", who, name, "requests %s of %s, and would have no limit, which it must have", request.String(), name)
	case limited && request.Cmp(limit) > 0:
		v.add("limit", who, name, "requests %s of %s, which is more than the limit of %s that it would have",
			request.String(), name, limit.String())
	case limited && request.Cmp(limit) != 0 && !mayBeOvercommitted(name):
		v.add("limit", who, name, "requests %s of %s, which must be as much as the limit of %s that it would have",
			request.String(), name, limit.String())
	}
}

// checkValue holds a quantity against what its resource allows.
func (v *validity) checkValue(who, kind string, name corev1.ResourceName, value resourcev1.Quantity) {
	switch {
	case value.Sign() < 0:
		v.add("negative "+kind, who, name, "would have a %s of %s for %s, which is negative", kind, value.String(), name)
	case isExtended(name) && value.MilliValue()%1000 != 0:
		v.add(
			"fraction "+kind,
			who,
			name,
			"would have a %s of %s for %s, which is no whole number",
			kind,
			value.String(),
			name,
		)
	case isHugePages(name) && !wholePages(name, value):
		v.add(
			"pages "+kind,
			who,
			name,
			"would have a %s of %s for %s, which is no multiple of a page",
			kind,
			value.String(),
			name,
		)
	}
}

// checkAgainstPod holds the requests and limits of containers against those of the whole pod.
func (v *validity) checkAgainstPod(pod *corev1.Pod) {
	whole := pod.Spec.Resources
	requests := resource.AggregateContainerRequests(pod, resource.PodResourcesOptions{})
	for _, name := range sortedNames(requests) {
		sum := requests[name]
		if most, set := whole.Requests[name]; set && sum.Cmp(most) > 0 {
			v.add(
				"sum of requests",
				thePod,
				name,
				"requests %s of %s, which is less than the %s that its containers would request",
				most.String(),
				name,
				sum.String(),
			)
		}
	}
	limits := resource.AggregateContainerLimits(pod, resource.PodResourcesOptions{})
	for _, name := range sortedNames(limits) {
		sum := limits[name]
		if most, set := whole.Limits[name]; set && isHugePages(name) && sum.Cmp(most) > 0 {
			v.add(
				"sum of limits",
				thePod,
				name,
				"has a limit of %s for %s, which is less than the %s that its containers would have",
				most.String(),
				name,
				sum.String(),
			)
		}
	}
	for _, c := range pod.Spec.Containers { // Init containers may have more.
		for _, name := range sortedNames(c.Resources.Limits) {
			limit := c.Resources.Limits[name]
			if most, set := whole.Limits[name]; set && limit.Cmp(most) > 0 {
				v.add(
					"limit of pod",
					"container "+c.Name,
					name,
					"would have a limit of %s for %s, which is more than the limit of %s of the pod",
					limit.String(),
					name,
					most.String(),
				)
			}
		}
	}
}

func hasHugePages(r corev1.ResourceRequirements) bool {
	return slices.ContainsFunc(append(sortedNames(r.Limits), sortedNames(r.Requests)...), isHugePages)
}

func setsAny(r corev1.ResourceRequirements, name corev1.ResourceName) bool {
	_, limited := r.Limits[name]
	_, requested := r.Requests[name]
	return limited || requested
}

func isHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// wholePages reports whether a quantity of huge pages is a multiple of their size, which their name
// says.
func wholePages(name corev1.ResourceName, value resourcev1.Quantity) bool {
	size, err := resourcev1.ParseQuantity(strings.TrimPrefix(string(name), corev1.ResourceHugePagesPrefix))
	return err == nil && size.Sign() > 0 && size.MilliValue()%1000 == 0 && value.Value()%size.Value() == 0
}

// mayBeOvercommitted reports whether a request may be below its limit.
func mayBeOvercommitted(name corev1.ResourceName) bool { return isNative(name) && !isHugePages(name) }

// isNative reports whether Kubernetes itself knows a resource.
func isNative(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// isExtended reports whether a resource is one that nodes or drivers have added.
func isExtended(name corev1.ResourceName) bool {
	return !isNative(name) && !strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) &&
		len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
