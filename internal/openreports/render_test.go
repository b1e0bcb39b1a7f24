package openreports

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	reports "github.com/bulwark-dev/bulwark/internal/posture"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func reference(apiVersion, kind, name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{APIVersion: apiVersion, Kind: kind, Name: name}
}

func policy(name string) v1alpha1.ObjectReference {
	return reference("networking.k8s.io/v1", "NetworkPolicy", name)
}

// posture is that of the namespace team-a.
func posture(changes ...func(*v1alpha1.NamespacePosture)) *v1alpha1.NamespacePosture {
	p := &v1alpha1.NamespacePosture{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "team-a", Name: v1alpha1.PostureName, UID: "uid-of-the-posture"},
		Profile:     "restricted",
		Enforcement: v1alpha1.EnforcementEnforce,
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func TestRenderMetadata(t *testing.T) {
	report := Render(posture())
	want := &reportsv1alpha1.Report{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-a",
			Name:      "bulwark",
			Labels: map[string]string{
				"app.kubernetes.io/managed-by": "bulwark",
				"security.bulwark.dev/profile": "restricted",
			},
			OwnerReferences: []metav1.OwnerReference{{ // Neither controller nor blockOwnerDeletion.
				APIVersion: "security.bulwark.dev/v1alpha1", Kind: "NamespacePosture", Name: "posture", UID: "uid-of-the-posture",
			}},
		},
		Source: "bulwark",
		Scope:  &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "team-a"},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
}

func TestRenderResults(t *testing.T) {
	since := metav1.NewTime(noon)
	subjectPolicy := []corev1.ObjectReference{{
		APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: "team-a", Name: "bulwark-default-deny",
	}}
	object := func(state v1alpha1.ObjectState, message string) func(*v1alpha1.NamespacePosture) {
		return func(p *v1alpha1.NamespacePosture) {
			p.Objects = append(p.Objects, v1alpha1.ManagedObject{
				ObjectReference: policy("bulwark-default-deny"), State: state, Message: message,
			})
		}
	}
	drift := func(state v1alpha1.DriftState, at metav1.Time, manager string) func(*v1alpha1.NamespacePosture) {
		return func(p *v1alpha1.NamespacePosture) {
			p.Drift = append(p.Drift, v1alpha1.DriftEntry{
				Namespace: "team-a", Object: policy("bulwark-default-deny"), Change: v1alpha1.DriftChangeModified, State: state,
				Manager: manager, ObservedAt: at,
				Fields: []v1alpha1.FieldDrift{{Path: "spec.ingress"}, {Path: "spec.policyTypes"}},
			})
		}
	}
	result := func(result reportsv1alpha1.Result, message string, properties ...string) reportsv1alpha1.ReportResult {
		r := reportsv1alpha1.ReportResult{
			Source: "bulwark", Policy: "baseline/NetworkPolicy", Rule: "bulwark-default-deny", Category: "Baseline",
			Result: result, Scored: result != warn, Subjects: subjectPolicy, Description: message,
		}
		for i := 0; i < len(properties); i += 2 {
			if r.Properties == nil {
				r.Properties = map[string]string{}
			}
			r.Properties[properties[i]] = properties[i+1]
		}
		return r
	}
	at := func(r reportsv1alpha1.ReportResult) reportsv1alpha1.ReportResult {
		r.Timestamp = metav1.Timestamp{Seconds: noon.Unix()}
		return r
	}

	tests := map[string]struct {
		changes []func(*v1alpha1.NamespacePosture)
		want    []reportsv1alpha1.ReportResult
	}{
		"nothing gives no result": {},
		"a compliant object passes": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateCompliant, "")},
			want:    []reportsv1alpha1.ReportResult{result(pass, "the object is as declared")},
		},
		"a compliant object bears nothing of its corrected drift": {
			changes: []func(*v1alpha1.NamespacePosture){
				object(v1alpha1.ObjectStateCompliant, ""), drift(v1alpha1.DriftStateCorrected, since, "kubectl-edit"),
			},
			want: []reportsv1alpha1.ReportResult{result(pass, "the object is as declared")},
		},
		"a drifted object fails, with the fields, the manager and the time of its newest drift that is still there": {
			changes: []func(*v1alpha1.NamespacePosture){
				object(v1alpha1.ObjectStateDrifted, "Modified"),
				drift(v1alpha1.DriftStateCorrected, metav1.NewTime(noon.Add(time.Hour)), "kubectl-edit"),
				drift(v1alpha1.DriftStatePresent, since, "helm"),
				drift(v1alpha1.DriftStatePresent, metav1.NewTime(noon.Add(-time.Hour)), "older"),
			},
			want: []reportsv1alpha1.ReportResult{at(result(fail, "Modified", "state", "Drifted", "enforcement", "Enforce",
				"change", "Modified", "manager", "helm", "fields", "spec.ingress, spec.policyTypes"))},
		},
		"a drifted object of which the history is cut fails, with no time": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateDrifted, "Modified")},
			want:    []reportsv1alpha1.ReportResult{result(fail, "Modified", "state", "Drifted", "enforcement", "Enforce")},
		},
		"a blocked object warns, in the words that say what it would break": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateBlocked, "waits: see blocked"),
				func(p *v1alpha1.NamespacePosture) {
					p.Blocked = []v1alpha1.BlockedObject{{Object: policy("bulwark-default-deny"), Message: "would refuse 2 pods"}}
				}},
			want: []reportsv1alpha1.ReportResult{
				result(warn, "would refuse 2 pods", "state", "Blocked", "enforcement", "Enforce"),
			},
		},
		"a blocked object of which the list is cut warns in its own words": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateBlocked, "waits: see blocked")},
			want: []reportsv1alpha1.ReportResult{
				result(warn, "waits: see blocked", "state", "Blocked", "enforcement", "Enforce"),
			},
		},
		"a conflict fails": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateConflict, "somebody else's")},
			want: []reportsv1alpha1.ReportResult{
				result(fail, "somebody else's", "state", "Conflict", "enforcement", "Enforce"),
			},
		},
		"a refusal is an error": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateFailed, "forbidden")},
			want:    []reportsv1alpha1.ReportResult{result(failure, "forbidden", "state", "Failed", "enforcement", "Enforce")},
		},
		"an object of which the message is cut still has one": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateFailed, "")},
			want: []reportsv1alpha1.ReportResult{
				result(failure, "the object is Failed", "state", "Failed", "enforcement", "Enforce"),
			},
		},
		"what an audit would change fails, and says that it is an audit": {
			changes: []func(*v1alpha1.NamespacePosture){object(v1alpha1.ObjectStateDrifted, "Missing"), audited},
			want:    []reportsv1alpha1.ReportResult{result(fail, "Missing", "state", "Drifted", "enforcement", "Audit")},
		},
		"the namespace is in no namespace": {
			changes: []func(*v1alpha1.NamespacePosture){func(p *v1alpha1.NamespacePosture) {
				p.Objects = []v1alpha1.ManagedObject{{
					ObjectReference: reference("v1", "Namespace", "team-a"), State: v1alpha1.ObjectStateCompliant,
				}}
			}},
			want: []reportsv1alpha1.ReportResult{{
				Source: "bulwark", Policy: "baseline/Namespace", Rule: "team-a", Category: "Baseline", Result: pass, Scored: true,
				Subjects:    []corev1.ObjectReference{{APIVersion: "v1", Kind: "Namespace", Name: "team-a"}},
				Description: "the object is as declared",
			}},
		},
		"a finding fails, with its severity and remedy": {
			changes: []func(*v1alpha1.NamespacePosture){func(p *v1alpha1.NamespacePosture) {
				p.Findings = []v1alpha1.Finding{{
					ID: v1alpha1.FindingIDNetworkReopened, Severity: v1alpha1.SeverityHigh, Object: policy("allow-all"),
					Message: "lets everybody in", Remedy: "delete it",
				}}
			}},
			want: []reportsv1alpha1.ReportResult{{
				Source: "bulwark", Policy: "NetworkReopened", Rule: "NetworkPolicy/allow-all", Category: "Finding",
				Severity: "high", Result: fail, Scored: true,
				Subjects: []corev1.ObjectReference{{
					APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: "team-a", Name: "allow-all",
				}},
				Description: "lets everybody in", Properties: map[string]string{"remedy": "delete it"},
			}},
		},
		"a finding on what no namespace holds says so": {
			changes: []func(*v1alpha1.NamespacePosture){func(p *v1alpha1.NamespacePosture) {
				p.Findings = []v1alpha1.Finding{{
					ID: v1alpha1.FindingIDWebhookUnreachable, Severity: v1alpha1.SeverityHigh,
					Object:  reference("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "certs"),
					Message: "is cut off", Remedy: "let it in",
				}}
			}},
			want: []reportsv1alpha1.ReportResult{{
				Source: "bulwark", Policy: "WebhookUnreachable", Rule: "ValidatingWebhookConfiguration/certs", Category: "Finding",
				Severity: "high", Result: fail, Scored: true,
				Subjects: []corev1.ObjectReference{{
					APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration", Name: "certs",
				}},
				Description: "is cut off", Properties: map[string]string{"remedy": "let it in"},
			}},
		},
		"a profile that cannot be carried out is an error": {
			changes: []func(*v1alpha1.NamespacePosture){func(p *v1alpha1.NamespacePosture) { p.Status = stalled("why") }},
			want: []reportsv1alpha1.ReportResult{{
				Source: "bulwark", Policy: "report/stalled", Category: "Report", Result: failure, Scored: true, Description: "why",
			}},
		},
		"what the lists leave out is skipped": {
			changes: []func(*v1alpha1.NamespacePosture){func(p *v1alpha1.NamespacePosture) { p.Truncated = 7 }},
			want: []reportsv1alpha1.ReportResult{
				{
					Source:      "bulwark",
					Policy:      "report/truncated",
					Category:    "Report",
					Result:      skip,
					Description: "the report on this namespace leaves out 7 entries, so that it fits into one object; the summary counts them",
				},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Render(posture(test.changes...)).Results); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func stalled(why string) v1alpha1.NamespacePostureStatus {
	return v1alpha1.NamespacePostureStatus{Conditions: []metav1.Condition{
		{
			Type:   v1alpha1.ConditionReady,
			Status: metav1.ConditionFalse,
		},
		{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Message: why},
	}}
}

func audited(p *v1alpha1.NamespacePosture) { p.Enforcement = v1alpha1.EnforcementAudit }

func TestRenderSummary(t *testing.T) {
	tests := map[string]struct {
		change func(*v1alpha1.NamespacePosture)
		want   reportsv1alpha1.ReportSummary
	}{
		"it counts each state as the result that it comes to": {
			func(p *v1alpha1.NamespacePosture) {
				p.Summary = v1alpha1.PostureSummary{Compliant: 1, Drifted: 2, Blocked: 4, Conflicted: 8, Failed: 16}
			},
			reportsv1alpha1.ReportSummary{Pass: 1, Fail: 10, Warn: 4, Error: 16},
		},
		"it counts findings, also those that the list leaves out": {
			func(p *v1alpha1.NamespacePosture) {
				p.FindingTotals = []v1alpha1.FindingTotal{
					{ID: v1alpha1.FindingIDBroadBinding, Severity: v1alpha1.SeverityHigh, Count: 3},
					{ID: v1alpha1.FindingIDNetworkReopened, Severity: v1alpha1.SeverityHigh, Count: 100},
				}
				p.Truncated = 39
			},
			reportsv1alpha1.ReportSummary{Fail: 103, Skip: 1},
		},
		"and that the profile cannot be carried out": {
			func(p *v1alpha1.NamespacePosture) {
				p.Status, p.Summary = stalled("why"), v1alpha1.PostureSummary{Compliant: 2, Failed: 1}
			},
			reportsv1alpha1.ReportSummary{Pass: 2, Error: 2},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Render(posture(test.change)).Summary); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// full is a posture with all that one can hold, in lists and in texts, of 512 KiB at most.
func full(p *v1alpha1.NamespacePosture) {
	text := func(i, n int) string { return fmt.Sprintf("%s%06d", strings.Repeat("x", n-6), i) }
	for i := range v1alpha1.MaxObjects {
		object := reference("networking.k8s.io/v1", "NetworkPolicy", text(i, v1alpha1.MaxName))
		p.Objects = append(
			p.Objects,
			v1alpha1.ManagedObject{ObjectReference: object, State: v1alpha1.ObjectStateFailed, Message: text(i, 400)},
		)
	}
	for i := range v1alpha1.MaxFindings {
		p.Findings = append(p.Findings, v1alpha1.Finding{
			ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityCritical,
			Object: reference("v1", "Pod", text(i, v1alpha1.MaxName)), Message: text(i, 1025), Remedy: text(i, 512),
		})
	}
	p.Truncated = 1
}

func TestRenderIsBoundedAsThePostureIs(t *testing.T) {
	p := posture(full)
	if size := reports.Size(p); size < 480<<10 {
		t.Fatalf("the posture takes only %d bytes", size)
	}
	report := Render(p)
	if want := v1alpha1.MaxObjects + v1alpha1.MaxFindings + 1; len(report.Results) != want {
		t.Errorf("%d results, not %d", len(report.Results), want)
	}
	encoded, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) > 1<<20 { // The API server stores 1.5 MiB.
		t.Errorf("the report takes %d bytes", len(encoded))
	}
}

func TestRenderIsDeterministicAndLeavesThePostureAlone(t *testing.T) {
	p := posture(full, func(p *v1alpha1.NamespacePosture) {
		p.Drift = []v1alpha1.DriftEntry{
			{
				Object:     p.Objects[0].ObjectReference,
				Change:     v1alpha1.DriftChangeModified,
				State:      v1alpha1.DriftStatePresent,
				ObservedAt: metav1.NewTime(noon),
			},
		}
	})
	before := p.DeepCopy()
	first := Render(p)
	for range 10 {
		if diff := cmp.Diff(first, Render(p)); diff != "" {
			t.Fatal(diff)
		}
	}
	first.Labels["more"], first.Results[0].Properties["more"] = "yes", "yes"
	first.OwnerReferences[0].UID = "another"
	if diff := cmp.Diff(before, p); diff != "" {
		t.Error(diff)
	}
}

func TestRenderTellsResultsApart(t *testing.T) {
	p := posture(func(p *v1alpha1.NamespacePosture) {
		for _, kind := range []string{"Role", "RoleBinding"} {
			object := reference("rbac.authorization.k8s.io/v1", kind, "bulwark-developer")
			p.Objects = append(p.Objects, v1alpha1.ManagedObject{ObjectReference: object, State: v1alpha1.ObjectStateCompliant})
		}
		for _, object := range []v1alpha1.ObjectReference{policy("a"), policy("b"), reference("v1", "Pod", "a")} {
			p.Findings = append(p.Findings, v1alpha1.Finding{ID: v1alpha1.FindingIDNetworkReopened, Object: object})
		}
	})
	seen := map[string]bool{}
	for _, r := range Render(p).Results {
		if key := r.Policy + " " + r.Rule; seen[key] {
			t.Errorf("two results are %q", key)
		} else {
			seen[key] = true
		}
	}
}
