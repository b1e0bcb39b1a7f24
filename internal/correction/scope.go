package correction

import (
	"errors"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// Scope is what the correction of a pass's drifts depends on, beside the drifts and their kinds.
type Scope struct {
	Profile *v1alpha1.SecurityProfile
	// Namespace is that of the objects; empty if they are cluster-scoped.
	Namespace string
	// Audits is set if nothing is written.
	Audits bool
	// Overtakable is set if the pass is one of a roll-out.
	Overtakable bool
	// Current is set if the last report speaks of what is declared now.
	Current bool
	// Memory is that of the last report on the objects.
	Memory posture.Memory
	// LabelsBefore are the Pod Security labels of before that the namespace remembers.
	LabelsBefore map[string]string

	// Ours tells whether Bulwark made an object.
	Ours func(baseline.Object) bool
	// Records tells whether a drift belongs in the history.
	Records func(*drift.Drift) bool
	// Waits tells whether a correction is deferred while the object is contested.
	Waits func(*drift.Outcome) bool
	// Transient recognises an error that says nothing of the object, and that another pass may not
	// meet.
	Transient func(error) bool
}

// OfNamespace is the scope of a pass over a namespace.
func OfNamespace(p *posture.Pass, deferred *posture.Deferrals) *Scope {
	return &Scope{
		Profile: p.Profile, Namespace: p.Namespace.Name,
		Audits: p.Audits(), Overtakable: p.Overtakable, Current: p.Current(),
		Memory: p.Memory, LabelsBefore: LabelsBefore(p),
		Ours:    p.Ours,
		Records: func(d *drift.Drift) bool { return p.Records(d, deferred) },
		// The roll-out of a change waits for nobody.
		Waits: func(*drift.Outcome) bool { return p.Current() },
		// Somebody was faster, or the write was not tried.
		Transient: func(err error) bool { return IsOvertaken(err) || errors.Is(err, priority.ErrNoRoom) },
	}
}

// OfPolicies is the scope of a pass over the admission policies of a profile. They are corrected
// under Audit, too: what they then do with a request is part of their content.
func OfPolicies(
	profile *v1alpha1.SecurityProfile, ours func(baseline.Object) bool, records func(*drift.Drift) bool,
) *Scope {
	return &Scope{
		Profile: profile, Ours: ours, Records: records,
		Waits:     func(o *drift.Outcome) bool { return o.Recorded },
		Transient: func(err error) bool { return IsInterrupted(err) || IsOvertaken(err) },
	}
}
