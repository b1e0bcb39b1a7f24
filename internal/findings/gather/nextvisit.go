package gather

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// NextVisit is when to come back for the sake of what was found, though nothing has been heard;
// zero is never.
func (g *Gatherer) NextVisit(p *posture.Pass, found *posture.Found) time.Duration {
	var next time.Duration
	if p.Audits() {
		next = g.Recheck
	}
	if found.Deferred.Any() {
		next = priority.Soonest(next, podscan.RecheckDeferred(g.Recheck))
	}
	if g.scansPods(p) {
		next = priority.Soonest(next, g.Scans.Until(p.Namespace.Name, g.Clock.Now()))
	}
	for i := range found.Outcomes {
		next = priority.Soonest(next, found.Outcomes[i].Wait)
		if found.Outcomes[i].State == v1alpha1.DriftStateConflict {
			next = priority.Soonest(next, g.Recheck)
		}
	}
	return next
}
