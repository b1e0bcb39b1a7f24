package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/events"
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
