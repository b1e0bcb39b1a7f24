package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
)

func setupProfiles(s *shared) error {
	remains := &release.Profiles{Client: s.cached, Contests: s.contests, Clock: s.Clock, Protected: s.Protected}
	r := &SecurityProfileReconciler{
		Client: s.cached, Metrics: s.metrics, Clock: s.Clock, Protected: s.Protected,
		policies: s.keeper, joins: posture.NewJoins(s.JoinGrace), unreported: s.unreported, remains: remains,
		standstills: release.NewStandstills(s.MissingPermissions, remains.Left),
		throttle:    priority.NewThrottle(s.StatusInterval), remembered: priority.NewThrottle(s.StatusInterval),
	}
	if s.OpenReports {
		var err error
		if r.publication, err = newPublication(s); err != nil {
			return fmt.Errorf("setting up the publication of reports: %w", err)
		}
	}
	all := enqueueAllProfiles(s.cached, s.StatusInterval)
	b := builder.ControllerManagedBy(s.mgr).
		Named("securityprofile").
		For(&v1alpha1.SecurityProfile{}).
		Watches(&v1alpha1.SecurityProfile{}, all, builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.NamespacePosture{}, enqueueReported()).
		Watches(&corev1.Namespace{}, r.enqueueSelecting(), builder.WithPredicates(labelsOrDeletionChanged())).
		WithOptions(options(1))
	for i := range baseline.NamespacedKinds {
		b = b.Watches(baseline.NamespacedKinds[i].New(), r.enqueueLabelled())
	}
	b = b.WatchesRawSource(source.Func(func(_ context.Context, q queue) error {
		s.keeper.States.OnResult(func(profile string) { q.Add(requestFor(profile)) })
		return nil
	}))
	b = b.WatchesRawSource(source.Channel(r.unreported.Changed(), all))
	if r.publication != nil {
		b = b.WatchesRawSource(source.Channel(r.publication.Changed(), all))
	}
	return b.Complete(clusteraccess.RequeueIfCacheBehind(reconcile.AsReconciler(r.Client, r), retryMax))
}
