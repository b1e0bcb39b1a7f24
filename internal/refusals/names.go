package refusals

import (
	"slices"
	"strings"
)

// ids are those of the catalogue by which a request can be refused.
var ids = func() []string {
	all := []string{limits, invalid, quotaFits, quotaUnspecified}
	for _, c := range podSecurityChecks {
		for _, id := range []string{c.atBaseline, c.atRestricted} {
			if id != "" {
				all = append(all, podSecurityRule+id)
			}
		}
	}
	for _, section := range sections {
		if !slices.Contains([]string{workloads, images, services}, section) {
			all = append(all, admissionRule+section)
		}
	}
	for _, rule := range []string{
		"allowedServiceTypes", "appArmor", "automountServiceAccountToken", "dropAllCapabilities", "hostNetwork", "hostPath",
		"hostPort", "nodeName", "priorityClasses", "readOnlyRootFilesystem", "requireLimitsCPU",
		"requireLimitsEphemeralStorage", "requireLimitsMemory", "requireProbesLiveness", "requireProbesReadiness",
		"requireProbesStartup", "requireRequestsCPU", "requireRequestsEphemeralStorage", "requireRequestsMemory",
		"runAsNonRoot", "seLinux", "seccomp", "tolerations",
	} {
		all = append(all, admissionRule+workloads+"/"+rule)
	}
	for _, rule := range []string{"allowedRegistries", "denyTags", "digest", "pullPolicy"} {
		all = append(all, admissionRule+images+"/"+rule)
	}
	slices.Sort(all)
	return all
}()

// IDs are the ids of all rules by which a request can be refused, sorted.
func IDs() []string { return slices.Clone(ids) }

// IsCalled reports whether people call a rule so: by its id, by the last part of it, or by that
// without the level of Pod Security.
func IsCalled(id, name string) bool {
	last := id[strings.LastIndexByte(id, '/')+1:]
	short, _, _ := strings.Cut(last, "_")
	return name == id || name == last || name == short
}

// Called are the rules that people call so; none if there is no such rule.
func Called(name string) []string {
	var called []string
	for _, id := range ids {
		if IsCalled(id, name) {
			called = append(called, id)
		}
	}
	return called
}
