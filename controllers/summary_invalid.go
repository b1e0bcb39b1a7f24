package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// summarizeInvalid is the status of a profile that cannot be carried out. What it last established
// stays as it is, and so do the counts.
func summarizeInvalid(profile *v1alpha1.SecurityProfile, why error, now time.Time) *v1alpha1.SecurityProfileStatus {
	status := profile.Status.DeepCopy()
	status.ObservedGeneration = profile.Generation
	status.Selection = selection.Broken(profile, now)
	message := "the profile cannot be carried out: " + printable.Message(why.Error()) + "; " + whatStays(status)
	setConditions(status, []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalid, Message: message},
		{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonInvalid, Message: message},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInvalid, Message: message},
	}, now)
	return status
}

// whatStays says what becomes of what a profile governed that cannot be carried out, by its status.
func whatStays(status *v1alpha1.SecurityProfileStatus) string {
	if status.Selection == nil && status.Namespaces.Selected == 0 {
		return "it never could be, and governs nothing"
	}
	return "what it established before stays as it is"
}
