package tightening

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// RefusedByQuota is what would be refused by a quota that takes the place of another of the same
// scopes, whose usage Kubernetes has counted: every further object of a resource of which more is
// used than there will be.
func RefusedByQuota(hard, before, used corev1.ResourceList) *Refused {
	r := &Refused{}
	for _, name := range sortedNames(hard) {
		most, inUse := hard[name], used[name]
		if was, bounded := before[name]; bounded && was.Cmp(most) <= 0 {
			continue // It is no stricter than it was.
		}
		if inUse.Cmp(most) > 0 {
			r.Reasons = append(
				r.Reasons,
				fmt.Sprintf("%s of %s are used, which will be at most %s", inUse.String(), name, most.String()),
			)
		}
	}
	return r
}

// Uncounted returns the entries of a new quota that are stricter than in the old one and whose usage
// Kubernetes has not counted. The old quota did not bound them, or is gone.
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

// QuotaCheck counts what pods use of a quota that is not in place yet, so that Kubernetes has not
// counted it.
type QuotaCheck struct {
	hard, used corev1.ResourceList
	mustBeSaid []corev1.ResourceName
	limits     *LimitCheck
	now        time.Time
	// silent are the pods that do not say how much they need, with the LimitRanges that are to be
	// in place, and with those in place.
	silent, silentBefore Refused
}

// NewQuotaCheck is a check of a quota without scopes, at a time. The LimitRanges that the other
// check holds pods against give defaults; where it finds pods that the new one would refuse, the
// one in place does.
func NewQuotaCheck(hard corev1.ResourceList, limits *LimitCheck, now time.Time) *QuotaCheck {
	return &QuotaCheck{hard: hard, used: corev1.ResourceList{}, mustBeSaid: mustBeSaid(hard), limits: limits, now: now}
}

// Add counts one pod. A quota for a resource refuses pods that do not say how much of it they need.
func (c *QuotaCheck) Add(pod *corev1.Pod) {
	for name, quantity := range Usage(pod, c.now) {
		if _, bounded := c.hard[name]; bounded {
			sum := c.used[name]
			sum.Add(quantity)
			c.used[name] = sum
		}
	}
	if len(c.mustBeSaid) == 0 || !madeAnew(pod) {
		return
	}
	for _, manifest := range manifests(pod, c.limits.known) {
		addSilent(&c.silent, pod.Name, c.unsaid(c.limits.after.admitted(manifest)))
		addSilent(&c.silentBefore, pod.Name, c.unsaid(c.limits.before.admitted(manifest)))
	}
}

func addSilent(silent *Refused, pod string, of corev1.ResourceName) {
	if last := len(silent.Pods) - 1; of != "" && (last < 0 || silent.Pods[last] != pod) { // A pod may have two manifests.
		silent.AddPod(pod, "does not say how much it needs of "+string(of))
	}
}

// mustBeSaid are the resources of a quota of which each container must say how much it needs, in
// order. Kubernetes wants it of cpu and memory only.
func mustBeSaid(hard corev1.ResourceList) []corev1.ResourceName {
	return slices.DeleteFunc(sortedNames(hard), func(name corev1.ResourceName) bool {
		of, _ := countedOf(name)
		return of != corev1.ResourceCPU && of != corev1.ResourceMemory
	})
}

// countedOf is the resource of which a quota's name counts the requests or the limits.
func countedOf(name corev1.ResourceName) (of corev1.ResourceName, limits bool) {
	rest, limits := strings.CutPrefix(string(name), limitsPrefix)
	if !limits {
		rest = strings.TrimPrefix(rest, corev1.DefaultResourceRequestsPrefix)
	}
	return corev1.ResourceName(rest), limits
}

// unsaid is a resource of the quota of which a container of the pod does not say how much it needs.
// None must in a pod that sets resources for all of its containers together.
func (c *QuotaCheck) unsaid(pod *corev1.Pod) corev1.ResourceName {
	if resource.IsPodLevelResourcesSet(pod) {
		return ""
	}
	for _, name := range c.mustBeSaid {
		of, limits := countedOf(name)
		for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			list := container.Resources.Requests
			if limits {
				list = container.Resources.Limits
			}
			if _, set := list[of]; !set {
				return name
			}
		}
	}
	return ""
}

// Result is what the quota would refuse, after all pods were added.
func (c *QuotaCheck) Result() *Refused {
	silent := &c.silent
	if c.limits.Waits() {
		silent = &c.silentBefore
	}
	r := RefusedByQuota(c.hard, nil, c.used)
	r.Reasons = append(r.Reasons, silent.Reasons...)
	r.Pods, r.Total = silent.Pods, silent.Total
	return r
}
