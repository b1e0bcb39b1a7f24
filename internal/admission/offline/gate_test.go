package offline

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

func TestTheGateIsShutWhereTheProfileGovernsAndNowhereElse(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "gated"}, Spec: v1alpha1.SecurityProfileSpec{
		ExcludeNamespaces: []string{"free-*"},
		Protection:        &v1alpha1.Protection{ReadyGate: v1alpha1.RequirementRequire},
	}}
	over := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "over"}, Spec: v1alpha1.SecurityProfileSpec{
		NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"tier": "over"}},
	}}
	e, err := New(
		profile,
		bulwark.Cluster{Protected: []string{"kube-system"}, Outranking: []*v1alpha1.SecurityProfile{over}},
	)
	if err != nil {
		t.Fatal(err)
	}
	report := func(profile string, ready bool) *v1alpha1.NamespacePosture {
		said := map[bool]metav1.ConditionStatus{true: metav1.ConditionTrue, false: metav1.ConditionFalse}[ready]
		return &v1alpha1.NamespacePosture{
			Profile:     profile,
			Enforcement: v1alpha1.EnforcementEnforce,
			Status: v1alpha1.NamespacePostureStatus{
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: said}},
			},
		}
	}
	labelled := func(profile string) map[string]string { return map[string]string{v1alpha1.ProfileLabel: profile} }
	for sentence, tc := range map[string]struct {
		namespace string
		labels    map[string]string
		report    *v1alpha1.NamespacePosture
		want      string
	}{
		"a namespace where Bulwark has not been": {namespace: "shop", want: "Bulwark has not been there"},
		"one with a report of an earlier life":   {namespace: "shop", report: report("gated", true), want: "Bulwark has not been there"},
		"one whose label is another profile's":   {namespace: "shop", labels: labelled("before"), report: report("before", true), want: "Bulwark has not been there"},
		"one that has no report yet":             {namespace: "shop", labels: labelled("gated"), want: "no params found"},
		"one that says nothing of it": {
			namespace: "shop", labels: labelled("gated"), report: &v1alpha1.NamespacePosture{Profile: "gated", Enforcement: v1alpha1.EnforcementEnforce},
			want: "is not ready",
		},
		"one that is not ready":                             {namespace: "shop", labels: labelled("gated"), report: report("gated", false), want: "is not ready"},
		"one that is ready":                                 {namespace: "shop", labels: labelled("gated"), report: report("gated", true)},
		"one that is excluded by name":                      {namespace: "free-1"},
		"one that is protected":                             {namespace: "kube-system"},
		"one that another profile governs":                  {namespace: "shop", labels: map[string]string{"tier": "over"}},
		"one that another governs and Bulwark has not left": {namespace: "shop", labels: map[string]string{"tier": "over", v1alpha1.ProfileLabel: "gated"}, report: report("gated", false)},
	} {
		t.Run(sentence, func(t *testing.T) {
			violations, err := e.Evaluate(t.Context(), Request{
				Object: HeaviestPod(), Posture: tc.report,
				Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tc.namespace, Labels: tc.labels}},
			})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, v := range violations {
				got += v.Message
			}
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
