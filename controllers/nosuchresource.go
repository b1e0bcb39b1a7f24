package controllers

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

// catalogueTTL is for how long what discovery told is believed. The API server refuses the same
// Role in every namespace, which must not become a discovery in every namespace.
const catalogueTTL = 30 * time.Second

// maxHintRunes is how much of a report's message there is for a hint, after the API server's own
// words.
const maxHintRunes = 370

// catalogue is which resources the API server has, as it was last asked. It is asked only when it
// has refused a Role: then the reason may be that there is no such resource, of which the API
// server's words say nothing.
type catalogue struct {
	discovery discovery.ServerResourcesInterfaceWithContext
	clock     clock.PassiveClock

	mu    sync.Mutex
	last  *apiresources.Catalogue // nil if the API server did not tell
	until time.Time
}

func newCatalogue(mgr manager.Manager, clock clock.PassiveClock) (*catalogue, error) {
	discovers, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for discovery: %w", err)
	}
	return &catalogue{discovery: discovers, clock: clock}, nil
}

// hint says which resources of a refused Role the API server has not; nothing for any other object,
// and nothing if it cannot be asked.
func (c *catalogue) hint(ctx context.Context, want baseline.Object, err error) string {
	role, ok := want.(*rbacv1.Role)
	if !ok || !apierrors.IsForbidden(err) {
		return ""
	}
	known := c.read(ctx)
	if known == nil {
		return ""
	}
	missing := known.Missing(role.Rules)
	if len(missing) == 0 {
		return ""
	}
	return printable.Cut("; no such resource: "+strings.Join(missing, ", and "), maxHintRunes)
}

// discoveryTimeout bounds how long passes wait for discovery. It asks every aggregated API, of
// which one may hang.
const discoveryTimeout = 5 * time.Second

// read is the catalogue; nil if the API server does not tell. That it does not is believed as long
// as what it tells.
func (c *catalogue) read(ctx context.Context) *apiresources.Catalogue {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock.Now().Before(c.until) {
		return c.last
	}
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	_, lists, err := c.discovery.ServerGroupsAndResourcesWithContext(ctx)
	failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
	c.last, c.until = nil, c.clock.Now().Add(catalogueTTL)
	if err == nil || partly {
		c.last = apiresources.New(lists, failed)
	}
	return c.last
}
