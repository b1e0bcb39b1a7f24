package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/openreports/publish"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

func setupProfiles(s *shared) error {
	remains := &release.Profiles{Client: s.cached, Contests: s.contests, Clock: s.Clock, Protected: s.Protected}
	r := &SecurityProfileReconciler{
		Client: s.cached, Metrics: s.metrics, Clock: s.Clock, Protected: s.Protected,
		policies: s.keeper, events: s.events, unreported: s.unreported, remains: remains,
		joins:       posture.NewJoins(s.JoinGrace),
		standstills: release.NewStandstills(s.MissingPermissions, remains.Left),
		toldInvalid: priority.NewThrottle(retellInvalid),
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

// reportConcurrency is how many Reports are written at a time. None of them delays a correction.
const reportConcurrency = 4

// newPublication adds the publication of reports to the manager, on the replica that leads.
func newPublication(s *shared) (*publish.Publication, error) {
	return publish.Add(&publish.Controller{
		Manager: s.mgr, Recheck: s.RecheckInterval,
		Options: func() controller.Options { return options(reportConcurrency) },
		Room: func(
			ctx context.Context, report *v1alpha1.NamespacePosture, object v1alpha1.ObjectReference, write func() error,
		) error {
			p, notices, err := s.posts.WriteBeside(ctx, report, object, write)
			s.teller.TellBoth(p, notices)
			return err
		},
	})
}

// enqueueLabelled enqueues the profile that a managed object names by its label:
//
//  1. when the object is deleted or gets another profile's label, for which the profile may wait;
//  2. when the object is created in a protected namespace, where the profile counts it.
func (r *SecurityProfileReconciler) enqueueLabelled() handler.EventHandler {
	enqueue := func(o client.Object, q queue) { q.Add(requestFor(profileOf(o))) }
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			if selection.New(nil, r.Protected).Protects(e.Object.GetNamespace()) {
				enqueue(e.Object, q)
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			goes := e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
			if goes || profileOf(e.ObjectOld) != profileOf(e.ObjectNew) {
				enqueue(e.ObjectOld, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

// enqueueSelecting is for events on a namespace, which concern the profiles that select it, before
// or after, and the one whose name it bears. The others' sums are the same as before.
func (r *SecurityProfileReconciler) enqueueSelecting() handler.EventHandler {
	return onEvent(func(ctx context.Context, q queue, states ...client.Object) {
		selector, err := inventory.Selector(ctx, r.Client, r.Protected)
		if err != nil { // It is a read of memory, and fails only when the operator is stopping.
			logf.FromContext(ctx).Error(err, "Finding the profiles that select a namespace", "namespace", states[0].GetName())
			return
		}
		for _, ns := range states {
			for _, profile := range selector.Selects(ns) {
				q.Add(requestFor(profile.Name))
			}
			if profile, labelled := ns.GetLabels()[v1alpha1.ProfileLabel]; labelled {
				q.Add(requestFor(profile))
			}
		}
	})
}
