package release

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DefaultRemovalDelay is how long the two looks are apart before a baseline is taken away.
const DefaultRemovalDelay = 10 * time.Second

// Departures remembers since when each namespace is known to contain objects of a profile that
// neither selects it nor is being deleted.
//
//	state    what happens                                              becomes
//	none     a pass finds such a namespace                             waiting, from now on
//	waiting  a profile governs again, nothing is left, the namespace   none
//	         is gone or another one of the same name
//	waiting  the clock is set back                                     waiting, from now on
//	waiting  the delay is over, and the API server disagrees           waiting, from now on
//	waiting  the delay is over, and the API server agrees              released; it stays so until nothing is left
//
// It is kept in memory. A replica that becomes leader begins to wait, too.
type Departures struct {
	delay time.Duration

	mu    sync.Mutex
	since map[string]departure
}

type departure struct {
	uid types.UID
	at  time.Time
}

// NewDepartures returns Departures whose second look comes after the delay.
func NewDepartures(delay time.Duration) *Departures {
	return &Departures{delay: delay, since: map[string]departure{}}
}

// Wait is how long it is until the second look; zero if it is time for it.
func (d *Departures) Wait(ns *corev1.Namespace, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	began, waiting := d.since[ns.Name]
	if !waiting || began.uid != ns.UID || began.at.After(now) {
		began = departure{uid: ns.UID, at: now}
		d.since[ns.Name] = began
	}
	return max(0, began.at.Add(d.delay).Sub(now))
}

// End forgets a departure, if there is one.
func (d *Departures) End(namespace string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, namespace)
}
