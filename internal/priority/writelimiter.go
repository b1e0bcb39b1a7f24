package priority

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// WriteLimiter bounds how many writes of roll-outs are in flight. Each takes its share of what the
// API server has to give: beside as many writes as there are workers, that of a correction takes
// several times as long as alone.
//
// The bound is found as a congestion window is, by additive increase and multiplicative decrease:
//
//	in flight   | event                      | the bound
//	------------|----------------------------|--------------------------------------------------
//	none        | a correction               | stays
//	some        | a correction               | is halved, down to a quarter of the most
//	some        | a write of a roll-out ends | grows by widening, up to the most
//
// At its least, which is one write or more, a roll-out still goes on.
type WriteLimiter struct {
	least, most float64

	mu       sync.Mutex
	changed  sync.Cond
	bound    float64
	inFlight int
}

// widening is how much wider the bound is after one write: half of 32 writes is back after 256,
// which take a second or so.
const widening = 1.0 / 16

// NewWriteLimiter makes a limiter whose bound is as wide as it may be.
func NewWriteLimiter(most int) *WriteLimiter {
	l := &WriteLimiter{least: max(1, float64(most)/4), most: float64(most), bound: float64(most)}
	l.changed.L = &l.mu
	return l
}

// Yield makes way for a correction, if any write of a roll-out is in flight.
func (l *WriteLimiter) Yield() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight > 0 {
		l.bound = max(l.least, l.bound/2)
	}
}

// ErrNoRoom says that a write was not tried: its context ended before there was room for it.
var ErrNoRoom = errors.New("waiting for other writes of roll-outs")

// Write makes a write of a roll-out as soon as there is room for it.
func (l *WriteLimiter) Write(ctx context.Context, do func() error) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	return do()
}

func (l *WriteLimiter) enter(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.inFlight >= int(l.bound) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", ErrNoRoom, err)
		}
		l.changed.Wait()
	}
	l.inFlight++
	return nil
}

func (l *WriteLimiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	l.bound = min(l.most, l.bound+widening)
	l.changed.Broadcast()
}
