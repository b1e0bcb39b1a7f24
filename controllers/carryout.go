package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// corrections are what became of the drifts of a pass.
type corrections struct {
	outcomes []drift.Outcome
	// notices are what is to be told of the writes, beside their outcomes.
	notices []events.Notice
	level   appliedLevel
}

// appliedLevel is the stricter Pod Security level that a pass put in place, if it did.
type appliedLevel struct {
	tightened bool
	warned    []string // what the API server then warned of
}

// carryOut decides on each drift and corrects those that are to be corrected: what is missing or
// differs first, what should not exist last, so that a handover has no gap. Quotas are made after
// all that they may count. The error joins those of all objects; each object is tried.
func (r *NamespaceReconciler) carryOut(
	ctx context.Context, p *posture.Pass, deferred *posture.Deferrals, drifts []drift.Drift,
) (corrections, error) {
	var done corrections
	var failures []error
	for _, d := range inOrder(drifts) {
		o, made, err := r.resolve(ctx, p, deferred, d)
		if o != nil {
			done.outcomes = append(done.outcomes, *o)
		}
		done.notices = append(done.notices, made.notices...)
		if made.level.tightened {
			done.level = made.level
		}
		if isTerminating(err) {
			return done, errTerminating
		}
		if err != nil {
			failures = append(failures, err)
		}
	}
	return done, errors.Join(failures...)
}

// resolve carries out what is decided on one drift. The outcome is nil if there is none after all.
func (r *NamespaceReconciler) resolve(
	ctx context.Context, p *posture.Pass, deferred *posture.Deferrals, d drift.Drift,
) (*drift.Outcome, answer, error) {
	o := &drift.Outcome{Drift: d, Recorded: p.Records(&d, deferred)}
	o.By = r.attribute(ctx, o)
	if o.State = r.decide(p, o); o.State != v1alpha1.Corrected {
		return o, answer{}, nil
	}
	made, err := r.put(ctx, p, o)
	switch {
	case apierrors.IsAlreadyExists(err) && d.Change == v1alpha1.Missing:
		o, again, err := r.resolveExisting(ctx, p, deferred, d)
		again.notices = append(made.notices, again.notices...)
		return o, again, err
	case apierrors.IsNotFound(err) && d.Change == v1alpha1.Unexpected:
		return nil, made, nil // It is gone already, and only the cache had not heard of it.
	case isOvertaken(err), errors.Is(err, priority.ErrNoRoom): // Somebody was faster, or it was not tried: the next pass finds what there is by then.
		o.State = v1alpha1.Present
		return o, made, fmt.Errorf("correcting %s: %w", d.Object.Name, err)
	case err != nil:
		o.State, o.Err, o.Hint = v1alpha1.Present, err, r.resources.Hint(ctx, d.Want, err)
		return o, made, fmt.Errorf("correcting %s %s in namespace %s: %w", d.Object.Kind, d.Object.Name, p.Namespace.Name, err)
	}
	r.conclude(p, o, made.object)
	return o, made, nil
}

// conclude says what has become of a drift whose correction was written, by the API server's answer.
func (r *NamespaceReconciler) conclude(p *posture.Pass, o *drift.Outcome, answer baseline.Object) {
	o.Done = true
	r.restored.Forget(p.Namespace.Name, o.Object)
	now := r.Clock.Now()
	// Of what somebody has deleted meanwhile admission has changed nothing.
	if answer != nil && answer.GetDeletionTimestamp().IsZero() {
		o.Mutated = drift.Differences(o.Want, answer)
	}
	if len(o.Mutated) > 0 {
		o.State, o.Wait = v1alpha1.Present, r.mutations.Note(p.Namespace.Name, o.Object, o.Mutated, now)
	} else {
		r.mutations.Forget(p.Namespace.Name, o.Object)
	}
	if o.Recorded && r.contests.Corrected(p.Namespace.Name, &o.Drift, o.By.Manager, now) && o.State == v1alpha1.Corrected {
		o.State = v1alpha1.Contested
	}
}

// put corrects a drift, and returns the API server's answer. A pass that can be overtaken makes way
// for those that correct what somebody did.
func (r *NamespaceReconciler) put(ctx context.Context, p *posture.Pass, o *drift.Outcome) (made answer, err error) {
	if p.Overtakable {
		err = r.writes.Write(ctx, func() error {
			made, err = r.correct(ctx, p, o)
			return err
		})
		return made, err
	}
	if o.Recorded && !o.Foreign {
		r.writes.Yield()
	}
	return r.correct(ctx, p, o)
}

// resolveExisting is for the object that was thought to be missing and is there, though the cache
// does not hold it: it is compared and resolved as it is.
func (r *NamespaceReconciler) resolveExisting(
	ctx context.Context, p *posture.Pass, deferred *posture.Deferrals, d drift.Drift,
) (*drift.Outcome, answer, error) {
	got, err := r.read(ctx, d.Want, true)
	if err != nil {
		return nil, answer{}, err
	}
	if got == nil {
		return nil, answer{}, fmt.Errorf("%s appeared and vanished", describe(d.Want))
	}
	for _, found := range drift.Compare([]baseline.Object{d.Want}, []baseline.Object{got}, p.Ours) {
		return r.resolve(ctx, p, deferred, found)
	}
	return nil, answer{}, nil
}

// decide is what shall become of a drift.
func (r *NamespaceReconciler) decide(p *posture.Pass, o *drift.Outcome) v1alpha1.DriftState {
	switch {
	case o.Foreign && !p.Profile.Adopts():
		return v1alpha1.Conflict
	case p.Audits():
		return v1alpha1.Present
	case r.isPutBack(p, o):
		return v1alpha1.Present
	case r.isMutated(p, o):
		if o.Wait > 0 {
			return v1alpha1.Present
		}
		return v1alpha1.Corrected
	}
	if p.Current() { // The roll-out of a change waits for nobody.
		o.Wait = r.contestedWait(p, o)
	}
	if o.Wait > 0 {
		return v1alpha1.Contested
	}
	return v1alpha1.Corrected
}

// contestedWait is how long a correction waits for the sake of a contest. What should not be there
// is not a declared value that could hold meanwhile, so that its removal always backs off.
func (r *NamespaceReconciler) contestedWait(p *posture.Pass, o *drift.Outcome) time.Duration {
	now := r.Clock.Now()
	r.contests.Found(p.Namespace.Name, &o.Drift, o.By.Manager, now)
	if o.Change != v1alpha1.Unexpected && p.Profile.EffectiveContest() == v1alpha1.Correct {
		return r.contests.TakeTurn(p.Namespace.Name, &o.Drift, now)
	}
	return r.contests.Wait(p.Namespace.Name, &o.Drift, now)
}

// disputed are the contests in the namespace after the pass, and how long it is until the first of
// them may be over; zero is never.
func (r *NamespaceReconciler) disputed(
	p *posture.Pass, outcomes []drift.Outcome,
) (disputes []posture.Dispute, quiet time.Duration) {
	every := func(v1alpha1.ObjectReference) bool { return true }
	differs := func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref && !o.Done })
	}
	for _, d := range r.contests.Standing(p.Namespace.Name, every, differs, r.Clock.Now()) {
		disputes = append(disputes, posture.Dispute{
			Object: d.Object, Change: d.Change, Sentence: d.Sentence(p.Profile.EffectiveContest()),
		})
		quiet = soonest(quiet, d.Left)
	}
	return disputes, quiet
}

// attribute is who brought about a recorded drift, as far as can be known: of an object that was
// deleted, nothing. It costs a read of the object's metadata only where the cache does not hold who
// manages it.
func (r *NamespaceReconciler) attribute(ctx context.Context, o *drift.Outcome) drift.Attribution {
	if !o.Recorded || o.Got == nil {
		return drift.Attribution{}
	}
	managedFields := o.Got.GetManagedFields()
	if managedFields == nil {
		var err error
		if managedFields, err = r.writer().ManagedFields(ctx, o.Got); err != nil {
			return drift.Attribution{} // A hint that cannot be had is no reason to leave the drift as it is.
		}
	}
	return drift.Attribute(managedFields, o.Fields)
}

// isTerminating recognises the API server's refusal to make an object in a namespace that is being
// deleted, or is gone.
func isTerminating(err error) bool { return clusteraccess.IsTerminating(err) }
