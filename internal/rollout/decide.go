package rollout

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// Decision is what is left to correct of the drifts of a pass, once what a roll-out must defer is
// taken out of them.
type Decision struct {
	Drifts   []drift.Drift
	Deferred *posture.Deferrals
	// Seen is what a scan of the pods has seen; nil if none was needed.
	Seen *podscan.Seen
	// Again is when to scan them once more; zero is never.
	Again time.Duration
}

// Decide decides what is deferred, since it would refuse what runs in the namespace. The labels of
// the desired Namespace then say so of rules for pods.
func (g *Gate) Decide(
	ctx context.Context, p *posture.Pass, desired, there []baseline.Object, now func() time.Time,
) (Decision, error) {
	rules, untold := g.Rules(ctx, p, now())
	maps.Copy(desired[0].GetLabels(), rules.Labels)
	drifts := drift.Compare(desired, there, p.Ours)
	drifts, objects, undecided := g.Objects(ctx, p, desired, drifts, now())
	return Decision{
		Drifts: drifts, Deferred: rules.With(objects), Seen: rules.Seen, Again: rules.Again,
	}, errors.Join(untold, undecided)
}
