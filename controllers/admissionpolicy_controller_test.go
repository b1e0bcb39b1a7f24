package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/policies"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// heard are states, and how often the reconciler of profiles was told.
func heard() (*policies.States, *int) {
	told, states := 0, policies.NewStates()
	states.OnResult(func(string) { told++ })
	return states, &told
}

// aPolicedProfile declares one rule of admission.
func aPolicedProfile() *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: "restricted", Generation: 3},
		Spec:       v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{RunAsNonRoot: v1alpha1.RequirementRequire}},
	}
}

func selectsTierB(p *v1alpha1.SecurityProfile) {
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "b"}
}

// profileShelf holds at most one profile.
type profileShelf struct {
	client.Client
	profile *v1alpha1.SecurityProfile
}

func (s *profileShelf) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if s.profile == nil {
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("securityprofiles").GroupResource(), "restricted")
	}
	s.profile.DeepCopyInto(into.(*v1alpha1.SecurityProfile))
	return nil
}

func TestPoliciesAreMadeForAProfileThatIsHeldAndRemembered(t *testing.T) {
	for sentence, tc := range map[string]struct {
		change func(*v1alpha1.SecurityProfile)
		gone   bool
		left   bool // to others
		told   int
		forgot bool
	}{
		"it is":             {},
		"it is gone":        {gone: true, left: true, forgot: true},
		"it is not held":    {change: func(p *v1alpha1.SecurityProfile) { p.Finalizers = nil }, left: true},
		"it is deleted":     {change: func(p *v1alpha1.SecurityProfile) { p.DeletionTimestamp = &metav1.Time{Time: noon} }, left: true, told: 1},
		"it selects more":   {change: selectsTierB, left: true},
		"the CRD is old":    {change: func(p *v1alpha1.SecurityProfile) { p.Status.Selection = nil }},
		"it declares other": {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Workloads.RunAsNonRoot = "" }},
	} {
		t.Run(sentence, func(t *testing.T) {
			states, told := heard()
			profile := aPolicedProfile()
			profile.Finalizers = []string{v1alpha1.Finalizer}
			profile.Status.Selection = selection.Remember(profile)
			if tc.change != nil {
				tc.change(profile)
			}
			shelf := &profileShelf{profile: profile}
			if tc.gone {
				shelf.profile = nil
			}
			states.Publish(profile, (&admission.Pass{Desired: 2}).Result())
			*told = 0
			r := &AdmissionPolicyReconciler{Client: shelf, keeper: &policies.Keeper{States: states}}
			got, err := r.readProfile(t.Context(), requestFor("restricted"))
			if err != nil {
				t.Fatal(err)
			}
			report, _ := states.Report(profile)
			left, forgot := got == nil, report == nil
			if left != tc.left || *told != tc.told || forgot != tc.forgot {
				t.Errorf("left to others: %t, told %d times, forgotten: %t", left, *told, forgot)
			}
		})
	}
}

// reportedCluster is one namespace with a report, and counts how often a status is written.
type reportedCluster struct {
	oneReport
	profile *v1alpha1.SecurityProfile
	report  v1alpha1.NamespacePosture
	writes  int
}

func (c *reportedCluster) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.SecurityProfileList:
		list.Items = []v1alpha1.SecurityProfile{*c.profile}
	case *corev1.NamespaceList:
		list.Items = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}
	case *v1alpha1.NamespacePostureList:
		list.Items = []v1alpha1.NamespacePosture{c.report}
	}
	return nil
}

func (c *reportedCluster) Status() client.SubResourceWriter { return countedWrites{writes: &c.writes} }

type countedWrites struct {
	client.SubResourceWriter
	writes *int
}

func (w countedWrites) Update(context.Context, client.Object, ...client.SubResourceUpdateOption) error {
	*w.writes++
	return nil
}

// Else a status would say Ready of a generation whose policies are not in force.
func TestNoStatusIsWrittenBeforeThePoliciesOfItsGenerationHaveBeenLookedAt(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{
		Name: "restricted", Generation: 3, Finalizers: []string{v1alpha1.Finalizer},
	}}
	profile.Spec.Rollout = v1alpha1.RolloutWhenSafe
	profile.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
	profile.Status.Selection = selection.Remember(profile)
	report := v1alpha1.NamespacePosture{
		ObjectMeta:        metav1.ObjectMeta{Namespace: "shop"},
		Profile:           "restricted",
		ProfileGeneration: 3,
		Enforcement:       v1alpha1.EnforcementEnforce,
		Status:            posturetest.Readiness(true),
	}
	cluster := &reportedCluster{profile: profile, report: report}
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	states, told := heard()
	now := clocktesting.NewFakePassiveClock(noon)
	r := &SecurityProfileReconciler{
		Client:     cluster,
		Metrics:    recorded,
		Clock:      now,
		throttle:   priority.NewThrottle(0),
		remembered: priority.NewThrottle(0),
		joins: posture.NewJoins(
			posture.DefaultJoinGrace,
		),
		policies:   &policies.Keeper{States: states},
		unreported: reports.NewUnreported(),
	}
	looking := func(pending int) func() {
		return func() {
			states.Publish(profile, (&admission.Pass{Desired: 2, Pending: pending}).Result())
		}
	}
	for _, step := range []struct {
		what         string
		do           func()
		writes, told int // so far
	}{
		{"nothing has been looked at", func() {}, 0, 0},
		{"the rules for pods wait for a report", func() { cluster.report.ProfileGeneration = 2; looking(1)() }, 1, 1},
		{"the report is there, and they still wait", func() { cluster.report.ProfileGeneration = 3 }, 1, 1},
		{"they are in force", looking(0), 2, 2},
		{"the spec changes", func() { profile.Generation = 4 }, 2, 2},
	} {
		step.do()
		now.SetTime(now.Now().Add(time.Minute))
		if _, err := r.Reconcile(t.Context(), profile.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		if cluster.writes != step.writes || *told != step.told {
			t.Errorf("%s: %d statuses were written, and the profile was requeued %d times", step.what, cluster.writes, *told)
		}
	}
}
