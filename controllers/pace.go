package controllers

import (
	"context"
	"sync"
)

// pace bounds how many writes of roll-outs are in flight. All that are share an API server that has only so much to give, and so does each
// correction's: beside as many as there are workers it takes several times as long.
//
// Its bound is found as a congestion window is, by additive increase and multiplicative decrease: a correction halves it, down to a quarter of
// the most, with which a roll-out still goes on, and every write of a roll-out widens it a little. So where nothing is corrected, nothing is
// ever slowed.
type pace struct {
	least, most float64

	mu       sync.Mutex
	changed  sync.Cond
	bound    float64
	inFlight int
}

// widening is how much wider the bound is after one write: what one correction took from it is back after a second or so.
const widening = 1.0 / 16

func newPace(most int) *pace {
	p := &pace{least: max(1, float64(most)/4), most: float64(most), bound: float64(most)}
	p.changed.L = &p.mu
	return p
}

// yield makes way for a correction.
func (p *pace) yield() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bound = max(p.least, p.bound/2)
}

// write is a write of a roll-out, as soon as there is room for it.
func (p *pace) write(ctx context.Context, do func() error) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.leave()
	return do()
}

func (p *pace) enter(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.inFlight >= int(p.bound) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.changed.Wait()
	}
	p.inFlight++
	return nil
}

func (p *pace) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	p.bound = min(p.most, p.bound+widening)
	p.changed.Broadcast()
}
