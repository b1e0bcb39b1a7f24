package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

func (r *AdmissionPolicyReconciler) setup(mgr manager.Manager) error {
	b := builder.ControllerManagedBy(mgr).
		Named("admissionpolicy").
		For(&v1alpha1.SecurityProfile{}, builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.SecurityProfile{}, enqueueAllProfiles(r.Client, r.Interval),
			builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.NamespacePosture{}, enqueueReported(), builder.WithPredicates(podRolloutChanged())).
		Watches(&corev1.Namespace{}, r.enqueueWaiting(), builder.WithPredicates(labelsOrDeletionChanged())).
		WithOptions(options(1))
	for i := range baseline.ClusterKinds {
		b = b.Watches(baseline.ClusterKinds[i].New(), r.enqueuePoliced())
	}
	return b.Complete(clusteraccess.RequeueIfCacheBehind(reconcile.Func(r.Reconcile), retryMax))
}

// enqueuePoliced is for events on admission policies, which concern the profile whose name they
// bear, before or after. What the cache loses may be unlabelled, and not gone; what bears another
// name now is lost to the former.
func (r *AdmissionPolicyReconciler) enqueuePoliced() handler.EventHandler {
	enqueue := func(o client.Object, q queue) { q.Add(requestFor(profileOf(o))) }
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if profileOf(e.ObjectOld) != profileOf(e.ObjectNew) {
				r.policies.unlabelled.add(e.ObjectNew.(baseline.Object))
			}
			enqueue(e.ObjectOld, q)
			enqueue(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			r.policies.unlabelled.add(e.Object.(baseline.Object))
			enqueue(e.Object, q)
		},
	}
}

// podRolloutChanged lets through the updates of a report that change what admission.PodRolloutOf
// reads of it.
func podRolloutChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.NamespacePosture), e.ObjectNew.(*v1alpha1.NamespacePosture)
		return before.Profile != after.Profile || before.ProfileGeneration != after.ProfileGeneration ||
			before.Enforcement != after.Enforcement ||
			!equality.Semantic.DeepEqual(before.OperatorState.InPlace, after.OperatorState.InPlace)
	}}
}

// enqueueWaiting is for events on a namespace, which concern the profiles that select it, before or
// after, and whose rules for pods wait for reports.
func (r *AdmissionPolicyReconciler) enqueueWaiting() handler.EventHandler {
	enqueue := func(ctx context.Context, q queue, states ...client.Object) {
		var profiles v1alpha1.SecurityProfileList
		err := r.Client.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
		if err != nil { // It is a read of memory, and fails only when the operator is stopping.
			logf.FromContext(ctx).Error(err, "Finding the profiles that select a namespace",
				"namespace", states[0].GetName())
			return
		}
		waits := false
		for i := range profiles.Items {
			waits = waits || admission.WaitsForReports(&profiles.Items[i])
		}
		if !waits {
			return
		}
		selector := selection.New(profiles.Items, r.Cluster.Protected)
		for _, ns := range states {
			for _, profile := range selector.Selects(ns) {
				if admission.WaitsForReports(profile) {
					q.Add(requestFor(profile.Name))
				}
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			enqueue(ctx, q, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
	}
}
