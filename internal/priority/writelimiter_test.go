package priority

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// writing are writes of a roll-out, each of which is over when it is told so.
type writing struct {
	limiter  *WriteLimiter
	inFlight int
	over     chan struct{}
}

// begin asks for so many further writes.
func (w *writing) begin(t *testing.T, n int) {
	for range n {
		go func() {
			err := w.limiter.Write(t.Context(), func() error {
				w.limiter.mu.Lock()
				w.inFlight++
				w.limiter.mu.Unlock()
				<-w.over
				w.limiter.mu.Lock()
				w.inFlight--
				w.limiter.mu.Unlock()
				return nil
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("a write that ended well: %v", err)
			}
		}()
	}
}

// end lets so many writes be over.
func (w *writing) end(n int) {
	for range n {
		synctest.Wait()
		w.over <- struct{}{}
	}
}

func (w *writing) expect(t *testing.T, when string, want int) {
	t.Helper()
	synctest.Wait()
	if w.inFlight != want {
		t.Errorf("%s: want %d writes in flight, got %d", when, want, w.inFlight)
	}
}

func TestTheWriteLimiterMakesWayForCorrections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writing{limiter: NewWriteLimiter(8), over: make(chan struct{})}
		w.limiter.Yield() // There is nothing that could make way.
		w.begin(t, 1000)
		w.expect(t, "before any correction", 8)
		w.limiter.Yield()
		w.expect(t, "what is in flight when a correction comes", 8)
		w.end(4)
		w.expect(t, "half of them over", 4)
		for range 9 {
			w.limiter.Yield()
		}
		w.end(8)
		w.expect(t, "after many corrections", 2)
		w.end(7)
		w.expect(t, "fifteen writes after the last correction", 2)
		w.end(1)
		w.expect(t, "one more", 3)
		w.end(5*16 - 1)
		w.expect(t, "nearly six times as many", 7)
		w.end(1)
		w.expect(t, "all of them", 8)
		w.end(100)
		w.expect(t, "long after", 8)
		close(w.over)
	})
}

// At its least a roll-out has one write at a time, however few workers it has.
func TestTheWriteLimiterComesToNoStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writing{limiter: NewWriteLimiter(1), over: make(chan struct{})}
		w.begin(t, 3)
		for range 3 {
			w.limiter.Yield()
			w.expect(t, "after a correction", 1)
			w.end(1)
		}
		w.expect(t, "when all are over", 0)
	})
}

// A write that waits for its turn when the operator stops is not made.
func TestTheWriteLimiterStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writing{limiter: NewWriteLimiter(1), over: make(chan struct{})}
		w.begin(t, 1)
		w.expect(t, "with one write", 1)
		ctx, stop := context.WithCancel(t.Context())
		written, waits := false, make(chan error)
		go func() {
			waits <- w.limiter.Write(ctx, func() error {
				written = true
				return nil
			})
		}()
		synctest.Wait()
		stop()
		if err := <-waits; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNoRoom) || written {
			t.Errorf("stopped with %v, written: %t", err, written)
		}
		w.end(1)
		w.begin(t, 1)
		w.expect(t, "with the next", 1)
		w.end(1)
	})
}
