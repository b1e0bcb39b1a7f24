package rollout

import (
	"sync"
	"time"
)

// secondScan is how long after a scan that found nothing in the way of rules for pods another must
// find nothing either: between the end of a pod and its replacement there is none to be seen.
const secondScan = 10 * time.Second

// clearances remember since when scans have found nothing in the way of what is deferred:
//
//	state   | a scan finds                                      | then
//	blocked | something in the way                              | blocked, as before
//	blocked | nothing in the way                                | clear, from now on
//	clear   | something in the way                              | blocked
//	clear   | nothing in the way, too soon after the first scan | clear, as before
//	clear   | nothing in the way, later                         | confirmed: it is put in force
//	clear   | nothing in the way, and the clock was set back    | clear, from now on
type clearances struct {
	mu    sync.Mutex
	since map[string]map[string]time.Time // by namespace and by what is deferred
}

func newClearances() *clearances { return &clearances{since: map[string]map[string]time.Time{}} }

// confirm notes that nothing is in the way of what is deferred, and reports whether nothing has
// been for so long, by this scan and by one before.
func (c *clearances) confirm(namespace, what string, least time.Duration, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, known := c.since[namespace][what]
	if !known || since.After(now) { // The clock may have been set back.
		if c.since[namespace] == nil {
			c.since[namespace] = map[string]time.Time{}
		}
		c.since[namespace][what] = now
		return false
	}
	return now.Sub(since) >= least
}

// end notes that something is in the way of what is deferred, or that it is deferred no more.
func (c *clearances) end(namespace, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.since[namespace], what); len(c.since[namespace]) == 0 {
		delete(c.since, namespace)
	}
}

func (c *clearances) forget(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.since, namespace)
}
