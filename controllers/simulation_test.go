package controllers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/policies"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/telling"
)

// simulation is a profile, a namespace and its report, and the two reconcilers of profiles.
// Whenever one of these calls the API server, anything else may happen first or afterwards: the
// other reconciles, somebody edits, the call fails, a watch delivers, time goes by.
type simulation struct {
	client.Client // calls that are interrupted
	t             *testing.T
	calm          client.Client // calls that are not
	r             *rand.Rand
	clock         *clocktesting.FakePassiveClock
	profiles      *simulated
	policies      *simulated
	edits         int // that are still to come
	faults        bool
	seen          client.Object // the profile, as the watches last heard of it
	reported      client.Object // the report, likewise
}

// simulated is one reconciler with its queue, of one profile, and what its watches have yet to
// deliver.
type simulated struct {
	reconcile.Reconciler
	undelivered []func()
	ready, busy bool
	next        time.Time // when it is ready without an event; zero for never
}

func (q *simulated) add() { q.ready, q.next = true, time.Time{} }

func (q *simulated) addAt(t time.Time) {
	if !q.ready && (q.next.IsZero() || t.Before(q.next)) {
		q.next = t
	}
}

func (q *simulated) deliver() {
	if len(q.undelivered) > 0 {
		first := q.undelivered[0]
		q.undelivered = q.undelivered[1:]
		first()
	}
}

func newSimulation(t *testing.T, seed uint64, change func(*v1alpha1.SecurityProfile)) *simulation {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &simulation{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), clock: clocktesting.NewFakePassiveClock(noon), edits: 5, faults: true,
		profiles: &simulated{}, policies: &simulated{},
	}
	calm := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.SecurityProfile{}).
		WithIndex(&v1alpha1.NamespacePosture{}, inventory.ByProfile, func(o client.Object) []string {
			return []string{o.(*v1alpha1.NamespacePosture).Profile}
		}).Build()
	s.calm, s.Client = calm, s.interrupted(calm)
	s.reconcilers()
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted", UID: "uid-1", Generation: 1}}
	change(profile)
	for _, o := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, profile} {
		if err := s.calm.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	s.tell()
	return s
}

func (s *simulation) reconcilers() {
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		s.t.Fatal(err)
	}
	o := Options{Clock: s.clock, Contest: contention.DefaultSettings()}
	keeper := policies.NewKeeper(policies.Options{
		Client: s, Live: s, Clock: s.clock, Contests: contention.New(o.Contest), Contest: o.Contest,
		Recheck: time.Minute, Interval: DefaultStatusInterval,
	})
	keeper.States.OnResult(func(string) { s.profiles.add() })
	s.policies.Reconciler = reconcile.Func((&AdmissionPolicyReconciler{
		Client: s, Clock: s.clock, keeper: keeper,
		teller: &telling.Policies{Events: events.NewTeller(nobodyRecords{}, s.clock), Metrics: recorded},
	}).Reconcile)
	s.profiles.Reconciler = reconcile.AsReconciler(s, &SecurityProfileReconciler{
		Client: s, Metrics: recorded, Clock: s.clock, policies: keeper, unreported: reports.NewUnreported(),
		joins:    posture.NewJoins(posture.DefaultJoinGrace),
		throttle: priority.NewThrottle(DefaultStatusInterval), remembered: priority.NewThrottle(DefaultStatusInterval),
	})
}

type nobodyRecords struct{}

func (nobodyRecords) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

// interrupted has anything happen before and after each call.
func (s *simulation) interrupted(calm client.WithWatch) client.Client {
	written := func(write func() error) error {
		s.meanwhile()
		if s.faults && s.r.IntN(10) == 0 {
			return apierrors.NewServiceUnavailable("busy")
		}
		err := write()
		s.tell()
		s.meanwhile()
		if err == nil && s.faults && s.r.IntN(20) == 0 {
			return apierrors.NewServiceUnavailable("the answer is lost")
		}
		return err
	}
	return interceptor.NewClient(calm, interceptor.Funcs{
		Get: func(
			ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption,
		) error {
			s.meanwhile()
			err := c.Get(ctx, key, o, options...)
			s.meanwhile()
			return err
		},
		List: func(
			ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption,
		) error {
			s.meanwhile()
			err := c.List(ctx, list, options...)
			s.meanwhile()
			return err
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return written(func() error { return c.Create(ctx, o, options...) })
		},
		Patch: func(
			ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, options ...client.PatchOption,
		) error {
			return written(func() error { return c.Patch(ctx, o, patch, options...) })
		},
		SubResourceUpdate: func(
			ctx context.Context, c client.Client, sub string, o client.Object,
			options ...client.SubResourceUpdateOption,
		) error {
			return written(func() error { return c.SubResource(sub).Update(ctx, o, options...) })
		},
	})
}

// meanwhile lets something happen, or nothing.
func (s *simulation) meanwhile() {
	for range s.r.IntN(3) {
		s.step()
	}
}

func (s *simulation) step() {
	switch s.r.IntN(8) {
	case 0:
		s.profiles.deliver()
	case 1:
		s.policies.deliver()
	case 2, 3:
		s.run(s.profiles)
	case 4, 5:
		s.run(s.policies)
	case 6:
		s.clock.SetTime(s.clock.Now().Add(time.Duration(s.r.IntN(600)) * time.Millisecond))
	case 7:
		if s.edits > 0 && s.r.IntN(3) == 0 {
			s.edits--
			s.edit(s.r.IntN(4))
		}
	}
}

// run reconciles what is in a queue, if the reconciler is not at it already.
func (s *simulation) run(q *simulated) {
	if !q.next.IsZero() && !q.next.After(s.clock.Now()) {
		q.add()
	}
	if q.busy || !q.ready {
		return
	}
	q.ready, q.busy = false, true
	result, err := q.Reconcile(s.t.Context(), requestFor("restricted"))
	q.busy = false
	switch {
	case err != nil:
		q.addAt(s.clock.Now().Add(retryMin))
	case result.RequeueAfter > 0:
		q.addAt(s.clock.Now().Add(result.RequeueAfter))
	}
}

// edit has somebody write the profile, or a reconciler of namespaces the report.
func (s *simulation) edit(what int) {
	profile := &v1alpha1.SecurityProfile{}
	if err := s.calm.Get(s.t.Context(), client.ObjectKey{Name: "restricted"}, profile); err != nil {
		s.t.Fatal(err)
	}
	switch what {
	case 0: // The report, as it is for the spec of now.
		s.report(profile)
		return
	case 1: // What the profile selects.
		profile.Spec.Priority++
		profile.Generation++
	case 2: // What it declares.
		if profile.Generation++; profile.EffectiveContest() == v1alpha1.ContestCorrect {
			profile.Spec.Contest = v1alpha1.ContestBackOff
		} else {
			profile.Spec.Contest = v1alpha1.ContestCorrect
		}
	case 3: // What does not matter, so that writes of others are overtaken.
		metav1.SetMetaDataAnnotation(&profile.ObjectMeta, "edited", fmt.Sprint(s.r.Uint64()))
	}
	if err := s.calm.Update(s.t.Context(), profile); err != nil {
		s.t.Fatal(err)
	}
	s.tell()
}

func (s *simulation) report(profile *v1alpha1.SecurityProfile) {
	report := &v1alpha1.NamespacePosture{}
	err := s.calm.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: v1alpha1.PostureName}, report)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	report.Namespace, report.Name = "shop", v1alpha1.PostureName
	report.Profile, report.ProfileGeneration = profile.Name, profile.Generation
	report.Enforcement = v1alpha1.EnforcementEnforce
	posture.SetReady(report, nil, true, s.clock.Now())
	write := func() error { return s.calm.Update(s.t.Context(), report) }
	if err != nil {
		write = func() error { return s.calm.Create(s.t.Context(), report) }
	}
	if err := write(); err != nil {
		s.t.Fatal(err)
	}
	s.tell()
}

// tell has the watches hear, some time, of what was written.
func (s *simulation) tell() {
	profile, report := &v1alpha1.SecurityProfile{}, &v1alpha1.NamespacePosture{}
	if s.calm.Get(s.t.Context(), client.ObjectKey{Name: "restricted"}, profile) == nil {
		s.hear(&s.seen, profile, governanceChanged())
	}
	key := client.ObjectKey{Namespace: "shop", Name: v1alpha1.PostureName}
	if s.calm.Get(s.t.Context(), key, report) == nil {
		s.hear(&s.reported, report, podRolloutChanged())
	}
}

// hear has both reconcilers hear of an object, if it has changed: the one of profiles always, the
// one of policies if the predicate lets that through.
func (s *simulation) hear(last *client.Object, now client.Object, policed predicate.Predicate) {
	before := *last
	if before != nil && before.GetResourceVersion() == now.GetResourceVersion() {
		return
	}
	*last = now
	s.profiles.undelivered = append(s.profiles.undelivered, s.profiles.add)
	if before == nil || policed.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: now}) {
		s.policies.undelivered = append(s.policies.undelivered, s.policies.add)
	}
}

// settle lets everything come to rest that is to happen within a time, without further edits and
// faults.
func (s *simulation) settle(within time.Duration) {
	s.edits, s.faults = 0, false
	for end := s.clock.Now().Add(within); ; {
		idle := true
		for _, q := range []*simulated{s.profiles, s.policies} {
			for len(q.undelivered) > 0 {
				q.deliver()
			}
			if q.ready || !q.next.IsZero() && !q.next.After(s.clock.Now()) {
				s.run(q)
				idle = false
			}
		}
		if !idle {
			continue
		}
		next := end
		for _, q := range []*simulated{s.profiles, s.policies} {
			if !q.next.IsZero() && q.next.Before(next) {
				next = q.next
			}
		}
		if next.Equal(end) {
			return
		}
		s.clock.SetTime(next)
	}
}
