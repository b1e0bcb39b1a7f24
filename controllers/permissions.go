package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	// deletionPatience is how long a profile's deletion may take until the operator asks itself whether it may end it.
	deletionPatience = 5 * time.Second
	// permissionsRecheck is how long an answer to that holds. It costs a review for each permission.
	permissionsRecheck = retryMax
)

// lost remembers which deletions wait for permissions that the operator has lost. The reconciler of profiles has one worker.
type lost struct {
	// missing lists what the operator must be allowed and is not.
	missing func(context.Context) ([]string, error)
	asked   moments
	told    map[string]string // what was last said of a profile's deletion
}

func newLost(missing func(context.Context) ([]string, error)) *lost {
	return &lost{missing: missing, told: map[string]string{}}
}

func (l *lost) forget(profile string) {
	l.asked.forget(profile)
	delete(l.told, profile)
}

// holdsFor is how long the last answer for a profile's deletion still holds.
func (l *lost) holdsFor(profile string, now time.Time) time.Duration {
	asked, ever := l.asked.of(profile)
	if !ever || now.Before(asked) { // The clock has been set back.
		return 0
	}
	return max(0, asked.Add(permissionsRecheck).Sub(now))
}

// whyStill says of a profile that is deleted and still there which permissions the operator lacks, if it does: in the profile's condition,
// in a metric and, since it may not even write the condition, in the log. It returns when to look again.
func (r *SecurityProfileReconciler) whyStill(ctx context.Context, profile *v1alpha1.SecurityProfile, refusal error) (time.Duration, error) {
	now := r.Clock.Now()
	if refusal == nil && now.Sub(profile.DeletionTimestamp.Time) < deletionPatience {
		return deletionPatience, nil
	}
	if wait := r.lost.holdsFor(profile.Name, now); wait > 0 {
		if r.lost.told[profile.Name] == "" {
			return wait, refusal // It was not for want of permissions.
		}
		return wait, nil
	}
	r.lost.asked.note(profile.Name, now)
	missing, err := r.lost.missing(ctx)
	switch {
	case err != nil:
		return 0, err
	case len(missing) == 0 && refusal != nil:
		return 0, refusal // An admission webhook, say: the API server's words are all there is to tell.
	case len(missing) == 0:
		delete(r.lost.told, profile.Name)
		r.Metrics.DeletionStalled(profile.Name, false)
		return retryMax, r.retractStall(ctx, profile)
	}
	return permissionsRecheck, r.tellStalled(ctx, profile, missing, refusal)
}

// tellStalled says which permissions are missing, and what of the profile is left.
func (r *SecurityProfileReconciler) tellStalled(ctx context.Context, profile *v1alpha1.SecurityProfile, missing []string, refusal error) error {
	slices.SortStableFunc(missing, deletesFirst)
	left, err := r.left(ctx, profile.Name)
	if err != nil {
		return err
	}
	message := fmt.Sprintf("the profile is being deleted and the operator cannot end that. Left are %s. It may not: %s. Give it its permissions back "+
		"(kubectl apply --server-side -k config/rbac), or take the finalizer %s off, upon which Kubernetes deletes what the profile owns "+
		"(docs/gitops.md#if-the-permissions-went-first)", left, printable.Message(strings.Join(missing, "; ")), v1alpha1.Finalizer)
	r.Metrics.DeletionStalled(profile.Name, true)
	if r.lost.told[profile.Name] != message {
		r.lost.told[profile.Name] = message
		logf.FromContext(ctx).Error(refusal, "A SecurityProfile cannot be let go", "profile", profile.Name, "reason", message)
	}
	status := profile.Status.DeepCopy()
	status.ObservedGeneration = profile.Generation
	posture.SetConditions(status, []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPermissionsLost, Message: message},
		{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonPermissionsLost, Message: message},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPermissionsLost, Message: message},
	}, r.Clock.Now())
	err = r.writeStatus(ctx, profile, status)
	if err == nil || apierrors.IsForbidden(err) {
		return nil
	}
	r.lost.asked.forget(profile.Name) // A conflict, say: it is to be told all the same.
	return err
}

// retractStall takes back what whyStill said, once it is so no more.
func (r *SecurityProfileReconciler) retractStall(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	stalled := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled == nil || stalled.Reason != v1alpha1.ReasonPermissionsLost {
		return nil
	}
	const message = "the profile is being deleted, and what it established is being taken away"
	status := profile.Status.DeepCopy()
	posture.SetConditions(status, []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonProgressing, Message: message},
		{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProgressing, Message: message},
		{Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProgressing, Message: message},
	}, r.Clock.Now())
	return r.writeStatus(ctx, profile, status)
}

// left says what bears the profile's name still: how many objects of which kinds, in which namespaces.
func (r *SecurityProfileReconciler) left(ctx context.Context, profile string) (string, error) {
	var counts []string
	namespaces := map[string]bool{}
	kinds := slices.Concat(baseline.Kinds, baseline.AdmissionKinds)
	for i := range kinds {
		items, err := inventory.List(ctx, r.Client, &kinds[i], client.MatchingLabels{v1alpha1.ProfileLabel: profile})
		if err != nil {
			return "", err
		}
		if len(items) > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", len(items), kinds[i].Resource))
		}
		if i >= len(baseline.Kinds) {
			continue // Policies are in no namespace.
		}
		for _, o := range items {
			namespaces[cmp.Or(o.GetNamespace(), o.GetName())] = true // A Namespace is in itself.
		}
	}
	left := cmp.Or(strings.Join(counts, ", "), "nothing")
	if len(namespaces) > 0 {
		left += fmt.Sprintf(", in %d namespaces (%s)", len(namespaces), posture.FirstNames(slices.Collect(maps.Keys(namespaces))))
	}
	return left, nil
}

// deletesFirst orders permissions by what a deletion needs most.
func deletesFirst(a, b string) int {
	return cmp.Compare(strings.Index(b, "delete "), strings.Index(a, "delete "))
}
