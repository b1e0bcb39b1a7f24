package posture

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// The states in which a namespace can be.
const (
	compliant = posturetest.Compliant
	drifted   = posturetest.Drifted
	conflict  = posturetest.Conflict
	refused   = posturetest.Refused
	blocked   = posturetest.Blocked
	weakened  = posturetest.Weakened
	stale     = posturetest.Stale
	unseen    = posturetest.Unseen
)

func TestSummarize(t *testing.T) {
	audit := func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementAudit }
	tests := map[string]struct {
		states     []string // of the namespaces ns-0, ns-1, …
		change     func(*v1alpha1.SecurityProfile)
		counts     v1alpha1.NamespaceCounts
		conditions []string
	}{
		"a profile that governs nothing is ready": {
			conditions: []string{
				"Ready=True BaselineInPlace: the baseline is in place in all 0 selected namespaces",
				"Compliant=True Compliant: all 0 selected namespaces hold what is declared",
			},
		},
		"all namespaces are compliant": {
			states: []string{compliant, compliant},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 2},
			conditions: []string{
				"Ready=True BaselineInPlace: the baseline is in place in all 2 selected namespaces",
				"Compliant=True Compliant: all 2 selected namespaces hold what is declared",
			},
		},
		"what weakens a baseline does not hinder it": {
			states: []string{compliant, weakened},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Weakened: 1},
			conditions: []string{
				"Ready=True BaselineInPlace: the baseline is in place in all 2 selected namespaces",
				"Compliant=False Weakened: in 1 of 2 namespaces the baseline is weakened by objects that Bulwark does not own (ns-1)",
			},
		},
		"what waits hinders it, and heals by itself": {
			states: []string{blocked, weakened},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Blocked: 1, Weakened: 1},
			conditions: []string{
				"Ready=False RolloutBlocked: " + blockedAndWeakened,
				"Compliant=False RolloutBlocked: " + blockedAndWeakened,
				"Reconciling=True RolloutBlocked: " + blockedAndWeakened,
			},
		},
		"a namespace counts where it is worst off": {
			states: []string{refused, drifted, blocked},
			counts: v1alpha1.NamespaceCounts{Selected: 3, Failed: 1, Drifted: 1, Blocked: 1},
			conditions: []string{
				"Ready=False ApplyFailed: " + worstOff,
				"Compliant=False ApplyFailed: " + worstOff,
				"Stalled=True ApplyFailed: " + worstOff,
			},
		},
		"findings and what waits are no matter under Audit": {
			states: []string{weakened, blocked}, change: audit,
			counts: v1alpha1.NamespaceCounts{Selected: 2, Blocked: 1, Weakened: 1},
			conditions: []string{
				"Ready=True Audited: all 2 selected namespaces are audited; nothing is enforced",
				"Compliant=False RolloutBlocked: in 1 of 2 namespaces objects wait, since they would refuse what runs there, (ns-1); " +
					"in 1 of 2 namespaces the baseline is weakened by objects that Bulwark does not own (ns-0)",
			},
		},
		"a namespace without a report is waited for": {
			states: []string{compliant, unseen},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Compliant: 1},
			conditions: []string{
				"Ready=False Progressing: 1 of 2 selected namespaces have no report on this generation yet",
				"Compliant=False Progressing: 1 of 2 selected namespaces have no report on this generation yet",
				"Reconciling=True Progressing: 1 of 2 selected namespaces have no report on this generation yet",
			},
		},
		"a report on an older generation counts and is waited for": {
			states: []string{stale, compliant},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 2},
			conditions: []string{
				"Ready=False Progressing: 1 of 2 selected namespaces have no report on this generation yet",
				"Compliant=False Progressing: 1 of 2 selected namespaces have no report on this generation yet",
				"Reconciling=True Progressing: 1 of 2 selected namespaces have no report on this generation yet",
			},
		},
		"a namespace that differs is worked on": {
			states: []string{compliant, drifted},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Drifted: 1},
			conditions: []string{
				"Ready=False Drifted: in 1 of 2 namespaces objects are missing or differ (ns-1)",
				"Compliant=False Drifted: in 1 of 2 namespaces objects are missing or differ (ns-1)",
				"Reconciling=True Drifted: in 1 of 2 namespaces objects are missing or differ (ns-1)",
			},
		},
		"a conflict stalls": {
			states: []string{conflict, compliant},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Conflicted: 1},
			conditions: []string{
				"Ready=False ObjectConflict: in 1 of 2 namespaces objects of another maker are in the way (ns-0)",
				"Compliant=False ObjectConflict: in 1 of 2 namespaces objects of another maker are in the way (ns-0)",
				"Stalled=True ObjectConflict: in 1 of 2 namespaces objects of another maker are in the way (ns-0)",
			},
		},
		"a refusal stalls, is the gravest, and hides no other trouble": {
			states: []string{drifted, conflict, refused},
			counts: v1alpha1.NamespaceCounts{Selected: 3, Drifted: 1, Conflicted: 1, Failed: 1},
			conditions: []string{
				"Ready=False ApplyFailed: " + threeTroubles,
				"Compliant=False ApplyFailed: " + threeTroubles,
				"Stalled=True ApplyFailed: " + threeTroubles,
			},
		},
		"a refusal stalls, though other namespaces are still waited for": {
			states: []string{refused, unseen},
			counts: v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Failed: 1},
			conditions: []string{
				"Ready=False Progressing: 1 of 2 selected namespaces have no report on this generation yet",
				"Compliant=False ApplyFailed: in 1 of 2 namespaces the API server refused objects (ns-0)",
				"Stalled=True ApplyFailed: in 1 of 2 namespaces the API server refused objects (ns-0)",
			},
		},
		"an audit that found drift is ready, and the profile is not compliant": {
			states: []string{compliant, drifted}, change: audit,
			counts: v1alpha1.NamespaceCounts{Selected: 2, Compliant: 1, Drifted: 1},
			conditions: []string{
				"Ready=True Audited: all 2 selected namespaces are audited; nothing is enforced",
				"Compliant=False Drifted: in 1 of 2 namespaces objects are missing or differ (ns-1)",
			},
		},
		"an audit waits for every namespace": {
			states: []string{unseen}, change: audit,
			counts: v1alpha1.NamespaceCounts{Selected: 1, Pending: 1},
			conditions: []string{
				"Ready=False Progressing: 1 of 1 selected namespaces have no report on this generation yet",
				"Compliant=False Progressing: 1 of 1 selected namespaces have no report on this generation yet",
				"Reconciling=True Progressing: 1 of 1 selected namespaces have no report on this generation yet",
			},
		},
		"a message names five namespaces at most": {
			states: []string{drifted, drifted, drifted, drifted, drifted, drifted, drifted},
			counts: v1alpha1.NamespaceCounts{Selected: 7, Drifted: 7},
			conditions: []string{
				"Ready=False Drifted: " + sevenDrifted,
				"Compliant=False Drifted: " + sevenDrifted,
				"Reconciling=True Drifted: " + sevenDrifted,
			},
		},
		"a message names five namespaces without an and": {
			states: []string{drifted, drifted, drifted, drifted, drifted}, change: audit,
			counts: v1alpha1.NamespaceCounts{Selected: 5, Drifted: 5},
			conditions: []string{
				"Ready=True Audited: all 5 selected namespaces are audited; nothing is enforced",
				"Compliant=False Drifted: in 5 of 5 namespaces objects are missing or differ (ns-0, ns-1, ns-2, ns-3, ns-4)",
			},
		},
		"Reconciling and Stalled go when they hold no longer, and a condition of others stays": {
			states: []string{compliant},
			change: func(p *v1alpha1.SecurityProfile) {
				for _, conditionType := range []string{"Stalled", "Reconciling", "Theirs"} {
					p.Status.Conditions = append(p.Status.Conditions,
						metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: "Old", Message: "old"})
				}
			},
			counts: v1alpha1.NamespaceCounts{Selected: 1, Compliant: 1},
			conditions: []string{
				"Theirs=True Old: old",
				"Ready=True BaselineInPlace: the baseline is in place in all 1 selected namespaces",
				"Compliant=True Compliant: all 1 selected namespaces hold what is declared",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			profile := aPass().Profile
			if tt.change != nil {
				tt.change(profile)
			}
			namespaces, reports := posturetest.Cluster(tt.states...)
			status := Summarize(
				profile,
				&Cluster{posturetest.SelectorOf(profile), namespaces, reports},
				nil,
				nil,
				posturetest.Noon,
			)
			if diff := cmp.Diff(tt.counts, status.Namespaces); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.conditions, conditions(status)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if status.ObservedGeneration != 4 {
				t.Errorf("observedGeneration: want 4, got %d", status.ObservedGeneration)
			}
		})
	}
}

const (
	blockedAndWeakened = "in 1 of 2 namespaces objects wait, since they would refuse what runs there, (ns-0); " +
		"in 1 of 2 namespaces the baseline is weakened by objects that Bulwark does not own (ns-1)"
	worstOff = "in 1 of 3 namespaces the API server refused objects (ns-0); in 1 of 3 namespaces objects are missing or differ (ns-1); " +
		"in 1 of 3 namespaces objects wait, since they would refuse what runs there, (ns-2)"
	threeTroubles = "in 1 of 3 namespaces the API server refused objects (ns-2); " +
		"in 1 of 3 namespaces objects of another maker are in the way (ns-1); " +
		"in 1 of 3 namespaces objects are missing or differ (ns-0)"
	sevenDrifted = "in 7 of 7 namespaces objects are missing or differ (ns-0, ns-1, ns-2, ns-3, ns-4 and 2 more)"
)

func TestSummarizeCountsWhatTheProfileGoverns(t *testing.T) {
	profile := aPass().Profile
	profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"env": "prod"}
	above := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "above"}, Spec: v1alpha1.SecurityProfileSpec{
		Priority: 1, NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"team": "a"}},
	}}
	below := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "zzz"}}
	selector := selection.New([]v1alpha1.SecurityProfile{above, *profile, below}, []string{"kube-*"})
	named := func(name string, labels ...string) corev1.Namespace {
		ns := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
		for i := 0; i < len(labels); i += 2 {
			ns.Labels[labels[i]] = labels[i+1]
		}
		return ns
	}
	terminating := named("terminating", "env", "prod")
	terminating.DeletionTimestamp = &metav1.Time{Time: posturetest.Noon}
	namespaces := []corev1.Namespace{
		named("governed", "env", "prod"), named("overridden", "env", "prod", "team", "a"), terminating,
		named("not-selected"), named("kube-system", "env", "prod"),
	}
	reports := map[string]*v1alpha1.NamespacePosture{}
	for _, ns := range namespaces {
		reports[ns.Name] = posturetest.ReportOn(ns.Name, compliant)
	}

	status := Summarize(profile, &Cluster{selector, namespaces, reports}, nil, nil, posturetest.Noon)
	want := v1alpha1.NamespaceCounts{Selected: 1, Compliant: 1, Overridden: 1}
	if diff := cmp.Diff(want, status.Namespaces); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if status.DriftTotal != 10 || len(status.Drift) != 1 || status.Drift[0].Namespace != "governed" {
		t.Errorf("want the drift of the governed namespace alone, got %d and %v", status.DriftTotal, status.Drift)
	}
}

func TestSummarizeDriftIsNewestFirst(t *testing.T) {
	entry := func(namespace, kind, name string, minute int) v1alpha1.DriftEntry {
		return v1alpha1.DriftEntry{
			Namespace: namespace, Object: posturetest.Reference(kind, name),
			ObservedAt: metav1.NewTime(posturetest.Noon.Add(time.Duration(minute) * time.Minute)),
		}
	}
	namespaces, reports := posturetest.Cluster(compliant, compliant)
	reports["ns-0"].Drift = []v1alpha1.DriftEntry{
		entry("", "Role", "b", 5), entry("", "Role", "a", 5), entry("", "LimitRange", "z", 5), entry("", "Role", "a", 1),
	}
	reports["ns-1"].Drift = []v1alpha1.DriftEntry{entry("", "Role", "a", 9), entry("", "Role", "a", 5)}
	profile := aPass().Profile
	status := Summarize(
		profile,
		&Cluster{posturetest.SelectorOf(profile), namespaces, reports},
		nil,
		nil,
		posturetest.Noon,
	)
	want := []v1alpha1.DriftEntry{
		entry("ns-1", "Role", "a", 9),
		entry(
			"ns-0",
			"LimitRange",
			"z",
			5,
		),
		entry("ns-0", "Role", "a", 5),
		entry("ns-0", "Role", "b", 5),
		entry("ns-1", "Role", "a", 5),
		entry("ns-0", "Role", "a", 1),
	}
	if diff := cmp.Diff(want, status.Drift); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if status.DriftTotal != 20 {
		t.Errorf("driftTotal: want 20, got %d", status.DriftTotal)
	}
}

func TestSummarizeSharesNothingWithTheReports(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted"}}
	report := &v1alpha1.NamespacePosture{Drift: []v1alpha1.DriftEntry{{Fields: []v1alpha1.FieldDrift{{Path: "spec"}}}}}
	status := Summarize(
		profile,
		&Cluster{
			selection.New([]v1alpha1.SecurityProfile{*profile}, nil),
			[]corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}},
			map[string]*v1alpha1.NamespacePosture{"shop": report},
		},
		nil,
		nil,
		posturetest.Noon,
	)
	status.Drift[0].Fields[0].Path = "what the API server answered"
	if got := report.Drift[0].Fields[0].Path; got != "spec" {
		t.Errorf("the report of the cache was written to: %q", got)
	}
}

func TestSummarizeIsTheSameInAnyOrder(t *testing.T) {
	var states []string
	for i := range 24 {
		states = append(states, []string{compliant, drifted, conflict, refused, stale, unseen}[i%6])
	}
	namespaces, reports := posturetest.Cluster(states...)
	for _, r := range reports { // In one second, one object moved twice.
		r.Drift = []v1alpha1.DriftEntry{posturetest.DriftOf("", "second"), posturetest.DriftOf("", "first")}
	}
	profile := aPass().Profile
	want := Summarize(profile, &Cluster{posturetest.SelectorOf(profile), namespaces, reports}, nil, nil, posturetest.Noon)
	if len(want.Drift) != v1alpha1.MaxDrift {
		t.Errorf("want %d drifts, got %d", v1alpha1.MaxDrift, len(want.Drift))
	}
	for seed := range int64(20) {
		rand.New(rand.NewSource(seed)).Shuffle(len(namespaces), func(i, j int) {
			namespaces[i], namespaces[j] = namespaces[j], namespaces[i]
		})
		if diff := cmp.Diff(
			want,
			Summarize(profile, &Cluster{posturetest.SelectorOf(profile), namespaces, reports}, nil, nil, posturetest.Noon),
		); diff != "" {
			t.Fatalf("status after shuffling the namespaces (-want +got):\n%s", diff)
		}
	}
}

func TestTransitionTimes(t *testing.T) {
	later := posturetest.Noon.Add(time.Hour)
	tests := map[string]struct {
		before, after string
		want          map[string]time.Time
	}{
		"nothing changed": {
			compliant,
			compliant,
			map[string]time.Time{"Ready": posturetest.Noon, "Compliant": posturetest.Noon},
		},
		"only the reason changed": {
			drifted,
			unseen,
			map[string]time.Time{"Ready": posturetest.Noon, "Compliant": posturetest.Noon, "Reconciling": posturetest.Noon},
		},
		"the status changed": {
			compliant, drifted, map[string]time.Time{"Ready": later, "Compliant": later, "Reconciling": later},
		},
		"another condition came": {
			drifted, refused, map[string]time.Time{"Ready": posturetest.Noon, "Compliant": posturetest.Noon, "Stalled": later},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			profile := aPass().Profile
			namespaces, reports := posturetest.Cluster(tt.before)
			profile.Status = *Summarize(profile, &Cluster{posturetest.SelectorOf(profile), namespaces, reports}, nil, nil, posturetest.Noon.Add(300*time.Millisecond))
			before := profile.DeepCopy()
			namespaces, reports = posturetest.Cluster(tt.after)
			status := Summarize(
				profile,
				&Cluster{posturetest.SelectorOf(profile), namespaces, reports},
				nil,
				nil,
				later.Add(300*time.Millisecond),
			)
			got := map[string]time.Time{}
			for _, c := range status.Conditions {
				got[c.Type] = c.LastTransitionTime.Time
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("transition times (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, profile, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})); diff != "" {
				t.Errorf("the profile was changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSummarizeInvalid(t *testing.T) {
	const message = "the profile cannot be carried out: spec.excludeNamespaces: bad; what it established before stays as it is"
	profile := aPass().Profile
	namespaces, reports := posturetest.Cluster(compliant, unseen)
	profile.Status = *Summarize(profile, &Cluster{posturetest.SelectorOf(profile), namespaces, reports}, nil, nil, posturetest.Noon)
	profile.Generation = 5
	before := profile.DeepCopy()

	status := SummarizeInvalid(profile, errors.New("spec.excludeNamespaces: bad"), posturetest.Noon.Add(time.Hour))
	want := []string{
		"Ready=False InvalidSpec: " + message,
		"Compliant=Unknown InvalidSpec: " + message,
		"Stalled=True InvalidSpec: " + message,
	}
	if diff := cmp.Diff(want, conditions(status)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	for _, c := range status.Conditions {
		if c.ObservedGeneration != 5 {
			t.Errorf("observedGeneration of %s: want 5, got %d", c.Type, c.ObservedGeneration)
		}
	}
	kept := before.Status.DeepCopy()
	kept.ObservedGeneration, kept.Conditions = 5, status.Conditions
	if diff := cmp.Diff(kept, status); diff != "" {
		t.Errorf("what was established before (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, profile, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})); diff != "" {
		t.Errorf("the profile was changed (-before +after):\n%s", diff)
	}
}

func TestSummarizeCountsFindingsAndContests(t *testing.T) {
	profile := aPass().Profile
	namespaces, reports := posturetest.Cluster(weakened, blocked, compliant, drifted)
	reports["ns-2"].FindingTotals = []v1alpha1.FindingTotal{
		{
			ID:       v1alpha1.FindingIDBroadBinding,
			Severity: v1alpha1.SeverityCritical,
			Count:    1,
		},
		{ID: v1alpha1.FindingIDNetworkReopened, Severity: v1alpha1.SeverityHigh, Count: 3},
	}
	reports["ns-3"].Drift[0].State = v1alpha1.DriftStateContested
	status := Summarize(
		profile,
		&Cluster{posturetest.SelectorOf(profile), namespaces, reports},
		nil,
		nil,
		posturetest.Noon,
	)
	want := []v1alpha1.FindingTotal{
		{
			ID:       v1alpha1.FindingIDBroadBinding,
			Severity: v1alpha1.SeverityCritical,
			Count:    1,
		},
		{ID: v1alpha1.FindingIDBroadBinding, Severity: v1alpha1.SeverityHigh, Count: 4},
		{ID: v1alpha1.FindingIDNetworkReopened, Severity: v1alpha1.SeverityHigh, Count: 3},
	}
	if diff := cmp.Diff(want, status.FindingTotals); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	counts := v1alpha1.NamespaceCounts{Selected: 4, Weakened: 2, Blocked: 1, Drifted: 1, Contested: 1}
	if diff := cmp.Diff(counts, status.Namespaces); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func conditions(status *v1alpha1.SecurityProfileStatus) []string {
	var conditions []string
	for _, c := range status.Conditions {
		conditions = append(conditions, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return conditions
}
