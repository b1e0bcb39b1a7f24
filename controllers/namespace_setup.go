package controllers

import (
	"context"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/apiresources/discover"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/uncached"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/correction/quotaroom"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/findings/gather"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
	"github.com/bulwark-dev/bulwark/internal/rollout"
)

func setupNamespaces(s *shared) error {
	leftOut := uncached.NewReader(s.live, s.Informers)
	scanner := &podscan.Scanner{Client: s.cached, Live: s.live, Rules: podscan.NewRules()}
	r := &NamespaceReconciler{
		Client: s.cached, Clock: s.Clock, Protected: s.Protected,
		arrivals: priority.NewArrivals(s.mgr.Elected()),
		reports:  s.Reports, posts: s.posts, unreported: s.unreported, withheld: reportmemory.NewWithheld(),
		objects: &inventory.Objects{Cached: s.cached, Live: s.live, Uncached: leftOut},
		gate:    rollout.NewGate(s.live, scanner),
		counts:  &quotaroom.Counts{Patience: counting.NewPatience(), Room: s.room, Clock: s.Clock},
		gatherer: &gather.Gatherer{
			Live: s.live, Uncached: leftOut, Scanner: scanner, Scans: podscan.NewSchedule(s.RecheckInterval),
			Clock: s.Clock, Recheck: s.RecheckInterval,
		},
		teller: s.teller,
	}
	r.releases = &release.Namespaces{
		Client: s.cached, Live: s.live, Objects: r.objects, Writer: correction.Writer{Client: s.cached, Live: s.live},
		Reports: s.posts, Clock: s.Clock, Protected: s.Protected, Contests: s.contests,
		Departures: release.NewDepartures(s.RemovalDelay), Deferred: contention.NewDeferredRemovals(),
	}
	resources, err := discover.New(s.mgr, s.Clock)
	if err != nil {
		return err
	}
	heard := &namespaceEvents{cached: s.cached, clock: s.Clock, protected: s.Protected, arrivals: r.arrivals}
	if err := watchUnmanaged(s, r.gatherer, heard); err != nil {
		return err
	}
	r.corrections = newCorrections(s, r.objects, r.gatherer.ClusterRoles, resources)
	return r.setup(s, heard)
}

// newCorrections makes the engine that ends the drift of namespaces.
func newCorrections(
	s *shared, objects *inventory.Objects, clusterRoles *watch.ClusterRoles, resources *discover.Resources,
) *correction.Engine {
	return &correction.Engine{
		Writer: correction.Writer{Client: s.cached, Live: s.live}, Room: s.room,
		Clock: s.Clock, Contests: s.contests,
		Mutations: contention.NewRetries(s.Contest), PutBack: contention.NewRetries(s.Contest),
		Writes: priority.NewWriteLimiter(s.Concurrency),
		Read: func(ctx context.Context, want baseline.Object) (baseline.Object, error) {
			return objects.Read(ctx, want, true)
		},
		CheckBinding: clusterRoles.CheckBinding,
		Hint:         resources.Hint,
	}
}

// watchUnmanaged lets the controller judge the ClusterRoles that profiles bind, and look for what
// weakens baselines.
func watchUnmanaged(s *shared, gatherer *gather.Gatherer, heard *namespaceEvents) error {
	watching, err := watch.NewClient(s.mgr)
	if err != nil {
		return err
	}
	gatherer.ClusterRoles = watch.NewClusterRoles(watching, s.Clock, s.MayBind, heard.namespacesUsing)
	if !s.Findings {
		return nil
	}
	facts, err := watch.NewUnmanaged(watching, gatherer.ClusterRoles, findings.GetOpensStreams(s.ServerVersion))
	gatherer.Facts, heard.facts = facts, facts
	return err
}

func (r *NamespaceReconciler) setup(s *shared, heard *namespaceEvents) error {
	b := builder.ControllerManagedBy(s.mgr).
		Named("namespace").
		For(&corev1.Namespace{}, builder.WithPredicates(labelsOrDeletionChanged())).
		Watches(&v1alpha1.SecurityProfile{}, heard.enqueueGoverned(), builder.WithPredicates(governanceChanged())).
		Watches(&v1alpha1.NamespacePosture{}, handler.WithLowPriorityWhenUnchanged(heard.enqueueNamespace())).
		WithOptions(overtakingOptions(s.Concurrency, func(q *priority.Queue) { r.queue = q }))
	for i := range baseline.NamespacedKinds {
		kind := &baseline.NamespacedKinds[i]
		b = b.Watches(kind.New(), handler.WithLowPriorityWhenUnchanged(heard.enqueueNamespace()),
			builder.WithPredicates(contentChanged(kind)))
	}
	b = b.WatchesRawSource(r.gatherer.ClusterRoles)
	if r.gatherer.Facts != nil {
		b = b.WatchesRawSource(r.gatherer.Facts)
	}
	return b.Complete(clusteraccess.RequeueIfCacheBehind(reconcile.Func(r.reconcileNamed), retryMax))
}

// overtakingOptions are for so many workers that may be busy with a roll-out, and those that are
// left for what overtakes it. The queue is made known before a worker has been given anything.
func overtakingOptions(concurrency int, made func(*priority.Queue)) controller.Options {
	o := options(concurrency + max(1, concurrency/4))
	o.NewQueue = func(
		name string, limiter workqueue.TypedRateLimiter[reconcile.Request],
	) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		// A burst of requests takes memory, which the queue gives back to the machine.
		queue := priority.NewQueue(name, limiter, concurrency, debug.FreeOSMemory)
		made(queue)
		return queue
	}
	return o
}
