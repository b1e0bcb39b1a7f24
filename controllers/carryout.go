package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// outcome is a drift and what became of it.
type outcome struct {
	drift.Drift
	// state is what the history says of it.
	state v1alpha1.DriftState
	// recorded is set if it belongs in the history: tampering, a conflict, an adoption, and whatever an Audit profile finds.
	// What differs because the profile changed does not.
	recorded bool
	// by is who did it, as far as is known.
	by drift.Attribution
	// err is why the API server refused the correction.
	err error
	// wait is how long a contested correction is still held back.
	wait time.Duration
}

// carryOut decides on each drift and corrects those that are to be corrected: what is missing or differs first, what should
// not exist last, so that a handover has no gap. The error joins those of all objects; each object is tried.
func (r *NamespaceReconciler) carryOut(ctx context.Context, p *pass, drifts []drift.Drift) ([]outcome, error) {
	var outcomes []outcome
	var failures []error
	for _, prune := range []bool{false, true} {
		for _, d := range drifts {
			if (d.Change == v1alpha1.Unexpected) != prune {
				continue
			}
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
	}
	return outcomes, errors.Join(failures...)
}

// resolve carries out what is decided on one drift. The outcome is nil if there is none after all.
func (r *NamespaceReconciler) resolve(ctx context.Context, p *pass, d drift.Drift) (*outcome, error) {
	o := &outcome{Drift: d, recorded: p.records(d)}
	switch o.state = r.decide(p, o); o.state {
	case v1alpha1.Present, v1alpha1.Conflict, v1alpha1.Contested:
		o.by = r.attribute(ctx, o)
		return o, nil
	}
	o.by = r.attribute(ctx, o)
	err := r.put(ctx, p, o)
	if apierrors.IsAlreadyExists(err) && d.Change == v1alpha1.Missing {
		return r.resolveExisting(ctx, p, d)
	}
	if apierrors.IsNotFound(err) && d.Change == v1alpha1.Unexpected {
		return nil, nil // It is gone already, and only the cache had not heard of it.
	}
	if apierrors.IsConflict(err) || errors.Is(err, errNoRoom) { // Somebody was faster, or it was not tried: the next pass finds what there is by then.
		o.state = v1alpha1.Present
		return o, fmt.Errorf("correcting %s: %w", d.Object.Name, err)
	}
	if err != nil {
		o.state, o.err = v1alpha1.Present, err
		r.Metrics.applyFailed(p.profile.Name, d.Object.Kind, err)
		return o, fmt.Errorf("correcting %s %s in namespace %s: %w", d.Object.Kind, d.Object.Name, p.namespace.Name, err)
	}
	if o.recorded && o.Change != v1alpha1.Unexpected {
		r.contests.corrected(p.namespace.Name, &d, r.Clock.Now())
	}
	return o, nil
}

// put corrects a drift. A pass that can be overtaken makes way for those that correct what somebody did.
func (r *NamespaceReconciler) put(ctx context.Context, p *pass, o *outcome) error {
	if p.overtakable {
		return r.pace.write(ctx, func() error { return r.correct(ctx, p, o.Drift) })
	}
	if o.recorded && !o.Foreign {
		r.pace.yield()
	}
	return r.correct(ctx, p, o.Drift)
}

// resolveExisting is for the object that was thought to be missing and is there, though the cache does not hold it: it is
// compared and resolved as it is.
func (r *NamespaceReconciler) resolveExisting(ctx context.Context, p *pass, d drift.Drift) (*outcome, error) {
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
	if d.Change == v1alpha1.Unexpected {
		return !known
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
func (r *NamespaceReconciler) decide(p *pass, o *outcome) v1alpha1.DriftState {
	switch {
	case o.Foreign && !p.profile.Adopts():
		return v1alpha1.Conflict
	case p.audits():
		return v1alpha1.Present
	}
	// The roll-out of a change waits for nobody, nor does what should not be there: whoever keeps making it could hold a deleted profile back.
	if p.current() && o.Change != v1alpha1.Unexpected {
		o.wait = r.contests.wait(p.namespace.Name, &o.Drift, r.Clock.Now())
	}
	if o.wait > 0 {
		return v1alpha1.Contested
	}
	return v1alpha1.Corrected
}

// attribute is who brought about a recorded drift, as far as can be known: of an object that was deleted, nothing. It costs a read
// of the object's metadata only where the cache does not hold who manages it.
func (r *NamespaceReconciler) attribute(ctx context.Context, o *outcome) drift.Attribution {
	if !o.recorded || o.Got == nil {
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
func isTerminating(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}
