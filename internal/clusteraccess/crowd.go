package clusteraccess

import (
	"sync"
	"time"
)

// Bounds on how often a crowd is read in full, which is what the cache does not hold of what bears
// our label in a namespace.
const (
	soonestCrowd = time.Second
	latestCrowd  = time.Minute
)

// Crowds says when the crowd of a namespace is read in full: at once when it is new, again after a
// second as long as it becomes smaller, and else after twice as long each time, up to a minute. So
// a tenant who holds it by finalizers, or refills it, does not say how often.
type Crowds struct {
	mu sync.Mutex
	of map[string]crowd
}

type crowd struct {
	beyond int           // how many there were when it was read last
	read   time.Time     // when that was
	wait   time.Duration // how long after that it is read again
}

// NewCrowds knows of none.
func NewCrowds() *Crowds { return &Crowds{of: map[string]crowd{}} }

// Due reports whether the crowd of a namespace is to be read in full now, and when it will be the
// next time; zero is never.
func (c *Crowds) Due(namespace string, beyond int, now time.Time) (due bool, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, known := c.of[namespace]
	switch {
	case beyond == 0:
		delete(c.of, namespace)
		return false, 0
	case known && beyond < last.beyond:
		last.wait = soonestCrowd
	}
	if left := last.read.Add(last.wait).Sub(now); known && left > 0 {
		return false, left
	}
	wait := soonestCrowd
	if known && beyond >= last.beyond {
		wait = min(2*last.wait, latestCrowd)
	}
	c.of[namespace] = crowd{beyond: beyond, read: now, wait: wait}
	return true, wait
}

// Forget is for a namespace that is gone.
func (c *Crowds) Forget(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, namespace)
}
