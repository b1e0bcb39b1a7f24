package controllers

import (
	"cmp"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
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

// barrierTurns is how many contested corrections of a namespace in a row may be of barriers while
// others wait: whoever fights over many objects delays those by a second at most.
const barrierTurns = 2

// isBarrier reports whether an object is what all else only makes holes in: the default-deny, or
// the Namespace with its Pod Security level.
func isBarrier(ref v1alpha1.ObjectReference) bool {
	return ref.Kind == "Namespace" || ref.Kind == "NetworkPolicy" && ref.Name == v1alpha1.NamePrefix+"default-deny"
}

func rankOf(ref v1alpha1.ObjectReference) int {
	if isBarrier(ref) {
		return 0
	}
	return 1
}

// precedes reports whether one object has the next turn of the namespace before another.
func (c *contests) precedes(namespace string, one, other *fight) bool {
	first := isBarrier(one.object)
	if first == isBarrier(other.object) {
		return one.tried.Before(other.tried)
	}
	return first == (c.barriers[namespace] < barrierTurns)
}

// noteTurn notes that an object has had a turn.
func (c *contests) noteTurn(namespace string, object v1alpha1.ObjectReference) {
	if !isBarrier(object) {
		delete(c.barriers, namespace)
		return
	}
	c.barriers[namespace]++
}
