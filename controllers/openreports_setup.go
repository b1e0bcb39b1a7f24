package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/discovery"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/openreports/publish"
)

// reportConcurrency is how many Reports are written at a time. None of them delays a correction.
const reportConcurrency = 4

// newPublication adds the publication of reports to the manager, on the replica that leads.
func newPublication(shared *shared) (*publish.Publication, error) {
	mgr, recheck := shared.mgr, shared.RecheckInterval
	room := func(
		ctx context.Context, report *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference, write func() error,
	) error {
		p, notices, err := shared.posts.WriteBeside(ctx, report, object, write)
		shared.teller.TellBoth(p, notices)
		return err
	}
	direct, err := client.New(mgr.GetConfig(), client.Options{
		Scheme: mgr.GetScheme(), HTTPClient: mgr.GetHTTPClient(), Mapper: mgr.GetRESTMapper(),
		FieldOwner: v1alpha1.FieldManager,
	})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	discovers, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for discovery: %w", err)
	}
	s := &reportsSetup{mgr: mgr, direct: direct, recheck: recheck, room: room}
	p := publish.New(publish.Options{
		Client: direct, Discovery: discovers, Run: s.run, Recheck: recheck, Log: mgr.GetLogger().WithName("openreports"),
	})
	return p, mgr.Add(p)
}

// reportsSetup makes the controller of Reports each time that the cluster begins to take them.
type reportsSetup struct {
	mgr     manager.Manager
	direct  client.Client // past the cache
	recheck time.Duration
	room    publish.Room
}

// run runs the controller of Reports and the cache that it reads, until the context ends or one of
// the two does. The cache is not the manager's, so that readiness does not depend on it.
func (s *reportsSetup) run(ctx context.Context, refused func()) error {
	caches, err := cache.New(s.mgr.GetConfig(), cache.Options{
		HTTPClient: s.mgr.GetHTTPClient(), Scheme: s.mgr.GetScheme(), Mapper: s.mgr.GetRESTMapper(),
		DefaultLabelSelector:        labels.SelectorFromSet(labels.Set{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}),
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
	})
	if err != nil {
		return fmt.Errorf("making a cache of Reports: %w", err)
	}
	reports, err := client.New(s.mgr.GetConfig(), client.Options{
		Scheme: s.mgr.GetScheme(), HTTPClient: s.mgr.GetHTTPClient(), Mapper: s.mgr.GetRESTMapper(),
		FieldOwner: v1alpha1.FieldManager,
		Cache:      &client.CacheOptions{Reader: caches, EnableReadYourWritesConsistency: ptr.To(true)},
	})
	if err != nil {
		return fmt.Errorf("making a client that reads the cache of Reports: %w", err)
	}
	reconciler := &openReportsReconciler{
		postures: clusteraccess.NewReadYourWritesClient(s.mgr.GetClient(), s.direct),
		writer: &publish.Writer{
			Reports: clusteraccess.NewReadYourWritesClient(reports, s.direct), Live: s.direct,
			Room: s.room, Refused: refused,
		},
		recheck: s.recheck,
	}
	o := options(reportConcurrency)
	o.Logger, o.SkipNameValidation = s.mgr.GetLogger().WithName("openreports"), ptr.To(true)
	c, err := reconciler.setup(s.mgr.GetCache(), caches, o)
	if err != nil {
		return fmt.Errorf("setting up the controller of Reports: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- caches.Start(ctx) }()
	go func() { ended <- c.Start(ctx) }()
	err = <-ended
	stop()
	return errors.Join(err, <-ended)
}

// setup makes the controller, which the caller starts. It can be made anew in the same process.
func (r *openReportsReconciler) setup(
	postures, reports cache.Cache, o controller.Options,
) (controller.Controller, error) {
	o.Reconciler = clusteraccess.RequeueIfCacheBehind(r, retryMax)
	c, err := controller.NewUnmanaged("openreports", o)
	if err != nil {
		return nil, err
	}
	if err := c.Watch(postureEvents(postures)); err != nil {
		return nil, err
	}
	return c, c.Watch(source.Kind(reports, &reportsv1alpha1.Report{}, handler.TypedEnqueueRequestsFromMapFunc(
		func(_ context.Context, report *reportsv1alpha1.Report) []reconcile.Request {
			return []reconcile.Request{requestFor(report.Namespace)}
		})))
}

// postureEvents are the events on NamespacePostures, for as long as the controller runs: unlike a
// source.Kind it leaves no handler behind in a cache that outlives the controller.
func postureEvents(postures cache.Cache) source.Source {
	return source.Func(func(ctx context.Context, q queue) error {
		informer, err := postures.GetInformer(ctx, &v1alpha1.NamespacePosture{})
		if err != nil {
			return fmt.Errorf("watching NamespacePostures: %w", err)
		}
		enqueue := func(o any) {
			if posture, ok := o.(*v1alpha1.NamespacePosture); ok {
				q.Add(requestFor(posture.Namespace))
			}
		}
		registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: enqueue, UpdateFunc: func(_, o any) { enqueue(o) },
		})
		if err != nil {
			return fmt.Errorf("watching NamespacePostures: %w", err)
		}
		context.AfterFunc(ctx, func() {
			_ = informer.RemoveEventHandler(registration) // It fails once the cache has stopped.
		})
		return nil
	})
}
