package posture

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestAReportSaysWhyItIsNotReady(t *testing.T) {
	for sentence, tc := range map[string]struct {
		summary v1alpha1.PostureSummary
		ready   bool
		want    string
	}{
		"all is in place":                         {v1alpha1.PostureSummary{Compliant: 3}, true, "True BaselineInPlace: every object of the baseline is in place"},
		"what waits does not count":               {v1alpha1.PostureSummary{Compliant: 2, Blocked: 1}, true, "True BaselineInPlace: every object of the baseline is in place, but for those that wait: see blocked"},
		"what is refused is the gravest":          {v1alpha1.PostureSummary{Failed: 1, Conflicted: 1, Drifted: 1}, false, "False ApplyFailed: not every object of the baseline is in place: see objects"},
		"then what is in the way":                 {v1alpha1.PostureSummary{Conflicted: 1, Drifted: 1}, false, "False ObjectConflict: not every object of the baseline is in place: see objects"},
		"then what others keep changing":          {v1alpha1.PostureSummary{Drifted: 1, Contested: 1}, false, "False Contested: not every object of the baseline is in place: see objects"},
		"then what differs":                       {v1alpha1.PostureSummary{Drifted: 1, Uncounted: 1}, false, "False Drifted: not every object of the baseline is in place: see objects"},
		"then what Kubernetes has not counted":    {v1alpha1.PostureSummary{Uncounted: 1}, false, "False QuotasNotCounted: not every object of the baseline is in place: see objects"},
		"a report that is not told why says less": {v1alpha1.PostureSummary{}, false, "False Progressing: not every object of the baseline is in place: see objects"},
	} {
		t.Run(sentence, func(t *testing.T) {
			report := &v1alpha1.NamespacePosture{Summary: tc.summary}
			SetReady(report, nil, tc.ready, noon)
			c := report.Status.Conditions[0]
			if got := string(
				c.Status,
			) + " " + c.Reason + ": " + c.Message; got != tc.want || report.IsReady() != tc.ready ||
				report.Stalled() != "" {
				t.Errorf("want %s, got %s; ready %t, stalled %q", tc.want, got, report.IsReady(), report.Stalled())
			}
		})
	}
}

// A time that moved by itself would be a write in every namespace on every pass.
func TestAConditionIsSinceItsStatusChanged(t *testing.T) {
	ready := func(uid string) *v1alpha1.NamespacePosture {
		report := aReport(func(r *v1alpha1.NamespacePosture) { r.NamespaceUID = "uid" })
		SetReady(report, nil, true, noon)
		report.NamespaceUID = "uid"
		if uid != "" {
			report.NamespaceUID = "another"
		}
		return report
	}
	later := noon.Add(time.Hour)
	for sentence, tc := range map[string]struct {
		previous *v1alpha1.NamespacePosture
		set      func(report, previous *v1alpha1.NamespacePosture)
		want     map[string]time.Time
	}{
		"it stays while the status does": {
			ready(""), func(r, p *v1alpha1.NamespacePosture) { SetReady(r, p, true, later) }, map[string]time.Time{"Ready": noon},
		},
		"it is now when the status changes": {
			ready(""), func(r, p *v1alpha1.NamespacePosture) { SetReady(r, p, false, later) }, map[string]time.Time{"Ready": later},
		},
		"it stays though the report is judged twice": {
			ready(""), func(r, p *v1alpha1.NamespacePosture) {
				SetReady(r, p, false, later)
				SetReady(r, p, true, later)
			}, map[string]time.Time{"Ready": noon},
		},
		"it is now in a first report": {
			nil, func(r, p *v1alpha1.NamespacePosture) { SetReady(r, p, true, later) }, map[string]time.Time{"Ready": later},
		},
		"it is now where the report of before is that of another namespace": {
			ready("another"), func(r, p *v1alpha1.NamespacePosture) { SetReady(r, p, true, later) }, map[string]time.Time{"Ready": later},
		},
		"it is now when the profile breaks": {
			ready(""), func(r, p *v1alpha1.NamespacePosture) { setStalled(r, p, "why", later) },
			map[string]time.Time{"Ready": later, "Stalled": later},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			report, before := aReport(), tc.previous.DeepCopy()
			tc.set(report, tc.previous)
			got := map[string]time.Time{}
			for _, c := range report.Status.Conditions {
				got[c.Type] = c.LastTransitionTime.Time
				if c.ObservedGeneration != 0 {
					t.Error("kubectl wait would wait for a generation of the profile to be one of the report")
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("since (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.previous); diff != "" {
				t.Errorf("the report of before was written to:\n%s", diff)
			}
		})
	}
}

func TestOnlyATrueConditionIsStalled(t *testing.T) {
	report := aReport()
	setStalled(report, nil, "why", noon)
	if report.IsReady() || report.Stalled() != "why" {
		t.Errorf("ready %t, stalled %q", report.IsReady(), report.Stalled())
	}
	report.Status.Conditions[1].Status = metav1.ConditionFalse
	if report.Stalled() != "" {
		t.Errorf("stalled %q", report.Stalled())
	}
}
