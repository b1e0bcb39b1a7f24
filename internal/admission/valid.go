package admission

import (
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Reports remember the rules that were in force, and a tenant may be able to write reports. So each
// remembered rule is held against the schema of profiles before a policy is made of it, since a
// whole profile depends on that policy.

var (
	validType     = regexp.MustCompile(`^[A-Za-z0-9_]{1,63}$`)
	validPath     = regexp.MustCompile(`^(/[-A-Za-z0-9._]+){1,128}$`)
	validRegistry = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	validKey      = regexp.MustCompile(
		`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`,
	)
	validValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	validClass = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	validName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	validTag   = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9._]{0,127}$`)
)

func validWorkloads(w *v1alpha1.Workloads) bool {
	if w == nil {
		return true
	}
	return among(w.Seccomp, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost) &&
		among(
			w.AppArmor,
			corev1.AppArmorProfileTypeRuntimeDefault,
			corev1.AppArmorProfileTypeLocalhost,
			corev1.AppArmorProfileTypeUnconfined,
		) &&
		among(w.RequireRequests, judgedResources...) && among(w.RequireLimits, judgedResources...) &&
		among(w.RequireProbes, v1alpha1.ProbeLiveness, v1alpha1.ProbeReadiness, v1alpha1.ProbeStartup) &&
		matching(w.SELinux, validType, 16, 63) &&
		validHostPath(w.HostPath) && validScheduling(w) && validWorkloadExceptions(w.Except)
}

func validHostPath(p *v1alpha1.HostPath) bool {
	if p == nil {
		return true
	}
	var paths []string
	for _, a := range p.Allowed {
		paths = append(paths, a.PathPrefix)
	}
	return validPolicy(p.Policy, len(p.Allowed)) && matching(paths, validPath, 16, 256)
}

func validWorkloadExceptions(exceptions []v1alpha1.WorkloadException) bool {
	return len(exceptions) <= maxExceptions &&
		!slices.ContainsFunc(exceptions, func(e v1alpha1.WorkloadException) bool {
			return !among(e.Rules, v1alpha1.WorkloadRules...) || !validExcepted(&e.ExceptedContainers)
		})
}

func validImageExceptions(exceptions []v1alpha1.ImageException) bool {
	return len(exceptions) <= maxExceptions &&
		!slices.ContainsFunc(exceptions, func(e v1alpha1.ImageException) bool {
			return !among(e.Rules, v1alpha1.ImageRules...) || !validExcepted(&e.ExceptedContainers) ||
				len(e.Images) == 0 && slices.Contains(e.Rules, v1alpha1.ImageRuleAllowedRegistries)
		})
}

// maxExceptions is how many a section has at most.
const maxExceptions = 8

// validExcepted does not judge the reason, of which no policy is made.
func validExcepted(e *v1alpha1.ExceptedContainers) bool {
	return len(e.Containers)+len(e.Images) > 0 && matching(e.Containers, validName, 8, 63) &&
		matching(e.Images, validRegistry, 8, 255)
}

// validScheduling judges what a pod takes of hosts, and of which.
func validScheduling(w *v1alpha1.Workloads) bool {
	if p := w.HostPort; p != nil && (len(p.Allowed) > 16 || !validPolicy(p.Policy, len(p.Allowed))) {
		return false
	}
	if c := w.PriorityClasses; c != nil &&
		(!matching(c.Allowed, validClass, 16, 253) || !validPolicy(c.Policy, len(c.Allowed))) {
		return false
	}
	if w.Tolerations == nil {
		return true
	}
	if !validPolicy(w.Tolerations.Policy, len(w.Tolerations.Allowed)) {
		return false
	}
	var keys []string
	for _, a := range w.Tolerations.Allowed {
		if !matching(a.Values, validValue, 16, 63) {
			return false
		}
		keys = append(keys, a.Key)
	}
	return matching(keys, validKey, 16, 317)
}

// validPolicy reports whether a rule's policy is one for as many exceptions as it has.
func validPolicy(policy v1alpha1.AllowancePolicy, allowed int) bool {
	return policy == v1alpha1.AllowancePolicyForbid && allowed == 0 ||
		policy == v1alpha1.AllowancePolicyAllowListed && allowed > 0
}

var judgedResources = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}

func validImages(im *v1alpha1.Images) bool {
	return im == nil || im.Vulnerabilities == nil &&
		matching(im.AllowedRegistries, validRegistry, 64, 255) && matching(im.DenyTags, validTag, 32, 128) &&
		among([]corev1.PullPolicy{im.PullPolicy}, "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever) &&
		validImageExceptions(im.Except)
}

// among reports whether all are of some values, and each is there once.
func among[T comparable](all []T, values ...T) bool {
	for i, v := range all {
		if !slices.Contains(values, v) || slices.Contains(all[:i], v) {
			return false
		}
	}
	return true
}

// matching reports whether there are at most so many, each at most so long, and all match.
func matching(all []string, pattern *regexp.Regexp, most, longest int) bool {
	return len(all) <= most &&
		!slices.ContainsFunc(all, func(s string) bool { return len(s) > longest || !pattern.MatchString(s) })
}
