package controllers

import (
	"context"
	"fmt"
	"maps"
	"time"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/openreports"
)

// reportConcurrency is how many Reports are written at a time. None of them keeps a correction waiting.
const reportConcurrency = 4

// openReportsReconciler writes the NamespacePosture of one namespace as a Report of openreports.io. A Report goes with its posture, by
// the garbage collector.
type openReportsReconciler struct {
	postures client.Reader // from the cache
	reports  client.Client // reads, from the cache, only Reports that bear our label, and sees its own writes
	live     client.Reader
	recheck  time.Duration
	refused  func() // is told of each Report that the API server does not take
	room     roomBeside
}

// setup makes the controller, which whoever calls this starts. It can be made anew in the same process.
func (r *openReportsReconciler) setup(postures, reports cache.Cache, o controller.Options) (controller.Controller, error) {
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

// postureEvents are the events on NamespacePostures, for as long as the controller runs: unlike a source.Kind it leaves no handler
// behind in a cache that outlives the controller.
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
		context.AfterFunc(ctx, func() { _ = informer.RemoveEventHandler(registration) }) // It fails once the cache has stopped.
		return nil
	})
}

// Reconcile makes the Report of a namespace say what its posture says.
func (r *openReportsReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var posture v1alpha1.NamespacePosture
	err := r.postures.Get(ctx, client.ObjectKey{Namespace: request.Name, Name: v1alpha1.PostureName}, &posture)
	if err != nil || !posture.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	want := openreports.Render(&posture)
	have := &reportsv1alpha1.Report{}
	switch err := r.reports.Get(ctx, client.ObjectKeyFromObject(want), have); {
	case apierrors.IsNotFound(err):
		return r.create(ctx, &posture, want)
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("reading the Report of namespace %s: %w", request.Name, err)
	}
	return reconcile.Result{}, r.update(ctx, have, want)
}

// create makes a Report that the cache does not hold. What is there nevertheless bears our label no more, or never did.
func (r *openReportsReconciler) create(
	ctx context.Context, posture *v1alpha1.NamespacePosture, want *reportsv1alpha1.Report,
) (reconcile.Result, error) {
	err := r.room(ctx, posture, reportReference, func() error { return r.reports.Create(ctx, want.DeepCopy()) })
	if err == nil || isTerminating(err) {
		return reconcile.Result{}, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		r.refused()
		return reconcile.Result{}, fmt.Errorf("creating the Report of namespace %s: %w", want.Namespace, err)
	}
	have := &reportsv1alpha1.Report{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(want), have); err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the Report of namespace %s: %w", want.Namespace, err)
	}
	if !madeForPosture(have, want) {
		logf.FromContext(ctx).Info("A Report of this name exists that Bulwark did not make; it is left alone",
			"namespace", have.Namespace, "report", have.Name)
		return reconcile.Result{RequeueAfter: r.recheck}, nil // It is not watched.
	}
	return reconcile.Result{}, r.update(ctx, have, want)
}

// madeForPosture reports whether a Report is ours: by its label or, where somebody took that away, by its owner.
func madeForPosture(have, want *reportsv1alpha1.Report) bool {
	if have.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedBy {
		return true
	}
	for _, owner := range have.OwnerReferences {
		if owner.UID == want.OwnerReferences[0].UID {
			return true
		}
	}
	return false
}

// update writes the Report if it says anything new. Labels and annotations of others stay.
func (r *openReportsReconciler) update(ctx context.Context, have, want *reportsv1alpha1.Report) error {
	updated := want.DeepCopy()
	have.ObjectMeta.DeepCopyInto(&updated.ObjectMeta)
	if updated.Labels == nil {
		updated.Labels = map[string]string{}
	}
	maps.Copy(updated.Labels, want.Labels)
	updated.OwnerReferences = want.OwnerReferences
	updated.TypeMeta = have.TypeMeta
	if equality.Semantic.DeepEqual(have, updated) {
		return nil
	}
	if err := r.reports.Update(ctx, updated); err != nil {
		if !apierrors.IsConflict(err) {
			r.refused()
		}
		return client.IgnoreNotFound(fmt.Errorf("updating the Report of namespace %s: %w", want.Namespace, err))
	}
	return nil
}
