package controllers

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

// answering is a reader that answers in its own way.
type answering struct {
	client.Client
	answer func(context.Context) error
}

func (a answering) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return a.answer(ctx)
}

func (a answering) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	return a.answer(ctx)
}

// A cache that never hears of a write of ours must not keep a pass from ever being made again.
func TestWhatTheCacheDoesNotHearOfIsReadFromTheAPIServer(t *testing.T) {
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
		"what the cache holds":             {t.Context(), func(context.Context) error { return nil }, nil},
		"what the cache refuses":           {t.Context(), func(context.Context) error { return errCache }, errCache},
		"what the cache waits for in vain": {t.Context(), behind, errLive},
		"what nobody waits for any more":   {stopping, behind, context.Canceled},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := &catchingUp{
				Client: answering{answer: tt.cached}, live: answering{answer: func(context.Context) error { return errLive }}, timeout: time.Millisecond,
			}
			if err := c.Get(tt.ctx, client.ObjectKey{}, &corev1.Namespace{}); !errors.Is(err, tt.want) {
				t.Errorf("Get: want %v, got %v", tt.want, err)
			}
			if err := c.List(tt.ctx, &corev1.NamespaceList{}); !errors.Is(err, tt.want) {
				t.Errorf("List: want %v, got %v", tt.want, err)
			}
		})
	}
}

func TestAPassForWhichTheCacheWasBehindIsMadeOnceMore(t *testing.T) {
	behind := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	abreast := func(context.Context) error { return nil }
	for sentence, tt := range map[string]struct {
		cached     func(context.Context) error
		next, want time.Duration
	}{
		"a cache that is behind":             {behind, 0, retryMax},
		"one, before a look that is due":     {behind, time.Second, time.Second},
		"one, before a look in a while":      {behind, time.Hour, retryMax},
		"a cache that is not":                {abreast, 0, 0},
		"one, before a look in a while, too": {abreast, time.Hour, time.Hour},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := &catchingUp{Client: answering{answer: tt.cached}, live: answering{answer: abreast}, timeout: time.Millisecond}
			passes := untilCaughtUp(reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{RequeueAfter: tt.next}, c.Get(ctx, client.ObjectKey{}, &corev1.Namespace{})
			}))
			result, err := passes.Reconcile(t.Context(), reconcile.Request{})
			if err != nil || result.RequeueAfter != tt.want {
				t.Errorf("want another pass in %v, got %v, %v", tt.want, result.RequeueAfter, err)
			}
		})
	}
}

// Profiles share one worker: who waits in vain for one read must not wait as long for each of the next.
func TestAPassWaitsForTheCacheOnce(t *testing.T) {
	var granted []time.Duration
	behind := func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		granted = append(granted, time.Until(deadline))
		<-ctx.Done()
		return ctx.Err()
	}
	c := &catchingUp{
		Client: answering{answer: behind}, live: answering{answer: func(context.Context) error { return nil }}, timeout: 3 * catchUpAgain,
	}
	passes := untilCaughtUp(reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
		for range 3 {
			if err := c.Get(ctx, client.ObjectKey{}, &corev1.Namespace{}); err != nil {
				return reconcile.Result{}, err
			}
		}
		return reconcile.Result{}, nil
	}))
	for range 2 {
		granted = nil
		if _, err := passes.Reconcile(t.Context(), reconcile.Request{}); err != nil {
			t.Fatal(err)
		}
		if granted[0] <= catchUpAgain || granted[1] > catchUpAgain || granted[2] > catchUpAgain {
			t.Errorf("waited %v", granted)
		}
	}
}
