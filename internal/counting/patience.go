package counting

import (
	"sync"
	"time"
)

const (
	// patience is how long a quota may be without a count before that is told:
	// kube-controller-manager usually takes milliseconds. It is also how long it may count nothing
	// before it is not waited for any more.
	patience = 3 * time.Second
	// longestPatience bounds that while kube-controller-manager counts other quotas: it counts some
	// twenty a second, and a roll-out makes thousands.
	longestPatience = 2 * time.Minute
)

// Progress is how far Kubernetes has counted one quota of a namespace.
type Progress struct {
	// Quota is its name.
	Quota string
	// Complete is set if it is counted, and Written if it was written so recently that nothing is
	// known of its count.
	Complete, Written bool
	// Never is set if it has entries that will never be counted.
	Never bool
}

// Patience remembers since when each quota is known not to be counted, and says how long it is
// still waited for. It is kept in memory: a restart forgets it, and waits once more.
type Patience struct {
	mu          sync.Mutex
	since       map[string]map[string]time.Time // by namespace and quota
	lastCounted time.Time                       // when a quota was last seen to be counted
}

// NewPatience returns a Patience that waits for no quota yet.
func NewPatience() *Patience { return &Patience{since: map[string]map[string]time.Time{}} }

// Observe notes which quotas of a namespace are counted by now and which are not. There are no
// others.
func (w *Patience) Observe(namespace string, quotas []Progress, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.since[namespace]
	since := map[string]time.Time{}
	for _, q := range quotas {
		was, waited := before[q.Quota]
		switch {
		case q.Complete && waited:
			w.lastCounted = now
		case q.Complete:
		case !waited || q.Written || was.After(now): // The clock has been set back.
			since[q.Quota] = now
		default:
			since[q.Quota] = was
		}
	}
	if len(since) == 0 {
		delete(w.since, namespace)
		return
	}
	w.since[namespace] = since
}

// Left is how much longer to wait for a quota that is not counted. While kube-controller-manager
// counts other quotas, it may not have reached this one yet: then each check doubles the time that
// is waited, up to longestPatience.
func (w *Patience) Left(namespace string, q Progress, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	waited := now.Sub(w.since[namespace][q.Quota])
	if left := patience - waited; left > 0 {
		return left
	}
	if counts := now.Sub(w.lastCounted); q.Never || counts < 0 || counts >= patience {
		return 0
	}
	return max(0, min(waited, longestPatience-waited))
}

// Restart waits for a quota that is not counted from now on, and returns how long.
func (w *Patience) Restart(namespace, quota string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since[namespace][quota] = now
	return patience
}

// Forget drops what is remembered of a namespace that is gone, or that no profile governs.
func (w *Patience) Forget(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.since, namespace)
}
