package release

import (
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Named are the names of profiles.
func Named(profiles []*v1alpha1.SecurityProfile) map[string]bool {
	named := map[string]bool{}
	for _, p := range profiles {
		named[p.Name] = true
	}
	return named
}

// Broken is the profile that governs the namespace and cannot be carried out, and why; no
// error if there is none.
func Broken(
	selector *selection.Selector, selecting []*v1alpha1.SecurityProfile,
	ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (*v1alpha1.SecurityProfile, error) {
	if len(selecting) == 0 {
		broken := selector.Unremembered(Marks(ns, report)...)
		if broken == nil {
			return nil, nil
		}
		return broken, selector.Invalid(broken.Name)
	}
	if !controllerutil.ContainsFinalizer(selecting[0], v1alpha1.Finalizer) {
		return nil, nil
	}
	return selecting[0], selector.Invalid(selecting[0].Name)
}
