package controllers

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

// gated is what is left to correct of the drifts of a pass, once what a roll-out must defer is
// taken out of them.
type gated struct {
	drifts   []drift.Drift
	deferred *posture.Deferrals
	// seen is what a scan of the pods has seen; nil if none was needed.
	seen *podscan.Seen
	// again is when to scan them once more; zero is never.
	again time.Duration
}

// gateRollout decides what is deferred, since it would refuse what runs in the namespace. The
// labels of the desired Namespace then say so of rules for pods.
func (r *NamespaceReconciler) gateRollout(
	ctx context.Context, p *posture.Pass, desired, there []baseline.Object,
) (gated, error) {
	rules, untold := r.gate.Rules(ctx, p, r.Clock.Now())
	maps.Copy(desired[0].GetLabels(), rules.Labels)
	drifts := drift.Compare(desired, there, p.Ours)
	drifts, objects, undecided := r.gate.Objects(ctx, p, desired, drifts, r.Clock.Now())
	return gated{
		drifts: drifts, deferred: rules.With(objects), seen: rules.Seen, again: rules.Again,
	}, errors.Join(untold, undecided)
}
