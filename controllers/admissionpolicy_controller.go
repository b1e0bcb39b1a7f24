package controllers

import (
	"context"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
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
