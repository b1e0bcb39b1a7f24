// Package discover asks an API server which resources it has, and says of a refused Role which of
// its resources there are not.
//
// It may import internal/apiresources, which compares, and a client for discovery. It must never
// delay a reconcile for long, nor ask once for each namespace.
package discover

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/bulwark-dev/bulwark/internal/apiresources"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// answerHolds is how long the answer of the API server holds. It refuses the same Role in each
// namespace, and must not be asked once for each.
const answerHolds = 30 * time.Second

// MaxHintRunes bounds a hint: it is the part of a report's message that follows the API server's
// own words.
const MaxHintRunes = 370

// Resources remembers which resources the API server has. The API server is asked only after it has
// refused a Role: the reason may be that there is no such resource, and its words do not say so.
//
//	the last answer                  | asked | the hint
//	none, or older than answerHolds  | yes   | from the new answer
//	a list, also one that lacks some | no    | from that list
//	groups                           |       |
//	an error                         | no    | none
type Resources struct {
	discovery discovery.ServerResourcesInterfaceWithContext
	clock     clock.PassiveClock

	mu    sync.Mutex
	last  *apiresources.Catalogue // nil if the API server did not answer
	until time.Time
}

// New remembers nothing yet.
func New(mgr manager.Manager, clock clock.PassiveClock) (*Resources, error) {
	discovers, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for discovery: %w", err)
	}
	return &Resources{discovery: discovers, clock: clock}, nil
}

// Hint says which resources of a refused Role the API server does not have. It is empty for any
// other object or error, and if the API server does not answer.
func (r *Resources) Hint(ctx context.Context, want baseline.Object, err error) string {
	role, ok := want.(*rbacv1.Role)
	if !ok || !apierrors.IsForbidden(err) {
		return ""
	}
	known := r.read(ctx)
	if known == nil {
		return ""
	}
	missing := known.Missing(role.Rules)
	if len(missing) == 0 {
		return ""
	}
	return printable.Cut("; no such resource: "+strings.Join(missing, ", and "), MaxHintRunes)
}

// discoveryTimeout bounds how long a reconcile waits for discovery, which asks each aggregated API:
// one of them may hang.
const discoveryTimeout = 5 * time.Second

// read is the last answer if it holds, and otherwise a new one; nil is no answer, which holds as
// long as an answer does.
func (r *Resources) read(ctx context.Context) *apiresources.Catalogue {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clock.Now().Before(r.until) {
		return r.last
	}
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	_, lists, err := r.discovery.ServerGroupsAndResourcesWithContext(ctx)
	failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
	r.last, r.until = nil, r.clock.Now().Add(answerHolds)
	if err == nil || partly {
		r.last = apiresources.New(lists, failed)
	}
	return r.last
}
