package findings

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// LimitDefaults are what a LimitRange gives to containers that do not say of cpu, memory and
// ephemeral storage: only the type Container can have defaults.
type LimitDefaults struct {
	Limits, Requests corev1.ResourceList
}

// LimitsOf is the defaults of a LimitRange; false if it has none.
func LimitsOf(limits *corev1.LimitRange) (LimitDefaults, bool) {
	defaults := containerDefaults(limits)
	return defaults, len(defaults.Limits)+len(defaults.Requests) > 0
}

func containerDefaults(limits *corev1.LimitRange) LimitDefaults {
	d := LimitDefaults{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	for _, item := range limits.Spec.Limits {
		if item.Type != corev1.LimitTypeContainer {
			continue
		}
		for _, name := range []corev1.ResourceName{
			corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage,
		} {
			if quantity, set := item.Default[name]; set {
				d.Limits[name] = quantity
			}
			if quantity, set := item.DefaultRequest[name]; set {
				d.Requests[name] = quantity
			}
		}
	}
	return d
}

// limits finds LimitRanges that have other defaults than the declared.
func (j *judge) limits(all map[string]LimitDefaults) {
	if len(all) == 0 || !j.profile.LooksFor(v1alpha1.FindingIDLimitDefaultsOverridden) {
		return
	}
	declared := j.declaredDefaults()
	for _, name := range sortedKeys(all) {
		var differ []string
		for _, defaults := range []struct {
			what           string
			declared, here corev1.ResourceList
		}{{"limit", declared.Limits, all[name].Limits}, {"request", declared.Requests, all[name].Requests}} {
			for resource, want := range defaults.declared {
				if got, set := defaults.here[resource]; set && got.Cmp(want) != 0 {
					differ = append(differ, fmt.Sprintf("%s %s %s, declared %s", defaults.what, resource, got.String(), want.String()))
				}
			}
		}
		if len(differ) == 0 {
			continue
		}
		slices.Sort(differ)
		j.add(v1alpha1.Finding{
			ID:       v1alpha1.FindingIDLimitDefaultsOverridden,
			Severity: v1alpha1.SeverityMedium,
			Object:   Reference("LimitRange", name),
			Message: "a container that says nothing may get this default instead of the declared one: " + listed(
				differ,
				maxListed,
			),
			Remedy: "delete the LimitRange, or take its defaults for these resources out of it",
		})
	}
}

func (j *judge) declaredDefaults() LimitDefaults {
	for _, o := range j.desired() {
		if limits, ok := o.(*corev1.LimitRange); ok {
			return containerDefaults(limits)
		}
	}
	return LimitDefaults{}
}
