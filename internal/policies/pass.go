package policies

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

const (
	// A pass in which the API server refused something is tried again after firstRetry, each
	// further time after twice as long, up to longestRetry.
	firstRetry   = time.Second
	longestRetry = time.Minute
)

// Pass is what a pass over the policies of a profile begins with. It is not changed.
type Pass struct {
	// Said is AdmissionReady, as it was last said of this generation of the profile.
	Said metav1.Condition

	profile  *v1alpha1.SecurityProfile
	selector *selection.Selector
	cluster  admission.Cluster // without the profiles that outrank it, and without rules that are held
	rollout  admission.PodRollout
	declared []baseline.Object
	digest   digest
	steady   bool                       // what is declared is what was last put in place
	changes  bool                       // something else was in place before
	taken    []v1alpha1.ObjectReference // unmanaged policies that bore names of the profile's at the last pass
	state    *profileState              // what is remembered of the profile, which the pass leads to
}

// Defers reports whether a pass is left out while the release of another profile is awaited: the
// policies that are in force as the profile's spec declares them differ from what is declared now,
// since other profiles have come or gone. Several that go together lead to one rewriting.
func (p *Pass) Defers(awaits bool) bool {
	return awaits && p.changes && admission.InForce(p.Said)
}

// ours tells whether Bulwark made a policy. Whoever strips a policy of all that says so does not
// make it an unmanaged one.
func (p *Pass) ours(o baseline.Object) bool {
	return drift.Ours(o) ||
		(p.steady || admission.InForce(p.Said)) && !slices.Contains(p.taken, baseline.Reference(o))
}

// records tells whether a drift belongs in the history. It does not if the profile, another that
// outranks it or the operator has changed since the policies were put in place: then the difference
// is none of somebody else's making.
//
// After a restart that is not known. Then the history tells what somebody else has set, and what is
// missing of what was in place.
func (p *Pass) records(d *drift.Drift) bool {
	if d.Foreign || p.steady || !admission.InForce(p.Said) {
		return d.Foreign || p.steady
	}
	if d.Change == v1alpha1.DriftChangeMissing {
		return !admission.IsHeld(p.profile.Name, d.Object.Name)
	}
	return drift.Attribute(d.Got.GetManagedFields(), d.Fields).Manager != ""
}

// changed reports whether the policies of the profile changed in the pass, by what was corrected or
// by what is declared.
func (p *Pass) changed(outcomes []drift.Outcome) bool {
	return p.changes || came(outcomes, func(o *drift.Outcome) bool { return o.Done })
}

// came reports whether some outcome is such.
func came(outcomes []drift.Outcome, such func(*drift.Outcome) bool) bool {
	return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return such(&o) })
}

// conclude notes what is in place now, or how long it is until a refused pass is tried again.
func (p *Pass) conclude(
	interim bool, outcomes []drift.Outcome, result admission.Result, now time.Time,
) (wait time.Duration) {
	s := p.state
	if came(outcomes, func(o *drift.Outcome) bool { return o.Err != nil }) {
		s.refused = s.refused.again(p.digest, result, now)
		return s.refused.wait
	}
	s.refused, s.unmanaged = nil, nil
	for i := range outcomes {
		if o := &outcomes[i]; o.State == v1alpha1.DriftStateConflict {
			s.unmanaged = append(s.unmanaged, o.Object)
		}
	}
	if !interim { // Else the bindings that have been written lead to another pass.
		s.inPlace = p.digest
	}
	return 0
}

// again is a pass that was refused now, after this one, if that was over the same policies.
func (p *refusedPass) again(of digest, result admission.Result, now time.Time) *refusedPass {
	refused := &refusedPass{digest: of, result: result, tried: now, wait: firstRetry}
	if p != nil && p.digest == of {
		refused.wait = min(2*p.wait, longestRetry)
	}
	return refused
}

// stands is how long it is too early for a pass to try again what was refused; zero if it is not. A
// refusal of before the reports came, on which the rules for pods waited, is outdated: no status is
// written by it.
func (p *refusedPass) stands(pass *Pass, now time.Time) time.Duration {
	if p == nil || p.digest != pass.digest || p.result.IsOutdated(pass.rollout) {
		return 0
	}
	since := now.Sub(p.tried)
	if since < 0 { // The clock has been set back.
		return 0
	}
	return max(0, p.wait-since)
}

// nextLook is how long it is until what waits or is not watched is looked at again; zero if there
// is no such thing.
func nextLook(outcomes []drift.Outcome, disputes []contention.Dispute, recheck time.Duration) (next time.Duration) {
	for i := range outcomes {
		switch o := &outcomes[i]; {
		case o.State == v1alpha1.DriftStateConflict:
			next = priority.Soonest(next, recheck)
		case o.State == v1alpha1.DriftStateContested && !o.Done:
			next = priority.Soonest(next, o.Wait)
		}
	}
	for _, d := range disputes {
		if d.Left > 0 {
			next = priority.Soonest(next, d.Left)
		}
	}
	return next
}
