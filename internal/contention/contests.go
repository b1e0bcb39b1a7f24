// Package contention knows who keeps undoing what Bulwark corrects, and how long the next
// correction of the same object is deferred: contests with other managers, turns that contested
// objects take, and retries of corrections that were in vain. It imports no client and asks no
// clock, and must never write an object or tell an event.
package contention

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Settings say when an object is contested, and how long its correction is then deferred.
type Settings struct {
	// Threshold is how many corrections of the same field within Window make it contested. An
	// object as a whole is contested after objectFactor times as many, of whatever fields.
	Threshold int
	// Window is how long a correction counts. The delay goes by itself as corrections leave it.
	Window time.Duration
	// MinDelay is how long the first contested correction is deferred, and each further one twice
	// as long as the one before.
	MinDelay time.Duration
	// MaxDelay is the longest that a correction is deferred.
	MaxDelay time.Duration
}

// DefaultSettings are three corrections in ten minutes, and delays from two seconds to five
// minutes.
func DefaultSettings() Settings {
	return Settings{Threshold: 3, Window: 10 * time.Minute, MinDelay: 2 * time.Second, MaxDelay: 5 * time.Minute}
}

// objectFactor is how many times as many corrections an object may need before it is contested
// though each time another field was changed. Nobody who contests a field does that, but whoever
// floods the operator may.
const objectFactor = 10

// Validate is what is wrong with the settings.
func (s *Settings) Validate() error {
	if s.Threshold < 1 || s.Window <= 0 || s.MinDelay <= 0 || s.MaxDelay < s.MinDelay {
		return fmt.Errorf("a contest needs a threshold of at least 1, a window and delays above 0, "+
			"and a longest delay that is not below the first: "+
			"threshold %d, window %s, delays %s to %s", s.Threshold, s.Window, s.MinDelay, s.MaxDelay)
	}
	return nil
}

// delay is the shortest delay, doubled so many times, up to the longest.
func (s *Settings) delay(doublings int) time.Duration {
	delay := s.MinDelay
	for range doublings {
		if delay *= 2; delay >= s.MaxDelay {
			break
		}
	}
	return min(delay, s.MaxDelay)
}

// Contests remember who keeps changing what back. They are kept in memory: a restart forgets them,
// and learns them again.
type Contests struct {
	settings Settings

	mu          sync.Mutex
	corrections history
	// contests are those that are not over, by namespace.
	contests map[string]map[v1alpha1.ObjectReference]*contest
	// turns are when the next contested correction of a namespace is due.
	turns map[string]time.Time
	// barriers are how many turns of a namespace in a row barriers have had.
	barriers map[string]int
	swept    time.Time
}

// New remembers no contests yet.
func New(s Settings) *Contests {
	return &Contests{
		settings: s, corrections: history{settings: s, at: map[field][]time.Time{}},
		contests: map[string]map[v1alpha1.ObjectReference]*contest{}, turns: map[string]time.Time{},
		barriers: map[string]int{},
	}
}

// Corrected notes that a drift was corrected, and which field manager brought it about, if that is
// known. It reports whether the object is contested.
func (c *Contests) Corrected(namespace string, d *drift.Drift, by string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.swept) > c.settings.Window || c.swept.After(now) { // The clock may have been set back.
		c.sweep(now)
	}
	keys := []field{{namespace, d.Object, ""}}
	for _, path := range contestable(d) {
		keys = append(keys, field{namespace, d.Object, path})
	}
	if d.Change == v1alpha1.DriftChangeUnexpected {
		keys = append(keys, ofKind(namespace, d.Object))
	}
	for _, key := range keys {
		c.corrections.note(key, now)
	}
	if !c.corrections.isContested(namespace, d, now) {
		return false
	}
	known := c.contests[namespace][d.Object]
	if known == nil {
		known = c.begin(namespace, d, now)
	}
	known.settle(now)
	known.name(d, by)
	return true
}

// Removed notes that an object was removed, without beginning a contest.
func (c *Contests) Removed(namespace string, object v1alpha1.ObjectReference, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := field{namespace, object, removal}
	c.corrections.note(key, now)
}

// IsRemovalContested reports whether somebody makes an object again each time it is removed.
func (c *Contests) IsRemovalContested(namespace string, object v1alpha1.ObjectReference, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.corrections.recent(field{namespace, object, removal}, now)) >= c.settings.Threshold
}

// IsKindContested reports whether somebody makes so many objects of a kind that were removed that
// the removal of further ones is deferred.
func (c *Contests) IsKindContested(namespace string, object v1alpha1.ObjectReference, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.corrections.recent(ofKind(namespace, object), now)) >= objectFactor*c.settings.Threshold
}

// Wait is how long the next correction is deferred; zero if it is not. A field that nobody contests
// does not wait for one that somebody does.
func (c *Contests) Wait(namespace string, d *drift.Drift, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	shortest := c.settings.MaxDelay
	for _, path := range contestable(d) {
		shortest = min(shortest, c.corrections.wait(field{namespace, d.Object, path}, c.settings.Threshold, now))
	}
	many := objectFactor * c.settings.Threshold
	if d.Change == v1alpha1.DriftChangeUnexpected {
		// The delay does not grow, however many there are: they are not one object that comes back.
		ofThisKind := c.corrections.wait(ofKind(namespace, d.Object), many, now)
		shortest = max(shortest, min(c.settings.MinDelay, ofThisKind))
	}
	return max(shortest, c.corrections.wait(field{namespace, d.Object, ""}, many, now))
}

// Forget drops what is remembered of a namespace that is gone.
func (c *Contests) Forget(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.corrections.at, func(key field, _ []time.Time) bool { return key.namespace == namespace })
	delete(c.contests, namespace)
	delete(c.turns, namespace)
	delete(c.barriers, namespace)
}

// sweep drops what nobody will ask for again: an object that was deleted because it bore our labels
// may never come back.
func (c *Contests) sweep(now time.Time) {
	for key := range c.corrections.at {
		c.corrections.recent(key, now)
	}
	for namespace, contests := range c.contests {
		maps.DeleteFunc(contests, func(_ v1alpha1.ObjectReference, known *contest) bool {
			return now.Sub(known.declaredSince) > c.settings.Window+c.settings.MaxDelay
		})
		if len(contests) == 0 {
			delete(c.contests, namespace)
		}
	}
	maps.DeleteFunc(c.turns, func(_ string, next time.Time) bool { return next.Before(now) })
	maps.DeleteFunc(c.barriers, func(namespace string, _ int) bool {
		_, turns := c.turns[namespace]
		return !turns
	})
	c.swept = now
}
