package controllers

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// aPolicedProfile declares one rule of admission, and its policies.
func aPolicedProfile() (*v1alpha1.SecurityProfile, []baseline.Object) {
	profile := &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: "restricted", Generation: 3},
		Spec:       v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{RunAsNonRoot: v1alpha1.RequirementRequire}},
	}
	return profile, admission.Objects(admission.Render(profile, admission.Cluster{}))
}

func policyOutcome(state v1alpha1.DriftState, err error) drift.Outcome {
	return drift.Outcome{
		Drift: drift.Drift{Object: v1alpha1.ObjectReference{
			APIVersion: "admissionregistration.k8s.io/v1",
			Kind:       "ValidatingAdmissionPolicy",
			Name:       "bulwark-restricted-workloads",
		}, Change: v1alpha1.DriftChangeModified},
		State: state, Err: err, Recorded: true, By: drift.Attribution{Manager: "kubectl-edit"},
	}
}

// reportOf is what a status is to say of a pass.
func reportOf(pass admission.Pass) *admission.Report { return &admission.Report{Result: pass.Result()} }

func TestAdmissionReady(t *testing.T) {
	profile, desired := aPolicedProfile()
	checked := desired[0].DeepCopyObject().(*admissionregistrationv1.ValidatingAdmissionPolicy)
	checked.Status.TypeChecking = &admissionregistrationv1.TypeChecking{
		ExpressionWarnings: []admissionregistrationv1.ExpressionWarning{
			{FieldRef: "spec.validations[0].expression", Warning: "v1, Kind=Pod: undefined\n field 'spek'"},
		},
	}
	outdated := checked.DeepCopy()
	outdated.Generation = 2
	for name, tt := range map[string]struct {
		pass    admission.Pass
		reason  string // none if the condition is absent
		message string
		blocks  bool // the profile from being ready
	}{
		"is absent without policies": {},
		"is True with all in place": {
			pass:   admission.Pass{Desired: len(desired), Cost: admission.Cost{Percent: 4}},
			reason: v1alpha1.ReasonInForce, message: "1 admission policies are in force; judging the largest pod costs up to 4 %",
		},
		"is True after a correction": {
			pass:   admission.Pass{Desired: len(desired), Outcomes: []drift.Outcome{policyOutcome(v1alpha1.DriftStateCorrected, nil)}},
			reason: v1alpha1.ReasonInForce, message: "1 admission policies are in force",
		},
		"tells what the API server refused": {
			pass:   admission.Pass{Desired: len(desired), Outcomes: []drift.Outcome{policyOutcome(v1alpha1.DriftStatePresent, errors.New("not you"))}},
			reason: v1alpha1.ReasonFailed, message: "ValidatingAdmissionPolicy bulwark-restricted-workloads: not you", blocks: true,
		},
		"tells whose name is taken": {
			pass:   admission.Pass{Desired: len(desired), Outcomes: []drift.Outcome{policyOutcome(v1alpha1.DriftStateConflict, nil)}},
			reason: v1alpha1.ReasonConflicted, message: "policies of another maker", blocks: true,
		},
		"tells who contests": {
			pass:   admission.Pass{Desired: len(desired), Outcomes: []drift.Outcome{policyOutcome(v1alpha1.DriftStateContested, nil)}},
			reason: v1alpha1.ReasonContested, message: "by the field manager kubectl-edit",
		},
		"tells of warnings on expressions, in one line": {
			pass:   admission.Pass{Desired: len(desired), Found: []baseline.Object{checked}},
			reason: v1alpha1.ReasonTypeWarnings, message: "spec.validations[0].expression: v1, Kind=Pod: undefined field 'spek'",
		},
		"tells of none that are about an older policy": {
			pass:   admission.Pass{Desired: len(desired), Found: []baseline.Object{outdated}},
			reason: v1alpha1.ReasonInForce, message: "in force",
		},
		"tells that judging costs too much": {
			pass:   admission.Pass{Desired: len(desired), Cost: admission.Cost{Err: errors.New("out of budget")}},
			reason: v1alpha1.ReasonTooCostly, message: "out of budget",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.pass.Contests = contestSentences(profile, tt.pass.Outcomes, nil)
			status := posture.Summarize(
				profile,
				&posture.Cluster{Selector: posturetest.SelectorOf(profile)},
				nil,
				reportOf(tt.pass),
				noon,
			)
			got := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAdmission)
			if tt.reason == "" {
				if got != nil {
					t.Fatalf("is there: %v", got)
				}
				return
			}
			if got == nil || got.Reason != tt.reason || !strings.Contains(got.Message, tt.message) ||
				got.ObservedGeneration != 3 {
				t.Fatalf("want %s and %q, got %+v", tt.reason, tt.message, got)
			}
			if is := got.Status == metav1.ConditionTrue; is != (tt.reason == v1alpha1.ReasonInForce) {
				t.Errorf("is %s for %s", got.Status, got.Reason)
			}
			ready := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady)
			stalled := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled)
			if ready == tt.blocks || stalled != tt.blocks {
				t.Errorf("Ready is %t and Stalled %t", ready, stalled)
			}
		})
	}
}

func TestAdmissionReadyDoesNotMoveByItself(t *testing.T) {
	profile, desired := aPolicedProfile()
	for _, state := range []v1alpha1.DriftState{v1alpha1.DriftStateConflict, v1alpha1.DriftStateContested} {
		outcomes := []drift.Outcome{policyOutcome(state, nil)}
		pass := reportOf(
			admission.Pass{Desired: len(desired), Outcomes: outcomes, Contests: contestSentences(profile, outcomes, nil)},
		)
		profile.Status = *posture.Summarize(profile, &posture.Cluster{Selector: posturetest.SelectorOf(profile)}, nil, pass, noon)
		again := posture.Summarize(
			profile,
			&posture.Cluster{Selector: posturetest.SelectorOf(profile)},
			nil,
			pass,
			noon.Add(time.Hour),
		)
		if diff := cmp.Diff(&profile.Status, again); diff != "" {
			t.Errorf("an hour later, %s (-before +after):\n%s", state, diff)
		}
		without := posture.Summarize(
			profile,
			&posture.Cluster{Selector: posturetest.SelectorOf(profile)},
			nil,
			nil,
			noon.Add(time.Hour),
		)
		before := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission)
		if diff := cmp.Diff(before, meta.FindStatusCondition(without.Conditions, v1alpha1.ConditionAdmission)); diff != "" {
			t.Errorf("a sum without a pass changed the condition (-before +after):\n%s", diff)
		}
	}
}

func TestDriftOfPoliciesIsKeptAndCounted(t *testing.T) {
	profile, desired := aPolicedProfile()
	report := &v1alpha1.NamespacePosture{
		Profile: "restricted", DriftTotal: 2,
		Drift: []v1alpha1.DriftEntry{{ObservedAt: metav1.NewTime(noon.Add(-time.Hour)), State: v1alpha1.DriftStateCorrected}},
	}
	reports := map[string]*v1alpha1.NamespacePosture{"shop": report}
	sum := func(at time.Time, outcomes ...drift.Outcome) {
		t.Helper()
		report := reportOf(admission.Pass{Desired: len(desired)})
		report.Corrected = outcomes
		profile.Status = *posture.Summarize(profile, &posture.Cluster{Selector: posturetest.SelectorOf(profile), Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}, Reports: reports}, nil, report, at)
	}
	sum(noon, policyOutcome(v1alpha1.DriftStateCorrected, nil))
	for range 40 {
		sum(noon.Add(time.Minute))
	}
	if s := profile.Status; s.PolicyDriftTotal != 1 || s.DriftTotal != 3 || len(s.Drift) != 2 ||
		s.Drift[0].Namespace != "" ||
		s.Drift[1].Namespace != "shop" {
		t.Errorf("after one drift: %d of policies, %d in all, %+v", s.PolicyDriftTotal, s.DriftTotal, s.Drift)
	}
	for i := range 2 * v1alpha1.MaxDrift {
		sum(noon.Add(time.Duration(i)*time.Minute), policyOutcome(v1alpha1.DriftStateCorrected, nil))
	}
	if s := profile.Status; s.PolicyDriftTotal != 1+2*v1alpha1.MaxDrift || len(s.Drift) != v1alpha1.MaxDrift {
		t.Errorf("after many: %d of policies, %d entries", s.PolicyDriftTotal, len(s.Drift))
	}
}
