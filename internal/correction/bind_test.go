package correction

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
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

// A tenant who may write Roles takes the name of a profile's, and would so choose what its subjects
// get.
func TestAnUnmanagedRoleIsNotBound(t *testing.T) {
	const patches, creates = "patch RoleBinding bulwark-bound", "create RoleBinding bulwark-bound"
	to := func(role string, subjects ...string) *rbacv1.RoleBinding {
		b := bindingTo(role, subjects...)
		b.RoleRef.Kind = "Role"
		return b
	}
	for sentence, tc := range map[string]struct {
		want, got *rbacv1.RoleBinding
		adoption  v1alpha1.Adoption
		calls     []string
		became    string
	}{
		"by a binding that is not there": {want: to("bulwark-dev", "a"), became: "Present, refused"},
		"to further subjects": {
			want: to("bulwark-dev", "a", "b"), got: to("bulwark-dev", "a"), became: "Present, refused",
		},
		"though who was added by it goes": {
			want: to("bulwark-dev", "a"), got: to("bulwark-dev", "a", "mallory"), calls: []string{patches},
			became: "Corrected, done",
		},
		"another Role is": {want: to("bulwark-other", "a"), calls: []string{creates}, became: "Corrected, done"},
		"a ClusterRole of its name is": {
			want: bindingTo("bulwark-dev", "a"), calls: []string{creates}, became: "Corrected, done",
		},
		"one that is taken over is bound": {
			want: to("bulwark-dev", "a"), adoption: v1alpha1.AdoptionAdopt,
			calls: []string{"patch Role bulwark-dev", creates}, became: "Corrected, done",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := &server{mutate: func(o client.Object) {
				if b, ok := o.(*rbacv1.RoleBinding); ok {
					tc.want.DeepCopyInto(b)
				}
			}}
			scope := newScope()
			scope.Profile = &v1alpha1.SecurityProfile{Spec: v1alpha1.SecurityProfileSpec{Adoption: tc.adoption}}
			role := modified(kinded("Role", "bulwark-dev"))
			role.Foreign = true
			binding := missing(tc.want)
			if tc.got != nil {
				binding = between(tc.want, tc.got)
			}
			e := newEngine(s)
			e.Writer.Live = nobodyManages{}
			done, err := e.CorrectAll(t.Context(), scope, []drift.Drift{role, binding})
			if diff := cmp.Diff(tc.calls, s.calls); diff != "" || err != nil {
				t.Errorf("%v, calls (-want +got):\n%s", err, diff)
			}
			o := &done.Outcomes[1]
			if diff := cmp.Diff(tc.became, became(o)); diff != "" {
				t.Errorf("the outcome (-want +got):\n%s", diff)
			}
			if o.Err != nil && !strings.Contains(o.Err.Error(), "Role bulwark-dev was not made by Bulwark") {
				t.Errorf("it does not say why: %v", o.Err)
			}
		})
	}
}
