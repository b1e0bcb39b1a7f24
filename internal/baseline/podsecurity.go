package baseline

import (
	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// PodSecurityPrefix starts the labels of Pod Security Admission.
const PodSecurityPrefix = v1alpha1.PodSecurityPrefix

// PodSecurityLabels adds the labels of each mode that the profile sets. A version is always set
// beside its level: without one, a tenant's own version label would decide what the level means.
func PodSecurityLabels(ps *v1alpha1.PodSecurity, labels map[string]string) {
	if ps == nil {
		return
	}
	for _, mode := range []struct {
		name    string
		level   v1alpha1.PodSecurityLevel
		version v1alpha1.PodSecurityVersion
	}{
		{"enforce", ps.Enforce, ps.EffectiveEnforceVersion()},
		{"audit", ps.Audit, ps.EffectiveAuditVersion()},
		{"warn", ps.Warn, ps.EffectiveWarnVersion()},
	} {
		if mode.level != "" {
			labels[PodSecurityPrefix+mode.name] = string(mode.level)
			labels[PodSecurityPrefix+mode.name+"-version"] = string(mode.version)
		}
	}
}
