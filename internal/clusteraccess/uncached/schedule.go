package uncached

import (
	"sync"
	"time"
)

// Bounds on how often the uncached objects of a namespace are read in full.
const (
	minInterval = time.Second
	maxInterval = time.Minute
)

// schedule says when the uncached objects of a namespace are read in full. A tenant who keeps them
// by finalizers, or creates new ones, does not decide how often:
//
//	the number of them     read in full
//	was zero before        at once
//	has decreased          a second after the last time
//	any other              each time after twice as long, up to a minute
type schedule struct {
	mu   sync.Mutex
	last map[string]fullRead // by namespace
}

// fullRead is the last time that the uncached objects of a namespace were read in full.
type fullRead struct {
	count    int // how many there were
	at       time.Time
	interval time.Duration // until they are read in full again
}

func newSchedule() *schedule { return &schedule{last: map[string]fullRead{}} }

// due reports whether the uncached objects of a namespace are to be read in full now, and after
// which time they are the next time; zero is never.
func (s *schedule) due(namespace string, count int, now time.Time) (due bool, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[namespace]
	switch {
	case count == 0:
		delete(s.last, namespace)
		return false, 0
	case known && count < last.count:
		last.interval = minInterval
	}
	if left := last.at.Add(last.interval).Sub(now); known && left > 0 {
		return false, left
	}
	interval := minInterval
	if known && count >= last.count {
		interval = min(2*last.interval, maxInterval)
	}
	s.last[namespace] = fullRead{count: count, at: now, interval: interval}
	return true, interval
}

// forget drops a namespace that was deleted.
func (s *schedule) forget(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, namespace)
}
