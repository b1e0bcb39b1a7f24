package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/release"
)

// emptyCluster lists nothing, and answers each write of a status in turn; when there are no answers
// left it takes it.
type emptyCluster struct {
	client.Client
	scheme  *runtime.Scheme
	answers []error
	written []string // the reason of the condition Ready, or none
}

func (c *emptyCluster) Scheme() *runtime.Scheme { return c.scheme }

func (c *emptyCluster) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return nil
}

func (c *emptyCluster) Status() client.SubResourceWriter { return statusOf{emptyCluster: c} }

type statusOf struct {
	client.SubResourceWriter
	*emptyCluster
}

func (s statusOf) Update(_ context.Context, o client.Object, _ ...client.SubResourceUpdateOption) error {
	if len(s.answers) > 0 {
		answer := s.answers[0]
		s.answers = s.answers[1:]
		if answer != nil {
			return answer
		}
	}
	ready := meta.FindStatusCondition(o.(*v1alpha1.SecurityProfile).Status.Conditions, v1alpha1.ConditionReady)
	s.written = append(s.written, ready.Reason)
	return nil
}

func TestADeletionSaysForWantOfWhatItDoesNotEnd(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	forbidden := apierrors.NewForbidden(
		schema.GroupResource{Resource: "securityprofiles"},
		"strict",
		errors.New("not you"),
	)
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "securityprofiles"}, "strict", errors.New("too late"))
	lacks := []string{"list pods", "delete networkpolicies.networking.k8s.io"}
	type step struct {
		after   time.Duration // since the deletion
		missing []string
		refusal error
		wait    time.Duration
		fails   bool
	}
	for name, tt := range map[string]struct {
		answers []error
		steps   []step
		written []string
		stalled bool
	}{
		"nothing is asked in the first seconds": {steps: []step{{after: time.Second, missing: lacks, wait: release.DeletionPatience}}},
		"a refusal is asked about at once": {
			steps: []step{{after: 0, missing: lacks, refusal: forbidden, wait: release.PermissionsRecheck}}, written: []string{v1alpha1.ReasonPermissionsLost}, stalled: true,
		},
		"a refusal that is not for want of permissions backs off": {
			steps: []step{{refusal: forbidden, fails: true}, {after: time.Second, refusal: forbidden, wait: release.PermissionsRecheck - time.Second, fails: true}},
		},
		"it is told once, and asked about each minute": {
			steps: []step{
				{after: 6 * time.Second, missing: lacks, wait: release.PermissionsRecheck},
				{after: 36 * time.Second, missing: lacks, refusal: forbidden, wait: release.PermissionsRecheck - 30*time.Second},
				{after: 66 * time.Second, missing: lacks, wait: release.PermissionsRecheck},
			}, written: []string{v1alpha1.ReasonPermissionsLost}, stalled: true,
		},
		"it is taken back": {
			steps:   []step{{after: 6 * time.Second, missing: lacks, wait: release.PermissionsRecheck}, {after: 66 * time.Second, wait: retryMax}},
			written: []string{v1alpha1.ReasonPermissionsLost, v1alpha1.ReasonProgressing},
		},
		"it is no error that not even the status can be written": {
			answers: []error{forbidden}, steps: []step{{after: 6 * time.Second, missing: lacks, wait: release.PermissionsRecheck}}, stalled: true,
		},
		"a status that could not be written for another reason is written by the next try": {
			answers: []error{conflict}, steps: []step{
				{after: 6 * time.Second, missing: lacks, wait: release.PermissionsRecheck, fails: true}, {after: 7 * time.Second, missing: lacks, wait: release.PermissionsRecheck},
			}, written: []string{v1alpha1.ReasonPermissionsLost}, stalled: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			metrics, err := metrics.New(registry)
			if err != nil {
				t.Fatal(err)
			}
			var missing []string
			cluster, now := &emptyCluster{scheme: scheme, answers: tt.answers}, clocktesting.NewFakePassiveClock(noon)
			r := &SecurityProfileReconciler{
				Client:  cluster,
				Metrics: metrics,
				Clock:   now,
				standstills: release.NewStandstills(
					func(context.Context) ([]string, error) { return missing, nil },
					(&release.Profiles{Client: cluster}).Left,
				),
			}
			deletion := metav1.NewTime(noon)
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", DeletionTimestamp: &deletion}}
			for i, s := range tt.steps {
				now.SetTime(noon.Add(s.after))
				missing = s.missing
				read := profile.DeepCopy()
				wait, err := r.whyStill(t.Context(), read, s.refusal)
				if err == nil {
					profile = read
				}
				if wait != s.wait || err != nil != s.fails {
					t.Errorf("step %d: want to come back after %s, error %t; got %s, %v", i, s.wait, s.fails, wait, err)
				}
			}
			if diff := cmp.Diff(tt.written, cluster.written); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if stalled := isGathered(t, registry, "bulwark_deletion_stalled"); stalled != tt.stalled {
				t.Errorf("the metric says %t", stalled)
			}
		})
	}
}

// isGathered reports whether a registry has a metric of this name.
func isGathered(t *testing.T, registry *prometheus.Registry, name string) bool {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
}
