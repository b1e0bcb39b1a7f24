package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

const mebibyte = 1 << 20

// sevenObjects is a profile with seven objects in each namespace, beside the labels of the
// namespace itself.
func sevenObjects(batch string) *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: batch},
		Spec: v1alpha1.SecurityProfileSpec{
			NamespaceSelector: selecting(batch),
			PodSecurity:       &v1alpha1.PodSecurity{Enforce: "restricted", Version: "v1.37"},
			Network: &v1alpha1.Network{
				DefaultDeny: []networkingv1.PolicyType{
					"Ingress",
					"Egress",
				},
				AllowDNS:           &v1alpha1.AllowDNS{},
				AllowSameNamespace: &v1alpha1.AllowSameNamespace{},
			},
			Limits: []v1alpha1.LimitRangeItem{{
				Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{"cpu": resource.MustParse("100m")},
			}},
			Quotas: []v1alpha1.Quota{{
				Name: "compute", Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("50")}},
			}},
			RBAC: &v1alpha1.RBAC{Roles: []v1alpha1.Role{
				{
					Name: "developer",
					Rules: []v1alpha1.PolicyRule{
						{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}},
					},
					Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "developers"}},
				},
			}},
		},
	}
}

// scale measures restarts, memory and rest as the cluster grows.
func (b *bench) scale(ctx context.Context) (err error) {
	if err := b.closeShared(); err != nil {
		return err
	}
	c, err := b.startCluster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	profile := sevenObjects("scale")
	if objects := len(baseline.Render(profile, "any")); objects != 1+7 {
		return fmt.Errorf("the profile has %d objects, not 7 beside the Namespace", objects-1)
	}
	if err := c.admin.Create(ctx, profile); err != nil {
		return fmt.Errorf("creating profile %s: %w", profile.Name, err)
	}
	return c.scaleAll(ctx, &batch{name: profile.Name})
}

// scaleAll goes through the sizes, and lets the largest rest.
func (c *cluster) scaleAll(ctx context.Context, namespaces *batch) error {
	var restarted float64
	for i, size := range c.Scale {
		foreign := c.Foreign
		if i == 0 {
			foreign = 0
		}
		if err := c.growTo(ctx, namespaces, size); err != nil {
			return err
		}
		if _, err := c.memory("onboarding", size, foreign); err != nil {
			return err
		}
		var err error
		if i == 0 && c.Foreign > 0 {
			restarted, err = c.scaleWithForeign(ctx, namespaces)
		} else {
			restarted, err = c.scaleStep(ctx, size, c.Foreign, c.Restarts, size == c.Scale[len(c.Scale)-1])
		}
		if err != nil {
			return err
		}
	}
	size := len(namespaces.namespaces)
	rested, err := c.rest(ctx, size)
	if err != nil {
		return err
	}
	c.results.figure(judgeMemory(size, restarted, rested))
	return nil
}

// judgeMemory is the figure of the operator's memory at the largest size.
func judgeMemory(size int, restarted, rested float64) figure {
	larger := information(fmt.Sprintf("memory at %d", size), max(restarted, rested)/mebibyte, "MiB").must(atMost, 500, 250)
	if rested == 0 {
		return larger.because("after restart; there was no rest")
	}
	return larger.because("the larger of after restart and after rest")
}

// memory reads what the operator holds, and makes a figure of it for information.
func (c *cluster) memory(after string, size, foreign int) (resident float64, err error) {
	now, peak, err := c.operator.ResidentMemory()
	if err != nil {
		return 0, err
	}
	c.results.sample(fmt.Sprintf("Memory/namespaces=%d/foreign=%d/after=%s/by=operator", size, foreign, after),
		measure{float64(now), "resident-B"}, measure{float64(peak), "peak-B"})
	name := fmt.Sprintf("memory at %d, after %s", size, after)
	c.results.figure(information(name, float64(now)/mebibyte, "MiB").because(
		"peak %s MiB; with %d foreign objects", number(float64(peak)/mebibyte), foreignKinds*foreign))
	return float64(now), nil
}

// growTo creates the namespaces that are lacking, and waits until the operator has onboarded them
// and settled.
func (c *cluster) growTo(ctx context.Context, namespaces *batch, size int) error {
	c.say("  %d namespaces (usually %d s)", size, 10+(size-len(namespaces.namespaces))/25)
	if err := c.addTo(ctx, namespaces, size); err != nil {
		return err
	}
	if err := c.runOperator(ctx); err != nil {
		return err
	}
	if err := c.awaitInPlace(ctx, namespaces.name, size); err != nil {
		return err
	}
	if err := c.quiet(ctx); err != nil {
		return err
	}
	return pause(ctx, settle)
}

// scaleWithForeign is the first step: it is measured before and after the foreign objects are
// created, by more restarts than others, since one differs from the next by more than the foreign
// objects may change. It returns the resident memory after.
func (c *cluster) scaleWithForeign(ctx context.Context, namespaces *batch) (float64, error) {
	size, restarts := len(namespaces.namespaces), 2*c.Restarts+1
	before, err := c.scaleStep(ctx, size, 0, restarts, false)
	if err != nil {
		return 0, err
	}
	if err := c.addForeign(ctx, namespaces, c.Foreign); err != nil {
		return 0, err
	}
	after, err := c.scaleStep(ctx, size, c.Foreign, restarts, len(c.Scale) == 1)
	if err != nil {
		return 0, err
	}
	name := fmt.Sprintf("memory at %d, change by %d foreign objects", size, foreignKinds*c.Foreign)
	c.results.figure(
		figure{Name: name, Value: math.Max(0, (after-before)/before*100), Unit: "%"}.must(atMost, 5, 0).because(
			"%s MiB without; medians of %d restarts each", number(before/mebibyte), restarts),
	)
	return after, nil
}

// rest counts the operator's writes while nothing happens, and returns its resident memory
// thereafter; 0 if it is left out.
func (c *cluster) rest(ctx context.Context, size int) (resident float64, err error) {
	if c.Rest <= 0 {
		return 0, nil
	}
	c.say("  %s at rest with %d namespaces", c.Rest, size)
	if err := c.settled(ctx); err != nil {
		return 0, err
	}
	before, _, err := c.use()
	if err != nil {
		return 0, err
	}
	for left := c.Rest; left > 0; left -= time.Minute {
		if err := pause(ctx, min(left, time.Minute)); err != nil {
			return 0, err
		}
		c.say("  %s left", max(0, left-time.Minute))
	}
	after, _, err := c.use()
	if err != nil {
		return 0, err
	}
	writes, err := c.trail.Next()
	if err != nil {
		return 0, err
	}
	cpu := after.cpuSeconds - before.cpuSeconds
	count := float64(len(stored(writes)))
	c.results.sample(
		fmt.Sprintf("Rest/namespaces=%d", size),
		measure{count, "writes/op"},
		measure{cpu, "operator-cpu-sec/op"},
	)
	c.results.figure(
		figure{Name: fmt.Sprintf("writes in %s at rest with %d", c.Rest, size), Value: count}.must(atMost, 0, 0).because(
			"%s s of CPU", number(cpu)),
	)
	return c.memory("rest", size, c.Foreign)
}
