package controllers

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// releaseFirst is how long the policies that give way to a profile that is being deleted are left
// as they are. Its own release goes before, several that go together lead to one rewriting, and
// nobody waits for that.
//
// Meanwhile what they refuse is not refused in namespaces that the profile hands over. So it is
// bounded: a release can be stuck.
const releaseFirst = 10 * time.Second

// await is the selection to which a profile's policies give way, and how long they await the
// release of another profile at most; zero if they await none. A clock that is far off awaits none.
func (r *AdmissionPolicyReconciler) await(
	profile *v1alpha1.SecurityProfile, selector *selection.Selector,
) (awaiting *selection.Selector, most time.Duration) {
	left := func(p *v1alpha1.SecurityProfile) time.Duration {
		since := r.Clock.Since(p.DeletionTimestamp.Time)
		if !hasFinalizer(p) || since <= -releaseFirst {
			return 0
		}
		return max(0, releaseFirst-since)
	}
	awaiting = selector.Awaiting(func(p *v1alpha1.SecurityProfile) bool { return left(p) > 0 })
	for _, p := range awaiting.Awaited(profile) {
		most = max(most, left(p))
	}
	return awaiting, most
}

// sooner is the shorter of two waits, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
