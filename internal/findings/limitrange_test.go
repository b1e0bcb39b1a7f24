package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// quantities is a list of pairs of resource name and quantity.
func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func TestLimitsOf(t *testing.T) {
	for sentence, tc := range map[string]struct {
		items []corev1.LimitRangeItem
		want  LimitDefaults
		found bool
	}{
		"without items there are no defaults": {want: LimitDefaults{quantities(), quantities()}},
		"bounds are not defaults": {
			items: []corev1.LimitRangeItem{{Type: "Container", Max: quantities("cpu", "1"), Min: quantities("cpu", "1m")}},
			want:  LimitDefaults{quantities(), quantities()},
		},
		"of Pods there are none": {
			items: []corev1.LimitRangeItem{{Type: "Pod", Default: quantities("cpu", "1")}, {Type: "PersistentVolumeClaim", Default: quantities("storage", "1Gi")}},
			want:  LimitDefaults{quantities(), quantities()},
		},
		"limits alone are defaults": {
			items: []corev1.LimitRangeItem{{Type: "Container", Default: quantities("cpu", "1")}},
			want:  LimitDefaults{quantities("cpu", "1"), quantities()}, found: true,
		},
		"requests alone are defaults": {
			items: []corev1.LimitRangeItem{{Type: "Container", DefaultRequest: quantities("memory", "1Gi")}},
			want:  LimitDefaults{quantities(), quantities("memory", "1Gi")}, found: true,
		},
		"several items come together, the last one wins": {
			items: []corev1.LimitRangeItem{
				{Type: "Container", Default: quantities("cpu", "1", "memory", "1Gi")}, {Type: "Pod", Max: quantities("cpu", "8")},
				{Type: "Container", Default: quantities("cpu", "2"), DefaultRequest: quantities("cpu", "10m")},
			},
			want: LimitDefaults{quantities("cpu", "2", "memory", "1Gi"), quantities("cpu", "10m")}, found: true,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, found := LimitsOf(&corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: tc.items}})
			if diff := cmp.Diff(tc.want, got); diff != "" || found != tc.found {
				t.Errorf("found %t (-want +got):\n%s", found, diff)
			}
		})
	}
}

func TestLimitDefaultsOverridden(t *testing.T) {
	declared := []v1alpha1.LimitRangeItem{{
		Type: "Container", Default: quantities("cpu", "500m", "memory", "256Mi"), DefaultRequest: quantities("cpu", "50m"),
	}}
	const says = "a container that says nothing may get this default instead of the declared one: "
	for sentence, tc := range map[string]struct {
		declared []v1alpha1.LimitRangeItem
		here     LimitDefaults
		want     string
	}{
		"without declared defaults any are fine":      {here: LimitDefaults{Limits: quantities("cpu", "9")}},
		"declared bounds have no defaults to differ":  {declared: []v1alpha1.LimitRangeItem{{Type: "Pod", Max: quantities("cpu", "1")}}, here: LimitDefaults{Limits: quantities("cpu", "9")}},
		"the same defaults are fine":                  {declared: declared, here: LimitDefaults{Limits: quantities("cpu", "500m")}},
		"the same written otherwise is the same":      {declared: declared, here: LimitDefaults{Limits: quantities("cpu", "0.5", "memory", "0.25Gi")}},
		"a resource that is not declared is fine":     {declared: declared, here: LimitDefaults{Limits: quantities("ephemeral-storage", "1Gi"), Requests: quantities("ephemeral-storage", "1Gi")}},
		"another limit differs":                       {declared: declared, here: LimitDefaults{Limits: quantities("cpu", "9")}, want: says + "limit cpu 9, declared 500m"},
		"a lower limit differs too":                   {declared: declared, here: LimitDefaults{Limits: quantities("cpu", "1m")}, want: says + "limit cpu 1m, declared 500m"},
		"another request differs":                     {declared: declared, here: LimitDefaults{Requests: quantities("cpu", "9")}, want: says + "request cpu 9, declared 50m"},
		"a request that is declared by its limit too": {declared: declared, here: LimitDefaults{Requests: quantities("memory", "1Gi")}, want: says + "request memory 1Gi, declared 256Mi"},
		"all that differ are named, in order": {
			declared: declared, here: LimitDefaults{Limits: quantities("memory", "1Gi", "cpu", "9"), Requests: quantities("cpu", "9")},
			want: says + "limit cpu 9, declared 500m, limit memory 1Gi, declared 256Mi, request cpu 9, declared 50m",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			var want []v1alpha1.Finding
			if tc.want != "" {
				want = []v1alpha1.Finding{{
					ID: "LimitDefaultsOverridden", Severity: "Medium", Message: tc.want,
					Object: v1alpha1.ObjectReference{APIVersion: "v1", Kind: "LimitRange", Name: "mine"},
					Remedy: "delete the LimitRange, or take its defaults for these resources out of it",
				}}
			}
			got := judged(
				v1alpha1.SecurityProfileSpec{Limits: tc.declared},
				Facts{Limits: map[string]LimitDefaults{"mine": tc.here}},
			)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
