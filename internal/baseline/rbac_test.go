package baseline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestRoles(t *testing.T) {
	for sentence, tc := range map[string]struct {
		roles []v1alpha1.Role
		want  map[string][]rbacv1.PolicyRule
	}{
		"no role makes none": {want: map[string][]rbacv1.PolicyRule{}},
		"the API group is the core group unless it is given": {
			roles: []v1alpha1.Role{{Name: "r", Rules: []v1alpha1.PolicyRule{
				{Resources: []string{"pods"}, Verbs: []string{"get"}},
				{APIGroups: []string{"apps", "batch"}, Resources: []string{"jobs"}, Verbs: []string{"list"}},
			}}},
			want: map[string][]rbacv1.PolicyRule{"bulwark-r": {
				{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}},
				{APIGroups: []string{"apps", "batch"}, Resources: []string{"jobs"}, Verbs: []string{"list"}},
			}},
		},
		"resource names and subresources are taken over": {
			roles: []v1alpha1.Role{{Name: "r", Rules: []v1alpha1.PolicyRule{{
				Resources: []string{"pods/log"}, ResourceNames: []string{"web-0"}, Verbs: []string{"get"},
			}}}},
			want: map[string][]rbacv1.PolicyRule{"bulwark-r": {{
				APIGroups: []string{""}, Resources: []string{"pods/log"}, ResourceNames: []string{"web-0"}, Verbs: []string{"get"},
			}}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := map[string][]rbacv1.PolicyRule{}
			for _, role := range rendered[*rbacv1.Role](v1alpha1.SecurityProfileSpec{RBAC: &v1alpha1.RBAC{Roles: tc.roles}}) {
				got[role.Name] = role.Rules
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

type binding struct {
	Role     rbacv1.RoleRef
	Subjects []rbacv1.Subject
}

func roleRef(kind, name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: kind, Name: name}
}

func account(namespace, name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: name}
}

func TestRoleBindings(t *testing.T) {
	developer := []v1alpha1.ObjectName{"developer"}
	for sentence, tc := range map[string]struct {
		rbac v1alpha1.RBAC
		want map[string]binding
	}{
		"a role without subjects is bound to nobody": {
			rbac: v1alpha1.RBAC{Roles: []v1alpha1.Role{{Name: "developer"}}},
			want: map[string]binding{"bulwark-developer": {Role: roleRef("Role", "bulwark-developer")}},
		},
		"users and groups are of RBAC's API group, service accounts of the namespace": {
			rbac: v1alpha1.RBAC{Roles: []v1alpha1.Role{{Name: "developer", Subjects: []v1alpha1.Subject{
				{Kind: "User", Name: "ann"},
				{Kind: "Group", Name: "devs"},
				{Kind: "ServiceAccount", Name: "ci"},
				{Kind: "ServiceAccount", Name: "argocd", Namespace: "argocd"},
			}}}},
			want: map[string]binding{"bulwark-developer": {
				Role: roleRef("Role", "bulwark-developer"),
				Subjects: []rbacv1.Subject{
					{Kind: "User", Name: "ann", APIGroup: "rbac.authorization.k8s.io"},
					{Kind: "Group", Name: "devs", APIGroup: "rbac.authorization.k8s.io"},
					account("team-a", "ci"),
					account("argocd", "argocd"),
				},
			}},
		},
		"declared service accounts follow the role's subjects, by name": {
			rbac: v1alpha1.RBAC{
				Roles: []v1alpha1.Role{
					{Name: "developer", Subjects: []v1alpha1.Subject{{Kind: "ServiceAccount", Name: "zoe"}}},
					{Name: "idle"},
				},
				ServiceAccounts: []v1alpha1.ServiceAccount{
					{Name: "web", Roles: developer}, {Name: "none"}, {Name: "app", Roles: developer},
				},
			},
			want: map[string]binding{
				"bulwark-developer": {
					Role: roleRef("Role", "bulwark-developer"),
					Subjects: []rbacv1.Subject{
						account("team-a", "zoe"), account("team-a", "bulwark-app"), account("team-a", "bulwark-web"),
					},
				},
				"bulwark-idle": {Role: roleRef("Role", "bulwark-idle")},
			},
		},
		"a binding refers to the ClusterRole by its own name": {
			rbac: v1alpha1.RBAC{Bindings: []v1alpha1.RoleBinding{{
				Name: "viewers", ClusterRole: "view", Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "on-call"}},
			}}},
			want: map[string]binding{"bulwark-viewers": {
				Role:     roleRef("ClusterRole", "view"),
				Subjects: []rbacv1.Subject{{Kind: "Group", Name: "on-call", APIGroup: "rbac.authorization.k8s.io"}},
			}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := map[string]binding{}
			for _, b := range rendered[*rbacv1.RoleBinding](v1alpha1.SecurityProfileSpec{RBAC: &tc.rbac}) {
				got[b.Name] = binding{Role: b.RoleRef, Subjects: b.Subjects}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestServiceAccounts(t *testing.T) {
	for sentence, tc := range map[string]struct {
		rbac *v1alpha1.RBAC
		want map[string]bool // automountServiceAccountToken by name
	}{
		"no section makes none": {want: map[string]bool{}},
		"a section without accounts makes none, and leaves default alone": {
			rbac: &v1alpha1.RBAC{Roles: []v1alpha1.Role{{Name: "developer"}}}, want: map[string]bool{},
		},
		"a token is not mounted unless the profile says so": {
			rbac: &v1alpha1.RBAC{ServiceAccounts: []v1alpha1.ServiceAccount{
				{Name: "app"}, {Name: "batch", AutomountServiceAccountToken: ptr.To(false)},
				{Name: "operator", AutomountServiceAccountToken: ptr.To(true)},
			}},
			want: map[string]bool{"bulwark-app": false, "bulwark-batch": false, "bulwark-operator": true},
		},
		"default mounts no token by default": {
			rbac: &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}},
			want: map[string]bool{"default": false},
		},
		"default can be told to mount one": {
			rbac: &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{AutomountServiceAccountToken: ptr.To(true)}},
			want: map[string]bool{"default": true},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := map[string]bool{}
			for _, o := range rendered[*corev1.ServiceAccount](v1alpha1.SecurityProfileSpec{RBAC: tc.rbac}) {
				if o.AutomountServiceAccountToken == nil {
					t.Fatalf("%s says nothing of its token", o.Name)
				}
				got[o.Name] = *o.AutomountServiceAccountToken
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultServiceAccountBearsOnlyTheLabelByWhichItIsWatched(t *testing.T) {
	got := rendered[*corev1.ServiceAccount](v1alpha1.SecurityProfileSpec{
		RBAC: &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}},
	})
	want := []*corev1.ServiceAccount{{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-a", Name: "default", Labels: map[string]string{"security.bulwark.dev/profile": "restricted"},
		},
		AutomountServiceAccountToken: ptr.To(false),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBelongsToNamespace(t *testing.T) {
	for sentence, tc := range map[string]struct {
		object Object
		want   bool
	}{
		"a Namespace does":                       {&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}, true},
		"the ServiceAccount default does":        {&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, true},
		"another ServiceAccount does not":        {&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "bulwark-app"}}, false},
		"a Role that is called default does not": {&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := BelongsToNamespace(tc.object); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
