package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// pace bounds how many of the writes by which roll-outs put baselines in place are in flight. The API server has only so much to give, and
// each of them takes its share of it: beside as many as there are workers, the write of a correction takes several times as long as alone.
//
// The bound is found as a congestion window is, by additive increase and multiplicative decrease: a correction during a roll-out halves it,
// down to a quarter of the most, by which a roll-out still goes on, and every write of a roll-out widens it a little.
type pace struct {
	least, most float64

	mu       sync.Mutex
	changed  sync.Cond
	bound    float64
	inFlight int
}

// widening is how much wider the bound is after one write: what a correction took from 32 is back after 256 writes, which are a second or so.
const widening = 1.0 / 16

func newPace(most int) *pace {
	p := &pace{least: max(1, float64(most)/4), most: float64(most), bound: float64(most)}
	p.changed.L = &p.mu
	return p
}

// yield makes way for a correction, if there is anything that could.
func (p *pace) yield() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inFlight > 0 {
		p.bound = max(p.least, p.bound/2)
	}
}

// errNoRoom says that a write was not tried, since there was no room for it as long as its context lasted.
var errNoRoom = errors.New("waiting for other writes of roll-outs")

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
			return fmt.Errorf("%w: %w", errNoRoom, err)
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
