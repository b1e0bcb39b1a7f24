package watch

import (
	"context"
	"errors"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// binding is a RoleBinding of namespace shop.
func binding(kind, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-bound"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
	}
}

// judging judges by two ClusterRoles, reader and writer, and asks for what may be bound.
func judging(t *testing.T, ask func(namespace, role string) (bool, error)) *ClusterRoles {
	t.Helper()
	mayBind := func(_ context.Context, namespace, role string) (bool, error) { return ask(namespace, role) }
	r := NewClusterRoles(nil, clocktesting.NewFakePassiveClock(noon), mayBind, func(string) []string { return nil })
	var roles []any
	for name, verb := range map[string]string{"reader": "get", "writer": "update"} {
		roles = append(roles, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"limitranges"}, Verbs: []string{verb},
		}}})
	}
	if err := r.kept.Replace(roles, "1"); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestABindingIsJudgedByItsClusterRole(t *testing.T) {
	answers := func(allowed ...string) func(string, string) (bool, error) {
		return func(namespace, role string) (bool, error) {
			for _, a := range allowed {
				if a == namespace+"/"+role {
					return true, nil
				}
			}
			return false, nil
		}
	}
	down := errors.New("the API server is down")
	for it, test := range map[string]struct {
		binding *rbacv1.RoleBinding
		ask     func(namespace, role string) (bool, error)
		refused func(error) bool
	}{
		"a Role is judged by itself": {binding("Role", "writer"), answers(), nil},
		"one that permits little is bound, and nobody is asked": {
			binding("ClusterRole", "reader"), func(string, string) (bool, error) { return false, down }, nil,
		},
		"one that permits too much is not":   {binding("ClusterRole", "writer"), answers(), apierrors.IsForbidden},
		"unless it may be bound by its name": {binding("ClusterRole", "writer"), answers("/writer"), nil},
		"also in this namespace only":        {binding("ClusterRole", "writer"), answers("shop/writer"), nil},
		"another name does not help": {
			binding("ClusterRole", "writer"), answers("/reader", "till/writer"), apierrors.IsForbidden,
		},
		"one that is not known is not bound": {
			binding("ClusterRole", "none"), answers(), apierrors.IsNotFound,
		},
		"unless it may be bound by its name, though not seen": {binding("ClusterRole", "none"), answers("/none"), nil},
		"if nobody can tell, it is not bound": {
			binding("ClusterRole", "writer"), func(string, string) (bool, error) { return false, down },
			func(err error) bool { return errors.Is(err, down) },
		},
	} {
		t.Run(it, func(t *testing.T) {
			err := judging(t, test.ask).CheckBinding(t.Context(), test.binding)
			if test.refused == nil && err != nil || test.refused != nil && !test.refused(err) {
				t.Errorf("answered %v", err)
			}
		})
	}
}
