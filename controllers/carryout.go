package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// carryOut decides on each drift and corrects those that are to be corrected: what is missing or differs first, what should
// not exist last, so that a handover has no gap. Quotas are made after all that they may count. The error joins those of all objects;
// each object is tried.
func (r *NamespaceReconciler) carryOut(ctx context.Context, p *pass, drifts []drift.Drift) ([]drift.Outcome, error) {
	var outcomes []drift.Outcome
	var failures []error
	for _, d := range inOrder(drifts) {
		o, err := r.resolve(ctx, p, d)
		if isTerminating(err) {
			return nil, errTerminating
		}
		if err != nil {
			failures = append(failures, err)
		}
		if o != nil {
			outcomes = append(outcomes, *o)
		}
	}
	return outcomes, errors.Join(failures...)
}

// resolve carries out what is decided on one drift. The outcome is nil if there is none after all.
func (r *NamespaceReconciler) resolve(ctx context.Context, p *pass, d drift.Drift) (*drift.Outcome, error) {
	o := &drift.Outcome{Drift: d, Recorded: p.records(d)}
	o.By = r.attribute(ctx, o)
	if o.State = r.decide(p, o); o.State != v1alpha1.Corrected {
		return o, nil
	}
	answer, err := r.put(ctx, p, o)
	if apierrors.IsAlreadyExists(err) && d.Change == v1alpha1.Missing {
		return r.resolveExisting(ctx, p, d)
	}
	if apierrors.IsNotFound(err) && d.Change == v1alpha1.Unexpected {
		return nil, nil // It is gone already, and only the cache had not heard of it.
	}
	if isOvertaken(err) || errors.Is(err, priority.ErrNoRoom) { // Somebody was faster, or it was not tried: the next pass finds what there is by then.
		o.State = v1alpha1.Present
		return o, fmt.Errorf("correcting %s: %w", d.Object.Name, err)
	}
	if err != nil {
		o.State, o.Err, o.Hint = v1alpha1.Present, err, r.resources.Hint(ctx, d.Want, err)
		r.Metrics.ApplyFailed(p.profile.Name, d.Object.Kind, err)
		return o, fmt.Errorf("correcting %s %s in namespace %s: %w", d.Object.Kind, d.Object.Name, p.namespace.Name, err)
	}
	r.conclude(p, o, answer)
	return o, nil
}

// conclude says what has become of a drift whose correction was written, by the API server's answer.
func (r *NamespaceReconciler) conclude(p *pass, o *drift.Outcome, answer baseline.Object) {
	o.Done = true
	r.restored.Forget(p.namespace.Name, o.Object)
	now := r.Clock.Now()
	// Of what somebody has deleted meanwhile admission has changed nothing.
	if answer != nil && answer.GetDeletionTimestamp().IsZero() {
		o.Mutated = drift.Differences(o.Want, answer)
	}
	if len(o.Mutated) > 0 {
		o.State, o.Wait = v1alpha1.Present, r.mutations.Note(p.namespace.Name, o.Object, o.Mutated, now)
	} else {
		r.mutations.Forget(p.namespace.Name, o.Object)
	}
	if o.Recorded && r.contests.Corrected(p.namespace.Name, &o.Drift, o.By.Manager, now) && o.State == v1alpha1.Corrected {
		o.State = v1alpha1.Contested
	}
}

// put corrects a drift, and returns the API server's answer. A pass that can be overtaken makes way for those that correct what
// somebody did.
func (r *NamespaceReconciler) put(ctx context.Context, p *pass, o *drift.Outcome) (answer baseline.Object, err error) {
	if p.overtakable {
		err = r.writes.Write(ctx, func() error {
			answer, err = r.correct(ctx, p, o)
			return err
		})
		return answer, err
	}
	if o.Recorded && !o.Foreign {
		r.writes.Yield()
	}
	return r.correct(ctx, p, o)
}

// resolveExisting is for the object that was thought to be missing and is there, though the cache does not hold it: it is
// compared and resolved as it is.
func (r *NamespaceReconciler) resolveExisting(ctx context.Context, p *pass, d drift.Drift) (*drift.Outcome, error) {
	got, err := r.read(ctx, d.Want, true)
	if err != nil {
		return nil, err
	}
	if got == nil {
		return nil, fmt.Errorf("%s appeared and vanished", describe(d.Want))
	}
	for _, found := range drift.Compare([]baseline.Object{d.Want}, []baseline.Object{got}, p.ours) {
		return r.resolve(ctx, p, found)
	}
	return nil, nil
}

// records reports whether a drift belongs in the history.
func (p *pass) records(d drift.Drift) bool {
	if p.audits() || d.Foreign {
		return true
	}
	state, known := p.reported(d.Object)
	if !p.current() {
		return false
	}
	if d.Change == v1alpha1.Unexpected { // One that is contested was recorded before, and is recorded on.
		return !known || state == v1alpha1.ObjectDrifted
	}
	if p.releases(&d) {
		return false // What waited is put in place.
	}
	if state == v1alpha1.ObjectBlocked && !p.holds(d.Object) {
		return false // What waited is put in place.
	}
	return known && state != v1alpha1.ObjectFailed && state != v1alpha1.ObjectConflict
}

// decide is what shall become of a drift.
func (r *NamespaceReconciler) decide(p *pass, o *drift.Outcome) v1alpha1.DriftState {
	switch {
	case o.Foreign && !p.profile.Adopts():
		return v1alpha1.Conflict
	case p.audits():
		return v1alpha1.Present
	case r.isPutBack(p, o):
		return v1alpha1.Present
	case r.isMutated(p, o):
		if o.Wait > 0 {
			return v1alpha1.Present
		}
		return v1alpha1.Corrected
	}
	if p.current() { // The roll-out of a change waits for nobody.
		o.Wait = r.contestedWait(p, o)
	}
	if o.Wait > 0 {
		return v1alpha1.Contested
	}
	return v1alpha1.Corrected
}

// contestedWait is how long a correction waits for the sake of a contest. What should not be there is not a declared value that could
// hold meanwhile, so that its removal always backs off.
func (r *NamespaceReconciler) contestedWait(p *pass, o *drift.Outcome) time.Duration {
	now := r.Clock.Now()
	r.contests.Found(p.namespace.Name, &o.Drift, o.By.Manager, now)
	if o.Change != v1alpha1.Unexpected && p.profile.EffectiveContest() == v1alpha1.Correct {
		return r.contests.TakeTurn(p.namespace.Name, &o.Drift, now)
	}
	return r.contests.Wait(p.namespace.Name, &o.Drift, now)
}

// disputed are the contests in the namespace after the pass.
func (r *NamespaceReconciler) disputed(p *pass, outcomes []drift.Outcome) []contention.Dispute {
	every := func(v1alpha1.ObjectReference) bool { return true }
	differs := func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return o.Object == ref && !o.Done })
	}
	return r.contests.Standing(p.namespace.Name, every, differs, r.Clock.Now())
}

// attribute is who brought about a recorded drift, as far as can be known: of an object that was deleted, nothing. It costs a read
// of the object's metadata only where the cache does not hold who manages it.
func (r *NamespaceReconciler) attribute(ctx context.Context, o *drift.Outcome) drift.Attribution {
	if !o.Recorded || o.Got == nil {
		return drift.Attribution{}
	}
	managedFields := o.Got.GetManagedFields()
	if managedFields == nil {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(baseline.KindOf(o.Got).GroupVersionKind)
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(o.Got), object); err != nil {
			return drift.Attribution{} // A hint that cannot be had is no reason to leave the drift as it is.
		}
		managedFields = object.GetManagedFields()
	}
	return drift.Attribute(managedFields, o.Fields)
}

// isTerminating recognises the API server's refusal to make an object in a namespace that is being deleted, or is gone.
func isTerminating(err error) bool { return clusteraccess.IsTerminating(err) }
