package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/policies"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/internal/telling"
)

// AdmissionPolicyReconciler brings the ValidatingAdmissionPolicies of a profile, and their
// bindings, to what the profile declares. It writes no status: the reconciler of profiles reads its
// results (see policies.States).
type AdmissionPolicyReconciler struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces that are never selected.
	Protected []string

	keeper *policies.Keeper
	teller *telling.Policies
}

// Reconcile corrects what differs from the policies that one profile declares, and publishes what
// that came to.
func (r *AdmissionPolicyReconciler) Reconcile(
	ctx context.Context, request reconcile.Request,
) (reconcile.Result, error) {
	unlock := r.keeper.States.Lock(request.Name)
	defer unlock()
	profile, err := r.readProfile(ctx, request)
	if err != nil || profile == nil {
		return reconcile.Result{}, err
	}
	if wait := r.keeper.UntilNext(profile.Name); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	selector, err := inventory.Selector(ctx, r.Client, r.Protected)
	if err != nil || selector.Invalid(profile.Name) != nil {
		return reconcile.Result{}, err // The reconciler of profiles says why it is invalid.
	}
	awaiting, most := policies.Await(profile, selector, r.Clock.Now())
	pass, err := r.keeper.Begin(ctx, profile, awaiting)
	if err != nil {
		return reconcile.Result{}, err
	}
	next := most
	if !pass.Defers(most > 0) {
		established, err := r.keeper.Establish(ctx, pass)
		r.teller.Tell(profile, pass.Said, established.Outcomes)
		if err != nil {
			return reconcile.Result{}, err // The end is not noted: to wait for it would undo the back-off.
		}
		next = priority.Soonest(next, established.Wait)
	}
	r.keeper.End(profile.Name)
	return reconcile.Result{RequeueAfter: next}, nil
}

// readProfile is the profile of a request, or nil if nothing is to be done for it:
//
//	the profile                     why
//	is gone                         what is remembered of it is forgotten
//	is being deleted                its own reconciler removes the policies in their turn
//	does not bear the finalizer     its own reconciler writes that before anything is done for it
//	selects what its status does    its own reconciler writes that first: no crash comes between
//	not remember yet                a policy and the knowledge of whose it is
func (r *AdmissionPolicyReconciler) readProfile(
	ctx context.Context, request reconcile.Request,
) (*v1alpha1.SecurityProfile, error) {
	profile := &v1alpha1.SecurityProfile{}
	if err := r.Client.Get(ctx, request.NamespacedName, profile); err != nil {
		if err = client.IgnoreNotFound(err); err == nil {
			r.keeper.States.Forget(request.Name)
		}
		return nil, err
	}
	switch {
	case !profile.DeletionTimestamp.IsZero():
		r.keeper.States.Tell(profile.Name) // Somebody may have made a policy in its name.
		return nil, nil
	case !hasFinalizer(profile):
		return nil, nil
	case profile.Status.Selection != nil && !selection.IsRemembered(profile): // A CRD of an older release drops it.
		return nil, nil
	}
	return profile, nil
}

func setupAdmissionPolicies(s *shared) error {
	r := &AdmissionPolicyReconciler{
		Client: s.cached, Clock: s.Clock, Protected: s.Protected, keeper: s.keeper,
		teller: &telling.Policies{Events: s.events, Metrics: s.metrics},
	}
	b := builder.ControllerManagedBy(s.mgr).
		Named("admissionpolicy").
		For(&v1alpha1.SecurityProfile{}, builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.SecurityProfile{}, enqueueAllProfiles(r.Client, s.StatusInterval),
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
// bear, before or after. An object that the cache loses may be unlabelled, and not gone. One that
// bears another profile's name now is lost to the former profile, or to those whose it may be where
// the cache never held it for them.
func (r *AdmissionPolicyReconciler) enqueuePoliced() handler.EventHandler {
	enqueue := func(o client.Object, q queue) { q.Add(requestFor(profileOf(o))) }
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			enqueue(e.Object, q)
			for _, profile := range r.keeper.NoteSeen(e.Object.(baseline.Object)) {
				q.Add(requestFor(profile))
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if profileOf(e.ObjectOld) != profileOf(e.ObjectNew) {
				r.keeper.NoteLost(e.ObjectNew.(baseline.Object))
			}
			enqueue(e.ObjectOld, q)
			enqueue(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			r.keeper.NoteLost(e.Object.(baseline.Object))
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
	return onEvent(func(ctx context.Context, q queue, states ...client.Object) {
		var profiles v1alpha1.SecurityProfileList
		err := r.Client.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
		if err != nil { // It is a read of memory, and fails only when the operator is stopping.
			logf.FromContext(ctx).Error(err, "Finding the profiles that select a namespace",
				"namespace", states[0].GetName())
			return
		}
		waits := func(profile v1alpha1.SecurityProfile) bool { return admission.WaitsForReports(&profile) }
		if !slices.ContainsFunc(profiles.Items, waits) {
			return
		}
		selector := selection.New(profiles.Items, r.Protected)
		for _, ns := range states {
			for _, profile := range selector.Selects(ns) {
				if admission.WaitsForReports(profile) {
					q.Add(requestFor(profile.Name))
				}
			}
		}
	})
}
