package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// labelsBefore are the annotations by which the desired Namespace, of these labels, remembers the
// Pod Security labels that it bore before Bulwark set its own, so that the write that replaces them
// remembers them.
//
//	the namespace                                          what is remembered
//	bears no label of ours, and no report says otherwise   all that the desired labels replace; what an annotation says is forged
//	is as the last report of this generation has it        what it remembers: what differs, somebody has set since
//	is taken over by another profile or generation, or     also what that replaces and somebody else has set, by managedFields
//	its report is lost
func (r *NamespaceReconciler) labelsBefore(
	ctx context.Context, p *posture.Pass, desired map[string]string,
) (map[string]string, error) {
	before := rememberedLabels(p)
	replaced := takeover.Beyond(takeover.Replaced(desired, p.Namespace.Labels), before)
	taken := p.WasInPlace(p.Namespace)
	switch {
	case len(replaced) == 0 || taken && p.Current():
		replaced = nil
	case taken || isLabelled(p.Namespace):
		if err := r.dropOurs(ctx, p.Namespace, replaced); err != nil {
			return nil, err
		}
	}
	merged := map[string]string{}
	maps.Copy(merged, replaced)
	maps.Copy(merged, before)
	annotations := takeover.Annotations(takeover.Within(merged, desired))
	if _, held := p.Namespace.Annotations[v1alpha1.PodSecurityBeforeAnnotation]; held && len(annotations) == 0 {
		annotations = map[string]string{v1alpha1.PodSecurityBeforeAnnotation: "{}"} // What is forged is overwritten.
	}
	return annotations, nil
}

// rememberedLabels are the labels of before that the namespace remembers. One that Bulwark has not
// taken over remembers nothing: whatever it holds is somebody else's.
func rememberedLabels(p *posture.Pass) map[string]string {
	if !isLabelled(p.Namespace) && !p.WasInPlace(p.Namespace) {
		return nil
	}
	return takeover.Remembered(p.Namespace.Annotations)
}

// dropOurs takes those labels out of others that Bulwark itself has set on a namespace.
func (r *NamespaceReconciler) dropOurs(ctx context.Context, ns *corev1.Namespace, labels map[string]string) error {
	managedFields, err := r.managedFields(ctx, ns)
	if err != nil {
		return err
	}
	maps.DeleteFunc(labels, func(key, _ string) bool {
		field := drift.Field{Path: []string{"metadata", "labels", key}}
		return drift.Attribute(managedFields, []drift.Field{field}).Manager == ""
	})
	return nil
}

// managedFields are who manages which field of a namespace, which the cache does not hold.
func (r *NamespaceReconciler) managedFields(ctx context.Context, ns baseline.Object) ([]metav1.ManagedFieldsEntry, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(baseline.KindOf(ns).GroupVersionKind)
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(ns), object); err != nil {
		return nil, fmt.Errorf("reading who manages the labels of namespace %s: %w", ns.GetName(), err)
	}
	return object.ManagedFields, nil
}

// giveBack sets the labels of before on a namespace, under a field manager of their own: they stay
// when Bulwark then gives up its own, and there is no instant without a level. A label that Bulwark
// has not set itself replaced none: whoever made the namespace with an annotation that says so has
// nothing set by it.
func (r *NamespaceReconciler) giveBack(ctx context.Context, ns baseline.Object, before map[string]string) error {
	if len(before) == 0 {
		return nil
	}
	managedFields, err := r.managedFields(ctx, ns)
	if err != nil {
		return err
	}
	if before = takeover.OfOurs(before, managedFields); len(before) == 0 {
		return nil
	}
	configuration := corev1ac.Namespace(ns.GetName()).WithUID(ns.GetUID()).WithLabels(before)
	err = r.Client.Apply(ctx, configuration, client.ForceOwnership, client.FieldOwner(v1alpha1.ReturningFieldManager),
		client.DisableReadYourWritesConsistency)
	if err != nil {
		return fmt.Errorf("giving back the Pod Security labels of namespace %s: %w", ns.GetName(), err)
	}
	return nil
}

// namespaceAbandonment is the patch that makes a namespace nobody's, with the labels that it bears,
// and refused if it is not as it was read. The cache holds none of its annotations but ours, so
// that no difference to it may be written.
func namespaceAbandonment(ns *corev1.Namespace) (client.Patch, error) {
	metadata := map[string]any{
		"resourceVersion": ns.ResourceVersion,
		"labels":          map[string]any{v1alpha1.ProfileLabel: nil, v1alpha1.WorkloadsLabel: nil, v1alpha1.ImagesLabel: nil},
		"annotations":     map[string]any{v1alpha1.PodSecurityBeforeAnnotation: nil},
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
