package clusteraccess

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const requeueAfter = time.Minute

// readingWith is a client whose reads call a function.
type readingWith struct {
	client.Client
	read func(context.Context) error
}

func (r readingWith) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return r.read(ctx)
}

func (r readingWith) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	return r.read(ctx)
}

// A cache that never observes an own write must not block a reconcile for ever.
func TestReadFromTheAPIServerIfTheCacheIsBehind(t *testing.T) {
	errCache, errLive := errors.New("by the cache"), errors.New("by the API server")
	behind := func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("failed waiting to observe resource version 7: %w", ctx.Err())
	}
	stopping, stop := context.WithCancel(t.Context())
	stop()
	for sentence, tt := range map[string]struct {
		ctx    context.Context
		cached func(context.Context) error
		want   error
	}{
		"the cache returns it":            {t.Context(), func(context.Context) error { return nil }, nil},
		"the cache returns an error":      {t.Context(), func(context.Context) error { return errCache }, errCache},
		"the cache waits in vain":         {t.Context(), behind, errLive},
		"the context of the read is over": {stopping, behind, context.Canceled},
	} {
		t.Run(sentence, func(t *testing.T) {
			live := readingWith{read: func(context.Context) error { return errLive }}
			c := &readYourWritesClient{Client: readingWith{read: tt.cached}, live: live, timeout: time.Millisecond}
			if err := c.Get(tt.ctx, client.ObjectKey{}, &corev1.Namespace{}); !errors.Is(err, tt.want) {
				t.Errorf("Get: want %v, got %v", tt.want, err)
			}
			if err := c.List(tt.ctx, &corev1.NamespaceList{}); !errors.Is(err, tt.want) {
				t.Errorf("List: want %v, got %v", tt.want, err)
			}
		})
	}
}

func TestRequeueIfCacheBehind(t *testing.T) {
	behind := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	current := func(context.Context) error { return nil }
	for sentence, tt := range map[string]struct {
		cached     func(context.Context) error
		next, want time.Duration
	}{
		"the cache is behind":                     {behind, 0, requeueAfter},
		"it is, and the request is requeued soon": {behind, time.Second, time.Second},
		"it is, and the request is requeued late": {behind, time.Hour, requeueAfter},
		"the cache is not behind":                 {current, 0, 0},
		"it is not, and the request is requeued":  {current, time.Hour, time.Hour},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := &readYourWritesClient{
				Client: readingWith{read: tt.cached}, live: readingWith{read: current}, timeout: time.Millisecond,
			}
			inner := func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{RequeueAfter: tt.next}, c.Get(ctx, client.ObjectKey{}, &corev1.Namespace{})
			}
			reconciler := RequeueIfCacheBehind(reconcile.Func(inner), requeueAfter)
			result, err := reconciler.Reconcile(t.Context(), reconcile.Request{})
			if err != nil || result.RequeueAfter != tt.want {
				t.Errorf("want a requeue after %v, got %v, %v", tt.want, result.RequeueAfter, err)
			}
		})
	}
}

// All profiles share one worker: a reconcile that waited in vain for one read must not wait as long
// for each further one.
func TestOneReconcileWaitsForTheCacheOnce(t *testing.T) {
	var granted []time.Duration
	behind := func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		granted = append(granted, time.Until(deadline))
		<-ctx.Done()
		return ctx.Err()
	}
	live := readingWith{read: func(context.Context) error { return nil }}
	c := &readYourWritesClient{Client: readingWith{read: behind}, live: live, timeout: 3 * cacheTimeoutAgain}
	inner := func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
		for range 3 {
			if err := c.Get(ctx, client.ObjectKey{}, &corev1.Namespace{}); err != nil {
				return reconcile.Result{}, err
			}
		}
		return reconcile.Result{}, nil
	}
	reconciler := RequeueIfCacheBehind(reconcile.Func(inner), requeueAfter)
	for range 2 {
		granted = nil
		if _, err := reconciler.Reconcile(t.Context(), reconcile.Request{}); err != nil {
			t.Fatal(err)
		}
		if granted[0] <= cacheTimeoutAgain || granted[1] > cacheTimeoutAgain || granted[2] > cacheTimeoutAgain {
			t.Errorf("waited %v", granted)
		}
	}
}
