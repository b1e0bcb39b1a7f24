package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestAccountOf(t *testing.T) {
	for sentence, tc := range map[string]struct {
		automount *bool
		want      bool
	}{
		"an account that says nothing mounts its token": {nil, true},
		"an account can say so":                         {ptr.To(true), true},
		"an account can decline":                        {ptr.To(false), false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if _, got := AccountOf(&corev1.ServiceAccount{AutomountServiceAccountToken: tc.automount}); got != tc.want {
				t.Errorf("want %t, got %t", tc.want, got)
			}
		})
	}
}

func TestTokenMountedByDefault(t *testing.T) {
	ofDefault := "Low TokenMountedByDefault ServiceAccount/default"
	ofCI := "Low TokenMountedByDefault ServiceAccount/ci"
	for sentence, tc := range map[string]struct {
		rbac *v1alpha1.RBAC
		want []string
	}{
		"a profile without rbac has no opinion":                       {},
		"a profile of roles alone has no opinion":                     {rbac: &v1alpha1.RBAC{Roles: []v1alpha1.Role{{Name: "r"}}}},
		"where default declines, others are expected to, not default": {&v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}}, []string{ofCI}},
		"where default mounts its token, anybody may":                 {rbac: &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{AutomountServiceAccountToken: ptr.To(true)}}},
		"where an account declines, others are expected to":           {&v1alpha1.RBAC{ServiceAccounts: []v1alpha1.ServiceAccount{{Name: "app"}}}, []string{ofCI, ofDefault}},
		"where every account mounts its token, anybody may":           {rbac: &v1alpha1.RBAC{ServiceAccounts: []v1alpha1.ServiceAccount{{Name: "app", AutomountServiceAccountToken: ptr.To(true)}}}},
		"where one of several declines, others are expected to": {
			&v1alpha1.RBAC{ServiceAccounts: []v1alpha1.ServiceAccount{{Name: "app", AutomountServiceAccountToken: ptr.To(true)}, {Name: "job"}}},
			[]string{ofCI, ofDefault},
		},
		"where an account declines and default mounts, default is the profile's": {
			&v1alpha1.RBAC{
				DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{AutomountServiceAccountToken: ptr.To(true)},
				ServiceAccounts:       []v1alpha1.ServiceAccount{{Name: "app"}},
			},
			[]string{ofCI},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := judged(
				v1alpha1.SecurityProfileSpec{RBAC: tc.rbac},
				Facts{Accounts: map[string]MountedToken{"default": {}, "ci": {}}},
			)
			if diff := cmp.Diff(tc.want, brief(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
