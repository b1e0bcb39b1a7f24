// Package controllers reconciles SecurityProfiles: one namespace at a time into its baseline, and the reports on them into
// the status of each profile.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/apiresources/discover"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/uncached"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// DefaultRecheckInterval is how often a namespace is looked at again when its state hangs on objects that are not watched:
// those of other makers, in a conflict or under an Audit profile.
const DefaultRecheckInterval = 5 * time.Minute

// errTerminating ends a pass over a namespace that turned out to be on its way out.
var errTerminating = errors.New("the namespace is terminating")

// NamespaceReconciler brings one namespace to its baseline and reports on it. It is the unit of work, of parallelism, of
// failure and of report.
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
	// Recheck is how often a namespace is looked at again when its state hangs on objects that are not watched.
	Recheck time.Duration

	contests  *contention.Contests
	arrivals  *priority.Arrivals
	looks     *looks
	counts    *countWatch
	facts     *watch.Unmanaged // of unmanaged objects; nil if findings are switched off
	rules     *compiledRules
	queue     *priority.Queue
	writes    *priority.WriteLimiter
	resources *discover.Resources

	deferredRemovals *contention.DeferredRemovals
	mutations        *contention.Retries // of objects that admission changes
	unreported       *unreported
	restored         *contention.Retries // of objects that were put back, since those in their place were refused

	departures *departures
	reports    *reportmemory.Memory

	events  *events.Teller
	watched watched

	clusterRoles *watch.ClusterRoles // those that profiles can bind

	uncached *uncached.Reader // reads what the caches lack

	policyChanges *profileStates // when the admission policies of each profile last changed
}

// pass is one reconcile of one governed namespace: what it knows before it begins, and what must wait.
type pass struct {
	profile   *v1alpha1.SecurityProfile
	namespace *corev1.Namespace
	previous  *v1alpha1.NamespacePosture // nil before the first report
	since     time.Time                  // when the change was seen that led to this pass

	forged      bool // the namespace bears the label of a profile that has not governed it
	overtakable bool // it is of a roll-out, or of the first look at everything after a start

	blocked []v1alpha1.BlockedObject
	kept    map[v1alpha1.ObjectReference]baseline.Object // what is in place meanwhile; nil is nothing

	disputes []contention.Dispute // the contests over its objects, after the corrections

	sections  []*podSection
	rulesWait bool          // some of them do, and the namespace says so
	seen      *podsSeen     // nil if the pods have not been looked at
	lookAgain time.Duration // when to look at them once more; zero for never

	tightened bool     // a stricter Pod Security level was put in place
	warned    []string // what the API server then warned of

	asksServices bool // what is found hangs on Services, which are not watched

	rereadUncached time.Duration // when to read more labelled objects that are not cached; zero for never
}

// reconcileNamed reconciles the namespace of a request. Every event on it and on what it holds leads here, the last ones after it
// is gone: then all that is remembered of it is dropped.
func (r *NamespaceReconciler) reconcileNamed(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var ns corev1.Namespace
	switch err := r.Client.Get(ctx, request.NamespacedName, &ns); {
	case apierrors.IsNotFound(err):
		r.contests.Forget(request.Name)
		r.mutations.ForgetNamespace(request.Name)
		r.restored.ForgetNamespace(request.Name)
		r.unreported.Forget(request.Name)
		r.arrivals.Forget(request.Name)
		r.looks.forget(request.Name)
		r.counts.forget(request.Name)
		r.uncached.Forget(request.Name)
		r.departures.end(request.Name)
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

// Reconcile brings one namespace to the baseline of the profile that governs it, or takes away what is left of one.
func (r *NamespaceReconciler) Reconcile(ctx context.Context, ns *corev1.Namespace) (reconcile.Result, error) {
	since := r.arrivals.Take(ns.Name, r.Clock.Now())
	if !ns.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, r.endReportIn(ctx, ns)
	}
	previous, err := r.readReport(ctx, ns.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	previous = r.reports.Recall(ns, previous)
	selector, err := r.selector(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	if selector.Protects(ns.Name) {
		return reconcile.Result{}, r.leaveAlone(ctx, ns)
	}
	if err := r.endReport(ctx, previous); err != nil {
		return reconcile.Result{}, err
	}
	selecting := selector.Selects(ns)
	if broken, why := brokenGoverning(selector, selecting, ns, previous); why != nil {
		return reconcile.Result{}, r.suspend(ctx, ns, previous, broken, why)
	}
	if len(selecting) == 0 {
		r.counts.forget(ns.Name)
		return r.leave(ctx, ns, previous)
	}
	profile := selecting[0]
	if !isHeld(profile) || !selection.Remembers(profile, ns) {
		return reconcile.Result{}, nil // Its own reconciler writes both, and that comes back here.
	}
	p := &pass{
		profile: profile, namespace: ns, previous: previous, since: since,
		forged: forgedMark(selector, profile, ns, previous), overtakable: r.queue.IsOvertakable(requestFor(ns.Name)),
	}
	if p.audits() {
		return r.audit(ctx, p, selecting)
	}
	r.departures.end(ns.Name)
	if err := r.missFormer(ctx, p); err != nil {
		return reconcile.Result{}, err
	}
	return r.establish(ctx, p)
}

// establish compares the namespace with its baseline, corrects what differs, looks for what weakens it, and reports.
func (r *NamespaceReconciler) establish(ctx context.Context, p *pass) (reconcile.Result, error) {
	if err := r.regain(ctx, p); err != nil {
		return reconcile.Result{}, err
	}
	desired := baseline.Render(p.profile, p.namespace.Name)
	if err := r.remember(ctx, p, desired[0]); err != nil {
		return reconcile.Result{}, err
	}
	found, err := r.gather(ctx, p, desired)
	if err != nil {
		return reconcile.Result{}, err
	}
	untold := r.holdRules(ctx, p, desired)
	drifts, undecided := r.hold(ctx, p, desired, drift.Compare(desired, found, p.ours))
	outcomes, refused := r.carryOut(ctx, p, drifts)
	if errors.Is(refused, errTerminating) {
		return reconcile.Result{}, nil
	}
	r.tellMark(p, outcomes)
	counts := p.counted(desired, found, outcomes)
	recount := r.awaitCounts(ctx, p, counts)
	if errors.Join(untold, undecided, refused) == nil && p.withholds(counts, outcomes, r.counts.withholdsAgain(p)) {
		r.traceRemovals(ctx, p, outcomes)
		r.counts.withhold(p)
		return reconcile.Result{RequeueAfter: recount}, nil
	}
	r.counts.resume(p)
	p.disputes = r.disputed(p, outcomes)
	weaknesses, unseen := r.weaknesses(ctx, p, desired, outcomes, counts)
	report := assemble(p, desired, outcomes, r.Clock.Now())
	p.setUncounted(report, counts)
	setFindings(report, weaknesses)
	fit(report)
	r.announce(p, outcomes)
	r.watched.add(p.namespace.Name)
	r.traceRemovals(ctx, p, outcomes)
	r.announceReport(p, report)
	unwritten := r.withRoom(ctx, p, postureReference, func() error { return r.writeReport(ctx, p.previous, report) })
	r.noteReport(p, unwritten)
	if err := errors.Join(untold, undecided, refused, unseen, unwritten); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: r.nextLook(p, outcomes, recount)}, nil
}

// nextLook is when to come back though nothing has been heard; zero is never.
func (r *NamespaceReconciler) nextLook(p *pass, outcomes []drift.Outcome, recount time.Duration) time.Duration {
	next := recount
	sooner := func(d time.Duration) {
		if d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	if p.audits() {
		sooner(r.Recheck)
	}
	if p.waits() {
		sooner(r.Recheck / blockedRechecks)
	}
	sooner(p.lookAgain)
	sooner(p.rereadUncached)
	if p.asksServices {
		sooner(r.Recheck)
	}
	if r.looksAtPods(p) {
		sooner(r.looks.until(p.namespace.Name, r.Clock.Now()))
	}
	for _, d := range p.disputes {
		sooner(d.Left)
	}
	for _, o := range outcomes {
		sooner(o.Wait)
		if o.State == v1alpha1.Conflict {
			sooner(r.Recheck)
		}
	}
	return next
}

// blockedRechecks is how many times as often as other rechecks one is made of what must wait.
const blockedRechecks = 10

func (p *pass) audits() bool {
	return p.profile.EffectiveEnforcement() == v1alpha1.Audit
}

// ours reports whether Bulwark made an object. Beside what the object says of itself, the last report remembers: a tenant
// who strips our labels and puts a loose object in the place of ours has not thereby made it a stranger's.
func (p *pass) ours(o baseline.Object) bool {
	return drift.Ours(o) || sawInPlace(p.previous, o)
}

// sawInPlace reports whether the last report says that an object was in place.
func sawInPlace(report *v1alpha1.NamespacePosture, o baseline.Object) bool {
	ref := baseline.Reference(o)
	return report != nil && slices.ContainsFunc(report.Objects, func(reported v1alpha1.ManagedObject) bool {
		return reported.ObjectReference == ref && wasInPlace(report, reported)
	})
}

// wasInPlace reports whether an object that a report holds was made by Bulwark.
func wasInPlace(report *v1alpha1.NamespacePosture, o v1alpha1.ManagedObject) bool {
	if report.Enforcement != v1alpha1.Enforce {
		return false
	}
	switch o.State {
	case v1alpha1.ObjectCompliant, v1alpha1.ObjectUncounted, v1alpha1.ObjectDrifted:
		return true
	case v1alpha1.ObjectBlocked: // What it was before stays in place, if it was there.
		return slices.ContainsFunc(report.InPlace, func(kept v1alpha1.ObjectContent) bool {
			return kept.Object == o.ObjectReference && kept.Content != ""
		})
	case v1alpha1.ObjectFailed:
		return strings.HasPrefix(o.Message, undeleted)
	}
	return false
}

// reported is the state of an object in the last report.
func (p *pass) reported(ref v1alpha1.ObjectReference) (v1alpha1.ObjectState, bool) {
	if p.previous == nil {
		return "", false
	}
	for _, o := range p.previous.Objects {
		if o.ObjectReference == ref {
			return o.State, true
		}
	}
	return "", false
}

// current reports whether the last report speaks of the same namespace, profile, generation and enforcement as this pass. If it does not,
// what differs is the roll-out of a change and not drift.
func (p *pass) current() bool {
	return p.previous != nil && p.previous.Stalled == "" &&
		p.previous.NamespaceUID == p.namespace.UID &&
		p.previous.Profile == p.profile.Name &&
		p.previous.ProfileGeneration == p.profile.Generation &&
		p.previous.Enforcement == p.profile.EffectiveEnforcement()
}

func (r *NamespaceReconciler) selector(ctx context.Context) (*selection.Selector, error) {
	return readSelector(ctx, r.Client, r.Protected)
}

// readSelector makes a selector of the profiles that there are now.
func readSelector(ctx context.Context, reader client.Reader, protected []string) (*selection.Selector, error) {
	var profiles v1alpha1.SecurityProfileList
	if err := reader.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		return nil, fmt.Errorf("listing SecurityProfiles: %w", err)
	}
	return selection.New(profiles.Items, protected), nil
}

func (r *NamespaceReconciler) readReport(ctx context.Context, namespace string) (*v1alpha1.NamespacePosture, error) {
	var report v1alpha1.NamespacePosture
	key := client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}
	switch err := r.Client.Get(ctx, key, &report); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the report of namespace %s: %w", namespace, err)
	}
	return &report, nil
}
