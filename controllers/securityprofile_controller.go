package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/openreports/publish"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// DefaultStatusInterval is the least time between two looks at all reports of one profile, and so between two status writes: ten
// thousand namespaces in a roll-out must mean neither ten thousand sums nor ten thousand writes, and those that a deleted
// profile leaves no ten thousand searches for what remains.
const DefaultStatusInterval = time.Second

// SecurityProfileReconciler sums the reports of the namespaces that a profile governs into its status, and holds a deleted
// profile until its deletionPolicy has been carried out in all of them.
type SecurityProfileReconciler struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Metrics counts what happens.
	Metrics *metrics.Metrics
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces that are never selected.
	Protected []string

	contests    *contention.Contests
	policies    admissionPolicies
	joins       *posture.Joins
	unreported  *unreported
	publication *publish.Publication // nil if reports are not published as Reports of openreports.io
	lost        *lost
	throttle    throttle
	remembered  throttle // when the status was written that remembers what the profile selects
}

// admissionPolicies is the reconciler of admission policies, as the one of profiles needs it.
type admissionPolicies interface {
	// report is what the status is to say of the profile's policies, and the function that is called once it says that. The report
	// is nil while this generation of the profile has not been looked at: then another pass is to come.
	report(profile *v1alpha1.SecurityProfile) (report *admission.Report, written func())
	// relax removes the policies that judge requests, of a profile that is being deleted.
	relax(ctx context.Context, profile *v1alpha1.SecurityProfile) error
	// withdraw removes all policies of a profile that is being deleted, once its baseline is gone.
	withdraw(ctx context.Context, profile *v1alpha1.SecurityProfile) error
}

// errAwaitsPolicies ends a pass over a profile whose admission policies have not been looked at in this generation.
var errAwaitsPolicies = errors.New("the admission policies of this generation have not been looked at")

// Reconcile keeps the finalizer and the status of one profile.
func (r *SecurityProfileReconciler) Reconcile(ctx context.Context, profile *v1alpha1.SecurityProfile) (reconcile.Result, error) {
	deleted := !profile.DeletionTimestamp.IsZero()
	if !deleted {
		if err := r.remember(ctx, profile); err != nil {
			return reconcile.Result{}, err
		}
	}
	before := profile.DeepCopy()
	if !deleted && controllerutil.AddFinalizer(profile, v1alpha1.Finalizer) {
		return reconcile.Result{}, r.writeFinalizers(ctx, before, profile) // What this write leads to goes on from here.
	}
	if wait := r.throttle.wait(profile.Name, r.Clock.Now()); wait > 0 {
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
	if isHeld(profile) {
		r.throttle.note(profile.Name, r.Clock.Now()) // From its end, when the status was written.
	}
	return reconcile.Result{RequeueAfter: next}, nil
}

// report sums the reports into the status of a profile, and says what its admission policies came to. It returns when to come back
// though nothing has been heard; zero is never. No status says Ready of a generation whose policies have not been looked at.
func (r *SecurityProfileReconciler) report(ctx context.Context, profile *v1alpha1.SecurityProfile) (time.Duration, error) {
	selector, err := inventory.Selector(ctx, r.Client, r.Protected)
	if err != nil {
		return 0, err
	}
	if why := selector.Invalid(profile.Name); why != nil {
		r.Metrics.RenderFailed(profile.Name)
		return 0, r.conclude(ctx, profile, posture.SummarizeInvalid(profile, why, r.Clock.Now()))
	}
	policies, written := r.policies.report(profile)
	if policies == nil {
		return 0, errAwaitsPolicies
	}
	cluster, err := governed(ctx, r.Client, profile.Name, selector)
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
	if err := r.addProtected(ctx, profile, selector, cluster.Namespaces, status); err != nil {
		return 0, err
	}
	if wait := r.remembered.wait(profile.Name, r.Clock.Now()); wait > 0 {
		return sooner(next, wait), nil // The status was written a moment ago.
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
	setPublished(status, r.publication != nil, r.publication.Condition(), r.Clock.Now())
	r.Metrics.Summed(profile.Name, status)
	return r.writeStatus(ctx, profile, status)
}

// governed are all namespaces, and the profile's reports by namespace, as there are now.
func governed(
	ctx context.Context, cached client.Reader, profile string, selector *selection.Selector,
) (*posture.Cluster, error) {
	var namespaces corev1.NamespaceList
	if err := cached.List(ctx, &namespaces, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	reports, err := inventory.ReportsOf(ctx, cached, profile)
	return &posture.Cluster{Selector: selector, Namespaces: namespaces.Items, Reports: reports}, err
}

// writeStatus writes the status if it says anything new.
func (r *SecurityProfileReconciler) writeStatus(
	ctx context.Context, profile *v1alpha1.SecurityProfile, status *v1alpha1.SecurityProfileStatus,
) error {
	if equality.Semantic.DeepEqual(&profile.Status, status) {
		return nil
	}
	profile.Status = *status
	if err := r.Client.Status().Update(ctx, profile); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of SecurityProfile %s: %w", profile.Name, err))
	}
	return nil
}

// finalize lets the profile go once nothing in the cluster bears its name: first what judges requests, what guards the baseline last. The
// reconciles of the namespaces see to the baseline; each of them that is done comes back here. It looks once a minute all the same.
func (r *SecurityProfileReconciler) finalize(ctx context.Context, profile *v1alpha1.SecurityProfile) (time.Duration, error) {
	if !isHeld(profile) {
		return 0, nil
	}
	switch released, err := r.release(ctx, profile); {
	case apierrors.IsForbidden(err), err == nil && !released:
		return r.whyStill(ctx, profile, err)
	case err != nil:
		return 0, err
	}
	r.Metrics.Forget(profile.Name)
	r.throttle.forget(profile.Name)
	r.remembered.forget(profile.Name)
	r.lost.forget(profile.Name)
	r.joins.Forget(profile.Name)
	return 0, nil
}

// release takes what guards and judges for the profile away, each in its time, and at last the finalizer. It reports whether it came to that.
func (r *SecurityProfileReconciler) release(ctx context.Context, profile *v1alpha1.SecurityProfile) (bool, error) {
	if err := r.policies.relax(ctx, profile); err != nil {
		return false, err
	}
	if remains, err := r.remains(ctx, profile.Name); err != nil || remains {
		return false, err
	}
	if err := r.policies.withdraw(ctx, profile); err != nil {
		return false, err
	}
	before := profile.DeepCopy()
	controllerutil.RemoveFinalizer(profile, v1alpha1.Finalizer)
	return true, client.IgnoreNotFound(r.writeFinalizers(ctx, before, profile))
}

// remains reports whether anything outside of terminating namespaces still bears the profile's name.
func (r *SecurityProfileReconciler) remains(ctx context.Context, profile string) (bool, error) {
	reports, err := inventory.ReportsOf(ctx, r.Client, profile)
	if err != nil {
		return false, err
	}
	for namespace, report := range reports {
		if isEnding(report) || r.contests.IsRemovalContested(namespace, postureReference, r.Clock.Now()) {
			continue // It goes by itself, or somebody makes it anew each time.
		}
		if standing, err := r.standing(ctx, namespace); err != nil || standing {
			return true, err
		}
	}
	for i := range baseline.Kinds {
		if remains, err := r.remainsOf(ctx, &baseline.Kinds[i], profile, reports); err != nil || remains {
			return true, err
		}
	}
	return false, nil
}

func (r *SecurityProfileReconciler) remainsOf(
	ctx context.Context, kind *baseline.Kind, profile string, reports map[string]*v1alpha1.NamespacePosture,
) (bool, error) {
	items, err := inventory.List(ctx, r.Client, kind, client.MatchingLabels{v1alpha1.ProfileLabel: profile})
	if err != nil {
		return false, err
	}
	for _, o := range items {
		if o.GetDeletionTimestamp() != nil {
			continue // It goes when whoever put a finalizer on it lets it.
		}
		if !baseline.BelongsToNamespace(o) && !drift.Ours(o) {
			continue // It bears the name, as anybody can write it on what is his own, and nobody takes it away.
		}
		namespace := cmp.Or(o.GetNamespace(), o.GetName()) // A Namespace is in itself.
		switch again, err := r.isMadeAgain(ctx, namespace, o, reports[namespace]); {
		case err != nil:
			return false, err
		case again:
			continue
		}
		if standing, err := r.standing(ctx, namespace); err != nil || standing {
			return true, err
		}
	}
	return false, nil
}

// isMadeAgain reports whether somebody makes an object again each time it is removed, or ever new
// ones under other names. Of the latter only where neither a report nor the namespace says that
// there is a baseline: they are removed one by one, and nobody waits for the last.
func (r *SecurityProfileReconciler) isMadeAgain(
	ctx context.Context, namespace string, o baseline.Object, report *v1alpha1.NamespacePosture,
) (bool, error) {
	now, ref := r.Clock.Now(), baseline.Reference(o)
	if r.contests.IsRemovalContested(namespace, ref, now) {
		return true, nil
	}
	if report != nil || !r.contests.IsKindContested(namespace, ref, now) {
		return false, nil
	}
	var ns corev1.Namespace
	if err := r.Client.Get(ctx, client.ObjectKey{Name: namespace}, &ns, client.UnsafeDisableDeepCopy); err != nil {
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	}
	return profileOf(&ns) != profileOf(o), nil
}

// standing reports whether the namespace exists, is not being deleted, and is not one of those that are never touched.
func (r *SecurityProfileReconciler) standing(ctx context.Context, name string) (bool, error) {
	if selection.New(nil, r.Protected).Protects(name) {
		return false, nil
	}
	var ns corev1.Namespace
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &ns, client.UnsafeDisableDeepCopy); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return ns.DeletionTimestamp.IsZero(), nil
}

// writeFinalizers writes the profile's finalizers and nothing else, if nobody has changed the profile since it was read.
func (r *SecurityProfileReconciler) writeFinalizers(ctx context.Context, before, after *v1alpha1.SecurityProfile) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("writing the finalizers of SecurityProfile %s: %w", after.Name, err)
	}
	return nil
}

// throttle spaces the looks at each profile. It notes when the last one ended.
type throttle struct {
	moments
	interval time.Duration
}

// wait is how long it is until the profile may be looked at again.
func (t *throttle) wait(profile string, now time.Time) time.Duration {
	last, _ := t.of(profile)
	return untilNext(last, t.interval, now)
}

// untilNext is how long it is until a profile may be looked at again whose last look ended then; a zero time is never.
func untilNext(last time.Time, interval time.Duration, now time.Time) time.Duration {
	if last.IsZero() || last.After(now) { // The clock has been set back.
		return 0
	}
	return max(0, last.Add(interval).Sub(now))
}

// moments remembers a time for each profile.
type moments struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (m *moments) note(profile string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil {
		m.at = map[string]time.Time{}
	}
	m.at[profile] = at
}

func (m *moments) forget(profile string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, profile)
}

// of is the profile's; false if none was noted.
func (m *moments) of(profile string) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, noted := m.at[profile]
	return at, noted
}
