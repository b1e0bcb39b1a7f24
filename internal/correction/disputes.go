package correction

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// Disputed are the contests in the namespace after the pass, and how long it is until the first of
// them may be over; zero is never.
func (e *Engine) Disputed(
	p *posture.Pass, outcomes []drift.Outcome,
) (disputes []posture.Dispute, quiet time.Duration) {
	every := func(v1alpha1.ObjectReference) bool { return true }
	for _, d := range e.Standing(p.Namespace.Name, every, outcomes) {
		disputes = append(disputes, posture.Dispute{
			Object: d.Object, Change: d.Change, Sentence: d.Sentence(p.Profile.EffectiveContest()),
		})
		quiet = priority.Soonest(quiet, d.Left)
	}
	return disputes, quiet
}
