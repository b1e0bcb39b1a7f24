package clusteraccess

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// cacheTimeout is how long a read waits until the cache has observed the client's own writes. A
	// watch that works is milliseconds behind.
	cacheTimeout = 5 * time.Second
	// cacheTimeoutAgain is how long the further reads of a reconcile wait in which one waited in
	// vain: all profiles share one worker.
	cacheTimeoutAgain = 100 * time.Millisecond
)

// readYourWritesClient reads from a cache, and waits until the cache has observed the client's own
// writes. The cache may never observe one that somebody undid while the watch was broken, so that
// after a timeout the client reads from the API server instead.
type readYourWritesClient struct {
	client.Client
	live    client.Reader
	timeout time.Duration
}

// NewReadYourWritesClient wraps a client whose cache waits for its own writes. If the cache does
// not observe them in time, the returned client reads with the live reader.
func NewReadYourWritesClient(c client.Client, live client.Reader) client.Client {
	return &readYourWritesClient{Client: c, live: live, timeout: cacheTimeout}
}

// Get reads one object.
func (c *readYourWritesClient) Get(
	ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption,
) error {
	return c.read(ctx, into,
		func(ctx context.Context) error { return c.Client.Get(ctx, key, into, options...) },
		func() error { return c.live.Get(ctx, key, into, options...) })
}

// List reads a list of objects.
func (c *readYourWritesClient) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	return c.read(ctx, into,
		func(ctx context.Context) error { return c.Client.List(ctx, into, options...) },
		func() error { return c.live.List(ctx, into, options...) })
}

func (c *readYourWritesClient) read(
	ctx context.Context, into any, cached func(context.Context) error, live func() error,
) error {
	timeout := c.timeout
	behind, reconciling := ctx.Value(cacheBehind{}).(*atomic.Bool)
	if reconciling && behind.Load() {
		timeout = min(timeout, cacheTimeoutAgain)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := cached(bounded)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	logf.FromContext(ctx).Info("The cache has not heard of an own write; the API server is asked",
		"of", fmt.Sprintf("%T", into))
	if reconciling {
		behind.Store(true)
	}
	return live()
}

// cacheBehind is the context key, in a reconcile, of whether the cache was behind.
type cacheBehind struct{}

// RequeueIfCacheBehind requeues a request after the given time at the latest, if its reconcile
// waited for the cache in vain. A write that the cache never observed causes no event.
func RequeueIfCacheBehind(inner reconcile.Reconciler, after time.Duration) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		var behind atomic.Bool
		result, err := inner.Reconcile(context.WithValue(ctx, cacheBehind{}, &behind), request)
		if err == nil && behind.Load() && (result.RequeueAfter == 0 || result.RequeueAfter > after) {
			result.RequeueAfter = after
		}
		return result, err
	})
}
