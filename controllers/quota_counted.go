package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

const (
	// countPatience is how long a quota may be without a count before that is told:
	// kube-controller-manager usually takes milliseconds. It is also how long it may count nothing
	// before it is not waited for any more.
	countPatience = 3 * time.Second
	// longestPatience bounds that while kube-controller-manager counts other quotas: it counts some
	// twenty a second, and a roll-out makes thousands.
	longestPatience = 2 * time.Minute
)

// awaitCounts returns the counts, with those of which it is too early to tell that they are not
// counted, and when to look again, though nothing was heard; zero is never. What Bulwark opened and
// did not close, since the operator died in between, it closes once that time is over.
func (r *NamespaceReconciler) awaitCounts(
	ctx context.Context, p *posture.Pass, found []posture.QuotaCount,
) (counts []posture.QuotaCount, next time.Duration) {
	now := r.Clock.Now()
	counts = slices.Clone(found)
	r.counts.observe(p.Namespace.Name, counts, now)
	for i := range counts {
		q := &counts[i]
		if q.Complete() {
			continue
		}
		wait := r.counts.patience(p.Namespace.Name, q, now)
		if wait == 0 && len(q.Loosened) > 0 && !p.Audits() && r.corrections.Room.CloseAgain(ctx, p.Namespace.Name, q.Ref.Name) {
			wait = r.counts.restart(p.Namespace.Name, q.Ref.Name, now)
		}
		q.Fresh = wait > 0
		next = sooner(next, wait)
	}
	return counts, next
}

// countWatch remembers since when each quota is known not to be counted, and what a pass found
// whose report was withheld. It is kept in memory: a restart forgets it, and waits once more.
type countWatch struct {
	mu          sync.Mutex
	since       map[string]map[string]time.Time // by namespace and quota
	lastCounted time.Time                       // when a quota was last seen to be counted
	withheld    map[string]withheld             // by namespace
}

// withheld is what a pass learned whose report was withheld: what the API server warned of, if it
// put a stricter Pod Security level in place.
type withheld struct {
	profile    types.UID
	generation int64
	namespace  types.UID

	level tightening.AppliedLevel
}

// of reports whether it was a pass over the same namespace for the same profile as it is now.
func (w *withheld) of(p *posture.Pass) bool {
	return w.profile == p.Profile.UID && w.generation == p.Profile.Generation && w.namespace == p.Namespace.UID
}

func newCountWatch() *countWatch {
	return &countWatch{since: map[string]map[string]time.Time{}, withheld: map[string]withheld{}}
}

// observe notes which quotas of a namespace are counted by now and which are not. There are no
// others.
func (w *countWatch) observe(namespace string, counts []posture.QuotaCount, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.since[namespace]
	since := map[string]time.Time{}
	for _, q := range counts {
		was, waited := before[q.Ref.Name]
		switch {
		case q.Complete() && waited:
			w.lastCounted = now
		case q.Complete():
		case !waited || q.Written || was.After(now): // The clock has been set back.
			since[q.Ref.Name] = now
		default:
			since[q.Ref.Name] = was
		}
	}
	if len(since) == 0 {
		delete(w.since, namespace)
		return
	}
	w.since[namespace] = since
}

// patience is how long a quota that is not counted is still waited for. While
// kube-controller-manager counts others, it may only not have come to one of which it has counted
// nothing; then each look is as far from the last one as that was from the first.
func (w *countWatch) patience(namespace string, q *posture.QuotaCount, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	waited := now.Sub(w.since[namespace][q.Ref.Name])
	if left := countPatience - waited; left > 0 {
		return left
	}
	if counts := now.Sub(w.lastCounted); len(q.Never) > 0 || counts < 0 || counts >= countPatience {
		return 0
	}
	return max(0, min(waited, longestPatience-waited))
}

// restart waits for a quota from now on.
func (w *countWatch) restart(namespace, quota string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since[namespace][quota] = now
	return countPatience
}

// withholdsAgain reports whether the report of an earlier pass has been withheld since the last one
// was written.
func (w *countWatch) withholdsAgain(p *posture.Pass) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.withheld[p.Namespace.Name]
	return ok && kept.of(p)
}

// withhold keeps what the pass learned of a stricter Pod Security level for the pass that will
// report.
func (w *countWatch) withhold(p *posture.Pass, level tightening.AppliedLevel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.withheld[p.Namespace.Name]
	if ok && kept.of(p) && !level.Tightened {
		return
	}
	w.withheld[p.Namespace.Name] = withheld{
		profile: p.Profile.UID, generation: p.Profile.Generation, namespace: p.Namespace.UID,
		level: level,
	}
}

// resume is what a pass that reports has learned of a stricter Pod Security level, or the one before
// of which the report was withheld.
func (w *countWatch) resume(p *posture.Pass, level tightening.AppliedLevel) tightening.AppliedLevel {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept, ok := w.withheld[p.Namespace.Name]
	delete(w.withheld, p.Namespace.Name)
	if ok && kept.of(p) && kept.level.Tightened && !level.Tightened {
		return kept.level
	}
	return level
}

// forget drops what is remembered of a namespace that is gone, or that nobody governs.
func (w *countWatch) forget(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.since, namespace)
	delete(w.withheld, namespace)
}
