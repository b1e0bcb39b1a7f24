package baseline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestPodSecurityLabels(t *testing.T) {
	for sentence, tc := range map[string]struct {
		podSecurity *v1alpha1.PodSecurity
		want        map[string]string // without the prefix, beside the profile's label
	}{
		"no section sets no label": {},
		"a level without a version is of the latest": {
			podSecurity: &v1alpha1.PodSecurity{Enforce: "baseline"},
			want:        map[string]string{"enforce": "baseline", "enforce-version": "latest"},
		},
		"version is that of every mode": {
			podSecurity: &v1alpha1.PodSecurity{Enforce: "baseline", Audit: "restricted", Warn: "privileged", Version: "v1.37"},
			want: map[string]string{
				"enforce": "baseline", "enforce-version": "v1.37",
				"audit": "restricted", "audit-version": "v1.37",
				"warn": "privileged", "warn-version": "v1.37",
			},
		},
		"a mode's own version goes before version": {
			podSecurity: &v1alpha1.PodSecurity{
				Enforce: "baseline", Audit: "restricted", Warn: "restricted", Version: "v1.37",
				EnforceVersion: "v1.34", AuditVersion: "v1.35", WarnVersion: "latest",
			},
			want: map[string]string{
				"enforce": "baseline", "enforce-version": "v1.34",
				"audit": "restricted", "audit-version": "v1.35",
				"warn": "restricted", "warn-version": "latest",
			},
		},
		"one mode's version is not another's": {
			podSecurity: &v1alpha1.PodSecurity{Enforce: "baseline", Warn: "restricted", EnforceVersion: "v1.34"},
			want: map[string]string{
				"enforce": "baseline", "enforce-version": "v1.34",
				"warn": "restricted", "warn-version": "latest",
			},
		},
		"a mode that is absent gets neither level nor version": {
			podSecurity: &v1alpha1.PodSecurity{Audit: "restricted", Version: "v1.37", WarnVersion: "v1.30"},
			want:        map[string]string{"audit": "restricted", "audit-version": "v1.37"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			want := map[string]string{"security.bulwark.dev/profile": "restricted"}
			for name, value := range tc.want {
				want["pod-security.kubernetes.io/"+name] = value
			}
			namespaces := rendered[*corev1.Namespace](v1alpha1.SecurityProfileSpec{PodSecurity: tc.podSecurity})
			if len(namespaces) != 1 {
				t.Fatalf("got %d namespaces, want 1", len(namespaces))
			}
			if diff := cmp.Diff(want, namespaces[0].Labels); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
