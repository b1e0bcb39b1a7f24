package rollout

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// refusedByQuota finds what a quota would refuse by what Kubernetes counted for the one in place,
// and returns a check of what it has not counted; nil if there is nothing left to check.
func (g *Gate) refusedByQuota(
	ctx context.Context, c *candidate, limitsOf func() (*tightening.LimitCheck, error), now time.Time,
) (tightening.PodCheck, error) {
	want := c.Want.(*corev1.ResourceQuota)
	uncounted, err := g.refusedByCount(ctx, c, want)
	if err != nil || len(uncounted) == 0 || scoped(want) {
		return nil, err
	}
	limits, err := limitsOf()
	if err != nil {
		return nil, err
	}
	return tightening.NewQuotaCheck(uncounted, limits, now), nil
}

// refusedByCount compares a quota with what Kubernetes counted for the one in place, and returns
// the part of it of which Kubernetes has counted nothing.
func (g *Gate) refusedByCount(
	ctx context.Context, c *candidate, want *corev1.ResourceQuota,
) (uncounted corev1.ResourceList, err error) {
	before, ok := c.before.(*corev1.ResourceQuota)
	if !ok || !sameScopes(want, before) {
		return want.Spec.Hard, nil
	}
	var live corev1.ResourceQuota
	err = g.live.Get(ctx, client.ObjectKeyFromObject(want), &live)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the usage of %s: %w", baseline.Describe(want), err)
	}
	c.refused = tightening.RefusedByQuota(want.Spec.Hard, before.Spec.Hard, live.Status.Used)
	return tightening.Uncounted(want.Spec.Hard, before.Spec.Hard, live.Status.Used), nil
}

// scoped reports whether a quota counts some pods only. Then only Kubernetes itself can tell what
// it counts, once it is there.
func scoped(quota *corev1.ResourceQuota) bool {
	return len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil
}

func sameScopes(a, b *corev1.ResourceQuota) bool {
	return equality.Semantic.DeepEqual(a.Spec.Scopes, b.Spec.Scopes) &&
		equality.Semantic.DeepEqual(a.Spec.ScopeSelector, b.Spec.ScopeSelector)
}
