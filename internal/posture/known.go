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
	case v1alpha1.FindingIDNetworkReopened,
		v1alpha1.FindingIDPrivilegedBinding,
		v1alpha1.FindingIDBroadBinding,
		v1alpha1.FindingIDTokenMountedByDefault,
		v1alpha1.FindingIDLimitDefaultsOverridden,
		v1alpha1.FindingIDPodSecurityExempt,
		v1alpha1.FindingIDPodSecurityOutdated,
		v1alpha1.FindingIDPodSecurityViolated,
		v1alpha1.FindingIDWorkloadRuleViolated,
		v1alpha1.FindingIDObjectInProtectedNamespace,
		v1alpha1.FindingIDPodSecurityLabelSync,
		v1alpha1.FindingIDWebhookUnreachable,
		v1alpha1.FindingIDWorkloadNotAdmitted,
		v1alpha1.FindingIDQuotaExceeded,
		v1alpha1.FindingIDForbiddenRulesBound,
		v1alpha1.FindingIDQuotaCountsBaseline,
		v1alpha1.FindingIDObjectTooLarge,
		v1alpha1.FindingIDTooManyObjects:
		return true
	}
	return false
}

func isKnownSeverity(severity v1alpha1.Severity) bool {
	switch severity {
	case v1alpha1.SeverityCritical, v1alpha1.SeverityHigh, v1alpha1.SeverityMedium, v1alpha1.SeverityLow:
		return true
	}
	return false
}
