package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// gather puts the LimitRanges and quotas of a namespace together: the profile's, and those among
// the manifests.
func (s *space) gather(given []any) {
	add := func(o any) {
		switch o := o.(type) {
		case *corev1.LimitRange:
			s.limits = append(s.limits, o.Spec.Limits)
		case *corev1.ResourceQuota:
			s.quotas = append(s.quotas, o)
		}
	}
	if s.governor != nil && s.governor.profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce {
		for _, o := range s.baseline {
			add(o)
		}
	}
	for _, o := range given {
		add(o)
	}
}

// limits holds the requests and limits of a pod against LimitRanges, and against each other once
// defaults are filled in. Of a template API validation asks the latter too, before there are
// defaults.
func limits(o *object, manifest *corev1.Pod, ranges [][]corev1.LimitRangeItem, ofPods bool, found *collected) {
	kind, name := strings.ToLower(o.Kind)+"s", o.Name
	if ofPods {
		kind, name = "pods", podName
	}
	for _, b := range tightening.Breaches(manifest, ranges...) {
		result := Result{
			Rule:      ruleInvalid,
			Action:    Deny,
			Severity:  v1alpha1.SeverityMedium,
			OfPods:    ofPods,
			Container: string(b.Resource),
			Message:   b.Words,
			Path:      resourcePath(o, manifest, b),
			Answer:    invalidAnswer(o, tightening.Admitted(manifest, ranges...), b, ofPods),
		}
		if b.Answer != "" {
			result.Rule, result.Answer = ruleLimits, fmt.Sprintf("%s %q is forbidden: %s", kind, name, b.Answer)
		}
		if b.Container != "" {
			result.Container = b.Container + "/" + string(b.Resource)
		}
		found.add(result)
	}
}

// invalidAnswer is what API validation answers to a request above its limit; of other breaches it
// is what is said here.
func invalidAnswer(o *object, pod *corev1.Pod, b tightening.Breach, ofPods bool) string {
	i := slices.IndexFunc(containersOf(&pod.Spec), func(c containerAt) bool { return c.Name == b.Container })
	if i < 0 {
		return b.Words
	}
	c := containersOf(&pod.Spec)[i]
	request, limit := c.Resources.Requests[b.Resource], c.Resources.Limits[b.Resource]
	if _, limited := c.Resources.Limits[b.Resource]; !limited || request.Cmp(limit) <= 0 {
		return b.Words
	}
	at, name, kind := c.path, podName, schema.GroupKind{Kind: "Pod"}
	if !ofPods {
		at, name, kind = o.within(c.path...), o.Name, schema.FromAPIVersionAndKind(o.APIVersion, o.Kind).GroupKind()
	}
	return fmt.Sprintf(
		"%s %q is invalid: %s.resources.requests: Invalid value: %q: must be less than or equal to %s limit of %s",
		kind,
		name,
		written(at),
		request.String(),
		b.Resource,
		limit.String(),
	)
}

// written is a path as Kubernetes writes it.
func written(path []any) string {
	var text strings.Builder
	for _, step := range path {
		if n, isIndex := step.(int); isIndex {
			fmt.Fprintf(&text, "[%d]", n)
			continue
		}
		if text.Len() > 0 {
			text.WriteByte('.')
		}
		fmt.Fprint(&text, step)
	}
	return text.String()
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
