package posture

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestWhatCannotBeTrueIsNotBelieved(t *testing.T) {
	none := func(r *v1alpha1.NamespacePosture) { r.Drift = nil }
	unsaid := v1alpha1.NamespacePostureStatus{}
	for sentence, tt := range map[string]struct {
		forge, want func(*v1alpha1.NamespacePosture)
	}{
		"nothing is forged": {},
		"drift of another namespace": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Drift[0].Namespace = "bank" }, want: none,
		},
		"drift that says of which namespace it is": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Drift[0].Namespace = "shop" }, want: none,
		},
		"drift that is seen in an hour": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Drift[0].ObservedAt = metav1.NewTime(noon.Add(time.Hour)) }, want: none,
		},
		"drift that was made in an hour": {
			forge: func(r *v1alpha1.NamespacePosture) {
				later := metav1.NewTime(noon.Add(time.Hour))
				r.Drift[0].ManagedAt = &later
			}, want: none,
		},
		"drift that was seen at no time": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Drift[0].ObservedAt = metav1.Time{} }, want: none,
		},
		"drift of a kind that no baseline holds": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Drift[0].Object.Kind = "Deployment" }, want: none,
		},
		"drift of another Namespace": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.Drift[0].Object = v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "bank"}
			}, want: none,
		},
		"an object that no baseline holds": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.Objects = append(r.Objects, v1alpha1.ManagedObject{
					ObjectReference: v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Secret", Name: "bulwark-a"}, State: v1alpha1.ObjectStateCompliant,
				})
			}, want: func(r *v1alpha1.NamespacePosture) { r.Status = unsaid },
		},
		"ready though an object failed": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Objects[0].State = v1alpha1.ObjectStateFailed },
			want: func(r *v1alpha1.NamespacePosture) {
				r.Objects[0].State, r.Status, r.Summary = v1alpha1.ObjectStateFailed, unsaid, v1alpha1.PostureSummary{Failed: 1}
			},
		},
		"ready without objects": {
			forge: func(r *v1alpha1.NamespacePosture) { r.Objects = nil },
			want: func(r *v1alpha1.NamespacePosture) {
				r.Objects, r.Status, r.Summary = nil, unsaid, v1alpha1.PostureSummary{}
			},
		},
		"ready as of tomorrow": {
			forge: func(r *v1alpha1.NamespacePosture) { SetReady(r, nil, true, noon.Add(24*time.Hour)) },
			want:  func(r *v1alpha1.NamespacePosture) { r.Status = unsaid },
		},
		"a condition that no report has": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.Status.Conditions = append(r.Status.Conditions, metav1.Condition{Type: "Forged", Status: metav1.ConditionTrue})
			}, want: func(*v1alpha1.NamespacePosture) {},
		},
		"a summary of its own": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.Summary = v1alpha1.PostureSummary{Failed: math.MaxInt32, Contested: -1, Findings: math.MaxInt32}
			}, want: func(*v1alpha1.NamespacePosture) {},
		},
		"as much drift as there are numbers": {
			forge: func(r *v1alpha1.NamespacePosture) { r.DriftTotal = math.MaxInt64 },
			want:  func(r *v1alpha1.NamespacePosture) { r.DriftTotal = mostUnsealed },
		},
		"less drift than none": {
			forge: func(r *v1alpha1.NamespacePosture) { r.DriftTotal, r.Truncated = math.MinInt64, math.MinInt64 },
			want:  func(r *v1alpha1.NamespacePosture) { r.DriftTotal = 1 },
		},
		"fewer findings than none": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.FindingTotals = []v1alpha1.FindingTotal{{ID: v1alpha1.FindingIDBroadBinding, Severity: v1alpha1.SeverityHigh, Count: -1}}
			},
			want: func(*v1alpha1.NamespacePosture) {},
		},
		"findings that this release does not know": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.FindingTotals = []v1alpha1.FindingTotal{{ID: "Made", Severity: v1alpha1.SeverityHigh, Count: 1}}
				r.Findings = []v1alpha1.Finding{{ID: v1alpha1.FindingIDBroadBinding, Severity: "Up"}}
			},
			want: func(*v1alpha1.NamespacePosture) {},
		},
		"in place what is in no baseline": {
			forge: func(r *v1alpha1.NamespacePosture) {
				r.OperatorState.InPlace = []v1alpha1.ObjectContent{{Object: v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Name: "bulwark-a"}}}
			}, want: func(*v1alpha1.NamespacePosture) {},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			report, want := aReport(), aReport()
			if tt.forge != nil {
				tt.forge(report)
				tt.want(want)
			}
			before := report.DeepCopy()
			if diff := cmp.Diff(want, Believed(report, noon)); diff != "" {
				t.Errorf("believed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, report); diff != "" {
				t.Errorf("the report was written to:\n%s", diff)
			}
		})
	}
}

func TestOfADisbelievedReportNothingIsLeftButItsMetadata(t *testing.T) {
	report := aReport()
	if diff := cmp.Diff(&v1alpha1.NamespacePosture{ObjectMeta: report.ObjectMeta}, Disbelieved(report)); diff != "" {
		t.Error(diff)
	}
}

func TestSumsNeverWrap(t *testing.T) {
	for _, tt := range []struct{ a, b, want int64 }{
		{1, 2, 3}, {-5, 2, 2}, {3, math.MinInt64, 3}, {math.MaxInt64, 1, math.MaxInt64}, {math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64 - 1, 1, math.MaxInt64}, {0, 0, 0},
	} {
		if got := Add(tt.a, tt.b); got != tt.want {
			t.Errorf("%d and %d: want %d, got %d", tt.a, tt.b, tt.want, got)
		}
	}
	if got := AddCount(math.MaxInt32, math.MaxInt32); got != math.MaxInt32 {
		t.Errorf("of counts: %d", got)
	}
}

func TestAStatusRecallsTheDriftOfOneNamespace(t *testing.T) {
	of := func(namespace string) v1alpha1.DriftEntry {
		return v1alpha1.DriftEntry{Namespace: namespace, Manager: "kubectl"}
	}
	status := &v1alpha1.SecurityProfileStatus{Drift: []v1alpha1.DriftEntry{of("shop"), of("bank"), of(""), of("shop")}}
	if diff := cmp.Diff([]v1alpha1.DriftEntry{of(""), of("")}, Recalled(status, "shop")); diff != "" {
		t.Error(diff)
	}
}
