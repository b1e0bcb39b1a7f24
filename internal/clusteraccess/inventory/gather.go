package inventory

import (
	"context"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// Gather reads what the namespace holds of the desired objects, and whatever else in it bears our
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
func (i *Objects) Gather(
	ctx context.Context, p *posture.Pass, desired []baseline.Object, now func() time.Time,
) (found []baseline.Object, reread time.Duration, err error) {
	if found, err = i.desiredThere(ctx, p, desired); err != nil {
		return nil, 0, err
	}
	known := map[v1alpha1.ObjectReference]bool{}
	for _, o := range found {
		known[baseline.Reference(o)] = true
	}
	labelled, reread, err := i.labelledIn(ctx, p, now)
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
	unlabelled, err := i.unlabelledBefore(ctx, p, known)
	return append(found, unlabelled...), reread, err
}

// desiredThere is what the namespace holds of the desired objects.
func (i *Objects) desiredThere(
	ctx context.Context, p *posture.Pass, desired []baseline.Object,
) ([]baseline.Object, error) {
	found := []baseline.Object{p.Namespace}
	for _, want := range desired[1:] {
		_, known := p.Object(baseline.Reference(want))
		mayWait := p.Profile.WaitsUntilSafe() && baseline.CanRefuse(want)
		got, err := i.Read(ctx, want, p.Audits() || known || mayWait)
		if err == nil && got != nil && i.Uncached.LacksContent(got, mayWait) {
			got, err = i.Uncached.ReadWhole(ctx, want)
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
func (i *Objects) labelledIn(
	ctx context.Context, p *posture.Pass, now func() time.Time,
) (labelled []baseline.Object, reread time.Duration, err error) {
	if p.Audits() {
		labelled, err = i.Labelled(ctx, p.Namespace.Name)
		return labelled, 0, err
	}
	return i.DueLabelled(ctx, p.Namespace.Name, now())
}

// unlabelledBefore returns the objects that the last report says were in place, that are not
// desired and are unlabelled now. An Audit profile removes nothing.
func (i *Objects) unlabelledBefore(
	ctx context.Context, p *posture.Pass, known map[v1alpha1.ObjectReference]bool,
) ([]baseline.Object, error) {
	if p.Report() == nil || p.Audits() {
		return nil, nil
	}
	return i.Unlabelled(ctx, p.Report(), known)
}
