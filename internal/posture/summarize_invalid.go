package posture

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// SummarizeInvalid is the status of a profile that cannot be carried out. The baseline that it last
// established stays as it is, and so do the counts.
func SummarizeInvalid(profile *v1alpha1.SecurityProfile, why error, now time.Time) *v1alpha1.SecurityProfileStatus {
	status := profile.Status.DeepCopy()
	status.ObservedGeneration = profile.Generation
	status.Selection = selection.Broken(profile, now)
	message := "the profile cannot be carried out: " + printable.Message(why.Error()) + "; " + whatStays(status)
	invalid := func(conditionType string, holds metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: conditionType, Status: holds, Reason: v1alpha1.ReasonInvalid, Message: message}
	}
	SetConditions(status, []metav1.Condition{
		invalid(v1alpha1.ConditionReady, metav1.ConditionFalse),
		invalid(v1alpha1.ConditionCompliant, metav1.ConditionUnknown),
		invalid(v1alpha1.ConditionStalled, metav1.ConditionTrue),
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

// SummarizeNew is the status of a profile for which nothing has been done yet.
func SummarizeNew(profile *v1alpha1.SecurityProfile, now time.Time) *v1alpha1.SecurityProfileStatus {
	status := &v1alpha1.SecurityProfileStatus{ObservedGeneration: profile.Generation}
	progressing := func(conditionType string, holds metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{
			Type: conditionType, Status: holds, Reason: v1alpha1.ReasonProgressing,
			Message: "the profile is new: its namespaces have yet to be looked at",
		}
	}
	SetConditions(status, []metav1.Condition{
		progressing(v1alpha1.ConditionReady, metav1.ConditionFalse),
		progressing(v1alpha1.ConditionCompliant, metav1.ConditionFalse),
		progressing(v1alpha1.ConditionReconciling, metav1.ConditionTrue),
	}, now)
	return status
}
