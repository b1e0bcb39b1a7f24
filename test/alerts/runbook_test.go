package alerts

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/util/jsonpath"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// jsonPaths are the commands of the runbook that read a report or a profile by a JSONPath.
var jsonPaths = regexp.MustCompile(`(?m)^kubectl get (nspost|secprof) (.*)-o jsonpath='([^']*)'`)

// TestTheRunbookReadsFieldsThatExist carries each JSONPath of the runbook out, on objects in every
// state: it must find something, and every field that it names must exist.
func TestTheRunbookReadsFieldsThatExist(t *testing.T) {
	content, err := os.ReadFile(runbookPath)
	if err != nil {
		t.Fatal(err)
	}
	commands := jsonPaths.FindAllStringSubmatch(string(content), -1)
	if len(commands) == 0 {
		t.Fatalf("%s has no command with a JSONPath", runbookPath)
	}
	for _, command := range commands {
		t.Run(command[3], func(t *testing.T) {
			var full, bare any = profile(), &v1alpha1.SecurityProfile{}
			if command[1] == "nspost" {
				full, bare = posture(), &v1alpha1.NamespacePosture{}
			}
			if !isOne(command[1], command[2]) {
				full, bare = map[string]any{"items": []any{full}}, map[string]any{"items": []any{bare}}
			}
			if found := carryOut(t, command[3], full, false); strings.TrimSpace(found) == "" {
				t.Error("nothing is found")
			}
			carryOut(t, command[3], bare, true)
		})
	}
}

// carryOut is what a JSONPath finds. kubectl allows that keys are missing.
func carryOut(t *testing.T, path string, of any, allowMissing bool) string {
	t.Helper()
	parsed := jsonpath.New("runbook").AllowMissingKeys(allowMissing)
	if err := parsed.Parse(path); err != nil {
		t.Fatal(err)
	}
	var found bytes.Buffer
	if err := parsed.Execute(&found, decoded(t, of)); err != nil {
		t.Fatalf("with allowMissing %t: %s", allowMissing, err)
	}
	return found.String()
}

// isOne reports whether a command asks for one object, not for a list.
func isOne(kind, args string) bool {
	return kind == "nspost" && strings.Contains(args, "posture") || kind == "secprof" && strings.TrimSpace(args) != ""
}

// decoded is an object as kubectl sees it.
func decoded(t *testing.T, object any) any {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var to any
	if err := json.Unmarshal(encoded, &to); err != nil {
		t.Fatal(err)
	}
	return to
}

// posture is a report in which everything occurs.
func posture() *v1alpha1.NamespacePosture {
	role := v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role", Name: "bulwark-developer"}
	report := &v1alpha1.NamespacePosture{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "team-a", Name: "posture"},
		Profile:     "restricted",
		Enforcement: v1alpha1.EnforcementEnforce,
		Summary:     v1alpha1.PostureSummary{Compliant: 1, Drifted: 1, Uncounted: 1, Blocked: 1, Conflicted: 1, Failed: 1},
		Blocked: []v1alpha1.BlockedObject{
			{Object: role, Message: "because", Violators: []string{"web-0"}, ViolatorsTotal: 1},
		},
		FindingTotals: []v1alpha1.FindingTotal{
			{ID: v1alpha1.FindingIDPrivilegedBinding, Severity: v1alpha1.SeverityCritical, Count: 1},
		},
		DriftTotal: 1,
	}
	for _, state := range []v1alpha1.ObjectState{
		v1alpha1.ObjectStateCompliant, v1alpha1.ObjectStateDrifted, v1alpha1.ObjectStateUncounted, v1alpha1.ObjectStateBlocked, v1alpha1.ObjectStateConflict, v1alpha1.ObjectStateFailed,
	} {
		report.Objects = append(
			report.Objects,
			v1alpha1.ManagedObject{ObjectReference: role, State: state, Message: "because"},
		)
	}
	for _, severity := range []v1alpha1.Severity{v1alpha1.SeverityCritical, v1alpha1.SeverityHigh, v1alpha1.SeverityMedium, v1alpha1.SeverityLow} {
		report.Findings = append(report.Findings, v1alpha1.Finding{
			ID: v1alpha1.FindingIDPrivilegedBinding, Severity: severity, Object: role, Message: "because", Remedy: "do",
		})
	}
	for _, state := range []v1alpha1.DriftState{v1alpha1.DriftStatePresent, v1alpha1.DriftStateCorrected, v1alpha1.DriftStateContested, v1alpha1.DriftStateConflict} {
		report.Drift = append(report.Drift, v1alpha1.DriftEntry{
			Namespace: "team-a", Object: role, Change: v1alpha1.DriftChangeModified, State: state, Manager: "kubectl-edit",
			Operation: metav1.ManagedFieldsOperationUpdate, ManagedAt: &metav1.Time{}, ObservedAt: metav1.Now(),
			Fields: []v1alpha1.FieldDrift{{Path: "rules", Want: "1", Got: "2"}},
		})
	}
	return report
}

// profile is a profile in which everything occurs.
func profile() *v1alpha1.SecurityProfile {
	p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted"}}
	p.Spec.Enforcement = v1alpha1.EnforcementEnforce
	p.Spec.Protection = &v1alpha1.Protection{
		BreakGlassGroups: []string{"break-glass"},
		BreakGlassUsers:  []string{"responder"},
	}
	for _, condition := range []string{
		v1alpha1.ConditionReady, v1alpha1.ConditionCompliant, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
		v1alpha1.ConditionAdmission,
	} {
		p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{
			Type: condition, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInvalid, Message: "because",
		})
	}
	report := posture()
	p.Status.Namespaces = v1alpha1.NamespaceCounts{
		Selected:   8,
		Pending:    1,
		Compliant:  1,
		Weakened:   1,
		Uncounted:  1,
		Blocked:    1,
		Drifted:    1,
		Contested:  1,
		Conflicted: 1,
		Failed:     1,
		Overridden: 1,
	}
	p.Status.FindingTotals, p.Status.Drift, p.Status.DriftTotal = report.FindingTotals, report.Drift, report.DriftTotal
	return p
}
