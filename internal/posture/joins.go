package posture

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// DefaultJoinGrace is how long a namespace that joins a profile may take to become ready before
// that takes the profile's Ready away.
const DefaultJoinGrace = 30 * time.Second

// Lately tells whether a namespace joined a profile lately; without it, none did.
type Lately func(namespace string, reported bool) bool

func (l Lately) has(namespace string, reported bool) bool {
	return l != nil && l(namespace, reported)
}

// Joins remember, by profile, the namespaces that joined lately. The reconciler of profiles has one
// worker, so that nothing here is locked.
//
// Those that a generation of the profile finds without a report when it is summed for the first
// time belong to its roll-out, and so do not join: the profile is not Ready before each of them has
// a report. Whoever begins to lead knows by the profile's status whether that roll-out is over.
type Joins struct {
	grace time.Duration
	of    map[string]*joining
}

// joining is what is remembered of one generation of a profile.
type joining struct {
	uid        types.UID
	generation int64
	rolledOut  bool                 // once its first sum is done, or its status has said so
	rollout    map[string]bool      // those that its roll-out has yet to reach
	since      map[string]time.Time // when those that joined were first seen
}

// NewJoins remembers nothing yet.
func NewJoins(grace time.Duration) *Joins { return &Joins{grace: grace, of: map[string]*joining{}} }

// Sum begins one sum of a profile, and returns two functions. The first tells whether a namespace
// joined lately. The second ends the sum, and returns how long it is until the first of these
// namespaces has been there for the grace period; zero if there is none.
func (j *Joins) Sum(profile *v1alpha1.SecurityProfile, now time.Time) (Lately, func() time.Duration) {
	known := j.of[profile.Name]
	if known == nil || known.uid != profile.UID || known.generation != profile.Generation {
		known = &joining{
			uid: profile.UID, generation: profile.Generation, rolledOut: rolledOut(profile),
			rollout: map[string]bool{}, since: map[string]time.Time{},
		}
		j.of[profile.Name] = known
	}
	unreported := map[string]bool{}
	joined := func(namespace string, reported bool) bool {
		if !reported {
			unreported[namespace] = true
		}
		since, seen := known.since[namespace]
		switch {
		case reported:
			return seen && j.recent(since, now)
		case !known.rolledOut || known.rollout[namespace]:
			known.rollout[namespace] = true
			return false
		case !seen || since.After(now): // The clock may have been set back.
			since = now
			known.since[namespace] = now
		}
		return j.recent(since, now)
	}
	return joined, func() time.Duration { return j.conclude(known, unreported, now) }
}

func (j *Joins) recent(since, now time.Time) bool {
	return now.Sub(since) < j.grace && !since.After(now)
}

// conclude forgets whoever is no more among those without a report, and has been there long enough.
func (j *Joins) conclude(known *joining, unreported map[string]bool, now time.Time) (next time.Duration) {
	known.rolledOut = true
	for namespace := range known.rollout {
		if !unreported[namespace] {
			delete(known.rollout, namespace)
		}
	}
	for namespace, since := range known.since {
		switch left := since.Add(j.grace).Sub(now); {
		case j.recent(since, now):
			if next == 0 || left < next {
				next = left
			}
		case !unreported[namespace]:
			delete(known.since, namespace)
		}
	}
	return next
}

// Forget drops what is remembered of a profile that is gone.
func (j *Joins) Forget(profile string) { delete(j.of, profile) }

// rolledOut reports whether the status of a profile says that each namespace had a report of this
// generation.
func rolledOut(profile *v1alpha1.SecurityProfile) bool {
	ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.ObservedGeneration == profile.Generation &&
		ready.Reason != v1alpha1.ReasonProgressing && ready.Reason != v1alpha1.ReasonInvalid
}
