package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// await looks again and again until good, and says what it waited for if that does not come.
func await(
	ctx context.Context,
	what string,
	timeout, every time.Duration,
	good func(context.Context) (bool, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		ok, err := good(ctx)
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting up to %s for %s: %w", timeout, what, ctx.Err())
		case <-ticker.C:
		}
	}
}

// pause lets time pass that is part of what is measured, as in "ten minutes at rest".
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// parallel does n things with so many workers, and ends at the first failure.
func parallel(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(workers, n) {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}

// progress says how far something is, every few seconds.
type progress struct {
	say  func(format string, args ...any)
	last atomic.Int64 // when it said something, in Unix seconds
}

const progressEvery = 10 // seconds

func (b *bench) progress() *progress {
	p := &progress{say: b.say}
	p.last.Store(time.Now().Unix())
	return p
}

func (p *progress) at(format string, args ...any) {
	now, last := time.Now().Unix(), p.last.Load()
	if now-last >= progressEvery && p.last.CompareAndSwap(last, now) {
		p.say("  "+format, args...)
	}
}
