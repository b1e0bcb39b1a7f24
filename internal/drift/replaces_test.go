package drift

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

func TestReplaces(t *testing.T) {
	scope := corev1.ScopedResourceSelectorRequirement{ScopeName: "PriorityClass", Operator: "Exists"}
	selected := func(q *corev1.ResourceQuota) {
		q.Spec.ScopeSelector = &corev1.ScopeSelector{
			MatchExpressions: []corev1.ScopedResourceSelectorRequirement{scope},
		}
	}
	tests := map[string]struct {
		want, got baseline.Object
		replaces  bool
	}{
		"a role binding to another role": {
			want: binding(), got: edited(binding(), func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "admin" }),
			replaces: true,
		},
		"a role binding to another kind of role": {
			want: binding(), got: edited(binding(), func(b *rbacv1.RoleBinding) { b.RoleRef.Kind = "ClusterRole" }),
			replaces: true,
		},
		"a role binding with another subject": {
			want: binding(), got: edited(binding(), func(b *rbacv1.RoleBinding) {
				b.Subjects = []rbacv1.Subject{{Kind: "User", Name: "eve"}}
			}),
		},
		"a quota with scopes that were added": {
			want: quota("1"), got: edited(quota("1"), func(q *corev1.ResourceQuota) {
				q.Spec.Scopes = []corev1.ResourceQuotaScope{"BestEffort"}
			}),
			replaces: true,
		},
		"a quota with a scope selector that was added": {
			want: quota("1"), got: edited(quota("1"), selected), replaces: true,
		},
		"a quota with another scope selector": {
			want: edited(quota("1"), selected),
			got: edited(edited(quota("1"), selected), func(q *corev1.ResourceQuota) {
				q.Spec.ScopeSelector.MatchExpressions[0].Operator = "DoesNotExist"
			}),
			replaces: true,
		},
		"a quota of another amount": {want: quota("1"), got: quota("2")},
		"a role with other rules":   {want: role("dev"), got: edited(role("dev"), func(r *rbacv1.Role) { r.Rules = nil })},
		"a role binding that is missing": {
			want: binding(),
		},
		"a role binding that is unexpected": {
			got: binding(),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var desired, existing []baseline.Object
			if tt.want != nil {
				desired = append(desired, tt.want)
			}
			if tt.got != nil {
				existing = append(existing, tt.got)
			}
			drifts := Compare(desired, existing, Ours)
			if len(drifts) != 1 {
				t.Fatalf("want one drift, got %v", drifts)
			}
			if got := drifts[0].Replaces(); got != tt.replaces {
				t.Errorf("replaces: want %v, got %v; the fields are %v", tt.replaces, got, texts(drifts[0].Fields))
			}
		})
	}
}

func TestOurs(t *testing.T) {
	owned := func(apiVersion, kind string) metav1.ObjectMeta {
		return metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "ConfigMap", Name: "c"}, {APIVersion: apiVersion, Kind: kind, Name: "strict"},
		}}
	}
	tests := map[string]struct {
		meta metav1.ObjectMeta
		want bool
	}{
		"neither label nor owner": {meta: metav1.ObjectMeta{Name: "bulwark-dev"}},
		"our label": {
			meta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/managed-by": "bulwark"}}, want: true,
		},
		"another tool's label": {
			meta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"}},
		},
		"the profile's label alone": {
			meta: metav1.ObjectMeta{Labels: map[string]string{"security.bulwark.dev/profile": "strict"}},
		},
		"an owner that is a profile": {
			meta: owned("security.bulwark.dev/v1alpha1", "SecurityProfile"),
			want: true,
		},
		"an owner that is a profile of another version": {
			meta: owned("security.bulwark.dev/v1", "SecurityProfile"),
			want: true,
		},
		"an owner of the same kind in another group": {meta: owned("example.com/v1alpha1", "SecurityProfile")},
		"an owner of another kind in our group":      {meta: owned("security.bulwark.dev/v1alpha1", "NamespacePosture")},
		"an owner whose API version cannot be read":  {meta: owned("security.bulwark.dev/v1/alpha1", "SecurityProfile")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Ours(&rbacv1.Role{ObjectMeta: tt.meta}); got != tt.want {
				t.Errorf("want %v, got %v", tt.want, got)
			}
		})
	}
}

func TestCompareDoesNotChangeWhatItCompares(t *testing.T) {
	profileOwned := []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: "c"},
		{APIVersion: "security.bulwark.dev/v1alpha1", Kind: "SecurityProfile", Name: "strict"},
	}
	got := edited(account("app", true), func(a *corev1.ServiceAccount) { a.OwnerReferences = profileOwned })
	before := got.DeepCopy()
	Compare([]baseline.Object{account("app", false)}, []baseline.Object{got}, Ours)
	if diff := cmp.Diff(before, got); diff != "" {
		t.Errorf("the object found (-before +after):\n%s", diff)
	}
}
