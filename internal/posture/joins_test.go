package posture

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Each sum at a time after posturetest.Noon is asked of namespaces, those in brackets with a report
// that is not ready, and says which of them joined lately and when it wants to be made again.
func TestJoins(t *testing.T) {
	type sum struct {
		at         time.Duration
		generation int64
		restarted  bool
		unreported []string
		reported   []string
		recent     []string
		next       time.Duration
	}
	const grace = 30 * time.Second
	concluded := []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInPlace, ObservedGeneration: 1},
	}
	progressing := []metav1.Condition{
		{
			Type:               v1alpha1.ConditionReady,
			Status:             metav1.ConditionFalse,
			Reason:             v1alpha1.ReasonProgressing,
			ObservedGeneration: 1,
		},
	}
	for sentence, tc := range map[string]struct {
		conditions []metav1.Condition
		sums       []sum
	}{
		"those that a new profile finds belong to its roll-out": {sums: []sum{
			{unreported: []string{"a", "b"}}, {at: time.Second, unreported: []string{"b"}}, {at: time.Hour, unreported: []string{"b"}},
		}},
		"one that comes later has joined": {sums: []sum{
			{unreported: []string{"a"}}, {at: time.Second, unreported: []string{"a", "b"}, recent: []string{"b"}, next: grace},
		}},
		"for as long as it may": {sums: []sum{
			{}, {at: time.Second, unreported: []string{"a"}, recent: []string{"a"}, next: grace},
			{at: 11 * time.Second, unreported: []string{"a"}, recent: []string{"a"}, next: 20 * time.Second},
			{at: 31 * time.Second, unreported: []string{"a"}}, {at: time.Hour, unreported: []string{"a"}},
		}},
		"of several, the first to be late says when to come back": {sums: []sum{
			{}, {at: time.Second, unreported: []string{"a"}, recent: []string{"a"}, next: grace},
			{at: 6 * time.Second, unreported: []string{"a", "b"}, recent: []string{"a", "b"}, next: 25 * time.Second},
		}},
		"also if its report says that it is not ready yet": {sums: []sum{
			{}, {unreported: []string{"a"}, recent: []string{"a"}, next: grace},
			{at: 10 * time.Second, reported: []string{"a", "b"}, recent: []string{"a"}, next: 20 * time.Second},
			{at: grace, reported: []string{"a"}},
		}},
		"a change of the profile is a roll-out again": {sums: []sum{
			{}, {unreported: []string{"a"}, recent: []string{"a"}, next: grace}, {generation: 2, unreported: []string{"a"}},
		}},
		"who begins to lead goes by the status": {conditions: concluded, sums: []sum{
			{unreported: []string{"a"}, recent: []string{"a"}, next: grace},
			{at: 20 * time.Second, restarted: true, unreported: []string{"a"}, recent: []string{"a"}, next: grace},
		}},
		"of a roll-out that is under way, too":  {conditions: progressing, sums: []sum{{unreported: []string{"a"}}}},
		"of another generation it says nothing": {conditions: concluded, sums: []sum{{generation: 2, unreported: []string{"a"}}}},
		"a clock that is set back begins anew": {conditions: concluded, sums: []sum{
			{unreported: []string{"a"}, recent: []string{"a"}, next: grace},
			{at: -time.Hour, unreported: []string{"a"}, recent: []string{"a"}, next: grace},
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			j := NewJoins(grace)
			for i, s := range tc.sums {
				if s.restarted {
					j = NewJoins(grace)
				}
				profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: max(1, s.generation)}}
				profile.Status.Conditions = tc.conditions
				lately, concluded := j.Sum(profile, posturetest.Noon.Add(s.at))
				var recent []string
				for _, ns := range s.unreported {
					if lately.has(ns, false) {
						recent = append(recent, ns)
					}
				}
				for _, ns := range s.reported {
					if lately.has(ns, true) {
						recent = append(recent, ns)
					}
				}
				if diff := cmp.Diff(s.recent, recent); diff != "" {
					t.Errorf("sum %d: joined lately (-want +got):\n%s", i, diff)
				}
				if next := concluded(); next != s.next {
					t.Errorf("sum %d: come back after %s, want %s", i, next, s.next)
				}
			}
			j.Forget("p")
			if len(j.of) > 0 {
				t.Errorf("remembered of a profile that is gone: %v", j.of)
			}
		})
	}
}

// TestJoinsAreForgotten lets namespaces join and go again: none of them is remembered.
func TestJoinsAreForgotten(t *testing.T) {
	j := NewJoins(time.Second)
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	for i := range 1000 {
		lately, concluded := j.Sum(profile, posturetest.Noon.Add(time.Duration(i)*time.Second))
		lately.has(string(rune('a'+i)), false)
		concluded()
	}
	if n := len(j.of["p"].since) + len(j.of["p"].rollout); n > 2 {
		t.Errorf("%d namespaces that joined are remembered", n)
	}
}

func TestSummarizeWhatJoinsAndWhatLeaves(t *testing.T) {
	report := func(change func(*v1alpha1.NamespacePosture)) *v1alpha1.NamespacePosture {
		r := &v1alpha1.NamespacePosture{
			Profile:           "restricted",
			ProfileGeneration: 1,
			Enforcement:       v1alpha1.EnforcementEnforce,
			Status:            posturetest.Readiness(true),
		}
		change(r)
		return r
	}
	ready := report(func(*v1alpha1.NamespacePosture) {})
	unready := report(func(r *v1alpha1.NamespacePosture) {
		r.Status, r.Summary.Drifted, r.DriftTotal = posturetest.Readiness(false), 1, 3
	})
	failed := report(func(r *v1alpha1.NamespacePosture) { r.Status, r.Summary.Failed = posturetest.Readiness(false), 1 })
	uncounted := report(func(r *v1alpha1.NamespacePosture) {
		r.Status, r.Summary.Uncounted = posturetest.Readiness(false), 1
		r.Objects = []v1alpha1.ManagedObject{
			{ObjectReference: small, State: v1alpha1.ObjectStateUncounted, Message: "not yet"},
		}
	})
	all := func(string, bool) bool { return true }
	type reports = map[string]*v1alpha1.NamespacePosture
	for sentence, tc := range map[string]struct {
		reports   reports
		lately    Lately
		audits    bool
		protected []string
		counts    v1alpha1.NamespaceCounts
		ready     string
		compliant metav1.ConditionStatus
	}{
		"a namespace that joined lately takes nothing away": {
			reports: reports{"a": ready}, lately: all, counts: v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Compliant: 1},
			ready: "True BaselineInPlace: the baseline is in place in all 2 selected namespaces but 1 that joined just now", compliant: metav1.ConditionTrue,
		},
		"nor does one that has yet to become ready": {
			reports: reports{"a": ready, "b": unready}, lately: all, counts: v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Compliant: 1},
			ready: "True BaselineInPlace: the baseline is in place in all 2 selected namespaces but 1 that joined just now", compliant: metav1.ConditionTrue,
		},
		"one that joined long ago does": {
			reports: reports{"a": ready}, counts: v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Compliant: 1},
			ready: "False Progressing: 1 of 2 selected namespaces have no report on this generation yet", compliant: metav1.ConditionFalse,
		},
		"so does one in which the API server refuses an object, at once": {
			reports: reports{"a": ready, "b": failed}, lately: all, counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Failed: 1},
			ready: "False ApplyFailed: in 1 of 2 namespaces the API server refused objects (b)", compliant: metav1.ConditionFalse,
		},
		"so does one in which a quota is not counted: that has been waited for": {
			reports: reports{"a": ready, "b": uncounted}, lately: all, counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Uncounted: 1},
			ready: "False QuotasNotCounted: in 1 of 2 namespaces quotas hold nobody (bulwark-small: not yet) (b)", compliant: metav1.ConditionFalse,
		},
		"what an audit finds is told at once": {
			reports: reports{"a": ready, "b": unready}, lately: all, audits: true,
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Drifted: 1},
			ready:  "True Audited: all 2 selected namespaces are audited; nothing is enforced", compliant: metav1.ConditionFalse,
		},
		"one that nobody selects counts until its report is gone": {
			reports: reports{"a": ready, "b": ready, "left": ready}, counts: v1alpha1.NamespaceCounts{Selected: 3, Compliant: 3},
			ready: "True BaselineInPlace: the baseline is in place in all 3 selected namespaces", compliant: metav1.ConditionTrue,
		},
		"one that is protected does not": {
			reports: reports{"a": ready, "b": ready, "left": ready}, protected: []string{"le*"},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 2},
			ready:  "True BaselineInPlace: the baseline is in place in all 2 selected namespaces", compliant: metav1.ConditionTrue,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted", Generation: 1}}
			profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"in": "yes"}
			if tc.audits {
				profile.Spec.Enforcement = v1alpha1.EnforcementAudit
			}
			in := map[string]string{"in": "yes"}
			namespaces := []corev1.Namespace{
				{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: in}}, {ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: in}},
				{ObjectMeta: metav1.ObjectMeta{Name: "left"}},
			}
			selector := selection.New([]v1alpha1.SecurityProfile{*profile}, tc.protected)
			status := Summarize(profile, &Cluster{selector, namespaces, tc.reports}, tc.lately, nil, posturetest.Noon)
			if diff := cmp.Diff(tc.counts, status.Namespaces); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if got := string(c.Status) + " " + c.Reason + ": " + c.Message; got != tc.ready {
				t.Errorf("ready: %s, want %s", got, tc.ready)
			}
			if compliant := meta.FindStatusCondition(
				status.Conditions,
				v1alpha1.ConditionCompliant,
			); compliant.Status != tc.compliant {
				t.Errorf("compliant: %+v", compliant)
			}
		})
	}
}
