// Package controllers holds the three reconcilers, each a list of steps:
//
//	NamespaceReconciler         brings one namespace to its baseline, and reports on it
//	AdmissionPolicyReconciler   keeps the admission policies of one profile
//	SecurityProfileReconciler   sums the reports into the status of each profile
//
// It also holds their event handlers, predicates, indexes, set-up and RBAC markers. It may import
// every room below it. It must never decide what a step does: the rooms below do.
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

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/findings/gather"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/rollout"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/internal/telling"
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
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces that are never selected.
	Protected []string

	arrivals *priority.Arrivals // since when changes wait
	queue    *priority.Queue

	reports    *reportmemory.Memory
	posts      *reports.Writer
	unreported *reports.Unreported
	withheld   *reportmemory.Withheld

	objects     *inventory.Objects
	gate        *rollout.Gate
	corrections *correction.Engine
	counts      *quotaroom.Counts
	gatherer    *gather.Gatherer
	releases    *release.Namespaces
	teller      *telling.Namespaces
}

// reconcileNamed reconciles the namespace of a request. Every event on it and on what it holds
// leads here, the last ones after it is gone: then all that is remembered of it is dropped.
func (r *NamespaceReconciler) reconcileNamed(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var ns corev1.Namespace
	switch err := r.Client.Get(ctx, request.NamespacedName, &ns); {
	case apierrors.IsNotFound(err):
		r.forget(request.Name)
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("reading namespace %s: %w", request.Name, err)
	}
	result, err := r.Reconcile(ctx, &ns)
	result.RequeueAfter = r.releases.Deferred.TakeSooner(request.Name, result.RequeueAfter)
	return result, err
}

// forget drops what is remembered of a namespace that is gone.
func (r *NamespaceReconciler) forget(namespace string) {
	r.corrections.Forget(namespace)
	r.unreported.Forget(namespace)
	r.arrivals.Forget(namespace)
	r.gatherer.Forget(namespace)
	r.gate.Forget(namespace)
	r.forgetCounts(namespace)
	r.objects.Uncached.Forget(namespace)
	r.releases.Departures.End(namespace)
	r.teller.Forget(namespace)
	r.reports.Forget(namespace)
}

// forgetCounts drops what is remembered of quotas and of withheld reports, in a namespace that is
// gone or that no profile governs.
func (r *NamespaceReconciler) forgetCounts(namespace string) {
	r.counts.Patience.Forget(namespace)
	r.withheld.Forget(namespace)
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
	if broken, why := release.Broken(selector, selecting, ns, previous); why != nil {
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
	r.releases.Departures.End(ns.Name)
	if err := r.releases.MissFormer(ctx, p); err != nil {
		return reconcile.Result{}, err
	}
	return r.establish(ctx, p)
}

// establish compares the namespace with its baseline, corrects what differs, looks for what weakens
// it, and reports.
func (r *NamespaceReconciler) establish(ctx context.Context, p *posture.Pass) (reconcile.Result, error) {
	p, notices, err := r.posts.Regain(ctx, p)
	r.teller.TellBoth(p, notices)
	if err != nil {
		return reconcile.Result{}, err
	}
	desired := baseline.Render(p.Profile, p.Namespace.Name)
	if err := r.corrections.Writer.RememberLabelsBefore(ctx, p, desired[0]); err != nil {
		return reconcile.Result{}, err
	}
	there, reread, err := r.objects.Gather(ctx, p, desired, r.Clock.Now)
	if err != nil {
		return reconcile.Result{}, err
	}
	gated, undecided := r.gate.Decide(ctx, p, desired, there, r.Clock.Now)
	deferred := gated.Deferred
	done, interrupted := r.corrections.CorrectAll(ctx, correction.OfNamespace(p, deferred), gated.Drifts)
	r.teller.TellCorrections(p, &done)
	if errors.Is(interrupted, correction.ErrTerminating) {
		return reconcile.Result{}, nil
	}
	r.teller.TellEach(release.ForgedReplaced(p, done.Outcomes))
	counts, recount := r.counts.Await(ctx, p, posture.Counted(desired, there, done.Outcomes, deferred))
	failed := errors.Join(undecided, interrupted, done.Refused())
	if failed == nil && posture.Withholds(p, counts, done.Outcomes, r.withheld.Has(p)) {
		r.teller.TellRemovals(ctx, p, done.Outcomes)
		r.withheld.Add(p, done.Level)
		return reconcile.Result{RequeueAfter: recount}, nil
	}
	level := r.withheld.End(p, done.Level)
	found := &posture.Found{Desired: desired, Outcomes: done.Outcomes, Deferred: deferred, Counts: counts}
	next, unreported := r.report(ctx, p, found, level, gated.Seen)
	if err := errors.Join(failed, unreported); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: priority.Soonest(next, recount, reread, gated.Again)}, nil
}

// report looks for what weakens the baseline, and tells and writes what the pass found and did. It
// returns when to come back though nothing has been heard; zero is never.
func (r *NamespaceReconciler) report(
	ctx context.Context, p *posture.Pass, found *posture.Found, level tightening.AppliedLevel, seen *podscan.Seen,
) (next time.Duration, err error) {
	disputes, quiet := r.corrections.Disputed(p, found.Outcomes)
	weaknesses, recheck, unseen := r.gatherer.Weaknesses(ctx, p, found, level, seen)
	found.Disputes, found.Weaknesses = disputes, weaknesses
	report := posture.Assemble(p, found, r.Clock.Now())
	r.teller.TellFound(p, found)
	r.teller.TellRemovals(ctx, p, found.Outcomes)
	r.teller.TellReport(p, report)
	notices, unwritten := r.posts.WriteInRoom(ctx, p, report)
	r.teller.TellBoth(p, notices)
	r.teller.TellBoth(p, r.unreported.Note(p, unwritten))
	return priority.Soonest(r.gatherer.NextVisit(p, found), quiet, recheck), errors.Join(unseen, unwritten)
}
