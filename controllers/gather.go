package controllers

import (
	"context"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// gather reads what the namespace holds of the desired objects, and whatever else in it bears our
// labels. The objects may be shared with the cache and must not be changed.
//
// The cache holds only objects that bear our labels. Others are read from the API server:
//
//  1. under an Audit profile,
//  2. if the last report speaks of the object, which then is unlabelled, deleted or unmanaged,
//  3. if the object may be deferred, since then no attempt to create it tells that it exists,
//  4. if the object is not desired and was in place: nobody keeps what it grants by unlabelling it.
//
// An object that was never there costs no read: the attempt to create it tells.
func (r *NamespaceReconciler) gather(
	ctx context.Context, p *posture.Pass, desired []baseline.Object,
) (found []baseline.Object, reread time.Duration, err error) {
	if found, err = r.desiredThere(ctx, p, desired); err != nil {
		return nil, 0, err
	}
	known := map[v1alpha1.ObjectReference]bool{}
	for _, o := range found {
		known[baseline.Reference(o)] = true
	}
	labelled, reread, err := r.labelledIn(ctx, p)
	if err != nil {
		return nil, 0, err
	}
	for _, o := range labelled {
		if ref := baseline.Reference(o); !known[ref] {
			found, known[ref] = append(found, o), true
		}
	}
	for _, want := range desired {
		known[baseline.Reference(want)] = true
	}
	unlabelled, err := r.unlabelledBefore(ctx, p, known)
	return append(found, unlabelled...), reread, err
}

// desiredThere is what the namespace holds of the desired objects.
func (r *NamespaceReconciler) desiredThere(
	ctx context.Context,
	p *posture.Pass,
	desired []baseline.Object,
) ([]baseline.Object, error) {
	found := []baseline.Object{p.Namespace}
	for _, want := range desired[1:] {
		_, known := p.Object(baseline.Reference(want))
		mayWait := p.Profile.WaitsUntilSafe() && baseline.CanRefuse(want)
		got, err := r.objects.Read(ctx, want, p.Audits() || known || mayWait)
		if err == nil && got != nil && r.uncached.LacksContent(got, mayWait) {
			got, err = r.uncached.ReadWhole(ctx, want)
		}
		if err != nil {
			return nil, err
		}
		if got != nil {
			found = append(found, got)
		}
	}
	return found, nil
}

// labelledIn is what bears our label in the namespace of a pass, also of what the cache does not
// hold unless the pass audits, and when to read more of that; zero is never.
func (r *NamespaceReconciler) labelledIn(
	ctx context.Context, p *posture.Pass,
) (labelled []baseline.Object, reread time.Duration, err error) {
	if p.Audits() {
		labelled, err = r.objects.Labelled(ctx, p.Namespace.Name)
		return labelled, 0, err
	}
	return r.objects.DueLabelled(ctx, p.Namespace.Name, r.Clock.Now())
}

// unlabelledBefore returns the objects that the last report says were in place, that are not
// desired and are unlabelled now. An Audit profile removes nothing.
func (r *NamespaceReconciler) unlabelledBefore(
	ctx context.Context, p *posture.Pass, known map[v1alpha1.ObjectReference]bool,
) ([]baseline.Object, error) {
	if p.Report() == nil || p.Audits() {
		return nil, nil
	}
	return r.objects.Unlabelled(ctx, p.Report(), known)
}

func describe(o baseline.Object) string { return baseline.Describe(o) }
