package posture

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Pass is what is known of a governed namespace before a reconcile of it begins. Steps read it and
// return what they find; none of them changes it.
type Pass struct {
	Profile   *v1alpha1.SecurityProfile
	Namespace *corev1.Namespace
	// Memory is that of the last report.
	Memory
	// Since is when the change was heard of that led to this pass.
	Since time.Time
	// Forged is set if the namespace bears the label of a profile that has not governed it.
	Forged bool
	// Overtakable is set if the pass is one of a roll-out, or of the first reconcile of everything
	// after a start.
	Overtakable bool
}

// Audits reports whether the profile only audits.
func (p *Pass) Audits() bool { return p.Profile.EffectiveEnforcement() == v1alpha1.EnforcementAudit }

// Defers reports whether the profile is enforced, and what would refuse what runs is deferred.
func (p *Pass) Defers() bool { return !p.Audits() && p.Profile.WaitsUntilSafe() }

// Ours reports whether Bulwark made an object. Beside what the object says of itself, the last
// report remembers: a tenant who takes our labels off and puts a loose object in the place of ours
// has not thereby made it unmanaged.
func (p *Pass) Ours(o baseline.Object) bool { return drift.Ours(o) || p.WasInPlace(o) }

// Current reports whether the last report speaks of what this pass does. If it does not, what
// differs is the roll-out of a change and not drift.
func (p *Pass) Current() bool { return p.IsOf(p.Profile, p.Namespace) }

// StateNow is the state of an object in the last report, if that is current.
func (p *Pass) StateNow(ref v1alpha1.ObjectReference) v1alpha1.ObjectState {
	if !p.Current() {
		return ""
	}
	o, _ := p.Object(ref)
	return o.State
}

// WasAsDeclared reports whether an object was in place as declared by the last report, though
// somebody may have changed it since.
func (p *Pass) WasAsDeclared(ref v1alpha1.ObjectReference) bool {
	o, _ := p.Object(ref)
	return o.State == v1alpha1.ObjectStateCompliant || o.State == v1alpha1.ObjectStateUncounted ||
		o.State == v1alpha1.ObjectStateDrifted
}

// RulesInForce are the rules of a section that were in force before the pass, and whether the last
// report says so, of whatever profile. Where a current report says nothing, those that are declared
// have been in force without being remembered.
func (p *Pass) RulesInForce(section *admission.PodSection) (content string, known bool) {
	if p.Report() == nil || p.Audits() {
		return "", false
	}
	if content, known := p.Content(section.Policy(p.Report().Profile)); known {
		return content, true
	}
	if p.Current() {
		return section.Content, false
	}
	return "", false
}

// Records reports whether a drift belongs in the history, given what the pass defers.
func (p *Pass) Records(d *drift.Drift, deferred *Deferrals) bool {
	if p.Audits() || d.Foreign {
		return true
	}
	o, known := p.Object(d.Object)
	if !p.Current() {
		return false
	}
	if d.Change == v1alpha1.DriftChangeUnexpected { // One that is contested was recorded before, and is recorded on.
		return !known || o.State == v1alpha1.ObjectStateDrifted
	}
	if deferred.Releases(d) || o.State == v1alpha1.ObjectStateBlocked && !deferred.Defers(d.Object) {
		return false // What was deferred is put in place.
	}
	return known && o.State != v1alpha1.ObjectStateFailed && o.State != v1alpha1.ObjectStateConflict
}

// Lasts reports whether a drift that is still there was recorded before, in an entry that the bound
// on the history has cut off since: by the state in which the last report has the object. Otherwise
// more lasting drifts than the history holds would push each other out of it for ever.
func (p *Pass) Lasts(o *drift.Outcome) bool {
	if o.State == v1alpha1.DriftStateCorrected || !p.Current() || int(p.Report().DriftTotal) <= len(p.Report().Drift) {
		return false
	}
	before, known := p.Object(o.Object)
	if !known {
		return o.Change == v1alpha1.DriftChangeUnexpected && len(p.Report().Objects) == v1alpha1.MaxObjects
	}
	inHistory := slices.ContainsFunc(p.Report().Drift, func(e v1alpha1.DriftEntry) bool { return e.Object == o.Object })
	return !inHistory && before.State != v1alpha1.ObjectStateCompliant
}

// Told reports whether the last report says already what has become of a drift.
func (p *Pass) Told(o *drift.Outcome) bool {
	if p.Report() == nil || o.State == v1alpha1.DriftStateCorrected {
		return false
	}
	before, _ := p.Object(o.Object)
	if o.Err != nil {
		return before.State == v1alpha1.ObjectStateFailed
	}
	if len(o.Mutated) > 0 && !o.Recorded {
		return before.Message == MutationSentence(o.Mutated)
	}
	return p.Lasts(o) || slices.ContainsFunc(p.Report().Drift, func(entry v1alpha1.DriftEntry) bool {
		return entry.State == o.State && o.Continues(entry)
	})
}

// With is the same pass with the memory of another report.
func (p *Pass) With(report *v1alpha1.NamespacePosture) *Pass {
	other := *p
	other.Memory = MemoryOf(report)
	return &other
}
