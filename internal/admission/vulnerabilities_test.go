package admission

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestVulnerabilitiesComeToNothingInTheCluster(t *testing.T) {
	section := &v1alpha1.Vulnerabilities{MaxSeverity: v1alpha1.MaxSeverityHigh}
	alone := waiting(func(s *v1alpha1.SecurityProfileSpec) {
		s.Workloads, s.Images = nil, &v1alpha1.Images{Vulnerabilities: section}
	})
	if policies, sections := Render(
		alone,
		Cluster{},
	), PodSections(
		alone,
	); len(policies) > 0 || len(sections) > 0 ||
		alone.HasPodRules() {
		t.Errorf("%d policies, %d sections, rules for pods: %t", len(policies), len(sections), alone.HasPodRules())
	}
	without := waiting(func(*v1alpha1.SecurityProfileSpec) {})
	beside := waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Images.Vulnerabilities = section })
	if diff := cmp.Diff(Render(without, Cluster{}), Render(beside, Cluster{})); diff != "" {
		t.Errorf("policies (-without +with): %s", diff)
	}
	// A section that is changed beside the rules for pods makes none of them wait.
	for i, s := range PodSections(without) {
		if with := PodSections(beside)[i]; with.Content != s.Content {
			t.Errorf("%s: %s, not %s", s.Field, with.Content, s.Content)
		}
	}
}
