package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/priority"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

func TestAPassIsDeferredOnlyWhileARewritingCanWait(t *testing.T) {
	inForce := inForceResult(2).Condition
	for sentence, tc := range map[string]struct {
		awaits bool
		pass   policyPass
		want   bool
	}{
		"others have gone, and a release is awaited":  {true, policyPass{changes: true, said: inForce}, true},
		"no release is awaited":                       {false, policyPass{changes: true, said: inForce}, false},
		"nothing would be rewritten":                  {true, policyPass{steady: true, said: inForce}, false},
		"nothing is known after a restart":            {true, policyPass{said: inForce}, false},
		"the generation has not been looked at":       {true, policyPass{changes: true}, false},
		"what is declared could not be put in force":  {true, policyPass{changes: true, said: metav1.Condition{Type: v1alpha1.ConditionAdmission, Reason: v1alpha1.ReasonFailed}}, false},
		"the rules for pods wait for reports already": {true, policyPass{changes: true, said: metav1.Condition{Type: v1alpha1.ConditionAdmission, Reason: v1alpha1.ReasonLooking}}, false},
	} {
		if got := tc.pass.defers(tc.awaits); got != tc.want {
			t.Errorf("%s: deferred is %t", sentence, got)
		}
	}
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
		"it selects more":   {change: func(p *v1alpha1.SecurityProfile) { selectsTier("b")(p) }, left: true},
		"the CRD is old":    {change: func(p *v1alpha1.SecurityProfile) { p.Status.Selection = nil }},
		"it declares other": {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Workloads.RunAsNonRoot = "" }},
	} {
		t.Run(sentence, func(t *testing.T) {
			states, told := heard()
			profile, _ := aPolicedProfile()
			profile.Finalizers = []string{v1alpha1.Finalizer}
			profile.Status.Selection = selection.Remember(profile)
			if tc.change != nil {
				tc.change(profile)
			}
			shelf := &profileShelf{profile: profile}
			if tc.gone {
				shelf.profile = nil
			}
			states.state("restricted")
			got, err := (&AdmissionPolicyReconciler{Client: shelf, states: states}).readProfile(
				t.Context(),
				requestFor("restricted"),
			)
			if err != nil {
				t.Fatal(err)
			}
			if left, forgot := got == nil, states.of["restricted"] == nil; left != tc.left || *told != tc.told ||
				forgot != tc.forgot {
				t.Errorf("left to others: %t, told %d times, forgotten: %t", left, *told, forgot)
			}
		})
	}
}

// slowShelf says in which order its objects were listed and something else happened.
type slowShelf struct {
	shelf
	happened chan string
}

func (s *slowShelf) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	s.happened <- "removal"
	return s.shelf.List(ctx, list, options...)
}

// Else a pass that read the profile before it was deleted could make policies after they were
// removed.
func TestARemovalWaitsForThePassUnderWay(t *testing.T) {
	for sentence, remove := range map[string]func(*AdmissionPolicyReconciler, context.Context, *v1alpha1.SecurityProfile) error{
		"of what judges": (*AdmissionPolicyReconciler).relax,
		"of all":         (*AdmissionPolicyReconciler).withdraw,
	} {
		t.Run(sentence, func(t *testing.T) {
			profile, _ := aPolicedProfile()
			s := &slowShelf{happened: make(chan string, 100)}
			reader := &policyReader{client: s, live: s, unlabelled: newUnlabelled()}
			r := &AdmissionPolicyReconciler{
				states:      newProfileStates(),
				policies:    reader,
				corrections: newPolicyCorrections(reader, nil, Options{}),
			}
			unlock := r.states.lock(profile.Name)
			r.states.state(profile.Name)
			removed := make(chan error)
			go func() { removed <- remove(r, t.Context(), profile) }()
			s.happened <- "pass"
			unlock()
			if err := <-removed; err != nil {
				t.Fatal(err)
			}
			if first := <-s.happened; first != "pass" {
				t.Errorf("first was the %s", first)
			}
		})
	}
}

func TestWhatIsKnownOfAProfileGoesWithItsPolicies(t *testing.T) {
	profile, _ := aPolicedProfile()
	ours := policyKindNamed("workloads", map[string]string{v1alpha1.ProfileLabel: profile.Name})
	s := &shelf{objects: []baseline.Object{ours}}
	reader := &policyReader{client: s, live: s, unlabelled: newUnlabelled()}
	r := &AdmissionPolicyReconciler{
		states:      newProfileStates(),
		policies:    reader,
		corrections: newPolicyCorrections(reader, nil, Options{}),
	}
	r.states.state(profile.Name)
	r.states.publish(profile, inForceResult(2))
	if err := r.withdraw(t.Context(), profile); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(0, len(r.states.of)); diff != "" || len(s.deleted) != 1 {
		t.Errorf("%d policies were deleted, remembered (-want +got): %s", len(s.deleted), diff)
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
		policies:   &AdmissionPolicyReconciler{states: states},
		unreported: newUnreported(),
	}
	looking := func(pending int) func() {
		return func() {
			states.state(profile.Name)
			states.publish(profile, (&admission.Pass{Desired: 2, Pending: pending}).Result())
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
