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
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/selection"
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

// enqueueNamespace is for events on objects in a namespace, which lead to a pass over it.
func (r *NamespaceReconciler) enqueueNamespace() handler.EventHandler {
	enqueue := func(o client.Object, q queue) {
		r.arrivals.Note(o.GetNamespace(), r.Clock.Now())
		q.Add(requestFor(o.GetNamespace()))
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

// enqueueGoverned is for events on a profile: a pass over every namespace that it selects now, and
// over every one that it governs.
func (r *NamespaceReconciler) enqueueGoverned() handler.EventHandler {
	enqueueAll := func(namespaces []string, q queue) {
		priority := rolloutPriority
		for _, namespace := range namespaces {
			if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
				pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requestFor(namespace))
			} else {
				q.Add(requestFor(namespace))
			}
		}
	}
	enqueue := func(ctx context.Context, o client.Object, q queue) {
		enqueueAll(r.touchedBy(ctx, o.(*v1alpha1.SecurityProfile)), q)
	}
	unlessUnheld := func(ctx context.Context, o client.Object, q queue) {
		if hasFinalizer(o) || !o.GetDeletionTimestamp().IsZero() {
			enqueue(ctx, o, q)
		} // Else nothing is done before the profile is held, and that is another event.
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { unlessUnheld(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if hasFinalizer(e.ObjectNew) && !profileChanged(e) {
				enqueueAll(r.awaitedMemory(ctx, e), q)
				return
			}
			if !hasFinalizer(
				e.ObjectOld,
			) { // Those that it selected have waited for it. It may not select them any more, nor go before another.
				enqueue(ctx, e.ObjectOld, q)
			}
			unlessUnheld(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, e.Object, q) },
	}
}

// hasFinalizer reports whether a profile cannot go before the objects that it has made. Until then
// nothing is done for it.
func hasFinalizer(profile client.Object) bool {
	return controllerutil.ContainsFinalizer(profile, v1alpha1.Finalizer)
}

// touchedBy lists the namespaces that the profile selects or that bear its name, by label or by
// report.
func (r *NamespaceReconciler) touchedBy(ctx context.Context, profile *v1alpha1.SecurityProfile) []string {
	var namespaces corev1.NamespaceList
	var reports v1alpha1.NamespacePostureList
	fromCache := []client.ListOption{client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency}
	err := r.Client.List(ctx, &namespaces, fromCache...)
	if err == nil {
		err = r.Client.List(ctx, &reports, append(fromCache, client.MatchingFields{inventory.ByProfile: profile.Name})...)
	}
	if err != nil { // Both are reads of memory, and fail only when the operator is stopping.
		logf.FromContext(ctx).Error(err, "Listing the namespaces that a profile touches", "profile", profile.Name)
		return nil
	}
	reported := map[string]bool{}
	for i := range reports.Items {
		reported[reports.Items[i].Namespace] = true
	}
	if !profile.DeletionTimestamp.IsZero() {
		if err := inventory.AddNamespaces(ctx, r.Client, profile.Name, reported); err != nil {
			logf.FromContext(ctx).Error(err, "Listing what bears the label of a profile", "profile", profile.Name)
		}
	}
	selector := selection.New([]v1alpha1.SecurityProfile{*profile}, r.Protected)
	var touched []string
	for i := range namespaces.Items {
		ns := &namespaces.Items[i]
		if reported[ns.Name] || ns.Labels[v1alpha1.ProfileLabel] == profile.Name || selector.Governing(ns) != nil {
			touched = append(touched, ns.Name)
		}
	}
	return touched
}

// enqueueReported is for events on reports, which lead to a sum of the profile's. A report that
// changes hands concerns both.
func enqueueReported() handler.EventHandler {
	enqueue := func(o client.Object, q queue) { q.Add(requestFor(o.(*v1alpha1.NamespacePosture).Profile)) }
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			enqueue(e.ObjectOld, q)
			enqueue(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

// enqueueLabelled is for events on managed objects, which matter to the profile that they bear the
// name of only when they go, or bear another's, since it may be waiting for that, and when they
// come into a protected namespace, since it counts them there.
func (r *SecurityProfileReconciler) enqueueLabelled() handler.EventHandler {
	enqueue := func(o client.Object, q queue) { q.Add(requestFor(profileOf(o))) }
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			if selection.New(nil, r.Protected).Protects(e.Object.GetNamespace()) {
				enqueue(e.Object, q)
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			goes := e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
			if goes || profileOf(e.ObjectOld) != profileOf(e.ObjectNew) {
				enqueue(e.ObjectOld, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

func profileOf(o client.Object) string { return o.GetLabels()[v1alpha1.ProfileLabel] }

// enqueueSelecting is for events on a namespace, which concern the profiles that select it, before
// or after, and the one whose name it bears. The others' sums are the same as before.
func (r *SecurityProfileReconciler) enqueueSelecting() handler.EventHandler {
	enqueue := func(ctx context.Context, q queue, states ...client.Object) {
		selector, err := inventory.Selector(ctx, r.Client, r.Protected)
		if err != nil { // It is a read of memory, and fails only when the operator is stopping.
			logf.FromContext(ctx).Error(err, "Finding the profiles that select a namespace", "namespace", states[0].GetName())
			return
		}
		for _, ns := range states {
			for _, profile := range selector.Selects(ns) {
				q.Add(requestFor(profile.Name))
			}
			if profile, labelled := ns.GetLabels()[v1alpha1.ProfileLabel]; labelled {
				q.Add(requestFor(profile))
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { enqueue(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
	}
}

// enqueueAllProfiles is for events that may change which profile governs what. They are of no
// concern to anybody who waits: each profile's own events go before. Those of a deletion wait a
// moment, so that several at once lead to one pass.
func enqueueAllProfiles(reader client.Reader, pause time.Duration) handler.EventHandler {
	enqueue := func(ctx context.Context, q queue, after time.Duration) {
		var profiles v1alpha1.SecurityProfileList
		if err := reader.List(
			ctx,
			&profiles,
			client.UnsafeDisableDeepCopy,
			client.DisableReadYourWritesConsistency,
		); err != nil {
			logf.FromContext(ctx).Error(err, "Listing SecurityProfiles")
			return
		}
		priority := rolloutPriority
		for i := range profiles.Items {
			request := requestFor(profiles.Items[i].Name)
			if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
				pq.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: after}, request)
			} else {
				q.AddAfter(request, after)
			}
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

// metadataChanged reports whether metadata changed that is compared. Others' annotations and
// finalizers are not.
func metadataChanged(old, updated client.Object) bool {
	return !maps.Equal(old.GetLabels(), updated.GetLabels()) ||
		!equality.Semantic.DeepEqual(old.GetOwnerReferences(), updated.GetOwnerReferences()) ||
		old.GetDeletionTimestamp().IsZero() != updated.GetDeletionTimestamp().IsZero()
}
