package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// weakObjects is how many objects weaken the baseline of each namespace, when there are any.
const weakObjects = 3

// findings measures what it costs to look for what weakens baselines: by restarts with it switched
// off, with nothing to be found, and with something to be found in every namespace.
func (b *bench) findings(ctx context.Context) error {
	c, s, err := b.atRest(ctx)
	if err != nil {
		return err
	}
	if err := c.openUp(ctx, s); err != nil {
		return err
	}
	off, err := c.findingsStep(ctx, "off", "--findings=false")
	if err != nil {
		return err
	}
	none, err := c.findingsStep(ctx, "none")
	if err != nil {
		return err
	}
	if err := c.weaken(ctx, s.namespaces); err != nil {
		return err
	}
	found, err := c.findingsStep(ctx, "found")
	if err != nil {
		return err
	}
	namespaces := float64(len(s.namespaces))
	c.results.figure(
		information("findings, memory with nothing found", (none.resident-off.resident)/mebibyte, "MiB").because(
			"%s MiB and %s calls without; %s and %s with", number(off.resident/mebibyte), number(off.calls), number(none.resident/mebibyte), number(none.calls)),
	)
	c.results.figure(
		information("findings, memory for each of them", (found.resident-none.resident)/namespaces/weakObjects, "B").because(
			"%d in each of %s namespaces, reports and cache included", weakObjects, number(namespaces)),
	)
	c.results.figure(information("findings, calls of a restart", none.calls-off.calls, "").because(
		"more than without; %s with %d found in each namespace", number(found.calls-off.calls), weakObjects))
	written := found.writes + none.writes + off.writes
	c.results.figure(
		figure{
			Name:  "findings, writes in restarts",
			Value: written,
		}.must(atMost, 0, 0).
			because("in %d restarts", 3*c.Restarts),
	)
	return nil
}

// openUp lets tenants add NetworkPolicies that weaken the baseline, which the API server would
// refuse else.
func (c *cluster) openUp(ctx context.Context, s *standing) error {
	_, err := c.editProfile(ctx, s.profile.Name, func(spec *v1alpha1.SecurityProfileSpec) {
		spec.Network.TenantPolicies = v1alpha1.TenantPoliciesAllow
	})
	if err != nil {
		return err
	}
	if err := c.awaitInPlace(ctx, s.profile.Name, len(s.namespaces)); err != nil {
		return err
	}
	return c.settled(ctx)
}

// findingsStep restarts the operator several times, and is what is usual of that. The writes are
// those of all.
func (c *cluster) findingsStep(ctx context.Context, found string, args ...string) (restart, error) {
	var residents, calls []float64
	var usual restart
	for i := range c.Restarts {
		r, err := c.restart(ctx, args...)
		if err != nil {
			return restart{}, err
		}
		c.say("  restart %d of %d, findings %s: verified in %s s, %s MiB, %s calls",
			i+1, c.Restarts, found, number(r.verified), number(r.resident/mebibyte), number(r.calls))
		c.results.sample(fmt.Sprintf("Findings/namespaces=%d/found=%s/by=operator", c.Namespaces, found),
			measure{r.verified, "verified-sec/op"}, measure{r.resident, "resident-B"}, measure{r.calls, "calls/op"},
			measure{r.cpu, "operator-cpu-sec/op"}, measure{r.writes, "writes/op"})
		residents, calls = append(residents, r.resident), append(calls, r.calls)
		usual.writes += r.writes
	}
	usual.resident, usual.calls = median(residents), median(calls)
	return usual, nil
}

// weaken makes three objects of other makers in each namespace that weaken its baseline, and waits
// until all are found.
func (c *cluster) weaken(ctx context.Context, namespaces []string) error {
	c.say("  weakening %d namespaces (usually %d s)", len(namespaces), len(namespaces)/50+5)
	err := parallel(ctx, workers, len(namespaces), func(ctx context.Context, i int) error {
		meta := metav1.ObjectMeta{Namespace: namespaces[i], Name: "weak"}
		for _, o := range []client.Object{
			openPolicy(meta.Namespace, meta.Name),
			&rbacv1.RoleBinding{
				ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "outsiders"}},
			},
			&corev1.ServiceAccount{ObjectMeta: meta},
		} {
			if err := c.admin.Create(ctx, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("weakening namespaces: %w", err)
	}
	return c.awaitFindings(ctx, namespaces)
}

func (c *cluster) awaitFindings(ctx context.Context, namespaces []string) error {
	p := c.progress()
	what := fmt.Sprintf("findings in %d namespaces (the operator's log: %s)", len(namespaces), c.operator.Log)
	err := await(ctx, what, 10*time.Minute, time.Second, func(ctx context.Context) (bool, error) {
		var reports v1alpha1.NamespacePostureList
		if err := c.admin.List(ctx, &reports); err != nil {
			return false, err
		}
		whole := 0
		for i := range reports.Items {
			if len(reports.Items[i].Findings) >= weakObjects {
				whole++
			}
		}
		p.at("%d of %d namespaces are found to be weakened", whole, len(namespaces))
		return whole >= len(namespaces), nil
	})
	if err != nil {
		return err
	}
	return c.quiet(ctx)
}
