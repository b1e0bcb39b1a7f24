package controllers

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// withPolicies sets the condition AdmissionReady, and returns the other conditions that hold: if
// the policies could not be put in force, the profile is not ready. Without a report the condition
// stays what it was.
func withPolicies(
	status *v1alpha1.SecurityProfileStatus, report *admission.Report, hold []metav1.Condition, now time.Time,
) []metav1.Condition {
	if report == nil {
		return hold
	}
	condition := report.Condition
	if condition.Type == "" {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionAdmission)
		return hold
	}
	setCondition(status, condition, now)
	if !report.Blocks {
		return hold
	}
	hold = slices.DeleteFunc(hold, func(c metav1.Condition) bool { return c.Type != v1alpha1.ConditionCompliant })
	ready, stalled := condition, condition
	ready.Type = v1alpha1.ConditionReady
	stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	return append(hold, ready, stalled)
}

// recordPolicyDrift keeps the drift of policies that the status holds, which is what bears no
// namespace, and adds what was corrected since it was written, beside the drift of namespaces.
func recordPolicyDrift(
	profile *v1alpha1.SecurityProfile, status *v1alpha1.SecurityProfileStatus, report *admission.Report, now time.Time,
) {
	status.PolicyDriftTotal = profile.Status.PolicyDriftTotal
	for _, entry := range profile.Status.Drift {
		if entry.Namespace == "" {
			status.Drift = append(status.Drift, *entry.DeepCopy())
		}
	}
	if report != nil {
		for i := range report.Corrected {
			status.PolicyDriftTotal++
			status.Drift = append(status.Drift, report.Corrected[i].Entry("", now))
		}
	}
	status.DriftTotal = posture.Add(status.DriftTotal, status.PolicyDriftTotal)
	slices.SortStableFunc(status.Drift, newestFirst)
	status.Drift = status.Drift[:min(len(status.Drift), v1alpha1.MaxDrift)]
}
