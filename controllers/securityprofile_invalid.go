package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// retellInvalid is how often an event says of a profile that it is invalid.
const retellInvalid = 10 * time.Minute

// concludeInvalid says that a profile cannot be carried out, and returns when to say it again. The
// API server refuses the status of a profile that was stored in a former form of the API, if it
// cannot even evaluate a rule of the schema on the spec: then an event says it.
func (r *SecurityProfileReconciler) concludeInvalid(
	ctx context.Context, profile *v1alpha1.SecurityProfile, why error,
) (time.Duration, error) {
	status := posture.SummarizeInvalid(profile, why, r.Clock.Now())
	err := r.conclude(ctx, profile, status)
	if !apierrors.IsInvalid(err) {
		return 0, err
	}
	now := r.Clock.Now()
	if wait := r.toldInvalid.Wait(profile.Name, now); wait > 0 {
		return wait, nil
	}
	r.toldInvalid.Note(profile.Name, now)
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	logf.FromContext(ctx).Error(err, "The status of a SecurityProfile cannot say what is wrong with it",
		"profile", profile.Name, "reason", stalled.Message)
	r.events.TellAlways(profile, events.Notice{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventInvalid, Action: "Validate",
		Note: stalled.Message + ". Its status cannot be written before the profile is applied in the present form",
	})
	return retellInvalid, nil
}
