package posture

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// contestedOutcome is a correction of a field that two managers change back.
func contestedOutcome(manager string) drift.Outcome {
	o := posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStateContested)
	o.Fields, o.By.Manager, o.Done = posturetest.Fields("spec.limits"), manager, true
	return o
}

func TestAContestIsOneStateWhateverIsCorrectedMeanwhile(t *testing.T) {
	p := aPass()
	limits := contestedOutcome("a")
	disputes := []Dispute{
		{
			Object:   limits.Object,
			Change:   v1alpha1.DriftChangeModified,
			Sentence: "contested by the field managers a and b: spec.limits",
		},
	}
	first := assemble(
		p,
		posturetest.Desired(),
		[]drift.Outcome{limits, contestedOutcome("b")}[:1],
		posturetest.Noon,
		disputes...)
	p.Memory = MemoryOf(first)
	second := assemble(
		p,
		posturetest.Desired(),
		[]drift.Outcome{contestedOutcome("b")},
		posturetest.Noon.Add(time.Second),
		disputes...)
	if len(second.Drift) != 2 || second.DriftTotal != 2 {
		t.Fatalf("want an entry for each manager, got %v", second.Drift)
	}
	p.Memory = MemoryOf(second)
	waiting := contestedOutcome("a")
	waiting.Done, waiting.Wait, waiting.Fields[0].Got = false, time.Second, "3"
	for sentence, outcomes := range map[string][]drift.Outcome{
		"nothing differs":                  nil,
		"the one has changed it and waits": {waiting},
		"the other was corrected":          {contestedOutcome("b")},
	} {
		third := assemble(p, posturetest.Desired(), outcomes, posturetest.Noon.Add(time.Minute), disputes...)
		if !Same(second, third) {
			t.Errorf("%s: the report is written again: %v", sentence, third.Drift)
		}
	}
	if second.IsReady() || second.Summary.Contested != 1 || second.Summary.Drifted != 1 {
		t.Errorf("ready %t, with %+v", second.IsReady(), second.Summary)
	}
	over := assemble(p, posturetest.Desired(), nil, posturetest.Noon.Add(2*time.Minute))
	if !over.IsReady() || over.Summary.Contested != 0 || over.Drift[0].State != v1alpha1.DriftStateCorrected ||
		over.Drift[1].State != v1alpha1.DriftStateCorrected {
		t.Errorf("after it is over: ready %t, with %+v and %v", over.IsReady(), over.Summary, over.Drift)
	}
}

func TestManagersThatRenameThemselvesDoNotFillTheHistory(t *testing.T) {
	p := aPass()
	dispute := Dispute{
		Object:   contestedOutcome("").Object,
		Change:   v1alpha1.DriftChangeModified,
		Sentence: "contested by an unknown manager: …",
	}
	for i := range 40 {
		outcomes := []drift.Outcome{contestedOutcome(strings.Repeat("x", i))}
		now := posturetest.Noon.Add(time.Duration(i) * time.Second)
		p.Memory = MemoryOf(assemble(p, posturetest.Desired(), outcomes, now, dispute))
	}
	if len(p.Report().Drift) != MaxManagers {
		t.Errorf("%d entries", len(p.Report().Drift))
	}
}

func TestAContestOverCopiesTakesNothingOfTheBaselineAway(t *testing.T) {
	p := aPass()
	copied := posturetest.Reference("LimitRange", "copied")
	dispute := Dispute{
		Object:   copied,
		Change:   v1alpha1.DriftChangeUnexpected,
		Sentence: "contested by the field manager hnc: it is made again and again; …",
	}
	report := assemble(p, posturetest.Desired(), nil, posturetest.Noon, dispute)
	if !report.IsReady() || report.Summary.Drifted != 1 || report.Summary.Contested != 1 {
		t.Errorf("ready %t, with %+v", report.IsReady(), report.Summary)
	}
	o := report.Objects[len(report.Objects)-1]
	if o.ObjectReference != copied ||
		!strings.HasPrefix(o.Message, "contested by the field manager hnc: it is made again and again") {
		t.Errorf("the copy is told as %+v", o)
	}
}

func TestWhatACorrectionWasMadeInVainOfStaysOpen(t *testing.T) {
	p := aPass()
	limits := posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStatePresent)
	limits.Fields, limits.By.Manager, limits.Done, limits.Mutated = posturetest.Fields(
		"spec.limits",
	), "kubectl-edit", true, posturetest.Fields(
		"spec.other",
	)
	p.Memory = MemoryOf(assemble(p, posturetest.Desired(), []drift.Outcome{limits}, posturetest.Noon))
	again := posturetest.Unrecorded(
		posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStatePresent),
	)
	again.Fields, again.Mutated = posturetest.Fields("spec.other"), posturetest.Fields("spec.other")
	report := assemble(p, posturetest.Desired(), []drift.Outcome{again}, posturetest.Noon.Add(time.Minute))
	if !Same(p.Report(), report) || len(report.Drift) != 1 || report.Drift[0].State != v1alpha1.DriftStatePresent {
		t.Errorf("the history is %v", report.Drift)
	}
	if message := report.Objects[1].Message; !strings.HasPrefix(
		message,
		"changed by admission: spec.other: want 1, got 2",
	) {
		t.Errorf("the message is %q", message)
	}
}

func TestTheConditionNamesWhoContestsWhat(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 4}}
	profile.Spec.NamespaceSelector = v1alpha1.NamespaceSelector{}
	namespaces, reports := posturetest.Cluster(compliant, drifted)
	reports["ns-1"].Objects = []v1alpha1.ManagedObject{
		{
			ObjectReference: posturetest.Reference(
				"Namespace",
				"ns-1",
			),
			State:   v1alpha1.ObjectStateDrifted,
			Message: "contested by the field manager argocd: labels; …",
		},
	}
	reports["ns-1"].Summary.Contested = 1
	status := Summarize(
		profile,
		&Cluster{posturetest.SelectorOf(profile), append([]corev1.Namespace{}, namespaces...), reports},
		nil,
		nil,
		posturetest.Noon,
	)
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	const want = "in namespace ns-1 Namespace ns-1 is contested by the field manager argocd: labels"
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonContestedObjects ||
		!strings.Contains(ready.Message, want) {
		t.Errorf("the condition is %+v", ready)
	}
	if status.Namespaces.Contested != 1 {
		t.Errorf("%d namespaces are contested", status.Namespaces.Contested)
	}
}
