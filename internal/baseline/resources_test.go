package baseline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestLimitRangeItemsAreDefaultedAsTheAPIServerDoes(t *testing.T) {
	container, pod, claim := corev1.LimitTypeContainer, corev1.LimitTypePod, corev1.LimitTypePersistentVolumeClaim
	for sentence, tc := range map[string]struct {
		item v1alpha1.LimitRangeItem
		want corev1.LimitRangeItem
	}{
		"default is max, and defaultRequest is default": {
			item: v1alpha1.LimitRangeItem{Type: container, Max: quantities("cpu", "2")},
			want: corev1.LimitRangeItem{
				Type: container, Max: quantities("cpu", "2"),
				Default: quantities("cpu", "2"), DefaultRequest: quantities("cpu", "2"),
			},
		},
		"a default that is given stays, and is the defaultRequest": {
			item: v1alpha1.LimitRangeItem{Type: container, Max: quantities("cpu", "2"), Default: quantities("cpu", "1")},
			want: corev1.LimitRangeItem{
				Type: container, Max: quantities("cpu", "2"),
				Default: quantities("cpu", "1"), DefaultRequest: quantities("cpu", "1"),
			},
		},
		"a defaultRequest that is given stays": {
			item: v1alpha1.LimitRangeItem{Type: container, Max: quantities("cpu", "2"), DefaultRequest: quantities("cpu", "100m")},
			want: corev1.LimitRangeItem{
				Type: container, Max: quantities("cpu", "2"),
				Default: quantities("cpu", "2"), DefaultRequest: quantities("cpu", "100m"),
			},
		},
		"without max and default, defaultRequest is min": {
			item: v1alpha1.LimitRangeItem{Type: container, Min: quantities("cpu", "50m")},
			want: corev1.LimitRangeItem{Type: container, Min: quantities("cpu", "50m"), DefaultRequest: quantities("cpu", "50m")},
		},
		"defaultRequest is default rather than min": {
			item: v1alpha1.LimitRangeItem{Type: container, Default: quantities("cpu", "1"), Min: quantities("cpu", "50m")},
			want: corev1.LimitRangeItem{
				Type: container, Min: quantities("cpu", "50m"),
				Default: quantities("cpu", "1"), DefaultRequest: quantities("cpu", "1"),
			},
		},
		"each resource is defaulted by itself": {
			item: v1alpha1.LimitRangeItem{
				Type: container,
				Max:  quantities("cpu", "2", "memory", "1Gi"), Default: quantities("cpu", "1"),
				Min: quantities("ephemeral-storage", "1Mi"),
			},
			want: corev1.LimitRangeItem{
				Type: container,
				Max:  quantities("cpu", "2", "memory", "1Gi"), Min: quantities("ephemeral-storage", "1Mi"),
				Default:        quantities("cpu", "1", "memory", "1Gi"),
				DefaultRequest: quantities("cpu", "1", "memory", "1Gi", "ephemeral-storage", "1Mi"),
			},
		},
		"a ratio defaults nothing": {
			item: v1alpha1.LimitRangeItem{Type: container, MaxLimitRequestRatio: quantities("cpu", "4")},
			want: corev1.LimitRangeItem{Type: container, MaxLimitRequestRatio: quantities("cpu", "4")},
		},
		"a Pod is defaulted nothing": {
			item: v1alpha1.LimitRangeItem{Type: pod, Max: quantities("cpu", "4"), Min: quantities("cpu", "1m")},
			want: corev1.LimitRangeItem{Type: pod, Max: quantities("cpu", "4"), Min: quantities("cpu", "1m")},
		},
		"a PersistentVolumeClaim is defaulted nothing": {
			item: v1alpha1.LimitRangeItem{Type: claim, Max: quantities("storage", "10Gi")},
			want: corev1.LimitRangeItem{Type: claim, Max: quantities("storage", "10Gi")},
		},
		"every quantity is rounded up to the milli": {
			item: v1alpha1.LimitRangeItem{
				Type: container,
				Max:  quantities("cpu", "1000100u"), Min: quantities("cpu", "1n"), Default: quantities("cpu", "0.5001"),
				DefaultRequest: quantities("cpu", "100u"), MaxLimitRequestRatio: quantities("cpu", "1.2345"),
			},
			want: corev1.LimitRangeItem{
				Type: container,
				Max:  quantities("cpu", "1001m"), Min: quantities("cpu", "1m"), Default: quantities("cpu", "501m"),
				DefaultRequest: quantities("cpu", "1m"), MaxLimitRequestRatio: quantities("cpu", "1235m"),
			},
		},
		"what is defaulted is rounded too": {
			item: v1alpha1.LimitRangeItem{Type: container, Max: quantities("cpu", "0.0001")},
			want: corev1.LimitRangeItem{
				Type: container, Max: quantities("cpu", "1m"), Default: quantities("cpu", "1m"), DefaultRequest: quantities("cpu", "1m"),
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := rendered[*corev1.LimitRange](v1alpha1.SecurityProfileSpec{Limits: []v1alpha1.LimitRangeItem{tc.item}})
			if len(got) != 1 || got[0].Name != "bulwark-limits" {
				t.Fatalf("got %v, want one LimitRange bulwark-limits", got)
			}
			if diff := cmp.Diff([]corev1.LimitRangeItem{tc.want}, got[0].Spec.Limits); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsAreOneLimitRange(t *testing.T) {
	if got := rendered[*corev1.LimitRange](v1alpha1.SecurityProfileSpec{}); len(got) != 0 {
		t.Errorf("without limits: got %d LimitRanges, want none", len(got))
	}
	got := rendered[*corev1.LimitRange](v1alpha1.SecurityProfileSpec{Limits: []v1alpha1.LimitRangeItem{
		{Type: corev1.LimitTypePod, Max: quantities("cpu", "4")},
		{Type: corev1.LimitTypePersistentVolumeClaim, Max: quantities("storage", "1Gi")},
		{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: quantities("cpu", "2")},
	}})
	if len(got) != 1 {
		t.Fatalf("got %d LimitRanges, want 1", len(got))
	}
	want := []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: quantities("cpu", "2")},
		{Type: corev1.LimitTypePersistentVolumeClaim, Max: quantities("storage", "1Gi")},
		{Type: corev1.LimitTypePod, Max: quantities("cpu", "4")},
	}
	if diff := cmp.Diff(want, got[0].Spec.Limits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestResourceQuotas(t *testing.T) {
	scoped := corev1.ResourceQuotaSpec{
		Hard:   quantities("pods", "5"),
		Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort},
		ScopeSelector: &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
			ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn, Values: []string{"high"},
		}}},
	}
	for sentence, tc := range map[string]struct {
		quotas []v1alpha1.Quota
		want   map[string]corev1.ResourceQuotaSpec
	}{
		"no section makes none": {want: map[string]corev1.ResourceQuotaSpec{}},
		"each quota is named by the profile": {
			quotas: []v1alpha1.Quota{
				{Name: "compute", Spec: corev1.ResourceQuotaSpec{Hard: quantities("requests.cpu", "4", "limits.memory", "8Gi")}},
				{Name: "objects", Spec: corev1.ResourceQuotaSpec{Hard: quantities("pods", "20")}},
			},
			want: map[string]corev1.ResourceQuotaSpec{
				"bulwark-compute": {Hard: quantities("requests.cpu", "4", "limits.memory", "8Gi")},
				"bulwark-objects": {Hard: quantities("pods", "20")},
			},
		},
		"scopes are taken over as they are": {
			quotas: []v1alpha1.Quota{{Name: "high", Spec: *scoped.DeepCopy()}},
			want:   map[string]corev1.ResourceQuotaSpec{"bulwark-high": scoped},
		},
		"hard is rounded up to the milli": {
			quotas: []v1alpha1.Quota{{Name: "fine", Spec: corev1.ResourceQuotaSpec{Hard: quantities("requests.cpu", "1500001u")}}},
			want:   map[string]corev1.ResourceQuotaSpec{"bulwark-fine": {Hard: quantities("requests.cpu", "1501m")}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := map[string]corev1.ResourceQuotaSpec{}
			for _, quota := range rendered[*corev1.ResourceQuota](v1alpha1.SecurityProfileSpec{Quotas: tc.quotas}) {
				got[quota.Name] = quota.Spec
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
