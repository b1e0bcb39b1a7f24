package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// remember has the status of a profile hold what its spec selects. It is written before the profile
// is held, and so before anything is done for it: no crash comes between a baseline and the
// knowledge of whose it is.
func (r *SecurityProfileReconciler) remember(ctx context.Context, profile *v1alpha1.SecurityProfile) error {
	known := selection.Remember(profile)
	if equality.Semantic.DeepEqual(known, profile.Status.Selection) {
		return nil
	}
	selector, err := inventory.Selector(ctx, r.Client, r.Protected)
	if err != nil {
		return err
	}
	if selector.Invalid(profile.Name) != nil { // Beside others it weighs too much.
		return nil
	}
	status := profile.Status.DeepCopy()
	if len(status.Conditions) == 0 {
		status = posture.SummarizeNew(profile, r.Clock.Now())
	}
	status.Selection = known
	if err := r.writeStatus(ctx, profile, status); err != nil {
		return err
	}
	if profile.Status.Selection != nil { // A CRD of an older release drops it.
		r.remembered.Note(profile.Name, r.Clock.Now())
	}
	return nil
}

// governanceChanged lets through the updates of a profile that may change what it and others
// govern:
//
//  1. those of what is to be done,
//  2. those by which its status remembers another selection, which stands in for a broken spec, or
//     since when the spec is broken.
func governanceChanged() predicate.Predicate {
	return predicate.Or[client.Object](specChanged(), predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.SecurityProfile), e.ObjectNew.(*v1alpha1.SecurityProfile)
		return !equality.Semantic.DeepEqual(before.Status.Selection, after.Status.Selection)
	}})
}

// awaitedMemory are the namespaces that an update of a profile's status lets it govern, or no more:
// those that it selects and did not remember before, and those made since it is broken.
func (r *NamespaceReconciler) awaitedMemory(ctx context.Context, e event.UpdateEvent) []string {
	before, after := e.ObjectOld.(*v1alpha1.SecurityProfile), e.ObjectNew.(*v1alpha1.SecurityProfile)
	return slices.DeleteFunc(r.touchedBy(ctx, after), func(name string) bool {
		var ns corev1.Namespace
		err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &ns,
			client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
		return err == nil && selection.Remembers(before, &ns) && !selection.Yields(before, after, &ns)
	})
}
