package controllers

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory/inventorytest"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/grants"
)

// binding is a RoleBinding of namespace shop.
func binding(kind, role string, subjects ...string) *rbacv1.RoleBinding {
	b := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop",
			Name:      "bulwark-bound",
		},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
	}
	for _, s := range subjects {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: s})
	}
	return b
}

// verdictOn is the verdict on two ClusterRoles, reader and writer.
func verdictOn(clusterRole string) grants.Verdict {
	verb := map[string]string{"reader": "get", "writer": "update"}[clusterRole]
	return grants.Judge(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: clusterRole}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"limitranges"}, Verbs: []string{verb},
	}}})
}

func TestABindingThatGivesIsFound(t *testing.T) {
	want := binding("ClusterRole", "writer", "a")
	as := func(state v1alpha1.DriftState, err error, got baseline.Object) []drift.Outcome {
		return []drift.Outcome{
			{Drift: drift.Drift{Object: baseline.Reference(want), Got: got, Want: want}, State: state, Err: err},
		}
	}
	refused := errors.New("refused")
	for it, test := range map[string]struct {
		outcomes []drift.Outcome
		gives    bool
	}{
		"one that is in place":                         {nil, true},
		"one that was put in place":                    {as(v1alpha1.DriftStateCorrected, nil, nil), true},
		"one that would be, under Audit":               {as(v1alpha1.DriftStatePresent, nil, nil), true},
		"not one that was refused":                     {as(v1alpha1.DriftStatePresent, refused, nil), false},
		"one of which only a change was refused":       {as(v1alpha1.DriftStatePresent, refused, binding("ClusterRole", "writer", "b")), true},
		"not one in whose place another stays":         {as(v1alpha1.DriftStatePresent, refused, binding("ClusterRole", "reader", "a")), false},
		"not one whose name is an unmanaged binding's": {as(v1alpha1.DriftStateConflict, nil, binding("ClusterRole", "reader", "a")), false},
	} {
		t.Run(it, func(t *testing.T) {
			if gives(want, test.outcomes) != test.gives {
				t.Errorf("gives: %v", !test.gives)
			}
			desired := []baseline.Object{binding("Role", "writer"), binding("ClusterRole", "reader"), want}
			bound := boundRoles(desired, test.outcomes, verdictOn)
			if _, found := bound["writer"]; found != test.gives || len(bound) > 1 {
				t.Errorf("found %v", bound)
			}
		})
	}
}

// bindingProfiles is a cache that holds one namespace, some profiles and no report.
type bindingProfiles struct{ inventorytest.Cluster }

func (c *bindingProfiles) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	switch list := into.(type) {
	case *corev1.NamespaceList:
		list.Items = []corev1.Namespace{*c.Namespace}
	case *v1alpha1.NamespacePostureList:
	default:
		return c.Cluster.List(ctx, into, options...)
	}
	return nil
}

func TestAClusterRoleConcernsTheNamespacesOfProfilesThatBindIt(t *testing.T) {
	binding := func(p *v1alpha1.SecurityProfile) {
		p.Spec.RBAC = &v1alpha1.RBAC{Bindings: []v1alpha1.RoleBinding{{Name: "viewers", ClusterRole: "view"}}}
	}
	r := &NamespaceReconciler{Client: &bindingProfiles{
		inventorytest.Cluster{
			Profiles: []v1alpha1.SecurityProfile{
				inventorytest.Profile("shop", binding),
				inventorytest.Profile("shop"),
				inventorytest.Profile("till", binding),
			},
			Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"shop": "yes"}}},
		},
	}}
	for role, want := range map[string][]string{"view": {"shop"}, "edit": nil} {
		if diff := cmp.Diff(want, r.namespacesUsing(role)); diff != "" {
			t.Errorf("%s: concerns (-want +got):\n%s", role, diff)
		}
	}
}
