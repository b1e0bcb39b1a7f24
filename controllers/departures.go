package controllers

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// departures remembers since when each namespace is known to hold what is left of a profile that neither selects it nor is being
// deleted.
//
//	state    what happens                                              becomes
//	none     a pass finds such a namespace                             waiting, from now on
//	waiting  a profile governs again, nothing is left, the namespace   none
//	         is gone or another one of the same name
//	waiting  the clock is set back                                     waiting, from now on
//	waiting  the delay is over, and the API server disagrees           waiting, from now on
//	waiting  the delay is over, and the API server agrees              released; it stays so until nothing is left
//
// It is kept in memory. Who begins to lead begins to wait, too.
type departures struct {
	delay time.Duration

	mu    sync.Mutex
	since map[string]departure
}

type departure struct {
	uid types.UID
	at  time.Time
}

func newDepartures(delay time.Duration) *departures {
	return &departures{delay: delay, since: map[string]departure{}}
}

// wait is how long it is until the second look; zero if it is time for it.
func (d *departures) wait(ns *corev1.Namespace, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	began, waiting := d.since[ns.Name]
	if !waiting || began.uid != ns.UID || began.at.After(now) {
		began = departure{uid: ns.UID, at: now}
		d.since[ns.Name] = began
	}
	return max(0, began.at.Add(d.delay).Sub(now))
}

// end forgets a departure, if there is one.
func (d *departures) end(namespace string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, namespace)
}
