package correction

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bindingTo is a RoleBinding of namespace shop.
func bindingTo(role string, subjects ...string) *rbacv1.RoleBinding {
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-bound", UID: "u-1"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
	for _, s := range subjects {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: s})
	}
	return b
}

func TestARefusedBindingGivesNobodyAnythingNew(t *testing.T) {
	for it, test := range map[string]struct{ want, got, kept []string }{
		"nobody is added":                    {[]string{"a", "b"}, []string{"a"}, []string{"a"}},
		"who was added goes":                 {[]string{"a"}, []string{"a", "mallory"}, []string{"a"}},
		"both at once":                       {[]string{"a", "b"}, []string{"a", "mallory"}, []string{"a"}},
		"nobody is left if all were changed": {[]string{"a"}, []string{"mallory"}, nil},
	} {
		t.Run(it, func(t *testing.T) {
			kept := narrowed(bindingTo("writer", test.want...), bindingTo("writer", test.got...))
			if diff := cmp.Diff(
				bindingTo("writer", test.kept...).Subjects,
				kept.Subjects,
				cmp.Transformer("nil", func(s []rbacv1.Subject) []rbacv1.Subject {
					return append([]rbacv1.Subject{}, s...)
				}),
			); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
