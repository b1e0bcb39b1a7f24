package controllers

import (
	"cmp"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// The turns in which drifts are corrected. Quotas are made when all is there that they may count,
// and nothing is taken away before. ServiceAccounts go last: their tokens die with their uid.
const (
	firstTurn = iota
	quotasTurn
	removalsTurn
	lastTurn
)

func turnOf(d drift.Drift) int {
	switch {
	case d.Change == v1alpha1.Unexpected && d.Object.Kind == "ServiceAccount":
		return lastTurn
	case d.Change == v1alpha1.Unexpected:
		return removalsTurn
	case d.Change == v1alpha1.Missing && d.Object.Kind == "ResourceQuota":
		return quotasTurn
	}
	return firstTurn
}

// inOrder puts drifts in the order in which they are corrected.
func inOrder(drifts []drift.Drift) []drift.Drift {
	return slices.SortedStableFunc(slices.Values(drifts), func(a, b drift.Drift) int {
		return cmp.Or(turnOf(a)-turnOf(b), rankOf(a.Object)-rankOf(b.Object))
	})
}

func rankOf(ref v1alpha1.ObjectReference) int {
	if contention.IsBarrier(ref) {
		return 0
	}
	return 1
}
