package check

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// scoped reports whether a quota counts some pods only.
func scoped(quota *corev1.ResourceQuota) bool { return len(quota.Spec.Scopes)+len(scopesOf(quota)) > 0 }

func scopesOf(quota *corev1.ResourceQuota) []corev1.ScopedResourceSelectorRequirement {
	if quota.Spec.ScopeSelector == nil {
		return nil
	}
	return quota.Spec.ScopeSelector.MatchExpressions
}

// inScope reports whether a quota counts a pod.
func inScope(quota *corev1.ResourceQuota, pod *corev1.Pod) bool {
	for _, scope := range quota.Spec.Scopes {
		if !matchesScope(
			corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists},
			pod,
		) {
			return false
		}
	}
	return !slices.ContainsFunc(
		scopesOf(quota),
		func(scope corev1.ScopedResourceSelectorRequirement) bool { return !matchesScope(scope, pod) },
	)
}

func matchesScope(scope corev1.ScopedResourceSelectorRequirement, pod *corev1.Pod) bool {
	switch scope.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return pod.Spec.ActiveDeadlineSeconds != nil
	case corev1.ResourceQuotaScopeNotTerminating:
		return pod.Spec.ActiveDeadlineSeconds == nil
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort(pod)
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort(pod)
	case corev1.ResourceQuotaScopePriorityClass:
		has := pod.Spec.PriorityClassName != ""
		switch scope.Operator {
		case corev1.ScopeSelectorOpIn:
			return slices.Contains(scope.Values, pod.Spec.PriorityClassName)
		case corev1.ScopeSelectorOpNotIn:
			return !slices.Contains(scope.Values, pod.Spec.PriorityClassName)
		case corev1.ScopeSelectorOpDoesNotExist:
			return !has
		}
		return has
	}
	return false // Of other scopes it is not known what a pod of them is.
}

func bestEffort(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(containersOf(&pod.Spec), func(c containerAt) bool {
		return len(c.Resources.Requests)+len(c.Resources.Limits) > 0
	}) && (pod.Spec.Resources == nil || len(pod.Spec.Resources.Requests)+len(pod.Spec.Resources.Limits) == 0)
}
