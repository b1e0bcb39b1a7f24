package correction

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// Remove takes an object away; from one that comes with the namespace, only our fields of it. It is
// not waited for: an object that does not bear our label is not in the cache, which would never see
// it go, and every later read would wait in vain.
func (w Writer) Remove(ctx context.Context, got baseline.Object) error {
	if !baseline.BelongsToNamespace(got) {
		return w.Delete(ctx, got)
	}
	if _, ok := got.(*corev1.Namespace); ok {
		if err := w.GiveBack(ctx, got, takeover.Remembered(got.GetAnnotations())); err != nil {
			return err
		}
	}
	err := w.Client.Apply(
		ctx,
		emptyApplyConfiguration(got),
		client.ForceOwnership,
		client.DisableReadYourWritesConsistency,
	)
	if err != nil {
		return err
	}
	// An apply that leaves the labels out would not remove those that somebody else has set too, by
	// forging them or by restoring the object.
	return w.PatchMetadata(
		ctx,
		got,
		fmt.Sprintf(`{"metadata":{"labels":{%q:null,%q:null,%q:null},"annotations":{%q:null}}}`,
			v1alpha1.ProfileLabel, v1alpha1.WorkloadsLabel, v1alpha1.ImagesLabel, v1alpha1.PodSecurityBeforeAnnotation),
	)
}

// RemoveAll deletes admission policies and their bindings, the latter first. An object that is gone
// already is no error.
func (w Writer) RemoveAll(ctx context.Context, objects []baseline.Object) error {
	slices.SortStableFunc(objects, func(a, b baseline.Object) int { return baseline.ByClusterKind(b, a) })
	for _, o := range objects {
		if err := w.Remove(ctx, o); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %s: %w", baseline.Describe(o), err)
		}
	}
	return nil
}

// Delete deletes exactly this object, not another that has taken its name since, whatever finalizer
// a tenant has put on it. Finalizers are taken off afterwards: nobody can put one on by then, and
// an object that is not deleted after all keeps those of others. Not found is an error, and so is a
// conflict: another object has taken the name, which the next pass deals with.
func (w Writer) Delete(ctx context.Context, got baseline.Object) error {
	if baseline.KindOf(got).DeleteAsRead {
		return w.deleteAsRead(ctx, got)
	}
	uid := got.GetUID()
	options := []client.DeleteOption{client.Preconditions{UID: &uid}, client.DisableReadYourWritesConsistency}
	if err := w.Client.Delete(ctx, got, options...); err != nil || len(got.GetFinalizers()) == 0 {
		return err
	}
	patch, err := drift.WithoutFinalizers(got)
	if err != nil {
		return err
	}
	_, err = w.patch(ctx, got, types.JSONPatchType, patch, client.DisableReadYourWritesConsistency)
	return client.IgnoreNotFound(err)
}

// deleteAsRead deletes an object in the version that was read, or the one without finalizers that
// follows it. Any other version may hold one more finalizer, by which the object would stay.
func (w Writer) deleteAsRead(ctx context.Context, got baseline.Object) error {
	if len(got.GetFinalizers()) > 0 {
		released := got.DeepCopyObject().(baseline.Object)
		released.SetFinalizers(nil)
		if loosen := baseline.KindOf(got).Loosen; loosen != nil {
			loosen(released)
		}
		if err := w.Client.Update(ctx, released, client.DisableReadYourWritesConsistency); err != nil {
			return err
		}
		got = released
	}
	uid, version := got.GetUID(), got.GetResourceVersion()
	return w.Client.Delete(ctx, got, client.Preconditions{UID: &uid, ResourceVersion: &version},
		client.DisableReadYourWritesConsistency)
}

// emptyApplyConfiguration sets nothing, and so gives up all that Bulwark set.
func emptyApplyConfiguration(got baseline.Object) runtime.ApplyConfiguration {
	if _, ok := got.(*corev1.Namespace); ok {
		return corev1ac.Namespace(got.GetName()).WithUID(got.GetUID())
	}
	return corev1ac.ServiceAccount(got.GetName(), got.GetNamespace()).WithUID(got.GetUID())
}

// ignoreAlreadyExists returns nil for the API server's refusal to make an object of a name that is
// taken.
func ignoreAlreadyExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
