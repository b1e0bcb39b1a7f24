package controllers

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// rolloutPriority is that of the namespaces that a changed profile touches: below corrections,
// which have 0, and above the first look at everything after a start, which has
// handler.LowPriority.
const rolloutPriority = -50

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// requestFor is the request to reconcile a namespace or, with the same form, a profile.
func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// hasFinalizer reports whether a profile cannot go before the objects that it has made. Until then
// nothing is done for it.
func hasFinalizer(profile client.Object) bool {
	return controllerutil.ContainsFinalizer(profile, v1alpha1.Finalizer)
}

// addRollout adds the request to reconcile a namespace or a profile below the corrections.
func addRollout(q queue, name string, after time.Duration) {
	priority := rolloutPriority
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: after}, requestFor(name))
		return
	}
	q.AddAfter(requestFor(name), after)
}

// onEvent enqueues what an object concerns, by its states before and after an event.
func onEvent(enqueue func(ctx context.Context, q queue, states ...client.Object)) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			enqueue(ctx, q, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
	}
}

// enqueueReported is for events on reports, which lead to a sum of the profile's. A report that
// changes hands concerns both.
func enqueueReported() handler.EventHandler {
	return onEvent(func(_ context.Context, q queue, states ...client.Object) {
		for _, report := range states {
			q.Add(requestFor(report.(*v1alpha1.NamespacePosture).Profile))
		}
	})
}

func profileOf(o client.Object) string { return o.GetLabels()[v1alpha1.ProfileLabel] }

// enqueueAllProfiles is for events that may change which profile governs what. They are of no
// concern to anybody who waits: each profile's own events go before. Those of a deletion wait a
// moment, so that several at once lead to one pass.
func enqueueAllProfiles(reader client.Reader, pause time.Duration) handler.EventHandler {
	enqueue := func(ctx context.Context, q queue, after time.Duration) {
		var profiles v1alpha1.SecurityProfileList
		err := reader.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
		if err != nil {
			logf.FromContext(ctx).Error(err, "Listing SecurityProfiles")
			return
		}
		for i := range profiles.Items {
			addRollout(q, profiles.Items[i].Name, after)
		}
	}
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, _ event.CreateEvent, q queue) { enqueue(ctx, q, 0) },
		UpdateFunc:  func(ctx context.Context, _ event.UpdateEvent, q queue) { enqueue(ctx, q, 0) },
		DeleteFunc:  func(ctx context.Context, _ event.DeleteEvent, q queue) { enqueue(ctx, q, pause) },
		GenericFunc: func(ctx context.Context, _ event.GenericEvent, q queue) { enqueue(ctx, q, 0) },
	}
}

// contentChanged lets through the updates of a managed object that change what is compared. A
// quota's usage is none of them, but whether it is counted and whether it is exceeded are: the
// cache holds no more of its status.
func contentChanged(kind *baseline.Kind) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return metadataChanged(e.ObjectOld, e.ObjectNew) || countChanged(e.ObjectOld, e.ObjectNew) ||
			baseline.LeftOut(e.ObjectOld) != baseline.LeftOut(e.ObjectNew) ||
			!equality.Semantic.DeepEqual(kind.Content(e.ObjectOld), kind.Content(e.ObjectNew))
	}}
}

func countChanged(old, updated client.Object) bool {
	before, ok := old.(*corev1.ResourceQuota)
	if !ok {
		return false
	}
	return !equality.Semantic.DeepEqual(before.Status, updated.(*corev1.ResourceQuota).Status)
}

// labelsOrDeletionChanged lets through the updates of a namespace that matter.
func labelsOrDeletionChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
			e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}}
}

// specChanged lets through the updates of a profile that change what is to be done, not those of
// its status.
func specChanged() predicate.Predicate { return predicate.Funcs{UpdateFunc: profileChanged} }

func profileChanged(e event.UpdateEvent) bool {
	return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || // One of the same name was made while nobody watched.
		e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
		hasFinalizer(e.ObjectOld) != hasFinalizer(e.ObjectNew) ||
		e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
}

// governanceChanged lets through the updates of a profile that may change what it and others
// govern:
//
//  1. those of what is to be done,
//  2. those by which its status remembers another selection, which stands in for a broken spec, or
//     since when the spec is broken.
func governanceChanged() predicate.Predicate {
	return predicate.Or[client.Object](specChanged(), predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.SecurityProfile), e.ObjectNew.(*v1alpha1.SecurityProfile)
		return !equality.Semantic.DeepEqual(before.Status.Selection, after.Status.Selection)
	}})
}

// metadataChanged reports whether metadata changed that is compared. Others' annotations and
// finalizers are not.
func metadataChanged(old, updated client.Object) bool {
	return !maps.Equal(old.GetLabels(), updated.GetLabels()) ||
		!equality.Semantic.DeepEqual(old.GetOwnerReferences(), updated.GetOwnerReferences()) ||
		old.GetDeletionTimestamp().IsZero() != updated.GetDeletionTimestamp().IsZero()
}
