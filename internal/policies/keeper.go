package policies

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// Options configure a Keeper.
type Options struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Live reads from the API server, for what the cache does not hold.
	Live client.Reader
	// Clock is the time.
	Clock clock.PassiveClock
	// Cluster is what the policies of every profile depend on.
	Cluster admission.Cluster
	// Contests remember who keeps changing what back; Contest says when that is contested.
	Contests *contention.Contests
	Contest  contention.Settings
	// Recheck is how often unmanaged policies are read again, which the cache does not hold.
	Recheck time.Duration
	// Interval is the least time between two passes over the policies of one profile.
	Interval time.Duration
}

// Keeper keeps the policies of profiles as they declare them. Its caller holds the profile's key
// (see States.Lock) from before it reads the profile until End.
type Keeper struct {
	// States are what the passes found.
	States *States

	client      client.Client
	clock       clock.PassiveClock
	cluster     admission.Cluster
	recheck     time.Duration
	interval    time.Duration
	reader      *reader
	corrections *correction.Engine
}

// NewKeeper returns a Keeper that has looked at no profile yet. No admission changes policies, so
// that its engine remembers nothing of that.
func NewKeeper(o Options) *Keeper {
	reader := &reader{client: o.Client, live: o.Live, unlabelled: newUnlabelled()}
	return &Keeper{
		States: NewStates(),
		client: o.Client, clock: o.Clock, cluster: o.Cluster, recheck: o.Recheck, interval: o.Interval, reader: reader,
		corrections: &correction.Engine{
			Writer: correction.Writer{Client: o.Client, Live: o.Live},
			Clock:  o.Clock, Contests: o.Contests,
			Mutations: contention.NewRetries(o.Contest), PutBack: contention.NewRetries(o.Contest),
			Read: reader.read,
		},
	}
}

// NoteLost notes an event by which the cache lost a policy: it may be unlabelled, and not gone.
func (k *Keeper) NoteLost(policy baseline.Object) { k.reader.unlabelled.add(policy) }

// NoteSeen notes a policy that the cache did not hold before. If it bears the name of a profile that
// may not declare it, the cache has not heard of it while it bore its own: the profiles are returned
// whose it may be.
func (k *Keeper) NoteSeen(policy baseline.Object) (profiles []string) {
	if !isMisnamed(policy) {
		return nil
	}
	k.reader.unlabelled.add(policy)
	return admission.ProfilesNamedBy(policy.GetName())
}

// UntilNext is how long it is until the next pass over the policies of a profile.
func (k *Keeper) UntilNext(profile string) time.Duration {
	return priority.UntilNext(k.States.state(profile).ended, k.interval, k.clock.Now())
}

// End notes the end of a pass. It is not noted of a pass that failed: to wait for the interval
// would undo the back-off.
func (k *Keeper) End(profile string) { k.States.state(profile).ended = k.clock.Now() }

// Begin gathers what a pass is to know of a profile, whose policies give way to others by a
// selection.
func (k *Keeper) Begin(
	ctx context.Context, profile *v1alpha1.SecurityProfile, selector *selection.Selector,
) (*Pass, error) {
	state := k.States.state(profile.Name)
	pass := &Pass{
		Said:    k.States.said(profile),
		profile: profile, selector: selector, cluster: k.cluster, state: state, taken: state.unmanaged,
	}
	if admission.WaitsForReports(profile) {
		cluster, err := inventory.ClusterOf(ctx, k.client, profile.Name, selector)
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

// Established is what Establish came to.
type Established struct {
	// Outcomes are what became of each drift. They are to be told, also if the pass failed then.
	Outcomes []drift.Outcome
	// Wait is how long it is until the next pass though nothing has been heard; zero is never.
	Wait time.Duration
}

// Establish corrects what differs from the policies that the profile declares, and publishes the
// result. A refusal by the API server is part of the result, and the policy is tried again after a
// growing while. An error is what a pass that comes soon may not meet; then there is no result.
func (k *Keeper) Establish(ctx context.Context, pass *Pass) (Established, error) {
	if wait := pass.state.refused.stands(pass, k.clock.Now()); wait > 0 {
		k.States.Publish(pass.profile, pass.state.refused.result)
		return Established{Wait: wait}, nil
	}
	desired, err := k.desired(ctx, pass)
	if err != nil {
		return Established{}, err
	}
	found, err := k.reader.gather(ctx, pass.profile.Name, desired.objects, false)
	if err != nil {
		return Established{}, err
	}
	drifts := drift.Compare(desired.objects, found, pass.ours)
	for _, d := range drifts {
		if d.Got == nil { // It may be unlabelled before the cache hears of it.
			k.reader.unlabelled.add(d.Want)
		}
	}
	done, err := k.corrections.CorrectAll(ctx, correction.OfPolicies(pass.profile, pass.ours, pass.records), drifts)
	established := Established{Outcomes: done.Outcomes} // They tell all that the notices do.
	// No later pass finds what was corrected, whatever becomes of this one.
	k.States.keep(pass.profile.Name, admission.History(pass.Said, done.Outcomes))
	if err != nil {
		return established, err
	}
	disputes := k.disputes(desired.objects, done.Outcomes)
	cost, err := k.cost(ctx, pass)
	if err != nil {
		return established, err
	}
	result := (&admission.Pass{
		Desired: len(desired.objects), Found: found, Outcomes: done.Outcomes, Pending: desired.pending, Cost: cost,
		Contests: contestSentences(pass.profile, done.Outcomes, disputes),
	}).Result()
	retry := pass.conclude(desired.interim, done.Outcomes, result, k.clock.Now())
	if retry == 0 && pass.changed(done.Outcomes) {
		k.States.noteChange(pass.profile.Name, k.clock.Now())
	}
	k.States.Publish(pass.profile, result)
	established.Wait = priority.Soonest(retry, desired.wait, nextLook(done.Outcomes, disputes, k.recheck))
	return established, nil
}

// disputes are the contests over the policies of a profile after a pass.
func (k *Keeper) disputes(desired []baseline.Object, outcomes []drift.Outcome) []contention.Dispute {
	return k.corrections.Standing("", func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(desired, func(o baseline.Object) bool { return baseline.Reference(o) == ref })
	}, outcomes)
}

// cost is what the profile's policies cost where no other outranks it: to tell that another does
// costs next to nothing beside.
func (k *Keeper) cost(ctx context.Context, pass *Pass) (admission.Cost, error) {
	state := pass.state
	if pass.steady {
		return state.cost.cost, nil
	}
	rendered := admission.Render(pass.profile, k.cluster)
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

// Report is what the status of a profile is to say of its policies (see States.Report).
func (k *Keeper) Report(profile *v1alpha1.SecurityProfile) (report *admission.Report, written func()) {
	return k.States.Report(profile)
}

// Relax deletes what judges requests for the sake of a profile that goes: it governs no namespace
// any more. The policies that guard its baseline stay until that is gone.
func (k *Keeper) Relax(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	unlock := k.States.Lock(profile.Name)
	defer unlock()
	objects, err := k.reader.labelled(ctx, profile.Name)
	if err != nil {
		return err
	}
	guards := func(o baseline.Object) bool { return admission.Guards(profile.Name, o.GetName()) }
	return k.corrections.Writer.RemoveAll(ctx, slices.DeleteFunc(objects, guards))
}

// Withdraw deletes the policies of a profile that goes: those that bear its name, and those that
// are unlabelled. They go last, so that the baseline is guarded until it is gone, and whatever the
// profile's deletionPolicy is: without the profile nobody would say any more that a namespace is
// ready.
func (k *Keeper) Withdraw(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	unlock := k.States.Lock(profile.Name)
	defer unlock()
	objects, err := k.reader.gather(ctx, profile.Name, nil, true)
	if err != nil {
		return err
	}
	if err := k.corrections.Writer.RemoveAll(ctx, objects); err != nil {
		return err
	}
	k.States.Forget(profile.Name)
	return nil
}
