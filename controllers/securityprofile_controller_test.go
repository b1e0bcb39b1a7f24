package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// oneReport is a cluster with a namespace that is reported on, and counts how often its reports are
// listed.
type oneReport struct {
	client.Client
	listed int
	err    error
}

func (c *oneReport) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if reports, ok := list.(*v1alpha1.NamespacePostureList); ok {
		c.listed++
		reports.Items = []v1alpha1.NamespacePosture{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}}
		return c.err
	}
	return nil
}

func (c *oneReport) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}

func (c *oneReport) Scheme() *runtime.Scheme { return scheme.Scheme }

func (c *oneReport) Status() client.SubResourceWriter { return written{} }

// written is the status of anything.
type written struct{ client.SubResourceWriter }

func (written) Update(context.Context, client.Object, ...client.SubResourceUpdateOption) error {
	return nil
}

func TestReportsAreListedOnceASecond(t *testing.T) {
	deleted := func(p *v1alpha1.SecurityProfile) { p.DeletionTimestamp = &metav1.Time{Time: noon} }
	tests := map[string]struct {
		change func(*v1alpha1.SecurityProfile)
		err    error
		steps  []looked
	}{
		"of a profile that stands": {steps: []looked{
			{0, 1, 0, false}, {0, 1, time.Second, false}, {900 * time.Millisecond, 1, 100 * time.Millisecond, false},
			{time.Second, 2, 0, false}, {time.Second, 2, time.Second, false},
		}},
		"of a profile that is deleted and not gone yet": {change: deleted, steps: []looked{
			{
				0,
				1,
				release.DeletionPatience,
				false,
			},
			{400 * time.Millisecond, 1, 600 * time.Millisecond, false},
			{time.Second, 2, release.DeletionPatience, false},
			{
				release.DeletionPatience,
				3,
				retryMax,
				false,
			},
			{release.DeletionPatience + 30*time.Second, 4, retryMax - 30*time.Second, false},
		}},
		"but a failure is an error each time, so that it backs off": {err: errors.New("refused"), steps: []looked{
			{0, 1, 0, true}, {100 * time.Millisecond, 2, 0, true},
		}},
		"and so is one to look what remains of a deleted profile": {
			change: deleted,
			err:    errors.New("refused"),
			steps: []looked{
				{0, 1, 0, true}, {100 * time.Millisecond, 2, 0, true},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cluster, now := &oneReport{err: tt.err}, clocktesting.NewFakePassiveClock(noon)
			metrics, err := metrics.New(prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			remains := &release.Profiles{Client: cluster, Contests: contention.New(contention.DefaultSettings()), Clock: now}
			r := &SecurityProfileReconciler{
				Client:  cluster,
				Metrics: metrics,
				Clock:   now,
				remains: remains,
				joins: posture.NewJoins(
					posture.DefaultJoinGrace,
				),
				throttle:   priority.NewThrottle(DefaultStatusInterval),
				remembered: priority.NewThrottle(0),
				policies:   noPolicies{},
				standstills: release.NewStandstills(
					func(context.Context) ([]string, error) { return nil, nil },
					remains.Left,
				),
				unreported: newUnreported(),
			}
			for i, s := range tt.steps {
				now.SetTime(noon.Add(s.after))
				profile := &v1alpha1.SecurityProfile{
					ObjectMeta: metav1.ObjectMeta{Name: "restricted", Finalizers: []string{v1alpha1.Finalizer}},
				}
				profile.Status.Selection = selection.Remember(profile)
				if tt.change != nil {
					tt.change(profile)
				}
				result, err := r.Reconcile(t.Context(), profile)
				got := looked{s.after, cluster.listed, result.RequeueAfter, err != nil}
				if got != s {
					t.Errorf("step %d: want %+v, got %+v", i, s, got)
				}
			}
		})
	}
}

// noPolicies are those of profiles that declare none.
type noPolicies struct{}

func (noPolicies) report(*v1alpha1.SecurityProfile) (*admission.Report, func()) {
	return &admission.Report{}, func() {}
}
func (noPolicies) relax(context.Context, *v1alpha1.SecurityProfile) error    { return nil }
func (noPolicies) withdraw(context.Context, *v1alpha1.SecurityProfile) error { return nil }

// looked is what a reconcile led to, some time after noon.
type looked struct {
	after  time.Duration
	listed int
	wait   time.Duration
	fails  bool
}
