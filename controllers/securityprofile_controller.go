package controllers

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/openreports/publish"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// DefaultStatusInterval is the least time between two reconciles of one profile. A roll-out to ten
// thousand namespaces must neither sum ten thousand times nor write ten thousand statuses, and a
// deletion must not search ten thousand times for what remains.
const DefaultStatusInterval = time.Second

// SecurityProfileReconciler sums the reports of the namespaces that a profile governs into its
// status. A deleted profile keeps its finalizer until its deletionPolicy has been carried out in
// all of them.
type SecurityProfileReconciler struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Metrics counts what happens.
	Metrics *metrics.Metrics
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces that are never selected.
	Protected []string

	policies    admissionPolicies
	events      *events.Teller
	joins       *posture.Joins
	unreported  *reports.Unreported
	publication *publish.Publication // nil if reports are not published as Reports of openreports.io
	remains     *release.Profiles
	standstills *release.Standstills
	throttle    *priority.Throttle
	toldInvalid *priority.Throttle // when an event said last that the profile is invalid
	remembered  *priority.Throttle // when the status was written that remembers what the profile selects
}

// admissionPolicies keeps the admission policies of profiles (see policies.Keeper).
type admissionPolicies interface {
	// Report is what the status is to say of the profile's policies, and the function that is
	// called once it says that. The report is nil while this generation of the profile has not been
	// looked at: then another pass is to come.
	Report(profile *v1alpha1.SecurityProfile) (report *admission.Report, written func())
	// Relax removes the policies that judge requests, of a profile that is being deleted.
	Relax(ctx context.Context, profile *v1alpha1.SecurityProfile) error
	// Withdraw removes all policies of a profile that is being deleted, once its baseline is gone.
	Withdraw(ctx context.Context, profile *v1alpha1.SecurityProfile) error
}

// errAwaitsPolicies ends a pass over a profile whose admission policies have not been reconciled in
// this generation.
var errAwaitsPolicies = errors.New("the admission policies of this generation have not been looked at")

// Reconcile keeps the finalizer and the status of one profile.
func (r *SecurityProfileReconciler) Reconcile(
	ctx context.Context, profile *v1alpha1.SecurityProfile,
) (reconcile.Result, error) {
	deleted := !profile.DeletionTimestamp.IsZero()
	if !deleted {
		if err := r.remember(ctx, profile); err != nil {
			return reconcile.Result{}, err
		}
	}
	before := profile.DeepCopy()
	if !deleted && controllerutil.AddFinalizer(profile, v1alpha1.Finalizer) {
		// The event of this write begins the next reconcile, which goes on from here.
		return reconcile.Result{}, reports.WriteFinalizers(ctx, r.Client, before, profile)
	}
	if wait := r.throttle.Wait(profile.Name, r.Clock.Now()); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	look := r.report
	if deleted {
		look = r.finalize
	}
	next, err := look(ctx, profile)
	switch {
	case errors.Is(err, errAwaitsPolicies):
		return reconcile.Result{}, nil // The first result leads to another pass, which the throttle must not delay.
	case err != nil:
		return reconcile.Result{}, err // It is not noted: to wait for the throttle would undo the back-off.
	}
	if hasFinalizer(profile) {
		r.throttle.Note(profile.Name, r.Clock.Now()) // From its end, when the status was written.
	}
	return reconcile.Result{RequeueAfter: next}, nil
}

// remember has the status of a profile hold what its spec selects. It is written before the profile
// is held, and so before anything is done for it: no crash comes between a baseline and the
// knowledge of whose it is.
func (r *SecurityProfileReconciler) remember(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	known := selection.Remember(profile)
	if equality.Semantic.DeepEqual(known, profile.Status.Selection) {
		return nil
	}
	selector, err := inventory.Selector(ctx, r.Client, r.Protected)
	if err != nil {
		return err
	}
	if selector.Invalid(profile.Name) != nil { // Beside others it weighs too much.
		return nil
	}
	status := profile.Status.DeepCopy()
	if len(status.Conditions) == 0 {
		status = posture.SummarizeNew(profile, r.Clock.Now())
	}
	status.Selection = known
	if err := reports.WriteStatus(ctx, r.Client, profile, status); err != nil {
		return err
	}
	if profile.Status.Selection != nil { // A CRD of an older release drops it.
		r.remembered.Note(profile.Name, r.Clock.Now())
	}
	return nil
}

// report sums the reports and the results of the admission policies into the status of a profile.
// It returns when to requeue the profile; zero is never. No status says Ready of a generation whose
// policies have not been reconciled.
func (r *SecurityProfileReconciler) report(
	ctx context.Context, profile *v1alpha1.SecurityProfile,
) (time.Duration, error) {
	selector, err := inventory.Selector(ctx, r.Client, r.Protected)
	if err != nil {
		return 0, err
	}
	if why := selector.Invalid(profile.Name); why != nil {
		r.Metrics.RenderFailed(profile.Name)
		return r.concludeInvalid(ctx, profile, why)
	}
	policies, written := r.policies.Report(profile)
	if policies == nil {
		return 0, errAwaitsPolicies
	}
	cluster, err := inventory.ClusterOf(ctx, r.Client, profile.Name, selector)
	if err != nil {
		return 0, err
	}
	if policies.IsOutdated(admission.PodRolloutOf(profile, selector, cluster.Namespaces, cluster.Reports)) {
		return 0, nil // No status says Ready before the rules for pods are in force. Their pass leads to another one here.
	}
	lately, concluded := r.joins.Sum(profile, r.Clock.Now())
	reported := cluster.WithRefused(profile, r.unreported.Why)
	status := posture.Summarize(profile, reported, lately, policies, r.Clock.Now())
	next := concluded()
	misplaced, err := release.CountProtected(ctx, r.Client, profile, selector, cluster.Namespaces)
	if err != nil {
		return 0, err
	}
	posture.AddProtected(status, misplaced)
	if wait := r.remembered.Wait(profile.Name, r.Clock.Now()); wait > 0 {
		return priority.Soonest(next, wait), nil // The status was written a moment ago.
	}
	if err := r.conclude(ctx, profile, status); err != nil {
		return 0, err
	}
	written()
	return next, nil
}

// conclude tells the metrics and writes the status.
func (r *SecurityProfileReconciler) conclude(
	ctx context.Context, profile *v1alpha1.SecurityProfile, status *v1alpha1.SecurityProfileStatus,
) error {
	posture.SetPublished(status, r.publication != nil, r.publication.Condition(), r.Clock.Now())
	r.Metrics.Summed(profile.Name, status)
	return reports.WriteStatus(ctx, r.Client, profile, status)
}

// finalize removes what a deleted profile has made, and its finalizer once nothing in the cluster
// bears its name.
//
//  1. It deletes the policies that judge requests.
//  2. The reconciles of the namespaces release the baseline; each leads back here, and so does a
//     minute.
//  3. It deletes the policies that guard the baseline, and removes the finalizer.
func (r *SecurityProfileReconciler) finalize(
	ctx context.Context, profile *v1alpha1.SecurityProfile,
) (time.Duration, error) {
	if !hasFinalizer(profile) {
		return 0, nil
	}
	switch released, err := r.release(ctx, profile); {
	case apierrors.IsForbidden(err), err == nil && !released:
		return r.whyStill(ctx, profile, err)
	case err != nil:
		return 0, err
	}
	r.Metrics.Forget(profile.Name)
	r.throttle.Forget(profile.Name)
	r.remembered.Forget(profile.Name)
	r.toldInvalid.Forget(profile.Name)
	r.standstills.Forget(profile.Name)
	r.joins.Forget(profile.Name)
	return 0, nil
}

// release makes the next of these steps that is due, and reports whether the finalizer was removed.
func (r *SecurityProfileReconciler) release(ctx context.Context, profile *v1alpha1.SecurityProfile) (bool, error) {
	if err := r.policies.Relax(ctx, profile); err != nil {
		return false, err
	}
	if remain, err := r.remains.Remain(ctx, profile.Name); err != nil || remain {
		return false, err
	}
	if err := r.policies.Withdraw(ctx, profile); err != nil {
		return false, err
	}
	before := profile.DeepCopy()
	controllerutil.RemoveFinalizer(profile, v1alpha1.Finalizer)
	return true, client.IgnoreNotFound(reports.WriteFinalizers(ctx, r.Client, before, profile))
}

// whyStill tells which permissions the operator lacks to end the deletion of a profile, if it does.
// It tells that by the profile's condition, by a metric and, since it may not even write the
// condition, by the log. It returns when to requeue the profile.
func (r *SecurityProfileReconciler) whyStill(
	ctx context.Context, profile *v1alpha1.SecurityProfile, refusal error,
) (time.Duration, error) {
	still, err := r.standstills.Explain(ctx, profile, refusal, r.Clock.Now())
	if err != nil || !still.Known {
		return still.Wait, err
	}
	lacks := still.Message != ""
	r.Metrics.DeletionStalled(profile.Name, lacks)
	if still.News {
		logf.FromContext(ctx).Error(refusal, "A SecurityProfile cannot be let go",
			"profile", profile.Name, "reason", still.Message)
	}
	if still.Status == nil {
		return still.Wait, nil
	}
	err = reports.WriteStatus(ctx, r.Client, profile, still.Status)
	if lacks && apierrors.IsForbidden(err) {
		return still.Wait, nil
	}
	if lacks && err != nil { // A conflict, say: it is to be told all the same.
		r.standstills.AskAgain(profile.Name)
	}
	return still.Wait, err
}
