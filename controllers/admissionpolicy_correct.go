package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// policyCorrector ends the drift of admission policies.
type policyCorrector struct {
	client   client.Client
	reader   *policyReader
	contests *contention.Contests
	clock    clock.PassiveClock
}

// correctAll corrects what is missing or differs, in the order of kinds, and then removes what
// should not exist, in the reverse order. Each drift is tried; the error joins those of all.
func (c *policyCorrector) correctAll(
	ctx context.Context, pass *policyPass, desired, found []baseline.Object,
) ([]drift.Outcome, error) {
	var outcomes []drift.Outcome
	var interruptions []error
	resolve := func(d drift.Drift) {
		outcome, err := c.resolve(ctx, pass, d)
		interruptions = append(interruptions, err)
		if outcome != nil {
			outcomes = append(outcomes, *outcome)
		}
	}
	drifts := drift.Compare(desired, found, pass.ours)
	for _, d := range drifts {
		if d.Change != v1alpha1.Unexpected && !bindsUnmanaged(d.Want, outcomes) {
			resolve(d)
		}
	}
	for _, d := range slices.Backward(drifts) {
		if d.Change == v1alpha1.Unexpected {
			resolve(d)
		}
	}
	return outcomes, errors.Join(interruptions...)
}

// bindsUnmanaged reports whether an object is a binding that would put an unmanaged policy in
// force.
func bindsUnmanaged(o baseline.Object, outcomes []drift.Outcome) bool {
	binding, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding)
	return ok && came(outcomes, func(o *drift.Outcome) bool {
		return o.State == v1alpha1.Conflict && o.Object.Name == binding.Spec.PolicyName
	})
}

// came reports whether some outcome is such.
func came(outcomes []drift.Outcome, such func(*drift.Outcome) bool) bool {
	return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return such(&o) })
}

// resolve decides on one drift, and corrects it if it is to be. There is no outcome if there is no
// drift after all, or with an error.
func (c *policyCorrector) resolve(ctx context.Context, pass *policyPass, d drift.Drift) (*drift.Outcome, error) {
	o := c.judge(pass, d)
	if o.State != v1alpha1.Corrected {
		return &o, nil
	}
	err := c.correct(ctx, d)
	switch {
	case apierrors.IsAlreadyExists(err):
		return c.resolveExisting(ctx, pass, d.Want)
	case isTransient(err):
		return nil, fmt.Errorf("correcting %s %s: %w", d.Object.Kind, d.Object.Name, err)
	}
	c.conclude(&o, err)
	return &o, nil
}

// isTransient recognises errors that a pass which comes soon may not meet.
func isTransient(err error) bool { return interrupted(err) || isOvertaken(err) }

// interrupted recognises errors of a write that say nothing of what is written: somebody was
// faster, or the API server is busy or away.
func interrupted(err error) bool {
	var status apierrors.APIStatus
	return err != nil && (!errors.As(err, &status) || apierrors.IsConflict(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsInternalError(err))
}

// judge is what shall become of a drift, and whether it is recorded. It is not if the profile,
// another that outranks it or the operator has changed since the policies were put in place: then
// the difference is none of somebody else's making.
//
// After a restart that is not known. Then what somebody else has set is recorded, and what is
// missing of what was in place.
func (c *policyCorrector) judge(pass *policyPass, d drift.Drift) drift.Outcome {
	o := drift.Outcome{Drift: d, State: v1alpha1.Corrected}
	if d.Got != nil {
		o.By = drift.Attribute(d.Got.GetManagedFields(), d.Fields)
	}
	wasThere := d.Change == v1alpha1.Missing && !admission.IsHeld(pass.profile.Name, d.Object.Name)
	o.Recorded = d.Foreign || pass.steady || admission.InForce(pass.said) && (wasThere || o.By.Manager != "")
	if d.Foreign && !pass.profile.Adopts() {
		o.State = v1alpha1.Conflict
		return o
	}
	if o.Recorded && d.Change != v1alpha1.Unexpected {
		o.Wait = c.contestedWait(pass.profile, &o)
	}
	if o.Wait > 0 {
		o.State = v1alpha1.Contested
	}
	return o
}

// contestedWait is how long a correction is deferred because of a contest.
func (c *policyCorrector) contestedWait(profile *v1alpha1.SecurityProfile, o *drift.Outcome) time.Duration {
	now := c.clock.Now()
	c.contests.Found("", &o.Drift, o.By.Manager, now)
	if profile.EffectiveContest() == v1alpha1.Correct {
		return c.contests.TakeTurn("", &o.Drift, now)
	}
	return c.contests.Wait("", &o.Drift, now)
}

// conclude says what has become of a drift by the answer to its correction. What should not exist
// and is gone already is corrected.
func (c *policyCorrector) conclude(o *drift.Outcome, err error) {
	if o.Change == v1alpha1.Unexpected {
		err = client.IgnoreNotFound(err)
	}
	if err != nil {
		o.State, o.Err = v1alpha1.Present, err
		return
	}
	o.Done = true
	if !o.Recorded || o.Change == v1alpha1.Unexpected {
		return
	}
	if c.contests.Corrected("", &o.Drift, o.By.Manager, c.clock.Now()) {
		o.State = v1alpha1.Contested
	}
}

// resolveExisting is for the object that was thought to be missing, since it does not bear the
// label by which the cache holds it.
func (c *policyCorrector) resolveExisting(
	ctx context.Context, pass *policyPass, want baseline.Object,
) (*drift.Outcome, error) {
	got, err := c.reader.read(ctx, want)
	if err != nil {
		return nil, err
	}
	if got == nil {
		return nil, fmt.Errorf("%s appeared and vanished", describe(want))
	}
	for _, d := range drift.Compare([]baseline.Object{want}, []baseline.Object{got}, pass.ours) {
		return c.resolve(ctx, pass, d)
	}
	return nil, nil
}

// correct makes the one write that ends a drift.
func (c *policyCorrector) correct(ctx context.Context, d drift.Drift) error {
	switch {
	case d.Want == nil:
		return c.writer().Remove(ctx, d.Got)
	case d.Got == nil:
		return c.client.Create(ctx, d.Want.DeepCopyObject().(client.Object))
	case d.Replaces(): // It is about to go, whoever holds it. If it may not be made anew, it is left to that.
		if err := c.writer().Admits(ctx, d.Want); err != nil {
			return err
		}
		if err := c.writer().Delete(ctx, d.Got); client.IgnoreNotFound(err) != nil {
			return err
		}
		return c.client.Create(ctx, d.Want.DeepCopyObject().(client.Object))
	}
	_, err := c.writer().Overwrite(ctx, d.Want, d.Got)
	return err
}

// writer makes the writes.
func (c *policyCorrector) writer() correction.Writer {
	return correction.Writer{Client: c.client, Live: c.reader.live}
}

// disputes are the contests over the policies of a profile after a pass.
func (c *policyCorrector) disputes(desired []baseline.Object, outcomes []drift.Outcome) []contention.Dispute {
	among := func(ref v1alpha1.ObjectReference) bool {
		return slices.ContainsFunc(desired, func(o baseline.Object) bool { return baseline.Reference(o) == ref })
	}
	differs := func(ref v1alpha1.ObjectReference) bool {
		return came(outcomes, func(o *drift.Outcome) bool { return o.Object == ref && !o.Done })
	}
	return c.contests.Standing("", among, differs, c.clock.Now())
}
