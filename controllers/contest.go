package controllers

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Contest says when a correction is contested, and how it then waits.
type Contest struct {
	// Threshold is how many corrections of the same field within Window make it contested; of an object as a whole, whatever
	// its fields, objectFactor times as many.
	Threshold int
	// Window is how long a correction counts. The delay goes by itself as corrections leave it.
	Window time.Duration
	// MinDelay is how long the first contested correction waits. Each further one waits twice as long as the one before.
	MinDelay time.Duration
	// MaxDelay is the longest that a correction waits.
	MaxDelay time.Duration
}

// DefaultContest is three corrections in ten minutes, and delays from two seconds to five minutes.
var DefaultContest = Contest{Threshold: 3, Window: 10 * time.Minute, MinDelay: 2 * time.Second, MaxDelay: 5 * time.Minute}

// objectFactor is how many times as many corrections an object may need before it is contested though each time another field
// was changed: nobody who fights for a field does that, but whoever floods the operator may.
const objectFactor = 10

// Validate is what is wrong with it.
func (c *Contest) Validate() error {
	if c.Threshold < 1 || c.Window <= 0 || c.MinDelay <= 0 || c.MaxDelay < c.MinDelay {
		return fmt.Errorf("a contest needs a threshold of at least 1, a window and delays above 0, and a longest delay that is not below the first: "+
			"threshold %d, window %s, delays %s to %s", c.Threshold, c.Window, c.MinDelay, c.MaxDelay)
	}
	return nil
}

// contests remembers who keeps changing what back. It is kept in memory: a restart forgets it, and learns it again.
type contests struct {
	Contest

	mu          sync.Mutex
	corrections map[contested][]time.Time
	fights      map[string]map[v1alpha1.ObjectReference]*fight // by namespace
	turns       map[string]time.Time                           // when the next contested correction is due, by namespace
	barriers    map[string]int                                 // how many turns in a row barriers have had, by namespace
	swept       time.Time
}

// contested is a field of an object; the object as a whole where the field is empty.
type contested struct {
	namespace string
	object    v1alpha1.ObjectReference
	field     string
}

const (
	// wholeObject is what is fought for where an object is deleted: not one of its fields.
	wholeObject = "."
	// removal is what is fought for where an object should not exist.
	removal = "-"
)

// maxFought is how many fields of a drift are told apart: whoever changes thousands at once fights over the object.
const maxFought = 16

// fought are the fields of a drift that may be contested.
func fought(d *drift.Drift) []string {
	switch {
	case d.Change == v1alpha1.Unexpected:
		return []string{removal}
	case d.Change == v1alpha1.Missing || len(d.Fields) > maxFought:
		return []string{wholeObject}
	}
	var fields []string
	for _, f := range d.Fields {
		fields = append(fields, f.String())
	}
	return fields
}

func newContests(c Contest) *contests {
	return &contests{
		Contest: c, corrections: map[contested][]time.Time{},
		fights: map[string]map[v1alpha1.ObjectReference]*fight{}, turns: map[string]time.Time{},
		barriers: map[string]int{},
	}
}

// corrected notes a correction of drift that a field manager brought about, if it is known, and reports whether the object is contested.
func (c *contests) corrected(namespace string, d *drift.Drift, by string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.swept) > c.Window || c.swept.After(now) { // The clock may have been set back.
		c.sweep(now)
	}
	keys := []contested{{namespace, d.Object, ""}}
	for _, field := range fought(d) {
		keys = append(keys, contested{namespace, d.Object, field})
	}
	if d.Change == v1alpha1.Unexpected {
		keys = append(keys, ofKind(namespace, d))
	}
	for _, key := range keys {
		c.corrections[key] = append(c.recent(key, now), now)
	}
	if !c.isContested(namespace, d, now) {
		return false
	}
	f := c.fights[namespace][d.Object]
	if f == nil {
		f = c.begin(namespace, d, now)
	}
	f.hold(now)
	f.name(d, by)
	return true
}

// ofKind stands for all objects of a kind that should not exist: whoever makes them may give each another name.
func ofKind(namespace string, d *drift.Drift) contested {
	return contested{namespace, v1alpha1.ObjectReference{APIVersion: d.Object.APIVersion, Kind: d.Object.Kind}, removal}
}

// sweep drops what nobody will ask for again: an object that was deleted because it bore our labels may never come back.
func (c *contests) sweep(now time.Time) {
	for key := range c.corrections {
		c.recent(key, now)
	}
	c.sweepFights(now)
	c.swept = now
}

// forget drops what is remembered of a namespace that is gone.
func (c *contests) forget(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.corrections, func(key contested, _ []time.Time) bool { return key.namespace == namespace })
	delete(c.fights, namespace)
	delete(c.turns, namespace)
	delete(c.barriers, namespace)
}

// wait is how long the next correction is to be held back; zero if it is not. A field that nobody fights for waits for none that
// somebody does.
func (c *contests) wait(namespace string, d *drift.Drift, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	shortest := c.MaxDelay
	for _, field := range fought(d) {
		shortest = min(shortest, c.waitFor(contested{namespace, d.Object, field}, c.Threshold, now))
	}
	if d.Change == v1alpha1.Unexpected { // However many there are, the delay does not grow: they are not one object that comes back.
		shortest = max(shortest, min(c.MinDelay, c.waitFor(ofKind(namespace, d), objectFactor*c.Threshold, now)))
	}
	return max(shortest, c.waitFor(contested{namespace, d.Object, ""}, objectFactor*c.Threshold, now))
}

func (c *contests) waitFor(key contested, threshold int, now time.Time) time.Duration {
	recent := c.recent(key, now)
	if len(recent) < threshold {
		return 0
	}
	delay := c.MinDelay
	for range len(recent) - threshold {
		if delay *= 2; delay >= c.MaxDelay {
			break
		}
	}
	delay = min(delay, c.MaxDelay)
	return max(0, recent[len(recent)-1].Add(delay).Sub(now))
}

// recent drops what has left the window, and what is later than now: the clock has been set back, and waiting until it has
// caught up could take for ever.
func (c *contests) recent(key contested, now time.Time) []time.Time {
	times := slices.DeleteFunc(c.corrections[key], func(t time.Time) bool {
		return t.After(now) || now.Sub(t) > c.Window
	})
	if len(times) == 0 {
		delete(c.corrections, key)
	} else {
		c.corrections[key] = times
	}
	return times
}
