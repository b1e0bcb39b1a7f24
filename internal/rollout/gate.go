// Package rollout knows what a roll-out must defer, since it would refuse what runs in the
// namespace (spec.rollout: WhenSafe). From top to bottom:
//
//	Gate          decides, with two methods:
//	Gate.Objects  which objects are deferred, by what each kind refuses (level.go, limits.go, quota.go)
//	Gate.Rules    which sections of rules for pods are deferred, by a scan of the pods
//	clearances    since when scans have found nothing in the way of a section
//
// It may import the pure packages, internal/podscan and internal/clusteraccess. It must never write
// to the cluster but by dry runs, nor tell an event: what is deferred is returned.
package rollout

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/podscan"
)

// Gate decides what a pass defers. Workers share it.
type Gate struct {
	live       client.Reader
	scanner    *podscan.Scanner
	clearances *clearances
}

// NewGate returns a Gate that reads from the API server, and pods by a scanner.
func NewGate(live client.Reader, scanner *podscan.Scanner) *Gate {
	return &Gate{live: live, scanner: scanner, clearances: newClearances()}
}

// Forget drops what is remembered of a namespace that is gone.
func (g *Gate) Forget(namespace string) { g.clearances.forget(namespace) }
