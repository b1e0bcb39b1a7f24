package posture

import "github.com/bulwark-dev/bulwark/api/v1alpha1"

// isKnown reports whether this release writes a finding of this kind and severity. The schema
// admits any, since a later release may write others; a report that nobody sealed is believed in
// those that are known.
func isKnown(id v1alpha1.FindingID, severity v1alpha1.Severity) bool {
	return isKnownFinding(id) && isKnownSeverity(severity)
}

func isKnownFinding(id v1alpha1.FindingID) bool {
	switch id {
	case v1alpha1.NetworkReopened, v1alpha1.PrivilegedBinding, v1alpha1.BroadBinding, v1alpha1.TokenMountedByDefault,
		v1alpha1.LimitDefaultsOverridden, v1alpha1.PodSecurityExempt, v1alpha1.PodSecurityOutdated, v1alpha1.PodSecurityViolated,
		v1alpha1.WorkloadRuleViolated, v1alpha1.ObjectInProtectedNamespace, v1alpha1.PodSecurityLabelSync, v1alpha1.WebhookUnreachable,
		v1alpha1.WorkloadNotAdmitted, v1alpha1.QuotaExceeded, v1alpha1.ForbiddenRulesBound, v1alpha1.QuotaCountsBaseline,
		v1alpha1.ObjectTooLarge, v1alpha1.TooManyObjects:
		return true
	}
	return false
}

func isKnownSeverity(severity v1alpha1.Severity) bool {
	switch severity {
	case v1alpha1.Critical, v1alpha1.High, v1alpha1.Medium, v1alpha1.Low:
		return true
	}
	return false
}
