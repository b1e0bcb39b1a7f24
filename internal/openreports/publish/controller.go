package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
)

// Controller runs the controller of Reports, which is made each time that the cluster begins to
// take them.
type Controller struct {
	// Manager has the cache of NamespacePostures.
	Manager manager.Manager
	// Room makes room for Reports.
	Room Room
	// Recheck is how often an unmanaged Report is looked at again, since it is not watched.
	Recheck time.Duration
	// Options are those of the controller, made anew each time.
	Options func() controller.Options

	direct client.Client // reads and writes past any cache
}

// Add adds the publication by a controller to its manager, on the replica that leads.
func Add(c *Controller) (*Publication, error) {
	mgr := c.Manager
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
	c.direct = direct
	p := New(Options{
		Client: direct, Discovery: discovers, Run: c.run, Recheck: c.Recheck,
		Log: mgr.GetLogger().WithName("openreports"),
	})
	return p, mgr.Add(p)
}

// reconciler publishes the NamespacePosture of one namespace as a Report of openreports.io.
type reconciler struct {
	postures client.Reader // from the cache
	writer   *Writer
	recheck  time.Duration
}

// Reconcile makes the Report of a namespace say what its posture says.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var posture v1alpha1.NamespacePosture
	err := r.postures.Get(ctx, client.ObjectKey{Namespace: request.Name, Name: v1alpha1.PostureName}, &posture)
	if err != nil || !posture.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	occupied, err := r.writer.Write(ctx, &posture)
	if err != nil || !occupied {
		return reconcile.Result{}, err
	}
	logf.FromContext(ctx).Info("A Report of this name exists that Bulwark did not make; it is left alone",
		"namespace", request.Name, "report", v1alpha1.ReportName)
	return reconcile.Result{RequeueAfter: r.recheck}, nil // Unmanaged Reports are not watched.
}

// run runs the controller of Reports and the cache that it reads, until the context ends or one of
// the two does. The cache is not the manager's, so that readiness does not depend on it.
func (c *Controller) run(ctx context.Context, refused func()) error {
	caches, err := cache.New(c.Manager.GetConfig(), cache.Options{
		HTTPClient: c.Manager.GetHTTPClient(), Scheme: c.Manager.GetScheme(), Mapper: c.Manager.GetRESTMapper(),
		DefaultLabelSelector:        labels.SelectorFromSet(labels.Set{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}),
		DefaultTransform:            cache.TransformStripManagedFields(),
		ReaderFailOnMissingInformer: true,
	})
	if err != nil {
		return fmt.Errorf("making a cache of Reports: %w", err)
	}
	reports, err := client.New(c.Manager.GetConfig(), client.Options{
		Scheme: c.Manager.GetScheme(), HTTPClient: c.Manager.GetHTTPClient(), Mapper: c.Manager.GetRESTMapper(),
		FieldOwner: v1alpha1.FieldManager,
		Cache:      &client.CacheOptions{Reader: caches, EnableReadYourWritesConsistency: ptr.To(true)},
	})
	if err != nil {
		return fmt.Errorf("making a client that reads the cache of Reports: %w", err)
	}
	reconciler := &reconciler{
		postures: clusteraccess.NewReadYourWritesClient(c.Manager.GetClient(), c.direct),
		writer: &Writer{
			Reports: clusteraccess.NewReadYourWritesClient(reports, c.direct), Live: c.direct,
			Room: c.Room, Refused: refused,
		},
		recheck: c.Recheck,
	}
	o := c.Options()
	o.Logger, o.SkipNameValidation = c.Manager.GetLogger().WithName("openreports"), ptr.To(true)
	running, err := reconciler.setup(c.Manager.GetCache(), caches, o)
	if err != nil {
		return fmt.Errorf("setting up the controller of Reports: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- caches.Start(ctx) }()
	go func() { ended <- running.Start(ctx) }()
	err = <-ended
	stop()
	return errors.Join(err, <-ended)
}

// setup makes the controller, which the caller starts. It can be made anew in the same process.
func (r *reconciler) setup(
	postures, reports cache.Cache, o controller.Options,
) (controller.Controller, error) {
	o.Reconciler = clusteraccess.RequeueIfCacheBehind(r, retryInterval)
	c, err := controller.NewUnmanaged("openreports", o)
	if err != nil {
		return nil, err
	}
	if err := c.Watch(postureEvents(postures)); err != nil {
		return nil, err
	}
	return c, c.Watch(source.Kind(reports, &reportsv1alpha1.Report{}, handler.TypedEnqueueRequestsFromMapFunc(
		func(_ context.Context, report *reportsv1alpha1.Report) []reconcile.Request {
			return []reconcile.Request{namespaceOf(report)}
		})))
}

// postureEvents are the events on NamespacePostures, for as long as the controller runs: unlike a
// source.Kind it leaves no handler behind in a cache that outlives the controller.
func postureEvents(postures cache.Cache) source.Source {
	return source.Func(func(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		informer, err := postures.GetInformer(ctx, &v1alpha1.NamespacePosture{})
		if err != nil {
			return fmt.Errorf("watching NamespacePostures: %w", err)
		}
		enqueue := func(o any) {
			if posture, ok := o.(*v1alpha1.NamespacePosture); ok {
				q.Add(namespaceOf(posture))
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

// namespaceOf is the request to publish the posture of an object's namespace.
func namespaceOf(o client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: o.GetNamespace()}}
}
