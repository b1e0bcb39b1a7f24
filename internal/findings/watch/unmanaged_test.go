package watch

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/internal/findings"
)

// unwatched is fed by hand, and adds the namespaces of which it tells to a list.
func unwatched(t *testing.T, told *[]string) *Unmanaged {
	t.Helper()
	var u *Unmanaged
	roles := NewClusterRoles(nil, nil, nil, func(role string) []string { return u.NamespacesBinding(role) })
	var err error
	if u, err = NewUnmanaged(nil, roles, false); err != nil {
		t.Fatal(err)
	}
	for _, w := range slices.Concat(u.watches, roles.watches) {
		w.onChange(func(namespace string) { *told = append(*told, namespace) })
	}
	return u
}

func TestAClusterRoleConcernsThoseWhoBindIt(t *testing.T) {
	var told []string
	u := unwatched(t, &told)
	binding := func(namespace, kind, role string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "b"}, RoleRef: rbacv1.RoleRef{Kind: kind, Name: role},
			Subjects: []rbacv1.Subject{{Kind: "User", Name: "mallory"}},
		}
	}
	for _, b := range []*rbacv1.RoleBinding{
		binding("shop", "ClusterRole", "deployer"), binding("till", "ClusterRole", "other"),
		binding("yard", "Role", "deployer"),
	} {
		if err := u.bindings.Add(b); err != nil {
			t.Fatal(err)
		}
	}
	told = nil
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"},
	}}}
	if err := u.clusterRoles.kept.Add(role); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"shop"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	want := map[string]findings.Powers{"deployer": {Names: []string{"access to Secrets"}}}
	if diff := cmp.Diff(want, u.Facts("shop").ClusterRoles); diff != "" {
		t.Errorf("known of ClusterRoles (-want +got):\n%s", diff)
	}
}

// TestHarmlessObjectsTellNobody adds objects from which something is drawn that is no fact.
func TestHarmlessObjectsTellNobody(t *testing.T) {
	var told []string
	u := unwatched(t, &told)
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "theirs"}
	none := &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"}}
	harmless := &corev1.LimitRange{ObjectMeta: meta}
	closed := &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	}}
	for _, do := range []func(any) error{u.bindings.Add, u.bindings.Update, u.bindings.Delete} {
		if err := do(none); err != nil {
			t.Fatal(err)
		}
	}
	for _, do := range []func(any) error{u.limits.Add, u.limits.Update, u.limits.Delete} {
		if err := do(harmless); err != nil {
			t.Fatal(err)
		}
	}
	for _, do := range []func(any) error{u.policies.Add, u.policies.Update, u.policies.Delete} {
		if err := do(closed); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) > 0 {
		t.Errorf("told of nothing: %v", told)
	}
}
