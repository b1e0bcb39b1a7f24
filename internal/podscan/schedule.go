package podscan

import (
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

const (
	// interval is how often the pods of a namespace are scanned though nothing suggests that any
	// violates its level: some may have been admitted by an exemption of a user or of a runtime
	// class.
	interval = time.Hour
	// deferredRechecks is how many times as often as other rechecks one is made of what is
	// deferred.
	deferredRechecks = 10
)

// RecheckDeferred is how often what is deferred is checked again, by how often other things are.
func RecheckDeferred(recheck time.Duration) time.Duration { return recheck / deferredRechecks }

// Wanted reports whether a profile declares a level or rules that pods could violate, and wants to
// know of those that do.
func Wanted(profile *v1alpha1.SecurityProfile) bool {
	return slices.ContainsFunc(findings.OfPods, func(id v1alpha1.FindingID) bool {
		return findings.LooksForInPods(profile, id)
	})
}

// Schedule remembers when the pods of each namespace are to be scanned next. A replica that begins
// to lead knows nothing of that, and then scans all, evenly spread over an interval.
type Schedule struct {
	recheck time.Duration

	mu    sync.Mutex
	began time.Time // when it was first asked; a replica that does not lead asks nothing
	last  time.Time // when it was asked last
	next  map[string]time.Time
}

// NewSchedule returns a Schedule by which namespaces in which something is amiss are scanned each
// recheck.
func NewSchedule(recheck time.Duration) *Schedule {
	return &Schedule{recheck: recheck, next: map[string]time.Time{}}
}

// Due reports whether it is time to scan after a pass. A level that is enforced admits no violator,
// so that once there was none, there is none until one of these:
//
//  1. the profile or its generation is another one than the last report speaks of;
//  2. the time has come, since an exemption may have admitted one;
//  3. the replica has just begun to lead, and there were violators or nobody could tell;
//  4. somebody took the level away for a moment, or it was put in place and the API server warned.
func (s *Schedule) Due(p *posture.Pass, outcomes []drift.Outcome, level tightening.AppliedLevel, now time.Time) bool {
	return !p.Current() || s.due(p.Namespace.Name, now) ||
		p.DoubtsPods() && !s.planned(p.Namespace.Name) ||
		slices.ContainsFunc(outcomes, func(o drift.Outcome) bool {
			// A level that is contested is put back every second: that is scanned for where the API
			// server warns of pods.
			return o.Object.Kind == "Namespace" &&
				(o.State == v1alpha1.DriftStateCorrected || o.Done && len(level.Warnings) > 0)
		})
}

// Plan plans the next scan: soon while something is amiss, or a level was put in place, since
// admission takes a moment to observe it and may admit a pod meanwhile. Otherwise it is after an
// interval, at another time in each namespace.
func (s *Schedule) Plan(
	p *posture.Pass, deferred *posture.Deferrals, level tightening.AppliedLevel, amiss bool, now time.Time,
) {
	namespace := p.Namespace.Name
	wait := interval/2 + spread(namespace, interval/2)
	switch {
	case deferred.Any():
		wait = RecheckDeferred(s.recheck)
	case level.Tightened:
		wait = s.recheck + spread(namespace, s.recheck)
	case p.Audits() || amiss:
		wait = s.recheck
	}
	s.plan(namespace, now.Add(min(wait, interval)))
}

// Until is how long there is until the next scan, and at least a moment.
func (s *Schedule) Until(namespace string, now time.Time) time.Duration {
	return min(max(time.Second, s.at(namespace, now).Sub(now)), interval)
}

// Forget drops what is remembered of a namespace that is gone.
func (s *Schedule) Forget(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.next, namespace)
}

// due reports whether it is time to scan.
func (s *Schedule) due(namespace string, now time.Time) bool {
	return !s.at(namespace, now).After(now)
}

// planned reports whether it is known when to scan next.
func (s *Schedule) planned(namespace string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, planned := s.next[namespace]
	return planned
}

func (s *Schedule) at(namespace string, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow(now)
	if at, planned := s.next[namespace]; planned {
		return at
	}
	return s.began.Add(time.Second + spread(namespace, interval-time.Second))
}

// follow takes along all plans when the clock is set back, so that no namespace waits until it has
// caught up.
func (s *Schedule) follow(now time.Time) {
	if s.began.IsZero() {
		s.began = now
	}
	if back := s.last.Sub(now); back > time.Second { // Workers ask in whatever order, moments apart.
		s.began = s.began.Add(-back)
		for namespace := range s.next {
			s.next[namespace] = s.next[namespace].Add(-back)
		}
	}
	s.last = now
}

// plan sets when to scan next.
func (s *Schedule) plan(namespace string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[namespace] = at
}

// spread is a part of an interval that is always the same for a namespace, and another for most
// others.
func spread(namespace string, interval time.Duration) time.Duration {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(namespace)) // It never fails.
	const parts = 1 << 20
	return interval / parts * time.Duration(sum.Sum32()%parts)
}
