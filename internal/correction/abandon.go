package correction

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Abandon leaves an object as it is, and nobody's: without the label by which it is ours and the
// owner with whom it would be deleted. An object that we made bears the label that says so, also if
// somebody has taken that away, so that a later profile recognises it.
//
// It is not waited for: the object leaves the cache, and if the watch breaks just then the cache
// never sees this version of it.
func (w Writer) Abandon(ctx context.Context, got baseline.Object, made bool) error {
	if isAbandoned(got) {
		return nil
	}
	abandoned, patch := abandonment(got, made)
	if ns, ok := got.(*corev1.Namespace); ok {
		var err error
		if patch, err = namespaceAbandonment(ns); err != nil {
			return err
		}
	}
	return w.Client.Patch(ctx, abandoned, patch, client.DisableReadYourWritesConsistency)
}

// abandonment is the object as it shall be, and the patch that makes it so, whatever the object has
// become since it was read: once it is nobody's, nobody looks at it again. All owners of what is
// ours alone go. Of what others have a part in, ours go, and the patch is refused if the object is
// not as it was read.
func abandonment(got baseline.Object, made bool) (client.Object, client.Patch) {
	abandoned := got.DeepCopyObject().(client.Object)
	if !baseline.KindOf(got).Shared {
		labels := fmt.Sprintf("%q:null", v1alpha1.ProfileLabel)
		if made {
			labels += fmt.Sprintf(",%q:%q", v1alpha1.ManagedByLabel, v1alpha1.ManagedBy)
		}
		return abandoned, client.RawPatch(types.MergePatchType, fmt.Appendf(nil,
			`{"metadata":{"uid":%q,"labels":{%s},"ownerReferences":null}}`, got.GetUID(), labels))
	}
	labels := map[string]string{}
	maps.Copy(labels, got.GetLabels())
	delete(labels, v1alpha1.ProfileLabel)
	if made && !baseline.BelongsToNamespace(got) {
		labels[v1alpha1.ManagedByLabel] = v1alpha1.ManagedBy
	}
	abandoned.SetLabels(labels)
	abandoned.SetOwnerReferences(slices.DeleteFunc(slices.Clone(got.GetOwnerReferences()), drift.OwnedByProfile))
	return abandoned, client.MergeFromWithOptions(got, client.MergeFromWithOptimisticLock{})
}

// namespaceAbandonment is the patch that makes a namespace nobody's, with the labels that it bears,
// and refused if it is not as it was read. The cache holds none of its annotations but ours, so
// that no difference to it may be written.
func namespaceAbandonment(ns *corev1.Namespace) (client.Patch, error) {
	metadata := map[string]any{
		"resourceVersion": ns.ResourceVersion,
		"labels": map[string]any{
			v1alpha1.ProfileLabel:   nil,
			v1alpha1.WorkloadsLabel: nil,
			v1alpha1.ImagesLabel:    nil,
		},
		"annotations": map[string]any{v1alpha1.PodSecurityBeforeAnnotation: nil},
	}
	if owners := ns.OwnerReferences; slices.ContainsFunc(owners, drift.OwnedByProfile) {
		metadata["ownerReferences"] = slices.DeleteFunc(slices.Clone(owners), drift.OwnedByProfile)
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	return client.RawPatch(types.MergePatchType, patch), nil
}

// isAbandoned reports whether an object is as Abandon leaves what we made.
func isAbandoned(o baseline.Object) bool {
	owned := len(o.GetOwnerReferences()) > 0
	if baseline.KindOf(o).Shared {
		owned = slices.ContainsFunc(o.GetOwnerReferences(), drift.OwnedByProfile)
	}
	made := baseline.BelongsToNamespace(o) || o.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.ManagedBy
	return made && !baseline.IsLabelled(o) && !owned
}
