package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// change edits the profile in a way that touches one object in each of its namespaces: a quota.
func (b *bench) change(ctx context.Context) error {
	c, s, err := b.atRest(ctx)
	if err != nil {
		return err
	}
	namespaces := len(s.namespaces)
	b.say("  changing a quota in %d namespaces (usually 10 s)", namespaces)
	began, err := c.editProfile(ctx, s.profile.Name, changeQuota)
	if err != nil {
		return err
	}
	if err := c.awaitInPlace(ctx, s.profile.Name, namespaces); err != nil {
		return err
	}
	o, err := c.roundOf(ctx, began)
	if err != nil {
		return err
	}
	perNamespace := float64(len(of(o.writes, baselineWrite))) / float64(namespaces)
	b.results.sample("Change/by=operator", measure{o.took.Seconds(), "sec/op"}, measure{perNamespace, "writes/namespace"})
	b.results.figure(
		figure{Name: "change of one object, writes", Value: perNamespace, Unit: "/namespace"}.must(exactly, 2, 2),
	)
	b.results.figure(
		information("change of one object, operator", o.took.Seconds(), "s").because("%d namespaces", namespaces),
	)
	if c.floor.spare == nil { // Without the scenario onboard, it has onboarded nothing.
		return nil
	}
	took, err := c.changeByFloor(ctx)
	if err != nil {
		return err
	}
	perFloor := took.Seconds() / float64(len(c.floor.spare.namespaces))
	b.results.sample("Change/by=floor", measure{took.Seconds(), "sec/op"})
	b.results.figure(
		information("change of one object, operator over floor", o.took.Seconds()/float64(namespaces)/perFloor, ""),
	)
	return nil
}

func changeQuota(spec *v1alpha1.SecurityProfileSpec) {
	for i := range spec.Quotas {
		if spec.Quotas[i].Name == "compute" {
			spec.Quotas[i].Spec.Hard[corev1.ResourcePods] = resource.MustParse("51")
		}
	}
}

// changeByFloor is how long the floor takes for the same writes, while no operator runs.
func (c *cluster) changeByFloor(ctx context.Context) (time.Duration, error) {
	c.stopOperator()
	namespaces := c.floor.spare.namespaces
	quotas, reports, err := c.changed(ctx, namespaces)
	if err != nil {
		return 0, err
	}
	if err := c.quiet(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	err = parallel(ctx, workers, len(namespaces), func(ctx context.Context, i int) error {
		if err := c.floor.update(ctx, quotas[i]); err != nil {
			return err
		}
		return c.floor.updateReport(ctx, namespaces[i], reports[i])
	})
	if err != nil {
		return 0, fmt.Errorf("changing a quota by the floor: %w", err)
	}
	return time.Since(began), nil
}

// changed are the quotas and the reports that the floor is to write.
func (c *cluster) changed(ctx context.Context, namespaces []string) ([]baseline.Object, [][]byte, error) {
	owner := c.floor.owner.DeepCopy()
	changeQuota(&owner.Spec)
	known, err := c.floor.reports(ctx)
	if err != nil {
		return nil, nil, err
	}
	quotas, reports := make([]baseline.Object, len(namespaces)), make([][]byte, len(namespaces))
	for i, namespace := range namespaces {
		for _, o := range render(owner, namespace) {
			if o.GetName() == v1alpha1.NamePrefix+"compute" {
				quotas[i] = o
			}
		}
		report := known[namespace]
		if report == nil || quotas[i] == nil {
			return nil, nil, errors.New("the floor has not onboarded namespace " + namespace)
		}
		report.Object["profileGeneration"] = 2
		if reports[i], err = json.Marshal(report); err != nil {
			return nil, nil, fmt.Errorf("changing a report: %w", err)
		}
	}
	return quotas, reports, nil
}
