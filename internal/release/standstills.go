package release

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

const (
	// DeletionPatience is how long a profile's deletion may take until the operator asks itself
	// whether it may end it.
	DeletionPatience = 5 * time.Second
	// PermissionsRecheck is how long an answer to that holds. It costs a review for each
	// permission.
	PermissionsRecheck = time.Minute
)

// Standstills remembers which deletions of profiles wait for permissions that the operator has
// lost. The reconciler of profiles has one worker.
//
//	state        what happens                             becomes    status and metric
//	not asked    the deletion takes long, or is refused   asked      as the answer is
//	asked        the answer no longer holds               asked      as the answer is
//	asked        a status could not be written            not asked
//	any          the profile is gone                      not asked
type Standstills struct {
	// missing lists what the operator must be allowed and is not.
	missing func(context.Context) ([]string, error)
	// left says what is left of a profile.
	left  func(ctx context.Context, profile string) (string, error)
	asked *priority.Throttle
	told  map[string]string // what was last said of a profile's deletion
}

// NewStandstills returns Standstills that ask for missing permissions, and for what is left of a
// profile.
func NewStandstills(
	missing func(context.Context) ([]string, error), left func(ctx context.Context, profile string) (string, error),
) *Standstills {
	return &Standstills{
		missing: missing, left: left, asked: priority.NewThrottle(PermissionsRecheck), told: map[string]string{},
	}
}

// Forget drops a profile that is gone.
func (s *Standstills) Forget(profile string) {
	s.asked.Forget(profile)
	delete(s.told, profile)
}

// AskAgain has the next reconcile ask again, since the last answer could not be told.
func (s *Standstills) AskAgain(profile string) { s.asked.Forget(profile) }

// Standstill is why a profile that is being deleted is still there.
type Standstill struct {
	// Wait is when to come back.
	Wait time.Duration
	// Known is set if it has been asked now which permissions are missing.
	Known bool
	// Message says which are missing; empty if none is. News is set if it was not the last message.
	Message string
	News    bool
	// Status is the profile's status by that; nil if it is not to be written.
	Status *v1alpha1.SecurityProfileStatus
}

// Explain says which permissions the operator lacks to end the deletion of a profile, if it does.
// The error is the refusal if that is not why.
func (s *Standstills) Explain(
	ctx context.Context, profile *v1alpha1.SecurityProfile, refusal error, now time.Time,
) (Standstill, error) {
	if refusal == nil && now.Sub(profile.DeletionTimestamp.Time) < DeletionPatience {
		return Standstill{Wait: DeletionPatience}, nil
	}
	if wait := s.asked.Wait(profile.Name, now); wait > 0 {
		if s.told[profile.Name] == "" {
			return Standstill{Wait: wait}, refusal // It was not for want of permissions.
		}
		return Standstill{Wait: wait}, nil
	}
	s.asked.Note(profile.Name, now)
	missing, err := s.missing(ctx)
	switch {
	case err != nil:
		return Standstill{}, err
	case len(missing) == 0 && refusal != nil:
		return Standstill{}, refusal // An admission webhook, say: the API server's words are all there is to tell.
	case len(missing) == 0:
		delete(s.told, profile.Name)
		return Standstill{Wait: PermissionsRecheck, Known: true, Status: retracted(profile, now)}, nil
	}
	return s.explain(ctx, profile, missing, now)
}

// explain says which permissions are missing, and what of the profile is left.
func (s *Standstills) explain(
	ctx context.Context, profile *v1alpha1.SecurityProfile, missing []string, now time.Time,
) (Standstill, error) {
	slices.SortStableFunc(missing, deletesFirst)
	left, err := s.left(ctx, profile.Name)
	if err != nil {
		return Standstill{Wait: PermissionsRecheck}, err
	}
	message := fmt.Sprintf("the profile is being deleted and the operator cannot end that. Left are %s. "+
		"It may not: %s. Give it its permissions back (kubectl apply --server-side -k config/rbac), "+
		"or take the finalizer %s off, upon which Kubernetes deletes what the profile owns "+
		"(docs/gitops.md#if-the-permissions-went-first)",
		left, printable.Message(strings.Join(missing, "; ")), v1alpha1.Finalizer)
	news := s.told[profile.Name] != message
	s.told[profile.Name] = message
	status := profile.Status.DeepCopy()
	status.ObservedGeneration = profile.Generation
	setConditions(status, v1alpha1.ConditionStalled, v1alpha1.ReasonPermissionsLost, message, now)
	return Standstill{Wait: PermissionsRecheck, Known: true, Message: message, News: news, Status: status}, nil
}

// retracted is the status of a profile that no longer waits for permissions; nil if its status does
// not say that it does.
func retracted(profile *v1alpha1.SecurityProfile, now time.Time) *v1alpha1.SecurityProfileStatus {
	stalled := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled == nil || stalled.Reason != v1alpha1.ReasonPermissionsLost {
		return nil
	}
	const message = "the profile is being deleted, and what it established is being taken away"
	status := profile.Status.DeepCopy()
	setConditions(status, v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing, message, now)
	return status
}

// setConditions makes a status neither Ready nor known to be Compliant, and another condition of it
// true.
func setConditions(status *v1alpha1.SecurityProfileStatus, is, reason, message string, now time.Time) {
	posture.SetConditions(status, []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message},
		{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionUnknown, Reason: reason, Message: message},
		{Type: is, Status: metav1.ConditionTrue, Reason: reason, Message: message},
	}, now)
}

// deletesFirst orders permissions by what a deletion needs most.
func deletesFirst(a, b string) int {
	return cmp.Compare(strings.Index(b, "delete "), strings.Index(a, "delete "))
}
