package release

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// CountProtected counts what bears the label of a profile in protected namespaces, with these
// themselves, if the profile looks for that.
func CountProtected(
	ctx context.Context, cached inventory.Cache,
	profile *v1alpha1.SecurityProfile, selector *selection.Selector, namespaces []corev1.Namespace,
) (int, error) {
	if !profile.LooksFor(v1alpha1.FindingIDObjectInProtectedNamespace) {
		return 0, nil
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
		labelled, err := countLabelled(ctx, cached, ns.Name, profile.Name)
		if err != nil {
			return 0, err
		}
		n += labelled
	}
	return n, nil
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
			if profileOf(o) == profile {
				n++
			}
		}
	}
	return n, nil
}
