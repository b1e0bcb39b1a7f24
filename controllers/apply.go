package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/takeover"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// answer is what the API server has made of a write.
type answer struct {
	// object is what is there now; nil if nothing is to exist.
	object baseline.Object
	// notices are what is to be told of the write.
	notices []events.Notice
	// level is the stricter Pod Security level that was put in place, if one was.
	level appliedLevel
}

func answered(object baseline.Object, err error) (answer, error) { return answer{object: object}, err }

// correct makes the one write, or for an immutable field the two, that end a drift, and returns
// what the API server has made of it, if the object is to exist. The objects of a drift may be
// shared with the cache, so that what is written is a copy.
func (r *NamespaceReconciler) correct(ctx context.Context, p *posture.Pass, o *drift.Outcome) (answer, error) {
	if _, ok := o.Want.(*rbacv1.RoleBinding); ok {
		return r.bind(ctx, p, o)
	}
	return r.write(ctx, p, o)
}

// write makes the write, whatever it grants.
func (r *NamespaceReconciler) write(ctx context.Context, p *posture.Pass, o *drift.Outcome) (answer, error) {
	switch d := o.Drift; {
	case d.Want == nil:
		return answer{}, r.remove(ctx, d.Got)
	case baseline.BelongsToNamespace(d.Want):
		return r.apply(ctx, p, d)
	case d.Got == nil:
		return r.create(ctx, p, d.Want)
	case d.Replaces():
		return r.replace(ctx, p, o)
	case baseline.KindOf(d.Want).Shared:
		return answered(r.amend(ctx, d))
	default:
		return answered(r.overwrite(ctx, d))
	}
}

// create makes an object, and returns what it is then.
func (r *NamespaceReconciler) create(ctx context.Context, p *posture.Pass, want baseline.Object) (answer, error) {
	var object baseline.Object
	opened, err := r.withRoom(ctx, p, baseline.Reference(want), func() error {
		object = want.DeepCopyObject().(baseline.Object)
		return r.Client.Create(ctx, object)
	})
	return answer{object: object, notices: opened}, err
}

// overwrite replaces what the object enforces, whatever that is by now: it is all ours, and a lock
// on the version that was read would only lose races with the quota controller's status writes and
// with whoever keeps editing. Others' metadata stays: to strip it would be a fight with whoever put
// it there.
func (r *NamespaceReconciler) overwrite(ctx context.Context, d drift.Drift) (baseline.Object, error) {
	patch, err := drift.Patch(d.Want, d.Got)
	if err != nil {
		return nil, err
	}
	return r.patch(ctx, d.Got, types.JSONPatchType, patch)
}

// patch writes a patch of an object, and returns what the object is then.
func (r *NamespaceReconciler) patch(
	ctx context.Context, of baseline.Object, patchType types.PatchType, patch []byte, options ...client.PatchOption,
) (baseline.Object, error) {
	object := baseline.KindOf(of).New()
	object.SetNamespace(of.GetNamespace())
	object.SetName(of.GetName())
	return object, r.Client.Patch(ctx, object, client.RawPatch(patchType, patch), options...)
}

// apply sets our fields of an object that comes with the namespace, by server-side apply. Others'
// fields stay theirs. The UID of the object that was found goes along, so that one that has
// vanished since, a namespace say, is not made by applying to it.
//
// What the API server warns of a stricter Pod Security level is returned: it saves a look at the pods.
func (r *NamespaceReconciler) apply(ctx context.Context, p *posture.Pass, d drift.Drift) (answer, error) {
	var uid types.UID
	var before map[string]string
	if d.Got != nil {
		uid, before = d.Got.GetUID(), d.Got.GetLabels()
	}
	if _, ok := d.Want.(*corev1.Namespace); ok { // What the profile of before declared and this one does not is as it was again.
		if err := r.giveBack(ctx, p.Namespace, takeover.Beyond(rememberedLabels(p), takeover.Remembered(d.Want.GetAnnotations()))); err != nil {
			return answer{}, err
		}
	}
	ctx, warnings := clusteraccess.CollectWarnings(ctx)
	configuration, err := json.Marshal(applyConfiguration(d.Want, uid))
	if err != nil {
		return answer{}, fmt.Errorf("writing what is applied: %w", err)
	}
	var applied baseline.Object
	opened, err := r.withRoom(ctx, p, d.Object, func() (err error) { // It makes a ServiceAccount that is missing.
		applied, err = r.patch(ctx, d.Want, types.ApplyYAMLPatchType, configuration, client.ForceOwnership) // JSON is YAML.
		return err
	})
	made := answer{object: applied, notices: opened}
	if err != nil {
		return made, err
	}
	if _, ok := d.Want.(*corev1.Namespace); ok && tightening.StricterLabels(d.Want.GetLabels(), before) {
		made.level = appliedLevel{tightened: true, warned: warnings.Texts()}
	}
	return made, nil
}

// amend sets our fields of a ServiceAccount that we made, whatever they are by now. Another
// profile's ownership ends where this one's begins; if nothing is wrong with the owners, they are
// not written, so that nobody's are lost.
func (r *NamespaceReconciler) amend(ctx context.Context, d drift.Drift) (baseline.Object, error) {
	want := d.Want.(*corev1.ServiceAccount)
	metadata := map[string]any{"labels": want.Labels}
	owners := slices.DeleteFunc(slices.Clone(d.Got.GetOwnerReferences()), drift.OwnedByProfile)
	if owners = append(owners, want.OwnerReferences...); !equality.Semantic.DeepEqual(owners, d.Got.GetOwnerReferences()) {
		metadata["ownerReferences"] = owners
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata, "automountServiceAccountToken": want.AutomountServiceAccountToken})
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	return r.patch(ctx, want, types.MergePatchType, patch)
}

// remove takes an object away; from one that comes with the namespace, only our fields of it. It is
// not waited for: an object that does not bear our label is not in the cache, which would never see
// it go, and every later read would wait in vain.
func (r *NamespaceReconciler) remove(ctx context.Context, got baseline.Object) error {
	if !baseline.BelongsToNamespace(got) {
		return r.deleteObject(ctx, got)
	}
	if _, ok := got.(*corev1.Namespace); ok {
		if err := r.giveBack(ctx, got, takeover.Remembered(got.GetAnnotations())); err != nil {
			return err
		}
	}
	err := r.Client.Apply(ctx, emptyApplyConfiguration(got), client.ForceOwnership, client.DisableReadYourWritesConsistency)
	if err != nil {
		return err
	}
	// What somebody else set too, by forging it or by restoring the object, is not ours alone to
	// give up.
	return r.patchMetadata(ctx, got, fmt.Sprintf(`{"metadata":{"labels":{%q:null,%q:null,%q:null},"annotations":{%q:null}}}`,
		v1alpha1.ProfileLabel, v1alpha1.WorkloadsLabel, v1alpha1.ImagesLabel, v1alpha1.PodSecurityBeforeAnnotation))
}

// abandon leaves an object as it is, and nobody's: without the label by which it is ours and the
// owner with whom it would be deleted. What we made bears the label that says so, also if somebody
// has taken that away, so that a later profile recognises it.
//
// It is not waited for: the object leaves the cache, and if the watch breaks just then the cache
// never sees this version of it.
func (r *NamespaceReconciler) abandon(ctx context.Context, got baseline.Object, made bool) error {
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
	return r.Client.Patch(ctx, abandoned, patch, client.DisableReadYourWritesConsistency)
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

// isAbandoned reports whether an object is as abandon leaves what we made.
func isAbandoned(o baseline.Object) bool {
	owned := len(o.GetOwnerReferences()) > 0
	if baseline.KindOf(o).Shared {
		owned = slices.ContainsFunc(o.GetOwnerReferences(), drift.OwnedByProfile)
	}
	made := baseline.BelongsToNamespace(o) || o.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.ManagedBy
	return made && !isLabelled(o) && !owned
}

// isLabelled reports whether an object bears the label by which it is a profile's.
func isLabelled(o client.Object) bool {
	_, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
	return labelled
}

func (r *NamespaceReconciler) patchMetadata(ctx context.Context, got baseline.Object, patch string) error {
	_, err := r.patch(ctx, got, types.MergePatchType, []byte(patch), client.DisableReadYourWritesConsistency)
	return client.IgnoreNotFound(err)
}

// deleteObject deletes exactly this object, not another that has taken its name since, whatever
// finalizer a tenant has put on it. Not found is an error, and so is a conflict: another object has
// taken the name, which the next pass deals with.
func (r *NamespaceReconciler) deleteObject(ctx context.Context, got baseline.Object) error {
	if len(got.GetFinalizers()) > 0 {
		patch, err := drift.WithoutFinalizers(got)
		if err != nil {
			return err
		}
		if _, err := r.patch(ctx, got, types.JSONPatchType, patch, client.DisableReadYourWritesConsistency); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	uid := got.GetUID()
	return r.Client.Delete(ctx, got, client.Preconditions{UID: &uid}, client.DisableReadYourWritesConsistency)
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

// emptyApplyConfiguration sets nothing, and so gives up all that Bulwark set.
func emptyApplyConfiguration(got baseline.Object) runtime.ApplyConfiguration {
	if _, ok := got.(*corev1.Namespace); ok {
		return corev1ac.Namespace(got.GetName()).WithUID(got.GetUID())
	}
	return corev1ac.ServiceAccount(got.GetName(), got.GetNamespace()).WithUID(got.GetUID())
}
