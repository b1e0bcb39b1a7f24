package overview

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func condition(kind, status, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Message: message}
}

func ref(kind, name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{Kind: kind, Name: name}
}

func profile(name string, counts v1alpha1.NamespaceCounts, conditions ...metav1.Condition) v1alpha1.SecurityProfile {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2}}
	p.Status = v1alpha1.SecurityProfileStatus{ObservedGeneration: 2, Namespaces: counts, Conditions: conditions}
	return p
}

var (
	ready, compliant = condition("Ready", "True", "in place"), condition("Compliant", "True", "as declared")

	deny   = ref("NetworkPolicy", "bulwark-default-deny")
	edited = v1alpha1.DriftEntry{
		Object:     deny,
		Change:     "Modified",
		State:      "Corrected",
		Manager:    "kubectl-edit",
		ObservedAt: metav1.NewTime(noon.Add(-5 * time.Minute)),
		Fields:     []v1alpha1.FieldDrift{{Path: "spec.policyTypes", Want: `["Ingress","Egress"]`, Got: `["Ingress"]`}},
	}
)

func TestStatus(t *testing.T) {
	weak := profile(
		"restricted",
		v1alpha1.NamespaceCounts{Selected: 3, Compliant: 1, Failed: 1, Weakened: 1, Overridden: 2},
		condition("Ready", "False", "the API server refused objects in 1 of 3 namespaces"),
		condition("Compliant", "False", "the API server refused objects in 1 of 3 namespaces"),
	)
	weak.Status.FindingTotals = []v1alpha1.FindingTotal{
		{ID: "BroadBinding", Severity: "Medium", Count: 1}, {ID: "NetworkReopened", Severity: "High", Count: 2},
	}
	in := edited
	in.Namespace = "shop"
	weak.Status.Drift, weak.Status.DriftTotal = []v1alpha1.DriftEntry{in}, 7
	old := profile("old", v1alpha1.NamespaceCounts{Selected: 1, Compliant: 1}, ready, compliant)
	old.Generation = 3
	rows := []Namespace{
		NamespaceOf(&v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop",
			},
			Profile:           "restricted",
			ProfileGeneration: 1,
			Summary:           v1alpha1.PostureSummary{Findings: 3},
		}),
		NamespaceOf(&v1alpha1.NamespacePosture{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "bank",
			},
			Profile:           "restricted",
			ProfileGeneration: 2,
			Summary:           v1alpha1.PostureSummary{Failed: 1},
		}),
	}
	for sentence, tt := range map[string]struct {
		fleet Fleet
		want  string
	}{
		"all is well": {
			fleet: Fleet{Profiles: []v1alpha1.SecurityProfile{
				profile("restricted", v1alpha1.NamespaceCounts{Selected: 3, Compliant: 3}, ready, compliant),
			}},
			want: `
PROFILE     MODE     COMPLIANT  NAMESPACES  OTHERS
restricted  Enforce  yes        3/3
`,
		},
		"a profile that is not compliant": {
			fleet: Fleet{Profiles: []v1alpha1.SecurityProfile{weak}, Namespaces: rows},
			want: `
PROFILE     MODE     COMPLIANT  NAMESPACES  OTHERS
restricted  Enforce  no         1/3         1 failed, 1 weakened, 2 overridden
  restricted: the API server refused objects in 1 of 3 namespaces

NAMESPACES
NAMESPACE  PROFILE     STATE     WHAT
bank       restricted  Failed    1 failed
shop       restricted  Weakened  3 findings, of generation 1, not 2

FINDINGS
SEVERITY  COUNT  WHAT
High      2      2 NetworkReopened
Medium    1      1 BroadBinding

NEWEST DRIFT (1 of 7)
AGE  CHANGE    STATE      BY            OBJECT
5m   Modified  Corrected  kubectl-edit  shop NetworkPolicy/bulwark-default-deny
`,
		},
		"a status that is older than the spec": {
			fleet: Fleet{Profiles: []v1alpha1.SecurityProfile{old}},
			want: `
PROFILE  MODE     COMPLIANT  NAMESPACES  OTHERS
old      Enforce  no         1/1
  old: the status is of generation 2, the spec is of 3: the operator has yet to
  look at it (is it running?)
`,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, "\n"+Status(&tt.fleet, View{Now: noon})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	many := &Fleet{Profiles: []v1alpha1.SecurityProfile{weak}}
	for range 25 {
		many.Namespaces = append(many.Namespaces, rows[0])
	}
	if got := Status(many, View{Now: noon}); !strings.Contains(got, "… and 5 more: --all shows them") {
		t.Errorf("the list has no end:\n%s", got)
	}
	if got := Status(many, View{Now: noon, Colour: true}); !strings.Contains(got, red+"High"+plain) {
		t.Errorf("it is not in colour:\n%q", got)
	}
}

func TestExplain(t *testing.T) {
	contested := edited
	contested.State, contested.Object, contested.Fields, contested.Manager = "Contested", ref(
		"LimitRange",
		"bulwark-limits",
	), nil, "argocd"
	report := &v1alpha1.NamespacePosture{
		Profile: "restricted", ProfileGeneration: 2, Enforcement: "Enforce", NamespaceUID: "former", DriftTotal: 2,
		Summary: v1alpha1.PostureSummary{Compliant: 1, Drifted: 1, Blocked: 1, Conflicted: 1, Contested: 1, Findings: 1},
		Objects: []v1alpha1.ManagedObject{
			{ObjectReference: deny, State: "Compliant"},
			{ObjectReference: ref("LimitRange", "bulwark-limits"), State: "Drifted"},
			{ObjectReference: ref("Namespace", "shop"), State: "Blocked"},
			{ObjectReference: ref("Role", "bulwark-dev"), State: "Failed", Message: "forbidden; remedy: label a ClusterRole"},
		},
		Blocked: []v1alpha1.BlockedObject{
			{
				Object:         ref("Namespace", "shop"),
				Message:        "restricted refuses pods",
				Violators:      []string{"web"},
				ViolatorsTotal: 1,
			},
		},
		Findings: []v1alpha1.Finding{
			{
				ID:       "NetworkReopened",
				Severity: "High",
				Object:   ref("NetworkPolicy", "open"),
				Message:  "it opens Ingress",
				Remedy:   "Delete it.",
			},
		},
		Drift: []v1alpha1.DriftEntry{edited, contested},
	}
	place := &Place{
		Name:       "shop",
		Report:     report,
		Generation: 3,
		Namespace:  &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "new"}},
		Verdicts: []selection.Verdict{
			{
				Profile:  "restricted",
				Priority: 5,
				Governs:  true,
				Why:      "the selector matches: tier=prod",
			},
			{Profile: "all", Why: "priority 0 is below 5, that of restricted"},
		},
	}
	want := `
SecurityProfile restricted governs namespace shop.

PROFILE     PRIORITY  GOVERNS  WHY
restricted  5         yes      the selector matches: tier=prod
all         0         no       priority 0 is below 5, that of restricted

REPORT (Enforce, by SecurityProfile restricted)
1 objects are compliant, 1 conflict, 1 contested, 1 drifted, 1 blocked, 1
findings
It is of a former namespace of this name, and says nothing of this one.
It is older than the profile: of generation 2, and the profile is of 3. The
operator has yet to look at the namespace again (is it running?).

OBJECTS
STATE      OBJECT                              WHY, AND WHAT TO DO
Compliant  NetworkPolicy/bulwark-default-deny
Drifted    LimitRange/bulwark-limits           remedy: Enforce corrects it by
                                               itself; Audit writes nothing: see
                                               the drift below for who changed
                                               it; argocd keeps changing it: end
                                               that, or see spec.contest
Blocked    Namespace/shop                      restricted refuses pods; it would
                                               refuse 1 pods: web; remedy: mend
                                               the pods that it would refuse: it
                                               takes effect by itself then
Failed     Role/bulwark-dev                    forbidden; remedy: label a
                                               ClusterRole

FINDINGS
High  NetworkReopened  NetworkPolicy/open
  it opens Ingress
  Remedy: Delete it.

NEWEST DRIFT (2 of 2)
AGE  CHANGE    STATE      BY            OBJECT
5m   Modified  Corrected  kubectl-edit  NetworkPolicy/bulwark-default-deny
5m   Modified  Contested  argocd        LimitRange/bulwark-limits
  NetworkPolicy/bulwark-default-deny: spec.policyTypes was ["Ingress"], not
  ["Ingress","Egress"]
`
	if diff := cmp.Diff(want, "\n"+Explain(place, View{Now: noon})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What a hostile cluster says reaches no terminal as it is.
func TestNothingOfOthersSteersATerminal(t *testing.T) {
	const evil = "a\x1b[2Jb\nc\u202e"
	drift := v1alpha1.DriftEntry{
		Namespace: evil,
		Object:    ref(evil, evil),
		Change:    evil,
		State:     evil,
		Manager:   evil,
		Fields: []v1alpha1.FieldDrift{
			{Path: evil, Want: evil, Got: evil},
		},
	}
	p := profile(evil, v1alpha1.NamespaceCounts{}, condition("Ready", "False", evil))
	p.Status.Drift = []v1alpha1.DriftEntry{drift}
	p.Status.FindingTotals = []v1alpha1.FindingTotal{{ID: evil, Severity: evil, Count: 1}}
	report := &v1alpha1.NamespacePosture{
		Profile:     evil,
		Enforcement: evil,
		Drift:       p.Status.Drift,
		Objects:     []v1alpha1.ManagedObject{{ObjectReference: ref(evil, evil), State: evil, Message: evil}},
		Blocked:     []v1alpha1.BlockedObject{{Object: ref(evil, "b"), Message: evil, Violators: []string{evil}}},
		Findings:    []v1alpha1.Finding{{ID: evil, Severity: evil, Object: ref(evil, evil), Message: evil, Remedy: evil}},
		Status:      v1alpha1.NamespacePostureStatus{Conditions: []metav1.Condition{condition("Stalled", "True", evil)}},
	}
	screens := Status(
		&Fleet{Profiles: []v1alpha1.SecurityProfile{p}, Namespaces: []Namespace{{Name: evil, Profile: evil, State: evil}}},
		View{},
	) +
		Explain(
			&Place{Name: evil, Report: report},
			View{},
		) +
		Explain(
			&Place{Name: evil, Report: report, Verdicts: []selection.Verdict{{Profile: evil, Governs: true, Why: evil}}},
			View{},
		)
	for line := range strings.SplitSeq(screens, "\n") {
		if !printable.Plain(line) {
			t.Errorf("%q steers", line)
		}
	}
	if strings.Contains(screens, "\nc") {
		t.Errorf("a name begins a line:\n%s", screens)
	}
}
