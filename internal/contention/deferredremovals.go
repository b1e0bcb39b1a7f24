package contention

import (
	"sync"
	"time"
)

// DeferredRemovals remember, until the pass over a namespace ends, how long its contested removals
// are deferred.
type DeferredRemovals struct {
	mu    sync.Mutex
	waits map[string]time.Duration
}

// NewDeferredRemovals remembers none yet.
func NewDeferredRemovals() *DeferredRemovals {
	return &DeferredRemovals{waits: map[string]time.Duration{}}
}

// Note remembers that a removal is deferred for so long.
func (d *DeferredRemovals) Note(namespace string, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if other, noted := d.waits[namespace]; !noted || wait < other {
		d.waits[namespace] = wait
	}
}

// TakeSooner is when the namespace is to be reconciled again: after so long, or sooner, when its
// first removal is due. Zero is never. It forgets the removals of the namespace.
func (d *DeferredRemovals) TakeSooner(namespace string, after time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	wait, noted := d.waits[namespace]
	delete(d.waits, namespace)
	if noted && (after == 0 || wait < after) {
		return wait
	}
	return after
}
