package posture

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestFindingsAreCutAndCounted(t *testing.T) {
	var found []v1alpha1.Finding
	for i := range v1alpha1.MaxFindings + 5 {
		found = append(
			found,
			v1alpha1.Finding{
				ID:       v1alpha1.FindingIDPodSecurityViolated,
				Severity: v1alpha1.SeverityHigh,
				Object:   posturetest.Reference("Pod", fmt.Sprint(i)),
			},
		)
	}
	report := &v1alpha1.NamespacePosture{}
	setWeaknesses(report, weaknessOf(found))
	if len(report.Findings) != v1alpha1.MaxFindings || report.Truncated != 5 ||
		report.Summary.Findings != v1alpha1.MaxFindings+5 {
		t.Errorf("%d findings of %d, %d left out", len(report.Findings), report.Summary.Findings, report.Truncated)
	}
	if diff := cmp.Diff(findings.Total(found), report.FindingTotals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func weaknessOf(found []v1alpha1.Finding) Weaknesses {
	return Weaknesses{Found: found, Totals: findings.Total(found)}
}

// TestFindingsOnPodsStay is about a pass that does not look at pods, or cannot.
func TestFindingsOnPodsStay(t *testing.T) {
	pod := func(name string) v1alpha1.Finding {
		return v1alpha1.Finding{
			ID:       v1alpha1.FindingIDPodSecurityViolated,
			Severity: v1alpha1.SeverityHigh,
			Object:   posturetest.Reference("Pod", name),
		}
	}
	broad := v1alpha1.Finding{
		ID:       v1alpha1.FindingIDBroadBinding,
		Severity: v1alpha1.SeverityCritical,
		Object:   posturetest.Reference("RoleBinding", "all"),
	}
	gone := v1alpha1.Finding{
		ID:       v1alpha1.FindingIDNetworkReopened,
		Severity: v1alpha1.SeverityHigh,
		Object:   posturetest.Reference("NetworkPolicy", "open"),
	}
	p := aPass()
	p.Profile.Spec.PodSecurity = &v1alpha1.PodSecurity{Enforce: "restricted"}
	p.Memory = MemoryOf(&v1alpha1.NamespacePosture{
		Findings: []v1alpha1.Finding{gone, pod("a"), pod("b")},
		FindingTotals: []v1alpha1.FindingTotal{
			{
				ID:       v1alpha1.FindingIDNetworkReopened,
				Severity: v1alpha1.SeverityHigh,
				Count:    1,
			},
			{ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityHigh, Count: 99},
		},
	})
	w := weaknessOf([]v1alpha1.Finding{broad}).Carry(p.Memory, p.Profile)
	if diff := cmp.Diff([]v1alpha1.Finding{broad, pod("a"), pod("b")}, w.Found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	want := []v1alpha1.FindingTotal{
		{
			ID:       v1alpha1.FindingIDBroadBinding,
			Severity: v1alpha1.SeverityCritical,
			Count:    1,
		},
		{ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityHigh, Count: 99},
	}
	if diff := cmp.Diff(want, w.Totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	for what, change := range map[string]func(*v1alpha1.SecurityProfile){
		"no level is declared":     func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity = nil },
		"the profile ignores them": func(p *v1alpha1.SecurityProfile) { p.Spec.Findings = &v1alpha1.Findings{Ignore: findings.OfPods} },
	} {
		p := *p
		p.Profile = p.Profile.DeepCopy()
		change(p.Profile)
		if w := weaknessOf(nil).Carry(p.Memory, p.Profile); len(w.Found)+len(w.Totals) > 0 {
			t.Errorf("%s: %v", what, w.Found)
		}
	}
}
