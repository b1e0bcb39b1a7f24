package tightening

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
	pod = asWritten(pod, c.before)
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
	c.refused.AddPod(pod.Name, new[0])
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
	pod = withDefaults(items, pod)
	for i := range items {
		item := &items[i]
		switch item.Type {
		case corev1.LimitTypeContainer:
			for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
				violations = append(violations, bounds(item, "container "+c.Name, c.Resources.Requests, c.Resources.Limits)...)
			}
		case corev1.LimitTypePod:
			violations = append(violations, bounds(item, "the pod",
				resource.PodRequests(pod, resource.PodResourcesOptions{ExcludeOverhead: true}),
				resource.PodLimits(pod, resource.PodResourcesOptions{ExcludeOverhead: true}))...)
		}
	}
	return violations
}

// withDefaults is the pod with the requests and limits that its containers would have if it were made anew. The bounds of a whole pod
// hold for what they come to.
func withDefaults(items []corev1.LimitRangeItem, pod *corev1.Pod) *corev1.Pod {
	return withResources(pod, func(_ string, r *corev1.ResourceRequirements) {
		addMissing(r.Requests, r.Limits)
		for i := range items {
			if items[i].Type == corev1.LimitTypeContainer {
				addMissing(r.Limits, items[i].Default)
				addMissing(r.Requests, items[i].DefaultRequest)
			}
		}
	})
}

// asWritten is the pod without the defaults that it has from the items in place: made anew under others, it would have theirs. Otherwise
// stricter items would wait for pods to ask for less, and each new pod would be given the old default for as long as they wait.
func asWritten(pod *corev1.Pod, before []corev1.LimitRangeItem) *corev1.Pod {
	given := defaultsGiven(pod)
	if len(given) == 0 {
		return pod
	}
	return withResources(pod, func(container string, r *corev1.ResourceRequirements) {
		for i := range before {
			if before[i].Type == corev1.LimitTypeContainer {
				dropGiven(r.Limits, before[i].Default, given["limit for "+container])
				dropGiven(r.Requests, before[i].DefaultRequest, given["request for "+container])
			}
		}
	})
}

// dropGiven drops defaults from a list, of the resources of which a default was given.
func dropGiven(list, defaults corev1.ResourceList, given []string) {
	for name, quantity := range defaults {
		if is, set := list[name]; set && slices.Contains(given, string(name)) && is.Cmp(quantity) == 0 {
			delete(list, name)
		}
	}
}

const (
	// limitRangerAnnotation is where LimitRanger notes which defaults it gave to a pod, as in: LimitRanger plugin set: cpu, memory request
	// for container a; cpu limit for init container b.
	limitRangerAnnotation = "kubernetes.io/limit-ranger"
	limitRangerNote       = "LimitRanger plugin set: "
)

// defaultsGiven are the resources of which LimitRanger gave the pod a default, by "limit for container a".
func defaultsGiven(pod *corev1.Pod) map[string][]string {
	note, noted := strings.CutPrefix(pod.Annotations[limitRangerAnnotation], limitRangerNote)
	if !noted {
		return nil
	}
	given := map[string][]string{}
	for _, part := range strings.Split(note, "; ") {
		for _, what := range []string{"limit for ", "request for "} {
			if resources, container, found := strings.Cut(part, " "+what); found {
				given[what+container] = strings.Split(resources, ", ")
			}
		}
	}
	return given
}

// withResources is the pod with other requests and limits of its containers, each named as LimitRanger does.
func withResources(pod *corev1.Pod, change func(container string, r *corev1.ResourceRequirements)) *corev1.Pod {
	changed := *pod // What it refers to is not written to.
	changed.Spec.Containers, changed.Spec.InitContainers = slices.Clone(pod.Spec.Containers), slices.Clone(pod.Spec.InitContainers)
	for kind, containers := range map[string][]corev1.Container{
		"container ": changed.Spec.Containers, "init container ": changed.Spec.InitContainers,
	} {
		for i := range containers {
			r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
			maps.Copy(r.Requests, containers[i].Resources.Requests)
			maps.Copy(r.Limits, containers[i].Resources.Limits)
			change(kind+containers[i].Name, &r)
			containers[i].Resources = r
		}
	}
	return &changed
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
	case over(limit, request)*1000 > float64(ratio.MilliValue()):
		a.add("ratio", name, "has a limit of %s for %s at a request of %s, which is more than %s times",
			limit.String(), name, request.String(), ratio.String())
	}
}

// over is a ratio, of whole numbers, as LimitRanger takes it: what is exactly a bound must not come out above it.
func over(limit, request resourcev1.Quantity) float64 {
	if limit.Value() > resourcev1.MaxMilliValue || request.Value() > resourcev1.MaxMilliValue {
		return float64(limit.Value()) / float64(request.Value())
	}
	return float64(limit.MilliValue()) / float64(request.MilliValue())
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
