package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// awaitCounts returns the counts, with those of which it is too early to tell that they are not
// counted, and when to come back, though nothing was observed; zero is never. What Bulwark opened
// and did not close, since the operator died in between, it closes once that time is over.
func (r *NamespaceReconciler) awaitCounts(
	ctx context.Context, p *posture.Pass, found []posture.QuotaCount,
) (counts []posture.QuotaCount, next time.Duration) {
	now := r.Clock.Now()
	counts = slices.Clone(found)
	r.patience.Observe(p.Namespace.Name, progressOf(counts), now)
	for i := range counts {
		q := &counts[i]
		if q.Complete() {
			continue
		}
		wait := r.patience.Left(p.Namespace.Name, q.Progress(), now)
		if wait == 0 && len(q.Loosened) > 0 && !p.Audits() &&
			r.corrections.Room.CloseAgain(ctx, p.Namespace.Name, q.Ref.Name) {
			wait = r.patience.Restart(p.Namespace.Name, q.Ref.Name, now)
		}
		q.Fresh = wait > 0
		next = sooner(next, wait)
	}
	return counts, next
}

func progressOf(counts []posture.QuotaCount) []counting.Progress {
	progress := make([]counting.Progress, 0, len(counts))
	for i := range counts {
		progress = append(progress, counts[i].Progress())
	}
	return progress
}

// forgetCounts drops what is remembered of quotas and of withheld reports, in a namespace that is
// gone or that no profile governs.
func (r *NamespaceReconciler) forgetCounts(namespace string) {
	r.patience.Forget(namespace)
	r.withheld.Forget(namespace)
}
