package findings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestPodsThatBreakRulesAreFound(t *testing.T) {
	rules := v1alpha1.SecurityProfileSpec{Images: &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}}
	found := func(name string, severity v1alpha1.Severity) string { return string(severity) + " " + name }
	for sentence, tc := range map[string]struct {
		spec  v1alpha1.SecurityProfileSpec
		facts PodFacts
		want  []string
	}{
		"none breaks one": {spec: rules},
		"those that do, in the order of their names, the denied first": {
			spec: rules,
			facts: PodFacts{Rules: map[string]RuleViolation{
				"b": {Words: "digest: x", Denied: true}, "a": {Words: "digest: x", Denied: true}, "c": {Words: "digest: x"},
			}},
			want: []string{found("a", v1alpha1.SeverityHigh), found("b", v1alpha1.SeverityHigh), found("c", v1alpha1.SeverityLow)},
		},
		"without rules nothing is broken": {
			spec:  v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{AllowedServiceTypes: nil}},
			facts: PodFacts{Rules: map[string]RuleViolation{"a": {}}, Unseen: 3},
		},
		"nobody wants to know": {
			spec: v1alpha1.SecurityProfileSpec{Images: rules.Images,
				Findings: &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{v1alpha1.FindingIDWorkloadRuleViolated}}},
			facts: PodFacts{Rules: map[string]RuleViolation{"a": {}}},
		},
		"there are more pods than are looked at": {spec: rules, facts: PodFacts{Unseen: 3}, want: []string{found("shop", v1alpha1.SeverityLow)}},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got []string
			for _, f := range Judge(profile(tc.spec), "shop", &Facts{Pods: tc.facts}) {
				if f.ID != v1alpha1.FindingIDWorkloadRuleViolated || f.Remedy == "" {
					t.Errorf("another finding, or one without a remedy: %+v", f)
				}
				if f.Object.Kind == podKind && !strings.HasSuffix(f.Message, ": digest: x") {
					t.Errorf("it is not said in the rules' words: %s", f.Message)
				}
				got = append(got, found(f.Object.Name, f.Severity))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}
