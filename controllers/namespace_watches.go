package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// namespaceEvents lead events to the namespaces that they concern.
type namespaceEvents struct {
	cached    client.Client
	clock     clock.PassiveClock
	protected []string
	arrivals  *priority.Arrivals
	facts     *watch.Unmanaged // nil if findings are switched off
}

// enqueueNamespace is for events on objects in a namespace, which lead to a pass over it.
func (n *namespaceEvents) enqueueNamespace() handler.EventHandler {
	enqueue := func(o client.Object, q queue) {
		n.arrivals.Note(o.GetNamespace(), n.clock.Now())
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
func (n *namespaceEvents) enqueueGoverned() handler.EventHandler {
	enqueueAll := func(namespaces []*corev1.Namespace, q queue) {
		for _, ns := range namespaces {
			addRollout(q, ns.Name, 0)
		}
	}
	enqueue := func(ctx context.Context, o client.Object, q queue) {
		enqueueAll(n.touchedBy(ctx, o.(*v1alpha1.SecurityProfile)), q)
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
				enqueueAll(n.awaitedMemory(ctx, e), q)
				return
			}
			if !hasFinalizer(e.ObjectOld) {
				// Those that it selected have waited for it. It may not select them any more, nor go
				// before another.
				enqueue(ctx, e.ObjectOld, q)
			}
			unlessUnheld(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, e.Object, q) },
	}
}

// touchedBy lists the namespaces that the profile selects or that bear its name.
func (n *namespaceEvents) touchedBy(ctx context.Context, profile *v1alpha1.SecurityProfile) []*corev1.Namespace {
	touched, err := inventory.Touched(ctx, n.cached, profile, n.protected)
	if err != nil { // All are reads of memory, and fail only when the operator is stopping.
		logf.FromContext(ctx).Error(err, "Listing the namespaces that a profile touches", "profile", profile.Name)
	}
	return touched
}

// awaitedMemory are the namespaces that an update of a profile's status lets it govern, or no more:
// those that it selects and did not remember before, and those made since it is broken.
func (n *namespaceEvents) awaitedMemory(ctx context.Context, e event.UpdateEvent) []*corev1.Namespace {
	before, after := e.ObjectOld.(*v1alpha1.SecurityProfile), e.ObjectNew.(*v1alpha1.SecurityProfile)
	return slices.DeleteFunc(n.touchedBy(ctx, after), func(ns *corev1.Namespace) bool {
		return selection.Remembers(before, ns) && !selection.Yields(before, after, ns)
	})
}

// namespacesUsing lists the namespaces that a change of a ClusterRole concerns: those of the
// profiles that bind it, and those in which an unmanaged RoleBinding does.
func (n *namespaceEvents) namespacesUsing(role string) []string {
	ctx := context.Background() // It reads memory only.
	var namespaces []string
	if n.facts != nil {
		namespaces = n.facts.NamespacesBinding(role)
	}
	profiles, err := inventory.Binding(ctx, n.cached, role)
	if err != nil {
		logf.Log.Error(err, "Listing SecurityProfiles that bind a ClusterRole", "clusterRole", role)
	}
	for _, profile := range profiles {
		for _, ns := range n.touchedBy(ctx, profile) {
			namespaces = append(namespaces, ns.Name)
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}
