package contention

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

const (
	// turnInterval is how far apart the contested corrections of one namespace are, where the
	// profile goes on correcting. One of them may come that much early, so that a writer whose
	// period is the same, but not exact, does not slowly get ahead.
	turnInterval = time.Second
	// askInterval is how long an object that waits for its turn may not have asked for it until
	// others no longer wait for it. An object does not ask if its correction backs off, is refused,
	// or is not to be made at all.
	askInterval = 3 * turnInterval
	// barrierTurns is how many contested corrections of a namespace in a row may be of barriers
	// while others wait: whoever contests many objects delays a barrier by a second at most.
	barrierTurns = 2
)

// IsBarrier reports whether an object closes a namespace, so that all other objects only open it a
// little: the default-deny, or the Namespace with its Pod Security level.
func IsBarrier(ref v1alpha1.ObjectReference) bool {
	return ref.Kind == "Namespace" || ref.Kind == "NetworkPolicy" && ref.Name == v1alpha1.NamePrefix+"default-deny"
}

// TakeTurn is how long a contested correction must wait for its turn in the namespace; zero if it
// has it now. Of several objects that ask,
//
//  1. a barrier has the turn, unless barriers have had barrierTurns in a row;
//  2. else the object that has had none for the longest time.
func (c *Contests) TakeTurn(namespace string, d *drift.Drift, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.corrections.isContested(namespace, d, now) {
		return 0
	}
	mine := c.contests[namespace][d.Object]
	if mine != nil {
		mine.asked = now
	}
	next := c.turns[namespace]
	if next.Before(now) || next.After(now.Add(2*turnInterval)) { // The clock may have been set back.
		next = now
	}
	if wait := next.Add(-turnInterval).Sub(now); wait > 0 {
		return wait
	}
	if mine != nil {
		if c.anotherPrecedes(namespace, mine, now) {
			return turnInterval
		}
		mine.tried = now
		c.noteTurn(namespace, mine.object)
	}
	c.turns[namespace] = next.Add(turnInterval)
	return 0
}

// anotherPrecedes reports whether another object that precedes this one asks for the turn, too.
func (c *Contests) anotherPrecedes(namespace string, mine *contest, now time.Time) bool {
	if mine.tried.After(now) { // The clock has been set back.
		mine.tried = now
	}
	for _, other := range c.contests[namespace] {
		since := now.Sub(other.asked)
		asks := since >= 0 && since < askInterval // The clock may have been set back.
		removes := other.change == v1alpha1.DriftChangeUnexpected
		if asks && other.differing && !removes && c.precedes(namespace, other, mine) {
			return true
		}
	}
	return false
}

// precedes reports whether one object has the next turn of the namespace before another.
func (c *Contests) precedes(namespace string, one, other *contest) bool {
	first := IsBarrier(one.object)
	if first == IsBarrier(other.object) {
		return one.tried.Before(other.tried)
	}
	return first == (c.barriers[namespace] < barrierTurns)
}

// noteTurn notes that an object has had a turn.
func (c *Contests) noteTurn(namespace string, object v1alpha1.ObjectReference) {
	if !IsBarrier(object) {
		delete(c.barriers, namespace)
		return
	}
	c.barriers[namespace]++
}
