package correction

import (
	"cmp"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// The turns in which drifts are corrected. Objects that are missing or differ come first, so that a
// handover has no gap. Objects that count others are made when those are there.
const (
	firstTurn = iota
	countersTurn
	removalsTurn
	lastTurn
)

func turnOf(d *drift.Drift) int {
	switch kind := kindOf(d); {
	case d.Change == v1alpha1.DriftChangeUnexpected && kind.RemovedLast:
		return lastTurn
	case d.Change == v1alpha1.DriftChangeUnexpected:
		return removalsTurn
	case d.Change == v1alpha1.DriftChangeMissing && kind.MadeLast:
		return countersTurn
	}
	return firstTurn
}

// inOrder puts drifts in the order in which they are corrected: by turns, and within one, objects
// that close a namespace before those that open it. Objects that judge requests are removed in the
// reverse of the order in which they are made: a binding before its policy.
func inOrder(drifts []drift.Drift) []drift.Drift {
	return slices.SortedStableFunc(slices.Values(drifts), func(a, b drift.Drift) int {
		return cmp.Or(turnOf(&a)-turnOf(&b), rankOf(a.Object)-rankOf(b.Object), byRemoval(&a, &b))
	})
}

func byRemoval(a, b *drift.Drift) int {
	if !goesAtOnce(a) || !goesAtOnce(b) {
		return 0
	}
	return baseline.ByClusterKind(b.Got, a.Got)
}

func rankOf(ref v1alpha1.ObjectReference) int {
	if contention.IsBarrier(ref) {
		return 0
	}
	return 1
}

// kindOf is the kind of a drift's object.
func kindOf(d *drift.Drift) *baseline.Kind {
	if d.Want != nil {
		return baseline.KindOf(d.Want)
	}
	return baseline.KindOf(d.Got)
}
