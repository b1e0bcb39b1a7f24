package admission

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestWhatALabelSelectorCanLeaveOut(t *testing.T) {
	outranking := func(selector v1alpha1.NamespaceSelector, excluded ...string) *v1alpha1.SecurityProfile {
		return &v1alpha1.SecurityProfile{
			Spec: v1alpha1.SecurityProfileSpec{NamespaceSelector: selector, ExcludeNamespaces: excluded},
		}
	}
	expression := func(operator metav1.LabelSelectorOperator, values ...string) v1alpha1.NamespaceSelector {
		return v1alpha1.NamespaceSelector{
			MatchExpressions: []v1alpha1.LabelRequirement{{Key: "team", Operator: operator, Values: values}},
		}
	}
	one := v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"tier": "prod"}}
	two := v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"tier": "prod", "zone": "a"}}
	for sentence, tc := range map[string]struct {
		where governance
		want  []metav1.LabelSelectorRequirement
		not   bool
	}{
		"nothing": {},
		"names, but for those that no namespace can bear": {
			where: governance{protected: []string{"kube-system", "a/b"}},
			want:  []metav1.LabelSelectorRequirement{requirement("kubernetes.io/metadata.name", "NotIn", "kube-system")},
		},
		"no glob": {where: governance{protected: []string{"kube-*"}}, not: true},
		"what others select by one requirement": {
			where: governance{outranking: []*v1alpha1.SecurityProfile{
				outranking(one), outranking(expression("In", "a", "b")), outranking(expression("NotIn", "a")),
				outranking(expression("Exists")), outranking(expression("DoesNotExist")),
			}},
			want: []metav1.LabelSelectorRequirement{
				requirement("tier", "NotIn", "prod"), requirement("team", "NotIn", "a", "b"), requirement("team", "In", "a"),
				requirement("team", "DoesNotExist"), requirement("team", "Exists"),
			},
		},
		"not what others select by two":         {where: governance{outranking: []*v1alpha1.SecurityProfile{outranking(two)}}, not: true},
		"not what others select by none":        {where: governance{outranking: []*v1alpha1.SecurityProfile{outranking(v1alpha1.NamespaceSelector{})}}, not: true},
		"not what others select but for a name": {where: governance{outranking: []*v1alpha1.SecurityProfile{outranking(one, "sandbox")}}, not: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			tc.where.profile = &v1alpha1.SecurityProfile{}
			got, ok := tc.where.leftOut()
			if ok == tc.not {
				t.Fatalf("it can be said: %t", ok)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" && !tc.not {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}
