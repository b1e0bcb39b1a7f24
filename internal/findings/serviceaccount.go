package findings

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// MountedToken is a ServiceAccount whose token is mounted into every pod that does not decline it.
type MountedToken struct{}

// AccountOf is false for a ServiceAccount whose token is not mounted by default.
func AccountOf(account *corev1.ServiceAccount) (MountedToken, bool) {
	return MountedToken{}, ptr.Deref(account.AutomountServiceAccountToken, true)
}

// accounts finds ServiceAccounts that mount their token, where the profile declares ones that do
// not.
func (j *judge) accounts(accounts map[string]MountedToken) {
	if !j.profile.LooksFor(v1alpha1.FindingIDTokenMountedByDefault) || !j.declinesTokens() {
		return
	}
	for _, name := range sortedKeys(accounts) {
		if j.profile.Spec.RBAC.DefaultServiceAccount != nil && name == "default" {
			continue // It is part of the baseline, and drift if it differs.
		}
		j.add(v1alpha1.Finding{
			ID:       v1alpha1.FindingIDTokenMountedByDefault,
			Severity: v1alpha1.SeverityLow,
			Object:   Reference("ServiceAccount", name),
			Message:  "its token is mounted into every pod that runs as it, unless the pod declines",
			Remedy:   "set automountServiceAccountToken: false on it, and true on the pods that call the API server; or declare it under spec.rbac.serviceAccounts",
		})
	}
}

// declinesTokens reports whether the profile declares a ServiceAccount whose token is not mounted.
func (j *judge) declinesTokens() bool {
	rbac := j.profile.Spec.RBAC
	if rbac == nil {
		return false
	}
	if d := rbac.DefaultServiceAccount; d != nil && !d.EffectiveAutomount() {
		return true
	}
	for i := range rbac.ServiceAccounts {
		if !rbac.ServiceAccounts[i].EffectiveAutomount() {
			return true
		}
	}
	return false
}
