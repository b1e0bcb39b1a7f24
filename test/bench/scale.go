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

// sevenObjects is a profile with seven objects in each namespace, beside the labels of the namespace itself.
func sevenObjects(batch string) *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: batch},
		Spec: v1alpha1.SecurityProfileSpec{
			NamespaceSelector: selecting(batch),
			PodSecurity:       &v1alpha1.PodSecurity{Enforce: "restricted", Version: "v1.37"},
			Network: &v1alpha1.Network{
				DefaultDeny: []networkingv1.PolicyType{"Ingress", "Egress"}, AllowDNS: &v1alpha1.AllowDNS{}, AllowSameNamespace: true,
			},
			Limits: []v1alpha1.LimitRangeItem{{
				Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{"cpu": resource.MustParse("100m")},
			}},
			Quotas: []v1alpha1.Quota{{
				Name: "compute", Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("50")}},
			}},
			RBAC: &v1alpha1.RBAC{Roles: []v1alpha1.Role{{
				Name:     "developer",
				Rules:    []v1alpha1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}}},
				Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "developers"}},
			}}},
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
	namespaces := &batch{name: profile.Name}
	for i, size := range b.Scale {
		if err := c.growTo(ctx, namespaces, size); err != nil {
			return err
		}
		if i == 0 && b.Foreign > 0 {
			err = c.scaleWithForeign(ctx, namespaces)
		} else {
			_, err = c.scaleStep(ctx, size, b.Foreign, size == b.Scale[len(b.Scale)-1])
		}
		if err != nil {
			return err
		}
	}
	return c.rest(ctx, len(namespaces.namespaces))
}

// growTo creates the namespaces that are lacking, and waits until the operator has onboarded them.
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
	return c.quiet(ctx)
}

// scaleWithForeign is the first step: it is measured before and after the foreign objects are created.
func (c *cluster) scaleWithForeign(ctx context.Context, namespaces *batch) error {
	size := len(namespaces.namespaces)
	before, err := c.scaleStep(ctx, size, 0, false)
	if err != nil {
		return err
	}
	if err := c.addForeign(ctx, namespaces, c.Foreign); err != nil {
		return err
	}
	after, err := c.scaleStep(ctx, size, c.Foreign, len(c.Scale) == 1)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("memory at %d, change by %d foreign objects", size, 3*c.Foreign)
	c.results.figure(figure{Name: name, Value: math.Max(0, (after-before)/before*100), Unit: "%"}.must(atMost, 5, 0).because(
		"%s MiB without", number(before/mebibyte)))
	return nil
}

// rest counts the operator's writes while nothing happens.
func (c *cluster) rest(ctx context.Context, size int) error {
	if c.Rest <= 0 {
		return nil
	}
	c.say("  %s at rest with %d namespaces", c.Rest, size)
	if err := c.settled(ctx); err != nil {
		return err
	}
	before, _, err := c.use()
	if err != nil {
		return err
	}
	for left := c.Rest; left > 0; left -= time.Minute {
		if err := pause(ctx, min(left, time.Minute)); err != nil {
			return err
		}
		c.say("  %s left", max(0, left-time.Minute))
	}
	after, _, err := c.use()
	if err != nil {
		return err
	}
	writes, err := c.trail.Next()
	if err != nil {
		return err
	}
	cpu := after.cpuSeconds - before.cpuSeconds
	count := float64(len(stored(writes)))
	c.results.sample(fmt.Sprintf("Rest/namespaces=%d", size), measure{count, "writes/op"}, measure{cpu, "operator-cpu-sec/op"})
	c.results.figure(figure{Name: fmt.Sprintf("writes in %s at rest with %d", c.Rest, size), Value: count}.must(atMost, 0, 0).because(
		"%s s of CPU", number(cpu)))
	return nil
}
