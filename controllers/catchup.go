package controllers

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

// catchUpTimeout is how long a pass waits for the cache. A watch that works is milliseconds behind.
// The next reads of a pass that has waited in vain wait for catchUpAgain each: profiles share one
// worker.
const (
	catchUpTimeout = 5 * time.Second
	catchUpAgain   = 100 * time.Millisecond
)

// catchingUp is a client that sees its own writes: a read of the cache waits until that has heard of them, but not for ever. Of a write that
// somebody undid while the watch was broken the cache may never hear. Then the API server is asked.
type catchingUp struct {
	client.Client
	live    client.Reader
	timeout time.Duration
}

func newCatchingUp(c client.Client, live client.Reader) client.Client {
	return &catchingUp{Client: c, live: live, timeout: catchUpTimeout}
}

func (c *catchingUp) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	return c.read(ctx, into,
		func(ctx context.Context) error { return c.Client.Get(ctx, key, into, options...) },
		func() error { return c.live.Get(ctx, key, into, options...) })
}

func (c *catchingUp) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	return c.read(ctx, into,
		func(ctx context.Context) error { return c.Client.List(ctx, into, options...) },
		func() error { return c.live.List(ctx, into, options...) })
}

func (c *catchingUp) read(ctx context.Context, into any, cached func(context.Context) error, live func() error) error {
	timeout := c.timeout
	behind, passes := ctx.Value(behindKey{}).(*atomic.Bool)
	if passes && behind.Load() {
		timeout = min(timeout, catchUpAgain)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := cached(bounded)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	logf.FromContext(ctx).Info("The cache has not heard of an own write; the API server is asked", "of", fmt.Sprintf("%T", into))
	if passes {
		behind.Store(true)
	}
	return live()
}

// behindKey is the key, in a pass's context, of whether the cache was behind.
type behindKey struct{}

// untilCaughtUp makes a pass for which the cache was behind once more after a while: what the cache never held ends without an event.
func untilCaughtUp(passes reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		var behind atomic.Bool
		result, err := passes.Reconcile(context.WithValue(ctx, behindKey{}, &behind), request)
		if err == nil && behind.Load() && (result.RequeueAfter == 0 || result.RequeueAfter > retryMax) {
			result.RequeueAfter = retryMax
		}
		return result, err
	})
}
