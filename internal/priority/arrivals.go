package priority

import (
	"sync"
	"time"
)

// Arrivals remembers when a change to a namespace's objects was first heard of, until the pass that
// deals with it takes that. A replica that does not lead hears of changes too, and deals with none:
// it remembers nothing, or those changes would seem to have waited for ever.
type Arrivals struct {
	elected <-chan struct{} // closed while this replica leads; nil for always

	mu sync.Mutex
	at map[string]time.Time
}

// NewArrivals remembers nothing until the channel is closed; without one it does from now on.
func NewArrivals(elected <-chan struct{}) *Arrivals {
	return &Arrivals{elected: elected, at: map[string]time.Time{}}
}

// Note remembers that a change was heard of now, unless an earlier one is remembered.
func (a *Arrivals) Note(namespace string, now time.Time) {
	if a.elected != nil {
		select {
		case <-a.elected:
		default:
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, noted := a.at[namespace]; !noted {
		a.at[namespace] = now
	}
}

// Take is when a change was first heard of, or now if none was.
func (a *Arrivals) Take(namespace string, now time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, noted := a.at[namespace]
	delete(a.at, namespace)
	if !noted {
		return now
	}
	return at
}

// Forget drops what is remembered of a namespace that is gone.
func (a *Arrivals) Forget(namespace string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.at, namespace)
}
