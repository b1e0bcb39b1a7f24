package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// binding is a RoleBinding of namespace shop.
func binding(kind, role string, subjects ...string) *rbacv1.RoleBinding {
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-bound"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
	}
	for _, s := range subjects {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: s})
	}
	return b
}

// judging judges by two ClusterRoles, reader and writer, and asks for what may be bound.
func judging(t *testing.T, ask func(namespace, role string) (bool, error)) *NamespaceReconciler {
	t.Helper()
	r := &NamespaceReconciler{
		Clock: clocktesting.NewFakePassiveClock(noon), clusterRoles: newClusterRoles(nil),
		grants: newGrantedBinds(func(_ context.Context, namespace, role string) (bool, error) { return ask(namespace, role) }),
	}
	var roles []any
	for name, verb := range map[string]string{"reader": "get", "writer": "update"} {
		roles = append(roles, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"limitranges"}, Verbs: []string{verb},
		}}})
	}
	if err := r.clusterRoles.clusterRoles.Replace(roles, "1"); err != nil {
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
		"one that permits too much is not":                    {binding("ClusterRole", "writer"), answers(), apierrors.IsForbidden},
		"unless it may be bound by its name":                  {binding("ClusterRole", "writer"), answers("/writer"), nil},
		"also in this namespace only":                         {binding("ClusterRole", "writer"), answers("shop/writer"), nil},
		"another name does not help":                          {binding("ClusterRole", "writer"), answers("/reader", "till/writer"), apierrors.IsForbidden},
		"one that is not known is not bound":                  {binding("ClusterRole", "none"), answers(), apierrors.IsNotFound},
		"unless it may be bound by its name, though not seen": {binding("ClusterRole", "none"), answers("/none"), nil},
		"if nobody can tell, it is not bound": {
			binding("ClusterRole", "writer"), func(string, string) (bool, error) { return false, down }, func(err error) bool { return errors.Is(err, down) },
		},
	} {
		t.Run(it, func(t *testing.T) {
			err := judging(t, test.ask).refusedBinding(t.Context(), test.binding)
			if test.refused == nil && err != nil || test.refused != nil && !test.refused(err) {
				t.Errorf("answered %v", err)
			}
		})
	}
}

func TestWhatMayBeBoundIsAskedOnceInAWhile(t *testing.T) {
	var asked []string
	allowed := true
	g := newGrantedBinds(func(_ context.Context, namespace, role string) (bool, error) {
		asked = append(asked, namespace+"/"+role)
		return allowed, nil
	})
	now := noon
	for _, step := range []struct {
		after   time.Duration
		allowed bool
		want    []string
	}{
		{0, true, []string{"/edit"}},
		{grantsHold - 1, true, nil},
		{1, false, []string{"/edit", "shop/edit"}},
		{time.Second, false, []string{"shop/edit"}},
		{-time.Hour, true, []string{"/edit"}}, // The clock was set back.
	} {
		now, allowed, asked = now.Add(step.after), step.allowed, nil
		if got, err := g.allows(t.Context(), "shop", "edit", now); err != nil || got != step.allowed {
			t.Errorf("after %s: %v, %v", step.after, got, err)
		}
		if diff := cmp.Diff(step.want, asked); diff != "" {
			t.Errorf("after %s asked (-want +got):\n%s", step.after, diff)
		}
	}
	if _, err := g.allows(t.Context(), "shop", "other", now.Add(time.Hour)); err != nil || len(g.answered) != 1 {
		t.Errorf("old answers are remembered: %v (%v)", g.answered, err)
	}
}

func TestARefusedBindingGivesNobodyAnythingNew(t *testing.T) {
	for it, test := range map[string]struct{ want, got, kept []string }{
		"nobody is added":                    {[]string{"a", "b"}, []string{"a"}, []string{"a"}},
		"who was added goes":                 {[]string{"a"}, []string{"a", "mallory"}, []string{"a"}},
		"both at once":                       {[]string{"a", "b"}, []string{"a", "mallory"}, []string{"a"}},
		"nobody is left if all were changed": {[]string{"a"}, []string{"mallory"}, nil},
	} {
		t.Run(it, func(t *testing.T) {
			kept := narrowed(binding("ClusterRole", "writer", test.want...), binding("ClusterRole", "writer", test.got...))
			if diff := cmp.Diff(binding("ClusterRole", "writer", test.kept...).Subjects, kept.Subjects, cmp.Transformer("nil", func(s []rbacv1.Subject) []rbacv1.Subject {
				return append([]rbacv1.Subject{}, s...)
			})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABindingThatGivesIsFound(t *testing.T) {
	want := binding("ClusterRole", "writer", "a")
	as := func(state v1alpha1.DriftState, err error, got baseline.Object) []drift.Outcome {
		return []drift.Outcome{{Drift: drift.Drift{Object: baseline.Reference(want), Got: got, Want: want}, State: state, Err: err}}
	}
	refused := errors.New("refused")
	for it, test := range map[string]struct {
		outcomes []drift.Outcome
		gives    bool
	}{
		"one that is in place":                         {nil, true},
		"one that was put in place":                    {as(v1alpha1.Corrected, nil, nil), true},
		"one that would be, under Audit":               {as(v1alpha1.Present, nil, nil), true},
		"not one that was refused":                     {as(v1alpha1.Present, refused, nil), false},
		"one of which only a change was refused":       {as(v1alpha1.Present, refused, binding("ClusterRole", "writer", "b")), true},
		"not one in whose place another stays":         {as(v1alpha1.Present, refused, binding("ClusterRole", "reader", "a")), false},
		"not one whose name is an unmanaged binding's": {as(v1alpha1.Conflict, nil, binding("ClusterRole", "reader", "a")), false},
	} {
		t.Run(it, func(t *testing.T) {
			if gives(want, test.outcomes) != test.gives {
				t.Errorf("gives: %v", !test.gives)
			}
			r := judging(t, nil)
			bound := r.boundRoles([]baseline.Object{binding("Role", "writer"), binding("ClusterRole", "reader"), want}, test.outcomes)
			if _, found := bound["writer"]; found != test.gives || len(bound) > 1 {
				t.Errorf("found %v", bound)
			}
		})
	}
}
