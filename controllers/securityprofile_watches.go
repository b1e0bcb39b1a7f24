package controllers

import (
	"context"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

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
