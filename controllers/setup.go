package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/policies"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/telling"
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

// shared is what the reconcilers share.
type shared struct {
	Options
	mgr        manager.Manager
	cached     client.Client // reads from the cache and sees its own writes
	live       client.Reader // reads from the API server, for what the cache does not hold
	metrics    *metrics.Metrics
	contests   *contention.Contests
	keeper     *policies.Keeper
	room       quotaroom.Maker
	posts      *reports.Writer
	unreported *reports.Unreported
	events     *events.Teller
	teller     *telling.Namespaces
}

// Setup adds the controllers to the manager.
func Setup(ctx context.Context, mgr manager.Manager, o Options) error {
	if err := indexReports(ctx, mgr); err != nil {
		return err
	}
	caches := mgr.GetCache()
	if err := errors.Join(o.Informers.ForgetDeleted(ctx, caches), o.Reports.ForgetDeleted(ctx, caches)); err != nil {
		return err
	}
	s, err := newShared(mgr, o)
	if err != nil {
		return err
	}
	if err := setupNamespaces(s); err != nil {
		return fmt.Errorf("setting up the namespace controller: %w", err)
	}
	if err := setupProfiles(s); err != nil {
		return fmt.Errorf("setting up the profile controller: %w", err)
	}
	if err := setupAdmissionPolicies(s); err != nil {
		return fmt.Errorf("setting up the admission policy controller: %w", err)
	}
	return nil
}

func indexReports(ctx context.Context, mgr manager.Manager) error {
	profile := func(o client.Object) []string { return []string{o.(*v1alpha1.NamespacePosture).Profile} }
	err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.NamespacePosture{}, inventory.ByProfile, profile)
	if err != nil {
		return fmt.Errorf("indexing NamespacePostures: %w", err)
	}
	return nil
}

func newShared(mgr manager.Manager, o Options) (*shared, error) {
	recorded, err := metrics.New(o.Registry)
	if err != nil {
		return nil, err
	}
	live := mgr.GetAPIReader()
	cached := clusteraccess.NewReadYourWritesClient(mgr.GetClient(), reportmemory.NewReader(live, o.Reports))
	s := &shared{
		Options: o, mgr: mgr, cached: cached, live: live, metrics: recorded, contests: contention.New(o.Contest),
		room: quotaroom.Maker{Client: cached, Live: live}, unreported: reports.NewUnreported(),
		events: events.NewTeller(mgr.GetEventRecorder(v1alpha1.FieldManager), o.Clock),
	}
	s.keeper = policies.NewKeeper(policies.Options{
		Client: cached, Live: live, Clock: o.Clock, Contests: s.contests, Contest: o.Contest,
		Cluster: admission.Cluster{Protected: o.Protected, Operator: o.Operator, Proof: o.Proof},
		Recheck: o.RecheckInterval, Interval: o.StatusInterval,
	})
	s.posts = &reports.Writer{
		Client: cached, Live: live, Room: s.room, Memory: o.Reports, Contests: s.contests, Clock: o.Clock,
	}
	s.teller = &telling.Namespaces{
		Events: s.events, Metrics: recorded, Clock: o.Clock, PoliciesChanged: s.keeper.States.ChangedAt,
	}
	return s, nil
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
