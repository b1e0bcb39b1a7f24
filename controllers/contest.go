package controllers

import (
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// An object is contested when it has been corrected contestThreshold times within contestWindow. From then on corrections wait,
// each twice as long as the one before, up to contestMaxDelay. The delay goes by itself as corrections leave the window.
const (
	contestThreshold = 3
	contestWindow    = 10 * time.Minute
	contestMinDelay  = 2 * time.Second
	contestMaxDelay  = 5 * time.Minute
)

// contests remembers who keeps changing what back. It is kept in memory: a restart forgets it, and learns it again.
type contests struct {
	mu          sync.Mutex
	corrections map[contested][]time.Time
}

type contested struct {
	namespace string
	object    v1alpha1.ObjectReference
}

func newContests() *contests {
	return &contests{corrections: map[contested][]time.Time{}}
}

// corrected notes a correction of drift.
func (c *contests) corrected(namespace string, object v1alpha1.ObjectReference, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := contested{namespace, object}
	c.corrections[key] = append(c.recent(key, now), now)
}

// wait is how long the next correction is to be held back; zero if it is not.
func (c *contests) wait(namespace string, object v1alpha1.ObjectReference, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	recent := c.recent(contested{namespace, object}, now)
	if len(recent) < contestThreshold {
		return 0
	}
	delay := contestMaxDelay
	if doublings := len(recent) - contestThreshold; doublings < 8 { // 2 s doubled eight times is above five minutes.
		delay = min(delay, contestMinDelay<<doublings)
	}
	return max(0, recent[len(recent)-1].Add(delay).Sub(now))
}

// recent drops what has left the window.
func (c *contests) recent(key contested, now time.Time) []time.Time {
	times := c.corrections[key]
	for len(times) > 0 && now.Sub(times[0]) > contestWindow {
		times = times[1:]
	}
	if len(times) == 0 {
		delete(c.corrections, key)
	} else {
		c.corrections[key] = times
	}
	return times
}

// arrivals remembers when a change to a namespace's objects was first heard of, until the pass that deals with it.
type arrivals struct {
	mu sync.Mutex
	at map[string]time.Time
}

func newArrivals() *arrivals {
	return &arrivals{at: map[string]time.Time{}}
}

func (a *arrivals) note(namespace string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, noted := a.at[namespace]; !noted {
		a.at[namespace] = now
	}
}

// take is when the change was heard of, or now if nothing was.
func (a *arrivals) take(namespace string, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, noted := a.at[namespace]
	delete(a.at, namespace)
	if !noted {
		return now
	}
	return at
}
