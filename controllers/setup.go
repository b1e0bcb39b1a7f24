package controllers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/apiresources/discover"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/uncached"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/rollout"
)

const (
	// A failed pass is tried again after retryMin, each further time after twice as long, up to
	// retryMax: a namespace heals within a minute of the cause being removed.
	retryMin = 100 * time.Millisecond
	retryMax = time.Minute

	// passTimeout bounds one pass, whatever it waits for.
	passTimeout = 30 * time.Second
)

// Options configure the controllers.
type Options struct {
	// Concurrency is how many namespaces a roll-out works on at a time. A quarter as many more, at
	// least one, are left for what overtakes it.
	Concurrency int
	// Protected are names and globs of namespaces that are never selected.
	Protected []string
	// Registry is where the metrics are registered.
	Registry prometheus.Registerer
	// Clock is the time.
	Clock clock.PassiveClock
	// Contest says when the correction of an object is contested.
	Contest contention.Settings
	// RecheckInterval is how often a namespace is looked at again when its state hangs on objects
	// that are not watched.
	RecheckInterval time.Duration
	// StatusInterval is the least time between two sums of one profile's reports into its status.
	StatusInterval time.Duration
	// RemovalDelay is how long the two looks are apart before a baseline is taken away.
	RemovalDelay time.Duration
	// JoinGrace is how long a namespace that joins may take to become ready before that takes the
	// profile's Ready away.
	JoinGrace time.Duration
	// Findings says to look for what weakens baselines though Bulwark does not own it.
	Findings bool
	// ServerVersion is that of the API server; nil if it is not known.
	ServerVersion *version.Info
	// Operator is the name of the user that the operator is, as the API server knows it: admission
	// policies let it pass.
	Operator string
	// Proof is what the API server says of the operator beside the name.
	Proof admission.Proof
	// OpenReports says to write reports as Reports of openreports.io too, where the cluster knows
	// these.
	OpenReports bool
	// Reports tells the reports that Bulwark wrote; it is the one that the cache was made with.
	Reports *reportmemory.Memory
	// Informers made those of the manager's cache, which know what it leaves out.
	Informers *boundedcache.Informers
	// MissingPermissions lists what the operator must be allowed and is not, by asking the API
	// server.
	MissingPermissions func(context.Context) ([]string, error)
	// MayBind asks the API server whether the operator may bind a ClusterRole by its name, in a
	// namespace or, if that is empty, in all.
	MayBind watch.MayBind
}

// Setup adds the controllers to the manager.
func Setup(ctx context.Context, mgr manager.Manager, o Options) error {
	metrics, err := metrics.New(o.Registry)
	if err != nil {
		return err
	}
	err = mgr.GetFieldIndexer().
		IndexField(ctx, &v1alpha1.NamespacePosture{}, inventory.ByProfile, func(o client.Object) []string {
			return []string{o.(*v1alpha1.NamespacePosture).Profile}
		})
	if err != nil {
		return fmt.Errorf("indexing NamespacePostures: %w", err)
	}
	caches := mgr.GetCache()
	if err := errors.Join(o.Informers.ForgetDeleted(ctx, caches), o.Reports.ForgetDeleted(ctx, caches)); err != nil {
		return err
	}
	cached := clusteraccess.NewReadYourWritesClient(mgr.GetClient(), reportmemory.NewReader(mgr.GetAPIReader(), o.Reports))
	uncachedObjects := uncached.NewReader(mgr.GetAPIReader(), o.Informers)
	scanner := &podscan.Scanner{Client: cached, Live: mgr.GetAPIReader(), Rules: podscan.NewRules()}
	namespaces := &NamespaceReconciler{
		Client:           cached,
		Live:             mgr.GetAPIReader(),
		Metrics:          metrics,
		Clock:            o.Clock,
		Protected:        o.Protected,
		Recheck:          o.RecheckInterval,
		contests:         contention.New(o.Contest),
		arrivals:         priority.NewArrivals(mgr.Elected()),
		scanner:          scanner,
		scans:            podscan.NewSchedule(o.RecheckInterval),
		gate:             rollout.NewGate(mgr.GetAPIReader(), scanner),
		patience:         counting.NewPatience(),
		withheld:         reportmemory.NewWithheld(),
		deferredRemovals: contention.NewDeferredRemovals(),

		unreported: newUnreported(),

		departures: release.NewDepartures(o.RemovalDelay),
		reports:    o.Reports,

		uncached: uncachedObjects,
		objects:  &inventory.Objects{Cached: cached, Live: mgr.GetAPIReader(), Uncached: uncachedObjects},

		policyChanges: newProfileStates(),

		events: events.NewTeller(mgr.GetEventRecorder(v1alpha1.FieldManager), o.Clock),
	}
	namespaces.setupReleases()
	if namespaces.resources, err = discover.New(mgr, o.Clock); err != nil {
		return err
	}
	if err := namespaces.watchUnmanaged(mgr, o); err != nil {
		return err
	}
	namespaces.corrections = namespaces.newCorrections(o)
	if err := namespaces.setup(mgr, o.Concurrency); err != nil {
		return fmt.Errorf("setting up the namespace controller: %w", err)
	}
	policies := newAdmissionPolicyReconciler(mgr, cached, namespaces, o)
	remains := &release.Profiles{Client: cached, Contests: namespaces.contests, Clock: o.Clock, Protected: o.Protected}
	profiles := &SecurityProfileReconciler{
		throttle: priority.NewThrottle(o.StatusInterval), remembered: priority.NewThrottle(o.StatusInterval),
		Client: cached, Metrics: metrics, Clock: o.Clock, Protected: o.Protected, joins: posture.NewJoins(o.JoinGrace),
		unreported:  namespaces.unreported,
		remains:     remains,
		standstills: release.NewStandstills(o.MissingPermissions, remains.Left),
		policies:    policies,
	}
	if o.OpenReports {
		if profiles.publication, err = newPublication(mgr, o.RecheckInterval, namespaces.roomBeside); err != nil {
			return fmt.Errorf("setting up the publication of reports: %w", err)
		}
	}
	if err := profiles.setup(mgr, policies.states); err != nil {
		return fmt.Errorf("setting up the profile controller: %w", err)
	}
	if err := policies.setup(mgr); err != nil {
		return fmt.Errorf("setting up the admission policy controller: %w", err)
	}
	return nil
}

// newCorrections makes the engine that ends the drift of namespaces.
func (r *NamespaceReconciler) newCorrections(o Options) *correction.Engine {
	return &correction.Engine{
		Writer: correction.Writer{Client: r.Client, Live: r.Live}, Room: quotaroom.Maker{Client: r.Client, Live: r.Live},
		Clock: r.Clock, Contests: r.contests,
		Mutations: contention.NewRetries(o.Contest), PutBack: contention.NewRetries(o.Contest),
		Writes: priority.NewWriteLimiter(o.Concurrency),
		Read: func(ctx context.Context, want baseline.Object) (baseline.Object, error) {
			return r.objects.Read(ctx, want, true)
		},
		CheckBinding: r.clusterRoles.CheckBinding,
		Hint:         r.resources.Hint,
	}
}

// setupReleases sets up how the reconciler leaves namespaces.
func (r *NamespaceReconciler) setupReleases() {
	r.posts = &reports.Writer{Client: r.Client, Live: r.Live, Memory: r.reports, Contests: r.contests, Clock: r.Clock}
	r.releases = &release.Namespaces{
		Client:     r.Client,
		Live:       r.Live,
		Objects:    r.objects,
		Writer:     correction.Writer{Client: r.Client, Live: r.Live},
		Reports:    r.posts,
		Clock:      r.Clock,
		Protected:  r.Protected,
		Departures: r.departures,
		Contests:   r.contests,
		Deferred:   r.deferredRemovals,
	}
}

func (r *NamespaceReconciler) setup(mgr manager.Manager, concurrency int) error {
	b := builder.ControllerManagedBy(mgr).
		Named("namespace").
		For(&corev1.Namespace{}, builder.WithPredicates(labelsOrDeletionChanged())).
		Watches(&v1alpha1.SecurityProfile{}, r.enqueueGoverned(), builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.NamespacePosture{}, handler.WithLowPriorityWhenUnchanged(r.enqueueNamespace())).
		WithOptions(r.overtakingOptions(concurrency))
	for i := range baseline.NamespacedKinds {
		kind := &baseline.NamespacedKinds[i]
		b = b.Watches(kind.New(), handler.WithLowPriorityWhenUnchanged(r.enqueueNamespace()),
			builder.WithPredicates(contentChanged(kind)))
	}
	b = b.WatchesRawSource(r.clusterRoles)
	if r.facts != nil {
		b = b.WatchesRawSource(r.facts)
	}
	return b.Complete(clusteraccess.RequeueIfCacheBehind(reconcile.Func(r.reconcileNamed), retryMax))
}

// watchUnmanaged lets the controller judge the ClusterRoles that profiles bind, and look for what
// weakens baselines.
func (r *NamespaceReconciler) watchUnmanaged(mgr manager.Manager, o Options) error {
	watching, err := watch.NewClient(mgr)
	if err != nil {
		return err
	}
	r.clusterRoles = watch.NewClusterRoles(watching, o.Clock, o.MayBind, r.namespacesUsing)
	if !o.Findings {
		return nil
	}
	r.facts, err = watch.NewUnmanaged(watching, r.clusterRoles, findings.GetOpensStreams(o.ServerVersion))
	return err
}

func (r *SecurityProfileReconciler) setup(mgr manager.Manager, policies *profileStates) error {
	b := builder.ControllerManagedBy(mgr).
		Named("securityprofile").
		For(&v1alpha1.SecurityProfile{}).
		Watches(&v1alpha1.SecurityProfile{}, enqueueAllProfiles(r.Client, r.throttle.Interval()),
			builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.NamespacePosture{}, enqueueReported()).
		Watches(&corev1.Namespace{}, r.enqueueSelecting(), builder.WithPredicates(labelsOrDeletionChanged())).
		WithOptions(options(1))
	for i := range baseline.NamespacedKinds {
		b = b.Watches(baseline.NamespacedKinds[i].New(), r.enqueueLabelled())
	}
	b = b.WatchesRawSource(policies.source())
	b = b.WatchesRawSource(source.Channel(r.unreported.changed, enqueueAllProfiles(r.Client, r.throttle.Interval())))
	if r.publication != nil {
		b = b.WatchesRawSource(source.Channel(r.publication.Changed(), enqueueAllProfiles(r.Client, r.throttle.Interval())))
	}
	return b.Complete(clusteraccess.RequeueIfCacheBehind(reconcile.AsReconciler(r.Client, r), retryMax))
}

func options(concurrency int) controller.Options {
	warmup := true
	return controller.Options{
		MaxConcurrentReconciles: concurrency,
		EnableWarmup:            &warmup, // A replica that becomes leader has its caches already.
		ReconciliationTimeout:   passTimeout,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryMin, retryMax),
	}
}

// overtakingOptions are for so many workers that may be busy with a roll-out, and those that are
// left for what overtakes it. The queue is known before a worker has been given anything.
func (r *NamespaceReconciler) overtakingOptions(concurrency int) controller.Options {
	o := options(concurrency + max(1, concurrency/4))
	o.NewQueue = func(
		name string, limiter workqueue.TypedRateLimiter[reconcile.Request],
	) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		r.queue = priority.NewQueue(
			name,
			limiter,
			concurrency,
			debug.FreeOSMemory,
		) // What it took is given back to the machine.
		return r.queue
	}
	return o
}
