package main

import (
	"context"
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// failover kills the leader of two operators, deletes an object, and waits for the other one to
// make it again.
func (b *bench) failover(ctx context.Context) error {
	c, err := b.sharedCluster(ctx)
	if err != nil {
		return err
	}
	c.stopOperator()
	for _, o := range []client.Object{
		fixture.Namespace("failover", "failover"), fixture.Profile("failover", fixture.OnlyNetwork),
	} {
		if err := c.admin.Create(ctx, o); err != nil {
			return fmt.Errorf("preparing the failover: %w", err)
		}
	}
	leader, err := c.launch(ctx)
	if err != nil {
		return err
	}
	defer func() { leader.Kill() }()
	if err := c.policyThere(ctx); err != nil {
		return err
	}
	var took []time.Duration
	for i := range b.Failovers {
		b.say("  failover %d of %d (usually 20 s)", i+1, b.Failovers)
		next, t, err := c.failOver(ctx, leader)
		if next != nil {
			leader = next
		}
		if err != nil {
			return err
		}
		took = append(took, t)
		b.results.sample("Failover", measure{t.Seconds(), "sec/op"})
	}
	values := seconds(took)
	b.results.figure(
		figure{Name: "failover, kill to correction", Value: percentile(values, 100), Unit: "s"}.must(atMost, 20, 20).because(
			"the longest of %d, median %s s", len(values), number(median(values))),
	)
	return nil
}

// failOver starts another operator, kills the leader, and returns the other, who leads now, and how
// long it took to correct.
func (c *cluster) failOver(
	ctx context.Context,
	leader *controlplane.Operator,
) (*controlplane.Operator, time.Duration, error) {
	other, err := c.launch(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer leader.Kill()
	if err := c.atRest(ctx, leader, other); err != nil {
		return other, 0, err
	}
	began := time.Now()
	leader.Kill()
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "failover", Name: contestedPolicy}}
	if err := c.admin.Delete(ctx, policy); err != nil {
		return other, 0, fmt.Errorf("deleting the default-deny: %w", err)
	}
	if err := c.policyThere(ctx); err != nil {
		return other, 0, err
	}
	return other, time.Since(began), nil
}

// atRest waits until the leader has looked at everything, the other is ready to take over, and
// nobody writes.
func (c *cluster) atRest(ctx context.Context, leader, other *controlplane.Operator) error {
	namespaces, err := c.countNamespaces(ctx)
	if err != nil {
		return err
	}
	if err := c.verified(ctx, leader, namespaces); err != nil {
		return err
	}
	if err := c.ready(ctx, other); err != nil {
		return err
	}
	return c.quiet(ctx)
}

func (c *cluster) policyThere(ctx context.Context) error {
	what := "the default-deny of namespace failover"
	return await(ctx, what, 2*time.Minute, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		policy := &networkingv1.NetworkPolicy{}
		err := c.admin.Get(ctx, client.ObjectKey{Namespace: "failover", Name: contestedPolicy}, policy)
		return err == nil, client.IgnoreNotFound(err)
	})
}
