package admission

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

func TestPodRollout(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 4}}
	profile.Spec.Rollout = v1alpha1.RolloutWhenSafe
	profile.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
	section := PodSections(profile)[0]
	selector := selection.New([]v1alpha1.SecurityProfile{*profile}, nil)
	namespace := func(name string) corev1.Namespace {
		return corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: profile.Spec.NamespaceSelector.MatchLabels}}
	}
	report := func(generation int64, content string) *v1alpha1.NamespacePosture {
		return &v1alpha1.NamespacePosture{
			Profile:           profile.Name,
			ProfileGeneration: generation,
			Enforcement:       v1alpha1.EnforcementEnforce,
			OperatorState: v1alpha1.OperatorState{
				InPlace: []v1alpha1.ObjectContent{{Object: section.Policy(profile.Name), Content: content}},
			},
		}
	}
	held := func(content string) Held {
		return Held{Policy: section.Policy(profile.Name).Name, Content: content}
	}
	many := map[string]*v1alpha1.NamespacePosture{}
	var most []Held
	for i := range 2 * maxHeld {
		many[fmt.Sprintf("ns-%02d", i)] = report(profile.Generation, fmt.Sprintf("before-%02d", i))
		if i < maxHeld {
			most = append(most, held(fmt.Sprintf("before-%02d", i)))
		}
	}
	for sentence, tc := range map[string]struct {
		change  func(*v1alpha1.SecurityProfile)
		reports map[string]*v1alpha1.NamespacePosture
		want    PodRollout
	}{
		"a namespace has no report":                     {reports: map[string]*v1alpha1.NamespacePosture{"a": nil}, want: PodRollout{Pending: 1}},
		"a report is of another generation":             {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation-1, section.Content)}, want: PodRollout{Pending: 1}},
		"all have been looked at":                       {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation, section.Content)}},
		"in one nothing is in force":                    {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation, "")}},
		"in one and another what was before":            {reports: map[string]*v1alpha1.NamespacePosture{"a": report(profile.Generation, "x"), "b": report(profile.Generation, "x")}, want: PodRollout{Held: []Held{held("x")}}},
		"in more of them than are kept something else":  {reports: many, want: PodRollout{Held: most}},
		"under Immediate nobody looks first":            {change: immediately, reports: map[string]*v1alpha1.NamespacePosture{"a": nil}},
		"what is no policy of the profile's is no rule": {reports: map[string]*v1alpha1.NamespacePosture{"a": {ProfileGeneration: profile.Generation, Enforcement: v1alpha1.EnforcementEnforce, OperatorState: v1alpha1.OperatorState{InPlace: []v1alpha1.ObjectContent{{Object: v1alpha1.ObjectReference{APIVersion: "v1", Kind: "LimitRange", Name: "x"}, Content: "x"}}}}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := profile.DeepCopy()
			if tc.change != nil {
				tc.change(p)
			}
			var namespaces []corev1.Namespace
			for _, name := range []string{"a", "b"} {
				if _, there := tc.reports[name]; there {
					namespaces = append(namespaces, namespace(name))
				}
			}
			for i := range 2 * maxHeld {
				if name := fmt.Sprintf("ns-%02d", i); tc.reports[name] != nil {
					namespaces = append(namespaces, namespace(name))
				}
			}
			got := PodRolloutOf(p, selector, namespaces, tc.reports)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}

func immediately(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.RolloutImmediate }
