package correction

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// Writer makes the writes that end drift, one at a time. The objects that it is given may be shared
// with the cache, so that what is written is a copy.
type Writer struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Live reads from the API server, for what the cache does not hold.
	Live client.Reader
}

// Admits asks the API server whether it would make an object, by a dry run: admission is asked
// before the name, so that an object of the same name means that it would.
func (w Writer) Admits(ctx context.Context, want baseline.Object) error {
	asked := want.DeepCopyObject().(baseline.Object)
	err := w.Client.Create(ctx, asked, client.DryRunAll, client.DisableReadYourWritesConsistency)
	return ignoreAlreadyExists(err)
}

// Create makes an object, and returns what it is then.
func (w Writer) Create(ctx context.Context, want baseline.Object) (baseline.Object, error) {
	object := want.DeepCopyObject().(baseline.Object)
	return object, w.Client.Create(ctx, object)
}

// Overwrite replaces what the object enforces, whatever that is by now: it is all ours, and a lock
// on the version that was read would only lose races with the quota controller's status writes and
// with whoever keeps editing. Others' metadata stays: to strip it would be a fight with whoever put
// it there.
func (w Writer) Overwrite(ctx context.Context, want, got baseline.Object) (baseline.Object, error) {
	patch, err := drift.Patch(want, got)
	if err != nil {
		return nil, err
	}
	return w.patch(ctx, got, types.JSONPatchType, patch)
}

// patch writes a patch of an object, and returns what the object is then.
func (w Writer) patch(
	ctx context.Context, of baseline.Object, patchType types.PatchType, patch []byte, options ...client.PatchOption,
) (baseline.Object, error) {
	object := baseline.KindOf(of).New()
	object.SetNamespace(of.GetNamespace())
	object.SetName(of.GetName())
	return object, w.Client.Patch(ctx, object, client.RawPatch(patchType, patch), options...)
}

// PatchMetadata writes a merge patch of an object's metadata. An object that is gone is no error,
// and the write is not waited for.
func (w Writer) PatchMetadata(ctx context.Context, got baseline.Object, patch string) error {
	_, err := w.patch(ctx, got, types.MergePatchType, []byte(patch), client.DisableReadYourWritesConsistency)
	return client.IgnoreNotFound(err)
}

// Apply sets our fields of an object that comes with the namespace, by server-side apply, and
// returns what the object is then, and of what the API server warned. Others' fields stay theirs.
//
// The UID of the object that was found goes along, so that one that has vanished since, a namespace
// say, is not made by applying to it. It is empty if none was found.
func (w Writer) Apply(
	ctx context.Context, want baseline.Object, uid types.UID,
) (applied baseline.Object, warnings []string, _ error) {
	ctx, collected := clusteraccess.CollectWarnings(ctx)
	configuration, err := json.Marshal(applyConfiguration(want, uid))
	if err != nil {
		return nil, nil, fmt.Errorf("writing what is applied: %w", err)
	}
	applied, err = w.patch(ctx, want, types.ApplyYAMLPatchType, configuration, client.ForceOwnership) // JSON is YAML.
	return applied, collected.Texts(), err
}

// Amend sets our fields of a ServiceAccount that we made, whatever they are by now. Another
// profile's ownership ends where this one's begins; if nothing is wrong with the owners, they are
// not written, so that nobody's are lost.
func (w Writer) Amend(ctx context.Context, wanted, got baseline.Object) (baseline.Object, error) {
	want := wanted.(*corev1.ServiceAccount)
	metadata := map[string]any{"labels": want.Labels}
	owners := slices.DeleteFunc(slices.Clone(got.GetOwnerReferences()), drift.OwnedByProfile)
	if owners = append(owners, want.OwnerReferences...); !equality.Semantic.DeepEqual(owners, got.GetOwnerReferences()) {
		metadata["ownerReferences"] = owners
	}
	patch, err := json.Marshal(
		map[string]any{"metadata": metadata, "automountServiceAccountToken": want.AutomountServiceAccountToken},
	)
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	return w.patch(ctx, want, types.MergePatchType, patch)
}

// GiveBack sets the labels of before on a namespace, under a field manager of their own: they stay
// when Bulwark then gives up its own, and there is no instant without a level. A label that Bulwark
// has not set itself replaced none: whoever made the namespace with an annotation that says so has
// nothing set by it.
func (w Writer) GiveBack(ctx context.Context, ns baseline.Object, before map[string]string) error {
	if len(before) == 0 {
		return nil
	}
	managedFields, err := w.ManagedFields(ctx, ns)
	if err != nil {
		return err
	}
	if before = takeover.OfOurs(before, managedFields); len(before) == 0 {
		return nil
	}
	configuration := corev1ac.Namespace(ns.GetName()).WithUID(ns.GetUID()).WithLabels(before)
	err = w.Client.Apply(ctx, configuration, client.ForceOwnership, client.FieldOwner(v1alpha1.ReturningFieldManager),
		client.DisableReadYourWritesConsistency)
	if err != nil {
		return fmt.Errorf("giving back the Pod Security labels of namespace %s: %w", ns.GetName(), err)
	}
	return nil
}

// ManagedFields reads from the API server who manages which field of an object. The cache does not
// hold that of every kind.
func (w Writer) ManagedFields(ctx context.Context, o baseline.Object) ([]metav1.ManagedFieldsEntry, error) {
	return inventory.ManagedFields(ctx, w.Live, o)
}

// applyConfiguration is what Bulwark sets on an object that comes with the namespace.
func applyConfiguration(want baseline.Object, uid types.UID) runtime.ApplyConfiguration {
	if o, ok := want.(*corev1.Namespace); ok {
		return corev1ac.Namespace(o.Name).WithUID(uid).WithLabels(o.Labels).WithAnnotations(o.Annotations)
	}
	account := corev1ac.ServiceAccount(want.GetName(), want.GetNamespace()).WithLabels(want.GetLabels())
	account.AutomountServiceAccountToken = want.(*corev1.ServiceAccount).AutomountServiceAccountToken
	if uid != "" {
		account.WithUID(uid)
	}
	return account
}
