package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// stormEvery is the time from one tampering to the next while namespaces roll out.
const stormEvery = 100 * time.Millisecond

// rollout tampers with what was onboarded before, while a further batch of namespaces is onboarded.
func (b *bench) rollout(ctx context.Context) error {
	c, err := b.sharedCluster(ctx)
	if err != nil {
		return err
	}
	s, err := c.onboarded(ctx, b.Namespaces, (b.Namespaces+1)/2) // So many are enough for 20 namespaces a second.
	if err != nil {
		return err
	}
	profile, err := restricted("rollout")
	if err != nil {
		return err
	}
	batch, err := c.newBatch(ctx, profile.Name, b.Namespaces)
	if err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	observer, err := c.observe(ctx)
	if err != nil {
		return err
	}
	defer observer.stop()
	b.say("  tampering every %s while %d namespaces roll out (usually 30 s)", stormEvery, b.Namespaces)
	if err := c.admin.Create(ctx, profile); err != nil {
		return fmt.Errorf("creating profile %s: %w", profile.Name, err)
	}
	tamperings, err := tamperUntil(ctx, observer, s, func(ctx context.Context) error {
		return c.awaitInPlace(ctx, profile.Name, b.Namespaces)
	})
	if err != nil {
		return err
	}
	writes, err := c.trail.Next()
	if err != nil {
		return err
	}
	return b.judgeRollout(tamperings, within(batch.namespaces, writes))
}

// tamperUntil begins a tampering at fixed times, whatever has become of those before, until
// something is done, and waits for every correction: so a stall is in as many samples as it lasts.
// No namespace is tampered with twice, which is also what bounds how many corrections are awaited
// at once.
func tamperUntil(ctx context.Context, o *observer, s *standing, done func(context.Context) error) ([]tampering, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	storm, calm := context.WithCancel(ctx)
	var working sync.WaitGroup
	working.Go(func() {
		defer calm()
		if err := done(ctx); err != nil {
			cancel(err)
		}
	})
	var mu sync.Mutex
	var tamperings []tampering
	began := time.Now()
	for i := 1; i <= len(s.namespaces) && pause(storm, time.Until(began.Add(time.Duration(i)*stormEvery))) == nil; i++ {
		namespace, ok := s.target()
		if !ok {
			break
		}
		working.Go(func() {
			t, err := o.tamper(ctx, namespace)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			tamperings = append(tamperings, t)
		})
	}
	working.Wait()
	return tamperings, context.Cause(ctx)
}

// judgeRollout makes the figure of those tamperings that were begun while the roll-out was under
// way, by its own writes.
func (b *bench) judgeRollout(tamperings []tampering, writes []controlplane.Write) error {
	last := lastAt(of(writes, baselineWrite))
	var exposed, asked []float64
	for _, t := range tamperings {
		if t.asked.Before(last) {
			exposed = append(exposed, t.exposed().Seconds())
			asked = append(asked, t.corrected.Sub(t.asked).Seconds())
		}
	}
	if len(exposed) == 0 {
		return errors.New("the roll-out was over before anything was tampered with: -namespaces is too small")
	}
	p99 := percentile(exposed, 99)
	b.results.sample(
		"DriftInRollout/by=operator",
		measure{percentile(exposed, 50), "p50-sec/op"},
		measure{p99, "p99-sec/op"},
		measure{percentile(exposed, 100), "max-sec/op"},
		measure{percentile(asked, 99), "p99-since-asked-sec/op"},
	)
	b.results.figure(
		figure{Name: "drift in a roll-out, p99", Value: p99 * 1000, Unit: "ms"}.must(atMost, 1000, 200).because(
			"%d corrections, one begun every %s, %d after the last write left out; %s; since the tampering was asked for, p99 %s ms",
			len(exposed), stormEvery, len(tamperings)-len(exposed), spread(exposed), number(percentile(asked, 99)*1000)),
	)
	return nil
}
