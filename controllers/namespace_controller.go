// Package controllers reconciles SecurityProfiles: one namespace at a time into its baseline, and
// the reports on them into the status of each profile.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/apiresources/discover"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/uncached"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/rollout"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// DefaultRecheckInterval is how often a namespace is looked at again when its state hangs on
// objects that are not watched: those of other makers, in a conflict or under an Audit profile.
const DefaultRecheckInterval = 5 * time.Minute

// NamespaceReconciler brings one namespace to its baseline and reports on it. It is the unit of
// work, of parallelism, of failure and of report.
type NamespaceReconciler struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Live reads from the API server, for what the cache does not hold.
	Live client.Reader
	// Metrics counts what happens.
	Metrics *metrics.Metrics
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces that are never selected.
	Protected []string
	// Recheck is how often a namespace is looked at again when its state hangs on objects that are
	// not watched.
	Recheck time.Duration

	contests    *contention.Contests
	arrivals    *priority.Arrivals
	scanner     *podscan.Scanner
	scans       *podscan.Schedule
	gate        *rollout.Gate
	patience    *counting.Patience
	withheld    *reportmemory.Withheld
	facts       *watch.Unmanaged // of unmanaged objects; nil if findings are switched off
	queue       *priority.Queue
	corrections *correction.Engine
	resources   *discover.Resources

	deferredRemovals *contention.DeferredRemovals
	unreported       *unreported

	departures *release.Departures
	releases   *release.Namespaces
	reports    *reportmemory.Memory
	posts      *reports.Writer

	events  *events.Teller
	watched watched

	clusterRoles *watch.ClusterRoles // those that profiles can bind

	uncached *uncached.Reader // reads what the caches lack
	objects  *inventory.Objects

	policyChanges *profileStates // when the admission policies of each profile last changed
}

// reconcileNamed reconciles the namespace of a request. Every event on it and on what it holds
// leads here, the last ones after it is gone: then all that is remembered of it is dropped.
func (r *NamespaceReconciler) reconcileNamed(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var ns corev1.Namespace
	switch err := r.Client.Get(ctx, request.NamespacedName, &ns); {
	case apierrors.IsNotFound(err):
		r.corrections.Forget(request.Name)
		r.unreported.Forget(request.Name)
		r.arrivals.Forget(request.Name)
		r.scans.Forget(request.Name)
		r.gate.Forget(request.Name)
		r.forgetCounts(request.Name)
		r.uncached.Forget(request.Name)
		r.departures.End(request.Name)
		r.watched.forget(request.Name)
		r.reports.Forget(request.Name)
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("reading namespace %s: %w", request.Name, err)
	}
	result, err := r.Reconcile(ctx, &ns)
	result.RequeueAfter = r.deferredRemovals.TakeSooner(request.Name, result.RequeueAfter)
	return result, err
}

// Reconcile brings one namespace to the baseline of the profile that governs it, or takes away what
// is left of one.
func (r *NamespaceReconciler) Reconcile(ctx context.Context, ns *corev1.Namespace) (reconcile.Result, error) {
	since := r.arrivals.Take(ns.Name, r.Clock.Now())
	if !ns.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, r.endReportIn(ctx, ns)
	}
	previous, err := inventory.Report(ctx, r.Client, ns.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	previous = r.reports.Recall(ns, previous)
	selector, err := inventory.Selector(ctx, r.Client, r.Protected)
	if err != nil {
		return reconcile.Result{}, err
	}
	if selector.Protects(ns.Name) {
		return reconcile.Result{}, r.leaveAlone(ctx, ns)
	}
	if err := r.posts.End(ctx, previous); err != nil {
		return reconcile.Result{}, err
	}
	selecting := selector.Selects(ns)
	if broken, why := brokenGoverning(selector, selecting, ns, previous); why != nil {
		return reconcile.Result{}, r.suspend(ctx, ns, previous, broken, why)
	}
	if len(selecting) == 0 {
		r.forgetCounts(ns.Name)
		return r.leave(ctx, ns, previous)
	}
	profile := selecting[0]
	if !hasFinalizer(profile) || !selection.Remembers(profile, ns) {
		return reconcile.Result{}, nil // Its own reconciler writes both, and that comes back here.
	}
	p := &posture.Pass{
		Profile: profile, Namespace: ns, Memory: posture.MemoryOf(previous), Since: since,
		Forged: release.IsForged(selector, profile, ns, previous), Overtakable: r.queue.IsOvertakable(requestFor(ns.Name)),
	}
	if p.Audits() {
		return r.audit(ctx, p, selecting)
	}
	r.departures.End(ns.Name)
	if err := r.releases.MissFormer(ctx, p); err != nil {
		return reconcile.Result{}, err
	}
	return r.establish(ctx, p)
}

// establish compares the namespace with its baseline, corrects what differs, looks for what weakens
// it, and reports.
func (r *NamespaceReconciler) establish(ctx context.Context, p *posture.Pass) (reconcile.Result, error) {
	p, notices, err := r.posts.Regain(ctx, p)
	r.notify(p, notices)
	if err != nil {
		return reconcile.Result{}, err
	}
	desired, err := r.render(ctx, p)
	if err != nil {
		return reconcile.Result{}, err
	}
	there, reread, err := r.gather(ctx, p, desired)
	if err != nil {
		return reconcile.Result{}, err
	}
	gated, undecided := r.gateRollout(ctx, p, desired, there)
	deferred := gated.deferred
	done, interrupted := r.corrections.CorrectAll(ctx, correction.OfNamespace(p, deferred), gated.drifts)
	r.tellCorrections(p, &done)
	if errors.Is(interrupted, correction.ErrTerminating) {
		return reconcile.Result{}, nil
	}
	r.events.TellEach(release.ForgedReplaced(p, done.Outcomes))
	counts, recount := r.awaitCounts(ctx, p, posture.Counted(desired, there, done.Outcomes, deferred))
	failed := errors.Join(undecided, interrupted, done.Refused())
	if failed == nil && posture.Withholds(p, counts, done.Outcomes, r.withheld.Has(p)) {
		r.traceRemovals(ctx, p, done.Outcomes)
		r.withheld.Add(p, done.Level)
		return reconcile.Result{RequeueAfter: recount}, nil
	}
	level := r.withheld.End(p, done.Level)
	found := &posture.Found{Desired: desired, Outcomes: done.Outcomes, Deferred: deferred, Counts: counts}
	next, unreported := r.report(ctx, p, found, level, gated.seen)
	if err := errors.Join(failed, unreported); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: soonest(next, recount, reread, gated.again)}, nil
}

// report looks for what weakens the baseline, and tells and writes what the pass found and did. It
// returns when to come back though nothing has been heard; zero is never.
func (r *NamespaceReconciler) report(
	ctx context.Context, p *posture.Pass, found *posture.Found, level tightening.AppliedLevel, seen *podscan.Seen,
) (next time.Duration, err error) {
	disputes, quiet := r.disputed(p, found.Outcomes)
	weaknesses, recheck, unseen := r.weaknesses(ctx, p, found, level, seen)
	found.Disputes, found.Weaknesses = disputes, weaknesses
	report := posture.Assemble(p, found, r.Clock.Now())
	r.announce(p, found)
	r.watched.add(p.Namespace.Name)
	r.traceRemovals(ctx, p, found.Outcomes)
	r.announceReport(p, report)
	notices, unwritten := r.withRoom(ctx, p, postureReference, func() error {
		return r.posts.Write(ctx, p.Report(), report)
	})
	r.notify(p, notices)
	r.noteReport(p, unwritten)
	return soonest(r.nextVisit(p, found), quiet, recheck), errors.Join(unseen, unwritten)
}

// render is what the namespace shall hold. The Namespace itself also remembers the Pod Security
// labels that it bore before.
func (r *NamespaceReconciler) render(ctx context.Context, p *posture.Pass) ([]baseline.Object, error) {
	desired := baseline.Render(p.Profile, p.Namespace.Name)
	if p.Audits() {
		return desired, nil
	}
	annotations, err := r.corrections.Writer.AnnotateLabelsBefore(ctx, p, desired[0].GetLabels())
	desired[0].SetAnnotations(annotations)
	return desired, err
}

// nextVisit is when to come back for the sake of what was found, though nothing has been heard;
// zero is never.
func (r *NamespaceReconciler) nextVisit(p *posture.Pass, found *posture.Found) time.Duration {
	var next time.Duration
	if p.Audits() {
		next = r.Recheck
	}
	if found.Deferred.Any() {
		next = soonest(next, podscan.RecheckDeferred(r.Recheck))
	}
	if r.scansPods(p) {
		next = soonest(next, r.scans.Until(p.Namespace.Name, r.Clock.Now()))
	}
	for i := range found.Outcomes {
		next = soonest(next, found.Outcomes[i].Wait)
		if found.Outcomes[i].State == v1alpha1.DriftStateConflict {
			next = soonest(next, r.Recheck)
		}
	}
	return next
}

// soonest is the shortest of some waits, of which zero is none.
func soonest(waits ...time.Duration) time.Duration {
	var next time.Duration
	for _, wait := range waits {
		next = sooner(next, wait)
	}
	return next
}
