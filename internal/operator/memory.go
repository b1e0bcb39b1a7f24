package operator

import (
	"context"
	"runtime/debug"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
)

// releaseInterval is at least how long there is between two releases: a collection takes some 20 ms
// of CPU.
const releaseInterval = 10 * time.Second

// releaseMemory gives back to the machine what reading the whole cluster took, once the caches hold
// what is kept of it, and what reading much has taken since. The runtime would keep it for minutes,
// and a container's limit would have to allow for it.
type releaseMemory struct {
	caches cache.Cache
	read   *boundedcache.BytesRead
}

var _ manager.LeaderElectionRunnable = releaseMemory{}

// Start waits for the caches.
func (r releaseMemory) Start(ctx context.Context) error {
	if !r.caches.WaitForCacheSync(ctx) {
		return nil
	}
	debug.FreeOSMemory()
	for {
		select {
		case <-r.read.Many():
		case <-ctx.Done():
			return nil
		}
		debug.FreeOSMemory()
		select {
		case <-time.After(releaseInterval):
		case <-ctx.Done():
			return nil
		}
		debug.FreeOSMemory() // What passes over what was read have left.
	}
}

// NeedLeaderElection is false: a replica that does not lead has caches too.
func (releaseMemory) NeedLeaderElection() bool { return false }
