package posture

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// A namespace without a report remembers nothing, whatever it is asked.
func TestTheZeroMemoryRemembersNothing(t *testing.T) {
	p := aPass()
	section := ruled(p.Profile)
	ref := posturetest.Reference("LimitRange", "bulwark-limits")
	_, known := p.Object(ref)
	_, contentKnown := p.Content(ref)
	_, beforeKnown := p.Before(posturetest.Limited("1"))
	_, rulesKnown := p.RulesInForce(&section)
	for sentence, says := range map[string]bool{
		"it has a report": p.Report() != nil, "it is current": p.Current(), "it knows an object": known,
		"it knows what was in place": contentKnown || beforeKnown || rulesKnown,
		"an object was in place":     p.WasInPlace(posturetest.Limited("1")) || len(p.InPlace()) > 0,
		"a section was deferred":     p.WasDeferred(&section), "pods weaken it": p.DoubtsPods(),
		"it has a history": len(p.History()) > 0, "a quota was exceeded": p.Exceeded(small) != "",
	} {
		if says {
			t.Error(sentence)
		}
	}
}

func TestMemoryIsOf(t *testing.T) {
	for sentence, tt := range map[string]struct {
		change func(*v1alpha1.NamespacePosture)
		want   bool
	}{
		"the same namespace, profile, generation and enforcement": {func(*v1alpha1.NamespacePosture) {}, true},
		"another namespace of the same name":                      {func(r *v1alpha1.NamespacePosture) { r.NamespaceUID = "other" }, false},
		"another profile":                                         {func(r *v1alpha1.NamespacePosture) { r.Profile = "other" }, false},
		"another generation":                                      {func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- }, false},
		"another enforcement":                                     {func(r *v1alpha1.NamespacePosture) { r.Enforcement = v1alpha1.EnforcementAudit }, false},
		"a profile that could not be carried out":                 {func(r *v1alpha1.NamespacePosture) { setStalled(r, nil, "why", posturetest.Noon) }, false},
	} {
		report := posturetest.Report()
		tt.change(report)
		if got := MemoryOf(report).IsOf(posturetest.Profile(), posturetest.Namespace()); got != tt.want {
			t.Errorf("%s: want %t, got %t", sentence, tt.want, got)
		}
	}
}

func TestWasInPlace(t *testing.T) {
	limits := posturetest.Limited("1")
	ref := baseline.Reference(limits)
	remembers := func(content string) []v1alpha1.ObjectContent {
		return []v1alpha1.ObjectContent{{Object: ref, Content: content}}
	}
	for sentence, tt := range map[string]struct {
		state   v1alpha1.ObjectState
		message string
		inPlace []v1alpha1.ObjectContent
		audits  bool
		want    bool
	}{
		"as declared":                            {state: v1alpha1.ObjectStateCompliant, want: true},
		"not counted yet":                        {state: v1alpha1.ObjectStateUncounted, want: true},
		"changed by somebody":                    {state: v1alpha1.ObjectStateDrifted, want: true},
		"an unmanaged object in its place":       {state: v1alpha1.ObjectStateConflict},
		"refused by the API server":              {state: v1alpha1.ObjectStateFailed, message: "refused by a webhook"},
		"the API server refuses to delete it":    {state: v1alpha1.ObjectStateFailed, message: "cannot be deleted: why", want: true},
		"deferred, and another one was there":    {state: v1alpha1.ObjectStateBlocked, inPlace: remembers("{}"), want: true},
		"deferred, and none was there":           {state: v1alpha1.ObjectStateBlocked, inPlace: remembers("")},
		"deferred, and nothing says what was":    {state: v1alpha1.ObjectStateBlocked},
		"an audit found it as it would be":       {state: v1alpha1.ObjectStateCompliant, audits: true},
		"a state that this release has not made": {state: "Other"},
	} {
		report := posturetest.Report()
		report.Objects[1].State, report.Objects[1].Message, report.OperatorState.InPlace = tt.state, tt.message, tt.inPlace
		if tt.audits {
			report.Enforcement = v1alpha1.EnforcementAudit
		}
		m := MemoryOf(report)
		listed := 0
		for _, o := range m.InPlace() {
			if o.ObjectReference == ref {
				listed++
			}
		}
		if got := m.WasInPlace(limits); got != tt.want || listed == 1 != tt.want {
			t.Errorf("%s: want %t, got %t, and %d times in the list", sentence, tt.want, got, listed)
		}
	}
	if MemoryOf(posturetest.Report()).WasInPlace(&corev1.ResourceQuota{}) {
		t.Error("what the report does not have was in place")
	}
}

func TestBefore(t *testing.T) {
	want := posturetest.Limited("1")
	ref := baseline.Reference(want)
	for sentence, tt := range map[string]struct {
		inPlace []v1alpha1.ObjectContent
		before  baseline.Object
		known   bool
	}{
		"what was in place": {
			inPlace: []v1alpha1.ObjectContent{{Object: ref, Content: baseline.RefusingContent(posturetest.Limited("4"))}},
			before:  posturetest.Limited("4"), known: true,
		},
		"that nothing was":            {inPlace: []v1alpha1.ObjectContent{{Object: ref}}, known: true},
		"nothing of another object":   {inPlace: []v1alpha1.ObjectContent{{Object: small, Content: "{}"}}},
		"nothing that cannot be read": {inPlace: []v1alpha1.ObjectContent{{Object: ref, Content: "{"}}},
	} {
		report := posturetest.Report()
		report.OperatorState.InPlace = tt.inPlace
		before, known := MemoryOf(report).Before(want)
		if known != tt.known || (before == nil) != (tt.before == nil) {
			t.Errorf("%s: got %v, %t", sentence, before, known)
		}
		if diff := cmp.Diff(baseline.RefusingContent(tt.before), baseline.RefusingContent(before)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestDoubtsPods(t *testing.T) {
	for sentence, tt := range map[string]struct {
		report v1alpha1.NamespacePosture
		want   bool
	}{
		"all is well":                    {},
		"another object weakens it":      {report: v1alpha1.NamespacePosture{FindingTotals: []v1alpha1.FindingTotal{{ID: v1alpha1.FindingIDBroadBinding}}}},
		"a pod violates its level":       {report: v1alpha1.NamespacePosture{FindingTotals: []v1alpha1.FindingTotal{{ID: v1alpha1.FindingIDPodSecurityViolated}}}, want: true},
		"pods could not be looked at":    {report: v1alpha1.NamespacePosture{PodsUnseen: true}, want: true},
		"a pod breaks a rule for itself": {report: v1alpha1.NamespacePosture{FindingTotals: []v1alpha1.FindingTotal{{ID: v1alpha1.FindingIDWorkloadRuleViolated}}}, want: true},
	} {
		if got := MemoryOf(&tt.report).DoubtsPods(); got != tt.want {
			t.Errorf("%s: want %t, got %t", sentence, tt.want, got)
		}
	}
}
