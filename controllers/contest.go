package controllers

import (
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Contest says when the correction of an object is contested, and how it then waits.
type Contest struct {
	// Threshold is how many corrections of an object within Window make it contested.
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

// contests remembers who keeps changing what back. It is kept in memory: a restart forgets it, and learns it again.
type contests struct {
	Contest

	mu          sync.Mutex
	corrections map[contested][]time.Time
}

type contested struct {
	namespace string
	object    v1alpha1.ObjectReference
}

func newContests(c Contest) *contests {
	return &contests{Contest: c, corrections: map[contested][]time.Time{}}
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
	if len(recent) < c.Threshold {
		return 0
	}
	delay := c.MinDelay
	for range len(recent) - c.Threshold {
		if delay *= 2; delay >= c.MaxDelay {
			break
		}
	}
	delay = min(delay, c.MaxDelay)
	return max(0, recent[len(recent)-1].Add(delay).Sub(now))
}

// recent drops what has left the window.
func (c *contests) recent(key contested, now time.Time) []time.Time {
	times := c.corrections[key]
	for len(times) > 0 && now.Sub(times[0]) > c.Window {
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
