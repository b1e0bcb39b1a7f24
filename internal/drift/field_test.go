package drift

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestFieldString(t *testing.T) {
	for want, path := range map[string][]string{
		"":                                    nil,
		"rules":                               {"rules"},
		"spec.policyTypes":                    {"spec", "policyTypes"},
		"metadata.labels.team":                {"metadata", "labels", "team"},
		"metadata.labels[example.com/team]":   {"metadata", "labels", "example.com/team"},
		"spec.hard[requests.cpu]":             {"spec", "hard", "requests.cpu"},
		"spec.podSelector.matchLabels[a.b].x": {"spec", "podSelector", "matchLabels", "a.b", "x"},
	} {
		if got := (Field{Path: path}).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReportBoundsWhatItSays(t *testing.T) {
	fields := func(n int) []Field {
		var out []Field
		for i := range n {
			out = append(out, Field{Path: []string{"spec", fmt.Sprintf("f%02d", i)}, Want: "1", Got: "2"})
		}
		return out
	}
	reported := func(n int) []v1alpha1.FieldDrift {
		var out []v1alpha1.FieldDrift
		for i := range n {
			out = append(out, v1alpha1.FieldDrift{Path: fmt.Sprintf("spec.f%02d", i), Want: "1", Got: "2"})
		}
		return out
	}
	long := func(want, got string) []Field { return []Field{{Path: []string{"rules"}, Want: want, Got: got}} }
	cut := func(want, got string) []v1alpha1.FieldDrift {
		return []v1alpha1.FieldDrift{{Path: "rules", Want: want, Got: got}}
	}
	for sentence, tc := range map[string]struct {
		fields []Field
		want   []v1alpha1.FieldDrift
	}{
		"no field is no report":              {},
		"a path is for people":               {fields: []Field{{Path: []string{"spec", "hard", "requests.cpu"}, Got: `"1"`}}, want: []v1alpha1.FieldDrift{{Path: "spec.hard[requests.cpu]", Got: `"1"`}}},
		"sixteen fields are reported":        {fields: fields(16), want: reported(16)},
		"of seventeen the first sixteen are": {fields: fields(17), want: reported(16)},
		"256 characters are reported whole":  {fields: long(strings.Repeat("x", 256), "y"), want: cut(strings.Repeat("x", 256), "y")},
		"257 characters are cut":             {fields: long("y", strings.Repeat("x", 257)), want: cut("y", strings.Repeat("x", 256)+"…")},
		"both sides are cut": {
			fields: long(strings.Repeat("a", 300), strings.Repeat("b", 5000)),
			want:   cut(strings.Repeat("a", 256)+"…", strings.Repeat("b", 256)+"…"),
		},
		"characters are counted, not bytes": {
			fields: long(strings.Repeat("ü", 256), strings.Repeat("界", 257)),
			want:   cut(strings.Repeat("ü", 256), strings.Repeat("界", 256)+"…"),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Report(tc.fields)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompareValuesGoesAsDeepAsBothSidesDo(t *testing.T) {
	ports := func(protocol corev1.Protocol) []networkingv1.NetworkPolicyPort {
		return []networkingv1.NetworkPolicyPort{{Protocol: ptr.To(protocol), Port: ptr.To(intstr.FromInt32(53))}}
	}
	for sentence, tc := range map[string]struct {
		want, got any
		fields    []Field
	}{
		"equal maps": {
			want: map[string]string{"a": "1"}, got: map[string]string{"a": "1"},
		},
		"a nil map equals an empty one": {
			want: map[string]string(nil), got: map[string]string{},
		},
		"maps differ by key, in the keys' order": {
			want: map[string]string{"b": "1", "c": "1", "a": "1"}, got: map[string]string{"b": "2", "d": "1", "a": "1"},
			fields: []Field{
				{Path: []string{"root", "b"}, Want: `"1"`, Got: `"2"`},
				{Path: []string{"root", "c"}, Want: `"1"`},
				{Path: []string{"root", "d"}, Got: `"1"`},
			},
		},
		"an empty string is set, and a missing one is not": {
			want: map[string]string{"a": ""}, got: map[string]string(nil),
			fields: []Field{{Path: []string{"root", "a"}, Want: `""`}},
		},
		"structs differ by field": {
			want: metav1.LabelSelector{MatchLabels: map[string]string{"a": "1"}},
			got:  metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Exists"}}},
			fields: []Field{
				{Path: []string{"root", "matchLabels", "a"}, Want: `"1"`},
				{Path: []string{"root", "matchExpressions"}, Got: `[{"key":"a","operator":"Exists"}]`},
			},
		},
		"pointers to structs differ by field": {
			want:   &metav1.LabelSelector{MatchLabels: map[string]string{"a": "1"}},
			got:    &metav1.LabelSelector{MatchLabels: map[string]string{"a": "2"}},
			fields: []Field{{Path: []string{"root", "matchLabels", "a"}, Want: `"1"`, Got: `"2"`}},
		},
		"a nil pointer is not an empty struct: no peer is not every peer": {
			want: (*metav1.LabelSelector)(nil), got: &metav1.LabelSelector{},
			fields: []Field{{Path: []string{"root"}, Got: `{}`}},
		},
		"lists are one value": {
			want: ports("UDP"), got: ports("TCP"),
			fields: []Field{{Path: []string{"root"}, Want: `[{"protocol":"UDP","port":53}]`, Got: `[{"protocol":"TCP","port":53}]`}},
		},
		"the order of a list is part of it": {
			want: []string{"a", "b"}, got: []string{"b", "a"},
			fields: []Field{{Path: []string{"root"}, Want: `["a","b"]`, Got: `["b","a"]`}},
		},
		"a quantity is one value": {
			want: quantities("cpu", "1", "memory", "1Gi"), got: quantities("cpu", "1500m", "memory", "1024Mi"),
			fields: []Field{{Path: []string{"root", "cpu"}, Want: `"1"`, Got: `"1500m"`}},
		},
		"a port is one value": {
			want: intstr.FromInt32(80), got: intstr.FromString("http"),
			fields: []Field{{Path: []string{"root"}, Want: `80`, Got: `"http"`}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.fields, compareValues([]string{"root"}, tc.want, tc.got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
