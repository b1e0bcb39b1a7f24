package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

const (
	// driftBlocks is how often the operator and the floor take turns.
	driftBlocks = 5
	// driftWarmUp is how many corrections of each are not counted.
	driftWarmUp = 10
	// driftEvery is the least time from one tampering to the next: long enough for the operator to
	// have reported.
	driftEvery = 100 * time.Millisecond
)

// drift tampers with the baseline, one object at a time, and measures for how long each is seen
// loose.
func (b *bench) drift(ctx context.Context) error {
	c, err := b.sharedCluster(ctx)
	if err != nil {
		return err
	}
	s, err := c.onboarded(ctx, max(b.Namespaces, b.tamperedWith()), b.Drifts+driftWarmUp)
	if err != nil {
		return err
	}
	plain, err := c.plainPolicies(ctx, s)
	if err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, err := watchPolicies(ctx, c.floor.core, metav1.ListOptions{LabelSelector: batchLabel + "=" + plain.name})
	if err != nil {
		return err
	}
	defer w.Stop()
	go func() { cancel(c.floor.correct(ctx, w, s)) }()
	observer, err := c.observe(ctx)
	if err != nil {
		return err
	}
	defer observer.stop()
	usual := (2 * time.Duration(b.Drifts+driftWarmUp) * driftEvery).Round(time.Second)
	b.say("  tampering %d times with the operator's and as often with the floor's (usually %s)", b.Drifts, usual)
	d := &drifting{observer: observer, bench: b, operated: s, plain: &standing{batch: plain}}
	return d.run(ctx)
}

// tamperedWith is how many namespaces the tamperings of drift need.
func (b *bench) tamperedWith() int {
	return (b.Drifts + driftWarmUp + tamperingsEach - 1) / tamperingsEach
}

// plainPolicies makes namespaces with a default-deny that is nobody's but the floor's.
func (c *cluster) plainPolicies(ctx context.Context, s *standing) (*batch, error) {
	plain, err := c.newBatch(ctx, "drift-floor", c.tamperedWith())
	if err != nil {
		return nil, err
	}
	err = parallel(ctx, workers, len(plain.namespaces), func(ctx context.Context, i int) error {
		return c.floor.create(ctx, plainPolicy(s, plain.namespaces[i]))
	})
	if err != nil {
		return nil, fmt.Errorf("making the floor's NetworkPolicies: %w", err)
	}
	return plain, nil
}

// plainPolicy is the default-deny of a namespace as the floor writes it.
func plainPolicy(s *standing, namespace string) *networkingv1.NetworkPolicy {
	for _, o := range baseline.Render(s.profile, namespace) {
		if policy, ok := o.(*networkingv1.NetworkPolicy); ok && policy.Name == contestedPolicy {
			policy.Labels, policy.OwnerReferences = relabelled(policy.Labels), nil
			policy.Labels[batchLabel] = "drift-floor"
			return policy
		}
	}
	panic("bench: the sample restricted has no default-deny")
}

// correct is the floor of a correction: it watches, and writes back at once what it sees loosened.
func (f *floor) correct(ctx context.Context, w watch.Interface, s *standing) error {
	for e := range w.ResultChan() {
		policy, ok := e.Object.(*networkingv1.NetworkPolicy)
		if !ok || e.Type != watch.Modified || strict(policy) {
			continue
		}
		if err := f.update(ctx, plainPolicy(s, policy.Namespace)); err != nil {
			return fmt.Errorf("correcting by the floor: %w", err)
		}
	}
	return errors.New("the floor's watch has ended")
}

// drifting is one run of drift.
type drifting struct {
	*bench
	observer        *observer
	operated, plain *standing
}

func (d *drifting) run(ctx context.Context) error {
	for _, s := range []*standing{d.plain, d.operated} {
		if _, err := d.block(ctx, s, driftWarmUp); err != nil {
			return err
		}
	}
	var operators, floors []float64
	for i := range driftBlocks {
		size := d.Drifts*(i+1)/driftBlocks - d.Drifts*i/driftBlocks
		floor, err := d.block(ctx, d.plain, size)
		if err != nil {
			return err
		}
		operator, err := d.block(ctx, d.operated, size)
		if err != nil {
			return err
		}
		d.say("  %d of %d", d.Drifts*(i+1)/driftBlocks, d.Drifts)
		operators, floors = append(operators, operator...), append(floors, floor...)
		d.sampleSpread("Drift/by=floor", floor)
		d.sampleSpread("Drift/by=operator", operator)
	}
	operator, floor := percentile(operators, 99), percentile(floors, 99)
	d.results.figure(
		information("drift, p50, operator", percentile(operators, 50)*1000, "ms").because("%s", spread(operators)),
	)
	d.results.figure(information("drift, p50, floor", percentile(floors, 50)*1000, "ms").because("%s", spread(floors)))
	d.results.figure(information("drift, p50, operator over floor", percentile(operators, 50)/percentile(floors, 50), ""))
	d.results.figure(figure{Name: "drift, p99, operator over floor", Value: operator / floor}.must(atMost, 3, 1.5).because(
		"%d corrections each", len(operators)))
	return nil
}

// block tampers so many times, one at a time, and returns how many seconds each correction took.
func (d *drifting) block(ctx context.Context, s *standing, size int) ([]float64, error) {
	ticker := time.NewTicker(driftEvery)
	defer ticker.Stop()
	var took []float64
	for range size {
		namespace, ok := s.target()
		if !ok {
			return nil, errors.New("no namespace is left to tamper in")
		}
		t, err := d.observer.tamper(ctx, namespace)
		if err != nil {
			return nil, errors.Join(err, context.Cause(ctx))
		}
		took = append(took, t.exposed().Seconds())
		<-ticker.C
	}
	return took, nil
}

func (b *bench) sampleSpread(name string, took []float64) {
	if len(took) > 0 {
		b.results.sample(name, measure{percentile(took, 50), "p50-sec/op"}, measure{percentile(took, 99), "p99-sec/op"},
			measure{percentile(took, 100), "max-sec/op"})
	}
}

// spread is how seconds are spread, in milliseconds.
func spread(seconds []float64) string {
	return fmt.Sprintf("p50 %s, p99 %s, longest %s ms", number(percentile(seconds, 50)*1000),
		number(percentile(seconds, 99)*1000), number(percentile(seconds, 100)*1000))
}
