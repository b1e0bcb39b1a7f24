package inventory

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Selector makes a selector of the profiles that there are now.
func Selector(ctx context.Context, reader client.Reader, protected []string) (*selection.Selector, error) {
	var profiles v1alpha1.SecurityProfileList
	err := reader.List(ctx, &profiles, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, fmt.Errorf("listing SecurityProfiles: %w", err)
	}
	return selection.New(profiles.Items, protected), nil
}

// Profile is the profile of a name, shared with the cache, or nil if there is none.
func Profile(ctx context.Context, cached client.Reader, name string) (*v1alpha1.SecurityProfile, error) {
	var profile v1alpha1.SecurityProfile
	switch err := cached.Get(ctx, client.ObjectKey{Name: name}, &profile, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading SecurityProfile %s: %w", name, err)
	}
	return &profile, nil
}
