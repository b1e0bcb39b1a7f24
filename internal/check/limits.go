package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// gather puts the LimitRanges and quotas of each namespace together: the profile's, and those among the manifests.
func (r *run) gather() {
	add := func(s *space, o any) {
		switch o := o.(type) {
		case *corev1.LimitRange:
			s.limits = append(s.limits, o.Spec.Limits)
		case *corev1.ResourceQuota:
			s.quotas = append(s.quotas, o)
		}
	}
	for _, s := range r.govs.spaces {
		if s.governor == nil || s.governor.profile.EffectiveEnforcement() != v1alpha1.Enforce {
			continue
		}
		for _, o := range s.baseline {
			add(s, o)
		}
	}
	for _, o := range r.objects {
		if s := r.govs.spaces[o.Namespace]; s != nil {
			add(s, o.typed)
		}
	}
}

// limits holds the requests and limits of a pod against the LimitRanges, and against each other once defaults are filled in.
func (j judgement) limits(o *object, manifest *corev1.Pod, ofPods bool, found *collected) {
	for _, b := range tightening.Breaches(manifest, j.space.limits...) {
		result := Result{
			Rule: ruleInvalid, Action: Deny, Severity: v1alpha1.Medium, OfPods: ofPods, Container: b.Container, Message: b.Words,
			Path: resourcePath(o, manifest, b), Answer: b.Words,
		}
		if b.Answer != "" {
			name := o.Name
			if ofPods {
				name = podName
			}
			result.Rule, result.Answer = ruleLimits, fmt.Sprintf("pods %q is forbidden: %s", name, b.Answer)
		}
		if b.Container != "" {
			result.Container = b.Container + "/" + string(b.Resource)
		} else {
			result.Container = string(b.Resource)
		}
		found.add(result)
	}
}

// resourcePath is where the request or limit stands that a breach is about.
func resourcePath(o *object, pod *corev1.Pod, b tightening.Breach) []any {
	list := "limits"
	if at := refusedResource.FindString(b.Words); strings.HasPrefix(at, "request") {
		list = "requests"
	}
	if b.Container == "" {
		return o.within("spec", "resources", list, string(b.Resource))
	}
	for _, c := range containersOf(&pod.Spec) {
		if c.Name == b.Container {
			return o.within(append(slices.Clone(c.path), "resources", list, string(b.Resource))...)
		}
	}
	return o.within("spec")
}
