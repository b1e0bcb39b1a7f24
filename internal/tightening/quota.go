package tightening

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/resource"
)

// RefusedByQuota is what would be refused by a quota that takes the place of another of the same scopes, whose usage Kubernetes has
// counted: every further object of a resource of which more is used than there will be.
func RefusedByQuota(hard, before, used corev1.ResourceList) *Refused {
	r := &Refused{}
	for _, name := range sortedNames(hard) {
		most, inUse := hard[name], used[name]
		if was, bounded := before[name]; bounded && was.Cmp(most) <= 0 {
			continue // It is no stricter than it was.
		}
		if inUse.Cmp(most) > 0 {
			r.Reasons = append(r.Reasons, fmt.Sprintf("%s of %s are used, which will be at most %s", inUse.String(), name, most.String()))
		}
	}
	return r
}

// Uncounted is the part of a quota that takes the place of another that is stricter than that and of which Kubernetes has not counted
// the usage: the one in place did not bound it, or is not there any more.
func Uncounted(hard, before, used corev1.ResourceList) corev1.ResourceList {
	uncounted := corev1.ResourceList{}
	for name, most := range hard {
		was, bounded := before[name]
		if _, counted := used[name]; !counted && (!bounded || was.Cmp(most) > 0) {
			uncounted[name] = most
		}
	}
	return uncounted
}

// QuotaCheck counts what pods use of a quota that is not in place yet, so that Kubernetes has not counted it.
type QuotaCheck struct {
	hard, used corev1.ResourceList
	silent     Refused // pods that do not say how much they need
	// defaults are the requests and limits that a LimitRange will give to containers that have none.
	requests, limits corev1.ResourceList
}

// NewQuotaCheck is a check of a quota without scopes. The LimitRange, if there is one, gives defaults.
func NewQuotaCheck(hard corev1.ResourceList, limits *corev1.LimitRange) *QuotaCheck {
	c := &QuotaCheck{hard: hard, used: corev1.ResourceList{}, requests: corev1.ResourceList{}, limits: corev1.ResourceList{}}
	if limits == nil {
		return c
	}
	for _, item := range limits.Spec.Limits {
		if item.Type == corev1.LimitTypeContainer {
			addMissing(c.requests, item.DefaultRequest)
			addMissing(c.limits, item.Default)
		}
	}
	return c
}

// Add counts one pod. A quota for a resource refuses pods that do not say how much of it they need. Pods that have ended use nothing,
// but are objects still.
func (c *QuotaCheck) Add(pod *corev1.Pod) {
	if _, bounded := c.hard[countPods]; bounded {
		c.count(countPods, resourcev1.MustParse("1"))
	}
	if ended(pod) {
		return
	}
	requests := resource.PodRequests(pod, resource.PodResourcesOptions{})
	limits := resource.PodLimits(pod, resource.PodResourcesOptions{})
	silent := ""
	for _, name := range sortedNames(c.hard) {
		list, defaults, of := requests, c.requests, corev1.ResourceName(strings.TrimPrefix(string(name), corev1.DefaultResourceRequestsPrefix))
		if rest, ofLimits := strings.CutPrefix(string(name), limitsPrefix); ofLimits {
			list, defaults, of = limits, c.limits, corev1.ResourceName(rest)
		}
		switch of {
		case corev1.ResourcePods:
			c.count(name, resourcev1.MustParse("1"))
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
			c.count(name, list[of])
			if _, defaulted := defaults[of]; !defaulted && missing(pod, of, name) {
				silent = string(name)
			}
		}
	}
	if silent != "" {
		c.silent.AddPod(pod.Name, "does not say how much it needs of "+silent)
	}
}

const (
	countPods    = corev1.ResourceName("count/pods")
	limitsPrefix = "limits."
)

// missing reports whether a container of the pod does not set what a quota's resource counts. None must say how much ephemeral storage it
// needs, nor anything in a pod that sets resources for all of its containers together.
func missing(pod *corev1.Pod, of, name corev1.ResourceName) bool {
	if of == corev1.ResourceEphemeralStorage || resource.IsPodLevelResourcesSet(pod) {
		return false
	}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		list := c.Resources.Requests
		if strings.HasPrefix(string(name), limitsPrefix) {
			list = c.Resources.Limits
		}
		if _, set := list[of]; !set {
			return true
		}
	}
	return false
}

func (c *QuotaCheck) count(name corev1.ResourceName, amount resourcev1.Quantity) {
	sum := c.used[name]
	sum.Add(amount)
	c.used[name] = sum
}

// Result is what the quota would refuse, after all pods were added.
func (c *QuotaCheck) Result() *Refused {
	r := RefusedByQuota(c.hard, nil, c.used)
	r.Reasons = append(r.Reasons, c.silent.Reasons...)
	r.Pods, r.Total = c.silent.Pods, c.silent.Total
	return r
}
