package quotaroom

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
)

// Counts waits for quotas to be counted.
type Counts struct {
	// Patience remembers how long each is waited for.
	Patience *counting.Patience
	// Room closes what stays open.
	Room Maker
	// Clock is the time.
	Clock clock.PassiveClock
}

// Await returns the counts, with those of which it is too early to tell that they are not counted,
// and when to come back, though nothing was observed; zero is never. What Bulwark opened
// and did not close, since the operator died in between, it closes once that time is over.
func (c *Counts) Await(
	ctx context.Context, p *posture.Pass, found []posture.QuotaCount,
) (counts []posture.QuotaCount, next time.Duration) {
	now := c.Clock.Now()
	counts = slices.Clone(found)
	c.Patience.Observe(p.Namespace.Name, progressOf(counts), now)
	for i := range counts {
		q := &counts[i]
		if q.Complete() {
			continue
		}
		wait := c.Patience.Left(p.Namespace.Name, q.Progress(), now)
		if wait == 0 && len(q.Loosened) > 0 && !p.Audits() &&
			c.Room.CloseAgain(ctx, p.Namespace.Name, q.Ref.Name) {
			wait = c.Patience.Restart(p.Namespace.Name, q.Ref.Name, now)
		}
		q.Fresh = wait > 0
		next = priority.Soonest(next, wait)
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
