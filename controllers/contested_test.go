package controllers

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// contestedOutcome is a correction of a field that two managers change back.
func contestedOutcome(manager string) drift.Outcome {
	o := outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Contested)
	o.Fields, o.By.Manager, o.Done = fields("spec.limits"), manager, true
	return o
}

func TestAContestIsOneStateWhateverIsCorrectedMeanwhile(t *testing.T) {
	p := aPass()
	limits := contestedOutcome("a")
	p.disputes = []contention.Dispute{{Object: limits.Object, Change: v1alpha1.Modified, Fields: []string{"spec.limits"}, Managers: []string{"a", "b"}}}
	first := assemble(p, desired(), []drift.Outcome{limits, contestedOutcome("b")}[:1], noon)
	p.previous = first
	second := assemble(p, desired(), []drift.Outcome{contestedOutcome("b")}, noon.Add(time.Second))
	if len(second.Drift) != 2 || second.DriftTotal != 2 {
		t.Fatalf("want an entry for each manager, got %v", second.Drift)
	}
	p.previous = second
	waiting := contestedOutcome("a")
	waiting.Done, waiting.Wait, waiting.Fields[0].Got = false, time.Second, "3"
	for sentence, outcomes := range map[string][]drift.Outcome{
		"nothing differs":                  nil,
		"the one has changed it and waits": {waiting},
		"the other was corrected":          {contestedOutcome("b")},
	} {
		third := assemble(p, desired(), outcomes, noon.Add(time.Minute))
		if !sameReport(second, third) {
			t.Errorf("%s: the report is written again: %v", sentence, third.Drift)
		}
	}
	if second.Ready || second.Summary.Contested != 1 || second.Summary.Drifted != 1 {
		t.Errorf("ready %t, with %+v", second.Ready, second.Summary)
	}
	p.disputes = nil
	over := assemble(p, desired(), nil, noon.Add(2*time.Minute))
	if !over.Ready || over.Summary.Contested != 0 || over.Drift[0].State != v1alpha1.Corrected || over.Drift[1].State != v1alpha1.Corrected {
		t.Errorf("after it is over: ready %t, with %+v and %v", over.Ready, over.Summary, over.Drift)
	}
}

func TestManagersThatRenameThemselvesDoNotFillTheHistory(t *testing.T) {
	p := aPass()
	p.disputes = []contention.Dispute{{Object: contestedOutcome("").Object, Change: v1alpha1.Modified}}
	for i := range 40 {
		p.previous = assemble(p, desired(), []drift.Outcome{contestedOutcome(strings.Repeat("x", i))}, noon.Add(time.Duration(i)*time.Second))
	}
	if len(p.previous.Drift) != contention.MaxManagers {
		t.Errorf("%d entries", len(p.previous.Drift))
	}
}

func TestAContestOverCopiesTakesNothingOfTheBaselineAway(t *testing.T) {
	p := aPass()
	copied := reference("LimitRange", "copied")
	p.disputes = []contention.Dispute{{Object: copied, Change: v1alpha1.Unexpected, Managers: []string{"hnc"}}}
	report := assemble(p, desired(), nil, noon)
	if !report.Ready || report.Summary.Drifted != 1 || report.Summary.Contested != 1 {
		t.Errorf("ready %t, with %+v", report.Ready, report.Summary)
	}
	o := report.Objects[len(report.Objects)-1]
	if o.ObjectReference != copied || !strings.HasPrefix(o.Message, "contested by the field manager hnc: it is made again and again") {
		t.Errorf("the copy is told as %+v", o)
	}
}

func TestWhatACorrectionWasMadeInVainOfStaysOpen(t *testing.T) {
	p := aPass()
	limits := outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Present)
	limits.Fields, limits.By.Manager, limits.Done, limits.Mutated = fields("spec.limits"), "kubectl-edit", true, fields("spec.other")
	p.previous = assemble(p, desired(), []drift.Outcome{limits}, noon)
	again := unrecorded(outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Present))
	again.Fields, again.Mutated = fields("spec.other"), fields("spec.other")
	report := assemble(p, desired(), []drift.Outcome{again}, noon.Add(time.Minute))
	if !sameReport(p.previous, report) || len(report.Drift) != 1 || report.Drift[0].State != v1alpha1.Present {
		t.Errorf("the history is %v", report.Drift)
	}
	if message := report.Objects[1].Message; !strings.HasPrefix(message, "changed by admission: spec.other: want 1, got 2") {
		t.Errorf("the message is %q", message)
	}
}

func TestTheConditionNamesWhoContestsWhat(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 4}}
	profile.Spec.NamespaceSelector = v1alpha1.NamespaceSelector{}
	namespaces, reports := cluster(compliant, drifted)
	reports["ns-1"].Objects = []v1alpha1.ManagedObject{{
		ObjectReference: reference("Namespace", "ns-1"), State: v1alpha1.ObjectDrifted, Message: "contested by the field manager argocd: labels; …",
	}}
	reports["ns-1"].Summary.Contested = 1
	status := summarize(profile, selectorOf(profile), append([]corev1.Namespace{}, namespaces...), reports, nil, nil, noon)
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	const want = "in namespace ns-1 Namespace ns-1 is contested by the field manager argocd: labels"
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonContestedObjects || !strings.Contains(ready.Message, want) {
		t.Errorf("the condition is %+v", ready)
	}
	if status.Namespaces.Contested != 1 {
		t.Errorf("%d namespaces are contested", status.Namespaces.Contested)
	}
}
