package priority

import (
	"sync"
	"time"
)

// Throttle spaces the reconciles of each profile. It remembers when the last one ended.
type Throttle struct {
	interval time.Duration

	mu   sync.Mutex
	last map[string]time.Time
}

// NewThrottle returns a Throttle that lets a profile wait for the interval.
func NewThrottle(interval time.Duration) *Throttle {
	return &Throttle{interval: interval, last: map[string]time.Time{}}
}

// Interval is the least time between two reconciles of a profile.
func (t *Throttle) Interval() time.Duration { return t.interval }

// Wait is how long it is until the next reconcile of a profile; zero if none has been noted.
func (t *Throttle) Wait(profile string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return UntilNext(t.last[profile], t.interval, now)
}

// Note notes when a reconcile of a profile ended.
func (t *Throttle) Note(profile string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[profile] = at
}

// Forget drops a profile.
func (t *Throttle) Forget(profile string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.last, profile)
}

// UntilNext is how long it is until the next reconcile of a profile, if the last one ended then; a
// zero time is never.
func UntilNext(last time.Time, interval time.Duration, now time.Time) time.Duration {
	if last.IsZero() || last.After(now) { // The clock has been set back.
		return 0
	}
	return max(0, last.Add(interval).Sub(now))
}
