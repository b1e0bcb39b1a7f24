package controllers

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// addProtected counts, among the findings of a profile, what bears its label in protected
// namespaces.
func (r *SecurityProfileReconciler) addProtected(
	ctx context.Context,
	profile *v1alpha1.SecurityProfile,
	selector *selection.Selector,
	namespaces []corev1.Namespace,
	status *v1alpha1.SecurityProfileStatus,
) error {
	if !profile.LooksFor(v1alpha1.FindingIDObjectInProtectedNamespace) {
		return nil
	}
	n := 0
	for i := range namespaces {
		ns := &namespaces[i]
		if !selector.Protects(ns.Name) {
			continue
		}
		if profileOf(ns) == profile.Name {
			n++
		}
		labelled, err := countLabelled(ctx, r.Client, ns.Name, profile.Name)
		if err != nil {
			return err
		}
		n += labelled
	}
	if n == 0 {
		return nil
	}
	status.FindingTotals = append(status.FindingTotals, v1alpha1.FindingTotal{
		ID: v1alpha1.FindingIDObjectInProtectedNamespace, Severity: v1alpha1.SeverityLow, Count: int32(min(n, 1<<30)),
	})
	slices.SortFunc(status.FindingTotals, func(a, b v1alpha1.FindingTotal) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Severity, b.Severity))
	})
	return nil
}

// countLabelled counts the objects in a namespace that bear the label of a profile.
func countLabelled(ctx context.Context, cached inventory.Cache, namespace, profile string) (int, error) {
	n := 0
	for i := range baseline.NamespacedKinds {
		objects, err := inventory.LabelledIn(ctx, cached, &baseline.NamespacedKinds[i], namespace)
		if err != nil {
			return 0, err
		}
		for _, o := range objects {
			if profileOf(o.(client.Object)) == profile {
				n++
			}
		}
	}
	return n, nil
}
