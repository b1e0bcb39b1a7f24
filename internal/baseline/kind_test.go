package baseline

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestKinds(t *testing.T) {
	type row struct {
		APIVersion, Kind, Resource string
		Shared                     bool
		Immutable                  []string
	}
	want := []row{
		{"v1", "Namespace", "namespaces", true, nil},
		{"networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", false, nil},
		{"v1", "LimitRange", "limitranges", false, nil},
		{"v1", "ResourceQuota", "resourcequotas", false, []string{"spec.scopes", "spec.scopeSelector"}},
		{"v1", "ServiceAccount", "serviceaccounts", true, nil},
		{"rbac.authorization.k8s.io/v1", "Role", "roles", false, nil},
		{"rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", false, []string{"roleRef"}},
	}
	var got []row
	for _, k := range Kinds {
		apiVersion, kind := k.ToAPIVersionAndKind()
		got = append(got, row{apiVersion, kind, k.Resource, k.Shared, k.Immutable})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKindOfFindsTheKindOfWhatItMakes(t *testing.T) {
	for i := range Kinds {
		made := Kinds[i].New()
		if got := KindOf(made); got != &Kinds[i] {
			t.Errorf("%T: got kind %s, want %s", made, got.Kind, Kinds[i].Kind)
		}
		if again := Kinds[i].New(); again == made {
			t.Errorf("%s: New gives the same object twice", Kinds[i].Kind)
		}
	}
}

func TestKindOfPanicsOnAKindThatIsNotManaged(t *testing.T) {
	defer func() {
		if got, want := recover(), "baseline: *v1.ConfigMap is not a managed kind"; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}()
	KindOf(&corev1.ConfigMap{})
}

func TestContentIsWhatTheBaselineDeclares(t *testing.T) {
	automount := ptr.To(true)
	roleRef := rbacv1.RoleRef{Kind: "Role", Name: "r"}
	subjects := []rbacv1.Subject{{Kind: "User", Name: "ann"}}
	rules := []rbacv1.PolicyRule{{Verbs: []string{"get"}}}
	deny := networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Egress"}}
	limits := corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: "Pod"}}}
	hard := corev1.ResourceQuotaSpec{Hard: quantities("pods", "1")}
	for sentence, tc := range map[string]struct {
		object Object
		want   map[string]any
	}{
		"nothing of a Namespace": {&corev1.Namespace{Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{"x"}}}, nil},
		"a NetworkPolicy's spec": {&networkingv1.NetworkPolicy{Spec: deny}, map[string]any{"spec": deny}},
		"a LimitRange's spec":    {&corev1.LimitRange{Spec: limits}, map[string]any{"spec": limits}},
		"a ResourceQuota's spec and not its status": {
			&corev1.ResourceQuota{Spec: hard, Status: corev1.ResourceQuotaStatus{Used: quantities("pods", "1")}},
			map[string]any{"spec": hard},
		},
		"a ServiceAccount's token and not its secrets": {
			&corev1.ServiceAccount{AutomountServiceAccountToken: automount, Secrets: []corev1.ObjectReference{{Name: "s"}}},
			map[string]any{"automountServiceAccountToken": automount},
		},
		"a Role's rules": {&rbacv1.Role{Rules: rules}, map[string]any{"rules": rules}},
		"a RoleBinding's role and subjects": {
			&rbacv1.RoleBinding{RoleRef: roleRef, Subjects: subjects},
			map[string]any{"roleRef": roleRef, "subjects": subjects},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, KindOf(tc.object).Content(tc.object)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReferenceNeedsNoTypeMeta(t *testing.T) {
	want := v1alpha1.ObjectReference{
		APIVersion: "networking.k8s.io/v1",
		Kind:       "NetworkPolicy",
		Name:       "bulwark-default-deny",
	}
	object := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "bulwark-default-deny"}}
	if got := Reference(object); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNamedIsWhatABaselineMayHold(t *testing.T) {
	long := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "bulwark-" + strings.Repeat("x", 300)}}
	for sentence, tc := range map[string]struct {
		ref  v1alpha1.ObjectReference
		want Object
	}{
		"an object with our prefix": {
			v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role", Name: "bulwark-developer"},
			&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "bulwark-developer"}},
		},
		"the default service account": {
			v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ServiceAccount", Name: "default"},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "default"}},
		},
		"the namespace": {
			v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "team-a"},
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}},
		},
		"not another namespace":              {v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "team-b"}, nil},
		"not what tenants name":              {v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role", Name: "tenants-own"}, nil},
		"not a kind that is not managed":     {v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Secret", Name: "bulwark-developer"}, nil},
		"not a name that was bounded":        {Reference(long), nil},
		"not a name that no request can ask": {v1alpha1.ObjectReference{APIVersion: "v1", Kind: "LimitRange", Name: "bulwark-%"}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Named(tc.ref, "team-a")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReferenceBoundsNames(t *testing.T) {
	long := strings.Repeat("ö", 1000)
	for sentence, tc := range map[string]struct{ name, want string }{
		"a name of 253 characters stays": {strings.Repeat("ö", 253), strings.Repeat("ö", 253)},
		"a longer one is its beginning and a digest": {
			strings.Repeat("ö", 254), strings.Repeat("ö", 219) + "…/873c6f8f68e0c33a6cd9fb582c7a33e1",
		},
		"one that steers a terminal or begins a line is quoted, with a digest": {
			"a\x1b[2J\nb\u202e", `a\u001b[2J\nb\u202e` + "…/624928b0aace93f7ba958b7a69366160",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := Reference(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: tc.name}}).Name
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	names := map[string]bool{}
	for _, name := range []string{"\xff", "\xfe", "�", "a\nb", `a\nb`, long, long + "ö", long + "a", Reference(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: long}}).Name} {
		names[Reference(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}}).Name] = true
	}
	if len(names) != 8 { // The last is bounded already.
		t.Errorf("want eight references of eight names, got %d", len(names))
	}
}
