package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// AdmissionPolicyReconciler brings the ValidatingAdmissionPolicies of a profile, and their
// bindings, to what the profile declares. It writes no status: the reconciler of profiles reads its
// results (see profileStates).
type AdmissionPolicyReconciler struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Clock is the time.
	Clock clock.PassiveClock
	// Cluster is what the policies of every profile depend on.
	Cluster admission.Cluster
	// Recheck is how often unmanaged policies are read again, which the cache does not hold.
	Recheck time.Duration
	// Interval is the least time between two passes over the policies of one profile.
	Interval time.Duration

	states      *profileStates
	policies    *policyReader
	corrections *correction.Engine
	announcer   *policyAnnouncer
}

// newAdmissionPolicyReconciler shares with the reconciler of namespaces the contests, the metrics,
// and when policies changed.
func newAdmissionPolicyReconciler(
	mgr manager.Manager, cached client.Client, namespaces *NamespaceReconciler, o Options,
) *AdmissionPolicyReconciler {
	reader := &policyReader{client: cached, live: mgr.GetAPIReader(), unlabelled: newUnlabelled()}
	return &AdmissionPolicyReconciler{
		Client: cached, Clock: o.Clock, Recheck: o.RecheckInterval, Interval: o.StatusInterval,
		Cluster:     admission.Cluster{Protected: o.Protected, Operator: o.Operator, Proof: o.Proof},
		states:      namespaces.policyChanges,
		policies:    reader,
		corrections: newPolicyCorrections(reader, namespaces.contests, o),
		announcer:   &policyAnnouncer{events: namespaces.events, metrics: namespaces.Metrics},
	}
}

// newPolicyCorrections makes the engine that ends the drift of policies. No admission changes them,
// so that it remembers nothing of that.
func newPolicyCorrections(reader *policyReader, contests *contention.Contests, o Options) *correction.Engine {
	return &correction.Engine{
		Writer: correction.Writer{Client: reader.client, Live: reader.live},
		Clock:  o.Clock, Contests: contests,
		Mutations: contention.NewRetries(o.Contest), PutBack: contention.NewRetries(o.Contest),
		Read: reader.read,
	}
}

// Reconcile corrects what differs from the policies that one profile declares, and publishes what
// that came to.
func (r *AdmissionPolicyReconciler) Reconcile(
	ctx context.Context, request reconcile.Request,
) (reconcile.Result, error) {
	unlock := r.states.lock(request.Name)
	defer unlock()
	profile, err := r.readProfile(ctx, request)
	if err != nil || profile == nil {
		return reconcile.Result{}, err
	}
	state := r.states.state(profile.Name)
	if wait := priority.UntilNext(state.ended, r.Interval, r.Clock.Now()); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	selector, err := inventory.Selector(ctx, r.Client, r.Cluster.Protected)
	if err != nil || selector.Invalid(profile.Name) != nil {
		return reconcile.Result{}, err // The reconciler of profiles says why it is invalid.
	}
	awaiting, most := r.await(profile, selector)
	pass, err := r.begin(ctx, state, profile, awaiting)
	if err != nil {
		return reconcile.Result{}, err
	}
	next := most
	if !pass.defers(most > 0) {
		wait, err := r.establish(ctx, state, pass)
		if err != nil {
			return reconcile.Result{}, err // The end is not noted: to wait for it would undo the back-off.
		}
		next = sooner(next, wait)
	}
	state.ended = r.Clock.Now()
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
			r.states.forget(request.Name)
		}
		return nil, err
	}
	switch {
	case !profile.DeletionTimestamp.IsZero():
		r.states.tell(profile.Name) // Somebody may have made a policy in its name.
		return nil, nil
	case !hasFinalizer(profile):
		return nil, nil
	case profile.Status.Selection != nil && !selection.IsRemembered(profile): // A CRD of an older release drops it.
		return nil, nil
	}
	return profile, nil
}

// begin gathers what the pass is to know of the profile.
func (r *AdmissionPolicyReconciler) begin(
	ctx context.Context, state *profileState, profile *v1alpha1.SecurityProfile, selector *selection.Selector,
) (*policyPass, error) {
	pass := &policyPass{
		profile: profile, selector: selector, cluster: r.Cluster,
		said: r.states.said(profile), taken: state.unmanaged,
	}
	if admission.WaitsForReports(profile) {
		cluster, err := governed(ctx, r.Client, profile.Name, selector)
		if err != nil {
			return nil, err
		}
		pass.rollout = admission.PodRolloutOf(profile, selector, cluster.Namespaces, cluster.Reports)
	}
	pass.declared = pass.render()
	var err error
	pass.digest, err = digestOf(pass.declared)
	pass.steady = state.inPlace == pass.digest
	pass.changes = state.inPlace != digest{} && !pass.steady
	return pass, err
}

// establish corrects what differs from the policies that the profile declares, and publishes the
// result. It returns when to look again though nothing has been heard; zero is never. What the API
// server refuses is part of the result, and is tried again after a growing while. An error is what
// a pass that comes soon may not meet; then there is no result.
func (r *AdmissionPolicyReconciler) establish(
	ctx context.Context, state *profileState, pass *policyPass,
) (time.Duration, error) {
	if wait := state.refused.stands(pass, r.Clock.Now()); wait > 0 {
		r.states.publish(pass.profile, state.refused.result)
		return wait, nil
	}
	desired, err := r.desired(ctx, state, pass)
	if err != nil {
		return 0, err
	}
	found, err := r.policies.gather(ctx, pass.profile.Name, desired.objects, false)
	if err != nil {
		return 0, err
	}
	drifts := drift.Compare(desired.objects, found, pass.ours)
	done, err := r.corrections.CorrectAll(ctx, correction.OfPolicies(pass.profile, pass.ours, pass.records), drifts)
	outcomes := done.Outcomes // They tell all that the notices do.
	// No later pass finds what was corrected, whatever becomes of this one.
	r.states.keep(pass.profile.Name, admission.History(pass.said, outcomes))
	r.announcer.announce(pass, outcomes)
	if err != nil {
		return 0, err
	}
	disputes := r.disputes(desired.objects, outcomes)
	cost, err := r.cost(ctx, state, pass)
	if err != nil {
		return 0, err
	}
	result := (&admission.Pass{
		Desired: len(desired.objects), Found: found, Outcomes: outcomes, Pending: desired.pending, Cost: cost,
		Contests: contestSentences(pass.profile, outcomes, disputes),
	}).Result()
	retry := state.conclude(pass, desired.interim, outcomes, result, r.Clock.Now())
	if retry == 0 && pass.changed(outcomes) {
		r.states.noteChange(pass.profile.Name, r.Clock.Now())
	}
	r.states.publish(pass.profile, result)
	return sooner(retry, sooner(desired.wait, nextLook(outcomes, disputes, r.Recheck))), nil
}

// disputes are the contests over the policies of a profile after a pass.
func (r *AdmissionPolicyReconciler) disputes(
	desired []baseline.Object, outcomes []drift.Outcome,
) []contention.Dispute {
	return r.corrections.Standing("", func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(desired, func(o baseline.Object) bool { return baseline.Reference(o) == ref })
	}, outcomes)
}

// cost is what the profile's policies cost where no other outranks it: to tell that another does
// costs next to nothing beside.
func (r *AdmissionPolicyReconciler) cost(
	ctx context.Context, state *profileState, pass *policyPass,
) (admission.Cost, error) {
	if pass.steady {
		return state.cost.cost, nil
	}
	rendered := admission.Render(pass.profile, r.Cluster)
	if len(rendered) == 0 {
		state.cost = knownCost{}
		return admission.Cost{}, nil
	}
	now, err := digestOf(admission.Objects(rendered))
	if err != nil {
		return admission.Cost{}, err
	}
	if state.cost.digest != now {
		percent, failure := offline.Costliest(ctx, pass.profile, rendered)
		state.cost = knownCost{digest: now, cost: admission.Cost{Percent: percent, Err: failure}}
	}
	return state.cost.cost, nil
}

// report implements admissionPolicies.
func (r *AdmissionPolicyReconciler) report(
	profile *v1alpha1.SecurityProfile,
) (report *admission.Report, written func()) {
	return r.states.report(profile)
}

// relax deletes what judges requests for the sake of a profile that goes: it governs no namespace
// any more. What guards its baseline stays until that is gone.
func (r *AdmissionPolicyReconciler) relax(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	unlock := r.states.lock(profile.Name)
	defer unlock()
	objects, err := r.policies.labelled(ctx, profile.Name)
	if err != nil {
		return err
	}
	guards := func(o baseline.Object) bool { return admission.Guards(profile.Name, o.GetName()) }
	return r.corrections.Writer.RemoveAll(ctx, slices.DeleteFunc(objects, guards))
}

// withdraw deletes the policies of a profile that goes: those that bear its name, and those that
// are unlabelled. They go last, so that the baseline is guarded until it is gone, and whatever the
// profile's deletionPolicy is: without the profile nobody would say any more that a namespace is
// ready.
func (r *AdmissionPolicyReconciler) withdraw(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	unlock := r.states.lock(profile.Name)
	defer unlock()
	objects, err := r.policies.gather(ctx, profile.Name, nil, true)
	if err != nil {
		return err
	}
	if err := r.corrections.Writer.RemoveAll(ctx, objects); err != nil {
		return err
	}
	r.states.forget(profile.Name)
	return nil
}
