package reports

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// WriteStatus writes the status of a profile if it says anything new.
func WriteStatus(
	ctx context.Context, c client.Client, profile *v1alpha1.SecurityProfile, status *v1alpha1.SecurityProfileStatus,
) error {
	if equality.Semantic.DeepEqual(&profile.Status, status) {
		return nil
	}
	profile.Status = *status
	if err := c.Status().Update(ctx, profile); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of SecurityProfile %s: %w", profile.Name, err))
	}
	return nil
}

// WriteFinalizers writes the finalizers of a profile and nothing else, if nobody has changed the
// profile since it was read.
func WriteFinalizers(ctx context.Context, c client.Client, before, after *v1alpha1.SecurityProfile) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("writing the finalizers of SecurityProfile %s: %w", after.Name, err)
	}
	return nil
}
