package posture

import (
	corev1 "k8s.io/api/core/v1"

	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

var small = posturetest.Reference("ResourceQuota", "bulwark-small")

func waitingCount() QuotaCount {
	return QuotaCount{Ref: small, Counting: counting.Counting{Waiting: []corev1.ResourceName{"pods"}}}
}

func neverCount() QuotaCount {
	return QuotaCount{Ref: small, Counting: counting.Counting{Never: []corev1.ResourceName{"count/jobs"}}}
}

func TestWithholds(t *testing.T) {
	fresh := func(q QuotaCount) []QuotaCount { q.Fresh = true; return []QuotaCount{q} }
	made := []drift.Outcome{
		{Drift: drift.Drift{Object: small, Change: v1alpha1.DriftChangeMissing}, State: v1alpha1.DriftStateCorrected},
	}
	recorded := []drift.Outcome{
		{
			Drift:    drift.Drift{Object: small, Change: v1alpha1.DriftChangeModified},
			State:    v1alpha1.DriftStateCorrected,
			Recorded: true,
		},
	}
	refused := []drift.Outcome{
		{Drift: drift.Drift{Object: small, Change: v1alpha1.DriftChangeMissing}, State: v1alpha1.DriftStatePresent},
	}
	says := func(state v1alpha1.ObjectState) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			Profile:     "a",
			Enforcement: v1alpha1.EnforcementEnforce,
			Objects:     []v1alpha1.ManagedObject{{ObjectReference: small, State: state}},
		}
	}
	older := says(v1alpha1.ObjectStateCompliant)
	older.ProfileGeneration = 7
	for sentence, tt := range map[string]struct {
		previous *v1alpha1.NamespacePosture
		outcomes []drift.Outcome
		counts   []QuotaCount
		want     bool
		again    bool
	}{
		"a report that was withheld before, of nothing new": {outcomes: nil, counts: fresh(waitingCount()), want: true, again: true},
		"a report that was withheld before, while somebody changes what it is of": {
			outcomes: made, counts: fresh(QuotaCount{Ref: small, Written: true}), again: true},
		"the first report, with a quota that was made just now":  {previous: nil, outcomes: made, counts: fresh(QuotaCount{Ref: small, Written: true}), want: true},
		"the first report, with a quota that is not counted yet": {previous: nil, outcomes: nil, counts: fresh(waitingCount()), want: true},
		"a report on another generation":                         {previous: older, outcomes: made, counts: fresh(waitingCount()), want: true},
		"a quota that is put in place at last":                   {previous: says(v1alpha1.ObjectStateBlocked), outcomes: made, counts: fresh(waitingCount()), want: true},
		"all is counted":                                         {previous: nil, outcomes: made, counts: []QuotaCount{{Ref: small}}, want: false},
		"it has lasted":                                          {previous: nil, outcomes: nil, counts: []QuotaCount{waitingCount()}, want: false},
		"it was in place, and goes on being so":                  {previous: says(v1alpha1.ObjectStateCompliant), outcomes: nil, counts: fresh(waitingCount()), want: false},
		"it was said before":                                     {previous: says(v1alpha1.ObjectStateUncounted), outcomes: nil, counts: fresh(waitingCount()), want: false},
		"there is something to record":                           {previous: nil, outcomes: recorded, counts: fresh(waitingCount()), want: false},
		"something was refused":                                  {previous: nil, outcomes: refused, counts: fresh(waitingCount()), want: false},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := &Pass{
				Profile:   &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
				Namespace: &corev1.Namespace{}, Memory: MemoryOf(tt.previous),
			}
			if got := Withholds(p, tt.counts, tt.outcomes, tt.again); got != tt.want {
				t.Errorf("want %t", tt.want)
			}
		})
	}
}

func TestReportsSayWhatIsNotCounted(t *testing.T) {
	blocked := v1alpha1.ManagedObject{ObjectReference: small, State: v1alpha1.ObjectStateBlocked, Message: "waits"}
	compliant := v1alpha1.ManagedObject{ObjectReference: small, State: v1alpha1.ObjectStateCompliant}
	uncounted := v1alpha1.ManagedObject{
		ObjectReference: small,
		State:           v1alpha1.ObjectStateUncounted,
		Message:         "said before",
	}
	fresh, written := waitingCount(), QuotaCount{Ref: small, Written: true}
	fresh.Fresh = true
	for sentence, tt := range map[string]struct {
		before *v1alpha1.ManagedObject // in the last report
		object v1alpha1.ManagedObject
		count  QuotaCount
		state  v1alpha1.ObjectState
		says   string
	}{
		"it is counted":       {nil, compliant, QuotaCount{Ref: small}, v1alpha1.ObjectStateCompliant, ""},
		"it is not counted":   {nil, compliant, waitingCount(), v1alpha1.ObjectStateUncounted, "has not counted pods yet"},
		"it is never counted": {nil, compliant, neverCount(), v1alpha1.ObjectStateUncounted, "count/jobs (it is count/jobs.batch)"},
		"it was in place, and it is too early to tell": {&compliant, compliant, fresh, v1alpha1.ObjectStateCompliant, ""},
		"it was in place, and that is long ago":        {&compliant, compliant, waitingCount(), v1alpha1.ObjectStateUncounted, "has not counted pods yet"},
		"it is written again, and was not counted":     {&uncounted, compliant, written, v1alpha1.ObjectStateUncounted, "said before"},
		"what is in its place is kept":                 {nil, blocked, waitingCount(), v1alpha1.ObjectStateBlocked, "waits"},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := &Pass{
				Namespace: &corev1.Namespace{},
				Profile:   &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
			}
			if tt.before != nil {
				p.Memory = MemoryOf(
					&v1alpha1.NamespacePosture{
						Profile:     "a",
						Enforcement: v1alpha1.EnforcementEnforce,
						Objects:     []v1alpha1.ManagedObject{*tt.before},
					},
				)
			}
			report := &v1alpha1.NamespacePosture{Objects: []v1alpha1.ManagedObject{tt.object}}
			Count(&report.Summary, tt.object.State)
			setUncounted(p, report, []QuotaCount{tt.count})
			got := report.Objects[0]
			inForce := MemoryOf(
				&v1alpha1.NamespacePosture{
					Enforcement:   v1alpha1.EnforcementEnforce,
					OperatorState: v1alpha1.OperatorState{InPlace: []v1alpha1.ObjectContent{{Object: small, Content: "{}"}}},
				},
			)
			if got.State != tt.state || !strings.Contains(got.Message, tt.says) {
				t.Errorf("want %s, %q, got %+v", tt.state, tt.says, got)
			}
			var want v1alpha1.PostureSummary
			Count(&want, tt.state)
			if diff := cmp.Diff(want, report.Summary); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if ready := allInPlace(&report.Summary, 0, 1); ready != (tt.state != v1alpha1.ObjectStateUncounted) {
				t.Errorf("ready: %t", ready)
			}
			if !inForce.wasInPlace(got) {
				t.Error("it does not count as ours")
			}
		})
	}
}

func TestProfilesSayWhatIsNotCounted(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 4}}
	uncounted := func(message string) *v1alpha1.NamespacePosture {
		report := posturetest.Report()
		report.Status = posturetest.Readiness(false)
		report.Summary = v1alpha1.PostureSummary{Compliant: 1, Uncounted: 1}
		report.Objects = []v1alpha1.ManagedObject{
			{ObjectReference: small, State: v1alpha1.ObjectStateUncounted, Message: message},
		}
		return report
	}
	waiting, never := waitingCount(), neverCount()
	for sentence, tt := range map[string]struct {
		message string
		stalled bool
	}{
		"kube-controller-manager does not run": {waiting.Sentence(), false},
		"a group is missing":                   {never.Sentence(), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			var namespaces []corev1.Namespace
			reports := map[string]*v1alpha1.NamespacePosture{}
			for _, name := range []string{"shop", "till"} {
				namespaces = append(namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
				reports[name] = uncounted(tt.message)
				reports[name].Namespace, reports[name].ProfileGeneration = name, profile.Generation
			}
			status := Summarize(
				profile,
				&Cluster{posturetest.SelectorOf(profile), namespaces, reports},
				nil,
				&admission.Report{},
				posturetest.Noon,
			)
			if want := (v1alpha1.NamespaceCounts{Selected: 2, Uncounted: 2}); status.Namespaces != want {
				t.Errorf("counts %+v", status.Namespaces)
			}
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonUncounted ||
				strings.Count(ready.Message, tt.message) != 1 || !strings.Contains(ready.Message, "shop, till") {
				t.Errorf("%+v", ready)
			}
			for condition, want := range map[string]bool{v1alpha1.ConditionStalled: tt.stalled, v1alpha1.ConditionReconciling: !tt.stalled} {
				if got := meta.IsStatusConditionTrue(status.Conditions, condition); got != want {
					t.Errorf("%s is %t", condition, got)
				}
			}
		})
	}
}
