package rollout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// candidate is an object of the baseline that may be deferred, since it is stricter than what is in
// place.
type candidate struct {
	drift.Drift
	// before is what is in place: what the last report remembers, else what was found; nil if there
	// is nothing.
	before baseline.Object
	// refused is what the object would refuse of what runs.
	refused *tightening.Refused
}

// Objects takes what is to be deferred out of the drifts, and puts what is to be kept in its place
// meanwhile. Under Audit it only finds what would be deferred, if it were enforced. If a check
// fails, the object is deferred: it cannot be told what it would refuse.
func (g *Gate) Objects(
	ctx context.Context, p *posture.Pass, desired []baseline.Object, drifts []drift.Drift, now time.Time,
) (remaining []drift.Drift, deferred *posture.Deferrals, err error) {
	deferred = &posture.Deferrals{Kept: map[v1alpha1.ObjectReference]baseline.Object{}}
	if !p.Audits() && !p.Profile.WaitsUntilSafe() {
		return drifts, deferred, nil
	}
	candidates := candidatesOf(p, drifts)
	err = g.findRefused(ctx, p, desired, candidates, now)
	for _, d := range drifts {
		i := slices.IndexFunc(candidates, func(c *candidate) bool { return c.Object == d.Object && !c.refused.Empty() })
		if i < 0 {
			remaining = append(remaining, d)
			continue
		}
		c := candidates[i]
		deferred.Blocked = append(deferred.Blocked, blockedBy(c.Object, c.refused))
		deferred.Kept[c.Object] = c.before
		if p.Audits() {
			remaining = append(remaining, d)
			continue
		}
		remaining = append(remaining, c.interim(p.Ours)...)
	}
	return remaining, deferred, err
}

// candidatesOf are the drifts of objects that refuse more than what is in place does. An object
// that somebody loosened is none: it is corrected at once, whatever runs by now, since it was in
// place before. One that was refused or is unmanaged never was.
func candidatesOf(p *posture.Pass, drifts []drift.Drift) []*candidate {
	var candidates []*candidate
	for _, d := range drifts {
		if d.Want == nil || d.Foreign || !baseline.CanRefuse(d.Want) {
			continue
		}
		before, remembered := p.Before(d.Want)
		if !remembered && p.Current() && !p.Audits() && p.WasAsDeclared(d.Object) {
			continue
		}
		if !remembered || isUnreported(p, before, &d) {
			before = d.Got
		}
		if tightening.Tightens(d.Want, before) {
			candidates = append(candidates, &candidate{Drift: d, before: before, refused: &tightening.Refused{}})
		}
	}
	return candidates
}

// isUnreported reports whether an object was put in place after the last report, which says that
// nothing was: the operator died, or another profile came to govern, before the next one was written.
func isUnreported(p *posture.Pass, before baseline.Object, d *drift.Drift) bool {
	return before == nil && d.Got != nil && !p.Current()
}

// findRefused finds what each candidate would refuse, as its kind says how.
func (g *Gate) findRefused(
	ctx context.Context, p *posture.Pass, desired []baseline.Object, candidates []*candidate, now time.Time,
) error {
	var failures []error
	var checks []podCheck
	limitsOf := sync.OnceValues(func() (*tightening.LimitCheck, error) {
		return g.limitCheck(ctx, p, desired, candidates)
	})
	for _, c := range candidates {
		var err error
		var check tightening.PodCheck
		switch baseline.KindOf(c.Want).Refusing.Refuses {
		case baseline.PodsBelowLevel:
			c.refused, err = g.refusedByLevel(ctx, p, c.Want.GetLabels())
		case baseline.PodsOutOfBounds:
			check, err = limitsOf()
		case baseline.UsageAboveQuota:
			check, err = g.refusedByQuota(ctx, c, limitsOf, now)
		}
		switch {
		case err != nil:
			c.refused = unknown(err)
			failures = append(failures, err)
		case check != nil:
			checks = append(checks, podCheck{c, check})
		}
	}
	if err := g.checkPods(ctx, p, checks); err != nil {
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// podCheck is a check of one candidate that judges every pod.
type podCheck struct {
	of *candidate
	tightening.PodCheck
}

// checkPods has each pod of the namespace judged by the checks, in one pass over them.
func (g *Gate) checkPods(ctx context.Context, p *posture.Pass, checks []podCheck) error {
	if len(checks) == 0 {
		return nil
	}
	_, err := g.scanner.EachPod(ctx, p.Namespace.Name, func(pod *corev1.Pod) {
		for _, check := range checks {
			check.Add(pod)
		}
	})
	for _, check := range checks {
		if err != nil {
			check.of.refused = unknown(err)
			continue
		}
		check.of.refused.Add(check.Result())
	}
	return err
}

// interim is what is to be done while the candidate is deferred: what was in place stays as it was,
// and a level that is deferred warns and audits.
func (c *candidate) interim(ours func(baseline.Object) bool) []drift.Drift {
	keep := tightening.Interim(c.Want, c.before)
	if keep == nil {
		return nil
	}
	var found []baseline.Object
	if c.Got != nil {
		found = append(found, c.Got)
	}
	return drift.Compare([]baseline.Object{keep}, found, ours)
}
